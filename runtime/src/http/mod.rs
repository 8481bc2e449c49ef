//! The HTTP that objects speak: requests, responses and headers, as plain data of one thread.
//!
//! Names, signatures and error texts are those of workers-rs and of the runtime beneath it, so that an object's source
//! compiles against either crate. What differs is below the surface: nothing here is a handle to something elsewhere,
//! bodies are whole byte strings, and equal calls give equal values. A simulator can therefore keep a request, send it
//! twice, or print it.
//!
//! In: what a caller builds, or what the `server` module read from the wire. Out: the same types, after
//! `Request::received` and `Response::checked`, which every hop to or from an object goes through.
//!
//! Deliberately absent: streams, form data, `cf` properties and CORS helpers.

mod headers;
mod init;
mod method;
mod request;
mod response;

pub use headers::Headers;
pub use init::{Body, RequestInit, RequestRedirect};
pub use method::Method;
pub use request::Request;
pub use response::{Response, ResponseBody, ResponseBuilder};

/// A body that can be read once was read before (the text of workers-rs).
const BODY_USED: &str = "body has already been read";
