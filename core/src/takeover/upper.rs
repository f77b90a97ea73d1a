//! The link up, seen from a successor: what its predecessor says, and the connections that come.

use super::actions::Millis;
use super::config::Config;
use super::event::Peer;
use super::explain::refuse_note;
use super::link::{Arrival, Link};
use super::outside::{Outside, UP_DEATH};
use super::state::State;
use super::successor::FromPredecessor;
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::listener::ListenerSpec;
use crate::ownership::{Ledger, SharedDeed, SharedLedger};
use crate::sys::process::{self, Credentials};
use crate::sys::{blob, fd_table, inet, unix};
use crate::wire::limits::{MAX_NAME, VERSIONS, clip};
use crate::wire::message::{Hello, Listeners, Message, Note, OfferItem, Offers, Readable, Role, Welcome};
use crate::wire::{Parcel, check_descriptors, unpack};
use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};

/// Descriptors that a program needs beside its connections while it takes over.
const SPARE: u64 = 64;

#[derive(Debug)]
pub(super) struct Up {
    pub link: Link,
    pub ledger: Option<SharedLedger>,
    pub pidfd: Option<OwnedFd>,
    credentials: Credentials,
    pub peer: Peer,
    /// How many workers it has.
    pub workers: u32,
    /// Received connections that the application has not been shown, in the order of arrival.
    pub parcels: VecDeque<Parcel>,
    /// What the predecessor said when it left.
    pub note: Option<Note>,
}

impl Up {
    /// A link to whoever waits at the path: HELLO is queued.
    pub(super) fn hello(socket: OwnedFd, credentials: Credentials, out: &Outside) -> Result<Up> {
        Up::hello_as(Role::Lead, 0, 0, socket, credentials, out)
    }

    /// The same, also for a worker and its lane.
    pub(super) fn hello_as(
        role: Role,
        attempt: u32,
        worker: u32,
        socket: OwnedFd,
        credentials: Credentials,
        out: &Outside,
    ) -> Result<Up> {
        let system =
            |call: &str, error: &std::io::Error| Error::system(call, error).now("nothing was changed");
        let pidfd = process::own_pidfd().map_err(|error| {
            Error::new(
                ErrorKind::Unsupported,
                format!("pidfd_open: {error}"),
                "live takeover needs Linux 5.4",
            )
            .with_errno(error.raw_os_error().unwrap_or(0))
        })?;
        let reads = out.config.reads.iter();
        let mut link = Link::new(socket, fault::Role::Successor);
        link.queue(
            Message::Hello(Hello {
                versions: VERSIONS.to_vec(),
                capabilities: 0,
                reads: reads
                    .map(|r| Readable { protocol: r.protocol.clone(), versions: r.versions.clone() })
                    .collect(),
                // What the limit can be raised to counts as free: it is raised once we are welcome.
                free_descriptors: fd_table::attainable().map_err(|error| system("getrlimit", &error))?,
                pid: std::process::id(),
                program: clip(&out.config.program, MAX_NAME).into(),
                runtime: clip(&out.config.runtime, MAX_NAME).into(),
                role,
                attempt,
                worker,
            }),
            vec![pidfd],
        );
        let peer = Peer { pid: credentials.pid, ..Peer::default() };
        Ok(Up {
            link,
            ledger: None,
            pidfd: None,
            credentials,
            peer,
            workers: 0,
            parcels: VecDeque::new(),
            note: None,
        })
    }

    /// The predecessor's welcome: who it is, its pidfd, the ledger. Makes room for what is coming.
    pub(super) fn take_welcome(&mut self, welcome: &Welcome, fds: Vec<OwnedFd>) -> Result<()> {
        let Ok([pidfd, ledger]) = <[OwnedFd; 2]>::try_from(fds) else {
            return Err(Error::new(
                ErrorKind::DescriptorCount,
                "WELCOME comes with a pidfd and a ledger",
                "",
            ));
        };
        if !VERSIONS.contains(&welcome.version) {
            let what = format!("the predecessor chose protocol version {}", welcome.version);
            return Err(Error::new(ErrorKind::NoCommonVersion, what, "the predecessor goes on serving"));
        }
        check_pidfd(&pidfd, self.credentials.pid)?;
        let ledger = SharedLedger::map(ledger).map_err(|error| {
            Error::new(ErrorKind::Malformed, error.to_string(), "the predecessor goes on serving")
        })?;
        self.ledger = Some(ledger);
        self.pidfd = Some(pidfd);
        self.peer.program = welcome.program.clone();
        self.peer.runtime = welcome.runtime.clone();
        self.peer.generation = welcome.generation;
        self.workers = welcome.workers.unwrap_or(0);
        make_room(welcome.connections.saturating_add(welcome.listeners.into()), self.peer.pid)
    }

    /// Whether the slots of a batch are in the ledger.
    pub(super) fn has_slots_of(&self, offers: &Offers) -> Result<()> {
        let slots = self.ledger.as_ref().map_or(0, Ledger::slots);
        if offers.items.iter().all(|item| item.slot < slots) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Malformed, "an OFFER names a slot that the ledger has not", ""))
    }

    /// Keeps a batch, each connection with its descriptors and bytes, until the application is shown it.
    pub(super) fn keep(&mut self, items: Vec<OfferItem>, fds: Vec<OwnedFd>, config: &Config) {
        for mut parcel in unpack(items, fds) {
            let within = parcel.is_within(config.max_state, config.max_bytes);
            if let Some((memfd, length)) = parcel.memfd().filter(|_| within) {
                let bytes =
                    blob::read(memfd, length).map_err(|error| Error::system("reading a memfd", &error));
                // Where that fails the memfd stays, and the connection is refused instead of being shown.
                let _ = bytes.and_then(|bytes| parcel.fill(bytes.into()));
            }
            self.parcels.push_back(parcel);
        }
    }

    pub(super) fn is_dead(&self) -> bool {
        self.pidfd.as_ref().is_some_and(|pidfd| process::is_dead(pidfd.as_fd()))
    }
}

impl State {
    /// Reads one message of the predecessor. Whether there may be more to read at once: after a batch of connections there
    /// is not, so that each is answered before the next is read.
    pub(super) fn read_up(&mut self, out: &Outside) -> bool {
        let now = out.now();
        let Some(up) = &mut self.up else { return false };
        let mut batch = false;
        let arrived = match up.link.receive(self.engine.reads_past_reset()) {
            Ok(Arrival::Nothing) => return false,
            Ok(Arrival::End) => {
                let dead = up.is_dead();
                self.engine.with(now, |up, _, context| {
                    up.as_mut().map(|up| if dead { up.died(context) } else { up.end_of_file(context) })
                });
                return false;
            }
            Ok(Arrival::Message(message, fds)) => {
                batch = matches!(message, Message::Offer(_));
                self.predecessor_said(message, fds, out)
            }
            Ok(Arrival::Truncated(Message::Offer(offers), fds)) => {
                self.turn_down(&offers, fds, now);
                Ok(())
            }
            Ok(Arrival::Truncated(..)) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = arrived {
            self.give_up(error, now);
        }
        !batch
    }

    /// The attempt cannot go on: say why, and read the link to its end.
    pub(super) fn give_up(&mut self, error: Error, now: Millis) {
        if let Some(up) = &mut self.up {
            up.link.queue(Message::Note(refuse_note(&error)), Vec::new());
        }
        self.fault.get_or_insert(error);
        self.engine.with(now, |up, _, context| up.as_mut().map(|up| up.broke(context)));
    }

    /// Why the application refuses a connection, in its own words.
    pub(super) fn say_why(&mut self, why: &str) {
        if let Some(up) = &mut self.up {
            up.link.queue(Message::Note(refuse_note(&Error::new(ErrorKind::Refused, why, ""))), Vec::new());
        }
    }

    fn predecessor_said(&mut self, message: Message, fds: Vec<OwnedFd>, out: &Outside) -> Result<()> {
        let now = out.now();
        let said = match message {
            Message::Welcome(welcome) => self.welcomed(welcome, fds, out)?,
            Message::Refuse(refuse) => {
                let kind = ErrorKind::from_number(refuse.number as i32).unwrap_or(ErrorKind::Refused);
                let now =
                    if kind.retry_helps() { "it goes on serving; call again" } else { "it goes on serving" };
                return Err(Error::new(kind, refuse.reason, now).with_pid(refuse.pid));
            }
            Message::Listeners(listeners) => self.take_listeners(listeners, fds)?,
            Message::Draining(draining) => {
                self.received.expected = self.received.expected.max(draining.connections);
                FromPredecessor::Draining
            }
            Message::Offer(offers) => return self.take_offers(offers, fds, out),
            Message::Lane(lane) => return self.open_lane(lane.seat),
            Message::Note(note) => {
                let hung = note.number == ErrorKind::NoAnswer.number() as u32;
                if let (false, Some(up)) = (hung, &mut self.up) {
                    up.note = Some(note);
                }
                if hung && self.seats.ask_who_is_awake() {
                    return Ok(());
                }
                if hung { FromPredecessor::Hung } else { FromPredecessor::Note }
            }
            other => return Err(out_of_order(&other)),
        };
        let fits =
            self.engine.with(now, |up, _, context| up.as_mut().is_some_and(|up| up.said(said, context)));
        if !fits {
            return Err(Error::new(
                ErrorKind::OutOfOrder,
                format!("the predecessor's {said:?} does not fit the step"),
                "the predecessor goes on serving",
            ));
        }
        if self.engine.up.as_ref().is_some_and(|up| up.is_checking()) {
            self.check_listeners()?;
            self.engine.with(now, |up, _, context| up.as_mut().map(|up| up.checked(context)));
        }
        Ok(())
    }

    fn welcomed(&mut self, welcome: Welcome, fds: Vec<OwnedFd>, out: &Outside) -> Result<FromPredecessor> {
        let Some(up) = &mut self.up else { return Err(out_of_order(&Message::Welcome(welcome))) };
        let room = up.take_welcome(&welcome, fds);
        out.watch(up.pidfd.as_ref().map(AsFd::as_fd), UP_DEATH)?;
        room?;
        self.generation = welcome.generation.saturating_add(1);
        self.received.expected = welcome.connections;
        Ok(FromPredecessor::Welcome { owner: welcome.owner, epoch: welcome.epoch, attempt: welcome.attempt })
    }

    fn take_listeners(&mut self, listeners: Listeners, fds: Vec<OwnedFd>) -> Result<FromPredecessor> {
        let mut fds = fds.into_iter();
        if self.deed.is_none() {
            let (Some(deed), Some(socket)) = (fds.next(), fds.next()) else {
                return Err(Error::new(
                    ErrorKind::DescriptorCount,
                    "LISTENERS begins with deed and takeover socket",
                    "",
                ));
            };
            let deed = SharedDeed::map(deed)
                .map_err(|error| Error::new(ErrorKind::Malformed, error.to_string(), ""))?;
            self.deed = Some(deed);
            self.takeover_socket = Some(socket);
        }
        if fds.len() != listeners.items.len() {
            let what = format!("{} listeners came with {} descriptors", listeners.items.len(), fds.len());
            return Err(Error::new(ErrorKind::DescriptorCount, what, ""));
        }
        for (item, fd) in listeners.items.into_iter().zip(fds) {
            let spec: ListenerSpec = item.address.parse()?;
            self.listeners.inherit(&item.name, spec, fd);
        }
        Ok(FromPredecessor::Listeners { complete: listeners.remaining == 0 })
    }

    fn check_listeners(&self) -> Result<()> {
        self.listeners.check()?;
        let Some(socket) = &self.takeover_socket else { return Ok(()) };
        match unix::is_listening(socket.as_fd()) {
            Ok(true) => Ok(()),
            _ => {
                Err(Error::new(ErrorKind::Malformed, "what came as the takeover socket does not listen", ""))
            }
        }
    }

    fn take_offers(&mut self, offers: Offers, fds: Vec<OwnedFd>, out: &Outside) -> Result<()> {
        let now = out.now();
        let slots: Vec<u32> = offers.items.iter().map(|item| item.slot).collect();
        let Some(up) = &mut self.up else { return Ok(()) };
        up.has_slots_of(&offers)?;
        if check_descriptors(&offers.items, &fds).is_err() {
            self.turn_down(&offers, fds, now);
            return Ok(());
        }
        let fits = self.engine.with(now, |up, _, context| {
            up.as_mut().is_some_and(|up| up.offered(&slots, offers.last, context))
        });
        if !fits {
            return Err(Error::new(ErrorKind::OutOfOrder, "an OFFER does not fit the step", ""));
        }
        self.received.offered += slots.len() as u64;
        up.keep(offers.items, fds, &out.config);
        Ok(())
    }

    /// Descriptors are missing: every word of the message is refused, then what came is closed. Nothing is lost, for the
    /// predecessor has everything.
    fn turn_down(&mut self, offers: &Offers, came: Vec<OwnedFd>, now: Millis) {
        let slots: Vec<u32> = offers.items.iter().map(|item| item.slot).collect();
        let Some(up) = &mut self.up else { return };
        if let Some(ledger) = &up.ledger {
            self.engine.with(now, |up, _, context| {
                if let Some(up) = up.as_mut() {
                    up.refuse_batch(&slots, offers.last, ledger, context)
                }
            });
        }
        drop(came);
    }
}

/// Why a connection cannot be shown to the application, if so.
pub(super) fn unfit(parcel: &Parcel) -> Option<&'static str> {
    if parcel.memfd().is_some() {
        return Some(
            "its bytes did not come whole in a sealed memfd, or are more than the successor's limits allow",
        );
    }
    let socket = parcel.connection.get().map(|connection| connection.socket.as_fd());
    (!socket.is_some_and(inet::is_connected_stream))
        .then_some("what came as its socket is no connected stream socket (any more)")
}

/// Grows the descriptor table before the first batch: in a process with threads a growing table stalls recvmsg for tens
/// of milliseconds (kernel: expand_fdtable waits for an RCU grace period).
fn make_room(coming: u64, predecessor: u32) -> Result<()> {
    let needed = coming.saturating_add(SPARE);
    // To the hard limit: the predecessor was told that we have room up to there, whatever it says is coming.
    let raised = fd_table::attainable().and_then(fd_table::raise_limit);
    let free = raised.map_err(|error| Error::system("setrlimit(RLIMIT_NOFILE)", &error))?;
    if free < needed {
        return Err(Error::new(
            ErrorKind::DescriptorLimit,
            format!(
                "{coming} connections and listeners are coming from process {predecessor}, {free} descriptors are free"
            ),
            format!(
                "the predecessor goes on serving; raise the hard limit of RLIMIT_NOFILE by {} and call again",
                needed - free
            ),
        ));
    }
    fd_table::grow(needed as usize).map_err(|error| Error::system("growing the descriptor table", &error))
}

/// The pidfd that came with HELLO or WELCOME is of the process that the kernel reports.
pub(super) fn check_pidfd(pidfd: &OwnedFd, pid: u32) -> Result<()> {
    let said = match process::pid_of(pidfd.as_fd()) {
        Ok(said) => said,
        // -1: no pidfd at all, or of a process that is gone.
        Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => -1,
        // Out of descriptors, for instance: that says nothing about the other side.
        Err(error) => {
            return Err(Error::system("looking at a pidfd in /proc/self/fdinfo", &error)
                .now("nothing moved; call again"));
        }
    };
    if process::may_be(pidfd.as_fd(), pid) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::WrongProcess,
        format!("a pidfd of process {said} came from process {pid}"),
        "nothing moved; call again",
    )
    .with_pid(pid))
}

fn out_of_order(message: &Message) -> Error {
    let name = format!("{message:?}");
    let name = name.split(['(', ' ']).next().unwrap_or_default();
    Error::new(
        ErrorKind::OutOfOrder,
        format!("{name} does not fit the step"),
        "the predecessor goes on serving",
    )
}
