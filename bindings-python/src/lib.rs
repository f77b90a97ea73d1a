//! The native part of the Python package `libzdt`: it checks arguments, calls the core and converts. Waiting, and whatever
//! needs no native code, is in `python/libzdt`.

mod connection;
mod error;
mod event;
mod fds;
mod gate;
mod lent;
mod listener;
mod offer;
mod python;
mod reuseport;
mod takeover;
mod worker;

#[pyo3::pymodule]
mod _core {
    use super::error;
    #[pymodule_export]
    use super::fds::{bind, queue_length, recv_fds, send_fds, signal_drain};
    #[pymodule_export]
    use super::gate::{Gate, InFlight};
    #[pymodule_export]
    use super::listener::ListenerSpec;
    #[pymodule_export]
    use super::offer::Offer;
    #[pymodule_export]
    use super::reuseport::{Group, kernel};
    #[pymodule_export]
    use super::takeover::Handle;
    #[pymodule_export]
    use super::worker::WorkerHandle;
    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("VERSION", env!("CARGO_PKG_VERSION"))?;
        module.add("REUSEPORT_WAIT", zdt::reuseport::WAIT.as_secs_f64())?;
        module.add("ERROR_KINDS", error::kinds(module.py())?)
    }
}
