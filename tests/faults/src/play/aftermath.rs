//! What follows from a fault: who serves in the end, what that cost, and that the next takeover works.

use super::Play;
use crate::case::{PEER, Role, Setting};
use crate::load::{ASKERS, CONNECTORS};
use crate::player::Player;
use std::time::{Duration, Instant};
use zdt_matrix::client::Client;
use zdt_matrix::crowd::{CROWD, Crowd};
use zdt_matrix::process::{Who, until};
use zdt_matrix::stage::newcomers_are_served_by;
use zdt_matrix::{PATIENCE, Trouble};

impl Play<'_, '_> {
    /// Waits until it is decided who serves, and everybody has done what follows from that; who it is.
    pub(super) fn settle(&mut self) -> Result<Option<usize>, Trouble> {
        let began = Instant::now();
        loop {
            let (survivor, why_not) = self.settled()?;
            match why_not {
                None => return Ok(survivor),
                Some(why) if began.elapsed() >= 2 * PATIENCE => return Err(why.into()),
                Some(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    fn settled(&mut self) -> Result<(Option<usize>, Option<String>), Trouble> {
        let mut accepting = Vec::new();
        let mut unfinished = None;
        let mut living = 0;
        for (place, player) in self.players.iter_mut().enumerate() {
            if player.ended()?.is_some() {
                continue;
            }
            living += 1;
            player.is_known()?;
            if player.accepts(self.port) {
                accepting.push(place);
            }
            // A successor that has not committed yet may still win; one that was called off serves what it adopted.
            let over = ["committed", "aborted", "done", "relieved"];
            let decided = over.iter().any(|event| player.relay.has_told(event));
            if player.role == Role::Successor && !decided {
                // Or it found nobody to take over from, and is the first of a new chain.
                if !player.is_known()? || player.relay.who.1 > 1 || !player.relay.has_told("ready") {
                    unfinished = Some(format!("{} is at it still", player.relay));
                }
            }
            if !player.is_alive() {
                unfinished = Some(format!("{} is stopped", player.relay));
            }
        }
        Ok(match (living, &accepting[..]) {
            (0, _) => (None, None),
            (_, [one]) => (Some(*one), unfinished),
            (_, many) => (None, Some(format!("{} processes accept", many.len()))),
        })
    }

    pub(super) fn dead(&mut self) -> Result<usize, Trouble> {
        let mut dead = 0;
        for player in &mut self.players {
            dead += usize::from(is_dead_of_a_fault(player)?);
        }
        Ok(dead)
    }

    /// How many connections belonged to nobody but a process that died of a fault: at least, and at most. What it counted
    /// has newcomers in it, which the crowd has not: whoever connects has one connection at a time.
    pub(super) fn deaths_cost(&mut self, somebody_lives: bool) -> Result<(u64, u64), Trouble> {
        let (mut least, mut most) = (0, 0);
        let (all, newcomers) = ((CROWD + ASKERS) as u64, CONNECTORS as u64);
        // One that is refused when the predecessor dies is nobody's any more: it was told of too late.
        let refused = u64::from(self.case.setting == Setting::Refusal);
        for player in &mut self.players {
            if !is_dead_of_a_fault(player)? {
                continue;
            }
            let fired = player.last_fired()?.ok_or("it died of no fault")?;
            let (cost, more) = match player.role {
                Role::Predecessor => (all.saturating_sub(fired.sent - fired.back), newcomers + refused),
                _ => (fired.adopted, 0),
            };
            least += cost.saturating_sub(newcomers);
            most += cost + more;
        }
        Ok(if somebody_lives { (least.min(all), most.min(all)) } else { (all, all) })
    }

    /// Who may answer: the processes that run.
    pub(super) fn living(&mut self) -> Result<Vec<Who>, Trouble> {
        let mut living = Vec::new();
        for player in self.players.iter_mut().filter(|player| player.is_alive()) {
            player.is_known()?;
            living.push(player.relay.who.clone());
        }
        Ok(living)
    }

    /// Where the owner hung two may accept for a while, which harms nobody.
    pub(super) fn accepts_alone_in_the_end(&self, place: usize) -> Result<(), Trouble> {
        let relay = &self.players[place].relay;
        let mut in_a_row = 0;
        until(&format!("{relay} to accept alone"), || {
            let mut client = Client::connect(&self.address, "one-more".into())?;
            client.ask_everything()?;
            client.read_all()?;
            in_a_row = if client.who() == Some(&relay.who) { in_a_row + 1 } else { 0 };
            client.leave()?;
            Ok(in_a_row == 40)
        })
    }

    /// The survivor has as many descriptors as its predecessor, or it itself, had before, less what was lost.
    pub(super) fn leaks_nothing(&mut self, place: usize, before: usize, lost: usize) -> Result<(), Trouble> {
        let mut others = 0;
        for player in &mut self.players {
            others += usize::from(player.ended()?.is_none());
        }
        // Of another language it has others from the start; and with another alive it has a link, and not everything.
        if others > 1 || (place > 0 && self.case.from != self.case.to) {
            return Ok(());
        }
        let now = self.players[place].descriptors()?;
        if now + lost > before {
            return Err(
                format!("{now} descriptors; {before} before, and {lost} connections were lost").into()
            );
        }
        Ok(())
    }

    /// One more takes over from whoever serves, with everything alive.
    pub(super) fn next_takeover(
        &mut self,
        listen: &str,
        mut crowd: Crowd,
        mut askers: Vec<Client>,
    ) -> Result<(), Trouble> {
        let peer = if self.stage.from.language() == PEER { self.stage.from } else { self.stage.to };
        let deadline = Instant::now() + PATIENCE;
        let mut next = loop {
            // The owner may not have noticed yet that the last one is gone, and say that it is busy.
            let switches = ["--probation-ms", "200"];
            let mut next = Player::launch(self.stage, Role::Successor, peer, listen, &switches, "")?;
            match next.wait_until_ready() {
                Ok(()) => break next,
                Err(_) if next.ended()?.is_some() && Instant::now() < deadline => {}
                Err(error) => return Err(error),
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        let chain = self.players.iter_mut().any(|player| player.is_alive());
        if chain && next.relay.who.1 > 1 {
            next.relay.wait_for("committed")?;
        }
        crowd.murmur()?;
        let lost = crowd.sort_out()?;
        if lost > 0 {
            return Err(format!("{lost} connections were lost in the takeover after").into());
        }
        newcomers_are_served_by(&next.relay)?;
        for asker in &mut askers {
            asker.ask_everything()?;
            asker.read_all()?;
        }
        crowd.leave()?;
        askers.into_iter().try_for_each(Client::leave)?;
        for player in &mut self.players {
            let mut status = None;
            let who = player.relay.to_string();
            until(&format!("{who} to end"), || {
                status = player.ended()?;
                Ok(status.is_some())
            })?;
            // One whose attempt failed says so by 1; nobody crashes.
            let code = status.and_then(|status| status.code());
            let died = is_dead_of_a_fault(player)?;
            if !died && !matches!((player.role, code), (_, Some(0)) | (Role::Successor, Some(1))) {
                return Err(format!("{who} ended with {status:?}").into());
            }
        }
        if !next.accepts(self.port) {
            return Err("the last one does not accept".into());
        }
        Ok(())
    }
}

/// It was killed, or left without a word, as told.
fn is_dead_of_a_fault(player: &mut Player) -> Result<bool, Trouble> {
    let told = player.fault.contains("=kill") || player.fault.contains("=exit");
    Ok(told && player.ended()?.is_some() && player.last_fired()?.is_some())
}
