//! A mailbox that is emptied, and filled again: no letter from before a purge is ever seen after it.
//!
//! On the legacy backend `delete_all` removes a large object's keys in steps, and a crash between two of them leaves some keys and takes
//! others. No key can tell which, because it may be among those that are gone. So this mailbox never uses it: a purge begins
//! the next *generation*, in one small write, and from then on the letters of former ones are only rubbish. They are removed a few at a
//! time, and if that is cut short, at the next start.

use std::collections::BTreeMap;

use dormouse::{
    DurableObject, Env, ListOptions, Result, State, Storage, assert::sometimes, durable_object, rpc,
};
use serde::{Deserialize, Serialize};

/// How many letters a delivery brings. Two deliveries are more keys than the storage service removes in one step.
pub const LETTERS_PER_DELIVERY: u64 = 100;
/// The most keys that one `delete_multiple` takes.
const KEYS_MAX: usize = 128;

/// What is in a mailbox: by its own account, and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
    /// What the mailbox has written down.
    pub total: u64,
    /// How many letters there are.
    pub letters: u64,
}

/// Keeps letters until it is purged.
#[durable_object]
#[derive(Debug)]
pub struct Mailbox {
    state: State,
}

impl DurableObject for Mailbox {
    fn new(state: State, _env: Env) -> Self {
        let storage = state.storage();
        // An earlier purge may have been cut short.
        drop(state.block_concurrency_while(async move {
            let generation = generation(&storage).await?;
            let removed = remove_before(&storage, generation).await?;
            sometimes!(removed > 0, "a start removes what an earlier purge left");
            Ok(())
        }));
        Self { state }
    }
}

/// The generation of the letters that count.
async fn generation(storage: &Storage) -> Result<u64> {
    Ok(storage.get("generation").await?.unwrap_or(0))
}

/// Where everything of a generation is kept. Digits enough to be in the order of the numbers.
fn place(generation: u64) -> String {
    format!("g{generation:010}:")
}

/// Removes what is left of the generations before this one, total and letters alike; says how many keys.
async fn remove_before(storage: &Storage, generation: u64) -> Result<usize> {
    let end = place(generation);
    let mut removed = 0;
    loop {
        let rubbish = ListOptions::new().start("g0").end(&end).limit(KEYS_MAX);
        let rubbish = storage.list_as::<u64>(rubbish).await?;
        if rubbish.is_empty() {
            return Ok(removed);
        }
        let keys: Vec<String> = rubbish.into_iter().map(|(key, _)| key).collect();
        removed += keys.len();
        storage.delete_multiple(keys).await?;
    }
}

/// What is kept at `place`.
pub(crate) async fn inventory(storage: &Storage, place: &str) -> Result<Inventory> {
    let total = storage.get(&format!("{place}total")).await?.unwrap_or(0);
    let letters = format!("{place}letter:");
    let letters = ListOptions::new().prefix(&letters);
    let letters = storage.list_as::<u64>(letters).await?.len() as u64;
    Ok(Inventory { total, letters })
}

/// Puts one more delivery there, with the new total, all in one turn.
pub(crate) async fn deliver(storage: &Storage, place: &str) -> Result<Inventory> {
    let Inventory { total, .. } = inventory(storage, place).await?;
    let letter = |number| (format!("{place}letter:{number:06}"), number);
    let new_total = total + LETTERS_PER_DELIVERY;
    let letters: BTreeMap<_, _> = (total..new_total).map(letter).collect();
    storage.put_multiple(letters).await?;
    storage.put(&format!("{place}total"), new_total).await?;
    inventory(storage, place).await
}

#[rpc]
impl Mailbox {
    /// Takes [`LETTERS_PER_DELIVERY`] more letters.
    pub async fn deliver(&self) -> Result<Inventory> {
        let storage = self.state.storage();
        let generation = generation(&storage).await?;
        deliver(&storage, &place(generation)).await
    }

    /// What is in it.
    pub async fn inventory(&self) -> Result<Inventory> {
        let storage = self.state.storage();
        let generation = generation(&storage).await?;
        inventory(&storage, &place(generation)).await
    }

    /// Empties it.
    pub async fn purge(&self) -> Result<Inventory> {
        let storage = self.state.storage();
        let next = generation(&storage).await? + 1;
        storage.put("generation", next).await?;
        remove_before(&storage, next).await?;
        inventory(&storage, &place(next)).await
    }
}
