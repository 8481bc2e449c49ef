//! One event as data of its own: what is left of a trace when its world is gone, and the two formats that are a line an event.

use std::{fmt::Write as _, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

/// One event of a trace.
///
/// Its JSON form, a line of [`json_lines`]:
/// `{"at_ns":21000000,"place":"server","name":"commit","fields":{"object":"Counter/a","batch":1}}`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Virtual time since the start.
    #[serde(
        rename = "at_ns",
        serialize_with = "nanos",
        deserialize_with = "from_nanos"
    )]
    pub at: Duration,
    /// The machine on which it happened, or `world`.
    pub place: String,
    /// What happened: a stable name, see [`words`](super::words).
    pub name: String,
    /// What is known about it, in the order in which it was recorded: numbers, booleans and text.
    pub fields: Map<String, Value>,
}

fn nanos<S: Serializer>(at: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    let nanos = u64::try_from(at.as_nanos()).map_err(serde::ser::Error::custom)?;
    serializer.serialize_u64(nanos)
}

fn from_nanos<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u64::deserialize(deserializer).map(Duration::from_nanos)
}

impl Entry {
    /// A text field.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.fields.get(field)?.as_str()
    }

    /// A number field.
    pub fn number(&self, field: &str) -> Option<u64> {
        self.fields.get(field)?.as_u64()
    }

    fn write_line(&self, out: &mut String) -> std::fmt::Result {
        write!(
            out,
            "{} {:<9} {:<16}",
            moment(self.at),
            self.place,
            self.name
        )?;
        for (name, value) in &self.fields {
            match value {
                Value::String(text) => write!(out, " {name}={text}")?,
                other => write!(out, " {name}={other}")?,
            }
        }
        out.truncate(out.trim_end_matches(' ').len());
        out.push('\n');
        Ok(())
    }
}

/// A moment as traces and reports write it: `+0.021s`.
pub(crate) fn moment(at: Duration) -> String {
    format!("+{}.{:03}s", at.as_secs(), at.subsec_millis())
}

/// The canonical text: one line an event, for people and for snapshots.
///
/// # Panics
/// Never: a string takes everything.
pub fn text(entries: &[Entry]) -> String {
    let mut out = String::new();
    for entry in entries {
        entry.write_line(&mut out).expect("a string takes it");
    }
    out
}

/// One JSON object a line, for other programs: [`Entry`]'s JSON form.
///
/// # Panics
/// If more than five hundred years of virtual time passed.
pub fn json_lines(entries: &[Entry]) -> String {
    let mut out = String::new();
    for entry in entries {
        out += &serde_json::to_string(entry).expect("an entry has a JSON form");
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn committed() -> Entry {
        let fields = [
            ("object", Value::from("Counter/a")),
            ("batch", Value::from(1)),
            ("ok", Value::from(true)),
        ];
        Entry {
            at: Duration::from_micros(21_004),
            place: "server".to_owned(),
            name: "committed".to_owned(),
            fields: fields
                .map(|(name, value)| (name.to_owned(), value))
                .into_iter()
                .collect(),
        }
    }

    #[test]
    fn a_line_of_text_has_time_place_name_and_fields_in_order() {
        let mut bare = committed();
        bare.fields.clear();
        assert_eq!(
            text(&[committed(), bare]),
            "+0.021s server    committed        object=Counter/a batch=1 ok=true\n+0.021s server    committed\n"
        );
    }

    #[test]
    fn a_line_of_json_is_the_event_again_when_it_is_read() {
        let lines = json_lines(&[committed()]);
        assert_eq!(
            lines,
            "{\"at_ns\":21004000,\"place\":\"server\",\"name\":\"committed\",\"fields\":{\"object\":\"Counter/a\",\"batch\":1,\"ok\":true}}\n"
        );
        let read: Entry = serde_json::from_str(lines.trim()).expect("it is JSON");
        assert_eq!(read, committed());
    }
}
