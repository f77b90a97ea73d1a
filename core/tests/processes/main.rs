//! Takeovers between real processes, each with limits, a user and a life of its own: what happens when the system says no,
//! and when a process dies at a moment that matters.
#![allow(clippy::unwrap_used)]

mod after_ready;
mod chain;
#[path = "../common/mod.rs"]
mod common;
mod descriptors;
mod in_flight;
mod limit;
mod memory;
mod odd;
mod player;
mod server;
#[allow(dead_code)]
#[path = "../../src/sys/testing.rs"]
mod testing;
