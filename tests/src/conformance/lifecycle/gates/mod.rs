//! Input and output gates, the order of events, `blockConcurrencyWhile`, `abort`, `waitUntil`.
//!
//! - `updates`: what other calls may do between a read and a write;
//! - `order`: in which order calls start, and in which they are answered;
//! - `blocks`: critical sections, in the constructor and elsewhere;
//! - `failures`: what a block that fails, an abort or an exception leaves behind;
//! - `background`: work that goes on after the answer.

mod background;
mod blocks;
mod failures;
mod order;
mod updates;

use self::{
    background::{promises_between_calls, timers_after_the_answer, wait_until},
    blocks::{
        async_work_in_constructor_without_block, block_in_constructor, block_timeout,
        block_while_other_calls_wait, long_timer_outside_block, nested_block,
        running_call_during_block, sleeping_call_stalls_block,
    },
    failures::{
        abort_in_constructor, abort_with_calls_in_flight, abort_with_pending_puts,
        exception_after_put, throw_in_block, throw_in_constructor_block,
    },
    order::{
        e_order_fetch, e_order_one_stub, e_order_two_stubs, interleaving_at_storage_reads,
        interleaving_at_storage_writes, interleaving_at_timers, reentrancy_a_b_a,
        replies_may_overtake, self_call,
    },
    updates::{
        allow_concurrency, block_concurrency_around_timer, call_between_get_and_put,
        get_put_increment, get_put_not_awaited, timer_between_get_and_put,
    },
};
use super::prelude::*;

pub(super) fn twins() -> Vec<Twin> {
    vec![
        twin!("gates/get_put_increment", get_put_increment, [OBJ: Obj], worker),
        twin!("gates/get_put_not_awaited", get_put_not_awaited, [OBJ: Obj], worker),
        twin!("gates/timer_between_get_and_put", timer_between_get_and_put, [OBJ: Obj], worker),
        twin!("gates/allow_concurrency", allow_concurrency, [OBJ: Obj], worker),
        twin!("gates/block_concurrency_around_timer", block_concurrency_around_timer, [OBJ: Obj], worker),
        twin!("gates/call_between_get_and_put", call_between_get_and_put, [OBJ: Obj, SIDE: Side], worker),
        twin!("gates/interleaving_at_storage_reads", interleaving_at_storage_reads, [OBJ: Obj], worker),
        twin!("gates/interleaving_at_storage_writes", interleaving_at_storage_writes, [OBJ: Obj], worker),
        twin!("gates/interleaving_at_timers", interleaving_at_timers, [OBJ: Obj], worker),
        twin!("gates/long_timer_outside_block", long_timer_outside_block, [OBJ: Obj], worker),
        twin!("gates/e_order_one_stub", e_order_one_stub, [OBJ: Obj], worker),
        twin!("gates/e_order_fetch", e_order_fetch, [OBJ: Obj], worker),
        // (ST-5): between two stubs nothing is promised where messages take time.
        twin!("gates/e_order_two_stubs", e_order_two_stubs, [OBJ: Obj], worker).in_one_thread(),
        twin!("gates/replies_may_overtake", replies_may_overtake, [OBJ: Obj], worker),
        twin!("gates/block_in_constructor", block_in_constructor, [OBJ: Obj], worker),
        twin!(
            "gates/async_work_in_constructor_without_block",
            async_work_in_constructor_without_block,
            [OBJ: Obj],
            worker
        ),
        twin!("gates/block_while_other_calls_wait", block_while_other_calls_wait, [OBJ: Obj], worker),
        twin!("gates/running_call_during_block", running_call_during_block, [OBJ: Obj, SIDE: Side], worker),
        twin!("gates/sleeping_call_stalls_block", sleeping_call_stalls_block, [OBJ: Obj], worker),
        twin!("gates/nested_block", nested_block, [OBJ: Obj], worker),
        twin!("gates/throw_in_block", throw_in_block, [OBJ: Obj], worker),
        twin!("gates/throw_in_constructor_block", throw_in_constructor_block, [OBJ: Obj], worker),
        twin!("gates/block_timeout", block_timeout, [OBJ: Obj], worker),
        twin!("gates/self_call", self_call, [OBJ: Obj], worker),
        twin!("gates/reentrancy_a_b_a", reentrancy_a_b_a, [OBJ: Obj, B: B], worker),
        twin!("gates/wait_until", wait_until, [OBJ: Obj], worker)
            .without_labels("what is no future cannot be waited for", &["odd"]),
        twin!("gates/abort_with_pending_puts", abort_with_pending_puts, [OBJ: Obj], worker),
        twin!("gates/exception_after_put", exception_after_put, [OBJ: Obj], worker, client),
        twin!("gates/abort_with_calls_in_flight", abort_with_calls_in_flight, [OBJ: Obj], worker),
        twin!("gates/abort_in_constructor", abort_in_constructor, [OBJ: Obj], worker),
        twin!("gates/timers_after_the_answer", timers_after_the_answer, [OBJ: Obj], worker),
        twin!("gates/promises_between_calls", promises_between_calls, [OBJ: Obj], worker),
    ]
}
