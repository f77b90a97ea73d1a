//! The in-flight gate: who is inside when one wants to leave.

use crate::edge::{call, free, given};
use crate::error::zdt_error;
use std::ffi::c_int;
use std::ptr;
use std::time::Duration;
use zdt_core::{Error, ErrorKind, Gate, Result};

/// Counts what is in flight, and lets a drain wait for its end. All calls but zdt_gate_free from any thread.
pub struct zdt_gate(Gate);

/// zdt_gate_wait: somebody is still inside.
pub const ZDT_IN_FLIGHT: c_int = 1;

/// A new gate, open and empty; free it with zdt_gate_free. NULL only after a fault of libzdt.
#[unsafe(no_mangle)]
pub extern "C" fn zdt_gate_new() -> *mut zdt_gate {
    std::panic::catch_unwind(|| Box::into_raw(Box::new(zdt_gate(Gate::new())))).unwrap_or(ptr::null_mut())
}

/// Enters. 1: inside, zdt_gate_leave must follow; 0: the gate is closed. Negative for NULL. Blocks: never; one atomic.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_gate_enter(gate: *mut zdt_gate) -> c_int {
    // SAFETY: NULL or a gate that was not freed (zdt.h).
    call(ptr::null_mut(), || Ok(c_int::from(unsafe { inner(gate)? }.enter_raw())))
}

/// Leaves, once for each time inside. Returns 0; negative for NULL, or if nobody is inside. Blocks: never.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_gate_leave(gate: *mut zdt_gate) -> c_int {
    call(ptr::null_mut(), || {
        // SAFETY: NULL or a gate that was not freed (zdt.h).
        if unsafe { inner(gate)? }.leave_raw() {
            return Ok(0);
        }
        Err(Error::new(ErrorKind::WrongState, "nobody is inside", ""))
    })
}

/// Closes the gate: nobody enters any more. Returns 0, negative for NULL. Blocks: never.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_gate_close(gate: *mut zdt_gate) -> c_int {
    call(ptr::null_mut(), || {
        // SAFETY: NULL or a gate that was not freed (zdt.h).
        unsafe { inner(gate)? }.close();
        Ok(0)
    })
}

/// Opens the gate again (after ZDT_RESUME). Returns 0, negative for NULL. Blocks: never.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_gate_open(gate: *mut zdt_gate) -> c_int {
    call(ptr::null_mut(), || {
        // SAFETY: NULL or a gate that was not freed (zdt.h).
        unsafe { inner(gate)? }.open();
        Ok(0)
    })
}

/// Waits until nobody is inside: 0; or ZDT_IN_FLIGHT when timeout_ms is over (0: only look; negative: for ever).
/// Close the gate first. Blocks: as long as timeout_ms says. Errors: ZDT_ERROR_INVALID_ARGUMENT for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_gate_wait(
    gate: *mut zdt_gate,
    timeout_ms: c_int,
    err: *mut *mut zdt_error,
) -> c_int {
    call(err, || {
        // SAFETY: NULL or a gate that was not freed (zdt.h).
        let gate = unsafe { inner(gate)? };
        let timeout = u64::try_from(timeout_ms).map_or(Duration::MAX, Duration::from_millis);
        Ok(if gate.wait(timeout).is_ok() { 0 } else { ZDT_IN_FLIGHT })
    })
}

/// How many are inside. 0 for NULL. Blocks: never.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_gate_in_flight(gate: *const zdt_gate) -> u64 {
    // SAFETY: NULL or a gate that was not freed (zdt.h).
    unsafe { gate.as_ref() }.map_or(0, |gate| gate.0.in_flight())
}

/// Frees a gate. No other thread may be in a call on it, and none may follow. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zdt_gate_free(gate: *mut zdt_gate) {
    // SAFETY: NULL, or it came out of a Box in zdt_gate_new and is freed once (zdt.h).
    unsafe { free(gate) }
}

/// # Safety
/// `gate` is NULL or a gate that was not freed.
unsafe fn inner<'a>(gate: *const zdt_gate) -> Result<&'a Gate> {
    // SAFETY: the same promise.
    unsafe { given(gate, "the gate") }.map(|gate| &gate.0)
}
