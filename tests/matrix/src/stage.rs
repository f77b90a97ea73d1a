//! Where one test plays: a directory of its own with the takeover socket, and what the relays told.

use crate::Trouble;
use crate::client::Client;
use crate::crowd::Crowd;
use crate::process::{Relay, number};
use crate::program::Program;
use std::fmt::Write;
use std::path::PathBuf;

/// How many lines of each process a failure shows.
const SHOWN: usize = 25;

/// One test's place.
pub struct Stage<'a> {
    /// The first predecessor.
    pub from: &'a Program,
    /// The first successor.
    pub to: &'a Program,
    directory: tempfile::TempDir,
    logs: Vec<PathBuf>,
}

impl<'a> Stage<'a> {
    /// An empty one.
    pub fn new(from: &'a Program, to: &'a Program) -> Result<Stage<'a>, Trouble> {
        let directory = tempfile::Builder::new().prefix("zdt-matrix-").tempdir()?;
        Ok(Stage { from, to, directory, logs: Vec::new() })
    }

    /// Starts a relay that is to listen there, and waits for nothing; the file that keeps what it tells.
    pub fn launch(
        &mut self,
        program: &Program,
        listen: &str,
        switches: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<(Relay, PathBuf), Trouble> {
        let socket = self.directory.path().join("takeover.sock");
        let socket = socket.to_str().ok_or("the directory for temporary files has a strange name")?;
        let mut arguments = vec!["--takeover", socket, "--listen", listen];
        arguments.extend(switches);
        let log = self.directory.path().join(format!("{}.log", self.logs.len()));
        self.logs.push(log.clone());
        Ok((Relay::launch(program, &arguments, environment, &log)?, log))
    }

    /// Starts a relay at a port of its own, and waits for nothing; the file that keeps what it tells.
    pub fn spawn(&mut self, program: &Program, switches: &[&str]) -> Result<(Relay, PathBuf), Trouble> {
        // A predecessor that has drained is not needed for long; tests that need it say so.
        let mut all = vec!["--probation-ms", "200"];
        all.extend(switches);
        self.launch(program, "tcp://127.0.0.1:0", &all, &[])
    }

    /// Starts a relay, and waits until it has its listener.
    pub fn start_only(&mut self, program: &Program, switches: &[&str]) -> Result<Relay, Trouble> {
        let (mut relay, _) = self.spawn(program, switches)?;
        relay.wait_until_listening(program)?;
        Ok(relay)
    }

    /// Starts a relay, and waits until it is ready.
    pub fn start(&mut self, program: &Program, switches: &[&str]) -> Result<Relay, Trouble> {
        let mut relay = self.start_only(program, switches)?;
        relay.wait_for("ready")?;
        Ok(relay)
    }

    /// A whole takeover: a relay of `program` takes everything over from `old`, which ends, and nobody notices.
    pub fn take_over(
        &mut self,
        mut old: Relay,
        program: &Program,
        crowd: &mut Crowd,
    ) -> Result<Relay, Trouble> {
        // It may have told of an attempt before this one.
        old.forget();
        crowd.stir()?;
        let mut new = self.start(program, &[])?;
        crowd.murmur()?;
        let migrated = old.wait_for("migrated")?;
        let moved = number(&migrated, "moved")?;
        if moved != crowd.len() as u64 || number(&migrated, "returned")? != 0 {
            return Err(format!("{} connections were there, but: {migrated}", crowd.len()).into());
        }
        let committed = number(&new.wait_for("committed")?, "generation")?;
        if committed != old.who.1 + 1 || committed != new.who.1 {
            return Err(format!("{new} took over from {old} and is of generation {committed}").into());
        }
        crowd.check(&new.who)?;
        newcomers_are_served_by(&new)?;
        old.ends_well()?;
        Ok(new)
    }

    /// What the relays told last.
    pub fn log(&self) -> String {
        let mut text = String::new();
        for log in &self.logs {
            let told = std::fs::read_to_string(log).unwrap_or_default();
            let lines: Vec<&str> = told.lines().collect();
            for (number, line) in lines.iter().enumerate() {
                if number == 0 || number + SHOWN >= lines.len() {
                    let _ = writeln!(text, "    | {line}");
                }
            }
        }
        text
    }
}

/// Whoever connects now is served, and by `relay`.
pub fn newcomers_are_served_by(relay: &Relay) -> Result<(), Trouble> {
    for number in 0..5 {
        let mut client = Client::connect(&relay.address, format!("newcomer-{number}"))?;
        client.check(&relay.who)?;
        client.leave()?;
    }
    Ok(())
}
