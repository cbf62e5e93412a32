//! The store: a journal and packs; refs and objects, and nothing else.
//!
//! Reading needs a [`State`] (what the journal says) and a [`Lookup`] (where objects are), both
//! kept for the life of a [`Store`] and brought up to date on demand. Writing goes through a
//! [`Batch`], which is sealed, and [`Store::publish`], which demands what was sealed: types hold
//! the order in which things become durable.
//!
//! Absent: any knowledge of working trees, and any deletion of objects. Packs that were merged
//! into another are the only files that are removed.

mod adopt;
mod arranged;
mod batch;
pub mod check;
mod consolidate;
mod contents;
mod error;
mod frames;
mod identity;
pub mod journal;
pub mod lookup;
mod lost;
pub mod pack;
mod publish;
mod read;
mod repack;
mod session;
mod sweep;

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::clock::Env;
use crate::codec;
use crate::disk::{self, DirRef};
use crate::hash::{Id, Kind};
use crate::object::{Manifest, Object};

use adopt::Adoption;
use frames::Frames;
use journal::{CHECKPOINT_EVERY, Journal};
use lookup::Indexed;

pub use arranged::{Age, Arranged, Length};
pub use batch::{Batch, Made, Sealed, Writer};
pub use contents::{read_content, read_small};
pub use error::Error;
pub use identity::Identity;
pub use journal::{Effect, Move, PackInfo, Record, Slot, State, Target};
pub use lookup::{Lookup, Place};
pub use lost::Lost;
pub use pack::{Class, Level, PackName};
pub use publish::{Publication, RefEdit};
pub use read::{Content, content_kind};
pub use repack::{Extent, Placed, Plan as RepackPlan, Rank, Repack, Rewritten};
pub use session::{Seen, SeenFile};

/// Folders below the store's directory that exist from the beginning.
const FOLDERS: [&str; 6] = ["journal", "packs", "lookup", "tmp", "lost-found", "quarantine"];
const STATE: &str = "lookup/state";
/// The cached state is written again when it is so many records behind.
const STATE_EVERY: u64 = 32;
/// So many lines of its own in the cached state are little: they may be written each time.
const LITTLE: usize = 256;

/// An open store.
#[derive(Debug)]
pub struct Store {
    dir: DirRef,
    env: Env,
    journal: Journal,
    identity: Mutex<Identity>,
    state: RwLock<Arc<State>>,
    lookup: RwLock<Arc<Lookup>>,
    frames: Frames,
    /// Packs that are there and not listed, once somebody had to look.
    unlisted: Mutex<Option<Arc<(State, Lookup)>>>,
    notices: Mutex<Vec<String>>,
    /// What is known to be lost of the journal.
    lost: Mutex<Option<Lost>>,
    /// How hard what is recorded is compressed.
    compression: Level,
    /// If it was opened at an older record, because the packs of newer ones did not come along: the
    /// number of the newest that was passed over; else 0.
    held: AtomicU64,
    /// What the first record of a copy has to say about packs.
    adoption: Mutex<Option<Adoption>>,
}

impl Store {
    /// Makes a store in this directory. What is there already stays, so an interrupted `create`
    /// is finished by another.
    pub fn create(dir: DirRef, env: Env) -> Result<Self, Error> {
        let journal = Journal::new(dir.clone());
        let is_new = |error: &Error| -> Result<bool, Error> {
            Ok(error.is_lost_format() && journal.highest()? == 0)
        };
        let read = Identity::read(&*dir);
        if let Err(error) = &read
            && is_new(error)?
            && journal.newest()?.is_some()
        {
            return Err(Error::JournalGone);
        }
        for folder in FOLDERS {
            disk::make_dirs(&*dir, folder.as_bytes()).map_err(Error::io("create", folder))?;
        }
        let identity = match read {
            Ok(identity) => identity,
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Identity::create(&*dir, &*env.random)?
            }
            // Torn by an interrupted creation: nothing was recorded yet.
            Err(Error::DamagedFormat) if journal.highest()? == 0 => {
                Identity::create(&*dir, &*env.random)?
            }
            Err(error) => return Err(error),
        };
        Self::open_as(dir, env, identity)
    }

    /// Opens the store in this directory.
    pub fn open(dir: DirRef, env: Env) -> Result<Self, Error> {
        let identity = match Identity::read(&*dir) {
            // A torn or lost `format` says nothing that the journal does not say too.
            Err(error) if error.is_lost_format() => {
                let state = Journal::new(dir.clone()).replay(None)?;
                if state.number == 0 {
                    return Err(error);
                }
                Identity { store: [0; 16], incarnation: state.incarnation, place: (0, 0) }
            }
            identity => identity?,
        };
        Self::open_as(dir, env, identity)
    }

    fn open_as(dir: DirRef, env: Env, identity: Identity) -> Result<Self, Error> {
        let journal = Journal::new(dir.clone());
        let known = disk::read_all(&*dir, STATE.as_bytes(), 1 << 30)
            .ok()
            .and_then(|bytes| journal.saved(&bytes));
        let saved = known.clone().unwrap_or_default();
        // Before the journal is read: what is noted was there then. If it cannot be read, that is
        // said when something is written; who reads can do without.
        let newest = journal.newest().unwrap_or(None);
        let newest = newest.filter(|newest| identity.may_be(newest.store));
        let state = journal.replay_beyond(known, newest.map_or(0, |newest| newest.number))?;
        if let Some(feature) = state.unreadable_feature() {
            return Err(Error::Feature(feature.to_owned()));
        }
        let store = Self {
            lookup: RwLock::new(Arc::new(Lookup::open(&*dir))),
            dir,
            env,
            journal,
            identity: Mutex::new(identity),
            notices: Mutex::new(state.damage.clone()),
            state: RwLock::new(Arc::new(state)),
            frames: Frames::default(),
            unlisted: Mutex::new(None),
            compression: Level::FIRST,
            held: AtomicU64::new(0),
            lost: Mutex::default(),
            adoption: Mutex::default(),
        };
        store.find_lost(newest.as_ref())?;
        store.fall_back_if_copied()?;
        store.cover()?;
        let state = store.state();
        // What this program does not understand must not be kept for one that does.
        let is_whole = state.damage.is_empty()
            && state.must_not_write.is_none()
            // What no record says is kept by nobody.
            && !store.is_held();
        if state.number >= saved.number + STATE_EVERY && is_whole {
            store.save_state(&saved, &state)?;
        }
        Ok(store)
    }

    /// Compresses what is recorded from now on so hard.
    pub fn set_compression(&mut self, level: Level) {
        self.compression = level;
    }

    /// What the journal says, as far as it was read.
    pub fn state(&self) -> Arc<State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where objects are.
    pub fn lookup(&self) -> Arc<Lookup> {
        self.lookup.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The directory it is in.
    pub fn dir(&self) -> &DirRef {
        &self.dir
    }

    /// Clock and random source.
    pub fn env(&self) -> &Env {
        &self.env
    }

    /// Its journal.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Which store this is.
    pub fn identity(&self) -> Identity {
        *self.identity.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a person should know about this store: damage that was met, in words.
    pub fn take_notices(&self) -> Vec<String> {
        std::mem::take(&mut self.notices.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn notice(&self, text: String) {
        self.notices.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    }

    fn is_held(&self) -> bool {
        self.held.load(Ordering::Relaxed) > 0
    }

    /// Reads what others have recorded since.
    pub fn refresh(&self) -> Result<Arc<State>, Error> {
        self.refresh_beyond(0)
    }

    /// The same, where a number is known that is or was taken.
    fn refresh_beyond(&self, taken: u64) -> Result<Arc<State>, Error> {
        // An incomplete copy stays at the record it was opened at, until it begins anew.
        if self.is_held() {
            return Ok(self.state());
        }
        let known = (*self.state()).clone();
        let number = known.number;
        let state = self.journal.replay_beyond(Some(known), taken)?;
        if state.number != number {
            *self.state.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(state);
            self.cover()?;
        }
        Ok(self.state())
    }

    /// Refs whose names begin so, sorted.
    pub fn refs(&self, prefix: &str) -> Vec<(String, Target)> {
        self.state()
            .refs
            .starting_at(prefix)
            .take_while(|(name, _)| name.starts_with(prefix))
            .map(|(name, target)| (name.clone(), target.clone()))
            .collect()
    }

    /// What a ref points to.
    pub fn target(&self, name: &str) -> Option<Target> {
        self.state().refs.get(name).cloned()
    }

    /// The object a ref leads to, through symbolic ones.
    pub fn resolve(&self, name: &str) -> Option<Id> {
        let state = self.state();
        let mut name = name;
        for _ in 0..8 {
            match state.refs.get(name)? {
                Target::Id(id) => return Some(*id),
                Target::Symbolic(next) => name = next,
            }
        }
        None
    }

    /// Takes packs that no run covers yet into the lookup.
    fn cover(&self) -> Result<(), Error> {
        let state = self.state();
        let mut lookup = (*self.lookup()).clone();
        let uncovered: Vec<String> =
            lookup.uncovered(&state).into_iter().map(str::to_owned).collect();
        if uncovered.is_empty() {
            return Ok(());
        }
        let mut gathered: Vec<Indexed> = Vec::new();
        let mut rows = 0;
        for name in uncovered {
            let Some(info) = state.packs.get(&name) else { continue };
            // A pack that is missing or damaged is met again when something in it is read.
            let Some(indexed) = self.index_pack(info)? else { continue };
            rows += indexed.table.objects.len();
            gathered.push(indexed);
            if rows > 1 << 20 {
                lookup.add(std::mem::take(&mut gathered));
                lookup.tidy(&state);
                rows = 0;
            }
        }
        lookup.add(gathered);
        lookup.tidy(&state);
        lookup.save(&self.dir, &*self.env.random);
        *self.lookup.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(lookup);
        Ok(())
    }

    /// Reads a pack's table, and the content ids of its manifests. `None` if it is not there or
    /// not sound.
    fn index_pack(&self, info: &PackInfo) -> Result<Option<Indexed>, Error> {
        let path = pack_path(info.class, &info.name);
        let file = match self.dir.open(path.as_bytes()) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io("open", &path)(error)),
        };
        let pack = match pack::read_table(file).map_err(Error::io("read", &path))? {
            Ok(pack) if pack.class == info.class && pack.hash == info.hash => pack,
            Ok(_) => {
                self.notice(format!("pack '{path}' is not the one the journal lists"));
                return Ok(None);
            }
            Err(damage) => {
                self.notice(format!("pack '{path}' is damaged: {damage}"));
                return Ok(None);
            }
        };
        let mut contents = Vec::new();
        let has_manifests =
            pack.table.objects.iter().any(|row| row.kind == Kind::Manifest.number());
        if has_manifests {
            let mut rows = pack.table.objects.iter();
            for (index, frame) in pack.frames() {
                let rows = rows.by_ref().take(pack.table.frames[index].objects as usize);
                let frame = frame.map_err(Error::io("read", &path))?;
                let mut offset = 0;
                for row in rows {
                    let end = offset + row.length as usize;
                    if row.kind == Kind::Manifest.number()
                        && let Ok(raw) = &frame
                        && let Ok(manifest) = Manifest::from_bytes(&raw[offset..end])
                    {
                        contents.push((manifest.content, row.id));
                    }
                    offset = end;
                }
            }
        }
        let (name, class) = (info.name.clone(), info.class);
        Ok(Some(Indexed { name, class, table: pack.table, contents }))
    }

    /// Writes the state beside the lookup, so that the next command reads only what came after:
    /// what changed since the newest checkpoint, and the runs that one stands on. If it would
    /// mostly say again what it says already, that is left until more has changed.
    fn save_state(&self, saved: &State, state: &State) -> Result<(), Error> {
        let mut state = state.clone();
        let newest = self.journal.checkpoint_numbers()?.pop().unwrap_or(0);
        if newest > state.base_number() && newest <= state.number {
            state = self.journal.replay_beyond(None, state.number)?;
        }
        let (before, now) = (saved.own_lines(), state.own_lines());
        let is_worth_it = state.runs != saved.runs
            || state.number >= saved.number + CHECKPOINT_EVERY
            || now <= LITTLE
            || now.abs_diff(before) >= now / 8;
        if !is_worth_it || !state.damage.is_empty() {
            return Ok(());
        }
        let text = state.to_text(&[]);
        let unique = self.env.random.four();
        // Derived: failing to save it costs time, not truth.
        let _ = disk::replace_derived(&*self.dir, STATE.as_bytes(), unique, text.as_bytes());
        Ok(())
    }

    /// The files below `packs/CLASS`, as paths.
    pub fn pack_files(&self, class: Class) -> Result<Vec<String>, Error> {
        let folder = format!("packs/{}", class.name());
        let list = |path: &str| match self.dir.dir(path.as_bytes()).and_then(|dir| dir.list()) {
            Ok(found) => Ok(found),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            // A file that somebody's file manager has left there.
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(Vec::new()),
            Err(error) => Err(Error::io("list", path)(error)),
        };
        let mut paths = Vec::new();
        for shard in list(&folder)? {
            let Ok(shard) = String::from_utf8(shard.name) else { continue };
            let path = format!("{folder}/{shard}");
            for found in list(&path)? {
                if let Ok(name) = String::from_utf8(found.name) {
                    paths.push(format!("{path}/{name}"));
                }
            }
        }
        Ok(paths)
    }
}

/// Where a pack is.
pub fn pack_path(class: Class, name: &str) -> String {
    format!("packs/{}/{}/{name}", class.name(), &name[..2])
}

impl From<codec::Error> for Error {
    fn from(error: codec::Error) -> Self {
        Self::Object(error)
    }
}

#[cfg(test)]
mod tests;
