//! The frames of RFC 6455: bytes of a stream on one side, messages on the other.
//!
//! A codec of our own, and not a library's, for three reasons. What is accepted and what is refused, to the text of the refusal, has to be what the
//! original does (it takes frames without a mask, any close code, and text that is no UTF-8). An idle connection must hold no buffer: there are many of
//! them, and an object sleeps behind each. And the answer to a Close is the object's, while libraries give one by themselves. The tests hold it against a
//! library's client.
//!
//! In: bytes, as they come. Out: whole messages of at most a limit, pings, and the one violation after which nothing is read any more.

use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::ReadBuf;

use crate::{WebSocketIncomingMessage, platform::Stream};

/// How much is taken from the stream at a time, in bytes. The space lies on the stack: an idle connection has none.
const READ_BYTES: usize = 16 * 1024;

/// The longest payload of a control frame (RFC 6455, 5.5).
const CONTROL_BYTES_MAX: usize = 125;

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Incoming {
    Message(WebSocketIncomingMessage),
    /// To be answered by a pong with the same bytes.
    Ping(Vec<u8>),
    Pong,
    /// Without a code if it had none.
    Close(Option<(u16, String)>),
}

/// How the peer broke the protocol: what a Close tells him, and the object.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Violation {
    pub(super) code: u16,
    pub(super) why: String,
}

/// Puts messages together.
#[derive(Debug)]
pub(super) struct FrameReader {
    /// What came and is no whole frame yet; empty, and without memory, between frames.
    buffer: Vec<u8>,
    /// The fragments of a message so far.
    message: Option<Message>,
    message_bytes_max: usize,
}

#[derive(Debug)]
struct Message {
    is_text: bool,
    bytes: Vec<u8>,
}

struct Header {
    first: u8,
    mask: Option<[u8; 4]>,
    bytes: usize,
    payload: usize,
}

impl FrameReader {
    /// A reader that begins with bytes that were read already.
    pub(super) fn new(read: &[u8], message_bytes_max: usize) -> Self {
        Self {
            buffer: read.to_vec(),
            message: None,
            message_bytes_max,
        }
    }

    /// The next thing that comes; `None` at the end of the stream.
    pub(super) fn poll_next(
        &mut self,
        stream: &mut dyn Stream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Option<Result<Incoming, Violation>>>> {
        loop {
            if let Some(read) = self.take().transpose() {
                return Poll::Ready(Ok(Some(read)));
            }
            let mut space = [MaybeUninit::uninit(); READ_BYTES];
            let mut space = ReadBuf::uninit(&mut space);
            ready!(Pin::new(&mut *stream).poll_read(cx, &mut space))?;
            if space.filled().is_empty() {
                return Poll::Ready(Ok(None));
            }
            self.buffer.extend_from_slice(space.filled());
        }
    }

    /// The next thing that is there as a whole.
    fn take(&mut self) -> Result<Option<Incoming>, Violation> {
        while let Some(header) = self.header()? {
            let end = header.bytes + header.payload;
            if self.buffer.len() < end {
                return Ok(None);
            }
            let mut payload = if self.buffer.len() == end {
                std::mem::take(&mut self.buffer) // the common case: no copy of what follows, and no memory kept
            } else {
                let rest = self.buffer.split_off(end);
                std::mem::replace(&mut self.buffer, rest)
            };
            payload.drain(..header.bytes);
            if let Some(mask) = header.mask {
                for (byte, mask) in payload.iter_mut().zip(mask.iter().cycle()) {
                    *byte ^= mask;
                }
            }
            if let Some(incoming) = self.frame(header.first, payload) {
                return Ok(Some(incoming));
            }
        }
        Ok(None)
    }

    /// The header of the next frame, checked, if it is there as a whole.
    fn header(&self) -> Result<Option<Header>, Violation> {
        let &[first, second, ref rest @ ..] = &*self.buffer else {
            return Ok(None);
        };
        let (payload, length_bytes) = match second & !MASKED {
            126 => (number(rest, 2), 2),
            127 => (number(rest, 8), 8),
            short => (Some(u64::from(short)), 0),
        };
        let opcode = first & 0x0f;
        self.check(first, opcode)?;
        let Some(payload) = payload else {
            return Ok(None);
        };
        let so_far = match opcode {
            CONTINUATION => self
                .message
                .as_ref()
                .map_or(0, |message| message.bytes.len()),
            _ => 0,
        };
        let total = payload.saturating_add(so_far as u64);
        if opcode >= CLOSE && payload > CONTROL_BYTES_MAX as u64 {
            return Err(protocol_error(format!(
                "Control frame is too large: {payload} > {CONTROL_BYTES_MAX}"
            )));
        }
        if total > self.message_bytes_max as u64 {
            // (recorded: message_sizes)
            return Err(Violation {
                code: 1009,
                why: format!("Message is too large: {total} > {}", self.message_bytes_max),
            });
        }
        let mask = if second & MASKED == 0 {
            None
        } else {
            let Some(mask) = rest.get(length_bytes..length_bytes + 4) else {
                return Ok(None);
            };
            Some(mask.try_into().expect("four bytes"))
        };
        Ok(Some(Header {
            first,
            bytes: 2 + length_bytes + mask.map_or(0, |_: [u8; 4]| 4),
            mask,
            payload: usize::try_from(payload).expect("below the limit"),
        }))
    }

    /// (recorded: `hibernatable_protocol_errors`)
    fn check(&self, first: u8, opcode: u8) -> Result<(), Violation> {
        if first & RESERVED != 0 {
            return Err(protocol_error("Reserved bits are set"));
        }
        match opcode {
            CONTINUATION if self.message.is_none() => {
                Err(protocol_error("Unexpected continuation frame"))
            }
            TEXT | BINARY if self.message.is_some() => {
                Err(protocol_error("Expected continuation frame"))
            }
            CLOSE | PING | PONG if first & FIN == 0 => {
                Err(protocol_error("Control frame is fragmented"))
            }
            CONTINUATION | TEXT | BINARY | CLOSE | PING | PONG => Ok(()),
            unknown => Err(protocol_error(format!("Unknown opcode {unknown}"))),
        }
    }

    /// What a frame is; nothing yet if its message goes on.
    fn frame(&mut self, first: u8, payload: Vec<u8>) -> Option<Incoming> {
        match first & 0x0f {
            PING => Some(Incoming::Ping(payload)),
            PONG => Some(Incoming::Pong),
            CLOSE => Some(Incoming::Close(close(&payload))),
            opcode => {
                let message = match self.message.take() {
                    None => Message {
                        is_text: opcode == TEXT,
                        bytes: payload,
                    },
                    Some(mut message) => {
                        message.bytes.extend_from_slice(&payload);
                        message
                    }
                };
                if first & FIN == 0 {
                    self.message = Some(message);
                    return None;
                }
                Some(Incoming::Message(if message.is_text {
                    WebSocketIncomingMessage::String(text(message.bytes))
                } else {
                    WebSocketIncomingMessage::Binary(message.bytes)
                }))
            }
        }
    }
}

fn protocol_error(why: impl Into<String>) -> Violation {
    Violation {
        code: 1002,
        why: why.into(),
    }
}

/// A number of so many bytes, the most significant first, if they are there.
fn number(bytes: &[u8], length: usize) -> Option<u64> {
    let bytes = bytes.get(..length)?;
    Some(
        bytes
            .iter()
            .fold(0, |number, &byte| number << 8 | u64::from(byte)),
    )
}

/// What is no UTF-8 becomes U+FFFD, as in the original.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn close(payload: &[u8]) -> Option<(u16, String)> {
    let (code, reason) = payload.split_first_chunk()?;
    Some((u16::from_be_bytes(*code), text(reason.to_vec())))
}

/// Whether frames carry a mask: a client's do (RFC 6455, 5.3).
#[derive(Clone, Copy, Debug)]
pub(super) enum Mask {
    None,
    With([u8; 4]),
}

pub(super) fn write_message(out: &mut Vec<u8>, message: &WebSocketIncomingMessage, mask: Mask) {
    match message {
        WebSocketIncomingMessage::String(text) => write(out, TEXT, text.as_bytes(), mask),
        WebSocketIncomingMessage::Binary(bytes) => write(out, BINARY, bytes, mask),
    }
}

pub(super) fn write_pong(out: &mut Vec<u8>, bytes: &[u8], mask: Mask) {
    write(out, PONG, bytes, mask);
}

/// A reason that does not fit is cut at a character: an object of an older compatibility date may give any (W-30).
pub(super) fn write_close(out: &mut Vec<u8>, close: Option<(u16, &str)>, mask: Mask) {
    let mut payload = Vec::new();
    if let Some((code, reason)) = close {
        payload.extend_from_slice(&code.to_be_bytes());
        let end = reason.floor_char_boundary(CONTROL_BYTES_MAX - 2);
        payload.extend_from_slice(&reason.as_bytes()[..end]);
    }
    write(out, CLOSE, &payload, mask);
}

fn write(out: &mut Vec<u8>, opcode: u8, payload: &[u8], mask: Mask) {
    let masked = match mask {
        Mask::None => 0,
        Mask::With(_) => MASKED,
    };
    out.reserve(payload.len() + 14);
    out.push(FIN | opcode);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(short @ ..126), _) => out.push(masked | short),
        (_, Ok(length)) => {
            out.push(masked | 0x7e);
            out.extend_from_slice(&length.to_be_bytes());
        }
        _ => {
            out.push(masked | 0x7f);
            out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    match mask {
        Mask::None => out.extend_from_slice(payload),
        Mask::With(mask) => {
            out.extend_from_slice(&mask);
            out.extend(
                payload
                    .iter()
                    .zip(mask.iter().cycle())
                    .map(|(byte, mask)| byte ^ mask),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 70_000;

    fn read(bytes: &[u8]) -> Vec<Result<Incoming, Violation>> {
        let mut reader = FrameReader::new(bytes, LIMIT);
        let mut all = Vec::new();
        while let Some(next) = reader.take().transpose() {
            let failed = next.is_err();
            all.push(next);
            if failed {
                break;
            }
        }
        all
    }

    fn text_message(text: &str) -> Incoming {
        Incoming::Message(WebSocketIncomingMessage::String(text.to_owned()))
    }

    #[test]
    fn messages_of_every_length_come_back_with_and_without_a_mask() {
        for length in [0, 1, 125, 126, 127, 65_535, 65_536, LIMIT] {
            for mask in [Mask::None, Mask::With([1, 2, 3, 250])] {
                let message =
                    WebSocketIncomingMessage::Binary((0..=u8::MAX).cycle().take(length).collect());
                let mut out = Vec::new();
                write_message(&mut out, &message, mask);
                assert_eq!(read(&out), [Ok(Incoming::Message(message))]);
            }
        }
    }

    #[test]
    fn a_message_comes_as_a_whole_however_it_is_cut() {
        let mut bytes = Vec::new();
        write_message(
            &mut bytes,
            &WebSocketIncomingMessage::String("hello".to_owned()),
            Mask::With([7; 4]),
        );
        write_close(&mut bytes, Some((4000, "bye")), Mask::None);
        for cut in 0..bytes.len() {
            let mut reader = FrameReader::new(&bytes[..cut], LIMIT);
            let mut all = Vec::new();
            while let Some(next) = reader.take().expect("no violation") {
                all.push(next);
            }
            reader.buffer.extend_from_slice(&bytes[cut..]);
            while let Some(next) = reader.take().expect("no violation") {
                all.push(next);
            }
            assert_eq!(
                all,
                [
                    text_message("hello"),
                    Incoming::Close(Some((4000, "bye".to_owned())))
                ]
            );
            assert_eq!(
                reader.buffer.capacity(),
                0,
                "an idle reader holds no memory"
            );
        }
    }

    #[test]
    fn fragments_are_put_together_and_a_ping_may_stand_between_them() {
        let bytes = [
            &[TEXT, 2, b'a', b'b'][..],
            &[FIN | PING, 1, b'x'],
            &[CONTINUATION, 0],
            &[FIN, 1, b'c'],
        ]
        .concat();
        assert_eq!(
            read(&bytes),
            [Ok(Incoming::Ping(vec![b'x'])), Ok(text_message("abc"))]
        );
    }

    #[test]
    fn what_breaks_the_protocol_is_told_with_the_words_of_the_original() {
        // (recorded: hibernatable_protocol_errors, message_sizes)
        let long = (LIMIT as u64 + 1).to_be_bytes();
        for (bytes, code, why) in [
            (vec![FIN | 3, 1, b'x'], 1002, "Unknown opcode 3"),
            (vec![FIN, 1, b'x'], 1002, "Unexpected continuation frame"),
            (
                vec![TEXT, 0, FIN | TEXT, 0],
                1002,
                "Expected continuation frame",
            ),
            (vec![PING, 0], 1002, "Control frame is fragmented"),
            (vec![FIN | 0x40 | TEXT, 0], 1002, "Reserved bits are set"),
            (
                vec![FIN | PING, 126, 0, 126],
                1002,
                "Control frame is too large: 126 > 125",
            ),
            (
                [&[FIN | BINARY, 127][..], &long].concat(),
                1009,
                "Message is too large: 70001 > 70000",
            ),
        ] {
            let why = why.to_owned();
            assert_eq!(read(&bytes), [Err(Violation { code, why })]);
        }
    }

    #[test]
    fn what_the_original_takes_is_taken() {
        // (recorded: hibernatable_protocol_errors)
        for (payload, close) in [
            (&[][..], None),
            (&[3], None),
            (&[0x03, 0xed], Some((1005, ""))),
            (&[0x13, 0x88], Some((5000, ""))),
            (&[0x03, 0xe8, 0xff], Some((1000, "\u{fffd}"))),
        ] {
            let length = u8::try_from(payload.len()).expect("control frames are short");
            let mut bytes = vec![FIN | CLOSE, length];
            bytes.extend_from_slice(payload);
            let close = close.map(|(code, reason)| (code, reason.to_owned()));
            assert_eq!(read(&bytes), [Ok(Incoming::Close(close))]);
        }
        assert_eq!(
            read(&[FIN | TEXT, 2, 0xff, 0xfe]),
            [Ok(text_message("\u{fffd}\u{fffd}"))]
        );
    }

    #[test]
    fn a_reason_that_is_too_long_is_cut_at_a_character() {
        let mut out = Vec::new();
        write_close(&mut out, Some((1000, &"\u{e9}".repeat(100))), Mask::None);
        assert_eq!(
            read(&out),
            [Ok(Incoming::Close(Some((1000, "\u{e9}".repeat(61)))))]
        );
    }
}
