//! Faults of a process that has nobody to take over from, or nobody to take over from it. Whatever it dies of, the path is
//! the next one's.

use crate::case::{Case, Role, Setting};
use crate::play::Outcome;
use crate::player::Player;
use crate::points::Kind;
use nix::sys::signal::Signal;
use zdt_matrix::Trouble;
use zdt_matrix::client::Client;
use zdt_matrix::process::until;
use zdt_matrix::stage::{Stage, newcomers_are_served_by};

const ANYWHERE: &str = "tcp://127.0.0.1:0";

/// Plays a case whose point is the owner's, or `Relieved`.
pub fn alone(case: &Case, stage: &mut Stage<'_>, outcome: &mut Outcome) -> Result<(), Trouble> {
    let program = stage.from;
    let mut launch = |role, switches: &[&str], fault: &str| {
        Player::launch(stage, role, program, ANYWHERE, switches, fault)
    };
    let mut owner = launch(case.role, &["--probation-ms", "20000"], &case.fault())?;
    match case.setting {
        Setting::First => {}
        Setting::Leave => {
            owner.wait_until_ready()?;
            newcomers_are_served_by(&owner.relay)?;
            owner.relay.signal(Signal::SIGTERM)?;
        }
        _ => {
            owner.wait_until_ready()?;
            let client = Client::connect(&owner.relay.address, "guest".into())?;
            let mut successor = launch(Role::Successor, &[], "")?;
            successor.wait_until_ready()?;
            owner.relay.wait_for("migrated")?;
            client.leave()?;
            successor.relay.signal(Signal::SIGTERM)?;
            successor.relay.ends_well()?;
        }
    }
    until(&format!("{} to happen", case.fault()), || {
        let fired = owner.fired(&case.point)?.is_some();
        match case.kind {
            Kind::Kill | Kind::Exit => Ok(fired && owner.ended()?.is_some()),
            Kind::Stop => Ok(fired && owner.is_stopped()),
            _ => Ok(fired),
        }
    })?;
    if case.kind == Kind::Stop {
        // It may hold the lock, the path, or neither; whoever comes now serves, or says why not and ends.
        let mut other = launch(Role::Successor, &["--handshake-ms", "1000"], "")?;
        until("the next one to serve or to give up", || {
            Ok(other.relay.has_told("ready") || other.ended()?.is_some())
        })?;
        owner.relay.wake_up()?;
        if other.ended()?.is_none() {
            other.is_known()?;
            newcomers_are_served_by(&other.relay)?;
            other.relay.kill()?;
        }
    }
    let serves_on = case.setting == Setting::First && !case.is_deadly();
    if serves_on {
        owner.wait_until_ready()?;
    } else if !case.is_deadly() {
        owner.relay.ends_well()?;
    }
    let mut next = launch(Role::Successor, &["--probation-ms", "200"], "")?;
    next.wait_until_ready()?;
    if serves_on {
        next.relay.wait_for("committed")?;
    }
    newcomers_are_served_by(&next.relay)?;
    if serves_on {
        owner.relay.signal(Signal::SIGTERM)?;
        owner.relay.ends_well()?;
    }
    outcome.survivor = if serves_on { "owner" } else { "nobody" }.into();
    Ok(())
}
