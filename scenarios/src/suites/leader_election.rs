//! Leader election: at any time at most one worker has been told that it leads and not given it up.

use dormouse::{DurableObject, ObjectClass, Result};
use dormouse_objects::{LeaderElection, faulty::ForgetfulElection};
use dormouse_sim::{
    Client, Linearizable, Model, Scenario, Suite,
    explore::zoo::{Exhibit, Smallest},
};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use crate::promises::{DURABLE, EVICTED, ORDER};

/// What workers ask of the election. Each client is a worker, named by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Op {
    /// Try to become the leader.
    Elect(u8),
    /// Give it up.
    Release(u8),
    /// Ask who leads.
    Leader,
}

/// What it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ret {
    /// To `Elect` and `Release`: whether it had an effect.
    Done(bool),
    /// To `Leader`.
    Leads(Option<u8>),
}

/// An election, if nothing ever goes wrong.
#[derive(Clone, Copy, Debug)]
pub struct ElectionModel;

impl Model for ElectionModel {
    type Op = Op;
    type Ret = Ret;
    type State = Option<u8>;

    fn initial(&self) -> Option<u8> {
        None
    }

    fn step(&self, leader: &Option<u8>, op: &Op, returned: Option<&Ret>) -> Option<Option<u8>> {
        let (next, answer) = match (*op, *leader) {
            (Op::Elect(worker), None) => (Some(worker), Ret::Done(true)),
            (Op::Release(worker), Some(leads)) if leads == worker => (None, Ret::Done(true)),
            (Op::Elect(_) | Op::Release(_), _) => (*leader, Ret::Done(false)),
            (Op::Leader, _) => (*leader, Ret::Leads(*leader)),
        };
        returned
            .is_none_or(|returned| *returned == answer)
            .then_some(next)
    }

    fn object(&self, _: &Op) -> String {
        "election".to_owned()
    }
}

fn name(worker: u8) -> String {
    format!("worker-{worker}")
}

fn number(name: Option<String>) -> Option<u8> {
    name.and_then(|name| name.strip_prefix("worker-")?.parse().ok())
}

fn suite_of<T: DurableObject + ObjectClass, Fut: Future<Output = Result<Ret>> + 'static>(
    suite: &'static str,
    step: fn(Client, Op) -> Fut,
) -> Suite {
    let worker = || 1..=3_u8;
    let ops = prop_oneof![
        3 => worker().prop_map(Op::Elect),
        1 => worker().prop_map(Op::Release),
        2 => Just(Op::Leader),
    ];
    Scenario::new(suite)
        .object::<T>("LEADER")
        .workload(ops, 1..=12)
        .step(step)
        .finally(vec![Op::Leader])
        .check(Linearizable::per_object(ElectionModel))
        .into_suite()
}

/// The primary key decides.
pub fn leader_election() -> Suite {
    suite_of::<LeaderElection, _>("leader_election", |client: Client, op| async move {
        let election = client.stub::<LeaderElection>("LEADER", "election");
        match op {
            Op::Elect(worker) => election.elect(name(worker)).await.map(Ret::Done),
            Op::Release(worker) => election.release(name(worker)).await.map(Ret::Done),
            Op::Leader => election
                .leader()
                .await
                .map(|leader| Ret::Leads(number(leader))),
        }
    })
}

/// Faulty: the object's memory decides.
pub fn forgetful_election() -> Suite {
    suite_of::<ForgetfulElection, _>("forgetful_election", |client: Client, op| async move {
        let election = client.stub::<ForgetfulElection>("LEADER", "election");
        match op {
            Op::Elect(worker) => election.elect(name(worker)).await.map(Ret::Done),
            Op::Release(worker) => election.release(name(worker)).await.map(Ret::Done),
            Op::Leader => election
                .leader()
                .await
                .map(|leader| Ret::Leads(number(leader))),
        }
    })
}

/// One becomes the leader, the object sleeps, another one becomes the leader.
pub const FORGETFUL: Exhibit = Exhibit {
    bug: "None in memory taken for none at all",
    suite: forgetful_election,
    correct: "leader_election",
    found_as: &[ORDER, EVICTED, DURABLE],
    smallest: Smallest {
        calls: 2,
        clients: 1,
        faults: 0,
    },
    symptom: "Two workers both lead.",
    cause: "The leader is kept in memory, so as not to ask each time. After a hibernation, or anything else that ends the activation, the memory is empty while the table is not.",
    fix: "Let the primary key decide: the second candidate's `INSERT` fails. Or restore the memory in the constructor.",
};
