//! `add`: stages files for the next commit.

use std::collections::BTreeSet;

use crate::index::{Base, Update};
use crate::object::Entry;
use crate::path::{NameError, Pathspec, RepoPath};
use crate::progress::{Monitor, Stage};
use crate::repo::{Person, Repository, Rules};
use crate::store::Batch;
use crate::worktree::record::{self, Unread, Whole};
use crate::worktree::scan::{self, Nested, Untracked};

use super::merging::{self, Unmerged};
use super::{Error, begin, kept, staging};

/// What to stage.
#[derive(Clone, Debug)]
pub struct Options<'a> {
    /// Which paths.
    pub paths: Pathspec,
    /// Only what is tracked.
    pub only_tracked: bool,
    /// Also what is ignored.
    pub force: bool,
    /// Only say what would be staged.
    pub dry_run: bool,
    /// Who stages.
    pub actor: Person,
    /// Which rules of the user's hold.
    pub rules: Rules<'a>,
}

/// What was staged.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Paths that are new.
    pub added: Vec<RepoPath>,
    /// Paths that changed.
    pub modified: Vec<RepoPath>,
    /// Paths that are gone.
    pub deleted: Vec<RepoPath>,
    /// Files that were not staged as they are.
    pub unread: Vec<Unread>,
    /// What could not be looked at.
    pub unreadable: Vec<(RepoPath, std::io::Error)>,
    /// Names that cannot be recorded.
    pub refused: Vec<(String, NameError)>,
    /// What was named, and left out because it is ignored.
    pub ignored: Vec<RepoPath>,
    /// Repositories within, which were left out.
    pub nested: Vec<RepoPath>,
    /// Lines of files of ignore rules that are no rules: the file, and what is wrong.
    pub bad_rules: Vec<(RepoPath, String)>,
}

/// Stages.
pub fn run(
    repo: &Repository,
    options: &Options<'_>,
    monitor: &dyn Monitor,
) -> Result<Outcome, Error> {
    begin::run(repo, &options.actor, &options.rules, monitor, || {
        begin::until_undisturbed(repo, || stage(repo, options, "add", monitor))
    })
}

/// Stages, for whoever has begun.
pub(super) fn stage(
    repo: &Repository,
    options: &Options<'_>,
    verb: &str,
    monitor: &dyn Monitor,
) -> Result<Outcome, Error> {
    let mut working = repo.working(&options.rules, monitor)?;
    if options.force {
        working.ignore = crate::worktree::ignore::Ignore::nothing();
    }
    staging::check_named(&working, &options.paths)?;
    // A file that is named is taken as it is.
    let named: BTreeSet<RepoPath> =
        options.paths.plain_paths().unwrap_or_default().into_iter().cloned().collect();
    let undecided = |path: &&RepoPath| matches!(working.entry(path), Ok(Some(entry)) if kept::terms(&entry).is_some());
    let without_file = kept::without_file(&working, named.iter().filter(undecided))?;
    if !without_file.is_empty() {
        return Err(Error::NothingThere { paths: without_file });
    }
    let actor = options.actor.to_actor();
    // Only looked at, where nothing can be written too.
    let batch = match options.dry_run {
        true => Batch::rehearse(repo.store()),
        false => Batch::begin(repo.store())?,
    };
    monitor.begin(Stage::Recording, None, None);
    let clock = working.file_clock(options.dry_run);
    let request = record::Request {
        batch: &batch,
        scan: scan::Request {
            root: &working.tree.root,
            index: &working.index,
            volume: &working.volume,
            ignore: &working.ignore,
            pathspec: &options.paths,
            untracked: if options.only_tracked { Untracked::No } else { Untracked::All },
            spare: false,
            tell_ignored: false,
            nested: options.rules.nested.unwrap_or(Nested::Skip),
            boot: repo.disk().boot_id(),
        },
        whole: Whole::Nothing,
        worktree: working.tree.id,
        already_seen: &[],
        always_times: false,
        decided: &named,
        clock: &clock,
        actor: &actor,
        monitor,
    };
    let (mut recording, summary) = record::record(request)?;
    let mut outcome = Outcome {
        unread: std::mem::take(&mut recording.unread),
        unreadable: summary.unreadable,
        refused: summary.refused,
        bad_rules: summary.bad_rules,
        nested: match options.rules.nested {
            Some(Nested::Data) => Vec::new(),
            _ => summary.nested,
        },
        ..Outcome::default()
    };
    let decides = kept::Decides::ChangedOr(&named);
    kept::inherit(&working, &mut recording, &decides)?;
    let mut edits = recording.edits.iter().peekable();
    while let Some(edit) = edits.next() {
        let known = working.entry(&edit.path)?;
        // A directory that is gone is told by what was in it, unless that was nothing.
        if known.as_ref().is_some_and(Entry::is_directory)
            && edit.entry.is_none()
            && edits.peek().is_some_and(|next| next.path.is_within(&edit.path))
        {
            continue;
        }
        match (&edit.entry, known) {
            (None, _) => outcome.deleted.push(edit.path.clone()),
            (Some(_), None) => outcome.added.push(edit.path.clone()),
            (Some(_), Some(_)) => outcome.modified.push(edit.path.clone()),
        }
    }
    if !options.only_tracked && !options.force {
        let is_told = |path: &RepoPath| {
            outcome.unread.iter().any(|unread| unread.path.is_within(path))
                || outcome.unreadable.iter().any(|(one, _)| is_near(one, path))
                || outcome.nested.iter().any(|one| is_near(one, path))
                || !outcome.refused.is_empty()
        };
        outcome.ignored = staging::passed_over(&working, &recording, &named, is_told)?;
    }
    if options.dry_run {
        return Ok(outcome);
    }
    // There may be very many: they are never copied.
    let edits = std::mem::take(&mut recording.edits);
    let base = working.base.tree.as_ref();
    let edits = staging::with_directories(&working, &mut recording, edits, base)?;
    // What a merge left open is decided by staging it as it is.
    let merging = merging::find(repo)?;
    let mut decided: BTreeSet<RepoPath> = BTreeSet::new();
    for Unmerged { path, .. } in merging.iter().flat_map(|merging| &merging.unmerged) {
        let is_staged = edits.binary_search_by(|edit| edit.path.cmp(path)).is_ok();
        if is_staged || named.contains(path) {
            decided.insert(path.clone());
        }
    }
    let beside = kept::beside_decided(&working, &recording.undecided)?;
    let tree = staging::tree_with(&batch, base, edits)?;
    let moved = merging::decide(repo, &batch, verb, |path| decided.contains(path))?;
    // The same of conflicts that were recorded. Left over by a crash it would be recorded one day;
    // of a conflict that stays, the entry has it all the same.
    merging::remove_beside(&working, beside)?;
    if Some(tree) != working.base.tree || moved.is_some() {
        staging::publish(&working, verb, &options.actor, tree, batch.seal()?, moved)?;
    }
    if let Some(merging) = merging {
        // What it wrote beside them has served its purpose.
        merging.tidy_beside(&working, |path| decided.contains(path))?;
    }
    let base = Base { commit: working.base.commit, tree: Some(tree) };
    if working.index.is_lost() {
        // A first `add`: there is no index to change yet.
        let mut writer = working.index.writer()?;
        let nothing: [crate::index::Tracked; 0] = [];
        writer.push(&RepoPath::root(), &nothing)?;
        let _ = writer.finish(Base::default(), None)?;
        working.index = repo.open_index()?;
    }
    let _ = working.index.update(Update::new(base, recording.rows))?;
    Ok(outcome)
}

/// Whether one of them is below the other.
fn is_near(one: &RepoPath, other: &RepoPath) -> bool {
    one.is_within(other) || other.is_within(one)
}
