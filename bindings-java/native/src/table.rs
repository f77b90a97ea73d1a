//! Handles: numbers for what Java holds, so that a stale one is an error and not a crash.

use jni::sys::jlong;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{PoisonError, RwLock};

pub struct Table<T> {
    last: AtomicI64,
    live: RwLock<BTreeMap<jlong, T>>,
}

impl<T> Table<T> {
    pub const fn new() -> Table<T> {
        Table { last: AtomicI64::new(0), live: RwLock::new(BTreeMap::new()) }
    }

    pub fn insert(&self, value: T) -> jlong {
        let handle = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        self.live.write().unwrap_or_else(PoisonError::into_inner).insert(handle, value);
        handle
    }

    /// Takes it out: whoever has it drops it without the lock.
    pub fn remove(&self, handle: jlong) -> Option<T> {
        self.live.write().unwrap_or_else(PoisonError::into_inner).remove(&handle)
    }
}

impl<T: Clone> Table<T> {
    pub fn get(&self, handle: jlong) -> Option<T> {
        self.live.read().unwrap_or_else(PoisonError::into_inner).get(&handle).cloned()
    }
}
