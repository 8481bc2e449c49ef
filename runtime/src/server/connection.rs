//! One connection: requests in, responses out, in order, until one side has enough.

use std::{convert::Infallible, pin::pin};

use bytes::Bytes;
use futures_util::future::{Either, select};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;

use super::{Front, REQUEST_BODY_BYTES_MAX, SHUTDOWN_GRACE, wire};
use crate::{Error, platform::Stream};

/// Serves `stream` to its end. How it ended is the client's business alone.
pub(super) async fn run(stream: Box<dyn Stream>, front: &Front) {
    let service = service_fn(|request| async { Ok::<_, Infallible>(answer(request, front).await) });
    let mut connection = pin!(
        // No timer and no date: both would come from the system's clock.
        http1::Builder::new()
            .auto_date_header(false)
            .serve_connection(TokioIo::new(stream), service)
    );
    match select(connection.as_mut(), front.stopped.clone()).await {
        Either::Left((ended, _)) => return log_end(ended),
        Either::Right(((), _)) => connection.as_mut().graceful_shutdown(),
    }
    let grace = front.clock.sleep_until(front.clock.now() + SHUTDOWN_GRACE);
    if let Either::Left((ended, _)) = select(connection, grace).await {
        log_end(ended);
    }
}

async fn answer(request: hyper::Request<Incoming>, front: &Front) -> hyper::Response<Full<Bytes>> {
    let keeps_length = request.method() == hyper::Method::HEAD;
    let response =
        match wire::read_request(request, &front.local_address, REQUEST_BODY_BYTES_MAX).await {
            Ok(request) => {
                let upgrades = request.upgrades();
                let response = (front.handler)(request).await;
                response.and_then(|response| response.checked(upgrades))
            }
            Err(refusal) => return wire::refuse(&refusal, front.clock.wall()),
        };
    let wall = front.clock.wall();
    response
        .and_then(|response| wire::write_response(response, keeps_length, wall))
        .unwrap_or_else(|error| wire::write_error(&error, status_of(&error), wall))
}

/// E-10.
fn status_of(error: &Error) -> u16 {
    if error.overloaded() { 503 } else { 500 }
}

fn log_end(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
