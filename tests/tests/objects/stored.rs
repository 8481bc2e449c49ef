//! A look into objects that sleep: it wakes none of them.

use dormouse::{
    Date, DurableObject, Env, Node, NodeBuilder, Result, State, StorageBackend, durable_object, rpc,
};

use super::{note, noted, on_both, serving};

/// Has something stored.
#[durable_object]
struct Keeper {
    state: State,
}

impl DurableObject for Keeper {
    fn new(state: State, _: Env) -> Self {
        note("constructor");
        Self { state }
    }
}

#[rpc]
impl Keeper {
    pub async fn keep(&self, what: String) -> Result<u64> {
        self.state.storage().put("kept", what).await?;
        Ok(Date::now().as_millis())
    }
}

/// What each object of the class has kept, by its label.
async fn kept(node: &Node) -> Vec<(String, Option<String>)> {
    let mut found = Vec::new();
    for object in node.stored_objects("Keeper").expect("the disk answers") {
        let kept = node
            .look_into(&object, |storage| async move { storage.get("kept").await })
            .await;
        let label = object.label().to_string();
        found.push((label, kept.expect("it can be read")));
    }
    found.sort();
    found
}

#[test]
fn what_a_sleeping_object_has_stored_can_be_read_without_waking_it() {
    let backends = [StorageBackend::Sqlite, StorageBackend::KeyValue];
    for serves in
        backends.map(|backend| NodeBuilder::new("app").object_on::<Keeper>("Keeper", backend))
    {
        on_both(&serves, |bench| async move {
            assert!(kept(&bench.node).await.is_empty());
            for name in ["a", "b"] {
                let stub = bench.stub::<Keeper>(name);
                assert!(stub.keep(format!("of {name}")).await.is_ok());
            }
            assert_eq!(noted(), ["constructor", "constructor"]);
            let named = |name: &str| (format!("Keeper/{name}"), Some(format!("of {name}")));
            // While they are in memory, and known by name.
            assert_eq!(kept(&bench.node).await, [named("a"), named("b")]);
            bench.pass(super::ms(400)).await; // until everything is durable
            assert_eq!(bench.node.hibernate_idle(), 2);
            let values: Vec<_> = kept(&bench.node)
                .await
                .into_iter()
                .map(|kept| kept.1)
                .collect();
            assert_eq!(values.len(), 2);
            assert!(values.contains(&Some("of a".to_owned())));
            assert_eq!(bench.node.activation_count(), 0);
            assert!(noted().is_empty(), "nobody woke up");
            // And they find everything as it was.
            assert!(bench.stub::<Keeper>("a").keep("more".into()).await.is_ok());
            let values: Vec<_> = kept(&bench.node)
                .await
                .into_iter()
                .map(|kept| kept.1)
                .collect();
            assert!(values.contains(&Some("more".to_owned())));
        });
    }
}

#[test]
fn a_class_that_is_not_served_has_no_objects() {
    on_both(&serving::<Keeper>(), |bench| async move {
        assert!(
            bench
                .node
                .stored_objects("Nobody")
                .expect("no disk is asked in vain")
                .is_empty()
        );
    });
}
