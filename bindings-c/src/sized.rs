//! Structs that begin with their size, so that old callers meet new libraries and new callers old ones.

use crate::edge::{given, invalid, place};
use std::mem::{MaybeUninit, size_of};
use std::ptr;
use zdt_core::Result;

/// More than any struct will ever have: a larger size is what an uninitialised struct says.
const ABSURD: usize = 4096;

/// A C struct whose first field is `size: usize`.
///
/// # Safety
/// The type is `repr(C)`, begins with that field, and all bytes 0 is a value of it.
pub(crate) unsafe trait SizeFirst: Copy {
    /// Its name, for error messages.
    const NAME: &'static str;
    /// The least size that makes sense: every caller's struct has at least these fields.
    const LEAST: usize;
}

/// Checks the size that a caller's struct tells.
///
/// # Safety
/// `pointer` is NULL or points at a struct that is as long as its first field says.
unsafe fn size_at<T: SizeFirst>(pointer: *const T) -> Result<usize> {
    // SAFETY: not NULL (asked first), and a `SizeFirst` begins with its size.
    let size = unsafe { *given(pointer.cast::<usize>(), T::NAME)? };
    if size < T::LEAST || size > ABSURD {
        let init = format!("{}_INIT", T::NAME.to_uppercase());
        return Err(invalid(format!("{}.size is {size}: initialise it with {init}", T::NAME)));
    }
    Ok(size)
}

/// The caller's struct as we know it. What an older caller does not know is 0; what a newer one knows beyond us must be
/// 0. Only an older caller's is copied, into `whole`: this is on the path of every connection.
///
/// # Safety
/// As for [`size_at`]; nobody changes the struct while the result is used.
pub(crate) unsafe fn take<T: SizeFirst>(pointer: *const T, whole: &mut MaybeUninit<T>) -> Result<&T> {
    // SAFETY: the same promise.
    let size = unsafe { size_at(pointer)? };
    if size < size_of::<T>() {
        *whole = MaybeUninit::zeroed();
        // SAFETY: both sides hold at least that many bytes; all zero is a value (trait), and so is what is copied over it.
        return Ok(unsafe {
            ptr::copy_nonoverlapping(pointer.cast::<u8>(), whole.as_mut_ptr().cast(), size);
            whole.assume_init_ref()
        });
    }
    // SAFETY: the struct is `size` long.
    let beyond = unsafe {
        std::slice::from_raw_parts(pointer.cast::<u8>().add(size_of::<T>()), size - size_of::<T>())
    };
    if beyond.iter().any(|byte| *byte != 0) {
        return Err(invalid(format!("{} sets fields that this libzdt does not know", T::NAME)));
    }
    // SAFETY: not NULL (size_at), at least as long as a `T`, and a value of the caller's.
    Ok(unsafe { &*pointer })
}

/// A caller's struct that is to be filled.
pub(crate) struct Place<T> {
    to: *mut T,
    size: usize,
}

impl<T: SizeFirst> Place<T> {
    /// Checks it, before anything is done that would have to be undone.
    ///
    /// # Safety
    /// As for [`size_at`], and nobody else uses the struct for as long as the `Place` lives.
    pub(crate) unsafe fn new(to: *mut T) -> Result<Place<T>> {
        place(to, T::NAME)?;
        // SAFETY: the same promise.
        let size = unsafe { size_at(to)? };
        Ok(Place { to, size })
    }

    /// Writes the fields that the caller knows; never past its size, and never the size itself.
    pub(crate) fn give(&self, value: &T) {
        let (skip, end) = (size_of::<usize>(), self.size.min(size_of::<T>()));
        // SAFETY: `to` is `size` bytes long, `value` is `size_of::<T>()` long, and they are apart.
        unsafe {
            ptr::copy_nonoverlapping(
                ptr::from_ref(value).cast::<u8>().add(skip),
                self.to.cast::<u8>().add(skip),
                end - skip,
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A struct as it was in an old zdt.h, and as it will be in a newer one.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Old {
        size: usize,
        first: u32,
    }
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct New {
        size: usize,
        first: u32,
        second: u64,
    }
    // SAFETY: repr(C), size first, integers only.
    unsafe impl SizeFirst for Old {
        const NAME: &'static str = "zdt_test";
        const LEAST: usize = 8;
    }
    // SAFETY: as above.
    unsafe impl SizeFirst for New {
        const NAME: &'static str = "zdt_test";
        const LEAST: usize = 8;
    }

    #[test]
    fn an_old_callers_struct_gets_defaults_and_is_never_written_past_its_end() {
        let mut memory = [0xaa_u8; 64];
        let old = memory.as_mut_ptr().cast::<Old>();
        assert_eq!(old.align_offset(align_of::<New>()), 0);
        // SAFETY: 64 bytes are there.
        unsafe { old.write(Old { size: 12, first: 7 }) };
        let mut whole = MaybeUninit::uninit();
        // SAFETY: it is as long as it says.
        let taken = unsafe { take(old.cast::<New>(), &mut whole) }.unwrap();
        assert_eq!(*taken, New { size: 12, first: 7, second: 0 });

        // SAFETY: as above.
        let place = unsafe { Place::new(old.cast::<New>()) }.unwrap();
        place.give(&New { size: 0, first: 9, second: u64::MAX });
        // SAFETY: written above.
        unsafe { assert_eq!(((*old).size, (*old).first), (12, 9)) };
        assert!(memory[12..].iter().all(|byte| *byte == 0xaa), "{memory:x?}");
    }

    #[test]
    fn a_newer_callers_struct_is_taken_unless_it_sets_what_we_do_not_know() {
        let mut new = New { size: size_of::<New>(), first: 1, second: 0 };
        let mut whole = MaybeUninit::uninit();
        // SAFETY: it is as long as it says.
        assert_eq!(unsafe { take(ptr::from_ref(&new).cast::<Old>(), &mut whole) }.unwrap().first, 1);
        new.second = 5;
        // SAFETY: as above.
        assert!(unsafe { take(ptr::from_ref(&new).cast::<Old>(), &mut whole) }.is_err());
    }

    #[test]
    fn a_struct_that_was_not_initialised_is_refused() {
        for size in [0, 7, ABSURD + 1, usize::MAX] {
            let old = Old { size, first: 0 };
            let mut whole = MaybeUninit::uninit();
            // SAFETY: only the size is read before it is refused.
            let error = unsafe { take(&old, &mut whole) }.unwrap_err();
            assert!(error.what().contains("ZDT_TEST_INIT"), "{error}");
        }
    }
}
