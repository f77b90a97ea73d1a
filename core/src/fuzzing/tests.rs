//! The targets on stable Rust: the corpus that is kept in the tree, and a number of mutations of it.

use super::TARGETS;
use crate::sys::testing::alone;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

/// Always the same, so that a failure comes again (xorshift64*).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit.max(1)
    }

    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..1 + self.below(4) {
            let (at, byte) = (self.below(bytes.len() + 1), self.below(256) as u8);
            match self.below(4) {
                0 => bytes.insert(at, byte),
                1 => bytes.truncate(at),
                2 => bytes.extend_from_within(at..),
                _ => bytes.iter_mut().skip(at).take(1).for_each(|place| *place = byte),
            }
            bytes.truncate(1 << 16);
        }
    }
}

fn survives(name: &str, executions: usize) {
    let (_, target) = TARGETS.into_iter().find(|(known, _)| *known == name).expect("a target");
    let corpus = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let mut files: Vec<PathBuf> = fs::read_dir(&corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let inputs: Vec<Vec<u8>> = files.iter().map(|file| fs::read(file).unwrap()).collect();
    assert!(!inputs.is_empty(), "the corpus of {name} is empty");
    let run = |input: &[u8], from: &PathBuf| {
        let fine = catch_unwind(AssertUnwindSafe(|| target(input))).is_ok();
        assert!(fine, "{name} fails with {input:02x?}, made from {}", from.display());
    };
    for (input, file) in inputs.iter().zip(&files) {
        run(input, file);
    }
    let mut dice = Dice(0x5eed);
    for _ in inputs.len()..executions {
        let from = dice.below(inputs.len());
        let mut input = inputs[from].clone();
        dice.mutate(&mut input);
        run(&input, &files[from]);
    }
}

#[test]
fn any_bytes_are_a_message_or_malformed() {
    survives("decode", 100_000);
}

#[test]
fn any_text_is_a_listener_or_none() {
    survives("spec", 50_000);
}

#[test]
fn no_lie_makes_a_machine_use_what_is_not_its_own() {
    survives("engine", 100_000);
}

#[test]
fn long_ways_of_three_generations_lose_nothing() {
    survives("wander", 20_000);
}

#[test]
fn no_datagram_and_no_descriptor_harms_a_handle() {
    alone(|| survives("link", 3_000));
}
