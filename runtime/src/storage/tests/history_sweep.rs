//! Bookmarks and the loss of power: whatever is cut off, the current state is legal and each bookmark that was told restores exactly.
//!
//! Two workloads are cut off at every disk operation that they cause: one of many checkpoints, and one that begins with a restore. Of the
//! unsynced writes everything survives, which is the death of the process, or nothing, or some.

use std::time::Duration;

use super::{
    Node,
    disk::{Fault, Loss},
    history::{WAL_BYTES_MAX, change, seen},
};
use crate::storage::History;

/// Ways in which unsynced writes survive: all, none, and so many tosses of a coin.
const TEARS: u64 = 2;

/// Changes of a workload: enough for several checkpoints.
const CHANGES: i32 = 16;

fn losses() -> impl Iterator<Item = Loss> {
    [Loss::Nothing, Loss::Everything]
        .into_iter()
        .chain((1..=TEARS).map(Loss::Some))
}

fn new_node(history: History) -> Node {
    Node {
        wal_bytes_max: WAL_BYTES_MAX,
        history,
        ..Node::new()
    }
}

/// What was acknowledged: bookmarks and the states that they name, and the states that may be the current one.
#[derive(Default)]
struct Told {
    bookmarks: Vec<(String, String)>,
    legal: Vec<String>,
}

impl Told {
    /// Makes changes until one fails. The states after each are known from a run without a fault, if there was one.
    fn run(&mut self, node: &Node, numbers: std::ops::RangeInclusive<i32>, states: &[String]) {
        let Ok(object) = node.try_open() else { return };
        for number in numbers {
            if let Some(state) = states.get(usize::try_from(number).expect("small")) {
                self.legal.push(state.clone()); // it has begun
            }
            if change(&object, number).is_err() || object.storage.database().is_err() {
                return;
            }
            let bookmark = object.turn(async |storage| storage.get_current_bookmark().await);
            let Ok(bookmark) = bookmark else { return };
            if object.reply() != Some(Ok(())) {
                return;
            }
            let state = seen(&object);
            self.bookmarks.push((bookmark, state.clone()));
            self.legal = vec![state];
            node.clock.advance(Duration::from_millis(700));
        }
    }

    /// Opens what is left, looks at it, and goes back to every `nth` bookmark. Returns how many restores there were.
    fn check(&self, node: &Node, nth: usize, what: &str) -> usize {
        let mut object = node.open();
        let found = seen(&object);
        assert!(
            self.legal.contains(&found),
            "{what}: found {found}\nlegal: {:#?}",
            self.legal
        );
        assert_eq!(object.reply(), Some(Ok(())), "{what}");
        let mut restores = 0;
        for (bookmark, state) in self.bookmarks.iter().rev().step_by(nth) {
            match object.try_restore(bookmark) {
                Ok(_) => {}
                Err(error) => {
                    let text = "The bookmark names a point that is not kept any more.";
                    assert_eq!(error.message(), text, "{what}: {bookmark}");
                    assert_ne!(node.history, History::default(), "{what}: {bookmark}");
                    continue;
                }
            }
            object.crash();
            object = node.open();
            assert_eq!(seen(&object), *state, "{what}: {bookmark}");
            restores += 1;
        }
        object.crash(); // what still waits would keep the disk in memory
        restores
    }
}

/// The states after each change, of a run without a fault, and its disk operations.
fn without_a_fault(history: History) -> (Vec<String>, u64) {
    let node = new_node(history);
    let object = node.open();
    let mut states = vec![seen(&object)];
    object.crash();
    let mut told = Told::default();
    told.run(&node, 1..=CHANGES, &[]);
    let made = told.bookmarks.into_iter().map(|(_, state)| state);
    states.extend(made);
    assert_eq!(states.len(), usize::try_from(CHANGES + 1).expect("small"));
    (states, node.disk.passages())
}

fn sweep_checkpoints(history: History) {
    let (states, points) = without_a_fault(history);
    let mut restores = 0;
    for point in 1..=points {
        let node = new_node(history);
        node.disk.cut_power_at(point);
        let mut told = Told {
            legal: vec![states[0].clone()],
            ..Told::default()
        };
        told.run(&node, 1..=CHANGES, &states);
        for (number, loss) in losses().enumerate() {
            let what = format!("cut off at {point} of {points}, surviving: {loss:?}");
            let left = node.lose_power(loss);
            restores += told.check(&left, 1 + number % 3, &what);
        }
        node.tasks.clear();
    }
    println!("{points} points, {restores} restores");
    assert!(restores > 1000, "{restores} restores prove little");
}

#[test]
fn every_bookmark_survives_whatever_is_cut_off_around_checkpoints() {
    sweep_checkpoints(History::default());
}

#[test]
fn bounded_history_is_whole_or_gone_whatever_is_cut_off() {
    sweep_checkpoints(History::keep(Duration::from_secs(1 << 40), 250_000));
}

/// A node whose object is about to go back to the bookmark of one of its changes: all bookmarks that were told, and the state to come.
fn prepared(back: usize) -> (Node, Vec<(String, String)>, String) {
    let node = new_node(History::default());
    let mut told = Told::default();
    told.run(&node, 1..=CHANGES, &[]);
    let object = node.open();
    let (bookmark, state) = told.bookmarks[back].clone();
    let undo = object.restore(&bookmark);
    told.bookmarks.push((undo, seen(&object)));
    object.run_to_durable();
    object.crash();
    (node, told.bookmarks, state)
}

#[test]
fn a_restore_happens_as_a_whole_wherever_it_is_cut_off_and_can_be_undone() {
    let mut restores = 0;
    for back in [0, 12] {
        let (prepared, bookmarks, legal) = prepared(back);
        // Everything of it is durable, so a loss of power is no more than a copy.
        let again = || {
            let told = Told {
                bookmarks: bookmarks.clone(),
                legal: vec![legal.clone()],
            };
            (prepared.lose_power(Loss::Nothing), told)
        };
        let (node, mut told) = again();
        told.run(&node, 21..=23, &[]);
        let mut states = vec![String::new(); 21];
        states.extend((told.bookmarks[bookmarks.len()..].iter()).map(|(_, state)| state.clone()));
        assert_eq!(states.len(), 24);
        let points = node.disk.passages();
        for point in 1..=points {
            let (node, mut told) = again();
            node.disk.cut_power_at(point);
            told.run(&node, 21..=23, &states);
            for (number, loss) in losses().enumerate() {
                let what =
                    format!("to {back}, cut off at {point} of {points}, surviving: {loss:?}");
                restores += told.check(&node.lose_power(loss), 2 + number % 3, &what);
            }
            node.tasks.clear();
        }
    }
    println!("{restores} restores");
    assert!(restores > 1000, "{restores} restores prove little");
}

#[test]
fn a_disk_that_refuses_once_costs_no_bookmark() {
    let (states, points) = without_a_fault(History::default());
    let mut restores = 0;
    for fault in [Fault::Io, Fault::Full] {
        for point in 1..=points {
            let node = new_node(History::default());
            node.disk.fail_at(point, fault);
            let mut told = Told {
                legal: vec![states[0].clone()],
                ..Told::default()
            };
            told.run(&node, 1..=CHANGES, &states);
            node.disk.mend();
            node.tasks.clear();
            if told.legal.len() > 1 || told.bookmarks.len() < states.len() - 1 {
                // Only a statement may have failed, and the rest of the turn was kept: what is current is of no interest here.
                told.legal = vec![seen(&node.open())];
            }
            restores += told.check(&node, 3, &format!("{fault:?} at {point}"));
        }
    }
    assert!(restores > 300, "{restores} restores prove little");
}
