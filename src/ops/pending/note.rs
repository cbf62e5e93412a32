//! The note: what is being done to the working tree, written down before it begins.
//!
//! `.annals/pending` is replaced as a whole and ends with a checksum (`docs/format.md` has its
//! bytes). One that is damaged says nothing and is removed. One of a version that is not known says
//! something to another program: it stays, and nothing is changed here until that has finished it.

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
const MAGIC: &[u8; 4] = b"PEND";
const VERSION: u8 = 1;
/// A note names at most all paths of a working tree.
const LARGEST: u64 = 16 << 30;

/// What is being done to the working tree.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Pending {
    /// Which command.
    pub verb: String,
    /// Who does it.
    pub actor: String,
    /// The boot under which it began.
    pub boot: Option<[u8; 16]>,
    /// The tree that was there.
    pub from: Option<Id>,
    /// The tree that shall be there.
    pub to: Option<Id>,
    /// Only these paths; all if there are none.
    pub paths: Vec<Vec<u8>>,
    /// Whether the index describes `to` afterwards, or `index` if there is one.
    pub adopts: bool,
    /// The tree the index describes; what `to` has besides is written and not tracked.
    pub index: Option<Id>,
    /// The commit the index describes afterwards.
    pub commit: Option<Id>,
    /// The refs that move when it is done.
    pub refs: Vec<PendingRef>,
    /// Paths that become as in `to` whatever stood there: what stood where nothing is to be, or
    /// something of another kind, is removed.
    pub overwritten: Vec<Overwritten>,
}

/// A path that becomes as it should be whatever stood there when the command began. What came to
/// stand there later is the user's.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Overwritten {
    /// Which.
    pub path: Vec<u8>,
    /// What stood there, if something that may be thrown away did.
    pub was: Option<Stamp>,
}

/// By what a file is known again without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Stamp {
    /// Its length; 0 of a directory.
    pub size: u64,
    /// When its content was changed; the beginning of time of a directory.
    pub mtime: Time,
    /// Not of a file with several names: it changes when another of them goes.
    pub ctime: Option<Time>,
    /// Its number.
    pub inode: u64,
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
pub struct PendingRef {
    /// Its full name.
    pub name: String,
    /// Where it is before, if it is.
    pub old: Option<PendingTarget>,
    /// Where it will be, if it will.
    pub new: Option<PendingTarget>,
    /// What its reflog says of it.
    pub reason: String,
}

/// Where a ref is.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum PendingTarget {
    /// At an object.
    Id(Id),
    /// Where another ref is.
    Symbolic(String),
}

/// Why a note says nothing here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// It is not what was written.
    Damaged,
    /// It is of another version, and sound.
    Version(u8),
}

impl Pending {
    /// The bytes of the note.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = [&MAGIC[..], &[VERSION], &codec::encode(self)].concat();
        bytes.extend_from_slice(&hash::checksum(&bytes).to_le_bytes());
        bytes
    }

    /// Reads a note.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Unknown> {
        let (above, checksum) = bytes.split_last_chunk::<8>().ok_or(Unknown::Damaged)?;
        // The same in every version: damage must not pass for a version, which would stop everything.
        if hash::checksum(above) != u64::from_le_bytes(*checksum) {
            return Err(Unknown::Damaged);
        }
        let body = match above.strip_prefix(MAGIC) {
            Some([VERSION, body @ ..]) => body,
            Some([version, ..]) => return Err(Unknown::Version(*version)),
            Some([]) => return Err(Unknown::Damaged),
            // The first programs wrote neither: such a note begins with the length of the verb, and
            // no verb is as long as a `P` would say.
            None => above,
        };
        codec::decode(body).map_err(|_| Unknown::Damaged)
    }
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
    let random = repo.env().random.four();
    disk::replace(&**repo.store().dir(), FILE.as_bytes(), random, &pending.to_bytes())
        .map_err(StoreError::io("write", FILE))?;
    Ok(())
}

pub(super) fn read_note(repo: &Repository) -> Result<Option<Pending>, Error> {
    let Some(bytes) = repo.store().read_file(FILE, LARGEST)? else { return Ok(None) };
    match Pending::from_bytes(&bytes) {
        Ok(pending) => Ok(Some(pending)),
        Err(Unknown::Version(version)) => Err(Error::PendingVersion(version)),
        Err(Unknown::Damaged) => {
            // Renamed into place complete, so this is damage. Nothing can be concluded from it;
            // every file is compared by content anyway.
            remove_note(repo)?;
            Ok(None)
        }
    }
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
