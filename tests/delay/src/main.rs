//! `zdt-delay COMMAND...` runs a command where clients reach servers through some milliseconds each way: the servers listen on
//! every address, the clients connect to 10.99.0.2. Ends as the command does.

use clap::Parser;
use std::io;
use std::process::{Command, ExitCode, ExitStatus};
use std::time::Duration;

#[derive(Parser)]
#[command(
    about = "Runs a command in a network of its own, in which 10.99.0.2 is this machine, some milliseconds away"
)]
struct Options {
    /// Milliseconds each way.
    #[arg(long, default_value_t = 10)]
    each_way: u64,
    /// In the network namespace already.
    #[arg(long, hide = true)]
    inside: bool,
    /// What to run.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

fn run(options: &Options) -> io::Result<ExitStatus> {
    if !options.inside {
        let mut again = zdt_delay::in_namespace(&std::env::current_exe()?);
        return again.arg("--inside").args(std::env::args_os().skip(1)).status();
    }
    zdt_delay::start(Duration::from_millis(2 * options.each_way))?;
    Command::new(&options.command[0]).args(&options.command[1..]).status()
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        // 128: ended by a signal.
        Ok(status) => ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(128)),
        Err(error) => {
            eprintln!("zdt-delay: {error} (it needs root, /dev/net/tun and network namespaces)");
            ExitCode::from(2)
        }
    }
}
