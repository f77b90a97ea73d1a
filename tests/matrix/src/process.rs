//! A relay process: started here, heard here, and ended here by its own pid, whatever happens.

use crate::program::Program;
use crate::{PATIENCE, Trouble};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Who serves a connection, as `WHO` answers it: language and generation.
pub type Who = (String, u64);

/// A relay.
pub struct Relay {
    /// What it answers to `WHO`.
    pub who: Who,
    /// Where it listens.
    pub address: String,
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<Value>,
    /// What it has told and nobody waited for yet.
    heard: Vec<Value>,
}

impl Relay {
    /// Starts it, and waits for nothing. What it tells is kept in `log` too.
    pub fn launch(
        program: &Program,
        arguments: &[&str],
        environment: &[(&str, &str)],
        log: &Path,
    ) -> Result<Relay, Trouble> {
        let mut out = File::create(log)?;
        let mut command = program.command();
        command.args(arguments).envs(environment.iter().copied());
        writeln!(out, "$ {command:?}")?;
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(out.try_clone()?)
            .spawn()
            .map_err(|error| format!("{}: {error}", program.path.display()))?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("pipes were asked for".into());
        };
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // Both fail only when the test is over.
                // In one piece: what comes on stderr goes there too.
                let _ = out.write_all(format!("{line}\n").as_bytes());
                if let Ok(value) = serde_json::from_str(&line) {
                    let _ = sender.send(value);
                }
            }
        });
        let who = (program.language().to_string(), 0);
        Ok(Relay { who, address: String::new(), child, stdin, lines, heard: Vec::new() })
    }

    /// Waits until it has its listener.
    pub fn wait_until_listening(&mut self, program: &Program) -> Result<(), Trouble> {
        let started = self.wait_for("started")?;
        program.check_started(self.child.id(), &started)?;
        self.who.1 = number(&started, "generation")?;
        self.address = text(&self.wait_for("listening")?, "address")?;
        Ok(())
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>, Trouble> {
        Ok(self.child.try_wait()?)
    }

    /// The next event of this name. Others that come meanwhile are kept for whoever waits for them.
    pub fn wait_for(&mut self, name: &str) -> Result<Value, Trouble> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(place) = self.heard.iter().position(|event| event["event"] == name) {
                return Ok(self.heard.remove(place));
            }
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(event) => self.heard.push(event),
                Err(_) => return Err(format!("{self} did not tell {name:?}").into()),
            }
        }
    }

    /// What it has told so far is of no interest any more.
    pub fn forget(&mut self) {
        self.heard.clear();
        self.lines.try_iter().for_each(drop);
    }

    /// Whether it has told this, as far as it was heard.
    pub fn has_told(&mut self, name: &str) -> bool {
        self.heard.extend(self.lines.try_iter());
        self.heard.iter().any(|event| event["event"] == name)
    }

    /// The state of its process (proc_pid_stat: R, S, T, ...); `None` once it has ended.
    pub fn state(&self) -> Option<char> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).ok()?;
        stat.rsplit_once(") ")?.1.chars().next().filter(|state| !matches!(state, 'Z' | 'X'))
    }

    /// What `--hold-before-ready` waits for.
    pub fn let_go_on(&mut self) -> Result<(), Trouble> {
        Ok(self.stdin.write_all(b"\n")?)
    }

    /// Asks it to drain, as whoever wants it to end does.
    pub fn terminate(&mut self) -> Result<(), Trouble> {
        self.signal(Signal::SIGTERM)
    }

    /// Waits for it to end by itself, with 1: something went wrong.
    pub fn ends_badly(&mut self) -> Result<(), Trouble> {
        let status = self.end()?;
        let is_right = status.code() == Some(1);
        if is_right { Ok(()) } else { Err(format!("{self} ended with {status}, not with 1").into()) }
    }

    /// Ends it on the spot.
    pub fn kill(&mut self) -> Result<(), Trouble> {
        self.signal(Signal::SIGKILL)?;
        self.ends_by(Signal::SIGKILL)
    }

    /// Stops it, and waits until it is.
    pub fn stop(&mut self) -> Result<(), Trouble> {
        self.signal(Signal::SIGSTOP)?;
        self.wait_until_stopped()
    }

    /// Waits until it has stopped (itself).
    pub fn wait_until_stopped(&mut self) -> Result<(), Trouble> {
        let flags = WaitPidFlag::WSTOPPED | WaitPidFlag::WNOHANG;
        let pid = Pid::from_raw(self.child.id() as i32);
        until(&format!("{self} to stop"), || match waitid(Id::Pid(pid), flags) {
            Ok(WaitStatus::Stopped(..)) => Ok(true),
            Ok(_) | Err(Errno::EINTR) => Ok(false),
            Err(error) => Err(format!("{self}: {error}").into()),
        })
    }

    /// It goes on.
    pub fn wake_up(&mut self) -> Result<(), Trouble> {
        self.signal(Signal::SIGCONT)
    }

    /// Waits for it to end by itself, with 0.
    pub fn ends_well(&mut self) -> Result<(), Trouble> {
        let status = self.end()?;
        if status.success() { Ok(()) } else { Err(format!("{self} ended with {status}").into()) }
    }

    /// Waits for it to end by this signal.
    pub fn ends_by(&mut self, signal: Signal) -> Result<(), Trouble> {
        let status = self.end()?;
        let is_right = status.signal() == Some(signal as i32);
        if is_right { Ok(()) } else { Err(format!("{self} ended with {status}, not {signal}").into()) }
    }

    fn end(&mut self) -> Result<ExitStatus, Trouble> {
        let mut status = None;
        until(&format!("{} of generation {} to end", self.who.0, self.who.1), || {
            status = self.child.try_wait()?;
            Ok(status.is_some())
        })?;
        status.ok_or_else(|| format!("{self} has not ended").into())
    }

    /// How many descriptors it has open.
    pub fn descriptors(&self) -> Result<usize, Trouble> {
        Ok(std::fs::read_dir(format!("/proc/{}/fd", self.child.id()))?.count())
    }

    /// How many sockets it has open: listeners, connections, links.
    pub fn sockets(&self) -> Result<usize, Trouble> {
        let descriptors = std::fs::read_dir(format!("/proc/{}/fd", self.child.id()))?;
        // One that was closed meanwhile leads nowhere.
        let leads_to = descriptors.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
        Ok(leads_to.filter(|to| to.to_string_lossy().starts_with("socket:")).count())
    }

    /// How many connections wait to be accepted from its listener (proc_net_tcp: rx_queue of a listening socket).
    pub fn queue(&self) -> Result<usize, Trouble> {
        let (_, port) = self.address.rsplit_once(':').ok_or("an address has a port")?;
        let local = format!(":{:04X}", port.parse::<u16>()?);
        let table = std::fs::read_to_string(format!("/proc/{}/net/tcp", self.child.id()))?;
        for line in table.lines() {
            let fields: Vec<&str> = line.split_whitespace().collect();
            if let [_, address, _, "0A", queues, ..] = fields[..]
                && address.ends_with(&local)
                && let Some((_, waiting)) = queues.split_once(':')
            {
                return Ok(usize::from_str_radix(waiting, 16)?);
            }
        }
        Err(format!("nobody listens at {}", self.address).into())
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> Result<(), Trouble> {
        Ok(kill(Pid::from_raw(self.child.id() as i32), signal)?)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // Both fail only if it has ended, which is what we want.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl std::fmt::Display for Relay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of generation {} (process {})", self.who.0, self.who.1, self.child.id())
    }
}

/// Looks until it is so.
pub fn until(what: &str, mut is_so: impl FnMut() -> Result<bool, Trouble>) -> Result<(), Trouble> {
    let deadline = Instant::now() + PATIENCE;
    while !is_so()? {
        if Instant::now() >= deadline {
            return Err(format!("waited {PATIENCE:?} for {what}").into());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// A number of an event.
pub fn number(event: &Value, field: &str) -> Result<u64, Trouble> {
    event[field].as_u64().ok_or_else(|| format!("no number {field:?} in {event}").into())
}

/// A text of an event.
pub fn text(event: &Value, field: &str) -> Result<String, Trouble> {
    Ok(event[field].as_str().ok_or_else(|| format!("no text {field:?} in {event}"))?.into())
}
