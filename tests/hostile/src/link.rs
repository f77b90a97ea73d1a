//! One end of a link: whole messages, and the descriptors beside them (docs/protocol.md, section 2).

use crate::message::{Envelope, Header};
use minicbor::Encode;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, recv, sendmsg};
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};

/// Whatever ends a link early, in words.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const LONGEST: usize = 65_536;
const MOST_DESCRIPTORS: usize = 3;

pub struct Link {
    socket: OwnedFd,
    sent: u32,
    received: u32,
}

impl Link {
    pub fn new(socket: OwnedFd) -> Link {
        Link { socket, sent: 0, received: 0 }
    }

    /// Sends message `number` with its descriptors.
    pub fn say(&mut self, number: u32, body: impl Encode<()>, fds: &[BorrowedFd<'_>]) -> Result<()> {
        let envelope =
            Envelope { sequence: self.sent, descriptors: fds.len() as u32, message: (number, [body]) };
        self.sent += 1;
        self.send(&minicbor::to_vec(envelope)?, fds)
    }

    /// Sends any bytes at all.
    pub fn send(&self, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> Result<()> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
            return Err("more descriptors than there is room for".into());
        }
        match sendmsg(&self.socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL) {
            // It did not wait for an answer.
            Ok(_) | Err(Errno::PIPE) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits for the message `number`. Its body is skipped, and its descriptors are left to the kernel, which closes them.
    pub fn hear(&mut self, number: u32) -> Result<()> {
        let mut buffer = vec![0; LONGEST];
        let (length, _) = recv(&self.socket, &mut buffer, RecvFlags::empty())?;
        if length == 0 {
            return Err("the newcomer left without a word".into());
        }
        let said: Header = minicbor::decode(&buffer[..length])?;
        if (said.sequence, said.message) != (self.received, number) {
            return Err(format!("message {number} was due, not {said:?}").into());
        }
        self.received += 1;
        Ok(())
    }

    /// Reads to the end: the newcomer has seen what it was told, and left.
    pub fn outlast(&self) {
        let mut buffer = vec![0; LONGEST];
        while recv(&self.socket, &mut buffer, RecvFlags::empty()).is_ok_and(|(length, _)| length > 0) {}
    }
}
