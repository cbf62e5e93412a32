//! Which objects a batch has already.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Mutex;

use crate::hash::{Id, Kind};

use super::locked;

/// So many parts, each with a lock of its own.
const SHARDS: usize = 64;

/// The objects that were put: their kinds and the first 184 bits of their ids, which is as much as
/// needs to differ.
#[derive(Debug)]
pub(super) struct Known(Vec<Mutex<Shard>>);

type Shard = HashSet<[u8; 24], BuildHasherDefault<KnownHasher>>;

impl Default for Known {
    fn default() -> Self {
        Self((0..SHARDS).map(|_| Mutex::default()).collect())
    }
}

impl Known {
    pub(super) fn has(&self, kind: Kind, id: &Id) -> bool {
        locked(self.shard(id)).contains(&key(kind, id))
    }

    /// Whether it was not there before.
    pub(super) fn add(&self, kind: Kind, id: &Id) -> bool {
        locked(self.shard(id)).insert(key(kind, id))
    }

    pub(super) fn forget(&self) {
        self.0.iter().for_each(|shard| locked(shard).clear());
    }

    fn shard(&self, id: &Id) -> &Mutex<Shard> {
        &self.0[usize::from(id.as_bytes()[31]) % SHARDS]
    }
}

fn key(kind: Kind, id: &Id) -> [u8; 24] {
    let mut key = [0; 24];
    key[..23].copy_from_slice(&id.as_bytes()[..23]);
    key[23] = kind.number();
    key
}

/// Takes the first bytes of an id for its hash: they are one already.
#[derive(Debug, Default)]
struct KnownHasher(u64);

impl Hasher for KnownHasher {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk::<8>() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}
