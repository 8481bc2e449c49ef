//! `WebSockets` of both kinds: states, order, closing, tags, attachments, and what becomes of them when the object leaves memory.
//!
//! Where a test names a recording, what it expects is what the original did there.

use std::{cell::Cell, rc::Rc};

use dormouse::{
    Delay, DurableObject, Env, Error, Request, RequestInit, Response, Result, State, WebSocket,
    WebSocketIncomingMessage, WebSocketPair, WebSocketRequestResponsePair, WebsocketEvent,
    durable_object,
};
use futures_util::StreamExt as _;

use super::{
    Bench, count_build, error_of, ms, note, noted, on_both, on_the_simulator, secs, serving,
};

/// Does what its URL says with sockets of both kinds.
#[durable_object]
struct Switchboard {
    state: Rc<State>,
    handled: Cell<u32>,
}

impl DurableObject for Switchboard {
    fn new(state: State, _: Env) -> Self {
        let build = count_build();
        note(format!(
            "constructor {build}: {}",
            state.get_websockets().len()
        ));
        let this = Self {
            state: Rc::new(state),
            handled: Cell::new(0),
        };
        if build == 2 && this.state.id().name().as_deref() == Some("fails when woken") {
            for socket in this.state.get_websockets() {
                socket
                    .send_with_str("from a constructor that fails")
                    .expect("it is open");
            }
            panic!("second build fails");
        }
        this
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        let path = request.path();
        let query = request.url()?.query().unwrap_or_default().to_owned();
        match path.as_str() {
            "/list" => {
                let names = |sockets: Vec<WebSocket>| -> Vec<String> {
                    sockets.iter().map(attachment).collect()
                };
                let (all, tagged) = (
                    self.state.get_websockets(),
                    self.state.get_websockets_with_tag("even"),
                );
                note(format!("all {:?}, even {:?}", names(all), names(tagged)));
                Response::empty()
            }
            "/abort" => {
                self.state.abort(Some("gone")).await;
                unreachable!("it does not go on")
            }
            "/misuse" => {
                self.misuse();
                Response::empty()
            }
            "/answer" => {
                let pair = WebSocketRequestResponsePair::new("ping", "pong")?;
                self.state.set_websocket_auto_response(&pair);
                Response::empty()
            }
            "/plain" => {
                let WebSocketPair { client, server } = WebSocketPair::new()?;
                server.accept()?;
                self.listen(server);
                Response::from_websocket(client)
            }
            "/unanswered" => {
                let WebSocketPair { client, .. } = WebSocketPair::new()?;
                Response::from_websocket(client)
            }
            "/ok" => {
                let WebSocketPair { client, server } = WebSocketPair::new()?;
                self.state.accept_web_socket(&server);
                Response::ok("not upgraded").map(|it| it.with_websocket(Some(client)))
            }
            "/limit" => {
                self.state
                    .set_hibernatable_websocket_event_timeout(Some(secs(5)))?;
                Response::empty()
            }
            _ => {
                let WebSocketPair { client, server } = WebSocketPair::new()?;
                let tags: Vec<_> = query.split(',').filter(|tag| !tag.is_empty()).collect();
                self.state.accept_websocket_with_tags(&server, &tags);
                server.serialize_attachment(path.trim_start_matches('/'))?;
                if path == "/welcomed" {
                    server.send_with_str("welcome")?;
                }
                Response::from_websocket(client)
            }
        }
    }

    async fn websocket_message(
        &self,
        ws: WebSocket,
        message: WebSocketIncomingMessage,
    ) -> Result<()> {
        let WebSocketIncomingMessage::String(text) = message else {
            note(format!("binary {message:?}"));
            let WebSocketIncomingMessage::Binary(bytes) = message else {
                unreachable!("there are two kinds")
            };
            return ws.send_with_bytes(bytes);
        };
        self.handled.set(self.handled.get() + 1);
        note(format!(
            "{} says {text} ({})",
            attachment(&ws),
            self.handled.get()
        ));
        match text.as_str() {
            "close" => {
                ws.close(Some(4000), Some("object closes"))?;
                note(format!(
                    "{:?}, listed {}",
                    ws.ready_state(),
                    self.state.get_websockets().len()
                ));
                note(error_of(ws.send_with_str("late")));
                ws.close(Some(4001), Some("again"))?;
                Delay::from(ms(50)).await;
                note(format!(
                    "{:?}, listed {}",
                    ws.ready_state(),
                    self.state.get_websockets().len()
                ));
                return Ok(());
            }
            "slow" => Delay::from(ms(60)).await,
            "endless" => Delay::from(secs(60)).await,
            "store" => {
                self.state.storage().put("stored", true).await?;
            }
            "fail" => return Err(Error::from("handler")),
            "all" => {
                for socket in self.state.get_websockets() {
                    socket.send_with_str(format!("{}: all", attachment(&ws)))?;
                }
            }
            _ => {}
        }
        note(format!("done with {text}"));
        ws.send_with_str(format!("echo {text}"))
    }

    async fn websocket_close(
        &self,
        ws: WebSocket,
        code: usize,
        reason: String,
        was_clean: bool,
    ) -> Result<()> {
        note(format!(
            "{} closes {code} '{reason}' {was_clean}, {:?}, listed {}",
            attachment(&ws),
            ws.ready_state(),
            self.state.get_websockets().len()
        ));
        if reason != "leave me" && was_clean && code != 1005 {
            ws.close(u16::try_from(code).ok(), Some("answered"))?;
        }
        Ok(())
    }

    async fn websocket_error(&self, ws: WebSocket, error: Error) -> Result<()> {
        note(format!("{} fails: {error}", attachment(&ws)));
        Ok(())
    }
}

fn attachment(socket: &WebSocket) -> String {
    let name = socket.deserialize_attachment::<String>();
    name.expect("it is a text").unwrap_or_default()
}

impl Switchboard {
    fn listen(&self, server: WebSocket) {
        self.state.wait_until(async move {
            let mut events = server.events().expect("it was accepted");
            while let Some(event) = events.next().await {
                match event {
                    Ok(WebsocketEvent::Message(message)) => {
                        let text = message.text().unwrap_or_default();
                        note(format!("heard {text}"));
                        server
                            .send_with_str(format!("echo {text}"))
                            .expect("it is open");
                    }
                    Ok(WebsocketEvent::Close(close)) => note(format!(
                        "closes {} '{}' {}, {:?}",
                        close.code(),
                        close.reason(),
                        close.was_clean(),
                        server.ready_state()
                    )),
                    Err(error) => note(format!("fails: {error}")),
                }
            }
        });
    }

    fn misuse(&self) {
        let pair = || WebSocketPair::new().expect("in an object's code");
        let state = &self.state;
        note(error_of(pair().server.send_with_str("x")));
        note(error_of(pair().server.close::<String>(Some(1000), None)));
        let socket = pair().server;
        assert_eq!((socket.accept(), socket.accept()), (Ok(()), Ok(())));
        note(error_of(state.try_accept_web_socket(&socket)));
        note(error_of(state.try_get_tags(&socket)));
        let both = pair();
        note(error_of(state.try_get_tags(&both.server)));
        state.accept_web_socket(&both.server);
        note(error_of(both.server.accept()));
        note(error_of(state.try_accept_web_socket(&both.server)));
        note(error_of(state.try_accept_web_socket(&both.client)));
        assert_eq!(both.client.accept(), Ok(()));
        let with_tags = |tags: &[&str]| {
            let pair = pair();
            let accepted = state.try_accept_websocket_with_tags(&pair.server, tags);
            accepted.map(|()| state.get_tags(&pair.server))
        };
        assert_eq!(
            with_tags(&["x", "y", "x"]),
            Ok(vec!["x".to_owned(), "y".to_owned()])
        );
        let many: Vec<_> = (0..10).map(|number| format!("t{number}")).collect();
        let mut many: Vec<_> = many.iter().map(String::as_str).collect();
        assert_eq!(with_tags(&many).map(|tags| tags.len()), Ok(10));
        many.push("t0");
        note(error_of(with_tags(&many)));
        assert_eq!(
            with_tags(&[&"\u{e9}".repeat(128)]).map(|tags| tags.len()),
            Ok(1)
        );
        let long = error_of(with_tags(&[&"\u{e9}".repeat(129)]));
        note(long.rsplit('"').next().expect("behind the tag"));
        for code in [999, 1004, 1005, 1006, 1015, 5000] {
            note(error_of(both.server.close::<String>(Some(code), None)));
        }
        note(error_of(
            both.server.close(Some(1000), Some("r".repeat(124))),
        ));
        assert_eq!(both.server.close(Some(1000), Some("r".repeat(123))), Ok(()));
        let pair = WebSocketRequestResponsePair::new(&"x".repeat(2049), "").expect("always");
        note(error_of(state.try_set_websocket_auto_response(&pair)));
        note(error_of(state.set_hibernatable_websocket_event_timeout(
            Some(ms(604_800_001)),
        )));
    }
}

/// The caller's end, which notes nothing by itself.
struct Client(WebSocket);

impl Client {
    async fn connect(bench: &Bench, name: &str, url: &str) -> Self {
        let response = ask(bench, name, url, true).await.expect("it is upgraded");
        assert_eq!(response.status_code(), 101);
        let socket = response.websocket().expect("it has a socket");
        socket.accept().expect("nobody else has it");
        Self(socket)
    }

    fn say(&self, text: &str) {
        self.0.send_with_str(text).expect("it is open");
    }

    /// The next message, or how it ended.
    async fn hear(&self) -> String {
        match self.0.events().expect("always").next().await {
            Some(Ok(WebsocketEvent::Message(message))) => message
                .text()
                .unwrap_or_else(|| format!("{:?}", message.bytes())),
            Some(Ok(WebsocketEvent::Close(close))) => {
                format!(
                    "closed {} '{}' {}",
                    close.code(),
                    close.reason(),
                    close.was_clean()
                )
            }
            Some(Err(error)) => format!("failed {error}"),
            None => unreachable!("a stream of its own for each event"),
        }
    }
}

async fn ask(bench: &Bench, name: &str, url: &str, upgrade: bool) -> Result<Response> {
    let mut init = RequestInit::new();
    if upgrade {
        let headers = dormouse::Headers::new();
        headers.set("Upgrade", "websocket").expect("a header");
        init.with_headers(headers);
    }
    let request = Request::new_with_init(&format!("https://object{url}"), &init)?;
    bench
        .plain::<Switchboard>(name)
        .fetch_with_request(request)
        .await
}

#[test]
fn messages_of_both_types_come_and_go_and_a_close_is_answered_by_the_handler() {
    // (W-16, W-23; recorded: hibernatable_echo, hibernatable_answered_close)
    on_both(&serving::<Switchboard>(), |bench| async move {
        let client = Client::connect(&bench, "a", "/one").await;
        client.say("hello");
        assert_eq!(client.hear().await, "echo hello");
        client.0.send_with_bytes([0, 255]).expect("it is open");
        assert_eq!(client.hear().await, "Some([0, 255])");
        client.0.close(Some(4000), Some("bye")).expect("it is open");
        assert_eq!(client.hear().await, "closed 4000 'answered' true");
        assert_eq!(
            noted(),
            [
                "constructor 1: 0",
                "one says hello (1)",
                "done with hello",
                "binary Binary([0, 255])",
                "one closes 4000 'bye' true, Closing, listed 1",
            ]
        );
    });
}

#[test]
fn a_welcome_sent_before_the_response_arrives_behind_it() {
    // (W-2; recorded: handlers_missing)
    on_both(&serving::<Switchboard>(), |bench| async move {
        let client = Client::connect(&bench, "a", "/welcomed").await;
        assert_eq!(client.hear().await, "welcome");
    });
}

#[test]
fn a_close_that_no_handler_answers_stays_unanswered_until_the_object_leaves_memory() {
    // (W-28, W-29; recorded: hibernatable_unanswered_close)
    on_the_simulator(&serving::<Switchboard>(), |bench| async move {
        let client = Client::connect(&bench, "a", "/one").await;
        client
            .0
            .close(Some(4000), Some("leave me"))
            .expect("it is open");
        bench.pass(secs(9)).await;
        ask(&bench, "a", "/list", false).await.expect("it answers");
        assert_eq!(
            noted(),
            [
                "constructor 1: 0",
                "one closes 4000 'leave me' true, Closing, listed 1",
                "all [], even []",
            ]
        );
        let asked = bench.now();
        assert_eq!(
            client.hear().await,
            "closed 1006 'WebSocket disconnected without sending Close frame.' false"
        );
        assert!(
            bench.now() - asked >= secs(10),
            "only hibernation lets go of it"
        );
    });
}

#[test]
fn an_accepted_socket_answers_a_close_by_itself() {
    // (W-29; recorded: standard_client_closes)
    let serves = serving::<Switchboard>();
    on_both(&serves, |bench| async move {
        let client = Client::connect(&bench, "a", "/plain").await;
        client.say("hello");
        assert_eq!(client.hear().await, "echo hello");
        client
            .0
            .close(Some(4999), Some("last"))
            .expect("it is open");
        assert_eq!(client.hear().await, "closed 4999 'last' true");
        assert_eq!(
            noted(),
            [
                "constructor 1: 0",
                "heard hello",
                "closes 4999 'last' true, Closed"
            ]
        );
    });
    on_both(
        &serves.compatibility_date("2026-04-06"),
        |bench| async move {
            let client = Client::connect(&bench, "a", "/plain").await;
            client
                .0
                .close(Some(4999), Some("last"))
                .expect("it is open");
            bench.pass(ms(300)).await;
            assert_eq!(
                noted(),
                ["constructor 1: 0", "closes 4999 'last' true, Closing"]
            );
        },
    );
}

#[test]
fn states_while_the_object_closes() {
    // (W-5, W-25, W-31; recorded: send_and_close_states)
    on_both(&serving::<Switchboard>(), |bench| async move {
        let client = Client::connect(&bench, "a", "/one").await;
        client.say("close");
        assert_eq!(client.hear().await, "closed 4000 'object closes' true");
        bench.pass(ms(200)).await;
        assert_eq!(
            noted(),
            [
                "constructor 1: 0",
                "one says close (1)",
                "Closing, listed 1",
                "TypeError: Can't call WebSocket send() after close().",
                "one closes 4000 'object closes' true, Closed, listed 1",
                "Closed, listed 0",
            ]
        );
    });
}

#[test]
fn handlers_start_in_order_and_the_close_does_not_wait_for_their_ends() {
    // (W-16; recorded: message_order_one_socket)
    on_both(&serving::<Switchboard>(), |bench| async move {
        let client = Client::connect(&bench, "a", "/one").await;
        for text in ["slow", "2", "3"] {
            client.say(text);
        }
        client
            .0
            .close(Some(1000), Some("leave me"))
            .expect("it is open");
        for text in ["echo 2", "echo 3", "echo slow"] {
            assert_eq!(client.hear().await, text);
        }
        assert_eq!(
            noted(),
            [
                "constructor 1: 0",
                "one says slow (1)",
                "one says 2 (2)",
                "done with 2",
                "one says 3 (3)",
                "done with 3",
                "one closes 1000 'leave me' true, Closing, listed 1",
                "done with slow",
            ]
        );
    });
}

#[test]
fn a_handler_that_fails_leaves_the_socket_and_the_object_as_they_are() {
    // (W-20; recorded: exception_in_message_handler)
    on_both(&serving::<Switchboard>(), |bench| async move {
        let client = Client::connect(&bench, "a", "/one").await;
        client.say("fail");
        client.say("next");
        assert_eq!(client.hear().await, "echo next");
        assert_eq!(
            noted(),
            [
                "constructor 1: 0",
                "one says fail (1)",
                "one says next (2)",
                "done with next"
            ]
        );
    });
}

#[test]
fn sockets_are_listed_newest_first_and_by_tag_oldest_first() {
    // (W-4; recorded: get_web_sockets)
    on_both(&serving::<Switchboard>(), |bench| async move {
        let mut clients = Vec::new();
        for (name, tag) in [("w1", "odd"), ("w2", "even"), ("w3", "odd"), ("w4", "even")] {
            clients.push(Client::connect(&bench, "a", &format!("/{name}?{tag}")).await);
        }
        ask(&bench, "a", "/list", false).await.expect("it answers");
        clients[1]
            .0
            .close(Some(1000), Some("bye"))
            .expect("it is open");
        assert_eq!(clients[1].hear().await, "closed 1000 'answered' true");
        ask(&bench, "a", "/list", false).await.expect("it answers");
        clients[3].say("all");
        for (client, heard) in [
            (0, "w4: all"),
            (2, "w4: all"),
            (3, "w4: all"),
            (3, "echo all"),
        ] {
            assert_eq!(clients[client].hear().await, heard);
        }
        assert_eq!(
            noted()[..4],
            [
                "constructor 1: 0",
                r#"all ["w4", "w3", "w2", "w1"], even ["w2", "w4"]"#,
                "w2 closes 1000 'bye' true, Closing, listed 4",
                r#"all ["w4", "w3", "w1"], even ["w4"]"#,
            ]
        );
    });
}

#[test]
fn a_hibernated_object_is_woken_by_a_message_and_finds_its_sockets() {
    // (L-13, W-22; recorded: idle_with_hibernatable_socket, message_after_eviction)
    on_the_simulator(&serving::<Switchboard>(), |bench| async move {
        let one = Client::connect(&bench, "a", "/one?even").await;
        let two = Client::connect(&bench, "a", "/two").await;
        one.say("before");
        assert_eq!(one.hear().await, "echo before");
        bench.pass(secs(9)).await;
        assert_eq!(bench.node.activation_count(), 1);
        two.say("still there");
        assert_eq!(two.hear().await, "echo still there");
        bench.pass(secs(12)).await;
        assert_eq!(bench.node.activation_count(), 0);
        two.say("after");
        one.say("after");
        assert_eq!(two.hear().await, "echo after");
        assert_eq!(one.hear().await, "echo after");
        ask(&bench, "a", "/list", false).await.expect("it answers");
        let notes = noted();
        assert!(
            notes.contains(&"two says still there (2)".to_owned()),
            "{notes:?}"
        );
        assert!(notes.contains(&"constructor 2: 2".to_owned()), "{notes:?}");
        assert!(
            notes.contains(&r#"all ["two", "one"], even ["one"]"#.to_owned()),
            "{notes:?}"
        );
    });
}

#[test]
fn a_close_wakes_a_hibernated_object_and_leaves_with_it() {
    // (W-22, W-26; recorded: close_while_hibernated)
    on_both(&serving::<Switchboard>(), |bench| async move {
        let one = Client::connect(&bench, "a", "/one").await;
        bench.pass(ms(10)).await;
        assert_eq!(bench.node.hibernate_idle(), 1);
        one.0.close(Some(4000), Some("bye")).expect("it is open");
        assert_eq!(one.hear().await, "closed 4000 'answered' true");
        assert_eq!(
            noted(),
            [
                "constructor 1: 0",
                "constructor 2: 1",
                "one closes 4000 'bye' true, Closing, listed 1",
            ]
        );
        bench.pass(ms(10)).await;
        assert_eq!(bench.node.hibernate_idle(), 1);
        ask(&bench, "a", "/list", false).await.expect("it answers");
        assert_eq!(noted(), ["constructor 3: 0", "all [], even []"]);
    });
}

#[test]
fn an_automatic_answer_wakes_nobody_and_leaves_a_time() {
    // (W-11, W-13; recorded: auto_response, auto_response_while_hibernated)
    on_both(&serving::<Switchboard>(), |bench| async move {
        let client = Client::connect(&bench, "a", "/one").await;
        client.say("ping");
        assert_eq!(client.hear().await, "echo ping");
        ask(&bench, "a", "/answer", false)
            .await
            .expect("it answers");
        for text in ["x", "ping", "ping "] {
            client.say(text);
        }
        for text in ["echo x", "pong", "echo ping "] {
            assert_eq!(client.hear().await, text);
        }
        bench.pass(ms(10)).await;
        assert_eq!(bench.node.hibernate_idle(), 1);
        client.say("ping");
        assert_eq!(client.hear().await, "pong");
        assert_eq!(bench.node.activation_count(), 0);
        client.say("after");
        assert_eq!(client.hear().await, "echo after");
        let notes = noted();
        assert_eq!(
            notes
                .iter()
                .filter(|note| note.contains("says ping ("))
                .count(),
            1,
            "{notes:?}"
        );
    });
}

#[test]
fn an_accepted_socket_keeps_its_object_in_memory() {
    // (L-8; recorded: idle_with_standard_socket)
    on_the_simulator(&serving::<Switchboard>(), |bench| async move {
        let client = Client::connect(&bench, "a", "/plain").await;
        bench.pass(secs(100)).await;
        assert_eq!(bench.node.activation_count(), 1);
        client.say("hello");
        assert_eq!(client.hear().await, "echo hello");
        client.0.close(Some(1000), Some("")).expect("it is open");
        assert_eq!(client.hear().await, "closed 1000 '' true");
        bench.pass(secs(11)).await;
        assert_eq!(bench.node.activation_count(), 0);
    });
}

#[test]
fn an_abort_breaks_sockets_of_both_kinds_and_the_next_instance_has_none() {
    // (W-33; recorded: abort_closes_sockets)
    on_both(&serving::<Switchboard>(), |bench| async move {
        let held = Client::connect(&bench, "a", "/one").await;
        let plain = Client::connect(&bench, "a", "/plain").await;
        assert!(ask(&bench, "a", "/abort", false).await.is_err());
        let lost = "closed 1006 'WebSocket disconnected without sending Close frame.' false";
        assert_eq!(held.hear().await, lost);
        assert_eq!(plain.hear().await, lost);
        assert_eq!(held.0.send_with_str("into nothing"), Ok(()));
        ask(&bench, "a", "/list", false).await.expect("it answers");
        assert_eq!(
            noted(),
            ["constructor 1: 0", "constructor 2: 0", "all [], even []"]
        );
    });
}

#[test]
fn a_constructor_that_fails_when_it_is_woken_drops_the_sockets_and_what_it_sent() {
    // (C-6; recorded: constructor_throws_when_woken)
    on_both(&serving::<Switchboard>(), |bench| async move {
        let client = Client::connect(&bench, "fails when woken", "/one").await;
        let other = Client::connect(&bench, "fails when woken", "/two").await;
        bench.pass(ms(10)).await;
        assert_eq!(bench.node.hibernate_idle(), 1);
        client.say("hello");
        let lost = "closed 1006 'WebSocket disconnected without sending Close frame.' false";
        assert_eq!(client.hear().await, lost);
        assert_eq!(other.hear().await, lost);
        ask(&bench, "fails when woken", "/list", false)
            .await
            .expect("the third is fine");
        assert_eq!(
            noted(),
            [
                "constructor 1: 0",
                "constructor 2: 2",
                "constructor 3: 0",
                "all [], even []"
            ]
        );
    });
}

#[test]
fn a_caller_that_drops_its_end_is_a_lost_connection() {
    // (W-2, W-26)
    on_both(&serving::<Switchboard>(), |bench| async move {
        drop(
            ask(&bench, "a", "/one", true)
                .await
                .expect("it is upgraded"),
        );
        bench.pass(ms(50)).await;
        assert_eq!(
            noted(),
            [
                "constructor 1: 0",
                "one closes 1006 'WebSocket disconnected without sending Close frame.' false, Closing, listed 1",
            ]
        );
        let client = Client::connect(&bench, "a", "/unanswered").await;
        assert_eq!(
            client.hear().await,
            "closed 1006 'WebSocket disconnected without sending Close frame.' false"
        );
    });
}

#[test]
fn an_event_that_takes_longer_than_its_limit_resets_the_object() {
    // (W-15, W-34)
    on_the_simulator(&serving::<Switchboard>(), |bench| async move {
        ask(&bench, "a", "/limit", false).await.expect("it answers");
        let client = Client::connect(&bench, "a", "/one").await;
        client.say("endless");
        let asked = bench.now();
        assert_eq!(
            client.hear().await,
            "closed 1006 'WebSocket disconnected without sending Close frame.' false"
        );
        assert_eq!((bench.now() - asked).as_secs(), 5);
    });
}

#[test]
fn a_message_leaves_when_the_write_before_it_is_durable() {
    // (G-15) What is sent behind a write comes after it; the oracle of the simulator looks at the disk when it leaves.
    on_both(&serving::<Switchboard>(), |bench| async move {
        let client = Client::connect(&bench, "a", "/one").await;
        client.say("store");
        client.say("next");
        assert_eq!(client.hear().await, "echo store");
        assert_eq!(client.hear().await, "echo next");
    });
}

#[test]
fn responses_with_and_without_sockets_are_checked() {
    // (FT-8; recorded: fetch/upgrade)
    on_both(&serving::<Switchboard>(), |bench| async move {
        assert_eq!(
            error_of(ask(&bench, "a", "/ok", true).await),
            "RangeError: Responses with a WebSocket must have status code 101. [remote]"
        );
        assert_eq!(
            error_of(ask(&bench, "a", "/one", false).await),
            "TypeError: Worker tried to return a WebSocket in a response to a request which did not contain the header \"Upgrade: websocket\". [remote]"
        );
    });
}

#[test]
fn misuse_is_told_with_the_texts_of_the_original() {
    // (W-1, W-3, W-7, W-10, W-15, W-30; recorded: accept_errors, tags, close_arguments)
    on_both(&serving::<Switchboard>(), |bench| async move {
        ask(&bench, "a", "/misuse", false)
            .await
            .expect("it answers");
        let not_accepted = "TypeError: You must call one of accept() or state.acceptWebSocket() on this WebSocket before sending messages.";
        let already = "Error: Cannot call `acceptWebSocket()` if the WebSocket was already accepted via `accept()`";
        let notes = noted();
        assert_eq!(
            notes[1..18],
            [
                not_accepted,
                not_accepted,
                already,
                "Error: only hibernatable websockets can have tags.",
                "Error: you must call 'acceptWebSocket()' before attempting to access the tags of a WebSocket.",
                "TypeError: Can't accept() WebSocket after enabling hibernation.",
                already,
                "Error: Cannot call `acceptWebSocket()` on this WebSocket because its pair has already been accepted or used in a Response.",
                "Error: a Hibernatable WebSocket cannot have more than 10 tags",
                " is longer than the max tag length (256 characters).",
                "InvalidAccessError: Invalid WebSocket close code: 999.",
                "InvalidAccessError: Invalid WebSocket close code: 1004.",
                "InvalidAccessError: Invalid WebSocket close code: 1005.",
                "InvalidAccessError: Invalid WebSocket close code: 1006.",
                "InvalidAccessError: Invalid WebSocket close code: 1015.",
                "InvalidAccessError: Invalid WebSocket close code: 5000.",
                "SyntaxError: WebSocket close reason must not be longer than 123 bytes when UTF-8 encoded.",
            ]
        );
        assert_eq!(
            notes[18..20],
            [
                "RangeError: Request cannot be larger than 2048 bytes. A request of size 2049 was provided.",
                "Error: Event timeout should not exceed 604800000 ms.",
            ]
        );
    });
}
