//! A lobby and its tables: a table that is open is on the list.

use dormouse::{DurableObject, ObjectClass};
use dormouse_objects::zoo::{Lobby, LosingLobby, Table};
use dormouse_sim::{
    Client, Invariant, Observed, Outcome, Scenario, Suite,
    explore::zoo::{Exhibit, Smallest},
};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

const LISTED: &str = "every table that is open is on the list";
const TABLES: [&str; 2] = ["one", "two"];

/// What clients ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Op {
    /// Open this table.
    Open(usize),
    /// What is on the list.
    List,
    /// Which tables are open.
    Tables,
}

fn open_tables_are_listed(run: &Observed<'_, Op, Vec<String>>) -> Result<(), String> {
    let last = |wanted: Op| {
        let mut calls = run.history.calls().iter().rev();
        calls.find_map(|call| match &call.outcome {
            Outcome::Ok(names) if call.op == wanted => Some(names),
            _ => None,
        })
    };
    let (Some(list), Some(open)) = (last(Op::List), last(Op::Tables)) else {
        return Ok(()); // the run was cut short, for a reason that is reported
    };
    match open.iter().find(|name| !list.contains(name)) {
        Some(lost) => Err(format!("table {lost} is open, and not on the list")),
        None => Ok(()),
    }
}

async fn open_tables(client: &Client) -> dormouse::Result<Vec<String>> {
    let mut open = Vec::new();
    for name in TABLES {
        if client.stub::<Table>("TABLE", name).is_open().await? {
            open.push(name.to_owned());
        }
    }
    Ok(open)
}

fn suite_of<T: DurableObject + ObjectClass>(name: &'static str) -> Suite {
    Scenario::new(name)
        .object::<T>("LOBBY")
        .object::<Table>("TABLE")
        .clients(2)
        .workload((0..TABLES.len()).prop_map(Op::Open), 1..=4)
        .step(|client: Client, op| async move {
            let lobby = client.stub::<Lobby>("LOBBY", "l");
            match op {
                Op::Open(table) => lobby
                    .open(TABLES[table].to_owned())
                    .await
                    .map(|()| Vec::new()),
                Op::List => lobby.tables().await,
                Op::Tables => open_tables(&client).await,
            }
        })
        .finally(vec![Op::Tables, Op::List])
        .check(Invariant::new(LISTED, open_tables_are_listed))
        .into_suite()
}

/// Listed first.
pub fn lobby() -> Suite {
    suite_of::<Lobby>("lobby")
}

/// Faulty: opened first.
pub fn losing_lobby() -> Suite {
    suite_of::<LosingLobby>("losing_lobby")
}

/// One call, ended between the table and the list.
pub const EXHIBIT: Exhibit = Exhibit {
    bug: "Made, and not on the list",
    suite: losing_lobby,
    correct: "lobby",
    found_as: &[LISTED],
    smallest: Smallest {
        calls: 1,
        clients: 1,
        faults: 1,
    },
    symptom: "Objects exist that no list has. They keep data, and nobody can find or delete them.",
    cause: "One object makes another and notes it then. Two objects are two databases, and a crash in between keeps the first write only.",
    fix: "Note the intention first. What is on the list may have to be made again, so making it twice must do no harm.",
};
