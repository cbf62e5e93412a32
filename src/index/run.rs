//! Runs: a whole index as one immutable file, mapped and verified page by page.
//!
//! ```text
//! 0        8  "anindex1"                                    all numbers little-endian
//! 8           pages and nodes, each beginning at a multiple of 8, in the order they were filled
//! end-72   8  offset of the root node
//!          8  its length
//!          8  its count of references
//!          8  its checksum
//!          8  rows in all pages
//!         16  generation
//!          8  "anindex1"
//!          8  checksum of the 64 bytes above
//! page        count × row, then the heap they point into
//! ```
//!
//! A page has at most 256 rows, all of one directory. Nothing here is ever changed; [`writer`]
//! makes a new run with a new generation.
//!
//! [`writer`]: super::writer

use std::sync::atomic::{AtomicU64, Ordering};

use super::key;
use super::node::{Node, Reference};
use super::row::{self, Row, WIDTH};
use super::sum::sum;
use crate::disk::Bytes;

pub(super) const MAGIC: &[u8; 8] = b"anindex1";
pub(super) const FOOTER: usize = 72;
/// The most rows of a page.
pub(super) const MOST_ROWS: usize = 256;

/// What the bytes show to be damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Damaged;

/// An open run.
#[derive(Debug)]
pub(super) struct Run {
    bytes: Bytes,
    root: (usize, usize, usize),
    rows: u64,
    /// One bit for every 64 bytes of the file, set when what begins there was verified.
    verified: Vec<AtomicU64>,
    read: AtomicU64,
}

/// Some rows of one directory, neighbours.
#[derive(Clone, Copy)]
pub(super) struct Page<'a> {
    rows: &'a [[u8; WIDTH]],
    heap: &'a [u8],
    marks_count: bool,
}

impl Run {
    /// Takes the bytes of a run of this generation. `None` if they are not that.
    pub(super) fn open(bytes: Bytes, generation: [u8; 16]) -> Option<Self> {
        let footer = bytes.len().checked_sub(FOOTER)?;
        let foot = &bytes[footer..];
        let number = |at: usize| {
            let mut number = [0; 8];
            number.copy_from_slice(&foot[at..at + 8]);
            u64::from_le_bytes(number)
        };
        if !bytes.starts_with(MAGIC)
            || foot[40..56] != generation
            || &foot[56..64] != MAGIC
            || number(64) != sum(&foot[..64])
        {
            return None;
        }
        let [offset, length, count] =
            [0, 8, 16].map(|at| usize::try_from(number(at)).unwrap_or(usize::MAX));
        let root = bytes.get(offset..offset.checked_add(length)?)?;
        if sum(root) != number(24) {
            return None;
        }
        Node::new(root, count)?;
        let words = bytes.len() / (64 * 64) + 1;
        Some(Self {
            root: (offset, length, count),
            rows: number(32),
            verified: std::iter::repeat_with(AtomicU64::default).take(words).collect(),
            read: AtomicU64::new(0),
            bytes,
        })
    }

    /// How many rows it has.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// How many pages and nodes below the root were looked into.
    pub(super) fn pages_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    fn root(&self) -> Node<'_> {
        let (offset, length, count) = self.root;
        Node::again(&self.bytes[offset..offset + length], count)
    }

    /// The bytes of a page or node, checked at the first look at them.
    fn block(
        &self,
        reference: Reference<'_>,
        is_sound: impl FnOnce(&[u8], usize) -> bool,
    ) -> Result<&[u8], Damaged> {
        self.read.fetch_add(1, Ordering::Relaxed);
        let begin = usize::try_from(reference.offset).map_err(|_| Damaged)?;
        let end = begin.checked_add(reference.length as usize).ok_or(Damaged)?;
        let bytes = self.bytes.get(begin..end).ok_or(Damaged)?;
        let (word, bit) = (begin / (64 * 64), 1 << (begin / 64 % 64));
        let seen = self.verified.get(word).ok_or(Damaged)?;
        if seen.load(Ordering::Relaxed) & bit != 0 {
            return Ok(bytes);
        }
        if sum(bytes) != reference.checksum || !is_sound(bytes, usize::from(reference.count)) {
            return Err(Damaged);
        }
        seen.fetch_or(bit, Ordering::Relaxed);
        Ok(bytes)
    }

    fn node(&self, reference: Reference<'_>) -> Result<Node<'_>, Damaged> {
        let count = usize::from(reference.count);
        let bytes = self.block(reference, |bytes, count| Node::new(bytes, count).is_some())?;
        Ok(Node::again(bytes, count))
    }

    pub(super) fn page(
        &self,
        reference: Reference<'_>,
        marks_count: bool,
    ) -> Result<Page<'_>, Damaged> {
        let bytes = self.page_bytes(reference)?;
        Page::new(bytes, usize::from(reference.count), marks_count).ok_or(Damaged)
    }

    /// The bytes of a page, to be copied into another run.
    pub(super) fn page_bytes(&self, reference: Reference<'_>) -> Result<&[u8], Damaged> {
        self.block(reference, |bytes, count| {
            Page::new(bytes, count, true).is_some_and(|page| page.is_sound())
        })
    }

    /// Calls `visit` with each page whose keys may lie between `from` and `to`, in order.
    pub(super) fn each_page<'a>(
        &'a self,
        from: &[u8],
        to: Option<&[u8]>,
        mut visit: impl FnMut(Reference<'a>) -> Result<(), Damaged>,
    ) -> Result<(), Damaged> {
        let root = self.root();
        for node_at in root.up_to(from).saturating_sub(1)..root.len() {
            let reference = root.get(node_at);
            if to.is_some_and(|to| reference.key >= to) {
                return Ok(());
            }
            let node = self.node(reference)?;
            for at in node.up_to(from).saturating_sub(1)..node.len() {
                let page = node.get(at);
                if to.is_some_and(|to| page.key >= to) {
                    return Ok(());
                }
                visit(page)?;
            }
        }
        Ok(())
    }

    /// The pages of the directory whose keys begin with `prefix`.
    pub(super) fn directory(
        &self,
        prefix: &[u8],
        marks_count: bool,
    ) -> Result<Vec<Page<'_>>, Damaged> {
        let mut pages = Vec::new();
        self.each_page(prefix, key::after_prefix(prefix).as_deref(), |reference| {
            // The first may be the last page of the directory before.
            if reference.key.starts_with(prefix) {
                pages.push(self.page(reference, marks_count)?);
            }
            Ok(())
        })?;
        Ok(pages)
    }

    /// The row with this key.
    pub(super) fn find(
        &self,
        key: &[u8],
        prefix_length: usize,
        marks_count: bool,
    ) -> Result<Option<Row<'_>>, Damaged> {
        let root = self.root();
        let Some(at) = root.up_to(key).checked_sub(1) else { return Ok(None) };
        let node = self.node(root.get(at))?;
        let Some(at) = node.up_to(key).checked_sub(1) else { return Ok(None) };
        let reference = node.get(at);
        if !reference.key.starts_with(&key[..prefix_length]) {
            return Ok(None);
        }
        Ok(self.page(reference, marks_count)?.find(&key[prefix_length..]))
    }
}

impl<'a> Page<'a> {
    fn new(bytes: &'a [u8], count: usize, marks_count: bool) -> Option<Self> {
        let (rows, heap) = bytes.split_at_checked(count * WIDTH)?;
        Some(Self { rows: rows.as_chunks().0, heap, marks_count })
    }

    fn is_sound(&self) -> bool {
        let mut begin = 0;
        self.rows.iter().all(|fixed| {
            let end = row::heap_end(fixed);
            let sound = self.heap.get(begin..end).is_some_and(|heap| row::is_sound(fixed, heap));
            begin = end;
            sound
        })
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Row number `at`.
    #[inline]
    pub(super) fn row(&self, at: usize) -> Row<'a> {
        let begin = if at == 0 { 0 } else { row::heap_end(&self.rows[at - 1]) };
        let fixed = &self.rows[at];
        Row::new(fixed, &self.heap[begin..row::heap_end(fixed)], self.marks_count)
    }

    fn find(&self, name: &[u8]) -> Option<Row<'a>> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = (low + high) / 2;
            let row = self.row(middle);
            match row.name().cmp(name) {
                std::cmp::Ordering::Equal => return Some(row),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }
}
