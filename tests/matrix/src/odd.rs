//! Takeovers that come at an odd moment, on every pair of languages.

use crate::cases::Case;
use crate::high::high;
use zdt_matrix::Trouble;
use zdt_matrix::crowd::{CROWD, Crowd};
use zdt_matrix::process::number;
use zdt_matrix::stage::{Stage, newcomers_are_served_by};

/// All of them.
pub const CASES: &[Case] = &[
    Case { name: "of_two_successors_at_once_one_takes_over_and_the_other_says_who", run: two_at_once },
    Case { name: "a_successor_may_come_while_its_predecessor_drains_by_a_signal", run: draining_by_a_signal },
    Case { name: "a_third_right_behind_the_second_gets_everything", run: right_behind },
    Case { name: "what_is_not_answered_by_the_drain_deadline_is_counted", run: too_slow },
    Case { name: "descriptors_above_16384_are_like_any_other", run: high_descriptors },
];

/// How often two come at once; what decides is a matter of microseconds.
const ROUNDS: usize = 3;

fn two_at_once(stage: &mut Stage<'_>) -> Result<(), Trouble> {
    let mut owner = stage.start(stage.from, &[])?;
    let mut crowd = Crowd::gather(&owner.address)?;
    for _ in 0..ROUNDS {
        owner.forget();
        let (one, other) = (
            stage.spawn(stage.to, &["--hold-before-ready"])?,
            stage.spawn(stage.to, &["--hold-before-ready"])?,
        );
        let mut both = [one, other];
        let [first, second] = both.each_mut().map(|(relay, _)| relay.wait_until_listening(stage.to).is_ok());
        if first == second {
            return Err(format!("of two, {} got the listener", if first { "both" } else { "neither" }).into());
        }
        let [one, other] = both;
        let ((mut new, _), (mut late, log)) = if first { (one, other) } else { (other, one) };
        late.ends_badly()?;
        let said = std::fs::read_to_string(log)?;
        if !said.contains(&format!("process {} is taking over already", new.pid())) {
            return Err(format!("the other one did not say with whom {owner} is busy: {said}").into());
        }
        crowd.stir()?;
        new.let_go_on()?;
        new.wait_for("ready")?;
        crowd.murmur()?;
        new.wait_for("committed")?;
        owner.wait_for("migrated")?;
        crowd.check(&new.who)?;
        newcomers_are_served_by(&new)?;
        owner.ends_well()?;
        owner = new;
    }
    Ok(())
}

fn draining_by_a_signal(stage: &mut Stage<'_>) -> Result<(), Trouble> {
    let mut old = stage.start(stage.from, &[])?;
    let mut crowd = Crowd::gather(&old.address)?;
    crowd.stir()?;
    old.terminate()?;
    if number(&old.wait_for("drain")?, "successor")? != 0 {
        return Err(format!("{old} has no successor yet").into());
    }
    let mut new = stage.start(stage.to, &[])?;
    crowd.murmur()?;
    if number(&old.wait_for("drain")?, "successor")? != u64::from(new.pid()) {
        return Err(format!("{new} is the successor of {old}").into());
    }
    new.wait_for("committed")?;
    old.wait_for("migrated")?;
    crowd.check(&new.who)?;
    newcomers_are_served_by(&new)?;
    old.ends_well()
}

fn right_behind(stage: &mut Stage<'_>) -> Result<(), Trouble> {
    let mut first = stage.start(stage.from, &[])?;
    let mut crowd = Crowd::gather(&first.address)?;
    crowd.stir()?;
    let mut second = stage.start(stage.to, &["--adopt-delay-ms", "40"])?;
    second.wait_for("committed")?;
    if first.has_told("migrated") {
        return Err(format!("{first} was to be in the middle of it").into());
    }
    let mut third = stage.start(stage.from, &[])?;
    crowd.murmur()?;
    third.wait_for("committed")?;
    first.wait_for("migrated")?;
    second.wait_for("migrated")?;
    crowd.check(&third.who)?;
    newcomers_are_served_by(&third)?;
    first.ends_well()?;
    second.ends_well()
}

fn too_slow(stage: &mut Stage<'_>) -> Result<(), Trouble> {
    // Long enough for the first message to be answered, and the commit, also where the machine is busy.
    let mut old = stage.start(stage.from, &["--drain-ms", "3500"])?;
    let mut crowd = Crowd::gather(&old.address)?;
    crowd.stir()?;
    let mut new = stage.start(stage.to, &["--adopt-delay-ms", "100"])?;
    new.wait_for("committed")?;
    let left = number(&old.wait_for("done")?, "left")?;
    if left == 0 {
        return Err(format!("{new} was to be too slow for {old}").into());
    }
    old.ends_well()?;
    newcomers_are_served_by(&new)?;
    // What did not move was served to the deadline and ended there, whole.
    let lost = crowd.check_survivors(&new.who)?;
    if lost == 0 || lost == CROWD {
        return Err(format!("{lost} of {CROWD} connections ended with the drain deadline").into());
    }
    Ok(())
}

fn high_descriptors(stage: &mut Stage<'_>) -> Result<(), Trouble> {
    let mut old = stage.start(&high(stage.from)?, &[])?;
    let mut crowd = Crowd::gather(&old.address)?;
    for program in [stage.to, stage.from] {
        if old.descriptors()? < 16_384 {
            return Err(format!("{old} has low descriptors").into());
        }
        old = stage.take_over(old, &high(program)?, &mut crowd)?;
    }
    crowd.leave()
}
