//! Ids, namespaces and stubs as values.
//!
//! The tables of ids are data: one twin serves them all, whatever their names and keys. `workers` has the others.

mod workers;

use dormouse::{
    NodeBuilder,
    handler::{Class, Handler},
};

use self::workers::{Obj, Other};
use super::{
    prelude::*,
    twin::{Driver, boxed},
    vector::Scenario,
};
use crate::conformance::ids::IdName;

const OTHER_TYPES: &str = "an argument of another type does not compile";
const NO_OPTIONS: &str =
    "there are no objects of options: a hint and a jurisdiction have methods of their own";

pub(super) fn twins() -> Vec<Twin> {
    let twin = |name, worker: Driver<Worker>| Twin::new(name, serve).worker(worker);
    vec![
        twin("ids/derivation_is_deterministic", |env| {
            boxed(workers::derivation_is_deterministic(env))
        }),
        twin("ids/id_from_string_round_trip", |env| {
            boxed(workers::id_from_string_round_trip(env))
        }),
        twin("ids/id_from_string_errors", |env| {
            boxed(workers::id_from_string_errors(env))
        })
        .without_labels(
            OTHER_TYPES,
            &[
                "number",
                "null",
                "undefined",
                "the id object",
                "no argument",
            ],
        ),
        twin("ids/equals", |env| boxed(workers::equals(env)))
            .without_labels(OTHER_TYPES, &["string", "null", "undefined", "object"])
            .without_fields(
                "two values of Rust are equal or not, and nothing beyond",
                &["tripleEquals"],
            ),
        twin("ids/name_property", |env| {
            boxed(workers::name_property(env))
        })
        .without_labels("an id has no field to assign to", &["assign id.name"]),
        twin("ids/name_seen_by_object", |env| {
            boxed(workers::name_seen_by_object(env))
        }),
        twin("ids/new_unique_id", |env| {
            boxed(workers::new_unique_id(env))
        })
        .without_labels(
            NO_OPTIONS,
            &[
                "options {}",
                "options undefined",
                "options null",
                "options string",
                "jurisdiction null",
                "jurisdiction undefined",
                "jurisdiction eu",
                "jurisdiction nonsense",
            ],
        ),
        twin("ids/jurisdiction", |env| boxed(workers::jurisdiction(env))),
        twin("ids/get_options", |env| boxed(workers::get_options(env))).without_labels(
            NO_OPTIONS,
            &[
                "locationHint 7",
                "locationHint null",
                "locationHint undefined",
                "routingMode primary-only",
                "routingMode nonsense",
                "unknown option",
                "options null",
                "options string",
                "getByName routingMode nonsense",
            ],
        ),
        twin("ids/get_by_name", |env| boxed(workers::get_by_name(env)))
            .without_labels(OTHER_TYPES, &["no argument", "number"]),
    ]
}

fn serve(node: NodeBuilder, _: &Scenario) -> NodeBuilder {
    node.object::<Obj>("OBJ").object::<Other>("OTHER")
}

/// The twin of a scenario that does nothing but derive ids from names.
pub(super) fn table_twin(scenario: &Scenario) -> Option<Twin> {
    let mut events = scenario.traces.iter().flat_map(|trace| &trace.events);
    let is_table = scenario.topic() == "ids"
        && scenario.config.namespaces.contains_key("OBJ")
        && events.all(|event| event["ev"] == "id" && name_of(event).is_some());
    is_table.then(|| {
        Twin::new("ids/table", |node, scenario| {
            let class = scenario.config.namespaces["OBJ"].class.clone();
            node.class("OBJ", Rc::new(Named(class)))
        })
        .worker(|worker| boxed(derive_ids(worker)))
    })
}

async fn derive_ids(worker: Worker) {
    let namespace = worker.namespace("OBJ");
    for event in &worker.scenario().traces[0].events {
        let name = name_of(event).expect("the table was looked at before");
        let id = namespace.id_from_name(&name).expect("every name has an id");
        W.ev("id", json!({"name": event["name"], "hex": id.to_string()}));
    }
}

fn name_of(event: &Json) -> Option<String> {
    let name: IdName = serde_json::from_value(event.get("name")?.clone()).ok()?;
    name.text()
}

/// A class of which no object is ever made.
struct Named(String);

impl Class for Named {
    fn name(&self) -> &str {
        &self.0
    }

    fn construct(&self, _: State, _: Env) -> Result<Rc<dyn Handler>> {
        unreachable!("making ids makes no objects (ID-14)")
    }
}
