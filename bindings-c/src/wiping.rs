//! What came back is not found in memory any more: the copies that this edge made are wiped.

use crate::connection::{migrate, zdt_connection};
use crate::edge::zdt_bytes;
use crate::event::Last;
use std::fs::{self, File};
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use zdt_core::{Error, ErrorKind, Event, Frozen, NotMigrated, Returned};

const LENGTH: usize = 4096;
/// So many bytes in this order are no accident.
const RUN: usize = 24;

/// What follows a byte of the secret; no byte follows itself.
fn next(byte: u8) -> u8 {
    byte.wrapping_mul(181).wrapping_add(93)
}

fn secret() -> Vec<u8> {
    let mut bytes = vec![0; LENGTH];
    (1..LENGTH).for_each(|at| bytes[at] = next(bytes[at - 1]));
    bytes
}

/// Whether the secret is anywhere in this process' memory, freed memory included.
fn is_in_memory() -> bool {
    let memory = File::open("/proc/self/mem").unwrap();
    let mut page = vec![0; LENGTH];
    let mappings = fs::read_to_string("/proc/self/maps").unwrap();
    let is_there = mappings.lines().filter(|line| line.contains(" rw")).any(|line| {
        let (from, to) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let [from, to] = [from, to].map(|number| u64::from_str_radix(number, 16).unwrap());
        (from..to).step_by(LENGTH).any(|at| memory.read_exact_at(&mut page, at).is_ok() && is_secret(&page))
    });
    wiped(&mut page);
    is_there
}

fn is_secret(page: &[u8]) -> bool {
    let mut run = 0;
    page.windows(2).any(|pair| {
        run = if pair[1] == next(pair[0]) { run + 1 } else { 0 };
        run == RUN
    })
}

fn wiped(bytes: &mut [u8]) {
    bytes.fill(0);
    black_box(bytes); // or the compiler leaves it out
}

/// Lends the secret to `zdt_migrate`, and wipes it here.
fn lend(outcome: impl FnOnce(Frozen) -> Result<(), NotMigrated>) {
    let mut bytes = secret();
    // SAFETY: all bytes 0 is a zdt_connection.
    let mut connection: zdt_connection = unsafe { std::mem::zeroed() };
    connection.size = size_of::<zdt_connection>();
    connection.protocol = c"test".as_ptr();
    [connection.state, connection.unread, connection.unsent] = [zdt_bytes::of(&bytes); 3];
    // SAFETY: its pointers are good.
    let _ = unsafe { migrate(&connection, outcome) };
    wiped(&mut bytes);
}

#[test]
fn what_comes_back_is_wiped() {
    lend(|frozen| Err(NotMigrated::Full(Box::new(frozen))));
    assert!(!is_in_memory(), "full");
    let error = Error::new(ErrorKind::TooLarge, "too large", "");
    lend(|frozen| Err(NotMigrated::Failed(Box::new(frozen), error)));
    assert!(!is_in_memory(), "failed");

    let mut lent = None;
    lend(|frozen| {
        lent = Some(frozen);
        Ok(())
    });
    assert!(is_in_memory(), "on offer");
    Last::default().describe(Event::Returned(Box::new(lent.unwrap()), Returned::Refused)).unwrap();
    assert!(!is_in_memory(), "returned");
}
