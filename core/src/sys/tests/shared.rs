use super::*;
use crate::sys::testing::{alone, in_child, open_count};
use crate::sys::{blob, poll::EventFd};
use std::sync::atomic::Ordering::SeqCst;

fn copy(of: &SharedMemory) -> OwnedFd {
    of.descriptor().try_clone_to_owned().unwrap()
}

#[test]
fn two_mappings_of_one_memory_share_their_words() {
    let one = SharedMemory::create("words", 64).unwrap();
    let two = SharedMemory::map(copy(&one), 64).unwrap();
    assert_eq!((one.length(), two.length()), (64, 64));
    assert_eq!(two.word64(56).load(SeqCst), 0);
    one.word64(56).store(u64::MAX, SeqCst);
    assert_eq!(two.word64(56).compare_exchange(u64::MAX, 7, SeqCst, SeqCst), Ok(u64::MAX));
    assert_eq!(one.word64(56).compare_exchange(u64::MAX, 8, SeqCst, SeqCst), Err(7));
    two.word32(4).store(9, SeqCst);
    assert_eq!(one.word32(4).load(SeqCst), 9);
    drop(one);
    assert_eq!(two.word64(56).load(SeqCst), 7);
}

#[test]
fn a_child_process_swaps_the_same_words_and_nothing_leaks() {
    alone(|| {
        let before = open_count();
        let memory = SharedMemory::create("words", 8).unwrap();
        assert_eq!(in_child(|| assert_eq!(memory.word64(0).swap(5, SeqCst), 0)), 0);
        assert_eq!(memory.word64(0).load(SeqCst), 5);
        assert_eq!(open_count(), before + 1);
        assert!(SharedMemory::map(copy(&memory), 9).is_err());
        drop(memory);
        assert_eq!(open_count(), before);
    });
}

#[test]
fn nobody_can_change_its_size_or_seals() {
    let memory = SharedMemory::create("words", 4096).unwrap();
    let file = File::from(copy(&memory));
    assert_eq!(file.set_len(0).unwrap_err().raw_os_error(), Some(libc::EPERM));
    assert_eq!(file.set_len(8192).unwrap_err().raw_os_error(), Some(libc::EPERM));
    assert!(memfd::seal(memory.descriptor(), libc::F_SEAL_WRITE).is_err());
}

#[test]
fn what_is_not_sealed_not_memory_or_too_short_is_refused_in_words() {
    let refused = |fd: OwnedFd, minimum, word: &str| {
        let error = SharedMemory::map(fd, minimum).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(error.to_string().contains(word), "{error}");
    };
    let unsealed = memfd::create("unsealed").unwrap();
    unsealed.set_len(4096).unwrap();
    refused(unsealed.into(), 64, "seals");
    let half = memfd::create("half").unwrap();
    half.set_len(4096).unwrap();
    memfd::seal(half.as_fd(), libc::F_SEAL_SHRINK | libc::F_SEAL_GROW).unwrap();
    refused(half.into(), 64, "seals");
    refused(EventFd::new().unwrap().as_fd().try_clone_to_owned().unwrap(), 64, "not a memfd");
    refused(File::open("/proc/self/status").unwrap().into(), 64, "not a memfd");
    refused(copy(&SharedMemory::create("short", 32).unwrap()), 64, "32 bytes");
    // Sealed against writing too: it cannot be shared, and is an error and no fault.
    assert!(SharedMemory::map(blob::seal("fixed", &[&[0; 64]]).unwrap(), 64).is_err());
}

#[test]
fn an_empty_memory_or_a_name_with_nul_is_refused() {
    assert!(SharedMemory::create("empty", 0).is_err());
    assert_eq!(SharedMemory::create("a\0b", 8).unwrap_err().kind(), io::ErrorKind::InvalidInput);
}

#[test]
#[should_panic(expected = "not aligned")]
fn a_word_that_is_not_aligned_is_a_fault() {
    SharedMemory::create("words", 64).unwrap().word64(4);
}

#[test]
#[should_panic(expected = "beyond")]
fn a_word_beyond_the_end_is_a_fault() {
    SharedMemory::create("words", 62).unwrap().word32(60);
}

#[test]
#[should_panic(expected = "beyond")]
fn an_offset_that_overflows_is_a_fault() {
    SharedMemory::create("words", 64).unwrap().word64(usize::MAX - 7);
}
