//! libzdt: a server restarts and nobody notices. The old process passes its listening sockets *and its live connections*
//! to the new one over a Unix socket; either may be written in C, Java, Python or Rust.
//!
//! Begin with [`Takeover`]. Below it lie plain pieces that are of use alone: [`send_fds`] and [`recv_fds`],
//! [`reuseport::bind`], [`drain::Gate`], [`signal_drain`].
#![deny(unsafe_code)]

pub mod drain;
pub mod reuseport;

#[cfg(feature = "faults")]
#[doc(hidden)]
pub mod fault;
#[cfg(not(feature = "faults"))]
#[path = "fault/none.rs"]
mod fault;

mod connection;
mod error;
mod fds;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod listener;
mod observe;
mod ownership;
mod sys;
mod takeover;
mod wire;

pub use connection::{Address, Adopted, Companion, Connection, Frozen, Protocol};
pub use drain::{Gate, InFlight, signal_drain};
pub use error::{Error, ErrorKind, Result};
pub use fds::{recv_fds, send_fds};
pub use listener::{ListenerSpec, is_unserved, queue_length};
pub use observe::Progress;
pub use reuseport::bind;
pub use takeover::{Config, Event, NotMigrated, Offer, OnMismatch, Peer, Reads, Returned, Takeover, Worker};
