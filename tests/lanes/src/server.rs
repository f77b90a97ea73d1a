//! A pre-fork server: started here, heard here, and ended here, with all that it started.

use crate::{Trouble, until};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

/// A program that can be started as an arbiter.
#[derive(Debug, Clone)]
pub struct Program {
    pub language: String,
    pub path: String,
}

pub struct Server {
    arbiter: Child,
    told: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Starts it in a process group of its own, and waits until it has its listener.
    pub fn start(
        program: &Program,
        workers: u32,
        switches: &[&str],
        place: &Path,
    ) -> Result<Server, Trouble> {
        let mut log = File::options().create(true).append(true).open(place.join("log"))?;
        let mut command = Command::new(&program.path);
        command.arg(format!("--workers={workers}")).arg("--probation-ms=500").args(switches);
        command.arg(place.join("zdt.sock")).arg("127.0.0.1:0").process_group(0);
        writeln!(log, "$ {command:?}")?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log.try_clone()?);
        let mut arbiter = command.spawn().map_err(|error| format!("{}: {error}", program.path))?;
        let stdout = arbiter.stdout.take().ok_or("a pipe was asked for")?;
        let told = Arc::new(Mutex::new(Vec::new()));
        let hears = told.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = writeln!(log, "{line}");
                hears.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
        let server = Server { arbiter, told };
        server.tells("listening")?;
        Ok(server)
    }

    /// The rest of each line that begins with this word, so far.
    pub fn said(&self, word: &str) -> Vec<String> {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let rest = |line: &String| Some(line.strip_prefix(word)?.strip_prefix(' ')?.to_string());
        told.iter().filter_map(rest).collect()
    }

    /// Waits for this word; the rest of its first line.
    pub fn tells(&self, word: &str) -> Result<String, Trouble> {
        until(&format!("process {} to tell {word:?}", self.pid()), || !self.said(word).is_empty())?;
        Ok(self.said(word).remove(0))
    }

    pub fn address(&self) -> Result<String, Trouble> {
        Ok(self.tells("listening")?.split(' ').next().unwrap_or_default().to_string())
    }

    pub fn pid(&self) -> u32 {
        self.arbiter.id()
    }

    /// The pids of its workers, in the order of their birth.
    pub fn workers(&self) -> Vec<u32> {
        self.said("worker").iter().filter_map(|pid| pid.parse().ok()).collect()
    }

    /// The clients' ports of the connections that this worker was about to adopt.
    pub fn adopting(&self, worker: u32) -> Vec<u16> {
        let pairs = self.said("adopting");
        let pairs = pairs.iter().filter_map(|line| line.split_once(' '));
        pairs
            .filter(|(pid, _)| *pid == worker.to_string())
            .filter_map(|(_, port)| port.parse().ok())
            .collect()
    }

    /// Ends one of its workers on the spot. It may have ended by itself.
    pub fn kill_worker(&self, worker: u32) -> Result<bool, Trouble> {
        match self.lives(worker).then(|| kill(Pid::from_raw(worker as i32), Signal::SIGKILL)) {
            Some(Ok(())) => Ok(true),
            None | Some(Err(Errno::ESRCH)) => Ok(false),
            Some(Err(error)) => Err(error.into()),
        }
    }

    /// Stops these of its processes, and waits until they are.
    pub fn stop(&self, pids: &[u32]) -> Result<(), Trouble> {
        signal(pids, Signal::SIGSTOP)?;
        until(&format!("{pids:?} to stop"), || pids.iter().all(|pid| self.state(*pid) == Some('T')))
    }

    /// They go on.
    pub fn wake(pids: &[u32]) -> Result<(), Trouble> {
        signal(pids, Signal::SIGCONT)
    }

    /// Ends the arbiter on the spot.
    pub fn kill_arbiter(&mut self) -> Result<(), Trouble> {
        self.arbiter.kill()?;
        self.arbiter.wait()?;
        Ok(())
    }

    /// Asks it to drain and end.
    pub fn ask_to_end(&self) -> Result<(), Trouble> {
        signal(&[self.pid()], Signal::SIGTERM)
    }

    /// Waits for it to end by itself, with 0, and all its workers with it.
    pub fn ends_well(&mut self) -> Result<(), Trouble> {
        let mut status = None;
        until(&format!("process {} to end", self.pid()), || {
            status = self.arbiter.try_wait().ok().flatten();
            status.is_some()
        })?;
        let well = status.is_some_and(|status| status.success());
        if !well {
            return Err(format!("the arbiter {} ended with {status:?}", self.pid()).into());
        }
        self.workers_end()
    }

    pub fn workers_end(&self) -> Result<(), Trouble> {
        let living = || self.workers().into_iter().filter(|pid| self.lives(*pid)).collect::<Vec<_>>();
        until("all workers to end", || living().is_empty())
            .map_err(|error| format!("{error}: {:?} of {} live", living(), self.pid()).into())
    }

    /// Whether a process of our group has this pid, and is no zombie.
    fn lives(&self, pid: u32) -> bool {
        self.state(pid).is_some_and(|state| state != 'Z')
    }

    /// The state of the process of our group that has this pid (proc_pid_stat).
    fn state(&self, pid: u32) -> Option<char> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
        match fields[..] {
            [state, _, group, ..] if group == self.pid().to_string() => state.chars().next(),
            _ => None,
        }
    }
}

fn signal(pids: &[u32], signal: Signal) -> Result<(), Trouble> {
    pids.iter().try_for_each(|pid| Ok(kill(Pid::from_raw(*pid as i32), signal)?))
}

impl Drop for Server {
    /// Where a case failed something may be left.
    fn drop(&mut self) {
        let left = self.workers().iter().any(|pid| self.lives(*pid))
            || self.arbiter.try_wait().ok().flatten().is_none();
        if left {
            let _ = killpg(Pid::from_raw(self.pid() as i32), Signal::SIGKILL);
            let _ = self.arbiter.wait();
        }
    }
}
