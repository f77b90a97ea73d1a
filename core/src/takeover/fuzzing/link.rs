//! A real handle, on a real socket, whose peer sends whatever the input says: messages at any step, any bytes, any
//! descriptors; the words that both share say anything too.

use crate::connection::{Companion, Connection};
use crate::fuzzing::Input;
use crate::listener::ListenerSpec;
use crate::ownership::{DeedWord, Ledger, SharedDeed, SharedLedger, Word};
use crate::sys::{blob, memfd, poll, process, scm_rights, unix};
use crate::takeover::{Config, Event, Inner, Offer, Takeover};
use crate::wire::message::*;
use crate::wire::{encode, limits::MAX_PAYLOAD};
use std::fs::{self, File};
use std::io::{self, IoSlice};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

const SLOTS: u32 = 8;
const CARRIED: &[u8] = b"state, unread, unsent";

/// Descriptors of every kind that there is to send. Those that an execution cannot change are made once.
struct Kinds {
    others: Vec<OwnedFd>,
    takeover_socket: OwnedFd,
    listener: TcpListener,
    stream: TcpStream,
    pidfd: OwnedFd,
    unsealed: File,
    _peer: (TcpStream, UnixStream),
}

impl Kinds {
    fn new() -> io::Result<Kinds> {
        let path = std::env::temp_dir().join(format!("zdt-fuzz-{}", std::process::id()));
        let takeover_socket = unix::bind_seqpacket(&path)?;
        unix::listen(takeover_socket.as_fd(), 8)?;
        fs::remove_file(path)?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let stream = TcpStream::connect(listener.local_addr()?)?;
        let accepted = listener.accept()?.0;
        let (unix, other) = UnixStream::pair()?;
        let (reader, writer) = io::pipe()?;
        let eventfd = poll::EventFd::new()?.as_fd().try_clone_to_owned()?;
        let epoll = poll::Epoll::new()?.as_fd().try_clone_to_owned()?;
        let (null, directory) = (File::open("/dev/null")?, File::open("/")?);
        let unsealed = memfd::create("unsealed")?;
        unsealed.set_len(4096)?;
        Ok(Kinds {
            others: vec![
                unix.into(),
                reader.into(),
                writer.into(),
                eventfd,
                epoll,
                null.into(),
                directory.into(),
            ],
            takeover_socket,
            listener,
            stream,
            pidfd: process::own_pidfd()?,
            unsealed,
            _peer: (accepted, other),
        })
    }
}

fn kinds() -> Option<&'static Kinds> {
    static KINDS: OnceLock<Option<Kinds>> = OnceLock::new();
    KINDS.get_or_init(|| Kinds::new().ok()).as_ref()
}

/// The other end of the handle's link.
struct Peer {
    socket: Option<OwnedFd>,
    sent: u32,
    began: bool,
    deed: SharedDeed,
    ledger: SharedLedger,
    blob: OwnedFd,
}

/// No panic, no waiting, and no descriptor stays behind, whatever comes.
pub fn link(data: &[u8]) {
    let Some(kinds) = kinds() else { return };
    let before = open();
    execute(data, kinds);
    assert_eq!(open(), before, "descriptors stay behind");
}

fn open() -> usize {
    fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

fn execute(data: &[u8], kinds: &Kinds) -> Option<()> {
    let mut input = Input(data);
    let owner = input.pick(2)? == 0;
    let (ours, theirs) = unix::pair().ok()?;
    let inner = Inner::blank("/nowhere/zdt.sock".as_ref(), Config::default()).ok()?;
    let credentials = process::peer_credentials(ours.as_fd()).ok()?;
    let takeover = if owner {
        inner.begin(kinds.takeover_socket.try_clone().ok()?).ok()?;
        let takeover = Takeover { inner: Arc::new(inner) };
        takeover.inner.lock().ok()?.admit_one(ours, &takeover.inner.outside);
        takeover.ready().ok()?;
        takeover
    } else {
        inner.join(ours, credentials).ok()?;
        Takeover { inner: Arc::new(inner) }
    };
    let mut peer = Peer {
        socket: Some(theirs),
        sent: 0,
        began: false,
        deed: SharedDeed::create().ok()?,
        ledger: SharedLedger::create(SLOTS).ok()?,
        blob: blob::seal("blob", &[CARRIED]).ok()?,
    };
    let mut offers = Vec::new();
    while let Some(what) = input.pick(4) {
        let more = match what {
            0 | 1 => peer.say(&mut input, kinds),
            2 => peer.write_words(&mut input, &takeover),
            _ => application(&mut input, &takeover, kinds, &mut offers),
        };
        more?;
        turn(&takeover, &mut offers);
    }
    None
}

/// The handle's turn.
fn turn(takeover: &Takeover, offers: &mut Vec<Offer>) {
    while let Ok(Some(event)) = takeover.next_event(Some(Duration::ZERO)) {
        if let Event::Offer(offer) = event {
            offers.push(offer);
        }
    }
}

fn application(
    input: &mut Input<'_>,
    takeover: &Takeover,
    kinds: &Kinds,
    offers: &mut Vec<Offer>,
) -> Option<()> {
    let what = input.pick(8)?;
    match (what, offers.pop()) {
        (0, Some(offer)) => drop(offer.adopt()),
        (1, Some(offer)) => offer.refuse("not today"),
        (2, Some(offer)) => drop(offer),
        (what, kept) => {
            offers.extend(kept);
            match what {
                3 => {
                    let _ = takeover.listener("http", &ListenerSpec::tcp("127.0.0.1:0"));
                }
                4 => drop(takeover.ready()),
                5 => {
                    let mut frozen = Connection::new(7, kinds.stream.as_raw_fd(), "relay");
                    frozen.state = vec![b's'; 300 * input.pick(80)?];
                    let pipe = kinds.others[1].as_raw_fd();
                    let companion =
                        Companion { name: "pipe".into(), fd: pipe, unread: vec![1], unsent: vec![] };
                    frozen.companions = vec![companion; input.pick(3)?];
                    let _ = takeover.migrate(frozen);
                }
                6 => drop(takeover.migrated_all()),
                _ => drop(takeover.drain()),
            }
        }
    }
    Some(())
}

impl Peer {
    fn say(&mut self, input: &mut Input<'_>, kinds: &Kinds) -> Option<()> {
        let what = input.pick(14)?;
        let message = match what {
            0 => Message::Hello(Hello {
                versions: vec![1, input.number()? as u32],
                free_descriptors: input.number()?,
                ..Hello::default()
            }),
            1 => Message::Welcome(Welcome {
                version: 1,
                generation: input.number()?,
                owner: 1,
                epoch: 1,
                attempt: 2,
                connections: input.number()?,
                ..Welcome::default()
            }),
            2 => Message::Refuse(Refuse { number: input.number()? as u32, ..Refuse::default() }),
            3 => self.listeners(input, kinds)?,
            4 => Message::ListenersAck,
            5 => {
                // Names that the predecessor has, and names that it has not.
                let count = input.pick(3)?;
                let name =
                    |number| if number == 0 { "http".to_string() } else { format!("listener-{number}") };
                Message::Ready(Ready { retired: (0..count).map(name).collect() })
            }
            6 => Message::Draining(Draining { connections: input.number()?, deadline_ms: input.number()? }),
            7..10 => Message::Offer(self.offers(input)?),
            10 => Message::Answer,
            11 => Message::Note(Note { number: input.number()? as u32, reason: "why not".into() }),
            12 => {
                let bytes = input.bytes(300, MAX_PAYLOAD + 1)?;
                let fds: Vec<RawFd> =
                    input.bytes(1, 254)?.iter().map(|which| self.any(*which, kinds)).collect();
                self.send(bytes, &fds);
                return Some(());
            }
            _ => {
                if input.pick(8)? == 0 {
                    self.socket = None;
                }
                return Some(());
            }
        };
        let mut fds: Vec<RawFd> = self.right(&message, kinds).iter().map(AsRawFd::as_raw_fd).collect();
        // Now and then another descriptor, one too many, one too few, or another sequence number.
        let twist = input.byte()?;
        match twist {
            0..32 => fds.push(self.any(twist, kinds)),
            32..64 => drop(fds.pop()),
            64..128 if !fds.is_empty() => {
                let place = input.pick(fds.len())?;
                fds[place] = self.any(twist, kinds);
            }
            _ => {}
        }
        self.began |= matches!(message, Message::Listeners(_));
        let sequence = if twist == 255 { self.sent.wrapping_add(7) } else { self.sent };
        let descriptors = if twist == 254 { 9 } else { fds.len() as u32 };
        let mut bytes = Vec::new();
        if encode(&Envelope { sequence, descriptors, message }, &mut bytes).is_ok() && self.send(&bytes, &fds)
        {
            self.sent = self.sent.wrapping_add(1);
        }
        Some(())
    }

    fn send(&self, bytes: &[u8], fds: &[RawFd]) -> bool {
        let socket = self.socket.as_ref();
        socket.is_some_and(|socket| {
            scm_rights::send(socket.as_fd(), &[IoSlice::new(bytes)], fds, false).is_ok()
        })
    }

    fn listeners(&self, input: &mut Input<'_>, kinds: &Kinds) -> Option<Message> {
        let address = kinds.listener.local_addr().ok()?;
        let item = |number: &u8| ListenerItem {
            name: if *number == 0 { "http".into() } else { number.to_string() },
            address: match *number {
                0..240 => format!("tcp://{address}"),
                240..248 => "unix:///run/app/zdt.sock".into(),
                _ => "no address".into(),
            },
            backlog: u32::from(*number),
            options: u32::from(*number),
        };
        let items = input.bytes(1, 3)?.iter().map(item).collect();
        Some(Message::Listeners(Listeners { items, remaining: input.pick(3)?.saturating_sub(1) as u32 }))
    }

    fn offers(&self, input: &mut Input<'_>) -> Option<Offers> {
        let mut items = Vec::new();
        for slot in input.bytes(1, 6)? {
            let lie = u64::from(*slot == 77);
            let bytes = match slot % 3 {
                0 => Carried::Memfd { state: 5, unread: 8 + lie, unsent: CARRIED.len() as u64 - 13 },
                _ => Carried::Inline {
                    state: vec![*slot; 9].into(),
                    unread: vec![].into(),
                    unsent: vec![*slot].into(),
                },
            };
            let companions = vec![CompanionItem::default(); usize::from(slot % 5 == 0)];
            items.push(OfferItem {
                slot: if *slot == 255 { u32::MAX } else { u32::from(*slot) % SLOTS },
                protocol: "relay".into(),
                bytes,
                companions,
                ..OfferItem::default()
            });
        }
        // What the predecessor does first.
        for item in items.iter().filter(|item| item.slot < SLOTS) {
            let _ = self.ledger.swap(item.slot, Word::Free, Word::Offered);
        }
        Some(Offers { items, last: input.pick(4)? == 0 })
    }

    /// The descriptors that belong to a message.
    fn right<'a>(&'a self, message: &Message, kinds: &'a Kinds) -> Vec<BorrowedFd<'a>> {
        match message {
            Message::Hello(_) => vec![kinds.pidfd.as_fd()],
            Message::Welcome(_) => vec![kinds.pidfd.as_fd(), self.ledger.descriptor()],
            Message::Listeners(listeners) => {
                let mut fds = vec![self.deed.descriptor(), kinds.takeover_socket.as_fd()];
                fds.drain(..if self.began { 2 } else { 0 });
                fds.extend(listeners.items.iter().map(|_| kinds.listener.as_fd()));
                fds
            }
            Message::Offer(offers) => {
                let mut fds = Vec::new();
                for item in &offers.items {
                    fds.push(kinds.stream.as_fd());
                    fds.extend(item.companions.iter().map(|_| kinds.others[1].as_fd()));
                    if matches!(item.bytes, Carried::Memfd { .. }) {
                        fds.push(self.blob.as_fd());
                    }
                }
                fds
            }
            _ => Vec::new(),
        }
    }

    fn any(&self, which: u8, kinds: &Kinds) -> RawFd {
        let special = [
            kinds.takeover_socket.as_fd(),
            kinds.listener.as_fd(),
            kinds.stream.as_fd(),
            kinds.pidfd.as_fd(),
            kinds.unsealed.as_fd(),
            self.deed.descriptor(),
            self.ledger.descriptor(),
            self.blob.as_fd(),
        ];
        let all = special.into_iter().chain(kinds.others.iter().map(AsFd::as_fd));
        let all: Vec<BorrowedFd<'_>> = all.collect();
        all[usize::from(which) % all.len()].as_raw_fd()
    }

    /// Words of the shared memory become something else.
    fn write_words(&self, input: &mut Input<'_>, takeover: &Takeover) -> Option<()> {
        const WORDS: [Word; 5] = [Word::Free, Word::Offered, Word::Adopted, Word::Refused, Word::Returned];
        let what = input.pick(4)?;
        let slot = input.pick(SLOTS as usize)? as u32;
        let to = WORDS[input.pick(WORDS.len())?];
        let set = |ledger: &SharedLedger| {
            let from = ledger.read(slot);
            let _ = ledger.swap(slot, from, to);
        };
        let state = takeover.inner.lock().ok()?;
        match what {
            0 => set(&self.ledger),
            1 => {
                if let Some(down) = &state.down {
                    set(&down.ledger);
                }
            }
            2 => {
                if let Some(deed) = &state.deed {
                    let from = deed.read();
                    let _ = deed.swap(from, crate::ownership::Deed { owner: slot, epoch: from.epoch + 1 });
                }
            }
            _ => {
                self.ledger.relieve();
                if let Some(down) = &state.down {
                    down.ledger.relieve();
                }
            }
        }
        Some(())
    }
}
