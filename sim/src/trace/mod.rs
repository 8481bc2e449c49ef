//! The trace: what the runtime and the world did, in order, with virtual times.
//!
//! There is one instrumentation, `tracing` events with stable names; [`layer`] takes them in. The trace is kept in flat arrays, cheap
//! enough for mass exploration, so that its hash, its text and the checkers all see the very same thing. Nothing in it differs between two runs of a
//! seed: no addresses, no real times, no order of hash maps.
//!
//! A run that somebody looks at is handed out as [`Entry`]s: as canonical [`text`], as [`json_lines`], as a [`timeline`] of what lasted how
//! long, and from that as [`chrome`] JSON and as a [`page`] for the browser. [`words`] says what each event means.

pub mod chrome;
mod entry;
pub(crate) mod layer;
pub mod page;
pub mod timeline;
pub mod words;

use std::{fmt::Write as _, ops::Range, rc::Rc, time::Duration};

use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

pub use self::entry::{Entry, json_lines, text};

/// All events of one run.
#[derive(Debug, Default)]
pub struct Trace {
    events: Vec<Recorded>,
    fields: Vec<(&'static str, Field)>,
    text: String,
}

#[derive(Debug)]
struct Recorded {
    at: Duration,
    place: Rc<str>,
    name: &'static str,
    fields: Range<usize>,
}

#[derive(Debug)]
enum Field {
    Number(u64),
    Bool(bool),
    Text(Range<usize>),
}

/// One event, as a reader sees it.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    trace: &'a Trace,
    recorded: &'a Recorded,
}

/// Collects the fields of one event.
pub(crate) struct Recorder<'a> {
    trace: &'a mut Trace,
    at: Duration,
    place: Rc<str>,
    name: &'static str,
    first_field: usize,
}

impl Trace {
    pub(crate) fn record(
        &mut self,
        at: Duration,
        place: &Rc<str>,
        name: &'static str,
    ) -> Recorder<'_> {
        let first_field = self.fields.len();
        Recorder {
            trace: self,
            at,
            place: Rc::clone(place),
            name,
            first_field,
        }
    }

    /// The events in order.
    pub fn events(&self) -> impl DoubleEndedIterator<Item = Event<'_>> + ExactSizeIterator {
        self.events.iter().map(|recorded| Event {
            trace: self,
            recorded,
        })
    }

    /// How many events there are.
    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }

    pub(crate) fn last(&self) -> Option<Event<'_>> {
        self.events.last().map(|recorded| Event {
            trace: self,
            recorded,
        })
    }

    /// The number that two runs of a seed must agree on.
    ///
    /// # Panics
    /// If more than five hundred years of virtual time passed.
    pub fn hash(&self) -> u64 {
        let mut canonical = Vec::with_capacity(self.events.len() * 64);
        for event in self.events() {
            canonical.extend(
                u64::try_from(event.recorded.at.as_nanos())
                    .expect("runs are shorter than 500 years")
                    .to_le_bytes(),
            );
            for part in [&*event.recorded.place, event.name()] {
                canonical.extend(part.as_bytes());
                canonical.push(0);
            }
            for (name, field) in &self.fields[event.recorded.fields.clone()] {
                canonical.extend(name.as_bytes());
                match field {
                    Field::Number(number) => canonical.extend(number.to_le_bytes()),
                    Field::Bool(value) => canonical.push(u8::from(*value)),
                    Field::Text(range) => canonical.extend(&self.text.as_bytes()[range.clone()]),
                }
                canonical.push(0);
            }
        }
        xxh3_64(&canonical)
    }

    /// The canonical text: one line an event.
    pub fn text(&self) -> String {
        text(&self.entries())
    }

    /// Everything, to be kept after the run.
    pub fn entries(&self) -> Vec<Entry> {
        self.events().map(Event::to_entry).collect()
    }
}

impl Recorder<'_> {
    pub(crate) fn number(&mut self, name: &'static str, value: u64) {
        self.trace.fields.push((name, Field::Number(value)));
    }

    pub(crate) fn bool(&mut self, name: &'static str, value: bool) {
        self.trace.fields.push((name, Field::Bool(value)));
    }

    pub(crate) fn text(&mut self, name: &'static str, value: impl std::fmt::Display) {
        let start = self.trace.text.len();
        write!(self.trace.text, "{value}").expect("writing to a string does not fail");
        self.trace
            .fields
            .push((name, Field::Text(start..self.trace.text.len())));
    }
}

impl Drop for Recorder<'_> {
    fn drop(&mut self) {
        let fields = self.first_field..self.trace.fields.len();
        let (at, place, name) = (self.at, Rc::clone(&self.place), self.name);
        self.trace.events.push(Recorded {
            at,
            place,
            name,
            fields,
        });
    }
}

impl<'a> Event<'a> {
    /// Virtual time since the start.
    pub fn at(self) -> Duration {
        self.recorded.at
    }

    /// The machine on which it happened, or `world`.
    pub fn place(self) -> &'a str {
        &self.recorded.place
    }

    /// What happened.
    pub fn name(self) -> &'static str {
        self.recorded.name
    }

    /// A text field.
    pub fn text(self, name: &str) -> Option<&'a str> {
        match self.field(name)? {
            Field::Text(range) => Some(&self.trace.text[range.clone()]),
            Field::Number(_) | Field::Bool(_) => None,
        }
    }

    /// A number field.
    pub fn number(self, name: &str) -> Option<u64> {
        match self.field(name)? {
            Field::Number(number) => Some(*number),
            Field::Text(_) | Field::Bool(_) => None,
        }
    }

    /// A yes-or-no field that is there and says yes.
    pub fn is_true(self, name: &str) -> bool {
        matches!(self.field(name), Some(Field::Bool(true)))
    }

    fn field(self, name: &str) -> Option<&'a Field> {
        let fields = &self.trace.fields[self.recorded.fields.clone()];
        fields
            .iter()
            .find(|(field, _)| *field == name)
            .map(|(_, field)| field)
    }

    fn to_entry(self) -> Entry {
        let fields = self.trace.fields[self.recorded.fields.clone()].iter();
        let fields = fields.map(|(name, field)| {
            let value = match field {
                Field::Number(number) => Value::from(*number),
                Field::Bool(value) => Value::from(*value),
                Field::Text(range) => Value::from(&self.trace.text[range.clone()]),
            };
            ((*name).to_owned(), value)
        });
        Entry {
            at: self.recorded.at,
            place: self.place().to_owned(),
            name: self.name().to_owned(),
            fields: fields.collect(),
        }
    }
}
