//! Eviction, idle time, and hibernated sockets.
//!
//! - `idle`: what keeps an object in memory, and for how long;
//! - `waking`: what an object finds that is built again.

mod idle;
mod waking;

use self::{
    idle::{
        eviction_keeps_storage_not_memory, idle_with_hibernatable_socket,
        idle_with_pending_timeout, idle_with_request_in_flight, idle_with_standard_socket,
        idle_without_socket, pending_timer_at_eviction,
    },
    waking::{
        alarm_while_hibernated, auto_response_while_hibernated, close_while_hibernated,
        constructor_throws_when_woken, message_after_eviction, messages_while_waking,
        sockets_after_restart, state_after_waking,
    },
};
use super::{prelude::*, twin::boxed};

pub(super) fn twins() -> Vec<Twin> {
    vec![
        twin!("hibernation/message_after_eviction", message_after_eviction, [OBJ: Hib], client),
        twin!("hibernation/idle_with_hibernatable_socket", idle_with_hibernatable_socket, [OBJ: Hib], client),
        twin!("hibernation/idle_without_socket", idle_without_socket, [OBJ: Hib], client),
        twin!("hibernation/idle_with_standard_socket", idle_with_standard_socket, [OBJ: Obj], client),
        twin!("hibernation/idle_with_pending_timeout", idle_with_pending_timeout, [OBJ: Obj], client),
        twin!("hibernation/idle_with_request_in_flight", idle_with_request_in_flight, [OBJ: Obj], client),
        twin!("hibernation/pending_timer_at_eviction", pending_timer_at_eviction, [OBJ: Obj], client),
        twin!("hibernation/auto_response_while_hibernated", auto_response_while_hibernated, [OBJ: Obj], client),
        twin!("hibernation/close_while_hibernated", close_while_hibernated, [OBJ: Hib], client),
        twin!("hibernation/alarm_while_hibernated", alarm_while_hibernated, [OBJ: Obj], client),
        twin!("hibernation/state_after_waking", state_after_waking, [OBJ: Obj], client)
            .without_fields(
                "a handle of Rust has no properties of its own, nor an identity",
                &["extra", "sameObject", "stable"],
            ),
        Twin::new("hibernation/constructor_throws_when_woken", |node, _| {
            node.class("OBJ", Rc::new(constructor_throws_when_woken::Obj))
        })
        .client(|c| boxed(constructor_throws_when_woken::client(c))),
        twin!("hibernation/messages_while_waking", messages_while_waking, [OBJ: Obj], client),
        twin!("hibernation/sockets_after_restart", sockets_after_restart, [OBJ: Obj], client),
        twin!("hibernation/eviction_keeps_storage_not_memory", eviction_keeps_storage_not_memory, [OBJ: Obj], client),
    ]
}
