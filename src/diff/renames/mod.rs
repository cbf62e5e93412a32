//! Renames and copies: which added file is a deleted one under another name.
//!
//! Exact by content id first, then similar: files of more than 16 KiB by what their manifests say
//! (the sketch and the chunks they share), smaller ones by their lines, as git counts them. So the
//! answer is a function of the two trees, and of contents of at most 16 KiB; those that are not
//! here and might have decided are named, and nothing is guessed in their place. Whoever shows
//! renames to people may have more contents looked at ([`Look`]).
//!
//! Candidates come from an index of what they have in common, never from trying all against all:
//! there is no limit on how many files are compared. Memory follows the number of files that are
//! left over when equal contents are paired: at most some 10 KB for each, and the lines of at most
//! 256 MiB of them are kept at a time.
//!
//! A merge wants no figure but an answer: where manifests do not decide, it has texts of up to 1 MiB
//! counted ([`Look::Decide`]), and only of files on which its result depends ([`find_of`]). What has
//! to be counted follows from trees and manifests, so it is the same everywhere.

mod candidates;
mod closer;
mod difference;
mod directories;
mod exact;
mod lines;
mod similar;
#[cfg(test)]
mod tests;

use crate::hash::Id;
use crate::object::{Source, What};

use super::{Change, Status};

pub use difference::{Difference, FoldedDirectory, How, Line, Origin, differences, fold};
pub use directories::{Directories, directories};

/// The score of a pair with equal contents: a hundred percent, in hundredths of a percent.
pub const EQUAL: u16 = 10_000;

/// Scores are compared in sixty-thousandths, as git compares them.
const WHOLE: u32 = 60_000;

/// Which files an added one may be a copy of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Copies {
    /// None: only a deleted file has another name, and has one.
    #[default]
    None,
    /// Deleted and changed files.
    FromChanged,
    /// Any file: whoever asks adds what did not change to the changes, with equal sides.
    FromAll,
}

/// What becomes of files without content, which are all alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Empty {
    /// They are paired as any equal contents, as `git diff` does.
    #[default]
    Paired,
    /// They are never paired, as in git's merges.
    Left,
}

/// What a figure may be taken from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Look {
    /// What every repository has: manifests, and contents of at most 16 KiB.
    #[default]
    Recorded,
    /// Where that does not decide, larger contents too, if they are here and not too long. What is
    /// found then depends on what is here: for people's eyes, and nothing else.
    Closer,
    /// Where that does not decide, texts of at most 1 MiB, which have to be here: what is not is
    /// named, and all that might be another with it is left unpaired. For merges.
    Decide,
}

/// What counts as a rename.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RenameOptions {
    /// How similar two contents have to be, in hundredths of a percent. [`EQUAL`] asks for equal
    /// contents alone.
    pub threshold: u16,
    /// Whether copies are looked for.
    pub copies: Copies,
    /// Whether empty files are paired.
    pub empty: Empty,
    /// What is looked at.
    pub look: Look,
}

impl Default for RenameOptions {
    fn default() -> Self {
        Self { threshold: 5_000, copies: Copies::None, empty: Empty::Paired, look: Look::Recorded }
    }
}

impl RenameOptions {
    /// Whether two sizes leave room for the likeness that is asked for.
    pub fn fits(&self, a: u64, b: u64) -> bool {
        let (less, more) = (u128::from(a.min(b)), u128::from(a.max(b)));
        less * u128::from(EQUAL) >= more * u128::from(self.threshold)
    }

    /// The smallest size that leaves room for it.
    pub fn least_partner(&self, size: u64) -> u64 {
        (u128::from(size) * u128::from(self.threshold)).div_ceil(u128::from(EQUAL)) as u64
    }
}

/// Two changes that are one: the file of one is the file of the other, renamed or copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The change whose old side it was. Deleted, unless this is a copy.
    pub from: usize,
    /// The change whose new side it is.
    pub to: usize,
    /// How similar they are, in hundredths of a percent: 10,000 if and only if they are equal.
    pub score: u16,
    /// Whether the file is still there under its old name, or went to a later one too.
    pub is_copy: bool,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The pairs, in the order of their new sides: at most one for each.
    pub pairs: Vec<Pair>,
    /// Contents of at most 16 KiB that are not here and might have decided, sorted; manifests too,
    /// though only damage takes them away, and texts that are to decide. If there are any, the
    /// answer may be another with them.
    pub needs: Vec<Id>,
    /// The changes whose old sides are left unpaired because of that, if contents are to decide.
    pub undecided: Vec<usize>,
}

/// Finds renames and copies among the changes between two trees, which come in the order of a walk.
///
/// As in git: equal contents first, of those the one of the same name; then, unless copies are
/// looked for, files whose name is the only such on both sides, if they are similar enough; then
/// the most similar of all, and so on; of equally similar ones those of the same name, then those
/// that come first. A file that changed its type is no rename, nor is anything but a file similar.
pub fn find<S: Source>(
    source: &S,
    changes: &[Change],
    options: &RenameOptions,
) -> Result<Found, S::Error> {
    find_of(source, changes, options, |_| Ok(true))
}

/// The same, but of the deleted files without an equal new one only those are looked at that
/// `matter`.
pub fn find_of<S: Source>(
    source: &S,
    changes: &[Change],
    options: &RenameOptions,
    mut matter: impl FnMut(&Change) -> Result<bool, S::Error>,
) -> Result<Found, S::Error> {
    let mut work = Work::new(changes, *options);
    exact::pair(&mut work);
    let mut found = Found::default();
    if options.threshold < EQUAL {
        for old in work.old.iter_mut().filter(|old| old.uses == 0) {
            old.matters = matter(&changes[old.change])?;
        }
        found = similar::pair(source, &mut work)?;
    }
    found.pairs = work.pairs();
    Ok(found)
}

/// What is paired, and what has been paired.
struct Work<'c> {
    options: RenameOptions,
    old: Vec<Old<'c>>,
    new: Vec<New<'c>>,
}

/// A file that may have another name now.
struct Old<'c> {
    change: usize,
    name: &'c [u8],
    mode: u16,
    what: &'c What,
    /// Whether it is no longer under its old name.
    is_gone: bool,
    /// Whether anybody wants to know which new file it is like.
    matters: bool,
    /// How often it was paired.
    uses: usize,
}

/// A file that may have had another name.
struct New<'c> {
    change: usize,
    name: &'c [u8],
    mode: u16,
    what: &'c What,
    /// Which of the old ones it is, and how similar.
    found: Option<(usize, u32)>,
}

impl<'c> Work<'c> {
    fn new(changes: &'c [Change], options: RenameOptions) -> Self {
        let mut work = Self { options, old: Vec::new(), new: Vec::new() };
        for (change, of) in changes.iter().enumerate() {
            let name = of.path.name();
            let is_gone = of.new.is_none();
            if let Some(entry) = &of.old
                && work.may_pair(&entry.what)
                && (is_gone || options.copies != Copies::None && of.status() != Status::TypeChanged)
            {
                let (mode, what) = (entry.mode, &entry.what);
                work.old.push(Old { change, name, mode, what, is_gone, matters: true, uses: 0 });
            }
            if let (None, Some(entry)) = (&of.old, &of.new)
                && work.may_pair(&entry.what)
            {
                let (mode, what) = (entry.mode, &entry.what);
                work.new.push(New { change, name, mode, what, found: None });
            }
        }
        work
    }

    fn may_pair(&self, what: &What) -> bool {
        match what {
            What::File { size: 0, .. } => self.options.empty == Empty::Paired,
            What::File { .. } | What::Symlink { .. } | What::Gitlink { .. } => true,
            What::Directory { .. } | What::Special | What::Conflict { .. } => false,
        }
    }

    /// Whether a file that was paired may be paired again.
    fn allows_copies(&self) -> bool {
        self.options.copies != Copies::None
    }

    fn pair(&mut self, old: usize, new: usize, score: u32) {
        self.old[old].uses += 1;
        self.new[new].found = Some((old, score));
    }

    /// Of a deleted file that is under several names now, the last is its new one.
    fn pairs(&self) -> Vec<Pair> {
        let mut uses: Vec<usize> = self.old.iter().map(|old| old.uses).collect();
        let mut pairs = Vec::new();
        for new in &self.new {
            let Some((old, score)) = new.found else { continue };
            uses[old] -= 1;
            pairs.push(Pair {
                from: self.old[old].change,
                to: new.change,
                score: (score / (WHOLE / u32::from(EQUAL))) as u16,
                is_copy: !self.old[old].is_gone || uses[old] > 0,
            });
        }
        pairs
    }
}
