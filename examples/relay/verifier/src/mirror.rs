//! What a connection must answer: a mirror of the relay's side of it, kept from the client's side (PROTOCOL.md).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Gives the connection its name.
    Hello(String),
    /// Wants these bytes back.
    Echo(Vec<u8>),
    /// Wants this many bytes.
    Big(usize),
    /// Wants both checksums.
    Sum,
    /// Wants to know who serves.
    Who,
    /// Gives the connection this many bytes of state.
    Pad(usize),
    /// Wants the checksum of that state.
    PadCheck,
    /// The next successor is to refuse the connection.
    RefuseMe,
    /// Ends it.
    Bye,
}

impl Ask {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Ask::Hello(name) => format!("HELLO {name}\n").into_bytes(),
            Ask::Echo(payload) => [format!("ECHO {}\n", payload.len()).as_bytes(), payload].concat(),
            Ask::Big(length) => format!("BIG {length}\n").into_bytes(),
            Ask::Sum => b"SUM\n".to_vec(),
            Ask::Who => b"WHO\n".to_vec(),
            Ask::Pad(length) => format!("PAD {length}\n").into_bytes(),
            Ask::PadCheck => b"PAD?\n".to_vec(),
            Ask::RefuseMe => b"TAG refuse-me\n".to_vec(),
            Ask::Bye => b"BYE\n".to_vec(),
        }
    }
}

/// How a request can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A wrong reply, an end of file, a refused connection.
    Failed,
    /// Reset by the other side.
    Reset,
    /// No byte came for too long.
    Timeout,
    /// A reply with another counter than the next one's: lost, doubled or reordered.
    OutOfOrder,
}

/// What went wrong on a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// How.
    pub kind: Kind,
    /// In words.
    pub what: String,
}

/// A reply that was right.
#[derive(Debug)]
pub struct Answer {
    /// When the last byte of the request was given to the socket.
    pub asked: Instant,
    /// How long the reply took from then; nothing where the client itself read slowly.
    pub latency: Option<Duration>,
    /// What `WHO` said: language and generation.
    pub who: Option<(String, u64)>,
}

#[derive(Debug)]
struct Expected {
    ask: Ask,
    counter: u64,
    /// The relay's rx once it has carried this out.
    rx: u32,
    asked: Instant,
    timed: bool,
}

/// The client's account of one connection.
#[derive(Debug, Default)]
pub struct Mirror {
    counter: u64,
    rx: u32,
    tx: u32,
    pad: (u64, usize),
    expected: VecDeque<Expected>,
    line: Vec<u8>,
    /// How much of the body of the first expected reply has come, once its line has.
    body: Option<usize>,
    who: Option<(String, u64)>,
    ended: bool,
}

impl Mirror {
    /// The bytes of a request that will be with the socket, whole, at `asked`. `timed`: the client reads as fast as it can.
    pub fn ask(&mut self, ask: Ask, asked: Instant, timed: bool) -> Vec<u8> {
        let bytes = ask.bytes();
        self.counter += 1;
        self.rx = crc(self.rx, &bytes);
        if let Ask::Pad(length) = ask {
            self.pad = (self.counter, length);
        }
        self.expected.push_back(Expected { ask, counter: self.counter, rx: self.rx, asked, timed });
        bytes
    }

    /// The last request is whole only now.
    pub fn asked_now(&mut self, now: Instant) {
        if let Some(expected) = self.expected.back_mut() {
            expected.asked = now;
        }
    }

    /// Since when the oldest reply is owed, and whether it is timed.
    pub fn owed_since(&self) -> Option<(Instant, bool)> {
        self.expected.front().map(|expected| (expected.asked, expected.timed))
    }

    /// How many replies are owed.
    pub fn owed(&self) -> usize {
        self.expected.len()
    }

    /// Whether `BYE` was answered: end of file is right now.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// How many requests were made.
    pub fn counter(&self) -> u64 {
        self.counter
    }

    /// Bytes came: each must be the one that must come next. `answered` is told of each reply that is complete.
    pub fn received(
        &mut self,
        mut bytes: &[u8],
        now: Instant,
        mut answered: impl FnMut(Answer),
    ) -> Result<(), Failure> {
        while !bytes.is_empty() {
            let taken = if let Some(at) = self.body { self.body(at, bytes)? } else { self.line(bytes)? };
            bytes = &bytes[taken..];
            let Some(first) = self.expected.front() else { continue };
            if self.body == Some(body_length(&first.ask)) {
                self.ended |= first.ask == Ask::Bye;
                let latency = first.timed.then(|| now.saturating_duration_since(first.asked));
                answered(Answer { asked: first.asked, latency, who: self.who.take() });
                self.expected.pop_front();
                self.body = None;
            }
        }
        Ok(())
    }

    /// Takes bytes of a reply's line, up to its LF.
    fn line(&mut self, bytes: &[u8]) -> Result<usize, Failure> {
        let Some(expected) = self.expected.front() else {
            return Err(out_of_order(format!("{} bytes that nobody asked for", bytes.len())));
        };
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let taken = end.map_or(bytes.len(), |end| end + 1);
        self.line.extend_from_slice(&bytes[..taken]);
        if end.is_none() && self.line.len() < 256 {
            return Ok(taken);
        }
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&line);
        let counter = expected.counter;
        let tx = self.tx;
        self.tx = crc(tx, line.as_bytes());
        let wanted = match &expected.ask {
            Ask::Hello(name) => format!("HELLO {counter} {name}\n"),
            Ask::Echo(payload) => format!("ECHO {counter} {}\n", payload.len()),
            Ask::Big(length) => format!("BIG {counter} {length}\n"),
            Ask::Sum => format!("SUM {counter} {:08x} {tx:08x}\n", expected.rx),
            Ask::Pad(length) => format!("PAD {counter} {length}\n"),
            Ask::PadCheck => {
                format!("PAD? {counter} {} {:08x}\n", self.pad.1, crc(0, &pattern(self.pad.0, 0, self.pad.1)))
            }
            Ask::RefuseMe => format!("TAG {counter} refuse-me\n"),
            Ask::Bye => format!("BYE {counter}\n"),
            Ask::Who => {
                let words: Vec<&str> = line.trim_end().split(' ').collect();
                if let ["WHO", told, _, language, generation] = words[..]
                    && told == counter.to_string()
                    && let Ok(generation) = generation.parse()
                {
                    self.who = Some((language.into(), generation));
                    self.body = Some(0);
                    return Ok(taken);
                }
                format!("WHO {counter} …\n")
            }
        };
        if line != wanted {
            let told = line.split(' ').nth(1).and_then(|word| word.trim_end().parse::<u64>().ok());
            let what = format!("{:?} came, not {:?}", line.trim_end(), wanted.trim_end());
            let reordered = told.is_some_and(|told| told != counter) && !line.starts_with("ERR");
            return Err(if reordered { out_of_order(what) } else { failed(what) });
        }
        self.body = Some(0);
        Ok(taken)
    }

    /// Takes bytes of the first expected reply's body, of which `at` have come.
    fn body(&mut self, at: usize, bytes: &[u8]) -> Result<usize, Failure> {
        let Some(expected) = self.expected.front() else { return Ok(0) };
        let taken = bytes.len().min(body_length(&expected.ask) - at);
        let right = match &expected.ask {
            Ask::Echo(payload) => payload[at..at + taken] == bytes[..taken],
            _ => pattern(expected.counter, at, taken) == bytes[..taken],
        };
        if !right {
            let what = format!("wrong bytes in reply {} after byte {at} of its body", expected.counter);
            return Err(failed(what));
        }
        self.tx = crc(self.tx, &bytes[..taken]);
        self.body = Some(at + taken);
        Ok(taken)
    }
}

fn body_length(ask: &Ask) -> usize {
    match ask {
        Ask::Echo(payload) => payload.len(),
        Ask::Big(length) => *length,
        _ => 0,
    }
}

fn failed(what: String) -> Failure {
    Failure { kind: Kind::Failed, what }
}

fn out_of_order(what: String) -> Failure {
    Failure { kind: Kind::OutOfOrder, what }
}

fn crc(start: u32, bytes: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new_with_initial(start);
    crc.update(bytes);
    crc.finalize()
}

/// `length` bytes from `start` on of pattern(counter).
fn pattern(counter: u64, start: usize, length: usize) -> Vec<u8> {
    let mut line = format!("{counter:016x} {:08x} {:.<37}\n", 0, "").into_bytes();
    let mut bytes = Vec::with_capacity(length + 128);
    for number in start / 64..(start + length).div_ceil(64) {
        for (digit, byte) in line[17..25].iter_mut().enumerate() {
            *byte = b"0123456789abcdef"[number >> (28 - 4 * digit) & 15];
        }
        bytes.extend_from_slice(&line);
    }
    bytes.drain(..start % 64);
    bytes.truncate(length);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A mirror that has asked these, and the bytes it sent.
    fn asking(asks: &[Ask]) -> (Mirror, Vec<u8>) {
        let mut mirror = Mirror::default();
        let now = Instant::now();
        let bytes = asks.iter().flat_map(|ask| mirror.ask(ask.clone(), now, true)).collect();
        (mirror, bytes)
    }

    fn feed(mirror: &mut Mirror, bytes: &[u8]) -> Result<usize, Kind> {
        let mut answers = 0;
        let fed = mirror.received(bytes, Instant::now(), |_| answers += 1);
        fed.map(|()| answers).map_err(|failure| failure.kind)
    }

    fn right() -> (Vec<Ask>, Vec<u8>) {
        let asks = vec![
            Ask::Hello("a".into()),
            Ask::Echo(b"x\ny".to_vec()),
            Ask::Big(100),
            Ask::Sum,
            Ask::Who,
            Ask::Pad(70),
            Ask::PadCheck,
            Ask::RefuseMe,
            Ask::Bye,
        ];
        let sent = b"HELLO a\nECHO 3\nx\nyBIG 100\nSUM\n";
        let mut replies = b"HELLO 1 a\nECHO 2 3\nx\nyBIG 3 100\n".to_vec();
        replies.extend(pattern(3, 0, 100));
        let sum = format!("SUM 4 {:08x} {:08x}\n", crc(0, sent), crc(0, &replies));
        replies.extend(sum.bytes());
        replies.extend(b"WHO 5 77 c 3\nPAD 6 70\n");
        replies.extend(
            format!("PAD? 7 70 {:08x}\nTAG 8 refuse-me\nBYE 9\n", crc(0, &pattern(6, 0, 70))).bytes(),
        );
        (asks, replies)
    }

    #[test]
    fn right_replies_pass_whole_and_byte_by_byte() {
        let (asks, replies) = right();
        for step in [1, 7, replies.len()] {
            let (mut mirror, _) = asking(&asks);
            let answers: usize = replies.chunks(step).map(|bytes| feed(&mut mirror, bytes).unwrap()).sum();
            assert_eq!(
                (answers, mirror.ended(), mirror.owed_since()),
                (asks.len(), true, None),
                "step {step}"
            );
        }
    }

    #[test]
    fn the_pattern_is_the_one_of_the_page_wherever_it_begins() {
        let dots = ".".repeat(37);
        let whole: String =
            (0..300).map(|line| format!("{:016x} {line:08x} {dots}\n", 0xabcdef0123_u64)).collect();
        for (start, length) in [(0, 64), (0, 19_200), (63, 2), (64, 64), (1_000, 1), (17_000, 2_000), (5, 0)]
        {
            let expected = &whole.as_bytes()[start..start + length];
            assert_eq!(pattern(0xabcdef0123, start, length), expected, "{start}, {length}");
        }
    }

    #[test]
    fn a_byte_that_changed_or_got_lost_is_seen() {
        let (asks, replies) = right();
        let process_id = replies.windows(2).position(|window| window == b"77").unwrap();
        for at in 0..replies.len() {
            let mut lost = replies.clone();
            lost.remove(at);
            let mut changed = replies.clone();
            changed[at] ^= 1;
            // Who serves is told, not checked: a shorter pid, or another, language or generation is as good.
            let free = (process_id..process_id + 6).contains(&at);
            let (mut mirror, _) = asking(&asks);
            let fed = feed(&mut mirror, &lost);
            assert!(free || fed.is_err() || mirror.owed_since().is_some(), "lost byte {at}");
            let (mut mirror, _) = asking(&asks);
            let fed = feed(&mut mirror, &changed);
            assert!(free || fed.is_err() || mirror.owed_since().is_some(), "changed byte {at}");
        }
    }

    #[test]
    fn lost_doubled_and_reordered_replies_are_out_of_order() {
        let asks = [Ask::Hello("a".into()), Ask::Who, Ask::Who, Ask::Who];
        for replies in [
            "HELLO 1 a\nWHO 3 1 c 1\n",
            "HELLO 1 a\nWHO 2 1 c 1\nWHO 2 1 c 1\n",
            "HELLO 1 a\nWHO 2 1 c 1\nWHO 4 1 c 1\nWHO 3 1 c 1\n",
            "HELLO 1 a\nWHO 2 1 c 1\nWHO 3 1 c 1\nWHO 4 1 c 1\nWHO 4 1 c 1\n",
        ] {
            let (mut mirror, _) = asking(&asks);
            assert_eq!(feed(&mut mirror, replies.as_bytes()), Err(Kind::OutOfOrder), "{replies}");
        }
        let (mut mirror, _) = asking(&asks);
        assert_eq!(feed(&mut mirror, b"ERR 0 line\n"), Err(Kind::Failed));
    }
}
