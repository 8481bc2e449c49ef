//! Ids and names: which object is meant, and what the object itself knows of its name.

use dormouse::{
    DurableObject, Env, Error, NodeBuilder, ObjectNamespace, Result, State, StorageBackend, Stub,
    durable_object, rpc,
};
use dormouse_sim::{Seed, run_on_a_machine};
use serde::{Deserialize, Serialize};

use super::{Bench, error_of, on_both, serving};

const FOREIGN: &str = "TypeError: Durable Object ID is not valid for this namespace.";

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Myself {
    id: String,
    name: Option<String>,
}

/// Knows who it is, and who it was when it was made.
#[durable_object]
struct Person {
    state: State,
    name_at_birth: Option<String>,
}

impl DurableObject for Person {
    fn new(state: State, _: Env) -> Self {
        let name_at_birth = state.id().name();
        Self {
            state,
            name_at_birth,
        }
    }
}

#[rpc]
impl Person {
    pub fn whoami(&self) -> Result<Myself> {
        let id = self.state.id();
        if id.name() != self.name_at_birth {
            return Err(Error::from(
                "the name changed in the middle of an activation",
            ));
        }
        Ok(Myself {
            id: id.to_string(),
            name: id.name(),
        })
    }

    pub fn call_by_own_id(&self) -> Result<()> {
        self.state.id().get_stub().map(drop)
    }
}

/// A namespace beside that of `Person`.
#[durable_object]
struct Stranger;

impl DurableObject for Stranger {
    fn new(_: State, _: Env) -> Self {
        Self
    }
}

fn people() -> NodeBuilder {
    serving::<Person>().object::<Stranger>("Stranger")
}

impl Bench {
    fn people(&self) -> ObjectNamespace {
        let people = self.node.env().durable_object("Person");
        people.expect("it is served")
    }

    fn strangers(&self) -> ObjectNamespace {
        let strangers = self.node.env().durable_object("Stranger");
        strangers.expect("it is served")
    }
}

fn by_string(people: &ObjectNamespace, name: &str) -> Result<Stub> {
    let hex = people.id_from_name(name)?.to_string();
    people.id_from_string(&hex)?.get_stub()
}

async fn name_seen_inside(stub: Stub) -> Result<Option<String>> {
    let id = stub.id().to_string();
    let myself = stub.typed::<Person>().whoami().await?;
    assert_eq!(myself.id, id);
    Ok(myself.name)
}

#[test]
fn an_object_knows_the_name_by_which_it_was_reached() {
    // (ID-12; recorded: name_seen_by_object)
    on_both(&people(), |bench| async move {
        let people = bench.people();
        let named = |name: &str| people.get_by_name(name).expect("a name is enough");
        for name in ["first-by-name", "", &"x".repeat(1024), &"é".repeat(512)] {
            let seen = name_seen_inside(named(name)).await;
            assert_eq!(seen, Ok(Some(name.to_owned())));
        }
        for too_long in ["x".repeat(1025), "é".repeat(513)] {
            let stub = named(&too_long);
            assert_eq!(stub.name(), Some(&*too_long)); // the caller sees it all the same
            assert_eq!(name_seen_inside(stub).await, Ok(None));
        }
    });
}

#[test]
fn an_object_that_was_reached_without_a_name_knows_none() {
    // (ID-12; recorded: name_seen_by_object)
    on_both(&people(), |bench| async move {
        let people = bench.people();
        let unique = people.unique_id().and_then(|id| id.get_stub());
        let unique = unique.expect("ids are made for the asking");
        assert_eq!(unique.name(), None);
        assert_eq!(name_seen_inside(unique).await, Ok(None));
        let by_string = by_string(&people, "ada").expect("it is a valid id");
        assert_eq!(by_string.name(), None);
        assert_eq!(name_seen_inside(by_string).await, Ok(None));
    });
}

#[test]
fn a_name_is_known_as_long_as_the_object_is_and_never_learnt_in_the_middle_of_an_activation() {
    // (ID-13; recorded: name_seen_by_object)
    on_both(&people(), |bench| async move {
        let people = bench.people();
        let ada = people.get_by_name("ada").expect("a name is enough");
        assert_eq!(name_seen_inside(ada).await, Ok(Some("ada".to_owned())));
        let ada = by_string(&people, "ada").expect("it is a valid id");
        assert_eq!(name_seen_inside(ada).await, Ok(Some("ada".to_owned())));

        let bob = by_string(&people, "bob").expect("it is a valid id");
        let bob = bob.typed::<Person>();
        let name = |myself: Result<Myself>| myself.map(|myself| myself.name);
        assert_eq!(name(bob.whoami().await), Ok(None));
        let named = people.get_by_name("bob").expect("a name is enough");
        assert_eq!(name_seen_inside(named).await, Ok(None));
        assert_eq!(bench.node.hibernate_idle(), 2);
        assert_eq!(name(bob.whoami().await), Ok(Some("bob".to_owned())));
    });
}

#[test]
fn ids_are_equal_if_their_bytes_are() {
    // (ID-9, ID-10; recorded: equals, id_from_string_round_trip, name_property)
    on_both(&people(), |bench| async move {
        let (people, strangers) = (bench.people(), bench.strangers());
        let id = |name: &str| people.id_from_name(name).expect("every name has an id");
        let by_string = people.id_from_string(&id("a").to_string());
        let by_string = by_string.expect("it is a valid id");
        let upper = people.id_from_string(&id("a").to_string().to_uppercase());
        let upper = upper.expect("hex digits are hex digits");
        assert_eq!(id("a"), id("a"));
        assert_ne!(id("a"), id("b"));
        assert_eq!(id("a"), by_string);
        assert_eq!(id("a"), upper);
        assert_eq!(upper.to_string(), id("a").to_string());
        assert_eq!(id("a").name().as_deref(), Some("a"));
        assert_eq!(by_string.name(), None);
        assert_ne!(id("a"), strangers.id_from_name("a").expect("it has an id"));
        assert_eq!(people.get_by_name("a").expect("a stub").id(), id("a"));
        assert_eq!(bench.node.activation_count(), 0); // (ID-14, L-1)
    });
}

#[test]
fn unique_ids_are_unique_and_lead_back_to_their_object() {
    // (ID-5; recorded: new_unique_id)
    on_both(&people(), |bench| async move {
        let people = bench.people();
        let ids: std::collections::BTreeSet<String> = (0..100)
            .map(|_| people.unique_id().expect("there are enough").to_string())
            .collect();
        assert_eq!(ids.len(), 100);
        for id in &ids {
            let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            assert_eq!(id.len(), 64);
            assert!(id.bytes().all(is_hex), "{id}");
            let parsed = people.id_from_string(id).expect("it is a valid id");
            assert_eq!(parsed.to_string(), *id);
            let foreign = bench.strangers().id_from_string(id).map(drop);
            assert_eq!(error_of(foreign), FOREIGN);
        }
    });
}

#[test]
fn an_id_of_another_namespace_is_refused() {
    // (NS-6, ID-7)
    on_both(&people(), |bench| async move {
        let (people, strangers) = (bench.people(), bench.strangers());
        let foreign = strangers.id_from_name("a").expect("it has an id");
        assert_eq!(error_of(people.get(&foreign)), FOREIGN);
        let parsed = people.id_from_string(&foreign.to_string()).map(drop);
        assert_eq!(error_of(parsed), FOREIGN);
        assert!(strangers.get(&foreign).is_ok());
    });
}

#[test]
fn two_bindings_of_one_class_lead_to_the_same_objects() {
    // (NS-2)
    let twice = serving::<Person>().object::<Person>("ALSO");
    on_both(&twice, |bench| async move {
        let also = bench.node.env().durable_object("ALSO");
        let also = also.expect("it is served");
        let id = also.id_from_name("a").expect("it has an id");
        assert_eq!(id, bench.people().id_from_name("a").expect("it has an id"));
        let stub = bench.people().get(&id).expect("it is the same namespace");
        assert_eq!(name_seen_inside(stub).await, Ok(Some("a".to_owned())));
        let stub = also.get_by_name("a").expect("a name is enough");
        assert_eq!(name_seen_inside(stub).await, Ok(Some("a".to_owned())));
        assert_eq!(bench.node.activation_count(), 1);
    });
}

#[test]
fn an_objects_own_id_gives_no_stub() {
    on_both(&people(), |bench| async move {
        assert_eq!(
            error_of(bench.stub::<Person>("a").call_by_own_id().await),
            "Error: Cannot get stub from within a Durable Object [remote]"
        );
    });
}

#[test]
fn jurisdictions_are_namespaces_of_their_own() {
    // (NS-10, NS-11, NS-12)
    on_both(&people(), |bench| async move {
        let people = bench.people();
        let eu = people.jurisdiction("eu").expect("there is one");
        let (inside, outside) = (eu.id_from_name("a"), people.id_from_name("a"));
        let (inside, outside) = (inside.expect("an id"), outside.expect("an id"));
        assert_ne!(inside, outside);
        assert_eq!(
            (inside.jurisdiction(), outside.jurisdiction()),
            (Some("eu"), None)
        );
        assert!(people.get(&inside).is_ok());
        let elsewhere = "TypeError: get called on jurisdictional subnamespace with an ID from a different jurisdiction";
        assert_eq!(error_of(eu.get(&outside)), elsewhere);
        let parsed = people.id_from_string(&inside.to_string());
        assert_eq!(parsed.expect("it is a valid id").jurisdiction(), Some("eu"));
        assert_eq!(
            error_of(people.jurisdiction("mars")),
            "TypeError: jurisdiction called with an unsupported jurisdiction: \"mars\""
        );
        assert_eq!(
            error_of(people.unique_id_with_jurisdiction("mars")),
            "TypeError: newUniqueId called with an unsupported jurisdiction: \"mars\""
        );
    });
}

/// A class of its own that has the name of another one.
mod elsewhere {
    use dormouse::{DurableObject, Env, State, durable_object};

    #[durable_object]
    pub struct Person;

    impl DurableObject for Person {
        fn new(_: State, _: Env) -> Self {
            Self
        }
    }
}

fn why_it_does_not_start(serves: NodeBuilder) -> String {
    let (told, why) = std::sync::mpsc::channel();
    run_on_a_machine(Seed(0), move |platform| async move {
        let refused = serves.start(platform.clone()).map(drop);
        told.send(refused.map_err(|error| error.to_string()))
            .expect("somebody asks");
        let files = platform.disk.list("").expect("a disk in order");
        assert_eq!(files, [""; 0], "nothing was made");
    });
    why.recv()
        .expect("it was told")
        .expect_err("it does not start")
}

#[test]
fn what_would_share_its_objects_by_mistake_does_not_start() {
    // (MG-7)
    assert_eq!(
        why_it_does_not_start(people().object::<Stranger>("Person")),
        "Person assigned to multiple Durable Object bindings"
    );
    assert_eq!(
        why_it_does_not_start(people().object::<elsewhere::Person>("OTHER")),
        "Person and OTHER are bound to two classes of the name Person, whose objects would be the same: rename one of them, or give \
         both bindings the same one"
    );
    assert_eq!(
        why_it_does_not_start(people().object_on::<Person>("OTHER", StorageBackend::KeyValue)),
        "Person and OTHER bind the class Person with different storage backends: choose one"
    );
}

#[test]
fn two_bindings_of_one_class_reach_the_same_objects() {
    on_both(&people().object::<Person>("ALSO"), |bench| async move {
        let also = bench
            .node
            .env()
            .durable_object("ALSO")
            .expect("it is served");
        let ada = also.get_by_name("ada").expect("a name is enough");
        let same = bench.people().get_by_name("ada").expect("a name is enough");
        assert_eq!(ada.id().to_string(), same.id().to_string());
        assert_eq!(name_seen_inside(ada).await, Ok(Some("ada".to_owned())));
    });
}

#[test]
fn a_typed_stub_is_a_stub_all_the_same() {
    // (ST-1)
    on_both(&people(), |bench| async move {
        let ada = bench.people().get_by_name("ada").expect("a name is enough");
        let ada = ada.typed::<Person>();
        assert_eq!(ada.name(), Some("ada"));
        let (called, fetched) = (ada.whoami(), ada.fetch_with_str("http://ada/"));
        assert_eq!(called.await.expect("it answers").id, ada.id().to_string());
        assert_eq!(
            error_of(fetched.await),
            "Error: Handler does not export a fetch() function. [remote]"
        );
    });
}
