//! WebSockets of both kinds, without eviction.
//!
//! - `closing`: who closes how, and what the other side hears of it;
//! - `pairs`: the two ends inside the runtime: accepting, states;
//! - `kept`: what the runtime keeps beside a socket: tags, attachments, the automatic response, the list;
//! - `messages`: what is sent, in which order, and handlers that fail.

mod closing;
mod kept;
mod messages;
mod pairs;

use self::{
    closing::{
        close_arguments, hibernatable_answered_close, hibernatable_client_closes,
        hibernatable_disconnect, hibernatable_protocol_errors, hibernatable_unanswered_close,
        manual_reply_in_handler, standard_client_closes, standard_disconnect,
    },
    kept::{attachments, auto_response, get_web_sockets, tags},
    messages::{
        abort_closes_sockets, broadcast, broadcast_from_alarm, exception_in_message_handler,
        handlers_missing, hibernatable_echo, message_order_one_socket, message_order_two_sockets,
        message_sizes, send_types, standard_echo,
    },
    pairs::{accept_errors, send_and_close_states, standard_states},
};
use super::prelude::*;

const OTHER_TYPES: &str = "an argument of another type does not compile";
const BLOB: &str = "there are no blobs: binary data is bytes";
const STREAM_ENDS: &str = "the recorded server leaves the byte stream open here; ours ends it";
const CLASS_OF_EVENT: &str = "the class of an event is a matter of the engine";

pub(super) fn twins() -> Vec<Twin> {
    vec![
        twin!("websockets/standard_echo", standard_echo, [OBJ: Std], client)
            .without_steps(BLOB, &["send binary 00ff", "send empty binary"])
            .without_fields(CLASS_OF_EVENT, &["type", "className"])
            .without_event("an accident of the recorded runtime: the same close elsewhere has no error after it", "error"),
        twin!("websockets/hibernatable_echo", hibernatable_echo, [OBJ: Hib], client),
        twin!("websockets/standard_client_closes", standard_client_closes, [OBJ: Std], client),
        twin!("websockets/hibernatable_client_closes", hibernatable_client_closes, [OBJ: Hib], client),
        twin!("websockets/manual_reply_in_handler", manual_reply_in_handler, [OBJ: Obj], client),
        twin!("websockets/hibernatable_unanswered_close", hibernatable_unanswered_close, [OBJ: Hib], client),
        twin!("websockets/hibernatable_answered_close", hibernatable_answered_close, [OBJ: Obj], client),
        twin!("websockets/standard_disconnect", standard_disconnect, [OBJ: Std], client)
            .without_on_connections(STREAM_ENDS, "tcp-end")
            .without_fields(CLASS_OF_EVENT, &["type", "className"]),
        twin!("websockets/hibernatable_disconnect", hibernatable_disconnect, [OBJ: Hib], client)
            .without_on_connections(STREAM_ENDS, "tcp-end"),
        twin!("websockets/hibernatable_protocol_errors", hibernatable_protocol_errors, [OBJ: Hib], client)
            .without_on_connections(STREAM_ENDS, "tcp-end"),
        twin!("websockets/close_arguments", close_arguments, [OBJ: Obj], client)
            .without_on_connections(STREAM_ENDS, "close")
            .without_steps(
            "a code of Rust is a number from 0 to 65535, a reason a string",
            &["[-1]", "[65536]", "[1000.7]", r#"["1000"]"#, r#"["abc"]"#, "[null]", r#"[null,"reason"]"#, "[1000,null]"],
        ),
        twin!("websockets/accept_errors", accept_errors, [OBJ: Obj], worker)
            .without_labels(OTHER_TYPES, &["acceptWebSocket without argument", "acceptWebSocket with an object"]),
        twin!("websockets/tags", tags, [OBJ: Obj], worker).without_labels(
            OTHER_TYPES,
            &["undefined", "null", "number", "mixed", "string instead of array", "object", "getTags without argument"],
        ),
        twin!("websockets/get_web_sockets", get_web_sockets, [OBJ: Obj], client)
            .without_fields("two handles of Rust are equal or not, and nothing beyond", &["identical"]),
        twin!("websockets/attachments", attachments, [OBJ: Obj], worker).without_labels(
            "what cannot be attached does not compile",
            &["function", "class instance", "symbol", "socket", "no argument", "copies"],
        )
        .without_labels("Rust's `None` stands for `null` and for `undefined`", &["undefined"]),
        twin!("websockets/auto_response", auto_response, [OBJ: Obj], client)
            .without_fields(CLASS_OF_EVENT, &["className", "type"]),
        twin!("websockets/send_and_close_states", send_and_close_states, [OBJ: Obj], client),
        twin!("websockets/standard_states", standard_states, [OBJ: Obj], worker),
        twin!("websockets/send_types", send_types, [OBJ: Obj], client)
            .without_labels(
                OTHER_TYPES,
                &["Uint8Array view", "DataView", "Float32Array", "number", "null", "undefined", "object", "array", "boolean", "Blob",
                  "lone surrogate", "no argument"],
            )
            .without_messages(
                OTHER_TYPES,
                &[
                    "next: Uint8Array view", "0506", "next: DataView", "0000", "next: Float32Array", "0000803f", "next: number", "7",
                    "next: null", "null", "next: undefined", "undefined", "next: object", "[object Object]", "next: array", "1,2",
                    "next: boolean", "true", "next: Blob", "[object Blob]", "next: lone surrogate",
                    "Invalid WebSocket frame: invalid UTF-8 sequence",
                ],
            ),
        twin!("websockets/message_sizes", message_sizes, [OBJ: Obj], client).once(),
        twin!("websockets/message_order_one_socket", message_order_one_socket, [OBJ: Obj], client),
        twin!("websockets/message_order_two_sockets", message_order_two_sockets, [OBJ: Obj], client),
        twin!("websockets/exception_in_message_handler", exception_in_message_handler, [OBJ: Obj], client),
        twin!("websockets/handlers_missing", handlers_missing, [OBJ: Obj], client),
        twin!("websockets/abort_closes_sockets", abort_closes_sockets, [OBJ: Obj], client),
        twin!("websockets/broadcast", broadcast, [OBJ: Obj], client),
        twin!("websockets/broadcast_from_alarm", broadcast_from_alarm, [OBJ: Obj], client),
    ]
}
