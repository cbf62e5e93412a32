//! `import git`: takes the history of a git repository in.
//!
//! Branches and tags keep their names. What was imported before is recognised by what its commits
//! say of git, and not read again. A branch moves only forward, a tag not at all, unless that is
//! forced; work that was recorded on top here is never dropped in silence.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

use gix_hash::ObjectId;

use crate::git::{self, Git, GitRef, IdMap, Plan, Type};
use crate::hash::Id;
use crate::history::{Graph, StoredGraph, refname};
use crate::progress::{Monitor, Stage};
use crate::repo::{Head, Person, Repository, Rules};
use crate::store::{Batch, Publication, RefEdit, Store, Target};

use super::{Error, switch};

pub(super) const BRANCHES: &str = "refs/heads/";
pub(super) const TAGS: &str = "refs/tags/";

/// What to import.
#[derive(Clone, Debug)]
pub struct Options<'a> {
    /// The git repository.
    pub source: PathBuf,
    /// Patterns of branch names; all branches and tags if there are none, else these branches and
    /// the tags they lead to.
    pub branches: Vec<String>,
    /// Move branches and tags that stand elsewhere here.
    pub force: bool,
    /// Who does it.
    pub actor: Person,
    /// Which rules of the user's hold.
    pub rules: Rules<'a>,
    /// When it does what.
    pub pace: git::Pace,
}

/// What became of a ref.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is new.
    New,
    /// It moved forward.
    Moved,
    /// It stands elsewhere now, because that was forced.
    Forced,
    /// It was there already.
    Same,
    /// It has everything, and work that was recorded here.
    Ahead,
    /// It stands elsewhere here, and stays.
    Kept,
    /// Its files are checked out somewhere, so it was not moved.
    InUse,
    /// It stands for another ref there, so it was not moved.
    Symbolic,
    /// Its name cannot be kept, so it was left out.
    BadName,
    /// It names a tree that only a commit or an annotated tag could keep, so it was left out.
    OddTree,
}

/// A ref of the git repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefOutcome {
    /// Its full name.
    pub name: String,
    /// Where it stands in git.
    pub git: String,
    /// Where that is here; `None` if it was left out.
    pub id: Option<Id>,
    /// What became of it.
    pub fate: Fate,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Refs, in the order of their names.
    pub refs: Vec<RefOutcome>,
    /// Commits that were read.
    pub commits: u64,
    /// Objects of git that were read.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What the new objects take in the store.
    pub stored: u64,
    /// Commits with trees that git would not write; they are kept verbatim.
    pub odd: u64,
    /// Files written in the working tree.
    pub written: u64,
}

impl Outcome {
    /// Whether every ref is where git has it.
    pub fn is_complete(&self) -> bool {
        self.refs
            .iter()
            .all(|one| !{ matches!(one.fate, Fate::Kept | Fate::BadName | Fate::OddTree) })
    }
}

/// The branch that a new repository for this history begins on, without `refs/heads/`: the one
/// git's HEAD is on, if that is imported.
pub fn first_branch(options: &Options<'_>) -> Result<Option<String>, Error> {
    let git = Git::open(&options.source)?;
    let (chosen, _) = chosen(&git, options)?;
    let branches: Vec<&str> =
        chosen.keys().filter_map(|name| name.strip_prefix(BRANCHES)).collect();
    let head = git.head().and_then(|name| name.strip_prefix(BRANCHES));
    // Git takes names that one cannot ask for here: such a branch is kept, and no place to begin.
    let can_be = |name: &str| refname::check_branch(name).is_ok();
    let head = head.filter(|head| branches.contains(head) && can_be(head));
    let found = head.or_else(|| branches.into_iter().find(|name| can_be(name)));
    Ok(found.map(str::to_owned))
}

/// Imports.
pub fn run(
    repo: &Repository,
    options: &Options<'_>,
    monitor: &dyn Monitor,
) -> Result<Outcome, Error> {
    let git = Git::open(&options.source)?;
    let store = repo.store();
    store.refresh()?;
    let (chosen, refused) = chosen(&git, options)?;
    monitor.begin(Stage::Importing, None, None);
    let commits = git::known_commits(store, git.hash())?;
    let tips = known_tips(&git, store, &commits)?;
    let wanted: Vec<ObjectId> = chosen.values().map(|one| one.id).collect();
    let known: Vec<ObjectId> = tips.keys().copied().collect();
    let plan = Plan::make(&git, &wanted, &known, &newest(&git, &chosen)?)?;
    monitor.begin(Stage::Importing, Some(plan.objects()), Some(plan.bytes()));
    let mut outcome = Outcome {
        commits: plan.commits(),
        objects: plan.objects(),
        bytes: plan.bytes(),
        ..Outcome::default()
    };
    let (ended, notes) = store.dead_sessions_with_notes()?;
    let batch = Batch::begin(store)?;
    let actor = options.actor.to_actor();
    let known = git::Known { commits, notes, actor: &actor, pace: options.pace };
    let mut imported = git::import(&git, &plan, &batch, known, monitor)?;
    let mut edits = Vec::new();
    for (name, one) in &chosen {
        let id = imported.target(&git, &batch, &one.id, one.kind)?.id;
        let fate = match one.kind {
            Type::Tree if imported.is_odd_tree(&one.id) => Fate::OddTree,
            _ => fate(&git, store, name, one, id, &tips, options.force)?,
        };
        if matches!(fate, Fate::New | Fate::Moved | Fate::Forced) {
            edits.push(RefEdit {
                name: name.clone(),
                old: store.target(name),
                new: Some(Target::Id(id)),
                reason: format!("import git: {}", one.id.to_hex_with_len(12)),
            });
        }
        let git = one.id.to_string();
        outcome.refs.push(RefOutcome { name: name.clone(), git, id: Some(id), fate });
    }
    for one in refused {
        let name = String::from_utf8_lossy(&one.name).into_owned();
        let git = one.id.to_string();
        outcome.refs.push(RefOutcome { name, git, id: None, fate: Fate::BadName });
    }
    outcome.odd = imported.odd.len() as u64;
    if edits.is_empty() {
        return Ok(outcome);
    }
    let sealed = batch.seal()?;
    outcome.stored = sealed.made.stored;
    // The branch that files of a working tree belong to moves together with them.
    let current = match repo.head() {
        Head::Branch { name, .. } if !repo.is_bare() => Some(name),
        _ => None,
    };
    let at = edits.iter().position(|edit| Some(&edit.name) == current.as_ref());
    let with_files = at.map(|at| edits.remove(at));
    if repo.is_bare() {
        edits.extend(head_edit(repo, &git, &chosen));
    }
    let publication = Publication::new("import", &actor)
        .ending_sessions(ended)
        .with_packs(sealed)
        .with_refs(edits);
    store.publish(publication)?;
    if let Some(RefEdit { name, new: Some(Target::Id(id)), .. }) = with_files {
        let name = name.strip_prefix(BRANCHES).unwrap_or(&name).to_owned();
        let options = switch::Options {
            to: switch::To::NewBranch { name, start: Some(id.to_string()), replace: true },
            discard: false,
            actor: options.actor.clone(),
            rules: options.rules,
        };
        outcome.written = switch::run(repo, &options, monitor)?.written;
    }
    prepare_log(store, &tips_of(&outcome), monitor);
    Ok(outcome)
}

fn tips_of(outcome: &Outcome) -> Vec<Id> {
    let moved = |one: &&RefOutcome| matches!(one.fate, Fate::New | Fate::Moved | Fate::Forced);
    outcome.refs.iter().filter(moved).filter_map(|one| one.id).collect()
}

/// Finds out how the new commits follow each other and which paths they changed, as the first `log
/// -- PATH` would otherwise.
fn prepare_log(store: &Store, tips: &[Id], monitor: &dyn Monitor) {
    let counted = StoredGraph::ask(store, |graph| -> Result<(), Error> {
        for tip in tips {
            if let Some(commit) = git::commit_of(store, *tip)? {
                graph.number(&commit)?;
            }
        }
        Ok(())
    });
    // Derived: the history is here, and `log` will do what could not be done.
    if counted.is_ok() {
        let _ = StoredGraph::learn(store, monitor);
    }
}

/// HEAD of a bare repository that has no commits yet goes where git's is.
fn head_edit(repo: &Repository, git: &Git, chosen: &BTreeMap<String, GitRef>) -> Option<RefEdit> {
    let Head::Branch { name, commit: None } = repo.head() else { return None };
    let goal = git.head().filter(|head| chosen.contains_key(*head))?;
    refname::check_branch(goal.strip_prefix(BRANCHES)?).ok()?;
    (goal != name).then(|| RefEdit {
        name: repo.head_name(),
        old: repo.store().target(&repo.head_name()),
        new: Some(Target::Symbolic(goal.to_owned())),
        reason: "import git".to_owned(),
    })
}

/// The refs that are to be imported, by name, and those whose names cannot be kept.
fn chosen(
    git: &Git,
    options: &Options<'_>,
) -> Result<(BTreeMap<String, GitRef>, Vec<GitRef>), Error> {
    let mut patterns = Patterns::new(&options.branches)?;
    let (mut chosen, mut refused) = (BTreeMap::new(), Vec::new());
    let (mut tags, mut tips) = (Vec::new(), Vec::new());
    for one in git.refs()? {
        if one.name.starts_with(TAGS.as_bytes()) {
            tags.push(one);
            continue;
        }
        let Some(short) = one.name.strip_prefix(BRANCHES.as_bytes()) else { continue };
        let short = String::from_utf8_lossy(short).into_owned();
        if patterns.fits(&short) {
            tips.push(one.id);
            take(one, &mut chosen, &mut refused);
        }
    }
    if let Some(pattern) = patterns.unused() {
        return Err(Error::NoBranchThere(pattern.to_owned()));
    }
    if !options.branches.is_empty() {
        let reached: HashSet<Vec<u8>> = git.tags_reached(&tips)?.into_iter().collect();
        tags.retain(|tag| reached.contains(&tag.name));
    }
    for tag in tags {
        take(tag, &mut chosen, &mut refused);
    }
    Ok((chosen, refused))
}

/// Patterns of branch names; without any, every name fits.
pub(super) struct Patterns<'p>(Vec<(&'p String, globset::GlobMatcher, bool)>);

impl<'p> Patterns<'p> {
    pub(super) fn new(patterns: &'p [String]) -> Result<Self, Error> {
        let compile = |pattern: &'p String| match globset::Glob::new(pattern) {
            Ok(glob) => Ok((pattern, glob.compile_matcher(), false)),
            Err(error) => {
                let why = error.kind().to_string();
                Err(Error::BadName { name: pattern.clone(), why })
            }
        };
        Ok(Self(patterns.iter().map(compile).collect::<Result<_, _>>()?))
    }

    pub(super) fn fits(&mut self, name: &str) -> bool {
        let mut fits = self.0.is_empty();
        for (_, matcher, used) in &mut self.0 {
            let found = matcher.is_match(name);
            *used |= found;
            fits |= found;
        }
        fits
    }

    /// A pattern that nothing fits.
    pub(super) fn unused(&self) -> Option<&'p str> {
        self.0.iter().find(|(_, _, used)| !used).map(|(pattern, ..)| pattern.as_str())
    }
}

fn take(one: GitRef, chosen: &mut BTreeMap<String, GitRef>, refused: &mut Vec<GitRef>) {
    match String::from_utf8(one.name.clone()) {
        Ok(name) if refname::check(&name).is_ok() => {
            chosen.insert(name, one);
        }
        _ => refused.push(one),
    }
}

/// The commits that refs here stand at and that the git repository has too: git's ids with ours.
fn known_tips(git: &Git, store: &Store, known: &IdMap<Id>) -> Result<IdMap<Id>, Error> {
    let here: HashSet<Id> = store.roots().into_iter().map(|(_, id)| id).collect();
    let mut tips: Vec<(ObjectId, Id)> =
        known.iter().filter(|(_, id)| here.contains(id)).map(|(git, id)| (*git, *id)).collect();
    tips.sort_unstable();
    let ids: Vec<ObjectId> = tips.iter().map(|(id, _)| *id).collect();
    let there = git.has(&ids)?;
    Ok(tips.into_iter().zip(there).filter(|(_, there)| *there).map(|(tip, _)| tip).collect())
}

/// The directories and contents of the tree that people will look at first.
fn newest(git: &Git, chosen: &BTreeMap<String, GitRef>) -> Result<HashSet<ObjectId>, Error> {
    let head = git.head().and_then(|name| chosen.get(name));
    let first = head.or_else(|| chosen.values().find(|one| one.kind == Type::Commit));
    match first {
        Some(one) => Ok(git.objects_of(&one.id)?.into_iter().collect()),
        None => Ok(HashSet::new()),
    }
}

fn fate(
    git: &Git,
    store: &Store,
    name: &str,
    one: &GitRef,
    id: Id,
    tips: &IdMap<Id>,
    force: bool,
) -> Result<Fate, Error> {
    let old = match store.target(name) {
        None => return Ok(Fate::New),
        Some(Target::Id(old)) if old == id => return Ok(Fate::Same),
        Some(Target::Id(old)) => Some(old),
        Some(Target::Symbolic(_)) => None,
    };
    if name.starts_with(BRANCHES)
        && let Some(old) = old
    {
        let known = tips.iter().find(|(_, id)| **id == old).map(|(git, _)| *git);
        if let Some(known) = known
            && git.is_ancestor(&known, &one.id)?
        {
            return Ok(Fate::Moved);
        }
        let graph = StoredGraph::open(store);
        // A commit that is new here has no descendants here.
        if store.contains(crate::hash::Kind::Commit, &id)
            && crate::history::ancestor::is_ancestor(&graph, &id, &old)?
        {
            return Ok(Fate::Ahead);
        }
    }
    Ok(if force { Fate::Forced } else { Fate::Kept })
}
