//! Scenarios for the defects that no bundled suite can see: each the smallest that does.
//!
//! All of them pass on the runtime as it is.

mod alarms;
mod batches;
mod ids;
mod logs;
mod memory;
mod routing;
mod sections;
mod sockets;

use dormouse_sim::explore::Listed;

pub use self::{
    alarms::unlucky,
    batches::bucket,
    ids::counter_by_name_and_by_id,
    logs::scrapbook,
    memory::{DONE, leisurely},
    routing::{IN_ORDER, pairs},
    sections::{hesitant, turnstile},
    sockets::{slow_echo, stenographer},
};

/// All of them.
pub fn special() -> Vec<Listed> {
    vec![
        Listed::correct(turnstile),
        Listed::correct(scrapbook),
        Listed::correct(hesitant),
        Listed::correct(bucket),
        Listed::correct(unlucky),
        Listed::correct(slow_echo),
        Listed::correct(stenographer),
        Listed::correct(leisurely),
        Listed::correct(pairs),
        Listed::correct(counter_by_name_and_by_id),
    ]
}
