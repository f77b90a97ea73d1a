//! Leaving in order: what is in flight ends, up to a deadline, and somebody has to say when to begin.

mod gate;
mod signals;

pub use gate::{Gate, InFlight};
pub use signals::{DrainSignals, signal_drain};
