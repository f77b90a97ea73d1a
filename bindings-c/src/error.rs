//! Errors: their numbers, and what one of them says.

use crate::edge::{c_string, free};
use std::ffi::{CStr, CString, c_char, c_int};
use std::ptr;
use zdt_core::{Error, ErrorKind};

/// An argument is not what the call takes (an address that does not parse, a NULL pointer, a size of 0).
pub const ZDT_ERROR_INVALID_ARGUMENT: c_int = 101;
/// The path of the takeover socket is longer than sun_path holds (107 bytes; unix(7)).
pub const ZDT_ERROR_PATH_TOO_LONG: c_int = 102;
/// The name of a listener is in use already.
pub const ZDT_ERROR_NAME_USED: c_int = 103;
/// The call does not fit the state one is in (zdt_migrate before ZDT_DRAIN, zdt_ready twice).
pub const ZDT_ERROR_WRONG_STATE: c_int = 104;
/// The handle was closed.
pub const ZDT_ERROR_CLOSED: c_int = 105;
/// The handle belongs to the process that this one was forked from.
pub const ZDT_ERROR_FORKED: c_int = 106;
/// State, unread or unsent bytes are over the limit.
pub const ZDT_ERROR_TOO_LARGE: c_int = 107;
/// The successor does not read this protocol or state version: drain the connection instead.
pub const ZDT_ERROR_NOT_READABLE: c_int = 108;
/// An inherited listener was claimed by nobody before zdt_ready.
pub const ZDT_ERROR_LISTENER_UNCLAIMED: c_int = 109;
/// A thread leaves the drain signal unblocked, so a signalfd would never fire (signalfd(2)).
pub const ZDT_ERROR_SIGNAL_NOT_BLOCKED: c_int = 110;
/// A system call failed; see zdt_error_errno.
pub const ZDT_ERROR_SYSTEM: c_int = 201;
/// RLIMIT_NOFILE leaves too few descriptors for what is coming.
pub const ZDT_ERROR_DESCRIPTOR_LIMIT: c_int = 202;
/// The directory of the takeover socket does not exist.
pub const ZDT_ERROR_DIRECTORY_MISSING: c_int = 203;
/// The address of a listener is in use by somebody else.
pub const ZDT_ERROR_ADDRESS_IN_USE: c_int = 204;
/// The kernel lacks what this needs (live takeover needs Linux 5.4).
pub const ZDT_ERROR_UNSUPPORTED: c_int = 205;
/// Another successor is at it, or the owner is not ready yet.
pub const ZDT_ERROR_BUSY: c_int = 301;
/// The other side did not answer before the deadline.
pub const ZDT_ERROR_NO_ANSWER: c_int = 302;
/// The other side died or closed the link.
pub const ZDT_ERROR_PEER_GONE: c_int = 303;
/// An inherited listener is not what its spec asks for.
pub const ZDT_ERROR_LISTENER_MISMATCH: c_int = 304;
/// The attempt is lost: another process owns the service.
pub const ZDT_ERROR_ATTEMPT_LOST: c_int = 305;
/// The predecessor refused, for a reason that is in the message.
pub const ZDT_ERROR_REFUSED: c_int = 306;
/// The two sides have no protocol version in common.
pub const ZDT_ERROR_NO_COMMON_VERSION: c_int = 401;
/// A message does not decode, or the peer does not speak the protocol at all.
pub const ZDT_ERROR_MALFORMED: c_int = 402;
/// A message came out of order: a wrong sequence number, or one that does not fit the step.
pub const ZDT_ERROR_OUT_OF_ORDER: c_int = 403;
/// A message came with another number of descriptors than it says.
pub const ZDT_ERROR_DESCRIPTOR_COUNT: c_int = 404;
/// The peer runs as a user that is not trusted.
pub const ZDT_ERROR_WRONG_USER: c_int = 501;
/// The directory of the takeover socket can be written by others and has no sticky bit, or is theirs.
pub const ZDT_ERROR_UNSAFE_DIRECTORY: c_int = 502;
/// Something that is not a socket of ours lies at the path.
pub const ZDT_ERROR_FOREIGN_FILE: c_int = 503;
/// The peer's pidfd is not of the process that the kernel reports.
pub const ZDT_ERROR_WRONG_PROCESS: c_int = 504;
/// A fault of libzdt itself: please report it.
pub const ZDT_ERROR_INTERNAL: c_int = 901;

/// An error: what was wrong, what state one is in now, and what to do. It may be read by several threads at a time.
pub struct zdt_error {
    number: c_int,
    errno: c_int,
    pid: u32,
    retry_helps: bool,
    what: CString,
    state: CString,
    message: CString,
}

impl zdt_error {
    pub(crate) fn new(error: &Error) -> zdt_error {
        zdt_error {
            number: error.kind().number(),
            errno: error.errno().unwrap_or(0),
            pid: error.pid().unwrap_or(0),
            retry_helps: error.kind().retry_helps(),
            what: c_string(error.what()),
            state: c_string(error.state()),
            message: c_string(&error.to_string()),
        }
    }

    #[cfg(test)]
    pub(crate) fn words(&self) -> String {
        self.message.to_string_lossy().into_owned()
    }
}

/// The number, positive: one of ZDT_ERROR_*. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_error_number(error: *const zdt_error) -> c_int {
    // SAFETY: NULL or a live error (zdt.h).
    unsafe { error.as_ref() }.map_or(0, |error| error.number)
}

/// The errno of the system call that failed; 0 where there was none, and for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_error_errno(error: *const zdt_error) -> c_int {
    // SAFETY: NULL or a live error (zdt.h).
    unsafe { error.as_ref() }.map_or(0, |error| error.errno)
}

/// The process the error speaks of (who is busy, who is not trusted); 0 where there is none, and for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_error_pid(error: *const zdt_error) -> u32 {
    // SAFETY: NULL or a live error (zdt.h).
    unsafe { error.as_ref() }.map_or(0, |error| error.pid)
}

/// Whether the same call, made again a little later, can succeed without anything being changed. False for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_error_retry_helps(error: *const zdt_error) -> bool {
    // SAFETY: NULL or a live error (zdt.h).
    unsafe { error.as_ref() }.is_some_and(|error| error.retry_helps)
}

/// What was wrong. Never NULL; valid until the error is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_error_what(error: *const zdt_error) -> *const c_char {
    // SAFETY: NULL or a live error (zdt.h).
    unsafe { error.as_ref() }.map_or(c"", |error| &error.what).as_ptr()
}

/// What state one is in now and what to do; may be empty. Never NULL; valid until the error is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_error_state(error: *const zdt_error) -> *const c_char {
    // SAFETY: NULL or a live error (zdt.h).
    unsafe { error.as_ref() }.map_or(c"", |error| &error.state).as_ptr()
}

/// All of it in one line: word, number, what was wrong, what to do. Never NULL; valid until the error is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_error_message(error: *const zdt_error) -> *const c_char {
    // SAFETY: NULL or a live error (zdt.h).
    unsafe { error.as_ref() }.map_or(c"no error", |error| &error.message).as_ptr()
}

/// Frees an error that a call handed out; not the cause of an event, which is the handle's. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_error_free(error: *mut zdt_error) {
    // SAFETY: NULL, or it came out of a Box in `call` and is freed once (zdt.h).
    unsafe { free(error) }
}

/// The short word for the number of an error, the same in every language ("busy" for 301). A negative result of a call
/// is taken as well. "unknown" for any other number. Never NULL; valid for ever.
#[unsafe(no_mangle)]
pub extern "C" fn zdt_error_word(number: c_int) -> *const c_char {
    ErrorKind::from_number(number.checked_abs().unwrap_or(0)).map_or(c"unknown", c_word).as_ptr()
}

/// The words with a NUL behind them, made once.
fn c_word(kind: ErrorKind) -> &'static CStr {
    static WORDS: std::sync::OnceLock<Vec<(ErrorKind, CString)>> = std::sync::OnceLock::new();
    let words =
        WORDS.get_or_init(|| ErrorKind::ALL.iter().map(|kind| (*kind, c_string(kind.word()))).collect());
    words.iter().find(|(known, _)| *known == kind).map_or(c"unknown", |(_, word)| word)
}

/// A cause as an event shows it: NULL or the handle's.
pub(crate) fn shown(error: Option<&zdt_error>) -> *const zdt_error {
    error.map_or(ptr::null(), ptr::from_ref)
}
