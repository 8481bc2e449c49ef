//! A twin: the objects and drivers of a recorded scenario, in Rust.
//!
//! Each scenario's twin is a module that reads beside the JavaScript: classes of the recorded names, and functions `worker` and `client`.
//! What of a scenario cannot be said in Rust is left out, by label and with the reason; what is left must agree.

use std::{collections::BTreeMap, future::Future};

use dormouse::{NodeBuilder, platform::LocalBoxFuture};
use serde_json::Value as Json;

use super::{client::Client, stage::Worker, vector::Scenario};

/// What a twin serves.
pub(super) type Serve = fn(NodeBuilder, &Scenario) -> NodeBuilder;

/// What drives a scenario.
pub(super) type Driver<T> = fn(T) -> LocalBoxFuture<'static, ()>;

/// The Rust side of one scenario.
#[derive(Clone)]
pub(super) struct Twin {
    pub(super) name: &'static str,
    pub(super) serve: Serve,
    pub(super) worker: Option<Driver<Worker>>,
    pub(super) client: Option<Driver<Client>>,
    pub(super) left_out: Vec<LeftOut>,
    pub(super) messages: Messages,
    pub(super) schedules: Schedules,
}

/// In how many schedules of each kind a twin is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Schedules {
    /// In several.
    Several,
    /// In one: it moves so much that more would take long.
    One,
}

/// How long messages may take where the twin is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Messages {
    /// None of its order hangs on it: also as long as the simulator lets them take between machines.
    MayTakeTime,
    /// Its order is that of the recorded runtime, in which caller and object share a thread.
    ArriveAtOnce,
}

/// A part of a scenario that its twin does not have.
#[derive(Clone, Copy, Debug)]
pub struct LeftOut {
    what: What,
    /// Why not.
    pub reason: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum What {
    /// Every event that names this as its label, or whatever else its source calls it.
    Label(&'static str),
    /// Every event of this name.
    Event(&'static str),
    /// This field of every event, also of values inside.
    Field(&'static str),
    /// Every event of this name on the client's connections.
    OnConnections(&'static str),
    /// Every message that a client receives and that says this.
    Message(&'static str),
    /// The client's steps that are called this, or whose arguments are these, with everything that happens in them.
    Step(&'static str),
}

impl LeftOut {
    /// The events that are labelled so.
    pub(super) const fn label(label: &'static str, reason: &'static str) -> Self {
        Self {
            what: What::Label(label),
            reason,
        }
    }

    /// The events of this name.
    pub(super) const fn event(name: &'static str, reason: &'static str) -> Self {
        Self {
            what: What::Event(name),
            reason,
        }
    }

    /// A field of all events.
    pub(super) const fn field(name: &'static str, reason: &'static str) -> Self {
        Self {
            what: What::Field(name),
            reason,
        }
    }

    /// How it is called in reports.
    pub fn name(&self) -> &'static str {
        match self.what {
            What::Label(name)
            | What::Event(name)
            | What::Field(name)
            | What::OnConnections(name)
            | What::Message(name)
            | What::Step(name) => name,
        }
    }

    /// Whether the event goes.
    pub(super) fn takes(&self, event: &Json) -> bool {
        match self.what {
            What::Label(label) => ["label", "kind", "how"]
                .iter()
                .any(|key| event[*key] == label),
            What::Event(name) => event["ev"] == name,
            What::OnConnections(name) => event["at"] == "client" && event["ev"] == name,
            What::Message(said) => {
                event["at"] == "client"
                    && ["text", "binary", "message"]
                        .iter()
                        .any(|key| event[*key] == said)
            }
            What::Field(_) | What::Step(_) => false,
        }
    }

    /// Whether the step that begins with this event goes.
    pub(super) fn takes_step(&self, begins: &Json) -> bool {
        let What::Step(name) = self.what else {
            return false;
        };
        let args = begins.get("args").map(Json::to_string);
        begins["what"] == name || args.as_deref() == Some(name)
    }

    /// Takes the field out.
    pub(super) fn trim(&self, event: &mut Json) {
        let What::Field(name) = self.what else {
            return;
        };
        match event {
            Json::Object(fields) => {
                fields.shift_remove(name);
                fields.values_mut().for_each(|value| self.trim(value));
            }
            Json::Array(elements) => elements.iter_mut().for_each(|element| self.trim(element)),
            _ => {}
        }
    }
}

impl Twin {
    /// A twin of the scenario of this name, without drivers yet.
    pub(super) fn new(name: &'static str, serve: Serve) -> Self {
        Self {
            name,
            serve,
            worker: None,
            client: None,
            left_out: Vec::new(),
            messages: Messages::MayTakeTime,
            schedules: Schedules::Several,
        }
    }

    /// Driven by this function, or lets the client run it.
    pub(super) fn worker(mut self, worker: Driver<Worker>) -> Self {
        self.worker = Some(worker);
        self
    }

    /// Driven by this function.
    pub(super) fn client(mut self, client: Driver<Client>) -> Self {
        self.client = Some(client);
        self
    }

    /// Leaves out the events with these labels.
    pub(super) fn without_labels(mut self, reason: &'static str, labels: &[&'static str]) -> Self {
        self.left_out
            .extend(labels.iter().map(|label| LeftOut::label(label, reason)));
        self
    }

    /// Leaves out the events of this name.
    pub(super) fn without_event(mut self, reason: &'static str, name: &'static str) -> Self {
        self.left_out.push(LeftOut::event(name, reason));
        self
    }

    /// Leaves out these fields of all events.
    pub(super) fn without_fields(mut self, reason: &'static str, names: &[&'static str]) -> Self {
        self.left_out
            .extend(names.iter().map(|name| LeftOut::field(name, reason)));
        self
    }

    /// Leaves out the events of this name on the client's connections.
    pub(super) fn without_on_connections(
        mut self,
        reason: &'static str,
        name: &'static str,
    ) -> Self {
        self.left_out.push(LeftOut {
            what: What::OnConnections(name),
            reason,
        });
        self
    }

    /// Leaves out what clients receive that says this.
    pub(super) fn without_messages(mut self, reason: &'static str, said: &[&'static str]) -> Self {
        let left_out = said.iter().map(|&said| LeftOut {
            what: What::Message(said),
            reason,
        });
        self.left_out.extend(left_out);
        self
    }

    /// Leaves out these steps of the client.
    pub(super) fn without_steps(mut self, reason: &'static str, steps: &[&'static str]) -> Self {
        let left_out = steps.iter().map(|&step| LeftOut {
            what: What::Step(step),
            reason,
        });
        self.left_out.extend(left_out);
        self
    }

    /// It moves so much that one schedule of each kind must do.
    pub(super) fn once(mut self) -> Self {
        self.schedules = Schedules::One;
        self
    }

    /// Its order is that of a caller and an object who share a thread.
    pub(super) fn in_one_thread(mut self) -> Self {
        self.messages = Messages::ArriveAtOnce;
        self
    }
}

/// Boxes a driver.
pub(super) fn boxed(driver: impl Future<Output = ()> + 'static) -> LocalBoxFuture<'static, ()> {
    Box::pin(driver)
}

/// All twins, by name.
pub(super) fn twins() -> BTreeMap<&'static str, Twin> {
    let topics = [
        super::ids::twins(),
        super::rpc::twins(),
        super::fetch::twins(),
        super::gates::twins(),
        super::alarms::twins(),
        super::websockets::twins(),
        super::hibernation::twins(),
    ];
    let twins = topics.into_iter().flatten();
    twins.map(|twin| (twin.name, twin)).collect()
}

/// A twin from its module: `twin!("gates/self_call", self_call, [OBJ: Obj], worker)`.
macro_rules! twin {
    ($name:literal, $module:ident, [$($binding:ident: $class:ident),+], $($driver:ident),+) => {
        $crate::conformance::lifecycle::twin::Twin::new(
            $name,
            |node, _| node$(.object::<$module::$class>(stringify!($binding)))+,
        )
        $(.$driver(|given| $crate::conformance::lifecycle::twin::boxed($module::$driver(given))))+
    };
}

pub(super) use twin;
