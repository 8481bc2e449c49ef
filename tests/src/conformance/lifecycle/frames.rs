//! WebSockets of the network client: a handshake and frames over a byte stream (RFC 6455), and what the recorded clients made of them.
//!
//! The recordings know two clients. The *library* answers pings and Closes by itself and refuses what breaks the protocol; the *bare
//! connection* sends any frame and shows every frame that comes. Both are one reader here, with another list of habits.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use dormouse::platform::{Spawn, Stream};
use futures_util::future::{AbortHandle, Abortable};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};

use super::{
    describe::hex,
    tracer::{Fields, Log},
};

/// How much of a text is shown in the log, in characters.
const TEXT_SHOWN_MAX: usize = 200;

/// How many bytes are shown.
const BYTES_SHOWN_MAX: usize = 64;

const CONTINUATION: u8 = 0;
pub(super) const TEXT: u8 = 1;
pub(super) const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// Which of the recorded clients a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Habits {
    Library,
    Bare,
}

/// Who ended a byte stream.
#[derive(Clone, Copy)]
enum By {
    Client,
    Server,
}

/// A connection of the client.
#[derive(Clone)]
pub(super) struct Connection(Rc<Shared>);

struct Shared {
    name: String,
    habits: Habits,
    log: Rc<Log>,
    spawn: Rc<dyn Spawn>,
    write: RefCell<Option<WriteHalf<Box<dyn Stream>>>>,
    /// What is to be written, in order; a task writes it.
    queue: RefCell<Vec<Vec<u8>>>,
    writing: Cell<bool>,
    reader: RefCell<Option<AbortHandle>>,
    close_sent: Cell<bool>,
    close_received: RefCell<Option<(u16, String)>>,
}

struct Frame {
    last: bool,
    opcode: u8,
    payload: Vec<u8>,
}

impl Connection {
    /// Sends the handshake and waits for the answer; `None` if that is no upgrade.
    pub(super) async fn open(
        name: &str,
        habits: Habits,
        path: &str,
        stream: Box<dyn Stream>,
        log: &Rc<Log>,
        spawn: &Rc<dyn Spawn>,
    ) -> Option<Self> {
        let (mut read, mut write) = tokio::io::split(stream);
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\n\r\n"
        );
        write.write_all(request.as_bytes()).await.ok()?;
        write.flush().await.ok()?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(read.read_u8().await.ok()?);
        }
        if !head.starts_with(b"HTTP/1.1 101 ") {
            return None;
        }
        let connection = Self(Rc::new(Shared {
            name: name.to_owned(),
            habits,
            log: Rc::clone(log),
            spawn: Rc::clone(spawn),
            write: RefCell::new(Some(write)),
            queue: RefCell::default(),
            writing: Cell::default(),
            reader: RefCell::default(),
            close_sent: Cell::default(),
            close_received: RefCell::default(),
        }));
        let (abort, registration) = AbortHandle::new_pair();
        *connection.0.reader.borrow_mut() = Some(abort);
        let reading = Abortable::new(connection.clone().read(read), registration);
        spawn.spawn(Box::pin(async move {
            let _ = reading.await; // it was aborted: that is how it ends
        }));
        Some(connection)
    }

    /// Sends one frame, masked as a client's are.
    pub(super) fn frame(&self, opcode: u8, payload: &[u8]) {
        self.push(frame(opcode, payload, Some([1, 2, 3, 4])));
    }

    /// Sends one frame without a mask, which a client must not do.
    pub(super) fn unmasked_frame(&self, opcode: u8, payload: &[u8]) {
        self.push(frame(opcode, payload, None));
    }

    /// Sends a Close.
    pub(super) fn close(&self, code: Option<u16>, reason: &str) {
        if self.0.close_sent.replace(true) {
            return;
        }
        let mut payload = code
            .map(|code| code.to_be_bytes().to_vec())
            .unwrap_or_default();
        payload.extend(reason.as_bytes());
        self.frame(CLOSE, &payload);
    }

    /// Whether both sides may still send.
    pub(super) fn is_open(&self) -> bool {
        self.0.reader.borrow().is_some()
            && !self.0.close_sent.get()
            && self.0.close_received.borrow().is_none()
    }

    /// Cuts the byte stream. The library notices.
    pub(super) fn destroy(&self) {
        let reader = self.0.reader.take();
        if let Some(reader) = reader {
            reader.abort();
            self.0.write.take();
            self.gone(By::Client);
        }
    }

    /// Ends the client's half of the byte stream.
    pub(super) async fn end(&self) {
        let write = self.0.write.take();
        if let Some(mut write) = write {
            drop(write.shutdown().await);
            // The other half stays open: it is with the reader.
        }
    }

    fn push(&self, bytes: Vec<u8>) {
        self.0.queue.borrow_mut().push(bytes);
        if !self.0.writing.replace(true) {
            let connection = self.clone();
            self.0
                .spawn
                .spawn(Box::pin(async move { connection.write_queue().await }));
        }
    }

    async fn write_queue(self) {
        loop {
            let next = {
                let mut queue = self.0.queue.borrow_mut();
                (!queue.is_empty()).then(|| queue.remove(0))
            };
            let Some(bytes) = next else {
                break;
            };
            let write = self.0.write.take();
            let Some(mut write) = write else {
                break; // it was cut
            };
            let written = async {
                write.write_all(&bytes).await?;
                write.flush().await
            };
            if written.await.is_err() {
                break; // the reader notices that the connection is gone
            }
            *self.0.write.borrow_mut() = Some(write);
        }
        self.0.writing.set(false);
        if self.0.reader.borrow().is_none() {
            self.0.write.take();
        }
    }

    async fn read(self, mut read: ReadHalf<Box<dyn Stream>>) {
        let mut message: Option<Frame> = None;
        while let Some(frame) = read_frame(&mut read).await {
            match self.0.habits {
                Habits::Bare => self.show(&frame),
                Habits::Library => {
                    if !self.handle(frame, &mut message) {
                        std::future::pending::<()>().await; // it refuses everything from then on, and leaves the stream alone
                    }
                }
            }
        }
        self.0.reader.take();
        if !self.0.writing.get() {
            self.0.write.take(); // else it is dropped when everything is written: the answer to a Close among it
        }
        self.gone(By::Server);
    }

    /// The byte stream is over.
    fn gone(&self, by: By) {
        match (self.0.habits, by) {
            (Habits::Library, _) => {
                let (code, reason) = self
                    .0
                    .close_received
                    .borrow()
                    .clone()
                    .unwrap_or((1006, String::new()));
                self.ev("close", json!({"code": code, "reason": reason}));
            }
            (Habits::Bare, By::Client) => {}
            (Habits::Bare, By::Server) => self.ev("tcp-end", ()),
        }
    }

    fn ev(&self, name: &str, fields: impl Fields) {
        self.0.log.client(&self.0.name, name, fields);
    }

    /// A bare connection shows what comes.
    fn show(&self, frame: &Frame) {
        if frame.opcode == CLOSE {
            self.ev(
                "close-frame",
                match read_close(&frame.payload) {
                    Some((code, reason)) => json!({"code": code, "reason": reason}),
                    None => json!({"empty": true}),
                },
            );
            return;
        }
        let payload: String = frame.payload.iter().map(|&byte| char::from(byte)).collect();
        self.ev("frame", json!({"opcode": frame.opcode, "payload": payload}));
    }

    /// What the library does with a frame; false if it refuses it.
    fn handle(&self, frame: Frame, message: &mut Option<Frame>) -> bool {
        match frame.opcode {
            CONTINUATION => {
                if let Some(begun) = message {
                    begun.payload.extend(frame.payload);
                    begun.last = frame.last;
                }
            }
            TEXT | BINARY => *message = Some(frame),
            CLOSE => return self.handle_close(&frame.payload),
            PING => self.frame(PONG, &frame.payload),
            _ => {}
        }
        match message.take_if(|message| message.last) {
            Some(whole) => self.handle_message(&whole),
            None => true,
        }
    }

    fn handle_message(&self, message: &Frame) -> bool {
        if message.opcode == BINARY {
            let bytes = &message.payload;
            self.ev(
                "message",
                if bytes.len() <= BYTES_SHOWN_MAX {
                    json!({"binary": hex(bytes)})
                } else {
                    json!({"binaryLength": bytes.len()})
                },
            );
            return true;
        }
        let Ok(text) = std::str::from_utf8(&message.payload) else {
            return self.refuse("invalid UTF-8 sequence", 1007);
        };
        let length = text.encode_utf16().count();
        self.ev(
            "message",
            if length <= TEXT_SHOWN_MAX {
                json!({"text": text})
            } else {
                json!({"textLength": length})
            },
        );
        true
    }

    fn handle_close(&self, payload: &[u8]) -> bool {
        let (code, reason) = read_close(payload).unwrap_or((1005, String::new()));
        let is_valid = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
        if !payload.is_empty() && !is_valid {
            return self.refuse(&format!("invalid status code {code}"), 1002);
        }
        self.ev("close-frame", json!({"code": code, "reason": reason}));
        *self.0.close_received.borrow_mut() = Some((code, reason.clone()));
        let answer = (!payload.is_empty()).then_some(code);
        self.close(answer, &reason);
        true
    }

    fn refuse(&self, why: &str, code: u16) -> bool {
        self.ev(
            "error",
            json!({"message": format!("Invalid WebSocket frame: {why}")}),
        );
        self.close(Some(code), "");
        false
    }
}

fn frame(opcode: u8, payload: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
    let mask_bit = if mask.is_some() { 0x80 } else { 0 };
    let mut frame = vec![0x80 | opcode];
    match payload.len() {
        length @ 0..=125 => frame.push(mask_bit | u8::try_from(length).expect("at most 125")),
        length @ 126..=0xffff => {
            frame.push(mask_bit | 0x7e);
            frame.extend(u16::try_from(length).expect("at most 65535").to_be_bytes());
        }
        length => {
            frame.push(mask_bit | 0x7f);
            frame.extend(
                u64::try_from(length)
                    .expect("it is in memory")
                    .to_be_bytes(),
            );
        }
    }
    match mask {
        Some(mask) => {
            frame.extend(mask);
            frame.extend(
                payload
                    .iter()
                    .zip(mask.iter().cycle())
                    .map(|(byte, mask)| byte ^ mask),
            );
        }
        None => frame.extend(payload),
    }
    frame
}

/// The next frame; nothing if the stream is over.
async fn read_frame(read: &mut ReadHalf<Box<dyn Stream>>) -> Option<Frame> {
    let [first, second] = [read.read_u8().await.ok()?, read.read_u8().await.ok()?];
    let length = match second & 0x7f {
        126 => u64::from(read.read_u16().await.ok()?),
        127 => read.read_u64().await.ok()?,
        length => u64::from(length),
    };
    let mut payload = vec![0; usize::try_from(length).ok()?];
    read.read_exact(&mut payload).await.ok()?;
    Some(Frame {
        last: first & 0x80 != 0,
        opcode: first & 0x0f,
        payload,
    })
}

/// Code and reason of a Close; nothing if it has none.
fn read_close(payload: &[u8]) -> Option<(u16, String)> {
    let (code, reason) = payload.split_first_chunk::<2>()?;
    Some((
        u16::from_be_bytes(*code),
        String::from_utf8_lossy(reason).into_owned(),
    ))
}
