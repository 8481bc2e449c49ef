//! The passes on worlds that are only functions: what a plan breaks is said by a closure, so it is known what the smallest plan is.

use serde_json::{Value, json};

use super::{End, Shrunk, shrink_raw};
use crate::{
    Choice, FaultKind, Order, Seed, Violation,
    explore::plans::{RunsPlans, Seen, Until},
    fault::{Fault, Trigger},
    plan::{OpTree, PLAN_FORMAT, RawPlan, Step},
};

/// What a plan breaks, if it does.
type Breaks = fn(&RawPlan) -> Option<&'static str>;

/// Runs plans by asking a function.
struct Pretend {
    breaks: Breaks,
    ran: usize,
    runs_max: usize,
}

impl RunsPlans for Pretend {
    fn run(&mut self, plans: &[String], until: Until<'_>) -> Vec<Option<Seen>> {
        let mut seen = Vec::new();
        for plan in plans {
            if self.time_is_up() {
                break;
            }
            self.ran += 1;
            let plan: RawPlan = serde_json::from_str(plan).expect("a plan");
            let one = see(&plan, self.breaks);
            let found = matches!(until, Until::Broken(promise) if one.broke(promise));
            seen.push(Some(one));
            if found {
                break;
            }
        }
        seen
    }

    fn time_is_up(&self) -> bool {
        self.ran >= self.runs_max
    }
}

fn see(plan: &RawPlan, breaks: Breaks) -> Seen {
    let clients = plan.clients.iter().enumerate();
    let invoked = clients
        .flat_map(|(client, steps)| (0..steps.len()).map(move |index| (client + 1, index)))
        .collect();
    // Three choices between two, which the seed decides against arrival unless the tape says otherwise.
    let taken = |place: usize| match (plan.tape.get(place), &plan.order) {
        (Some(choice), _) => choice.taken,
        (None, Order::Arrival) => 0,
        (None, _) => 1,
    };
    let choice = |place| Choice {
        alternatives: 2,
        taken: taken(place),
        what: "call".to_owned(),
    };
    let mut with_tape = plan.clone();
    with_tape.tape = (0..3).map(choice).collect();
    let violation = breaks(&with_tape).map(|promise| Violation::new(promise, "as planned"));
    Seen {
        violation,
        hash: 0,
        tape: with_tape.tape,
        invoked,
        firings: Vec::new(),
        passages: Vec::new(),
    }
}

fn step(op: u64, pause: u64) -> Step<Value> {
    Step {
        pause,
        op: json!(op),
    }
}

fn fault(kind: FaultKind, at: u64) -> Fault {
    Fault {
        kind,
        trigger: Trigger::At(at),
        millis: 12_345,
    }
}

/// Three clients with ten calls each, and four faults.
fn large_plan() -> RawPlan {
    let client = |first: u64| {
        (first..first + 10)
            .map(|op| step(op, op * 7))
            .collect::<Vec<_>>()
    };
    RawPlan {
        format: PLAN_FORMAT,
        suite: "pretended".to_owned(),
        seed: Seed(1),
        clients: vec![client(0), client(10), client(20)],
        faults: vec![
            fault(FaultKind::LoseCall, 3),
            fault(FaultKind::PowerLoss, 777),
            fault(FaultKind::Evict, 5_432),
            fault(FaultKind::SlowSync, 9),
        ],
        heal_at: 60_000,
        tape: Vec::new(),
        order: Order::Seed,
        redraw: None,
    }
}

fn shrunk(breaks: Breaks) -> (Shrunk, RawPlan) {
    shrunk_within(breaks, usize::MAX)
}

fn shrunk_within(breaks: Breaks, runs_max: usize) -> (Shrunk, RawPlan) {
    let mut runner = Pretend {
        breaks,
        ran: 0,
        runs_max,
    };
    let shrunk = shrink_raw(large_plan(), Vec::new(), 100_000, &mut runner).expect("it breaks");
    let plan = serde_json::from_str(&shrunk.plan).expect("a plan");
    (shrunk, plan)
}

fn ops(plan: &RawPlan) -> Vec<u64> {
    plan.clients
        .iter()
        .flatten()
        .map(|step| step.op.as_u64().expect("a number"))
        .collect()
}

#[test]
fn two_calls_of_thirty_are_left_if_two_calls_matter() {
    let breaks: Breaks = |plan| {
        let ops = ops(plan);
        (ops.contains(&4) && ops.contains(&25)).then_some("a promise")
    };
    let (shrunk, plan) = shrunk(breaks);
    assert_eq!(ops(&plan), [4, 25]);
    assert_eq!(plan.faults, []);
    assert!(plan.clients.iter().flatten().all(|step| step.pause == 0));
    assert_eq!(plan.clients.len(), 1, "one client can make both");
    assert_eq!(shrunk.end, End::Smallest);
    assert_eq!((shrunk.before.steps, shrunk.before.faults), (30, 4));
    assert_eq!((shrunk.after.steps, shrunk.after.faults), (2, 0));
    assert_eq!(
        shrunk.to_string(),
        format!(
            "smallest plan: 2 steps, 0 faults (from 30 steps, 4 faults; {} runs)",
            shrunk.runs
        )
    );
}

#[test]
fn calls_of_two_clients_stay_with_two_if_they_must_overlap() {
    let breaks: Breaks = |plan| {
        let busy = plan
            .clients
            .iter()
            .filter(|steps| !steps.is_empty())
            .count();
        (busy > 1).then_some("a promise")
    };
    let (_, plan) = shrunk(breaks);
    assert_eq!(
        plan.clients.len(),
        2,
        "the third is gone, and its place too"
    );
    assert_eq!(ops(&plan).len(), 2);
}

#[test]
fn the_one_fault_that_matters_is_left_and_milder_and_rounder() {
    let breaks: Breaks = |plan| {
        let crash = plan.faults.iter().any(|fault| {
            let ends_the_process =
                matches!(fault.kind, FaultKind::PowerLoss | FaultKind::ProcessCrash);
            let late = matches!(fault.trigger, Trigger::At(500..));
            ends_the_process && late && fault.millis >= 40
        });
        crash.then_some("a promise")
    };
    let (_, plan) = shrunk(breaks);
    let expected = Fault {
        kind: FaultKind::ProcessCrash,
        trigger: Trigger::At(500),
        millis: 50,
    };
    assert_eq!(plan.faults, [expected]);
    assert_eq!(plan.heal_at, 1_000);
}

#[test]
fn a_pause_that_matters_is_kept_when_its_call_goes() {
    // Something that takes more than 100 ms has to pass before the last call.
    let breaks: Breaks = |plan| {
        let waits = plan.clients[plan.clients.len() - 1]
            .iter()
            .map(|step| step.pause)
            .sum::<u64>();
        (ops(plan).contains(&29) && waits > 100).then_some("a promise")
    };
    let (_, plan) = shrunk(breaks);
    let steps: Vec<_> = plan.clients.iter().flatten().collect();
    assert_eq!(steps.len(), 1);
    assert_eq!(steps[0].pause, 200);
}

#[test]
fn another_promise_does_not_count() {
    // Any smaller plan breaks something else, which is easier to break and not what was asked about.
    let breaks: Breaks = |plan| {
        Some(if ops(plan).len() >= 7 {
            "the one"
        } else {
            "another one"
        })
    };
    let (shrunk, plan) = shrunk(breaks);
    assert_eq!(shrunk.violation.promise, "the one");
    assert_eq!(ops(&plan).len(), 7);
}

#[test]
fn of_the_choices_only_that_is_left_out_of_order_that_matters() {
    let breaks: Breaks = |plan| (plan.tape[1].taken == 1).then_some("a promise");
    let (_, plan) = shrunk(breaks);
    assert_eq!(plan.order, Order::Arrival);
    let taken: Vec<_> = plan.tape.iter().map(|choice| choice.taken).collect();
    assert_eq!(taken, [0, 1], "what comes after it is as it arrives");
}

#[test]
fn where_the_order_does_not_matter_nothing_is_said_about_it() {
    let (_, plan) = shrunk(|_| Some("a promise"));
    assert_eq!(plan.order, Order::Arrival);
    assert_eq!(plan.tape, []);
}

#[test]
fn when_the_time_is_over_the_smallest_so_far_is_given() {
    let breaks: Breaks = |plan| ops(plan).contains(&13).then_some("a promise");
    let (shrunk, plan) = shrunk_within(breaks, 6);
    assert_eq!(shrunk.end, End::OutOfTime);
    assert!(ops(&plan).contains(&13));
    assert!(
        shrunk
            .to_string()
            .starts_with("smaller plan, there was no time left: "),
        "{shrunk}"
    );
}

#[test]
fn the_number_of_runs_is_kept() {
    let mut runner = Pretend {
        breaks: |plan| ops(plan).contains(&13).then_some("a promise"),
        ran: 0,
        runs_max: usize::MAX,
    };
    let shrunk = shrink_raw(large_plan(), Vec::new(), 9, &mut runner).expect("it breaks");
    assert_eq!(shrunk.end, End::OutOfRuns);
    assert_eq!((shrunk.runs, runner.ran), (9, 9));
}

#[test]
fn what_breaks_nothing_is_not_shrunk() {
    let mut runner = Pretend {
        breaks: |_| None,
        ran: 0,
        runs_max: usize::MAX,
    };
    let refused = shrink_raw(large_plan(), Vec::new(), 100, &mut runner);
    assert_eq!(
        refused.expect_err("it breaks nothing").to_string(),
        "the plan breaks no promise: there is nothing to shrink"
    );
}

/// An operation that can be halved.
struct Halving {
    now: u64,
    /// The smallest that is known to be too small, plus one.
    least: u64,
    before: u64,
}

impl OpTree for Halving {
    fn op(&self) -> Value {
        json!(self.now)
    }

    fn simplify(&mut self) -> bool {
        self.before = self.now;
        self.now = self.least + (self.now - self.least) / 2;
        self.now < self.before
    }

    fn complicate(&mut self) -> bool {
        self.least = self.now + 1;
        let more = self.least <= self.before;
        self.now = self.least + (self.before - self.least.min(self.before)) / 2;
        more
    }
}

#[test]
fn values_become_simpler_as_their_strategy_knows_and_plans_without_trees_keep_them() {
    let breaks: Breaks = |plan| {
        let large = ops(plan).into_iter().any(|op| op >= 7);
        large.then_some("a promise")
    };
    let mut plan = large_plan();
    plan.clients = vec![vec![step(1_000, 0)]];
    let trees = || -> Vec<Vec<Box<dyn OpTree>>> {
        vec![vec![Box::new(Halving {
            now: 1_000,
            least: 0,
            before: 1_000,
        })]]
    };
    let shrink = |trees| {
        let mut runner = Pretend {
            breaks,
            ran: 0,
            runs_max: usize::MAX,
        };
        let shrunk = shrink_raw(plan.clone(), trees, 10_000, &mut runner).expect("it breaks");
        ops(&serde_json::from_str(&shrunk.plan).expect("a plan"))
    };
    assert_eq!(shrink(trees()), [7]);
    assert_eq!(shrink(Vec::new()), [1_000], "nobody knows what it means");
}

#[test]
fn objects_are_merged_where_the_plan_has_the_other_name_already() {
    let breaks: Breaks = |plan| {
        let names: std::collections::BTreeSet<_> = plan
            .clients
            .iter()
            .flatten()
            .map(|step| step.op.to_string())
            .collect();
        (plan.clients.iter().flatten().count() == 2 && names.len() <= 2).then_some("a promise")
    };
    let mut plan = large_plan();
    let named = |name: &str| Step {
        pause: 0,
        op: json!({"Increment": name}),
    };
    plan.clients = vec![vec![named("b")], vec![named("a")]];
    let mut runner = Pretend {
        breaks,
        ran: 0,
        runs_max: usize::MAX,
    };
    let shrunk = shrink_raw(plan, Vec::new(), 10_000, &mut runner).expect("it breaks");
    let plan: RawPlan = serde_json::from_str(&shrunk.plan).expect("a plan");
    let all_a = plan
        .clients
        .iter()
        .flatten()
        .all(|step| step.op == json!({"Increment": "a"}));
    assert!(all_a, "{plan:?}");
}
