//! Ids as the original derives them, held against what it was recorded to do.
//!
//! `data/ids.json` was recorded from workerd 1.20260730.1: each row of a table is a name (a string, or a string and how often it is repeated)
//! and what `idFromName(name).toString()` gave under the table's unique key; `refused` has the strings that `idFromString` rejected and the
//! message of the `TypeError`, with the id of one name under the key that was in force. The derivation is ID-2 to ID-4: the first half of an
//! id is a keyed hash of its name, the second half one of the first.
//!
//! The unique key of a namespace is `<worker>-<Class>` unless the data folder holds another one. So two tables are reached by naming worker and
//! class accordingly as well; all are replayed by a data folder that holds the key, as a folder does that outlived a change of
//! names. Not to be reached from Rust: names with a lone surrogate, which are no strings here, and arguments of other types.

use std::{path::Path, rc::Rc};

use dormouse::{
    Env, NodeBuilder, ObjectNamespace, Result, State,
    handler::{Class, Handler},
};
use dormouse_sim::{Seed, run_on_a_machine};
use dormouse_tests::conformance::ids::{IdFile, IdTable, read_ids, replay_ids};

const BINDING: &str = "OBJECTS";

fn recorded() -> IdFile {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/ids.json");
    read_ids(&file).expect("the recording is well-formed")
}

fn table(key: &str) -> IdTable {
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
        let node = NodeBuilder::new(worker).class(BINDING, Rc::new(Named(class)));
        let node = node.start(platform).expect("the node starts");
        let namespace = node.env().durable_object(BINDING);
        check(&namespace.expect("it is served"));
    });
}

fn agree(namespace: &ObjectNamespace, table: &IdTable) {
    for row in &table.rows {
        let name = row.name.text().expect("a string of Rust");
        let id = namespace.id_from_name(&name).expect("every name has an id");
        assert_eq!(id.to_string(), row.id, "{name:.30}");
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
fn names_give_the_recorded_ids_under_a_stored_key_and_what_the_original_refuses_is_refused() {
    // (ID-8): whatever the worker is called; there and back again, and the 18 strings that are no ids.
    let file = recorded();
    for key in ["k", "my-app-Counter", "naïve-你好-😀"] {
        assert!(file.tables.iter().any(|table| table.key == key), "{key}");
    }
    let report = replay_ids(&file);
    assert!(report.is_good(), "{report}\n{:?}", report.failures);
    let passed: Vec<_> = report.tables.iter().map(|table| table.passed).collect();
    assert_eq!(passed, [48, 48, 48, 1 + 18]);
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
