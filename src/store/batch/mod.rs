//! Batches: many objects on their way into packs.
//!
//! A batch deduplicates against the store and against itself, and notes which packs it relied on
//! where it left something out. Each thread puts objects through a [`Writer`] of its own, which
//! compresses frames without holding anybody up; full packs are synced in the background. Nothing
//! is visible until the batch is sealed and published. A long batch lists its packs as it goes
//! ([`Batch::list_session`]), so that what was done is not lost when it is interrupted.

mod known;
mod packs;
mod seal;
mod writer;

use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crate::disk::{self, Lock, Wait};
use crate::hash::{Id, Kind, hex};

use super::pack::Blocks;
use super::{Error, State, Store};

use known::Known;
use packs::{Finished, Open, SLOTS};

pub use seal::Sealed;
pub use writer::Writer;

/// Packs have at least so many bytes before they are sealed.
const PACK_BYTES: u64 = 64 << 20;
/// And at most so many.
const MOST_PACK_BYTES: u64 = 1 << 30;
/// A store has at most about so many large packs.
const PACKS_AIMED_AT: u64 = 16_384;
/// So often a folder of its own is made for a session: others may take it for that of a dead one.
const ATTEMPTS: usize = 64;

/// Objects on their way into packs of a store.
#[derive(Debug)]
pub struct Batch<'s> {
    store: &'s Store,
    session: String,
    lock: Option<Lock>,
    /// Nothing is kept: objects are only counted.
    is_rehearsal: bool,
    base: Arc<State>,
    pack_bytes: u64,
    known: Known,
    relied: Mutex<BTreeSet<String>>,
    open: [Mutex<Option<Open>>; SLOTS],
    closing: Mutex<Vec<JoinHandle<io::Result<Finished>>>>,
    finished: Mutex<Vec<Finished>>,
    /// Content ids of manifests that were put, with the manifests' ids.
    contents: Mutex<Vec<(Id, Id)>>,
    has_listed: Mutex<bool>,
    /// The store was empty, and this batch has listed nothing: there is no need to look.
    is_first: AtomicBool,
    /// It writes what is there once more, so nothing is left out for being there.
    is_rewriting: bool,
    /// What it has came in the order that compresses.
    is_arranged: AtomicBool,
    made: Mutex<Made>,
    blocks: Blocks,
}

/// What a batch has made so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Made {
    /// New objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The bytes they take in packs.
    pub stored: u64,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'s> Batch<'s> {
    /// Begins a batch on what the store holds now.
    pub fn begin(store: &'s Store) -> Result<Self, Error> {
        store.check_journal()?;
        let mut attempts = 0;
        loop {
            attempts += 1;
            let session = hex(&store.env.random.sixteen()[..8]);
            let folder = format!("tmp/{session}");
            match store.dir.make_dir(folder.as_bytes(), 0o777) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    disk::make_dirs(&*store.dir, folder.as_bytes())
                }
                made => made,
            }
            .map_err(Error::io("create", &folder))?;
            match store.dir.lock(format!("{folder}/lock").as_bytes(), Wait::No) {
                Ok(Some(lock)) => return Ok(Self::new(store, session, Some(lock))),
                // Without locks the folder is cleaned up by age, by gc.
                Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                    return Ok(Self::new(store, session, None));
                }
                // Whoever clears up after the dead came between the two.
                Ok(None) if attempts < ATTEMPTS => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound && attempts < ATTEMPTS => {}
                Ok(None) => {
                    return Err(Error::io("lock", &folder)(io::ErrorKind::WouldBlock.into()));
                }
                Err(error) => return Err(Error::io("lock", &folder)(error)),
            }
        }
    }

    /// Begins one that writes what is in some packs once more.
    pub(super) fn rewrite(store: &'s Store) -> Result<Self, Error> {
        let mut batch = Self::begin(store)?;
        batch.is_rewriting = true;
        Ok(batch)
    }

    /// Begins one that only tells what a batch would make. It writes nothing, so it can be had where
    /// nothing can be written, and it cannot be sealed.
    pub fn rehearse(store: &'s Store) -> Self {
        let mut batch = Self::new(store, String::new(), None);
        batch.is_rehearsal = true;
        batch
    }

    fn new(store: &'s Store, session: String, lock: Option<Lock>) -> Self {
        let base = store.state();
        let is_first = base.packs.is_empty();
        let total: u64 = base.packs.values().map(|pack| pack.bytes).sum();
        Self {
            store,
            session,
            lock,
            is_rehearsal: false,
            pack_bytes: (total / PACKS_AIMED_AT).clamp(PACK_BYTES, MOST_PACK_BYTES),
            base,
            known: Known::default(),
            relied: Mutex::default(),
            open: Default::default(),
            closing: Mutex::default(),
            finished: Mutex::default(),
            contents: Mutex::default(),
            has_listed: Mutex::new(false),
            is_first: AtomicBool::new(is_first),
            is_rewriting: false,
            is_arranged: AtomicBool::new(false),
            made: Mutex::default(),
            blocks: Blocks::default(),
        }
    }

    /// The store it writes to.
    pub fn store(&self) -> &'s Store {
        self.store
    }

    /// The state it was begun on.
    pub fn base(&self) -> &State {
        &self.base
    }

    /// Whether nothing of it is kept.
    pub fn is_rehearsal(&self) -> bool {
        self.is_rehearsal
    }

    /// Its session's name: the folder below `tmp/` that is its own.
    pub fn session(&self) -> &str {
        &self.session
    }

    /// A door for one thread.
    pub fn writer(&self) -> Writer<'_, 's> {
        Writer::new(self)
    }

    /// What was made so far.
    pub fn made(&self) -> Made {
        *locked(&self.made)
    }

    /// Whether the object need not be put: it is in the store or on its way. Relies on it.
    pub fn has(&self, kind: Kind, id: &Id) -> bool {
        if kind == Kind::Chunk && *id == Id::EMPTY {
            return true;
        }
        self.known.has(kind, id) || self.is_stored(kind, id)
    }

    /// Whether there was nothing in the store and nothing of this batch is listed. What others
    /// record at the same time may be stored once more.
    pub fn is_first(&self) -> bool {
        self.is_first.load(Ordering::Relaxed)
    }

    fn is_stored(&self, kind: Kind, id: &Id) -> bool {
        if self.is_first() || self.is_rewriting {
            return false;
        }
        let lookup = self.store.lookup();
        let Some(place) = lookup.find(&self.store.state(), kind, id) else { return false };
        let mut relied = locked(&self.relied);
        if !relied.contains(&*place.pack) {
            relied.insert(place.pack.to_string());
        }
        true
    }

    /// Whoever fills it has the whole order at hand.
    pub(super) fn note_arranged(&self) {
        self.is_arranged.store(true, Ordering::Relaxed);
    }

    /// Remembers which content a manifest is of.
    pub(super) fn remember_content(&self, content: Id, manifest: Id) {
        locked(&self.contents).push((content, manifest));
    }

    /// Claims an object for the caller; `false` if it is there or somebody else has claimed it.
    pub(super) fn claim(&self, kind: Kind, id: &Id) -> bool {
        !self.is_stored(kind, id) && self.known.add(kind, id)
    }
}

impl Drop for Batch<'_> {
    /// An abandoned batch takes its files with it; what it has listed stays.
    fn drop(&mut self) {
        if self.lock.is_some() {
            let _ = self.join_closing();
            for open in &self.open {
                locked(open).take();
            }
            if !*locked(&self.has_listed) {
                remove_folder(self.store, &format!("tmp/{}", self.session));
            }
        }
    }
}

/// Removes a session's folder. What cannot be removed is garbage that gc finds.
pub(super) fn remove_folder(store: &Store, folder: &str) {
    if let Ok(dir) = store.dir.dir(folder.as_bytes()) {
        for found in dir.list().unwrap_or_default() {
            let _ = dir.remove_file(&found.name);
        }
        let _ = store.dir.remove_dir(folder.as_bytes());
    }
}
