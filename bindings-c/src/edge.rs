//! The edge itself: no panic crosses it, no pointer is believed.

use crate::error::zdt_error;
use std::ffi::{CStr, CString, c_char, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use zdt_core::{Error, ErrorKind, Result};

/// Bytes: a pointer and a length. The pointer may be NULL where the length is 0.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct zdt_bytes {
    /// The first byte.
    pub data: *const std::ffi::c_void,
    /// How many bytes.
    pub length: usize,
}

impl zdt_bytes {
    /// A view of `bytes`, good for as long as they are neither moved nor freed.
    pub(crate) fn of(bytes: &[u8]) -> zdt_bytes {
        let data = if bytes.is_empty() { ptr::null() } else { bytes.as_ptr().cast() };
        zdt_bytes { data, length: bytes.len() }
    }

    /// A copy of what the caller gave.
    ///
    /// # Safety
    /// `data` points at `length` bytes, or is NULL.
    pub(crate) unsafe fn copy(self, what: &str) -> Result<Vec<u8>> {
        // SAFETY: the same promise.
        unsafe { slice(self.data.cast(), self.length, what) }.map(<[u8]>::to_vec)
    }
}

/// Runs the body of a C function: its value, or minus the number of its error, which goes to `*err`. A panic ends here.
pub(crate) fn call(err: *mut *mut zdt_error, body: impl FnOnce() -> Result<c_int>) -> c_int {
    // AssertUnwindSafe: what a panic leaves behind is only reported on, and the core's own locks carry their poison.
    let (number, error) = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(value)) => (value, ptr::null_mut()),
        Ok(Err(error)) => report(err, error),
        Err(panic) => report(err, fault(&*panic)),
    };
    if !err.is_null() {
        // SAFETY: the caller's pointer to a zdt_error * (zdt.h: Errors), only written.
        unsafe { err.write(error) };
    }
    number
}

/// For results that have no room for an error number.
pub(crate) fn quietly<T>(otherwise: T, body: impl FnOnce() -> Result<T>) -> T {
    catch_unwind(AssertUnwindSafe(body)).ok().and_then(Result::ok).unwrap_or(otherwise)
}

/// Frees what came out of a box; NULL is fine. A panic on the way is lost: there is nobody to tell.
///
/// # Safety
/// `pointer` is NULL, or of a `Box<T>` that nobody uses any more.
pub(crate) unsafe fn free<T>(pointer: *mut T) {
    if !pointer.is_null() {
        // SAFETY: the same promise.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(unsafe { Box::from_raw(pointer) })));
    }
}

/// Minus the number, and the error itself where somebody wants it.
fn report(err: *mut *mut zdt_error, error: Error) -> (c_int, *mut zdt_error) {
    let number = -error.kind().number();
    (number, if err.is_null() { ptr::null_mut() } else { Box::into_raw(Box::new(zdt_error::new(&error))) })
}

/// A panic that was caught, as an error.
fn fault(panic: &(dyn std::any::Any + Send)) -> Error {
    let what = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without words");
    Error::new(ErrorKind::Internal, format!("libzdt panicked: {what}"), "please report it; close the handle")
}

/// Wrong use of an argument.
pub(crate) fn invalid(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidArgument, what, "nothing was done; correct the call")
}

/// What a pointer argument points at.
///
/// # Safety
/// `pointer` is NULL or points at a live `T` that nobody changes meanwhile.
pub(crate) unsafe fn given<'a, T>(pointer: *const T, what: &str) -> Result<&'a T> {
    // SAFETY: the same promise.
    unsafe { pointer.as_ref() }.ok_or_else(|| invalid(format!("{what} is NULL")))
}

/// Where a result goes.
pub(crate) fn place<T>(pointer: *mut T, what: &str) -> Result<*mut T> {
    if pointer.is_null() { Err(invalid(format!("{what} is NULL"))) } else { Ok(pointer) }
}

/// The caller's array; NULL is fine where it is empty.
///
/// # Safety
/// `data` is NULL or points at `length` values that nobody changes meanwhile.
pub(crate) unsafe fn slice<'a, T>(data: *const T, length: usize, what: &str) -> Result<&'a [T]> {
    if length == 0 {
        return Ok(&[]);
    }
    if data.is_null() || length > isize::MAX as usize / size_of::<T>().max(1) {
        return Err(invalid(format!("{what}: length {length} at pointer {data:p}")));
    }
    // SAFETY: not NULL, the length is possible, and the caller promises the rest.
    Ok(unsafe { std::slice::from_raw_parts(data, length) })
}

/// The caller's string.
///
/// # Safety
/// `pointer` is NULL or a NUL-terminated string that nobody changes meanwhile.
pub(crate) unsafe fn text<'a>(pointer: *const c_char, what: &str) -> Result<&'a str> {
    // SAFETY: the same promise; NULL is asked for first.
    let text = unsafe { given(pointer, what).map(|first| CStr::from_ptr(first)) }?;
    text.to_str().map_err(|_| invalid(format!("{what} is not UTF-8")))
}

/// As [`text`], with a default where the pointer is NULL.
///
/// # Safety
/// As for [`text`].
pub(crate) unsafe fn text_or<'a>(
    pointer: *const c_char,
    what: &str,
    default: &'static str,
) -> Result<&'a str> {
    // SAFETY: the same promise.
    if pointer.is_null() { Ok(default) } else { unsafe { text(pointer, what) } }
}

/// A string for C. A NUL inside, which would cut it short, becomes a replacement character.
pub(crate) fn c_string(text: &str) -> CString {
    CString::new(text)
        .unwrap_or_else(|_| CString::new(text.replace('\0', "\u{fffd}")).expect("every NUL was replaced"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_error_901_with_its_words() {
        let mut err = ptr::null_mut();
        let number = call(&mut err, || panic!("on {}", "purpose"));
        assert_eq!(number, -ErrorKind::Internal.number());
        // SAFETY: the call failed, so there is an error and it is ours.
        let error = unsafe { Box::from_raw(err) };
        assert!(error.words().contains("on purpose"), "{}", error.words());
    }

    #[test]
    fn without_a_place_for_it_an_error_is_only_a_number() {
        assert_eq!(call(ptr::null_mut(), || Err(invalid("x"))), -101);
    }

    #[test]
    fn a_nul_inside_a_string_does_not_cut_it_short() {
        assert_eq!(c_string("relay\0x").to_str(), Ok("relay\u{fffd}x"));
    }

    #[test]
    fn an_impossible_length_is_refused() {
        let byte = 0_u8;
        // SAFETY: the length is refused before anything is read.
        assert!(unsafe { slice(&byte, usize::MAX, "state") }.is_err());
        // SAFETY: NULL is refused.
        assert!(unsafe { slice(ptr::null::<u8>(), 1, "state") }.is_err());
    }
}
