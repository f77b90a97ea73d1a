//! Moves connections through a whole takeover: one process is the predecessor, another one the successor.
//!
//! `mover predecessor PATH COUNT` takes the connections from its standard input, and with `untold` as a last word does not
//! tell its successor how many there are; `mover successor PATH COUNT THREADS`
//! has THREADS idle threads before it opens, and stays until its standard input ends. Each prints one line of what it
//! measured.

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{UsageWho, getrusage};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};
use zdt::{Config, Event, Frozen, NotMigrated, Protocol, Takeover};
use zdt_bench::{Result, cpu_time, receive_connections};

/// Nothing here takes that long, unless it hangs.
const DEADLINE: Duration = Duration::from_secs(20);
const STATE: [u8; 64] = [b's'; 64];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        ["predecessor", path, count] => number(count).and_then(|count| predecessor(path, count, true)),
        ["predecessor", path, count, "untold"] => {
            number(count).and_then(|count| predecessor(path, count, false))
        }
        ["successor", path, count, threads] => {
            number(count).and_then(|count| successor(path, count, number(threads)?))
        }
        _ => Err("usage: mover predecessor PATH COUNT [untold] | mover successor PATH COUNT THREADS".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mover: {error}");
            ExitCode::FAILURE
        }
    }
}

fn number(text: &str) -> Result<usize> {
    Ok(text.parse()?)
}

fn config() -> Config {
    let mut config = Config::default();
    config.program = "mover".into();
    config.probation = Duration::ZERO;
    config
}

fn predecessor(path: &str, count: usize, told: bool) -> Result<()> {
    let mut sockets: Vec<Option<OwnedFd>> = receive_connections(count)?.into_iter().map(Some).collect();
    let takeover = Takeover::open(path, config())?;
    takeover.ready()?;
    if told {
        takeover.set_connections(count as u64);
    }
    println!("open");
    while !matches!(event(&takeover)?, Event::Drain { successor: Some(_), .. }) {}

    let (cpu, start) = (cpu_time()?, Instant::now());
    let (mut offered, mut settled) = (0, 0);
    let protocol = Protocol::from("bench");
    let mut full = offer(&takeover, &protocol, &sockets, &mut offered, None)?;
    while settled < count {
        match event(&takeover)? {
            Event::Settled(id) => {
                drop(sockets[id as usize].take());
                settled += 1;
            }
            Event::Room => full = offer(&takeover, &protocol, &sockets, &mut offered, full.take())?,
            other => return Err(format!("after {settled} of {count}: {other:?}").into()),
        }
    }
    let (wall, cpu) = (start.elapsed(), cpu_time()? - cpu);
    println!("moved={settled} wall_ns={} cpu_ns={}", wall.as_nanos(), cpu.as_nanos());
    while !matches!(event(&takeover)?, Event::Done { .. }) {}
    Ok(())
}

/// Offers until there is no more room, and returns the connection that did not fit.
fn offer(
    takeover: &Takeover,
    protocol: &Protocol,
    sockets: &[Option<OwnedFd>],
    offered: &mut usize,
    full: Option<Box<Frozen>>,
) -> Result<Option<Box<Frozen>>> {
    let mut again = full.map(|frozen| *frozen);
    while *offered < sockets.len() {
        let frozen = match again.take() {
            Some(frozen) => frozen,
            None => {
                freeze(*offered, protocol, sockets[*offered].as_ref().ok_or("settled before it was offered")?)
            }
        };
        match takeover.migrate(frozen) {
            Ok(()) => *offered += 1,
            Err(NotMigrated::Full(frozen)) => return Ok(Some(frozen)),
            Err(NotMigrated::Failed(_, error)) => return Err(error.into()),
        }
    }
    takeover.migrated_all()?;
    Ok(None)
}

fn freeze(id: usize, protocol: &Protocol, socket: &OwnedFd) -> Frozen {
    let mut frozen = Frozen::new(id as u64, socket.as_raw_fd(), protocol.clone());
    frozen.state_version = 1;
    frozen.state = STATE.to_vec();
    frozen
}

fn event(takeover: &Takeover) -> Result<Event> {
    Ok(takeover.next_event(Some(DEADLINE))?.ok_or("nothing happened before the deadline")?)
}

fn successor(path: &str, count: usize, threads: usize) -> Result<()> {
    for _ in 0..threads {
        thread::spawn(|| {
            loop {
                thread::park();
            }
        });
    }
    let takeover = Takeover::open(path, config())?;
    let mut adopted: Vec<(OwnedFd, Vec<u8>)> = Vec::with_capacity(count);
    let mut committed = false;
    // Looking at the clock costs as much as a part of what is measured, so only a receiver with threads does.
    let mut meter = (threads > 0).then(StallMeter::default);
    takeover.ready()?;

    let cpu = cpu_time()?;
    let spent = loop {
        let event = takeover.next_event(Some(Duration::ZERO))?;
        let idle = event.is_none();
        match event {
            Some(Event::Offer(offer)) => {
                let connection = offer.adopt()?.ok_or("a connection went back")?;
                adopted.push((connection.socket, connection.state));
            }
            Some(Event::Committed { .. }) => committed = true,
            Some(other) => return Err(format!("after {} of {count}: {other:?}", adopted.len()).into()),
            None => {}
        }
        if let Some(meter) = &mut meter {
            meter.step()?;
        }
        if idle && adopted.len() == count {
            break cpu_time()? - cpu;
        }
        if idle {
            await_event(&takeover)?;
            meter.as_mut().map(StallMeter::resume).transpose()?;
        }
    };
    if adopted.iter().any(|(_, state)| state != &STATE) {
        return Err("a state arrived that was not sent".into());
    }
    print!("adopted={} cpu_ns={}", adopted.len(), spent.as_nanos());
    if let Some(meter) = meter {
        print!(" stall_ns={} preempted_ns={}", meter.longest.as_nanos(), meter.preempted.as_nanos());
    }
    println!();
    while !committed {
        committed = matches!(event(&takeover)?, Event::Committed { .. });
    }
    // Leaving is work too: not while the predecessor is still measuring.
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}

/// Finds the longest single step of a loop, and apart from it the longest in which the kernel gave the core to somebody
/// else: on a machine that does other things too that one says nothing about us.
#[derive(Default)]
struct StallMeter {
    longest: Duration,
    preempted: Duration,
    last: Option<Instant>,
    switches: i64,
}

impl StallMeter {
    /// A step begins, after a wait that does not count.
    fn resume(&mut self) -> Result<()> {
        self.switches = preemptions()?;
        self.last = Some(Instant::now());
        Ok(())
    }

    /// A step ends, and the next one begins.
    fn step(&mut self) -> Result<()> {
        let now = Instant::now();
        let took = self.last.replace(now).map_or(Duration::ZERO, |last| now - last);
        if took > self.longest {
            let switches = preemptions()?;
            match std::mem::replace(&mut self.switches, switches) == switches {
                true => self.longest = took,
                false => self.preempted = self.preempted.max(took),
            }
        }
        Ok(())
    }
}

/// How often the kernel took the core away from this thread although it had something to do (getrusage(2)).
fn preemptions() -> Result<i64> {
    Ok(getrusage(UsageWho::RUSAGE_THREAD)?.involuntary_context_switches())
}

/// Waits outside libzdt, so that the time until something is sent is not taken for a stall.
fn await_event(takeover: &Takeover) -> Result<()> {
    let mut fds = [PollFd::new(takeover.event_fd(), PollFlags::POLLIN)];
    match poll(&mut fds, PollTimeout::try_from(DEADLINE)?)? {
        0 => Err("nothing happened before the deadline".into()),
        _ => Ok(()),
    }
}
