//! The plan: everything that will be asked of a world and done to it, as data.
//!
//! A plan is generated before the run, by a strategy from the seed, and never sees its world: so it can be printed, saved, loaded, cut
//! down and run again. It carries the version of its format, because plans outlive the program that made them.

use std::fmt::{self, Debug};

use proptest::{
    strategy::{BoxedStrategy, Strategy as _, ValueTree as _},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{fault::Fault, seed::Seed, world::director::Tape};

/// The version of the format that this program writes and reads.
pub const PLAN_FORMAT: u32 = 1;

/// The workload and the faults of one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan<Op> {
    /// The version of this format.
    pub format: u32,
    /// The suite that it was made for.
    pub suite: String,
    /// The seed that it was made from; it goes on deciding latencies and the order of events.
    pub seed: Seed,
    /// What each client does, one after the other.
    pub clients: Vec<Vec<Step<Op>>>,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// From when on nothing goes wrong any more, in milliseconds of virtual time.
    pub heal_at: u64,
    /// Choices to be made where events are ready at the same time; beyond it the seed decides.
    #[serde(default)]
    pub tape: Tape,
}

/// One call of a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step<Op> {
    /// How long the client waits before it, in milliseconds.
    pub pause: u64,
    /// What it asks for.
    pub op: Op,
}

/// Why a plan cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// Made by another version.
    #[error(
        "plan has format {found}, this version reads format {PLAN_FORMAT}: replay it with the version that wrote it"
    )]
    OtherFormat {
        /// The format that the plan names.
        found: u64,
    },
    /// Made for another suite.
    #[error("plan is for suite `{found}`, not for `{expected}`")]
    OtherSuite {
        /// The suite that it names.
        found: String,
        /// The suite that it was given to.
        expected: String,
    },
    /// No plan, or not a whole one.
    #[error("plan cannot be read, line {line}, column {column}: {why}")]
    Unreadable {
        /// Where in the text.
        line: usize,
        /// Where in the line.
        column: usize,
        /// What the parser says.
        why: String,
    },
}

impl<Op: Serialize + DeserializeOwned> Plan<Op> {
    /// The plan's text form.
    ///
    /// # Panics
    /// If `Op` cannot be written as JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("an operation has a JSON form")
    }

    /// Reads a plan for `suite`.
    ///
    /// # Errors
    /// It was made by another version, for another suite, or is damaged.
    pub fn from_json(text: &str, suite: &str) -> Result<Self, PlanError> {
        let unreadable = |error: serde_json::Error| PlanError::Unreadable {
            line: error.line(),
            column: error.column(),
            why: error.to_string(),
        };
        // The format first: another version may have changed everything else.
        let raw: serde_json::Value = serde_json::from_str(text).map_err(unreadable)?;
        let found = raw
            .get("format")
            .and_then(serde_json::Value::as_u64)
            .unwrap_or(0);
        if found != u64::from(PLAN_FORMAT) {
            return Err(PlanError::OtherFormat { found });
        }
        let plan: Self = serde_json::from_str(text).map_err(unreadable)?;
        if plan.suite != suite {
            return Err(PlanError::OtherSuite {
                found: plan.suite,
                expected: suite.to_owned(),
            });
        }
        Ok(plan)
    }
}

/// A plan as a person reads it: steps by client, faults below.
impl<Op: Debug> fmt::Display for Plan<Op> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (client, steps) in self.clients.iter().enumerate() {
            for Step { pause, op } in steps {
                writeln!(f, "  client-{}  waits {pause:>5} ms  {op:?}", client + 1)?;
            }
        }
        for fault in &self.faults {
            writeln!(f, "  FAULT     {fault}")?;
        }
        if self.faults.is_empty() {
            writeln!(f, "  no faults")?;
        }
        Ok(())
    }
}

/// Generates plans from seeds.
pub(crate) struct Generator<Op> {
    pub(crate) steps: BoxedStrategy<Vec<Vec<Step<Op>>>>,
    pub(crate) faults: BoxedStrategy<Vec<Fault>>,
    config: Config,
}

impl<Op: Debug> Generator<Op> {
    pub(crate) fn new(
        steps: BoxedStrategy<Vec<Vec<Step<Op>>>>,
        faults: BoxedStrategy<Vec<Fault>>,
    ) -> Self {
        Self {
            steps,
            faults,
            config: Config::default(),
        }
    }

    pub(crate) fn generate(&self, suite: &str, seed: Seed, heal_at: u64) -> Plan<Op> {
        let clients = self.value(&self.steps, seed, "steps");
        let faults = self.value(&self.faults, seed, "faults");
        Plan {
            format: PLAN_FORMAT,
            suite: suite.to_owned(),
            seed,
            clients,
            faults,
            heal_at,
            tape: Tape::new(),
        }
    }

    /// Each part has a stream of its own, so that another number of steps leaves the faults as they were.
    fn value<T: Debug>(&self, strategy: &BoxedStrategy<T>, seed: Seed, part: &str) -> T {
        let mut bytes = [0; 32];
        seed.draw("plan", part, 0).fill(&mut bytes);
        let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let mut runner = TestRunner::new_with_rng(self.config.clone(), random);
        strategy
            .new_tree(&mut runner)
            .expect("a plan's strategy has no filter that could give up")
            .current()
    }
}
