//! Nodes: the page table of a run, a tree with fixed fan-out.
//!
//! A node refers to up to 256 pages or nodes (the root to any number), each with its first key and
//! a checksum; so a run is a tree of hashes, and reading one entry verifies one path through it.
//!
//! ```text
//! count × ( 8 offset, 8 checksum, 4 length, 4 where its first key ends in the heap,
//!           2 rows or references in it, 2 zero )
//! heap    the first keys
//! ```

use std::ops::Range;

/// Bytes of one reference.
const WIDTH: usize = 28;
/// The most references of a node that is not the root.
pub(super) const MOST: usize = 256;

/// One reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reference<'a> {
    pub(super) key: &'a [u8],
    pub(super) offset: u64,
    pub(super) length: u32,
    pub(super) checksum: u64,
    pub(super) count: u16,
}

/// A node whose bytes were verified.
#[derive(Clone, Copy)]
pub(super) struct Node<'a> {
    references: &'a [u8],
    heap: &'a [u8],
}

impl<'a> Node<'a> {
    /// Takes the bytes of a node with `count` references, if they can be that.
    pub(super) fn new(bytes: &'a [u8], count: usize) -> Option<Self> {
        let (references, heap) = bytes.split_at_checked(count.checked_mul(WIDTH)?)?;
        let node = Self { references, heap };
        let ends = (0..count).map(|at| node.key_range(at).end);
        (ends.is_sorted() && node.key_range(count).start <= heap.len()).then_some(node)
    }

    /// Takes the bytes of a node that were taken before.
    pub(super) fn again(bytes: &'a [u8], count: usize) -> Self {
        let (references, heap) = bytes.split_at(count * WIDTH);
        Self { references, heap }
    }

    pub(super) fn len(&self) -> usize {
        self.references.len() / WIDTH
    }

    fn key_range(&self, at: usize) -> Range<usize> {
        let end = |at: usize| number::<4>(&self.references[at * WIDTH + 20..]) as usize;
        let begin = if at == 0 { 0 } else { end(at - 1) };
        // Asked one too far, it tells where the last key ends.
        begin..if at < self.len() { end(at) } else { begin }
    }

    /// Reference number `at`.
    pub(super) fn get(&self, at: usize) -> Reference<'a> {
        let bytes = &self.references[at * WIDTH..(at + 1) * WIDTH];
        Reference {
            key: &self.heap[self.key_range(at)],
            offset: number::<8>(bytes),
            checksum: number::<8>(&bytes[8..]),
            length: number::<4>(&bytes[16..]) as u32,
            count: number::<2>(&bytes[24..]) as u16,
        }
    }

    /// The number of references whose first key is less than `key`, or equal to it.
    pub(super) fn up_to(&self, key: &[u8]) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = (low + high) / 2;
            if &self.heap[self.key_range(middle)] <= key {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}

fn number<const N: usize>(bytes: &[u8]) -> u64 {
    let mut number = [0; 8];
    number[..N].copy_from_slice(&bytes[..N]);
    u64::from_le_bytes(number)
}

/// A node being written.
#[derive(Debug, Default)]
pub(super) struct NodeBuilder {
    references: Vec<u8>,
    heap: Vec<u8>,
}

impl NodeBuilder {
    pub(super) fn len(&self) -> usize {
        self.references.len() / WIDTH
    }

    pub(super) fn first_key(&self) -> Vec<u8> {
        match self.references.get(20..24) {
            Some(end) => self.heap[..number::<4>(end) as usize].to_vec(),
            None => Vec::new(),
        }
    }

    pub(super) fn push(&mut self, reference: Reference<'_>) {
        self.heap.extend_from_slice(reference.key);
        self.references.extend_from_slice(&reference.offset.to_le_bytes());
        self.references.extend_from_slice(&reference.checksum.to_le_bytes());
        self.references.extend_from_slice(&reference.length.to_le_bytes());
        self.references.extend_from_slice(&(self.heap.len() as u32).to_le_bytes());
        self.references.extend_from_slice(&reference.count.to_le_bytes());
        self.references.extend_from_slice(&[0; 2]);
    }

    /// Its bytes; it is empty afterwards.
    pub(super) fn take(&mut self) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.references);
        bytes.append(&mut self.heap);
        bytes
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_back_and_found_by_key() {
        let keys: Vec<Vec<u8>> =
            (0..100).map(|number| format!("{number:03}").into_bytes()).collect();
        let mut builder = NodeBuilder::default();
        let reference = |at: usize| Reference {
            key: &keys[at],
            offset: at as u64 * 1000,
            length: at as u32,
            checksum: !(at as u64),
            count: at as u16,
        };
        for at in 0..keys.len() {
            builder.push(reference(at));
        }
        assert_eq!(builder.first_key(), keys[0]);
        let bytes = builder.take();
        let node = Node::new(&bytes, keys.len()).unwrap();
        for (at, key) in keys.iter().enumerate() {
            assert_eq!(node.get(at), reference(at));
            assert_eq!(node.up_to(key), at + 1);
        }
        assert_eq!(node.up_to(b"0005"), 1);
        assert_eq!(node.up_to(b""), 0);
        assert_eq!(node.up_to(b"z"), 100);
    }

    #[test]
    fn bytes_that_are_no_node_are_refused() {
        assert!(Node::new(&[0; 27], 1).is_none());
        assert!(Node::new(&[0xff; 28], 1).is_none());
        assert!(Node::new(&[], 0).is_some());
    }
}
