//! What the index says of one path.

use super::stat::Seen;
use crate::clock::Time;
use crate::hash::Id;
use crate::object::{Entry, What};

/// Which commit an index describes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Base {
    /// The commit; `None` before the first one, and if the index is lost.
    pub commit: Option<Id>,
    /// Its root tree.
    pub tree: Option<Id>,
}

/// What stands at a path, as far as the index knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// A file with this content.
    File {
        /// Length in bytes.
        size: u64,
        /// Chunk or manifest.
        content: Id,
    },
    /// A symbolic link.
    Symlink {
        /// Length of the target.
        size: u64,
        /// The chunk that holds it.
        target: Id,
    },
    /// A directory; what is in it has entries of its own.
    Directory,
    /// A special file, a conflict or a gitlink.
    Other(What),
}

/// Whether a path's content is in the working tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It was brought here: if it is not there, somebody deleted it.
    Here,
    /// It is tracked and was never brought here, or was dropped.
    NotBrought,
    /// This file system cannot hold it.
    NotRepresentable,
}

/// One entry of the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tracked {
    /// Its name in its directory.
    pub name: Vec<u8>,
    /// Permission bits, as recorded in the tree.
    pub mode: u16,
    /// Modification time, as recorded in the tree.
    pub mtime: Option<Time>,
    /// Attributes object, as recorded in the tree.
    pub attributes: Option<Id>,
    /// What it is.
    pub what: Known,
    /// The file when its content was last known to be `what`; `None`: never looked at since.
    pub seen: Option<Seen>,
    /// Whether it is in the working tree.
    pub presence: Presence,
    /// Written by us and perhaps not durable yet: see [`super::Index::unsynced_boot`].
    pub unsynced: bool,
}

impl Tracked {
    /// What a tree says of a name: present, never looked at.
    pub fn of_entry(entry: &Entry) -> Self {
        Self {
            name: entry.name.clone(),
            mode: entry.mode,
            mtime: entry.mtime,
            attributes: entry.attributes,
            what: match &entry.what {
                What::File { size, content } => Known::File { size: *size, content: *content },
                What::Symlink { size, target } => Known::Symlink { size: *size, target: *target },
                What::Directory { .. } => Known::Directory,
                other => Known::Other(other.clone()),
            },
            seen: None,
            presence: Presence::Here,
            unsynced: false,
        }
    }

    /// The tree entry this stands for; `None` for a directory, whose node the index does not know.
    pub fn to_entry(&self) -> Option<Entry> {
        Some(Entry {
            name: self.name.clone(),
            mode: self.mode,
            mtime: self.mtime,
            attributes: self.attributes,
            what: match &self.what {
                Known::File { size, content } => What::File { size: *size, content: *content },
                Known::Symlink { size, target } => What::Symlink { size: *size, target: *target },
                Known::Directory => return None,
                Known::Other(other) => other.clone(),
            },
        })
    }
}
