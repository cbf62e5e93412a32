//! Checking pack files: that they are what the journal lists, byte for byte, and that tables and
//! lookup say of them what is in them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::codec;
use crate::hash::{Id, Kind};
use crate::object::{Attributes, Commit, List, Manifest, Node, Object, Source, Table, Tag};
use crate::path::RepoPath;
use crate::progress::{Monitor, Stage};

use super::super::pack::{self, HEADER_BYTES, PackReader, PackTable, check_pack, read_table};
use super::super::{Class, Error, Lookup, PackInfo, State, Store, pack_path};
use super::{Damage, Depth, Finding};

/// What checking the packs has shown.
#[derive(Clone, Debug, Default)]
pub struct Packs {
    /// How many there are.
    pub packs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Objects in them.
    pub objects: u64,
    /// Those that are missing or not sound: their objects may be elsewhere or nowhere.
    pub broken: BTreeSet<String>,
}

struct Check<'s, 'r> {
    store: &'s Store,
    state: &'s State,
    lookup: &'s Lookup,
    rows: BTreeMap<String, usize>,
    depth: Depth,
    monitor: &'r dyn Monitor,
    report: &'r (dyn Fn(Finding) + Sync),
    broken: Mutex<BTreeSet<String>>,
    objects: AtomicU64,
    /// Packs of which the lookup says something else than their tables.
    unlike: Mutex<BTreeSet<String>>,
}

impl Store {
    /// Checks every pack that is listed, several at a time, and makes the lookup anew if it is
    /// wrong.
    pub fn check_packs(
        &self,
        depth: Depth,
        monitor: &dyn Monitor,
        report: &(dyn Fn(Finding) + Sync),
    ) -> Result<Packs, Error> {
        let (state, lookup) = (self.state(), self.lookup());
        let mut packs: Vec<&PackInfo> = state.packs.values().collect();
        packs.sort_by_key(|pack| std::cmp::Reverse(pack.bytes));
        let bytes = packs.iter().map(|pack| pack.bytes).sum();
        let total = (depth == Depth::Complete).then_some(bytes);
        monitor.begin(Stage::Checking, Some(packs.len() as u64), total);
        let check = Check {
            store: self,
            state: &state,
            rows: lookup.rows_by_pack(),
            lookup: &lookup,
            depth,
            monitor,
            report,
            broken: Mutex::default(),
            objects: AtomicU64::new(0),
            unlike: Mutex::default(),
        };
        let next = AtomicUsize::new(0);
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            for _ in 0..threads.min(packs.len()) {
                scope.spawn(|| {
                    while let Some(pack) = packs.get(next.fetch_add(1, Ordering::Relaxed)) {
                        check.pack(pack);
                    }
                });
            }
        });
        let taken =
            |set: Mutex<BTreeSet<String>>| set.into_inner().unwrap_or_else(PoisonError::into_inner);
        let (broken, unlike) = (taken(check.broken), taken(check.unlike));
        if let Some(name) = unlike.iter().find(|name| !broken.contains(*name)) {
            self.rebuild_lookup()?;
            let text = format!("the lookup was wrong about pack {name}; it was made anew");
            report(Finding::notice("N_LOOKUP", Damage::Derived, text).in_file("lookup"));
        }
        Ok(Packs { packs: packs.len() as u64, bytes, objects: check.objects.into_inner(), broken })
    }
}

impl Check<'_, '_> {
    fn pack(&self, info: &PackInfo) {
        let path = pack_path(info.class, &info.name);
        if let Ok(at) = RepoPath::new(path.as_bytes()) {
            self.monitor.at(&at);
        }
        let mut wrong: Vec<Finding> = Vec::new();
        let table = self.contents(info, &path, &mut wrong);
        if !wrong.is_empty() && self.is_gone(info) {
            return;
        }
        if !wrong.is_empty() || table.is_none() {
            self.set(&self.broken, &info.name);
        }
        wrong.into_iter().for_each(|finding| (self.report)(finding.in_file(&path)));
        if let Some(table) = table {
            self.objects.fetch_add(table.objects.len() as u64, Ordering::Relaxed);
            if !self.lookup_agrees(info, &table) {
                self.set(&self.unlike, &info.name);
            }
            self.table_object(info, &path, &table);
        }
        self.monitor.advance(1, 0);
    }

    /// Whether others have merged or rewritten it meanwhile: then all of it is elsewhere, and that
    /// was listed.
    fn is_gone(&self, info: &PackInfo) -> bool {
        self.store.refresh().is_ok_and(|state| !state.packs.contains_key(&info.name))
    }

    fn set(&self, set: &Mutex<BTreeSet<String>>, name: &str) {
        set.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
    }

    /// Reads the pack; returns its table if it has one.
    fn contents(&self, info: &PackInfo, path: &str, wrong: &mut Vec<Finding>) -> Option<PackTable> {
        let unreadable = |error: io::Error| {
            Finding::error("E_PACK_UNREADABLE", Damage::Pack, format!("it cannot be read: {error}"))
        };
        let file = match self.store.dir.open(path.as_bytes()) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                wrong.push(Finding::error("E_PACK_MISSING", Damage::Pack, "it is missing"));
                return None;
            }
            Err(error) => {
                wrong.push(unreadable(error));
                return None;
            }
        };
        let mut malformed: Vec<Finding> = Vec::new();
        let checked = match self.depth {
            Depth::Complete => check_pack(file, |kind, id, bytes| {
                self.monitor.advance(0, 0);
                if let Err(error) = decode(kind, bytes) {
                    let text = error.to_string();
                    malformed.push(
                        Finding::error("E_OBJECT_MALFORMED", Damage::Object, text).of(kind, &id),
                    );
                }
            }),
            Depth::Connectivity => read_table(file).map(|pack| match pack {
                Ok(pack) => (Some(pack), Vec::new()),
                Err(damage) => (None, vec![damage]),
            }),
        };
        // Malformed objects are reported of the object; the pack has what it says it has.
        malformed.into_iter().for_each(|finding| (self.report)(finding.in_file(path)));
        let (pack, damage) = match checked {
            Ok(checked) => checked,
            Err(error) => {
                wrong.push(unreadable(error));
                return None;
            }
        };
        wrong.extend(damage.iter().map(of_damage));
        if self.depth == Depth::Complete {
            self.monitor.advance(0, info.bytes);
        }
        let pack: PackReader = pack?;
        let is_listed = pack.class == info.class && pack.hash == info.hash;
        if !is_listed || pack.bytes != info.bytes {
            let text = "it is not the pack that the journal lists";
            wrong.push(Finding::error("E_PACK_OTHER", Damage::Pack, text));
        }
        Some(pack.table)
    }

    /// Whether the lookup has the pack's rows and no others.
    fn lookup_agrees(&self, info: &PackInfo, table: &PackTable) -> bool {
        if self.rows.get(&info.name) != Some(&table.objects.len()) {
            return false;
        }
        let mut objects = table.objects.iter();
        let mut frame_offset = HEADER_BYTES;
        table.frames.iter().zip(0..).all(|(frame, number)| {
            let mut offset = 0;
            let agrees = objects.by_ref().take(frame.objects as usize).fold(true, |agrees, row| {
                let Some(kind) = Kind::from_number(row.kind) else { return false };
                let found = agrees
                    && self.lookup.find_all(self.state, kind, &row.id).any(|place| {
                        *place.pack == *info.name
                            && (place.frame, place.frame_offset) == (number, frame_offset)
                            && (place.stored, place.raw) == (frame.stored, frame.raw)
                            && place.form == frame.form
                            && (place.offset, place.length) == (offset, row.length)
                    });
                offset += row.length;
                found
            });
            frame_offset += u64::from(frame.stored);
            agrees
        })
    }

    /// Compares the table object of a content pack with the pack.
    fn table_object(&self, info: &PackInfo, path: &str, table: &PackTable) {
        if info.class == Class::Meta {
            return;
        }
        let Some(id) = info.table else {
            let text = "the journal names no table for it";
            (self.report)(Finding::error("E_TABLE", Damage::Object, text).in_file(path));
            return;
        };
        let finding = |name, damage, text: String| {
            (self.report)(Finding::error(name, damage, text).in_file(path).of(Kind::Table, &id));
        };
        match self.store.object::<Table>(&id) {
            Ok(object) => {
                if table.to_object(info.class) != Some(object) {
                    let text = "its table object does not say what is in it".to_owned();
                    finding("E_TABLE", Damage::Object, text);
                }
            }
            Err(Error::Missing { .. }) if self.is_gone(info) => {}
            Err(Error::Missing { .. }) => {
                finding("E_TABLE_MISSING", Damage::Missing, "its table object is missing".into());
            }
            Err(error) => finding("E_TABLE", Damage::Object, error.to_string()),
        }
    }
}

/// Reads an object as strictly as can be.
fn decode(kind: Kind, bytes: &[u8]) -> Result<(), codec::Error> {
    match kind {
        Kind::List => List::from_bytes(bytes).map(drop),
        Kind::Manifest => Manifest::from_bytes(bytes).map(drop),
        Kind::Tree => Node::from_bytes(bytes).map(drop),
        Kind::Commit => Commit::from_bytes(bytes).map(drop),
        Kind::Tag => Tag::from_bytes(bytes).map(drop),
        Kind::Table => Table::from_bytes(bytes).map(drop),
        Kind::Attributes => Attributes::from_bytes(bytes).map(drop),
        Kind::Chunk | Kind::Inventory | Kind::Notes => Ok(()),
    }
}

fn of_damage(damage: &pack::Damage) -> Finding {
    let error = |name| Finding::error(name, Damage::Pack, damage.to_string());
    match damage {
        pack::Damage::Hash => error("E_PACK_HASH"),
        pack::Damage::Frame(_) => error("E_PACK_FRAME"),
        pack::Damage::Object { kind, id } => {
            let text = "it is not what its id says";
            Finding::error("E_OBJECT_ID", Damage::Object, text).of(*kind, id)
        }
        pack::Damage::Shape(_) | pack::Damage::Version(_) | pack::Damage::Table(_) => {
            error("E_PACK_SHAPE")
        }
    }
}

/// An id is all that is needed of an object to say that it is in a broken pack.
impl Packs {
    /// Whether an object is surely there: in a pack that is sound.
    pub fn has(&self, store: &Store, kind: Kind, id: &Id) -> Option<u32> {
        if kind == Kind::Chunk && *id == Id::EMPTY {
            return Some(0);
        }
        let state = store.state();
        let lookup = store.lookup();
        let place =
            lookup.find_all(&state, kind, id).find(|place| !self.broken.contains(&*place.pack));
        place.map(|place| place.length)
    }
}
