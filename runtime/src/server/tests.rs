//! The front as a client sees it: raw bytes over loopback.

use std::{cell::RefCell, future::pending};

use futures_channel::oneshot;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::{
    Error,
    platform::{Platform, real},
};

/// A server with a handler of these tests, on a free port.
struct Server {
    platform: Platform,
    address: String,
    /// Completes the shutdown.
    stop: oneshot::Sender<()>,
    /// What `serve` returned.
    ended: oneshot::Receiver<io::Result<()>>,
    _folder: TempDir,
}

impl Server {
    async fn start<F>(handler: impl Fn(Request) -> F + 'static) -> Self
    where
        F: Future<Output = Result<Response>> + 'static,
    {
        let folder = TempDir::new().expect("a temporary folder");
        let platform = real::platform(folder.path()).expect("a fresh folder");
        let listener = platform
            .network
            .listen("127.0.0.1:0")
            .await
            .expect("a free port");
        let address = listener.local_address();
        let handler: FetchHandler = Rc::new(move |request| Box::pin(handler(request)));
        let (stop, stopped) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let served = serve(
            listener,
            platform.spawn.clone(),
            platform.clock.clone(),
            handler,
            stopped.map(drop),
        );
        platform.spawn.spawn(Box::pin(async move {
            end.send(served.await).expect("the test waits");
        }));
        Self {
            platform,
            address,
            stop,
            ended,
            _folder: folder,
        }
    }

    async fn connect(&self) -> Client {
        Client(
            self.platform
                .network
                .connect(&self.address)
                .await
                .expect("a running server"),
        )
    }

    /// One request on a connection of its own; the whole answer.
    async fn ask(&self, request: &str) -> String {
        let mut client = self.connect().await;
        client
            .send(&request.replacen("\r\n", "\r\nConnection: close\r\n", 1))
            .await;
        client.rest().await
    }
}

struct Client(Box<dyn Stream>);

impl Client {
    async fn send(&mut self, text: &str) {
        self.0
            .write_all(text.as_bytes())
            .await
            .expect("an open connection");
    }

    /// What comes, up to and with `end`.
    async fn read_up_to(&mut self, end: &str) -> String {
        let mut text = Vec::new();
        while !text.ends_with(end.as_bytes()) {
            text.push(self.0.read_u8().await.expect("more of the answer"));
        }
        String::from_utf8(text).expect("an answer of text")
    }

    async fn rest(&mut self) -> String {
        let mut text = String::new();
        self.0
            .read_to_string(&mut text)
            .await
            .expect("the end of the answer");
        text
    }
}

/// Runs a test with tasks, as a node does.
fn run(test: impl Future<Output = ()>) {
    let test = async {
        test.await;
        Ok::<_, io::Error>(())
    };
    real::run(test).expect("a runtime");
}

async fn echo(mut request: Request) -> Result<Response> {
    let body = request.text().await?;
    Response::ok(format!("{} {} {body}", request.method(), request.url()?))
}

fn status(answer: &str) -> &str {
    answer.split_once("\r\n").expect("a status line").0
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").expect("headers and a body").1
}

#[test]
fn a_get_and_a_post_are_answered() {
    run(async {
        let server = Server::start(echo).await;
        let answer = server
            .ask("GET /a/../b?c=d HTTP/1.1\r\nHost: object\r\n\r\n")
            .await;
        assert_eq!(status(&answer), "HTTP/1.1 200 OK");
        assert_eq!(body(&answer), "GET http://object/b?c=d ");
        assert!(
            answer.contains("\r\ncontent-type: text/plain; charset=utf-8\r\n"),
            "{answer}"
        );
        assert!(answer.contains(" GMT\r\n"), "{answer}");
        let answer = server
            .ask("POST / HTTP/1.1\r\nHost: object\r\nContent-Length: 4\r\n\r\nfour")
            .await;
        assert_eq!(body(&answer), "POST http://object/ four");
        let chunked = "PUT / HTTP/1.1\r\nHost: o\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n";
        assert_eq!(body(&server.ask(chunked).await), "PUT http://o/ abc");
    });
}

#[test]
fn two_requests_share_a_connection() {
    run(async {
        let server = Server::start(echo).await;
        let mut client = server.connect().await;
        for path in ["/first", "/second"] {
            client
                .send(&format!("GET {path} HTTP/1.1\r\nHost: o\r\n\r\n"))
                .await;
            let end = format!("GET http://o{path} ");
            assert_eq!(body(&client.read_up_to(&end).await), end);
        }
    });
}

#[test]
fn a_received_request_has_immutable_headers() {
    run(async {
        let server = Server::start(async |request: Request| {
            request.headers().set("a", "b")?;
            Response::empty()
        })
        .await;
        let answer = server.ask("GET / HTTP/1.1\r\nHost: o\r\n\r\n").await;
        assert_eq!(body(&answer), "Can't modify immutable headers.");
    });
}

#[test]
fn an_error_is_answered_with_500_and_overload_with_503() {
    run(async {
        let server = Server::start(async |request: Request| match request.path().as_str() {
            "/busy" => Err(Error::from("too many").with_overloaded()),
            "/status" => Ok(Response::empty()?.with_status(700)),
            _ => Err(Error::type_error("no such thing")),
        })
        .await;
        for (path, line, text) in [
            ("/", "HTTP/1.1 500 Internal Server Error", "no such thing"),
            ("/busy", "HTTP/1.1 503 Service Unavailable", "too many"),
            (
                "/status",
                "HTTP/1.1 500 Internal Server Error",
                "Responses may only be constructed with status codes in the range 200 to 599, inclusive.",
            ),
        ] {
            let answer = server
                .ask(&format!("GET {path} HTTP/1.1\r\nHost: o\r\n\r\n"))
                .await;
            assert_eq!((status(&answer), body(&answer)), (line, text));
        }
    });
}

#[test]
fn a_body_that_is_announced_as_too_large_is_refused_before_it_is_sent() {
    run(async {
        let server = Server::start(echo).await;
        let length = REQUEST_BODY_BYTES_MAX + 1;
        let answer = server
            .ask(&format!(
                "POST / HTTP/1.1\r\nHost: o\r\nContent-Length: {length}\r\n\r\n"
            ))
            .await;
        assert_eq!(status(&answer), "HTTP/1.1 413 Payload Too Large");
        assert_eq!(body(&answer), "request body is larger than 33554432 bytes");
    });
}

#[test]
fn what_is_no_request_to_an_object_never_reaches_it() {
    run(async {
        let server = Server::start(async |_| -> Result<Response> {
            unreachable!("the front lets this through")
        })
        .await;
        for (request, line, text) in [
            (
                "BREW / HTTP/1.1\r\nHost: o\r\n\r\n",
                "HTTP/1.1 501 Not Implemented",
                "Unrecognized request method.",
            ),
            (
                "CONNECT o:1 HTTP/1.1\r\nHost: o\r\n\r\n",
                "HTTP/1.1 501 Not Implemented",
                "CONNECT is not supported",
            ),
            (
                "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
                "HTTP/1.1 400 Bad Request",
                "`a/b` is no host name",
            ),
        ] {
            let answer = server.ask(request).await;
            assert_eq!((status(&answer), body(&answer)), (line, text));
        }
    });
}

#[test]
fn an_answer_to_head_has_the_length_and_no_body() {
    run(async {
        let server = Server::start(echo).await;
        let answer = server.ask("HEAD / HTTP/1.1\r\nHost: o\r\n\r\n").await;
        assert!(
            answer.contains(&format!(
                "\r\ncontent-length: {}\r\n",
                "HEAD http://o/ ".len()
            )),
            "{answer}"
        );
        assert_eq!(body(&answer), "");
    });
}

#[test]
fn a_client_that_goes_away_drops_its_call_and_nothing_else() {
    /// Tells when the call is dropped.
    struct Call(RefCell<Option<oneshot::Sender<()>>>);
    impl Drop for Call {
        fn drop(&mut self) {
            self.0
                .take()
                .expect("dropped once")
                .send(())
                .expect("the test waits");
        }
    }
    run(async {
        let (begin, began) = oneshot::channel();
        let (end, dropped) = oneshot::channel();
        let first = Rc::new(RefCell::new(Some((begin, end))));
        let server = Server::start(move |request| {
            let first = first.take();
            async move {
                let Some((begin, end)) = first else {
                    return echo(request).await;
                };
                let _call = Call(RefCell::new(Some(end)));
                begin.send(()).expect("the test waits");
                pending().await
            }
        })
        .await;
        let mut client = server.connect().await;
        client.send("GET / HTTP/1.1\r\nHost: o\r\n\r\n").await;
        began.await.expect("the call begins");
        drop(client);
        dropped.await.expect("the call is dropped");
        let answer = server.ask("GET /next HTTP/1.1\r\nHost: o\r\n\r\n").await;
        assert_eq!(body(&answer), "GET http://o/next ");
    });
}

#[test]
fn a_shutdown_finishes_what_runs_closes_what_is_idle_and_accepts_nothing() {
    run(async {
        let (begin, began) = oneshot::channel();
        let (go_on, gate) = oneshot::channel::<()>();
        let once = Rc::new(RefCell::new(Some((begin, gate))));
        let server = Server::start(move |request| {
            let (begin, gate) = once.take().expect("one request");
            async move {
                begin.send(()).expect("the test waits");
                gate.await.expect("the test goes on");
                echo(request).await
            }
        })
        .await;
        let (mut busy, mut idle) = (server.connect().await, server.connect().await);
        busy.send("GET / HTTP/1.1\r\nHost: o\r\n\r\n").await;
        began.await.expect("the call begins");
        server.stop.send(()).expect("a running server");
        assert_eq!(idle.rest().await, "");
        let refused = server.platform.network.connect(&server.address).await;
        assert_eq!(
            refused.expect_err("nobody listens").kind(),
            io::ErrorKind::ConnectionRefused
        );
        go_on.send(()).expect("a running call");
        assert_eq!(body(&busy.rest().await), "GET http://o/ ");
        server.ended.await.expect("an end").expect("a good end");
    });
}

#[test]
fn a_listener_that_fails_for_good_ends_the_server_and_one_failure_does_not() {
    struct Broken;
    impl Listener for Broken {
        fn accept(&self) -> LocalBoxFuture<'_, io::Result<Box<dyn Stream>>> {
            Box::pin(async { Err(io::Error::other("no more descriptors")) })
        }
        fn local_address(&self) -> String {
            "127.0.0.1:1".to_owned()
        }
    }
    /// A clock whose sleeps only count.
    struct Counting(RefCell<u32>);
    impl Clock for Counting {
        fn wall(&self) -> crate::platform::WallTime {
            crate::platform::WallTime::from_millis(0)
        }
        fn now(&self) -> crate::platform::Instant {
            crate::platform::Instant::from_origin(Duration::ZERO)
        }
        fn sleep_until(&self, _deadline: crate::platform::Instant) -> LocalBoxFuture<'static, ()> {
            *self.0.borrow_mut() += 1;
            Box::pin(async {})
        }
    }
    run(async {
        let folder = TempDir::new().expect("a temporary folder");
        let platform = real::platform(folder.path()).expect("a fresh folder");
        let clock = Rc::new(Counting(RefCell::new(0)));
        let handler: FetchHandler = Rc::new(|request| Box::pin(echo(request)));
        let ended = serve(
            Rc::new(Broken),
            platform.spawn,
            clock.clone(),
            handler,
            pending(),
        )
        .await;
        assert_eq!(
            ended.expect_err("nobody can connect").to_string(),
            "no more descriptors"
        );
        assert_eq!(*clock.0.borrow(), ACCEPT_FAILURES_MAX - 1);
    });
}
