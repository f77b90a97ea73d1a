//! What is tried on every pair of languages. Each case is named after what it proves.

use crate::Trouble;
use crate::client::Client;
use crate::crowd::{CROWD, Crowd, MESSAGE, PADDING, PART, Role};
use crate::mirror::Ask;
use crate::process::{Relay, number, text, until};
use crate::stage::{Stage, newcomers_are_served_by};
use nix::sys::signal::Signal;
use std::time::Duration;

/// One case.
pub struct Case {
    /// Its name.
    pub name: &'static str,
    /// Plays it.
    pub run: fn(&mut Stage<'_>) -> Result<(), Trouble>,
}

/// All of them.
pub const CASES: &[Case] = &[
    Case { name: "everything_moves_and_what_is_refused_comes_back", run: everything_moves },
    Case { name: "what_comes_back_is_served_until_the_drain_deadline", run: everything_refused },
    Case { name: "a_successor_killed_after_done_leaves_the_path_to_the_next", run: killed_after_done },
    Case { name: "a_successor_killed_before_ready_costs_nothing", run: killed_before_ready },
    Case { name: "a_successor_that_never_says_ready_costs_nothing_and_is_told", run: never_ready },
    Case { name: "a_successor_killed_before_it_commits_costs_what_it_adopted", run: killed_before_commit },
    Case { name: "a_successor_killed_after_it_committed_costs_what_it_adopted", run: killed_after_commit },
    Case { name: "a_successor_that_wakes_up_too_late_touches_nothing", run: stopped_with_nothing },
    Case { name: "a_successor_that_wakes_up_too_late_serves_only_what_it_adopted", run: stopped_with_some },
    Case { name: "a_predecessor_killed_while_it_offers_costs_what_was_not_offered", run: predecessor_killed },
    Case { name: "what_a_dead_predecessor_had_offered_is_adopted_however_late", run: predecessor_long_dead },
    Case { name: "the_service_goes_back_and_forth_and_leaves_nothing_behind", run: back_and_forth },
];

/// How many wait in the listener's queue when the successor gets it.
const QUEUED: usize = 20;

fn everything_moves(stage: &mut Stage<'_>) -> Result<(), Trouble> {
    let mut old = stage.start(stage.from, &[])?;
    let mut crowd = Crowd::gather(&old.address)?;
    let mut refused = crowd.send_away()?;
    crowd.stir()?;
    let mut new = stage.start_only(stage.to, &["--hold-before-ready"])?;

    // Nobody accepts now: the predecessor is stopped, the successor is not ready.
    old.stop()?;
    let mut queued = queue_up(&old)?;
    new.let_go_on()?;
    new.wait_for("ready")?;
    for client in &mut queued {
        client.check(&new.who)?;
    }
    old.wake_up()?;
    crowd.murmur()?;
    refused.ask(Ask::Echo(b"on its way while it is refused".to_vec()))?;

    let returned = old.wait_for("returned")?;
    if text(&returned, "name")? != refused.name || text(&returned, "why")? != "refused" {
        return Err(format!("{} was to be refused, but: {returned}", refused.name).into());
    }
    let migrated = old.wait_for("migrated")?;
    let at_least = [
        ("moved", crowd.len()),
        ("unread_bytes", crowd.count(Role::Splitting) * PART),
        ("unsent_bytes", crowd.count(Role::Slow) << 20),
        ("state_bytes", crowd.count(Role::Padded) * PADDING),
    ];
    let short = at_least.iter().find(|(field, least)| migrated[field].as_u64() < Some(*least as u64));
    if let Some((field, least)) = short {
        return Err(format!("{field} is less than {least}: {migrated}").into());
    }
    if number(&migrated, "moved")? != CROWD as u64 - 1 || number(&migrated, "returned")? != 1 {
        return Err(format!("all but one were to move: {migrated}").into());
    }
    new.wait_for("committed")?;
    crowd.check(&new.who)?;
    newcomers_are_served_by(&new)?;
    queued.into_iter().try_for_each(Client::leave)?;

    // The one that came back goes on with the predecessor, which waits for it.
    refused.check(&old.who)?;
    refused.check(&old.who)?;
    refused.leave()?;
    old.ends_well()?;
    crowd.leave()
}

fn everything_refused(stage: &mut Stage<'_>) -> Result<(), Trouble> {
    let mut old = stage.start(stage.from, &["--drain-ms", "8000"])?;
    let mut crowd = Crowd::gather(&old.address)?;
    let mut last = crowd.send_away()?;
    crowd.stir()?;
    let mut new = stage.start(stage.to, &["--refuse-all"])?;
    crowd.murmur()?;
    let migrated = old.wait_for("migrated")?;
    if number(&migrated, "moved")? != 0 || number(&migrated, "returned")? != CROWD as u64 {
        return Err(format!("all were to come back: {migrated}").into());
    }
    new.wait_for("committed")?;
    crowd.check(&old.who)?;
    newcomers_are_served_by(&new)?;
    crowd.leave()?;
    // One stays, so the predecessor does, until it may not any longer.
    last.check(&old.who)?;
    last.sees_the_end()?;
    old.ends_well()?;
    newcomers_are_served_by(&new)
}

fn killed_after_done(stage: &mut Stage<'_>) -> Result<(), Trouble> {
    let mut old = stage.start(stage.from, &[])?;
    let mut last = Crowd::gather(&old.address)?.send_away()?;
    let mut new = stage.start(stage.to, &[])?;
    old.wait_for("done")?;
    new.kill()?;
    old.wait_for("relieved")?;
    // The path and the service are free, although the old one still serves what came back to it.
    newcomers_are_served_by(&stage.start(stage.to, &[])?)?;
    last.check(&old.who)?;
    last.leave()?;
    old.ends_well()
}

fn killed_before_ready(stage: &mut Stage<'_>) -> Result<(), Trouble> {
    let mut old = stage.start(stage.from, &[])?;
    let mut crowd = Crowd::gather(&old.address)?;
    crowd.stir()?;
    let mut new = stage.start_only(stage.to, &["--hold-before-ready"])?;
    crowd.murmur()?;
    new.kill()?;
    crowd.check(&old.who)?;
    newcomers_are_served_by(&old)?;
    if old.has_told("drain") {
        return Err(format!("{old} was told to drain for a successor that was never ready").into());
    }
    stage.take_over(old, stage.to, &mut crowd)?;
    Ok(())
}

fn never_ready(stage: &mut Stage<'_>) -> Result<(), Trouble> {
    // The next takeover has the same deadline, and whoever has a runtime to start takes his time.
    let ready_ms = match stage.to.language() {
        "java" => "5000",
        "python" => "2000",
        _ => "1000",
    };
    let mut old = stage.start(stage.from, &["--ready-ms", ready_ms])?;
    let mut crowd = Crowd::gather(&old.address)?;
    crowd.stir()?;
    let before = old.sockets()?;
    let mut late = stage.start_only(stage.to, &["--hold-before-ready"])?;
    crowd.murmur()?;
    // The deed comes first: whoever has closed the link is the owner for good.
    until("the deadline to pass and the link to be closed", || Ok(old.sockets()? == before))?;
    crowd.check(&old.who)?;
    newcomers_are_served_by(&old)?;

    late.let_go_on()?;
    let cause = text(&late.wait_for("aborted")?, "cause")?;
    let who = format!("the predecessor (process {}) called the attempt off", old.pid());
    let why =
        format!("the successor (process {}) did not do its part before the deadline (Ready)", late.pid());
    if !cause.contains(&who) || !cause.contains(&why) {
        return Err(format!("{late} was not told that {old} called it off, and why: {cause}").into());
    }
    late.ends_well()?;
    crowd.check(&old.who)?;
    newcomers_are_served_by(&old)?;
    if old.has_told("drain") {
        return Err(format!("{old} was told to drain for a successor that was never ready").into());
    }
    stage.take_over(old, stage.to, &mut crowd)?;
    Ok(())
}

fn killed_before_commit(stage: &mut Stage<'_>) -> Result<(), Trouble> {
    // In the middle of the first message: the successor commits when all of it is settled.
    let committed = killed(stage, 5)?;
    if committed { Err("it had committed".into()) } else { Ok(()) }
}

fn killed_after_commit(stage: &mut Stage<'_>) -> Result<(), Trouble> {
    // In the middle of a later message, and longer after the commit than the predecessor's probation takes: as long as it
    // has connections on offer it must not leave.
    let committed = killed(stage, 40)?;
    if committed { Ok(()) } else { Err("it had not committed".into()) }
}

/// A successor is killed when it has adopted so many. Whether it had committed.
fn killed(stage: &mut Stage<'_>, adopted: usize) -> Result<bool, Trouble> {
    let mut old = stage.start(stage.from, &[])?;
    let mut crowd = Crowd::gather(&old.address)?;
    crowd.stir()?;
    let mut new =
        stage.start(stage.to, &["--adopt-delay-ms", "20", "--die-after-adopting", &adopted.to_string()])?;
    new.ends_by(Signal::SIGKILL)?;
    old.wait_for("resume")?;
    let lost = crowd.check_survivors(&old.who)?;
    if lost != adopted {
        return Err(format!("{lost} connections were lost; the successor had adopted {adopted}").into());
    }
    newcomers_are_served_by(&old)?;
    stage.take_over(old, stage.to, &mut crowd)?;
    Ok(new.has_told("committed"))
}

fn stopped_with_nothing(stage: &mut Stage<'_>) -> Result<(), Trouble> {
    stopped(stage, 0)
}

fn stopped_with_some(stage: &mut Stage<'_>) -> Result<(), Trouble> {
    stopped(stage, 3)
}

/// A successor stops when it has adopted so many, and wakes up when the predecessor has long taken everything back.
fn stopped(stage: &mut Stage<'_>, adopted: usize) -> Result<(), Trouble> {
    let mut old = stage.start(stage.from, &["--commit-ms", "100"])?;
    let mut crowd = Crowd::gather(&old.address)?;
    crowd.stir()?;
    let mut late = stage.start(stage.to, &["--stop-after-adopting", &adopted.to_string()])?;
    late.wait_until_stopped()?;
    old.wait_for("resume")?;
    let mut its_own = crowd.take_silent(adopted, &old.who)?;
    newcomers_are_served_by(&old)?;

    // The owner is stopped too: whatever is read, written, ended or accepted now, the other one did it.
    crowd.stir()?;
    old.stop()?;
    let mut queued = queue_up(&old)?;
    crowd.murmur()?;
    late.wake_up()?;
    late.wait_for("aborted")?;
    its_own.is_answered_by(&late.who)?;
    its_own.leave()?;
    late.ends_well()?;
    crowd.is_silent()?;
    if old.queue()? != QUEUED {
        return Err(format!("{} of {QUEUED} are left in the queue", old.queue()?).into());
    }
    old.wake_up()?;
    crowd.check(&old.who)?;
    for client in &mut queued {
        client.check(&old.who)?;
    }
    queued.into_iter().try_for_each(Client::leave)?;
    stage.take_over(old, stage.to, &mut crowd)?;
    Ok(())
}

fn predecessor_killed(stage: &mut Stage<'_>) -> Result<(), Trouble> {
    let mut old = stage.start(stage.from, DIES_OFFERING)?;
    let mut crowd = Crowd::gather(&old.address)?;
    crowd.stir()?;
    let new = stage.start(stage.to, &[])?;
    old.ends_by(Signal::SIGKILL)?;
    outlives(stage, new, crowd)
}

fn predecessor_long_dead(stage: &mut Stage<'_>) -> Result<(), Trouble> {
    let mut old = stage.start(stage.from, DIES_OFFERING)?;
    let mut crowd = Crowd::gather(&old.address)?;
    crowd.stir()?;
    let mut new = stage.start(stage.to, &["--stop-after-adopting", "0"])?;
    new.wait_until_stopped()?;
    old.ends_by(Signal::SIGKILL)?;
    // When it wakes up it finds several messages, end-of-file and the death all at once.
    new.wake_up()?;
    outlives(stage, new, crowd)
}

/// A predecessor dies with three messages sent and a fourth in the making.
const DIES_OFFERING: &[&str] = &["--die-after-offering", "30"];
const OFFERED: usize = 30;

/// The predecessor died while it offered: `new` serves what came, and only that.
fn outlives(stage: &mut Stage<'_>, mut new: Relay, mut crowd: Crowd) -> Result<(), Trouble> {
    new.wait_for("committed")?;
    crowd.check_survivors(&new.who)?;
    let served = crowd.len();
    if served + MESSAGE < OFFERED || served > OFFERED {
        return Err(format!("{served} connections are served, {OFFERED} were offered").into());
    }
    newcomers_are_served_by(&new)?;
    let third = stage.take_over(new, stage.from, &mut crowd)?;
    if third.who.1 != 3 { Err(format!("{third} is the third").into()) } else { Ok(()) }
}

fn back_and_forth(stage: &mut Stage<'_>) -> Result<(), Trouble> {
    let mut relay = stage.start(stage.from, &[])?;
    let mut crowd = Crowd::gather(&relay.address)?;
    let mut before = Vec::new();
    for generation in 2..=5 {
        before.push(settled_descriptors(&relay)?);
        let program = if generation % 2 == 0 { stage.to } else { stage.from };
        relay = stage.take_over(relay, program, &mut crowd)?;
        if relay.who != (program.language().to_string(), generation) {
            return Err(format!("{relay} is of generation {generation}").into());
        }
    }
    before.push(settled_descriptors(&relay)?);
    if before[4] > before[2] || before[2] > before[0] || before[3] > before[1] {
        return Err(format!("descriptors pile up from generation to generation: {before:?}").into());
    }
    crowd.leave()
}

/// How many descriptors it has once it has closed what it is about to close: when their number has long been the same.
fn settled_descriptors(relay: &Relay) -> Result<usize, Trouble> {
    let (mut last, mut looks) = (0, 0);
    until("the number of descriptors to stay the same", || {
        std::thread::sleep(Duration::from_millis(50));
        let now = relay.descriptors()?;
        looks = if now == last { looks + 1 } else { 0 };
        last = now;
        Ok(looks == 8)
    })?;
    Ok(last)
}

/// So many connect, greet and ask while nobody accepts.
fn queue_up(relay: &Relay) -> Result<Vec<Client>, Trouble> {
    let clients: Result<Vec<Client>, Trouble> =
        (0..QUEUED).map(|number| Client::connect(&relay.address, format!("queued-{number}"))).collect();
    until("the queue to fill", || Ok(relay.queue()? == QUEUED))?;
    clients
}
