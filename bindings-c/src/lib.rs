//! libzdt for C: checks arguments, calls the core, converts. No policy lives here.
//!
//! What C sees is `include/zdt.h`, generated from the doc comments of this crate; `tests/header.rs` keeps it so.
#![allow(non_camel_case_types)] // the C names, so that one word is found in .rs, .h, tests and examples
#![allow(clippy::missing_safety_doc)] // each function's comment is its contract, in C's words

pub mod config;
pub mod connection;
pub mod edge;
pub mod error;
pub mod event;
pub mod fds;
pub mod gate;
pub mod offer;
pub mod progress;
pub mod reuseport;
mod sized;
pub mod takeover;
#[cfg(test)]
mod wiping;
pub mod worker;
