//! Frames that were decompressed, kept for the next object in them; and open pack files.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::disk::FileRef;

/// How many bytes of decompressed frames are kept.
const KEEP_BYTES: usize = 64 << 20;
/// How many pack files are kept open.
const KEEP_FILES: usize = 256;

type Key = (String, u32);

/// Decompressed frames and open files, least recently used thrown away first.
#[derive(Debug, Default)]
pub(super) struct Frames {
    cache: Mutex<Cache>,
    files: Mutex<HashMap<String, FileRef>>,
}

#[derive(Debug, Default)]
struct Cache {
    frames: HashMap<Key, (Arc<Vec<u8>>, u64)>,
    bytes: usize,
    clock: u64,
}

impl Frames {
    pub(super) fn get(&self, pack: &str, frame: u32) -> Option<Arc<Vec<u8>>> {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.clock += 1;
        let now = cache.clock;
        let (bytes, used) = cache.frames.get_mut(&(pack.to_owned(), frame))?;
        *used = now;
        Some(bytes.clone())
    }

    pub(super) fn put(&self, pack: &str, frame: u32, bytes: Arc<Vec<u8>>) {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.clock += 1;
        let now = cache.clock;
        cache.bytes += bytes.len();
        if let Some((old, _)) = cache.frames.insert((pack.to_owned(), frame), (bytes, now)) {
            cache.bytes -= old.len();
        }
        if cache.bytes > KEEP_BYTES {
            // Half at a time, so that finding the oldest is paid for by many insertions.
            let mut ages: Vec<u64> = cache.frames.values().map(|(_, used)| *used).collect();
            ages.sort_unstable();
            let middle = ages[ages.len() / 2];
            cache.frames.retain(|_, (_, used)| *used > middle);
            cache.bytes = cache.frames.values().map(|(bytes, _)| bytes.len()).sum();
        }
    }

    pub(super) fn file(&self, path: &str) -> Option<FileRef> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned()
    }

    pub(super) fn keep_file(&self, path: &str, file: FileRef) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if files.len() >= KEEP_FILES {
            files.clear();
        }
        files.insert(path.to_owned(), file);
    }

    pub(super) fn forget(&self) {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        *cache = Cache::default();
    }
}
