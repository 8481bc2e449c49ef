//! Counters: every answer must fit one order of all increments, and no acknowledged increment may be lost.

use dormouse::{DurableObject, ObjectClass, RpcCall};
use dormouse_objects::{
    AuditLog, AuditedCounter, Counter,
    faulty::{ForgetfulCounter, RacingCounter, UnconfirmedCounter},
};
use dormouse_sim::{
    Client, Faults, Linearizable, Model, Scenario, Suite,
    explore::zoo::{Exhibit, Smallest},
};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use crate::promises::{DURABLE, EVICTED, ORDER};

/// What clients ask of a counter; there are two of them, `a` and `b`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Op {
    /// Add one.
    Increment(String),
    /// Read.
    Get(String),
}

/// A counter, if nothing ever goes wrong.
#[derive(Clone, Copy, Debug)]
pub struct CounterModel;

impl Model for CounterModel {
    type Op = Op;
    type Ret = u64;
    type State = u64;

    fn initial(&self) -> u64 {
        0
    }

    fn step(&self, count: &u64, op: &Op, returned: Option<&u64>) -> Option<u64> {
        let next = match op {
            Op::Increment(_) => count + 1,
            Op::Get(_) => *count,
        };
        returned
            .is_none_or(|returned| *returned == next)
            .then_some(next)
    }

    fn is_same(&self, one: &Op, other: &Op) -> bool {
        one == other
    }

    fn object(&self, op: &Op) -> String {
        let (Op::Increment(name) | Op::Get(name)) = op;
        name.clone()
    }
}

fn ops() -> impl Strategy<Value = Op> {
    let name = || prop_oneof![3 => Just("a".to_owned()), 1 => Just("b".to_owned())];
    prop_oneof![3 => name().prop_map(Op::Increment), 1 => name().prop_map(Op::Get)]
}

type Call = fn(&Client, String) -> RpcCall<u64>;

fn suite_of<T: DurableObject + ObjectClass>(
    name: &'static str,
    increment: Call,
    get: Call,
) -> Scenario<Op, u64> {
    Scenario::new(name)
        .object::<T>("COUNTER")
        .workload(ops(), 1..=20)
        .step(move |client, op| match op {
            Op::Increment(name) => increment(&client, name),
            Op::Get(name) => get(&client, name),
        })
        .finally(vec![Op::Get("a".to_owned()), Op::Get("b".to_owned())])
        .check(Linearizable::per_object(CounterModel))
}

/// The counter of the guide, in key-value storage.
pub fn counter() -> Suite {
    suite_of::<Counter>(
        "counter",
        |client, name| client.stub::<Counter>("COUNTER", &name).increment(),
        |client, name| client.stub::<Counter>("COUNTER", &name).get(),
    )
    .into_suite()
}

/// The same in brief: one client, one or two calls, at most one fault. A run of it costs little, so that campaigns of millions of seeds are no
/// matter of days, and what goes wrong once in a million of the shortest runs is found.
pub fn brief_counter() -> Suite {
    suite_of::<Counter>(
        "brief_counter",
        |client, name| client.stub::<Counter>("COUNTER", &name).increment(),
        |client, name| client.stub::<Counter>("COUNTER", &name).get(),
    )
    .clients(1)
    .workload(Just(Op::Increment("a".to_owned())), 1..=2)
    .pauses(0..40_u64)
    .faults(Faults::all().at_most(1))
    .finally(vec![Op::Get("a".to_owned())])
    .into_suite()
}

/// A counter that calls another object and reads after it.
pub fn audited_counter() -> Suite {
    suite_of::<AuditedCounter>(
        "audited_counter",
        |client, name| client.stub::<AuditedCounter>("COUNTER", &name).increment(),
        |client, name| client.stub::<AuditedCounter>("COUNTER", &name).get(),
    )
    .object::<AuditLog>("AUDIT_LOG")
    .into_suite()
}

/// Faulty: keeps the count in memory and writes it later.
pub fn forgetful_counter() -> Suite {
    suite_of::<ForgetfulCounter>(
        "forgetful_counter",
        |client, name| {
            client
                .stub::<ForgetfulCounter>("COUNTER", &name)
                .increment()
        },
        |client, name| client.stub::<ForgetfulCounter>("COUNTER", &name).get(),
    )
    .into_suite()
}

/// Faulty: answers without waiting for its write to be durable.
pub fn unconfirmed_counter() -> Suite {
    suite_of::<UnconfirmedCounter>(
        "unconfirmed_counter",
        |client, name| {
            client
                .stub::<UnconfirmedCounter>("COUNTER", &name)
                .increment()
        },
        |client, name| client.stub::<UnconfirmedCounter>("COUNTER", &name).get(),
    )
    .into_suite()
}

/// Faulty: calls another object between its read and its write.
pub fn racing_counter() -> Suite {
    suite_of::<RacingCounter>(
        "racing_counter",
        |client, name| client.stub::<RacingCounter>("COUNTER", &name).increment(),
        |client, name| client.stub::<RacingCounter>("COUNTER", &name).get(),
    )
    .object::<AuditLog>("AUDIT_LOG")
    .into_suite()
}

/// One increment, and the last loss of power within the delay.
pub const FORGETFUL: Exhibit = Exhibit {
    bug: "Saved a little later",
    suite: forgetful_counter,
    correct: "counter",
    found_as: &[DURABLE, ORDER, EVICTED],
    smallest: Smallest {
        calls: 1,
        clients: 1,
        faults: 0,
    },
    symptom: "Now and then the count falls back.",
    cause: "The number is kept in memory and saved 50 ms later, to save writes. The answer leaves before anything was written, so the output gate has nothing to wait for; a crash or an eviction within the delay loses what was acknowledged.",
    fix: "Write before answering. The runtime already merges writes: one batch for a turn, one sync for many batches.",
};

/// One increment, and the last loss of power before the sync that nobody waits for.
pub const UNCONFIRMED: Exhibit = Exhibit {
    bug: "A write that nobody waits for",
    suite: unconfirmed_counter,
    correct: "counter",
    found_as: &[DURABLE, ORDER],
    smallest: Smallest {
        calls: 1,
        clients: 1,
        faults: 0,
    },
    symptom: "After a loss of power the count falls back.",
    cause: "`allow_unconfirmed` takes the write out of the output gate, so the answer does not wait for it.",
    fix: "Leave the option away, or call `sync()` before answering.",
};

/// Two increments that overlap.
pub const RACING: Exhibit = Exhibit {
    bug: "Read, wait, write",
    suite: racing_counter,
    correct: "audited_counter",
    found_as: &[ORDER],
    smallest: Smallest {
        calls: 2,
        clients: 2,
        faults: 0,
    },
    symptom: "Two clients get the same number.",
    cause: "The object reads, calls another object, and writes what it computed from the number it had read before. The call ends the turn and lets a second increment in, which reads the same number.",
    fix: "Read after the call, in the turn that writes.",
};
