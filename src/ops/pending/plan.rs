//! A change of the working tree that is ready, and how it is carried out: the note, the files, the
//! index, the record, and the note goes.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

use super::super::{Error, kept, moved, staging};
use super::note::{Pending, PendingRef, remove_note, write_note};
use crate::disk::{Lock, Wait};
use crate::hash::Id;
use crate::index::{Base, Presence, Tracked, Unsynced, Update};
use crate::path::{Pathspec, RepoPath};
use crate::progress::{Monitor, Stage};
use crate::repo::{Person, Repository, Working};
use crate::store::{Error as StoreError, Publication, RefEdit, Sealed};
use crate::worktree::{self, Applied, Obstacles, Spellings, Step};

const LOCK: &[u8] = b"worktree.lock";

/// How often the lock is tried, ten milliseconds apart, before the command says that another one
/// is at work: five seconds.
const TRIES: u32 = 500;

/// Takes the lock under which the working tree is changed or recorded: what is recorded is never
/// half of one tree and half of another. A kernel lock: it goes with its process.
pub(in crate::ops) fn lock(repo: &Repository) -> Result<Option<Lock>, Error> {
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
pub(in crate::ops) fn sync_written(working: &Working<'_>, update: &mut Update) {
    let boot = working.repo.disk().boot_id();
    if working.index.unsynced_boot().is_some()
        && working.index.unsynced_boot() == boot
        && working.tree.root.sync_file_system().is_ok()
    {
        update.unsynced = Unsynced::Clear;
    }
}

/// A change of the working tree, ready to be carried out.
pub(in crate::ops) struct Plan {
    pub(in crate::ops) pending: Pending,
    pub(in crate::ops) steps: Vec<Step>,
    /// What becomes of what stands in the way.
    pub(in crate::ops) obstacles: Obstacles,
    /// Packs that go with the record.
    pub(in crate::ops) sealed: Option<Sealed>,
    pub(in crate::ops) refs: Vec<RefEdit>,
}

impl Plan {
    /// What is staged becomes another tree, and the working tree with it. The tree and what it is
    /// made of are published first: the note must not name what may be lost.
    pub(in crate::ops) fn of_staging(
        working: &Working<'_>,
        verb: &str,
        actor: &Person,
        tree: Id,
        sealed: Sealed,
    ) -> Result<Self, Error> {
        let repo = working.repo;
        let publication = Publication::new(verb, &actor.to_actor()).with_packs(sealed);
        repo.store().publish(publication)?;
        let actor_text = actor.to_actor();
        let said = (verb, &actor_text[..]);
        let trees = kept::show(working, said, working.base.tree, Some(tree), &[])?;
        let (from, to) = (trees.from.as_ref(), trees.to.as_ref());
        let steps = worktree::steps_between(repo.store(), from, to, &Pathspec::all())?;
        let pending = Pending {
            verb: verb.to_owned(),
            actor: actor_text,
            boot: None,
            from: trees.from,
            to: trees.to,
            paths: Vec::new(),
            adopts: true,
            index: Some(tree),
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
pub(in crate::ops) fn carry_out(
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
pub(in crate::ops) fn carry_out_by(
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
    let steps = std::mem::take(&mut plan.steps);
    let mut applied = change(working, &steps)?;
    // There may be very many: the index has them once more.
    drop(steps);
    settle(working, &plan.pending, &mut applied)?;
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

pub(in crate::ops) fn apply(
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

/// Tells the index, and hands the rows over to it.
pub(super) fn settle(
    working: &mut Working<'_>,
    pending: &Pending,
    applied: &mut Applied,
) -> Result<(), Error> {
    if !pending.adopts {
        return Ok(());
    }
    let base = Base { commit: pending.commit, tree: pending.index.or(pending.to) };
    let mut rows = std::mem::take(&mut applied.rows);
    if let Some(index) = &pending.index {
        kept::as_recorded(working.repo.store(), Some(index), pending.to.as_ref(), &mut rows)?;
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
    let mut update = Update::new(base, rows);
    if let Some(boot) = working.repo.disk().boot_id() {
        update.unsynced = Unsynced::Under(boot);
    }
    // A cache: whoever finds it behind catches up.
    let _ = working.index.update(update)?;
    Ok(())
}

/// The steps whose place is taken by something else that is tracked or to be, because the file
/// system takes their names for one: by their numbers.
pub(in crate::ops) fn taken(
    working: &Working<'_>,
    steps: &[Step],
) -> Result<BTreeSet<usize>, Error> {
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
