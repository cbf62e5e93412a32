//! A pack of git, made here and handed to `git index-pack`.
//!
//! Objects come in an order in which each is like the one before. Where they share their beginning
//! or end, only what is between is written: enough for versions of a directory or a text, and cheap.
//! Git's own repacking does better, and finds it well prepared. A pack is kept in memory until it
//! is full (`FULL_BYTES`).

use std::collections::HashMap;
use std::io::Write;
use std::process::Stdio;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use gix_hash::ObjectId;

use super::Error;
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

/// The object before, to which the next one may be written as a difference.
struct Last {
    kind: Type,
    bytes: Vec<u8>,
    offset: usize,
    depth: u32,
}

/// A pack that is being made.
pub(super) struct PackStream<'g> {
    git: &'g Git,
    body: Vec<u8>,
    count: u32,
    last: Option<Last>,
    /// Trees of this pack, by id: git does not know them yet.
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
            count: 0,
            last: None,
            trees: HashMap::default(),
            tree_bytes: 0,
            written: 0,
        }
    }

    /// A tree of the pack that git does not know yet.
    pub(super) fn tree(&self, id: &ObjectId) -> Option<&[u8]> {
        self.trees.get(id).map(Vec::as_slice)
    }

    /// Writes an object.
    pub(super) fn put(&mut self, id: ObjectId, kind: Type, bytes: Vec<u8>) -> Result<(), Error> {
        let offset = HEADER_BYTES + self.body.len();
        let base = self.last.as_ref().filter(|last| {
            last.kind == kind && last.depth < MOST_DEPTH && bytes.len() <= MOST_DELTA_BYTES
        });
        let delta = base.and_then(|last| Some((last, delta(&last.bytes, &bytes)?)));
        let mut depth = 0;
        match delta {
            Some((last, delta)) => {
                depth = last.depth + 1;
                head(&mut self.body, OFFSET_DELTA, delta.len());
                distance(&mut self.body, offset - last.offset);
                compress(&mut self.body, &delta);
            }
            None => {
                head(&mut self.body, type_number(kind), bytes.len());
                compress(&mut self.body, &bytes);
            }
        }
        self.count += 1;
        self.written += 1;
        if kind == Type::Tree {
            self.tree_bytes += bytes.len();
            self.trees.insert(id, bytes.clone());
        }
        self.last = Some(Last { kind, bytes, offset, depth });
        if self.body.len() >= FULL_BYTES || self.tree_bytes >= FULL_TREE_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Hands over what there is. Nothing is visible in git before its refs are.
    pub(super) fn flush(&mut self) -> Result<(), Error> {
        if self.count == 0 {
            return Ok(());
        }
        let asked = ["index-pack", "--stdin"];
        let mut process = Process::start(self.git.command(&asked).stdin(Stdio::piped()), asked[0])?;
        let mut pack = Vec::with_capacity(HEADER_BYTES + self.body.len() + 32);
        pack.extend_from_slice(b"PACK\0\0\0\x02");
        pack.extend_from_slice(&self.count.to_be_bytes());
        pack.append(&mut self.body);
        let mut hasher = gix_hash::hasher(self.git.hash());
        hasher.update(&pack);
        let hash = hasher.try_finalize().map_err(|_| Error::Failed {
            command: asked[0].to_owned(),
            text: "the pack's hash collides with another".to_owned(),
        })?;
        pack.extend_from_slice(hash.as_slice());
        let feeder = process.feed(pack);
        let mut answer = Vec::new();
        let read = process.read_to_end(&mut answer);
        feeder.join();
        process.finish()?;
        read?;
        self.count = 0;
        self.last = None;
        self.trees.clear();
        self.tree_bytes = 0;
        Ok(())
    }
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

fn compress(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut encoder = ZlibEncoder::new(out, Compression::default());
    // Writing into memory does not fail.
    let _ = encoder.write_all(bytes);
    let _ = encoder.finish();
}

fn varint(out: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        out.push(0x80 | (number & 0x7f) as u8);
        number >>= 7;
    }
    out.push(number as u8);
}

/// How `new` differs from `base`, if they share at least half in the beginning and the end.
fn delta(base: &[u8], new: &[u8]) -> Option<Vec<u8>> {
    let start = base.iter().zip(new).take_while(|(a, b)| a == b).count();
    let (old_rest, new_rest) = (&base[start..], &new[start..]);
    let end = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(|(a, b)| a == b).count();
    if start + end < new.len().div_ceil(2).max(1) {
        return None;
    }
    let mut out = Vec::new();
    varint(&mut out, base.len());
    varint(&mut out, new.len());
    copy(&mut out, 0, start);
    for part in new_rest[..new_rest.len() - end].chunks(127) {
        out.push(part.len() as u8);
        out.extend_from_slice(part);
    }
    copy(&mut out, base.len() - end, end);
    Some(out)
}

/// Copies of at most 16 MiB − 1 each.
fn copy(out: &mut Vec<u8>, mut offset: usize, mut length: usize) {
    while length > 0 {
        let part = length.min(0xff_ffff);
        let at = out.len();
        let mut code = 0x80;
        out.push(code);
        for (bit, byte) in (offset as u32).to_le_bytes().into_iter().enumerate() {
            if byte != 0 {
                code |= 1 << bit;
                out.push(byte);
            }
        }
        for (bit, byte) in (part as u32).to_le_bytes().into_iter().take(3).enumerate() {
            if byte != 0 {
                code |= 0x10 << bit;
                out.push(byte);
            }
        }
        out[at] = code;
        offset += part;
        length -= part;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// What a difference makes of its base, as git reads it.
    fn apply(base: &[u8], delta: &[u8]) -> Vec<u8> {
        let mut at = 0;
        let mut number = || {
            let (mut value, mut shift) = (0usize, 0);
            loop {
                let byte = delta[at];
                at += 1;
                value |= usize::from(byte & 0x7f) << shift;
                shift += 7;
                if byte & 0x80 == 0 {
                    return value;
                }
            }
        };
        assert_eq!(number(), base.len());
        let length = number();
        let mut out = Vec::new();
        while at < delta.len() {
            let code = delta[at];
            at += 1;
            if code & 0x80 == 0 {
                out.extend_from_slice(&delta[at..at + usize::from(code)]);
                at += usize::from(code);
                continue;
            }
            let mut read = |bits: std::ops::Range<u32>| {
                let first = bits.start;
                bits.fold(0usize, |value, bit| {
                    if code & (1 << bit) == 0 {
                        return value;
                    }
                    let byte = usize::from(delta[at]);
                    at += 1;
                    value | byte << (8 * (bit - first))
                })
            };
            let offset = read(0..4);
            let size = match read(4..7) {
                0 => 0x10000,
                size => size,
            };
            out.extend_from_slice(&base[offset..offset + size]);
        }
        assert_eq!(out.len(), length);
        out
    }

    #[test]
    fn a_difference_makes_the_new_of_the_old() {
        let long: Vec<u8> = (0..70_000u32).flat_map(u32::to_le_bytes).collect();
        let mut edited = long.clone();
        edited.splice(100_000..100_010, [7; 500]);
        for (old, new) in [
            (&long[..], &edited[..]),
            (&edited[..], &long[..]),
            (b"same", b"same"),
            (b"aXb", b"ab"),
            (b"aaaa", b"aaaaaaa"),
            (b"aaaaaaa", b"aaaa"),
        ] {
            assert_eq!(apply(old, &delta(old, new).unwrap()), new);
        }
        assert_eq!(delta(b"abc", b"xyz"), None);
        assert_eq!(delta(b"", b""), None);
    }

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
}
