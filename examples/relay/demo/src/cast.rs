//! The processes of the demo: started here, heard here, and ended here, whatever happens.

use crate::Trouble;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// Who a line came from: a relay by its generation, or [`VERIFIER`].
pub type Who = u64;
/// The verifier.
pub const VERIFIER: Who = 0;

struct Actor {
    child: Child,
    stdin: ChildStdin,
}

/// All processes that run.
pub struct Cast {
    actors: BTreeMap<Who, Actor>,
    lines: Receiver<(Who, Option<Value>)>,
    sender: Sender<(Who, Option<Value>)>,
    interrupted: Arc<AtomicBool>,
    directory: tempfile::TempDir,
    logs: tempfile::TempDir,
}

impl Cast {
    /// Nobody runs yet.
    pub fn new() -> Result<Cast, Trouble> {
        let (sender, lines) = channel();
        let interrupted = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register(signal, interrupted.clone())?;
        }
        let directory = tempfile::Builder::new().prefix("zdt-demo-").tempdir()?;
        let logs = tempfile::Builder::new().prefix("zdt-demo-logs-").tempdir()?;
        Ok(Cast { actors: BTreeMap::new(), lines, sender, interrupted, directory, logs })
    }

    /// A directory of our own, removed at the end.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Forgets what a process that has ended has told.
    pub fn forget(&self, who: Who) {
        // There may be none.
        let _ = std::fs::remove_file(self.log(who));
    }

    /// Copies what each process has told, as far as it was not forgotten.
    pub fn keep_logs(&self, to: &Path) -> std::io::Result<()> {
        std::fs::create_dir_all(to)?;
        for entry in self.logs.path().read_dir()? {
            let entry = entry?;
            std::fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
        Ok(())
    }

    fn log(&self, who: Who) -> PathBuf {
        self.logs.path().join(format!("{who}.log"))
    }

    /// Starts a process whose stdout is JSON lines.
    pub fn start(&mut self, who: Who, mut command: Command) -> Result<u32, Trouble> {
        // Whoever writes to it appends, so that what was told and what was complained of stand there in their order.
        let log = File::options().append(true).create(true).open(self.log(who))?;
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log.try_clone()?)
            .spawn()
            .map_err(|error| format!("{}: {error}", command.get_program().display()))?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("pipes were asked for".into());
        };
        let sender = self.sender.clone();
        std::thread::spawn(move || {
            let lines = BufReader::new(stdout).lines().map_while(Result::ok).inspect(|line| {
                // The verifier's lines are many, and most of them are figures.
                let _ = (who == VERIFIER) || writeln!(&log, "{line}").is_ok();
            });
            let values = lines.filter_map(|line| serde_json::from_str(&line).ok());
            for line in values.map(Some).chain([None]) {
                // Fails only when the demo is over.
                let _ = sender.send((who, line));
            }
        });
        let pid = child.id();
        self.actors.insert(who, Actor { child, stdin });
        Ok(pid)
    }

    /// Whether a process runs.
    pub fn has(&self, who: Who) -> bool {
        self.actors.contains_key(&who)
    }

    /// Writes a line to a process.
    pub fn say(&mut self, who: Who, line: &str) -> Result<(), Trouble> {
        match self.actors.get_mut(&who) {
            Some(actor) => Ok(writeln!(actor.stdin, "{line}")?),
            None => Err(format!("{} is not there", name(who)).into()),
        }
    }

    /// Sends SIGTERM to a process.
    pub fn terminate(&self, who: Who) -> Result<(), Trouble> {
        match self.actors.get(&who) {
            Some(actor) => Ok(kill(Pid::from_raw(actor.child.id() as i32), Signal::SIGTERM)?),
            None => Err(format!("{} is not there", name(who)).into()),
        }
    }

    /// The next line of anybody, or `None` when nothing came for `patience`. The end of a
    /// process is a line too (`exit`); an interrupt is an error, and so is a process that ends badly.
    pub fn hear(&mut self, patience: Duration) -> Result<Option<(Who, Value)>, Trouble> {
        let deadline = Instant::now() + patience;
        loop {
            if self.interrupted.load(Ordering::Relaxed) {
                return Err("interrupted".into());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left.min(Duration::from_millis(100))) {
                Ok((who, Some(line))) => return Ok(Some((who, line))),
                Ok((who, None)) => return Ok(Some((who, self.ended(who)?))),
                Err(RecvTimeoutError::Timeout) if left.is_zero() => return Ok(None),
                Err(_) => {}
            }
        }
    }

    /// A process closed its stdout: how it ended, as a line.
    fn ended(&mut self, who: Who) -> Result<Value, Trouble> {
        let Some(mut actor) = self.actors.remove(&who) else { return Ok(Value::Null) };
        let status = actor.child.wait()?;
        if status.success() || who == VERIFIER {
            return Ok(serde_json::json!({"event": "exit"}));
        }
        let log = std::fs::read_to_string(self.log(who)).unwrap_or_default();
        let last: Vec<&str> = log.lines().filter(|line| !line.starts_with('{')).rev().take(5).collect();
        let words = last.into_iter().rev().collect::<Vec<_>>().join(" | ");
        Err(format!("{} ended with {status}: {words}", name(who)).into())
    }
}

impl Drop for Cast {
    fn drop(&mut self) {
        for actor in self.actors.values_mut() {
            // Fails only if it has ended, which is what we want.
            let _ = actor.child.kill();
            let _ = actor.child.wait();
        }
    }
}

fn name(who: Who) -> String {
    if who == VERIFIER { "the verifier".into() } else { format!("generation {who}") }
}
