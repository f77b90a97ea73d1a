//! What every story has: relays, one after the other, a verifier that keeps connections to them busy, and what is heard of
//! them.

use crate::cast::{Cast, VERIFIER, Who};
use crate::footprint::Footprint;
use crate::program::Program;
use crate::report::Generation;
use crate::show::Show;
use crate::walk::walk;
use crate::{Options, Trouble};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a predecessor watches its successor.
const PROBATION_MS: u64 = 500;

/// Who is on stage.
pub struct Story<'a> {
    /// As the command line says.
    pub options: &'a Options,
    /// The program of each generation.
    pub programs: Vec<&'a Program>,
    /// The processes.
    pub cast: Cast,
    /// The screen.
    pub show: Show,
    /// What the verifier counted last.
    pub totals: Value,
    address: SocketAddr,
    /// When the verifier's timeline began.
    start: Instant,
}

impl<'a> Story<'a> {
    /// Nobody is on stage yet.
    pub fn new(options: &'a Options) -> Result<Story<'a>, Trouble> {
        let walk = walk(options.relays.len(), options.takeovers as usize + 1);
        let programs = walk.into_iter().map(|relay| &options.relays[relay]).collect();
        let (address, start) = (SocketAddr::from(([127, 0, 0, 1], 0)), Instant::now());
        let (cast, show) = (Cast::new()?, Show::new());
        Ok(Story { options, programs, cast, show, totals: Value::Null, address, start })
    }

    /// The first generation serves, and every connection of the verifier's is up.
    pub fn first(&mut self) -> Result<Generation, Trouble> {
        let mut first = self.start_relay(1, &[])?;
        self.show.say(&format!("generation 1: {} {}", first.name, first.pid));
        self.until(1, "ready")?;
        self.start_verifier()?;
        let ready = self.until(VERIFIER, "ready")?;
        let elapsed = Duration::try_from_secs_f64(ready["elapsed_ms"].as_f64().unwrap_or_default() / 1000.0)?;
        self.start = Instant::now().checked_sub(elapsed).ok_or("the verifier has begun before time did")?;
        first.taken_over = self.footprint(1, first.pid)?;
        Ok(first)
    }

    /// After so many takeovers each relay has taken over from each other one.
    pub fn round(&self) -> u64 {
        let relays = self.options.relays.len() as u64;
        (relays * (relays - 1)).max(1)
    }

    /// The program of a generation.
    pub fn program(&self, generation: u64) -> &Program {
        self.programs[generation as usize - 1]
    }

    /// Milliseconds on the verifier's timeline.
    pub fn millis(&self) -> f64 {
        self.start.elapsed().as_secs_f64() * 1000.0
    }

    /// Where everybody listens.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// What a generation holds now.
    pub fn footprint(&self, generation: u64, pid: u32) -> Result<Footprint, Trouble> {
        Footprint::of(pid, self.port()).map_err(|error| format!("generation {generation}: {error}").into())
    }

    /// Starts a relay; its process id.
    pub fn launch(&mut self, generation: u64, more: &[&str]) -> Result<u32, Trouble> {
        let mut command = self.program(generation).command();
        command.arg("--takeover").arg(self.cast.directory().join("zdt.sock"));
        command.arg("--listen").arg(format!("tcp://{}", self.address));
        command.arg("--probation-ms").arg(PROBATION_MS.to_string()).args(more);
        self.cast.start(generation, command)
    }

    /// Starts a relay, and waits until it has its listener.
    pub fn start_relay(&mut self, generation: u64, more: &[&str]) -> Result<Generation, Trouble> {
        let program = self.program(generation).clone();
        let pid = self.launch(generation, more)?;
        let started = self.until(generation, "started")?;
        program.check_started(pid, &started)?;
        let listening = self.until(generation, "listening")?;
        self.address = listening["address"].as_str().unwrap_or_default().parse()?;
        let runtime = match started["runtime"].as_str() {
            Some(runtime) => runtime.into(),
            None => std::fs::read_link(format!("/proc/{pid}/exe"))?.display().to_string(),
        };
        Ok(Generation { generation, name: program.name, pid, runtime, ..Generation::default() })
    }

    fn start_verifier(&mut self) -> Result<(), Trouble> {
        let beside = std::env::current_exe()?.with_file_name("relay-verifier");
        let program: &Path = self.options.verifier.as_deref().unwrap_or(&beside);
        let Options { connections, rate, new_per_second, .. } = self.options;
        let mut command = Command::new(program);
        command.arg(self.address.to_string());
        command.arg(format!("--connections={connections}"));
        command.arg(format!("--rate={rate}"));
        command.arg(format!("--new-per-second={new_per_second}"));
        if self.options.endurance && !self.options.strict {
            // Three generations that start at once on a slow machine keep a fourth one waiting.
            command.arg("--timeout-ms=30000");
        }
        self.cast.start(VERIFIER, command)?;
        Ok(())
    }

    /// The next line of anybody and the word for it; totals are shown on the way.
    pub fn next(&mut self, what: &str) -> Result<(Who, String, Value), Trouble> {
        let heard = self.next_before(Instant::now() + PATIENCE)?;
        heard.ok_or_else(|| format!("{what} took more than {PATIENCE:?}").into())
    }

    /// The same, if anything but totals comes by then.
    pub fn next_before(&mut self, deadline: Instant) -> Result<Option<(Who, String, Value)>, Trouble> {
        loop {
            // The verifier always has something to say, so patience is counted here.
            let left = deadline.saturating_duration_since(Instant::now());
            let heard = self.cast.hear(left)?.filter(|_| Instant::now() < deadline);
            let Some((who, line)) = heard else { return Ok(None) };
            let word = line["event"].as_str().or(line["type"].as_str()).unwrap_or_default().to_string();
            if word != "totals" {
                return Ok(Some((who, word, line)));
            }
            self.show.totals(&line);
            self.totals = line;
        }
    }

    /// Waits for a line of this kind; others pass.
    pub fn until(&mut self, who: Who, word: &str) -> Result<Value, Trouble> {
        loop {
            let (heard, event, line) = self.next(word)?;
            if (heard, event.as_str()) == (who, word) {
                return Ok(line);
            }
            if event == "exit" && heard != who {
                return Err(format!("{heard} ended while {who} was to be {word}").into());
            }
        }
    }

    /// Lets time pass; only `leaving` may end meanwhile.
    pub fn rest(&mut self, time: Duration, leaving: Option<Who>) -> Result<(), Trouble> {
        let deadline = Instant::now() + time;
        while let Some((who, line)) = self.cast.hear(deadline.saturating_duration_since(Instant::now()))? {
            if line["type"] == "totals" {
                self.show.totals(&line);
            }
            if line["event"] == "exit" && Some(who) != leaving {
                return Err(format!("{who} ended").into());
            }
        }
        Ok(())
    }
}
