//! The benchmark of the core: what a takeover costs beyond bare sendmsg, recvmsg and close.
//!
//! Every run of a variant has a run of the floor right before it, and only the ratio of the two counts: on a machine
//! that does other things too, times swing far more than such ratios.

mod pool;
mod report;
mod run;

use pool::Pool;
use report::{Report, Sample};
use run::{Bench, VARIANTS, Variant};
use std::path::PathBuf;
use std::process::ExitCode;
use zdt_bench::{Result, raise_descriptor_limit};

/// What a process needs beside the connections: standard streams, link, deed, ledger, pidfds, timers.
const OVERHEAD: u64 = 200;

struct Options {
    rounds: usize,
    sizes: Vec<usize>,
    variants: Vec<Variant>,
    programs: PathBuf,
    out: PathBuf,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match &arguments[..] {
        [role, address, count] if role == "clients" => pool::clients(address, count),
        _ => Options::parse(&arguments).and_then(|options| benchmark(&options)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-core: {error}");
            ExitCode::FAILURE
        }
    }
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Options> {
        let mut options = Options {
            rounds: 15,
            sizes: vec![1_000, 10_000, 15_000, 19_000],
            variants: VARIANTS.to_vec(),
            programs: "build/bench".into(),
            out: "build/bench/core.json".into(),
        };
        let mut arguments = arguments.iter();
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{name}: a value is missing"))?;
            match name.as_str() {
                "--rounds" => options.rounds = value.parse::<usize>()?.max(1),
                "--connections" => {
                    options.sizes =
                        value.split(',').map(str::parse).collect::<std::result::Result<_, _>>()?;
                }
                "--only" => options.variants.retain(|v| value.split(',').any(|name| name == v.name)),
                "--programs" => options.programs = value.into(),
                "--out" => options.out = value.into(),
                _ => {
                    return Err(format!(
                        "{name} is not known; there are --rounds N, --connections N,N, --only NAME,NAME, --programs DIR, \
                         --out FILE"
                    )
                    .into());
                }
            }
        }
        Ok(options)
    }
}

fn benchmark(options: &Options) -> Result<()> {
    let room = raise_descriptor_limit()?.saturating_sub(OVERHEAD) as usize;
    let mut sizes: Vec<usize> = options.sizes.iter().map(|&size| size.min(room)).collect();
    if sizes != options.sizes {
        eprintln!(
            "bench-core: the hard limit of open files allows {room} connections at most: fewer are moved"
        );
        sizes.dedup();
    }
    let pool = Pool::establish(sizes.iter().copied().max().unwrap_or(0))?;
    let bench = Bench::new(&options.programs)?;
    let mut report = Report::new(options.rounds);
    for &size in &sizes {
        for round in 0..options.rounds {
            for turn in 0..options.variants.len() {
                // Another one goes first in each round, so that nobody always runs after the same neighbour.
                let variant = &options.variants[(turn + round) % options.variants.len()];
                let floor = bench.run(&run::FLOOR, pool.connections(size))?;
                let measured = bench.run(variant, pool.connections(size))?;
                report.add(Sample { name: variant.name, connections: size, round, floor, measured });
            }
            report.progress(size, round);
        }
    }
    report.print();
    report.write(&options.out)
}
