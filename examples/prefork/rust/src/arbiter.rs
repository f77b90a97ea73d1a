//! The arbiter: it holds the service and has no connection.

use crate::{Options, Trouble};
use signal_hook::consts::SIGTERM;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio, id};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use zdt::{Event, ListenerSpec, Takeover};

/// How often the arbiter looks whether a worker has ended, or a signal came.
const LOOK: Duration = Duration::from_millis(20);

pub fn run(options: &Options) -> Result<(), Trouble> {
    let asked_to_end = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGTERM, asked_to_end.clone())?;
    let takeover = Takeover::open(&options.path, options.config())?;
    let listener = takeover.listener("count", &ListenerSpec::tcp(&options.address))?;
    let address = TcpListener::from(listener).local_addr()?; // the workers have copies of their own
    println!("listening {address} {} {}", takeover.generation(), id());

    let running = (0..options.workers).map(|_| None).collect();
    let mut workers = Workers { options, running };
    workers.fill(&takeover)?;
    takeover.ready()?;
    let (mut serving, mut over) = (true, false);
    while !over {
        match takeover.next_event(Some(LOOK))? {
            Some(Event::Drain { .. }) => {
                serving = false;
                takeover.migrated_all()?; // we have nothing of our own; the workers migrate
            }
            Some(Event::Resume { .. }) => {
                println!("resume {}", id());
                serving = true;
            }
            Some(Event::Committed { .. }) => println!("committed {}", id()),
            Some(Event::Aborted { .. } | Event::Relieved) => {
                println!("aborted {}", id());
                over = true;
            }
            Some(Event::Done { .. }) => {
                println!("done {}", id());
                over = true;
            }
            _ => {}
        }
        if asked_to_end.swap(false, Ordering::Relaxed) {
            takeover.drain()?;
        }
        workers.reap()?;
        if serving && !over {
            workers.fill(&takeover)?;
        }
    }
    drop(takeover);
    while workers.reap()? > 0 {
        std::thread::sleep(LOOK); // they finish what they have
    }
    Ok(())
}

struct Workers<'a> {
    options: &'a Options,
    /// By number.
    running: Vec<Option<Child>>,
}

impl Workers<'_> {
    /// Starts those that are missing.
    fn fill(&mut self, takeover: &Takeover) -> Result<(), Trouble> {
        for (number, worker) in self.running.iter_mut().enumerate().filter(|(_, worker)| worker.is_none()) {
            // The service may have begun to drain meanwhile: the event is on its way.
            let Ok(seat) = takeover.seat(number as u32) else { return Ok(()) };
            let child = Command::new(std::env::current_exe()?)
                .arg("--worker")
                .arg(format!("--slowly-ms={}", self.options.slowly_ms))
                .args(self.options.drain_ms.map(|drain| format!("--drain-ms={drain}")))
                .arg(&self.options.path)
                .arg(&self.options.address)
                .stdin(Stdio::from(seat)) // and is closed here
                .spawn()?;
            println!("worker {}", child.id());
            *worker = Some(child);
        }
        Ok(())
    }

    /// Forgets those that have ended; how many are left.
    fn reap(&mut self) -> Result<usize, Trouble> {
        for worker in &mut self.running {
            if let Some(child) = worker
                && child.try_wait()?.is_some()
            {
                *worker = None;
            }
        }
        Ok(self.running.iter().flatten().count())
    }
}
