//! Sockets that an object opens itself, to a server outside.
//!
//! The other side of `socket`: the same relay, with the mask that a client's frames carry, behind a handshake that asks. The object holds the near end, as it holds one half of
//! a pair; the far end is the relay's. It is a call like any other: it leaves when the writes before it are durable.

use std::{io, rc::Rc};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use url::Url;

use super::socket::{self, Upgraded};
use crate::{
    Error, Result, WebSocket,
    activation::turn::Turn,
    instrument::point,
    platform::{Platform, SocketEnd, Stream},
    websocket::connection::{Connection, Dialed},
};

/// How long the answer to a handshake may be, without what follows it, in bytes.
const ANSWER_BYTES_MAX: usize = 16 * 1024;

impl WebSocket {
    /// Opens a socket to the server at `url`, which is `ws://` or `http://` and has a numeric host. It has to be [`accept`](Self::accept)ed, keeps the object in memory as long as it is
    /// open, and never hibernates (W-1). With the feature `server`.
    ///
    /// # Errors
    /// `server did not accept`, or why there is no connection; a URL that is no address, or of another scheme.
    pub async fn connect(url: Url) -> Result<Self> {
        Self::connect_with_protocols(url, None).await
    }

    /// [`connect`](Self::connect), with the protocols that this side speaks.
    ///
    /// # Errors
    /// Those of [`connect`](Self::connect).
    pub async fn connect_with_protocols(url: Url, protocols: Option<Vec<&str>>) -> Result<Self> {
        let turn = Turn::current().ok_or_else(|| {
            Error::from(
                "WebSocket::connect is called in an object's code, while an event of it is handled",
            )
        })?;
        let activation = turn.activation;
        let (platform, label) = (
            activation.node.platform.clone(),
            Rc::clone(&activation.label),
        );
        let (gate, batch) = (
            activation.output.pass(),
            activation.storage.confirmed_batch(),
        );
        drop(activation); // it may end while this waits
        gate.await?;
        point!(
            "output",
            object = &*label,
            what = "connection",
            batch = batch,
            ok = true
        );
        let address = address(&url)?;
        let mut key = [0; 16];
        platform.entropy.fill(&mut key);
        let key = data_encoding::BASE64.encode(&key);
        let lost = |error: io::Error| Error::from(format!("no connection to {address}: {error}"));
        let mut stream = platform.network.connect(&address).await.map_err(lost)?;
        let request = request(&url, &key, protocols.as_deref());
        stream.write_all(request.as_bytes()).await.map_err(lost)?;
        stream.flush().await.map_err(lost)?;
        let (answer, read) = read_answer(&mut *stream).await.map_err(lost)?;
        if !accepts(&answer, &key) {
            return Err(Error::from("server did not accept")); // exact text of workers-rs
        }
        let protocol = header(&answer, "sec-websocket-protocol").unwrap_or_default();
        if !is_offered(protocol, protocols.as_deref()) {
            return Err(Error::from("server did not accept"));
        }
        let dialed = Dialed {
            url: url.into(),
            protocol: protocol.to_owned(),
        };
        Ok(held(&platform, &label, stream, read, dialed))
    }
}

/// One end for the object; the other one is passed on to the stream.
fn held(
    platform: &Platform,
    label: &str,
    stream: Box<dyn Stream>,
    read: Vec<u8>,
    dialed: Dialed,
) -> WebSocket {
    let connection = Connection::new(platform.links.open_socket(label), &platform.spawn);
    connection.leads_to(dialed);
    connection.reach(SocketEnd::Far, label, Rc::clone(&platform.spawn));
    connection.hold(SocketEnd::Far); // at once: the object must not find it free (W-1)
    let upgraded = Upgraded {
        stream,
        read: read.into(),
        socket: WebSocket::of(&connection, SocketEnd::Far),
    };
    let entropy = Rc::clone(&platform.entropy);
    let relay = socket::run_as_client(upgraded, entropy);
    platform.spawn.spawn(Box::pin(relay));
    WebSocket::of(&connection, SocketEnd::Near)
}

/// # Errors
/// It is of another scheme, or its host is no number.
fn address(url: &Url) -> Result<String> {
    if !matches!(url.scheme(), "ws" | "http") {
        return Err(Error::type_error(format!(
            "`{url}` is not ws:// or http://: no other way is spoken here"
        )));
    }
    let port = url.port().unwrap_or(80);
    match url.host() {
        Some(url::Host::Ipv4(host)) => Ok(format!("{host}:{port}")),
        Some(url::Host::Ipv6(host)) => Ok(format!("[{host}]:{port}")),
        // `http` hosts that are numbers are parsed as such, those of `ws` are as well; there is nobody here to ask for names.
        Some(url::Host::Domain(name)) => Err(Error::type_error(format!(
            "`{name}` is a name: write the address of the server, names are not looked up"
        ))),
        None => Err(Error::type_error(format!("`{url}` has no host"))),
    }
}

fn request(url: &Url, key: &str, protocols: Option<&[&str]>) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url
        .port()
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    let query = url
        .query()
        .map(|query| format!("?{query}"))
        .unwrap_or_default();
    let protocols = protocols
        .filter(|protocols| !protocols.is_empty())
        .map(|protocols| format!("Sec-WebSocket-Protocol: {}\r\n", protocols.join(", ")))
        .unwrap_or_default();
    format!(
        "GET {}{query} HTTP/1.1\r\nHost: {host}{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n{protocols}\r\n",
        url.path()
    )
}

/// The head of the answer, and what was read behind it.
async fn read_answer(stream: &mut dyn Stream) -> io::Result<(String, Vec<u8>)> {
    let mut read = Vec::new();
    loop {
        if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            let rest = read.split_off(end + 4);
            return Ok((String::from_utf8_lossy(&read).into_owned(), rest));
        }
        if read.len() > ANSWER_BYTES_MAX {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("its answer is longer than {ANSWER_BYTES_MAX} bytes"),
            ));
        }
        let mut space = [0; 1024];
        let count = stream.read(&mut space).await?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        read.extend_from_slice(&space[..count]);
    }
}

/// Status 101, and the proof that our key was read (RFC 6455, 4.1).
fn accepts(answer: &str, key: &str) -> bool {
    let status = answer.split("\r\n").next().unwrap_or_default();
    let upgrades = status.split(' ').nth(1) == Some("101");
    upgrades && header(answer, "sec-websocket-accept") == Some(&socket::accept_of(key))
}

/// Whether the protocol that a server chose is one of those that it was offered, or none (RFC 6455, 4.1).
fn is_offered(chosen: &str, offered: Option<&[&str]>) -> bool {
    chosen.is_empty() || offered.is_some_and(|offered| offered.contains(&chosen))
}

/// The value of the first header of this name, which is given in small letters.
fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let headers = answer.split("\r\n").skip(1);
    let mut named = headers.filter_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    });
    named.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).expect("a URL")
    }

    #[test]
    fn an_address_is_a_number_and_a_port() {
        assert_eq!(
            address(&url("ws://127.0.0.1/x")).as_deref(),
            Ok("127.0.0.1:80")
        );
        assert_eq!(
            address(&url("http://[::1]:8787/")).as_deref(),
            Ok("[::1]:8787")
        );
        for refused in ["ws://example.com/", "wss://127.0.0.1/"] {
            assert!(address(&url(refused)).is_err(), "{refused}");
        }
    }

    #[test]
    fn only_the_right_proof_is_an_acceptance() {
        // The example of RFC 6455, 1.3.
        let key = "dGhlIHNhbXBsZSBub25jZQ==";
        let answer = |status: &str, proof: &str| {
            format!("HTTP/1.1 {status} x\r\nSec-WebSocket-Accept: {proof}\r\n\r\n")
        };
        assert!(accepts(&answer("101", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), key));
        assert!(!accepts(
            &answer("101", "s3pPLMBiTxaQ9kYGzzhZRbK+xOO="),
            key
        ));
        assert!(!accepts(
            &answer("200", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            key
        ));
    }

    #[test]
    fn the_protocol_that_the_server_chose_is_read_from_its_answer_and_has_to_be_one_of_ours() {
        let answer =
            "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nSEC-WebSocket-Protocol: chat.v2 \r\n\r\n";
        assert_eq!(header(answer, "sec-websocket-protocol"), Some("chat.v2"));
        assert_eq!(header(answer, "sec-websocket-extensions"), None);
        assert!(is_offered("chat.v2", Some(&["chat.v1", "chat.v2"])));
        assert!(is_offered("", Some(&["chat.v1"])) && is_offered("", None));
        assert!(!is_offered("chat.v2", Some(&["chat.v1"])) && !is_offered("chat.v2", None));
    }
}
