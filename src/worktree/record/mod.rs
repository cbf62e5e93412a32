//! Recording: files of the working tree on their way into the store.
//!
//! The scan finds what may have changed, one directory after the other; here it is read, by as
//! many threads as there are processors, and becomes entries and rows of the index. A first
//! recording builds its tree and its index as it goes, so that memory does not depend on how many
//! files there are. Later ones collect edits: memory in proportion to what changed.

mod assemble;
mod content;
mod jobs;
mod rows;

use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use crate::clock::Time;
use crate::disk::{DirRef, FileKind, Stat};
use crate::index::{self, IndexWriter, Known, Seen, Tracked, Volume};
use crate::object::tree::{Edit, Root};
use crate::object::{Entry, Node, What};
use crate::path::RepoPath;
use crate::progress::Monitor;
use crate::store::{Batch, Error as StoreError, SeenFile};

use super::scan::{self, Change, ChangeKind, DirectoryFound, Visitor};
use assemble::{Assembly, Complete};
use rows::Rows;

pub use content::{Hand, Outcome, Recorded, hash_file};
pub use jobs::Jobs;

/// How many files one thread takes at a time.
const PART: usize = 64;
/// How many bytes of them, about.
const PART_BYTES: u64 = 64 << 20;
/// How many parts may wait.
const WAITING: usize = 64;
/// For a file above this size nobody waits before a session is listed.
const LARGE: u64 = 1 << 30;
/// After so long a session lists what it has done.
const SESSION_SECONDS: i64 = 300;

/// Why recording failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store did.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The index did.
    #[error(transparent)]
    Index(#[from] index::Error),
    /// The working tree cannot be scanned.
    #[error(transparent)]
    Scan(#[from] scan::Error),
    /// A target is longer than any link may be.
    #[error("cannot record the symbolic link '{0}': its target is longer than 16 KiB")]
    LongLink(RepoPath),
}

/// What to record, and how.
pub struct Request<'a, 's> {
    /// Where content goes.
    pub batch: &'a Batch<'s>,
    /// What to scan.
    pub scan: scan::Request<'a>,
    /// Begin a new index and a new tree: nothing is tracked yet.
    pub fresh: Option<IndexWriter>,
    /// Which working tree this is.
    pub worktree: [u8; 16],
    /// What an interrupted session had read, sorted by path.
    pub already_seen: &'a [SeenFile],
    /// Record modification times even where nothing else changed.
    pub always_times: bool,
    /// The time by the file system's own clock.
    pub file_system_now: &'a (dyn Fn() -> Time + Sync),
    /// Who records, for the journal.
    pub actor: &'a str,
    /// Is told.
    pub monitor: &'a dyn Monitor,
}

/// A file that was not recorded, and why.
#[derive(Debug)]
pub struct Unread {
    /// Which.
    pub path: RepoPath,
    /// Why.
    pub why: Why,
}

/// Why a file was not recorded.
#[derive(Debug)]
pub enum Why {
    /// A directory is recorded there of which not everything is here, so recording it would delete
    /// what nobody deleted.
    InTheWay,
    /// It cannot be read.
    Unreadable(io::Error),
    /// It changed each time it was read.
    Changing,
    /// It was gone, or something else, when it was to be read.
    Vanished,
}

/// What was recorded.
#[derive(Default)]
pub struct Recording {
    /// The whole tree, if it was built anew.
    pub root: Option<Root>,
    /// The index to go with it.
    pub index: Option<IndexWriter>,
    /// Otherwise: what changed, sorted by path.
    pub edits: Vec<Edit>,
    /// What the index should say of paths, changed or only looked at again.
    pub rows: Vec<(RepoPath, Option<Tracked>)>,
    /// Directories whose own entries are to be looked at again.
    pub directories: BTreeSet<RepoPath>,
    /// What was not recorded.
    pub unread: Vec<Unread>,
    /// Files that are new.
    pub added: u64,
    /// Files that changed.
    pub modified: u64,
    /// Files that are gone.
    pub deleted: u64,
    /// Files that were read.
    pub files_read: u64,
    /// Bytes that were read.
    pub bytes_read: u64,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many of these changes one part takes: few enough that a session can be listed in between.
fn part_length(changes: &[Change]) -> usize {
    let mut bytes = 0u64;
    let fits = |change: &&Change| {
        let before = bytes;
        bytes = bytes.saturating_add(change.stat.map_or(0, |stat| stat.size));
        before < PART_BYTES
    };
    changes.iter().take(PART).take_while(fits).count().max(1)
}

fn count_parts(mut changes: &[Change]) -> usize {
    let mut parts = 0;
    while !changes.is_empty() {
        changes = &changes[part_length(changes).min(changes.len())..];
        parts += 1;
    }
    parts
}

/// Some files of one directory.
struct Part {
    /// `None` if it is not there: then nothing in it is.
    dir: Option<DirRef>,
    path: RepoPath,
    changes: Vec<Change>,
}

struct Recorder<'a, 's> {
    request: Shared<'a, 's>,
    /// One for each thread, and the last for whoever scans.
    hands: Vec<Mutex<Hand<'a, 's>>>,
    jobs: Jobs,
    parts: Sender<Part>,
    outcome: Mutex<Recording>,
    assembly: Option<Mutex<Assembly>>,
    rows: Option<Mutex<Rows>>,
    /// Rows of a directory whose parts are not all there.
    gathering: Mutex<std::collections::HashMap<RepoPath, (usize, Vec<Tracked>)>>,
    failure: Mutex<Option<Error>>,
    seen: Mutex<Vec<SeenFile>>,
    listed_at: Mutex<Time>,
    /// Held while files are being recorded; a session lists what is done only when nobody is.
    /// Taken before any of the hands.
    recording: RwLock<()>,
    /// Very large files being read: for them nobody waits.
    large: AtomicUsize,
}

/// The parts of a request that all threads use.
struct Shared<'a, 's> {
    batch: &'a Batch<'s>,
    volume: &'a Volume,
    worktree: [u8; 16],
    already_seen: &'a [SeenFile],
    always_times: bool,
    file_system_now: &'a (dyn Fn() -> Time + Sync),
    actor: &'a str,
    monitor: &'a dyn Monitor,
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
        assembly: request.fresh.is_some().then(|| {
            let mut assembly = Assembly::default();
            assembly.expect(RepoPath::root(), None);
            Mutex::new(assembly)
        }),
        rows: request.fresh.map(|writer| Mutex::new(Rows::new(writer))),
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
            file_system_now: request.file_system_now,
            actor: request.actor,
            monitor: request.monitor,
        },
    };
    let done = AtomicBool::new(false);
    let summary = std::thread::scope(|scope| {
        for thread in 0..threads {
            let (recorder, receiver, done) = (&recorder, &receiver, &done);
            scope.spawn(move || recorder.work(thread, receiver, done));
        }
        let _done = SetAtEnd(&done);
        let spare = recorder.request.already_seen.is_empty();
        let scan = scan::Request { spare, ..request.scan };
        scan::scan(&scan, &recorder, request.monitor)
    })?;
    if let Some(error) = locked(&recorder.failure).take() {
        return Err(error);
    }
    recorder.give_up_unreadable(&summary)?;
    for hand in &recorder.hands {
        locked(hand).writer.flush()?;
    }
    let mut recording = recorder.outcome.into_inner().unwrap_or_else(PoisonError::into_inner);
    recording.index = recorder
        .rows
        .map(|rows| rows.into_inner().unwrap_or_else(PoisonError::into_inner).into_writer());
    // Of what could not be looked at nothing is recorded.
    for (path, _) in &summary.unreadable {
        recording.directories.remove(path);
    }
    // There may be very many: they are sorted in place.
    recording.edits.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    recording.rows.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    Ok((recording, summary))
}

/// Says that the scan has ended, by a panic as well, so that nobody waits for ever.
struct SetAtEnd<'a>(&'a AtomicBool);

impl Drop for SetAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

impl<'s> Recorder<'_, 's> {
    /// One thread: takes parts, and chunks of large files, until there is nothing left.
    fn work(&self, thread: usize, parts: &Receiver<Part>, done: &AtomicBool) {
        let hand = &self.hands[thread];
        loop {
            crossbeam_channel::select! {
                recv(parts) -> part => if let Ok(part) = part {
                    self.try_part(hand, part);
                },
                recv(self.jobs.receiver()) -> segment => if let Ok(segment) = segment {
                    self.try_segment(&mut locked(hand), segment);
                },
                default(Duration::from_millis(2)) => {
                    if done.load(Ordering::Acquire) && parts.is_empty() {
                        break;
                    }
                }
            }
        }
        // Somebody may still be cutting a large file: help until nobody is at it.
        loop {
            match self.jobs.receiver().recv_timeout(Duration::from_millis(5)) {
                Ok(segment) => self.try_segment(&mut locked(hand), segment),
                Err(RecvTimeoutError::Timeout) if self.recording.try_write().is_err() => {}
                Err(_) => break,
            }
        }
    }

    fn fail(&self, error: Error) {
        locked(&self.failure).get_or_insert(error);
    }

    fn has_failed(&self) -> bool {
        locked(&self.failure).is_some()
    }

    fn try_segment(&self, hand: &mut Hand<'_, 's>, segment: content::Segment) {
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
        let mut entries = Vec::new();
        let mut rows = Vec::new();
        let mut mine = Recording::default();
        for change in &part.changes {
            if self.has_failed() {
                return Ok(());
            }
            let path = part.path.join(&change.name);
            self.request.monitor.at(&path);
            let entry = self.record_change(hand, part.dir.as_ref(), &path, change, &mut mine)?;
            let Some(fresh) = entry else { continue };
            if self.assembly.is_some() {
                rows.push(fresh.row);
                entries.push(fresh.entry);
                mine.added += 1;
                continue;
            }
            let known = change.tracked.as_ref();
            let is_same = known.is_some_and(|known| is_same(known, &fresh.entry));
            let same_time = known.is_some_and(|known| known.mtime == fresh.entry.mtime);
            if is_same && (same_time || !self.request.always_times) {
                let mut row = fresh.row;
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
            mine.edits.push(Edit { path: path.clone(), entry: Some(fresh.entry) });
            mine.rows.push((path, Some(fresh.row)));
        }
        locked(&self.outcome).take(mine);
        if let Some(assembly) = &self.assembly {
            let complete = locked(assembly).add(&part.path, entries);
            self.push_rows(&part.path, rows)?;
            self.build(hand, complete)?;
        }
        Ok(())
    }

    /// Reads one thing; `None` if there is nothing to be recorded of it.
    fn record_change(
        &self,
        hand: &mut Hand<'_, 's>,
        dir: Option<&DirRef>,
        path: &RepoPath,
        change: &Change,
        mine: &mut Recording,
    ) -> Result<Option<Fresh>, Error> {
        let tracked = change.tracked.as_ref();
        if change.kind == ChangeKind::Deleted {
            let was_directory = tracked.is_some_and(|known| known.what == Known::Directory);
            mine.deleted += u64::from(!was_directory);
            mine.edits.push(Edit { path: path.clone(), entry: None });
            mine.rows.push((path.clone(), None));
            return Ok(None);
        }
        let Some(dir) = dir else { return Ok(None) };
        let read_at = (self.request.file_system_now)();
        let unread = |mine: &mut Recording, why| {
            mine.unread.push(Unread { path: path.clone(), why });
            Ok(None)
        };
        let asked;
        let stat = match &change.stat {
            Some(stat) => stat,
            None => {
                if let Some(fresh) = self.record_spared(hand, dir, change, read_at, mine)? {
                    return Ok(Some(fresh));
                }
                match dir.stat(&change.name) {
                    Ok(stat) => asked = stat,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        return unread(mine, Why::Vanished);
                    }
                    Err(error) => return unread(mine, Why::Unreadable(error)),
                }
                &asked
            }
        };
        if change.kind == ChangeKind::InTheWay {
            return unread(mine, Why::InTheWay);
        }
        if let (ChangeKind::ModeOnly, Some(tracked)) = (&change.kind, tracked)
            && let Some(known) = tracked.to_entry()
        {
            let entry = Entry { mode: self.mode(stat, Some(tracked)), ..known };
            return Ok(Some(self.fresh(entry, stat, read_at)));
        }
        let what = match stat.kind {
            FileKind::File => {
                if let Some(content) = self.seen_before(path, stat) {
                    let what = file_of(stat.size, content);
                    let entry = self.entry(change, stat, what);
                    return Ok(Some(self.fresh(entry, stat, read_at)));
                }
                let monitor = self.request.monitor;
                let mut bytes = 0;
                let is_large = stat.size > LARGE;
                self.large.fetch_add(usize::from(is_large), Ordering::Relaxed);
                let outcome =
                    hand.record_file(&**dir, &change.name, stat, &self.jobs, &mut |read| {
                        bytes += read;
                        monitor.advance(0, read);
                    });
                self.large.fetch_sub(usize::from(is_large), Ordering::Relaxed);
                mine.bytes_read += bytes;
                monitor.advance(1, 0);
                match outcome? {
                    Outcome::Recorded(Recorded { content, stat }) => {
                        mine.files_read += 1;
                        self.keep_seen(path, &stat, content);
                        let entry = self.entry(change, &stat, file_of(stat.size, content));
                        return Ok(Some(self.fresh(entry, &stat, read_at)));
                    }
                    Outcome::Vanished => return unread(mine, Why::Vanished),
                    Outcome::Changing => return unread(mine, Why::Changing),
                    Outcome::Unreadable(error) => return unread(mine, Why::Unreadable(error)),
                }
            }
            FileKind::Symlink => match dir.link_target(&change.name) {
                Ok(target) if target.len() as u64 > crate::object::manifest::SMALL => {
                    return Err(Error::LongLink(path.clone()));
                }
                Ok(target) => {
                    What::Symlink { size: target.len() as u64, target: hand.record_link(&target)? }
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return unread(mine, Why::Vanished);
                }
                Err(error) => return unread(mine, Why::Unreadable(error)),
            },
            FileKind::Directory | FileKind::Special => return Ok(None),
        };
        let entry = self.entry(change, stat, what);
        Ok(Some(self.fresh(entry, stat, read_at)))
    }

    /// Records a file that the scan did not ask about. `None` if it has to be asked about first.
    fn record_spared(
        &self,
        hand: &mut Hand<'_, 's>,
        dir: &DirRef,
        change: &Change,
        read_at: Time,
        mine: &mut Recording,
    ) -> Result<Option<Fresh>, Error> {
        let monitor = self.request.monitor;
        let mut bytes = 0;
        let recorded = hand.record_small(&**dir, &change.name, &mut |read| {
            bytes += read;
            monitor.advance(0, read);
        })?;
        mine.bytes_read += bytes;
        let Some(Recorded { content, stat }) = recorded else { return Ok(None) };
        mine.files_read += 1;
        monitor.advance(1, 0);
        let entry = self.entry(change, &stat, file_of(stat.size, content));
        Ok(Some(self.fresh(entry, &stat, read_at)))
    }

    fn entry(&self, change: &Change, stat: &Stat, what: What) -> Entry {
        let mode = match what {
            What::Symlink { .. } => 0,
            _ => self.mode(stat, change.tracked.as_ref()),
        };
        Entry {
            name: change.name.clone(),
            mode,
            mtime: Some(stat.mtime),
            attributes: change.tracked.as_ref().and_then(|tracked| tracked.attributes),
            what,
        }
    }

    /// Permission bits: what the file system cannot express is inherited.
    fn mode(&self, stat: &Stat, tracked: Option<&Tracked>) -> u16 {
        if self.request.volume.exec_bits {
            return stat.mode;
        }
        let is_file = |tracked: &&Tracked| matches!(tracked.what, Known::File { .. });
        tracked.filter(is_file).map_or(0o644, |tracked| tracked.mode)
    }

    fn fresh(&self, entry: Entry, stat: &Stat, read_at: Time) -> Fresh {
        let mut row = Tracked::of_entry(&entry);
        row.seen = Some(Seen::of(stat, read_at, self.request.volume));
        Fresh { entry, row }
    }

    /// What an interrupted session had read of this file, if it has not changed since.
    fn seen_before(&self, path: &RepoPath, stat: &Stat) -> Option<crate::hash::Id> {
        let seen = self.request.already_seen;
        let at = seen.binary_search_by(|seen| seen.path[..].cmp(path.as_bytes())).ok()?;
        let seen = &seen[at];
        let is_same = seen.size == stat.size
            && seen.mtime == stat.mtime
            && seen.ctime == stat.ctime
            && seen.inode == stat.inode;
        is_same.then_some(seen.content)
    }

    fn keep_seen(&self, path: &RepoPath, stat: &Stat, content: crate::hash::Id) {
        // Small files are read again as quickly as they are remembered.
        if stat.size <= crate::object::manifest::SMALL {
            return;
        }
        locked(&self.seen).push(SeenFile {
            path: path.as_bytes().to_vec(),
            size: stat.size,
            mtime: stat.mtime,
            ctime: stat.ctime,
            inode: stat.inode,
            content,
        });
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

    fn push_rows(&self, path: &RepoPath, rows: Vec<Tracked>) -> Result<(), Error> {
        let Some(ordered) = &self.rows else { return Ok(()) };
        let finished = {
            let mut gathering = locked(&self.gathering);
            let Some((missing, gathered)) = gathering.get_mut(path) else { return Ok(()) };
            gathered.extend(rows);
            *missing -= 1;
            if *missing > 0 {
                return Ok(());
            }
            gathering.remove(path)
        };
        if let Some((_, rows)) = finished {
            locked(ordered).push(path.clone(), rows)?;
        }
        Ok(())
    }

    /// Builds a directory that is complete, and those above it that become so.
    fn build(&self, hand: &mut Hand<'_, 's>, mut next: Option<Complete>) -> Result<(), Error> {
        let Some(assembly) = &self.assembly else { return Ok(()) };
        while let Some(complete) = next.take() {
            match complete.build(&mut hand.writer)? {
                Ok(root) => locked(&self.outcome).root = Some(root),
                Err((parent, entry)) => next = locked(assembly).add(&parent, vec![entry]),
            }
        }
        Ok(())
    }

    /// Directories that could not be opened do not come.
    fn give_up_unreadable(&self, summary: &scan::Summary) -> Result<(), Error> {
        let Some(assembly) = &self.assembly else { return Ok(()) };
        let mut hand = locked(&self.hands[self.hands.len() - 1]);
        let mut unreadable: Vec<&RepoPath> =
            summary.unreadable.iter().map(|(path, _)| path).collect();
        unreadable.sort();
        for path in unreadable.into_iter().rev() {
            let complete = locked(assembly).give_up(path);
            if let Some(rows) = &self.rows {
                locked(rows).push(path.clone(), Vec::new())?;
            }
            self.build(&mut hand, complete)?;
        }
        Ok(())
    }
}

/// Something that was looked at just now.
struct Fresh {
    entry: Entry,
    row: Tracked,
}

fn file_of(size: u64, content: crate::hash::Id) -> What {
    What::File { size, content }
}

fn is_same(known: &Tracked, entry: &Entry) -> bool {
    known.to_entry().is_some_and(|known| known.is_same_as(entry))
}

impl Recording {
    fn take(&mut self, mut other: Self) {
        self.edits.append(&mut other.edits);
        self.rows.append(&mut other.rows);
        self.unread.append(&mut other.unread);
        self.added += other.added;
        self.modified += other.modified;
        self.deleted += other.deleted;
        self.files_read += other.files_read;
        self.bytes_read += other.bytes_read;
    }
}

impl Visitor for Recorder<'_, '_> {
    fn directory(&self, found: DirectoryFound<'_>) {
        if self.has_failed() {
            return;
        }
        if let Err(error) = self.take_directory(found) {
            self.fail(error);
        }
    }
}

impl Recorder<'_, '_> {
    fn take_directory(&self, found: DirectoryFound<'_>) -> Result<(), Error> {
        let path = found.path;
        let descended: Vec<_> = found.directories.iter().filter(|dir| dir.descend).collect();
        let parts = count_parts(&found.changes);
        if let Some(assembly) = &self.assembly {
            let mut rows: Vec<Tracked> = Vec::with_capacity(descended.len());
            let complete = {
                let mut assembly = locked(assembly);
                for sub in &descended {
                    let shell = self.directory_entry(&sub.name, &sub.stat);
                    rows.push(Tracked::of_entry(&shell));
                    assembly.expect(path.join(&sub.name), Some(shell));
                }
                assembly.found(path, parts + descended.len())
            };
            if let Some(ordered) = &self.rows {
                locked(ordered).expect(descended.iter().map(|sub| path.join(&sub.name)));
            }
            locked(&self.gathering).insert(path.clone(), (parts + 1, Vec::new()));
            self.push_rows(path, rows)?;
            if complete.is_some() {
                let _recording = self.recording.read().unwrap_or_else(PoisonError::into_inner);
                self.build(&mut locked(&self.hands[self.hands.len() - 1]), complete)?;
            }
        } else {
            let mut outcome = locked(&self.outcome);
            for sub in &descended {
                let is_new = sub.tracked.is_none();
                let mode = if self.request.volume.exec_bits { Some(sub.stat.mode) } else { None };
                let mode_differs = sub
                    .tracked
                    .as_ref()
                    .is_some_and(|tracked| mode.is_some_and(|mode| mode != tracked.mode));
                if sub.is_meant && (is_new || mode_differs) {
                    outcome.directories.insert(path.join(&sub.name));
                }
            }
            for (name, row) in found.refreshed {
                outcome.rows.push((path.join(&name), Some(row)));
            }
        }
        let mut changes = found.changes;
        while !changes.is_empty() {
            let rest = changes.split_off(part_length(&changes));
            let part = Part {
                dir: found.dir.cloned(),
                path: path.clone(),
                changes: std::mem::replace(&mut changes, rest),
            };
            // The workers take parts until the scan has ended.
            if self.parts.send(part).is_err() {
                break;
            }
        }
        Ok(())
    }

    fn directory_entry(&self, name: &[u8], stat: &Stat) -> Entry {
        Entry {
            name: name.to_vec(),
            mode: if self.request.volume.exec_bits { stat.mode } else { 0o755 },
            mtime: Some(stat.mtime),
            attributes: None,
            what: What::Directory { files: 0, bytes: 0, tree: Node::empty_id() },
        }
    }
}
