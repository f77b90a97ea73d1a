//! `zdt-takeovers COMMAND...`: a server, clients, and takeovers under their load, each the same command typed again, or another
//! one in turn. Whoever was taken over from is to end well by itself, and the clients are not to notice.

mod server;

use clap::Parser;
use serde::Serialize;
use server::{Server, Witness};
use std::error::Error;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};
use zdt_load::{Load, Report, Settings, generation};

/// Any failure.
pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[derive(Parser)]
#[command(about = "Takeovers of a server of HTTP under load")]
struct Options {
    /// What starts a server, for the shell. It is given `--takeover PATH --port N`, prints a line `ready`, and ends with 0 once
    /// it was taken over from. Several take turns.
    #[arg(required = true)]
    commands: Vec<String>,
    /// How many.
    #[arg(long, default_value_t = 2)]
    takeovers: usize,
    /// Where the clients find the port; 10.99.0.2 under zdt-delay.
    #[arg(long, default_value = "127.0.0.1")]
    host: IpAddr,
    /// Milliseconds between two takeovers.
    #[arg(long, default_value_t = 1500)]
    settle: u64,
    /// Seconds that a server has to get ready, and a predecessor to end.
    #[arg(long, default_value_t = 60)]
    bound: u64,
    /// Where the report and what the servers print go.
    #[arg(long)]
    out: PathBuf,
    /// For the shell: a client of another protocol than HTTP, in the place of ours. It is given the host and the port, goes on
    /// until its standard input ends, and ends with 0 if nothing failed.
    #[arg(long)]
    witness: Option<String>,
    /// What starts a server that stays, for servers that stand in front of one: they are taken over from, and it is the
    /// one that answers. In their commands `{behind}` is its port.
    #[arg(long)]
    behind: Option<String>,
    #[command(flatten)]
    load: Settings,
}

/// What became of it all.
#[derive(Serialize)]
struct Outcome {
    takeovers: Vec<Takeover>,
    load: Report,
    failures: Vec<String>,
}

#[derive(Serialize)]
struct Takeover {
    command: String,
    generation: String,
    /// From the start of the successor's process until it is ready.
    ready_ms: u128,
    /// From there until the predecessor has ended.
    left_ms: u128,
}

struct Scene<'a> {
    options: &'a Options,
    socket: PathBuf,
    address: SocketAddr,
    bound: Duration,
    /// The port of the server behind them.
    behind: Option<u16>,
}

impl Scene<'_> {
    fn start(&self, number: usize) -> Result<Server> {
        let mut command = self.options.commands[number % self.options.commands.len()].clone();
        if let Some(port) = self.behind {
            command = command.replace("{behind}", &port.to_string());
        }
        let log = self.options.out.join(format!("{}.log", number + 1));
        let mut server = Server::start(&command, &self.socket, self.address.port(), &log)?;
        server.ready(self.bound)?;
        Ok(server)
    }

    /// Who serves; where that cannot be asked, whoever is to.
    fn who(&self, number: usize) -> Result<String> {
        if self.options.witness.is_some() || self.behind.is_some() {
            return Ok(format!("server {}", number + 1));
        }
        Ok(generation(self.address, self.bound)?)
    }

    /// Those who serve, in their order; the last one is still there.
    fn run(&self, server: &mut Server, takeovers: &mut Vec<Takeover>) -> Result<()> {
        let settle = Duration::from_millis(self.options.settle);
        let mut before = self.who(0)?;
        thread::sleep(settle);
        for number in 1..=self.options.takeovers {
            let began = Instant::now();
            let successor = self.start(number)?;
            let ready = began.elapsed();
            let predecessor = std::mem::replace(server, successor);
            let name = predecessor.name().to_owned();
            predecessor
                .left(self.bound)
                .map_err(|error| format!("takeover {number}, the predecessor ({name}): {error}"))?;
            let (left, now) = (began.elapsed() - ready, self.who(number)?);
            if now == before {
                return Err(format!("takeover {number}: {now:?} serves, before and after").into());
            }
            println!(
                "takeover {number}: {now}, ready after {} ms, alone after {} ms more",
                ready.as_millis(),
                left.as_millis()
            );
            before.clone_from(&now);
            let (command, ready_ms, left_ms) =
                (server.name().to_owned(), ready.as_millis(), left.as_millis());
            takeovers.push(Takeover { command, generation: now, ready_ms, left_ms });
            thread::sleep(settle);
        }
        Ok(())
    }
}

/// One that was free a moment ago.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn run(options: &Options) -> Result<Outcome> {
    std::fs::create_dir_all(&options.out)?;
    let folder = tempfile::tempdir()?;
    let bound = Duration::from_secs(options.bound);
    let mut behind = None;
    if let Some(command) = &options.behind {
        let port = free_port()?;
        let (socket, log) = (folder.path().join("behind.sock"), options.out.join("behind.log"));
        let mut server = Server::start(command, &socket, port, &log)?;
        server.ready(bound)?;
        behind = Some((port, server));
    }
    let scene = Scene {
        options,
        socket: folder.path().join("zdt.sock"),
        address: SocketAddr::new(options.host, free_port()?),
        bound,
        behind: behind.as_ref().map(|(port, _)| *port),
    };
    let mut server = scene.start(0)?;
    let load = match options.witness {
        None => Some(Load::start(scene.address, &options.load)?),
        Some(_) => None,
    };
    let witness =
        options.witness.as_ref().map(|command| Witness::start(command, scene.address, &options.out));
    let witness = witness.transpose()?;
    let (mut takeovers, mut failures) = (Vec::new(), Vec::new());
    if let Err(error) = scene.run(&mut server, &mut takeovers) {
        failures.push(error.to_string());
    }
    let load = load.map(Load::stop).unwrap_or_default();
    if let Some(Err(error)) = witness.map(|witness| witness.stop(scene.bound)) {
        failures.push(format!("the witness: {error}"));
    }
    if let Err(error) = server.terminate(scene.bound) {
        failures.push(format!("the last server: {error}"));
    }
    if let Some(Err(error)) = behind.map(|(_, server)| server.terminate(bound)) {
        failures.push(format!("the server behind: {error}"));
    }
    Ok(Outcome { takeovers, load, failures })
}

fn report(outcome: &Outcome, to: &Path) -> Result<bool> {
    print!("{}", outcome.load);
    outcome.failures.iter().for_each(|failure| println!("FAILED {failure}"));
    let (takeovers, failed) = (outcome.takeovers.len(), outcome.load.failed());
    println!(
        "{takeovers} takeovers, {} requests, {failed} failed  ({})",
        outcome.load.requests(),
        to.display()
    );
    std::fs::write(to.join("report.json"), serde_json::to_string_pretty(outcome)? + "\n")?;
    Ok(failed == 0 && outcome.failures.is_empty())
}

fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options).and_then(|outcome| report(&outcome, &options.out)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("zdt-takeovers: {error}  (see {})", options.out.display());
            ExitCode::from(2)
        }
    }
}
