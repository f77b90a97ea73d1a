//! One connection of HTTP/1.1, and how it ends. Own code, since libraries for clients hide just that.

use bytes::{Buf, Bytes, BytesMut};
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How much more than a round trip it takes to hear that a connection had ended before a request was sent.
const SLACK: Duration = Duration::from_millis(10);

/// How a connection ends.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum End {
    /// Between two requests, or as its last answer said.
    Polite,
    /// With a request on its way, which crossed the end of the connection: nobody has read it.
    Raced,
    /// Nobody took the connection.
    Refused(String),
    /// By a reset.
    Reset,
    /// In the middle of an answer, or in the place of one.
    Cut,
    /// No answer within one's patience.
    Timeout,
    /// The answer is not the one to what was asked.
    Wrong(String),
}

impl fmt::Display for End {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Polite => to.write_str("ended between two requests"),
            End::Raced => to.write_str("ended while a request was on its way"),
            End::Refused(why) => write!(to, "not connected: {why}"),
            End::Reset => to.write_str("reset"),
            End::Cut => to.write_str("ended before the answer did"),
            End::Timeout => to.write_str("no answer in time"),
            End::Wrong(what) => write!(to, "wrong answer: {what}"),
        }
    }
}

impl std::error::Error for End {}

impl End {
    /// That it could not begin.
    pub fn connecting(error: io::Error) -> End {
        End::Refused(error.to_string())
    }

    fn wrong(what: impl fmt::Display) -> End {
        End::Wrong(what.to_string())
    }
}

/// A connection.
pub struct Http {
    stream: TcpStream,
    unused: BytesMut,
    round_trip: Duration,
    sent: Instant,
    answers: u64,
    /// Bytes of the answer that is awaited.
    begun: bool,
    /// The last answer said that it is the last one.
    closing: bool,
    /// How long to wait after each read of a slow reader.
    pace: Duration,
}

impl Http {
    /// A new one.
    pub async fn connect(to: SocketAddr) -> Result<Http, End> {
        let began = Instant::now();
        let stream = TcpStream::connect(to).await.map_err(End::connecting)?;
        stream.set_nodelay(true).map_err(End::connecting)?;
        Ok(Http {
            stream,
            unused: BytesMut::new(),
            round_trip: began.elapsed(),
            sent: Instant::now(),
            answers: 0,
            begun: false,
            closing: false,
            pace: Duration::ZERO,
        })
    }

    /// Reads slowly from now on, and lets little wait in the socket.
    pub fn read_slowly(&mut self, pace: Duration) -> Result<(), End> {
        self.pace = pace;
        socket2::SockRef::from(&self.stream).set_recv_buffer_size(64 << 10).map_err(End::connecting)
    }

    /// Whether it was ended since the last answer.
    pub fn ended(&mut self) -> Result<(), End> {
        if self.closing {
            return Err(End::Polite);
        }
        match self.stream.try_read(&mut [0; 1]) {
            Ok(0) => Err(End::Polite),
            Ok(_) => Err(End::wrong("an answer that nobody asked for")),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            Err(_) => Err(End::Reset),
        }
    }

    /// Sends a piece of a request.
    pub async fn send(&mut self, piece: &[u8]) -> Result<(), End> {
        self.sent = Instant::now();
        let sent = self.stream.write_all(piece).await;
        sent.map_err(|_| self.gone(End::Reset))
    }

    /// The body of the next answer. After one that was to be the last, whoever has asked more knows to ask again elsewhere.
    pub async fn answer(&mut self) -> Result<Bytes, End> {
        if self.closing {
            return Err(End::Polite);
        }
        let body = loop {
            let (status, length) = self.head().await?;
            if status == 200 {
                break match length {
                    Length::Of(length) => self.take(length).await?,
                    Length::Chunks => self.chunks().await?,
                    Length::UntilTheEnd => self.rest().await?,
                };
            } else if !(100..200).contains(&status) {
                return Err(End::wrong(format!("status {status}")));
            }
        };
        self.answers += 1;
        self.begun = !self.unused.is_empty();
        Ok(body)
    }

    async fn head(&mut self) -> Result<(u16, Length), End> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; 64];
            let mut response = httparse::Response::new(&mut headers);
            if let httparse::Status::Complete(end) = response.parse(&self.unused).map_err(End::wrong)? {
                let status = response.code.unwrap_or(0);
                let value = |name: &str| {
                    let mut found =
                        response.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name));
                    found.next().map(|header| String::from_utf8_lossy(header.value).to_ascii_lowercase())
                };
                self.closing |= value("connection").is_some_and(|value| value.contains("close"));
                let length = match (value("transfer-encoding"), value("content-length")) {
                    (Some(coding), _) if coding == "chunked" => Length::Chunks,
                    (None, Some(length)) => Length::Of(length.parse().map_err(End::wrong)?),
                    _ if status < 200 => Length::Of(0),
                    (None, None) if self.closing => Length::UntilTheEnd,
                    _ => return Err(End::wrong("neither a length nor chunks")),
                };
                self.unused.advance(end);
                return Ok((status, length));
            }
            self.read().await?;
        }
    }

    async fn take(&mut self, length: usize) -> Result<Bytes, End> {
        while self.unused.len() < length {
            self.read().await?;
        }
        Ok(self.unused.split_to(length).freeze())
    }

    /// Chunks without trailers.
    async fn chunks(&mut self) -> Result<Bytes, End> {
        let mut body = BytesMut::new();
        loop {
            let chunk = self.chunk().await?;
            if chunk.is_empty() {
                return Ok(body.freeze());
            }
            body.extend_from_slice(&chunk);
        }
    }

    /// The next one; the last one is empty.
    async fn chunk(&mut self) -> Result<Bytes, End> {
        loop {
            let parsed = httparse::parse_chunk_size(&self.unused).map_err(|_| End::wrong("no chunk"))?;
            let httparse::Status::Complete((begin, length)) = parsed else {
                self.read().await?;
                continue;
            };
            let length = usize::try_from(length).map_err(End::wrong)?;
            self.unused.advance(begin);
            let mut chunk = self.take(length + 2).await?;
            if chunk.split_off(length) != b"\r\n"[..] {
                return Err(End::wrong("a chunk that does not end where it should"));
            }
            return Ok(chunk);
        }
    }

    /// Reads the head of an answer whose body is to be read by `piece`.
    pub async fn streams(&mut self) -> Result<(), End> {
        if self.closing {
            return Err(End::Polite);
        }
        match self.head().await? {
            (200, Length::Chunks) => Ok(()),
            (status, _) => Err(End::wrong(format!("status {status}, and no stream"))),
        }
    }

    /// The next piece of its body; None: it has ended as it should.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, End> {
        let chunk = self.chunk().await?;
        if !chunk.is_empty() {
            return Ok(Some(chunk));
        }
        self.answers += 1;
        self.begun = !self.unused.is_empty();
        Ok(None)
    }

    async fn rest(&mut self) -> Result<Bytes, End> {
        while self.stream.read_buf(&mut self.unused).await.map_err(|_| End::Reset)? > 0 {}
        Ok(self.unused.split().freeze())
    }

    async fn read(&mut self) -> Result<(), End> {
        if !self.pace.is_zero() {
            tokio::time::sleep(self.pace).await;
        }
        match self.stream.read_buf(&mut self.unused).await {
            Ok(0) => Err(self.gone(End::Cut)),
            Ok(_) => {
                self.begun = true;
                Ok(())
            }
            Err(_) => Err(self.gone(End::Reset)),
        }
    }

    /// Of an end in the place of an answer: whether it was on its way already when the request was sent.
    fn gone(&self, how: End) -> End {
        let crossed = self.sent.elapsed() <= self.round_trip + SLACK;
        if self.answers > 0 && !self.begun && crossed { End::Raced } else { how }
    }
}

enum Length {
    Of(usize),
    Chunks,
    UntilTheEnd,
}
