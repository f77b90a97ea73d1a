//! What only tests want (PROTOCOL.md, section 4): to hold, to refuse, to be slow, to stop and to die at a chosen moment.

use signal_hook::consts::{SIGKILL, SIGSTOP};
use signal_hook::low_level::raise;
use std::time::Duration;

/// The switches of the command line.
#[derive(Debug, Clone, clap::Args)]
pub struct Switches {
    /// For tests: wait for a line on stdin before `ready`
    #[arg(long)]
    hold_before_ready: bool,
    /// For tests: refuse every offer
    #[arg(long)]
    pub refuse_all: bool,
    /// For tests: sleep this long before each adoption
    #[arg(long, default_value_t = 0)]
    adopt_delay_ms: u64,
    /// For tests: raise SIGSTOP when this many connections are adopted
    #[arg(long)]
    stop_after_adopting: Option<u64>,
    /// For tests: raise SIGKILL when this many connections are adopted
    #[arg(long)]
    die_after_adopting: Option<u64>,
    /// For tests: raise SIGKILL when this many connections are offered
    #[arg(long)]
    die_after_offering: Option<u64>,
}

impl Switches {
    /// The listener is there, `ready` comes next.
    pub fn before_ready(&self) -> std::io::Result<()> {
        if self.hold_before_ready {
            std::io::stdin().read_line(&mut String::new())?;
        }
        Ok(())
    }

    /// An offer is there, and `adopted` connections are adopted so far.
    pub fn before_adopting(&mut self, adopted: u64) -> std::io::Result<()> {
        std::thread::sleep(Duration::from_millis(self.adopt_delay_ms));
        if adopted == 0 {
            self.after_adopting(0)?;
        }
        Ok(())
    }

    /// That many are adopted now.
    pub fn after_adopting(&mut self, adopted: u64) -> std::io::Result<()> {
        if self.die_after_adopting == Some(adopted) {
            raise(SIGKILL)?;
        }
        if self.stop_after_adopting == Some(adopted) {
            self.stop_after_adopting = None; // once: it is woken up again
            raise(SIGSTOP)?;
        }
        Ok(())
    }

    /// That many are offered now.
    pub fn after_offering(&self, offered: u64) -> std::io::Result<()> {
        if self.die_after_offering == Some(offered) { raise(SIGKILL) } else { Ok(()) }
    }
}
