//! Who shares an address: the inodes of the sockets there, as /proc/net lists them (proc(5)).

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::net::{IpAddr, SocketAddr};

/// TCP_LISTEN, as /proc/net writes it.
const LISTEN: &str = "0A";

/// The table comes in pieces. Of TCP each begins where the last one ended; of UDP it is found by counting again, so that a
/// line is skipped where an earlier socket was closed meanwhile. What any look has seen is there.
const UDP_LOOKS: usize = 4;

/// The sockets of this network namespace that listen at exactly `address` (`udp`: that are bound to it).
pub fn at(address: &SocketAddr, udp: bool) -> io::Result<BTreeSet<u64>> {
    let file = match (udp, address) {
        (false, SocketAddr::V4(_)) => "tcp",
        (false, SocketAddr::V6(_)) => "tcp6",
        (true, SocketAddr::V4(_)) => "udp",
        (true, SocketAddr::V6(_)) => "udp6",
    };
    let mut found = BTreeSet::new();
    for _ in 0..if udp { UDP_LOOKS } else { 1 } {
        // Of the thread, since a network namespace is a thread's.
        let table = File::open(format!("/proc/thread-self/net/{file}"))?;
        found.append(&mut inodes(BufReader::with_capacity(1 << 16, table), &text(address), udp)?);
    }
    Ok(found)
}

/// From the lines of such a file. TCP's listeners come first, so that of many connections none is read.
fn inodes(table: impl BufRead, address: &str, udp: bool) -> io::Result<BTreeSet<u64>> {
    let mut found = BTreeSet::new();
    for line in table.lines().skip(1) {
        let line = line?;
        let mut words = line.split_ascii_whitespace();
        let (local, state) = (words.nth(1), words.nth(1));
        if !udp && state != Some(LISTEN) {
            break;
        }
        if local == Some(address) {
            let inode = words.nth(5).and_then(|inode| inode.parse().ok());
            found.insert(inode.ok_or_else(|| io::Error::other(format!("an unknown form: {line}")))?);
        }
    }
    Ok(found)
}

/// As /proc/net writes it: each four bytes of the address as one number of this machine's.
fn text(address: &SocketAddr) -> String {
    let octets = match address.ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let words = octets.chunks_exact(4).map(|four| u32::from_ne_bytes([four[0], four[1], four[2], four[3]]));
    let host: String = words.map(|word| format!("{word:08X}")).collect();
    format!("{host}:{:04X}", address.port())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::reuseport::inode;
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::fd::AsFd;
    use std::time::{Duration, Instant};

    #[test]
    fn a_listener_is_found_and_its_connections_are_not() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(address).unwrap();
            let address = listener.local_addr().unwrap();
            let _connection = TcpStream::connect(address).unwrap();
            assert_eq!(at(&address, false).unwrap(), BTreeSet::from([inode(listener.as_fd()).unwrap()]));
            drop(listener);
            // A child that another test spawns has a copy until exec.
            let since = Instant::now();
            while !at(&address, false).unwrap().is_empty() {
                assert!(since.elapsed() < Duration::from_secs(20), "it was closed");
            }
        }
    }

    #[test]
    fn a_datagram_socket_is_found() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let socket = UdpSocket::bind(address).unwrap();
            let inode = inode(socket.as_fd()).unwrap();
            assert_eq!(at(&socket.local_addr().unwrap(), true).unwrap(), BTreeSet::from([inode]));
        }
    }

    #[test]
    fn a_line_of_another_form_is_an_error_and_not_nobody() {
        let head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
        let line = |inode| {
            format!(
                "{head}   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 {inode}\n"
            )
        };
        let read = |text: String| inodes(text.as_bytes(), "0100007F:1F90", false);
        assert_eq!(read(line("77")).unwrap(), BTreeSet::from([77]));
        assert!(read(line("")).is_err() && read(line("x")).is_err());
    }
}
