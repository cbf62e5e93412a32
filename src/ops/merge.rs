//! `merge`: brings other lines of work into this one, with the working tree.
//!
//! The trees are merged by [`crate::merge`], which knows no working tree; here its answer becomes a
//! commit, or a merge under way ([`merging`]) that people finish with `resolve` and `commit` or
//! take back with [`abort`]. Nothing unsaved is overwritten: it is looked for before anything is
//! written. What changes is announced by a note first, as `switch` does.

use std::collections::BTreeSet;

use crate::diff;
use crate::hash::Id;
use crate::history::{Graph, StoredGraph, ancestor};
use crate::merge::{self, Answer, Conflict, Driver, Favour, Labels, Message, Style, Unsettled};
use crate::object::tree::{Edit, edit};
use crate::object::{Commit, Entry, Node, Object, Sink, Source, What};
use crate::path::{Pathspec, RepoPath};
use crate::progress::{Monitor, Stage};
use crate::repo::{Head, Person, Repository, Rules, Working};
use crate::store::{Batch, Error as StoreError, Publication, RefEdit};
use crate::worktree::{Applied, Failed, Step, Walker, steps_between};

use super::merging::entry_at;
use super::merging::{self, Unmerged};
use super::travel::{self, Journey, Unsaved};
use super::workspace::{CONFLICTS, Workspace};
use super::{Error, begin, kept, moved, pending, restore, revisions, staging};

/// Whether the branch may just go forward if it has nothing of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FastForward {
    /// It does.
    #[default]
    Allow,
    /// A merge is recorded all the same.
    Never,
    /// If it cannot, nothing happens.
    Only,
}

/// How far a merge goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Until {
    /// It is recorded.
    #[default]
    Commit,
    /// It is staged, and the next commit records it.
    Staged,
    /// What it changes is staged, and that it was a merge is forgotten.
    Squashed,
}

/// What to merge, and how.
pub struct Options<'a> {
    /// Branches, tags and commits.
    pub heads: Vec<String>,
    /// Whether the branch may just go forward.
    pub fast_forward: FastForward,
    /// How far to go.
    pub until: Until,
    /// What to say of it; if empty, what is merged into what.
    pub message: Vec<u8>,
    /// Whose version is taken where both sides changed the same.
    pub favour: Favour,
    /// What a conflict in a text shows.
    pub style: Style,
    /// Also histories that have nothing in common.
    pub allow_unrelated: bool,
    /// Record what cannot be decided as such, and go on.
    pub keep_conflicts: bool,
    /// Programs that merge what lines cannot.
    pub driver: &'a dyn Driver,
    /// Only say what would come of it.
    pub dry_run: bool,
    /// Who merges.
    pub actor: Person,
    /// Which rules of the user's hold.
    pub rules: Rules<'a>,
}

/// What it came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Came {
    /// Everything was there already.
    UpToDate,
    /// The branch went forward to this commit.
    Forward(Id),
    /// This commit was recorded.
    Merged(Id),
    /// It is staged.
    Staged,
    /// Something is left to decide.
    Conflicts,
    /// A dry run: it could be recorded without conflicts.
    Clean,
}

/// What came of a merge.
#[derive(Debug)]
pub struct Outcome {
    /// What it came to.
    pub result: Came,
    /// Where HEAD was.
    pub from: Option<Id>,
    /// What could not be decided.
    pub conflicts: Vec<Conflict>,
    /// What a person may want to know.
    pub messages: Vec<Message>,
    /// Paths of the working tree that would change, in a dry run.
    pub would_change: Vec<RepoPath>,
    /// Files written.
    pub written: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files removed.
    pub removed: u64,
    /// Paths that could not be changed.
    pub failed: Vec<Failed>,
    /// Paths this file system cannot hold.
    pub not_representable: Vec<RepoPath>,
}

impl Outcome {
    fn new(result: Came, from: Option<Id>) -> Self {
        Self {
            result,
            from,
            conflicts: Vec::new(),
            messages: Vec::new(),
            would_change: Vec::new(),
            written: 0,
            bytes: 0,
            removed: 0,
            failed: Vec::new(),
            not_representable: Vec::new(),
        }
    }

    fn took(mut self, applied: Applied) -> Self {
        (self.written, self.bytes, self.removed) = (applied.files, applied.bytes, applied.removed);
        (self.failed, self.not_representable) = (applied.failed, applied.not_representable);
        self
    }
}

/// Something to merge.
struct Theirs {
    /// As it was called.
    word: String,
    id: Id,
}

/// Merges.
pub fn run(
    repo: &Repository,
    options: &Options<'_>,
    monitor: &dyn Monitor,
) -> Result<Outcome, Error> {
    let attempt = || attempt(repo, options, monitor);
    begin::run(repo, &options.actor, &options.rules, monitor, attempt)
}

fn attempt(
    repo: &Repository,
    options: &Options<'_>,
    monitor: &dyn Monitor,
) -> Result<Outcome, Error> {
    merging::refuse(repo, "merge")?;
    let mut working = repo.working(&options.rules, monitor)?;
    if let Some(staged) = working.staged
        && staging::differ(repo.store(), &staged.base, &staged.tree)?
    {
        let staged = super::status::staged_changes(&working, &Pathspec::all())?;
        return Err(Error::Staged {
            paths: staged.into_iter().map(|change| change.path).collect(),
        });
    }
    let graph = StoredGraph::open(repo.store());
    let head = working.head.commit();
    let theirs = theirs(repo, &graph, head, options, monitor)?;
    let Some(first) = theirs.first() else {
        return Ok(Outcome::new(Came::UpToDate, head));
    };
    let can_go_forward = match head {
        Some(head) => theirs.len() == 1 && ancestor::is_ancestor(&graph, &head, &first.id)?,
        None if theirs.len() == 1 => true,
        None => return Err(crate::repo::Error::Unborn("HEAD".to_owned()).into()),
    };
    let goes_forward = can_go_forward
        && (head.is_none()
            || (options.fast_forward != FastForward::Never && options.until != Until::Squashed));
    if options.fast_forward == FastForward::Only && !goes_forward {
        return Err(Error::NotForward(first.word.clone()));
    }
    let outcome = match head {
        Some(head) if !goes_forward => merge(&mut working, &graph, head, &theirs, options, monitor),
        _ => forward(&mut working, first, options, monitor),
    };
    graph.save();
    outcome
}

/// What is to be merged: each once, and nothing that is part of HEAD or of another.
fn theirs(
    repo: &Repository,
    graph: &StoredGraph<'_>,
    head: Option<Id>,
    options: &Options<'_>,
    monitor: &dyn Monitor,
) -> Result<Vec<Theirs>, Error> {
    let mut found: Vec<Theirs> = Vec::new();
    for word in &options.heads {
        let id = revisions::commit(repo, word, monitor)?;
        let is_known = match head {
            Some(head) => ancestor::is_ancestor(graph, &id, &head)?,
            None => false,
        };
        if !is_known && found.iter().all(|one| one.id != id) {
            found.push(Theirs { word: word.clone(), id });
        }
    }
    let ids: Vec<Id> = found.iter().map(|one| one.id).collect();
    let independent = ancestor::independent(graph, &ids)?;
    found.retain(|one| independent.contains(&one.id));
    Ok(found)
}

fn forward(
    working: &mut Working<'_>,
    theirs: &Theirs,
    options: &Options<'_>,
    monitor: &dyn Monitor,
) -> Result<Outcome, Error> {
    let repo = working.repo;
    let commit: Commit = repo.store().object(&theirs.id)?;
    let reason = format!("merge {}: fast-forward", theirs.word);
    let mut refs = moved::to_commit(repo, &working.head, theirs.id, reason);
    refs.extend(moved::staged(repo, None, "merge"));
    let journey = Journey {
        commit: Some(theirs.id),
        tree: Some(commit.tree),
        refs,
        dry_run: options.dry_run,
        ..Journey::new("merge", &options.actor, working)
    };
    let plan = travel::plan(working, journey, monitor)?;
    let mut outcome = Outcome::new(Came::Forward(theirs.id), working.head.commit());
    if options.dry_run {
        outcome.would_change = travel::would_change(plan.steps);
        return Ok(outcome);
    }
    Ok(outcome.took(pending::carry_out(working, plan, monitor)?))
}

fn merge(
    working: &mut Working<'_>,
    graph: &StoredGraph<'_>,
    head: Id,
    theirs: &[Theirs],
    options: &Options<'_>,
    monitor: &dyn Monitor,
) -> Result<Outcome, Error> {
    let repo = working.repo;
    monitor.begin(Stage::Comparing, None, None);
    let mut room = Workspace::new(repo.store());
    let merged = match theirs {
        [one] => trees_of_two(&mut room, graph, head, one, options)?,
        many => trees_of_many(&mut room, graph, head, many, options)?,
    };
    let beside = match options.keep_conflicts {
        true => Vec::new(),
        false => beside(working, &room, merged.tree, &merged.conflicts, theirs)?,
    };
    working.style = options.style;
    let is_done = merged.conflicts.is_empty() || options.keep_conflicts;
    let result = match (is_done, options.until) {
        (false, _) => Came::Conflicts,
        (true, _) if options.dry_run => Came::Clean,
        (true, Until::Commit) => Came::Merged(head),
        (true, _) => Came::Staged,
    };
    let mut outcome = Outcome::new(result, Some(head));
    outcome.conflicts = merged.conflicts;
    outcome.messages = merged.messages;
    let shown = shown(&mut room, merged.tree, &beside)?;
    // What is kept as a conflict is shown like any that was recorded.
    let base = working.base.tree;
    let (shown, _) = kept::shown_tree(working, &mut room, base.as_ref(), &shown, &[])?;
    let steps = steps_between(&room, base.as_ref(), Some(&shown), &Pathspec::all())?;
    check_unsaved(working, &steps)?;
    if options.dry_run {
        outcome.would_change = travel::would_change(steps);
        return Ok(outcome);
    }
    let batch = Batch::begin(repo.store())?;
    let mut commit = commit(working, head, theirs, merged.tree, options);
    if options.until == Until::Squashed {
        commit.parents.truncate(1);
    }
    let mut journey = Journey {
        commit: Some(head),
        tree: Some(shown),
        index: Some(merged.tree),
        ..Journey::new("merge", &options.actor, working)
    };
    let mut made = None;
    let words = theirs.iter().map(|one| one.word.as_str()).collect::<Vec<_>>().join(" ");
    if is_done && options.until == Until::Commit {
        let id = room.put(Commit::KIND, commit.to_bytes())?;
        made = Some(id);
        let reason = format!("merge {words}");
        journey.commit = Some(id);
        journey.refs = moved::to_commit(repo, &working.head, id, reason);
        journey.refs.extend(moved::staged(repo, None, "merge"));
        outcome.result = Came::Merged(id);
    } else {
        let base = working.head_tree.unwrap_or_else(Node::empty_id);
        let staged = (merged.tree != base).then_some((merged.tree, base));
        let reason = format!("merge {words}: under way");
        journey.refs = moved::staged(repo, staged, &reason);
        if !is_done || options.until == Until::Staged {
            let unmerged: Vec<Unmerged> = outcome.conflicts.iter().filter_map(unmerged).collect();
            let id = merging::keep(&mut room, commit, merged.tree, &unmerged, &beside)?;
            made = Some(id);
            journey.refs.extend(merging::moved(repo, Some(id), &reason));
        }
    }
    let mut writer = batch.writer();
    let mut has_conflicts = false;
    for tree in [merged.tree, shown] {
        has_conflicts |= room.write(&tree, &mut writer)?;
    }
    if let Some(commit) = made {
        has_conflicts |= room.write_commit(&commit, &mut writer)?;
    }
    writer.flush()?;
    drop(writer);
    // The trees that the note names must be there before it is.
    let mut publication =
        Publication::new("merge", &options.actor.to_actor()).with_packs(batch.seal()?);
    if has_conflicts {
        publication = publication.requiring(true, CONFLICTS);
    }
    repo.store().publish(publication)?;
    let plan = travel::plan(working, journey, monitor)?;
    Ok(outcome.took(pending::carry_out(working, plan, monitor)?))
}

fn merge_options(options: &Options<'_>, theirs: &Theirs) -> merge::Options {
    merge::Options {
        favour: options.favour,
        style: options.style,
        labels: Labels {
            ours: b"HEAD".to_vec(),
            theirs: theirs.word.clone().into_bytes(),
            ..Labels::default()
        },
        unsettled: match options.keep_conflicts {
            true => Unsettled::Keep,
            false => Unsettled::Mark,
        },
        ..merge::Options::default()
    }
}

fn answered(answer: Answer) -> Result<merge::Merged, Error> {
    match answer {
        Answer::Merged(merged) => Ok(merged),
        Answer::Needs(needs) => {
            Err(Error::NeedsContent { paths: needs.into_iter().map(|need| need.path).collect() })
        }
    }
}

fn unrelated(theirs: &Theirs, options: &Options<'_>, bases: &[Id]) -> Result<(), Error> {
    match bases.is_empty() && !options.allow_unrelated {
        true => Err(Error::Unrelated(format!("HEAD...{}", theirs.word))),
        false => Ok(()),
    }
}

fn trees_of_two(
    room: &mut Workspace<'_>,
    graph: &StoredGraph<'_>,
    head: Id,
    theirs: &Theirs,
    options: &Options<'_>,
) -> Result<merge::Merged, Error> {
    let bases = ancestor::merge_bases(graph, &head, &theirs.id)?;
    unrelated(theirs, options, &bases)?;
    let how = merge_options(options, theirs);
    answered(merge::commits(room, graph, [head, theirs.id], &how, options.driver)?)
}

/// Several lines of work, one after the other; nobody is asked about conflicts among them.
fn trees_of_many(
    room: &mut Workspace<'_>,
    graph: &StoredGraph<'_>,
    head: Id,
    theirs: &[Theirs],
    options: &Options<'_>,
) -> Result<merge::Merged, Error> {
    let tree = |id: &Id| graph.tree(graph.number(id)?);
    let mut so_far =
        merge::Merged { tree: tree(&head)?, conflicts: Vec::new(), messages: Vec::new() };
    let mut done = vec![head];
    for one in theirs {
        let bases = ancestor::merge_bases_many(graph, &one.id, &done)?;
        unrelated(one, options, &bases)?;
        let base = bases.first().map(tree).transpose()?;
        let how = merge_options(options, one);
        let request = merge::Request {
            base,
            ours: so_far.tree,
            theirs: tree(&one.id)?,
            options: &how,
            driver: options.driver,
        };
        let merged = answered(merge::trees(room, &request)?)?;
        if !merged.is_clean() && !options.keep_conflicts {
            let paths = merged.conflicts.into_iter().map(|conflict| conflict.path).collect();
            return Err(Error::Octopus { word: one.word.clone(), paths });
        }
        so_far.tree = merged.tree;
        so_far.conflicts.extend(merged.conflicts);
        so_far.messages.extend(merged.messages);
        done.push(one.id);
    }
    Ok(so_far)
}

/// What is to be decided, if there are versions to choose from.
fn unmerged(conflict: &Conflict) -> Option<Unmerged> {
    let is_one = conflict.stages.iter().any(Option::is_some);
    is_one.then(|| Unmerged { path: conflict.path.clone(), stages: conflict.stages.clone() })
}

/// Where no text with markers shows both versions, theirs is written beside ours.
fn beside(
    working: &Working<'_>,
    room: &Workspace<'_>,
    merged: Id,
    conflicts: &[Conflict],
    theirs: &[Theirs],
) -> Result<Vec<(RepoPath, RepoPath, Entry)>, Error> {
    let mut walker = Walker::new(working.tree.root.clone());
    let mut beside: Vec<(RepoPath, RepoPath, Entry)> = Vec::new();
    let label = theirs.first().map_or("theirs", |one| one.word.as_str());
    let label: String =
        label.chars().map(|c| if c == '/' || c.is_control() { '_' } else { c }).collect();
    for Conflict { path, stages, .. } in conflicts {
        let [_, Some(ours), Some(other)] = stages else { continue };
        let is_file =
            |entry: &Entry| matches!(entry.what, What::File { .. } | What::Symlink { .. });
        let there = entry_at(room, merged, path)?;
        let is_ours = there.is_some_and(|there| there.what == ours.what);
        if !is_ours || !is_file(other) || other.what == ours.what {
            continue;
        }
        let Some((parent, name)) = path.split() else { continue };
        for number in 0.. {
            let new = kept::beside_name(name, &label, number);
            if crate::path::check_name(&new).is_err() {
                break;
            }
            let place = parent.join(&new);
            let is_free = entry_at(room, merged, &place)?.is_none()
                && walker.open(&parent).and_then(|dir| dir.stat(&new)).is_err()
                && beside.iter().all(|(_, taken, _)| *taken != place);
            if is_free {
                beside.push((path.clone(), place, Entry { name: new, ..other.clone() }));
                break;
            }
        }
    }
    Ok(beside)
}

/// The tree that is written into the working tree.
fn shown(
    room: &mut Workspace<'_>,
    merged: Id,
    beside: &[(RepoPath, RepoPath, Entry)],
) -> Result<Id, Error> {
    if beside.is_empty() {
        return Ok(merged);
    }
    let edits = beside
        .iter()
        .map(|(_, place, entry)| Edit { path: place.clone(), entry: Some(entry.clone()) });
    let mut edits: Vec<Edit> = edits.collect();
    edits.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(edit::<_, StoreError>(room, Some(&merged), edits)?.id)
}

/// Unsaved work stays: if it is in the way, nothing is stored.
fn check_unsaved(working: &Working<'_>, steps: &[Step]) -> Result<(), Error> {
    let paths = travel::in_the_way(working, steps)?;
    if paths.is_empty() { Ok(()) } else { Err(Error::WouldOverwrite { paths }) }
}

fn commit(
    working: &Working<'_>,
    head: Id,
    theirs: &[Theirs],
    tree: Id,
    options: &Options<'_>,
) -> Commit {
    let env = working.repo.env();
    let now = env.clock.now();
    let by = options.actor.sign(now.seconds, env.clock.zone_minutes(now));
    Commit {
        tree,
        parents: std::iter::once(head).chain(theirs.iter().map(|one| one.id)).collect(),
        author: by.clone(),
        committer: by,
        message: match options.message.is_empty() {
            true => message(working, theirs).into_bytes(),
            false => options.message.clone(),
        },
        headers: Vec::new(),
    }
}

/// What git would say.
fn message(working: &Working<'_>, theirs: &[Theirs]) -> String {
    let store = working.repo.store();
    let kind = |one: &Theirs| {
        let is = |prefix: &str| store.target(&format!("{prefix}{}", one.word)).is_some();
        match (is("refs/heads/"), is("refs/tags/")) {
            (true, _) => "branch",
            (_, true) => "tag",
            _ => "commit",
        }
    };
    let mut parts: Vec<String> = Vec::new();
    for (one, many) in [("branch", "branches"), ("tag", "tags"), ("commit", "commits")] {
        let words: Vec<String> = theirs
            .iter()
            .filter(|theirs| kind(theirs) == one)
            .map(|theirs| format!("'{}'", theirs.word))
            .collect();
        match &words[..] {
            [] => {}
            [word] => parts.push(format!("{one} {word}")),
            [before @ .., last] => {
                parts.push(format!("{many} {} and {last}", before.join(", ")));
            }
        }
    }
    let into = match &working.head {
        Head::Branch { name, .. } => match name.trim_start_matches("refs/heads/") {
            "main" | "master" => String::new(),
            name => format!(" into {name}"),
        },
        Head::Detached(_) => " into HEAD".to_owned(),
    };
    format!("Merge {}{into}\n", parts.join(", "))
}

/// Takes a merge under way back.
#[derive(Clone, Debug)]
pub struct Abort<'a> {
    /// Only say what would change.
    pub dry_run: bool,
    /// Who does it.
    pub actor: Person,
    /// Which rules of the user's hold.
    pub rules: Rules<'a>,
}

/// What came of taking a merge back.
#[derive(Debug, Default)]
pub struct Aborted {
    /// Paths that would change, in a dry run.
    pub would_change: Vec<RepoPath>,
    /// Files written.
    pub written: u64,
    /// Files removed.
    pub removed: u64,
    /// Paths that could not be changed.
    pub failed: Vec<Failed>,
    /// Paths this file system cannot hold.
    pub not_representable: Vec<RepoPath>,
}

/// Takes a merge under way back: what it touched is as it was, what it did not touch stays.
pub fn abort(
    repo: &Repository,
    options: &Abort<'_>,
    monitor: &dyn Monitor,
) -> Result<Aborted, Error> {
    let attempt = || try_abort(repo, options, monitor);
    begin::run(repo, &options.actor, &options.rules, monitor, attempt)
}

fn try_abort(
    repo: &Repository,
    options: &Abort<'_>,
    monitor: &dyn Monitor,
) -> Result<Aborted, Error> {
    let merging = merging::find(repo)?.ok_or(Error::NotMerging)?;
    let mut working = repo.working(&options.rules, monitor)?;
    let mut touched: BTreeSet<RepoPath> =
        merging.unmerged.iter().map(|unmerged| unmerged.path.clone()).collect();
    diff::trees::<_, StoreError>(
        repo.store(),
        working.head_tree.as_ref(),
        merging.merged.as_ref(),
        &Pathspec::all(),
        &mut |change| {
            touched.insert(change.path);
            Ok(())
        },
    )?;
    let beside = merging.untouched_beside(&working, |_| true)?;
    let mut refs: Vec<RefEdit> = moved::staged(repo, None, "merge --abort");
    refs.extend(merging::moved(repo, None, "merge --abort"));
    let actor = options.actor.to_actor();
    // Nothing is stored to say what would be done.
    let from = match options.dry_run {
        true => working.base.tree,
        false => merging::with_files(&working, "merge", &actor, working.base.tree, &beside)?,
    };
    let journey = Journey {
        from,
        tree: working.head_tree,
        refs,
        unsaved: Unsaved::DiscardAt(touched),
        dry_run: options.dry_run,
        ..Journey::new("merge", &options.actor, &working)
    };
    let plan = travel::plan(&working, journey, monitor)?;
    let mut aborted = Aborted::default();
    if options.dry_run {
        aborted.would_change = travel::would_change(plan.steps);
        aborted.would_change.extend(beside.into_iter().map(|(path, _)| path));
        aborted.would_change.sort();
        return Ok(aborted);
    }
    let applied = pending::carry_out(&mut working, plan, monitor)?;
    (aborted.written, aborted.removed) = (applied.files, applied.removed);
    (aborted.failed, aborted.not_representable) = (applied.failed, applied.not_representable);
    Ok(aborted)
}

/// Writes one side's version of paths that nobody has decided on.
pub(super) fn side_of(
    working: &Working<'_>,
    paths: &Pathspec,
    side: restore::Side,
    actor: &str,
) -> Result<(Id, Pathspec), Error> {
    let merging = merging::find(working.repo)?;
    let is_under_way = merging.is_some();
    let mut edits: Vec<Edit> = Vec::new();
    for one in merging.into_iter().flat_map(|merging| merging.unmerged) {
        let Unmerged { path, stages: [_, ours, theirs] } = one;
        if paths.matches(&path) {
            let entry = match side {
                restore::Side::Ours => ours,
                restore::Side::Theirs => theirs,
            };
            edits.push(Edit { path, entry });
        }
    }
    if edits.is_empty() {
        let recorded = kept::recorded_at(working, paths)?;
        if !recorded.is_empty() {
            let paths = recorded.into_iter().map(|(path, _)| path).collect();
            return Err(Error::NoSides { paths });
        }
        if !is_under_way {
            return Err(Error::NotMerging);
        }
        return Err(Error::NoMatch(paths.inclusions().next().unwrap_or(".").to_owned()));
    }
    let chosen = Pathspec::of_paths(edits.iter().map(|edit| edit.path.clone()));
    let batch = Batch::begin(working.repo.store())?;
    let tree = staging::tree_with(&batch, working.base.tree.as_ref(), edits)?;
    let publication = Publication::new("restore", actor).with_packs(batch.seal()?);
    working.repo.store().publish(publication)?;
    Ok((tree, chosen))
}
