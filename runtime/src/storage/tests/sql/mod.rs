//! SQL and its cursors.

mod allowed;
mod counts;
mod cursor;
mod failure;
mod limits;
mod script;
mod values;

use super::{Activation, Node};
use crate::{Result, SqlStorageValue};

fn object_with_numbers() -> Activation {
    let object = Node::new().open();
    object.sql("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')")
        .expect("table");
    object.storage.end_turn();
    object
}

fn text(outcome: Result<impl Sized>) -> String {
    outcome.map(drop).expect_err("fails").to_string()
}

/// What a statement gives that is expected to succeed.
fn rows(object: &Activation, query: &str) -> Vec<Vec<SqlStorageValue>> {
    object.sql(query).expect(query)
}
