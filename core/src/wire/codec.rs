//! Messages to bytes and back.

use super::limits::*;
use super::message::*;
use super::reader;
use super::seat::Order;
use crate::error::{Error, ErrorKind, Result};

/// Writes `envelope` into `out`, which is emptied first.
///
/// # Errors
/// `TooLarge`: something in it is over a limit of the protocol, or the whole over [`MAX_PAYLOAD`]; `out` is empty then.
pub fn encode(envelope: &Envelope, out: &mut Vec<u8>) -> Result<()> {
    out.clear();
    let too_large = |what: String| Error::new(ErrorKind::TooLarge, what, "nothing was sent");
    check(envelope).map_err(too_large)?;
    let written = minicbor::encode(envelope, &mut *out);
    let fault = written.err().map(|e| Error::new(ErrorKind::Internal, format!("encoding: {e}"), ""));
    let oversize = (out.len() > MAX_PAYLOAD)
        .then(|| too_large(format!("a message of {} bytes; at most {MAX_PAYLOAD} fit", out.len())));
    match fault.or(oversize) {
        Some(error) => {
            out.clear();
            Err(error)
        }
        None => Ok(()),
    }
}

/// Reads one message, which must fill `bytes`. Unknown fields are skipped.
///
/// # Errors
/// `Malformed`, with what was wrong. How many descriptors came along is not looked at here.
pub fn decode(bytes: &[u8]) -> Result<Envelope> {
    let malformed = |what: String| Error::new(ErrorKind::Malformed, what, "the link is of no more use");
    if bytes.len() > MAX_PAYLOAD {
        return Err(malformed(format!("a message of {} bytes; at most {MAX_PAYLOAD} may come", bytes.len())));
    }
    let envelope = match reader::offer(bytes) {
        Some(offer) => offer,
        None => derived(bytes).map_err(malformed)?,
    };
    check(&envelope).map_err(malformed)?;
    Ok(envelope)
}

/// Reads any message, and says what is valid: [`reader::offer`] only is faster where it gives the same.
pub(super) fn derived(bytes: &[u8]) -> std::result::Result<Envelope, String> {
    let mut decoder = minicbor::Decoder::new(bytes);
    let envelope = decoder.decode().map_err(|e| format!("not a message: {e}"))?;
    match bytes.len() - decoder.position() {
        0 => Ok(envelope),
        rest => Err(format!("{rest} bytes follow the message")),
    }
}

/// Whether everything keeps to the limits; else what does not.
fn check(envelope: &Envelope) -> std::result::Result<(), String> {
    at_most("descriptors", envelope.descriptors as usize, MAX_DESCRIPTORS)?;
    match &envelope.message {
        Message::Hello(hello) => {
            at_most("versions", hello.versions.len(), MAX_VERSIONS)?;
            at_most("readable protocols", hello.reads.len(), MAX_READS)?;
            for readable in &hello.reads {
                at_most("bytes of protocol", readable.protocol.len(), MAX_NAME)?;
                at_most("state versions", readable.versions.len(), MAX_VERSIONS)?;
            }
            at_most("bytes of program", hello.program.len(), MAX_NAME)?;
            at_most("bytes of runtime", hello.runtime.len(), MAX_NAME)
        }
        Message::Welcome(welcome) => {
            at_most("bytes of program", welcome.program.len(), MAX_NAME)?;
            at_most("bytes of runtime", welcome.runtime.len(), MAX_NAME)
        }
        Message::Refuse(refuse) => at_most("bytes of reason", refuse.reason.len(), MAX_REASON),
        Message::Note(note) => at_most("bytes of reason", note.reason.len(), MAX_REASON),
        Message::Listeners(listeners) => check_listeners(listeners),
        Message::Offer(offers) => {
            at_most("items", offers.items.len(), MAX_DESCRIPTORS)?;
            offers.items.iter().try_for_each(check_item)
        }
        Message::Ready(ready) => {
            at_most("retired listeners", ready.retired.len(), MAX_RETIRED)?;
            ready.retired.iter().try_for_each(|name| at_most("bytes of name", name.len(), MAX_NAME))
        }
        Message::Order(Order::Seat(seat)) => check_listeners(&seat.listeners),
        // On a seat both ends are of one program: what it says of another was checked where it came in.
        Message::Order(_) | Message::Report(_) | Message::Lane(_) => Ok(()),
        Message::ListenersAck | Message::Draining(_) | Message::Answer => Ok(()),
    }
}

fn check_listeners(listeners: &Listeners) -> std::result::Result<(), String> {
    at_most("listeners", listeners.items.len(), MAX_DESCRIPTORS)?;
    for item in &listeners.items {
        at_most("bytes of name", item.name.len(), MAX_NAME)?;
        at_most("bytes of address", item.address.len(), MAX_ADDRESS)?;
    }
    Ok(())
}

fn check_item(item: &OfferItem) -> std::result::Result<(), String> {
    at_most("bytes of protocol", item.protocol.len(), MAX_NAME)?;
    at_most("companions", item.companions.len(), MAX_COMPANIONS)?;
    for address in [&item.local, &item.peer] {
        if let Some(WireAddress::Path(path)) = address {
            at_most("bytes of path", path.len(), MAX_PATH)?;
        }
    }
    let in_memfd = match &item.bytes {
        Carried::Memfd { state, unread, unsent } => Some([*state, *unread, *unsent]),
        Carried::Inline { .. } => None,
    };
    let mut total = in_memfd.unwrap_or_default().into_iter().fold(0, u64::saturating_add);
    for companion in &item.companions {
        at_most("bytes of name", companion.name.len(), MAX_NAME)?;
        let lengths = companion.unread_in_memfd.saturating_add(companion.unsent_in_memfd);
        let inline = companion.unread.len() + companion.unsent.len();
        match in_memfd {
            Some(_) if inline > 0 => {
                return Err("a companion's bytes are inline, its connection's in a memfd".into());
            }
            None if lengths > 0 => return Err("a companion's bytes lie in a memfd that is not there".into()),
            _ => total = total.saturating_add(lengths),
        }
    }
    match total {
        0..=MAX_CARRIED => Ok(()),
        _ => Err(format!("{total} bytes in a memfd; at most {MAX_CARRIED} may be")),
    }
}

fn at_most(what: &str, found: usize, limit: usize) -> std::result::Result<(), String> {
    match found <= limit {
        true => Ok(()),
        false => Err(format!("{found} {what}; at most {limit} may be")),
    }
}
