//! Arranged writing: objects that come in the order that compresses.
//!
//! A first recording writes objects as they are met; whoever has a whole history at hand can do
//! better, and write it as it would be after being repacked: each kind in frames of its own, the
//! versions of one path next to each other, compressed thoroughly. The caller brings the order
//! (kind, path, newest first); the frames are made here. Recent versions stand apart from
//! older ones, so that a working tree is made from few and short frames. Older content is wanted
//! rarely and has many versions: the longer its files, the longer its frames.

use crate::hash::{Id, Kind};
use crate::object::manifest::SMALL;
use crate::object::{Manifest, Object, Sink};

use super::batch::Batch;
use super::pack::{Frame, FrameBuilder, Level, MOST_ARCHIVE_FRAME_BYTES, MOST_FRAME_BYTES, frame};
use super::{Class, Error};

/// Chunks of at least so many bytes stand alone if they do not compress.
const ALONE_BYTES: usize = 32 << 10;
/// Nodes of recent trees are read one here and one there. What they say is mostly ids, which do not
/// compress, so short frames cost little.
const RECENT_TREES_BYTES: usize = 64 << 10;
/// A frame has at most so many objects: a pack must have room for a few frames.
const FRAME_OBJECTS: usize = 8_192;

/// How old a version of a file is, and for older ones how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Age {
    /// It is what a working tree would have, or would have had lately.
    Recent,
    /// It has been replaced, or is gone.
    Older(Length),
}

/// How long content is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Length {
    /// At most 16 KiB.
    Small,
    /// Longer.
    Long,
}

impl Age {
    /// Of content of so many bytes that is not the newest.
    pub fn older(size: u64) -> Self {
        Self::Older(if size <= SMALL { Length::Small } else { Length::Long })
    }
}

/// What shares frames.
#[derive(Clone, Copy)]
enum Lane {
    Commits,
    RecentTrees,
    OlderTrees,
    Manifests,
    Lists,
    RecentNear,
    OlderNear,
    LongNear,
    RecentData,
    OlderData,
    LongData,
}

const LANES: usize = 11;

impl Lane {
    fn of_chunk(class: Class, age: Age) -> Self {
        match (class, age) {
            (Class::Near, Age::Recent) => Self::RecentNear,
            (Class::Near, Age::Older(Length::Small)) => Self::OlderNear,
            (Class::Near, Age::Older(Length::Long)) => Self::LongNear,
            (_, Age::Recent) => Self::RecentData,
            (_, Age::Older(Length::Small)) => Self::OlderData,
            (_, Age::Older(Length::Long)) => Self::LongData,
        }
    }

    fn of_kind(kind: Kind) -> Self {
        match kind {
            Kind::Commit => Self::Commits,
            Kind::Tree => Self::OlderTrees,
            Kind::List => Self::Lists,
            _ => Self::Manifests,
        }
    }

    fn all() -> [Self; LANES] {
        [
            Self::Commits,
            Self::RecentTrees,
            Self::OlderTrees,
            Self::Manifests,
            Self::Lists,
            Self::RecentNear,
            Self::OlderNear,
            Self::LongNear,
            Self::RecentData,
            Self::OlderData,
            Self::LongData,
        ]
    }

    fn class(self) -> Class {
        match self {
            Self::Commits | Self::RecentTrees | Self::OlderTrees | Self::Manifests => Class::Meta,
            Self::Lists => Class::List,
            Self::RecentNear | Self::OlderNear | Self::LongNear => Class::Near,
            Self::RecentData | Self::OlderData | Self::LongData => Class::Data,
        }
    }

    /// A frame is finished before it would have more bytes than this.
    fn frame_bytes(self) -> usize {
        match self {
            Self::RecentTrees => RECENT_TREES_BYTES,
            Self::OlderNear | Self::OlderData => MOST_FRAME_BYTES,
            Self::LongNear | Self::LongData => MOST_ARCHIVE_FRAME_BYTES,
            _ => 1 << 20,
        }
    }
}

/// One thread's door into a batch for objects that come in order.
#[derive(Debug)]
pub struct Arranged<'b, 's> {
    batch: &'b Batch<'s>,
    frames: [FrameBuilder; LANES],
}

impl<'b, 's> Arranged<'b, 's> {
    /// A door into this batch.
    pub fn new(batch: &'b Batch<'s>) -> Self {
        batch.note_arranged();
        Self { batch, frames: Default::default() }
    }

    /// The batch.
    pub fn batch(&self) -> &'b Batch<'s> {
        self.batch
    }

    /// Puts a chunk whose id is known. Returns whether it was new.
    pub fn put_chunk(
        &mut self,
        class: Class,
        age: Age,
        id: Id,
        bytes: &[u8],
    ) -> Result<bool, Error> {
        if bytes.is_empty() || !self.batch.claim(Kind::Chunk, &id) {
            return Ok(false);
        }
        if bytes.len() >= ALONE_BYTES && !frame::compresses(bytes) {
            self.batch.push_frame(class, &Frame::alone(Kind::Chunk, id, bytes))?;
        } else {
            self.gather(Lane::of_chunk(class, age), Kind::Chunk, id, bytes)?;
        }
        Ok(true)
    }

    /// Puts a manifest and remembers which content it is of.
    pub fn put_manifest(&mut self, manifest: &Manifest) -> Result<Id, Error> {
        let id = self.put(Kind::Manifest, manifest.to_bytes())?;
        self.batch.remember_content(manifest.content, id);
        Ok(id)
    }

    /// Puts a node of a tree whose id is known.
    pub fn put_tree(&mut self, age: Age, id: Id, bytes: &[u8]) -> Result<(), Error> {
        let lane = if age == Age::Recent { Lane::RecentTrees } else { Lane::OlderTrees };
        self.put_into(lane, Kind::Tree, id, bytes)
    }

    /// Puts an object that stood in a pack of this class.
    pub(super) fn put_again(
        &mut self,
        class: Class,
        age: Age,
        kind: Kind,
        id: Id,
        bytes: &[u8],
    ) -> Result<(), Error> {
        match kind {
            Kind::Chunk => self.put_chunk(class, age, id, bytes).map(drop),
            Kind::Tree => self.put_tree(age, id, bytes),
            Kind::Manifest => {
                if let Ok(manifest) = Manifest::from_bytes(bytes) {
                    self.batch.remember_content(manifest.content, id);
                }
                self.put_into(Lane::Manifests, kind, id, bytes)
            }
            _ => self.put_into(Lane::of_kind(kind), kind, id, bytes),
        }
    }

    fn put_into(&mut self, lane: Lane, kind: Kind, id: Id, bytes: &[u8]) -> Result<(), Error> {
        if bytes.len() > MOST_FRAME_BYTES {
            return Err(Error::TooLong { kind, bytes: bytes.len() });
        }
        if self.batch.claim(kind, &id) {
            self.gather(lane, kind, id, bytes)?;
        }
        Ok(())
    }

    fn gather(&mut self, lane: Lane, kind: Kind, id: Id, bytes: &[u8]) -> Result<(), Error> {
        let builder = &mut self.frames[lane as usize];
        let is_full =
            builder.len() + bytes.len() > lane.frame_bytes() || builder.objects() >= FRAME_OBJECTS;
        if is_full && !builder.is_empty() {
            let frame = builder.finish(Level::THOROUGH);
            self.batch.push_frame(lane.class(), &frame)?;
        }
        self.frames[lane as usize].push(kind, id, bytes);
        Ok(())
    }

    /// Hands over unfinished frames. A writer that is dropped without it loses what it holds.
    pub fn flush(&mut self) -> Result<(), Error> {
        for lane in Lane::all() {
            let builder = &mut self.frames[lane as usize];
            if !builder.is_empty() {
                let frame = builder.finish(Level::THOROUGH);
                self.batch.push_frame(lane.class(), &frame)?;
            }
        }
        Ok(())
    }
}

impl Sink for Arranged<'_, '_> {
    type Error = Error;

    fn put(&mut self, kind: Kind, bytes: Vec<u8>) -> Result<Id, Error> {
        let id = kind.id_of(&bytes);
        self.put_into(Lane::of_kind(kind), kind, id, &bytes)?;
        Ok(id)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::clock::{Env, SeededRandom, SteppingClock, Time};
    use crate::disk::{Disk, MemoryDisk};
    use crate::store::publish::ARCHIVE;
    use crate::store::{Publication, Store};

    /// Versions of one file, each a little different.
    fn versions(count: usize, bytes: usize) -> Vec<Vec<u8>> {
        let mut version = vec![0; bytes];
        blake3::Hasher::new().finalize_xof().fill(&mut version);
        version.iter_mut().for_each(|byte| *byte = b'a' + *byte % 16);
        let edited = (0..count).map(|number| {
            version[number] ^= 1;
            version.clone()
        });
        edited.collect()
    }

    fn store() -> (MemoryDisk, Store) {
        let disk = MemoryDisk::new();
        let env = Env {
            clock: Arc::new(SteppingClock::new(Time::from_seconds(1), 1)),
            random: Arc::new(SeededRandom::new(1)),
        };
        let store = Store::create(disk.create(Path::new("/s")).unwrap(), env).unwrap();
        (disk, store)
    }

    fn put(store: &Store, age: Age, versions: &[Vec<u8>]) {
        let batch = Batch::begin(store).unwrap();
        let mut writer = Arranged::new(&batch);
        for version in versions {
            writer.put_chunk(Class::Near, age, Kind::Chunk.id_of(version), version).unwrap();
        }
        writer.flush().unwrap();
        drop(writer);
        store.publish(Publication::new("test", "A").with_packs(batch.seal().unwrap())).unwrap();
    }

    #[test]
    fn many_versions_of_a_long_file_share_a_long_frame_and_older_programs_are_told() {
        let (disk, store) = store();
        let older = versions(150, 60_000);
        put(&store, Age::older(10_000), &older);
        assert_eq!(store.state().required.get(ARCHIVE), None);
        let in_short_frames: u64 = store.state().packs.values().map(|pack| pack.bytes).sum();
        let (_, long) = self::store();
        put(&long, Age::older(60_000), &older);
        assert_eq!(long.state().required.get(ARCHIVE), Some(&true));
        let in_long_frames: u64 = long.state().packs.values().map(|pack| pack.bytes).sum();
        assert!(in_long_frames + 50_000 < in_short_frames, "{in_long_frames} {in_short_frames}");
        for version in &older {
            let id = Kind::Chunk.id_of(version);
            assert_eq!(*long.read(Kind::Chunk, &id).unwrap(), version[..]);
            assert_eq!(*store.read(Kind::Chunk, &id).unwrap(), version[..]);
        }
        drop(disk);
    }

    #[test]
    fn a_node_of_a_recent_tree_is_found_in_a_short_frame_and_one_of_an_older_in_a_long_one() {
        for (age, most) in [(Age::Recent, RECENT_TREES_BYTES), (Age::older(0), 1 << 20)] {
            let (_disk, store) = store();
            let nodes = versions(700, 3_000);
            let batch = Batch::begin(&store).unwrap();
            let mut writer = Arranged::new(&batch);
            for node in &nodes {
                writer.put_tree(age, Kind::Tree.id_of(node), node).unwrap();
            }
            writer.flush().unwrap();
            drop(writer);
            let packs = batch.seal().unwrap();
            store.publish(Publication::new("test", "A").with_packs(packs)).unwrap();
            let frame = |node: &Vec<u8>| {
                let id = Kind::Tree.id_of(node);
                store.lookup().find(&store.state(), Kind::Tree, &id).unwrap().raw as usize
            };
            let longest = nodes.iter().map(frame).max().unwrap();
            assert!(longest <= most && longest > most - 3_001, "{longest}");
        }
    }

    #[test]
    fn what_fits_into_short_frames_is_no_archive() {
        let (_disk, store) = store();
        put(&store, Age::older(60_000), &versions(20, 60_000));
        assert_eq!(store.state().required.get(ARCHIVE), None);
    }
}
