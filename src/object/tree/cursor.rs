//! Reading a directory's tree in order, leaving out what need not be read.

use std::sync::Arc;

use crate::codec::Error;
use crate::hash::Id;
use crate::object::{Source, boundary};

use super::{Child, Entry, Node};

/// Finds the entry of this name, reading one node a level.
pub fn find<S: Source>(source: &S, root: &Id, name: &[u8]) -> Result<Option<Entry>, S::Error> {
    let mut id = *root;
    let mut level = None;
    loop {
        let node = source.tree(&id)?;
        check_level(&node, level)?;
        match &*node {
            Node::Leaf(entries) => {
                let found = entries.binary_search_by(|entry| entry.name[..].cmp(name));
                return Ok(found.ok().map(|at| entries[at].clone()));
            }
            Node::Inner { level: this, children } => {
                let at = children.partition_point(|child| &child.last[..] < name);
                let Some(child) = children.get(at) else { return Ok(None) };
                id = child.node;
                level = Some(*this - 1);
            }
        }
    }
}

/// A node must have the level its parent expects, or a forged tree could go round in circles.
pub(super) fn check_level(node: &Node, expected: Option<u8>) -> Result<(), Error> {
    if node.level() >= boundary::LEVELS || expected.is_some_and(|level| level != node.level()) {
        return Err(Error::Invalid("a tree node is of another level than its parent says"));
    }
    Ok(())
}

/// What a cursor stands before.
#[derive(Debug)]
pub enum Head<'a> {
    /// A whole node that has not been read.
    Node {
        /// Its level.
        level: u8,
        /// What its parent says of it.
        child: &'a Child,
    },
    /// An entry.
    Entry(&'a Entry),
}

/// Stands at a place in a directory's tree and moves forward: over an entry, over a whole node, or
/// into it.
#[derive(Debug)]
pub struct Cursor<'s, S> {
    source: &'s S,
    /// The nodes from the root down, each with the position in it.
    stack: Stack,
}

/// The nodes from the root down to a cursor's place.
pub(super) type Stack = Vec<(Arc<Node>, usize)>;

impl<'s, S: Source> Cursor<'s, S> {
    /// Stands before everything in the tree of this root.
    pub fn new(source: &'s S, root: &Id) -> Result<Self, S::Error> {
        let node = source.tree(root)?;
        check_level(&node, None)?;
        Ok(Self { source, stack: vec![(node, 0)] })
    }

    /// A cursor at the end of nothing.
    pub fn empty(source: &'s S) -> Self {
        Self { source, stack: Vec::new() }
    }

    /// The place without the source.
    pub(super) fn put_down(self) -> Stack {
        self.stack
    }

    /// A cursor at a place that was put down.
    pub(super) fn take_up(source: &'s S, stack: Stack) -> Self {
        Self { source, stack }
    }

    /// What comes next; `None` at the end.
    pub fn head(&self) -> Option<Head<'_>> {
        let (node, at) = self.stack.last()?;
        match &**node {
            Node::Leaf(entries) => entries.get(*at).map(Head::Entry),
            Node::Inner { level, children } => {
                children.get(*at).map(|child| Head::Node { level: level - 1, child })
            }
        }
    }

    /// Whether the node it stands before is the last of its level.
    pub fn is_on_right_edge(&self) -> bool {
        self.stack.iter().all(|(node, at)| match &**node {
            Node::Leaf(entries) => *at + 1 >= entries.len(),
            Node::Inner { children, .. } => *at + 1 >= children.len(),
        })
    }

    /// Moves over the entry or node it stands before.
    pub fn skip(&mut self) {
        if let Some((_, at)) = self.stack.last_mut() {
            *at += 1;
        }
        self.ascend();
    }

    /// Reads the node it stands before and stands before its first part.
    pub fn enter(&mut self) -> Result<(), S::Error> {
        let Some(Head::Node { level, child }) = self.head() else { return Ok(()) };
        let node = self.source.tree(&child.node)?;
        check_level(&node, Some(level))?;
        let said = node.last() == Some(&child.last[..]) && node.totals() == child.totals;
        if !said {
            return Err(Error::Invalid("a tree node is not what its parent says").into());
        }
        self.stack.push((node, 0));
        self.ascend();
        Ok(())
    }

    /// The next entry, read from wherever it is; `None` at the end.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, S::Error> {
        loop {
            match self.head() {
                None => return Ok(None),
                Some(Head::Entry(entry)) => {
                    let entry = entry.clone();
                    self.skip();
                    return Ok(Some(entry));
                }
                Some(Head::Node { .. }) => self.enter()?,
            }
        }
    }

    /// Leaves nodes that are at their end, so that the head is what comes next.
    fn ascend(&mut self) {
        while let Some((node, at)) = self.stack.last() {
            let length = match &**node {
                Node::Leaf(entries) => entries.len(),
                Node::Inner { children, .. } => children.len(),
            };
            if *at < length {
                return;
            }
            self.stack.pop();
            if let Some((_, at)) = self.stack.last_mut() {
                *at += 1;
            }
        }
    }
}
