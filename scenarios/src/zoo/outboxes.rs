//! Five faulty twins of the batcher, each of which loses what it has accepted in a way of its own.

use dormouse::{DurableObject, ObjectClass};
use dormouse_objects::{
    Batcher,
    zoo::{FlaggedOutbox, HourlyOutbox, OnePageOutbox, QuittingOutbox, SwallowingOutbox},
};
use dormouse_sim::{
    Invariant, Suite,
    explore::zoo::{Exhibit, Smallest},
};

use crate::batcher::{NOTHING_LOST, NOTHING_TWICE, deliveries, nothing_twice, through_outages};

fn suite_of<T: DurableObject + ObjectClass>(name: &'static str) -> Suite {
    deliveries::<T>(name, |client, item| {
        Box::pin(client.stub::<Batcher>("SENDER", "a").add(item))
    })
    .into_suite()
}

/// Faulty: one page, and no alarm for the rest.
pub fn one_page_outbox() -> Suite {
    suite_of::<OnePageOutbox>("one_page_outbox")
}

/// Two go with the first page, the third one waits for ever.
pub const ONE_PAGE: Exhibit = Exhibit {
    bug: "One page is sent, the rest waits for nothing",
    suite: one_page_outbox,
    correct: "batcher",
    found_as: &[NOTHING_LOST],
    smallest: Smallest {
        calls: 3,
        clients: 1,
        faults: 0,
    },
    symptom: "After a busy hour a few items lie in the outbox, for days. The next item that comes takes some of them along.",
    cause: "The alarm's handler sends as many as fit, and arms the next alarm only if that failed. What did not fit has no alarm.",
    fix: "Arm as long as anything is left.",
};

/// Faulty: armed for an hour later before the work is done.
pub fn hourly_outbox() -> Suite {
    suite_of::<HourlyOutbox>("hourly_outbox")
}

/// One item, and one delivery that fails: the alarm that was set in the handler takes the place of the retry.
pub const HOURLY: Exhibit = Exhibit {
    bug: "Armed first, then failed",
    suite: hourly_outbox,
    correct: "batcher",
    found_as: &[NOTHING_LOST],
    smallest: Smallest {
        calls: 1,
        clients: 1,
        faults: 1,
    },
    symptom: "When the other side fails for a second, everything is late by an hour.",
    cause: "The handler arms the next alarm before it works. Then it fails; and since an alarm is set, the runtime does not retry this one.",
    fix: "Arm at the end; or look at how it went, and arm by that.",
};

/// Faulty: a note that the alarm is armed.
pub fn flagged_outbox() -> Suite {
    suite_of::<FlaggedOutbox>("flagged_outbox")
}

/// One item is on its way, and the other one finds the flag still set.
pub const FLAGGED: Exhibit = Exhibit {
    bug: "Armed already, by an alarm that is running",
    suite: flagged_outbox,
    correct: "batcher",
    found_as: &[NOTHING_LOST],
    smallest: Smallest {
        calls: 2,
        clients: 1,
        faults: 0,
    },
    symptom: "An item that came while others were being sent is never sent.",
    cause: "A flag says that an alarm is armed, and is cleared at the end of the handler. What comes while the handler runs finds the flag set, and arms nothing.",
    fix: "Ask the storage: `get_alarm` answers nothing while the handler runs. Or arm without asking.",
};

/// Faulty: a failure of whatever kind costs the items.
pub fn swallowing_outbox() -> Suite {
    suite_of::<SwallowingOutbox>("swallowing_outbox")
}

/// One item, and a call that does not get through.
pub const SWALLOWING: Exhibit = Exhibit {
    bug: "The platform's errors taken for the item's",
    suite: swallowing_outbox,
    correct: "batcher",
    found_as: &[NOTHING_LOST],
    smallest: Smallest {
        calls: 1,
        clients: 1,
        faults: 1,
    },
    symptom: "At each deployment a few items vanish; the log has one error for each.",
    cause: "The handler catches every error, logs it, and deletes the item, so that a bad one does not come back for ever. But most errors say nothing of the item: the connection \
            was lost, an object was reset.",
    fix: "Let errors of the platform leave the handler: the runtime tries again. Delete only what the other side has refused for good.",
};

/// The batcher, with a service outside that is down now and then.
pub fn batcher_through_outages() -> Suite {
    through_outages(deliveries::<Batcher>(
        "batcher_through_outages",
        |client, item| Box::pin(client.stub::<Batcher>("SENDER", "a").add(item)),
    ))
    .check(Invariant::new(NOTHING_TWICE, nothing_twice))
    .into_suite()
}

/// Faulty: the items are given up after a few retries.
pub fn quitting_outbox() -> Suite {
    through_outages(deliveries::<QuittingOutbox>(
        "quitting_outbox",
        |client, item| Box::pin(client.stub::<Batcher>("SENDER", "a").add(item)),
    ))
    .into_suite()
}

/// One item, and one outage that is longer than the retries.
pub const QUITTING: Exhibit = Exhibit {
    bug: "Given up at the last try",
    suite: quitting_outbox,
    correct: "batcher_through_outages",
    found_as: &[NOTHING_LOST],
    smallest: Smallest {
        calls: 2,
        clients: 1,
        faults: 0,
    },
    symptom: "When the other side is down for a minute, everything that was waiting is gone.",
    cause: "The handler looks at the number of its retry and clears the outbox before the runtime gives the alarm up. All retries together take half a minute.",
    fix: "Keep what was accepted. Set a new alarm, which has retries of its own, and tell somebody.",
};
