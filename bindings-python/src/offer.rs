//! An offer: a connection to look at, answered once.

use crate::connection::{adopted, told};
use crate::error::{call, raised};
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::{PyBytes, PyTuple};
use std::sync::{Mutex, MutexGuard, PoisonError};
use zdt::{Adopted, Error, ErrorKind};

/// A live connection of the predecessor's, on offer (successor).
///
/// Build the objects for it from what is shown here, then `adopt()`; or `refuse()`. Left alone until it is garbage, it is
/// refused: the predecessor serves it on. Its descriptors come with `adopt()`, since before that the predecessor may take
/// it back at any moment. Each look at bytes makes a copy. Any thread; nothing here blocks.
#[pyclass(frozen, module = "libzdt")]
pub struct Offer {
    /// None: answered.
    offer: Mutex<Option<zdt::Offer>>,
}

impl Offer {
    pub fn new(offer: zdt::Offer) -> Offer {
        Offer { offer: Mutex::new(Some(offer)) }
    }

    /// Who waits for the lock leaves Python to the others: whoever has it may be making Python objects.
    fn lock(&self, py: Python<'_>) -> MutexGuard<'_, Option<zdt::Offer>> {
        self.offer.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner)
    }

    fn look<R>(&self, py: Python<'_>, at: impl FnOnce(&Adopted) -> R) -> PyResult<R> {
        self.lock(py).as_ref().map(|offer| at(offer.connection())).ok_or_else(|| answered(py))
    }

    fn take(&self, py: Python<'_>) -> PyResult<zdt::Offer> {
        self.lock(py).take().ok_or_else(|| answered(py))
    }
}

fn answered(py: Python<'_>) -> PyErr {
    let what = "the offer was adopted or refused already";
    raised(py, &Error::new(ErrorKind::WrongState, what, "nothing was done; answer each offer once"))
}

#[pymethods]
impl Offer {
    /// The number that the adopted connection will have.
    #[getter]
    fn id(&self, py: Python<'_>) -> PyResult<u64> {
        self.look(py, |connection| connection.id)
    }

    /// What is spoken on it.
    #[getter]
    fn protocol(&self, py: Python<'_>) -> PyResult<String> {
        self.look(py, |connection| connection.protocol.to_string())
    }

    /// Which form the state has; 0 where there is none.
    #[getter]
    fn state_version(&self, py: Python<'_>) -> PyResult<u32> {
        self.look(py, |connection| connection.state_version)
    }

    /// The application's state.
    #[getter]
    fn state<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        self.look(py, |connection| PyBytes::new(py, &connection.state))
    }

    /// Bytes that were read and not used yet.
    #[getter]
    fn unread<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        self.look(py, |connection| PyBytes::new(py, &connection.unread))
    }

    /// Bytes that were to be written and are not in the socket yet.
    #[getter]
    fn unsent<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        self.look(py, |connection| PyBytes::new(py, &connection.unsent))
    }

    /// The socket's own address, where it was told.
    #[getter]
    fn local<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.look(py, |connection| told(py, connection.local.as_ref()))?
    }

    /// The peer's address, where it was told.
    #[getter]
    fn peer<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.look(py, |connection| told(py, connection.peer.as_ref()))?
    }

    /// Whether the predecessor dialled (connected); else it was accepted.
    #[getter]
    fn dialled(&self, py: Python<'_>) -> PyResult<bool> {
        self.look(py, |connection| connection.dialled)
    }

    /// The names of its companions.
    #[getter]
    fn companions<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        self.look(py, |c| PyTuple::new(py, c.companions.iter().map(|companion| &companion.name)))?
    }

    /// Takes the connection; None: it went back to the predecessor meanwhile, drop what was built.
    ///
    /// From here the sockets are the caller's: write `unsent` before anything else, use `unread` before reading on, end it
    /// with shutdown and close. Raises Closed, Forked: the offer is gone with the handle; WrongState: answered already.
    fn adopt<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let offer = self.take(py)?;
        call(py, || offer.adopt())?.map(|connection| adopted(py, connection)).transpose()
    }

    /// Gives the connection back: the predecessor serves it on. `why` is for people, and travels along.
    ///
    /// Raises WrongState: answered already.
    fn refuse(&self, py: Python<'_>, why: &str) -> PyResult<()> {
        let offer = self.take(py)?;
        call(py, || {
            offer.refuse(why);
            Ok(())
        })
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        match &*self.lock(py) {
            None => "<Offer, answered>".into(),
            Some(offer) => {
                let c = offer.connection();
                let (state, unread, unsent) = (c.state.len(), c.unread.len(), c.unsent.len());
                format!(
                    "<Offer {} {:?}: {state} bytes of state, {unread} unread, {unsent} unsent>",
                    c.id, c.protocol
                )
            }
        }
    }
}
