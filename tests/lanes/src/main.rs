//! lanes LANGUAGE=PROGRAM...: pre-fork servers (examples/prefork) take over from each other under load, and whoever can
//! die does. Ends with "N passed, N failed".

mod crowd;
mod server;

use crowd::{CONNECTIONS, Crowd, FRESH_AT_ONCE, Seen};
use server::{Program, Server};
use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

type Trouble = Box<dyn Error + Send + Sync>;

/// How long anything that must happen may take, on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(60);

/// So slowly does a successor adopt where somebody is to die in the middle, in milliseconds a connection.
const SLOWLY: u32 = 5;

/// Who dies in the middle of a takeover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dies {
    Nobody,
    SuccessorsWorkers,
    PredecessorsWorkers,
    SuccessorsArbiter,
    PredecessorsArbiter,
}

fn main() -> Result<(), Trouble> {
    let programs: Vec<Program> = std::env::args()
        .skip(1)
        .map(|argument| {
            let (language, path) = argument.split_once('=').ok_or("usage: lanes LANGUAGE=PROGRAM...")?;
            Ok(Program { language: language.into(), path: path.into() })
        })
        .collect::<Result<_, Trouble>>()?;
    let (mut passed, mut failed) = (0, 0);
    for from in &programs {
        for to in &programs {
            let moves = [(4, 4), (4, 2), (2, 4)].map(|(n, m)| (n, m, Dies::Nobody));
            let faults = [
                Dies::SuccessorsWorkers,
                Dies::PredecessorsWorkers,
                Dies::SuccessorsArbiter,
                Dies::PredecessorsArbiter,
            ];
            for (n, m, dies) in moves.into_iter().chain(faults.map(|dies| (4, 4, dies))) {
                let name = format!("{} -> {}, {n} -> {m} workers, {dies:?}", from.language, to.language);
                let place = tempfile::Builder::new().prefix("zdt-lanes").tempdir()?;
                let begin = Instant::now();
                match case(from, to, n, m, dies, place.path()) {
                    Ok(seen) => {
                        passed += 1;
                        let (lines, lost) = (seen.lines, seen.lost.len());
                        let (fresh, took) = (seen.fresh_lost.len(), begin.elapsed());
                        println!("ok     {name}: {lines} lines, {lost} + {fresh} lost, {took:.1?}");
                    }
                    Err(error) => {
                        failed += 1;
                        println!("FAILED {name}: {error}; {}", place.keep().join("log").display());
                    }
                }
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    if failed == 0 && passed > 0 { Ok(()) } else { Err("some failed".into()) }
}

/// A takeover with whoever dies in it, then another takeover, in which nobody does.
fn case(from: &Program, to: &Program, n: u32, m: u32, dies: Dies, place: &Path) -> Result<Seen, Trouble> {
    let slowly = if dies == Dies::Nobody { 0 } else { SLOWLY };
    let mut first = Server::start(from, n, 0, place)?;
    first.tells("ready")?;
    let crowd = Crowd::start(&first.address()?)?;
    crowd.goes_on()?;
    let mut second = Server::start(to, m, slowly, place)?;
    let mut killed = Vec::new();
    match dies {
        Dies::Nobody => {}
        Dies::SuccessorsWorkers => {
            // Each in the middle of its part. One whose counterpart had hardly a connection may get nothing to do.
            second.tells("adopting")?;
            let mut left = second.workers();
            until("every worker to die", || {
                let busy = left.iter().position(|worker| second.adopting(*worker).len() > 9);
                let worker = busy.map(|at| left.remove(at));
                killed.extend(worker.filter(|worker| second.kill_worker(*worker).is_ok_and(|killed| killed)));
                left.is_empty() || !first.said("done").is_empty()
            })?;
        }
        Dies::PredecessorsWorkers => {
            second.tells("adopting")?;
            for worker in first.workers() {
                killed.extend(first.kill_worker(worker)?.then_some(worker));
            }
        }
        Dies::SuccessorsArbiter => {
            second.tells("adopting")?;
            second.kill_arbiter()?;
            first.tells("resume")?;
        }
        Dies::PredecessorsArbiter => {
            second.tells("adopting")?;
            first.kill_arbiter()?;
        }
    }
    let mut third = if dies == Dies::SuccessorsArbiter {
        crowd.goes_on()?;
        let third = Server::start(from, m, 0, place)?;
        first.ends_well()?;
        third
    } else {
        second.tells("committed")?;
        if dies == Dies::PredecessorsArbiter {
            first.workers_end()?
        } else {
            first.ends_well()?
        }
        crowd.goes_on()?;
        let third = Server::start(from, n, 0, place)?;
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

/// Lost may be what a killed worker alone was using, and nothing else.
fn judge(seen: &Seen, dies: Dies, killed: &[u32], second: &Server) -> Result<(), Trouble> {
    let workers_die = matches!(dies, Dies::SuccessorsWorkers | Dies::PredecessorsWorkers);
    if workers_die && killed.is_empty() {
        return Err("no worker was killed in the middle: nothing was shown".into());
    }
    let adopted: Vec<u16> = killed.iter().flat_map(|pid| second.adopting(*pid)).collect();
    let excused = |lost: &&crowd::Lost| killed.contains(&lost.last) || adopted.contains(&lost.port);
    if let Some(lost) = seen.lost.iter().find(|lost| !excused(lost)) {
        let (count, crowd::Lost { port, last, how }) = (seen.lost.len(), lost);
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

/// Waits for something, for as long as there is patience.
fn until(what: &str, mut happened: impl FnMut() -> bool) -> Result<(), Trouble> {
    let end = Instant::now() + PATIENCE;
    while !happened() {
        if Instant::now() >= end {
            return Err(format!("waited in vain for {what}").into());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}
