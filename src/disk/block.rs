//! Long files past the page cache: bytes where the disk can take them from.

use std::io;

use super::{DIRECT_STEP, File};

/// How many bytes a block takes.
pub const BLOCK: usize = 2 << 20;

/// Bytes that begin at a multiple of [`DIRECT_STEP`] in memory, up to [`BLOCK`] of them.
#[derive(Debug, Default)]
pub struct Block {
    /// Never grows beyond what it was made with, so it stays where it is.
    memory: Vec<u8>,
    start: usize,
}

impl Block {
    /// Takes what fits and returns the rest.
    pub fn fill<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        if self.memory.capacity() == 0 {
            self.memory.reserve_exact(BLOCK + DIRECT_STEP);
            self.start = self.memory.as_ptr().addr().wrapping_neg() % DIRECT_STEP;
            self.memory.resize(self.start, 0);
        }
        let (now, later) = bytes.split_at(bytes.len().min(BLOCK - self.filled().len()));
        self.memory.extend_from_slice(now);
        later
    }

    /// What it has taken.
    pub fn filled(&self) -> &[u8] {
        &self.memory[self.start..]
    }

    /// Empties it; the memory stays.
    pub fn clear(&mut self) {
        self.memory.truncate(self.start);
    }
}

/// Writes the bytes of a long file that is written once, past the page cache where that is possible.
pub fn write_long(file: &dyn File, bytes: &[u8]) -> io::Result<()> {
    let mut block = Block::default();
    let whole = bytes.len() - bytes.len() % BLOCK;
    for at in (0..whole).step_by(BLOCK) {
        block.clear();
        block.fill(&bytes[at..at + BLOCK]);
        file.write_past_cache(block.filled(), at as u64)?;
    }
    file.write_at(&bytes[whole..], whole as u64)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::disk::{Disk, MemoryDisk, OsDisk, read_all};

    #[test]
    fn a_long_file_has_the_bytes_that_were_written() {
        let place = tempfile::tempdir().unwrap();
        let os = OsDisk::new().open(place.path()).unwrap();
        let memory = MemoryDisk::new().create(std::path::Path::new("/m")).unwrap();
        for disk in [os, memory] {
            for length in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 12_345] {
                let bytes: Vec<u8> = (0..length).map(|at| (at / 7) as u8).collect();
                let name = format!("{length}");
                let file = disk.create(name.as_bytes(), 0o644).unwrap();
                write_long(&*file, &bytes).unwrap();
                assert!(read_all(&*disk, name.as_bytes(), 1 << 30).unwrap() == bytes);
            }
        }
    }
}
