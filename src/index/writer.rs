//! Writing a whole new run.
//!
//! The file gets its own name and is complete and durable before the overlay names it, which is
//! the one step that counts. A crash before leaves a file nobody names; the next writer removes it.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use super::current::{Error, Place};
use super::entry::{Base, Tracked};
use super::key;
use super::node::{MOST, NodeBuilder, Reference};
use super::overlay::State;
use super::row::{self, Row, WIDTH};
use super::run::{FOOTER, MAGIC, MOST_ROWS};
use super::sum::sum;
use super::update::{self, Updated};
use crate::clock::Random;
use crate::disk::{DirRef, FileRef};
use crate::path::RepoPath;

/// Bytes gathered before they are written.
const BUFFER_BYTES: usize = 1 << 20;
/// A longer run is made durable while other work goes on.
const LONG: u64 = 16 << 20;

/// Writes a new index from its first entry to its last.
#[derive(Debug)]
pub struct IndexWriter {
    place: Place,
    run: RunWriter,
    marked: bool,
    last: Option<Vec<u8>>,
}

impl IndexWriter {
    pub(super) fn new(place: Place) -> Result<Self, Error> {
        let run = RunWriter::create(&place.index_dir()?, &*place.random)?;
        Ok(Self { place, run, marked: false, last: None })
    }

    /// Adds the entries of a directory, sorted by name. Directories come in the order of their
    /// paths; each but the root also has an entry in the one above.
    pub fn push<'a>(
        &mut self,
        directory: &RepoPath,
        entries: impl IntoIterator<Item = &'a Tracked>,
    ) -> Result<(), Error> {
        let prefix = key::prefix_of(directory.as_bytes());
        let (mut key, mut heap) = (prefix.clone(), Vec::new());
        for entry in entries {
            key.truncate(prefix.len());
            key.extend_from_slice(&entry.name);
            heap.clear();
            let fixed = row::encode(entry, &mut heap);
            self.marked |= entry.unsynced;
            if self.last.as_ref().is_some_and(|last| *last >= key) {
                return Err(Error::Order);
            }
            self.run.row(&key, prefix.len(), Row::new(&fixed, &heap, true), Marks::Keep)?;
            match &mut self.last {
                Some(last) => last.clone_from(&key),
                None => self.last = Some(key.clone()),
            }
        }
        Ok(())
    }

    /// Says that all entries are there. If there are very many, what was written is made durable
    /// while other work goes on, so that [`finish`](Self::finish) need not wait for it.
    pub fn settle(&mut self) {
        self.settle_from(LONG);
    }

    /// The same, if as many bytes were written.
    pub(super) fn settle_from(&mut self, least: u64) {
        self.run.settle(least);
    }

    /// Makes this the index, describing `base`, durably; unless somebody has changed the index
    /// since the writer was made. `boot` tells under which boot entries marked unsynced were
    /// written.
    pub fn finish(self, base: Base, boot: Option<[u8; 16]>) -> Result<Updated, Error> {
        let state = State {
            generation: self.run.generation,
            revision: self.place.random.sixteen(),
            commit: base.commit,
            tree: base.tree,
            boot: boot.filter(|_| self.marked),
            marked: self.marked,
            rows: 0,
        };
        let name = self.run.finish()?;
        update::switch_run(&self.place, &state, &name)
    }
}

impl IndexWriter {
    /// Completes the run without making it the index. Tells its generation, whether there are
    /// entries marked unsynced, and what removes it. It is as durable as it needs to be: nobody
    /// names it.
    pub(super) fn finish_beside(self) -> io::Result<([u8; 16], bool, Unnamed)> {
        let generation = self.run.generation;
        let (_, unnamed) = self.run.complete()?;
        Ok((generation, self.marked, unnamed))
    }
}

/// Whether marks of not being synced are carried into a new run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Marks {
    Keep,
    Clear,
}

/// A run's file that nobody names: it goes when it is not needed any more, unless it is kept.
#[derive(Debug)]
pub(super) struct Unnamed {
    dir: DirRef,
    name: Vec<u8>,
    is_kept: bool,
    /// Syncs what was written so far.
    syncing: Option<JoinHandle<io::Result<()>>>,
}

impl Unnamed {
    /// The file is to be named. Tells its name.
    fn keep(mut self) -> Vec<u8> {
        self.is_kept = true;
        std::mem::take(&mut self.name)
    }
}

impl Unnamed {
    /// Waits for what is being synced.
    fn settled(&mut self) -> io::Result<()> {
        let Some(syncing) = self.syncing.take() else { return Ok(()) };
        syncing.join().unwrap_or_else(|_| Err(io::Error::other("a thread died")))
    }
}

impl Drop for Unnamed {
    fn drop(&mut self) {
        // Whether that failed does not matter any more; a file that is being synced cannot go.
        let _ = self.settled();
        if !self.is_kept {
            // What stays is removed by whoever writes a run next.
            let _ = self.dir.remove_file(&self.name);
        }
    }
}

/// Writes rows that come in the order of their keys.
#[derive(Debug)]
pub(super) struct RunWriter {
    unnamed: Unnamed,
    file: FileRef,
    generation: [u8; 16],
    buffer: Vec<u8>,
    /// Where in the file the buffer begins.
    buffer_begin: u64,
    rows: Vec<u8>,
    heap: Vec<u8>,
    first_key: Vec<u8>,
    prefix_length: usize,
    node: NodeBuilder,
    root: NodeBuilder,
    total_rows: u64,
}

impl RunWriter {
    pub(super) fn create(dir: &DirRef, random: &dyn Random) -> io::Result<Self> {
        let generation = random.sixteen();
        let name = run_name(&generation);
        Ok(Self {
            file: dir.create(&name, 0o666)?,
            unnamed: Unnamed { dir: Arc::clone(dir), name, is_kept: false, syncing: None },
            generation,
            buffer: MAGIC.to_vec(),
            buffer_begin: 0,
            rows: Vec::new(),
            heap: Vec::new(),
            first_key: Vec::new(),
            prefix_length: 0,
            node: NodeBuilder::default(),
            root: NodeBuilder::default(),
            total_rows: 0,
        })
    }

    pub(super) fn generation(&self) -> [u8; 16] {
        self.generation
    }

    /// Adds a row.
    pub(super) fn row(
        &mut self,
        key: &[u8],
        prefix_length: usize,
        row: Row<'_>,
        marks: Marks,
    ) -> io::Result<()> {
        if self.rows.len() == MOST_ROWS * WIDTH || !self.is_within(&key[..prefix_length]) {
            self.end_page()?;
        }
        if self.rows.is_empty() {
            self.first_key.clear();
            self.first_key.extend_from_slice(key);
            self.prefix_length = prefix_length;
        }
        let (fixed, heap) = row.parts();
        self.heap.extend_from_slice(heap);
        let mut fixed = row::with_heap_end(fixed, self.heap.len());
        if marks == Marks::Clear {
            fixed = row::without_mark(&fixed);
        }
        self.rows.extend_from_slice(&fixed);
        self.total_rows += 1;
        Ok(())
    }

    /// Whether the page being filled is of the directory with this prefix.
    pub(super) fn is_within(&self, prefix: &[u8]) -> bool {
        !self.rows.is_empty() && self.first_key[..self.prefix_length] == *prefix
    }

    /// Adds a whole page of another run.
    pub(super) fn page(&mut self, reference: Reference<'_>, bytes: &[u8]) -> io::Result<()> {
        self.end_page()?;
        let offset = self.put(bytes)?;
        self.total_rows += u64::from(reference.count);
        self.refer(Reference { offset, ..reference })
    }

    fn end_page(&mut self) -> io::Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let count = (self.rows.len() / WIDTH) as u16;
        let mut bytes = std::mem::take(&mut self.rows);
        bytes.extend_from_slice(&self.heap);
        self.heap.clear();
        let offset = self.put(&bytes)?;
        let first_key = std::mem::take(&mut self.first_key);
        self.refer(Reference {
            key: &first_key,
            offset,
            length: bytes.len() as u32,
            checksum: sum(&bytes),
            count,
        })?;
        // Both keep their memory for the next page.
        self.first_key = first_key;
        bytes.clear();
        self.rows = bytes;
        Ok(())
    }

    fn refer(&mut self, reference: Reference<'_>) -> io::Result<()> {
        self.node.push(reference);
        if self.node.len() == MOST { self.end_node() } else { Ok(()) }
    }

    fn end_node(&mut self) -> io::Result<()> {
        if self.node.len() == 0 {
            return Ok(());
        }
        let (key, count) = (self.node.first_key(), self.node.len() as u16);
        let bytes = self.node.take();
        let offset = self.put(&bytes)?;
        let (length, checksum) = (bytes.len() as u32, sum(&bytes));
        self.root.push(Reference { key: &key, offset, length, checksum, count });
        // What is verified is noted in steps of 64 bytes, so nothing else may begin in these.
        let short = 64usize.saturating_sub(bytes.len());
        self.buffer.resize(self.buffer.len() + short, 0);
        Ok(())
    }

    /// Appends bytes at a multiple of 8 and tells where.
    fn put(&mut self, bytes: &[u8]) -> io::Result<u64> {
        if self.buffer.len() >= BUFFER_BYTES {
            self.flush()?;
        }
        self.buffer.resize(self.buffer.len().next_multiple_of(8), 0);
        let offset = self.buffer_begin + self.buffer.len() as u64;
        self.buffer.extend_from_slice(bytes);
        Ok(offset)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.buffer.resize(self.buffer.len().next_multiple_of(8), 0);
        self.file.write_at(&self.buffer, self.buffer_begin)?;
        self.buffer_begin += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Begins to sync what was written, if that is so much.
    fn settle(&mut self, least: u64) {
        // What cannot be written now, `finish` meets again.
        if self.buffer_begin + (self.buffer.len() as u64) < least || self.flush().is_err() {
            return;
        }
        let file = Arc::clone(&self.file);
        self.unnamed.syncing = Some(std::thread::spawn(move || file.sync()));
    }

    /// Completes the file, makes it durable and tells its name.
    pub(super) fn finish(self) -> io::Result<Vec<u8>> {
        let (file, mut unnamed) = self.complete()?;
        unnamed.settled()?;
        file.sync()?;
        unnamed.dir.sync()?;
        Ok(unnamed.keep())
    }

    fn complete(mut self) -> io::Result<(FileRef, Unnamed)> {
        self.end_page()?;
        self.end_node()?;
        let count = self.root.len() as u64;
        let root = self.root.take();
        let offset = self.put(&root)?;
        let mut footer = Vec::with_capacity(FOOTER);
        for number in [offset, root.len() as u64, count, sum(&root), self.total_rows] {
            footer.extend_from_slice(&number.to_le_bytes());
        }
        footer.extend_from_slice(&self.generation);
        footer.extend_from_slice(MAGIC);
        footer.extend_from_slice(&sum(&footer).to_le_bytes());
        self.put(&footer)?;
        self.flush()?;
        Ok((self.file, self.unnamed))
    }
}

/// What the file of a run is called.
pub(super) fn run_name(generation: &[u8; 16]) -> Vec<u8> {
    format!("run-{}", crate::hash::hex(generation)).into_bytes()
}
