//! The note: what is being done to the working tree, written down before it begins.
//!
//! `.annals/pending` is replaced as a whole and ends with a checksum. One that is damaged says
//! nothing and is removed.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::super::Error;
use crate::clock::Time;
use crate::codec::{self, Decode, Encode, Validate};
use crate::disk::{self, Dir, DirRef, FileKind};
use crate::hash::{self, Id};
use crate::object::Entry;
use crate::path::RepoPath;
use crate::repo::{Repository, Working};
use crate::store::{Error as StoreError, RefEdit, Target};
use crate::worktree::{Obstacles, Step, Walker, is_of_repository};

pub(super) const FILE: &str = "pending";
/// A note names at most all paths of a working tree.
const LARGEST: u64 = 16 << 30;

/// What is being done to the working tree.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(in crate::ops) struct Pending {
    /// Which command.
    pub(in crate::ops) verb: String,
    /// Who does it.
    pub(in crate::ops) actor: String,
    /// The boot under which it began.
    pub(in crate::ops) boot: Option<[u8; 16]>,
    /// The tree that was there.
    pub(in crate::ops) from: Option<Id>,
    /// The tree that shall be there.
    pub(in crate::ops) to: Option<Id>,
    /// Only these paths; all if there are none.
    pub(in crate::ops) paths: Vec<Vec<u8>>,
    /// Whether the index describes `to` afterwards, or `index` if there is one.
    pub(in crate::ops) adopts: bool,
    /// The tree the index describes; what `to` has besides is written and not tracked.
    pub(in crate::ops) index: Option<Id>,
    /// The commit the index describes afterwards.
    pub(in crate::ops) commit: Option<Id>,
    /// The refs that move when it is done.
    pub(in crate::ops) refs: Vec<PendingRef>,
    /// Paths that become as in `to` whatever stood there: what stood where nothing is to be, or
    /// something of another kind, is removed.
    pub(in crate::ops) overwritten: Vec<Overwritten>,
}

/// A path that becomes as it should be whatever stood there when the command began. What came to
/// stand there later is the user's.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(in crate::ops) struct Overwritten {
    pub(super) path: Vec<u8>,
    pub(super) was: Option<Stamp>,
}

/// By what a file is known again without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) struct Stamp {
    size: u64,
    mtime: Time,
    /// Not of a file with several names: it changes when another of them goes.
    ctime: Option<Time>,
    inode: u64,
}

impl Stamp {
    fn of(stat: &disk::Stat) -> Self {
        if stat.kind == FileKind::Directory {
            // Its times change with what is in it, which is looked at by itself.
            return Self { size: 0, mtime: Time::default(), ctime: None, inode: stat.inode };
        }
        let ctime = (stat.links < 2).then_some(stat.ctime);
        Self { size: stat.size, mtime: stat.mtime, ctime, inode: stat.inode }
    }

    /// Whether this is what stands there. After a power failure a file may be back under its name
    /// that had been replaced already, which changed its change time.
    pub(super) fn is(&self, stat: &disk::Stat, same_boot: bool) -> bool {
        let now = Self::of(stat);
        let untouched = match (self.ctime, now.ctime) {
            (Some(was), Some(now)) => was == now,
            _ => true,
        };
        (untouched || !same_boot) && Self { ctime: None, ..now } == Self { ctime: None, ..*self }
    }
}

/// Whether whoever finishes the change can tell what was there before by a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ops) enum Before {
    /// What the steps' `old` says is known.
    Known,
    /// Nothing is known of it.
    Unknown,
}

/// What is to be thrown away.
pub(in crate::ops) struct Lost<'a> {
    /// Tracked paths that are not as they were recorded.
    pub(in crate::ops) changed: &'a BTreeSet<RepoPath>,
    /// What is done, sorted by path.
    pub(in crate::ops) steps: &'a [Step],
    /// Of which of the steps what stands in their place is thrown away.
    pub(in crate::ops) is_lost: &'a dyn Fn(&Step) -> bool,
    /// What of it a tree tells.
    pub(in crate::ops) before: Before,
    /// Whether a directory that stands where a file is to be goes with all that is in it.
    pub(in crate::ops) obstacles: Obstacles,
}

impl Lost<'_> {
    /// What stands now at these paths, where no tree tells. What cannot be looked at cannot be known
    /// again either, and then it stays.
    pub(in crate::ops) fn stamps(&self, working: &Working<'_>) -> Vec<Overwritten> {
        let mut walker = Walker::new(working.tree.root.clone());
        let mut all: BTreeMap<RepoPath, Option<Stamp>> = BTreeMap::new();
        for path in self.changed {
            let step = self.steps.binary_search_by(|step| step.path.cmp(path));
            let was = match (step, look(&mut walker, path)) {
                (Ok(at), Some((dir, stat))) => {
                    self.add_below(&self.steps[at], &*dir, &mut all);
                    gives_way(&self.steps[at], &stat).then(|| Stamp::of(&stat))
                }
                _ => None,
            };
            all.insert(path.clone(), was);
        }
        for step in self.steps {
            if !(self.is_lost)(step) || self.changed.contains(&step.path) {
                continue;
            }
            let is_told = step.old.is_some() && self.before == Before::Known;
            // Of the many files that only differ between two trees none need be looked at.
            if is_told && !(is_directory(&step.old) && wants_file(step)) {
                continue;
            }
            let Some((dir, stat)) = look(&mut walker, &step.path) else { continue };
            self.add_below(step, &*dir, &mut all);
            if !is_told && gives_way(step, &stat) {
                all.insert(step.path.clone(), Some(Stamp::of(&stat)));
            }
        }
        let one = |(path, was): (RepoPath, _)| Overwritten { path: path.as_bytes().to_vec(), was };
        all.into_iter().map(one).collect()
    }

    /// All that is in a directory that stands where a file is to be; nothing if a repository is in
    /// it, which is never removed.
    fn add_below(&self, step: &Step, dir: &dyn Dir, all: &mut BTreeMap<RepoPath, Option<Stamp>>) {
        let mut found = Vec::new();
        if wants_file(step)
            && self.obstacles == Obstacles::Remove
            && let Ok(dir) = dir.dir(step.path.name())
            && stamp_below(&*dir, &step.path, &mut found).is_ok_and(|is_all| is_all)
        {
            all.extend(found.into_iter().map(|(path, stamp)| (path, Some(stamp))));
        }
    }
}

fn is_directory(entry: &Option<Entry>) -> bool {
    entry.as_ref().is_some_and(Entry::is_directory)
}

fn wants_file(step: &Step) -> bool {
    step.new.is_some() && !is_directory(&step.new)
}

/// Whether what stands there goes with the step.
fn gives_way(step: &Step, stat: &disk::Stat) -> bool {
    let is_directory = stat.kind == FileKind::Directory;
    match (&step.old, &step.new) {
        // What is a directory stays one.
        (_, Some(new)) => !(new.is_directory() && is_directory),
        // What is of another kind is not what was to go.
        (Some(old), None) => old.is_directory() == is_directory,
        (None, None) => false,
    }
}

/// What stands at a path, and the directory it is in.
fn look(walker: &mut Walker, path: &RepoPath) -> Option<(DirRef, disk::Stat)> {
    let (parent, name) = path.split()?;
    let dir = walker.open(&parent).ok()?;
    let stat = dir.stat(name).ok()?;
    Some((dir, stat))
}

/// Finds all that is in a directory; false if a repository is.
fn stamp_below(
    dir: &dyn Dir,
    path: &RepoPath,
    found: &mut Vec<(RepoPath, Stamp)>,
) -> io::Result<bool> {
    for one in dir.list()? {
        if is_of_repository(&one.name) {
            return Ok(false);
        }
        let below = path.join(&one.name);
        let stat = dir.stat(&one.name)?;
        found.push((below.clone(), Stamp::of(&stat)));
        if stat.kind == FileKind::Directory && !stamp_below(&*dir.dir(&one.name)?, &below, found)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A ref that moves when it is done.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(in crate::ops) struct PendingRef {
    name: String,
    old: Option<PendingTarget>,
    new: Option<PendingTarget>,
    reason: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
enum PendingTarget {
    Id(Id),
    Symbolic(String),
}

impl Validate for Pending {
    fn validate(&self) -> Result<(), codec::Error> {
        let overwritten = self.overwritten.iter().map(|one| &one.path);
        for path in self.paths.iter().chain(overwritten) {
            RepoPath::new(path.clone())
                .map_err(|_| codec::Error::Invalid("a path is not one of a repository"))?;
        }
        Ok(())
    }
}

impl PendingRef {
    pub(super) fn of(edit: &RefEdit) -> Self {
        let target = |target: &Option<Target>| {
            target.as_ref().map(|target| match target {
                Target::Id(id) => PendingTarget::Id(*id),
                Target::Symbolic(name) => PendingTarget::Symbolic(name.clone()),
            })
        };
        Self {
            name: edit.name.clone(),
            old: target(&edit.old),
            new: target(&edit.new),
            reason: edit.reason.clone(),
        }
    }

    pub(super) fn edit(self) -> RefEdit {
        let target = |target: Option<PendingTarget>| {
            target.map(|target| match target {
                PendingTarget::Id(id) => Target::Id(id),
                PendingTarget::Symbolic(name) => Target::Symbolic(name),
            })
        };
        RefEdit {
            name: self.name,
            old: target(self.old),
            new: target(self.new),
            reason: self.reason,
        }
    }
}

/// Whether a change of the working tree is under way or was interrupted.
pub(in crate::ops) fn is_pending(repo: &Repository) -> bool {
    repo.store().dir().stat(FILE.as_bytes()).is_ok()
}

pub(super) fn write_note(repo: &Repository, pending: &Pending) -> Result<(), Error> {
    let mut bytes = codec::encode(pending);
    bytes.extend_from_slice(&hash::checksum(&bytes).to_le_bytes());
    let random = repo.env().random.four();
    disk::replace(&**repo.store().dir(), FILE.as_bytes(), random, &bytes)
        .map_err(StoreError::io("write", FILE))?;
    Ok(())
}

pub(super) fn read_note(repo: &Repository) -> Result<Option<Pending>, Error> {
    let Some(bytes) = repo.store().read_file(FILE, LARGEST)? else { return Ok(None) };
    let parsed = bytes.split_last_chunk::<8>().and_then(|(body, checksum)| {
        (hash::checksum(body) == u64::from_le_bytes(*checksum))
            .then(|| codec::decode::<Pending>(body).ok())
            .flatten()
    });
    if parsed.is_none() {
        // Renamed into place complete, so this is damage. Nothing can be concluded from it; every
        // file is compared by content anyway.
        remove_note(repo)?;
    }
    Ok(parsed)
}

pub(in crate::ops) fn remove_note(repo: &Repository) -> Result<(), Error> {
    let dir = repo.store().dir();
    let removed = match dir.remove_file(FILE.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    };
    // A note that came back after a power failure would undo what was done since.
    removed.and_then(|()| dir.sync()).map_err(StoreError::io("remove", FILE))?;
    Ok(())
}
