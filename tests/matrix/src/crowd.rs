//! Fifty connections, each half-way through something else.

use crate::client::{Came, Client, bytes};
use crate::mirror::Ask;
use crate::process::{Who, until};
use crate::{PATIENCE, Trouble};
use std::time::Duration;

/// How many connections there are.
pub const CROWD: usize = 50;
/// The state of a padded one.
pub const PADDING: usize = 200 << 10;
/// At most so many of them travel in one message of the link: eight of its 64 KiB, and those whose bytes are in memfds.
pub const MESSAGE: usize = 8 + 5;
/// How many bytes of a request a splitting one has sent.
pub const PART: usize = 400;
/// What a slow one does not read.
const LARGE: usize = 1 << 20;

/// What a connection is half-way through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A request, sent in part.
    Splitting,
    /// Large replies that it does not read, with a request behind them that the relay cannot carry out yet.
    Slow,
    /// It carries a large state.
    Padded,
    /// It carries a state of which eight fill a message of the link.
    Plain,
}

impl Role {
    fn of(number: usize) -> Role {
        match number {
            0..10 => Role::Splitting,
            10..12 => Role::Slow,
            12..15 => Role::Padded,
            _ => Role::Plain,
        }
    }
}

/// The connections.
pub struct Crowd {
    members: Vec<(Role, Client)>,
}

impl Crowd {
    /// Connects them all, and gives each its state.
    pub fn gather(address: &str) -> Result<Crowd, Trouble> {
        let mut members = Vec::new();
        for number in 0..CROWD {
            let role = Role::of(number);
            let mut client = Client::connect(address, format!("{role:?}-{number}"))?;
            client.ask(Ask::Pad(if role == Role::Padded { PADDING } else { 7_500 }))?;
            client.ask_everything()?;
            members.push((role, client));
        }
        let mut crowd = Crowd { members };
        crowd.each(Client::read_all)?;
        Ok(crowd)
    }

    /// How many are left.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// How many of this kind are left.
    pub fn count(&self, role: Role) -> usize {
        self.members.iter().filter(|(its, _)| *its == role).count()
    }

    /// Puts each half-way through its thing, and sees to it that the relay has read that.
    pub fn stir(&mut self) -> Result<(), Trouble> {
        for (role, client) in &mut self.members {
            match role {
                Role::Splitting => client.ask_in_part(Ask::Echo(bytes(1_000)), PART)?,
                Role::Slow => {
                    for _ in 0..6 {
                        client.ask(Ask::Big(LARGE))?;
                    }
                    client.ask(Ask::Echo(bytes(100)))?;
                }
                Role::Padded | Role::Plain => {}
            }
        }
        // A reply that came late was carried out after everything that had come before its request: the first round may be
        // worked through in one go with the above, the second comes after.
        for _ in 0..2 {
            if let Some((_, client)) = self.members.iter_mut().find(|(role, _)| *role == Role::Plain) {
                client.ask(Ask::Sum)?;
                client.read_all()?;
            }
        }
        Ok(())
    }

    /// Some requests, whose replies are not waited for.
    pub fn murmur(&mut self) -> Result<(), Trouble> {
        self.members
            .iter_mut()
            .filter(|(role, _)| matches!(role, Role::Padded | Role::Plain))
            .try_for_each(|(_, client)| client.ask(Ask::Echo(bytes(500))))
    }

    /// The last one asks to be refused, and goes its own way: it is no part of the crowd any more.
    pub fn send_away(&mut self) -> Result<Client, Trouble> {
        let (_, mut client) = self.members.pop().ok_or("nobody is left")?;
        client.ask(Ask::RefuseMe)?;
        client.read_all()?;
        Ok(client)
    }

    /// Every one is as it should be, and served by `who`.
    pub fn check(&mut self, who: &Who) -> Result<(), Trouble> {
        self.each(Client::ask_everything)?;
        self.each(Client::read_all)?;
        self.each(|client| client.is_served_by(who))
    }

    /// Every one is as it should be and served by `who`, or was ended; how many were.
    pub fn check_survivors(&mut self, who: &Who) -> Result<usize, Trouble> {
        let lost = self.sort_out()?;
        self.each(|client| client.is_served_by(who))?;
        Ok(lost)
    }

    /// Who serves those that are left, as they were told last.
    pub fn whos(&self) -> impl Iterator<Item = Option<&Who>> {
        self.members.iter().map(|(_, client)| client.who())
    }

    /// The last one asks to be refused by the next successor.
    pub fn mark_last(&mut self) -> Result<(), Trouble> {
        let (_, client) = self.members.last_mut().ok_or("nobody is left")?;
        client.ask(Ask::RefuseMe)?;
        client.read_all()
    }

    /// Every one is as it should be, or was ended; how many were. Those are gone from here on, and not one wrong byte has
    /// come on them.
    pub fn sort_out(&mut self) -> Result<usize, Trouble> {
        self.each(Client::ask_everything)?;
        let before = self.len();
        let mut living = Vec::new();
        for (role, mut client) in std::mem::take(&mut self.members) {
            match client.read(PATIENCE)? {
                Came::All => living.push((role, client)),
                Came::End => {}
                Came::Nothing => return Err(format!("{} is silent for {PATIENCE:?}", client.name).into()),
            }
        }
        self.members = living;
        Ok(before - self.len())
    }

    /// All but `count` are as they should be and served by `who`; those, which are silent, are handed out with their
    /// questions unanswered.
    pub fn take_silent(&mut self, count: usize, who: &Who) -> Result<Crowd, Trouble> {
        self.each(Client::ask_everything)?;
        let (mut speaking, mut silent) = (Vec::new(), std::mem::take(&mut self.members));
        let all = silent.len();
        until("the others to be served", || {
            let mut still = Vec::new();
            for (role, mut client) in silent.drain(..) {
                match client.read(Duration::from_millis(20))? {
                    Came::All => speaking.push((role, client)),
                    Came::Nothing => still.push((role, client)),
                    Came::End => return Err(format!("{} was ended", client.name).into()),
                }
            }
            silent = still;
            Ok(speaking.len() + count >= all)
        })?;
        self.members = speaking;
        self.each(|client| client.is_served_by(who))?;
        if silent.len() != count {
            return Err(format!("{} connections are silent, not {count}", silent.len()).into());
        }
        Ok(Crowd { members: silent })
    }

    /// What was asked is answered now, by `who`.
    pub fn is_answered_by(&mut self, who: &Who) -> Result<(), Trouble> {
        self.each(Client::read_all)?;
        self.each(|client| client.is_served_by(who))
    }

    /// Nothing has come on any that reads what comes.
    pub fn is_silent(&mut self) -> Result<(), Trouble> {
        let mut reading = self.members.iter().filter(|(role, _)| *role != Role::Slow);
        reading.try_for_each(|(_, client)| client.is_silent())
    }

    /// Everybody says BYE.
    pub fn leave(self) -> Result<(), Trouble> {
        self.members.into_iter().try_for_each(|(_, client)| client.leave())
    }

    fn each(&mut self, mut what: impl FnMut(&mut Client) -> Result<(), Trouble>) -> Result<(), Trouble> {
        self.members.iter_mut().try_for_each(|(_, client)| what(client))
    }
}
