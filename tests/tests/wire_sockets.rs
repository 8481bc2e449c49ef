//! `WebSockets` over simulated byte streams: the real front, a library's client, and virtual time; the same seed gives the same run.
//!
//! What the front does on a real network is tested with a real process (`scenarios/objects/tests/sockets.rs`). Here it runs where ten seconds cost nothing and every
//! run can be had again.

use std::{rc::Rc, time::Duration};

use dormouse::{
    DurableObject, Env, Headers, Method, Node, NodeBuilder, Request, RequestInit, Response, Result,
    State, WebSocket, WebsocketEvent, durable_object,
    platform::{Platform, Stream},
    server::{self, FetchHandler, Limits},
};
use dormouse_sim::{Seed, run_on_a_machine};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async, client_async,
    tungstenite::{Message, handshake::server as handshake},
};
use url::Url;

/// Where the front listens: every simulated machine has its own addresses.
const ADDRESS: &str = "127.0.0.1:80";

/// A node with its front, both on `platform`.
async fn start(platform: &Platform, serves: NodeBuilder) -> Node {
    let node = serves.start(platform.clone()).expect("an empty folder");
    let listener = platform.network.listen(ADDRESS).await.expect("a free port");
    let env = node.env();
    let handler: FetchHandler = Rc::new(move |request: Request| {
        let env = env.clone();
        Box::pin(async move {
            let headers = Headers::new();
            if let Some(upgrade) = request.headers().get("upgrade")? {
                headers.set("upgrade", &upgrade)?;
            }
            let mut init = RequestInit::new();
            init.with_method(Method::Get).with_headers(headers);
            let request = Request::new_with_init(request.url()?.as_str(), &init)?;
            let room = env.durable_object("CHAT_ROOM")?.get_by_name("lobby")?;
            room.fetch_with_request(request).await
        })
    });
    let (spawn, clock) = (Rc::clone(&platform.spawn), Rc::clone(&platform.clock));
    let limits = Limits::default().message_bytes_max(1024);
    let served = server::serve_with(
        listener,
        spawn,
        clock,
        handler,
        limits,
        std::future::pending(),
    );
    platform.spawn.spawn(Box::pin(async move {
        served.await.expect("the listener works");
    }));
    node
}

struct Visitor {
    socket: WebSocketStream<Box<dyn Stream>>,
    platform: Platform,
    log: Vec<String>,
}

impl Visitor {
    async fn enter(platform: &Platform, name: &str) -> Self {
        let stream = platform
            .network
            .connect(ADDRESS)
            .await
            .expect("somebody listens");
        let url = format!("ws://room/?username={name}");
        let (socket, _) = client_async(url, stream).await.expect("an upgrade");
        Self {
            socket,
            platform: platform.clone(),
            log: Vec::new(),
        }
    }

    async fn say(&mut self, text: &str) {
        let message = Message::text(format!("{{\"text\":\"{text}\"}}"));
        self.socket.send(message).await.expect("an open socket");
    }

    /// Notes what comes next, and when.
    async fn hear(&mut self) -> String {
        let heard = match self.socket.next().await {
            Some(Ok(Message::Close(Some(close)))) => {
                format!("closed {} {}", close.code, close.reason)
            }
            Some(Ok(message)) => message.to_string(),
            Some(Err(error)) => error.to_string(),
            None => "the end".to_owned(),
        };
        let at = self.platform.clock.now().since_origin();
        self.log.push(format!("{at:?} {heard}"));
        heard
    }
}

/// Two visitors, a room that hibernates under them, and one that vanishes; what they heard, and when.
async fn an_evening(platform: Platform) -> Vec<String> {
    let pass = async |time: Duration| {
        let clock = &platform.clock;
        clock.sleep_until(clock.now() + time).await;
    };
    let node = start(&platform, dormouse_objects::bundled()).await;
    let mut ann = Visitor::enter(&platform, "ann").await;
    let mut bob = Visitor::enter(&platform, "bob").await;
    assert_eq!(ann.hear().await, r#"{"text":"bob joined"}"#);
    bob.say("hello").await;
    assert_eq!(ann.hear().await, r#"{"text":"bob: hello"}"#);
    assert_eq!(bob.hear().await, r#"{"text":"bob: hello"}"#);
    pass(Duration::from_secs(11)).await;
    assert_eq!(
        node.activation_count(),
        0,
        "the room hibernates, with both of them in it"
    );
    ann.socket
        .send(Message::text("ping"))
        .await
        .expect("an open socket");
    assert_eq!(ann.hear().await, "pong");
    assert_eq!(node.activation_count(), 0, "and answers in its sleep");
    ann.say("still here").await;
    assert_eq!(ann.hear().await, r#"{"text":"ann: still here"}"#);
    assert_eq!(bob.hear().await, r#"{"text":"ann: still here"}"#);
    let mut log = std::mem::take(&mut bob.log);
    drop(bob);
    assert_eq!(ann.hear().await, r#"{"text":"bob left"}"#);
    let long = "x".repeat(1024);
    ann.say(&long).await;
    assert_eq!(
        ann.hear().await,
        "closed 1009 Message is too large: 1035 > 1024"
    );
    log.append(&mut ann.log);
    log
}

/// Opens a socket to the front, and answers one greeting.
#[durable_object]
struct Dialer {
    state: State,
}

impl DurableObject for Dialer {
    fn new(state: State, _: Env) -> Self {
        Self { state }
    }

    async fn fetch(&self, _: Request) -> Result<Response> {
        let url = Url::parse(&format!("ws://{ADDRESS}/?username=dialer"))?;
        let socket = WebSocket::connect(url.clone()).await?;
        assert_eq!((socket.url(), socket.protocol()), (Some(url.as_str()), ""));
        let refused = self.state.try_accept_web_socket(&socket);
        assert!(refused.is_err(), "it never hibernates (W-1)");
        socket.accept()?;
        self.state.wait_until(async move {
            let mut events = socket.events().expect("always");
            while let Some(Ok(event)) = events.next().await {
                if let WebsocketEvent::Message(message) = event
                    && message
                        .text()
                        .is_some_and(|text| text.contains("ann: hello"))
                {
                    let answer = r#"{"text":"hello back"}"#;
                    socket.send_with_str(answer).expect("it is open");
                    let closed = socket.close(Some(4000), Some("done"));
                    closed.expect("a good code");
                }
            }
        });
        Response::empty()
    }
}

/// Where a server listens that chooses a protocol: always the same one.
const CHOOSER: &str = "127.0.0.1:81";
const CHOSEN: &str = "chat.v2";

/// Opens a socket to the chooser, with these protocols, and tells which one it is.
#[durable_object]
struct Offering;

impl DurableObject for Offering {
    fn new(_: State, _: Env) -> Self {
        Self
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        let url = Url::parse(&format!("ws://{CHOOSER}/"))?;
        let offered = request.url()?.query().unwrap_or_default().to_owned();
        let offered = offered.split(',').collect();
        let socket = WebSocket::connect_with_protocols(url, Some(offered)).await?;
        Response::ok(socket.protocol())
    }
}

#[test]
#[expect(
    clippy::result_large_err,
    reason = "the library's signature of who answers a handshake"
)]
fn a_protocol_is_one_that_was_offered_and_the_server_chose() {
    run_on_a_machine(Seed(0), |platform| async move {
        let listener = platform.network.listen(CHOOSER).await.expect("a free port");
        platform.spawn.spawn(Box::pin(async move {
            while let Ok(stream) = listener.accept().await {
                let choose = |_: &handshake::Request, mut answer: handshake::Response| {
                    let chosen = CHOSEN.parse().expect("a header");
                    answer
                        .headers_mut()
                        .insert("Sec-WebSocket-Protocol", chosen);
                    Ok(answer)
                };
                drop(accept_hdr_async(stream, choose).await); // the other side may have gone
            }
        }));
        let serves = NodeBuilder::new("app").object::<Offering>("OFFERING");
        let node = serves.start(platform.clone()).expect("an empty folder");
        let offer = async |protocols: &str| {
            let offering = node.env().durable_object("OFFERING")?.get_by_name("o")?;
            let answer = offering.fetch_with_str(&format!("https://o/?{protocols}"));
            answer.await?.text().await
        };
        assert_eq!(offer("chat.v1,chat.v2").await.as_deref(), Ok(CHOSEN));
        let refused = offer("chat.v1").await.expect_err("it was not offered");
        assert_eq!(refused.message(), "server did not accept");
    });
}

#[test]
fn an_object_opens_a_socket_itself_and_stays_in_memory_as_long_as_it_is_open() {
    for seed in 0..4 {
        run_on_a_machine(Seed(seed), |platform| async move {
            let serves = dormouse_objects::bundled().object::<Dialer>("DIALER");
            let node = start(&platform, serves).await;
            let mut ann = Visitor::enter(&platform, "ann").await;
            let dialer = node.env().durable_object("DIALER");
            let dialer = dialer.and_then(|dialers| dialers.get_by_name("d"));
            let dialed = dialer.expect("it is served").fetch_with_str("https://d/");
            assert_eq!(dialed.await.expect("it connects").status_code(), 200);
            assert_eq!(ann.hear().await, r#"{"text":"dialer joined"}"#);
            let clock = &platform.clock;
            clock
                .sleep_until(clock.now() + Duration::from_secs(30))
                .await;
            assert_eq!(node.activation_count(), 1, "the room sleeps, he does not");
            ann.say("hello").await;
            assert_eq!(ann.hear().await, r#"{"text":"ann: hello"}"#);
            assert_eq!(ann.hear().await, r#"{"text":"dialer: hello back"}"#);
            assert_eq!(ann.hear().await, r#"{"text":"dialer left"}"#);
            clock
                .sleep_until(clock.now() + Duration::from_secs(11))
                .await;
            assert_eq!(node.activation_count(), 0);
        });
    }
}

#[test]
fn a_room_over_simulated_streams_hibernates_wakes_and_hears_of_a_client_that_vanished() {
    // The client's library keeps a generator for each thread, which it seeds when it is first used: so each run has a new thread.
    let evening = |seed| {
        let run = std::thread::spawn(move || run_on_a_machine(Seed(seed), an_evening));
        run.join().expect("a quiet evening")
    };
    for seed in 0..8 {
        let (first, second) = (evening(seed), evening(seed));
        assert_eq!(first, second, "seed {seed} gives one run");
    }
}
