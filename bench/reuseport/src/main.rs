//! What is lost when the sockets of one generation make place for those of the next, under load: closed, retired, or passed
//! on. Over loopback, and, as root, with a round trip of 10 ms. Prints a table and writes a report.

mod load;
mod server;
mod variant;

use clap::Parser;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde::Serialize;
use std::error::Error;
use std::path::PathBuf;
use std::process::{ExitCode, Stdio};
use std::time::Duration;
use variant::{Row, Settings, Variant, Way};

/// Any failure: it is printed, and the program ends with 2.
pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

const ROUND_TRIP: Duration = Duration::from_millis(10);

#[derive(Parser)]
#[command(about = "Measures what is lost when sockets that share a port make place for their successors'")]
struct Options {
    /// At least so many connections (UDP: datagrams) for each variant over loopback.
    #[arg(long, default_value_t = 50_000)]
    connections: u64,
    /// At least so many takeovers for each variant.
    #[arg(long, default_value_t = 20)]
    takeovers: u64,
    /// New connections each second over loopback; a slow machine has less.
    #[arg(long, default_value_t = 8000)]
    rate: u32,
    /// How often a server looks at its listeners, in milliseconds.
    #[arg(long, default_value_t = 5)]
    busy: u64,
    /// How long a retirement waits for handshakes, in milliseconds.
    #[arg(long, default_value_t = 200)]
    wait: u64,
    /// Only variants whose name contains this.
    #[arg(long)]
    only: Option<String>,
    /// Loopback alone, for whoever is not root.
    #[arg(long)]
    loopback: bool,
    /// Where the report goes.
    #[arg(long, default_value = "build/reuseport/report.json")]
    report: PathBuf,
    /// In the network namespace: prints rows as JSON.
    #[arg(long, hide = true)]
    inside: bool,
}

#[derive(Serialize)]
struct Report {
    loopback: Settings,
    round_trip_10ms: Settings,
    tcp_migrate_req: bool,
    tcp_syncookies: u32,
    /// Of what libzdt does: retiring and passing.
    lost: u64,
    variants: Vec<Row>,
}

fn variants() -> Vec<Variant> {
    let variant = |way, udp, sockets| Variant { way, udp, sockets };
    vec![
        variant(Way::Close, false, [1, 1]),
        variant(Way::Retire, false, [1, 1]),
        variant(Way::Retire, false, [4, 4]),
        variant(Way::Retire, false, [4, 1]),
        variant(Way::Pass, false, [1, 1]),
        variant(Way::Close, true, [1, 1]),
        variant(Way::Retire, true, [1, 1]),
        variant(Way::Retire, true, [4, 4]),
    ]
}

impl Options {
    /// With a round trip the load is what the relay carries; the number of takeovers decides.
    fn settings(&self, inside: bool) -> Settings {
        let (connections, rate) =
            if inside { (0, self.rate.min(2000)) } else { (self.connections, self.rate) };
        Settings {
            connections,
            takeovers: self.takeovers,
            rate,
            busy_ms: self.busy,
            wait_ms: self.wait,
            pause_ms: 100,
        }
    }

    fn run(&self, inside: bool, mut say: impl FnMut(Row) -> Result<()>) -> Result<()> {
        let (here, there, network) = match inside {
            true => (zdt_delay::HERE, Some(zdt_delay::THERE), "round trip 10 ms"),
            false => ("127.0.0.1", None, "loopback"),
        };
        for variant in variants() {
            let name = variant.name();
            if self.only.as_ref().is_some_and(|only| !name.contains(only)) {
                continue;
            }
            let (count, takeovers, seconds) =
                variant.run(&format!("{here}:0"), there, &self.settings(inside))?;
            say(Row {
                variant: name,
                network: network.into(),
                count,
                lost: count.lost(),
                takeovers,
                seconds,
            })?;
        }
        Ok(())
    }

    /// This program again in a network namespace; its rows.
    fn run_inside(&self, mut say: impl FnMut(Row) -> Result<()>) -> Result<()> {
        let mut command = zdt_delay::in_namespace(&std::env::current_exe()?);
        command.args(std::env::args_os().skip(1)).arg("--inside").stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let rows = child.stdout.take().ok_or("no output")?;
        for row in serde_json::Deserializer::from_reader(rows).into_iter::<Row>() {
            say(row?)?;
        }
        if child.wait()?.success() { Ok(()) } else { Err("the run with a round trip failed".into()) }
    }
}

fn run() -> Result<u64> {
    let options = Options::parse();
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    if options.inside {
        zdt_delay::start(ROUND_TRIP)?;
        options.run(true, |row| {
            println!("{}", serde_json::to_string(&row)?);
            Ok(())
        })?;
        return Ok(0);
    }
    let mut rows = Vec::new();
    println!(
        "{:<22} {:<17} {:>11} {:>6} {:>8} {:>6} {:>9} {:>9} {:>7}",
        "", "", "connections", "lost", "refused", "reset", "timed out", "takeovers", "seconds"
    );
    let mut say = |row: Row| {
        let load::Count { connections, refused, reset, timed_out } = row.count;
        println!(
            "{:<22} {:<17} {connections:>11} {:>6} {refused:>8} {reset:>6} {timed_out:>9} {:>9} {:>7.1}",
            row.variant, row.network, row.lost, row.takeovers, row.seconds
        );
        rows.push(row);
        Ok(())
    };
    options.run(false, &mut say)?;
    if options.loopback {
        println!("without a round trip of 10 ms, as told (--loopback)");
    } else {
        options.run_inside(&mut say)?;
    }
    let ours = |row: &&Row| !row.variant.contains("close");
    let lost = rows.iter().filter(ours).map(|row| row.lost).sum();
    let kernel = zdt::reuseport::kernel();
    let report = Report {
        loopback: options.settings(false),
        round_trip_10ms: options.settings(true),
        tcp_migrate_req: kernel.migrates,
        tcp_syncookies: kernel.syncookies,
        lost,
        variants: rows,
    };
    options.report.parent().map_or(Ok(()), std::fs::create_dir_all)?;
    std::fs::write(&options.report, serde_json::to_string_pretty(&report)? + "\n")?;
    println!("retired or passed on: {lost} lost  ({})", options.report.display());
    Ok(lost)
}

fn main() -> ExitCode {
    match run() {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench-reuseport: {error}");
            ExitCode::from(2)
        }
    }
}
