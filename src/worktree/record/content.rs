//! Reading one file into the store.
//!
//! A file is read once, into private memory, and is believed only if the file system says the same
//! of it before and after, or says after it that nothing was written since before: what is hashed
//! is what is stored. A file that keeps changing is reported, never recorded half. Large files are
//! cut here and hashed, compressed and stored by whoever has time.

use std::io;
use std::sync::mpsc;

use crate::chunk::{self, Sizes, Sketcher};
use crate::clock::Time;
use crate::disk::{self, Dir, FileKind, FileRef, Stat};
use crate::hash::{ContentHasher, Id, Kind};
use crate::object::manifest::{self, FEW, ListBuilder, NEAR, SMALL};
use crate::object::{ChunkRef, Chunks, Manifest};
use crate::store::{Class, Error, Writer};

use super::Jobs;

/// How often a file that changes while it is read is read again.
const ATTEMPTS: usize = 3;
/// Files above this size are cut by one thread and stored by all.
const SHARED_FROM: u64 = 8 << 20;
/// How much is handed over at once.
const SEGMENT: usize = 4 << 20;

/// What came of reading a file.
#[derive(Debug)]
pub enum Outcome {
    /// Its content is on its way into the store.
    Recorded(Recorded),
    /// It was no longer there, or no longer a file.
    Vanished,
    /// It cannot be read.
    Unreadable(io::Error),
    /// It changed each time it was read.
    Changing,
}

/// A file whose content is on its way into the store.
#[derive(Clone, Copy, Debug)]
pub struct Recorded {
    /// Chunk or manifest.
    pub content: Id,
    /// What the file system said, before and after.
    pub stat: Stat,
}

/// One thread's tools.
pub struct Hand<'b, 's> {
    pub(super) writer: Writer<'b, 's>,
    sketcher: Sketcher,
    buffer: Vec<u8>,
}

/// A run of chunks on its way to whoever stores it.
#[derive(Debug)]
pub(super) struct Segment {
    /// The chunks, and behind them what does not matter.
    bytes: Vec<u8>,
    lengths: Vec<u32>,
    class: Class,
    index: usize,
    done: mpsc::Sender<(usize, Vec<ChunkRef>)>,
}

impl<'b, 's> Hand<'b, 's> {
    /// Begins with this door into a batch.
    pub fn new(writer: Writer<'b, 's>) -> Self {
        Self { writer, sketcher: Sketcher::new(), buffer: Vec::new() }
    }

    /// Stores the chunks of a segment and answers with their ids.
    pub(super) fn store_segment(&mut self, segment: Segment) -> Result<Vec<u8>, Error> {
        let Segment { bytes, lengths, class, index, done } = segment;
        let mut chunks = Vec::with_capacity(lengths.len());
        let mut start = 0;
        let mut last: Option<(&[u8], Id)> = None;
        for length in lengths {
            let chunk = &bytes[start..start + length as usize];
            start += length as usize;
            // In holes one chunk is as the other.
            let id = match last {
                Some((same, id)) if same == chunk => id,
                _ => Kind::Chunk.id_of(chunk),
            };
            last = Some((chunk, id));
            self.writer.put_chunk(class, id, chunk)?;
            chunks.push(ChunkRef { id, length });
        }
        // If the reader has given up on the file, nobody waits.
        let _ = done.send((index, chunks));
        Ok(bytes)
    }

    /// Records the target of a symbolic link.
    pub fn record_link(&mut self, target: &[u8]) -> Result<Id, Error> {
        let id = Kind::Chunk.id_of(target);
        self.writer.put_chunk(Class::Near, id, target)?;
        Ok(id)
    }

    /// Records a file that is probably small and was not asked about. It is asked once, after it
    /// was read, and believed if it `is_settled`: if nothing can have been written since before it
    /// was opened. `None` if it is not, if it is long, or anything is not as it should be: then
    /// nothing came of it, and it is to be asked about and recorded as any other.
    pub fn record_small(
        &mut self,
        dir: &dyn Dir,
        name: &[u8],
        is_settled: &dyn Fn(&Stat) -> bool,
    ) -> Result<Option<Recorded>, Error> {
        let Ok(file) = dir.open_listed(name) else { return Ok(None) };
        let room = SMALL as usize + 1;
        if self.buffer.len() < room {
            self.buffer.resize(room, 0);
        }
        let Ok(count) = file.read_at(&mut self.buffer[..room], 0) else { return Ok(None) };
        let is_whole =
            |stat: &Stat| stat.kind == FileKind::File && stat.size == count as u64 && count < room;
        let stat = file.stat().ok().filter(|stat| is_whole(stat) && is_settled(stat));
        let Some(stat) = stat else { return Ok(None) };
        let content = self.put_small(count)?;
        Ok(Some(Recorded { content, stat }))
    }

    /// Records the file `name` of a directory, of which the file system said `listed` when the
    /// directory was looked at.
    pub fn record_file(
        &mut self,
        dir: &dyn Dir,
        name: &[u8],
        listed: &Stat,
        jobs: &Jobs,
        read: &mut dyn FnMut(u64),
    ) -> Result<Outcome, Error> {
        for attempt in 0..=ATTEMPTS {
            let opened = if attempt == 0 {
                dir.open_listed(name).map(|file| (file, *listed))
            } else {
                dir.open_with_stat(name)
            };
            let (file, before) = match opened {
                Ok(opened) => opened,
                Err(error) => {
                    // What cannot be opened as a file is one no more.
                    let is_gone =
                        disk::is_nothing(&error) || error.kind() == io::ErrorKind::InvalidInput;
                    return Ok(match is_gone {
                        true => Outcome::Vanished,
                        false => Outcome::Unreadable(error),
                    });
                }
            };
            let content = match self.read_content(&file, before.size, jobs, read) {
                Ok(content) => content,
                // What was listed may be something else by now, which the next attempt tells.
                Err(Failure::Reading(_)) if attempt == 0 => continue,
                Err(Failure::Reading(error)) => return Ok(Outcome::Unreadable(error)),
                Err(Failure::Storing(error)) => return Err(error),
            };
            let after = match file.stat() {
                Ok(stat) => stat,
                Err(error) => return Ok(Outcome::Unreadable(error)),
            };
            if let Some(content) = content
                && is_unchanged(&before, &after)
            {
                return Ok(Outcome::Recorded(Recorded { content, stat: after }));
            }
        }
        Ok(Outcome::Changing)
    }

    /// `None` if the file turned out not to have the length it should have.
    fn read_content(
        &mut self,
        file: &FileRef,
        size: u64,
        jobs: &Jobs,
        read: &mut dyn FnMut(u64),
    ) -> Result<Option<Id>, Failure> {
        if size <= SMALL {
            return self.read_small(file, size as usize, read);
        }
        if size > SHARED_FROM {
            return self.read_large(file, size, jobs, read);
        }
        self.read_whole(file, size as usize, read)
    }

    fn fill(
        &mut self,
        file: &FileRef,
        size: usize,
        read: &mut dyn FnMut(u64),
    ) -> Result<bool, Failure> {
        // One byte more than expected tells whether the file has grown. If it grows only after
        // that, asking about it again tells.
        if self.buffer.len() < size + 1 {
            self.buffer.resize(size + 1, 0);
        }
        let count =
            file.read_least_at(&mut self.buffer[..size + 1], size, 0).map_err(Failure::Reading)?;
        read(count as u64);
        Ok(count == size)
    }

    fn read_small(
        &mut self,
        file: &FileRef,
        size: usize,
        read: &mut dyn FnMut(u64),
    ) -> Result<Option<Id>, Failure> {
        if !self.fill(file, size, read)? {
            return Ok(None);
        }
        Ok(Some(self.put_small(size)?))
    }

    /// Stores as many bytes of the buffer as one chunk.
    fn put_small(&mut self, size: usize) -> Result<Id, Error> {
        let bytes = &self.buffer[..size];
        let id = Kind::Chunk.id_of(bytes);
        self.writer.put_chunk(Class::Near, id, bytes)?;
        Ok(id)
    }

    /// Files that fit into memory easily: cut, hashed and stored by this thread.
    fn read_whole(
        &mut self,
        file: &FileRef,
        size: usize,
        read: &mut dyn FnMut(u64),
    ) -> Result<Option<Id>, Failure> {
        if !self.fill(file, size, read)? {
            return Ok(None);
        }
        let buffer = std::mem::take(&mut self.buffer);
        let kept = self.keep(&buffer[..size]);
        self.buffer = buffer;
        Ok(Some(kept?.0))
    }

    /// What is written with.
    pub fn writer(&mut self) -> &mut Writer<'b, 's> {
        &mut self.writer
    }

    /// Cuts, hashes and stores a content of more than 16 KiB.
    fn keep(&mut self, bytes: &[u8]) -> Result<(Id, Option<Manifest>), Error> {
        let size = bytes.len() as u64;
        let sizes = chunk::sizes(size);
        let near = size <= NEAR && manifest::is_text(bytes);
        let class = if near { Class::Near } else { Class::Data };
        let content = Kind::Chunk.id_of(bytes);
        let mut chunks = Vec::new();
        let mut start = 0;
        while start < bytes.len() {
            let length = chunk::next(&bytes[start..], sizes);
            let chunk = &bytes[start..start + length];
            let id = if length == bytes.len() { content } else { Kind::Chunk.id_of(chunk) };
            chunks.push(ChunkRef { id, length: length as u32 });
            start += length;
        }
        // Content that is known needs no sketch: its manifest is here, or follows from the same
        // bytes.
        if let Some(known) = self.known_manifest(&content)? {
            return Ok((known, None));
        }
        if size <= chunk::SPAN_LIMIT {
            self.sketcher.update(bytes);
        } else {
            for chunk in &chunks {
                self.sketcher.chunk(head(&chunk.id), chunk.length.into());
            }
        }
        let sketch = self.sketcher.finish_and_reset();
        let mut start = 0;
        for chunk in &chunks {
            let end = start + chunk.length as usize;
            self.writer.put_chunk(class, chunk.id, &bytes[start..end])?;
            start = end;
        }
        let manifest = Manifest {
            size,
            content,
            chunker: chunk::CHUNKER,
            near,
            sketch: *sketch.as_bytes(),
            chunks: Chunks::of(chunks, &mut self.writer)?,
        };
        Ok((self.writer.put_manifest(&manifest)?, Some(manifest)))
    }

    /// The manifest of a content that the store has in a pack this batch can rely on.
    fn known_manifest(&mut self, content: &Id) -> Result<Option<Id>, Error> {
        let batch = self.writer.batch();
        if batch.is_first() {
            return Ok(None);
        }
        Ok(batch
            .store()
            .manifest_of(content)?
            .and_then(|(id, _)| batch.has(Kind::Manifest, &id).then_some(id)))
    }

    /// Files of any size: cut here, stored by whoever has time. Memory does not depend on the
    /// size.
    fn read_large(
        &mut self,
        file: &FileRef,
        size: u64,
        jobs: &Jobs,
        read: &mut dyn FnMut(u64),
    ) -> Result<Option<Id>, Failure> {
        let mut cutter = Cutter::new(size);
        let (done, answers) = mpsc::channel();
        let mut chunks = Collected::new(answers);
        let mut hasher = ContentHasher::default();
        let mut spans = (size <= chunk::SPAN_LIMIT).then(|| std::mem::take(&mut self.sketcher));
        let mut handed = 0;
        let outcome = (|| -> Result<bool, Failure> {
            loop {
                let Some(segment) = cutter.next_segment(&**file, jobs, read)? else {
                    return Ok(cutter.offset == size);
                };
                let (bytes, lengths) = segment;
                let used: usize = lengths.iter().map(|&length| length as usize).sum();
                hasher.update(&bytes[..used]);
                if let Some(sketcher) = &mut spans {
                    sketcher.update(&bytes[..used]);
                }
                let segment = Segment {
                    bytes,
                    lengths,
                    class: Class::Data,
                    index: handed,
                    done: done.clone(),
                };
                handed += 1;
                if let Err(segment) = jobs.offer(segment) {
                    let buffer = self.store_segment(segment)?;
                    jobs.recycle(buffer);
                }
                chunks.collect(self)?;
            }
        })();
        drop(done);
        // Others may still be at it: they must be done before the file is judged.
        while let Some(segment) = jobs.take() {
            let buffer = self.store_segment(segment)?;
            jobs.recycle(buffer);
        }
        let finished = chunks.finish(self, handed);
        if let Some(sketcher) = spans.take() {
            self.sketcher = sketcher;
        }
        if !outcome? {
            self.sketcher.reset();
            return Ok(None);
        }
        let Some((chunks, by_chunks)) = finished? else { return Ok(None) };
        let sketch =
            if size <= chunk::SPAN_LIMIT { self.sketcher.finish_and_reset() } else { by_chunks };
        let manifest = Manifest {
            size,
            content: hasher.finish(),
            chunker: chunk::CHUNKER,
            near: false,
            sketch: *sketch.as_bytes(),
            chunks,
        };
        Ok(Some(self.writer.put_manifest(&manifest)?))
    }
}

/// Whether nothing was written in between, as far as the file system tells. It may be another file
/// of the same name: what was read is what stands behind `after`.
fn is_unchanged(before: &Stat, after: &Stat) -> bool {
    let times = |stat: &Stat| -> (Time, Time) { (stat.mtime, stat.ctime) };
    before.kind == after.kind && before.size == after.size && times(before) == times(after)
}

/// Reads a file from front to back and cuts it into segments of whole chunks.
struct Cutter {
    sizes: Sizes,
    size: u64,
    /// How much has been handed out.
    offset: u64,
    /// How much has been read.
    read: u64,
    /// A buffer whose first bytes were read and not handed out.
    rest: Vec<u8>,
    /// How many these are.
    kept: usize,
    /// Where the next run of bytes that are not a hole begins, as last asked.
    data: Option<std::ops::Range<u64>>,
}

impl Cutter {
    fn new(size: u64) -> Self {
        Self {
            sizes: chunk::sizes(size),
            size,
            offset: 0,
            read: 0,
            rest: Vec::new(),
            kept: 0,
            data: None,
        }
    }

    /// How much is read at once: room for the longest chunk behind a segment.
    fn room(&self) -> usize {
        SEGMENT + self.sizes.max
    }

    /// The next segment and the lengths of its chunks, in a buffer that may be longer; `None` at
    /// the end, or where the file ends
    /// too early.
    #[allow(clippy::type_complexity)]
    fn next_segment(
        &mut self,
        file: &dyn crate::disk::File,
        jobs: &Jobs,
        told: &mut dyn FnMut(u64),
    ) -> Result<Option<(Vec<u8>, Vec<u32>)>, Failure> {
        let (room, kept) = (self.room(), self.kept);
        let mut bytes = std::mem::take(&mut self.rest);
        if bytes.is_empty() {
            bytes = jobs.buffer(room);
        }
        let wanted = (self.size - self.read).min((room - kept) as u64) as usize;
        let filled = kept + wanted;
        if !self.fill(file, &mut bytes[kept..filled])? {
            return Ok(None);
        }
        told(wanted as u64);
        let at_end = self.read == self.size;
        let mut lengths = Vec::new();
        let mut end = 0;
        while end < filled && end < SEGMENT {
            let rest = &bytes[end..filled];
            if !at_end && rest.len() < self.sizes.max {
                break;
            }
            let length = chunk::next(rest, self.sizes);
            lengths.push(length as u32);
            end += length;
        }
        if lengths.is_empty() {
            // Everything has been handed out. Has the file grown?
            let mut more = [0];
            let grown = file.read_at(&mut more, self.size).map_err(Failure::Reading)?;
            if grown > 0 {
                self.offset = 0;
            }
            return Ok(None);
        }
        self.rest = jobs.buffer(room);
        self.kept = filled - end;
        self.rest[..self.kept].copy_from_slice(&bytes[end..filled]);
        self.offset += end as u64;
        Ok(Some((bytes, lengths)))
    }

    /// Reads the next bytes; holes are not read: they are zeros. `false` if the file ends early.
    fn fill(&mut self, file: &dyn crate::disk::File, into: &mut [u8]) -> Result<bool, Failure> {
        let end = self.read + into.len() as u64;
        let start = self.read;
        while self.read < end {
            let known = self.data.as_ref().is_some_and(|data| data.end > self.read);
            if !known {
                let next = file.next_data(self.read).map_err(Failure::Reading)?;
                self.data = Some(next.unwrap_or(u64::MAX - 1..u64::MAX));
            }
            let data = self.data.clone().unwrap_or(self.read..u64::MAX);
            let within = |at: u64| (at - start) as usize;
            if data.start > self.read {
                let until = data.start.min(end);
                into[within(self.read)..within(until)].fill(0);
                // A hole that reaches beyond the end is only there if the file is that long.
                self.read = until;
                continue;
            }
            let until = data.end.min(end);
            let count = file
                .read_full_at(&mut into[within(self.read)..within(until)], self.read)
                .map_err(Failure::Reading)?;
            if count < within(until) - within(self.read) {
                return Ok(false);
            }
            self.read = until;
        }
        Ok(true)
    }
}

/// Chunks as they come back, put in order.
struct Collected {
    answers: mpsc::Receiver<(usize, Vec<ChunkRef>)>,
    early: std::collections::BTreeMap<usize, Vec<ChunkRef>>,
    next: usize,
    first: Vec<ChunkRef>,
    list: Option<ListBuilder>,
    count: u64,
    sketcher: Sketcher,
}

impl Collected {
    fn new(answers: mpsc::Receiver<(usize, Vec<ChunkRef>)>) -> Self {
        Self {
            answers,
            early: std::collections::BTreeMap::new(),
            next: 0,
            first: Vec::new(),
            list: None,
            count: 0,
            sketcher: Sketcher::new(),
        }
    }

    fn collect(&mut self, hand: &mut Hand<'_, '_>) -> Result<(), Failure> {
        while let Ok((index, chunks)) = self.answers.try_recv() {
            self.early.insert(index, chunks);
        }
        self.take_early(hand)
    }

    fn take_early(&mut self, hand: &mut Hand<'_, '_>) -> Result<(), Failure> {
        while let Some(chunks) = self.early.remove(&self.next) {
            self.next += 1;
            for chunk in chunks {
                self.count += 1;
                self.sketcher.chunk(head(&chunk.id), chunk.length.into());
                if let Some(list) = &mut self.list {
                    list.push(chunk, &mut hand.writer)?;
                    continue;
                }
                self.first.push(chunk);
                if self.first.len() > FEW {
                    let mut list = ListBuilder::new();
                    for chunk in self.first.drain(..) {
                        list.push(chunk, &mut hand.writer)?;
                    }
                    self.list = Some(list);
                }
            }
        }
        Ok(())
    }

    /// Waits for everything that was handed out.
    /// `None` if a part did not come back: then its thread has failed, and all of the work with it.
    fn finish(
        mut self,
        hand: &mut Hand<'_, '_>,
        handed: usize,
    ) -> Result<Option<(Chunks, chunk::Sketch)>, Failure> {
        while let Ok((index, chunks)) = self.answers.recv() {
            self.early.insert(index, chunks);
            self.take_early(hand)?;
        }
        self.take_early(hand)?;
        if self.next != handed {
            return Ok(None);
        }
        let sketch = self.sketcher.finish();
        let chunks = match self.list {
            Some(list) => {
                let list = list.finish(&mut hand.writer)?;
                Chunks::Many { list, count: self.count }
            }
            None if self.first.len() == 1 => Chunks::One,
            None => Chunks::Few(self.first),
        };
        Ok(Some((chunks, sketch)))
    }
}

/// The first eight bytes of a chunk's id as the sketch takes them: little-endian.
fn head(id: &Id) -> u64 {
    let mut head = [0; 8];
    head.copy_from_slice(&id.as_bytes()[..8]);
    u64::from_le_bytes(head)
}

/// What went wrong: with the file, or with the store.
#[derive(Debug)]
enum Failure {
    Reading(io::Error),
    Storing(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Storing(error)
    }
}

/// Hashes a file without storing anything: what it would be called. `None` if it is no file, or
/// changed while it was read.
pub fn hash_file(dir: &dyn Dir, name: &[u8]) -> io::Result<Option<(Stat, Id)>> {
    let file = match dir.open(name) {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => return Ok(None),
        opened => opened?,
    };
    let before = file.stat()?;
    let mut hasher = ContentHasher::default();
    let mut buffer = vec![0; (1 << 20).min(before.size as usize + 1)];
    let mut offset = 0;
    loop {
        let count = file.read_full_at(&mut buffer, offset)?;
        hasher.update(&buffer[..count]);
        offset += count as u64;
        if count < buffer.len() {
            break;
        }
    }
    let after = file.stat()?;
    let same = before.mtime == after.mtime && before.ctime == after.ctime && offset == after.size;
    Ok(same.then(|| (after, hasher.finish())))
}
