//! Changing the working tree so that an interruption at any point can be finished (rule 20).
//!
//! First what is to be done is written down durably, then files change, then the index, then one
//! record moves HEAD, then the note goes. Whoever finds a note whose command is dead finishes it
//! before anything is recorded: a path that is as before is changed, one that is as it should be
//! stays, one that is a cut or zero-filled version of what it should be goes to `lost-found` and is
//! written again, and anything else is the user's and stays. A command that throws away unsaved work
//! names those paths with what stood there: as long as just that stands there, it is overwritten.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use crate::clock::Time;
use crate::codec::{self, Decode, Encode, Validate};
use crate::diff;
use crate::disk::{self, Dir, FileKind, Lock, Wait};
use crate::hash::{self, Id, Kind, hex};
use crate::index::{Base, Presence, Tracked, Unsynced, Update};
use crate::object::{Entry, Manifest, Source, What};
use crate::path::{Pathspec, RepoPath};
use crate::progress::{Monitor, Stage};
use crate::repo::{Person, Repository, Rules, Working};
use crate::store::{Error as StoreError, Publication, RefEdit, Sealed, Target, content_kind};
use crate::worktree::record::hash_file;
use crate::worktree::{self, Applied, Obstacles, Spellings, Step, Walker, read_content};

use super::{Error, moved, restore, staging};

const FILE: &str = "pending";
/// A note names at most all paths of a working tree.
const LARGEST: u64 = 16 << 30;
const LOCK: &[u8] = b"worktree.lock";

/// What is being done to the working tree.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) struct Pending {
    /// Which command.
    pub(super) verb: String,
    /// Who does it.
    pub(super) actor: String,
    /// The boot under which it began.
    pub(super) boot: Option<[u8; 16]>,
    /// The tree that was there.
    pub(super) from: Option<Id>,
    /// The tree that shall be there.
    pub(super) to: Option<Id>,
    /// Only these paths; all if there are none.
    pub(super) paths: Vec<Vec<u8>>,
    /// Whether the index describes `to` afterwards, or `index` if there is one.
    pub(super) adopts: bool,
    /// The tree the index describes; what `to` has besides is written and not tracked.
    pub(super) index: Option<Id>,
    /// The commit the index describes afterwards.
    pub(super) commit: Option<Id>,
    /// The refs that move when it is done.
    pub(super) refs: Vec<PendingRef>,
    /// Paths that become as in `to` whatever stood there.
    pub(super) overwritten: Vec<Overwritten>,
}

/// A path that becomes as it should be whatever stood there when the command began. What came to
/// stand there later is the user's.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) struct Overwritten {
    path: Vec<u8>,
    was: Option<Stamp>,
}

/// By what a file is known again without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
struct Stamp {
    size: u64,
    mtime: Time,
    /// Not of a file with several names: it changes when another of them goes.
    ctime: Option<Time>,
    inode: u64,
}

impl Stamp {
    fn of(stat: &disk::Stat) -> Self {
        if stat.kind == FileKind::Directory {
            // Its times change with what is in it, which is looked at by itself.
            return Self { size: 0, mtime: Time::default(), ctime: None, inode: stat.inode };
        }
        let ctime = (stat.links < 2).then_some(stat.ctime);
        Self { size: stat.size, mtime: stat.mtime, ctime, inode: stat.inode }
    }

    /// Whether this is what stands there. After a power failure a file may be back under its name
    /// that had been replaced already, which changed its change time.
    fn is(&self, stat: &disk::Stat, same_boot: bool) -> bool {
        let now = Self::of(stat);
        let untouched = match (self.ctime, now.ctime) {
            (Some(was), Some(now)) => was == now,
            _ => true,
        };
        (untouched || !same_boot) && Self { ctime: None, ..now } == Self { ctime: None, ..*self }
    }
}

/// What stands now at paths that are to be overwritten. Of the steps, those where something stands
/// that no tree may know.
pub(super) fn overwritten<'a>(
    working: &Working<'_>,
    changed: &BTreeSet<RepoPath>,
    steps: impl Iterator<Item = &'a Step>,
) -> Vec<Overwritten> {
    let mut walker = Walker::new(working.tree.root.clone());
    let mut stamp = |path: &RepoPath| {
        let (parent, name) = path.split()?;
        // What cannot be looked at cannot be known again either, and then it stays.
        let stat = walker.open(&parent).and_then(|dir| dir.stat(name)).ok()?;
        Some(Stamp::of(&stat))
    };
    let mut all: Vec<Overwritten> = Vec::new();
    for path in changed {
        all.push(Overwritten { path: path.as_bytes().to_vec(), was: stamp(path) });
    }
    for step in steps {
        let is_file = step.new.as_ref().is_some_and(|new| !new.is_directory());
        if !is_file || step.old.is_some() || changed.contains(&step.path) {
            continue;
        }
        if let Some(was) = stamp(&step.path) {
            all.push(Overwritten { path: step.path.as_bytes().to_vec(), was: Some(was) });
        }
    }
    all
}

/// A ref that moves when it is done.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) struct PendingRef {
    name: String,
    old: Option<PendingTarget>,
    new: Option<PendingTarget>,
    reason: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
enum PendingTarget {
    Id(Id),
    Symbolic(String),
}

impl Validate for Pending {
    fn validate(&self) -> Result<(), codec::Error> {
        let overwritten = self.overwritten.iter().map(|one| &one.path);
        for path in self.paths.iter().chain(overwritten) {
            RepoPath::new(path.clone())
                .map_err(|_| codec::Error::Invalid("a path is not one of a repository"))?;
        }
        Ok(())
    }
}

impl PendingRef {
    fn of(edit: &RefEdit) -> Self {
        let target = |target: &Option<Target>| {
            target.as_ref().map(|target| match target {
                Target::Id(id) => PendingTarget::Id(*id),
                Target::Symbolic(name) => PendingTarget::Symbolic(name.clone()),
            })
        };
        Self {
            name: edit.name.clone(),
            old: target(&edit.old),
            new: target(&edit.new),
            reason: edit.reason.clone(),
        }
    }

    fn edit(self) -> RefEdit {
        let target = |target: Option<PendingTarget>| {
            target.map(|target| match target {
                PendingTarget::Id(id) => Target::Id(id),
                PendingTarget::Symbolic(name) => Target::Symbolic(name),
            })
        };
        RefEdit {
            name: self.name,
            old: target(self.old),
            new: target(self.new),
            reason: self.reason,
        }
    }
}

/// How often the lock is tried, ten milliseconds apart, before the command says that another one
/// is at work: five seconds.
const TRIES: u32 = 500;

/// Takes the lock under which the working tree is changed or recorded: what is recorded is never
/// half of one tree and half of another. A kernel lock: it goes with its process.
pub(super) fn lock(repo: &Repository) -> Result<Option<Lock>, Error> {
    for _ in 0..TRIES {
        match repo.store().dir().lock(LOCK, Wait::No) {
            Ok(Some(lock)) => return Ok(Some(lock)),
            Ok(None) => std::thread::sleep(Duration::from_millis(10)),
            // Without locks, or where nothing can be written, the note has to do.
            Err(_) => return Ok(None),
        }
    }
    Err(Error::Busy)
}

/// Makes durable what an earlier command of this boot wrote to the working tree, once.
pub(super) fn sync_written(working: &Working<'_>, update: &mut Update) {
    let boot = working.repo.disk().boot_id();
    if working.index.unsynced_boot().is_some()
        && working.index.unsynced_boot() == boot
        && working.tree.root.sync_file_system().is_ok()
    {
        update.unsynced = Unsynced::Clear;
    }
}

/// Whether a change of the working tree is under way or was interrupted.
pub(super) fn is_pending(repo: &Repository) -> bool {
    repo.store().dir().stat(FILE.as_bytes()).is_ok()
}

fn write_note(repo: &Repository, pending: &Pending) -> Result<(), Error> {
    let mut bytes = codec::encode(pending);
    bytes.extend_from_slice(&hash::checksum(&bytes).to_le_bytes());
    let random = repo.env().random.four();
    disk::replace(&**repo.store().dir(), FILE.as_bytes(), random, &bytes)
        .map_err(StoreError::io("write", FILE))?;
    Ok(())
}

fn read_note(repo: &Repository) -> Result<Option<Pending>, Error> {
    let Some(bytes) = repo.store().read_file(FILE, LARGEST)? else { return Ok(None) };
    let parsed = bytes.split_last_chunk::<8>().and_then(|(body, checksum)| {
        (hash::checksum(body) == u64::from_le_bytes(*checksum))
            .then(|| codec::decode::<Pending>(body).ok())
            .flatten()
    });
    if parsed.is_none() {
        // Renamed into place complete, so this is damage. Nothing can be concluded from it; every
        // file is compared by content anyway.
        remove_note(repo)?;
    }
    Ok(parsed)
}

pub(super) fn remove_note(repo: &Repository) -> Result<(), Error> {
    let dir = repo.store().dir();
    let removed = match dir.remove_file(FILE.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    };
    // A note that came back after a power failure would undo what was done since.
    removed.and_then(|()| dir.sync()).map_err(StoreError::io("remove", FILE))?;
    Ok(())
}

/// A change of the working tree, ready to be carried out.
pub(super) struct Plan {
    pub(super) pending: Pending,
    pub(super) steps: Vec<Step>,
    /// What becomes of what stands in the way.
    pub(super) obstacles: Obstacles,
    /// Packs that go with the record.
    pub(super) sealed: Option<Sealed>,
    pub(super) refs: Vec<RefEdit>,
}

impl Plan {
    /// What is staged becomes another tree, and the working tree with it. The tree and what it is
    /// made of are published first: the note must not name what may be lost.
    pub(super) fn of_staging(
        working: &Working<'_>,
        verb: &str,
        actor: &Person,
        tree: Id,
        sealed: Sealed,
    ) -> Result<Self, Error> {
        let repo = working.repo;
        let publication = Publication::new(verb, &actor.to_actor()).with_packs(sealed);
        repo.store().publish(publication)?;
        let mut steps = Vec::new();
        diff::entries::<_, StoreError>(
            repo.store(),
            working.base.tree.as_ref(),
            Some(&tree),
            &Pathspec::all(),
            &mut |change| {
                steps.push(Step { path: change.path, old: change.old, new: change.new });
                Ok(())
            },
        )?;
        let pending = Pending {
            verb: verb.to_owned(),
            actor: actor.to_actor(),
            boot: None,
            from: working.base.tree,
            to: Some(tree),
            paths: Vec::new(),
            adopts: true,
            index: None,
            commit: working.base.commit,
            refs: Vec::new(),
            overwritten: Vec::new(),
        };
        let refs = moved::staged(repo, staging::staged_as(working, tree), verb);
        let refs = refs.into_iter().collect();
        Ok(Self { pending, steps, obstacles: Obstacles::Keep, sealed: None, refs })
    }
}

/// Carries it out.
pub(super) fn carry_out(
    working: &mut Working<'_>,
    plan: Plan,
    monitor: &dyn Monitor,
) -> Result<Applied, Error> {
    let obstacles = plan.obstacles;
    carry_out_by(working, plan, monitor, |working, steps| {
        Ok(apply(working, steps, &BTreeSet::new(), obstacles, monitor)?)
    })
}

/// Carries it out in a way of its own, which must end where the steps would.
pub(super) fn carry_out_by(
    working: &mut Working<'_>,
    mut plan: Plan,
    monitor: &dyn Monitor,
    change: impl FnOnce(&Working<'_>, &[Step]) -> Result<Applied, Error>,
) -> Result<Applied, Error> {
    let repo = working.repo;
    plan.pending.boot = repo.disk().boot_id();
    plan.pending.refs = plan.refs.iter().map(PendingRef::of).collect();
    write_note(repo, &plan.pending)?;
    let files = plan.steps.iter().filter(|step| step.new.is_some()).count() as u64;
    monitor.begin(Stage::Writing, Some(files), None);
    let applied = change(working, &plan.steps)?;
    settle(working, &plan.pending, &applied)?;
    let mut publication =
        Publication::new(&plan.pending.verb, &plan.pending.actor).with_refs(plan.refs);
    if let Some(sealed) = plan.sealed {
        publication = publication.with_packs(sealed);
    }
    if !plan.pending.refs.is_empty() {
        repo.store().publish(publication)?;
    }
    // Without the note nobody makes up for what never became durable.
    working.tree.root.sync_file_system().map_err(StoreError::io("sync", "the working tree"))?;
    remove_note(repo)?;
    Ok(applied)
}

fn apply(
    working: &Working<'_>,
    steps: &[Step],
    settled: &BTreeSet<RepoPath>,
    obstacles: Obstacles,
    monitor: &dyn Monitor,
) -> Result<Applied, StoreError> {
    let repo = working.repo;
    let target = worktree::Target {
        root: &working.tree.root,
        volume: &working.volume,
        index: &working.index,
        settled,
        obstacles,
        store: repo.store(),
        random: &*repo.env().random,
        monitor,
    };
    worktree::apply(target, steps)
}

/// Tells the index.
fn settle(working: &mut Working<'_>, pending: &Pending, applied: &Applied) -> Result<(), Error> {
    if !pending.adopts {
        return Ok(());
    }
    let base = Base { commit: pending.commit, tree: pending.index.or(pending.to) };
    let mut rows = applied.rows.clone();
    if pending.index.is_some() && pending.index != pending.to {
        let mut besides = BTreeSet::new();
        diff::entries::<_, StoreError>(
            working.repo.store(),
            pending.index.as_ref(),
            pending.to.as_ref(),
            &Pathspec::all(),
            &mut |change| {
                if change.old.is_none() {
                    besides.insert(change.path);
                }
                Ok(())
            },
        )?;
        rows.retain(|(path, _)| !besides.contains(path));
    }
    let mut update = Update::new(base, rows.clone());
    if let Some(boot) = working.repo.disk().boot_id() {
        update.unsynced = Unsynced::Under(boot);
    }
    if working.index.is_lost() {
        // Nothing was known, and what was just written is everything there is.
        let mut by_directory: BTreeMap<RepoPath, Vec<&Tracked>> =
            BTreeMap::from([(RepoPath::root(), Vec::new())]);
        for (path, row) in &rows {
            if let (Some((parent, _)), Some(row)) = (path.split(), row) {
                by_directory.entry(parent).or_default().push(row);
            }
        }
        let mut writer = working.index.writer()?;
        for (directory, mut rows) in by_directory {
            rows.sort_by(|a, b| a.name.cmp(&b.name));
            writer.push(&directory, rows)?;
        }
        let _ = writer.finish(base, working.repo.disk().boot_id())?;
        return Ok(());
    }
    // A cache: whoever finds it behind catches up.
    let _ = working.index.update(update)?;
    Ok(())
}

/// Finishes what a command that died had begun. If it still lives, says so.
pub(super) fn finish_interrupted(
    repo: &Repository,
    actor: &Person,
    monitor: &dyn Monitor,
) -> Result<(), Error> {
    if repo.is_bare() || !is_pending(repo) {
        return Ok(());
    }
    let _lock = lock(repo)?;
    let Some(pending) = read_note(repo)? else { return Ok(()) };
    // Whoever left it may have died before it was durable; from here on it must not be lost.
    repo.store().dir().sync().map_err(StoreError::io("sync", FILE))?;
    monitor.notice(&format!("finishing an interrupted '{}'", pending.verb));
    let mut working = repo.working(&Rules::default(), monitor)?;
    let paths: Vec<RepoPath> =
        pending.paths.iter().filter_map(|path| RepoPath::new(path.clone()).ok()).collect();
    let pathspec = if paths.is_empty() { Pathspec::all() } else { Pathspec::of_paths(paths) };
    // Where something may have been written beside its place, whatever has become of it.
    let given = pending.paths.iter().filter_map(|path| RepoPath::new(path.clone()).ok());
    let mut parents: BTreeSet<RepoPath> =
        given.filter_map(|path| path.split().map(|(parent, _)| parent)).collect();
    let mut all = Vec::new();
    let from = if pending.adopts { pending.from } else { None };
    diff::entries::<_, Error>(
        repo.store(),
        from.as_ref(),
        pending.to.as_ref(),
        &pathspec,
        &mut |change| {
            parents.extend(change.path.split().map(|(parent, _)| parent));
            all.push(Step { path: change.path, old: change.old, new: change.new });
            Ok(())
        },
    )?;
    let stamps = add_overwritten(repo, &pending, &mut all)?;
    parents.extend(all.iter().filter_map(|step| step.path.split().map(|(parent, _)| parent)));
    let mut steps = Vec::new();
    let mut rows: Vec<(RepoPath, Option<Tracked>)> = Vec::new();
    // What is as it should be keeps its place from what the file system takes for the same.
    let mut settled = BTreeSet::new();
    let tells_names_apart = working.volume.tells_names_apart();
    let taken = taken(&working, &all)?;
    let mut finder = Finder {
        working: &working,
        walker: Walker::new(working.tree.root.clone()),
        same_boot: pending.boot.is_some() && pending.boot == repo.disk().boot_id(),
    };
    for (at, step) in all.into_iter().enumerate() {
        let found = match taken.contains(&at) {
            true if step.new.is_some() => Found::Write,
            true => Found::Done,
            false => finder.look(&step, stamps.get(&step.path))?,
        };
        if !tells_names_apart && step.new.is_some() && matches!(found, Found::Done | Found::Users) {
            settled.insert(step.path.clone());
        }
        match found {
            Found::Change => steps.push(step),
            Found::Write => steps.push(Step { old: None, ..step }),
            Found::Done => rows.extend(finder.row(&step)?),
            Found::Users => {
                rows.push((step.path, step.new.as_ref().map(Tracked::of_entry)));
            }
        }
    }
    restore::with_parents(&working, pending.to.as_ref(), &mut steps)?;
    remove_leftovers(&working, &parents);
    monitor.begin(Stage::Writing, Some(steps.len() as u64), None);
    let mut applied = apply(&working, &steps, &settled, Obstacles::Keep, monitor)?;
    applied.rows.extend(rows);
    applied.rows.sort_by(|a, b| a.0.cmp(&b.0));
    applied.rows.dedup_by(|a, b| a.0 == b.0);
    settle(&mut working, &pending, &applied)?;
    let edits: Vec<RefEdit> = pending.refs.iter().cloned().map(PendingRef::edit).collect();
    let is_due = edits.iter().all(|edit| repo.store().target(&edit.name) == edit.old);
    if is_due && !edits.is_empty() {
        let publication = Publication::new(&pending.verb, &actor.to_actor()).with_refs(edits);
        match repo.store().publish(publication) {
            Ok(_) | Err(StoreError::Moved { .. }) => {}
            // What it was to point to never became durable: then the tree is as the refs say, and
            // what was written shows as changes.
            Err(StoreError::BadTarget { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    // Without the note nobody makes up for what never became durable.
    working.tree.root.sync_file_system().map_err(StoreError::io("sync", "the working tree"))?;
    remove_note(repo)
}

/// Adds steps for what the command was told to overwrite besides what differs between the trees.
/// Returns what stood there.
fn add_overwritten(
    repo: &Repository,
    pending: &Pending,
    all: &mut Vec<Step>,
) -> Result<BTreeMap<RepoPath, Stamp>, Error> {
    let mut stamps = BTreeMap::new();
    let mut more = Vec::new();
    for one in &pending.overwritten {
        let Ok(path) = RepoPath::new(one.path.clone()) else { continue };
        if let Some(was) = one.was {
            stamps.insert(path.clone(), was);
        }
        let new = match &pending.to {
            Some(tree) => crate::repo::find_entry(repo.store(), tree, &path)?,
            None => None,
        };
        if new.is_some() {
            restore::expand(repo.store(), path, new, &mut more)?;
        }
    }
    // Of two steps for one path the one that knows what was there comes first and stays.
    all.append(&mut more);
    all.sort_by(|a, b| a.path.cmp(&b.path));
    all.dedup_by(|b, a| a.path == b.path);
    Ok(stamps)
}

/// The steps whose place is taken by something else that is tracked or to be, because the file
/// system takes their names for one: by their numbers.
pub(super) fn taken(working: &Working<'_>, steps: &[Step]) -> Result<BTreeSet<usize>, Error> {
    let mut taken = BTreeSet::new();
    if working.volume.tells_names_apart() {
        return Ok(taken);
    }
    let mut spellings = Spellings::new(working.tree.root.clone(), &working.volume);
    let mut is_ours = |path: &RepoPath| {
        let is_step = steps.binary_search_by(|step| step.path.cmp(path)).is_ok();
        let row = working.index.get(path).map_err(io::Error::other)?;
        Ok::<_, io::Error>(is_step || row.is_some_and(|row| row.presence == Presence::Here))
    };
    for (at, step) in steps.iter().enumerate() {
        match spellings.taken_by(&step.path, &mut is_ours) {
            Ok(None) => {}
            Ok(Some(_)) => {
                taken.insert(at);
            }
            Err(source) => return Err(Error::Worktree { path: step.path.clone(), source }),
        }
    }
    Ok(taken)
}

/// Removes files that were written beside those they were to replace.
fn remove_leftovers(working: &Working<'_>, parents: &BTreeSet<RepoPath>) {
    let mut walker = Walker::new(working.tree.root.clone());
    for parent in parents {
        let Ok(dir) = walker.open(parent) else { continue };
        for found in dir.list().unwrap_or_default() {
            if crate::path::is_temporary(&found.name) {
                // What stays is passed over by every scan.
                let _ = dir.remove_file(&found.name);
            }
        }
    }
}

/// What became of one path.
enum Found {
    /// It is as it was before.
    Change,
    /// Nothing is there, or what is there is to be replaced.
    Write,
    /// It is as it should be.
    Done,
    /// It is neither: the user's.
    Users,
}

struct Finder<'a, 'r> {
    working: &'a Working<'r>,
    walker: Walker,
    /// Whether the change began under this boot.
    same_boot: bool,
}

impl Finder<'_, '_> {
    fn look(&mut self, step: &Step, stamp: Option<&Stamp>) -> Result<Found, Error> {
        let Some((parent, name)) = step.path.split() else { return Ok(Found::Done) };
        let there =
            self.walker.open(&parent).and_then(|dir| dir.stat(name).map(|stat| (dir, stat)));
        let (dir, stat) = match there {
            Ok(there) => there,
            Err(error) => {
                return match error.kind() {
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                        Ok(if step.new.is_some() { Found::Write } else { Found::Done })
                    }
                    _ => Err(Error::Worktree { path: step.path.clone(), source: error }),
                };
            }
        };
        let is = |entry: &Option<Entry>| match entry {
            Some(entry) => self.holds(&*dir, name, &stat, entry),
            None => Ok(false),
        };
        if is(&step.new)? {
            // The content is there; mode and time may not be.
            return Ok(match &step.new {
                Some(new) if new.is_directory() => Found::Change,
                _ => Found::Done,
            });
        }
        if is(&step.old)? {
            return Ok(Found::Change);
        }
        if stamp.is_some_and(|stamp| stamp.is(&stat, self.same_boot)) {
            // The command was told to throw it away.
            let is_directory =
                |entry: &Option<Entry>| entry.as_ref().is_some_and(Entry::is_directory);
            let is_replaced =
                step.new.is_some() && is_directory(&step.old) == is_directory(&step.new);
            return Ok(if is_replaced { Found::Write } else { Found::Change });
        }
        if let Some(new) = &step.new
            && self.is_torn(&*dir, name, &stat, new)?
        {
            self.rescue(&*dir, name)?;
            return Ok(Found::Write);
        }
        Ok(Found::Users)
    }

    /// Whether what is there has this content.
    fn holds(
        &self,
        dir: &dyn Dir,
        name: &[u8],
        stat: &disk::Stat,
        entry: &Entry,
    ) -> Result<bool, Error> {
        holds(self.working.repo, dir, name, stat, entry)
    }

    /// Whether a file is the beginning of what it should be, with zeros where something is
    /// missing: what a power failure leaves of a file that was being written.
    fn is_torn(
        &self,
        dir: &dyn Dir,
        name: &[u8],
        stat: &disk::Stat,
        new: &Entry,
    ) -> Result<bool, Error> {
        let What::File { size, content } = &new.what else { return Ok(false) };
        if stat.kind != FileKind::File || stat.size > *size {
            return Ok(false);
        }
        let Ok(file) = dir.open(name) else { return Ok(false) };
        let mut offset = 0u64;
        let mut torn = true;
        let mut buffer = Vec::new();
        read_content::<StoreError>(self.working.repo.store(), *size, content, |piece| {
            let within = stat.size.saturating_sub(offset).min(piece.len() as u64) as usize;
            buffer.resize(within, 0);
            let read = file.read_full_at(&mut buffer, offset).unwrap_or(0);
            torn &= read == within
                && buffer
                    .iter()
                    .zip(&piece[..within])
                    .all(|(there, meant)| there == meant || *there == 0);
            offset += piece.len() as u64;
            Ok(())
        })?;
        Ok(torn)
    }

    /// Puts a torn file aside: nothing is deleted that might be somebody's.
    fn rescue(&self, dir: &dyn Dir, name: &[u8]) -> Result<(), Error> {
        let state = self.working.repo.store().dir();
        disk::make_dirs(&**state, b"lost-found").map_err(StoreError::io("create", "lost-found"))?;
        let aside = format!("lost-found/{}-torn", hex(&self.working.repo.env().random.four()));
        dir.rename(name, &**state, aside.as_bytes()).map_err(StoreError::io("rename", &aside))?;
        Ok(())
    }

    fn row(&mut self, step: &Step) -> Result<Option<(RepoPath, Option<Tracked>)>, Error> {
        let row = step.new.as_ref().map(|new| {
            let mut row = Tracked::of_entry(new);
            row.presence = Presence::Here;
            row
        });
        Ok(Some((step.path.clone(), row)))
    }
}

/// Whether what is there under a name has the content of an entry.
pub(super) fn holds(
    repo: &Repository,
    dir: &dyn Dir,
    name: &[u8],
    stat: &disk::Stat,
    entry: &Entry,
) -> Result<bool, Error> {
    let unreadable = |source| StoreError::io("read", &crate::path::quoted(name))(source);
    Ok(match (&entry.what, stat.kind) {
        (What::Directory { .. }, FileKind::Directory) => true,
        (What::File { size, content }, FileKind::File) if *size == stat.size => {
            let Some((_, id)) = hash_file(dir, name).map_err(unreadable)? else {
                return Ok(false);
            };
            match content_kind(*size) {
                Kind::Chunk => id == *content,
                _ => repo.store().object::<Manifest>(content)?.content == id,
            }
        }
        (What::Symlink { target, .. }, FileKind::Symlink) => {
            let pointed = dir.link_target(name).map_err(unreadable)?;
            Kind::Chunk.id_of(&pointed) == *target
        }
        _ => false,
    })
}
