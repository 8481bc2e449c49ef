//! A budget: what is refused is not spent.

use dormouse::{DurableObject, ObjectClass};
use dormouse_objects::zoo::{Budget, LIMIT, RunawayBudget};
use dormouse_sim::{
    Client, Linearizable, Model, Scenario, Suite,
    explore::zoo::{Exhibit, Smallest},
};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use crate::promises::{DURABLE, EVICTED, ORDER};

/// What clients ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Op {
    /// Spend so much.
    Spend(u8),
    /// What has been spent.
    Spent,
}

/// The sum that was spent.
#[derive(Clone, Copy, Debug)]
pub struct BudgetModel;

impl Model for BudgetModel {
    type Op = Op;
    type Ret = Option<u64>;
    type State = u64;

    fn initial(&self) -> u64 {
        0
    }

    fn step(&self, spent: &u64, op: &Op, returned: Option<&Option<u64>>) -> Option<u64> {
        let sum = match op {
            Op::Spend(amount) => spent + u64::from(*amount),
            Op::Spent => *spent,
        };
        let answer = (sum <= LIMIT).then_some(sum);
        returned
            .is_none_or(|returned| *returned == answer)
            .then_some(answer.unwrap_or(*spent))
    }

    fn is_same(&self, one: &Op, other: &Op) -> bool {
        one == other
    }

    fn object(&self, _: &Op) -> String {
        "budget".to_owned()
    }
}

fn suite_of<T: DurableObject + ObjectClass>(name: &'static str) -> Suite {
    Scenario::new(name)
        .object::<T>("BUDGET")
        .clients(2)
        .workload(
            prop_oneof![2 => (1..10_u8).prop_map(Op::Spend), 1 => Just(Op::Spent)],
            1..=8,
        )
        .step(|client: Client, op| async move {
            let budget = client.stub::<Budget>("BUDGET", "b");
            match op {
                Op::Spend(amount) => budget.spend(u64::from(amount)).await,
                Op::Spent => budget.spent().await,
            }
        })
        .finally(vec![Op::Spent])
        .check(Linearizable::per_object(BudgetModel))
        .into_suite()
}

/// The memory follows the commit.
pub fn budget() -> Suite {
    suite_of::<Budget>("budget")
}

/// Faulty: the memory is changed inside the transaction.
pub fn runaway_budget() -> Suite {
    suite_of::<RunawayBudget>("runaway_budget")
}

/// Two are over the limit together, so that the second one is refused; the next one hears of a sum that was never spent.
pub const EXHIBIT: Exhibit = Exhibit {
    bug: "Memory that a rollback does not undo",
    suite: runaway_budget,
    correct: "budget",
    found_as: &[ORDER, DURABLE, EVICTED],
    smallest: Smallest {
        calls: 3,
        clients: 1,
        faults: 0,
    },
    symptom: "After one refusal everything is refused, although the limit is far. A restart heals it.",
    cause: "The sum in memory is raised inside the transaction. The transaction is rolled back, the field is not.",
    fix: "Change the memory after the commit, to what was committed.",
};
