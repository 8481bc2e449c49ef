//! One connection: requests in, responses out, in order, until one side has enough, or until it becomes a socket.

use std::{cell::RefCell, convert::Infallible, future::poll_fn, io, pin::Pin};

use bytes::Bytes;
use futures_util::future::{Either, select};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt as _;

use super::{
    Front, REQUEST_BODY_BYTES_MAX, SHUTDOWN_GRACE,
    socket::{Handshake, Upgraded},
    wire::{self, Refusal},
};
use crate::{Error, WebSocket, platform::Stream};

/// Serves `stream` to its end, or until it is to go on as a socket. How it ended is the client's business alone.
pub(super) async fn run(stream: Box<dyn Stream>, front: &Front) -> Option<Upgraded> {
    let socket = RefCell::new(None);
    let service = service_fn(|request| {
        let answer = answer(request, front, &socket);
        Box::pin(async { Ok::<_, Infallible>(answer.await) })
    });
    // No timer and no date: both would come from the system's clock.
    let mut connection = http1::Builder::new()
        .auto_date_header(false)
        .serve_connection(TokioIo::new(stream), service);
    let ended = {
        // Without its shutdown: a stream that becomes a socket is not over.
        let mut served = poll_fn(|cx| connection.poll_without_shutdown(cx));
        match select(&mut served, front.stopped.clone()).await {
            Either::Left((ended, _)) => Some(ended),
            Either::Right(((), _)) => None,
        }
    };
    let ended = if let Some(ended) = ended {
        ended
    } else {
        Pin::new(&mut connection).graceful_shutdown();
        let grace = front.clock.sleep_until(front.clock.now() + SHUTDOWN_GRACE);
        let served = poll_fn(|cx| connection.poll_without_shutdown(cx));
        match select(served, grace).await {
            Either::Left((ended, _)) => ended,
            Either::Right(((), _)) => return None,
        }
    };
    let parts = connection.into_parts();
    let mut stream = parts.io.into_inner();
    match (ended, socket.take()) {
        (Ok(()), Some(socket)) => Some(Upgraded {
            stream,
            read: parts.read_buf,
            socket,
        }),
        (Ok(()), None) => {
            log_end(stream.shutdown().await);
            None
        }
        (Err(error), _) => {
            tracing::debug!(%error, "a connection ended early");
            None
        }
    }
}

async fn answer(
    request: hyper::Request<Incoming>,
    front: &Front,
    socket: &RefCell<Option<WebSocket>>,
) -> hyper::Response<Full<Bytes>> {
    let keeps_length = request.method() == hyper::Method::HEAD;
    let connection = request.headers().get("connection");
    let connection = connection
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let read = wire::read_request(request, &front.local_address, REQUEST_BODY_BYTES_MAX).await;
    let (request, handshake) = match read.and_then(|request| {
        let handshake = Handshake::of(&request, &connection).transpose();
        handshake
            .map(|handshake| (request, handshake))
            .map_err(Refusal::Handshake)
    }) {
        Ok(read) => read,
        Err(refusal) => return wire::refuse(&refusal, front.clock.wall()),
    };
    let response = (front.handler)(request).await;
    let response = response.and_then(|response| response.checked(handshake.is_some()));
    let wall = front.clock.wall();
    let written = response.and_then(|response| {
        let upgraded = response.socket().cloned();
        let mut written = wire::write_response(response, keeps_length, wall)?;
        if let (Some(handshake), Some(upgraded)) = (handshake, upgraded) {
            handshake.answer(written.headers_mut());
            socket.replace(Some(upgraded));
        }
        Ok(written)
    });
    written.unwrap_or_else(|error| wire::write_error(&error, status_of(&error), wall))
}

/// E-10.
fn status_of(error: &Error) -> u16 {
    if error.overloaded() { 503 } else { 500 }
}

fn log_end(ended: io::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
