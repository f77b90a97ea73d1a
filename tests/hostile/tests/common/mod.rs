//! A peer that says what it likes, with whatever descriptors, and knows libzdt from docs/protocol.md alone.
#![allow(dead_code)]

use minicbor::{Decoder, Encoder};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, connect,
    listen, recvmsg, sendmsg, socket_with,
};
use rustix::process::{PidfdFlags, getpid, pidfd_open};
use std::fs::File;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{fs, thread};

/// Long enough for any machine.
pub const PATIENT: Duration = Duration::from_secs(30);

pub const HELLO: u32 = 0;
pub const WELCOME: u32 = 1;
pub const REFUSE: u32 = 2;
pub const LISTENERS: u32 = 3;
pub const LISTENERS_ACK: u32 = 4;
pub const READY: u32 = 5;
pub const DRAINING: u32 = 6;
pub const OFFER: u32 = 7;
pub const ANSWER: u32 = 8;
pub const NOTE: u32 = 9;

/// What counts descriptors has the process to itself.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

pub fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Waits until `holds`, which other threads bring about.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENT;
    while !holds() {
        assert!(Instant::now() < end, "{what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// The body of a message: its CBOR, or nothing.
pub type Body = Vec<u8>;

pub fn body(write: impl FnOnce(&mut Encoder<&mut Body>)) -> Body {
    let mut bytes = Vec::new();
    write(&mut Encoder::new(&mut bytes));
    bytes
}

pub fn hello() -> Body {
    body(|e| {
        e.map(10).unwrap().u8(0).unwrap().array(1).unwrap().u8(1).unwrap();
        e.u8(1).unwrap().u8(0).unwrap().u8(2).unwrap().array(0).unwrap();
        e.u8(3).unwrap().u32(10_000).unwrap().u8(4).unwrap().u32(std::process::id()).unwrap();
        e.u8(5).unwrap().str("hostile").unwrap().u8(6).unwrap().str("rust").unwrap();
        e.u8(7).unwrap().u8(0).unwrap().u8(8).unwrap().u8(0).unwrap().u8(9).unwrap().u8(0).unwrap();
    })
}

pub fn note(number: u32) -> Body {
    body(|e| {
        e.map(2).unwrap().u8(0).unwrap().u32(number).unwrap().u8(1).unwrap().str("no reason").unwrap();
    })
}

pub fn welcome(generation: u64, connections: u64) -> Body {
    body(|e| {
        e.map(10).unwrap().u8(0).unwrap().u8(1).unwrap().u8(1).unwrap().u64(generation).unwrap();
        e.u8(2).unwrap().u8(1).unwrap().u8(3).unwrap().u8(1).unwrap().u8(4).unwrap().u8(2).unwrap();
        e.u8(5).unwrap().u64(connections).unwrap().u8(6).unwrap().u8(1).unwrap();
        e.u8(7).unwrap().u32(std::process::id()).unwrap();
        e.u8(8).unwrap().str("hostile").unwrap().u8(9).unwrap().str("rust").unwrap();
    })
}

pub fn listeners(address: &str) -> Body {
    body(|e| {
        e.map(2).unwrap().u8(0).unwrap().array(1).unwrap();
        e.map(4).unwrap().u8(0).unwrap().str("http").unwrap().u8(1).unwrap().str(address).unwrap();
        e.u8(2).unwrap().u8(64).unwrap().u8(3).unwrap().u8(0).unwrap();
        e.u8(1).unwrap().u8(0).unwrap();
    })
}

pub fn draining() -> Body {
    body(|e| {
        e.map(2).unwrap().u8(0).unwrap().u8(0).unwrap().u8(1).unwrap().u32(30_000).unwrap();
    })
}

/// READY of a successor that does not take these listeners.
pub fn ready(retired: &[&str]) -> Body {
    body(|e| {
        e.map(1).unwrap().u8(0).unwrap().array(retired.len() as u64).unwrap();
        for name in retired {
            e.str(name).unwrap();
        }
    })
}

/// An OFFER of one connection for each slot; with `lengths`, their bytes are said to lie in a memfd.
pub fn offer(slots: &[u32], lengths: Option<[u64; 3]>) -> Body {
    body(|e| {
        e.map(2).unwrap().u8(0).unwrap().array(slots.len() as u64).unwrap();
        for slot in slots {
            e.map(6).unwrap().u8(0).unwrap().u32(*slot).unwrap().u8(1).unwrap().str("relay").unwrap();
            e.u8(2).unwrap().u8(0).unwrap().u8(3).unwrap().array(2).unwrap();
            match lengths {
                None => {
                    e.u8(0).unwrap().array(3).unwrap().bytes(b"state").unwrap().bytes(b"").unwrap();
                    e.bytes(b"").unwrap();
                }
                Some([state, unread, unsent]) => {
                    e.u8(1).unwrap().array(3).unwrap().u64(state).unwrap().u64(unread).unwrap();
                    e.u64(unsent).unwrap();
                }
            }
            e.u8(6).unwrap().bool(false).unwrap().u8(7).unwrap().array(0).unwrap();
        }
        e.u8(1).unwrap().bool(false).unwrap();
    })
}

pub struct Peer {
    socket: OwnedFd,
    sent: u32,
}

impl Peer {
    /// A newcomer at `path`, as soon as there is room for one.
    pub fn connect(path: &Path) -> Peer {
        let address = SocketAddrUnix::new(path).unwrap();
        let socket = seqpacket();
        connect(&socket, &address).unwrap();
        Peer { socket, sent: 0 }
    }

    /// Whoever comes next to `takeover_socket`.
    pub fn accept(takeover_socket: &OwnedFd) -> Peer {
        Peer { socket: accept_with(takeover_socket, SocketFlags::CLOEXEC).unwrap(), sent: 0 }
    }

    /// Sends message `number`; whether it was taken.
    pub fn say(&mut self, number: u32, body: &[u8], fds: &[&dyn AsFd]) -> bool {
        self.send(&envelope(self.sent, fds.len() as u32, number, body), fds)
    }

    /// Sends any bytes at all, as the next message.
    pub fn send(&mut self, bytes: &[u8], fds: &[&dyn AsFd]) -> bool {
        self.sent += 1;
        let fds: Vec<_> = fds.iter().map(|fd| fd.as_fd()).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(253))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        assert!(fds.is_empty() || control.push(SendAncillaryMessage::ScmRights(&fds)));
        sendmsg(&self.socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL).is_ok()
    }

    pub fn sequence(&self) -> u32 {
        self.sent
    }

    /// The next message and its descriptors; `None` at the end.
    pub fn hear(&self) -> Option<(u32, Vec<u8>, Vec<OwnedFd>)> {
        let mut buffer = vec![0; 65_536];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(253))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let got = loop {
            let parts = &mut [IoSliceMut::new(&mut buffer)];
            match recvmsg(&self.socket, parts, &mut control, RecvFlags::CMSG_CLOEXEC) {
                // Messages may come after it.
                Err(rustix::io::Errno::CONNRESET) => {}
                got => break got.unwrap(),
            }
        };
        let fds = control.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(fds) => Some(fds),
            _ => None,
        });
        let fds: Vec<OwnedFd> = fds.flatten().collect();
        buffer.truncate(got.bytes);
        if buffer.is_empty() {
            return None;
        }
        let mut decoder = Decoder::new(&buffer);
        decoder.map().unwrap();
        for _ in 0..2 {
            decoder.skip().unwrap();
            decoder.skip().unwrap();
        }
        decoder.skip().unwrap();
        decoder.array().unwrap();
        let number = decoder.u32().unwrap();
        let rest = buffer[decoder.position()..].to_vec();
        Some((number, rest, fds))
    }

    /// The next message, which must be `number`; its descriptors.
    pub fn hear_only(&self, number: u32) -> Vec<OwnedFd> {
        match self.hear() {
            Some((found, _, fds)) if found == number => fds,
            other => panic!("message {number} was due, not {:?}", other.map(|(found, ..)| found)),
        }
    }

    /// Reads on until the other side has closed, and gives the numbers of REFUSE and NOTE that came.
    pub fn outlast(&self) -> Vec<u32> {
        let mut numbers = Vec::new();
        while let Some((number, rest, _)) = self.hear() {
            if [REFUSE, NOTE].contains(&number) {
                numbers.push(number_in(&rest));
            }
        }
        numbers
    }
}

/// The error number in the body of a REFUSE or a NOTE.
pub fn number_in(rest: &[u8]) -> u32 {
    let mut decoder = Decoder::new(rest);
    decoder.array().unwrap();
    decoder.map().unwrap();
    decoder.skip().unwrap();
    decoder.u32().unwrap()
}

pub fn envelope(sequence: u32, descriptors: u32, number: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut e = Encoder::new(&mut bytes);
    e.map(3).unwrap().u8(0).unwrap().u32(sequence).unwrap().u8(1).unwrap().u32(descriptors).unwrap();
    e.u8(2).unwrap().array(2).unwrap().u32(number).unwrap().array(u64::from(!body.is_empty())).unwrap();
    bytes.extend(body);
    bytes
}

fn seqpacket() -> OwnedFd {
    socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap()
}

/// A takeover socket at `path`, listening.
pub fn takeover_socket(path: &Path) -> OwnedFd {
    let socket = seqpacket();
    bind(&socket, &SocketAddrUnix::new(path).unwrap()).unwrap();
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    listen(&socket, 64).unwrap();
    socket
}

pub fn own_pidfd() -> OwnedFd {
    pidfd_open(getpid(), PidfdFlags::empty()).unwrap()
}

/// Memory with these seals.
pub fn memory(length: u64, seals: SealFlags, fill: impl FnOnce(&File)) -> File {
    let memory =
        File::from(memfd_create("hostile", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap());
    memory.set_len(length).unwrap();
    fill(&memory);
    fcntl_add_seals(&memory, seals).unwrap();
    memory
}

pub const SEALED: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::SEAL);
pub const SLOTS: u32 = 2000;

pub fn deed_into(memory: &File) {
    memory.write_all_at(b"zdt-deed", 0).unwrap();
    memory.write_all_at(&(1u64 << 32 | 1).to_ne_bytes(), 8).unwrap();
    memory.write_all_at(&3u32.to_ne_bytes(), 16).unwrap();
}

pub fn deed() -> File {
    memory(4096, SEALED, deed_into)
}

pub fn ledger_into(memory: &File) {
    memory.write_all_at(b"zdt-ledg", 0).unwrap();
    memory.write_all_at(&SLOTS.to_ne_bytes(), 8).unwrap();
}

pub fn ledger() -> File {
    memory(64 + 4 * u64::from(SLOTS), SEALED, ledger_into)
}

/// A word of the ledger.
pub fn word(ledger: &File, slot: u32) -> u32 {
    let mut word = [0; 4];
    ledger.read_exact_at(&mut word, 64 + 4 * u64::from(slot)).unwrap();
    u32::from_ne_bytes(word)
}

pub fn set_word(ledger: &File, slot: u32, word: u32) {
    ledger.write_all_at(&word.to_ne_bytes(), 64 + 4 * u64::from(slot)).unwrap();
}

/// Descriptors that are of no use for anything here, by what they are.
pub fn useless() -> Vec<(&'static str, OwnedFd)> {
    let (reader, writer) = std::io::pipe().unwrap();
    let epoll = rustix::event::epoll::create(rustix::event::epoll::CreateFlags::CLOEXEC).unwrap();
    let eventfd = rustix::event::eventfd(0, rustix::event::EventfdFlags::CLOEXEC).unwrap();
    vec![
        ("a file", File::open("/proc/self/exe").unwrap().into()),
        ("a directory", File::open("/").unwrap().into()),
        ("/dev/null", File::open("/dev/null").unwrap().into()),
        ("an epoll", epoll),
        ("an eventfd", eventfd),
        ("a pipe to read", reader.into()),
        ("a pipe to write", writer.into()),
        ("a memfd", memory(4096, SealFlags::empty(), |_| {}).into()),
        ("a UDP socket", UdpSocket::bind("127.0.0.1:0").unwrap().into()),
        ("a Unix datagram socket", UnixDatagram::unbound().unwrap().into()),
        ("a SEQPACKET socket", seqpacket()),
    ]
}

/// Sockets that listen, in another way than they should.
pub fn unfit_listeners() -> Vec<(&'static str, OwnedFd)> {
    let shut = TcpListener::bind("127.0.0.1:0").unwrap();
    rustix::net::shutdown(&shut, rustix::net::Shutdown::Both).unwrap();
    let path = std::env::temp_dir().join(format!("zdt-hostile-{}", std::process::id()));
    let unix = UnixListener::bind(&path).unwrap();
    fs::remove_file(path).unwrap();
    vec![
        ("a listener that was shut down", shut.into()),
        ("a listener at another port", TcpListener::bind("127.0.0.1:0").unwrap().into()),
        ("a listener of another family", TcpListener::bind("[::1]:0").unwrap().into()),
        ("a Unix listener", unix.into()),
        ("a socket that was never bound", tcp_socket()),
    ]
}

pub fn tcp_socket() -> OwnedFd {
    socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap()
}

/// Both ends of a TCP connection: the client's and the server's.
pub fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    client.set_read_timeout(Some(PATIENT)).unwrap();
    (client, listener.accept().unwrap().0)
}

pub fn unix_pair() -> (UnixStream, UnixStream) {
    UnixStream::pair().unwrap()
}

/// The number of a descriptor, for whoever lends it.
pub fn raw(fd: &impl AsRawFd) -> i32 {
    fd.as_raw_fd()
}
