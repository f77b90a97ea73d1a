//! How a handle begins: as the first at its path, or as a newcomer that waits for its predecessor's listeners.

use super::engine::Engine;
use super::handle::Guarded;
use super::outside::{Outside, UP};
use super::rules::Rules;
use super::state::State;
use super::upper::Up;
use super::{Config, Inner, Takeover, path};
use crate::error::{Error, ErrorKind, Result};
use crate::ownership::SharedDeed;
use crate::sys::process::Credentials;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// [`Takeover::open`].
pub(super) fn open(path: &Path, config: Config) -> Result<Takeover> {
    let config = config.within_reason();
    let deadline = Instant::now() + config.handshake;
    let mut wrong_process = None;
    loop {
        // First what can fail without a trace at the path.
        let inner = Inner::blank(path, config.clone())?;
        let claim = path::claim(path, &config.allowed_uids, deadline)?;
        match claim {
            path::Claim::First(socket) => {
                inner.begin(socket)?;
                return Ok(Takeover { inner: Arc::new(inner) });
            }
            path::Claim::Found(socket, credentials) => {
                inner.join(socket, credentials)?;
                match inner.handshake(credentials.pid, deadline) {
                    Ok(true) => return Ok(Takeover { inner: Arc::new(inner) }),
                    Ok(false) => {}
                    // Between an owner's commit and its listen() the kernel shows its predecessor in its place.
                    Err(error) if error.kind() == ErrorKind::WrongProcess && Instant::now() < deadline => {
                        wrong_process = Some(error);
                    }
                    // The deadline came while we looked again: what was seen says more than that.
                    Err(error) if error.kind() == ErrorKind::NoAnswer => {
                        return Err(wrong_process.unwrap_or(error));
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        // End-of-file before anything was in hand: the owner left or was replaced just then. Look again.
        std::thread::sleep(Duration::from_millis(5));
    }
}

impl Inner {
    /// One that has no part in anything yet.
    pub(super) fn blank(path: &Path, config: Config) -> Result<Inner> {
        let outside = Outside::new(path.into(), config)?;
        let engine = Engine::first(outside.durations(), Rules::default());
        Inner::new(outside, State::new(engine))
    }

    /// The first of a chain: the deed is new, and ours.
    pub(super) fn begin(&self, socket: OwnedFd) -> Result<()> {
        let mut state = self.lock()?;
        state.deed = Some(SharedDeed::create().map_err(|error| Error::system("memfd_create", &error))?);
        state.takeover_socket = Some(socket);
        state.serve(&self.outside);
        state.set_wake(&self.outside);
        Ok(())
    }

    /// A newcomer: HELLO goes out.
    pub(super) fn join(&self, socket: OwnedFd, credentials: Credentials) -> Result<()> {
        let mut state = self.lock()?;
        let up = Up::hello(socket, credentials, &self.outside)?;
        self.outside.watch(up.link.socket(), UP)?;
        state.engine = Engine::newcomer(self.outside.durations(), Rules::default(), self.outside.now());
        state.up = Some(up);
        state.pump(&self.outside);
        Ok(())
    }

    /// Waits until the listeners are in hand. `false`: the link ended before anything was.
    fn handshake(&self, pid: u32, deadline: Instant) -> Result<bool> {
        loop {
            {
                let mut state = self.lock()?;
                if let Some(fault) = state.fault.clone() {
                    drop(state);
                    self.close();
                    return Err(fault);
                }
                if state.engine.up.as_ref().is_some_and(|up| up.is_warming_up()) || state.engine.service.holds
                {
                    state.set_wake(&self.outside);
                    return Ok(true);
                }
                if state.engine.up.is_none() && Instant::now() < deadline {
                    state.closed = true;
                    return Ok(false);
                }
                if Instant::now() >= deadline {
                    drop(state);
                    self.close();
                    let what =
                        format!("process {pid} did not answer within {:?}", self.outside.config.handshake);
                    let now = "if it hangs, end it and call again; nothing was changed";
                    return Err(Error::new(ErrorKind::NoAnswer, what, now).with_pid(pid));
                }
            }
            self.wait(deadline.saturating_duration_since(Instant::now()).into(), &mut Vec::new())?;
        }
    }
}
