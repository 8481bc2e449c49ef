//! What `WebSockets` promise, checked from what the runtime did with every frame.
//!
//! Words: a frame is *sent* when it leaves its end, past the output gate (`socket_send`); it is *read* when it is handed to listeners (`socket_read`), to a
//! handler (`socket_event`) or answered by the node (`socket_answer`). An event is *handled* when its handler has ended
//! (`socket_handled`); its first turn is `socket_turn`. A connection is *broken* from the moment at which a fault takes it, either end lets go of it or hears that it is gone, or the
//! node's process ends.
//!
//! The promises:
//! - **Order.** At each end the frames that are read have consecutive numbers, from the first that was sent on: none twice, none out of turn, none left out.
//! - **Nothing lost.** A frame that was sent on a connection that is not broken is read within [`READ_BOUND`]; what makes a reader wait longer, a gate that does not
//!   open or a constructor that hangs, resets his object before.
//! - **Handled.** An object does not hibernate before the events of its sockets that were handed to it were handled.
//! - **Closed once.** A handler hears of the end of a connection once, by a close or an error, and of nothing after it.
//! - **Attached.** What was attached to a socket, and its tags, are there at each of its events, over any number of hibernations.
//! - **Not woken.** A message that the node answers brings no object into memory: every activation begins with an event.
//! - **Forgotten.** No turn of an object runs outside of an activation, and an event is handled by an instance that was constructed since the last
//!   hibernation: what was only in memory is gone.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::Violation;
use crate::trace::{Event, Trace};

/// How long a frame on a connection that is not broken may wait to be read.
pub const READ_BOUND: Duration = Duration::from_secs(40);

const ORDER: &str = "a socket's messages come in order, each once";
const LOST: &str = "nothing sent on a connected socket is lost";
const HANDLED: &str = "an object hibernates only when its sockets' events were handled";
const CLOSED: &str = "a socket closes once";
const ATTACHED: &str = "what is attached to a socket outlives hibernation";
const WOKEN: &str = "an answered ping wakes nobody";
const FORGOTTEN: &str = "what was only in memory is gone after hibernation";

/// Goes through the sockets of a run.
///
/// # Errors
/// The first promise that was broken.
///
/// # Panics
/// If an event of a socket lacks a field, which the runtime's do not.
pub fn check(trace: &Trace) -> Result<(), Violation> {
    let mut watch = Watch::default();
    let mut last = Duration::ZERO;
    for event in trace.events() {
        last = event.at();
        watch.hear(event)?;
    }
    watch.nothing_waits_at(last)
}

/// One direction of one connection, by the end that sends: `near` or `far`.
type Direction = (u64, &'static str);

#[derive(Default)]
struct Watch<'a> {
    /// Frames sent and not read, with the time at which they were sent.
    unread: BTreeMap<Direction, BTreeMap<u64, Duration>>,
    /// The number of the frame that was read last.
    read: BTreeMap<Direction, u64>,
    broken: BTreeSet<u64>,
    closed: BTreeSet<u64>,
    attachments: BTreeMap<(u64, &'static str), u64>,
    tags: BTreeMap<u64, u64>,
    /// The connections of an object that the node holds.
    held: BTreeMap<&'a str, BTreeSet<u64>>,
    /// Events handed to an object and not handled.
    handed: BTreeMap<&'a str, BTreeSet<(u64, u64)>>,
    /// Events that ended the activation that they were handed to, or ended with it: what a handler does in its first turn may reset its object.
    ended: BTreeSet<(u64, u64)>,
    living: BTreeMap<&'a str, Instance>,
    /// Objects that had an instance which does not know that another one took its place: it runs on (lifecycle L-21).
    superseded: BTreeSet<&'a str>,
}

/// How far an activation has come.
#[derive(Clone, Copy, Default)]
struct Instance {
    has_an_event: bool,
    is_constructed: bool,
}

fn number(event: Event<'_>, field: &str) -> u64 {
    event.number(field).expect("the event has the field")
}

fn end_of(event: Event<'_>) -> &'static str {
    match event.text("end") {
        Some("far") => "far",
        _ => "near",
    }
}

fn other(end: &str) -> &'static str {
    if end == "near" { "far" } else { "near" }
}

impl<'a> Watch<'a> {
    fn hear(&mut self, event: Event<'a>) -> Result<(), Violation> {
        let object = event.text("object").unwrap_or_default();
        match event.name() {
            "socket_send" => self.sent(event),
            "socket_read" => self.read(event, other(end_of(event)))?,
            "socket_answer" => self.read(event, "far")?,
            "socket_event" => self.event(object, event)?,
            "socket_turn" => self.first_turn(object, event)?,
            "socket_handled" => {
                let place = (number(event, "socket"), number(event, "nth"));
                if let Some(handed) = self.handed.get_mut(object) {
                    handed.remove(&place);
                }
            }
            "socket_attachment" => {
                let place = (number(event, "socket"), end_of(event));
                self.attachments.insert(place, number(event, "attachment"));
            }
            "socket_accept" if event.text("how") == Some("hibernatable") => {
                let socket = number(event, "socket");
                self.tags.insert(socket, number(event, "tags"));
                self.held.entry(object).or_default().insert(socket);
            }
            "socket_lost" | "socket_cut" | "socket_overflow" => {
                self.break_off(number(event, "socket"), event.at())?;
            }
            "FAULT" => self.fault(event)?,
            "activation_start" => {
                self.living.insert(object, Instance::default());
            }
            "activation_end" => self.ended(object, event)?,
            "constructed" => {
                if let Some(instance) = self.living.get_mut(object) {
                    instance.is_constructed = true;
                }
            }
            "deliver" => {
                if let Some(instance) = self.living.get_mut(object) {
                    instance.has_an_event = true;
                }
            }
            "turn" => self.turn(object, event)?,
            _ => {}
        }
        Ok(())
    }

    fn sent(&mut self, event: Event<'_>) {
        let (socket, nth) = (number(event, "socket"), number(event, "nth"));
        if event.text("what") != Some("cut") && !self.broken.contains(&socket) {
            let direction = (socket, end_of(event));
            self.unread
                .entry(direction)
                .or_default()
                .insert(nth, event.at());
        }
    }

    fn read(&mut self, event: Event<'_>, from: &'static str) -> Result<(), Violation> {
        let (socket, nth) = (number(event, "socket"), number(event, "nth"));
        if event.text("what") == Some("cut") || nth == 0 {
            return Ok(()); // nobody sent it
        }
        let direction = (socket, from);
        if let Some(unread) = self.unread.get_mut(&direction) {
            unread.remove(&nth);
        }
        let before = self.read.insert(direction, nth).unwrap_or(0);
        if nth == before + 1 {
            return Ok(());
        }
        let why = format!(
            "socket {socket}: after frame {before} from the {from} end frame {nth} was read, at +{:?}",
            event.at()
        );
        Err(Violation::new(ORDER, why))
    }

    fn event(&mut self, object: &'a str, event: Event<'_>) -> Result<(), Violation> {
        self.read(event, "far")?;
        let (socket, nth) = (number(event, "socket"), number(event, "nth"));
        self.handed.entry(object).or_default().insert((socket, nth));
        let attached = self
            .attachments
            .get(&(socket, "near"))
            .copied()
            .unwrap_or(0);
        if attached != number(event, "attachment")
            || self.tags.get(&socket).copied() != event.number("tags")
        {
            let why = format!(
                "{object}: socket {socket} had another attachment or other tags at +{:?}",
                event.at()
            );
            return Err(Violation::new(ATTACHED, why));
        }
        let is_last = event.text("what") != Some("message");
        let after_the_last = self.closed.contains(&socket);
        if is_last {
            self.closed.insert(socket);
        }
        if after_the_last {
            let why = format!(
                "{object}: socket {socket} had one more event after its last, at +{:?}",
                event.at()
            );
            return Err(Violation::new(CLOSED, why));
        }
        Ok(())
    }

    fn first_turn(&self, object: &str, event: Event<'_>) -> Result<(), Violation> {
        let is_in_memory = self
            .living
            .get(object)
            .is_some_and(|instance| instance.is_constructed);
        let place = (number(event, "socket"), number(event, "nth"));
        if is_in_memory || self.ended.contains(&place) {
            return Ok(()); // whether the turn began in time is told by `turn`
        }
        let why = format!(
            "{object}: an event was handled at +{:?} by what was not constructed anew",
            event.at()
        );
        Err(Violation::new(FORGOTTEN, why))
    }

    fn turn(&mut self, object: &'a str, event: Event<'_>) -> Result<(), Violation> {
        let Some(instance) = self.living.get(object) else {
            if self.superseded.contains(object) {
                return Ok(());
            }
            let why = format!(
                "{object}: a turn ran at +{:?}, outside of any activation",
                event.at()
            );
            return Err(Violation::new(FORGOTTEN, why));
        };
        if !instance.has_an_event && self.held.contains_key(object) {
            let why = format!(
                "{object}: it came into memory for no event, at +{:?}",
                event.at()
            );
            return Err(Violation::new(WOKEN, why));
        }
        Ok(())
    }

    fn ended(&mut self, object: &'a str, event: Event<'_>) -> Result<(), Violation> {
        self.living.remove(object);
        if event.text("reason") == Some("superseded") {
            self.superseded.insert(object);
        }
        let handed = self.handed.remove(object).unwrap_or_default();
        if event.text("reason") == Some("hibernated")
            && let Some((socket, nth)) = handed.first()
        {
            let why = format!(
                "{object}: it hibernated at +{:?} while frame {nth} of socket {socket} waited for its handler",
                event.at()
            );
            return Err(Violation::new(HANDLED, why));
        }
        if event.text("reason") != Some("hibernated") {
            self.ended.extend(handed);
            for socket in self.held.remove(object).unwrap_or_default() {
                self.break_off(socket, event.at())?;
            }
        }
        Ok(())
    }

    fn fault(&mut self, event: Event<'_>) -> Result<(), Violation> {
        if let Some(socket) = event.number("socket") {
            return self.break_off(socket, event.at());
        }
        if matches!(event.text("kind"), Some("process crash" | "power loss")) {
            let all: BTreeSet<u64> = self.unread.keys().map(|(socket, _)| *socket).collect();
            for socket in all {
                self.break_off(socket, event.at())?;
            }
            self.living.clear();
            self.superseded.clear();
            self.handed.clear();
            self.held.clear();
        }
        Ok(())
    }

    fn break_off(&mut self, socket: u64, at: Duration) -> Result<(), Violation> {
        if !self.broken.insert(socket) {
            return Ok(());
        }
        for end in ["near", "far"] {
            let waiting = self.unread.remove(&(socket, end)).unwrap_or_default();
            in_time(socket, &waiting, at)?;
        }
        Ok(())
    }

    fn nothing_waits_at(&self, at: Duration) -> Result<(), Violation> {
        self.unread
            .iter()
            .try_for_each(|((socket, _), waiting)| in_time(*socket, waiting, at))
    }
}

/// Nothing of what waits has waited too long.
fn in_time(socket: u64, waiting: &BTreeMap<u64, Duration>, at: Duration) -> Result<(), Violation> {
    let late = waiting.iter().find(|&(_, sent)| at > *sent + READ_BOUND);
    match late {
        None => Ok(()),
        Some((nth, sent)) => {
            let why =
                format!("socket {socket}: frame {nth}, sent at +{sent:?}, was not read by +{at:?}");
            Err(Violation::new(LOST, why))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    /// A trace in the making: one object with one socket.
    struct Made(Trace, Duration);

    impl Made {
        fn accepted() -> Self {
            let mut made = Self(Trace::default(), Duration::ZERO);
            made.object("activation_start", None)
                .object("deliver", None)
                .object("turn", None);
            made.object("constructed", None);
            made.event(
                "socket_accept",
                &[("tags", 7), ("attachment", 0)],
                &[("how", "hibernatable")],
            );
            made
        }

        fn object(&mut self, name: &'static str, reason: Option<&str>) -> &mut Self {
            let place: Rc<str> = "server".into();
            let mut recorder = self.0.record(self.1, &place, name);
            recorder.text("object", "Room/a");
            if let Some(reason) = reason {
                recorder.text("reason", reason);
            }
            drop(recorder);
            self
        }

        fn event(
            &mut self,
            name: &'static str,
            numbers: &[(&'static str, u64)],
            texts: &[(&'static str, &str)],
        ) -> &mut Self {
            let place: Rc<str> = "server".into();
            let mut recorder = self.0.record(self.1, &place, name);
            recorder.text("object", "Room/a");
            recorder.number("socket", 1);
            for (name, value) in numbers {
                recorder.number(name, *value);
            }
            for (name, value) in texts {
                recorder.text(name, value);
            }
            drop(recorder);
            self
        }

        fn sent(&mut self, nth: u64) -> &mut Self {
            self.event(
                "socket_send",
                &[("nth", nth)],
                &[("end", "far"), ("what", "message")],
            )
        }

        fn handed(&mut self, nth: u64, what: &str) -> &mut Self {
            let fields = [("nth", nth), ("tags", 7), ("attachment", 0)];
            self.event("socket_event", &fields, &[("what", what)])
        }

        fn handled(&mut self, nth: u64) -> &mut Self {
            self.event("socket_turn", &[("nth", nth)], &[]);
            self.event("socket_handled", &[("nth", nth)], &[])
        }

        fn later(&mut self, seconds: u64) -> &mut Self {
            self.1 += Duration::from_secs(seconds);
            self
        }

        fn broken(&self) -> Option<String> {
            check(&self.0).err().map(|violation| violation.promise)
        }
    }

    #[test]
    fn a_good_life_is_fine() {
        let mut made = Made::accepted();
        made.sent(1)
            .handed(1, "message")
            .handled(1)
            .object("activation_end", Some("hibernated"));
        made.later(60)
            .sent(2)
            .object("activation_start", None)
            .handed(2, "close")
            .object("deliver", None);
        made.object("turn", None)
            .object("constructed", None)
            .handled(2);
        assert_eq!(made.broken(), None);
    }

    #[test]
    fn gaps_and_repetitions_are_found() {
        for second in [1, 3] {
            let mut made = Made::accepted();
            made.sent(1).handed(1, "message").handed(second, "message");
            assert_eq!(made.broken().as_deref(), Some(ORDER));
        }
    }

    #[test]
    fn what_nobody_reads_is_found_unless_the_connection_broke() {
        let mut made = Made::accepted();
        made.sent(1).later(41).object("idle", None);
        assert_eq!(made.broken().as_deref(), Some(LOST));
        let mut made = Made::accepted();
        made.sent(1)
            .event("socket_lost", &[], &[("end", "near")])
            .later(41)
            .object("idle", None);
        assert_eq!(made.broken(), None);
    }

    #[test]
    fn hibernating_over_an_event_is_found() {
        let mut made = Made::accepted();
        made.sent(1)
            .handed(1, "message")
            .object("activation_end", Some("hibernated"));
        assert_eq!(made.broken().as_deref(), Some(HANDLED));
    }

    #[test]
    fn a_second_close_is_found() {
        let mut made = Made::accepted();
        made.sent(1)
            .sent(2)
            .handed(1, "close")
            .handled(1)
            .handed(2, "close");
        assert_eq!(made.broken().as_deref(), Some(CLOSED));
    }

    #[test]
    fn another_attachment_is_found() {
        let mut made = Made::accepted();
        made.event(
            "socket_attachment",
            &[("attachment", 9)],
            &[("end", "near")],
        )
        .sent(1)
        .handed(1, "message");
        assert_eq!(made.broken().as_deref(), Some(ATTACHED));
    }

    #[test]
    fn an_object_that_is_woken_for_nothing_is_found() {
        let mut made = Made::accepted();
        made.object("activation_end", Some("hibernated"))
            .object("activation_start", None)
            .object("turn", None);
        assert_eq!(made.broken().as_deref(), Some(WOKEN));
    }

    #[test]
    fn memory_that_outlives_hibernation_is_found() {
        let mut made = Made::accepted();
        made.object("activation_end", Some("hibernated"))
            .object("turn", None);
        assert_eq!(made.broken().as_deref(), Some(FORGOTTEN));
        let mut made = Made::accepted();
        made.object("activation_end", Some("hibernated"))
            .object("activation_start", None);
        made.sent(1).handed(1, "message").handled(1);
        assert_eq!(made.broken().as_deref(), Some(FORGOTTEN));
    }

    #[test]
    fn a_handler_that_resets_its_object_is_fine_and_one_that_begins_after_that_is_found() {
        let mut made = Made::accepted();
        made.sent(1)
            .handed(1, "message")
            .object("turn", None)
            .object("activation_end", Some("reset"))
            .handled(1);
        assert_eq!(made.broken(), None);
        let mut made = Made::accepted();
        made.sent(1)
            .handed(1, "message")
            .object("activation_end", Some("reset"))
            .object("turn", None)
            .handled(1);
        assert_eq!(made.broken().as_deref(), Some(FORGOTTEN));
    }
}
