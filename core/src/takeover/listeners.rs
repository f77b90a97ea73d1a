//! The listeners that a process has: what it serves, what its predecessor left to it and nobody asked for yet, and what
//! it leaves to its predecessor.

use super::actions::Millis;
use super::config::OnMismatch;
use crate::error::{Error, ErrorKind, Result};
use crate::fault::{self, Role};
use crate::listener::ListenerSpec;
use crate::wire::limits::{MAX_NAME, MAX_RETIRED};
use crate::wire::message::ListenerItem;
use std::os::fd::{AsFd, OwnedFd};

/// A listener and what we know of it. The application has a descriptor of its own for the same socket.
#[derive(Debug)]
pub(super) struct Held {
    pub name: String,
    pub spec: ListenerSpec,
    pub fd: OwnedFd,
    /// The successor does not take it: whoever connects to it is served here, until we are done.
    pub retired: bool,
    /// Backlog and options are the socket's, and another process may have set them otherwise.
    others_options: bool,
    pub unserved_since: Option<Millis>,
}

#[derive(Debug, Default)]
pub(super) struct Listeners {
    /// What the application asked for; it is passed on.
    pub held: Vec<Held>,
    /// What the predecessor has, by its names, and nobody asked for yet.
    inherited: Vec<Held>,
    /// What stays with the predecessor; our copies are closed.
    retired: Vec<(String, ListenerSpec)>,
}

impl Held {
    fn new(name: &str, spec: ListenerSpec, fd: OwnedFd) -> Held {
        Held { name: name.into(), spec, fd, retired: false, others_options: false, unserved_since: None }
    }

    /// As it travels.
    pub(super) fn item(&self) -> ListenerItem {
        ListenerItem {
            name: self.name.clone(),
            address: self.spec.to_string(),
            backlog: self.spec.backlog_length(),
            options: self.spec.options_bits(),
        }
    }

    fn copy(&self) -> Result<OwnedFd> {
        self.fd.try_clone().map_err(|error| Error::system("dup", &error))
    }
}

impl Listeners {
    /// One came from the predecessor, which calls it so.
    pub(super) fn inherit(&mut self, name: &str, spec: ListenerSpec, fd: OwnedFd) {
        self.inherited.push(Held::new(name, spec, fd));
    }

    /// Whether each that came is what the predecessor says.
    pub(super) fn check(&self) -> Result<()> {
        self.inherited.iter().try_for_each(|held| held.spec.check(held.fd.as_fd()))
    }

    /// The application asks for `name`: the predecessor's where it is what `spec` asks for, by name or else by address;
    /// or it is bound.
    pub(super) fn claim(&mut self, name: &str, spec: &ListenerSpec, other: OnMismatch) -> Result<OwnedFd> {
        if name.is_empty() || name.len() > MAX_NAME {
            let what = "the name of a listener has 1 to 255 bytes";
            return Err(Error::new(ErrorKind::InvalidArgument, what, "nothing was bound"));
        }
        if self.held.iter().any(|held| held.name == name) {
            let what = format!("the listener {name:?} was asked for before");
            return Err(Error::new(ErrorKind::NameUsed, what, "use the descriptor that came then"));
        }
        let namesake = self.inherited.iter().position(|held| held.name == name);
        let checked = namesake.map(|place| spec.check(self.inherited[place].fd.as_fd()).map(|()| place));
        match (checked, namesake) {
            (Some(Ok(place)), _) => self.take(place, name, spec),
            (Some(Err(error)), _) if error.kind() != ErrorKind::ListenerMismatch => Err(error),
            (checked, namesake) => match (self.at_its_address(spec), checked, namesake) {
                (Some(place), ..) => self.take(place, name, spec),
                (None, Some(Err(error)), _) if other == OnMismatch::Refuse => Err(error),
                (None, _, None) => self.bind(name, spec),
                (None, _, Some(place)) => {
                    self.room_to_retire()?;
                    let bound = self.bind(name, spec)?;
                    self.let_go(place);
                    Ok(bound)
                }
            },
        }
    }

    /// An inherited listener that has another name and is what `spec` asks for: it could not be bound while that is open.
    fn at_its_address(&self, spec: &ListenerSpec) -> Option<usize> {
        let found = || self.inherited.iter().position(|held| spec.check(held.fd.as_fd()).is_ok());
        spec.excludes_others().then(found).flatten()
    }

    fn take(&mut self, place: usize, name: &str, spec: &ListenerSpec) -> Result<OwnedFd> {
        fault::point(Role::Successor, "before", "inherit");
        let given = self.inherited[place].copy()?;
        let mut held = self.inherited.remove(place);
        let spec = spec.of_a_socket(&held.spec);
        held.others_options = spec != held.spec;
        (held.name, held.spec) = (name.into(), spec);
        self.held.push(held);
        fault::point(Role::Successor, "after", "inherit");
        Ok(given)
    }

    fn bind(&mut self, name: &str, spec: &ListenerSpec) -> Result<OwnedFd> {
        let fd = spec.bind().map_err(|error| self.who_has_the_port(spec, error))?;
        let held = Held::new(name, spec.clone(), fd);
        let given = held.copy()?;
        self.held.push(held);
        Ok(given)
    }

    fn who_has_the_port(&self, spec: &ListenerSpec, error: Error) -> Error {
        let inherited = self.inherited.iter().map(|held| (&held.name, &held.spec));
        let theirs = inherited.chain(self.retired.iter().map(|(name, theirs)| (name, theirs)));
        match theirs.into_iter().find(|(_, theirs)| theirs.has_the_port_of(spec)) {
            Some((name, theirs)) if error.kind() == ErrorKind::AddressInUse => {
                let what = format!("{}: the predecessor's {name:?} is at {theirs}", error.what());
                let now = "nothing was bound; ask for what the predecessor has, or for another port until it has gone";
                Error::new(ErrorKind::AddressInUse, what, now)
            }
            _ => error,
        }
    }

    /// The application does not want what the predecessor calls `name`.
    pub(super) fn retire(&mut self, name: &str) -> Result<()> {
        let Some(place) = self.inherited.iter().position(|held| held.name == name) else {
            let what = format!("the predecessor has no listener {name:?} that is unclaimed");
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                what,
                "`unclaimed` has the names; nothing was changed",
            ));
        };
        self.room_to_retire()?;
        self.let_go(place);
        Ok(())
    }

    fn room_to_retire(&self) -> Result<()> {
        if self.retired.len() < MAX_RETIRED {
            return Ok(());
        }
        let what = format!("{MAX_RETIRED} listeners are retired already, as many as one takeover can");
        Err(Error::new(
            ErrorKind::TooLarge,
            what,
            "nothing was changed; retire the others in the next takeover",
        ))
    }

    fn let_go(&mut self, place: usize) {
        let held = self.inherited.remove(place);
        self.retired.push((held.name, held.spec));
    }

    pub(super) fn unclaimed(&self) -> Vec<String> {
        self.inherited.iter().map(|held| held.name.clone()).collect()
    }

    /// What READY tells the predecessor that it keeps.
    pub(super) fn left_to_the_predecessor(&self) -> Vec<String> {
        self.retired.iter().map(|(name, _)| name.clone()).collect()
    }

    /// The successor is ready and leaves these to us. Whether we have all of them.
    pub(super) fn stay(&mut self, names: &[String]) -> bool {
        let known = names.iter().all(|name| self.held.iter().any(|held| held.name == *name));
        for held in self.held.iter_mut().filter(|_| known) {
            held.retired = names.contains(&held.name);
            held.others_options = true;
        }
        known
    }

    /// What the successor left to us.
    pub(super) fn retired(&self) -> Vec<String> {
        self.held.iter().filter(|held| held.retired).map(|held| held.name.clone()).collect()
    }

    /// We are the owner: whatever a successor left is served like the rest, and every socket is as our own specs say.
    pub(super) fn own(&mut self) {
        for held in &mut self.held {
            held.retired = false;
            if std::mem::take(&mut held.others_options) {
                held.spec.apply(held.fd.as_fd());
            }
        }
    }

    /// Our copies are closed.
    pub(super) fn clear(&mut self) {
        self.held.clear();
        self.inherited.clear();
    }
}
