//! Pages: the file below a redb database, changed by whole transactions and checked page by page.
//!
//! redb by itself costs six syncs to open, commit once and close, and does not verify what it reads.
//! Here everything it does between opening and closing stays in memory, and [`Pages::append`] adds
//! the changed pages to a log as one record with one checksum: at most one sync. When the log is
//! large its pages are carried over into the main file, where each has a checksum of its own.
//!
//! ```text
//! NAME        0  512    head if `carried` is even            all numbers little-endian
//!           512  512    head if `carried` is odd; the one with the higher number counts
//!          1024         page i at 1024 + i × 4104: 4,096 bytes, then their checksum; or all zero
//! head        0     8  "antable1"
//!             8     4  version of what the caller keeps
//!            12     4  zero
//!            16     8  carried: how often the log was carried over
//!            24     8  length: bytes that redb sees
//!            32     8  checksum of the 32 bytes above
//!            40     8  acknowledged: bytes of the log known to be durable
//!            48     8  checksum of the 8 bytes above
//! NAME.log          records, one after the other:
//!             0     8  "anrecord"
//!             8     8  offset of this record
//!            16     8  count of pages
//!            24     8  cut: pages from here on were zero before this record
//!            32     8  length: bytes that redb sees
//!            40     8  checksum of the 40 bytes above and everything below
//!            48        count × (8 page number, 4,096 bytes)
//! ```
//!
//! Always true: what is read is the state after some appended record, complete, or damage is
//! reported. A power failure takes at most the records that were not synced, newest first.
//! Readers take no lock: the log overrides the main file, so carrying over disturbs only readers
//! that opened before it, and those see `carried` change and start again.
//!
//! Deliberately absent: locking. Whoever appends holds the lock.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::disk::{Dir, FileRef};
use crate::hash::checksum;

const PAGE: usize = 4096;
const SLOT: u64 = PAGE as u64 + 8;
const HEAD: u64 = 512;
const FIRST_SLOT: u64 = 2 * HEAD;
const RECORD_HEADER: usize = 48;
const RECORD_PAGE: usize = 8 + PAGE;
/// A log of more bytes is carried over into the main file.
const LONGEST_LOG: u64 = 1 << 20;
/// The most bytes of log that are believed: a write of 4 GiB at once is a mistake.
const LARGEST_LOG: u64 = 4 << 30;

/// What stands in the way of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// Bytes are not what was written.
    Damaged,
    /// The log was carried over since this was opened.
    Moved,
}

/// The file as redb sees it.
#[derive(Debug)]
pub(super) struct Pages {
    main: FileRef,
    log: FileRef,
    version: u32,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    carried: u64,
    log_bytes: u64,
    /// What the records of the log say: the newest of each page.
    logged: BTreeMap<u64, Box<[u8]>>,
    logged_cut: u64,
    logged_length: u64,
    /// What changed since opening.
    dirty: BTreeMap<u64, Box<[u8]>>,
    cut: u64,
    length: u64,
    obstacle: Option<Obstacle>,
    failed: bool,
}

impl State {
    fn empty(carried: u64) -> Self {
        Self {
            carried,
            log_bytes: 0,
            logged: BTreeMap::new(),
            logged_cut: u64::MAX,
            logged_length: 0,
            dirty: BTreeMap::new(),
            cut: u64::MAX,
            length: 0,
            obstacle: None,
            failed: false,
        }
    }
}

/// What stands at the beginning of the main file.
struct Head {
    version: u32,
    carried: u64,
    length: u64,
    acknowledged: u64,
}

impl Pages {
    /// Opens what is there. `None`: there is nothing, it has another version, or it is damaged.
    pub(super) fn open(dir: &dyn Dir, name: &[u8], version: u32) -> io::Result<Option<Self>> {
        let (main, log) = match (open(dir, name)?, open(dir, &log_name(name))?) {
            (Some(main), Some(log)) => (main, log),
            _ => return Ok(None),
        };
        Self::load(main, log, version)
    }

    /// Opens what is there for writing, or begins anew. The caller holds the lock.
    pub(super) fn open_or_create(dir: &dyn Dir, name: &[u8], version: u32) -> io::Result<Self> {
        let log = dir.open_or_create(&log_name(name), 0o666)?;
        let main = dir.open_or_create(name, 0o666)?;
        if let Some(pages) = Self::load(main.clone(), log.clone(), version)? {
            return Ok(pages);
        }
        // Keeps counting where it can, so that readers of the old file notice.
        let carried = read_head(&main)?.map_or(0, |head| head.carried);
        let pages = Self { main, log, version, state: Mutex::new(State::empty(carried)) };
        pages.begin_anew()?;
        dir.sync()?;
        Ok(pages)
    }

    fn load(main: FileRef, log: FileRef, version: u32) -> io::Result<Option<Self>> {
        for _ in 0..8 {
            let Some(head) = read_head(&main)? else { return Ok(None) };
            if head.version != version {
                return Ok(None);
            }
            let state = read_log(&log, &head)?;
            // Somebody carried over in between: the log read may be half of each.
            if read_head(&main)?.is_none_or(|again| again.carried != head.carried) {
                continue;
            }
            return Ok(state.map(|state| Self { main, log, version, state: Mutex::new(state) }));
        }
        Err(io::Error::new(io::ErrorKind::ResourceBusy, "a table is rewritten all the time"))
    }

    /// Empties both files.
    pub(super) fn begin_anew(&self) -> io::Result<()> {
        let mut state = self.lock();
        self.log.set_len(0)?;
        self.log.sync()?;
        let carried = state.carried.wrapping_add(1);
        self.write_head(carried, 0)?;
        self.main.set_len(FIRST_SLOT)?;
        self.main.sync()?;
        self.forget_head(carried.wrapping_sub(1))?;
        *state = State::empty(carried);
        Ok(())
    }

    /// What stood in the way since opening, if anything did.
    pub(super) fn obstacle(&self) -> Option<Obstacle> {
        self.lock().obstacle
    }

    /// Adds what changed since opening to the log. Nothing is added if reading failed meanwhile.
    pub(super) fn append(&self, sync: bool) -> io::Result<()> {
        let state = &mut *self.lock();
        if state.failed {
            return Err(io::Error::other("a table could not be read"));
        }
        let offset = state.log_bytes;
        let mut record = Vec::with_capacity(RECORD_HEADER + state.dirty.len() * RECORD_PAGE);
        record.extend_from_slice(b"anrecord");
        for number in [offset, state.dirty.len() as u64, state.cut, state.length, 0] {
            record.extend_from_slice(&number.to_le_bytes());
        }
        for (number, bytes) in &state.dirty {
            record.extend_from_slice(&number.to_le_bytes());
            record.extend_from_slice(bytes);
        }
        let sum = record_checksum(&record);
        record[40..48].copy_from_slice(&sum.to_le_bytes());
        self.log.write_at(&record, offset)?;
        state.log_bytes += record.len() as u64;
        let (cut, length) = (state.cut, state.length);
        apply(state, cut, length);
        let dirty = std::mem::take(&mut state.dirty);
        state.logged.extend(dirty);
        state.cut = u64::MAX;
        if state.log_bytes > LONGEST_LOG {
            self.log.sync()?;
            self.carry_over(state)
        } else if sync {
            self.log.sync()?;
            // After the sync, so that it is never ahead of the truth; not synced itself, because
            // it only serves to tell later damage from a record that was cut short.
            let at = state.carried % 2 * HEAD + 40;
            self.main.write_at(&acknowledgement(state.log_bytes), at)
        } else {
            Ok(())
        }
    }

    /// Writes the log's pages where they belong. The log is durable and stays until they are too.
    fn carry_over(&self, state: &mut State) -> io::Result<()> {
        let carried = state.carried.wrapping_add(1);
        self.write_head(carried, state.logged_length)?;
        let slots = |bytes: u64| FIRST_SLOT + bytes.div_ceil(PAGE as u64) * SLOT;
        if state.logged_cut != u64::MAX && self.main.stat()?.size > slots(state.logged_cut) {
            self.main.set_len(slots(state.logged_cut))?;
        }
        let mut run: Vec<u8> = Vec::new();
        let mut run_begin = 0;
        for (&number, bytes) in &state.logged {
            if run_begin + run.len() as u64 / SLOT != number || run.len() > 1 << 20 {
                self.write_slots(run_begin, &run)?;
                run.clear();
                run_begin = number;
            }
            run.extend_from_slice(bytes);
            run.extend_from_slice(&checksum(bytes).to_le_bytes());
        }
        self.write_slots(run_begin, &run)?;
        self.main.sync()?;
        self.forget_head(state.carried)?;
        self.log.set_len(0)?;
        self.log.sync()?;
        let length = state.logged_length;
        *state = State { logged_length: length, length, ..State::empty(carried) };
        Ok(())
    }

    fn write_slots(&self, first: u64, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.main.write_at(bytes, FIRST_SLOT + first * SLOT)
    }

    fn write_head(&self, carried: u64, length: u64) -> io::Result<()> {
        let mut head = Vec::with_capacity(56);
        head.extend_from_slice(b"antable1");
        head.extend_from_slice(&self.version.to_le_bytes());
        head.extend_from_slice(&[0; 4]);
        head.extend_from_slice(&carried.to_le_bytes());
        head.extend_from_slice(&length.to_le_bytes());
        head.extend_from_slice(&checksum(&head).to_le_bytes());
        head.extend_from_slice(&acknowledgement(0));
        self.main.write_at(&head, carried % 2 * HEAD)
    }

    /// Wipes out the head before the one that counts, now that this one is durable: if it is ever
    /// damaged, no older one must seem to be the newest.
    fn forget_head(&self, carried: u64) -> io::Result<()> {
        self.main.write_at(&[0; 56], carried % 2 * HEAD)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `read` and remembers if it failed, because redb swallows errors when it closes.
    fn noting<T>(&self, read: impl FnOnce(&mut State) -> Result<T, Failure>) -> io::Result<T> {
        let mut state = self.lock();
        read(&mut state).map_err(|failure| {
            state.failed = true;
            match failure {
                Failure::Io(error) => error,
                Failure::Obstacle(obstacle) => {
                    state.obstacle = Some(obstacle);
                    io::Error::new(io::ErrorKind::InvalidData, "a table is damaged or was moved")
                }
            }
        })
    }

    /// So many pages from `first` as they were before this session, from the main file, each with
    /// its checksum behind it.
    fn read_main(&self, state: &State, first: u64, count: usize) -> Result<Vec<u8>, Failure> {
        let mut slots = vec![0; count * SLOT as usize];
        self.main.read_full_at(&mut slots, FIRST_SLOT + first * SLOT)?;
        // Asked after reading: whoever carries over changes this before it touches a page.
        match read_head(&self.main)? {
            Some(head) if head.carried == state.carried => {}
            Some(_) => return Err(Failure::Obstacle(Obstacle::Moved)),
            None => return Err(Failure::Obstacle(Obstacle::Damaged)),
        }
        for slot in slots.chunks_exact(SLOT as usize) {
            let (page, sum) = (&slot[..PAGE], number_at(slot, PAGE));
            let never_written = || sum == 0 && page.iter().all(|&byte| byte == 0);
            if sum != checksum(page) && !never_written() {
                return Err(Failure::Obstacle(Obstacle::Damaged));
            }
        }
        Ok(slots)
    }

    /// What page `number` holds now: changed, cut away, in the log, or in the main file.
    fn page(&self, state: &State, number: u64) -> Result<Box<[u8]>, Failure> {
        let begin = number * PAGE as u64;
        if let Some(bytes) = state.dirty.get(&number) {
            return Ok(bytes.clone());
        }
        if begin < state.cut {
            if let Some(bytes) = state.logged.get(&number) {
                return Ok(bytes.clone());
            }
            if begin < state.logged_cut {
                let mut slot = self.read_main(state, number, 1)?;
                slot.truncate(PAGE);
                return Ok(slot.into_boxed_slice());
            }
        }
        Ok(vec![0; PAGE].into_boxed_slice())
    }
}

enum Failure {
    Io(io::Error),
    Obstacle(Obstacle),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The pages that `length` bytes from `offset` touch: number, range in it, range in the bytes.
fn touched(
    offset: u64,
    length: usize,
) -> impl Iterator<Item = (u64, std::ops::Range<usize>, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done == length {
            return None;
        }
        let at = offset + done as u64;
        let begin = (at % PAGE as u64) as usize;
        let count = (PAGE - begin).min(length - done);
        done += count;
        Some((at / PAGE as u64, begin..begin + count, done - count..done))
    })
}

/// A handle of the pages that redb takes for a file.
#[derive(Debug)]
pub(super) struct Backend(pub(super) Arc<Pages>);

impl redb::StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().length)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.noting(|state| {
            if offset.checked_add(out.len() as u64).is_none_or(|end| end > state.length) {
                return Err(Failure::Obstacle(Obstacle::Damaged));
            }
            let mut pages = touched(offset, out.len()).peekable();
            while let Some((first, within, range)) = pages.next() {
                if !state.is_in_main(first) {
                    out[range].copy_from_slice(&self.0.page(state, first)?[within]);
                    continue;
                }
                // What stands together is read at once.
                let mut run = vec![(within, range)];
                while let Some((_, within, range)) =
                    pages.next_if(|(number, ..)| state.is_in_main(*number))
                {
                    run.push((within, range));
                }
                let slots = self.0.read_main(state, first, run.len())?;
                for ((within, range), slot) in run.into_iter().zip(slots.chunks(SLOT as usize)) {
                    out[range].copy_from_slice(&slot[within]);
                }
            }
            Ok(())
        })
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        if !length.is_multiple_of(PAGE as u64) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a table has whole pages"));
        }
        let mut state = self.0.lock();
        if length < state.length {
            state.cut = state.cut.min(length);
            state.dirty.split_off(&(length / PAGE as u64));
        }
        state.length = length;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        // Durable is what `append` makes so, all of it at once.
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.noting(|state| {
            for (number, within, range) in touched(offset, data.len()) {
                let mut bytes = match state.dirty.remove(&number) {
                    Some(bytes) => bytes,
                    None if within.len() == PAGE => vec![0; PAGE].into_boxed_slice(),
                    None => self.0.page(state, number)?,
                };
                bytes[within].copy_from_slice(&data[range]);
                state.dirty.insert(number, bytes);
            }
            Ok(())
        })
    }
}

impl State {
    /// Whether the main file has what page `number` holds now.
    fn is_in_main(&self, number: u64) -> bool {
        number * (PAGE as u64) < self.cut.min(self.logged_cut)
            && !self.dirty.contains_key(&number)
            && !self.logged.contains_key(&number)
    }
}

/// Takes the cut and length of a record into what the log says.
fn apply(state: &mut State, cut: u64, length: u64) {
    if cut != u64::MAX {
        state.logged.split_off(&(cut / PAGE as u64));
        state.logged_cut = state.logged_cut.min(cut);
    }
    state.logged_length = length;
}

/// Reads the log; `None` if what was durable is not all there.
fn read_log(log: &FileRef, head: &Head) -> io::Result<Option<State>> {
    let size = log.stat()?.size;
    if size > LARGEST_LOG {
        return Ok(None);
    }
    let mut bytes = vec![0; usize::try_from(size).map_err(|_| io::ErrorKind::OutOfMemory)?];
    let count = log.read_full_at(&mut bytes, 0)?;
    bytes.truncate(count);
    let mut state = State { logged_length: head.length, ..State::empty(head.carried) };
    let mut at = 0;
    while let Some(record) = record_at(&bytes, at) {
        apply(&mut state, number_at(record, 24), number_at(record, 32));
        for page in record[RECORD_HEADER..].chunks_exact(RECORD_PAGE) {
            state.logged.insert(number_at(page, 0), page[8..].into());
        }
        at += record.len();
    }
    state.log_bytes = at as u64;
    state.length = state.logged_length;
    // What follows was cut short by a crash and never acknowledged; else it is damage.
    Ok((state.log_bytes >= head.acknowledged).then_some(state))
}

/// The record at `at`, if it is complete and as it was written.
fn record_at(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let rest = &bytes[at..];
    if rest.len() < RECORD_HEADER
        || !rest.starts_with(b"anrecord")
        || number_at(rest, 8) != at as u64
    {
        return None;
    }
    let pages = usize::try_from(number_at(rest, 16)).ok()?.checked_mul(RECORD_PAGE)?;
    let record = rest.get(..pages.checked_add(RECORD_HEADER)?)?;
    (record_checksum(record) == number_at(record, 40)).then_some(record)
}

fn record_checksum(record: &[u8]) -> u64 {
    checksum(&record[..40]) ^ checksum(&record[RECORD_HEADER..])
}

/// The head that counts.
fn read_head(main: &FileRef) -> io::Result<Option<Head>> {
    let mut bytes = [0; FIRST_SLOT as usize];
    main.read_full_at(&mut bytes, 0)?;
    let heads = bytes.chunks_exact(HEAD as usize).filter_map(parse_head);
    Ok(heads.max_by_key(|head| head.carried))
}

fn parse_head(bytes: &[u8]) -> Option<Head> {
    if !bytes.starts_with(b"antable1") || number_at(bytes, 32) != checksum(&bytes[..32]) {
        return None;
    }
    let mut version = [0; 4];
    version.copy_from_slice(&bytes[8..12]);
    // A damaged acknowledgement acknowledges nothing: the records have checksums of their own.
    let valid = number_at(bytes, 48) == checksum(&bytes[40..48]);
    Some(Head {
        version: u32::from_le_bytes(version),
        carried: number_at(bytes, 16),
        length: number_at(bytes, 24),
        acknowledged: if valid { number_at(bytes, 40) } else { 0 },
    })
}

fn acknowledgement(log_bytes: u64) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&log_bytes.to_le_bytes());
    let sum = checksum(&bytes[..8]);
    bytes[8..].copy_from_slice(&sum.to_le_bytes());
    bytes
}

fn number_at(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(number)
}

fn log_name(name: &[u8]) -> Vec<u8> {
    [name, b".log"].concat()
}

fn open(dir: &dyn Dir, name: &[u8]) -> io::Result<Option<FileRef>> {
    match dir.open(name) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
