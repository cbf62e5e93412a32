//! What there is: files, directories and links, now and as they are durable.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::clock::Time;

use super::{BLOCK, SECTOR};

/// A name as lookups compare it.
pub(super) type Key = Vec<u8>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: Vec<u8>,
    pub(super) inode: u64,
}

#[derive(Clone)]
pub(super) struct Directory {
    pub(super) parent: u64,
    pub(super) entries: BTreeMap<Key, Entry>,
    /// For each name changed since the last sync: what it stood for then, and what in between.
    pub(super) unsynced: BTreeMap<Key, Vec<Option<Entry>>>,
}

impl Directory {
    pub(super) fn set(&mut self, key: Key, entry: Option<Entry>) {
        let before = match entry {
            Some(entry) => self.entries.insert(key.clone(), entry),
            None => self.entries.remove(&key),
        };
        let states = self.unsynced.entry(key).or_default();
        states.push(before);
        if states.len() > 4 {
            states.remove(1);
        }
    }

    /// Every inode that a name stands for or would stand for after a failure.
    pub(super) fn inodes(&self) -> impl Iterator<Item = u64> {
        let unsynced = self.unsynced.values().flatten().flatten();
        self.entries.values().chain(unsynced).map(|entry| entry.inode)
    }
}

#[derive(Clone, Default)]
pub(super) struct Content {
    pub(super) bytes: Vec<u8>,
    /// Whether a block has ever been written; if not, it is a hole.
    pub(super) written: Vec<bool>,
}

impl Content {
    pub(super) fn resize(&mut self, size: usize) {
        self.bytes.resize(size, 0);
        self.written.resize(size.div_ceil(BLOCK), false);
    }

    /// Writes until a block is needed that is not free; returns how many bytes that were.
    pub(super) fn write(&mut self, bytes: &[u8], offset: usize, free_blocks: &mut u64) -> usize {
        let mut done = 0;
        while done < bytes.len() {
            let at = offset + done;
            let count = (BLOCK - at % BLOCK).min(bytes.len() - done);
            if !self.written.get(at / BLOCK).is_some_and(|&written| written) {
                if *free_blocks == 0 {
                    break;
                }
                *free_blocks -= 1;
            }
            if self.bytes.len() < at + count {
                self.resize(at + count);
            }
            self.bytes[at..at + count].copy_from_slice(&bytes[done..done + count]);
            self.written[at / BLOCK] = true;
            done += count;
        }
        done
    }

    pub(super) fn allocated(&self) -> u64 {
        self.written.iter().filter(|&&written| written).count() as u64 * BLOCK as u64
    }

    pub(super) fn next_data(&self, offset: u64) -> Option<Range<u64>> {
        let first = usize::try_from(offset).ok().filter(|&first| first < self.bytes.len())?;
        let start = (first / BLOCK..self.written.len()).find(|&block| self.written[block])?;
        let end = (start..self.written.len()).find(|&block| !self.written[block]);
        let end = end.map_or(self.bytes.len(), |end| end * BLOCK);
        Some((start * BLOCK).max(first) as u64..end as u64)
    }

    /// What is left if only some sectors of the change from `durable` to `self` were written.
    pub(super) fn torn(&self, durable: &Self, chance: &mut Chance) -> Self {
        let (old, new) = (durable.bytes.len(), self.bytes.len());
        let size = match chance.below(3) {
            0 => old,
            1 => new,
            // Cut at a sector that the growth reached.
            _ if new > old => {
                let sectors = (new - old).div_ceil(SECTOR) as u64 + 1;
                (old / SECTOR * SECTOR + chance.below(sectors) as usize * SECTOR).clamp(old, new)
            }
            _ => new,
        };
        let mut torn = durable.clone();
        torn.resize(size);
        // All, none or half of the sectors: independent draws alone would never leave a large
        // file whole.
        let odds = [0, 2, 2, 4][chance.below(4) as usize];
        for start in (0..size.min(new)).step_by(SECTOR) {
            let end = (start + SECTOR).min(size).min(new);
            if torn.bytes[start..end] != self.bytes[start..end] && chance.below(4) < odds {
                torn.bytes[start..end].copy_from_slice(&self.bytes[start..end]);
                torn.written[start / BLOCK] = true;
            }
        }
        torn
    }
}

#[derive(Clone)]
pub(super) enum Body {
    File { current: Arc<Content>, durable: Arc<Content> },
    Directory(Directory),
    Symlink(Vec<u8>),
    Special,
}

#[derive(Clone, Copy)]
pub(super) struct Facts {
    pub(super) mode: u16,
    pub(super) mtime: Time,
    pub(super) ctime: Time,
}

#[derive(Clone)]
pub(super) struct Node {
    pub(super) body: Body,
    pub(super) facts: Facts,
    pub(super) durable_facts: Facts,
    /// How many names it has now; a directory has one.
    pub(super) names: u64,
    pub(super) unreadable: bool,
    /// Nobody may open it.
    pub(super) closed: bool,
    /// Of a directory: no name in it comes, goes or becomes another thing's.
    pub(super) fixed: bool,
    /// A sync failed: what was unsynced will never be durable.
    pub(super) write_lost: bool,
    /// Held by every open handle, so that removed files stay as long as they are open.
    pub(super) open: Arc<()>,
}

impl Node {
    pub(super) fn sync(&mut self) {
        self.durable_facts = self.facts;
        match &mut self.body {
            Body::File { current, durable } if !self.write_lost => *durable = current.clone(),
            Body::Directory(directory) => directory.unsynced.clear(),
            _ => {}
        }
    }

    /// The node as the disk has it after a failure, for an image: without names yet.
    pub(super) fn survivor(&self, chance: &mut Option<Chance>) -> Self {
        let keeps = chance.as_mut().is_some_and(|chance| chance.below(2) == 0);
        let facts = if keeps { self.facts } else { self.durable_facts };
        let body = match &self.body {
            Body::File { current, durable } => {
                let left = match chance {
                    Some(chance) if !Arc::ptr_eq(current, durable) && !self.write_lost => {
                        Arc::new(current.torn(durable, chance))
                    }
                    _ => durable.clone(),
                };
                Body::File { current: left.clone(), durable: left }
            }
            Body::Directory(directory) => Body::Directory(Directory {
                parent: directory.parent,
                entries: BTreeMap::new(),
                unsynced: BTreeMap::new(),
            }),
            other => other.clone(),
        };
        Self {
            body,
            facts,
            durable_facts: facts,
            names: 1,
            unreadable: self.unreadable,
            closed: self.closed,
            fixed: self.fixed,
            write_lost: false,
            open: Arc::default(),
        }
    }
}

/// Pseudo-random numbers (splitmix64).
pub(super) struct Chance {
    pub(super) state: u64,
    /// Of 8: how likely a changed name is found in its last state. Drawn once, so that some images
    /// lose nearly all and some nearly nothing.
    pub(super) name_odds: u64,
}

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        let mut chance = Self { state: seed, name_odds: 0 };
        chance.name_odds = [1, 4, 4, 7][chance.below(4) as usize];
        chance
    }

    /// What a changed name stands for: its last state, or one it had since it was durable.
    pub(super) fn state<'a>(
        &mut self,
        before: &'a [Option<Entry>],
        current: Option<&'a Entry>,
    ) -> Option<&'a Entry> {
        if self.below(8) < self.name_odds {
            return current;
        }
        before[self.below(before.len() as u64) as usize].as_ref()
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % limit
    }
}

pub(super) fn empty_directory(parent: u64) -> Body {
    Body::Directory(Directory { parent, entries: BTreeMap::new(), unsynced: BTreeMap::new() })
}

pub(super) fn empty_file() -> Body {
    let content = Arc::new(Content::default());
    Body::File { current: content.clone(), durable: content }
}
