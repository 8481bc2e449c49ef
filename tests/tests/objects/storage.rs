//! Storage as objects use it: each has its own, and what is undone is undone as a whole.

use dormouse::{DurableObject, Env, Error, ListOptions, Result, State, durable_object, rpc};

use super::{Bench, error_of, on_both, serving};

/// Keeps balances, as keys and as rows.
#[durable_object]
struct Bank {
    state: State,
}

impl DurableObject for Bank {
    fn new(state: State, _: Env) -> Self {
        let sql = state.storage().sql();
        let made = sql.exec(
            "CREATE TABLE IF NOT EXISTS accounts (name TEXT PRIMARY KEY, balance INTEGER NOT NULL CHECK (balance >= 0))",
            None,
        );
        made.expect("the statement is right");
        Self { state }
    }
}

#[rpc]
impl Bank {
    pub fn open_account(&self, name: &str, balance: i64) -> Result<()> {
        let values = vec![name.into(), balance.into()];
        let sql = self.state.storage().sql();
        sql.exec("INSERT INTO accounts VALUES (?, ?)", values)?;
        Ok(())
    }

    /// Both rows change, or none.
    pub fn transfer(&self, from: &str, to: &str, amount: i64) -> Result<()> {
        let storage = self.state.storage();
        storage.transaction_sync(|| {
            self.add(to, amount)?;
            self.add(from, -amount)
        })
    }

    /// The inner transaction fails and is forgiven; the outer one goes on.
    pub fn forgive_inside(&self, name: &str) -> Result<()> {
        let storage = self.state.storage();
        storage.transaction_sync(|| {
            self.add(name, 1)?;
            let inner = storage.transaction_sync(|| {
                self.add(name, 10)?;
                Err::<(), _>(Error::from("never mind"))
            });
            assert_eq!(error_of(inner), "Error: never mind");
            self.add(name, 100)
        })
    }

    /// Writes before a transaction that fails stay.
    pub fn write_and_fail_inside(&self, name: &str) -> Result<()> {
        self.add(name, 1)?;
        self.state.storage().transaction_sync(|| {
            self.add(name, 10)?;
            Err(Error::range_error("no more"))
        })
    }

    pub fn balance(&self, name: &str) -> Result<i64> {
        #[derive(serde::Deserialize)]
        struct Row {
            balance: i64,
        }
        let sql = self.state.storage().sql();
        let query = "SELECT balance FROM accounts WHERE name = ?";
        let row: Row = sql.exec(query, vec![name.into()])?.one()?;
        Ok(row.balance)
    }

    pub async fn put(&self, key: &str, value: u32) -> Result<()> {
        self.state.storage().put(key, value).await
    }

    pub async fn list(&self) -> Result<Vec<(String, u32)>> {
        self.state.storage().list_as(ListOptions::new()).await
    }

    fn add(&self, name: &str, amount: i64) -> Result<()> {
        let values = vec![amount.into(), name.into()];
        let sql = self.state.storage().sql();
        let change = "UPDATE accounts SET balance = balance + ? WHERE name = ?";
        sql.exec(change, values)?;
        Ok(())
    }
}

/// Another class with objects of the same names.
#[durable_object]
struct Vault {
    state: State,
}

impl DurableObject for Vault {
    fn new(state: State, _: Env) -> Self {
        Self { state }
    }
}

#[rpc]
impl Vault {
    pub async fn list(&self) -> Result<Vec<(String, u32)>> {
        self.state.storage().list_as(ListOptions::new()).await
    }
}

async fn balances(bench: &Bench) -> (Result<i64>, Result<i64>) {
    let bank = bench.stub::<Bank>("a");
    (bank.balance("ada").await, bank.balance("bob").await)
}

#[test]
fn a_transaction_that_fails_is_undone_as_a_whole_and_resets_nothing() {
    // (C-15, lifecycle 4.2)
    on_both(&serving::<Bank>(), |bench| async move {
        let bank = bench.stub::<Bank>("a");
        assert_eq!(bank.open_account("ada", 10).await, Ok(()));
        assert_eq!(bank.open_account("bob", 0).await, Ok(()));
        assert_eq!(bank.transfer("ada", "bob", 7).await, Ok(()));
        assert_eq!(balances(&bench).await, (Ok(3), Ok(7)));
        let error = bank.transfer("ada", "bob", 7).await;
        let error = error.expect_err("there is not enough");
        assert!(
            error.message().contains("CHECK constraint failed"),
            "{error:?}"
        );
        assert!(!error.durable_object_reset(), "{error:?}");
        assert_eq!(balances(&bench).await, (Ok(3), Ok(7)));
        let bench = bench.restart(&serving::<Bank>());
        assert_eq!(balances(&bench).await, (Ok(3), Ok(7)));
    });
}

#[test]
fn what_is_undone_is_the_failed_transaction_and_nothing_around_it() {
    on_both(&serving::<Bank>(), |bench| async move {
        let bank = bench.stub::<Bank>("a");
        assert_eq!(bank.open_account("ada", 0).await, Ok(()));
        assert_eq!(bank.forgive_inside("ada").await, Ok(()));
        assert_eq!(bank.balance("ada").await, Ok(101));
        assert_eq!(
            error_of(bank.write_and_fail_inside("ada").await),
            "RangeError: no more [remote]"
        );
        assert_eq!(bank.balance("ada").await, Ok(102));
    });
}

#[test]
fn every_object_has_a_storage_of_its_own() {
    on_both(
        &serving::<Bank>().object::<Vault>("Vault"),
        |bench| async move {
            let (one, other) = (bench.stub::<Bank>("a"), bench.stub::<Bank>("b"));
            assert_eq!(one.put("k", 1).await, Ok(()));
            assert_eq!(other.put("k", 2).await, Ok(()));
            assert_eq!(other.put("l", 3).await, Ok(()));
            assert_eq!(one.open_account("ada", 10).await, Ok(()));
            assert_eq!(one.list().await, Ok(vec![("k".to_owned(), 1)]));
            let entries = vec![("k".to_owned(), 2), ("l".to_owned(), 3)];
            assert_eq!(other.list().await, Ok(entries));
            assert!(other.balance("ada").await.is_err());
            assert_eq!(bench.stub::<Vault>("a").list().await, Ok(vec![]));
        },
    );
}
