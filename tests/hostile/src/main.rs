//! A bad predecessor: whoever opens a takeover at its path gets the error that it was asked for.
//!
//! It knows libzdt from docs/protocol.md alone and shares no code with it, so that what the page says is tested too.

mod answer;
mod link;
mod memory;
mod message;

use answer::Kind;
use clap::Parser;
use link::{Link, Result};
use rustix::fs::{Mode, chmod};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, listen, socket_with,
};
use rustix::process::geteuid;
use rustix::thread::{Uid, set_thread_uid};
use std::convert::Infallible;
use std::io::Read;
use std::path::PathBuf;
use std::process::{ExitCode, exit};
use std::thread;

/// The user `nobody`: of all users the one that nobody trusts.
const NOBODY: u32 = 65_534;
/// What a test program says where it cannot run here (automake's convention).
const SKIPPED: u8 = 77;

/// Waits at PATH as the owner of a service would, prints `listening`, and answers every newcomer wrongly, until its
/// standard input is closed. It removes PATH then.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// What the newcomer is to get: the word of an error, with dashes
    kind: Kind,
    /// Where to wait; nothing may be there
    path: PathBuf,
}

fn main() -> ExitCode {
    let options = Options::parse();
    if options.kind == Kind::WrongUser && !geteuid().is_root() {
        eprintln!("zdt-hostile: only root can become another user: skipped");
        return ExitCode::from(SKIPPED);
    }
    match serve(options) {
        Ok(never) => match never {},
        Err(error) => {
            eprintln!("zdt-hostile: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(Options { kind, path }: Options) -> Result<Infallible> {
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    bind(&socket, &SocketAddrUnix::new(&path)?).map_err(|error| format!("{}: {error}", path.display()))?;
    chmod(&path, Mode::RUSR | Mode::WUSR)?;
    thread::spawn(move || {
        // Whoever started us has closed our input, or is dead.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        let _ = std::fs::remove_file(path);
        exit(0);
    });
    if kind == Kind::WrongUser {
        // SO_PEERCRED shows newcomers who called listen(), and a user is a thread's own: the other one can still remove.
        set_thread_uid(Uid::from_raw(NOBODY))?;
    }
    listen(&socket, 64)?;
    println!("listening");
    loop {
        let mut link = Link::new(accept_with(&socket, SocketFlags::CLOEXEC)?);
        if let Err(error) = answer::answer(kind, &mut link, &socket) {
            eprintln!("zdt-hostile: {error}");
        }
    }
}
