//! Deed and ledger as docs/protocol.md, section 4, lays them out.

use crate::link::Result;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use std::fs::File;
use std::os::unix::fs::FileExt;

/// The predecessor's id, and the epoch at which it owns: the first of a chain.
pub const OWNER: u32 = 1;
pub const EPOCH: u32 = 1;
/// The id that it draws for its successor.
pub const ATTEMPT: u32 = 2;

/// Where the deed has its word.
const WORD: u64 = 8;
const SLOTS: u32 = 16;

/// A deed that names the predecessor.
pub fn deed() -> Result<File> {
    let deed = sealed("zdt-deed", 4096, |deed| {
        deed.write_all_at(&u64::from_le_bytes(*b"zdt-deed").to_ne_bytes(), 0)?;
        deed.write_all_at(&(ATTEMPT + 1).to_ne_bytes(), 16)
    })?;
    own(&deed, EPOCH)?;
    Ok(deed)
}

/// The predecessor owns at this epoch. A plain write does for a swap where the successor has no cause yet to try one.
pub fn own(deed: &File, epoch: u32) -> Result<()> {
    let word = u64::from(epoch) << 32 | u64::from(OWNER);
    Ok(deed.write_all_at(&word.to_ne_bytes(), WORD)?)
}

/// A ledger in which nothing was offered.
pub fn ledger() -> Result<File> {
    sealed("zdt-ledger", 64 + 4 * u64::from(SLOTS), |ledger| {
        ledger.write_all_at(&u64::from_le_bytes(*b"zdt-ledg").to_ne_bytes(), 0)?;
        ledger.write_all_at(&SLOTS.to_ne_bytes(), 8)
    })
}

fn sealed(name: &str, length: u64, fill: impl FnOnce(&File) -> std::io::Result<()>) -> Result<File> {
    let memory = File::from(memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?);
    memory.set_len(length)?;
    fill(&memory)?;
    fcntl_add_seals(&memory, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
    Ok(memory)
}
