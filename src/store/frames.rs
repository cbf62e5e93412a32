//! Frames that were opened, kept for the next object in them; and open pack files.
//!
//! The memory of a frame that nobody needs any more is used for the next one: so many large blocks
//! of all sizes would leave holes in the heap, and new memory costs as much as decompressing.

use std::collections::{BTreeMap, HashMap};
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use crate::disk::FileRef;

use super::Class;
use super::pack::PackName;

/// How many bytes of opened frames of metadata are kept: walks through history come back to them.
const KEEP_METADATA: usize = 64 << 20;
/// And of content, which is read in about the order in which it was written.
const KEEP_CONTENT: usize = 6 << 20;
/// So many frames of each are kept however long they are: threads read one each, and long frames
/// take long to open.
const KEEP_FRAMES: usize = 4;
/// How many bytes of memory wait for the next frames.
const SPARE_BYTES: usize = 4 << 20;
/// The least memory of a frame that is used again.
const SMALLEST_BUFFER: usize = 64 << 10;
/// How many pack files are kept open.
const KEEP_FILES: usize = 256;

/// The bytes of a frame's objects.
#[derive(Debug)]
pub(super) struct Frame {
    bytes: Vec<u8>,
    spare: Arc<Spare>,
}

impl Deref for Frame {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        self.spare.take_back(std::mem::take(&mut self.bytes));
    }
}

/// Memory that waits for the next frames.
#[derive(Debug, Default)]
struct Spare(Mutex<Vec<Vec<u8>>>);

impl Spare {
    fn take_back(&self, buffer: Vec<u8>) {
        let mut spare = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting: usize = spare.iter().map(Vec::capacity).sum();
        if buffer.capacity() > 0 && waiting + buffer.capacity() <= SPARE_BYTES {
            spare.push(buffer);
        }
    }

    /// A buffer with room for so many bytes. All have a few sizes, so that one fits for another. It
    /// holds what it last held: whoever reads into it need not fill it with zeros first.
    fn buffer(&self, bytes: usize) -> Vec<u8> {
        let wanted = bytes.next_power_of_two().max(SMALLEST_BUFFER);
        let mut spare = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = spare.iter().position(|buffer| buffer.capacity() == wanted);
        found.map_or_else(|| Vec::with_capacity(wanted), |at| spare.swap_remove(at))
    }
}

/// Opened frames and open files, the least recently used thrown away first.
#[derive(Debug, Default)]
pub(super) struct Frames {
    metadata: Mutex<Cache>,
    content: Mutex<Cache>,
    files: Mutex<HashMap<String, FileRef>>,
    spare: Arc<Spare>,
}

/// A pack by its number in the cache, and a frame of it.
type Key = (usize, u32);

#[derive(Debug, Default)]
struct Cache {
    /// The one that was used last: mostly it is wanted again at once.
    last: Option<(PackName, u32, Arc<Frame>)>,
    packs: HashMap<PackName, usize>,
    frames: HashMap<Key, (Arc<Frame>, u64)>,
    /// When each was used.
    used: BTreeMap<u64, Key>,
    bytes: usize,
    clock: u64,
    habit: Habit,
}

/// Whether who reads the start of a frame comes back for more of it, as most do that bring back
/// what was recorded together, and few that look at one file each.
#[derive(Debug, Default)]
struct Habit {
    asked: u32,
    started: u32,
    returned: u32,
}

impl Habit {
    /// So many starts tell something.
    const ENOUGH: u32 = 8;
    /// Older ones count less.
    const MOST: u32 = 64;
    /// As often it is tried whether that is still so.
    const TRIED: u32 = 16;

    /// Whether a frame is better opened whole, though its start would do.
    fn is_whole(&mut self) -> bool {
        self.asked = self.asked.wrapping_add(1);
        let is_usual = self.started >= Self::ENOUGH && self.returned * 4 >= self.started * 3;
        if is_usual && !self.asked.is_multiple_of(Self::TRIED) {
            return true;
        }
        self.started += 1;
        if self.started > Self::MOST {
            (self.started, self.returned) = (self.started / 2, self.returned / 2);
        }
        false
    }
}

impl Cache {
    fn touch(&mut self, key: Key, before: Option<u64>) -> u64 {
        if let Some(before) = before {
            self.used.remove(&before);
        }
        self.clock += 1;
        self.used.insert(self.clock, key);
        self.clock
    }
}

impl Frames {
    /// A buffer for so many bytes, with what was last in it.
    pub(super) fn buffer(&self, bytes: usize) -> Vec<u8> {
        self.spare.buffer(bytes)
    }

    /// A buffer that is not needed any more.
    pub(super) fn take_back(&self, buffer: Vec<u8>) {
        self.spare.take_back(buffer);
    }

    /// A frame of these bytes.
    pub(super) fn frame(&self, bytes: Vec<u8>) -> Arc<Frame> {
        Arc::new(Frame { bytes, spare: self.spare.clone() })
    }

    /// The cache for packs of a class, and how many bytes it keeps.
    fn cache(&self, class: Class) -> (&Mutex<Cache>, usize) {
        match class {
            Class::Meta | Class::List => (&self.metadata, KEEP_METADATA),
            Class::Near | Class::Data => (&self.content, KEEP_CONTENT),
        }
    }

    pub(super) fn get(&self, class: Class, pack: PackName, number: u32) -> Option<Arc<Frame>> {
        let mut cache = self.cache(class).0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((last_pack, last, frame)) = &cache.last
            && (*last_pack, *last) == (pack, number)
        {
            return Some(frame.clone());
        }
        let key = (*cache.packs.get(&pack)?, number);
        let (frame, before) = cache.frames.get(&key).cloned()?;
        let now = cache.touch(key, Some(before));
        cache.frames.insert(key, (frame.clone(), now));
        cache.last = Some((pack, number, frame.clone()));
        Some(frame)
    }

    /// Whether a frame is better opened whole, though its start would do.
    pub(super) fn is_whole_better(&self, class: Class) -> bool {
        let mut cache = self.cache(class).0.lock().unwrap_or_else(PoisonError::into_inner);
        cache.habit.is_whole()
    }

    /// Is told that more is wanted of a frame of which the start was opened.
    pub(super) fn wants_more(&self, class: Class) {
        let mut cache = self.cache(class).0.lock().unwrap_or_else(PoisonError::into_inner);
        cache.habit.returned += 1;
    }

    pub(super) fn put(&self, class: Class, pack: PackName, number: u32, frame: Arc<Frame>) {
        let mut thrown_away = Vec::new();
        let (cache, most) = self.cache(class);
        let mut cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
        let next = cache.packs.len();
        let key = (*cache.packs.entry(pack).or_insert(next), number);
        if let Some((.., last)) = cache.last.replace((pack, number, frame.clone())) {
            thrown_away.push(last);
        }
        cache.bytes += frame.len();
        let before = cache.frames.get(&key).map(|(_, before)| *before);
        let now = cache.touch(key, before);
        if let Some((old, _)) = cache.frames.insert(key, (frame, now)) {
            cache.bytes -= old.len();
            thrown_away.push(old);
        }
        while cache.bytes > most && cache.frames.len() > KEEP_FRAMES {
            let Some((_, oldest)) = cache.used.pop_first() else { break };
            if let Some((old, _)) = cache.frames.remove(&oldest) {
                cache.bytes -= old.len();
                thrown_away.push(old);
            }
        }
        // Giving memory back is not done while others wait.
        drop(cache);
        drop(thrown_away);
    }

    pub(super) fn file(&self, path: &str) -> Option<FileRef> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned()
    }

    pub(super) fn keep_file(&self, path: &str, file: FileRef) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if files.len() >= KEEP_FILES {
            files.clear();
        }
        files.insert(path.to_owned(), file);
    }

    pub(super) fn forget(&self) {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).clear();
        for cache in [&self.metadata, &self.content] {
            *cache.lock().unwrap_or_else(PoisonError::into_inner) = Cache::default();
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::store::pack::NAME;

    fn pack(number: u8) -> PackName {
        PackName::new(&[number; NAME]).unwrap()
    }

    fn put(frames: &Frames, class: Class, number: u32) {
        let mut buffer = frames.buffer(1 << 20);
        buffer.clear();
        buffer.resize(1 << 20, number as u8);
        frames.put(class, pack(1), number, frames.frame(buffer));
    }

    #[test]
    fn what_was_used_last_stays_and_no_more_is_kept_than_may_be() {
        for (class, most) in [(Class::Meta, 64), (Class::Near, 6), (Class::Data, 6)] {
            let frames = Frames::default();
            let get = |number| frames.get(class, pack(1), number);
            for number in 0..=most {
                put(&frames, class, number);
                assert!(get(0).is_some(), "used all the time");
            }
            assert!(get(1).is_none());
            assert_eq!(get(2).unwrap()[..2], [2, 2]);
            assert!(frames.get(class, pack(2), 2).is_none());
            let kept = (0..=most).filter_map(get).count();
            assert_eq!(kept, most as usize);
            frames.forget();
            assert!(frames.get(class, pack(1), 2).is_none());
        }
    }

    #[test]
    fn frames_are_opened_whole_where_whoever_reads_their_start_comes_back() {
        let frames = Frames::default();
        let opened_whole = |comes_back: bool, count: usize| {
            let whole = (0..count).filter(|_| {
                let is_whole = frames.is_whole_better(Class::Near);
                if !is_whole && comes_back {
                    frames.wants_more(Class::Near);
                }
                is_whole
            });
            whole.count()
        };
        assert_eq!(opened_whole(true, 8), 0, "nothing is known yet");
        assert!(opened_whole(true, 160) >= 149);
        // Whoever reads one thing of each is noticed, and taken back.
        opened_whole(false, 400);
        assert_eq!(opened_whole(false, 100), 0);
        assert!(!frames.is_whole_better(Class::Meta));
    }

    #[test]
    fn memory_is_used_again_once_nobody_reads_it() {
        let frames = Frames::default();
        let mut buffer = frames.buffer(100_000);
        buffer.push(7);
        let place = buffer.as_ptr();
        let frame = frames.frame(buffer);
        frames.put(Class::Data, pack(1), 0, frame.clone());
        frames.forget();
        let other = frames.buffer(100_000);
        assert_ne!(other.as_ptr(), place, "it is still read");
        assert_eq!(frame[0], 7);
        drop(frame);
        let small = frames.buffer(1000);
        assert_ne!(small.as_ptr(), place, "far too large");
        let again = frames.buffer(70_000);
        assert_eq!((again.as_ptr(), &again[..]), (place, &[7][..]), "and need not be filled");
    }
}
