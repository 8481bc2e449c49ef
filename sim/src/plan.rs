//! The plan: everything that will be asked of a world and done to it, as data.
//!
//! A plan is generated before the run, by a strategy from the seed, and never sees its world: so it can be printed, saved, loaded, cut
//! down and run again. It carries the version of its format, because plans outlive the program that made them.

use std::{
    fmt::{self, Debug},
    ops::RangeInclusive,
};

use proptest::{
    collection,
    strategy::{BoxedStrategy, Just, Strategy, ValueTree},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    fault::Fault,
    seed::Seed,
    world::director::{Order, Tape},
};

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
    /// Choices to be made where events are ready at the same time; beyond it `order` decides.
    #[serde(default)]
    pub tape: Tape,
    /// Who decides where the tape does not.
    #[serde(default, skip_serializing_if = "Order::is_of_the_seed")]
    pub order: Order,
    /// From where on everything that the seed decides is decided otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redraw: Option<Redraw>,
}

/// The beginning of the run is kept, and what the seed decides after it is drawn anew: latencies, the time that syncs take, the order of
/// events, and what a loss of power spares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redraw {
    /// How many things happen as the seed says.
    pub after: u64,
    /// Which of the other draws is taken.
    pub salt: u64,
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
        match &self.order {
            Order::Seed => return Ok(()),
            Order::Arrival => writeln!(f, "  ORDER     everything happens as it arrives")?,
            Order::Priorities { changes } => {
                writeln!(f, "  ORDER     by priorities, which change at {changes:?}")?;
            }
        }
        let out_of_order = self.tape.iter().enumerate();
        for (number, choice) in out_of_order.filter(|(_, choice)| choice.taken > 0) {
            let (taken, alternatives, what) = (choice.taken + 1, choice.alternatives, &choice.what);
            writeln!(
                f,
                "  ORDER     but at choice {}, number {taken} of {alternatives} goes first, a {what}",
                number + 1
            )?;
        }
        Ok(())
    }
}

/// Generates plans from seeds.
pub(crate) struct Generator<Op> {
    pub(crate) clients: usize,
    pub(crate) calls: RangeInclusive<usize>,
    pub(crate) pauses: BoxedStrategy<u64>,
    pub(crate) op: BoxedStrategy<Op>,
    pub(crate) faults: BoxedStrategy<Vec<Fault>>,
}

/// A generated step that can still be made simpler, in the ways that its strategy knows.
pub(crate) struct StepTree<Op> {
    pub(crate) pause: u64,
    pub(crate) op: Box<dyn ValueTree<Value = Op>>,
}

/// A plan whose operations are only data. Whoever changes plans without knowing what they are about uses it.
pub(crate) type RawPlan = Plan<Value>;

/// An operation, as data, that can be made simpler: proptest's `ValueTree`, its type left out.
pub(crate) trait OpTree {
    /// The operation as it is now.
    fn op(&self) -> Value;
    /// Makes it simpler; says whether there was a way.
    fn simplify(&mut self) -> bool;
    /// Takes the last step back in part; says whether there was a way.
    fn complicate(&mut self) -> bool;
}

/// The tree of an operation whose type is known.
pub(crate) struct TypedTree<Op>(pub(crate) Box<dyn ValueTree<Value = Op>>);

impl<Op: Serialize + Debug> OpTree for TypedTree<Op> {
    fn op(&self) -> Value {
        serde_json::to_value(self.0.current()).expect("an operation has a JSON form")
    }

    fn simplify(&mut self) -> bool {
        self.0.simplify()
    }

    fn complicate(&mut self) -> bool {
        self.0.complicate()
    }
}

impl<Op: Clone + Debug + 'static> Generator<Op> {
    pub(crate) fn generate(&self, suite: &str, seed: Seed, heal_at: u64) -> Plan<Op> {
        let step = |tree: StepTree<Op>| Step {
            pause: tree.pause,
            op: tree.op.current(),
        };
        let clients = self.trees(seed).into_iter();
        let clients = clients.map(|steps| steps.into_iter().map(step).collect());
        Plan {
            format: PLAN_FORMAT,
            suite: suite.to_owned(),
            seed,
            clients: clients.collect(),
            faults: tree(&self.faults, &mut Self::runner(seed, "faults")).current(),
            heal_at,
            tape: Tape::new(),
            order: Order::Seed,
            redraw: None,
        }
    }

    /// Each client's steps, not yet reduced to their values.
    pub(crate) fn trees(&self, seed: Seed) -> Vec<Vec<StepTree<Op>>> {
        let mut runner = Self::runner(seed, "steps");
        // The same draws as those of `collection::vec`, which does not hand out the trees of its elements.
        let count = |range: &RangeInclusive<usize>, runner: &mut TestRunner| {
            tree(&collection::vec(Just(()), range.clone()), runner)
                .current()
                .len()
        };
        let clients = count(&(self.clients..=self.clients), &mut runner);
        let mut steps_of = |_| {
            let calls = count(&self.calls, &mut runner);
            let mut step = |_| StepTree {
                pause: tree(&self.pauses, &mut runner).current(),
                op: tree(&self.op, &mut runner),
            };
            (0..calls).map(&mut step).collect()
        };
        (0..clients).map(&mut steps_of).collect()
    }

    /// Each part has a stream of its own, so that another number of steps leaves the faults as they were.
    fn runner(seed: Seed, part: &str) -> TestRunner {
        let mut bytes = [0; 32];
        seed.draw("plan", part, 0).fill(&mut bytes);
        let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        TestRunner::new_with_rng(Config::default(), random)
    }
}

fn tree<S: Strategy>(strategy: &S, runner: &mut TestRunner) -> S::Tree {
    strategy
        .new_tree(runner)
        .expect("a plan's strategy has no filter that could give up")
}
