//! Ids as the original derives them, held against what it was recorded to do.
//!
//! `data/ids.json` was recorded from workerd 1.20260730.1: each row of a table is a name (a string, or a string and how often it is repeated)
//! and what `idFromName(name).toString()` gave under the table's unique key; `refused` has the strings that `idFromString` rejected and the
//! message of the `TypeError`, with the id of one name under the key that was in force. The derivation is ID-2 to ID-4: the first half of an
//! id is a keyed hash of its name, the second half one of the first.
//!
//! The unique key of a namespace is `<worker>-<Class>` unless the data folder holds another one. So two tables are reached by naming worker and
//! class accordingly, and those whose key has no such form by a data folder that holds the key, as a folder does that outlived a change of
//! names. Not to be reached from Rust: names with a lone surrogate, which are no strings here, and arguments of other types.

use std::rc::Rc;

use dormouse::{
    Env, NodeBuilder, ObjectNamespace, Result, State,
    handler::{Class, Handler},
    platform::{OpenMode, Platform},
};
use dormouse_sim::{Seed, run_on_a_machine};
use serde::Deserialize;

const BINDING: &str = "OBJECTS";

#[derive(Deserialize)]
struct Recorded {
    tables: Vec<Table>,
    refused: Refused,
}

#[derive(Deserialize)]
struct Table {
    key: String,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    name: Name,
    id: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Name {
    Whole(String),
    Repeated { repeat: String, times: usize },
}

#[derive(Deserialize)]
struct Refused {
    key: String,
    name: String,
    id: String,
    strings: Vec<RefusedString>,
}

#[derive(Deserialize)]
struct RefusedString {
    what: String,
    string: String,
    message: String,
}

impl Name {
    fn text(&self) -> String {
        match self {
            Self::Whole(name) => name.clone(),
            Self::Repeated { repeat, times } => repeat.repeat(*times),
        }
    }
}

fn recorded() -> Recorded {
    serde_json::from_str(include_str!("../data/ids.json")).expect("the recording is well-formed")
}

fn table(key: &str) -> Table {
    let table = recorded().tables.into_iter().find(|table| table.key == key);
    let table = table.expect("it was recorded");
    assert_eq!(table.rows.len(), 48, "the recording lost its rows");
    table
}

/// A class of this name, of which no object is ever made.
struct Named(&'static str);

impl Class for Named {
    fn name(&self) -> &str {
        self.0
    }

    fn construct(&self, _: State, _: Env) -> Result<Rc<dyn Handler>> {
        unreachable!("making ids makes no objects (ID-14)")
    }
}

/// Shows the namespace of a node that runs `class` of `worker`, on an empty disk.
fn with_names(
    worker: &'static str,
    class: &'static str,
    check: impl FnOnce(&ObjectNamespace) + 'static,
) {
    run_on_a_machine(Seed(0), move |platform| async move {
        check(&namespace(platform, worker, class));
    });
}

/// Shows the namespace of a node whose data folder holds `key`.
fn with_stored_key(key: String, check: impl FnOnce(&ObjectNamespace) + 'static) {
    run_on_a_machine(Seed(0), move |platform| async move {
        let folder = serde_json::json!({ "format": 1, "namespaces": { "Stored": key } });
        let disk = &platform.disk;
        let file = disk.open("dormouse.json", OpenMode::Create);
        let file = file.expect("it is made");
        let written = disk.write_at(file, folder.to_string().as_bytes(), 0);
        written.expect("there is room");
        disk.close(file);
        check(&namespace(platform, "any-worker", "Stored"));
    });
}

fn namespace(platform: Platform, worker: &str, class: &'static str) -> ObjectNamespace {
    let node = NodeBuilder::new(worker).class(BINDING, Rc::new(Named(class)));
    let node = node.start(platform).expect("the node starts");
    let namespace = node.env().durable_object(BINDING);
    namespace.expect("it is served")
}

/// Every row, there and back again.
fn agree(namespace: &ObjectNamespace, table: &Table) {
    for row in &table.rows {
        let name = row.name.text();
        let shown: String = name.chars().take(30).collect();
        let id = namespace.id_from_name(&name).expect("every name has an id");
        assert_eq!(id.to_string(), row.id, "{shown:?}");
        assert_eq!(id.name().as_deref(), Some(&*name));
        let parsed = namespace.id_from_string(&row.id);
        let parsed = parsed.expect("it is an id of this namespace");
        assert_eq!(parsed, id, "{shown:?}");
        assert_eq!(parsed.to_string(), row.id, "{shown:?}");
        assert_eq!(parsed.name(), None);
        let stub = namespace.get_by_name(&name).expect("every name has a stub");
        assert_eq!(stub.id(), id, "{shown:?}");
    }
}

#[test]
fn names_give_the_recorded_ids_under_the_default_key() {
    let table = table("my-app-Counter");
    with_names("my-app", "Counter", move |counters| agree(counters, &table));
}

#[test]
fn names_give_the_recorded_ids_under_a_key_beyond_ascii() {
    let table = table("naïve-你好-😀");
    with_names("naïve-你好", "😀", move |faces| agree(faces, &table));
}

#[test]
fn names_give_the_recorded_ids_under_a_stored_key_whatever_the_worker_is_called() {
    // (ID-8)
    for key in ["k", "my-app-Counter", "naïve-你好-😀"] {
        let table = table(key);
        with_stored_key(key.to_owned(), move |stored| agree(stored, &table));
    }
}

#[test]
fn an_id_means_nothing_under_another_key() {
    // (ID-7)
    let table = table("k");
    with_names("my-app", "Counter", move |counters| {
        for row in &table.rows {
            let error = counters.id_from_string(&row.id).map(drop);
            assert_eq!(
                format!("{:?}", error.expect_err("it is a foreign id")),
                "TypeError: Durable Object ID is not valid for this namespace."
            );
        }
    });
}

#[test]
fn what_the_original_refuses_is_refused_in_the_same_words() {
    let refused = recorded().refused;
    assert_eq!(refused.strings.len(), 18, "the recording lost its rows");
    with_stored_key(refused.key.clone(), move |namespace| {
        let good = namespace.id_from_name(&refused.name).expect("an id");
        assert_eq!(good.to_string(), refused.id);
        let upper = namespace.id_from_string(&refused.id.to_uppercase());
        assert_eq!(upper.expect("hex digits are hex digits"), good);
        for RefusedString {
            what,
            string,
            message,
        } in &refused.strings
        {
            let error = namespace.id_from_string(string).map(drop);
            let error = error.expect_err(what);
            assert_eq!(
                (error.name(), error.message()),
                ("TypeError", &**message),
                "{what}"
            );
        }
    });
}
