//! A round trip of some milliseconds, where the kernel has no netem: a TUN device whose packets come back after a while with
//! source and destination swapped. Who connects to 10.99.0.2 reaches 10.99.0.1, which is here too.

use nix::libc;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Where the server listens, if not everywhere.
pub const HERE: &str = "10.99.0.1";
/// Where the clients find it.
pub const THERE: &str = "10.99.0.2";

const DEVICE: &str = "zdt0";
/// What is done in the new network namespace before this program is started in it.
const PREPARE: &str = "set -e
ip link set lo up
ip tuntap add dev zdt0 mode tun
ip address add 10.99.0.1/24 dev zdt0
ip link set zdt0 txqueuelen 10000 up
exec \"$0\" \"$@\"";

mod tun {
    #![allow(missing_docs, reason = "as the macro makes it")]
    nix::ioctl_write_ptr_bad!(set_interface, super::TUNSETIFF, nix::libc::ifreq);
}

/// _IOW('T', 202, int), linux/if_tun.h.
const TUNSETIFF: libc::c_ulong = 0x4004_54ca;

/// `program` (with arguments that the caller adds), in a network namespace of its own, with a device for [`start`], which it
/// is to call. Needs root.
pub fn in_namespace(program: &impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--net", "--", "sh", "-c", PREPARE]).arg(program);
    command
}

/// Begins to relay with this round trip. For as long as the program runs.
pub fn start(round_trip: Duration) -> io::Result<()> {
    let mut device = open()?;
    let mut back = device.try_clone()?;
    let (send, receive) = mpsc::channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        for (due, packet) in receive {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            // A packet that does not fit is lost, as on a wire.
            let _ = back.write(&packet);
        }
    });
    thread::spawn(move || -> io::Result<()> {
        let mut buffer = [0; 2048];
        loop {
            let length = device.read(&mut buffer)?;
            let packet = &mut buffer[..length];
            // IPv4 alone. Swapping does not change the checksums.
            if length >= 20 && packet[0] >> 4 == 4 {
                let (source, destination) = packet[12..20].split_at_mut(4);
                source.swap_with_slice(destination);
                let due = Instant::now() + round_trip / 2;
                send.send((due, packet.to_vec())).map_err(|_| io::Error::from(ErrorKind::BrokenPipe))?;
            }
        }
    });
    Ok(())
}

fn open() -> io::Result<File> {
    let device = File::options().read(true).write(true).open("/dev/net/tun")?;
    // SAFETY: all-zero is a valid ifreq.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(DEVICE.bytes()) {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI) as libc::c_short;
    // SAFETY: the kernel reads one ifreq, which outlives the call.
    unsafe { tun::set_interface(device.as_raw_fd(), &request) }?;
    Ok(File::from(OwnedFd::from(device)))
}
