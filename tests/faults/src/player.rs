//! One process of a case: what it tells, what its faults told, and what /proc knows of it.

use crate::case::Role;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;
use zdt_matrix::Trouble;
use zdt_matrix::process::{Relay, number, until};
use zdt_matrix::program::Program;
use zdt_matrix::stage::Stage;

/// EPOLLIN, as it stands in fdinfo.
const READABLE: u32 = 1;

/// A relay.
pub struct Player {
    pub relay: Relay,
    pub role: Role,
    pub program: Program,
    /// The value of `ZDT_FAULT`.
    pub fault: String,
    log: PathBuf,
}

/// A fault that happened: how many connections had been adopted, sent, and were back.
#[derive(Debug, Clone, Copy)]
pub struct Fired {
    pub adopted: u64,
    pub sent: u64,
    pub back: u64,
}

impl Player {
    /// Starts it, and waits for nothing.
    pub fn launch(
        stage: &mut Stage<'_>,
        role: Role,
        program: &Program,
        listen: &str,
        switches: &[&str],
        fault: &str,
    ) -> Result<Player, Trouble> {
        let (relay, log) = stage.launch(program, listen, switches, &[("ZDT_FAULT", fault)])?;
        Ok(Player { relay, role, program: program.clone(), fault: fault.into(), log })
    }

    /// Waits until it serves or takes part in a takeover.
    pub fn wait_until_ready(&mut self) -> Result<(), Trouble> {
        let program = self.program.clone();
        self.relay.wait_until_listening(&program)?;
        self.relay.wait_for("ready")?;
        Ok(())
    }

    /// Whether it has its listener by now; from then on it is known who it is.
    pub fn is_known(&mut self) -> Result<bool, Trouble> {
        if self.relay.address.is_empty() && self.relay.has_told("listening") {
            let program = self.program.clone();
            self.relay.wait_until_listening(&program)?;
        }
        Ok(!self.relay.address.is_empty())
    }

    /// The fault at this point, if it has happened.
    pub fn fired(&self, point: &str) -> Result<Option<Fired>, Trouble> {
        let told = fs::read_to_string(&self.log)?;
        // A line without its end is still being written.
        for line in told.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            if let Some(place) = line.find(r#"{"event": "fault""#)
                && let Ok(fault) = serde_json::from_str::<Value>(&line[place..])
                && fault["point"] == point
            {
                let (adopted, sent) = (number(&fault, "adopted")?, number(&fault, "sent")?);
                return Ok(Some(Fired { adopted, sent, back: number(&fault, "back")? }));
            }
        }
        Ok(None)
    }

    /// Every fault that happened, the last first.
    pub fn last_fired(&self) -> Result<Option<Fired>, Trouble> {
        let points = self.fault.split(',').rev().filter_map(|one| one.split(['#', '=']).next());
        for point in points.filter(|point| !point.is_empty()) {
            if let Some(fired) = self.fired(point)? {
                return Ok(Some(fired));
            }
        }
        Ok(None)
    }

    pub fn is_stopped(&self) -> bool {
        self.relay.state() == Some('T')
    }

    /// Runs, and is not stopped.
    pub fn is_alive(&self) -> bool {
        self.relay.state().is_some_and(|state| state != 'T')
    }

    pub fn ended(&mut self) -> Result<Option<ExitStatus>, Trouble> {
        self.relay.ended()
    }

    /// Whether one of its pollers looks for whoever connects to a TCP listener at `port` (proc_pid_fdinfo: tfd).
    pub fn accepts(&self, port: u16) -> bool {
        let Ok(inode) = self.listener(port) else { return false };
        let looks = |info: &str| {
            info.lines().filter_map(|line| line.strip_prefix("tfd:")).any(|line| {
                let mut words = line.split_whitespace();
                let events = words.by_ref().skip_while(|word| *word != "events:").nth(1);
                let events = events.and_then(|events| u32::from_str_radix(events, 16).ok()).unwrap_or(0);
                let found = line.split("ino:").nth(1).and_then(|ino| ino.split_whitespace().next());
                let found = found.and_then(|ino| u64::from_str_radix(ino, 16).ok());
                events & READABLE != 0 && found == inode
            })
        };
        let Ok(infos) = fs::read_dir(format!("/proc/{}/fdinfo", self.relay.pid())) else { return false };
        inode.is_some()
            && infos.flatten().any(|info| fs::read_to_string(info.path()).is_ok_and(|i| looks(&i)))
    }

    /// The inode of the socket that listens at `port` (proc_net_tcp).
    fn listener(&self, port: u16) -> Result<Option<u64>, Trouble> {
        let table = fs::read_to_string(format!("/proc/{}/net/tcp", self.relay.pid()))?;
        let local = format!(":{port:04X}");
        let found = table.lines().find_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let listens = fields.get(1)?.ends_with(&local) && *fields.get(3)? == "0A";
            listens.then(|| fields.get(9)?.parse().ok())?
        });
        Ok(found)
    }

    /// How many descriptors it has, once that stays the same.
    pub fn descriptors(&self) -> Result<usize, Trouble> {
        let (mut last, mut looks) = (0, 0);
        until("the number of descriptors to stay the same", || {
            std::thread::sleep(Duration::from_millis(20));
            let now = self.relay.descriptors()?;
            looks = if now == last { looks + 1 } else { 0 };
            last = now;
            Ok(looks == 3)
        })?;
        Ok(last)
    }
}
