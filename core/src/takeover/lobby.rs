//! Where newcomers wait until they have said HELLO: a silent one keeps nobody out.

use super::actions::{Millis, Standing};
use super::config::Reads;
use super::event::Peer;
use super::explain::refuse_note;
use super::link::{Arrival, Link};
use super::lower::{Down, SLOTS};
use super::outside::{DOWN, DOWN_DEATH, LOBBY, Outside, SERVICE};
use super::state::State;
use super::upper::check_pidfd;
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::ownership::SharedLedger;
use crate::sys::process::{self, Credentials};
use crate::sys::unix;
use crate::wire::limits::VERSIONS;
use crate::wire::message::{Hello, Message, Refuse, Role};
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// More silent newcomers than this, and the one that waited longest is let go.
const PLACES: usize = 16;
/// How long the door stays shut where there is no descriptor for a newcomer: looking all the time would take a core.
const SHUT: Millis = 100;

#[derive(Debug, Default)]
pub(super) struct Lobby {
    waiting: Vec<Newcomer>,
    next_token: u64,
    /// No descriptor was left: nobody is let in before.
    shut_until: Option<Millis>,
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
    fn expire(&mut self, now: Millis, out: &Outside) {
        self.waiting.retain(|newcomer| {
            let stays = newcomer.until > now;
            if !stays {
                out.unwatch(newcomer.link.socket());
            }
            stays
        });
    }

    pub(super) fn next_deadline(&self) -> Option<Millis> {
        let waiting = self.waiting.iter().map(|newcomer| newcomer.until);
        waiting.chain(self.shut_until).min()
    }

    pub(super) fn clear(&mut self, out: &Outside) {
        self.expire(Millis::MAX, out);
    }

    fn take(&mut self, token: u64, out: &Outside) -> Option<Newcomer> {
        let place = self.waiting.iter().position(|newcomer| newcomer.token == token)?;
        let newcomer = self.waiting.remove(place);
        out.unwatch(newcomer.link.socket());
        Some(newcomer)
    }
}

impl State {
    /// Lets go whoever waited too long, and opens the door again.
    pub(super) fn tend_lobby(&mut self, now: Millis, out: &Outside) {
        self.lobby.expire(now, out);
        if self.lobby.shut_until.is_some_and(|until| until <= now) {
            self.lobby.shut_until = None;
            // In doubt about who owns the service nobody is let in.
            let socket =
                self.takeover_socket.as_ref().filter(|_| self.engine.service.standing == Standing::Owner);
            let _ = out.watch(socket.map(AsFd::as_fd), SERVICE);
        }
    }

    /// Newcomers are at the takeover socket.
    pub(super) fn admit(&mut self, out: &Outside) {
        while let Some(socket) = &self.takeover_socket {
            let accepted = match unix::accept(socket.as_fd()) {
                Ok(accepted) => accepted,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // Out of descriptors: whoever waits goes on waiting.
                Err(_) => {
                    out.unwatch(Some(socket.as_fd()));
                    self.lobby.shut_until = Some(out.now() + SHUT);
                    return;
                }
            };
            self.admit_one(accepted, out);
        }
    }

    pub(super) fn admit_one(&mut self, accepted: OwnedFd, out: &Outside) {
        let Ok(credentials) = process::peer_credentials(accepted.as_fd()) else { return };
        let mut link = Link::new(accepted, fault::Role::Predecessor);
        if let Err(error) = trusted(&credentials, &out.config.allowed_uids) {
            return refuse(&mut link, &error);
        }
        let token = LOBBY + self.lobby.next_token;
        self.lobby.next_token += 1;
        if out.watch(link.socket(), token).is_err() {
            return;
        }
        let until = out.now() + out.durations().handshake;
        self.lobby.waiting.push(Newcomer { token, link, credentials, until });
        if self.lobby.waiting.len() > PLACES {
            // Whoever has spoken meanwhile is heard before anybody is let go.
            let longest = &self.lobby.waiting[0];
            let (token, spoke) = (longest.token, longest.link.can_be_read());
            if spoke {
                self.receive_newcomer(token, out);
            } else {
                drop(self.lobby.take(token, out));
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
            generation: self.generation.saturating_add(1),
        };
        let reads =
            hello.reads.into_iter().map(|r| Reads { protocol: r.protocol, versions: r.versions }).collect();
        let watched =
            out.watch(newcomer.link.socket(), DOWN).and_then(|()| out.watch(Some(pidfd.as_fd()), DOWN_DEATH));
        if let Err(error) = watched {
            return Err(Box::new((newcomer, error)));
        }
        self.given = Some(crate::Progress { expected: self.connections, ..Default::default() });
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
    link.queue(refusal(error), Vec::new());
    let _ = link.flush();
}

/// REFUSE, because of this.
pub(super) fn refusal(error: &Error) -> Message {
    let note = refuse_note(error);
    Message::Refuse(Refuse { number: note.number, reason: note.reason, pid: error.pid().unwrap_or(0) })
}
