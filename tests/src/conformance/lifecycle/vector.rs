//! The files of traces: scenarios, each the source of its objects and drivers in JavaScript, and what they were seen to do.
//!
//! The format is told in `tests/conformance/lifecycle/README.md`. A file that cannot be read, or a scenario that means nothing, is an
//! error that names the place: one that is skipped in silence would pass.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::Value as Json;

use crate::conformance::vector::{ReadError, files_of, line_of};

/// The format that this program reads.
pub(super) const FORMAT: &str = "do-lifecycle-vectors/1";

#[derive(Deserialize)]
struct File {
    format: String,
    topic: String,
    #[serde(rename = "recordedWith")]
    recorded_with: RecordedWith,
    scenarios: Vec<Scenario>,
}

#[derive(Deserialize)]
struct RecordedWith {
    #[serde(rename = "compatibilityDate")]
    compatibility_date: String,
}

/// A scenario, and every trace that it gave.
#[derive(Clone, Debug, Deserialize)]
pub struct Scenario {
    /// Unique: the topic, a slash, a label.
    pub name: String,
    /// What it shows.
    pub description: String,
    /// What the order of its events depends on.
    pub timing: Timing,
    /// How the times between its events were rounded.
    #[serde(rename = "timeUnit")]
    pub time_unit: Option<TimeUnit>,
    /// Its namespaces and flags.
    pub config: Config,
    /// Its programs.
    pub source: Source,
    /// The distinct traces, the most frequent first.
    pub traces: Vec<Trace>,
    /// The day whose behaviour was recorded; from the file.
    #[serde(skip)]
    pub compatibility_date: String,
}

/// What the order of a scenario's events depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Timing {
    /// On nothing but its code.
    None,
    /// On durations, roughly kept.
    Timers,
    /// The same, and some events carry the time since the one before.
    Buckets,
}

/// How the time between two events was rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum TimeUnit {
    /// To whole seconds.
    #[serde(rename = "s")]
    Seconds,
    /// To the nearest power of two seconds.
    #[serde(rename = "pow2")]
    PowersOfTwo,
}

/// The settings of a scenario.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Config {
    /// What its code sees, by binding.
    pub namespaces: BTreeMap<String, Namespace>,
    /// Flags beside the date.
    #[serde(default)]
    pub compatibility_flags: Vec<String>,
}

/// A namespace of a scenario.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Namespace {
    /// The class of its objects.
    pub class: String,
    /// What their ids are derived from.
    pub unique_key: String,
}

/// The programs of a scenario, in JavaScript.
#[derive(Clone, Debug, Deserialize)]
pub struct Source {
    /// The objects' classes.
    #[serde(default)]
    pub objects: String,
    /// The stateless worker's function.
    pub worker: Option<String>,
    /// The network client's function.
    pub client: Option<String>,
}

/// What a run gave.
#[derive(Clone, Debug, Deserialize)]
pub struct Trace {
    /// How many runs gave it.
    pub count: u32,
    /// The events, in order.
    pub events: Vec<Json>,
}

impl Scenario {
    /// The part of the name before the slash.
    pub fn topic(&self) -> &str {
        self.name.split('/').next().unwrap_or_default()
    }

    fn check(&self, topic: &str) -> Result<(), String> {
        if self.topic() != topic {
            return Err(format!("is in the file of the topic {topic}"));
        }
        if self.traces.is_empty() {
            return Err("has no trace".to_owned());
        }
        if (self.timing == Timing::Buckets) != self.time_unit.is_some() {
            return Err("has buckets without a time unit, or the reverse".to_owned());
        }
        for event in self.traces.iter().flat_map(|trace| &trace.events) {
            let at = event.get("at").and_then(Json::as_str);
            let named = event.get("ev").is_some_and(Json::is_string);
            if !matches!(at, Some("object" | "worker" | "client")) || !named {
                return Err(format!("no event, it needs `at` and `ev`: {event}"));
            }
        }
        Ok(())
    }
}

/// All scenarios of a file, or of the files of a folder that end in `.json`, in the order of their names.
///
/// # Errors
/// The first file that cannot be read, or means nothing.
pub fn read_scenarios(path: &Path) -> Result<Vec<Scenario>, ReadError> {
    let files = files_of(path)?;
    let scenarios = files.iter().map(|file| read_file(file));
    Ok(scenarios.collect::<Result<Vec<_>, _>>()?.concat())
}

fn read_file(path: &Path) -> Result<Vec<Scenario>, ReadError> {
    let text = fs::read_to_string(path).map_err(|error| ReadError::Unreadable {
        path: path.to_owned(),
        error,
    })?;
    read_text(path, &text)
}

/// The scenarios of a file with this text.
pub(in crate::conformance) fn read_text(
    path: &Path,
    text: &str,
) -> Result<Vec<Scenario>, ReadError> {
    let file: File = serde_json::from_str(text).map_err(|error| ReadError::Malformed {
        path: path.to_owned(),
        error,
    })?;
    let senseless = |name: &str, what: String| ReadError::Senseless {
        path: PathBuf::from(path),
        line: line_of(name, text),
        name: name.to_owned(),
        what,
    };
    if file.format != FORMAT {
        let what = format!("this program reads the format {FORMAT:?}");
        return Err(senseless(&file.format, what));
    }
    let mut scenarios = file.scenarios;
    for scenario in &mut scenarios {
        let checked = scenario.check(&file.topic);
        checked.map_err(|what| senseless(&scenario.name, what))?;
        scenario
            .compatibility_date
            .clone_from(&file.recorded_with.compatibility_date);
    }
    Ok(scenarios)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(scenario: &str) -> Result<Vec<Scenario>, String> {
        let text = format!(
            "{{\"format\":\"{FORMAT}\",\"topic\":\"t\",\"recordedWith\":{{\"compatibilityDate\":\"2026-07-01\"}},\n\"scenarios\":[{scenario}]}}"
        );
        read_text(Path::new("t.json"), &text).map_err(|error| error.to_string())
    }

    fn scenario(name: &str, rest: &str) -> String {
        format!(
            r#"{{"name":"{name}","description":"","config":{{"namespaces":{{}}}},"source":{{}},{rest}}}"#
        )
    }

    #[test]
    fn a_scenario_has_the_date_of_its_file() {
        let event = r#"{"at":"object","ev":"hello","n":1}"#;
        let rest = format!(r#""timing":"none","traces":[{{"count":20,"events":[{event}]}}]"#);
        let scenarios = read(&scenario("t/a", &rest)).expect("it is well formed");
        assert_eq!(scenarios[0].compatibility_date, "2026-07-01");
        assert_eq!(scenarios[0].traces[0].events.len(), 1);
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_its_place() {
        let traces = r#""traces":[{"count":1,"events":[]}]"#;
        for (name, rest, expected) in [
            (
                "u/a",
                format!(r#""timing":"none",{traces}"#),
                "is in the file of the topic t",
            ),
            (
                "t/a",
                r#""timing":"none","traces":[]"#.to_owned(),
                "has no trace",
            ),
            (
                "t/a",
                format!(r#""timing":"buckets",{traces}"#),
                "has buckets without a time unit, or the reverse",
            ),
            (
                "t/a",
                r#""timing":"none","traces":[{"count":1,"events":[{"at":"nowhere","ev":"x"}]}]"#
                    .to_owned(),
                r#"no event, it needs `at` and `ev`: {"at":"nowhere","ev":"x"}"#,
            ),
        ] {
            let error = read(&scenario(name, &rest)).expect_err("it is refused");
            assert_eq!(error, format!("t.json:2: case {name}: {expected}"));
        }
        let error = read(r#"{"name":"t/a"}"#).expect_err("it is refused");
        assert!(error.starts_with("t.json:2: missing field"), "{error}");
    }

    #[test]
    fn another_format_is_refused_by_name() {
        let text = r#"{"format":"x/2","topic":"t","recordedWith":{"compatibilityDate":"2026-07-01"},"scenarios":[]}"#;
        let error = read_text(Path::new("t.json"), text).expect_err("it is refused");
        let expected = format!("t.json:1: case x/2: this program reads the format {FORMAT:?}");
        assert_eq!(error.to_string(), expected);
    }
}
