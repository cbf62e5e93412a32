//! Entries: what stands under a name in a directory.

use crate::clock::Time;
use crate::codec::{Decode, Encode, Error, Validate};
use crate::hash::Id;
use crate::path;

use super::Totals;

/// What stands under a name.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum What {
    /// A file: its length and its content. Up to 16 KiB the content is a chunk, above a manifest;
    /// of length 0 it is [`Id::EMPTY`], which is never stored.
    File {
        /// Length in bytes.
        size: u64,
        /// Chunk or manifest.
        content: Id,
    },
    /// A symbolic link: the chunk that holds its target.
    Symlink {
        /// Length of the target in bytes, 1 to 16 KiB.
        size: u64,
        /// The chunk.
        target: Id,
    },
    /// A directory: the totals of everything below and its root node.
    Directory {
        /// Files, symbolic links, special files, conflicts and gitlinks at any depth.
        files: u64,
        /// Their sizes added up.
        bytes: u64,
        /// The root node of its tree.
        tree: Id,
    },
    /// A pipe or device; its attributes say which.
    Special,
    /// Several versions that nobody has chosen from yet: terms that add and terms that remove,
    /// each sorted. There is one more to add than to remove.
    Conflict {
        /// What the versions were made from.
        removes: Vec<Term>,
        /// The versions.
        adds: Vec<Term>,
    },
    /// A commit of another git repository: its 20 or 32 bytes.
    Gitlink {
        /// The git id.
        commit: Vec<u8>,
    },
}

/// One version in a conflict: without sides, names or times.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum Term {
    /// Nothing is there.
    Absent,
    /// A file.
    File {
        /// Permission bits.
        mode: u16,
        /// Length in bytes.
        size: u64,
        /// Chunk or manifest.
        content: Id,
        /// Its attributes object, if any.
        attributes: Option<Id>,
    },
    /// A symbolic link.
    Symlink {
        /// Length of the target.
        size: u64,
        /// The chunk that holds it.
        target: Id,
        /// Its attributes object, if any.
        attributes: Option<Id>,
    },
    /// A directory.
    Directory {
        /// Permission bits.
        mode: u16,
        /// Files below it.
        files: u64,
        /// Their bytes.
        bytes: u64,
        /// Its root node.
        tree: Id,
        /// Its attributes object, if any.
        attributes: Option<Id>,
    },
    /// A pipe or device; its attributes say which.
    Special {
        /// Permission bits.
        mode: u16,
        /// Its attributes object.
        attributes: Id,
    },
    /// A commit of another git repository.
    Gitlink {
        /// The git id.
        commit: Vec<u8>,
    },
}

/// What a directory says about one name.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Entry {
    /// The name: raw bytes, legal as [`path::check_name`] says.
    pub name: Vec<u8>,
    /// Permission bits, at most `0o7777`; 0 for symbolic links, conflicts and gitlinks.
    pub mode: u16,
    /// When its content was last changed, if known.
    pub mtime: Option<Time>,
    /// An attributes object, in the metadata profile `full`.
    pub attributes: Option<Id>,
    /// What it is.
    pub what: What,
}

impl Entry {
    /// Whether both are the same thing: times and names aside.
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.mode == other.mode && self.attributes == other.attributes && self.what == other.what
    }

    /// Whether this is a directory.
    pub fn is_directory(&self) -> bool {
        matches!(self.what, What::Directory { .. })
    }

    /// Whether its owner may execute it.
    pub fn is_executable(&self) -> bool {
        matches!(self.what, What::File { .. }) && self.mode & 0o100 != 0
    }

    /// The root node, if it is a directory.
    pub fn tree(&self) -> Option<Id> {
        match self.what {
            What::Directory { tree, .. } => Some(tree),
            _ => None,
        }
    }

    /// Length of a file or of a symbolic link's target, total of a directory.
    pub fn size(&self) -> u64 {
        self.totals().bytes
    }

    /// What it adds to the totals of its directory.
    pub fn totals(&self) -> Totals {
        let (files, bytes) = match &self.what {
            What::File { size, .. } | What::Symlink { size, .. } => (1, *size),
            What::Directory { files, bytes, .. } => (*files, *bytes),
            What::Special | What::Gitlink { .. } => (1, 0),
            What::Conflict { adds, .. } => (
                1,
                adds.iter().fold(0, |sum: u64, term| match term {
                    Term::File { size, .. } | Term::Symlink { size, .. } => {
                        sum.saturating_add(*size)
                    }
                    Term::Directory { bytes, .. } => sum.saturating_add(*bytes),
                    Term::Absent | Term::Special { .. } | Term::Gitlink { .. } => sum,
                }),
            ),
        };
        Totals { entries: 1, files, bytes }
    }
}

impl Validate for Entry {
    fn validate(&self) -> Result<(), Error> {
        path::check_name(&self.name)
            .map_err(|_| Error::Invalid("a tree contains a name that is not allowed"))?;
        if self.mode > 0o7777 {
            return Err(Error::Invalid("a mode has more than permission bits"));
        }
        if self.mtime.is_some_and(|mtime| mtime.nanoseconds >= 1_000_000_000) {
            return Err(Error::Invalid("a time has more than a second of nanoseconds"));
        }
        match &self.what {
            What::File { size, content } => check_content(*size, content),
            What::Symlink { size, target } => {
                if self.mode != 0 {
                    return Err(Error::Invalid("a symbolic link has a mode"));
                }
                check_target(*size, target)
            }
            What::Directory { .. } => Ok(()),
            What::Special if self.attributes.is_none() => {
                Err(Error::Invalid("a special file has no attributes"))
            }
            What::Special => Ok(()),
            What::Gitlink { commit } if self.mode == 0 => check_gitlink(commit),
            What::Gitlink { .. } => Err(Error::Invalid("a gitlink has a mode")),
            What::Conflict { removes, adds } => {
                let sorted = |terms: &[Term]| terms.is_sorted();
                // Whoever merges the same versions must get the same entry.
                if self.mtime.is_some() || self.attributes.is_some() {
                    return Err(Error::Invalid("a conflict has a time or attributes"));
                }
                if self.mode != 0 || adds.len() != removes.len() + 1 || adds.len() < 2 {
                    return Err(Error::Invalid("a conflict does not add up"));
                }
                if !sorted(removes) || !sorted(adds) {
                    return Err(Error::Invalid("a conflict is not sorted"));
                }
                if removes.iter().any(|term| adds.binary_search(term).is_ok()) {
                    return Err(Error::Invalid("terms of a conflict cancel"));
                }
                removes.iter().chain(adds).try_for_each(Validate::validate)
            }
        }
    }
}

impl Validate for Term {
    fn validate(&self) -> Result<(), Error> {
        match self {
            Self::Absent => Ok(()),
            Self::File { mode, size, content, .. } if *mode <= 0o7777 => {
                check_content(*size, content)
            }
            Self::Symlink { size, target, .. } => check_target(*size, target),
            Self::Directory { mode, .. } | Self::Special { mode, .. } if *mode <= 0o7777 => Ok(()),
            Self::Gitlink { commit } => check_gitlink(commit),
            _ => Err(Error::Invalid("a mode has more than permission bits")),
        }
    }
}

fn check_content(size: u64, content: &Id) -> Result<(), Error> {
    if (size == 0) == (*content == Id::EMPTY) {
        Ok(())
    } else {
        Err(Error::Invalid("a size and a content disagree about being empty"))
    }
}

fn check_target(size: u64, target: &Id) -> Result<(), Error> {
    if (1..=16 * 1024).contains(&size) && *target != Id::EMPTY {
        Ok(())
    } else {
        Err(Error::Invalid("a symbolic link has no proper target"))
    }
}

fn check_gitlink(commit: &[u8]) -> Result<(), Error> {
    match commit.len() {
        20 | 32 => Ok(()),
        _ => Err(Error::Invalid("a gitlink is not a git id")),
    }
}
