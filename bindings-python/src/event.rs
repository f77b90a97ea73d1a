//! Events, as the classes of `libzdt.events`.

use crate::error::{call, object};
use crate::offer::Offer;
use crate::python::python;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use zdt::{Event, Peer, Progress, Reads, Result, Returned};

/// The next event that Python has a word for, if there is one; `look` never waits.
pub fn next<'py>(
    py: Python<'py>,
    lent: &Bound<'py, PyDict>,
    look: impl Fn() -> Result<Option<Event>>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    while let Some(next) = call(py, &look)? {
        if let Some(next) = event(py, next, lent)? {
            return Ok(Some(next));
        }
    }
    Ok(None)
}

/// The event for Python. `lent` has the connections on offer by our number; one that is decided is taken out.
fn event<'py>(
    py: Python<'py>,
    event: Event,
    lent: &Bound<'py, PyDict>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    match event {
        Event::Offer(offer) => Bound::new(py, Offer::new(offer)).map(Bound::into_any),
        Event::Drain { successor, deadline, reads, retired } => {
            let successor = successor.as_ref().map(|successor| peer(py, successor)).transpose()?;
            let parts = (successor, deadline.as_secs_f64(), readable(py, &reads)?, retired);
            python!(py, "libzdt.events", "Drain")?.call1(parts)
        }
        Event::Settled(number) => {
            let id = back(lent, number)?.getattr(intern!(py, "id"))?;
            python!(py, "libzdt.events", "Settled")?.call1((id,))
        }
        Event::Returned(mut connection, why) => {
            connection.wipe(); // a copy: Python thaws its own
            let why = match why {
                Returned::Refused => "refused",
                Returned::TakenBack => "taken back",
            };
            python!(py, "libzdt.events", "Returned")?.call1((back(lent, connection.id)?, why))
        }
        Event::Room => python!(py, "libzdt.events", "Room")?.call0(),
        Event::Ready => python!(py, "libzdt.events", "Ready")?.call0(),
        Event::Committed { generation } => python!(py, "libzdt.events", "Committed")?.call1((generation,)),
        Event::Resume { cause } => python!(py, "libzdt.events", "Resume")?.call1((object(py, &cause)?,)),
        Event::Accept { cause } => python!(py, "libzdt.events", "Accept")?.call1((object(py, &cause)?,)),
        Event::Relieved => python!(py, "libzdt.events", "Relieved")?.call0(),
        Event::Aborted { cause } => python!(py, "libzdt.events", "Aborted")?.call1((object(py, &cause)?,)),
        Event::Done { left } => python!(py, "libzdt.events", "Done")?.call1((left,)),
        // The enum may grow: what this version has no word for is passed over.
        _ => return Ok(None),
    }
    .map(Some)
}

/// The Python `Frozen` that was lent under this number.
fn back<'py>(lent: &Bound<'py, PyDict>, number: u64) -> PyResult<Bound<'py, PyAny>> {
    lent.call_method1(intern!(lent.py(), "pop"), (number,))
}

fn readable<'py>(py: Python<'py>, reads: &[Reads]) -> PyResult<Bound<'py, PyDict>> {
    let all = PyDict::new(py);
    for Reads { protocol, versions } in reads {
        all.set_item(protocol, versions)?;
    }
    Ok(all)
}

/// A Python `Peer`.
pub fn peer<'py>(py: Python<'py>, peer: &Peer) -> PyResult<Bound<'py, PyAny>> {
    let parts = (peer.pid, &peer.program, &peer.runtime, peer.generation);
    python!(py, "libzdt.events", "Peer")?.call1(parts)
}

/// A Python `Progress`.
pub fn progress<'py>(py: Python<'py>, now: &Progress) -> PyResult<Bound<'py, PyAny>> {
    let parts = (
        now.generation,
        now.expected,
        now.offered,
        now.settled,
        now.returned,
        now.unread_bytes,
        now.unsent_bytes,
        now.state_bytes,
    );
    python!(py, "libzdt.events", "Progress")?.call1(parts)
}
