//! What must hold: in every state, and where nothing more happens by itself.

use super::world::{PROCESSES, Setup, World};
use crate::ownership::DeedWord;
use crate::takeover::actions::Standing;

impl World {
    /// What must hold in every state.
    pub(super) fn safe(&self, setup: &Setup) -> Result<(), &'static str> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        for c in 0..setup.connections {
            if (0..PROCESSES).filter(|k| self.alive(*k) && self.processes[*k].uses[c]).count() > 1 {
                return Err("I1: two users of one connection");
            }
        }
        let owners: Vec<usize> = (0..PROCESSES)
            .filter(|k| self.alive(*k) && self.processes[*k].engine.service.standing == Standing::Owner)
            .collect();
        if owners.len() > 1 {
            return Err("I5: two believe that they own the service");
        }
        if owners.iter().any(|k| self.deed.read().owner != *k as u32 + 1) {
            return Err("I5: one believes to own the service, and the deed names another");
        }
        if owners.iter().any(|k| !self.processes[*k].engine.service.holds) {
            return Err("I5: an owner without listeners and takeover socket");
        }
        Ok(())
    }

    /// What must hold where nothing more happens by itself, `hung` being stopped for ever.
    pub(super) fn settled(&self, setup: &Setup, hung: Option<usize>) -> Result<(), &'static str> {
        let runs = |k: &usize| self.alive(*k) && Some(*k) != hung;
        for c in 0..setup.connections {
            let used = (0..PROCESSES).any(|k| self.alive(k) && self.processes[k].uses[c]);
            if hung.is_none() && !used && !self.excused[c] {
                return Err("I3: a connection is lost");
            }
            if (0..PROCESSES).filter(runs).any(|k| self.processes[k].frozen[c].is_some()) {
                return Err("I3: a connection stays frozen for ever");
            }
        }
        if (0..PROCESSES).filter(runs).any(|k| !self.processes[k].offers.is_empty()) {
            return Err("I3: an offer is never answered");
        }
        let holder = (0..PROCESSES).filter(runs).any(|k| self.holds(k));
        let accepting = (0..PROCESSES).filter(runs).any(|k| self.accepts(k));
        let left_for_good = self.deed.read().owner == 0;
        if holder && !accepting && !(hung.is_some() && left_for_good) {
            return Err("I4: listeners are held and nobody accepts");
        }
        let serves = (0..PROCESSES).any(|k| self.alive(k) && self.processes[k].serves);
        if hung.is_none() && holder && !serves {
            return Err("I5: the takeover socket is held and nobody serves the path");
        }
        Ok(())
    }
}
