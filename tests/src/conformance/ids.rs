//! Tables of ids, replayed as data: names and the ids that the original derived from them, under keys of any form.
//!
//! Two kinds of file are understood: `{"tables": [...], "refused": {...}}` as in `tests/data/ids.json`, and the recorded traces of the
//! topic `ids`, from which the tables are taken. A name is a string, `{"repeat": s, "times": n}` for a long one, or a list of UTF-16
//! units, which in Rust is a name only if it is well-formed.
//!
//! Each table runs on a node of its own whose data folder holds the table's key, so it may have any form (ID-8). The rules: ID-2 to ID-4,
//! ID-7, ID-9.

use std::{cell::RefCell, fmt, fs, path::Path, rc::Rc};

use dormouse::{
    Env, NodeBuilder, ObjectNamespace, Result, State,
    handler::{Class, Handler},
};
use dormouse_sim::{Seed, run_on_a_machine};
use serde::Deserialize;
use serde_json::Value as Json;

use super::{
    lifecycle,
    vector::{ReadError, line_of},
};

/// The tables of a file.
#[derive(Clone, Debug, Deserialize)]
pub struct IdFile {
    /// Names and ids.
    pub tables: Vec<IdTable>,
    /// Strings that are no ids.
    pub refused: Option<RefusedIds>,
}

/// Names and their ids under one key.
#[derive(Clone, Debug, Deserialize)]
pub struct IdTable {
    /// The namespace's unique key.
    pub key: String,
    /// The names.
    pub rows: Vec<IdRow>,
}

/// A name and its id.
#[derive(Clone, Debug, Deserialize)]
pub struct IdRow {
    /// The name.
    pub name: IdName,
    /// What `idFromName(name).toString()` gave.
    #[serde(alias = "hex")]
    pub id: String,
}

/// A name, in one of its spellings.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum IdName {
    /// As it is.
    Whole(String),
    /// So many times the same.
    Repeated {
        /// What is repeated.
        repeat: String,
        /// How often.
        times: usize,
    },
    /// UTF-16 units.
    Units {
        /// The units.
        utf16: Vec<u16>,
    },
}

/// Strings that `idFromString` refuses under one key.
#[derive(Clone, Debug, Deserialize)]
pub struct RefusedIds {
    /// The key.
    pub key: String,
    /// A name ...
    pub name: String,
    /// ... and its id, from which the strings were made.
    pub id: String,
    /// The strings.
    pub strings: Vec<RefusedString>,
}

/// A string that is no id.
#[derive(Clone, Debug, Deserialize)]
pub struct RefusedString {
    /// What is wrong with it.
    pub what: String,
    /// The string.
    pub string: String,
    /// The message of the `TypeError`.
    pub message: String,
}

impl IdName {
    /// The name as a string of Rust, if it is one.
    pub fn text(&self) -> Option<String> {
        match self {
            Self::Whole(name) => Some(name.clone()),
            Self::Repeated { repeat, times } => Some(repeat.repeat(*times)),
            Self::Units { utf16 } => String::from_utf16(utf16).ok(),
        }
    }
}

/// Reads a file of either kind.
///
/// # Errors
/// It cannot be read, is malformed, or has no table in it; an id has not 64 hex digits.
pub fn read_ids(path: &Path) -> Result<IdFile, ReadError> {
    let text = fs::read_to_string(path).map_err(|error| ReadError::Unreadable {
        path: path.to_owned(),
        error,
    })?;
    let malformed = |error| ReadError::Malformed {
        path: path.to_owned(),
        error,
    };
    let senseless = |name: &str, what: &str| ReadError::Senseless {
        path: path.to_owned(),
        line: line_of(name, &text),
        name: name.to_owned(),
        what: what.to_owned(),
    };
    let json: Json = serde_json::from_str(&text).map_err(malformed)?;
    let file = if json.get("format").is_some() {
        tables_of(&lifecycle::read_text(path, &text)?)
    } else {
        serde_json::from_str::<IdFile>(&text).map_err(malformed)?
    };
    if file.tables.is_empty() && file.refused.is_none() {
        return Err(senseless("tables", "there is no table of ids in this file"));
    }
    let rows = file
        .tables
        .iter()
        .flat_map(|table| &table.rows)
        .map(|row| &row.id);
    for id in rows.chain(file.refused.iter().map(|refused| &refused.id)) {
        let is_id = id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_id {
            return Err(senseless(id, "an id has 64 hex digits"));
        }
    }
    Ok(file)
}

/// The events of a trace that are rows of a table, under the key of the scenario's first namespace.
fn tables_of(scenarios: &[lifecycle::Scenario]) -> IdFile {
    let mut tables = Vec::new();
    for scenario in scenarios {
        let Some(namespace) = scenario.config.namespaces.get("OBJ") else {
            continue;
        };
        let events = scenario.traces.iter().flat_map(|trace| &trace.events);
        let rows: Vec<_> = events.filter_map(row_of).collect();
        if !rows.is_empty() {
            let key = namespace.unique_key.clone();
            tables.push(IdTable { key, rows });
        }
    }
    IdFile {
        tables,
        refused: None,
    }
}

/// The row that an event is, if it is one.
fn row_of(event: &Json) -> Option<IdRow> {
    let id = event.get("hex")?.as_str()?.to_owned();
    let name = match event.get("name") {
        Some(name) => name.clone(),
        None => serde_json::json!({"utf16": event.get("utf16")?}),
    };
    let name = serde_json::from_value(name).ok()?;
    Some(IdRow { name, id })
}

/// What a replay of tables came to.
#[derive(Clone, Debug, Default)]
pub struct IdReport {
    /// The figures, key by key.
    pub tables: Vec<IdTally>,
    /// What differed.
    pub failures: Vec<String>,
}

/// The figures of a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdTally {
    /// The key, and what of it.
    pub what: String,
    /// Rows that agree.
    pub passed: usize,
    /// Rows whose name is no string of Rust.
    pub not_in_rust: usize,
    /// All rows.
    pub total: usize,
}

/// Derives every id anew, parses every id, and tries every refused string.
pub fn replay_ids(file: &IdFile) -> IdReport {
    let mut report = IdReport::default();
    for table in &file.tables {
        let rows = table.rows.clone();
        let (tally, failures) = under_key(&table.key, move |namespace, failures| {
            let mut tally = IdTally::default();
            for row in &rows {
                tally.total += 1;
                match row
                    .name
                    .text()
                    .map(|name| row_difference(namespace, &name, &row.id))
                {
                    None => tally.not_in_rust += 1,
                    Some(None) => tally.passed += 1,
                    Some(Some(failure)) => failures.push(failure),
                }
            }
            tally
        });
        report.add(&format!("key {:?}", table.key), tally, &failures);
    }
    if let Some(refused) = file.refused.clone() {
        let what = format!("refused under key {:?}", refused.key);
        let (tally, failures) = under_key(&refused.key.clone(), move |namespace, failures| {
            let mut tally = IdTally::default();
            let good = row_difference(namespace, &refused.name, &refused.id);
            let strings = refused
                .strings
                .iter()
                .map(|it| refusal_difference(namespace, it));
            for difference in std::iter::once(good).chain(strings) {
                tally.total += 1;
                match difference {
                    None => tally.passed += 1,
                    Some(failure) => failures.push(failure),
                }
            }
            tally
        });
        report.add(&what, tally, &failures);
    }
    report
}

/// There and back again: what differs, if something does.
fn row_difference(namespace: &ObjectNamespace, name: &str, id: &str) -> Option<String> {
    let shown: String = name.chars().take(40).collect();
    let derived = namespace.id_from_name(name).expect("every name has an id");
    if derived.to_string() != id {
        return Some(format!("{shown:?}: expected {id}, got {derived}"));
    }
    for spelling in [id.to_owned(), id.to_uppercase()] {
        match namespace.id_from_string(&spelling) {
            Ok(parsed)
                if parsed == derived && parsed.to_string() == id && parsed.name().is_none() => {}
            Ok(parsed) => return Some(format!("{shown:?}: {spelling} is parsed as {parsed:?}")),
            Err(error) => return Some(format!("{shown:?}: {spelling} is refused: {error}")),
        }
    }
    if derived.name().as_deref() != Some(name) {
        return Some(format!("{shown:?}: the id has lost its name"));
    }
    let stub = namespace.get_by_name(name).expect("every name has a stub");
    (stub.id() != derived).then(|| format!("{shown:?}: its stub has the id {}", stub.id()))
}

fn refusal_difference(namespace: &ObjectNamespace, refused: &RefusedString) -> Option<String> {
    let RefusedString {
        what,
        string,
        message,
    } = refused;
    match namespace.id_from_string(string) {
        Ok(_) => Some(format!("{what}: {string:?} is taken for an id")),
        Err(error) if (error.name(), error.message()) == ("TypeError", &**message) => None,
        Err(error) => Some(format!(
            "{what}: expected TypeError: {message}, got {error:?}"
        )),
    }
}

/// Shows the namespace of a node whose data folder holds `key`.
fn under_key(
    key: &str,
    replay: impl FnOnce(&ObjectNamespace, &mut Vec<String>) -> IdTally + 'static,
) -> (IdTally, Vec<String>) {
    const BINDING: &str = "OBJECTS";
    let keys = serde_json::Map::from_iter([(NoObjects.name().to_owned(), key.into())]);
    run_on_a_machine(Seed(0), move |platform| async move {
        lifecycle::store_keys(&platform, keys);
        let node = NodeBuilder::new("any-worker").class(BINDING, Rc::new(NoObjects));
        let node = node.start(platform).expect("the folder is well-formed");
        let namespace = node.env().durable_object(BINDING).expect("it is served");
        let failures = RefCell::default();
        let tally = replay(&namespace, &mut failures.borrow_mut());
        (tally, failures.take())
    })
}

/// A class of which no object is ever made.
struct NoObjects;

impl Class for NoObjects {
    fn name(&self) -> &'static str {
        "NoObjects"
    }

    fn construct(&self, _: State, _: Env) -> Result<Rc<dyn Handler>> {
        unreachable!("making ids makes no objects (ID-14)")
    }
}

impl IdReport {
    fn add(&mut self, what: &str, mut tally: IdTally, failures: &[String]) {
        self.failures
            .extend(failures.iter().map(|failure| format!("{what}: {failure}")));
        what.clone_into(&mut tally.what);
        self.tables.push(tally);
    }

    /// Whether every id is the recorded one.
    pub fn is_good(&self) -> bool {
        self.failures.is_empty()
    }
}

impl fmt::Display for IdReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut passed, mut not_in_rust, mut total) = (0, 0, 0);
        for tally in &self.tables {
            write!(f, "{:>4}/{:<4}  {}", tally.passed, tally.total, tally.what)?;
            if tally.not_in_rust > 0 {
                write!(
                    f,
                    "  {} with an unpaired surrogate, which no string of Rust has",
                    tally.not_in_rust
                )?;
            }
            writeln!(f)?;
            passed += tally.passed;
            not_in_rust += tally.not_in_rust;
            total += tally.total;
        }
        let failed = self.failures.len();
        writeln!(
            f,
            "\n{passed} of {total} passed, {not_in_rust} not in Rust, {failed} failed"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<IdFile, String> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("ids.json");
        fs::write(&path, text).expect("there is room");
        let shown = format!("{}/", folder.path().display());
        read_ids(&path).map_err(|error| error.to_string().replace(&shown, ""))
    }

    /// The original's own test vector (ID-6).
    const FOO: &str = "2f15a1f797ff8950c1402f1b9d84e6175bf2d47280acc1fe330a0aaf708a99ea";

    fn replayed(name: &str, id: &str) -> IdReport {
        let file = read(&format!(
            r#"{{"tables":[{{"key":"mykey","rows":[{{"name":{name},"id":"{id}"}}]}}]}}"#
        ));
        replay_ids(&file.expect("it is well-formed"))
    }

    #[test]
    fn the_recorded_id_passes_in_every_spelling_of_its_name_and_no_other_does() {
        for name in [
            r#""foo""#,
            r#"{"repeat":"foo","times":1}"#,
            r#"{"utf16":[102,111,111]}"#,
        ] {
            assert!(replayed(name, FOO).is_good(), "{name}");
        }
        let other = FOO.replace('2', "3");
        for (name, id) in [(r#""Foo""#, FOO), (r#""foo""#, &other)] {
            let report = replayed(name, id);
            assert_eq!(
                (report.is_good(), report.tables[0].passed),
                (false, 0),
                "{name} {id}"
            );
        }
        let surrogate = replayed(r#"{"utf16":[55296]}"#, FOO);
        assert_eq!(
            (surrogate.tables[0].passed, surrogate.tables[0].not_in_rust),
            (0, 1)
        );
    }

    #[test]
    fn a_refused_string_must_be_refused_in_the_same_words() {
        let refused = |string: &str, message: &str| {
            let text = format!(
                r#"{{"tables":[],"refused":{{"key":"mykey","name":"foo","id":"{FOO}","strings":[{{"what":"w","string":"{string}","message":"{message}"}}]}}}}"#
            );
            replay_ids(&read(&text).expect("it is well-formed")).is_good()
        };
        assert!(refused(
            "foo",
            "Invalid Durable Object ID: must be 64 hex digits"
        ));
        assert!(!refused("foo", "something else"));
        assert!(!refused(
            FOO,
            "Invalid Durable Object ID: must be 64 hex digits"
        ));
    }

    #[test]
    fn what_is_no_table_is_refused_with_its_place() {
        for (text, expected) in [
            ("{\n\"tables\":[{}]}", "ids.json:2: missing field `key`"),
            ("[", "ids.json:1: EOF"),
            (
                r#"{"tables":[]}"#,
                "ids.json:1: case tables: there is no table of ids",
            ),
            (
                "{\"tables\":[{\"key\":\"k\",\"rows\":[\n{\"name\":\"a\",\"id\":\"07\"}]}]}",
                "ids.json:2: case 07: an id has 64 hex digits",
            ),
            (r#"{"format":"x"}"#, "ids.json:1: missing field"),
        ] {
            let error = read(text).expect_err("it is refused");
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
