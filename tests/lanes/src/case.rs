//! One takeover under load with a fault in it, and the takeover after that, in which there is none.

use crate::crowd::{CONNECTIONS, Crowd, FRESH_AT_ONCE, Lost, Seen, newcomer};
use crate::server::{Program, Server};
use crate::{Trouble, until};
use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

/// So slowly does a successor adopt where somebody is to die or to stop in the middle.
const SLOWLY: &str = "--slowly-ms=5";
/// Deadlines that a stop outlasts.
const SHORT: [&str; 2] = ["--drain-ms=1500", "--hang-ms=300"];
const STOPPED: Duration = Duration::from_millis(2500);

/// Whom a fault befalls, in the middle of a takeover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    SuccessorsWorkers,
    PredecessorsWorkers,
    SuccessorsArbiter,
    PredecessorsArbiter,
}

impl Who {
    pub const ALL: [Who; 4] =
        [Who::SuccessorsWorkers, Who::PredecessorsWorkers, Who::SuccessorsArbiter, Who::PredecessorsArbiter];
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    None,
    Dies(Who),
    /// Until every deadline has passed.
    Stops(Who),
    /// The predecessor's workers are stopped already when the successor comes.
    StoppedBefore,
}

/// From a server with `n` workers to one with `m`.
pub struct Case<'a> {
    pub from: &'a Program,
    pub to: &'a Program,
    pub n: u32,
    pub m: u32,
    pub fault: Fault,
}

impl fmt::Display for Case<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Case { from, to, n, m, fault } = self;
        write!(f, "{} -> {}, {n} -> {m} workers, {fault:?}", from.language, to.language)
    }
}

impl Case<'_> {
    pub fn play(&self, place: &Path) -> Result<Seen, Trouble> {
        match self.fault {
            Fault::None => self.with_a_death(None, place),
            Fault::Dies(who) => self.with_a_death(Some(who), place),
            Fault::Stops(who) => self.with_a_stop(Some(who), place),
            Fault::StoppedBefore => self.with_a_stop(None, place),
        }
    }

    fn with_a_death(&self, dies: Option<Who>, place: &Path) -> Result<Seen, Trouble> {
        let mut first = Server::start(self.from, self.n, &[], place)?;
        first.tells("ready")?;
        let crowd = Crowd::start(&first.address()?)?;
        crowd.goes_on()?;
        let slowly: &[&str] = if dies.is_some() { &[SLOWLY] } else { &[] };
        let mut second = Server::start(self.to, self.m, slowly, place)?;
        let mut killed = Vec::new();
        match dies {
            None => {}
            Some(Who::SuccessorsWorkers) => {
                // Each in the middle of its part. One whose counterpart had hardly a connection may get nothing to do.
                second.tells("adopting")?;
                let mut left = second.workers();
                until("every worker to die", || {
                    let busy = left.iter().position(|worker| second.adopting(*worker).len() > 9);
                    let worker = busy.map(|at| left.remove(at));
                    killed.extend(
                        worker.filter(|worker| second.kill_worker(*worker).is_ok_and(|killed| killed)),
                    );
                    left.is_empty() || !first.said("done").is_empty()
                })?;
            }
            Some(Who::PredecessorsWorkers) => {
                second.tells("adopting")?;
                for worker in first.workers() {
                    killed.extend(first.kill_worker(worker)?.then_some(worker));
                }
            }
            Some(Who::SuccessorsArbiter) => {
                second.tells("adopting")?;
                second.kill_arbiter()?;
                first.tells("resume")?;
            }
            Some(Who::PredecessorsArbiter) => {
                second.tells("adopting")?;
                first.kill_arbiter()?;
            }
        }
        let mut third = if dies == Some(Who::SuccessorsArbiter) {
            crowd.goes_on()?;
            let third = Server::start(self.from, self.m, &[], place)?;
            first.ends_well()?;
            third
        } else {
            second.tells("committed")?;
            if dies == Some(Who::PredecessorsArbiter) {
                first.workers_end()?
            } else {
                first.ends_well()?
            }
            crowd.goes_on()?;
            let third = Server::start(self.from, self.n, &[], place)?;
            second.ends_well()?;
            third
        };
        third.tells("committed")?;
        crowd.goes_on()?;
        let seen = crowd.end()?;
        judge(&seen, dies, &killed, &second)?;
        // Nobody is connected any more: whoever was left over by a dead arbiter ends, and SIGTERM ends the last.
        second.workers_end()?;
        third.ask_to_end()?;
        third.ends_well()?;
        Ok(seen)
    }

    /// Whoever is stopped uses nothing that is not its own when it wakes up, and ends well: nobody loses anything, and
    /// whoever connects in the middle of a takeover is served. `stops` is `None` where the predecessor's workers are
    /// stopped before it.
    fn with_a_stop(&self, stops: Option<Who>, place: &Path) -> Result<Seen, Trouble> {
        let mut first = Server::start(self.from, self.n, &SHORT, place)?;
        first.tells("ready")?;
        let address = first.address()?;
        let crowd = Crowd::start(&address)?;
        crowd.goes_on()?;
        let mut stopped = if stops.is_none() { first.workers() } else { Vec::new() };
        first.stop(&stopped)?;
        let [drain, hang] = SHORT;
        let mut second = Server::start(self.to, self.m, &[drain, hang, SLOWLY], place)?;
        if let Some(who) = stops {
            second.tells("committed")?;
            second.tells("adopting")?;
            let whose = match who {
                Who::SuccessorsWorkers | Who::SuccessorsArbiter => &second,
                Who::PredecessorsWorkers | Who::PredecessorsArbiter => &first,
            };
            stopped = match who {
                Who::SuccessorsWorkers | Who::PredecessorsWorkers => whose.workers(),
                Who::SuccessorsArbiter | Who::PredecessorsArbiter => vec![whose.pid()],
            };
            whose.stop(&stopped)?;
            if second.said("adopting").len() >= CONNECTIONS {
                return Err("everything was adopted before the stop: nothing was shown".into());
            }
        }
        if stops.is_some() {
            serves_newcomers(&address, &stopped)?;
            Server::wake(&stopped)?;
            first.tells("done")?;
        } else {
            // The attempt is off, and nobody accepts until those are awake that should.
            first.tells("resume")?;
            Server::wake(&stopped)?;
        }
        crowd.goes_on()?;
        let mut third = Server::start(self.from, self.n, &[], place)?;
        third.tells("committed")?;
        crowd.goes_on()?;
        let seen = crowd.end()?;
        judge(&seen, None, &[], &second)?;
        if stops == Some(Who::SuccessorsWorkers)
            && !first.workers().iter().any(|worker| seen.served_by.contains(worker))
        {
            return Err("no connection was taken back from the stopped: nothing was shown".into());
        }
        // A worker that had crashed would have been replaced.
        for (server, workers) in [(&first, self.n), (&second, self.m)] {
            let started = server.workers().len();
            if started != workers as usize {
                return Err(format!("{} started {started} workers, not {workers}", server.pid()).into());
            }
        }
        first.ends_well()?;
        second.ends_well()?;
        third.ask_to_end()?;
        third.ends_well()?;
        Ok(seen)
    }
}

/// For as long as somebody is stopped, the others answer.
fn serves_newcomers(address: &str, stopped: &[u32]) -> Result<(), Trouble> {
    let end = Instant::now() + STOPPED;
    while Instant::now() < end {
        let served_by = newcomer(address).map_err(|error| format!("a newcomer got no answer: {error}"))?;
        if stopped.contains(&served_by) {
            return Err(format!("a newcomer was answered by {served_by}, which is stopped").into());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Lost may be what a killed worker alone was using, and nothing else.
fn judge(seen: &Seen, dies: Option<Who>, killed: &[u32], second: &Server) -> Result<(), Trouble> {
    let workers_die = matches!(dies, Some(Who::SuccessorsWorkers | Who::PredecessorsWorkers));
    if workers_die && killed.is_empty() {
        return Err("no worker was killed in the middle: nothing was shown".into());
    }
    let adopted: Vec<u16> = killed.iter().flat_map(|pid| second.adopting(*pid)).collect();
    let excused = |lost: &&Lost| killed.contains(&lost.last) || adopted.contains(&lost.port);
    if let Some(lost) = seen.lost.iter().find(|lost| !excused(lost)) {
        let (count, Lost { port, last, how }) = (seen.lost.len(), lost);
        let what = format!(
            "{count} of {CONNECTIONS} connections were lost; port {port}, last served by {last}: {how}"
        );
        return Err(what.into());
    }
    match seen.fresh_lost.first() {
        Some(how) if seen.fresh_lost.len() > killed.len() * FRESH_AT_ONCE => {
            Err(format!("{} new connections got no answer: {how}", seen.fresh_lost.len()).into())
        }
        _ => Ok(()),
    }
}
