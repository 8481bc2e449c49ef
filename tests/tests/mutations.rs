//! Each deliberate defect of the runtime is found by the simulator, within two thousand seeds: the checkers are worth what they catch.
//!
//! The same suites pass on the runtime as it is (`scenarios/tests/suites.rs`), so what is found here is the defect and nothing else.

use std::time::Duration;

use dormouse::{
    Delay, DurableObject, Env, Error, Mutation, Request, Response, Result, State, WebSocket,
    WebSocketIncomingMessage, WebSocketPair, durable_object, rpc,
};
use dormouse_objects::Counter;
use dormouse_scenarios::{batcher, chat_room, counter, ledger};
use dormouse_sim::{
    Client, Detail, Faults, Scenario, Seed, Suite, Violation,
    check::alarms::{NEVER_LATER, NEVER_LOST, NOT_WHEN_GONE, RETRIES},
    fault::SOCKET_POINTS,
};
use proptest::prelude::{Just, any};

const SEEDS: u64 = 2_000;

/// The first seed that breaks a promise under `mutation`.
fn found(mutation: Mutation, suite: &Suite) -> Option<(u64, Violation)> {
    mutation.during(|| {
        (0..SEEDS)
            .find_map(|seed| Some(seed).zip(suite.run_seed(Seed(seed), Detail::Brief).violation))
    })
}

fn assert_found(mutation: Mutation, suite: &Suite, promises: &[&str]) {
    let (seed, violation) = found(mutation, suite)
        .unwrap_or_else(|| panic!("{mutation:?} was not found in {SEEDS} seeds"));
    println!("{mutation:?}: seed {seed} of {}: {violation}", suite.name());
    assert!(
        promises.contains(&violation.promise.as_str()),
        "seed {seed}: {violation}"
    );
    assert_eq!(
        suite.run_seed(Seed(seed), Detail::Brief).violation,
        None,
        "it is the defect that was found"
    );
}

/// Thinks for a while about everything it hears.
#[durable_object]
struct SlowEcho {
    state: State,
}

impl DurableObject for SlowEcho {
    fn new(state: State, _: Env) -> Self {
        Self { state }
    }

    async fn fetch(&self, _: Request) -> Result<Response> {
        let WebSocketPair { client, server } = WebSocketPair::new()?;
        self.state.accept_web_socket(&server);
        Response::from_websocket(client)
    }

    async fn websocket_message(&self, ws: WebSocket, _: WebSocketIncomingMessage) -> Result<()> {
        Delay::from(Duration::from_millis(20)).await;
        ws.send_with_str("heard")
    }
}

/// Each call opens a socket, says something, and waits for the answer or for the end.
fn slow_echo() -> Suite {
    Scenario::new("slow_echo")
        .object::<SlowEcho>("ECHO")
        .workload(Just(()), 1..=10)
        .faults(Faults::all().and_sockets())
        .also_at(SOCKET_POINTS)
        .step(|client: Client, ()| async move {
            let socket = client.websocket("ECHO", "a", "https://echo/").await?;
            socket.send("hello")?;
            socket.next_within(Duration::from_secs(70)).await;
            socket.close(1000, "")
        })
        .into_suite()
}

const ORDER: &str = "calls take effect one at a time, in an order that clients could have seen";
const DURABLE: &str = "what was acknowledged survives a loss of power";
const NOT_BEFORE: &str = "nothing leaves before it is durable";
const HEARS: &str = "whoever is connected hears what he says";
const ONCE: &str = "an object runs once at a time";

#[test]
fn an_output_gate_that_does_not_wait_is_found() {
    assert_found(Mutation::OutputGateOpen, &counter::counter(), &[NOT_BEFORE]);
}

#[test]
fn a_sync_that_is_left_out_is_found() {
    assert_found(Mutation::WalSyncIgnored, &counter::counter(), &[NOT_BEFORE]);
}

#[test]
fn a_commit_that_is_split_in_two_is_found() {
    assert_found(Mutation::CommitSplit, &ledger::ledger(), &[ORDER, DURABLE]);
}

#[test]
fn two_activations_of_one_object_after_a_crash_are_found() {
    assert_found(Mutation::TwoActivations, &counter::counter(), &[ONCE]);
}

/// A counter that is reached by its name, or by its id as a text.
fn counter_by_name_and_by_id() -> Suite {
    Scenario::new("counter_by_name_and_by_id")
        .object::<Counter>("COUNTER")
        .workload(any::<bool>(), 1..=20)
        .step(|client, by_id| async move {
            let namespace = client.env().durable_object("COUNTER")?;
            let id = namespace.id_from_name("a")?;
            let stub = if by_id {
                namespace.get(&namespace.id_from_string(&id.to_string())?)?
            } else {
                namespace.get(&id)?
            };
            stub.typed::<Counter>().increment().await
        })
        .into_suite()
}

#[test]
fn two_activations_of_one_object_are_found_although_they_are_called_differently() {
    let suite = counter_by_name_and_by_id();
    let found = Mutation::TwoActivations.during(|| {
        (0..SEEDS)
            .filter_map(|seed| suite.run_seed(Seed(seed), Detail::Brief).violation)
            .find(|violation| violation.why.contains(", called Counter/"))
    });
    let violation = found.expect("one is reached by its name while the other lives, or by its id");
    assert_eq!(violation.promise, ONCE, "{violation}");
    for seed in 0..20 {
        let violation = suite.run_seed(Seed(seed), Detail::Brief).violation;
        assert_eq!(
            violation, None,
            "seed {seed}: it is the defect that was found"
        );
    }
}

#[test]
fn an_input_gate_left_open_during_storage_is_found() {
    assert_found(Mutation::InputGateOpen, &counter::counter(), &[ORDER]);
}

const DELIVERED: &str = batcher::NOTHING_LOST;

#[test]
fn an_alarm_that_is_removed_when_it_fires_is_found() {
    assert_found(
        Mutation::AlarmRemovedEarly,
        &batcher::batcher(),
        &[NEVER_LATER, NEVER_LOST, DELIVERED],
    );
}

#[test]
fn an_alarm_that_is_scheduled_only_after_its_commit_is_found() {
    assert_found(
        Mutation::AlarmScheduledLate,
        &batcher::batcher(),
        &[NEVER_LATER, NEVER_LOST, DELIVERED],
    );
}

#[test]
fn an_index_of_alarms_that_is_not_synced_is_found() {
    assert_found(
        Mutation::AlarmIndexNotSynced,
        &batcher::batcher(),
        // Its file may be there without its contents.
        &[
            NEVER_LATER,
            NEVER_LOST,
            DELIVERED,
            "the node starts on its data folder",
        ],
    );
}

#[test]
fn a_deleted_alarm_that_fires_is_found() {
    assert_found(
        Mutation::DeletedAlarmRuns,
        &batcher::batcher(),
        &[NOT_WHEN_GONE],
    );
}

/// Sets an alarm whose handler always fails.
#[durable_object(alarm)]
struct Unlucky {
    state: State,
}

impl DurableObject for Unlucky {
    fn new(state: State, _: Env) -> Self {
        Self { state }
    }

    async fn alarm(&self) -> Result<Response> {
        Err(Error::from("as always"))
    }
}

#[rpc]
impl Unlucky {
    pub async fn set(&self) -> Result<()> {
        self.state.storage().set_alarm(0).await
    }
}

fn unlucky() -> Suite {
    Scenario::new("unlucky")
        .object::<Unlucky>("UNLUCKY")
        .alarms()
        .clients(1)
        .workload(Just(()), 1..=2)
        .step(|client, ()| client.stub::<Unlucky>("UNLUCKY", "u").set())
        .into_suite()
}

#[test]
fn failures_that_are_forgotten_when_the_object_leaves_memory_are_found() {
    assert_found(Mutation::AlarmRetriesForgotten, &unlucky(), &[RETRIES]);
}

#[test]
fn a_retry_without_a_pause_is_found() {
    assert_found(Mutation::AlarmBackoffIgnored, &unlucky(), &[RETRIES]);
}

#[test]
fn an_attachment_that_is_not_kept_is_found() {
    let promise = "what is attached to a socket outlives hibernation";
    assert_found(
        Mutation::AttachmentLost,
        &chat_room::chat_room(),
        &[promise, HEARS],
    );
}

#[test]
fn an_event_handed_to_an_activation_that_is_being_torn_down_is_found() {
    assert_found(
        Mutation::HibernatesOverSocketEvent,
        &slow_echo(),
        &[
            "an object hibernates only when its sockets' events were handled",
            "what was only in memory is gone after hibernation", // the event's turn runs outside of any activation
        ],
    );
}

#[test]
fn a_close_that_is_lost_while_the_object_hibernates_is_found() {
    assert_found(
        Mutation::CloseLostAtHibernation,
        &chat_room::chat_room(),
        &[
            "nothing sent on a connected socket is lost",
            HEARS,
            "clients cannot tell whether an object was evicted", // who leaves is answered by an object in memory alone
        ],
    );
}

#[test]
fn an_automatic_answer_that_wakes_the_object_is_found() {
    let promise = "an answered ping wakes nobody";
    assert_found(
        Mutation::AutoResponseWakes,
        &chat_room::chat_room(),
        &[promise],
    );
}

#[test]
fn no_defect_is_missing_here() {
    let tested = [
        Mutation::OutputGateOpen,
        Mutation::WalSyncIgnored,
        Mutation::CommitSplit,
        Mutation::TwoActivations,
        Mutation::InputGateOpen,
        Mutation::AlarmRemovedEarly,
        Mutation::AlarmScheduledLate,
        Mutation::AlarmRetriesForgotten,
        Mutation::AlarmBackoffIgnored,
        Mutation::AlarmIndexNotSynced,
        Mutation::DeletedAlarmRuns,
        Mutation::AttachmentLost,
        Mutation::HibernatesOverSocketEvent,
        Mutation::CloseLostAtHibernation,
        Mutation::AutoResponseWakes,
    ];
    assert_eq!(tested, Mutation::ALL);
}
