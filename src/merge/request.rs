//! What is asked of a merge, and what it may use.

use crate::hash::Id;
use crate::object::{Sink, Source};
use crate::path::RepoPath;

/// Whose version is taken where both sides changed the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Favour {
    /// Nobody's: it is a conflict.
    #[default]
    Nobody,
    /// Ours.
    Ours,
    /// Theirs.
    Theirs,
    /// Lines of both, ours first. Of what is not text, nobody's.
    Union,
}

/// What a conflict in a text shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// Both sides, cut down to where they differ.
    #[default]
    Merge,
    /// Both sides and the base between them.
    Diff3,
}

/// Whether renames are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follow {
    /// Not at all: a renamed file is one deleted and one added.
    Nothing,
    /// Files that are at least so similar, in hundredths of a percent, but not directories.
    Files(u16),
    /// The same, and new files go along with the directory they are in.
    Directories(u16),
}

impl Default for Follow {
    fn default() -> Self {
        Self::Directories(5_000)
    }
}

/// What becomes of what cannot be decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unsettled {
    /// Markers in texts, one side's version of the rest: for a person to look at.
    #[default]
    Mark,
    /// Entries that hold all versions, and no names of sides: for a machine, or for later. What is
    /// not here is asked for only where that would not be a conflict.
    Keep,
}

/// What the sides are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels {
    /// The base.
    pub base: Vec<u8>,
    /// Our side.
    pub ours: Vec<u8>,
    /// Their side.
    pub theirs: Vec<u8>,
}

impl Default for Labels {
    fn default() -> Self {
        let [base, ours, theirs] = ["base", "ours", "theirs"].map(|label| label.as_bytes().into());
        Self { base, ours, theirs }
    }
}

/// How to merge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whose version is taken in a conflict.
    pub favour: Favour,
    /// What a conflict in a text shows.
    pub style: Style,
    /// How many characters a marker has.
    pub marker_size: usize,
    /// What the sides are called.
    pub labels: Labels,
    /// Whether renames are followed.
    pub follow: Follow,
    /// What becomes of conflicts.
    pub unsettled: Unsettled,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            favour: Favour::default(),
            style: Style::default(),
            marker_size: 7,
            labels: Labels::default(),
            follow: Follow::default(),
            unsettled: Unsettled::default(),
        }
    }
}

/// Three trees and how to merge them.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// What both were made from; `None` for unrelated ones.
    pub base: Option<Id>,
    /// Our tree.
    pub ours: Id,
    /// Their tree.
    pub theirs: Id,
    /// How.
    pub options: &'a Options,
    /// Programs that merge what lines cannot.
    pub driver: &'a dyn Driver,
}

/// Gives objects and the contents of files, and takes new ones.
pub trait Contents: Source + Sink<Error = <Self as Source>::Error> {
    /// A whole content of `size` bytes, chunk or manifest; `None` if it is not here.
    fn read(&self, size: u64, content: &Id) -> Result<Option<Vec<u8>>, <Self as Source>::Error>;

    /// Keeps a new content and tells its id: a chunk, or a manifest if it is too long for one.
    fn write(&mut self, bytes: &[u8]) -> Result<Id, <Self as Source>::Error>;
}

/// The three versions of a content. What is not there is empty.
#[derive(Clone, Copy, Debug)]
pub struct Versions<'a> {
    /// What both were made from.
    pub base: &'a [u8],
    /// Ours.
    pub ours: &'a [u8],
    /// Theirs.
    pub theirs: &'a [u8],
    /// What the sides are called.
    pub labels: [&'a [u8]; 3],
    /// How many characters a marker should have.
    pub marker_size: usize,
}

/// How a content that both sides changed is merged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Handling {
    /// Line by line if it is text.
    #[default]
    Usual,
    /// Line by line, whatever it looks like.
    Text,
    /// Not at all: two versions are a conflict.
    Binary,
    /// Line by line, with the lines of both sides in place of a conflict.
    Union,
    /// By [`Driver::merge`].
    Driven,
}

/// What a driver made of three versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Driven {
    /// The result.
    pub bytes: Vec<u8>,
    /// Whether it is without conflicts.
    pub is_clean: bool,
}

/// Decides how contents are merged, by their paths.
pub trait Driver {
    /// What is to be done with a content that both sides changed.
    fn choose(&self, path: &RepoPath) -> Handling;

    /// Merges a content. `None` if that failed: it is a conflict then, and whoever gave the driver
    /// knows why.
    fn merge(&self, path: &RepoPath, versions: &Versions<'_>) -> Option<Driven>;
}

/// Merges everything in the usual way.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoDriver;

impl Driver for NoDriver {
    fn choose(&self, _: &RepoPath) -> Handling {
        Handling::Usual
    }

    fn merge(&self, _: &RepoPath, _: &Versions<'_>) -> Option<Driven> {
        None
    }
}
