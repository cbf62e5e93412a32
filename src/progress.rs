//! Monitor: what the library tells whoever is watching.
//!
//! The library never prints. Long work announces a stage and how much there is of it, counts, and
//! reports what a person should know by name. Nothing here changes what is done.

use crate::path::RepoPath;

/// A part of the work that takes time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Looking for what changed.
    Scanning,
    /// Reading files into the store.
    Recording,
    /// Writing files of the working tree.
    Writing,
    /// Comparing trees.
    Comparing,
    /// Checking packs and objects.
    Checking,
    /// Reading a history of git.
    Importing,
    /// Writing a history for git.
    Exporting,
    /// Writing packs anew.
    Repacking,
    /// Rebuilding derived tables.
    Indexing,
}

/// Is told what happens. All calls are cheap and may come from several threads.
pub trait Monitor: Send + Sync {
    /// A stage begins; `files` and `bytes` say how much there is, if known.
    fn begin(&self, stage: Stage, files: Option<u64>, bytes: Option<u64>);
    /// So much more is done.
    fn advance(&self, files: u64, bytes: u64);
    /// This is being worked on.
    fn at(&self, path: &RepoPath);
    /// Something a person should know, though the work goes on.
    fn notice(&self, text: &str);
}

/// Watches nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Monitor for Silent {
    fn begin(&self, _: Stage, _: Option<u64>, _: Option<u64>) {}
    fn advance(&self, _: u64, _: u64) {}
    fn at(&self, _: &RepoPath) {}
    fn notice(&self, _: &str) {}
}
