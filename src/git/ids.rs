//! Tables that are asked for ids of git.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use gix_hash::ObjectId;

/// Something for each of many ids of git.
pub type IdMap<T> = HashMap<ObjectId, T, BuildHasherDefault<IdHasher>>;

/// Takes the first bytes of an id for its hash: they are one already.
#[derive(Clone, Copy, Debug, Default)]
pub struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk::<8>() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    fn write_usize(&mut self, _: usize) {}

    fn write_isize(&mut self, _: isize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}
