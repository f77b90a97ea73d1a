//! One error for every language: a stable number, what was wrong, what state one is in now, what to do.

use std::fmt;

/// A result whose error is [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $name:ident = $number:literal, $word:literal, $retry:literal;)+) => {
        /// What went wrong. The numbers are part of every language's face and are never reused.
        ///
        /// Ranges: 1xx wrong use, 2xx the system, 3xx takeover, 4xx protocol, 5xx trust, 9xx a fault of libzdt.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        #[repr(i32)]
        pub enum ErrorKind { $($(#[doc = $doc])+ $name = $number,)+ }

        impl ErrorKind {
            /// Every kind, in ascending order of number.
            pub const ALL: &'static [ErrorKind] = &[$(ErrorKind::$name,)+];

            /// The kind with this number, if there is one.
            pub fn from_number(number: i32) -> Option<ErrorKind> {
                match number { $($number => Some(ErrorKind::$name),)+ _ => None }
            }

            /// The kind as a short word, the same in every language.
            pub fn word(self) -> &'static str {
                match self { $(ErrorKind::$name => $word,)+ }
            }

            /// Whether the same call, made again a little later, can succeed without anything being changed.
            pub fn retry_helps(self) -> bool {
                match self { $(ErrorKind::$name => $retry,)+ }
            }
        }
    };
}

kinds! {
    /// An argument is not what the call takes (an address that does not parse, a null pointer, a size of 0).
    InvalidArgument = 101, "invalid argument", false;
    /// The path of the takeover socket is longer than `sun_path` holds (107 bytes; unix(7)).
    PathTooLong = 102, "path too long", false;
    /// The name of a listener is in use already.
    NameUsed = 103, "name used", false;
    /// The call does not fit the state one is in (migrate before Drain, ready twice).
    WrongState = 104, "wrong state", false;
    /// The handle was closed.
    Closed = 105, "closed", false;
    /// The handle belongs to the process that this one was forked from.
    Forked = 106, "forked", false;
    /// State, unread or unsent bytes are over the limit.
    TooLarge = 107, "too large", false;
    /// The successor does not read this protocol or state version: drain the connection instead.
    NotReadable = 108, "not readable", false;
    /// An inherited listener was claimed by nobody before `ready`.
    ListenerUnclaimed = 109, "listener unclaimed", false;
    /// A thread leaves the drain signal unblocked, so a signalfd would never fire (signalfd(2)).
    SignalNotBlocked = 110, "signal not blocked", false;

    /// A system call failed; the errno is in the error.
    System = 201, "system call failed", false;
    /// RLIMIT_NOFILE leaves too few descriptors for what is coming.
    DescriptorLimit = 202, "descriptor limit", false;
    /// The directory of the takeover socket does not exist.
    DirectoryMissing = 203, "directory missing", false;
    /// The address of a listener is in use by somebody else.
    AddressInUse = 204, "address in use", true;
    /// The kernel lacks what this needs (live takeover needs Linux 5.4).
    Unsupported = 205, "unsupported", false;

    /// Another successor is at it, or the owner is not ready yet.
    Busy = 301, "busy", true;
    /// The other side did not answer before the deadline.
    NoAnswer = 302, "no answer", true;
    /// The other side died or closed the link.
    PeerGone = 303, "peer gone", true;
    /// An inherited listener is not what its spec asks for.
    ListenerMismatch = 304, "listener mismatch", false;
    /// The attempt is lost: another process owns the service.
    AttemptLost = 305, "attempt lost", true;
    /// The predecessor refused, for a reason that is in the message.
    Refused = 306, "refused", false;

    /// The two sides have no protocol version in common.
    NoCommonVersion = 401, "no common version", false;
    /// A message does not decode, or the peer does not speak the protocol at all.
    Malformed = 402, "malformed message", false;
    /// A message came out of order: a wrong sequence number, or one that does not fit the step.
    OutOfOrder = 403, "out of order", false;
    /// A message came with another number of descriptors than it says.
    DescriptorCount = 404, "descriptor count", false;

    /// The peer runs as a user that is not trusted.
    WrongUser = 501, "wrong user", false;
    /// The directory of the takeover socket can be written by others and has no sticky bit, or is theirs.
    UnsafeDirectory = 502, "unsafe directory", false;
    /// Something that is not a socket of ours lies at the path.
    ForeignFile = 503, "foreign file", false;
    /// The peer's pidfd is not of the process that the kernel reports.
    WrongProcess = 504, "wrong process", true;

    /// A fault of libzdt itself: please report it.
    Internal = 901, "internal fault", false;
}

impl ErrorKind {
    /// The stable number.
    pub fn number(self) -> i32 {
        self as i32
    }
}

/// An error: what was wrong, what state one is in now, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    what: String,
    now: String,
    errno: Option<i32>,
    pid: Option<u32>,
}

impl Error {
    /// An error of `kind`; `what` was wrong, and `now` says the state one is in and what to do.
    pub fn new(kind: ErrorKind, what: impl Into<String>, now: impl Into<String>) -> Error {
        Error { kind, what: what.into(), now: now.into(), errno: None, pid: None }
    }

    /// The failure of a system call, with its errno.
    pub fn system(call: &str, error: &std::io::Error) -> Error {
        Error {
            kind: ErrorKind::System,
            what: format!("{call}: {error}"),
            now: String::new(),
            errno: error.raw_os_error(),
            pid: None,
        }
    }

    /// The same error with the state one is in now and what to do.
    #[must_use]
    pub fn now(mut self, now: impl Into<String>) -> Error {
        self.now = now.into();
        self
    }

    /// The same error with the process it speaks of.
    #[must_use]
    pub fn with_pid(mut self, pid: u32) -> Error {
        self.pid = Some(pid);
        self
    }

    /// The same error with an errno.
    #[must_use]
    pub fn with_errno(mut self, errno: i32) -> Error {
        self.errno = Some(errno);
        self
    }

    /// What kind of error this is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What was wrong.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// What state one is in now and what to do; may be empty.
    pub fn state(&self) -> &str {
        &self.now
    }

    /// The errno of the failed system call, if there was one.
    pub fn errno(&self) -> Option<i32> {
        self.errno
    }

    /// The process the error speaks of (who is busy, who is not trusted), if there is one.
    pub fn pid(&self) -> Option<u32> {
        self.pid
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.kind.word(), self.kind.number(), self.what)?;
        if !self.now.is_empty() {
            write!(f, "; {}", self.now)?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique_ascending_and_found_again() {
        let numbers: Vec<i32> = ErrorKind::ALL.iter().map(|kind| kind.number()).collect();
        assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
        for kind in ErrorKind::ALL {
            assert_eq!(ErrorKind::from_number(kind.number()), Some(*kind));
        }
        assert_eq!(ErrorKind::from_number(0), None);
    }

    #[test]
    fn an_error_says_kind_number_what_and_now() {
        let error =
            Error::new(ErrorKind::Busy, "process 7 is at it", "still serving; call again").with_pid(7);
        assert_eq!(error.to_string(), "busy (301): process 7 is at it; still serving; call again");
        assert_eq!(error.pid(), Some(7));
    }
}
