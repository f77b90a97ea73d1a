//! Clients of HTTP/1.1 and WebSocket that notice everything: a connection that ends and how, an answer that is late, cut or
//! not what was asked for. They speak to a server that answers `GET /` with a body that tells its generations apart,
//! `GET /slow?ms=N` after so long, `POST /echo` with what was sent, and echoes WebSocket messages at `/ws`; if it is asked to,
//! `POST /file` with the file in a form, and `GET /events` with a stream of events whose ids are numbers, each one more.

mod client;
mod events;
mod http;
mod report;
mod websocket;

pub use http::{End, Http};
pub use report::{Count, Report};

use clap::ValueEnum;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use report::Board;
use serde::Serialize;
use std::io;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::sync::watch;

/// What a client does, again and again.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// One request after the other on one connection.
    KeepAlive,
    /// The same, and it leaves the connection alone for up to three seconds in between.
    Idle,
    /// A connection for each request, closed by the server.
    Fresh,
    /// Three requests at once.
    Pipeline,
    /// Pauses in the middle of a request's head.
    HalfHead,
    /// Waits for an answer that takes 300 ms.
    Slow,
    /// Takes its time to read a large body.
    Reader,
    /// Takes its time to send a large body.
    Upload,
    /// Messages and pings, several at once, text and binary, whole and in fragments.
    WebSocket,
    /// Sends a file in a form.
    File,
    /// Reads a stream of server-sent events. Where it ends, behind a whole event, it is asked for anew, on the same connection
    /// and from the last event on, as a browser does: no event may be missing or come twice.
    Events,
}

impl Kind {
    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// So many clients of a kind: `keep-alive=8`.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// What they do.
    pub kind: Kind,
    /// How many.
    pub clients: usize,
}

impl FromStr for Group {
    type Err = String;

    fn from_str(text: &str) -> Result<Group, String> {
        let (kind, clients) = text.split_once('=').ok_or("KIND=CLIENTS, for instance keep-alive=8")?;
        let clients = clients.parse().map_err(|error| format!("{clients}: {error}"))?;
        Ok(Group { kind: Kind::from_str(kind, true)?, clients })
    }
}

/// What the clients do, and what they put up with.
#[derive(Clone, Debug, clap::Args)]
pub struct Settings {
    /// Who does what; every kind, if nothing is said.
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "KIND=CLIENTS",
        default_value = "keep-alive=8,idle=8,fresh=2,pipeline=2,half-head=4,slow=4,reader=1,upload=1,web-socket=4"
    )]
    pub clients: Vec<Group>,
    /// A connection of these kinds that ends at all is a failure; others may be ended politely, between two requests.
    #[arg(long, value_delimiter = ',', value_name = "KIND")]
    pub keep: Vec<Kind>,
    /// A request that crosses the end of its connection is no failure: whoever sent it may send it again (RFC 9112, 9.3.1).
    #[arg(long)]
    pub may_race: bool,
    /// Bytes in a large body.
    #[arg(long, default_value_t = 200_000)]
    pub body: usize,
    /// Milliseconds between two requests of a client.
    #[arg(long, default_value_t = 20)]
    pub pause: u64,
    /// Seconds until a request without an answer has failed.
    #[arg(long, default_value_t = 30)]
    pub patience: u64,
}

/// Clients at work, on a thread of their own.
pub struct Load {
    stop: watch::Sender<bool>,
    thread: JoinHandle<()>,
    board: Arc<Board>,
}

impl Load {
    /// Sends them to the server at `address`.
    pub fn start(address: SocketAddr, settings: &Settings) -> io::Result<Load> {
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
        let board = Arc::new(Board::new(settings));
        let (stop, stopped) = watch::channel(false);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (settings, shared) = (Arc::new(settings.clone()), Arc::clone(&board));
        let thread = thread::spawn(move || {
            runtime.block_on(async {
                let mut clients = tokio::task::JoinSet::new();
                for group in &settings.clients {
                    for number in 0..group.clients {
                        let client = client::Client::new(group.kind, number, address, &settings, &shared);
                        clients.spawn(client.run(stopped.clone()));
                    }
                }
                clients.join_all().await;
            });
        });
        Ok(Load { stop, thread, board })
    }

    /// What they have seen so far.
    pub fn seen(&self) -> Report {
        self.board.report()
    }

    /// Waits until every client has finished what it is at, which takes no longer than its patience.
    pub fn stop(self) -> Report {
        // Nobody listens only if all have ended.
        let _ = self.stop.send(true);
        if self.thread.join().is_err() {
            self.board.broken("the clients' thread has panicked");
        }
        self.board.report()
    }
}

/// What the server at `address` says that it is, on a connection of its own.
pub fn generation(address: SocketAddr, patience: Duration) -> Result<String, End> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(End::connecting)?;
    runtime.block_on(async {
        let ask = async {
            let mut http = Http::connect(address).await?;
            http.send(b"GET / HTTP/1.1\r\nHost: load\r\nConnection: close\r\n\r\n").await?;
            Ok(String::from_utf8_lossy(&http.answer().await?).trim().to_owned())
        };
        tokio::time::timeout(patience, ask).await.unwrap_or(Err(End::Timeout))
    })
}
