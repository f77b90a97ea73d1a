//! A server's process.

use crate::Result;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// One; killed when dropped.
pub struct Server {
    command: String,
    process: Child,
    ready: Receiver<()>,
}

impl Server {
    /// Starts it; what it prints goes to `log`.
    pub fn start(command: &str, takeover: &Path, port: u16, log: &Path) -> Result<Server> {
        let mut log = File::create(log)?;
        // `exec`: its pid is the server's, not a shell's.
        let mut process = Command::new("sh")
            .arg("-c")
            .arg(format!("exec {command} --takeover \"$0\" --port \"$1\""))
            .arg(takeover)
            .arg(port.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log.try_clone()?)
            .spawn()?;
        let lines = BufReader::new(process.stdout.take().ok_or("no output")?).lines();
        let (say, ready) = channel();
        thread::spawn(move || {
            for line in lines.map_while(std::io::Result::ok) {
                // A disk that is full is no reason to let the server wait for a reader.
                let _ = writeln!(log, "{line}");
                if line.trim() == "ready" {
                    let _ = say.send(());
                }
            }
        });
        Ok(Server { command: command.to_owned(), process, ready })
    }

    /// What started it.
    pub fn name(&self) -> &str {
        &self.command
    }

    /// Waits until it says so.
    pub fn ready(&mut self, bound: Duration) -> Result<()> {
        match self.ready.recv_timeout(bound) {
            Ok(()) => Ok(()),
            Err(RecvTimeoutError::Timeout) => {
                Err(format!("not ready within {bound:?}: {}", self.command).into())
            }
            Err(RecvTimeoutError::Disconnected) => {
                Err(format!("ended before it was ready ({}): {}", self.process.wait()?, self.command).into())
            }
        }
    }

    /// Waits until it has ended by itself, and well.
    pub fn left(mut self, bound: Duration) -> Result<()> {
        match self.ended(bound)? {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(format!("ended with {status}").into()),
            None => Err(format!("still there after {bound:?}").into()),
        }
    }

    /// Ends it as a service manager would, without a successor.
    pub fn terminate(mut self, bound: Duration) -> Result<()> {
        kill(Pid::from_raw(self.process.id().cast_signed()), Signal::SIGTERM)?;
        match self.ended(bound)? {
            Some(_) => Ok(()),
            None => Err(format!("still there {bound:?} after SIGTERM").into()),
        }
    }

    fn ended(&mut self, bound: Duration) -> Result<Option<ExitStatus>> {
        ended(&mut self.process, bound)
    }
}

fn ended(process: &mut Child, bound: Duration) -> Result<Option<ExitStatus>> {
    let began = Instant::now();
    loop {
        let status = process.try_wait()?;
        if status.is_some() || began.elapsed() > bound {
            return Ok(status);
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// A client of a protocol that only its server's own library speaks; killed when dropped.
pub struct Witness(Child);

impl Witness {
    /// Starts it; what it prints goes to `witness.log` in `out`.
    pub fn start(command: &str, server: SocketAddr, out: &Path) -> Result<Witness> {
        let log = File::create(out.join("witness.log"))?;
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("exec {command} \"$0\" \"$1\""));
        shell.arg(server.ip().to_string()).arg(server.port().to_string());
        Ok(Witness(shell.stdin(Stdio::piped()).stdout(log.try_clone()?).stderr(log).spawn()?))
    }

    /// Whether it is content.
    pub fn stop(mut self, bound: Duration) -> Result<()> {
        drop(self.0.stdin.take());
        match ended(&mut self.0, bound)? {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(format!("it ended with {status}: see witness.log").into()),
            None => Err(format!("still there after {bound:?}").into()),
        }
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        // As below.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Whoever has ended already is not there to be killed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
