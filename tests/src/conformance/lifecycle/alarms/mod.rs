//! Alarms: when they fire, what their handler may do to them, retries, and restarts.
//!
//! - `firing`: set, read, deleted and fired;
//! - `inside`: what the handler does to its own alarm, and what happens around it;
//! - `retries`: handlers that fail;
//! - `lives`: constructors, evictions, restarts.

mod firing;
mod inside;
mod lives;
mod retries;

use self::{
    firing::{
        delete_all, delete_before_it_fires, fires_once_not_early, get_alarm, no_handler,
        overwrite_before_it_fires, past_time, reserved_over_rpc, time_arguments,
        transaction_rollback,
    },
    inside::{
        delete_inside_alarm_then_throw, overwrite_while_running, requests_during_alarm,
        set_inside_alarm, set_inside_alarm_then_throw, set_inside_alarm_to_the_past,
    },
    lives::{
        due_while_down, killed_inside_handler, set_in_constructor, survives_restart,
        wakes_evicted_object,
    },
    retries::{
        abort_in_alarm, retry_three_failures, retry_until_given_up, set_between_retries,
        writes_of_failed_run,
    },
};
use super::prelude::*;

pub(super) fn twins() -> Vec<Twin> {
    vec![
        twin!("alarms/fires_once_not_early", fires_once_not_early, [OBJ: Obj], worker),
        twin!("alarms/get_alarm", get_alarm, [OBJ: Obj], worker),
        twin!("alarms/time_arguments", time_arguments, [OBJ: Obj], worker).without_labels(
            "what is no time does not compile",
            &[
                "numeric string",
                "null",
                "undefined",
                "text",
                "object",
                "bigint",
                "no argument",
            ],
        ),
        twin!("alarms/past_time", past_time, [OBJ: Obj], worker),
        twin!("alarms/no_handler", no_handler, [OBJ: Obj], worker),
        twin!("alarms/set_inside_alarm", set_inside_alarm, [OBJ: Obj], worker),
        twin!("alarms/set_inside_alarm_to_the_past", set_inside_alarm_to_the_past, [OBJ: Obj], worker),
        twin!("alarms/delete_inside_alarm_then_throw", delete_inside_alarm_then_throw, [OBJ: Obj], worker),
        twin!("alarms/set_inside_alarm_then_throw", set_inside_alarm_then_throw, [OBJ: Obj], worker),
        twin!("alarms/delete_before_it_fires", delete_before_it_fires, [OBJ: Obj], worker),
        twin!("alarms/overwrite_before_it_fires", overwrite_before_it_fires, [OBJ: Obj], worker),
        twin!("alarms/overwrite_while_running", overwrite_while_running, [OBJ: Obj], worker),
        twin!("alarms/requests_during_alarm", requests_during_alarm, [OBJ: Obj], worker),
        twin!("alarms/retry_three_failures", retry_three_failures, [OBJ: Obj], worker),
        twin!("alarms/retry_until_given_up", retry_until_given_up, [OBJ: Obj], worker),
        twin!("alarms/set_between_retries", set_between_retries, [OBJ: Obj], worker),
        twin!("alarms/writes_of_failed_run", writes_of_failed_run, [OBJ: Obj], worker),
        twin!("alarms/abort_in_alarm", abort_in_alarm, [OBJ: Obj], worker),
        twin!("alarms/wakes_evicted_object", wakes_evicted_object, [OBJ: Obj], client),
        twin!("alarms/set_in_constructor", set_in_constructor, [OBJ: Obj], worker),
        twin!("alarms/delete_all", delete_all, [OBJ: Obj], worker),
        twin!("alarms/transaction_rollback", transaction_rollback, [OBJ: Obj], worker),
        twin!("alarms/survives_restart", survives_restart, [OBJ: Obj], client),
        twin!("alarms/due_while_down", due_while_down, [OBJ: Obj], client),
        twin!("alarms/killed_inside_handler", killed_inside_handler, [OBJ: Obj], client),
        twin!("alarms/reserved_over_rpc", reserved_over_rpc, [OBJ: Obj], worker)
            .without_labels("what does not exist does not compile", &["surface()"]),
    ]
}
