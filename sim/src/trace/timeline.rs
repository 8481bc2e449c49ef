//! The timeline: which events are one thing that lasted, and in whose lane it is drawn.
//!
//! A trace is a list of instants. A person asks how long a call took, which activation of an object lived then, what waited at a gate, and
//! what was not yet durable when the power went. This module answers that once, for every format that draws.
//!
//! Lanes: the clients, the world with its faults, the machines, the objects, the disk. An object's lane has rows: on the first the activations, below
//! them the events that it handles, as many as are under way at once, and on the last what is not yet durable.
//!
//! Names are not taken for granted: an event with a field `object` belongs to that object, `x_start` and `x_end` (or `x` and `x_done`) are the ends of
//! one thing, and any other name is an instant in its lane. So an event that is new in the runtime shows up without a change here.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::Entry;

/// Lanes, and what lasted in them.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Timeline {
    /// From top to bottom.
    pub lanes: Vec<Lane>,
    /// For each event its lane and its row in it.
    pub places: Vec<(usize, usize)>,
    /// What lasted, by its first event.
    pub spans: Vec<Span>,
}

/// One lane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lane {
    /// `client-1`, `Counter/a`, `disk`, ...
    pub name: String,
    /// What it stands for.
    pub kind: LaneKind,
    /// How many rows it has; at least one.
    pub rows: usize,
}

/// What a lane stands for. The order is that of the lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LaneKind {
    /// A client.
    Client,
    /// The world: faults and their end.
    World,
    /// A machine and the process on it.
    Machine,
    /// An object, over all its activations.
    Object,
    /// The disk of the machine on which the objects are.
    Disk,
}

/// Something that lasted from one event to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Span {
    /// Its lane.
    pub lane: usize,
    /// Its row in the lane.
    pub row: usize,
    /// What it is.
    pub kind: SpanKind,
    /// In words.
    pub label: String,
    /// The event with which it began.
    pub from: usize,
    /// The event with which it ended, or the last event of the run.
    pub to: usize,
    /// How it ended: `ok`, `failed`, `unknown` for a call, the reason for an activation, `lost` in a crash, `open` if it never ended, else `done`.
    pub outcome: String,
}

/// What a span is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SpanKind {
    /// A client's call, from where the client stands.
    Call,
    /// A machine is down.
    Down,
    /// An object is in memory.
    Activation,
    /// An event waits at the input gate.
    InputGate,
    /// An event is handled: its code runs turn by turn, and others may run between its turns.
    Handling,
    /// A reply waits at the output gate.
    OutputGate,
    /// Batches are committed and not durable.
    NotDurable,
    /// Syncs are under way.
    Sync,
    /// Anything else that has a beginning and an end.
    Other,
}

/// Groups `entries` into lanes and spans.
pub fn of(entries: &[Entry]) -> Timeline {
    let lanes = lanes(entries);
    let mut drawing = Drawing::new(entries, &lanes);
    for (at, entry) in entries.iter().enumerate() {
        drawing.hear(at, entry);
    }
    drawing.finish()
}

/// In whose lane an event belongs. The number keeps `client-10` behind `client-9`.
fn lane_of(entry: &Entry) -> (LaneKind, u64, String) {
    if entry.name == "FAULT" || entry.place == "world" {
        return (LaneKind::World, 0, "world".to_owned());
    }
    if let Some(object) = entry.text("object") {
        return (LaneKind::Object, 0, object.to_owned());
    }
    if entry.name.starts_with("disk_") {
        return (LaneKind::Disk, 0, "disk".to_owned());
    }
    let client = entry
        .place
        .strip_prefix("client-")
        .and_then(|number| number.parse().ok());
    match client {
        Some(number) => (LaneKind::Client, number, entry.place.clone()),
        None => (LaneKind::Machine, 0, entry.place.clone()),
    }
}

type Lanes = BTreeMap<(LaneKind, u64, String), usize>;

fn lanes(entries: &[Entry]) -> Lanes {
    let mut lanes: Lanes = entries.iter().map(|entry| (lane_of(entry), 0)).collect();
    for (number, lane) in lanes.values_mut().enumerate() {
        *lane = number;
    }
    lanes
}

/// What ends every activation of its machine at once.
fn is_crash(entry: &Entry) -> bool {
    entry.name == "FAULT" && matches!(entry.text("kind"), Some("process crash" | "power loss"))
}

/// The timeline as far as it is drawn.
struct Drawing<'a> {
    entries: &'a [Entry],
    lanes: &'a Lanes,
    timeline: Timeline,
    /// By client's lane: the call under way.
    calls: BTreeMap<usize, usize>,
    /// By object's lane.
    objects: BTreeMap<usize, Object>,
    /// How many syncs are under way, and the span that says so.
    syncs: (usize, Option<usize>),
    down: Option<usize>,
    /// By lane and name: spans of events whose names say that they are a beginning.
    others: BTreeMap<(usize, String), Vec<usize>>,
    /// `x` for every `x_done` that occurs.
    done: BTreeSet<&'a str>,
}

/// An object's spans that are open.
#[derive(Default)]
struct Object {
    activations: usize,
    activation: Option<usize>,
    events: BTreeMap<u64, Handled>,
    /// The last batch that was committed, and the span of what is not durable.
    committed: u64,
    not_durable: Option<usize>,
    /// When something became durable last.
    durable_at: Option<usize>,
    rows: usize,
}

/// An event that an object handles.
struct Handled {
    row: usize,
    what: String,
    /// The wait at the input gate, until the first turn.
    waits: Option<usize>,
    handling: Option<usize>,
    last_turn: usize,
}

impl<'a> Drawing<'a> {
    fn new(entries: &'a [Entry], lanes: &'a Lanes) -> Self {
        let described = lanes.keys().map(|(kind, _, name)| Lane {
            name: name.clone(),
            kind: *kind,
            rows: 1,
        });
        Self {
            entries,
            lanes,
            timeline: Timeline {
                lanes: described.collect(),
                ..Timeline::default()
            },
            calls: BTreeMap::new(),
            objects: BTreeMap::new(),
            syncs: (0, None),
            down: None,
            others: BTreeMap::new(),
            done: entries
                .iter()
                .filter_map(|entry| entry.name.strip_suffix("_done"))
                .collect(),
        }
    }

    fn hear(&mut self, at: usize, entry: &Entry) {
        let lane = self.lanes[&lane_of(entry)];
        self.timeline.places.push((lane, 0));
        match entry.name.as_str() {
            "invoke" => {
                let label = entry.text("op").unwrap_or_default().to_owned();
                let call = self.open(lane, 0, SpanKind::Call, label, at);
                self.calls.insert(lane, call);
            }
            "ok" | "failed" | "unknown" => self.call_ends(lane, at, entry),
            "activation_start" => self.activation_starts(lane, at),
            "activation_end" => {
                let reason = entry.text("reason").unwrap_or("over");
                self.activation_ends(lane, at, reason, "dropped");
            }
            "deliver" => self.event_arrives(lane, at, entry),
            "turn" => self.turn(lane, at, entry),
            "output" | "output_dropped" if entry.text("what") == Some("reply") => {
                self.reply(lane, at, entry);
            }
            "commit" => self.commit(lane, at, entry),
            "durable" => self.durable(lane, at, entry),
            "disk_sync" => self.sync_begins(lane, at),
            "disk_synced" => self.sync_ends(at),
            "node_start" => {
                if let Some(down) = self.down.take() {
                    self.close(down, at, "done");
                }
            }
            _ if is_crash(entry) => self.crash(at, entry),
            name => self.other(lane, at, name),
        }
    }

    fn open(&mut self, lane: usize, row: usize, kind: SpanKind, label: String, at: usize) -> usize {
        let rows = &mut self.timeline.lanes[lane].rows;
        *rows = (*rows).max(row + 1);
        self.timeline.spans.push(Span {
            lane,
            row,
            kind,
            label,
            from: at,
            to: self.entries.len() - 1,
            outcome: "open".to_owned(),
        });
        self.timeline.spans.len() - 1
    }

    fn close(&mut self, span: usize, at: usize, outcome: &str) {
        let span = &mut self.timeline.spans[span];
        span.to = at;
        outcome.clone_into(&mut span.outcome);
    }

    fn call_ends(&mut self, lane: usize, at: usize, entry: &Entry) {
        let Some(call) = self.calls.remove(&lane) else {
            return;
        };
        let answer = entry
            .text("returned")
            .or(entry.text("error"))
            .unwrap_or_default();
        let label = &mut self.timeline.spans[call].label;
        *label = format!("{label} \u{2192} {answer}");
        self.close(call, at, &entry.name);
    }

    fn activation_starts(&mut self, lane: usize, at: usize) {
        let object = self.objects.entry(lane).or_default();
        object.activations += 1;
        let label = format!("activation {}", object.activations);
        object.committed = 0;
        object.durable_at = None;
        let span = self.open(lane, 0, SpanKind::Activation, label, at);
        self.objects.entry(lane).or_default().activation = Some(span);
    }

    /// Everything of the object that is open ends with it: what is said of it is `outcome`.
    fn activation_ends(&mut self, lane: usize, at: usize, reason: &str, outcome: &str) {
        let others = self.others.iter_mut().filter(|((of, _), _)| *of == lane);
        let others: Vec<_> = others
            .flat_map(|(_, spans)| std::mem::take(spans))
            .collect();
        for span in others {
            self.close(span, at, outcome);
        }
        let Some(object) = self.objects.get_mut(&lane) else {
            return;
        };
        let activation = object.activation.take();
        let inside: Vec<_> = std::mem::take(&mut object.events)
            .into_values()
            .flat_map(|event| [event.waits, event.handling])
            .chain([object.not_durable.take()])
            .flatten()
            .collect();
        for span in inside {
            self.close(span, at, outcome);
        }
        if let Some(activation) = activation {
            self.close(activation, at, reason);
        }
    }

    fn event_arrives(&mut self, lane: usize, at: usize, entry: &Entry) {
        // One without a number, such as a socket's, does not say when it is over: it is an instant.
        let Some(number) = entry.number("event") else {
            return;
        };
        let what = entry.text("what").unwrap_or("event").to_owned();
        let row = self.free_row(lane);
        let waits = self.open(
            lane,
            row,
            SpanKind::InputGate,
            format!("{what} waits at the input gate"),
            at,
        );
        self.timeline.places[at].1 = row;
        let handled = Handled {
            row,
            what,
            waits: Some(waits),
            handling: None,
            last_turn: at,
        };
        self.objects
            .entry(lane)
            .or_default()
            .events
            .insert(number, handled);
    }

    /// A row of an object in which nothing is under way.
    fn free_row(&mut self, lane: usize) -> usize {
        let others = self.others.iter().filter(|((of, _), _)| *of == lane);
        let others = others
            .flat_map(|(_, spans)| spans)
            .map(|span| self.timeline.spans[*span].row);
        let object = self.objects.entry(lane).or_default();
        let events = object.events.values().map(|event| event.row);
        let taken: BTreeSet<_> = events.chain(others).collect();
        let row = (1..=taken.len() + 1)
            .find(|row| !taken.contains(row))
            .expect("there are more rows than are taken");
        object.rows = object.rows.max(row);
        row
    }

    fn turn(&mut self, lane: usize, at: usize, entry: &Entry) {
        let number = entry.number("event").unwrap_or(0);
        let Some(event) = self
            .objects
            .get_mut(&lane)
            .and_then(|object| object.events.get_mut(&number))
        else {
            return; // the constructor's, or of a task that outlived its event
        };
        event.last_turn = at;
        let row = event.row;
        self.timeline.places[at].1 = row;
        let Some(waits) = event.waits.take() else {
            return;
        };
        let label = event.what.clone();
        self.close(waits, at, "done");
        let handling = self.open(lane, row, SpanKind::Handling, label, at);
        let object = self.objects.entry(lane).or_default();
        if let Some(event) = object.events.get_mut(&number) {
            event.handling = Some(handling);
        }
    }

    fn reply(&mut self, lane: usize, at: usize, entry: &Entry) {
        let number = entry.number("event").unwrap_or(0);
        let Some(object) = self.objects.get_mut(&lane) else {
            return;
        };
        let Some(event) = object.events.remove(&number) else {
            return;
        };
        let waited = object
            .durable_at
            .is_some_and(|durable| durable > event.last_turn)
            || entry.name == "output_dropped";
        self.timeline.places[at].1 = event.row;
        let outcome = if entry.name == "output_dropped" {
            "dropped"
        } else {
            "done"
        };
        let Some(handling) = event.handling else {
            return;
        };
        if !waited {
            self.close(handling, at, outcome);
            return;
        }
        self.close(handling, event.last_turn, "done");
        let label = format!("reply of {} waits at the output gate", event.what);
        let wait = self.open(
            lane,
            event.row,
            SpanKind::OutputGate,
            label,
            event.last_turn,
        );
        self.close(wait, at, outcome);
    }

    fn commit(&mut self, lane: usize, at: usize, entry: &Entry) {
        let batch = entry.number("batch").unwrap_or(0);
        let object = self.objects.entry(lane).or_default();
        object.committed = batch;
        if object.not_durable.is_none() {
            self.not_durable_from(lane, at, batch);
        }
    }

    /// Its row is set when it is known how many rows the object's events take.
    fn not_durable_from(&mut self, lane: usize, at: usize, batch: u64) {
        let label = format!("batch {batch} is not durable");
        let span = self.open(lane, 0, SpanKind::NotDurable, label, at);
        self.objects.entry(lane).or_default().not_durable = Some(span);
    }

    fn durable(&mut self, lane: usize, at: usize, entry: &Entry) {
        let batch = entry.number("batch").unwrap_or(0);
        let object = self.objects.entry(lane).or_default();
        object.durable_at = Some(at);
        let committed = object.committed;
        if let Some(span) = object.not_durable.take() {
            self.close(span, at, "done");
        }
        if committed > batch {
            self.not_durable_from(lane, at, committed);
        }
    }

    fn sync_begins(&mut self, lane: usize, at: usize) {
        self.syncs.0 += 1;
        if self.syncs.1.is_none() {
            self.syncs.1 = Some(self.open(lane, 0, SpanKind::Sync, "syncing".to_owned(), at));
        }
    }

    fn sync_ends(&mut self, at: usize) {
        self.syncs.0 = self.syncs.0.saturating_sub(1);
        if self.syncs.0 == 0
            && let Some(span) = self.syncs.1.take()
        {
            self.close(span, at, "done");
        }
    }

    fn crash(&mut self, at: usize, entry: &Entry) {
        for lane in self.objects.keys().copied().collect::<Vec<_>>() {
            self.activation_ends(lane, at, "lost", "lost");
        }
        if let Some(span) = self.syncs.1.take() {
            self.close(span, at, "lost");
        }
        self.syncs.0 = 0;
        for span in std::mem::take(&mut self.others).into_values().flatten() {
            self.close(span, at, "lost");
        }
        let server = self
            .lanes
            .iter()
            .find(|((kind, ..), _)| *kind == LaneKind::Machine);
        if let Some(lane) = server.map(|(_, lane)| *lane) {
            let label = format!("down: {}", entry.text("kind").unwrap_or_default());
            self.down = Some(self.open(lane, 0, SpanKind::Down, label, at));
        }
    }

    fn other(&mut self, lane: usize, at: usize, name: &str) {
        let ended = name
            .strip_suffix("_end")
            .or_else(|| name.strip_suffix("_done"));
        let ended = ended.or((name == "restored").then_some("restore"));
        if let Some(base) = ended {
            let open = self
                .others
                .get_mut(&(lane, base.to_owned()))
                .and_then(Vec::pop);
            if let Some(span) = open {
                self.timeline.places[at].1 = self.timeline.spans[span].row;
                self.close(span, at, "done");
            }
            return;
        }
        let is_both = self.done.contains(name) || name == "restore";
        if let Some(base) = name.strip_suffix("_start").or(is_both.then_some(name)) {
            let is_object = self.timeline.lanes[lane].kind == LaneKind::Object;
            let row = if is_object { self.free_row(lane) } else { 0 };
            self.timeline.places[at].1 = row;
            let span = self.open(lane, row, SpanKind::Other, base.replace('_', " "), at);
            self.others
                .entry((lane, base.to_owned()))
                .or_default()
                .push(span);
        }
    }

    fn finish(mut self) -> Timeline {
        for (lane, object) in &self.objects {
            let last = object.rows + 1;
            for span in &mut self.timeline.spans {
                if span.lane == *lane && span.kind == SpanKind::NotDurable {
                    span.row = last;
                    self.timeline.lanes[*lane].rows = last + 1;
                }
            }
        }
        self.timeline.spans.sort_by_key(|span| span.from);
        self.timeline
    }
}

#[cfg(test)]
#[path = "timeline_tests.rs"]
mod tests;
