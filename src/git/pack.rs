//! A pack of git, made here and handed to `git index-pack`.
//!
//! Objects come in an order in which each is like the one before of its kind, trees like the one
//! before at their path, and are written as what differs. Git's own repacking does better, and
//! finds it well prepared. A pack is kept in memory until it is full (`FULL_BYTES`); then git takes
//! it in while the next one is made.

use std::collections::HashMap;
use std::process::Stdio;
use std::thread::JoinHandle;

use flate2::{Compress, Compression, FlushCompress, Status};
use gix_hash::ObjectId;

use super::Error;
use super::delta::delta;
use super::ids::IdHasher;
use super::pipe::{Git, Process};
use super::raw::Type;

/// A pack is handed over when it has so many bytes.
const FULL_BYTES: usize = 64 << 20;
/// Or so many bytes of trees that may be asked for again.
const FULL_TREE_BYTES: usize = 128 << 20;
/// So many differences may stand one on the other.
const MOST_DEPTH: u32 = 50;
/// Only objects of at most so many bytes are written as differences.
const MOST_DELTA_BYTES: usize = 16 << 20;
/// Fewer bytes are not worth compressing: most of them are ids.
const LEAST_COMPRESSED: usize = 160;
/// So many bytes of objects are kept that others may be written as differences to.
const MOST_BASE_BYTES: usize = 48 << 20;

/// An object to which the next one like it may be written as a difference.
struct Last {
    bytes: Vec<u8>,
    offset: usize,
    depth: u32,
}

/// A pack that is being made.
pub(super) struct PackStream<'g> {
    git: &'g Git,
    body: Vec<u8>,
    deflate: Compress,
    deflated: Vec<u8>,
    count: u32,
    /// By type, and for trees by path.
    last: HashMap<(u8, Vec<u8>), Last>,
    last_bytes: usize,
    /// The pack that git is taking in.
    handed: Option<JoinHandle<Result<(), Error>>>,
    /// Trees of this pack that may be asked for, by id: git does not know them yet.
    trees: HashMap<ObjectId, Vec<u8>, std::hash::BuildHasherDefault<IdHasher>>,
    tree_bytes: usize,
    /// Objects written so far.
    pub(super) written: u64,
}

impl<'g> PackStream<'g> {
    pub(super) fn new(git: &'g Git) -> Self {
        Self {
            git,
            body: Vec::new(),
            deflate: Compress::new(Compression::fast(), true),
            deflated: Vec::new(),
            count: 0,
            last: HashMap::new(),
            last_bytes: 0,
            handed: None,
            trees: HashMap::default(),
            tree_bytes: 0,
            written: 0,
        }
    }

    /// A tree of the pack that git does not know yet.
    pub(super) fn tree(&self, id: &ObjectId) -> Option<&[u8]> {
        self.trees.get(id).map(Vec::as_slice)
    }

    /// Keeps a tree that may be asked for.
    pub(super) fn keep_tree(&mut self, id: ObjectId, bytes: Vec<u8>) {
        self.tree_bytes += bytes.len();
        self.trees.insert(id, bytes);
    }

    /// Writes an object. `path` is where a tree stands; nothing for all else.
    pub(super) fn put(&mut self, kind: Type, path: &[u8], bytes: Vec<u8>) -> Result<(), Error> {
        let offset = HEADER_BYTES + self.body.len();
        let key = (type_number(kind), path.to_vec());
        let before = self.last.remove(&key);
        self.last_bytes -= before.as_ref().map_or(0, |last| last.bytes.len());
        let base = before
            .as_ref()
            .filter(|last| last.depth < MOST_DEPTH && bytes.len() <= MOST_DELTA_BYTES);
        let delta = base.and_then(|last| Some((last, delta(&last.bytes, &bytes)?)));
        let mut depth = 0;
        match delta {
            Some((last, delta)) => {
                depth = last.depth + 1;
                head(&mut self.body, OFFSET_DELTA, delta.len());
                distance(&mut self.body, offset - last.offset);
                self.compress(&delta);
            }
            None => {
                head(&mut self.body, type_number(kind), bytes.len());
                self.compress(&bytes);
            }
        }
        self.count += 1;
        self.written += 1;
        if self.last_bytes > MOST_BASE_BYTES {
            self.forget_bases();
        }
        self.last_bytes += bytes.len();
        self.last.insert(key, Last { bytes, offset, depth });
        if self.body.len() >= FULL_BYTES || self.tree_bytes >= FULL_TREE_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    fn compress(&mut self, bytes: &[u8]) {
        if bytes.len() <= LEAST_COMPRESSED {
            return as_it_is(&mut self.body, bytes);
        }
        self.deflate.reset();
        self.deflated.clear();
        loop {
            let taken = self.deflate.total_in() as usize;
            // What there is room for is filled with zeros first: it must not be much.
            self.deflated.reserve(bytes.len() - taken + 128);
            let rest = &bytes[taken..];
            let done = self.deflate.compress_vec(rest, &mut self.deflated, FlushCompress::Finish);
            if !matches!(done, Ok(Status::Ok | Status::BufError)) {
                break;
            }
        }
        self.body.extend_from_slice(&self.deflated);
    }

    fn forget_bases(&mut self) {
        self.last.clear();
        self.last_bytes = 0;
    }

    /// Hands over what there is, and does not wait for it. Nothing is visible in git before its
    /// refs are.
    fn flush(&mut self) -> Result<(), Error> {
        self.wait()?;
        if self.count == 0 {
            return Ok(());
        }
        let mut pack = Vec::with_capacity(HEADER_BYTES + self.body.len() + 32);
        pack.extend_from_slice(b"PACK\0\0\0\x02");
        pack.extend_from_slice(&self.count.to_be_bytes());
        pack.append(&mut self.body);
        let mut hasher = gix_hash::hasher(self.git.hash());
        hasher.update(&pack);
        let hash = hasher.try_finalize().map_err(|_| Error::Failed {
            command: INDEX_PACK.to_owned(),
            text: "the pack's hash collides with another".to_owned(),
        })?;
        pack.extend_from_slice(hash.as_slice());
        let git = self.git.clone();
        self.handed = Some(std::thread::spawn(move || take_in(&git, pack)));
        self.count = 0;
        self.forget_bases();
        self.trees.clear();
        self.tree_bytes = 0;
        Ok(())
    }

    /// Waits until git has what was handed over.
    pub(super) fn wait(&mut self) -> Result<(), Error> {
        match self.handed.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(done)) => done,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
        }
    }

    /// Hands over what there is and waits for it.
    pub(super) fn finish(&mut self) -> Result<(), Error> {
        self.flush()?;
        self.wait()
    }
}

const INDEX_PACK: &str = "index-pack";

fn take_in(git: &Git, pack: Vec<u8>) -> Result<(), Error> {
    let asked = [INDEX_PACK, "--stdin"];
    let mut process = Process::start(git.command(&asked).stdin(Stdio::piped()), INDEX_PACK)?;
    let feeder = process.feed(pack);
    let mut answer = Vec::new();
    let read = process.read_to_end(&mut answer);
    feeder.join();
    process.finish()?;
    read
}

const HEADER_BYTES: usize = 12;
const OFFSET_DELTA: u8 = 6;

fn type_number(kind: Type) -> u8 {
    match kind {
        Type::Commit => 1,
        Type::Tree => 2,
        Type::Blob => 3,
        Type::Tag => 4,
    }
}

/// Type and length of an entry.
fn head(out: &mut Vec<u8>, kind: u8, length: usize) {
    let mut byte = (kind << 4) | (length & 15) as u8;
    let mut rest = length >> 4;
    while rest > 0 {
        out.push(byte | 0x80);
        byte = (rest & 0x7f) as u8;
        rest >>= 7;
    }
    out.push(byte);
}

/// A few bytes as a zlib stream that is not compressed.
fn as_it_is(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = bytes.len() as u16;
    out.extend_from_slice(&[0x78, 0x01, 0x01]);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&(!length).to_le_bytes());
    out.extend_from_slice(bytes);
    let (mut a, mut b) = (1u32, 0u32);
    for byte in bytes {
        a = (a + u32::from(*byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    out.extend_from_slice(&(b << 16 | a).to_be_bytes());
}

/// How far back the base of a difference is.
fn distance(out: &mut Vec<u8>, mut distance: usize) {
    let mut digits = vec![(distance & 0x7f) as u8];
    distance >>= 7;
    while distance > 0 {
        distance -= 1;
        digits.push(0x80 | (distance & 0x7f) as u8);
        distance >>= 7;
    }
    digits.reverse();
    out.extend_from_slice(&digits);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn numbers_are_written_as_git_reads_them() {
        let mut out = Vec::new();
        head(&mut out, 3, 0x1234);
        assert_eq!(out, [0xb4, 0xa3, 0x02]);
        out.clear();
        distance(&mut out, 128);
        assert_eq!(out, [0x80, 0x00]);
        out.clear();
        distance(&mut out, 127);
        assert_eq!(out, [0x7f]);
    }

    #[test]
    fn what_is_not_compressed_is_a_zlib_stream_all_the_same() {
        for length in [0, 1, 7, LEAST_COMPRESSED] {
            let bytes: Vec<u8> = (0..length).map(|at| (at * 77) as u8).collect();
            let mut stream = Vec::new();
            as_it_is(&mut stream, &bytes);
            let mut read = Vec::new();
            flate2::read::ZlibDecoder::new(&stream[..]).read_to_end(&mut read).unwrap();
            assert_eq!(read, bytes);
        }
    }
}
