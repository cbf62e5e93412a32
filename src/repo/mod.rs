//! A repository: a store, plus settings, plus (unless it is bare) a working tree.
//!
//! Opens and creates repositories and hands out their rooms; decides nothing. Which ref is HEAD,
//! which are staged, and where a working tree's state lies is settled here, so that nobody else
//! spells those names.

mod discover;
mod names;
mod working;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use thiserror::Error as ThisError;

use crate::clock::Env;
use crate::disk::{self, DirRef, Disk};
use crate::hash::{Id, hex, unhex};
use crate::object::{Commit, Signature, Source};
use crate::path::RepoPath;
use crate::store::{self, Level, Store, Target};

pub use discover::{Found, discover};
pub use working::{Rules, Working, find_entry};

/// The branch of a new repository.
pub const DEFAULT_BRANCH: &str = "main";

/// Why a repository cannot be opened or made.
#[derive(Debug, ThisError)]
pub enum Error {
    /// There is none at or above this directory.
    #[error("'{0}' is not in an Annals repository")]
    NotFound(PathBuf),
    /// The file system failed.
    #[error("cannot {action} '{path}': {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// What the file system said.
        source: std::io::Error,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The index failed.
    #[error(transparent)]
    Index(crate::index::Error),
    /// The index has to be made anew, and that is not possible here or now.
    #[error("the index has to be made anew and cannot be written")]
    IndexBusy,
    /// The command needs a working tree.
    #[error("this is a bare repository: it has no working tree")]
    Bare,
    /// HEAD is on a branch that does not exist yet.
    #[error("there are no commits yet on '{0}'")]
    Unborn(String),
}

/// Somebody who does something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// A name.
    pub name: String,
    /// An e-mail address, or what stands for one.
    pub email: String,
}

impl Person {
    /// As it stands in the journal.
    pub fn to_actor(&self) -> String {
        format!("{} <{}>", self.name, self.email)
    }

    /// The signature of this person at this time. Characters that would end a name early are left
    /// out.
    pub fn sign(&self, seconds: i64, zone_minutes: i16) -> Signature {
        let clean = |text: &str| -> Vec<u8> {
            let kept = text.chars().filter(|c| !matches!(c, '<' | '>' | '\n' | '\0'));
            kept.collect::<String>().trim().as_bytes().to_vec()
        };
        Signature { name: clean(&self.name), email: clean(&self.email), seconds, zone_minutes }
    }
}

/// The working tree of a repository.
#[derive(Clone, Debug)]
pub struct Worktree {
    /// Its root.
    pub root: DirRef,
    /// Where the root is.
    pub path: PathBuf,
    /// Its id: it owns the refs below `refs/worktree/ID/`.
    pub id: [u8; 16],
}

/// Where HEAD is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Head {
    /// On a branch, by full name; without a commit if there is none yet.
    Branch {
        /// The full name of the branch.
        name: String,
        /// Its commit.
        commit: Option<Id>,
    },
    /// On a commit, by itself.
    Detached(Id),
}

impl Head {
    /// The commit, if there is one.
    pub fn commit(&self) -> Option<Id> {
        match self {
            Self::Branch { commit, .. } => *commit,
            Self::Detached(id) => Some(*id),
        }
    }
}

/// An open repository.
#[derive(Debug)]
pub struct Repository {
    store: Store,
    disk: Arc<dyn Disk>,
    state_path: PathBuf,
    worktree: Option<Worktree>,
    here: RepoPath,
    /// Where the index is if it had to be made anew and could not be written to its place.
    index_aside: OnceLock<DirRef>,
}

impl Repository {
    /// Opens the repository that `start` is in.
    pub fn open(disk: Arc<dyn Disk>, start: &Path, env: Env) -> Result<Self, Error> {
        let found = discover(&*disk, start)?;
        let failed = |action, path: &Path| {
            let path = path.to_owned();
            move |source| Error::Io { action, path, source }
        };
        let state = disk.open(&found.state).map_err(failed("open", &found.state))?;
        let store = Store::open(state.clone(), env)?;
        let worktree = match found.worktree {
            None => None,
            Some(path) => {
                let root = disk.open(&path).map_err(failed("open", &path))?;
                let id = worktree_id(&store)?;
                Some(Worktree { root, path, id })
            }
        };
        let (state_path, here) = (found.state, found.here);
        Ok(Self { store, disk, state_path, worktree, here, index_aside: OnceLock::new() })
    }

    /// Makes a repository in this directory, in place; or finishes one whose making was
    /// interrupted. Returns it with whether it was there before.
    pub fn create(
        disk: Arc<dyn Disk>,
        path: &Path,
        env: Env,
        bare: bool,
    ) -> Result<(Self, bool), Error> {
        let failed = |action, path: &Path| {
            let path = path.to_owned();
            move |source| Error::Io { action, path, source }
        };
        let root = disk.create(path).map_err(failed("create", path))?;
        let path = disk.canonical(path).map_err(failed("open", path))?;
        let state_path = if bare { path.clone() } else { path.join(".annals") };
        let state = disk.create(&state_path).map_err(failed("create", &state_path))?;
        let existed = state.stat(b"format").is_ok();
        let store = Store::create(state, env)?;
        let worktree = if bare {
            None
        } else {
            let id = match store.read_file(WORKTREE_FILE, 4096)?.and_then(parse_worktree_id) {
                Some(_) => worktree_id(&store)?,
                None => make_worktree_id(&store).map_err(failed("write", &state_path))?,
            };
            Some(Worktree { root, path, id })
        };
        let (here, index_aside) = (RepoPath::root(), OnceLock::new());
        Ok((Self { store, disk, state_path, worktree, here, index_aside }, existed))
    }

    /// Compresses what is recorded from now on so hard.
    pub fn set_compression(&mut self, level: Level) {
        self.store.set_compression(level);
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The disk it is on.
    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// Clock and random source.
    pub fn env(&self) -> &Env {
        self.store.env()
    }

    /// The directory that holds its state: `.annals`, or the repository itself if it is bare.
    pub fn state_path(&self) -> &Path {
        &self.state_path
    }

    /// Its working tree.
    pub fn worktree(&self) -> Result<&Worktree, Error> {
        self.worktree.as_ref().ok_or(Error::Bare)
    }

    /// Whether it has no working tree.
    pub fn is_bare(&self) -> bool {
        self.worktree.is_none()
    }

    /// Where in the working tree it was opened from: relative paths count from there.
    pub fn here(&self) -> &RepoPath {
        &self.here
    }

    /// The full name of a ref of this working tree, such as `HEAD` or `staged`.
    pub fn own_ref(&self, name: &str) -> String {
        match &self.worktree {
            Some(worktree) => format!("refs/worktree/{}/{name}", hex(&worktree.id)),
            None => name.to_owned(),
        }
    }

    /// The full name of its HEAD.
    pub fn head_name(&self) -> String {
        self.own_ref("HEAD")
    }

    /// Where HEAD is.
    pub fn head(&self) -> Head {
        let name = self.head_name();
        match self.store.target(&name) {
            Some(Target::Id(id)) => Head::Detached(id),
            Some(Target::Symbolic(name)) => {
                Head::Branch { commit: self.store.resolve(&name), name }
            }
            None => {
                let name = format!("refs/heads/{DEFAULT_BRANCH}");
                Head::Branch { commit: self.store.resolve(&name), name }
            }
        }
    }

    /// The commit HEAD is on; an error if there is none yet.
    pub fn head_commit(&self) -> Result<Id, Error> {
        match self.head() {
            Head::Detached(id) | Head::Branch { commit: Some(id), .. } => Ok(id),
            Head::Branch { name, .. } => {
                Err(Error::Unborn(name.trim_start_matches("refs/heads/").to_owned()))
            }
        }
    }

    /// The tree of the commit HEAD is on; `None` if there is none yet.
    pub fn head_tree(&self) -> Result<Option<Id>, Error> {
        match self.head().commit() {
            Some(id) => Ok(Some(self.store.object::<Commit>(&id)?.tree)),
            None => Ok(None),
        }
    }

    /// The tree that is staged and the tree it was staged on, if something is.
    pub fn staged(&self) -> Option<Staged> {
        let id = |name: &str| match self.store.target(&self.own_ref(name)) {
            Some(Target::Id(id)) => Some(id),
            _ => None,
        };
        Some(Staged { tree: id("staged")?, base: id("staged-base")? })
    }
}

/// What `add` has staged: the whole tree, and the tree it differs from by what was staged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Staged {
    /// The tree with what was staged.
    pub tree: Id,
    /// The tree without.
    pub base: Id,
}

/// Where the id of the main working tree is.
const WORKTREE_FILE: &str = "worktree";

fn parse_worktree_id(bytes: Vec<u8>) -> Option<[u8; 16]> {
    unhex(std::str::from_utf8(&bytes).ok()?.trim_end())
}

/// The id of the main working tree: the one in its file, if the journal knows it too. A file that
/// is lost or damaged is made up for by the journal, which knows whose HEAD there is; where neither
/// knows one, the making of the repository was interrupted, and is finished here.
fn worktree_id(store: &Store) -> Result<[u8; 16], Error> {
    let in_file = store.read_file(WORKTREE_FILE, 4096)?.and_then(parse_worktree_id);
    let refs = store.refs("refs/worktree/");
    let known: Vec<[u8; 16]> = refs
        .iter()
        .filter_map(|(name, _)| unhex(name.strip_prefix("refs/worktree/")?.strip_suffix("/HEAD")?))
        .collect();
    match (in_file, known.first()) {
        (Some(id), None) => Ok(id),
        (Some(id), Some(_)) if known.contains(&id) => Ok(id),
        (_, Some(id)) => Ok(*id),
        (None, None) => make_worktree_id(store).or(Ok([0; 16])),
    }
}

fn make_worktree_id(store: &Store) -> std::io::Result<[u8; 16]> {
    let id = store.env().random.sixteen();
    let text = format!("{}\n", hex(&id));
    let random = store.env().random.four();
    disk::replace(&**store.dir(), WORKTREE_FILE.as_bytes(), random, text.as_bytes())?;
    Ok(id)
}
