//! Reading objects: every one is hashed before it is believed.

use std::io;
use std::ops::Deref;
use std::sync::{Arc, PoisonError};

use crate::codec;
use crate::disk;
use crate::hash::{Id, Kind};
use crate::object::{Manifest, Node, Object, Source, Take};

use super::frames::Frame;
use super::journal::State;
use super::pack::frame;
use super::{Class, Error, Lookup, PackInfo, Place, Store, Target, pack_path};

/// The bytes of an object, within the frame they came in.
#[derive(Clone, Debug)]
pub struct Content {
    frame: Arc<Frame>,
    start: usize,
    end: usize,
}

impl Deref for Content {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.frame[self.start..self.end]
    }
}

/// Why one place did not give the object.
pub(super) enum Failure {
    /// The pack is not there.
    NoPack,
    /// It is there and wrong.
    Corrupt,
    /// The file system failed.
    Io(Error),
}

impl Store {
    /// The bytes of an object.
    pub fn read(&self, kind: Kind, id: &Id) -> Result<Content, Error> {
        if kind == Kind::Chunk && *id == Id::EMPTY {
            return Ok(Content { frame: self.frames.frame(Vec::new()), start: 0, end: 0 });
        }
        let state = self.state();
        if let Some(place) = self.lookup().find(&state, kind, id)
            && let Ok(content) = self.read_place(kind, id, &place)
        {
            return Ok(content);
        }
        self.read_harder(kind, id)
    }

    /// The object was not where it was thought to be, or not sound there: others may have merged
    /// its pack; the lookup may be damaged; another pack may have it too.
    fn read_harder(&self, kind: Kind, id: &Id) -> Result<Content, Error> {
        let mut corrupt = None;
        let mut attempt = |state: &State, lookup: &Lookup| {
            for place in lookup.find_all(state, kind, id).collect::<Vec<_>>() {
                match self.read_place(kind, id, &place) {
                    Ok(content) => return Ok(Some(content)),
                    Err(Failure::NoPack) => {}
                    Err(Failure::Corrupt) => corrupt = Some(place.pack.to_string()),
                    Err(Failure::Io(error)) => return Err(error),
                }
            }
            Ok(None)
        };
        // While packs are being rewritten it may be gone again from where it was said to be: as long
        // as records come, nothing is missing.
        loop {
            let mut state = self.refresh()?;
            loop {
                if let Some(content) = attempt(&state, &self.lookup())? {
                    return Ok(content);
                }
                let now = self.refresh()?;
                if now.number == state.number {
                    break;
                }
                state = now;
            }
            let (rebuilt_for, rebuilt) = self.rebuild_lookup_once()?;
            if let Some(content) = attempt(&rebuilt_for, &rebuilt)? {
                return Ok(content);
            }
            if self.refresh()?.number == state.number {
                break;
            }
        }
        let unlisted = self.unlisted_packs()?;
        if let Some(content) = attempt(&unlisted.0, &unlisted.1)? {
            return Ok(content);
        }
        match corrupt {
            Some(pack) => Err(Error::Corrupt { kind, id: *id, pack }),
            None => Err(Error::Missing { kind, id: *id }),
        }
    }

    fn read_place(&self, kind: Kind, id: &Id, place: &Place) -> Result<Content, Failure> {
        let start = place.offset as usize;
        let end = start.saturating_add(place.length as usize);
        let known = self.frames.get(place.class, place.pack, place.frame);
        let frame = match known {
            Some(frame) if frame.len() >= end => frame,
            known => {
                // Who comes back to a frame of which only the start was opened gets all of it.
                let is_more = known.is_some();
                if is_more {
                    self.frames.wants_more(place.class);
                }
                let wanted = if is_more { place.raw as usize } else { end };
                let opened = self.open_frame(place, wanted)?;
                // A piece of content that has a frame of its own is rarely wanted twice.
                let is_alone = kind == Kind::Chunk && place.length == place.raw;
                if !is_alone {
                    self.frames.put(place.class, place.pack, place.frame, opened.clone());
                }
                opened
            }
        };
        match frame.get(start..end) {
            Some(bytes) if kind.id_of(bytes) == *id => Ok(Content { frame, start, end }),
            _ => Err(Failure::Corrupt),
        }
    }

    /// Reads an object from a place that is not listed yet.
    pub(super) fn object_at<T: Object>(&self, place: &Place, id: &Id) -> Result<T, Error> {
        match self.read_place(T::KIND, id, place) {
            Ok(content) => Ok(T::from_bytes(&content)?),
            Err(Failure::NoPack) => Err(Error::Missing { kind: T::KIND, id: *id }),
            Err(Failure::Corrupt) => {
                Err(Error::Corrupt { kind: T::KIND, id: *id, pack: place.pack.to_string() })
            }
            Err(Failure::Io(error)) => Err(error),
        }
    }

    /// Opens a frame, or only its start if no more than `wanted` bytes of it are needed, that is at
    /// most half of it, and the rest is not likely to be wanted soon.
    fn open_frame(&self, place: &Place, wanted: usize) -> Result<Arc<Frame>, Failure> {
        let mut stored = self.frames.buffer(place.stored as usize);
        self.read_stored(place, &mut stored)?;
        let row = place.row();
        if place.form == super::pack::Form::Raw && stored.len() == place.raw as usize {
            return Ok(self.frames.frame(stored));
        }
        let (all, index) = (place.raw as usize, place.frame as usize);
        let is_start = wanted <= all / 2 && !self.frames.is_whole_better(place.class);
        let mut raw = self.frames.buffer(if is_start { wanted } else { all });
        let opened = if is_start {
            raw.resize(wanted, 0);
            frame::open_start(&stored, &row, index, &mut raw)
        } else {
            raw.clear();
            frame::open_into(&stored, &row, index, &mut raw)
        };
        self.frames.take_back(stored);
        opened.map_err(|_| Failure::Corrupt)?;
        Ok(self.frames.frame(raw))
    }

    /// The bytes of a frame as they stand in its pack.
    pub(super) fn read_stored(&self, place: &Place, into: &mut Vec<u8>) -> Result<(), Failure> {
        let path = pack_path(place.class, &place.pack);
        let file = match self.frames.file(&path) {
            Some(file) => file,
            None => {
                let file = self.dir.open(path.as_bytes()).map_err(|error| match error.kind() {
                    io::ErrorKind::NotFound => Failure::NoPack,
                    _ => Failure::Io(Error::io("open", &path)(error)),
                })?;
                self.frames.keep_file(&path, file.clone());
                file
            }
        };
        let limit = frame::MOST_ARCHIVE_FRAME_BYTES as u32 + 1024;
        if place.stored > limit || place.raw > limit {
            return Err(Failure::Corrupt);
        }
        into.resize(place.stored as usize, 0);
        file.read_exact_at(into, place.frame_offset).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => Failure::Corrupt,
            _ => Failure::Io(Error::io("read", &path)(error)),
        })
    }

    /// Makes the lookup anew from the packs' tables.
    pub(super) fn rebuild_lookup_once(&self) -> Result<(Arc<State>, Arc<Lookup>), Error> {
        Lookup::discard(&*self.dir);
        *self.lookup.write().unwrap_or_else(PoisonError::into_inner) = Arc::default();
        self.frames.forget();
        self.cover()?;
        Ok((self.state(), self.lookup()))
    }

    /// Makes the lookup anew from the packs' tables.
    pub(super) fn rebuild_lookup(&self) -> Result<(), Error> {
        self.rebuild_lookup_once().map(drop)
    }

    /// The packs that are there and not listed: garbage, or what a copy brought along.
    pub(super) fn unlisted_packs(&self) -> Result<Arc<(State, Lookup)>, Error> {
        let mut slot = self.unlisted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = &*slot {
            return Ok(known.clone());
        }
        let listed = self.state();
        let mut state = State::default();
        let mut found = Vec::new();
        for class in Class::ALL {
            for path in self.pack_files(class)? {
                let name = path.rsplit('/').next().unwrap_or_default().to_owned();
                if listed.packs.contains_key(&name) || name.len() != 41 {
                    continue;
                }
                let Ok(file) = self.dir.open(path.as_bytes()) else { continue };
                let Ok(Ok(pack)) = super::pack::read_table(file) else { continue };
                let info = PackInfo {
                    class,
                    name: name.clone(),
                    hash: pack.hash,
                    bytes: pack.bytes,
                    table: None,
                    session: None,
                };
                state.packs.insert(name, info.clone());
                found.extend(self.index_pack(&info)?);
            }
        }
        let mut lookup = Lookup::default();
        lookup.add(found);
        let both = Arc::new((state, lookup));
        *slot = Some(both.clone());
        Ok(both)
    }

    /// Whether the object is in a pack of the store.
    pub fn contains(&self, kind: Kind, id: &Id) -> bool {
        (kind == Kind::Chunk && *id == Id::EMPTY)
            || self.lookup().find(&self.state(), kind, id).is_some()
    }

    /// The kinds of object that this id stands for here; a content id counts as its manifest's.
    pub fn kinds(&self, id: &Id) -> Vec<Kind> {
        let kinds = self.lookup().kinds(&self.state(), id);
        kinds.into_iter().flatten().collect()
    }

    /// The manifest of a content of more than 16 KiB, if it is known.
    pub fn manifest_of(&self, content: &Id) -> Result<Option<(Id, Manifest)>, Error> {
        let Some(place) = self.lookup().find_content(&self.state(), content) else {
            return Ok(None);
        };
        let start = place.offset as usize;
        let end = start.saturating_add(place.length as usize);
        let opened = self.open_frame(&place, end);
        let Ok(frame) = opened else { return Ok(None) };
        let Some(bytes) = frame.get(start..end) else { return Ok(None) };
        let manifest = Manifest::from_bytes(bytes)?;
        Ok(Some((Kind::Manifest.id_of(bytes), manifest)))
    }

    /// The roots of the store: what every ref points to.
    pub fn roots(&self) -> Vec<(String, Id)> {
        self.state()
            .refs
            .iter()
            .filter_map(|(name, target)| match target {
                Target::Id(id) => Some((name.clone(), *id)),
                Target::Symbolic(_) => None,
            })
            .collect()
    }

    /// How many bytes the store's files take that this state lists.
    pub fn packed_bytes(&self) -> u64 {
        self.state().packs.values().map(|pack| pack.bytes).sum()
    }

    /// Reads a small file of the store's directory, for settings and the like; `None` if it is not
    /// there.
    pub fn read_file(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        match disk::read_all(&*self.dir, path.as_bytes(), limit) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("read", path)(error)),
        }
    }
}

/// Whether the content of a file of this size is a chunk or a manifest.
pub fn content_kind(size: u64) -> Kind {
    if size <= crate::object::manifest::SMALL { Kind::Chunk } else { Kind::Manifest }
}

impl Source for Store {
    type Error = Error;

    fn bytes(&self, kind: Kind, id: &Id) -> Result<Arc<[u8]>, Error> {
        Ok(Arc::from(&*self.read(kind, id)?))
    }

    fn bytes_if_here(&self, kind: Kind, id: &Id) -> Result<Option<Arc<[u8]>>, Error> {
        match self.bytes(kind, id) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(Error::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn each_if_here(&self, wanted: &[(Kind, Id)], take: &Take<'_>) -> Result<(), Error> {
        self.sweep(wanted, take)
    }

    fn tree(&self, id: &Id) -> Result<Arc<Node>, Error> {
        // The empty tree may be named without ever having been stored.
        if *id == Node::empty_id() {
            return Ok(Arc::new(Node::Leaf(Vec::new())));
        }
        Ok(Arc::new(Node::from_bytes(&self.read(Kind::Tree, id)?)?))
    }

    fn object<T: Object>(&self, id: &Id) -> Result<T, Error> {
        let decoded: Result<T, codec::Error> = T::from_bytes(&self.read(T::KIND, id)?);
        Ok(decoded?)
    }
}
