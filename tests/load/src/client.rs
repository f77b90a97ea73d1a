//! What a client does, kind by kind.

use crate::events::Events;
use crate::http::{End, Http};
use crate::report::Board;
use crate::websocket::WebSocket;
use crate::{Kind, Settings};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// How long the server is to take for a slow answer.
const SLOW: &str = "300";
/// What a slow client waits between two pieces.
const PACE: Duration = Duration::from_millis(10);
/// Pieces of a large body that is sent slowly.
const PIECES: usize = 20;
/// What is between the parts of a form; it does not occur in a body of `body`.
const EDGE: &str = "zdt-load--part";

/// One client.
pub(crate) struct Client {
    kind: Kind,
    number: usize,
    address: SocketAddr,
    settings: Arc<Settings>,
    board: Arc<Board>,
    http: Option<Http>,
    websocket: Option<WebSocket>,
    events: Events,
    round: usize,
}

impl Client {
    pub(crate) fn new(
        kind: Kind,
        number: usize,
        address: SocketAddr,
        settings: &Arc<Settings>,
        board: &Arc<Board>,
    ) -> Client {
        let (settings, board) = (Arc::clone(settings), Arc::clone(board));
        let (http, websocket, events) = (None, None, Events::default());
        Client { kind, number, address, settings, board, http, websocket, events, round: 0 }
    }

    /// Until it is told to stop; never in the middle of a request.
    pub(crate) async fn run(mut self, mut stopped: watch::Receiver<bool>) {
        let short = Duration::from_millis(self.settings.pause);
        let patience = Duration::from_secs(self.settings.patience);
        // Not all at the same moment.
        sleep(short * (self.number as u32 % 8) / 8).await;
        while !*stopped.borrow() {
            let began = Instant::now();
            match timeout(patience, self.turn()).await.unwrap_or(Err(End::Timeout)) {
                Ok(requests) => self.board.answered(self.kind, requests, began.elapsed()),
                Err(end) => {
                    (self.http, self.websocket) = (None, None);
                    self.events.lost();
                    self.board.ended(self.kind, self.number, &end);
                }
            }
            self.round += 1;
            let long = Duration::from_millis(((self.round * 677 + self.number * 331) % 3000) as u64);
            let pause = if self.kind == Kind::Idle { long } else { short };
            tokio::select! {
                () = sleep(pause) => {}
                _ = stopped.changed() => {}
                end = heard(self.websocket.as_mut()) => {
                    self.websocket = None;
                    self.board.ended(self.kind, self.number, &end);
                }
            }
        }
    }

    /// How many requests were answered.
    async fn turn(&mut self) -> Result<u64, End> {
        if self.kind == Kind::WebSocket {
            return self.talk().await;
        }
        let mut http = match self.http.take() {
            Some(mut http) => {
                if !self.events.flow() {
                    http.ended()?;
                }
                http
            }
            None => {
                let mut http = Http::connect(self.address).await?;
                self.board.connected(self.kind);
                if self.kind == Kind::Reader {
                    http.read_slowly(PACE)?;
                }
                http
            }
        };
        let requests = self.ask(&mut http).await?;
        if self.kind != Kind::Fresh {
            self.http = Some(http);
        }
        Ok(requests)
    }

    async fn ask(&mut self, http: &mut Http) -> Result<u64, End> {
        match self.kind {
            Kind::KeepAlive | Kind::Idle => self.ask_who(http, "").await?,
            Kind::Fresh => self.ask_who(http, "Connection: close\r\n").await?,
            Kind::Slow => {
                http.send(format!("GET /slow?ms={SLOW} HTTP/1.1\r\nHost: load\r\n\r\n").as_bytes()).await?;
                http.answer().await?;
            }
            Kind::Pipeline => {
                let bodies: Vec<_> = (0..3).map(|part| self.body(10 + 500 * part, part)).collect();
                let requests: Vec<u8> =
                    bodies.iter().flat_map(|body| [head(body), body.clone()].concat()).collect();
                http.send(&requests).await?;
                for body in &bodies {
                    check(&http.answer().await?, body)?;
                }
                return Ok(3);
            }
            Kind::HalfHead => {
                let body = self.body(100, 0);
                let request = [head(&body), body.clone()].concat();
                // Every place in the head gets its turn.
                let (first, rest) =
                    request.split_at(1 + (self.round * 7 + self.number) % (request.len() - body.len() - 1));
                http.send(first).await?;
                sleep(Duration::from_millis(30 + 40 * (self.round as u64 % 5))).await;
                http.send(rest).await?;
                check(&http.answer().await?, &body)?;
            }
            Kind::Reader => {
                let body = self.body(self.settings.body, 0);
                http.send(&[head(&body), body.clone()].concat()).await?;
                check(&http.answer().await?, &body)?;
            }
            Kind::Upload => {
                let body = self.body(self.settings.body, 0);
                http.send(&head(&body)).await?;
                for piece in body.chunks(body.len().div_ceil(PIECES)) {
                    sleep(PACE).await;
                    http.send(piece).await?;
                }
                check(&http.answer().await?, &body)?;
            }
            Kind::File => {
                let body = self.body(self.settings.body / 4, 0);
                http.send(&form(&body)).await?;
                check(&http.answer().await?, &body)?;
            }
            Kind::Events => {
                let (events, ended) = self.events.read(http).await?;
                (0..ended).for_each(|_| self.board.stream_ended(self.kind));
                return Ok(events);
            }
            Kind::WebSocket => return Err(End::Wrong("no request".into())),
        }
        Ok(1)
    }

    async fn ask_who(&self, http: &mut Http, header: &str) -> Result<(), End> {
        http.send(format!("GET / HTTP/1.1\r\nHost: load\r\n{header}\r\n").as_bytes()).await?;
        let answer = http.answer().await?;
        let who = String::from_utf8_lossy(&answer).trim().to_owned();
        if who.is_empty() || who.len() > 200 {
            return Err(End::Wrong(format!("{} bytes that are to say who serves", who.len())));
        }
        self.board.served(self.kind, &who);
        Ok(())
    }

    async fn talk(&mut self) -> Result<u64, End> {
        let mut websocket = match self.websocket.take() {
            Some(websocket) => websocket,
            None => {
                let websocket = WebSocket::connect(self.address).await?;
                self.board.connected(self.kind);
                websocket
            }
        };
        let messages =
            [self.body(10, 0), self.body(if self.round.is_multiple_of(10) { 50_000 } else { 200 }, 1)];
        websocket.echo(&messages).await?;
        self.websocket = Some(websocket);
        Ok(messages.len() as u64)
    }

    /// Never the same twice, and readable text, so that it serves everywhere.
    fn body(&self, length: usize, part: usize) -> Vec<u8> {
        let mut body = format!("{} {} {part} ", self.number, self.round).into_bytes();
        let seed = self.round * 31 + self.number * 7 + part;
        body.extend((0..length).map(|at| b'!' + ((at * 17 + at / 90 + seed) % 90) as u8));
        body
    }
}

/// What a server says unasked: the end.
async fn heard(websocket: Option<&mut WebSocket>) -> End {
    match websocket {
        Some(websocket) => websocket.ended().await,
        None => std::future::pending().await,
    }
}

fn head(body: &[u8]) -> Vec<u8> {
    format!(
        "POST /echo HTTP/1.1\r\nHost: load\r\nContent-Type: application/octet-stream\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes()
}

/// As a browser sends a file (RFC 7578).
fn form(file: &[u8]) -> Vec<u8> {
    let part = "--{edge}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"load\"\r\nContent-Type: application/octet-stream\r\n\r\n";
    let (part, last) = (part.replace("{edge}", EDGE), format!("\r\n--{EDGE}--\r\n"));
    let length = part.len() + file.len() + last.len();
    let head = format!(
        "POST /file HTTP/1.1\r\nHost: load\r\nContent-Type: multipart/form-data; boundary={EDGE}\r\nContent-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), part.as_bytes(), file, last.as_bytes()].concat()
}

/// Byte for byte.
pub(crate) fn check(answer: &[u8], asked: &[u8]) -> Result<(), End> {
    if answer == asked {
        return Ok(());
    }
    let at = answer.iter().zip(asked).take_while(|(one, other)| one == other).count();
    Err(End::Wrong(format!("{} bytes for {}, the same up to {at}", answer.len(), asked.len())))
}
