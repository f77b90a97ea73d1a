//! Errors on their way to Python; no panic goes there.

use crate::python::python;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use zdt::{Error, ErrorKind, Result};

/// Calls the core, quickly.
pub fn call<T>(py: Python<'_>, body: impl FnOnce() -> Result<T>) -> PyResult<T> {
    settle(py, catch_unwind(AssertUnwindSafe(body)))
}

/// Calls the core where that may wait: other Python threads run meanwhile.
pub fn blocking<T: Send>(py: Python<'_>, body: impl FnOnce() -> Result<T> + Send) -> PyResult<T> {
    settle(py, py.detach(|| catch_unwind(AssertUnwindSafe(body))))
}

fn settle<T>(py: Python<'_>, outcome: std::thread::Result<Result<T>>) -> PyResult<T> {
    outcome.unwrap_or_else(|panic| Err(fault(&*panic))).map_err(|error| raised(py, &error))
}

/// A panic that was caught, as an error.
fn fault(panic: &(dyn Any + Send)) -> Error {
    let what = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without words");
    Error::new(ErrorKind::Internal, format!("libzdt panicked: {what}"), "please report it; close the handle")
}

/// The error as a Python exception that is to be raised.
pub fn raised(py: Python<'_>, error: &Error) -> PyErr {
    object(py, error).map_or_else(|failed| failed, PyErr::from_value)
}

/// The error as a Python object.
pub fn object<'py>(py: Python<'py>, error: &Error) -> PyResult<Bound<'py, PyAny>> {
    let parts = (error.kind().number(), error.what(), error.state(), error.errno(), error.pid());
    python!(py, "libzdt.errors", "of")?.call1(parts)
}

/// Wrong use of an argument.
pub fn invalid(py: Python<'_>, what: impl Into<String>) -> PyErr {
    raised(py, &Error::new(ErrorKind::InvalidArgument, what, "nothing was done; correct the call"))
}

/// The core's table: what each kind is called there, its number, its word, whether trying again helps.
pub fn kinds(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let table = PyDict::new(py);
    for kind in ErrorKind::ALL {
        table.set_item(format!("{kind:?}"), (kind.number(), kind.word(), kind.retry_helps()))?;
    }
    Ok(table)
}
