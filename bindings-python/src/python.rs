//! What is written in Python and made from here: events, connections, errors.

use pyo3::prelude::*;
use std::os::fd::{IntoRawFd, OwnedFd};

/// A class or function of a Python module, looked up once.
macro_rules! python {
    ($py:expr, $module:literal, $name:literal) => {{
        static FOUND: pyo3::sync::PyOnceLock<pyo3::Py<pyo3::PyAny>> = pyo3::sync::PyOnceLock::new();
        FOUND.import($py, $module, $name)
    }};
}
pub(crate) use python;

/// A `socket.socket` that owns the descriptor.
pub fn socket(py: Python<'_>, fd: OwnedFd) -> PyResult<Bound<'_, PyAny>> {
    python!(py, "libzdt.connection", "socket_of")?.call1((fd.into_raw_fd(),))
}
