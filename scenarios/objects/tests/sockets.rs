//! `WebSockets` of `dormouse-serve`, as a library's client sees them: what stands in the frames, and what outlives what.

mod support;

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use support::Server;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{
        Error, Message,
        error::ProtocolError,
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};

type Socket = WebSocketStream<TcpStream>;

async fn enter(server: &Server, room: &str, name: &str) -> Socket {
    connect(server, &format!("CHAT_ROOM/{room}/?username={name}")).await
}

async fn connect(server: &Server, path: &str) -> Socket {
    let address = &server.address;
    let stream = TcpStream::connect(address).await.expect("a running server");
    client_async(format!("ws://{address}/{path}"), stream)
        .await
        .expect("an upgrade")
        .0
}

async fn say(socket: &mut Socket, text: &str) {
    let message = Message::text(format!("{{\"text\":\"{text}\"}}"));
    socket.send(message).await.expect("an open socket");
}

async fn next(socket: &mut Socket) -> Option<Result<Message, Error>> {
    let next = timeout(Duration::from_secs(20), socket.next()).await;
    next.expect("something happens")
}

async fn hear(socket: &mut Socket) -> String {
    match next(socket).await {
        Some(Ok(message)) => message.into_text().expect("text").to_string(),
        other => panic!("no text: {other:?}"),
    }
}

fn text(said: &str) -> String {
    format!("{{\"text\":\"{said}\"}}")
}

/// Runs `test` against a server of its own.
fn against_a_server(test: impl AsyncFnOnce(Server)) {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(data.path());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(test(server));
}

#[test]
fn everybody_hears_what_is_said_and_who_comes_and_goes() {
    against_a_server(async |server| {
        let mut ann = enter(&server, "a", "ann").await;
        let mut bob = enter(&server, "a", "bob").await;
        assert_eq!(hear(&mut ann).await, text("bob joined"));
        say(&mut bob, "hello").await;
        assert_eq!(hear(&mut ann).await, text("bob: hello"));
        assert_eq!(hear(&mut bob).await, text("bob: hello"));
        let close = CloseFrame {
            code: CloseCode::Library(4000),
            reason: "bye".into(),
        };
        bob.close(Some(close)).await.expect("an open socket");
        let answer = CloseFrame {
            code: CloseCode::Library(4000),
            reason: "goodbye".into(),
        };
        assert_eq!(
            next(&mut bob).await.expect("an answer").expect("a frame"),
            Message::Close(Some(answer))
        );
        assert!(
            next(&mut bob).await.is_none(),
            "and then the connection ends"
        );
        assert_eq!(hear(&mut ann).await, text("bob left"));
        server.kill();
    });
}

#[test]
fn a_room_that_hibernated_knows_its_visitors_and_answers_pings_in_its_sleep() {
    against_a_server(async |server| {
        let mut ann = enter(&server, "a", "ann").await;
        tokio::time::sleep(Duration::from_millis(10_500)).await; // ten seconds without an event
        ann.send(Message::text("ping"))
            .await
            .expect("an open socket");
        assert_eq!(hear(&mut ann).await, "pong");
        ann.send(Message::Ping("are you there".into()))
            .await
            .expect("an open socket");
        assert_eq!(
            next(&mut ann).await.expect("an answer").expect("a frame"),
            Message::Pong("are you there".into())
        );
        say(&mut ann, "hello").await;
        assert_eq!(hear(&mut ann).await, text("ann: hello"));
        server.kill();
    });
}

#[test]
fn a_message_of_a_mebibyte_passes_and_one_above_the_limit_ends_the_socket() {
    against_a_server(async |server| {
        let mut ann = enter(&server, "a", "ann").await;
        let long = "x".repeat(1 << 20);
        say(&mut ann, &long).await;
        assert_eq!(hear(&mut ann).await, text(&format!("ann: {long}")));
        let too_long = Message::binary(vec![0; (32 << 20) + 1]);
        let _ = ann.send(too_long).await; // the server may be gone before it has all of it
        match next(&mut ann).await {
            Some(Ok(Message::Close(Some(close)))) => {
                assert_eq!(close.code, CloseCode::Size);
                assert_eq!(close.reason, "Message is too large: 33554433 > 33554432");
            }
            // Reset, with bytes of ours unread: that it is told so is shown where the stream is a simulated one.
            None | Some(Err(_)) => {}
            other => panic!("no close: {other:?}"),
        }
        server.kill();
    });
}

#[test]
fn a_frame_that_breaks_the_protocol_is_answered_with_code_1002() {
    against_a_server(async |server| {
        let mut bob = enter(&server, "a", "bob").await;
        let ann = enter(&server, "a", "ann").await;
        assert_eq!(hear(&mut bob).await, text("ann joined"));
        let mut stream = ann.into_inner();
        stream
            .write_all(&[0x83, 0x81, 0, 0, 0, 0, b'x'])
            .await
            .expect("an open stream");
        let mut answer = Vec::new();
        stream
            .read_to_end(&mut answer)
            .await
            .expect("a close and the end");
        assert_eq!(answer[..4], [0x88, 18, 0x03, 0xea]);
        assert_eq!(&answer[4..], b"Unknown opcode 3");
        assert_eq!(hear(&mut bob).await, text("ann left"));
        server.kill();
    });
}

#[test]
fn a_client_that_vanishes_leaves_the_room() {
    against_a_server(async |server| {
        let mut bob = enter(&server, "a", "bob").await;
        let ann = enter(&server, "a", "ann").await;
        assert_eq!(hear(&mut bob).await, text("ann joined"));
        drop(ann);
        assert_eq!(hear(&mut bob).await, text("ann left"));
        server.kill();
    });
}

#[test]
fn kill_nine_breaks_the_connection_and_a_new_process_lets_everybody_in_again() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let server = Server::start(data.path());
        let mut ann = enter(&server, "a", "ann").await;
        server.kill();
        assert!(matches!(
            next(&mut ann).await,
            None | Some(Err(
                Error::Io(_) | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)
            ))
        ));
        let server = Server::start(data.path());
        let mut ann = enter(&server, "a", "ann").await;
        say(&mut ann, "again").await;
        assert_eq!(hear(&mut ann).await, text("ann: again"));
        server.kill();
    });
}

#[test]
fn a_reader_that_does_not_read_loses_his_connection_and_nobody_else_does() {
    against_a_server(async |server| {
        let mut slow = enter(&server, "a", "slow").await;
        let mut ann = enter(&server, "a", "ann").await;
        let long = "x".repeat(8 << 20);
        let mut left = false;
        for _ in 0..12 {
            say(&mut ann, &long).await;
            while hear(&mut ann).await != text(&format!("ann: {long}")) {
                left = true;
            }
        }
        assert!(
            left,
            "96 MiB were said, and 64 wait at most: he was let go, which the room told"
        );
        let heard = async {
            let mut messages = 0;
            while let Some(Ok(_)) = slow.next().await {
                messages += 1;
            }
            messages
        };
        assert!(heard.await < 12, "he missed some of it");
        server.kill();
    });
}

#[test]
fn a_request_that_is_no_handshake_is_refused_with_a_reason() {
    against_a_server(async |server| {
        for (header, reason) in [
            (
                "Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
                "`Sec-WebSocket-Version: 8` is not spoken here, 13 is",
            ),
            (
                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAA",
                "`AAAA` is no key of 16 bytes in base64",
            ),
        ] {
            let mut stream = TcpStream::connect(&server.address)
                .await
                .expect("a running server");
            let request = format!(
                "GET /CHAT_ROOM/a/ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{header}\r\n\r\n"
            );
            stream
                .write_all(request.as_bytes())
                .await
                .expect("an open stream");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.expect("an answer");
            assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
            assert!(answer.ends_with(reason), "{answer}");
        }
        server.kill();
    });
}

/// The resident memory of a process, in bytes.
fn resident(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.process.id()));
    let status = status.expect("the process runs, on Linux");
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .expect("its memory");
    let kibibytes: u64 = line
        .split_whitespace()
        .nth(1)
        .and_then(|it| it.parse().ok())
        .expect("a number");
    kibibytes * 1024
}

/// Longer than an object stays in memory with nothing to do.
const UNTIL_ASLEEP: Duration = Duration::from_secs(13);

/// Opens sockets to each of some objects, and lets all of them fall asleep.
async fn fill(server: &Server, objects: std::ops::Range<u32>, sockets_each: u32) -> Vec<Socket> {
    let mut sockets = Vec::new();
    for object in objects {
        for _ in 0..sockets_each {
            sockets.push(connect(server, &format!("MEGAPHONE/{object}/")).await);
        }
    }
    tokio::time::sleep(UNTIL_ASLEEP).await;
    sockets
}

/// What is resident grows with the most that was ever in memory at once, and objects that are awake are large. So as many are opened before, and fall asleep: what the
/// next ones add when they sleep, too, is what sleeping ones keep.
#[test]
#[ignore = "a measurement: run it with --ignored --nocapture, and with room for 8000 open files"]
fn measure_what_sleeping_sockets_keep_in_memory() {
    for (objects, sockets_each) in [(1_000, 1), (1_000, 5), (1, 5_000)] {
        against_a_server(async |server| {
            // The same number of objects before; of one object's sockets, a few.
            let before = fill(&server, 0..objects, sockets_each.min(1)).await;
            let without = resident(&server);
            let sockets = fill(&server, objects..2 * objects, sockets_each).await;
            let with = resident(&server);
            let added = with.saturating_sub(without);
            println!(
                "{objects} objects with {sockets_each} sockets, asleep: {} bytes for each object, {} for each socket",
                added / u64::from(objects),
                added / u64::try_from(sockets.len()).expect("few")
            );
            drop((before, sockets));
            server.kill();
        });
    }
}

#[test]
#[ignore = "a measurement: run it with --ignored --nocapture, and with room for 6000 open files"]
fn measure_a_broadcast_and_the_messages_through_one_object() {
    const MESSAGES: u32 = 20_000;
    against_a_server(async |server| {
        let mut room = fill(&server, 0..1, 5_000).await;
        let began = std::time::Instant::now();
        let message = Message::text("to all");
        room[0].send(message).await.expect("an open socket");
        for socket in &mut room {
            assert_eq!(hear(socket).await, "to all");
        }
        println!(
            "a broadcast that wakes the object reached all 5000 in {:?}",
            began.elapsed()
        );
        let mut one = connect(&server, "MEGAPHONE/busy/").await;
        let began = std::time::Instant::now();
        for _ in 0..MESSAGES / 100 {
            for _ in 0..100 {
                one.feed(Message::text("x")).await.expect("an open socket");
            }
            one.flush().await.expect("an open socket");
            for _ in 0..100 {
                assert_eq!(hear(&mut one).await, "x");
            }
        }
        let rate = f64::from(MESSAGES) / began.elapsed().as_secs_f64();
        println!("one socket, 100 messages under way: {rate:.0} messages/s there and back");
        server.kill();
    });
}
