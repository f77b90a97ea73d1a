//! One takeover with a fault in it, under load: who survives, and what that costs.

mod aftermath;

use crate::case::{Case, PEER, Role, Setting};
use crate::load::{ASKERS, CONNECTORS, Load};
use crate::player::Player;
use crate::points::Kind;
use nix::sys::signal::Signal;
use serde::Serialize;
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};
use zdt_matrix::client::{Came, Client};
use zdt_matrix::crowd::{CROWD, Crowd};
use zdt_matrix::process::until;
use zdt_matrix::program::Program;
use zdt_matrix::stage::{Stage, newcomers_are_served_by};
use zdt_matrix::{PATIENCE, Trouble};

/// What a stopped process gets at most until it wakes up: longer than the deadlines of `SHORT`.
const STOPPED: Duration = Duration::from_secs(5);
/// And at least, so that the other one has seen it hang.
const STOPPED_AT_LEAST: Duration = Duration::from_secs(1);
/// Deadlines, where one side is to wait in vain. The peer, which is in Rust, can be told all of them.
const SHORT: [&str; 8] =
    ["--handshake-ms", "3000", "--ready-ms", "3000", "--commit-ms", "500", "--hang-ms", "500"];

/// How many connect while the owner is stopped.
const GUESTS: usize = 2;

/// What came of a case.
#[derive(Debug, Default, Serialize)]
pub struct Outcome {
    /// Who serves in the end: `predecessor`, `successor`, or `nobody`.
    pub survivor: String,
    /// Of the connections that were there before.
    pub kept: u64,
    pub lost: u64,
    /// How many may be lost: those whose only owner died.
    pub allowed: u64,
}

/// Everybody in a case.
struct Play<'a, 'b> {
    case: &'a Case,
    stage: &'a mut Stage<'b>,
    players: Vec<Player>,
    address: String,
    port: u16,
    /// They connected while the owner was stopped.
    guests: Vec<Client>,
}

/// Plays a case; what is known so far is in `outcome`, however it ends.
pub fn takeover(case: &Case, stage: &mut Stage<'_>, outcome: &mut Outcome) -> Result<(), Trouble> {
    let (from, to) = (stage.from, stage.to);
    let mut play =
        Play { case, stage, players: Vec::new(), address: String::new(), port: 0, guests: Vec::new() };
    play.launch(Role::Predecessor, from, "tcp://127.0.0.1:0")?;
    play.players[0].wait_until_ready()?;
    let address = play.players[0].relay.address.clone();
    play.address = address.clone();
    play.port = address.rsplit_once(':').ok_or("an address has a port")?.1.parse()?;

    let mut crowd = Crowd::gather(&address)?;
    if case.setting == Setting::Refusal {
        crowd.mark_last()?;
    }
    let askers = Load::gather(&address)?;
    let before = play.players[0].descriptors()?;
    let load = Load::begin(&address, askers);
    crowd.stir()?;
    let listen = format!("tcp://{address}");
    if case.setting == Setting::Busy {
        play.occupy(to, &listen)?;
    }
    play.launch(Role::Successor, to, &listen)?;
    crowd.murmur()?;
    play.await_fault().map_err(|error| play.picture(&error))?;
    if case.kind == Kind::Stop {
        play.await_decision()?;
    }
    if case.setting == Setting::Busy {
        // Whatever became of the one that came too late.
        play.players[1].relay.let_go_on()?;
    }
    let survivor = play.settle().map_err(|error| play.picture(&error))?;
    outcome.survivor = survivor.map_or("nobody", |place| name(play.players[place].role)).into();

    let living = play.living()?;
    let after = load.end()?;
    outcome.lost = (crowd.sort_out()? + ASKERS - after.askers.len()) as u64;
    outcome.kept = (CROWD + ASKERS) as u64 - outcome.lost;
    let (least, most) = play.deaths_cost(survivor.is_some())?;
    outcome.allowed = most;
    let dead = play.dead()?;
    if !(least..=most).contains(&outcome.lost) {
        return Err(format!("{} connections were lost, not {least} to {most}", outcome.lost).into());
    }
    let seen = after.seen;
    let mut ended = 0;
    let guests = play.guests.len();
    for mut guest in std::mem::take(&mut play.guests) {
        match guest.read(PATIENCE)? {
            Came::End => ended += 1,
            _ => guest.leave()?,
        }
    }
    if ended > guests * dead {
        return Err(format!("{ended} of {guests} who came while the owner was stopped were ended").into());
    }
    if seen.ended > (CONNECTORS * dead) as u64 {
        return Err(format!("{} of {} new connections were ended", seen.ended, seen.served).into());
    }
    if seen.refused > 0 && survivor.is_some() && !case.closes_the_listeners() {
        return Err(format!("{} of {} new connections were refused", seen.refused, seen.served).into());
    }
    if let Some(place) = survivor {
        play.players[place].is_known()?;
        if let Some(stranger) = crowd.whos().find(|who| !who.is_some_and(|who| living.contains(who))) {
            return Err(format!("served by {stranger:?}, alive are {living:?}").into());
        }
        play.leaks_nothing(place, before, outcome.lost as usize)?;
        if case.setting == Setting::Hung {
            play.accepts_alone_in_the_end(place)?;
        }
        newcomers_are_served_by(&play.players[place].relay)?;
    }
    play.next_takeover(&listen, crowd, after.askers)
}

fn name(role: Role) -> &'static str {
    if role == Role::Predecessor { "predecessor" } else { "successor" }
}

impl Play<'_, '_> {
    fn launch(&mut self, role: Role, program: &Program, listen: &str) -> Result<(), Trouble> {
        let case = self.case;
        let trigger = match (role, case.setting) {
            (Role::Successor, Setting::Abort) => "successor.given.Offer=stop",
            (Role::Successor, Setting::Hung) => "successor.given.Committed=stop",
            (Role::Successor, Setting::Resume) => "successor.after-swap.commit=kill",
            _ => "",
        };
        let own = if role == case.role { case.fault() } else { String::new() };
        let fault = [trigger, &own].into_iter().filter(|one| !one.is_empty()).collect::<Vec<_>>().join(",");
        let mut switches = Vec::new();
        if case.kind == Kind::Stop || matches!(case.setting, Setting::Abort | Setting::Hung) {
            // Only the peer knows them all.
            switches.extend(if program.language() == PEER { &SHORT[..] } else { &SHORT[4..6] });
        }
        let watches = case.setting == Setting::Resume || (case.is_deadly() && case.role == Role::Successor);
        switches.extend(["--probation-ms", if watches { "3000" } else { "200" }]);
        self.players.push(Player::launch(self.stage, role, program, listen, &switches, &fault)?);
        Ok(())
    }

    /// A successor that is welcome, and not ready.
    fn occupy(&mut self, program: &Program, listen: &str) -> Result<(), Trouble> {
        let switches = ["--hold-before-ready", "--probation-ms", "200"];
        let mut player = Player::launch(self.stage, Role::Successor, program, listen, &switches, "")?;
        player.relay.wait_until_listening(program)?;
        self.players.push(player);
        Ok(())
    }

    /// Which of the players has the fault: of two successors the later one.
    fn victim(&self) -> usize {
        if self.case.role == Role::Predecessor { 0 } else { self.players.len() - 1 }
    }

    /// What is wrong, and how everybody stands.
    fn picture(&self, error: &Trouble) -> Trouble {
        let mut text = error.to_string();
        for player in &self.players {
            let state = player.relay.state().unwrap_or('-');
            let queue = player.relay.queue().unwrap_or_default();
            let accepts = player.accepts(self.port);
            text += &format!("; {}: state {state}, accepts: {accepts}, queue: {queue}", player.relay);
        }
        text.into()
    }

    /// Waits until the fault was seen to happen. A process that was stopped so that it can wakes up when it is time.
    fn await_fault(&mut self) -> Result<(), Trouble> {
        let (victim, last) = (self.victim(), self.players.len() - 1);
        let waits_for = match self.case.setting {
            Setting::Abort => Some(("successor.given.Offer", "resume")),
            Setting::Hung => Some(("successor.given.Committed", "accept")),
            _ => None,
        };
        let mut asleep = waits_for;
        let (case, address) = (self.case, &self.address);
        let (players, guests) = (&mut self.players, &mut self.guests);
        until(&format!("{} to happen", case.fault()), || {
            // In this order: what has ended has said everything.
            let ended = players[victim].ended()?;
            let fired = players[victim].fired(&case.point)?.is_some();
            if let Some((point, event)) = asleep
                && players[last].fired(point)?.is_some()
                && players[last].is_stopped()
            {
                // Whoever connects again and again may wait for a reply of the one that is stopped.
                if guests.is_empty() && case.setting == Setting::Hung {
                    for number in 0..GUESTS {
                        guests.push(Client::connect(address, format!("guest-{number}"))?);
                    }
                }
                if players[0].relay.has_told(event) || (fired && (!case.is_deadly() || ended.is_some())) {
                    asleep = None;
                    players[last].relay.wake_up()?;
                }
            }
            match (case.kind, ended) {
                _ if !fired && ended.is_some() => {
                    Err(format!("the fault never happened: {} ended", players[victim].relay).into())
                }
                (Kind::Kill, Some(status)) => match status.signal() == Some(Signal::SIGKILL as i32) {
                    true => Ok(true),
                    false => Err(format!("killed, but it ended with {status}").into()),
                },
                (Kind::Exit, Some(status)) if !status.success() => {
                    Err(format!("it was to exit, but ended with {status}").into())
                }
                (Kind::Exit, Some(_)) => Ok(true),
                (Kind::Kill | Kind::Exit, None) => Ok(false),
                (Kind::Stop, _) => Ok(fired && players[victim].is_stopped()),
                _ => Ok(fired),
            }
        })?;
        if asleep.is_some()
            && victim != last
            && self.players[last].fired(asleep.unwrap_or_default().0)?.is_some()
        {
            self.players[last].relay.wake_up()?;
        }
        Ok(())
    }

    /// A stopped process wakes up when the other one has decided what to do without it, or has long had the time to.
    fn await_decision(&mut self) -> Result<(), Trouble> {
        let began = Instant::now();
        let victim = self.victim();
        let others: Vec<usize> = (0..self.players.len()).filter(|place| *place != victim).collect();
        while began.elapsed() < STOPPED {
            let mut decided = false;
            for place in &others {
                let other = &mut self.players[*place];
                decided |= other.ended()?.is_some()
                    || ["resume", "committed", "aborted"].iter().any(|event| other.relay.has_told(event));
            }
            if decided && began.elapsed() >= STOPPED_AT_LEAST {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.players[victim].relay.wake_up()
    }
}
