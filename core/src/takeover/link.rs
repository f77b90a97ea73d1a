//! One end of a link: whole messages with their descriptors, in order and counted, over a SEQPACKET socket. Never blocks.

use super::batch::Batch;
use crate::error::{Error, ErrorKind, Result};
use crate::fault::{self, Role, Sent};
use crate::sys::trouble::{self, Trouble};
use crate::sys::unix;
use crate::sys::wipe::wipe;
use crate::wire::limits::MAX_PAYLOAD;
use crate::wire::message::{Envelope, Message};
use crate::wire::{Bytes, decode, encode};
use std::collections::VecDeque;
use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

/// Messages that may wait before wake-ups and reasons are left out.
const MOST_QUEUED: usize = 64;

/// What is to be sent, in order; bytes are made at the moment of sending, when the sequence number is known.
#[derive(Debug)]
pub(super) enum Outgoing {
    Control(Message, Vec<OwnedFd>),
    Offer(Batch),
}

/// What came.
#[derive(Debug)]
pub(super) enum Arrival {
    Message(Message, Vec<OwnedFd>),
    /// An OFFER whose descriptors did not all come (MSG_CTRUNC): these did. Or a LANE whose end did not.
    Truncated(Message, Vec<OwnedFd>),
    /// Nothing for now.
    Nothing,
    /// No more will come.
    End,
}

/// What became of an attempt to send what is queued.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Flushed {
    All,
    /// The peer's queue is full: wait until the socket can be written.
    Full,
    /// The kernel will not have more descriptors in flight, or no memory, for now: try again a little later.
    Later,
    /// The peer reads no more; what it has sent can still be read.
    Broken,
    /// A descriptor of the batch in front is not open: the batch was taken out of the queue.
    BadDescriptor,
}

#[derive(Debug)]
pub(super) struct Link {
    role: Role,
    /// `None`: closed on our side.
    socket: Option<OwnedFd>,
    sent: u32,
    received: u32,
    reset_seen: bool,
    ended: bool,
    /// The peer's queue was full: the poller looks for room.
    pub(super) waits_for_room: bool,
    pub(super) outbox: VecDeque<Outgoing>,
    /// The batch whose descriptors turned out to be closed.
    pub(super) bad: Option<Batch>,
    buffer: Bytes,
    bytes: Vec<u8>,
}

impl Link {
    /// An end of a link, in which we have this part.
    pub(super) fn new(socket: OwnedFd, role: Role) -> Link {
        // Four full messages should fit; where the system allows less, a full queue only costs a wait.
        let _ = unix::set_send_buffer(socket.as_fd(), 8 * MAX_PAYLOAD);
        Link { socket: Some(socket), buffer: vec![0; MAX_PAYLOAD].into(), ..Link::closed(role) }
    }

    /// One on which nothing can be sent or received.
    pub(super) fn closed(role: Role) -> Link {
        Link {
            role,
            socket: None,
            sent: 0,
            received: 0,
            reset_seen: false,
            ended: false,
            waits_for_room: false,
            outbox: VecDeque::new(),
            bad: None,
            buffer: Bytes::default(),
            bytes: Vec::new(),
        }
    }

    /// Queues a message. A peer that does not read loses wake-ups and reasons, which those that wait stand for.
    pub(super) fn queue(&mut self, message: Message, descriptors: Vec<OwnedFd>) {
        if self.outbox.len() >= MOST_QUEUED && matches!(message, Message::Answer | Message::Note(_)) {
            return;
        }
        self.outbox.push_back(Outgoing::Control(message, descriptors));
    }

    /// Whether something waits to be sent.
    pub(super) fn has_queued(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// Sends what is queued, as far as it goes.
    pub(super) fn flush(&mut self) -> Result<Flushed> {
        let Some(socket) = &self.socket else {
            self.outbox.clear();
            return Ok(Flushed::Broken);
        };
        while let Some(front) = self.outbox.front_mut() {
            let sent = match front {
                Outgoing::Control(message, descriptors) => {
                    let fds: Vec<RawFd> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
                    let envelope = Envelope {
                        sequence: self.sent,
                        descriptors: fds.len() as u32,
                        message: message.clone(),
                    };
                    encode(&envelope, &mut self.bytes)?;
                    let sent = Sent::Message(&envelope.message);
                    fault::send(self.role, &sent, socket.as_fd(), &[IoSlice::new(&self.bytes)], &fds)
                }
                Outgoing::Offer(batch) => batch.send(socket.as_fd(), self.sent),
            };
            match sent {
                Ok(_) => {
                    self.sent = self.sent.wrapping_add(1);
                    self.outbox.pop_front();
                }
                Err(error) => match trouble::of(&error) {
                    Trouble::Wait => return Ok(Flushed::Full),
                    Trouble::Later => return Ok(Flushed::Later),
                    // No end yet: what the peer has sent can still be read.
                    Trouble::Broken => {
                        self.outbox.clear();
                        return Ok(Flushed::Broken);
                    }
                    Trouble::BadDescriptor => {
                        if let Some(Outgoing::Offer(batch)) = self.outbox.pop_front() {
                            self.bad = Some(batch);
                        }
                        return Ok(Flushed::BadDescriptor);
                    }
                    Trouble::Other => return Err(Error::system("sendmsg", &error)),
                },
            }
        }
        Ok(Flushed::All)
    }

    /// Reads one message. Every descriptor that came is owned from here on, whatever is wrong with the message.
    ///
    /// `past_reset`: ECONNRESET comes before the messages that are queued; read on after it.
    pub(super) fn receive(&mut self, past_reset: bool) -> Result<Arrival> {
        let Some(socket) = &self.socket else { return Ok(Arrival::Nothing) };
        let mut descriptors = Vec::new();
        let got = loop {
            match fault::receive(self.role, socket.as_fd(), &mut self.buffer, &mut descriptors) {
                Ok(got) => break got,
                Err(error) => match trouble::of(&error) {
                    Trouble::Wait => return Ok(Arrival::Nothing),
                    Trouble::Broken if past_reset && !self.reset_seen => self.reset_seen = true,
                    Trouble::Broken => {
                        self.ended = true;
                        return Ok(Arrival::End);
                    }
                    _ => return Err(Error::system("recvmsg", &error)),
                },
            }
        };
        if got.bytes == 0 {
            self.ended = true;
            return Ok(Arrival::End);
        }
        if got.data_truncated {
            return Err(Error::new(
                ErrorKind::Malformed,
                format!("a message is longer than {MAX_PAYLOAD} bytes"),
                "the link is of no more use",
            ));
        }
        let decoded = decode(&self.buffer[..got.bytes]);
        wipe(&mut self.buffer[..got.bytes]);
        let envelope = decoded?;
        fault::received(self.role, &envelope.message);
        if envelope.sequence != self.received {
            return Err(Error::new(
                ErrorKind::OutOfOrder,
                format!("message {} came where {} was due", envelope.sequence, self.received),
                "the link is of no more use",
            ));
        }
        self.received = self.received.wrapping_add(1);
        let complete = envelope.descriptors as usize == descriptors.len() && !got.descriptors_truncated;
        match envelope.message {
            message if complete => Ok(Arrival::Message(message, descriptors)),
            message @ (Message::Offer(_) | Message::Lane(_)) => Ok(Arrival::Truncated(message, descriptors)),
            _ if got.descriptors_truncated => Err(Error::new(
                ErrorKind::DescriptorLimit,
                format!(
                    "process {} could take {} of the {} descriptors of a message: RLIMIT_NOFILE, or a security module",
                    std::process::id(),
                    descriptors.len(),
                    envelope.descriptors
                ),
                "the link is of no more use",
            )),
            _ => Err(Error::new(
                ErrorKind::DescriptorCount,
                format!(
                    "{} descriptors came with a message that has {}",
                    descriptors.len(),
                    envelope.descriptors
                ),
                "the link is of no more use",
            )),
        }
    }

    /// Nothing more can be sent to us; what is queued can still be read.
    pub(super) fn shut_reading(&self) {
        if let Some(socket) = &self.socket {
            let _ = unix::shutdown_read(socket.as_fd());
        }
    }

    /// Whether a message or end-of-file is there to be read.
    pub(super) fn can_be_read(&self) -> bool {
        !self.ended && self.socket.as_ref().is_some_and(|socket| unix::is_readable(socket.as_fd()))
    }

    /// The socket, for a poller; `None` once closed.
    pub(super) fn socket(&self) -> Option<BorrowedFd<'_>> {
        self.socket.as_ref().map(AsFd::as_fd)
    }

    /// Sends what still goes out at once, then closes.
    pub(super) fn close(&mut self) {
        let _ = self.flush();
        self.outbox.clear();
        self.socket = None;
    }
}
