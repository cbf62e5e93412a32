//! What a scan finds, and who is told.

use std::io;

use crate::disk::{DirRef, Stat};
use crate::index::{Listed, Tracked};
use crate::path::{NameError, RepoPath};

/// How a thing differs from what the index says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is not tracked.
    Added,
    /// It was here and is gone.
    Deleted,
    /// It is another kind of thing. What was in a directory before is told of as deleted besides.
    TypeChanged,
    /// It is no directory, and a directory is tracked of which not everything was here, or not
    /// everything is asked about: recording it would delete what nobody deleted.
    InTheWay,
    /// Its content is another: the size says so.
    Modified,
    /// Its content may have changed: only reading tells.
    Unsure,
    /// Its content is the same; its permission bits are not.
    ModeOnly,
    /// It did not change: a conflict is recorded here that nobody has decided on, and what was
    /// written for it stands there as it was, or nothing was. Told of so that it can be shown.
    Undecided,
}

/// One thing that is or may be different. Directories on disk are told of apart.
#[derive(Clone, Debug)]
pub struct Change {
    /// Its name in its directory.
    pub name: Vec<u8>,
    /// How it differs.
    pub kind: ChangeKind,
    /// What is there; `None` if nothing is, and for untracked files of which only the directory
    /// was asked (see [`Request::spare`](super::Request::spare)).
    pub stat: Option<Stat>,
    /// What the index says. A directory that is gone is told of as well as all that was in it.
    pub tracked: Option<Tracked>,
}

/// A directory on disk.
#[derive(Clone, Debug)]
pub struct Subdirectory {
    /// Its name in its directory.
    pub name: Vec<u8>,
    /// What the file system says of it.
    pub stat: Stat,
    /// What the index says.
    pub tracked: Option<Tracked>,
    /// Whether it will be looked into.
    pub descend: bool,
    /// Whether it is asked about itself, or only what may be in it.
    pub is_meant: bool,
}

/// What was found in one directory.
pub struct DirectoryFound<'a> {
    /// The directory; `None` if it is not there. Then nothing in it is, and all changes are
    /// deletions.
    pub dir: Option<&'a DirRef>,
    /// Its path.
    pub path: &'a RepoPath,
    /// Whether only some names in it were asked about.
    pub partial: bool,
    /// What differs, sorted by name.
    pub changes: Vec<Change>,
    /// Directories, sorted by name.
    pub directories: Vec<Subdirectory>,
    /// Rows that are out of date although nothing changed, as they should be. Not complete if
    /// there are very many.
    pub refreshed: Vec<(Vec<u8>, Tracked)>,
    /// The directory as it was listed, if it is worth being kept.
    pub listed: Option<Listed>,
    /// Ignored names, if asked for; directories end in `/`.
    pub ignored: Vec<Vec<u8>>,
}

impl<'a> DirectoryFound<'a> {
    pub(super) fn nothing(dir: Option<&'a DirRef>, path: &'a RepoPath, partial: bool) -> Self {
        Self {
            dir,
            path,
            partial,
            changes: Vec::new(),
            directories: Vec::new(),
            refreshed: Vec::new(),
            listed: None,
            ignored: Vec::new(),
        }
    }

    pub(super) fn sort(&mut self) {
        self.changes.sort_by(|a, b| a.name.cmp(&b.name));
        self.directories.sort_by(|a, b| a.name.cmp(&b.name));
    }
}

/// Is told what a scan finds, by several threads: each directory once, before those in it.
pub trait Visitor: Sync {
    /// A directory was looked at.
    fn directory(&self, found: DirectoryFound<'_>);

    /// A directory that was announced cannot be looked at. The summary names it, with the reason.
    fn unreadable(&self, _path: &RepoPath) {}
}

/// What a scan met besides.
#[derive(Debug, Default)]
pub struct Summary {
    /// Directories and files that could not be looked at. Nothing is known of them or of anything
    /// below.
    pub unreadable: Vec<(RepoPath, io::Error)>,
    /// Names that may not stand in a tree, as they are shown, with the rule they break.
    pub refused: Vec<(String, NameError)>,
    /// Pipes, sockets and devices that are not tracked.
    pub special: Vec<RepoPath>,
    /// Repositories within.
    pub nested: Vec<RepoPath>,
    /// What is tracked and not there because this file system cannot hold it, without what is in
    /// directories among them.
    pub not_representable: Vec<RepoPath>,
    /// Lines of rule files that are no rules, with the file they stand in.
    pub bad_rules: Vec<(RepoPath, String)>,
    /// Names looked at.
    pub files: u64,
    /// Directories looked at.
    pub directories: u64,
}

impl Summary {
    pub(super) fn take(&mut self, mut other: Self) {
        self.unreadable.append(&mut other.unreadable);
        self.refused.append(&mut other.refused);
        self.special.append(&mut other.special);
        self.nested.append(&mut other.nested);
        self.not_representable.append(&mut other.not_representable);
        self.bad_rules.append(&mut other.bad_rules);
        self.files += other.files;
        self.directories += other.directories;
    }

    pub(super) fn sort(&mut self) {
        self.unreadable.sort_by(|a, b| a.0.cmp(&b.0));
        self.refused.sort_by(|a, b| a.0.cmp(&b.0));
        self.special.sort_unstable();
        self.nested.sort_unstable();
        self.nested.dedup();
        self.not_representable.sort_unstable();
        self.bad_rules.sort_unstable();
        self.bad_rules.dedup();
    }
}
