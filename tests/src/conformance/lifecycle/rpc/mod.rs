//! Methods, arguments and results, exceptions, and the flags of a reset.
//!
//! - `calls`: which names can be called, and what travels;
//! - `failures`: what the caller sees of an exception, of a constructor that fails, of an abort;
//! - `stubs`: what a stub is good for afterwards.

mod calls;
mod failures;
mod stubs;

use self::{
    calls::{
        argument_and_return_types, argument_count, arguments_are_copies, message_size_limit,
        method_missing, not_awaited_calls, reserved_names, which_members_are_callable,
    },
    failures::{abort_reasons, constructor_throws, exception_keeps_memory, exceptions},
    stubs::{stub_after_abort, stub_after_eviction},
};
use super::{prelude::*, twin::boxed};

const NO_PROPERTIES: &str =
    "a method is called, not read: an object of Rust has no properties that a caller could name";
const NO_SUCH_NAME: &str = "no name of a method in Rust";
const STUB_OF_JAVASCRIPT: &str = "a property of the stub itself, which is a JavaScript object";
const ERRORS_ONLY: &str = "what a method of Rust fails with is an error";
const ENGINE: &str = "an exception of the engine";

pub(super) fn twins() -> Vec<Twin> {
    vec![
        twin!("rpc/method_missing", method_missing, [OBJ: Obj], worker).without_labels(
            NO_PROPERTIES,
            &["await stub.nope", "stub.nope.deeper()", "ok.deeper()"],
        ),
        twin!("rpc/which_members_are_callable", which_members_are_callable, [OBJ: Obj], worker)
            .without_labels(
                NO_PROPERTIES,
                &[
                    "getter()",
                    "getterFunction()",
                    "setterOnly()",
                    "await getter",
                    "await getterFunction",
                    "await plain",
                    "await arrow",
                    "await ctx",
                    "await setterOnly",
                    "await method",
                ],
            )
            .without_labels(NO_SUCH_NAME, &["with space()", "123()"]),
        twin!("rpc/reserved_names", reserved_names, [OBJ: Obj], worker)
            .without_labels(NO_SUCH_NAME, &["self()"])
            .without_labels(
                STUB_OF_JAVASCRIPT,
                &[
                    "constructor()",
                    "toString()",
                    "valueOf()",
                    "hasOwnProperty()",
                    "isPrototypeOf()",
                    "id()",
                    "name()",
                    "then()",
                    "__proto__()",
                ],
            )
            .without_labels(
                "an argument of another type does not compile",
                &["fetch()", "fetch(7)"],
            ),
        twin!("rpc/argument_and_return_types", argument_and_return_types, [OBJ: Echo], worker)
            .without_labels("a matter of JavaScript's prototypes", &["null prototype"]),
        Twin::new("rpc/argument_count", |node, _| {
            node.class("OBJ", Rc::new(argument_count::Obj))
        })
        .worker(|env| boxed(argument_count::worker(env))),
        twin!("rpc/arguments_are_copies", arguments_are_copies, [OBJ: Obj], worker).without_event(
            "Rust's values are trees: no two places hold the same one",
            "identity",
        ),
        twin!("rpc/exceptions", exceptions, [OBJ: Obj], worker)
            .without_labels(
                ERRORS_ONLY,
                &[
                    "string",
                    "number",
                    "null",
                    "undefined",
                    "object",
                    "object like an error",
                    "symbol",
                    "function",
                    "async string",
                    "rejected promise string",
                ],
            )
            .without_labels(
                "every property of an error of Rust can be sent",
                &["unserialisable property"],
            )
            .without_labels(ENGINE, &["null dereference", "undefined variable"]),
        twin!("rpc/exception_keeps_memory", exception_keeps_memory, [OBJ: Obj], worker),
        Twin::new("rpc/constructor_throws", |node, _| {
            node.class("OBJ", Rc::new(constructor_throws::Obj))
        })
        .worker(|env| boxed(constructor_throws::worker(env))),
        twin!("rpc/abort_reasons", abort_reasons, [OBJ: Obj], worker),
        twin!("rpc/stub_after_abort", stub_after_abort, [OBJ: Obj], worker),
        twin!("rpc/stub_after_eviction", stub_after_eviction, [OBJ: Obj], worker),
        twin!("rpc/message_size_limit", message_size_limit, [OBJ: Obj], worker).once(),
        twin!("rpc/not_awaited_calls", not_awaited_calls, [OBJ: Obj], worker),
    ]
}
