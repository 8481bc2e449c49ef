//! Each deliberate defect of the runtime is found by the simulator, within two thousand seeds: the checkers are worth what they catch.
//!
//! The same suites pass on the runtime as it is (`scenarios/tests/suites.rs`), so what is found here is the defect and nothing else.

use std::time::Duration;

use dormouse::{
    Delay, DurableObject, Env, Mutation, Request, Response, Result, State, WebSocket,
    WebSocketIncomingMessage, WebSocketPair, durable_object,
};
use dormouse_scenarios::{chat_room, counter, ledger};
use dormouse_sim::{
    Client, Detail, Faults, Scenario, Seed, Suite, Violation, fault::SOCKET_POINTS,
};
use proptest::prelude::Just;

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

    async fn websocket_message(
        &self,
        ws: WebSocket,
        _: WebSocketIncomingMessage,
    ) -> Result<()> {
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

#[test]
fn an_input_gate_left_open_during_storage_is_found() {
    assert_found(Mutation::InputGateOpen, &counter::counter(), &[ORDER]);
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
    let promise = "an object hibernates only when its sockets' events were handled";
    assert_found(Mutation::HibernatesOverSocketEvent, &slow_echo(), &[promise]);
}

#[test]
fn a_close_that_is_lost_while_the_object_hibernates_is_found() {
    let promise = "nothing sent on a connected socket is lost";
    assert_found(
        Mutation::CloseLostAtHibernation,
        &chat_room::chat_room(),
        &[promise, HEARS],
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
        Mutation::AttachmentLost,
        Mutation::HibernatesOverSocketEvent,
        Mutation::CloseLostAtHibernation,
        Mutation::AutoResponseWakes,
    ];
    assert_eq!(tested, Mutation::ALL);
}
