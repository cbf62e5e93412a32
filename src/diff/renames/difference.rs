//! Changes as they are shown: with a rename in place of a deletion and an addition, and with a
//! renamed directory in place of all its files.

use std::collections::BTreeMap;

use crate::diff::{Change, Status};
use crate::path::RepoPath;

use super::{Directories, EQUAL, Found};

/// Where a renamed or copied file was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Its old path.
    pub path: RepoPath,
    /// How similar both are, in hundredths of a percent; 10,000 if they are equal.
    pub score: u16,
    /// How one came from the other.
    pub how: How,
}

/// How a file came from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// It is gone under its old name.
    Renamed,
    /// It is still there under its old name, or went to a later one too.
    Copied,
    /// Nobody says that it did: two files were named to be compared.
    Named,
}

/// A change, or a deletion and an addition that are a rename.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What changed. Of a rename or copy: the new path, and what was at the old one.
    pub change: Change,
    /// Where it was, if elsewhere.
    pub origin: Option<Origin>,
}

impl Difference {
    /// The letter git shows for it.
    pub fn letter(&self) -> char {
        match &self.origin {
            Some(Origin { how: How::Copied, .. }) => 'C',
            Some(Origin { how: How::Renamed, .. }) => 'R',
            Some(Origin { how: How::Named, .. }) | None => self.change.status().letter(),
        }
    }

    /// The letter, and for a rename or copy how similar both are: `R092`.
    pub fn code(&self) -> String {
        match &self.origin {
            Some(origin) if origin.how != How::Named => {
                format!("{}{:03}", self.letter(), origin.score / 100)
            }
            _ => self.letter().to_string(),
        }
    }

    /// Where its old side is.
    pub fn old_path(&self) -> &RepoPath {
        self.origin.as_ref().map_or(&self.change.path, |origin| &origin.path)
    }
}

impl From<Change> for Difference {
    fn from(change: Change) -> Self {
        Self { change, origin: None }
    }
}

/// The changes with what was found among them, in the order of their new paths.
pub fn differences(changes: Vec<Change>, found: &Found) -> Vec<Difference> {
    let mut origins: BTreeMap<usize, (Option<crate::object::Entry>, Origin)> = BTreeMap::new();
    let mut is_renamed = vec![false; changes.len()];
    for pair in &found.pairs {
        let from = &changes[pair.from];
        let how = if pair.is_copy { How::Copied } else { How::Renamed };
        let origin = Origin { path: from.path.clone(), score: pair.score, how };
        origins.insert(pair.to, (from.old.clone(), origin));
        is_renamed[pair.from] |= from.status() == Status::Deleted;
    }
    let mut differences = Vec::with_capacity(changes.len());
    for (at, change) in changes.into_iter().enumerate() {
        match origins.remove(&at) {
            Some((old, origin)) => {
                let change = Change { old, ..change };
                differences.push(Difference { change, origin: Some(origin) });
            }
            None if is_renamed[at] => {}
            // Somebody may have added what did not change, to be copied from.
            None if change.old == change.new => {}
            None => differences.push(change.into()),
        }
    }
    differences
}

/// A directory that went elsewhere, with the files that went along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoldedDirectory {
    /// Where it was.
    pub from: RepoPath,
    /// Where it is.
    pub to: RepoPath,
    /// How many files went along under their names.
    pub files: usize,
    /// How many of them were changed on the way.
    pub edited: usize,
}

/// One line for a person's eyes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A change by itself: its place in the list.
    One(usize),
    /// The files of a renamed directory: that stands for all of them.
    Directory(FoldedDirectory),
}

/// Puts the files of a renamed directory on one line, where the first of them would be. What went
/// elsewhere, or got another name on the way, has a line of its own; so has a file that went alone.
pub fn fold(differences: &[Difference], directories: &Directories) -> Vec<Line> {
    let homes: Vec<Option<&RepoPath>> =
        differences.iter().map(|one| went_along(one, directories)).collect();
    let mut folded: BTreeMap<&RepoPath, FoldedDirectory> = BTreeMap::new();
    for (one, home) in differences.iter().zip(&homes) {
        let (Some(home), Some(origin)) = (home, &one.origin) else { continue };
        let to = directories.renamed[*home].0.clone();
        let from = (*home).clone();
        let line = folded.entry(home).or_insert(FoldedDirectory { from, to, files: 0, edited: 0 });
        line.files += 1;
        line.edited += usize::from(origin.score < EQUAL);
    }
    let mut lines = Vec::new();
    for (at, home) in homes.into_iter().enumerate() {
        match home.map(|home| (home, folded.get(home).map_or(0, |line| line.files))) {
            Some((home, 2..)) => lines.extend(folded.remove(home).map(Line::Directory)),
            // Its line has been written.
            Some((_, 0)) => {}
            _ => lines.push(Line::One(at)),
        }
    }
    lines
}

/// The outermost renamed directory that a file went along with.
fn went_along<'d>(one: &Difference, directories: &'d Directories) -> Option<&'d RepoPath> {
    let origin = one.origin.as_ref().filter(|origin| origin.how == How::Renamed)?;
    let mut directory = origin.path.clone();
    let mut home = None;
    while let Some((parent, _)) = directory.split() {
        if let Some((from, (to, _))) = directories.renamed.get_key_value(&parent)
            && to.join_path(&origin.path.as_bytes()[parent.as_bytes().len() + 1..])
                == one.change.path
        {
            home = Some(from);
        }
        directory = parent;
    }
    home
}
