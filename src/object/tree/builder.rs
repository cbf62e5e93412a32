//! Building a directory's tree from its entries in order.

use crate::hash::{Id, Kind};
use crate::object::{Object, Sink, boundary};

use super::{Child, Entry, Node, Totals};

/// A finished tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Root {
    /// Its root node.
    pub id: Id,
    /// What lies below it.
    pub totals: Totals,
}

/// Takes the entries of one directory in order of their names and cuts them into nodes. Holds one
/// unfinished node a level.
#[derive(Debug, Default)]
pub struct Builder {
    leaf: Vec<Entry>,
    /// Unfinished inner nodes; `inner[0]` is of level 1.
    inner: Vec<Vec<Child>>,
    /// How many nodes each level has had so far, unfinished ones aside.
    finished: Vec<u64>,
}

impl Builder {
    /// Begins an empty directory.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next entry.
    pub fn push<S: Sink>(&mut self, entry: Entry, sink: &mut S) -> Result<(), S::Error> {
        debug_assert!(self.leaf.last().is_none_or(|last| last.name < entry.name));
        self.leaf.push(entry);
        let last = &self.leaf[self.leaf.len() - 1].name;
        if boundary::ends(last, 0, self.leaf.len()) {
            self.finish_level(0, sink)?;
        }
        Ok(())
    }

    /// Whether nothing unfinished stands at `level` or below: then a whole node of that level can
    /// be taken as it is.
    pub fn is_at_boundary(&self, level: u8) -> bool {
        self.leaf.is_empty() && self.inner.iter().take(usize::from(level)).all(Vec::is_empty)
    }

    /// Takes a whole node of `level` that begins here. It must end at a boundary or end the level,
    /// and [`Builder::is_at_boundary`] must hold.
    pub fn push_node<S: Sink>(
        &mut self,
        level: u8,
        child: Child,
        sink: &mut S,
    ) -> Result<(), S::Error> {
        debug_assert!(self.is_at_boundary(level));
        let above = usize::from(level);
        while self.inner.len() <= above {
            self.inner.push(Vec::new());
        }
        while self.finished.len() <= above {
            self.finished.push(0);
        }
        // Below, it counts as more than one node: its root can no longer be found there.
        for finished in &mut self.finished[..above] {
            *finished += 2;
        }
        self.finished[above] += 1;
        self.inner[above].push(child);
        let children = &self.inner[above];
        if boundary::ends(&children[children.len() - 1].last, level + 1, children.len()) {
            self.finish_level(level + 1, sink)?;
        }
        Ok(())
    }

    /// Ends the directory.
    pub fn finish<S: Sink>(mut self, sink: &mut S) -> Result<Root, S::Error> {
        let mut level = 0u8;
        loop {
            let at = usize::from(level);
            let finished = self.finished.get(at).copied().unwrap_or(0);
            let pending = if level == 0 {
                !self.leaf.is_empty()
            } else {
                self.inner.get(at - 1).is_some_and(|children| !children.is_empty())
            };
            // The first level with one node is the root; an empty directory is one empty leaf.
            if pending || finished == 0 {
                self.finish_level(level, sink)?;
            }
            if self.finished[at] == 1 {
                let mut above = std::mem::take(&mut self.inner[at]);
                let root = above.pop().expect("the one node of a level stands in the next");
                return Ok(Root { id: root.node, totals: root.totals });
            }
            level += 1;
        }
    }

    fn finish_level<S: Sink>(&mut self, level: u8, sink: &mut S) -> Result<(), S::Error> {
        let above = usize::from(level);
        let node = if level == 0 {
            Node::Leaf(std::mem::take(&mut self.leaf))
        } else {
            Node::Inner { level, children: std::mem::take(&mut self.inner[above - 1]) }
        };
        let child = Child {
            last: node.last().unwrap_or_default().to_vec(),
            totals: node.totals(),
            node: sink.put(Kind::Tree, node.to_bytes())?,
        };
        while self.inner.len() <= above {
            self.inner.push(Vec::new());
        }
        while self.finished.len() <= above {
            self.finished.push(0);
        }
        self.finished[above] += 1;
        self.inner[above].push(child);
        let children = &self.inner[above];
        if boundary::ends(&children[children.len() - 1].last, level + 1, children.len()) {
            self.finish_level(level + 1, sink)?;
        }
        Ok(())
    }
}
