//! Batches: many objects on their way into packs.
//!
//! A batch deduplicates against the store and against itself, and notes which packs it relied on
//! where it left something out. Each thread puts objects through a [`Writer`] of its own, which
//! compresses frames without holding anybody up; full packs are synced in the background. Nothing
//! is visible until the batch is sealed and published. A long batch lists its packs as it goes
//! ([`Batch::list_session`]), so that what was done is not lost when it is interrupted.

use std::collections::{BTreeSet, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crate::disk::{self, Lock, Wait};
use crate::hash::{Id, Kind, hex};
use crate::object::{Manifest, Object, Sink, Table};

use super::lookup::Indexed;
use super::pack::{Blocks, Frame, FrameBuilder, Level, PackWriter, Written, frame};
use super::{Class, Effect, Error, PackInfo, Publication, State, Store, pack_path};

/// A frame of content is finished when it has so many bytes.
const FRAME_BYTES: usize = 1 << 20;
/// A frame of metadata: smaller, because a few nodes of it are read at a time.
const META_FRAME_BYTES: usize = 64 << 10;
/// Chunks of at least so many bytes stand alone if they do not compress.
const ALONE_BYTES: usize = 32 << 10;
/// Packs have at least so many bytes before they are sealed.
const PACK_BYTES: u64 = 64 << 20;
/// And at most so many.
const MOST_PACK_BYTES: u64 = 1 << 30;
/// A store has at most about so many large packs.
const PACKS_AIMED_AT: u64 = 16_384;
/// A session lists its packs when it has so many.
const SESSION_PACKS: usize = 64;
const SHARDS: usize = 64;
/// So often a folder of its own is made for a session: others may take it for that of a dead one.
const ATTEMPTS: usize = 64;

/// Objects that were put: their kinds and the first 184 bits of their ids, which is as much as
/// needs to differ.
type Known = HashSet<[u8; 24], BuildHasherDefault<KnownHasher>>;

fn known_key(kind: Kind, id: &Id) -> [u8; 24] {
    let mut key = [0; 24];
    key[..23].copy_from_slice(&id.as_bytes()[..23]);
    key[23] = kind.number();
    key
}

/// Takes the first bytes of an id for its hash: they are one already.
#[derive(Debug, Default)]
struct KnownHasher(u64);

impl Hasher for KnownHasher {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk::<8>() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

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
    known: Vec<Mutex<Known>>,
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

/// Of each class a pack may be open, and of each class of content an archive.
const SLOTS: usize = 6;

/// The slot of a pack that is being written.
fn slot(class: Class, is_archive: bool) -> usize {
    match (class, is_archive) {
        (Class::Near, true) => 4,
        (Class::Data, true) => 5,
        _ => class as usize,
    }
}

/// A pack that is being written.
#[derive(Debug)]
struct Open {
    path: String,
    writer: PackWriter,
}

/// A pack that is complete under its temporary name.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) path: String,
    pub(super) written: Written,
    /// The table that says in the metadata what it holds, once that was put.
    table: Option<Id>,
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

/// Packs that are complete, durable and under their final names: ready to be published.
#[derive(Debug)]
#[must_use = "sealed packs that are not published are garbage"]
pub struct Sealed {
    pub(super) packs: Vec<PackInfo>,
    pub(super) removed: Vec<(String, Option<String>)>,
    pub(super) indexed: Vec<Indexed>,
    pub(super) relied: BTreeSet<String>,
    pub(super) base: u64,
    pub(super) session: Option<String>,
    /// Whether some of the packs are archives.
    pub(super) has_archives: bool,
    /// Whether nothing is gained by writing them once more.
    pub(super) is_arranged: bool,
    folder: String,
    /// Held until the packs are published: then the session's folder goes.
    lock: Option<Lock>,
    /// What the batch made.
    pub made: Made,
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
            known: (0..SHARDS).map(|_| Mutex::default()).collect(),
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
        Writer { batch: self, frames: Default::default() }
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
        if locked(self.shard(id)).contains(&known_key(kind, id)) {
            return true;
        }
        self.is_stored(kind, id)
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

    fn shard(&self, id: &Id) -> &Mutex<Known> {
        &self.known[usize::from(id.as_bytes()[31]) % SHARDS]
    }

    /// Claims an object for the caller; `false` if it is there or somebody else has claimed it.
    pub(super) fn claim(&self, kind: Kind, id: &Id) -> bool {
        if self.is_stored(kind, id) {
            return false;
        }
        locked(self.shard(id)).insert(known_key(kind, id))
    }

    pub(super) fn push_frame(&self, class: Class, frame: &Frame<'_>) -> Result<(), Error> {
        {
            let mut made = locked(&self.made);
            made.objects += u64::from(frame.row.objects);
            made.bytes += u64::from(frame.row.raw);
            made.stored += u64::from(frame.row.stored);
        }
        if self.is_rehearsal {
            return Ok(());
        }
        let is_archive = frame.row.raw as usize > frame::MOST_FRAME_BYTES;
        let mut open = locked(&self.open[slot(class, is_archive)]);
        if let Some(full) = open.take_if(|open| !open.writer.has_room_for(frame.objects.len())) {
            self.close_in_background(full);
        }
        if open.is_none() {
            *open = Some(self.create_pack(class, is_archive)?);
        }
        if let Some(current) = &mut *open {
            current.writer.push(frame).map_err(Error::io("write", &current.path))?;
        }
        if let Some(full) = open.take_if(|open| open.writer.bytes() >= self.pack_bytes) {
            self.close_in_background(full);
        }
        Ok(())
    }

    fn create_pack(&self, class: Class, is_archive: bool) -> Result<Open, Error> {
        let name = hex(&self.store.env.random.sixteen());
        let path = format!("tmp/{}/{name}.pack", self.session);
        let create = if is_archive { PackWriter::create_archive } else { PackWriter::create };
        let writer = create(&*self.store.dir, &path, class, &self.blocks)
            .map_err(Error::io("create", &path))?;
        Ok(Open { path, writer })
    }

    fn close_in_background(&self, full: Open) {
        let close = move || {
            let Open { path, writer } = full;
            Ok(Finished { written: writer.finish()?, path, table: None })
        };
        locked(&self.closing).push(std::thread::spawn(close));
    }

    /// Waits for packs that are being synced.
    fn join_closing(&self) -> Result<(), Error> {
        for handle in std::mem::take(&mut *locked(&self.closing)) {
            let failed = Error::io("write", "tmp");
            let finished = match handle.join() {
                Ok(finished) => finished.map_err(failed)?,
                Err(_) => return Err(failed(io::Error::other("a thread died"))),
            };
            locked(&self.finished).push(finished);
        }
        Ok(())
    }

    /// Ends the packs that are open, content before metadata, so that the tables of the content
    /// packs are in the metadata. All writers must have been flushed.
    fn finish_open(&self) -> Result<(), Error> {
        self.join_closing()?;
        for class in [Class::List, Class::Near, Class::Data] {
            self.finish_class(class)?;
        }
        self.put_tables()?;
        self.finish_class(Class::Meta)?;
        // A metadata pack may have filled up with tables and gone to the background.
        self.join_closing()
    }

    fn finish_class(&self, class: Class) -> Result<(), Error> {
        let slots = BTreeSet::from([slot(class, false), slot(class, true)]);
        for slot in slots {
            if let Some(Open { path, writer }) = locked(&self.open[slot]).take() {
                let written = writer.finish().map_err(Error::io("write", &path))?;
                locked(&self.finished).push(Finished { path, written, table: None });
            }
        }
        Ok(())
    }

    /// Puts what the content packs hold into the metadata. Two threads share the work.
    fn put_tables(&self) -> Result<(), Error> {
        let mut finished = locked(&self.finished);
        let put = |finished: &mut [Finished]| -> Result<(), Error> {
            let mut writer = self.writer();
            for one in finished {
                if let Some(table) = table_of(&one.written) {
                    one.table = Some(writer.put(Kind::Table, table.to_bytes())?);
                }
            }
            writer.flush()
        };
        if finished.len() < 4 {
            return put(&mut finished);
        }
        let half = finished.len() / 2;
        let (mine, theirs) = finished.split_at_mut(half);
        std::thread::scope(|scope| {
            let other = scope.spawn(|| put(theirs));
            put(mine)?;
            let died = Error::io("write", "tmp");
            other.join().unwrap_or_else(|_| Err(died(io::Error::other("a thread died"))))
        })
    }

    /// Whether so many packs are complete that the session should list them.
    pub fn has_many_packs(&self) -> bool {
        locked(&self.finished).len() + locked(&self.closing).len() >= SESSION_PACKS
    }

    /// Lists what was put so far: an interrupted batch need not do it again. All writers must have
    /// been flushed, or a listed object could be without what it is made of.
    pub fn list_session(&self, actor: &str) -> Result<(), Error> {
        if self.is_rehearsal {
            return Ok(());
        }
        self.finish_open()?;
        let finished = std::mem::take(&mut *locked(&self.finished));
        if finished.is_empty() {
            return Ok(());
        }
        let has_archives = finished.iter().any(|finished| finished.written.is_archive);
        let placed = self.place(finished, Some(&self.session))?;
        let sealed = Sealed {
            packs: placed.iter().map(|(info, _)| info.clone()).collect(),
            removed: Vec::new(),
            indexed: placed.into_iter().map(|(_, indexed)| indexed).collect(),
            relied: locked(&self.relied).clone(),
            base: self.base.number,
            session: None,
            has_archives,
            is_arranged: self.is_arranged.load(Ordering::Relaxed),
            folder: String::new(),
            lock: None,
            made: Made::default(),
        };
        let publication = Publication::new("session", actor).with_packs(sealed);
        self.store.publish(publication)?;
        *locked(&self.has_listed) = true;
        self.is_first.store(false, Ordering::Relaxed);
        // They are in the lookup now; memory stays bounded.
        for shard in &self.known {
            locked(shard).clear();
        }
        locked(&self.contents).clear();
        Ok(())
    }

    /// Gives finished packs their final names and makes these durable.
    fn place(
        &self,
        finished: Vec<Finished>,
        session: Option<&str>,
    ) -> Result<Vec<(PackInfo, Indexed)>, Error> {
        let dir = &*self.store.dir;
        let contents = locked(&self.contents).clone();
        let mut placed = Vec::new();
        let mut folders = BTreeSet::new();
        for Finished { path, written, table } in finished {
            let random = hex(&self.store.env.random.four());
            let name = format!("{}-{random}", written.hash.short(32));
            let target = pack_path(written.class, &name);
            let folder = target[..target.len() - name.len() - 1].to_owned();
            // Somebody else may remove the folder again while it is empty.
            let mut placed_at = Err(io::ErrorKind::NotFound.into());
            for _ in 0..8 {
                match dir.make_dir(folder.as_bytes(), 0o777) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        disk::make_dirs(dir, folder.as_bytes())
                            .map_err(Error::io("create", &folder))?;
                    }
                    Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                        return Err(Error::io("create", &folder)(error));
                    }
                    _ => {}
                }
                placed_at = dir.rename(path.as_bytes(), dir, target.as_bytes());
                match &placed_at {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    _ => break,
                }
            }
            placed_at.map_err(Error::io("rename", &path))?;
            // Whoever made the folder may not have synced its name yet, so that is done in any case.
            if let Some((above, _)) = folder.rsplit_once('/') {
                folders.insert(above.to_owned());
            }
            folders.insert(folder);
            let info = PackInfo {
                class: written.class,
                name: name.clone(),
                hash: written.hash,
                bytes: written.bytes,
                table,
                session: session.map(str::to_owned),
            };
            let contents = if written.class == Class::Meta { contents.clone() } else { Vec::new() };
            let indexed = Indexed { name, class: written.class, table: written.table, contents };
            placed.push((info, indexed));
        }
        for folder in folders {
            let synced = dir.dir(folder.as_bytes()).and_then(|folder| folder.sync());
            synced.map_err(Error::io("sync", &folder))?;
        }
        Ok(placed)
    }

    /// Ends a batch that has everything these packs have: they go with the record that brings it.
    pub(super) fn seal_instead_of(
        self,
        packs: impl Iterator<Item = String>,
    ) -> Result<Sealed, Error> {
        let relied: BTreeSet<String> = packs.collect();
        let removed = relied.iter().map(|name| (name.clone(), None)).collect();
        Ok(Sealed { relied, removed, ..self.seal()? })
    }

    /// Ends the batch: everything put is durable afterwards. All writers must have been flushed.
    pub fn seal(mut self) -> Result<Sealed, Error> {
        assert!(!self.is_rehearsal, "what was only rehearsed is not recorded");
        self.join_closing()?;
        for class in [Class::List, Class::Near, Class::Data] {
            self.finish_class(class)?;
        }
        let mut merges = Vec::new();
        for class in [Class::List, Class::Near, Class::Data] {
            merges.extend(self.consolidate(class)?);
        }
        self.put_tables()?;
        self.finish_class(Class::Meta)?;
        self.join_closing()?;
        merges.extend(self.consolidate(Class::Meta)?);
        let finished = std::mem::take(&mut *locked(&self.finished));
        let temporary: Vec<String> =
            finished.iter().map(|finished| finished.path.clone()).collect();
        let has_archives = finished.iter().any(|finished| finished.written.is_archive);
        let placed = self.place(finished, None)?;
        let mut removed = Vec::new();
        for (path, names) in merges {
            let at = temporary.iter().position(|temporary| *temporary == path);
            let into = at.and_then(|at| placed.get(at)).map(|(info, _)| info.name.clone());
            removed.extend(names.into_iter().map(|name| (name, into.clone())));
        }
        let has_listed = *locked(&self.has_listed);
        Ok(Sealed {
            packs: placed.iter().map(|(info, _)| info.clone()).collect(),
            removed,
            indexed: placed.into_iter().map(|(_, indexed)| indexed).collect(),
            relied: std::mem::take(&mut *locked(&self.relied)),
            base: self.base.number,
            session: has_listed.then(|| self.session.clone()),
            has_archives,
            is_arranged: self.is_arranged.load(Ordering::Relaxed),
            folder: format!("tmp/{}", self.session),
            lock: self.lock.take(),
            made: *locked(&self.made),
        })
    }

    /// Merges small packs of this class if there are too many; returns the temporary path of the
    /// merged pack and the names of the packs that are in it.
    fn consolidate(&self, class: Class) -> Result<Option<(String, Vec<String>)>, Error> {
        let mut finished = locked(&self.finished);
        let own: Vec<usize> = (0..finished.len())
            .filter(|&at| {
                let written = &finished[at].written;
                written.class == class && written.bytes < super::consolidate::SMALL_PACK
            })
            .collect();
        if self.is_rewriting {
            return Ok(None);
        }
        let Some(plan) = super::consolidate::plan(&self.base, class, own.len()) else {
            return Ok(None);
        };
        // Metadata is merged last, when the tables of all others were put.
        let tables: BTreeSet<Id> = finished.iter().filter_map(|one| one.table).collect();
        let Open { path, writer } = self.create_pack(class, false)?;
        let own_paths: Vec<String> = own.iter().map(|&at| finished[at].path.clone()).collect();
        let merged =
            super::consolidate::merge(self.store, writer, class, &plan, &own_paths, &tables)?;
        let Some((written, names)) = merged else { return Ok(None) };
        for at in own.into_iter().rev() {
            let Finished { path, .. } = finished.remove(at);
            self.store.dir.remove_file(path.as_bytes()).map_err(Error::io("remove", &path))?;
        }
        finished.push(Finished { path: path.clone(), written, table: None });
        Ok(Some((path, names)))
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

impl Sealed {
    /// The session's folder is no longer needed.
    pub(super) fn release(mut self, store: &Store) {
        if !self.folder.is_empty() {
            remove_folder(store, &self.folder);
        }
        self.lock.take();
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

/// The table object of a content pack.
fn table_of(written: &Written) -> Option<Table> {
    written.table.to_object(written.class)
}

/// One thread's door into a batch.
#[derive(Debug)]
pub struct Writer<'b, 's> {
    batch: &'b Batch<'s>,
    frames: [FrameBuilder; 4],
}

impl<'b, 's> Writer<'b, 's> {
    /// The batch.
    pub fn batch(&self) -> &'b Batch<'s> {
        self.batch
    }

    /// Puts a chunk whose id is known. Returns whether it was new.
    pub fn put_chunk(&mut self, class: Class, id: Id, bytes: &[u8]) -> Result<bool, Error> {
        if bytes.is_empty() || !self.batch.claim(Kind::Chunk, &id) {
            return Ok(false);
        }
        // Longer content that is near is text, which always compresses.
        let may_stand_alone = class == Class::Data && bytes.len() >= ALONE_BYTES;
        if may_stand_alone && !frame::compresses(bytes) {
            self.batch.push_frame(class, &Frame::alone(Kind::Chunk, id, bytes))?;
            return Ok(true);
        }
        self.gather(class, Kind::Chunk, id, bytes)?;
        Ok(true)
    }

    /// Puts a chunk list node, wherever chunk lists belong.
    fn gather(&mut self, class: Class, kind: Kind, id: Id, bytes: &[u8]) -> Result<(), Error> {
        let builder = &mut self.frames[class as usize];
        let most = if class == Class::Meta { META_FRAME_BYTES } else { FRAME_BYTES };
        if builder.len() + bytes.len() > most && !builder.is_empty() {
            let frame = finish(builder, class, self.batch.store.compression);
            self.batch.push_frame(class, &frame)?;
        }
        self.frames[class as usize].push(kind, id, bytes);
        Ok(())
    }

    /// Puts a manifest and remembers which content it is of.
    pub fn put_manifest(&mut self, manifest: &Manifest) -> Result<Id, Error> {
        let id = self.put(Kind::Manifest, manifest.to_bytes())?;
        self.batch.remember_content(manifest.content, id);
        Ok(id)
    }

    /// Hands over unfinished frames. A writer that is dropped without it loses what it holds.
    pub fn flush(&mut self) -> Result<(), Error> {
        for class in Class::ALL {
            let builder = &mut self.frames[class as usize];
            if !builder.is_empty() {
                let frame = finish(builder, class, self.batch.store.compression);
                self.batch.push_frame(class, &frame)?;
            }
        }
        Ok(())
    }
}

/// A frame of what was gathered. Only large content of any kind may not be worth compressing.
fn finish(builder: &mut FrameBuilder, class: Class, level: Level) -> Frame<'_> {
    match class {
        Class::Data => builder.finish(level),
        Class::Meta | Class::List | Class::Near => builder.finish_compressible(level),
    }
}

impl Sink for Writer<'_, '_> {
    type Error = Error;

    fn put(&mut self, kind: Kind, bytes: Vec<u8>) -> Result<Id, Error> {
        let id = kind.id_of(&bytes);
        if bytes.len() > frame::MOST_FRAME_BYTES {
            return Err(Error::TooLong { kind, bytes: bytes.len() });
        }
        if self.batch.claim(kind, &id) {
            let class = if kind == Kind::List { Class::List } else { Class::Meta };
            self.gather(class, kind, id, &bytes)?;
        }
        Ok(id)
    }
}

impl crate::object::Source for Writer<'_, '_> {
    type Error = Error;

    fn bytes(&self, kind: Kind, id: &Id) -> Result<Arc<[u8]>, Error> {
        for frame in &self.frames {
            if let Some(bytes) = frame.get(id) {
                return Ok(Arc::from(bytes));
            }
        }
        self.batch.store.bytes(kind, id)
    }

    fn tree(&self, id: &Id) -> Result<Arc<crate::object::Node>, Error> {
        self.batch.store.tree(id)
    }
}

impl Effect {
    /// That a session's packs are ordinary ones from now on.
    pub(super) fn session_ended(session: &str) -> Self {
        Self::SessionEnded(session.to_owned())
    }
}
