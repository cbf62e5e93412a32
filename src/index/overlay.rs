//! The overlay: what changed since the run was written, and which run that is.
//!
//! Kept in a redb database of two tables, and read whole when the index is opened: it has at most
//! 65,536 rows. `state` has one row that names the run, the commit and a revision; whoever writes
//! must have read the revision that is there. `rows` has, for each key, the row as it stands in a
//! run's page, or nothing if the path is no longer tracked. A third table is that of
//! [`super::listed`].

use std::ops::{Bound, ControlFlow, Range};

use super::entry::Base;
use super::listed::{self, Listed};
use super::row::Row;
use crate::codec::{self, Decode, Encode, Validate};
use crate::hash::Id;
use crate::path::RepoPath;
use crate::table::{self, Database};

/// The file in `.annals/index`.
pub(super) const NAME: &[u8] = b"overlay.redb";
/// The version of rows, pages and state: another one is another index.
pub(super) const VERSION: u32 = 1;
const STATE: &str = "state";
const ROWS: &str = "rows";

/// What the index is, apart from its rows.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) struct State {
    /// Names the run.
    pub(super) generation: [u8; 16],
    /// Another one after every change.
    pub(super) revision: [u8; 16],
    pub(super) commit: Option<Id>,
    pub(super) tree: Option<Id>,
    /// The boot under which entries marked unsynced were written.
    pub(super) boot: Option<[u8; 16]>,
    /// Whether rows may carry such marks, cleared ones included.
    pub(super) marked: bool,
    /// How many rows the overlay has.
    pub(super) rows: u64,
}

impl Validate for State {
    fn validate(&self) -> Result<(), codec::Error> {
        Ok(())
    }
}

impl State {
    pub(super) fn base(&self) -> Base {
        Base { commit: self.commit, tree: self.tree }
    }
}

/// The rows of the overlay in memory, sorted by key.
#[derive(Clone, Debug, Default)]
pub(super) struct Overlay {
    bytes: Vec<u8>,
    slots: Vec<Slot>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    begin: usize,
    key_end: usize,
    end: usize,
}

impl Overlay {
    /// Adds a row behind all others; without bytes, it says that nothing is tracked there.
    pub(super) fn push(&mut self, key: &[u8], row: &[u8]) {
        let begin = self.bytes.len();
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(row);
        let key_end = begin + key.len();
        self.slots.push(Slot { begin, key_end, end: self.bytes.len() });
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn key(&self, at: usize) -> &[u8] {
        &self.bytes[self.slots[at].begin..self.slots[at].key_end]
    }

    fn row_bytes(&self, at: usize) -> &[u8] {
        &self.bytes[self.slots[at].key_end..self.slots[at].end]
    }

    /// Row number `at`; `None` if it says that nothing is tracked.
    pub(super) fn row(&self, at: usize, marks_count: bool) -> Option<Row<'_>> {
        Row::of_bytes(self.row_bytes(at), marks_count)
    }

    /// The rows whose keys are at least `from` and less than `to`.
    pub(super) fn between(&self, from: &[u8], to: Option<&[u8]>) -> Range<usize> {
        if self.slots.is_empty() {
            return 0..0;
        }
        let first = |key: &[u8]| {
            self.slots.partition_point(|slot| &self.bytes[slot.begin..slot.key_end] < key)
        };
        first(from)..to.map_or(self.slots.len(), first)
    }

    /// What the overlay says of a key, if anything.
    pub(super) fn find(&self, key: &[u8]) -> Option<usize> {
        self.slots.binary_search_by(|slot| self.bytes[slot.begin..slot.key_end].cmp(key)).ok()
    }

    /// This overlay with newer rows laid over it; both sorted.
    pub(super) fn merged(&self, newer: &Self) -> Self {
        let mut merged = Self::default();
        let (mut old, mut new) = (0, 0);
        while old < self.len() || new < newer.len() {
            let order = match (old < self.len(), new < newer.len()) {
                (true, true) => self.key(old).cmp(newer.key(new)),
                (true, false) => std::cmp::Ordering::Less,
                _ => std::cmp::Ordering::Greater,
            };
            if order.is_lt() {
                merged.push(self.key(old), self.row_bytes(old));
            } else {
                merged.push(newer.key(new), newer.row_bytes(new));
            }
            old += usize::from(order.is_le());
            new += usize::from(order.is_ge());
        }
        merged
    }

    /// This overlay but for some keys.
    pub(super) fn without(&self, is_left_out: impl Fn(&[u8]) -> bool) -> Self {
        let mut kept = Self::default();
        for at in (0..self.len()).filter(|&at| !is_left_out(self.key(at))) {
            kept.push(self.key(at), self.row_bytes(at));
        }
        kept
    }

    /// Reads the state and all rows; `None` if they are not what was written.
    pub(super) fn read(database: &Database) -> Result<Option<(State, Self)>, table::Error> {
        let Some(state) = read_state(database)? else { return Ok(None) };
        let mut overlay = Self::default();
        let mut sound = true;
        database.visit(ROWS, Bound::Unbounded, Bound::Unbounded, |key, row| {
            sound &= row.is_empty() || Row::of_bytes(row, true).is_some();
            overlay.push(key, row);
            ControlFlow::Continue(())
        })?;
        sound &= overlay.len() as u64 == state.rows;
        Ok(sound.then_some((state, overlay)))
    }
}

/// The state alone.
pub(super) fn read_state(database: &Database) -> Result<Option<State>, table::Error> {
    let bytes = database.get(STATE, b"state")?;
    Ok(bytes.and_then(|bytes| codec::decode(&bytes).ok()))
}

/// Writes the state and adds rows to those there.
pub(super) fn write(
    database: &mut Database,
    state: &State,
    newer: &Overlay,
    newer_listed: &[(RepoPath, Listed)],
) -> Result<(), table::Error> {
    database.write(|batch| {
        batch.table(STATE)?.put(b"state", &codec::encode(state))?;
        listed::write(batch, newer_listed)?;
        if newer.len() == 0 {
            return Ok(());
        }
        let mut rows = batch.table(ROWS)?;
        for at in 0..newer.len() {
            rows.put(newer.key(at), newer.row_bytes(at))?;
        }
        Ok(())
    })
}

/// Writes the state of a new run, over which nothing lies.
pub(super) fn begin_anew(database: &mut Database, state: &State) -> Result<(), table::Error> {
    database.write(|batch| {
        batch.table(STATE)?.put(b"state", &codec::encode(state))?;
        batch.clear(ROWS)?;
        listed::clear(batch)
    })
}
