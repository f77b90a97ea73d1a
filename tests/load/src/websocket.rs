//! One connection of WebSocket, whose messages are to come back.

use crate::client::check;
use crate::http::End;
use futures_util::{SinkExt, StreamExt};
use std::io::ErrorKind;
use std::net::SocketAddr;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

/// A connection.
pub(crate) struct WebSocket {
    stream: WebSocketStream<TcpStream>,
}

impl WebSocket {
    pub(crate) async fn connect(to: SocketAddr) -> Result<WebSocket, End> {
        let stream = TcpStream::connect(to).await.map_err(End::connecting)?;
        stream.set_nodelay(true).map_err(End::connecting)?;
        let (stream, _) = client_async(format!("ws://{to}/ws"), stream).await.map_err(end)?;
        Ok(WebSocket { stream })
    }

    /// Sends these at once, the first as text, others as binary, in two fragments with a ping between them, and awaits them all.
    pub(crate) async fn echo(&mut self, messages: &[Vec<u8>]) -> Result<(), End> {
        for (index, message) in messages.iter().enumerate() {
            if index == 0 {
                let text = String::from_utf8_lossy(message).into_owned();
                self.stream.feed(Message::text(text)).await.map_err(end)?;
            } else {
                let (first, rest) = message.split_at(message.len() / 3);
                let fragment = |piece: &[u8], code, last| {
                    Message::Frame(Frame::message(piece.to_vec(), OpCode::Data(code), last))
                };
                self.stream.feed(fragment(first, Data::Binary, false)).await.map_err(end)?;
                self.stream.feed(Message::Ping("still there?".into())).await.map_err(end)?;
                self.stream.feed(fragment(rest, Data::Continue, true)).await.map_err(end)?;
            }
        }
        self.stream.flush().await.map_err(end)?;
        for message in messages {
            check(&self.next().await?, message)?;
        }
        Ok(())
    }

    /// Listens, with nothing asked.
    pub(crate) async fn ended(&mut self) -> End {
        match self.next().await {
            Ok(message) => End::Wrong(format!("a message of {} bytes that nobody asked for", message.len())),
            Err(end) => end,
        }
    }

    async fn next(&mut self) -> Result<Vec<u8>, End> {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Text(text))) => return Ok(text.as_bytes().to_vec()),
                Some(Ok(Message::Binary(bytes))) => return Ok(bytes.to_vec()),
                Some(Ok(Message::Pong(pong))) => check(&pong, b"still there?")?,
                Some(Ok(Message::Ping(_) | Message::Frame(_))) => {}
                // Its last frame before the end: whatever it has not answered, it has not read (RFC 6455, 5.5.1).
                Some(Ok(Message::Close(_))) => return Err(End::Polite),
                Some(Err(error)) => return Err(end(error)),
                None => return Err(End::Cut),
            }
        }
    }
}

fn end(error: Error) -> End {
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed => End::Polite,
        Error::Io(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => {
            End::Reset
        }
        Error::Io(_)
        | Error::Protocol(
            tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
        ) => End::Cut,
        error => End::Wrong(error.to_string()),
    }
}
