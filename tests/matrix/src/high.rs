//! A relay whose every descriptor is a high one: `matrix high-descriptors PATH ARGUMENT...` takes all below first, then
//! becomes the relay.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::dup;
use std::ffi::OsString;
use std::fs::File;
use std::os::fd::IntoRawFd;
use std::os::unix::process::CommandExt;
use std::process::Command;
use zdt_matrix::Trouble;
use zdt_matrix::program::Program;

/// The first word of such a command line.
pub const WORD: &str = "high-descriptors";
/// Beyond what select(2) takes (1,024), and what is the most on systems that were not told otherwise.
const ABOVE: i32 = 16_384;

/// The same relay with high descriptors only.
pub fn high(program: &Program) -> Result<Program, Trouble> {
    let path = program.path.to_str().ok_or("a relay has a strange path")?.to_string();
    let arguments = [vec![WORD.into(), path], program.arguments.clone()].concat();
    Ok(Program { name: program.name.clone(), path: std::env::current_exe()?, arguments })
}

/// Becomes the relay; comes back only with what went wrong.
pub fn become_relay(mut words: impl Iterator<Item = OsString>) -> Trouble {
    let Some(path) = words.next() else { return "the path of a relay is wanted".into() };
    match take_all_below() {
        Ok(()) => Command::new(path).args(words).exec().into(),
        Err(error) => error,
    }
}

fn take_all_below() -> Result<(), Trouble> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    let null = File::open("/dev/null")?;
    // What dup(2) gives stays open in the relay; the file itself goes, and leaves one low number.
    while dup(&null)?.into_raw_fd() < ABOVE {}
    Ok(())
}
