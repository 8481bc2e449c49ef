//! Emptying what is large: everything or nothing, although the legacy backend removes it in steps.
//!
//! The same two objects on both backends. The one that trusts `delete_all` is right on SQLite and wrong on the legacy backend.

use dormouse::{DurableObject, ObjectClass, RpcCall, StorageBackend};
use dormouse_objects::{
    Mailbox,
    faulty::TrustingMailbox,
    mailbox::{Inventory, LETTERS_PER_DELIVERY},
};
use dormouse_sim::{
    Client, Linearizable, Model, Scenario, Suite,
    explore::zoo::{Exhibit, Smallest},
    fault::DELETE_ALL_POINT,
};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use crate::promises::{DURABLE, ORDER};

/// What clients ask of a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Op {
    /// Bring letters.
    Deliver,
    /// Look at what is in it.
    Inventory,
    /// Empty it.
    Purge,
}

/// A mailbox, if nothing ever goes wrong: the letters since the last purge, and a total that agrees with them.
#[derive(Clone, Copy, Debug)]
pub struct MailboxModel;

impl Model for MailboxModel {
    type Op = Op;
    type Ret = Inventory;
    type State = u64;

    fn initial(&self) -> u64 {
        0
    }

    fn step(&self, letters: &u64, op: &Op, returned: Option<&Inventory>) -> Option<u64> {
        let next = match op {
            Op::Deliver => letters + LETTERS_PER_DELIVERY,
            Op::Inventory => *letters,
            Op::Purge => 0,
        };
        let expected = Inventory {
            total: next,
            letters: next,
        };
        returned
            .is_none_or(|returned| *returned == expected)
            .then_some(next)
    }

    fn is_same(&self, one: &Op, other: &Op) -> bool {
        one == other
    }

    fn object(&self, _: &Op) -> String {
        "mailbox".to_owned()
    }
}

fn suite_of<T: DurableObject + ObjectClass>(
    name: &'static str,
    backend: StorageBackend,
    call: fn(&Client, Op) -> RpcCall<Inventory>,
) -> Suite {
    let scenario = Scenario::new(name).object_on::<T>("MAILBOX", backend);
    let scenario = match backend {
        StorageBackend::KeyValue => scenario,
        _ => scenario.also_at([DELETE_ALL_POINT]),
    };
    scenario
        .workload(
            prop_oneof![3 => Just(Op::Deliver), 1 => Just(Op::Inventory), 2 => Just(Op::Purge)],
            1..=6,
        )
        .step(move |client, op| call(&client, op))
        .finally(vec![Op::Inventory, Op::Deliver])
        .check(Linearizable::per_object(MailboxModel))
        .into_suite()
}

fn with_generations(name: &'static str, backend: StorageBackend) -> Suite {
    suite_of::<Mailbox>(name, backend, |client, op| {
        let mailbox = client.stub::<Mailbox>("MAILBOX", "m");
        match op {
            Op::Deliver => mailbox.deliver(),
            Op::Inventory => mailbox.inventory(),
            Op::Purge => mailbox.purge(),
        }
    })
}

fn with_delete_all(name: &'static str, backend: StorageBackend) -> Suite {
    suite_of::<TrustingMailbox>(name, backend, |client, op| {
        let mailbox = client.stub::<TrustingMailbox>("MAILBOX", "m");
        match op {
            Op::Deliver => mailbox.deliver(),
            Op::Inventory => mailbox.inventory(),
            Op::Purge => mailbox.purge(),
        }
    })
}

/// A new generation for each purge, on the legacy backend.
pub fn mailbox() -> Suite {
    with_generations("mailbox", StorageBackend::KeyValue)
}

/// The same object on SQLite.
pub fn mailbox_on_sqlite() -> Suite {
    with_generations("mailbox_on_sqlite", StorageBackend::Sqlite)
}

/// Faulty: takes `delete_all` for one step, on the legacy backend.
pub fn trusting_mailbox() -> Suite {
    with_delete_all("trusting_mailbox", StorageBackend::KeyValue)
}

/// The same object on SQLite, where it is right.
pub fn trusting_mailbox_on_sqlite() -> Suite {
    with_delete_all("trusting_mailbox_on_sqlite", StorageBackend::Sqlite)
}

/// Two deliveries make it large enough for two steps; the purge is cut off between them.
pub const TRUSTING: Exhibit = Exhibit {
    bug: "A `delete_all` that stops half-way",
    suite: trusting_mailbox,
    correct: "mailbox",
    found_as: &[DURABLE, ORDER],
    smallest: Smallest {
        calls: 3,
        clients: 1,
        faults: 1,
    },
    symptom: "The total and the letters differ, or letters come back that were thrown away.",
    cause: "On the legacy backend the storage service removes a large object's keys in steps, in no particular order. A crash between two of them leaves the rest.",
    fix: "Use SQLite, where it is one commit and this very code is right (suite `trusting_mailbox_on_sqlite`); or begin a new generation in one small write, and remove the old one a few keys at a time.",
};
