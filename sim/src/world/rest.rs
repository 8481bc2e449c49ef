//! A world at rest: what is asked of it when its clients are done and nothing goes wrong any more.

use std::{cell::RefCell, fmt::Write as _, future::Future, rc::Rc, time::Duration};

use dormouse::{InMemory, Node};

use super::{Drive, World, current};

/// How many events of the trace a report shows.
const LAST_EVENTS: usize = 12;

impl World {
    /// The runtime on the server, if it is up.
    pub(crate) fn node(&self) -> Option<Node> {
        let machine = self.server();
        let is_dead = machine.life.borrow().is_dead();
        let node = machine.node.borrow().clone();
        node.filter(|_| !is_dead)
    }

    /// Whether the server is up and none of its objects has anything pending.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.node().is_some_and(|node| node.is_at_rest())
    }

    /// The objects that could not hibernate now, and what pins each of them.
    pub(crate) fn pinned(&self) -> String {
        let Some(node) = self.node() else {
            return "the server is down".to_owned();
        };
        let busy: Vec<_> = node
            .in_memory()
            .into_iter()
            .filter(|object| !object.is_idle())
            .map(|object| describe(&object))
            .collect();
        if busy.is_empty() {
            "no object is busy".to_owned()
        } else {
            busy.join("; ")
        }
    }

    /// Drops every object from memory that has nothing to do.
    pub(crate) fn hibernate_idle(self: &Rc<Self>) {
        if let Some(node) = self.node() {
            let life = Rc::clone(&self.server().life.borrow());
            current::during(self, &life, || node.hibernate_idle());
        }
    }

    /// Lets time pass, and whatever happens until `time`, that instant included.
    pub(crate) async fn pass_until(self: &Rc<Self>, time: Duration) {
        self.at(time, |_| {});
        self.drive(time, || self.has_violations()).await;
    }

    /// Runs `look` on the server, until `limit` at the latest.
    pub(crate) async fn on_the_server<T: 'static>(
        self: &Rc<Self>,
        limit: Duration,
        look: impl Future<Output = T> + 'static,
    ) -> Option<T> {
        let found = Rc::new(RefCell::new(None));
        let result = Rc::clone(&found);
        let life = Rc::clone(&self.server().life.borrow());
        life.tasks.spawn(Box::pin(async move {
            let value = look.await;
            *result.borrow_mut() = Some(value);
        }));
        let done = self.drive(limit, || found.borrow().is_some()).await;
        (done == Drive::Reached).then(|| found.take().expect("it is done"))
    }

    /// The end of the trace, in lines.
    pub(crate) fn last_events(&self) -> String {
        let trace = self.trace.borrow();
        let events = trace.events();
        let first = events.len().saturating_sub(LAST_EVENTS);
        let mut text = String::new();
        for event in events.skip(first) {
            let what = ["object", "op", "what", "kind", "reason", "error"]
                .into_iter()
                .filter_map(|field| event.text(field))
                .collect::<Vec<_>>()
                .join(" ");
            writeln!(
                text,
                "  +{:?} {} {} {what}",
                event.at(),
                event.place(),
                event.name()
            )
            .expect("a string takes it");
        }
        text
    }

    /// How an object was called when its storage was last opened; its id is part of the name of its files.
    pub(crate) fn label_of(&self, id: &str) -> Option<String> {
        let trace = self.trace.borrow();
        let mut opened = trace.events().rev().filter(|event| {
            event.name() == "storage_open"
                && event.text("path").is_some_and(|path| path.contains(id))
        });

        opened.find_map(|event| {
            let label = event.text("object")?;
            let digits = label.rsplit('/').next()?;
            (!id.starts_with(digits)).then(|| label.to_owned())
        })
    }
}

fn describe(object: &InMemory) -> String {
    let mut text = object.object.to_string();
    let mut pins = object.pins.iter();
    match pins.next() {
        Some(first) => {
            write!(text, ": {first} ({:?} ago)", first.age).expect("a string takes it");
        }
        None => text.push_str(": its writes are not durable"),
    }
    for pin in pins {
        write!(text, ", {pin} ({:?} ago)", pin.age).expect("a string takes it");
    }
    text
}
