//! Where newcomers wait until they have said HELLO: a silent one keeps nobody out.

use super::actions::Millis;
use super::config::Reads;
use super::event::Peer;
use super::explain::refuse_note;
use super::link::{Arrival, Link};
use super::lower::{Down, SLOTS};
use super::state::{DOWN, DOWN_DEATH, LOBBY, Outside, State};
use super::upper::check_pidfd;
use crate::error::{Error, ErrorKind, Result};
use crate::ownership::SharedLedger;
use crate::sys::process::{self, Credentials};
use crate::sys::unix;
use crate::wire::limits::VERSIONS;
use crate::wire::message::{Hello, Message, Refuse, Role};
use std::os::fd::{AsFd, OwnedFd};

/// More silent newcomers than this, and the one that waited longest is let go.
const PLACES: usize = 16;

#[derive(Debug, Default)]
pub(super) struct Lobby {
    waiting: Vec<Newcomer>,
    next_token: u64,
}

#[derive(Debug)]
struct Newcomer {
    token: u64,
    link: Link,
    credentials: Credentials,
    until: Millis,
}

impl Lobby {
    /// Lets go whoever did not say HELLO in time.
    pub(super) fn expire(&mut self, now: Millis, out: &Outside) {
        self.waiting.retain(|newcomer| {
            let stays = newcomer.until > now;
            if !stays {
                out.unwatch(newcomer.link.socket());
            }
            stays
        });
    }

    pub(super) fn next_deadline(&self) -> Option<Millis> {
        self.waiting.iter().map(|newcomer| newcomer.until).min()
    }

    pub(super) fn clear(&mut self, out: &Outside) {
        self.expire(Millis::MAX, out);
    }

    fn take(&mut self, token: u64, out: &Outside) -> Option<Newcomer> {
        let place = self.waiting.iter().position(|newcomer| newcomer.token == token)?;
        let newcomer = self.waiting.swap_remove(place);
        out.unwatch(newcomer.link.socket());
        Some(newcomer)
    }
}

impl State {
    /// Newcomers are at the takeover socket.
    pub(super) fn admit(&mut self, out: &Outside) {
        let now = out.now();
        while let Some(socket) = &self.takeover_socket {
            let accepted = match unix::accept(socket.as_fd()) {
                Ok(accepted) => accepted,
                // Out of descriptors, or nobody there: whoever waits goes on waiting.
                Err(_) => return,
            };
            let Ok(credentials) = process::peer_credentials(accepted.as_fd()) else { continue };
            let mut link = Link::new(accepted);
            if let Err(error) = trusted(&credentials, &out.config.allowed_uids) {
                refuse(&mut link, &error);
                continue;
            }
            let token = LOBBY + self.lobby.next_token;
            self.lobby.next_token += 1;
            if self.lobby.waiting.len() >= PLACES {
                let longest = self.lobby.waiting[0].token;
                drop(self.lobby.take(longest, out));
            }
            if out.watch(link.socket(), token).is_ok() {
                let until = now + out.durations().handshake;
                self.lobby.waiting.push(Newcomer { token, link, credentials, until });
            }
        }
    }

    /// A newcomer said something: HELLO, or it is let go.
    pub(super) fn receive_newcomer(&mut self, token: u64, out: &Outside) {
        let Some(mut newcomer) = self.lobby.take(token, out) else { return };
        let welcomed = match newcomer.link.receive(true) {
            Ok(Arrival::Message(Message::Hello(hello), fds)) => self.welcome(newcomer, hello, fds, out),
            Ok(Arrival::End | Arrival::Nothing) => return,
            Ok(_) => {
                let what = "a newcomer's first message is HELLO";
                Err(Box::new((newcomer, Error::new(ErrorKind::OutOfOrder, what, ""))))
            }
            Err(error) => Err(Box::new((newcomer, error))),
        };
        if let Err(mut refused) = welcomed {
            refuse(&mut refused.0.link, &refused.1);
        }
    }

    fn welcome(
        &mut self,
        newcomer: Newcomer,
        hello: Hello,
        fds: Vec<OwnedFd>,
        out: &Outside,
    ) -> std::result::Result<(), Box<(Newcomer, Error)>> {
        let (pidfd, ledger) = match self.vet(&newcomer, &hello, fds) {
            Ok(vetted) => vetted,
            Err(error) => return Err(Box::new((newcomer, error))),
        };
        let Some(deed) = &self.deed else { return Ok(()) };
        let attempt = deed.draw_id();
        let peer = Peer {
            pid: newcomer.credentials.pid,
            program: hello.program,
            runtime: hello.runtime,
            generation: self.generation + 1,
        };
        let reads =
            hello.reads.into_iter().map(|r| Reads { protocol: r.protocol, versions: r.versions }).collect();
        let watched =
            out.watch(newcomer.link.socket(), DOWN).and_then(|()| out.watch(Some(pidfd.as_fd()), DOWN_DEATH));
        if let Err(error) = watched {
            return Err(Box::new((newcomer, error)));
        }
        self.progress = crate::Progress { expected: self.connections, ..Default::default() };
        self.down = Some(Down::new(newcomer.link, ledger, pidfd, peer, reads, hello.free_descriptors));
        self.engine.welcome(attempt, out.now());
        Ok(())
    }

    fn vet(&self, newcomer: &Newcomer, hello: &Hello, fds: Vec<OwnedFd>) -> Result<(OwnedFd, SharedLedger)> {
        let serving = format!("process {} goes on serving", std::process::id());
        if !hello.versions.iter().any(|version| VERSIONS.contains(version)) {
            let what = format!(
                "the successor speaks protocol versions {:?}, the owner {VERSIONS:?}",
                hello.versions
            );
            return Err(Error::new(ErrorKind::NoCommonVersion, what, serving));
        }
        let Ok([pidfd]) = <[OwnedFd; 1]>::try_from(fds) else {
            return Err(Error::new(ErrorKind::DescriptorCount, "HELLO comes with one pidfd", serving));
        };
        check_pidfd(&pidfd, newcomer.credentials.pid)?;
        if hello.role == Role::Lane {
            let what = "lanes come over the lead link, from arbiter to arbiter";
            return Err(Error::new(ErrorKind::Unsupported, what, serving));
        }
        if !self.engine.welcomes() {
            return Err(match &self.down {
                Some(down) => {
                    let what = format!("process {} is taking over already", down.peer.pid);
                    Error::new(ErrorKind::Busy, what, serving).with_pid(down.peer.pid)
                }
                None => {
                    let what = format!("process {} is not ready itself, or is leaving", std::process::id());
                    Error::new(ErrorKind::Busy, what, serving).with_pid(std::process::id())
                }
            });
        }
        let ledger = SharedLedger::create(SLOTS).map_err(|error| Error::system("memfd_create", &error))?;
        Ok((pidfd, ledger))
    }
}

fn trusted(credentials: &Credentials, allowed: &[u32]) -> Result<()> {
    let Credentials { pid, uid, .. } = *credentials;
    if uid == 0 || uid == process::effective_uid() || allowed.contains(&uid) {
        return Ok(());
    }
    let what = format!("process {pid} runs as user {uid}, the owner as user {}", process::effective_uid());
    Err(Error::new(ErrorKind::WrongUser, what, "add the user to Config::allowed_uids if it may take over")
        .with_pid(pid))
}

/// Says no; whoever does not read it learns nothing, and that is its loss.
fn refuse(link: &mut Link, error: &Error) {
    let note = refuse_note(error);
    let pid = error.pid().unwrap_or(0);
    link.queue(Message::Refuse(Refuse { number: note.number, reason: note.reason, pid }), Vec::new());
    let _ = link.flush();
}
