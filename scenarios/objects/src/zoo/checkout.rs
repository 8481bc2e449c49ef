//! Pays invoices: each once, however often it is asked for and wherever a crash falls.

use dormouse::{DurableObject, Env, Result, SqlStorage, State, durable_object, rpc};

use crate::receiver::{Delivery, deliver, take};

fn create_table(sql: &SqlStorage) {
    let created = sql.exec(
        "CREATE TABLE IF NOT EXISTS paid (invoice TEXT PRIMARY KEY)",
        None,
    );
    created.expect("the statement is right; a broken storage fails the constructor");
}

fn is_paid(sql: &SqlStorage, invoice: &str) -> Result<bool> {
    let rows = sql.exec("SELECT 1 FROM paid WHERE invoice = ?", vec![invoice.into()])?;
    Ok(!rows.to_array::<serde::de::IgnoredAny>()?.is_empty())
}

fn note_paid(sql: &SqlStorage, invoice: String) -> Result<()> {
    sql.exec(
        "INSERT OR IGNORE INTO paid (invoice) VALUES (?)",
        vec![invoice.into()],
    )?;
    Ok(())
}

/// Tells the provider which invoice it is; the provider knows when it has been paid already.
#[durable_object]
#[derive(Debug)]
pub struct Checkout {
    env: Env,
    sql: SqlStorage,
}

impl DurableObject for Checkout {
    fn new(state: State, env: Env) -> Self {
        let sql = state.storage().sql();
        create_table(&sql);
        Self { env, sql }
    }
}

#[rpc]
impl Checkout {
    /// Pays an invoice, unless it has been paid.
    pub async fn pay(&self, invoice: String) -> Result<()> {
        if is_paid(&self.sql, &invoice)? {
            return Ok(());
        }
        let charge = Delivery {
            key: invoice.clone(),
            body: invoice.clone(),
        };
        deliver(&self.env, vec![charge]).await?;
        note_paid(&self.sql, invoice)
    }
}

/// Faulty: looks whether it has paid, pays, and notes that it has.
#[durable_object]
#[derive(Debug)]
pub struct UnmarkedCheckout {
    env: Env,
    sql: SqlStorage,
}

impl DurableObject for UnmarkedCheckout {
    fn new(state: State, env: Env) -> Self {
        let sql = state.storage().sql();
        create_table(&sql);
        Self { env, sql }
    }
}

#[rpc]
impl UnmarkedCheckout {
    /// Pays an invoice, unless it has been paid.
    pub async fn pay(&self, invoice: String) -> Result<()> {
        if is_paid(&self.sql, &invoice)? {
            return Ok(());
        }
        take(&self.env, invoice.clone()).await?;
        note_paid(&self.sql, invoice)
    }
}
