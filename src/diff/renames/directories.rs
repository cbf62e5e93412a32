//! Renames of whole directories: where the files of a directory that is gone went.
//!
//! The rule is git's. A renamed file speaks for its directory, and for those above as long as the
//! names below are the same on both sides: `a/b/c/x` → `a/d/c/x` speaks for `a/b/c` → `a/d/c` and
//! for `a/b` → `a/d`, and for nothing above. A directory went where most of the files that speak
//! for it went; if two places have as many, it was split, and nothing follows it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::hash::Id;
use crate::object::tree::find as find_name;
use crate::object::{Node, Source};
use crate::path::RepoPath;

use super::{Change, Pair};

/// Where the directories went that are gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directories {
    /// The new place of each directory that has one, and how many files went there.
    pub renamed: BTreeMap<RepoPath, (RepoPath, u64)>,
    /// Directories whose files went to several places, and to none more than to the others.
    pub split: BTreeSet<RepoPath>,
}

impl Directories {
    /// Where a file belongs that the other side put at `path`, if a directory it is in was renamed.
    /// Of several such directories the innermost counts.
    pub fn follow(&self, path: &RepoPath) -> Option<RepoPath> {
        let mut directory = path.clone();
        while let Some((parent, _)) = directory.split() {
            if let Some((to, _)) = self.renamed.get(&parent) {
                return Some(to.join_path(&path.as_bytes()[parent.as_bytes().len() + 1..]));
            }
            directory = parent;
        }
        None
    }

    /// The innermost directory above `path` that was split, unless one further in was renamed.
    pub fn split_above(&self, path: &RepoPath) -> Option<RepoPath> {
        let mut directory = path.clone();
        while let Some((parent, _)) = directory.split() {
            if self.split.contains(&parent) {
                return Some(parent);
            }
            if self.renamed.contains_key(&parent) {
                return None;
            }
            directory = parent;
        }
        None
    }
}

/// Finds out where the directories went that are gone from the tree `new`, by the pairs that were
/// found among the changes that led to it. Copies say nothing.
pub fn directories<S: Source>(
    source: &S,
    new: Option<&Id>,
    changes: &[Change],
    pairs: &[Pair],
) -> Result<Directories, S::Error> {
    let mut gone = Gone { source, new: new.copied(), known: HashMap::new() };
    let mut counts: HashMap<RepoPath, BTreeMap<RepoPath, u64>> = HashMap::new();
    for pair in pairs.iter().filter(|pair| !pair.is_copy) {
        let (mut from, mut to) = (changes[pair.from].path.clone(), changes[pair.to].path.clone());
        let mut is_first = true;
        while let (Some((old, old_name)), Some((new, new_name))) = (from.split(), to.split()) {
            // A file may have another name; directories further up must not.
            if !is_first && old_name != new_name || !gone.is_gone(&old)? {
                break;
            }
            *counts.entry(old.clone()).or_default().entry(new.clone()).or_default() += 1;
            (from, to, is_first) = (old, new, false);
        }
    }
    let mut found = Directories::default();
    for (old, places) in counts {
        let most = places.values().copied().max().unwrap_or(0);
        let mut best = places.into_iter().filter(|(_, files)| *files == most);
        match (best.next(), best.next()) {
            (Some(place), None) => drop(found.renamed.insert(old, place)),
            _ => drop(found.split.insert(old)),
        }
    }
    Ok(found)
}

/// Remembers which directories a tree has.
struct Gone<'s, S> {
    source: &'s S,
    new: Option<Id>,
    /// The root node of each directory that was asked for and is there.
    known: HashMap<RepoPath, Option<Id>>,
}

impl<S: Source> Gone<'_, S> {
    fn is_gone(&mut self, directory: &RepoPath) -> Result<bool, S::Error> {
        Ok(!directory.is_root() && self.tree(directory)?.is_none())
    }

    fn tree(&mut self, directory: &RepoPath) -> Result<Option<Id>, S::Error> {
        let Some((parent, name)) = directory.split() else { return Ok(self.new) };
        if let Some(known) = self.known.get(directory) {
            return Ok(*known);
        }
        let found = match self.tree(&parent)? {
            Some(tree) if tree != Node::empty_id() => find_name(self.source, &tree, name)?,
            _ => None,
        };
        let tree = found.and_then(|entry| entry.tree());
        self.known.insert(directory.clone(), tree);
        Ok(tree)
    }
}
