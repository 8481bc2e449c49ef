//! Prices that come from elsewhere, where an answer takes forty seconds now and then.

use std::{cell::Cell, rc::Rc, time::Duration};

use dormouse::{Delay, DurableObject, Env, Result, State, durable_object, rpc};
use futures_util::future::{Either, select};

/// How long a caller of the catalog is made to wait for a new price.
const PATIENCE: Duration = Duration::from_secs(1);
const SLOW: Duration = Duration::from_secs(40);

/// Where the price comes from: every second answer takes its time.
#[durable_object]
#[derive(Debug)]
pub struct PriceSource {
    state: State,
}

impl DurableObject for PriceSource {
    fn new(state: State, _env: Env) -> Self {
        Self { state }
    }
}

#[rpc]
impl PriceSource {
    /// The price of the day.
    pub async fn price(&self) -> Result<u64> {
        let storage = self.state.storage();
        let asked = storage.get::<u64>("asked").await?.unwrap_or(0) + 1;
        storage.put("asked", asked).await?;
        if asked % 2 == 0 {
            Delay::from(SLOW).await;
        }
        Ok(100)
    }
}

async fn fetch_price(env: Env) -> Result<u64> {
    let source = env.durable_object("SOURCE")?.get_by_name("prices")?;
    source.typed::<PriceSource>().price().await
}

/// Answers with the price that it has stored, and looks for a newer one for as long as its caller has patience.
#[durable_object]
#[derive(Debug)]
pub struct Catalog {
    state: State,
    env: Env,
    is_fresh: Cell<bool>,
}

impl DurableObject for Catalog {
    fn new(state: State, env: Env) -> Self {
        Self {
            state,
            env,
            is_fresh: Cell::new(false),
        }
    }
}

#[rpc]
impl Catalog {
    /// The price, if one is known.
    pub async fn price(&self) -> Result<Option<u64>> {
        let storage = self.state.storage();
        if !self.is_fresh.get() {
            let fetched = Box::pin(fetch_price(self.env.clone()));
            match select(fetched, Delay::from(PATIENCE)).await {
                Either::Left((Ok(price), _)) => {
                    storage.put("price", price).await?;
                    self.is_fresh.set(true);
                }
                Either::Left((Err(_), _)) | Either::Right(_) => {} // the stored one will do
            }
        }
        storage.get("price").await
    }
}

/// Faulty: fetches the price in the constructor, with the input gate shut.
#[durable_object]
#[derive(Debug)]
pub struct GatedCatalog {
    price: Rc<Cell<Option<u64>>>,
}

impl DurableObject for GatedCatalog {
    fn new(state: State, env: Env) -> Self {
        let price = Rc::<Cell<Option<u64>>>::default();
        let fetched = Rc::clone(&price);
        drop(state.block_concurrency_while(async move {
            fetched.set(fetch_price(env).await.ok()); // a price that is not known is no reason to fail
            Ok(())
        }));
        Self { price }
    }
}

#[rpc]
impl GatedCatalog {
    /// The price, if one is known.
    pub async fn price(&self) -> Result<Option<u64>> {
        Ok(self.price.get())
    }
}
