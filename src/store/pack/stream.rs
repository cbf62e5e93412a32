//! The bytes of a long file on their way to the disk.
//!
//! They are gathered into blocks, and whole blocks are hashed and written by a thread of their own,
//! past the page cache where that is possible. So nobody who compresses waits for the disk, unless
//! it is slower than everything else. A file shorter than a block never has such a thread.

use std::io;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crate::disk::{Block, FileRef};
use crate::hash::{ContentHasher, Id};

/// So many blocks may wait to be written: content that does not compress comes in bursts.
const WAITING: usize = 3;

/// Writes one file, front to back, and hashes it.
#[derive(Debug)]
pub(super) struct Stream {
    file: FileRef,
    /// How many bytes came in all.
    bytes: u64,
    /// The last of them.
    block: Block,
    blocks: Blocks,
    /// Takes full blocks; `None` until there is one.
    others: Option<Others>,
}

/// Memory for blocks that is used again, by one file after the other.
#[derive(Clone, Debug, Default)]
pub struct Blocks(Arc<Mutex<Vec<Block>>>);

impl Blocks {
    fn take(&self) -> Block {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    fn give(&self, mut block: Block) {
        block.clear();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(block);
    }
}

/// The thread that writes, and what it is told.
#[derive(Debug)]
struct Others {
    full: SyncSender<Block>,
    /// Ends with the hash of all it wrote, and how much that is.
    thread: JoinHandle<io::Result<(ContentHasher, u64)>>,
}

impl Stream {
    /// Begins at the front of a new file.
    pub(super) fn new(file: FileRef, blocks: Blocks) -> Self {
        Self { file, bytes: 0, block: blocks.take(), blocks, others: None }
    }

    /// How many bytes came so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes the next bytes. An error may be of bytes that came earlier.
    pub(super) fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        self.bytes += bytes.len() as u64;
        loop {
            bytes = self.block.fill(bytes);
            if bytes.is_empty() {
                return Ok(());
            }
            self.hand_over()?;
        }
    }

    /// Gives the full block away.
    fn hand_over(&mut self) -> io::Result<()> {
        let others = self
            .others
            .get_or_insert_with(|| Others::start(self.file.clone(), self.blocks.clone()));
        let full = std::mem::replace(&mut self.block, self.blocks.take());
        if others.full.send(full).is_err() {
            self.join()?;
            return Err(io::Error::other("a thread ended early"));
        }
        Ok(())
    }

    /// Waits until all full blocks are written.
    fn join(&mut self) -> io::Result<(ContentHasher, u64)> {
        let Some(Others { full, thread }) = self.others.take() else {
            return Ok((ContentHasher::default(), 0));
        };
        drop(full);
        thread.join().unwrap_or_else(|_| Err(io::Error::other("a thread died")))
    }

    /// Ends the file with the hash of everything before, makes it durable, and returns the hash and
    /// the file's length.
    pub(super) fn finish(mut self) -> io::Result<(Id, u64)> {
        let (mut hasher, offset) = self.join()?;
        hasher.update(self.block.filled());
        let hash = hasher.finish();
        let mut rest = self.block.filled().to_vec();
        rest.extend_from_slice(hash.as_bytes());
        self.file.write_at(&rest, offset)?;
        self.file.sync()?;
        Ok((hash, offset + rest.len() as u64))
    }
}

impl Drop for Stream {
    /// A file that is given up is not written to afterwards.
    fn drop(&mut self) {
        // It is given up: what failed there does not matter any more.
        let _ = self.join();
        self.blocks.give(std::mem::take(&mut self.block));
    }
}

impl Others {
    fn start(file: FileRef, used: Blocks) -> Self {
        let (full, blocks) = sync_channel::<Block>(WAITING);
        let thread = std::thread::spawn(move || {
            let mut hasher = ContentHasher::default();
            let mut offset = 0;
            for block in blocks {
                let bytes = block.filled();
                hasher.update(bytes);
                file.write_past_cache(bytes, offset)?;
                offset += bytes.len() as u64;
                used.give(block);
            }
            Ok((hasher, offset))
        });
        Self { full, thread }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::disk::{BLOCK, Disk, MemoryDisk, OsDisk, read_all};

    #[test]
    fn what_is_written_is_what_came_however_it_was_cut() {
        let place = tempfile::tempdir().unwrap();
        let os = OsDisk::new().open(place.path()).unwrap();
        let memory = MemoryDisk::new().create(std::path::Path::new("/m")).unwrap();
        let blocks = Blocks::default();
        for disk in [os, memory] {
            for (index, &length) in
                [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 4 * BLOCK + 12_345]
                    .iter()
                    .enumerate()
            {
                let bytes: Vec<u8> = (0..length).map(|at| (at * 7 + at / 255) as u8).collect();
                let name = format!("file{index}");
                let mut stream =
                    Stream::new(disk.create(name.as_bytes(), 0o644).unwrap(), blocks.clone());
                for part in bytes.chunks(777_777) {
                    stream.write(part).unwrap();
                }
                assert_eq!(stream.bytes(), length as u64);
                let (hash, written) = stream.finish().unwrap();
                let found = read_all(&*disk, name.as_bytes(), u64::MAX).unwrap();
                assert_eq!(found.len() as u64, written);
                assert!(found[..length] == bytes, "{length} bytes came back differently");
                assert_eq!(hash, crate::hash::Kind::Chunk.id_of(&bytes));
                assert_eq!(&found[length..], hash.as_bytes());
            }
        }
    }
}
