//! The classes of most twins, without what is the same in all of them.

/// A class with its state, its fields, its handlers and its methods:
///
/// ```text
/// class! {
///     Obj { n: Cell<u32> }
///     new(state) { O.ev("constructor", ()) }
///     handlers { async fn alarm(&self) -> Result<Response> { ... } }
///     methods { pub async fn arm(&self) -> Result<()> { ... } }
/// }
/// ```
/// Fields begin with their defaults. What is in `new` runs in the constructor.
macro_rules! class {
    (
        $class:ident { $($field:ident: $type:ty),* }
        new($state:ident) $new:block
        handlers { $($handlers:tt)* }
        $(methods { $($methods:tt)* })?
    ) => {
        #[durable_object]
        #[allow(dead_code, reason = "not every class looks at its state")]
        pub(crate) struct $class {
            state: State,
            $($field: $type),*
        }

        impl DurableObject for $class {
            fn new($state: State, _: Env) -> Self {
                $new;
                Self {
                    state: $state,
                    $($field: Default::default()),*
                }
            }

            $($handlers)*
        }

        $(#[rpc]
        impl $class {
            $($methods)*
        })?
    };
}

pub(super) use class;
