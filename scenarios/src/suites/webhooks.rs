//! Webhooks: each takes effect, and takes effect once, although the alarm that sends it may run twice.

use dormouse_objects::{WebhookSender, faulty::FreshKeyWebhooks};
use dormouse_sim::{Invariant, Suite};

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
