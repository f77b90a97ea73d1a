//! What the kernel offers beside the steering.

use std::fs;

/// What the kernel itself does for connections on their way to a listener that is closed, in this network namespace
/// (Documentation/networking/ip-sysctl.rst). For the reader of a log: nothing here relies on it, and a library cannot switch
/// it on, since that needs CAP_NET_ADMIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Kernel {
    /// net.ipv4.tcp_migrate_req (Linux 5.14): whoever waits in the queue of a TCP listener that is closed, and whoever is
    /// half connected to it, moves to another one of its group, so that even a plain close loses nobody.
    pub migrates: bool,
    /// net.ipv4.tcp_syncookies: 0 never; 1 (the default) where a queue overflows; 2 always, so that a handshake belongs to
    /// no listener and survives a close, though not whoever waits in the queue.
    pub syncookies: u32,
}

/// Asks the kernel. What it does not know it does not do. Does not block.
pub fn kernel() -> Kernel {
    let number = |name| {
        let text = fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).ok();
        text.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    };
    Kernel { migrates: number("tcp_migrate_req") != 0, syncookies: number("tcp_syncookies") }
}
