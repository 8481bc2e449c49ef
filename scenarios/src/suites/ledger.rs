//! Transfers: both halves or none, whoever looks and whatever fails.

use dormouse::{DurableObject, ObjectClass, RpcCall};
use dormouse_objects::{Ledger, faulty::SplitLedger, ledger::OPENING_BALANCE};
use dormouse_sim::{
    Client, Linearizable, Model, Scenario, Suite,
    explore::zoo::{Exhibit, Smallest},
};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use crate::promises::{DURABLE, ORDER};

/// What clients ask of a ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Op {
    /// Move so much from `a` to `b`.
    Transfer(i64),
    /// Read both balances.
    Balances,
}

/// A ledger, if nothing ever goes wrong.
#[derive(Clone, Copy, Debug)]
pub struct LedgerModel;

impl Model for LedgerModel {
    type Op = Op;
    type Ret = (i64, i64);
    type State = (i64, i64);

    fn initial(&self) -> (i64, i64) {
        (OPENING_BALANCE, OPENING_BALANCE)
    }

    fn step(
        &self,
        &(a, b): &(i64, i64),
        op: &Op,
        returned: Option<&(i64, i64)>,
    ) -> Option<(i64, i64)> {
        let next = match op {
            Op::Transfer(amount) => (a - amount, b + amount),
            Op::Balances => (a, b),
        };
        returned
            .is_none_or(|returned| *returned == next)
            .then_some(next)
    }

    fn is_same(&self, one: &Op, other: &Op) -> bool {
        one == other
    }

    fn object(&self, _: &Op) -> String {
        "ledger".to_owned()
    }
}

type Balances = RpcCall<(i64, i64)>;

fn suite_of<T: DurableObject + ObjectClass>(
    name: &'static str,
    transfer: fn(&Client, i64) -> Balances,
    balances: fn(&Client) -> Balances,
) -> Suite {
    Scenario::new(name)
        .object::<T>("LEDGER")
        .workload(
            prop_oneof![2 => (1..4_i64).prop_map(Op::Transfer), 1 => Just(Op::Balances)],
            1..=8,
        )
        .step(move |client, op| match op {
            Op::Transfer(amount) => transfer(&client, amount),
            Op::Balances => balances(&client),
        })
        .finally(vec![Op::Balances])
        .check(Linearizable::per_object(LedgerModel))
        .into_suite()
}

/// Two writes in one turn.
pub fn ledger() -> Suite {
    suite_of::<Ledger>(
        "ledger",
        |client, amount| client.stub::<Ledger>("LEDGER", "l").transfer(amount),
        |client| client.stub::<Ledger>("LEDGER", "l").balances(),
    )
}

/// Faulty: waits for something between the two writes.
pub fn split_ledger() -> Suite {
    suite_of::<SplitLedger>(
        "split_ledger",
        |client, amount| client.stub::<SplitLedger>("LEDGER", "l").transfer(amount),
        |client| client.stub::<SplitLedger>("LEDGER", "l").balances(),
    )
}

/// One transfer, ended between its two writes.
pub const SPLIT: Exhibit = Exhibit {
    bug: "Half a transfer",
    suite: split_ledger,
    correct: "ledger",
    found_as: &[ORDER, DURABLE],
    smallest: Smallest {
        calls: 2,
        clients: 2,
        faults: 0,
    },
    symptom: "Money vanishes.",
    cause: "The money is taken from one account, an outside service is asked, and then it is put into the other. The wait ends the turn, and with it the batch: a crash in between keeps the first write and loses the second, a reader sees half, and a second transfer is overwritten.",
    fix: "Nothing but storage between writes that belong together. Ask the service first.",
};
