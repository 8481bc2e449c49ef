//! Webhooks: each takes effect, and takes effect once, although the alarm that sends it may run twice.

use dormouse_objects::{WebhookSender, faulty::FreshKeyWebhooks};
use dormouse_sim::{
    Invariant, Suite,
    explore::zoo::{Exhibit, Smallest},
};

use super::batcher::{NOTHING_TWICE, deliveries, nothing_twice};

/// A hook has its key from the moment in which it is taken.
pub fn webhooks() -> Suite {
    deliveries::<WebhookSender>("webhooks", |client, item| {
        Box::pin(client.stub::<WebhookSender>("SENDER", "a").enqueue(item))
    })
    .check(Invariant::new(NOTHING_TWICE, nothing_twice))
    .into_suite()
}

/// Faulty: a key for each attempt.
pub fn fresh_key_webhooks() -> Suite {
    deliveries::<FreshKeyWebhooks>("fresh_key_webhooks", |client, item| {
        Box::pin(client.stub::<FreshKeyWebhooks>("SENDER", "a").enqueue(item))
    })
    .check(Invariant::new(NOTHING_TWICE, nothing_twice))
    .into_suite()
}

/// One hook, and a crash after the call, before the note that it was made.
pub const FRESH_KEY: Exhibit = Exhibit {
    bug: "A new key at each attempt",
    suite: fresh_key_webhooks,
    correct: "webhooks",
    found_as: &[NOTHING_TWICE],
    smallest: Smallest {
        calls: 1,
        clients: 1,
        faults: 1,
    },
    symptom: "A hook takes effect twice; a customer is charged twice.",
    cause: "The key is made when the hook is sent. The call has taken effect, and before that is noted the node crashes; the alarm runs again, with another key.",
    fix: "A key that is stored with what is to be sent.",
};
