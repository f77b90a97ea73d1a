//! Connections that are lent to the core, by either handle.

use crate::connection::frozen;
use crate::error::call;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::sync::atomic::{AtomicU64, Ordering};
use zdt::{Frozen, NotMigrated};

/// Numbers the connections that are lent, since the ids of the application may be anything.
#[derive(Default)]
pub struct Numbers {
    last: AtomicU64,
}

impl Numbers {
    /// Offers a `Frozen`, and puts it into `lent` (so that nobody closes its descriptors as garbage). False: full.
    pub fn offer(
        &self,
        py: Python<'_>,
        connection: &Bound<'_, PyAny>,
        lent: &Bound<'_, PyDict>,
        migrate: impl FnOnce(Frozen) -> Result<(), NotMigrated>,
    ) -> PyResult<bool> {
        let number = self.last.fetch_add(1, Ordering::Relaxed);
        let offered = frozen(number, connection)?;
        // First, for another thread may be told what became of it before this one is back.
        lent.set_item(number, connection)?;
        let outcome = call(py, || {
            let (mut copy, outcome) = match migrate(offered) {
                Ok(()) => return Ok(true),
                Err(NotMigrated::Full(copy)) => (copy, Ok(false)),
                Err(NotMigrated::Failed(copy, error)) => (copy, Err(error)),
            };
            copy.wipe(); // Python has its own
            outcome
        });
        if !matches!(outcome, Ok(true)) {
            lent.del_item(number)?;
        }
        outcome
    }
}
