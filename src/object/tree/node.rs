//! Nodes: the pages of a directory's balanced tree.

use std::sync::LazyLock;

use crate::codec::{Decode, Encode, Error, Validate};
use crate::hash::{Id, Kind};
use crate::object::{Object, boundary};

use super::Entry;

/// What lies below something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Totals {
    /// Entries of this directory itself.
    pub entries: u64,
    /// Everything at any depth that is not a directory.
    pub files: u64,
    /// The sizes of those added up.
    pub bytes: u64,
}

impl Totals {
    /// Both together; `None` if that does not fit.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        Some(Self {
            entries: self.entries.checked_add(other.entries)?,
            files: self.files.checked_add(other.files)?,
            bytes: self.bytes.checked_add(other.bytes)?,
        })
    }
}

/// What an inner node says about one node below it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Child {
    /// The last name in it: its key.
    pub last: Vec<u8>,
    /// The node.
    pub node: Id,
    /// What lies below it.
    pub totals: Totals,
}

/// A node of a directory's tree.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Node {
    /// Level 0: entries, sorted by name.
    Leaf(Vec<Entry>),
    /// A higher level: the nodes below, in order.
    Inner {
        /// 1 for the parents of leaves, and so on.
        level: u8,
        /// The nodes below.
        children: Vec<Child>,
    },
}

impl Node {
    /// The id of the empty directory.
    pub fn empty_id() -> Id {
        static EMPTY: LazyLock<Id> = LazyLock::new(|| Node::Leaf(Vec::new()).id());
        *EMPTY
    }

    /// Its level: 0 for leaves.
    pub fn level(&self) -> u8 {
        match self {
            Self::Leaf(_) => 0,
            Self::Inner { level, .. } => *level,
        }
    }

    /// What lies below it.
    pub fn totals(&self) -> Totals {
        self.checked_totals().unwrap_or_default()
    }

    /// The last name in it; `None` for an empty directory.
    pub fn last(&self) -> Option<&[u8]> {
        match self {
            Self::Leaf(entries) => entries.last().map(|entry| &entry.name[..]),
            Self::Inner { children, .. } => children.last().map(|child| &child.last[..]),
        }
    }

    /// Whether it may stand where it does: `ends_level` if it is the last of its level.
    pub fn is_lawful(&self, ends_level: bool) -> bool {
        match self {
            Self::Leaf(entries) => {
                boundary::is_lawful(entries.iter().map(|entry| &entry.name[..]), 0, ends_level)
            }
            Self::Inner { level, children } => {
                let keys = children.iter().map(|child| &child.last[..]);
                boundary::is_lawful(keys, *level, ends_level)
            }
        }
    }

    fn checked_totals(&self) -> Option<Totals> {
        let zero = Totals::default();
        match self {
            Self::Leaf(entries) => {
                entries.iter().try_fold(zero, |sum, entry| sum.checked_add(entry.totals()))
            }
            Self::Inner { children, .. } => {
                children.iter().try_fold(zero, |sum, child| sum.checked_add(child.totals))
            }
        }
    }
}

impl Validate for Node {
    fn validate(&self) -> Result<(), Error> {
        match self {
            Self::Leaf(entries) => {
                entries.iter().try_for_each(Validate::validate)?;
                if !entries.is_sorted_by(|a, b| a.name < b.name) {
                    return Err(Error::Invalid("a tree is not sorted"));
                }
            }
            Self::Inner { level, children } => {
                if *level == 0 || *level >= boundary::LEVELS || children.is_empty() {
                    return Err(Error::Invalid("a tree has an impossible inner node"));
                }
                if !children.is_sorted_by(|a, b| a.last < b.last) {
                    return Err(Error::Invalid("a tree is not sorted"));
                }
            }
        }
        if !self.is_lawful(true) {
            return Err(Error::Invalid("a tree node should have ended earlier"));
        }
        self.checked_totals().map(|_| ()).ok_or(Error::Invalid("the totals of a tree overflow"))
    }
}

impl Object for Node {
    const KIND: Kind = Kind::Tree;
}
