//! Announcements: each object announces later under which name it was spoken to.

use dormouse_objects::zoo::{Announcer, NamelessAnnouncer};
use dormouse_sim::{
    Suite,
    explore::zoo::{Exhibit, Smallest},
};

use crate::batcher::{NOTHING_LOST, deliveries};

/// The name is stored.
pub fn announcer() -> Suite {
    deliveries::<Announcer>("announcer", |client, item| {
        let announcer = client.stub::<Announcer>("SENDER", &item);
        Box::pin(announcer.open(item))
    })
    .into_suite()
}

/// Faulty: the name is known from the request, and in memory.
pub fn nameless_announcer() -> Suite {
    deliveries::<NamelessAnnouncer>("nameless_announcer", |client, item| {
        let announcer = client.stub::<Announcer>("SENDER", &item);
        Box::pin(announcer.open(item))
    })
    .into_suite()
}

/// One call, and the alarm a quarter of a minute later, by when the object has slept.
pub const EXHIBIT: Exhibit = Exhibit {
    bug: "A name that only requests know",
    suite: nameless_announcer,
    correct: "announcer",
    found_as: &[NOTHING_LOST],
    smallest: Smallest {
        calls: 1,
        clients: 1,
        faults: 0,
    },
    symptom: "What an alarm publishes carries no name, or is not published at all; by day everything is fine.",
    cause: "The object learns from its requests what it is called, and keeps that in a field. An alarm that wakes it comes without a request.",
    fix: "Store the name when it is heard first.",
};
