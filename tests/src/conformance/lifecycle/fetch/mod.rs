//! HTTP requests to objects: what the object sees, what the caller gets back, redirects, bodies.
//!
//! - `requests`: requests as the object sees them;
//! - `responses`: responses as the caller sees them, and exceptions in their place;
//! - `upgrade`: responses that are sockets.

mod requests;
mod responses;
mod upgrade;

use self::{
    requests::{concurrent_fetch_and_rpc_order, large_bodies, redirects, request_seen_by_object},
    responses::{
        exceptions, handler_missing, not_a_response, response_returned_before_work_ends,
        response_seen_by_caller,
    },
};
use super::prelude::*;

const NOT_IN_RESPONSE: &str = "a response of Rust does not tell it";

pub(super) fn twins() -> Vec<Twin> {
    vec![
        twin!("fetch/handler_missing", handler_missing, [OBJ: Obj, PLAIN: Plain], worker),
        twin!("fetch/exceptions", exceptions, [OBJ: Obj], worker)
            .without_labels("what a handler of Rust fails with is an error", &["string", "undefined", "object"]),
        twin!("fetch/not_a_response", not_a_response, [OBJ: Obj], worker).without_labels(
            "what is no response does not compile",
            &["undefined", "null", "string", "object", "promise"],
        ),
        twin!("fetch/request_seen_by_object", request_seen_by_object, [OBJ: Obj], worker)
            .without_labels("there is no such method", &["custom method"])
            .without_fields("a request of Rust does not tell it", &["redirect"]),
        twin!("fetch/response_seen_by_caller", response_seen_by_caller, [OBJ: Obj], worker)
            .without_labels("a body of Rust is whole", &["/stream"])
            .without_event("a body of Rust is whole", "stream closed")
            .without_fields(NOT_IN_RESPONSE, &["statusText", "ok", "url"]),
        twin!("fetch/redirects", redirects, [OBJ: Obj], worker)
            .without_fields(NOT_IN_RESPONSE, &["redirected", "url"]),
        twin!("fetch/upgrade", upgrade, [OBJ: Obj], worker),
        twin!("fetch/concurrent_fetch_and_rpc_order", concurrent_fetch_and_rpc_order, [OBJ: Obj], worker),
        twin!("fetch/large_bodies", large_bodies, [OBJ: Obj], worker).once(),
        twin!("fetch/response_returned_before_work_ends", response_returned_before_work_ends, [OBJ: Obj], worker)
            .without_labels("a future that nobody polls does nothing: background work is given to wait_until", &["nothing"]),
    ]
}
