//! lanes LANGUAGE=PROGRAM...: pre-fork servers (examples/prefork) take over from each other under load, and whoever can
//! die or hang does. Ends with "N passed, N failed".

mod case;
mod crowd;
mod server;

use case::{Case, Fault, Who};
use server::Program;
use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

type Trouble = Box<dyn Error + Send + Sync>;

/// How long anything that must happen may take, on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(60);

/// So many cases run at a time: they wait more than they work.
const JOBS: usize = 3;

fn main() -> Result<(), Trouble> {
    let programs: Vec<Program> = std::env::args()
        .skip(1)
        .map(|argument| {
            let (language, path) = argument.split_once('=').ok_or("usage: lanes LANGUAGE=PROGRAM...")?;
            Ok(Program { language: language.into(), path: path.into() })
        })
        .collect::<Result<_, Trouble>>()?;
    let cases = cases(&programs);
    let (next, passed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..JOBS {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    passed.fetch_add(usize::from(passes(case)), Ordering::Relaxed);
                }
            });
        }
    });
    let (passed, all) = (passed.into_inner(), cases.len());
    println!("{passed} passed, {} failed", all - passed);
    if passed == all && all > 0 { Ok(()) } else { Err("some failed".into()) }
}

/// Each pair: as many workers, fewer, more; and with as many, each fault.
fn cases(programs: &[Program]) -> Vec<Case<'_>> {
    let mut cases = Vec::new();
    for from in programs {
        for to in programs {
            let numbers = [(4, 4), (4, 2), (2, 4)].map(|(n, m)| Case { from, to, n, m, fault: Fault::None });
            let faults = Who::ALL.into_iter().flat_map(|who| [Fault::Dies(who), Fault::Stops(who)]);
            let faults = faults.chain([Fault::StoppedBefore]);
            cases.extend(numbers);
            cases.extend(faults.map(|fault| Case { from, to, n: 4, m: 4, fault }));
        }
    }
    cases
}

/// Plays a case, and says what came of it.
fn passes(case: &Case<'_>) -> bool {
    let begin = Instant::now();
    let place = match tempfile::Builder::new().prefix("zdt-lanes").tempdir() {
        Ok(place) => place,
        Err(error) => {
            println!("FAILED {case}: a directory: {error}");
            return false;
        }
    };
    match case.play(place.path()) {
        Ok(seen) => {
            let (lines, lost, fresh) = (seen.lines, seen.lost.len(), seen.fresh_lost.len());
            println!("ok     {case}: {lines} lines, {lost} + {fresh} lost, {:.1?}", begin.elapsed());
            true
        }
        Err(error) => {
            println!("FAILED {case}: {error}; {}", place.keep().join("log").display());
            false
        }
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
