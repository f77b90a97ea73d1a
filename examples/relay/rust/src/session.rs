//! The relay's protocol (PROTOCOL.md) without any I/O: bytes in, bytes out, and the state that travels.

use std::fmt::Write as _;

/// The name of the protocol, as it travels.
pub const PROTOCOL: &str = "relay";
/// The form of [`Session::state`].
pub const STATE_VERSION: u32 = 1;

const LINE: usize = 128;
const NAME: usize = 64;
const ECHO: usize = 65_536;
const BIG: usize = 1_048_576;
const PAD: usize = 1_000_000;
/// From here on a session carries out nothing more until some of its replies have gone.
const PRESSURE: usize = 1_048_576;

const REFUSE_ME: u8 = 1;
const ENDING: u8 = 2;

/// What one connection is to the relay.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Session {
    name: String,
    counter: u64,
    rx: u32,
    tx: u32,
    flags: u8,
    pad: Vec<u8>,
    input: Vec<u8>,
    output: Vec<u8>,
    /// How much of `output` is in the socket.
    sent: usize,
}

impl Session {
    /// The session that a predecessor described, or why it is not one. Its bytes follow with [`carry`](Self::carry).
    pub fn restore(state: &[u8]) -> Result<Session, &'static str> {
        let (head, rest) = state.split_first_chunk::<24>().ok_or("state: too short")?;
        let number = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let (name, pad) = rest.split_at_checked(head[17] as usize).ok_or("state: too short for its name")?;
        let name = std::str::from_utf8(name).map_err(|_| "state: the name is no text")?;
        if pad.len() != number(20) as usize || pad.len() > PAD {
            return Err("state: wrong length");
        }
        if head[16] > (REFUSE_ME | ENDING) || number(16) & 0xffff != 0 || !(name.is_empty() || is_name(name))
        {
            return Err("state: not of version 1");
        }
        Ok(Session {
            name: name.into(),
            counter: u64::from(number(0)) << 32 | u64::from(number(4)),
            rx: number(8),
            tx: number(12),
            flags: head[16],
            pad: pad.into(),
            ..Session::default()
        })
    }

    /// The bytes that were half-way through when the connection moved.
    pub fn carry(&mut self, unread: Vec<u8>, unsent: Vec<u8>) {
        (self.input, self.output) = (unread, unsent);
    }

    /// The state that travels; [`unread`](Self::unread) and [`unsent`](Self::unsent) go beside it.
    pub fn state(&self) -> Vec<u8> {
        let mut state = Vec::with_capacity(24 + self.name.len() + self.pad.len());
        state.extend(self.counter.to_be_bytes());
        state.extend(self.rx.to_be_bytes());
        state.extend(self.tx.to_be_bytes());
        state.extend([self.flags, self.name.len() as u8, 0, 0]);
        state.extend((self.pad.len() as u32).to_be_bytes());
        state.extend(self.name.bytes());
        state.extend(&self.pad);
        state
    }

    /// Bytes that were received and not carried out yet.
    pub fn unread(&self) -> &[u8] {
        &self.input
    }

    /// Bytes of replies that are not in the socket yet.
    pub fn unsent(&self) -> &[u8] {
        &self.output[self.sent..]
    }

    /// The name that `HELLO` gave.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether a successor is to refuse this connection.
    pub fn wants_refusal(&self) -> bool {
        self.flags & REFUSE_ME != 0
    }

    /// It was refused: the next successor may have it.
    pub fn was_refused(&mut self) {
        self.flags &= !REFUSE_ME;
    }

    /// Whether nothing is left but to end the connection.
    pub fn ended(&self) -> bool {
        self.flags & ENDING != 0 && self.unsent().is_empty()
    }

    /// Whether it takes more bytes now.
    pub fn takes_more(&self) -> bool {
        self.flags & ENDING == 0 && self.unsent().len() < PRESSURE
    }

    /// Bytes came from the socket.
    pub fn received(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// `count` bytes of [`unsent`](Self::unsent) went into the socket.
    pub fn sent(&mut self, count: usize) {
        self.sent += count;
        if self.sent == self.output.len() {
            self.output.clear();
            self.sent = 0;
        }
    }

    /// Carries out what is complete in the input, as far as [`takes_more`](Self::takes_more) lets it; `who` answers `WHO`.
    /// Says whether it carried out anything.
    pub fn serve(&mut self, who: &str) -> bool {
        let input = std::mem::take(&mut self.input);
        let mut used = 0;
        while self.takes_more() {
            match self.request(&input[used..], who) {
                Ok(Some(length)) => used += length,
                Ok(None) => break,
                Err(reason) => {
                    let counter = self.counter;
                    self.reply(format_args!("ERR {counter} {reason}\n"), &[]);
                    self.flags |= ENDING;
                }
            }
        }
        self.input = input;
        self.input.drain(..used);
        used > 0
    }

    /// Carries out the first request in `input`: its length, `None` where it is not complete, or the word for its error.
    fn request(&mut self, input: &[u8], who: &str) -> Result<Option<usize>, &'static str> {
        let Some(end) = input.iter().take(LINE).position(|byte| *byte == b'\n') else {
            return if input.len() < LINE { Ok(None) } else { Err("line") };
        };
        let line = std::str::from_utf8(&input[..end]).map_err(|_| "line")?;
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        if (word == "HELLO") != self.name.is_empty() {
            return Err("hello");
        }
        let mut length = end + 1;
        if word == "ECHO" {
            length += number(rest, ECHO)?;
            if input.len() < length {
                return Ok(None);
            }
        }
        let counter = self.counter + 1;
        let rx = crc(self.rx, &input[..length]);
        match (word, rest) {
            ("HELLO", name) if is_name(name) => {
                self.name = name.into();
                self.reply(format_args!("HELLO {counter} {name}\n"), &[]);
            }
            ("ECHO", _) => {
                let payload = &input[end + 1..length];
                self.reply(format_args!("ECHO {counter} {}\n", payload.len()), payload);
            }
            ("BIG", n) => {
                let n = number(n, BIG)?;
                self.reply(format_args!("BIG {counter} {n}\n"), &pattern(counter, n));
            }
            ("SUM", "") => {
                let tx = self.tx;
                self.reply(format_args!("SUM {counter} {rx:08x} {tx:08x}\n"), &[]);
            }
            ("WHO", "") => self.reply(format_args!("WHO {counter} {who}\n"), &[]),
            ("PAD", n) => {
                self.pad = pattern(counter, number(n, PAD)?);
                self.reply(format_args!("PAD {counter} {}\n", self.pad.len()), &[]);
            }
            ("PAD?", "") => {
                let (length, crc) = (self.pad.len(), crc(0, &self.pad));
                self.reply(format_args!("PAD? {counter} {length} {crc:08x}\n"), &[]);
            }
            ("TAG", "refuse-me") => {
                self.flags |= REFUSE_ME;
                self.reply(format_args!("TAG {counter} refuse-me\n"), &[]);
            }
            ("BYE", "") => {
                self.flags |= ENDING;
                self.reply(format_args!("BYE {counter}\n"), &[]);
            }
            _ => return Err("line"),
        }
        self.counter = counter;
        self.rx = rx;
        Ok(Some(length))
    }

    fn reply(&mut self, line: std::fmt::Arguments<'_>, body: &[u8]) {
        let line = line.to_string();
        self.tx = crc(crc(self.tx, line.as_bytes()), body);
        self.output.extend_from_slice(line.as_bytes());
        self.output.extend_from_slice(body);
    }
}

fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=NAME).contains(&name.len()) && name.bytes().all(allowed)
}

fn number(digits: &str, limit: usize) -> Result<usize, &'static str> {
    if digits.is_empty() || digits.len() > 10 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("line");
    }
    digits.parse().ok().filter(|number| *number <= limit).ok_or("size")
}

fn crc(start: u32, bytes: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new_with_initial(start);
    crc.update(bytes);
    crc.finalize()
}

/// The bytes of `BIG` and `PAD`: lines of 64 bytes, each of which says where it belongs.
fn pattern(counter: u64, length: usize) -> Vec<u8> {
    let mut text = String::with_capacity(length + 64);
    for line in 0..length.div_ceil(64) {
        let _ = writeln!(text, "{counter:016x} {line:08x} .....................................");
    }
    text.truncate(length);
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHO: &str = "7 rust 3";

    /// What `session` replies to `input`.
    fn ask(session: &mut Session, input: &[u8]) -> String {
        session.received(input);
        session.serve(WHO);
        let reply = String::from_utf8(session.unsent().to_vec()).unwrap();
        session.sent(reply.len());
        reply
    }

    /// What a successor makes of it.
    fn moved(session: &Session) -> Session {
        let mut moved = Session::restore(&session.state()).unwrap();
        moved.carry(session.unread().to_vec(), session.unsent().to_vec());
        moved
    }

    fn greeted() -> Session {
        let mut session = Session::default();
        assert_eq!(ask(&mut session, b"HELLO a\n"), "HELLO 1 a\n");
        session
    }

    #[test]
    fn every_request_is_answered_with_its_counter() {
        let mut session = greeted();
        let replies =
            ask(&mut session, b"ECHO 3\na\nbWHO\nPAD 65\nPAD?\nTAG refuse-me\nBIG 66\nECHO 0\nBYE\n");
        let line = |counter: u64, number: u64| format!("{counter:016x} {number:08x} {}\n", ".".repeat(37));
        let pad = line(4, 0) + "0";
        let expected = format!(
            "ECHO 2 3\na\nbWHO 3 7 rust 3\nPAD 4 65\nPAD? 5 65 {:08x}\nTAG 6 refuse-me\nBIG 7 66\n{}00ECHO 8 0\nBYE 9\n",
            crc(0, pad.as_bytes()),
            line(7, 0)
        );
        assert_eq!(replies, expected);
        assert!(session.wants_refusal() && session.ended());
    }

    #[test]
    fn sums_cover_requests_up_to_and_replies_before_the_sum() {
        let mut session = greeted();
        let (rx, tx) = (crc(0, b"HELLO a\nSUM\n"), crc(0, b"HELLO 1 a\n"));
        assert_eq!(ask(&mut session, b"SUM\n"), format!("SUM 2 {rx:08x} {tx:08x}\n"));
        let sum = format!("SUM 2 {rx:08x} {tx:08x}\n");
        let (rx, tx) = (crc(rx, b"SUM\n"), crc(tx, sum.as_bytes()));
        assert_eq!(ask(&mut session, b"SUM\nSU"), format!("SUM 3 {rx:08x} {tx:08x}\n"));
        assert_eq!(session.unread(), b"SU");
    }

    #[test]
    fn a_request_split_at_any_byte_gives_the_same_reply() {
        let requests = b"HELLO a\nECHO 5\nab\ncdBIG 3\nSUM\n";
        let whole = ask(&mut Session::default(), requests);
        for cut in 0..requests.len() {
            let mut session = Session::default();
            let first = ask(&mut session, &requests[..cut]);
            assert_eq!(first + &ask(&mut session, &requests[cut..]), whole, "cut at {cut}");
        }
    }

    #[test]
    fn a_session_that_moves_at_any_byte_gives_the_same_replies() {
        let requests = b"HELLO a\nPAD 100\nECHO 5\nab\ncdBIG 3\nSUM\nPAD?\nBYE\n";
        let whole = ask(&mut Session::default(), requests);
        for cut in 0..requests.len() {
            let mut session = Session::default();
            session.received(&requests[..cut]);
            session.serve(WHO);
            let half = session.unsent().len() / 2;
            let first = String::from_utf8(session.unsent()[..half].to_vec()).unwrap();
            session.sent(half);
            let mut moved = moved(&session);
            assert_eq!(first + &ask(&mut moved, &requests[cut..]), whole, "moved at {cut}");
            assert!(moved.ended());
        }
    }

    #[test]
    fn wrong_requests_are_named_and_end_the_connection() {
        let long = [b'x'; 128];
        let cases: [(&[u8], &str); 10] = [
            (b"NONSENSE\n", "line"),
            (b"SUM 1\n", "line"),
            (b"ECHO -1\n", "line"),
            (b"ECHO\n", "line"),
            (b"\xff\n", "line"),
            (&long, "line"),
            (b"HELLO b\n", "hello"),
            (b"ECHO 65537\n", "size"),
            (b"BIG 1048577\n", "size"),
            (b"PAD 1000001\n", "size"),
        ];
        for (request, reason) in cases {
            let mut session = greeted();
            assert_eq!(ask(&mut session, request), format!("ERR 1 {reason}\n"), "{request:?}");
            assert!(session.ended());
            assert_eq!(ask(&mut session, b"SUM\n"), "", "nothing is carried out after ERR");
        }
        assert_eq!(ask(&mut Session::default(), b"SUM\n"), "ERR 0 hello\n");
    }

    #[test]
    fn under_pressure_requests_wait_in_the_input() {
        let mut session = greeted();
        session.received(b"BIG 1048576\nECHO 1\nx");
        session.serve(WHO);
        assert!(!session.takes_more());
        assert_eq!(session.unread(), b"ECHO 1\nx");
        let mut moved = moved(&session);
        moved.sent(moved.unsent().len());
        assert!(moved.serve(WHO), "carried out although nothing came");
        assert_eq!(moved.unsent(), b"ECHO 3 1\nx");
    }

    #[test]
    fn the_state_is_the_one_of_the_page() {
        let session =
            Session { name: "a".into(), counter: 2, rx: 0x0102_0304, tx: 0x0506_0708, ..Session::default() };
        let hex: String = session.state().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "00000000000000020102030405060708000100000000000061");
        assert_eq!(Session::restore(&session.state()), Ok(session));
    }

    #[test]
    fn a_state_that_is_not_exact_is_refused() {
        let good = greeted().state();
        for (at, value) in [(16, 4), (17, 2), (17, 65), (18, 1), (19, 1), (20, 1), (23, 1), (24, b' ')] {
            let mut bad = good.clone();
            bad[at] = value;
            assert!(Session::restore(&bad).is_err(), "byte {at} = {value}");
        }
        assert!(Session::restore(&good[..good.len() - 1]).is_err());
        assert!(Session::restore(&[&good[..], b"x"].concat()).is_err());
        assert!(Session::restore(&good).is_ok());
    }
}
