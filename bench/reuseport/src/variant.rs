//! The ways to go from one generation to the next, each under load.

use crate::Result;
use crate::load::{self, Count, Load};
use crate::server::{Server, answer};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};
use zdt::reuseport::{Group, Step};
use zdt::{Config, Event, ListenerSpec, Takeover};

/// How the predecessor leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// It accepts what it sees and closes.
    Close,
    /// It retires.
    Retire,
    /// It passes its listener on; the successor binds none.
    Pass,
}

/// What is measured.
#[derive(Debug, Clone, Copy)]
pub struct Variant {
    pub way: Way,
    pub udp: bool,
    /// How many sockets the generations have, in turn.
    pub sockets: [usize; 2],
}

/// How.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Settings {
    /// At least so many connections.
    pub connections: u64,
    /// At least so many takeovers.
    pub takeovers: u64,
    /// New connections each second.
    pub rate: u32,
    /// How often a server looks at its listeners, in milliseconds.
    pub busy_ms: u64,
    /// How long a retirement waits for handshakes, in milliseconds.
    pub wait_ms: u64,
    /// How long a generation serves undisturbed, in milliseconds.
    pub pause_ms: u64,
}

/// What came of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Row {
    pub variant: String,
    pub network: String,
    #[serde(flatten)]
    pub count: Count,
    pub lost: u64,
    pub takeovers: u64,
    pub seconds: f64,
}

impl Variant {
    pub fn name(&self) -> String {
        let protocol = if self.udp { "udp" } else { "tcp" };
        let [first, second] = self.sockets;
        match self.way {
            Way::Close => format!("{protocol} close {first}x{second}"),
            Way::Retire => format!("{protocol} retire {first}x{second}"),
            Way::Pass => format!("{protocol} pass the listener"),
        }
    }

    /// Runs it: what became of the connections, how many takeovers, seconds. The server listens at `here`; `there` is where the clients find it, with its port.
    pub fn run(&self, here: &str, there: Option<&str>, settings: &Settings) -> Result<(Count, u64, f64)> {
        let began = Instant::now();
        let (over, connections) = (AtomicBool::new(false), AtomicU64::new(0));
        let (count, takeovers) = thread::scope(|scope| -> Result<(Count, u64)> {
            // Also after an error, since the clients are waited for.
            let _end = Over(&over);
            let mut owner = self.first(scope, here, settings)?;
            let mut to = owner.address;
            if let Some(there) = there {
                to.set_ip(there.parse()?);
            }
            let load = Load { to, udp: self.udp, rate: settings.rate };
            let (counting, stopping) = (&connections, &over);
            let clients =
                scope.spawn(move || load::run(load, stopping, counting).map_err(|error| error.to_string()));
            let mut takeovers = 0;
            // The clients end by themselves only where they fail.
            while !clients.is_finished()
                && (connections.load(Ordering::Relaxed) < settings.connections
                    || takeovers < settings.takeovers)
            {
                thread::sleep(Duration::from_millis(settings.pause_ms));
                takeovers += 1;
                owner = self.next(scope, owner, takeovers, settings)?;
            }
            over.store(true, Ordering::Relaxed);
            let count = clients.join().map_err(|_| "the clients panicked")??;
            drop(owner.stop);
            owner.done.recv()??;
            Ok((count, takeovers))
        })?;
        Ok((count, takeovers, began.elapsed().as_secs_f64()))
    }

    fn first<'scope>(
        &self,
        scope: &'scope Scope<'scope, '_>,
        here: &str,
        settings: &Settings,
    ) -> Result<Owner> {
        match self.way {
            Way::Pass => passing(scope, here.parse()?, settings),
            _ => self.sharing(scope, here, self.sockets[0], settings),
        }
    }

    fn next<'scope>(
        &self,
        scope: &'scope Scope<'scope, '_>,
        owner: Owner,
        number: u64,
        settings: &Settings,
    ) -> Result<Owner> {
        let successor = match self.way {
            Way::Pass => passing(scope, owner.address, settings)?,
            _ => {
                let count = self.sockets[usize::from(number % 2 == 1)];
                let successor = self.sharing(scope, &owner.address.to_string(), count, settings)?;
                owner.stop.send(count)?;
                successor
            }
        };
        owner.done.recv()??;
        Ok(successor)
    }

    /// A generation with sockets of its own.
    fn sharing<'scope>(
        &self,
        scope: &'scope Scope<'scope, '_>,
        here: &str,
        count: usize,
        settings: &Settings,
    ) -> Result<Owner> {
        let spec = if self.udp { ListenerSpec::udp(here) } else { ListenerSpec::tcp(here) };
        let group = Group::bind(&spec, count)?;
        let address = group.address();
        let (stop, told) = mpsc::channel();
        let (say, done) = mpsc::channel();
        let (variant, settings) = (*self, settings.clone());
        scope.spawn(move || {
            let served = variant.serve_group(group, &told, &settings).map_err(|error| error.to_string());
            let _ = say.send(served);
        });
        Ok(Owner { address, stop, done })
    }

    fn serve_group(&self, mut group: Group, told: &Receiver<usize>, settings: &Settings) -> Result<()> {
        let mut server = Server::new(Duration::from_millis(settings.busy_ms))?;
        let look = |server: &mut Server, group: &Group, index: Option<usize>| -> Result<()> {
            let mut sockets =
                group.sockets().filter(|(number, _)| index.is_none_or(|index| index == *number));
            sockets.try_for_each(|(_, socket)| if self.udp { answer(socket) } else { server.accept(socket) })
        };
        let successors = loop {
            if server.serve()? {
                look(&mut server, &group, None)?;
            }
            match told.try_recv() {
                Ok(successors) => break successors,
                Err(mpsc::TryRecvError::Empty) => {}
                // The run is over, and so are the clients.
                Err(mpsc::TryRecvError::Disconnected) => return Ok(()),
            }
        };
        if self.way == Way::Retire {
            group.start_retiring(successors, Some(Duration::from_millis(settings.wait_ms)))?;
            loop {
                match group.step()? {
                    Step::Wait(_) => {
                        if server.serve()? {
                            look(&mut server, &group, None)?;
                        }
                    }
                    Step::Accept(index) => look(&mut server, &group, Some(index))?,
                    Step::Closed(_) => {}
                    Step::Done(_) => break,
                }
            }
        }
        drop(group);
        server.finish()
    }
}

/// Ends the load when it is dropped.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A generation that serves.
struct Owner {
    address: SocketAddr,
    /// Says how many sockets its successor has; closed: all is over.
    stop: Sender<usize>,
    done: Receiver<std::result::Result<(), String>>,
}

/// A generation that inherits its listener, through a real takeover.
fn passing<'scope>(scope: &'scope Scope<'scope, '_>, here: SocketAddr, settings: &Settings) -> Result<Owner> {
    let path = std::env::temp_dir().join(format!("zdt-bench-{}.sock", std::process::id()));
    let (stop, told) = mpsc::channel();
    let (say, done) = mpsc::channel();
    let (ready, is_ready) = mpsc::channel();
    let busy = Duration::from_millis(settings.busy_ms);
    scope.spawn(move || {
        let served = serve_takeover(&path, here, busy, &ready, &told).map_err(|error| error.to_string());
        if let Err(error) = &served {
            let _ = ready.send(Err(error.clone()));
        }
        let _ = say.send(served);
    });
    Ok(Owner { address: is_ready.recv()??, stop, done })
}

fn serve_takeover(
    path: &Path,
    here: SocketAddr,
    busy: Duration,
    ready: &Sender<std::result::Result<SocketAddr, String>>,
    told: &Receiver<usize>,
) -> Result<()> {
    let mut config = Config::default();
    config.probation = Duration::ZERO;
    let takeover = Takeover::open(path, config)?;
    let listener = takeover.listener("bench", &ListenerSpec::tcp(here.to_string()))?;
    takeover.ready()?;
    let listener = std::net::TcpListener::from(listener);
    ready.send(Ok(listener.local_addr()?))?;
    let mut server = Server::new(busy)?;
    let mut listener = Some(listener);
    loop {
        if server.serve()?
            && let Some(listener) = &listener
        {
            server.accept(listener.as_fd())?;
        }
        match takeover.next_event(Some(Duration::ZERO))? {
            Some(Event::Drain { .. }) => {
                listener = None;
                server.finish()?;
                takeover.migrated_all()?;
            }
            Some(Event::Done { .. }) => return Ok(()),
            Some(Event::Aborted { cause } | Event::Resume { cause }) => return Err(cause.into()),
            _ => {}
        }
        if let Err(mpsc::TryRecvError::Disconnected) = told.try_recv() {
            takeover.close();
            return Ok(());
        }
    }
}
