//! Two classes that say who they are, and the workers that ask them, or ask nobody.

use std::collections::BTreeSet;

use dormouse::ObjectId;
use serde::{Deserialize, Serialize};

use super::*;

#[durable_object]
pub(super) struct Obj {
    state: State,
}

impl DurableObject for Obj {
    fn new(state: State, _: Env) -> Self {
        Self { state }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct Whoami {
    id: String,
    name: Option<String>,
}

#[rpc]
impl Obj {
    pub fn whoami(&self) -> Whoami {
        let id = self.state.id();
        Whoami {
            id: id.to_string(),
            name: id.name(),
        }
    }
}

#[durable_object]
pub(super) struct Other;

impl DurableObject for Other {
    fn new(_: State, _: Env) -> Self {
        Self
    }
}

/// `describe(name)`
fn shown(name: Option<impl Into<String>>) -> Json {
    describe(&Value::from(name.map(Into::into)))
}

pub(super) async fn derivation_is_deterministic(env: Worker) {
    let (obj, other) = (env.namespace("OBJ"), env.namespace("OTHER"));
    let room = |namespace: &dormouse::ObjectNamespace, name: &str| {
        let id = namespace.id_from_name(name).expect("every name has an id");
        id.to_string()
    };
    let a = room(&obj, "room");
    let is_lower_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    W.ev(
        "compare",
        json!({
            "same": a == room(&obj, "room"),
            "length": a.len(),
            "lowerHex": a.len() == 64 && a.bytes().all(is_lower_hex),
            "otherName": a == room(&obj, "Room"),
            "otherNamespace": a == room(&other, "room"),
        }),
    );
}

pub(super) async fn id_from_string_round_trip(env: Worker) {
    let obj = env.namespace("OBJ");
    let id = obj.id_from_name("room").expect("an id");
    let again = obj.id_from_string(&id.to_string()).expect("it is one");
    let upper = obj
        .id_from_string(&id.to_string().to_uppercase())
        .expect("it is one");
    W.ev("compare", json!({
        "equals": again == id, "reverse": id == again, "sameString": again.to_string() == id.to_string(),
        "upperEquals": upper == id, "upperPrints": upper.to_string() == id.to_string(),
        "name": shown(id.name()), "nameAgain": shown(again.name()),
        "nameIn": true, // every id has the method
    }));
}

pub(super) async fn id_from_string_errors(env: Worker) {
    let (obj, other) = (env.namespace("OBJ"), env.namespace("OTHER"));
    let good = obj.id_from_name("room").expect("an id").to_string();
    let flip = |at: usize| {
        let digit = if &good[at..=at] == "0" { "1" } else { "0" };
        format!("{}{digit}{}", &good[..at], &good[at + 1..])
    };
    let cases = [
        ("empty", String::new()),
        ("63 digits", good[1..].to_owned()),
        ("65 digits", format!("{good}0")),
        ("32 digits", good[32..].to_owned()),
        ("128 digits", good.repeat(2)),
        ("not hex", "z".repeat(64)),
        ("one bad digit", format!("g{}", &good[1..])),
        ("leading space", format!(" {}", &good[1..])),
        ("trailing newline", format!("{good}\n")),
        ("non-ASCII", "\u{e9}".repeat(64)),
        ("all zeros", "0".repeat(64)),
        ("all f", "f".repeat(64)),
        ("first digit changed", flip(0)),
        ("last digit changed", flip(63)),
        ("digit 31 changed", flip(31)),
        ("digit 32 changed", flip(32)),
        (
            "other namespace",
            other.id_from_name("room").expect("an id").to_string(),
        ),
        ("a name", "room".to_owned()),
    ];
    for (label, text) in cases {
        let parsed = obj.id_from_string(&text).map(|id| id.to_string() == good);
        W.attempt(label, async { parsed }).await;
    }
}

pub(super) async fn equals(env: Worker) {
    let (obj, other) = (env.namespace("OBJ"), env.namespace("OTHER"));
    let named = |name: &str| obj.id_from_name(name).expect("an id");
    let parsed = |id: &ObjectId<'_>| {
        obj.id_from_string(&id.to_string())
            .expect("it is one")
            .to_string()
    };
    let unique = || obj.unique_id().expect("an id");
    let (a, u) = (named("a"), unique());
    W.ev("compare", json!({
        "self": a == a.clone(), "sameName": a == named("a"), "otherName": a == named("b"),
        "viaString": a.to_string() == parsed(&a), "viaStub": a == obj.get_by_name("a").expect("a stub").id(),
        "unique": u == u.clone(), "twoUnique": u == unique(), "uniqueViaString": u.to_string() == parsed(&u),
        "otherNamespace": a == other.id_from_name("a").expect("an id"),
    }));
}

pub(super) async fn name_property(env: Worker) {
    let obj = env.namespace("OBJ");
    let named = obj.id_from_name("n1").expect("an id");
    let unique = obj.unique_id().expect("an id");
    let parsed = obj.id_from_string(&named.to_string()).expect("it is one");
    let stub_name = |id: &ObjectId<'_>| shown(obj.get(id).expect("an id of it").name());
    W.ev("names", json!({
        "fromName": shown(named.name()), "fromString": shown(parsed.name()),
        "unique": shown(unique.name()), "empty": shown(obj.id_from_name("").expect("an id").name()),
        "stubByName": shown(obj.get_by_name("n1").expect("a stub").name()), "stubByNamedId": stub_name(&named),
        "stubByUnique": stub_name(&unique), "stubByString": stub_name(&parsed),
    }));
}

pub(super) async fn name_seen_by_object(env: Worker) {
    let obj = env.namespace("OBJ");
    let by_string = |name: &str| {
        let id = obj.id_from_name(name).expect("an id").to_string();
        let id = obj.id_from_string(&id).expect("it is one");
        obj.get(&id).expect("an id of it")
    };
    let by_name = |name: &str| obj.get_by_name(name).expect("a stub");
    let unique = obj
        .get(&obj.unique_id().expect("an id"))
        .expect("an id of it");
    for (label, stub) in [
        ("by name", by_name("first-by-name")),
        ("then by string", by_string("first-by-name")),
        ("by string", by_string("first-by-string")),
        ("then by name", by_name("first-by-string")),
        ("unique", unique),
        ("empty name", by_name("")),
        ("1024 bytes", by_name(&"x".repeat(1024))),
        ("1025 bytes", by_name(&"x".repeat(1025))),
        (
            "1024 bytes in 512 characters",
            by_name(&"\u{e9}".repeat(512)),
        ),
        (
            "1026 bytes in 513 characters",
            by_name(&"\u{e9}".repeat(513)),
        ),
    ] {
        let name = stub.typed::<Obj>().whoami().await.expect("it answers").name;
        let length = name.as_ref().map_or(0, |name| name.chars().count());
        let name = if length > 20 {
            json!(length)
        } else {
            shown(name)
        };
        W.ev("name", json!({"label": label, "name": name}));
    }
}

pub(super) async fn new_unique_id(env: Worker) {
    let (obj, other) = (env.namespace("OBJ"), env.namespace("OTHER"));
    let ids: Vec<_> = (0..100)
        .map(|_| obj.unique_id().expect("an id").to_string())
        .collect();
    let is_lower_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    W.ev(
        "unique",
        json!({
            "distinct": ids.iter().collect::<BTreeSet<_>>().len(),
            "wellFormed": ids.iter().all(|id| id.len() == 64 && id.bytes().all(is_lower_hex)),
        }),
    );
    let first = &ids[0];
    for (label, namespace) in [("round trip", &obj), ("other namespace", &other)] {
        let same = namespace
            .id_from_string(first)
            .map(|id| id.to_string() == *first);
        W.attempt(label, async { same }).await;
    }
}

pub(super) async fn jurisdiction(env: Worker) {
    let obj = env.namespace("OBJ");
    for (label, jurisdiction) in [
        ("eu", "eu"),
        ("fedramp", "fedramp"),
        ("us", "us"),
        ("unknown", "mars"),
        ("empty", ""),
    ] {
        let sub = obj.jurisdiction(jurisdiction).map(|_| "object");
        W.attempt(label, async { sub }).await;
    }
    let inside = obj.id_from_name("a").map(|id| id.jurisdiction());
    W.attempt("id.jurisdiction", async { inside }).await;
}

pub(super) async fn get_options(env: Worker) {
    let obj = env.namespace("OBJ");
    let id = obj.id_from_name("a").expect("an id");
    for hint in [
        "wnam", "enam", "sam", "weur", "eeur", "apac", "oc", "afr", "me", "nowhere", "",
    ] {
        let call = async {
            let stub = id.get_stub_with_location_hint(hint)?;
            Ok(stub.typed::<Obj>().whoami().await?.name)
        };
        W.attempt(&format!("locationHint {hint:?}"), call).await;
    }
    let call = async {
        let stub = obj.get_by_name_with_location_hint("a", "wnam")?;
        Ok(stub.typed::<Obj>().whoami().await?.name)
    };
    W.attempt("getByName locationHint", call).await;
}

pub(super) async fn get_by_name(env: Worker) {
    let obj = env.namespace("OBJ");
    let stub = obj.get_by_name("room").expect("a stub");
    let (id, name) = (stub.id().to_string(), stub.name().map(str::to_owned));
    let id_name = stub.id().name();
    let same_id = stub.id() == obj.id_from_name("room").expect("an id");
    let whoami = stub.typed::<Obj>().whoami().await.expect("it answers");
    W.ev(
        "compare",
        json!({
            "sameId": same_id, "idName": id_name, "stubName": name,
            "objectId": whoami.id == id, "objectName": whoami.name,
        }),
    );
}
