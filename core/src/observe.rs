//! Progress and counters: what `zdt watch` and a progress bar show.

use crate::connection::Connection;

/// What a takeover has done so far, seen from one process. All counters start at 0 with each link:
/// they are those of the one to our predecessor until a successor comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Our generation.
    pub generation: u64,
    /// How many connections the predecessor said there are (`set_connections`); 0 where it did not say.
    pub expected: u64,
    /// Connections offered so far (sent by a predecessor, received by a successor).
    pub offered: u64,
    /// Adopted by the successor.
    pub settled: u64,
    /// Refused, or taken back.
    pub returned: u64,
    /// Unread bytes of the connections that were adopted, companions included.
    pub unread_bytes: u64,
    /// Unsent bytes of the connections that were adopted, companions included.
    pub unsent_bytes: u64,
    /// State bytes of the connections that were adopted.
    pub state_bytes: u64,
}

impl Progress {
    /// Counts a connection that was adopted, with what travelled with it.
    pub(crate) fn count<F>(&mut self, connection: &Connection<F>) {
        self.settled += 1;
        self.state_bytes += connection.state.len() as u64;
        self.unread_bytes += connection.unread.len() as u64;
        self.unsent_bytes += connection.unsent.len() as u64;
        for companion in &connection.companions {
            self.unread_bytes += companion.unread.len() as u64;
            self.unsent_bytes += companion.unsent.len() as u64;
        }
    }
}
