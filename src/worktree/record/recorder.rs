//! The threads of a recording: one scans, all take what it finds in parts.
//!
//! Parts are few files each, so that what is done can be listed in between: an interrupted
//! recording goes on from what was listed. What a file becomes is in `change`, what directories
//! become in `directories`.

use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::clock::Time;
use crate::disk::DirRef;
use crate::index::{Beside, Tracked, Volume};
use crate::object::manifest::SMALL;
use crate::object::tree::Edit;
use crate::path::RepoPath;
use crate::progress::Monitor;
use crate::store::{Batch, SeenFile};

use super::assemble::Assembly;
use super::change::{is_conflict, is_same};
use super::content::{Hand, Segment};
use super::rows::{Finished, Rows};
use super::scan::{self, Change};
use super::{Error, FileClock, Jobs, Recording, Request, Whole};

/// How many files one thread takes at a time.
const PART: usize = 256;
/// How many bytes of them, about.
const PART_BYTES: u64 = 16 << 20;
/// How many parts may wait.
const WAITING: usize = 64;
/// For a file above this size nobody waits before a session is listed.
pub(super) const LARGE: u64 = 1 << 30;
/// After so long a session lists what it has done.
const SESSION_SECONDS: i64 = 300;

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many of these changes, one after the other, each part takes: few enough that a session can
/// be listed in between.
pub(super) fn part_lengths(changes: &[Change]) -> Vec<usize> {
    let mut lengths = Vec::new();
    let (mut length, mut bytes) = (0, 0u64);
    for change in changes {
        if length == PART || bytes >= PART_BYTES {
            lengths.push(length);
            (length, bytes) = (0, 0);
        }
        length += 1;
        // Who is not asked about is probably small.
        bytes = bytes.saturating_add(change.stat.map_or(SMALL, |stat| stat.size));
    }
    if length > 0 {
        lengths.push(length);
    }
    lengths
}

/// Some files of one directory.
pub(super) struct Part {
    /// Whether the directory is built at once.
    pub(super) is_whole: bool,
    pub(super) place: Place,
    pub(super) changes: Vec<Change>,
}

/// A directory with files to record.
pub(super) struct Place {
    /// `None` if it is not there: then nothing in it is.
    pub(super) dir: Option<DirRef>,
    pub(super) path: RepoPath,
}

pub(super) struct Recorder<'a, 's> {
    pub(super) request: Shared<'a, 's>,
    /// One for each thread, and the last for whoever scans.
    pub(super) hands: Vec<Mutex<Hand<'a, 's>>>,
    pub(super) jobs: Jobs,
    pub(super) parts: Sender<Part>,
    pub(super) outcome: Mutex<Recording>,
    pub(super) whole: Whole,
    pub(super) assembly: Mutex<Assembly>,
    pub(super) rows: Mutex<Rows<'a>>,
    /// Rows of a directory whose parts are not all there.
    pub(super) gathering: Mutex<HashMap<RepoPath, (usize, Vec<Tracked>)>>,
    pub(super) failure: Mutex<Option<Error>>,
    pub(super) seen: Mutex<Vec<SeenFile>>,
    pub(super) listed_at: Mutex<Time>,
    /// Held while files are being recorded; a session lists what is done only when nobody is.
    /// Taken before any of the hands.
    pub(super) recording: RwLock<()>,
    /// Very large files being read: for them nobody waits.
    pub(super) large: AtomicUsize,
}

/// The parts of a request that all threads use.
pub(super) struct Shared<'a, 's> {
    pub(super) batch: &'a Batch<'s>,
    pub(super) volume: &'a Volume,
    pub(super) worktree: [u8; 16],
    pub(super) already_seen: &'a [SeenFile],
    pub(super) always_times: bool,
    pub(super) decided: &'a BTreeSet<RepoPath>,
    pub(super) clock: &'a FileClock,
    pub(super) actor: &'a str,
    pub(super) monitor: &'a dyn Monitor,
}

/// Scans and records. Everything read is in the batch afterwards, flushed but not sealed.
pub fn record(request: Request<'_, '_>) -> Result<(Recording, scan::Summary), Error> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (sender, receiver) = bounded::<Part>(WAITING);
    let volume = request.scan.volume;
    let recorder = Recorder {
        jobs: Jobs::default(),
        parts: sender,
        outcome: Mutex::default(),
        whole: request.whole,
        assembly: Mutex::new(match request.whole {
            Whole::Tree => Assembly::of_tree(),
            Whole::NewDirectories | Whole::Nothing => Assembly::default(),
        }),
        rows: Mutex::new(match request.whole {
            Whole::Tree => Rows::of_tree(request.scan.index)?,
            Whole::NewDirectories | Whole::Nothing => Rows::of_new_directories(request.scan.index),
        }),
        gathering: Mutex::default(),
        failure: Mutex::default(),
        seen: Mutex::default(),
        listed_at: Mutex::new(request.batch.store().env().clock.now()),
        recording: RwLock::new(()),
        large: AtomicUsize::new(0),
        hands: (0..=threads).map(|_| Mutex::new(Hand::new(request.batch.writer()))).collect(),
        request: Shared {
            batch: request.batch,
            volume,
            worktree: request.worktree,
            already_seen: request.already_seen,
            always_times: request.always_times,
            decided: request.decided,
            clock: request.clock,
            actor: request.actor,
            monitor: request.monitor,
        },
    };
    let (scanning, scanned) = bounded(0);
    let (working, worked) = bounded(0);
    let summary = std::thread::scope(|scope| {
        // Whoever is through drops its end, by a panic as well, so that nobody waits for ever.
        let (_scanning, working) = (scanning, working);
        for thread in 0..threads {
            let (recorder, parts, working) = (&recorder, &receiver, working.clone());
            let (scanned, worked) = (&scanned, &worked);
            scope.spawn(move || recorder.work(thread, &Given { parts, scanned, worked }, working));
        }
        drop(working);
        let spare = recorder.request.already_seen.is_empty();
        let scan = scan::Request { spare, ..request.scan };
        scan::scan(&scan, &recorder, request.monitor)
    })?;
    if let Some(error) = locked(&recorder.failure).take() {
        return Err(error);
    }
    // A directory that is not whole would be taken for all there is.
    if let Some(path) = locked(&recorder.assembly).unfinished() {
        return Err(Error::Unfinished(path));
    }
    for hand in &recorder.hands {
        locked(hand).writer.flush()?;
    }
    let mut recording = recorder.outcome.into_inner().unwrap_or_else(PoisonError::into_inner);
    let rows = recorder.rows.into_inner().unwrap_or_else(PoisonError::into_inner);
    let given_up = std::mem::take(&mut recording.given_up);
    match (rows.finish()?, recorder.whole) {
        (Finished::Held(rows), _) => {
            recording.rows.extend(rows.into_iter().filter(|(path, _)| !given_up.contains(path)));
        }
        (Finished::Lost, _) => recording.index_is_behind = true,
        (Finished::Written(mut writer), whole) => {
            recording.rows.extend(given_up.into_iter().map(|path| (path, None)));
            if whole == Whole::Tree {
                writer.settle();
                recording.index = Some(*writer);
            } else {
                let below = std::mem::take(&mut recording.new_directories);
                recording.beside = Some(Beside { writer: *writer, below });
            }
        }
    }
    // Of what could not be looked at nothing is recorded.
    for (path, _) in &summary.unreadable {
        recording.directories.remove(path);
    }
    // There may be very many: they are sorted in place.
    recording.edits.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    recording.rows.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    recording.undecided.sort_unstable();
    Ok((recording, summary))
}

/// What a thread waits for.
struct Given<'a> {
    parts: &'a Receiver<Part>,
    /// Nothing ever comes of it; it ends when the scan does.
    scanned: &'a Receiver<Infallible>,
    /// Likewise, when no thread has parts any more.
    worked: &'a Receiver<Infallible>,
}

impl<'s> Recorder<'_, 's> {
    /// One thread: takes parts, and chunks of large files, until there is nothing left.
    fn work(&self, thread: usize, given: &Given<'_>, working: Sender<Infallible>) {
        let hand = &self.hands[thread];
        loop {
            crossbeam_channel::select! {
                recv(given.parts) -> part => if let Ok(part) = part {
                    self.try_part(hand, part);
                },
                recv(self.jobs.receiver()) -> segment => if let Ok(segment) = segment {
                    self.try_segment(&mut locked(hand), segment);
                },
                recv(given.scanned) -> _ => break,
            }
        }
        for part in given.parts.try_iter() {
            self.try_part(hand, part);
        }
        drop(working);
        // Somebody may still be cutting a large file: help until nobody is at it.
        loop {
            crossbeam_channel::select! {
                recv(self.jobs.receiver()) -> segment => if let Ok(segment) = segment {
                    self.try_segment(&mut locked(hand), segment);
                },
                recv(given.worked) -> _ => break,
            }
        }
    }

    pub(super) fn fail(&self, error: Error) {
        locked(&self.failure).get_or_insert(error);
    }

    pub(super) fn has_failed(&self) -> bool {
        locked(&self.failure).is_some()
    }

    fn try_segment(&self, hand: &mut Hand<'_, 's>, segment: Segment) {
        match hand.store_segment(segment) {
            Ok(buffer) => self.jobs.recycle(buffer),
            Err(error) => self.fail(error.into()),
        }
    }

    fn try_part(&self, hand: &Mutex<Hand<'_, 's>>, part: Part) {
        if self.has_failed() {
            return;
        }
        let recorded = {
            let _recording = self.recording.read().unwrap_or_else(PoisonError::into_inner);
            self.record_part(&mut locked(hand), part)
        };
        if let Err(error) = recorded.and_then(|()| self.list_session()) {
            self.fail(error);
        }
    }

    fn record_part(&self, hand: &mut Hand<'_, 's>, part: Part) -> Result<(), Error> {
        let place = part.place;
        let most = if part.is_whole { part.changes.len() } else { 0 };
        let mut entries = Vec::with_capacity(most);
        let mut rows = Vec::with_capacity(most);
        let mut mine = Recording::default();
        for change in part.changes {
            if self.has_failed() {
                return Ok(());
            }
            let Some(fresh) = self.record_change(hand, &place, &change, &mut mine)? else {
                continue;
            };
            let Change { name, tracked: known, .. } = change;
            let (entry, mut row) = self.entry_and_row(name, known.as_ref(), fresh);
            if part.is_whole {
                rows.push(row);
                entries.push(entry);
                mine.added += 1;
                continue;
            }
            let path = place.path.join(&entry.name);
            let is_same = known.as_ref().is_some_and(|known| is_same(known, &entry));
            let same_time = known.as_ref().is_some_and(|known| known.mtime == entry.mtime);
            if is_same && (same_time || !self.request.always_times) {
                // What was recorded stays recorded: a time alone is no change.
                row.mtime = known.and_then(|known| known.mtime);
                mine.rows.push((path, Some(row)));
                continue;
            }
            if known.is_some() {
                mine.modified += 1;
            } else {
                mine.added += 1;
            }
            if known.as_ref().is_some_and(is_conflict) {
                mine.undecided.push(path.clone());
            }
            mine.edits.push(Edit { path: path.clone(), entry: Some(entry) });
            mine.rows.push((path, Some(row)));
        }
        locked(&self.outcome).take(mine);
        if part.is_whole {
            let complete = locked(&self.assembly).add(&place.path, entries);
            self.push_rows(&place.path, rows)?;
            self.build(hand, complete)?;
        }
        Ok(())
    }

    /// Lists what is done so far, if it is time: an interruption then costs only what came after.
    fn list_session(&self) -> Result<(), Error> {
        let batch = self.request.batch;
        let now = batch.store().env().clock.now();
        let is_due = || {
            let is_late = now.seconds - locked(&self.listed_at).seconds >= SESSION_SECONDS;
            (is_late || batch.has_many_packs()) && self.large.load(Ordering::Relaxed) == 0
        };
        if !is_due() {
            return Ok(());
        }
        // Everybody comes to the end of what they are reading.
        let _nobody = self.recording.write().unwrap_or_else(PoisonError::into_inner);
        if !is_due() {
            return Ok(());
        }
        for hand in &self.hands {
            locked(hand).writer.flush()?;
        }
        batch.keep_seen(self.request.worktree, &mut locked(&self.seen))?;
        batch.list_session(self.request.actor)?;
        *locked(&self.listed_at) = now;
        Ok(())
    }
}
