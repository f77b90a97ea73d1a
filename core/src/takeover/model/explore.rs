//! Walks every interleaving, breadth first, and checks every state.

use super::moves::{Kind, Move};
use super::world::{PROCESSES, Setup, World};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{Hash, Hasher};

/// What a walk found.
#[derive(Debug)]
pub(super) struct Found {
    pub states: usize,
    pub transitions: usize,
    /// The first violation, with the shortest way to it.
    pub violation: Option<(&'static str, Vec<String>)>,
    /// The walk reached its limit before its end.
    pub cut: bool,
}

type Seen = HashMap<u128, (), std::hash::BuildHasherDefault<Identity>>;

/// Keys are hashes already.
#[derive(Default)]
pub(super) struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
    fn write_u128(&mut self, key: u128) {
        self.0 = key as u64;
    }
}

/// Two multiplicative hashes side by side: 128 bits, so that no two of millions of worlds are taken for one.
struct Twins(u64, u64);

impl Hasher for Twins {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }
    fn write_u8(&mut self, word: u8) {
        self.write_u64(word.into());
    }
    fn write_u32(&mut self, word: u32) {
        self.write_u64(word.into());
    }
    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }
    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
        self.1 = (self.1.rotate_left(23) ^ word ^ 0x9e37).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

fn key(world: &World) -> u128 {
    let mut twins = Twins(1, 2);
    world.hash(&mut twins);
    u128::from(twins.0 ^ twins.1 >> 32) << 64 | u128::from(twins.1)
}

/// Walks everything that can follow `begin`.
pub(super) fn explore(begin: World, setup: &Setup, limit: usize) -> Found {
    let mut seen: Seen = HashMap::default();
    seen.insert(key(&begin), ());
    let mut parents: Vec<(u32, usize, Move)> = vec![(0, 0, Move::Engine)];
    let mut layer: Vec<(u32, World)> = vec![(0, begin)];
    let mut transitions = 0;
    while !layer.is_empty() {
        let mut next = Vec::new();
        for (number, world) in layer {
            let moves = world.moves(setup);
            if let Err(what) = judge(&world, &moves, setup) {
                let way = way(&parents, number);
                return Found {
                    states: parents.len(),
                    transitions,
                    violation: Some((what, way)),
                    cut: false,
                };
            }
            for (k, what, _) in moves {
                transitions += 1;
                let mut child = world.clone();
                child.act(k, what, setup);
                if let Entry::Vacant(entry) = seen.entry(key(&child)) {
                    entry.insert(());
                    parents.push((number, k, what));
                    next.push((parents.len() as u32 - 1, child));
                }
            }
            if parents.len() > limit {
                return Found { states: parents.len(), transitions, violation: None, cut: true };
            }
        }
        layer = next;
    }
    Found { states: parents.len(), transitions, violation: None, cut: false }
}

pub(super) fn judge(world: &World, moves: &[(usize, Move, Kind)], setup: &Setup) -> Result<(), &'static str> {
    world.safe(setup)?;
    let goes_on = |stopped: Option<usize>| {
        // A queue that only a stopped process would serve is noticed sooner or later.
        let unserved = !(0..PROCESSES).any(|k| Some(k) != stopped && world.accepts(k));
        moves.iter().filter(|(k, ..)| Some(*k) != stopped).any(|(_, what, kind)| match what {
            Move::Unserved => unserved,
            _ => matches!(kind, Kind::Must | Kind::Time),
        })
    };
    if !goes_on(None) {
        world.settled(setup, None)?;
    }
    if setup.hang {
        for k in (0..PROCESSES).filter(|k| world.alive(*k)) {
            if !goes_on(Some(k)) {
                world.settled(setup, Some(k))?;
            }
        }
    }
    Ok(())
}

fn way(parents: &[(u32, usize, Move)], mut number: u32) -> Vec<String> {
    let mut way = Vec::new();
    while number != 0 {
        let (parent, k, what) = parents[number as usize];
        way.push(format!("{} {what:?}", ["P", "S", "T"][k]));
        number = parent;
    }
    way.reverse();
    way
}
