//! The loop: sockets, timers, commands.

use crate::Options;
use crate::client::{Client, Role, SLOW_EVERY, State};
use crate::load::Load;
use crate::mirror::{Ask, Failure, Kind};
use crate::tally::{Line, Tally};
use mio::{Events, Interest, Poll, Token, Waker};
use serde::Deserialize;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io::{BufRead, Write};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

const WAKE: Token = Token(usize::MAX);
/// How many long-lived connections are opened in a second.
const OPENING: f64 = 5_000.0;
/// How long a window that is over waits for the requests that overlapped it.
const CLOSING: Duration = Duration::from_secs(1);
const TOTALS_EVERY: Duration = Duration::from_millis(200);

/// A command on stdin, one JSON object a line.
#[derive(Debug, Deserialize)]
#[serde(tag = "cmd", rename_all = "snake_case")]
enum Command {
    /// A window begins.
    Begin { name: String },
    /// It ends.
    End,
    /// Finish what is open, check every connection, report. So does the end of stdin.
    Stop,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    OpenLong,
    OpenShort,
    Act(usize),
    Rest(usize),
    Read(usize),
    Totals,
}

/// Runs until it is told to stop and every connection was checked. Says whether all of them came up and nothing went wrong.
pub fn run(options: &Options) -> std::io::Result<bool> {
    let mut engine = Engine::new(options)?;
    engine.run()?;
    print(&engine.tally.report(Instant::now()));
    Ok(engine.tally.totals.clean() && engine.greeted == options.connections)
}

struct Engine<'a> {
    options: &'a Options,
    poll: Poll,
    commands: Receiver<Command>,
    clients: HashMap<usize, Client>,
    timers: BinaryHeap<Reverse<(Instant, Timer)>>,
    tally: Tally,
    load: Load,
    buffer: Vec<u8>,
    next: usize,
    greeted: usize,
    stopping: bool,
}

impl<'a> Engine<'a> {
    fn new(options: &'a Options) -> std::io::Result<Engine<'a>> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKE)?;
        let (sender, commands) = channel();
        std::thread::spawn(move || {
            let lines = std::io::stdin().lock().lines().map_while(Result::ok);
            let read = lines.filter_map(|line| match serde_json::from_str(&line) {
                Ok(command) => Some(command),
                Err(error) => {
                    eprintln!("relay-verifier: {line}: {error}");
                    None
                }
            });
            for command in read.chain([Command::Stop]) {
                // Both fail only when the loop is over.
                let _ = sender.send(command).map(|()| waker.wake());
            }
        });
        let now = Instant::now();
        let timers = [Timer::OpenLong, Timer::Totals].map(|timer| Reverse((now, timer))).into();
        Ok(Engine {
            options,
            poll,
            commands,
            clients: HashMap::new(),
            timers,
            tally: Tally::new(now),
            load: Load::new(options.seed),
            buffer: vec![0; 256 << 10],
            next: 0,
            greeted: 0,
            stopping: false,
        })
    }

    fn run(&mut self) -> std::io::Result<()> {
        let mut events = Events::with_capacity(4096);
        while !(self.stopping && self.clients.is_empty()) {
            let wait =
                self.timers.peek().map(|Reverse((at, _))| at.saturating_duration_since(Instant::now()));
            match self.poll.poll(&mut events, wait) {
                Err(error) if error.kind() != std::io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            for event in &events {
                let token = event.token().0;
                let paced = self.clients.get(&token).is_some_and(|client| client.pace.is_some());
                self.drive(token, event.is_readable() && !paced);
            }
            while let Ok(command) = self.commands.try_recv() {
                self.obey(command);
            }
            let now = Instant::now();
            while self.timers.peek().is_some_and(|Reverse((at, _))| *at <= now) {
                if let Some(Reverse((at, timer))) = self.timers.pop() {
                    self.fire(timer, at, now);
                }
            }
        }
        self.tally.end(Instant::now());
        self.close_window(Instant::now());
        Ok(())
    }

    fn obey(&mut self, command: Command) {
        let now = Instant::now();
        match command {
            Command::Begin { name } => {
                self.close_window(now);
                print(&Line::Begun { name: &name });
                self.tally.begin(name, now);
            }
            Command::End => self.tally.end(now),
            Command::Stop if !self.stopping => {
                self.stopping = true;
                let tokens: Vec<usize> = self.clients.keys().copied().collect();
                for token in tokens {
                    if let Some(pace) = self.clients.get_mut(&token).and_then(|client| client.pace.as_mut()) {
                        *pace = self.buffer.len();
                    }
                    self.act(token, now);
                }
            }
            Command::Stop => {}
        }
    }

    fn fire(&mut self, timer: Timer, at: Instant, now: Instant) {
        match timer {
            Timer::OpenLong if !self.stopping => {
                let number = self.next;
                let role = match number {
                    n if n < self.options.slow() => Role::Slow,
                    n if n < self.options.slow() + self.options.split() => Role::Split,
                    _ => Role::Mixed,
                };
                // The padded ones come last: neither slow nor split, if there are enough.
                let padded = number >= self.options.connections.saturating_sub(self.options.padded);
                self.open(format!("live-{number}"), role, padded, now);
                if self.next < self.options.connections {
                    self.at(at + Duration::from_secs_f64(1.0 / OPENING), Timer::OpenLong);
                }
            }
            Timer::OpenShort if !self.stopping => {
                self.tally.totals.new_connections += 1;
                self.open(format!("new-{}", self.next), Role::Short, false, now);
                self.at(at + Duration::from_secs_f64(1.0 / self.options.new_per_second), Timer::OpenShort);
            }
            Timer::Act(token) => self.act(token, now),
            Timer::Rest(token) => {
                if let Some(client) = self.clients.get_mut(&token) {
                    client.ask_rest(now);
                }
                self.drive(token, false);
            }
            Timer::Read(token) => {
                self.drive(token, true);
                if self.clients.contains_key(&token) {
                    let every = if self.stopping { SLOW_EVERY / 10 } else { SLOW_EVERY };
                    self.at(now + every, Timer::Read(token));
                }
            }
            Timer::Totals => {
                self.sweep(now);
                print(&Line::Totals(&self.tally.totals));
                self.at(now + TOTALS_EVERY, Timer::Totals);
            }
            Timer::OpenLong | Timer::OpenShort => {}
        }
    }

    fn at(&mut self, at: Instant, timer: Timer) {
        self.timers.push(Reverse((at, timer)));
    }

    fn open(&mut self, name: String, role: Role, padded: bool, now: Instant) {
        let token = self.next;
        self.next += 1;
        let opened = Client::connect(self.options.address, name.clone(), role).and_then(|mut client| {
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll.registry().register(&mut client.stream, Token(token), interest)?;
            Ok(client)
        });
        match opened {
            Ok(mut client) => {
                client.padded = padded;
                client.ask(Ask::Hello(name), now);
                if role == Role::Slow {
                    self.at(now + SLOW_EVERY, Timer::Read(token));
                }
                if role == Role::Short && self.load.toss() {
                    self.load.ask(&mut client, now); // all at once
                }
                if padded {
                    client.ask(Ask::Pad(self.options.padding), now);
                }
                let unusual = self.options.slow() + self.options.split();
                if (unusual..unusual + self.options.refused).contains(&token) {
                    client.ask(Ask::RefuseMe, now);
                }
                self.clients.insert(token, client);
            }
            Err(error) => {
                let failure = Failure { kind: Kind::Failed, what: format!("connect: {error}") };
                self.tally.failed(&name, &failure, now);
            }
        }
    }

    /// Writes and reads what can be, and counts what came.
    fn drive(&mut self, token: usize, readable: bool) {
        let now = Instant::now();
        let Some(client) = self.clients.get_mut(&token) else { return };
        let mut state = client.write();
        let mut ended = false;
        // A reset shows on writing first; what came before it is read all the same, and the first error told.
        if readable || state.is_err() {
            let read = client.read(&mut self.buffer, now);
            ended = read == Ok(State::Ended);
            state = read.map(drop).and(state);
        }
        let mut answered = 0;
        for answer in client.answers() {
            answered += 1;
            self.tally.answered(token, &answer, now);
            if let Some((_, generation)) = answer.who {
                client.generation = generation;
            }
        }
        if let Err(failure) = state {
            self.tally.failed(&client.name, &failure, now);
            self.forget(token);
        } else if ended {
            self.forget(token);
        } else if answered > 0 && client.is_idle() {
            self.idle(token, now);
        } else if answered > 0 && client.role == Role::Slow && !self.stopping {
            self.load.top_up(client, now);
        }
    }

    /// Everything that a connection asked was answered.
    fn idle(&mut self, token: usize, now: Instant) {
        let Some(client) = self.clients.get_mut(&token) else { return };
        let (role, last, generation) = (client.role, client.last, client.generation);
        if !std::mem::replace(&mut client.greeted, true) && role != Role::Short {
            self.greeted += 1;
            self.tally.totals.live_connections += 1;
            if self.greeted == self.options.connections {
                print(&self.tally.ready(now));
                if self.options.new_per_second > 0.0 {
                    self.at(now, Timer::OpenShort);
                }
            }
        }
        if last && role != Role::Short {
            self.tally.ended_at(generation);
            self.forget(token);
        } else if self.stopping || role != Role::Mixed {
            self.at(now, Timer::Act(token));
        } else {
            let wait = self.load.wait(self.options.period());
            self.at(now + wait, Timer::Act(token));
        }
    }

    /// An idle connection asks the next thing.
    fn act(&mut self, token: usize, now: Instant) {
        let Some(client) = self.clients.get_mut(&token) else { return };
        if client.is_idle() && !client.last {
            if self.stopping && client.role != Role::Short {
                self.load.ask_last(client, now);
            } else if let Some(due) = self.load.ask(client, now) {
                self.timers.push(Reverse((due, Timer::Rest(token))));
            }
        }
        self.drive(token, false);
    }

    /// Looks for replies that are overdue, and closes a window whose requests are answered.
    fn sweep(&mut self, now: Instant) {
        let limit = Duration::from_millis(self.options.timeout_ms);
        let overdue: Vec<(usize, Failure)> = self
            .clients
            .iter()
            .filter_map(|(token, client)| {
                client.check_timeout(limit, now).err().map(|failure| (*token, failure))
            })
            .collect();
        for (token, failure) in overdue {
            if let Some(client) = self.clients.get(&token) {
                self.tally.failed(&client.name, &failure, now);
            }
            self.forget(token);
        }
        let end = self.tally.closing();
        if end.is_some_and(|end| now >= end + CLOSING) {
            self.close_window(now);
        }
    }

    fn close_window(&mut self, now: Instant) {
        if self.tally.closing().is_none() {
            return;
        }
        for (token, client) in &self.clients {
            if let Some(since) = client.timed_since().filter(|_| client.rest.is_empty()) {
                self.tally.overlapped(*token, since, now);
            }
        }
        if let Some(pauses) = self.tally.close() {
            print(&Line::Window(pauses));
        }
    }

    fn forget(&mut self, token: usize) {
        if let Some(mut client) = self.clients.remove(&token) {
            // Fails only if the socket was never registered.
            let _ = self.poll.registry().deregister(&mut client.stream);
        }
    }
}

fn print(line: &Line<'_>) {
    let mut out = std::io::stdout().lock();
    // Nobody listens any more: then there is nobody to tell either.
    let _ = serde_json::to_writer(&mut out, line).map(|()| out.write_all(b"\n"));
}
