//! The note: what is being done to the working tree, written down before it begins.
//!
//! `.annals/pending` is replaced as a whole and ends with a checksum. One that is damaged says
//! nothing and is removed.

use std::io;

use super::super::Error;
use crate::clock::Time;
use crate::codec::{self, Decode, Encode, Validate};
use crate::disk::{self, FileKind};
use crate::hash::{self, Id};
use crate::path::RepoPath;
use crate::repo::Repository;
use crate::store::{Error as StoreError, RefEdit, Target};

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
    pub(super) fn of(stat: &disk::Stat) -> Self {
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
