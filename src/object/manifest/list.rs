//! Chunk lists: balanced nodes, cut by chunk id as directories are cut by name.

use std::collections::VecDeque;

use crate::codec::{Decode, Encode, Error, Validate};
use crate::hash::{Id, Kind};
use crate::object::{Object, Sink, Source, boundary};

use super::{ChunkRef, Chunks, FEW, LONGEST_CHUNK};

/// What an inner node says about one node below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ListChild {
    /// The id of the last chunk in it: its key.
    pub last: Id,
    /// The node.
    pub node: Id,
    /// How many chunks it has.
    pub chunks: u64,
    /// How many bytes they are.
    pub bytes: u64,
}

/// A node of a chunk list.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum List {
    /// Chunks, in the order of the file.
    Leaf(Vec<ChunkRef>),
    /// The nodes below, in order.
    Inner {
        /// 1 for the parents of leaves, and so on.
        level: u8,
        /// The nodes below.
        children: Vec<ListChild>,
    },
}

impl List {
    /// Its level: 0 for leaves.
    pub fn level(&self) -> u8 {
        match self {
            Self::Leaf(_) => 0,
            Self::Inner { level, .. } => *level,
        }
    }

    /// Chunks and bytes below it; `None` if they do not fit.
    pub fn totals(&self) -> Option<(u64, u64)> {
        let add = |(chunks, bytes): (u64, u64), more: (u64, u64)| {
            Some((chunks.checked_add(more.0)?, bytes.checked_add(more.1)?))
        };
        match self {
            Self::Leaf(chunks) => {
                chunks.iter().try_fold((0, 0), |sum, chunk| add(sum, (1, chunk.length.into())))
            }
            Self::Inner { children, .. } => {
                children.iter().try_fold((0, 0), |sum, child| add(sum, (child.chunks, child.bytes)))
            }
        }
    }

    fn last(&self) -> Option<Id> {
        match self {
            Self::Leaf(chunks) => chunks.last().map(|chunk| chunk.id),
            Self::Inner { children, .. } => children.last().map(|child| child.last),
        }
    }

    /// Whether it may stand where it does: `ends_level` if it is the last of its level.
    pub fn is_lawful(&self, ends_level: bool) -> bool {
        match self {
            Self::Leaf(chunks) => {
                let keys = chunks.iter().map(|chunk| &chunk.id.as_bytes()[..]);
                boundary::is_lawful(keys, 0, ends_level)
            }
            Self::Inner { level, children } => {
                let keys = children.iter().map(|child| &child.last.as_bytes()[..]);
                boundary::is_lawful(keys, *level, ends_level)
            }
        }
    }
}

impl Validate for List {
    fn validate(&self) -> Result<(), Error> {
        let proper = match self {
            Self::Leaf(chunks) => {
                !chunks.is_empty()
                    && chunks.iter().all(|c| c.length > 0 && c.length <= LONGEST_CHUNK)
            }
            Self::Inner { level, children } => {
                (1..boundary::LEVELS).contains(level) && !children.is_empty()
            }
        };
        if !proper {
            return Err(Error::Invalid("an impossible node of a chunk list"));
        }
        if !self.is_lawful(true) {
            return Err(Error::Invalid("a node of a chunk list should have ended earlier"));
        }
        self.totals().map(|_| ()).ok_or(Error::Invalid("the totals of a chunk list overflow"))
    }
}

impl Object for List {
    const KIND: Kind = Kind::List;
}

/// Takes the chunks of a file in order and cuts them into nodes. Holds one unfinished node a
/// level, so a file of any size needs the same memory.
#[derive(Debug, Default)]
pub struct ListBuilder {
    leaf: Vec<ChunkRef>,
    inner: Vec<Vec<ListChild>>,
    finished: Vec<u64>,
}

impl ListBuilder {
    /// Begins an empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next chunk.
    pub fn push<S: Sink>(&mut self, chunk: ChunkRef, sink: &mut S) -> Result<(), S::Error> {
        self.leaf.push(chunk);
        if boundary::ends(chunk.id.as_bytes(), 0, self.leaf.len()) {
            self.finish_level(0, sink)?;
        }
        Ok(())
    }

    /// Ends the list; returns its root node. The list has at least one chunk.
    pub fn finish<S: Sink>(mut self, sink: &mut S) -> Result<Id, S::Error> {
        let mut level = 0u8;
        loop {
            let at = usize::from(level);
            let pending = match level {
                0 => !self.leaf.is_empty(),
                _ => self.inner.get(at - 1).is_some_and(|children| !children.is_empty()),
            };
            if pending {
                self.finish_level(level, sink)?;
            }
            if self.finished[at] == 1 {
                return Ok(self.inner[at][0].node);
            }
            level += 1;
        }
    }

    fn finish_level<S: Sink>(&mut self, level: u8, sink: &mut S) -> Result<(), S::Error> {
        let above = usize::from(level);
        let node = match level {
            0 => List::Leaf(std::mem::take(&mut self.leaf)),
            _ => List::Inner { level, children: std::mem::take(&mut self.inner[above - 1]) },
        };
        let last = node.last().expect("a finished node has entries");
        let (chunks, bytes) = node.totals().expect("a file's length fits in 64 bits");
        let child = ListChild { last, node: sink.put(Kind::List, node.to_bytes())?, chunks, bytes };
        while self.inner.len() <= above {
            self.inner.push(Vec::new());
            self.finished.push(0);
        }
        self.finished[above] += 1;
        self.inner[above].push(child);
        if boundary::ends(last.as_bytes(), level + 1, self.inner[above].len()) {
            self.finish_level(level + 1, sink)?;
        }
        Ok(())
    }
}

impl Chunks {
    /// What a manifest says of these chunks, of which there is at least one: themselves, if they
    /// are few, and else a list.
    pub fn of<S: Sink>(chunks: Vec<ChunkRef>, sink: &mut S) -> Result<Self, S::Error> {
        Ok(match chunks.len() {
            1 => Self::One,
            2..=FEW => Self::Few(chunks),
            many => {
                let mut list = ListBuilder::new();
                for chunk in chunks {
                    list.push(chunk, sink)?;
                }
                Self::Many { list: list.finish(sink)?, count: many as u64 }
            }
        })
    }
}

/// Reads the chunks of a list in order, node by node.
#[derive(Debug)]
pub struct ListCursor<'s, S> {
    source: &'s S,
    /// Nodes still to be read, the next one last, with the level each must have and what its
    /// parent says of it.
    nodes: Vec<(Id, Option<(u8, ListChild)>)>,
    chunks: VecDeque<ChunkRef>,
}

impl<'s, S: Source> ListCursor<'s, S> {
    /// Stands before the first chunk of the list of this root.
    pub fn new(source: &'s S, root: &Id) -> Self {
        Self { source, nodes: vec![(*root, None)], chunks: VecDeque::new() }
    }

    /// The next chunk; `None` at the end.
    pub fn next_chunk(&mut self) -> Result<Option<ChunkRef>, S::Error> {
        loop {
            if let Some(chunk) = self.chunks.pop_front() {
                return Ok(Some(chunk));
            }
            let Some((id, expected)) = self.nodes.pop() else { return Ok(None) };
            let node: List = self.source.object(&id)?;
            if let Some((level, child)) = expected {
                // Level by level, or a forged list could go round in circles; and a forged length
                // shows in the root already.
                let said = node.last() == Some(child.last)
                    && node.totals() == Some((child.chunks, child.bytes));
                if level != node.level() || !said {
                    let wrong = "a node of a chunk list is not what its parent says";
                    return Err(Error::Invalid(wrong).into());
                }
            }
            match node {
                List::Leaf(chunks) => self.chunks = chunks.into(),
                List::Inner { level, children } => {
                    let below = children.iter().rev();
                    self.nodes.extend(below.map(|child| (child.node, Some((level - 1, *child)))));
                }
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::hash;
    use crate::object::testing::Memory;

    fn chunk(number: u32) -> ChunkRef {
        ChunkRef { id: hash::hash(&number.to_le_bytes()), length: 1 + number % 100 }
    }

    fn build(memory: &mut Memory, chunks: impl IntoIterator<Item = ChunkRef>) -> Id {
        let mut builder = ListBuilder::new();
        for chunk in chunks {
            builder.push(chunk, memory).unwrap();
        }
        builder.finish(memory).unwrap()
    }

    #[test]
    fn a_long_list_reads_back_and_an_edit_in_it_makes_few_nodes() {
        let mut memory = Memory::default();
        let root = build(&mut memory, (0..50_000).map(chunk));
        let mut cursor = ListCursor::new(&memory, &root);
        let read: Vec<_> = std::iter::from_fn(|| cursor.next_chunk().unwrap()).collect();
        assert_eq!(read, (0..50_000).map(chunk).collect::<Vec<_>>());
        let before = memory.objects.len();
        let edited = (0..50_000).map(|n| chunk(if n == 25_000 { 99_999_999 } else { n }));
        assert_ne!(build(&mut memory, edited), root);
        assert!(memory.objects.len() - before <= 8);
    }

    #[test]
    fn a_list_of_equal_chunks_ends_its_nodes_too() {
        let mut memory = Memory::default();
        let root = build(&mut memory, (0..100_000).map(|_| chunk(7)));
        let node: List = memory.object(&root).unwrap();
        assert_eq!(node.totals(), Some((100_000, 800_000)));
        assert!(memory.objects.len() < 20);
    }
}
