//! TCP.

use std::{io, net::SocketAddr, rc::Rc};

use tokio::net::{TcpListener, TcpStream};

use crate::platform::{Listener, LocalBoxFuture, Network, Stream};

/// The system's TCP.
pub(super) struct RealNetwork;

struct RealListener {
    listener: TcpListener,
    address: SocketAddr,
}

impl Network for RealNetwork {
    fn listen(&self, address: &str) -> LocalBoxFuture<'static, io::Result<Rc<dyn Listener>>> {
        let address = parse(address);
        Box::pin(async move {
            let listener = TcpListener::bind(address?).await?;
            let address = listener.local_addr()?;
            Ok(Rc::new(RealListener { listener, address }) as Rc<dyn Listener>)
        })
    }

    fn connect(&self, address: &str) -> LocalBoxFuture<'static, io::Result<Box<dyn Stream>>> {
        let address = parse(address);
        Box::pin(async move { prompt(TcpStream::connect(address?).await?) })
    }
}

impl Listener for RealListener {
    fn accept(&self) -> LocalBoxFuture<'_, io::Result<Box<dyn Stream>>> {
        Box::pin(async {
            let (stream, _) = self.listener.accept().await?;
            prompt(stream)
        })
    }

    fn local_address(&self) -> String {
        self.address.to_string()
    }
}

/// Small answers must not wait for the other side's acknowledgement of the last ones.
fn prompt(stream: TcpStream) -> io::Result<Box<dyn Stream>> {
    stream.set_nodelay(true)?;
    Ok(Box::new(stream))
}

/// Names are not resolved: a look-up would block the thread, or leave it.
fn parse(address: &str) -> io::Result<SocketAddr> {
    address.parse().map_err(|_| {
        let message =
            format!("`{address}` is no address: give a number and a port, such as 127.0.0.1:8787");
        io::Error::new(io::ErrorKind::InvalidInput, message)
    })
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn bytes_go_both_ways_and_a_dropped_stream_is_closed() {
        let listener = RealNetwork
            .listen("127.0.0.1:0")
            .await
            .expect("a free port");
        let mut client = RealNetwork
            .connect(&listener.local_address())
            .await
            .expect("a listener");
        let mut server = listener.accept().await.expect("a client");
        client.write_all(b"ping").await.expect("an open stream");
        let mut received = [0; 4];
        server.read_exact(&mut received).await.expect("four bytes");
        assert_eq!(&received, b"ping");
        server.write_all(b"pong").await.expect("an open stream");
        drop(server);
        let mut answer = Vec::new();
        client
            .read_to_end(&mut answer)
            .await
            .expect("an answer and its end");
        assert_eq!(answer, b"pong");
    }

    #[tokio::test]
    async fn a_port_is_taken_once_and_free_after_the_listener() {
        let listener = RealNetwork
            .listen("127.0.0.1:0")
            .await
            .expect("a free port");
        let address = listener.local_address();
        let error = RealNetwork
            .listen(&address)
            .await
            .err()
            .expect("the port is taken");
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        drop(listener);
        let error = RealNetwork
            .connect(&address)
            .await
            .expect_err("nobody listens");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        RealNetwork
            .listen(&address)
            .await
            .map(drop)
            .expect("the port is free again");
    }

    #[tokio::test]
    async fn what_is_no_address_is_refused() {
        for address in ["", "localhost:80", "127.0.0.1"] {
            let error = RealNetwork.connect(address).await.expect_err(address);
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        }
    }
}
