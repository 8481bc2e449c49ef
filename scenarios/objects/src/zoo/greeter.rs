//! A greeter whose code changes: what the old code stored the new code finds.

use dormouse::{DurableObject, Env, Result, State, durable_object, rpc};
use serde::{Deserialize, Serialize};

/// The first code: a guest has a name.
pub mod first {
    use super::{Deserialize, DurableObject, Env, Result, Serialize, State, durable_object, rpc};

    #[derive(Serialize, Deserialize)]
    struct Guest {
        name: String,
    }

    /// Greets the guest by his name.
    #[durable_object]
    #[derive(Debug)]
    pub struct Greeter {
        state: State,
    }

    impl DurableObject for Greeter {
        fn new(state: State, _env: Env) -> Self {
            Self { state }
        }
    }

    #[rpc]
    impl Greeter {
        /// Remembers the guest.
        pub async fn meet(&self, name: String) -> Result<()> {
            self.state.storage().put("guest", Guest { name }).await
        }

        /// The name to greet him by, if one is known.
        pub async fn greet(&self) -> Result<Option<String>> {
            let guest = self.state.storage().get::<Guest>("guest").await?;
            Ok(guest.map(|guest| guest.name))
        }
    }
}

/// The next code: a guest may have a title, and need not.
pub mod tolerant {
    use super::{Deserialize, DurableObject, Env, Result, Serialize, State, durable_object, rpc};

    #[derive(Serialize, Deserialize)]
    struct Guest {
        name: String,
        #[serde(default)] // the first code knew none
        title: Option<String>,
    }

    /// Greets the guest by his title, if he has one.
    #[durable_object]
    #[derive(Debug)]
    pub struct Greeter {
        state: State,
    }

    impl DurableObject for Greeter {
        fn new(state: State, _env: Env) -> Self {
            Self { state }
        }
    }

    #[rpc]
    impl Greeter {
        /// Remembers the guest.
        pub async fn meet(&self, name: String) -> Result<()> {
            let guest = Guest { name, title: None };
            self.state.storage().put("guest", guest).await
        }

        /// The name to greet him by, if one is known.
        pub async fn greet(&self) -> Result<Option<String>> {
            let guest = self.state.storage().get::<Guest>("guest").await?;
            Ok(guest.map(|guest| guest.title.unwrap_or_default() + &guest.name))
        }
    }
}

/// Faulty: takes it that every guest has a title, since the code that stores guests gives him one.
pub mod presuming {
    use super::{Deserialize, DurableObject, Env, Result, Serialize, State, durable_object, rpc};

    #[derive(Serialize, Deserialize)]
    struct Guest {
        name: String,
        title: String,
    }

    /// Greets the guest by his title.
    #[durable_object]
    #[derive(Debug)]
    pub struct Greeter {
        state: State,
    }

    impl DurableObject for Greeter {
        fn new(state: State, _env: Env) -> Self {
            Self { state }
        }
    }

    #[rpc]
    impl Greeter {
        /// Remembers the guest.
        pub async fn meet(&self, name: String) -> Result<()> {
            let title = String::new();
            self.state
                .storage()
                .put("guest", Guest { name, title })
                .await
        }

        /// The name to greet him by, if one is known.
        pub async fn greet(&self) -> Result<Option<String>> {
            let guest = self.state.storage().get::<Guest>("guest").await?;
            Ok(guest.map(|guest| guest.title + &guest.name))
        }
    }
}
