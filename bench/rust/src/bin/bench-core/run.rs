//! One run of one variant: start its programs, lend them the connections, read what they measured.

use std::fs::DirBuilder;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;
use zdt_bench::{Result, send_connections};

/// No run takes that long, unless something hangs.
const DEADLINE: Duration = Duration::from_secs(60);

/// What is measured.
#[derive(Debug, Clone, Copy)]
pub struct Variant {
    pub name: &'static str,
    program: Program,
    /// Idle threads in the receiver.
    threads: usize,
    /// The predecessor says how many connections come (`set_connections`), so that the successor grows its table beforehand.
    told: bool,
}

#[derive(Debug, Clone, Copy)]
enum Program {
    /// `floor`: descriptors in each message, messages in flight.
    Floor { per_message: usize, window: usize },
    /// A whole takeover by this program; `None`: the mover in Rust, which lies beside us.
    Mover(Option<&'static str>),
}

/// What everything is compared to: as many descriptors in a message as the kernel takes, and libzdt's window.
pub const FLOOR: Variant = Variant {
    name: "floor",
    program: Program::Floor { per_message: 253, window: 4 },
    threads: 0,
    told: true,
};

/// One descriptor for each message with an answer each, as others do it.
pub const ONE_PER_MESSAGE: &str = "one per message";

/// What growing the receiver's table beforehand saves: here it is not told how many connections come.
const UNTOLD: &str = "rust into 8 untold";

/// All that is compared to the floor.
pub const VARIANTS: &[Variant] = &[
    Variant { name: ONE_PER_MESSAGE, program: Program::Floor { per_message: 1, window: 1 }, ..FLOOR },
    Variant { name: "floor into 8 threads", threads: 8, ..FLOOR },
    Variant { name: "rust", program: Program::Mover(None), ..FLOOR },
    Variant { name: "rust into 8 threads", program: Program::Mover(None), threads: 8, ..FLOOR },
    Variant { name: UNTOLD, program: Program::Mover(None), threads: 8, told: false },
    Variant { name: "c", program: Program::Mover(Some("mover")), ..FLOOR },
    Variant { name: "c into 8 threads", program: Program::Mover(Some("mover")), threads: 8, ..FLOOR },
];

impl Variant {
    /// Whether this goes through libzdt as it should be used: then there are goals for it.
    pub fn has_goals(&self) -> bool {
        matches!(self.program, Program::Mover(_)) && self.told
    }

    /// Whether the receiver has threads.
    pub fn is_threaded(&self) -> bool {
        self.threads > 0
    }
}

/// What one run measured.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    /// From the first send (or migrate) to the last close in the sender, in nanoseconds.
    pub wall: f64,
    /// Processor time of both processes over that span, in nanoseconds.
    pub cpu: f64,
    /// The longest single step of the receiver, waiting for the sender not included, in nanoseconds; where it is measured.
    pub stall: Option<f64>,
    /// The longest step in which the kernel gave the core to somebody else, likewise.
    pub preempted: Option<f64>,
}

/// Where the programs are, and a directory for the takeover socket.
pub struct Bench {
    programs: PathBuf,
    directory: PathBuf,
}

impl Bench {
    /// The programs in C lie in `programs`, those in Rust beside this one.
    pub fn new(programs: &Path) -> Result<Bench> {
        let directory = std::env::temp_dir().join(format!("zdt-bench-{}", std::process::id()));
        DirBuilder::new().mode(0o700).create(&directory)?;
        Ok(Bench { programs: programs.to_owned(), directory })
    }

    /// Moves copies of `connections` once.
    pub fn run(&self, variant: &Variant, connections: &[TcpStream]) -> Result<Measured> {
        let context = |error| format!("{}, {} connections: {error}", variant.name, connections.len());
        let (sender, receiver) = match variant.program {
            Program::Floor { per_message, window } => {
                self.floor(variant, per_message, window, connections).map_err(context)?
            }
            Program::Mover(name) => self.takeover(variant, name, connections).map_err(context)?,
        };
        if field(&sender, "moved")? != connections.len() as f64
            || field(&receiver, "adopted")? != connections.len() as f64
        {
            return Err(context(format!("not all were moved: {sender}; {receiver}").into()).into());
        }
        Ok(Measured {
            wall: field(&sender, "wall_ns")?,
            cpu: field(&sender, "cpu_ns")? + field(&receiver, "cpu_ns")?,
            stall: field(&receiver, "stall_ns").ok(),
            preempted: field(&receiver, "preempted_ns").ok(),
        })
    }

    fn floor(
        &self,
        variant: &Variant,
        per_message: usize,
        window: usize,
        connections: &[TcpStream],
    ) -> Result<(String, String)> {
        let mut command = Command::new(self.programs.join("floor"));
        for (option, value) in
            [("-n", connections.len()), ("-k", per_message), ("-w", window), ("-t", variant.threads)]
        {
            command.args([option, &value.to_string()]);
        }
        if variant.threads > 0 {
            command.arg("-s");
        }
        let (theirs, ours) = UnixDatagram::pair()?;
        let mut floor = Running::start(command.stdin(OwnedFd::from(theirs)))?;
        drop(command);
        send_connections(ours.as_fd(), connections)?;
        let lines = (floor.line()?, floor.line()?);
        floor.end()?;
        Ok(lines)
    }

    fn takeover(
        &self,
        variant: &Variant,
        name: Option<&str>,
        connections: &[TcpStream],
    ) -> Result<(String, String)> {
        let program = match name {
            Some(name) => self.programs.join(name),
            None => std::env::current_exe()?.with_file_name("mover"),
        };
        let path = self.directory.join("zdt.sock");
        let count = connections.len().to_string();

        let mut command = Command::new(&program);
        let (theirs, ours) = UnixDatagram::pair()?;
        command.arg("predecessor").arg(&path).arg(&count);
        command.args((!variant.told).then_some("untold")).stdin(OwnedFd::from(theirs));
        let mut predecessor = Running::start(&mut command)?;
        drop(command);
        send_connections(ours.as_fd(), connections)?;
        if predecessor.line()? != "open" {
            return Err("the predecessor did not open".into());
        }
        // A child gets a table as large as ours, and exec keeps it: only a child of a process with few descriptors has a
        // small one, as a successor has.
        let mut command = Command::new("sh");
        command
            .args(["-c", "\"$0\" \"$@\"; exit $?"])
            .arg(&program)
            .arg("successor")
            .arg(&path)
            .arg(&count)
            .arg(variant.threads.to_string())
            .stdin(Stdio::piped());
        let mut successor = Running::start(&mut command)?;
        let lines = (predecessor.line()?, successor.line()?);
        predecessor.end()?;
        drop(successor.child.stdin.take());
        successor.end()?;
        Ok(lines)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.directory) {
            eprintln!("bench-core: {}: {error}", self.directory.display());
        }
    }
}

/// A program that runs; whoever drops it early kills it.
struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    fn start(command: &mut Command) -> Result<Running> {
        let program = command.get_program().to_owned();
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{}: {error}", program.display()))?;
        let stdout = child.stdout.take().ok_or("no standard output")?;
        let (sender, lines) = channel();
        // A reader of its own, so that a program that hangs is found out by the deadline.
        thread::spawn(move || {
            BufReader::new(stdout).lines().map_while(|line| line.ok()).try_for_each(|line| sender.send(line))
        });
        Ok(Running { child, lines })
    }

    fn line(&self) -> Result<String> {
        Ok(self.lines.recv_timeout(DEADLINE).map_err(|_| "a program ended early or hangs")?)
    }

    fn end(&mut self) -> Result<()> {
        // Its standard output ends when it exits: wait for that first, since waiting for a process has no deadline.
        loop {
            match self.lines.recv_timeout(DEADLINE) {
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => return Err("a program hangs".into()),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        match self.child.wait()? {
            status if status.success() => Ok(()),
            status => Err(format!("a program failed: {status}").into()),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            // It may have exited since: then there is nothing to kill, and waiting returns at once.
            self.child.kill().ok();
            self.child.wait().ok();
        }
    }
}

/// The number behind `name=` in a line of `name=number` words.
fn field(line: &str, name: &str) -> Result<f64> {
    let value = line.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    Ok(value.ok_or_else(|| format!("no {name} in: {line}"))?.parse()?)
}
