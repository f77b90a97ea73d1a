//! A listener in words, both ways.

use super::{At, ListenerSpec, unclear};
use crate::error::{Error, ErrorKind, Result};
use crate::sys::inet::{Kind, Name};
use std::ffi::{OsStr, OsString};
use std::fmt::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::str::FromStr;

impl FromStr for ListenerSpec {
    type Err = Error;

    fn from_str(text: &str) -> Result<ListenerSpec> {
        let (address, options) = text.split_once('?').unwrap_or((text, ""));
        let mut spec = match address.split_once("://") {
            Some(("tcp", address)) => ListenerSpec::tcp(address),
            Some(("udp", address)) => ListenerSpec::udp(address),
            Some(("unix", name)) => {
                let bytes =
                    |name| decode(name).ok_or_else(|| invalid(text, "a % needs two digits of base 16"));
                match name.strip_prefix('@') {
                    Some(name) => ListenerSpec::abstract_unix(bytes(name)?),
                    None => ListenerSpec::unix(OsString::from_vec(bytes(name)?)),
                }
            }
            _ => return Err(invalid(text, "it begins with tcp://, udp:// or unix://")),
        };
        if let At::Unclear(_, address) = &spec.at {
            return Err(unclear(address));
        }
        for option in options.split('&').filter(|option| !option.is_empty()) {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            let switch = || match value {
                "0" => Ok(false),
                "1" => Ok(true),
                _ => Err(invalid(text, &format!("{name} is 0 or 1"))),
            };
            spec = match name {
                "v6only" => spec.v6only(switch()?),
                "nodelay" => spec.nodelay(switch()?),
                "reuseport" => spec.reuseport(switch()?),
                "backlog" => spec.backlog(value.parse().map_err(|_| invalid(text, "backlog is a number"))?),
                "mode" => {
                    let mode = u32::from_str_radix(value, 8).ok().filter(|mode| *mode <= 0o777);
                    spec.mode(mode.ok_or_else(|| invalid(text, "mode is octal, at most 777"))?)
                }
                _ => return Err(invalid(text, "options are backlog, v6only, nodelay, reuseport, mode")),
            };
        }
        spec.sensible()?;
        Ok(spec)
    }
}

fn invalid(text: &str, why: &str) -> Error {
    let what = format!("{text:?} is no listener: {why}");
    Error::new(
        ErrorKind::InvalidArgument,
        what,
        "give for instance tcp://0.0.0.0:8080?backlog=128, udp://[::]:53, unix:///run/x.sock or unix://@name",
    )
}

/// Only what was asked for is said.
pub fn write(spec: &ListenerSpec, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match &spec.at {
        At::Tcp(address) => write!(f, "tcp://{address}")?,
        At::Udp(address) => write!(f, "udp://{address}")?,
        At::Unix(path) => write!(f, "unix://{}", encode_path(path.as_os_str()))?,
        At::Abstract(name) => write!(f, "unix://@{}", encode(name))?,
        At::Unclear(scheme, text) => write!(f, "{scheme}://{text}")?,
    }
    let options = [
        spec.backlog.map(|backlog| format!("backlog={backlog}")),
        spec.v6only.then(|| "v6only=1".into()),
        spec.nodelay.then(|| "nodelay=1".into()),
        spec.reuseport.then(|| "reuseport=1".into()),
        spec.mode.map(|mode| format!("mode={mode:04o}")),
    ];
    for (option, before) in options.iter().flatten().zip(std::iter::once('?').chain(std::iter::repeat('&'))) {
        write!(f, "{before}{option}")?;
    }
    Ok(())
}

/// An @ in front says that the name is an abstract one; in a path it is written otherwise.
fn encode_path(path: &OsStr) -> String {
    let text = encode(path.as_bytes());
    text.strip_prefix('@').map(|rest| format!("%40{rest}")).unwrap_or(text)
}

fn encode(bytes: &[u8]) -> String {
    let mut text = String::new();
    for &byte in bytes {
        match byte {
            b'0'..=b'9'
            | b'a'..=b'z'
            | b'A'..=b'Z'
            | b'/'
            | b'.'
            | b'-'
            | b'_'
            | b'~'
            | b'@'
            | b':'
            | b'+' => {
                text.push(byte.into());
            }
            // Writing to a String does not fail.
            _ => drop(write!(text, "%{byte:02x}")),
        }
    }
    text
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        rest = after;
        let digit = |byte: u8| char::from(byte).to_digit(16);
        bytes.push((digit(digits[0])? * 16 + digit(digits[1])?) as u8);
    }
    Some(bytes)
}

/// What an inherited socket is bound to.
pub fn name(scheme: &str, name: &Name) -> String {
    match name {
        Name::Inet(address) => format!("{scheme}://{address}"),
        Name::Path(path) => format!("unix://{}", encode_path(path.as_os_str())),
        Name::Abstract(name) => format!("unix://@{}", encode(name)),
        Name::Unnamed => "a Unix socket without a name".into(),
        Name::Other => "a socket of another family".into(),
    }
}

/// In what an inherited socket is not what it should be.
pub fn difference(expected: &Kind, found: &Kind) -> String {
    let mut text = String::from("a socket with");
    let pairs = [
        ("SO_TYPE", expected.kind, found.kind),
        ("SO_DOMAIN", expected.domain, found.domain),
        ("SO_PROTOCOL", expected.protocol, found.protocol),
        ("SO_ACCEPTCONN", expected.listening.into(), found.listening.into()),
    ];
    for (name, expected, found) in pairs.into_iter().filter(|(_, expected, found)| expected != found) {
        // Writing to a String does not fail.
        let _ = write!(text, " {name} {found} instead of {expected}");
    }
    text
}
