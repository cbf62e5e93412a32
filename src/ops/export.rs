//! `export git`: writes the history into a git repository.
//!
//! What came from git goes back with the same ids. What git has already is not written again. A
//! branch there moves only forward, a tag not at all, unless that is forced; a branch whose files
//! somebody has checked out stays where it is.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::PathBuf;

use gix_hash::ObjectId;

use crate::git::{self, Exporter, Git, GitRef, LeftOut, Type, Written};
use crate::hash::{Id, Kind};
use crate::object::{Commit, Manifest, Source, Tag};
use crate::progress::{Monitor, Stage};
use crate::repo::{Head, Repository};
use crate::store::{Store, Target};

use super::Error;
use super::import::{BRANCHES, Fate, Patterns, TAGS};

/// What to export.
#[derive(Clone, Debug)]
pub struct Options {
    /// The git repository. If there is nothing, or an empty directory, a bare one is made.
    pub target: PathBuf,
    /// Patterns of branch names; all branches and tags if there are none, else these branches and
    /// the tags they lead to.
    pub branches: Vec<String>,
    /// Move branches and tags that stand elsewhere there.
    pub force: bool,
}

/// A ref of this repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefOutcome {
    /// Its full name.
    pub name: String,
    /// Where it stands here.
    pub id: Id,
    /// What that is in git.
    pub git: String,
    /// What became of it.
    pub fate: Fate,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Refs, in the order of their names.
    pub refs: Vec<RefOutcome>,
    /// Commits that were written.
    pub commits: u64,
    /// Objects that were written.
    pub objects: u64,
    /// Paths that git has no place for, and why.
    pub left_out: BTreeSet<(Vec<u8>, LeftOut)>,
    /// The git repository was made.
    pub made: bool,
}

impl Outcome {
    /// Whether git has everything that is here.
    pub fn is_complete(&self) -> bool {
        self.left_out.is_empty()
            && self
                .refs
                .iter()
                .all(|one| !matches!(one.fate, Fate::Kept | Fate::InUse | Fate::Symbolic))
    }
}

/// Exports.
pub fn run(repo: &Repository, options: &Options, monitor: &dyn Monitor) -> Result<Outcome, Error> {
    let store = repo.store();
    store.refresh()?;
    monitor.begin(Stage::Exporting, None, None);
    let chosen = chosen(store, options)?;
    let order = parents_first(store, chosen.values())?;
    let made = Git::is_to_be_made(&options.target)?;
    let mut outcome = Outcome { made, ..Outcome::default() };
    let git = if outcome.made {
        let hash = order.hash.unwrap_or(gix_hash::Kind::Sha1);
        let head = match repo.head() {
            Head::Branch { name, .. } if chosen.contains_key(&name) => Some(name),
            _ => None,
        };
        Git::make(&options.target, hash, head.as_deref())?
    } else {
        Git::open(&options.target).map_err(|error| match error {
            git::Error::NoRepository(path) => git::Error::InTheWay(path),
            other => other,
        })?
    };
    let there = git.commits()?;
    let mut known = Exporter::without_writing(store, &git);
    let mut written: HashMap<Id, Written> = HashMap::new();
    let mut missing: Vec<Id> = Vec::new();
    for id in &order.commits {
        if there.is_empty() {
            missing.push(*id);
            continue;
        }
        let commit: Commit = store.object(id)?;
        let parents: Option<Vec<Written>> =
            commit.parents.iter().map(|parent| written.get(parent).copied()).collect();
        // What git has, it has with everything before it.
        let found = match parents {
            Some(parents) => known.find(id, &commit, &parents, &there)?,
            None => None,
        };
        match found {
            Some(found) => {
                written.insert(*id, found);
            }
            None => missing.push(*id),
        }
    }
    outcome.commits = missing.len() as u64;
    let mut exporter = Exporter::new(store, &git);
    exporter.uses_bases = !written.is_empty();
    write(store, &mut exporter, &missing, &mut written, monitor)?;
    let mut ids = BTreeMap::new();
    for (name, target) in &chosen {
        ids.insert(name, write_target(store, &mut exporter, target, &written, 0)?);
    }
    outcome.objects = exporter.finish()?;
    outcome.left_out = std::mem::take(&mut exporter.left_out);
    move_refs(&git, &chosen, &ids, options, &mut outcome)?;
    Ok(outcome)
}

fn write(
    store: &Store,
    exporter: &mut Exporter<'_>,
    missing: &[Id],
    written: &mut HashMap<Id, Written>,
    monitor: &dyn Monitor,
) -> Result<(), Error> {
    let mut trees = Vec::with_capacity(missing.len());
    let mut tree_of: HashMap<Id, Id> = HashMap::new();
    for id in missing {
        let commit: Commit = store.object(id)?;
        tree_of.insert(*id, commit.tree);
        let before = match commit.parents.first() {
            None => None,
            Some(parent) => match tree_of.get(parent) {
                Some(tree) => Some(*tree),
                None => Some(store.object::<Commit>(parent)?.tree),
            },
        };
        trees.push((commit.tree, before));
    }
    drop(tree_of);
    exporter.contents(&trees, monitor)?;
    monitor.begin(Stage::Exporting, Some(missing.len() as u64), None);
    for id in missing {
        let commit: Commit = store.object(id)?;
        let parents: Vec<Written> =
            commit.parents.iter().filter_map(|parent| written.get(parent).copied()).collect();
        let done = exporter.commit(id, &commit, &parents)?;
        written.insert(*id, done);
        monitor.advance(1, 0);
    }
    Ok(())
}

/// The refs that are to be exported, with what they point to.
fn chosen(store: &Store, options: &Options) -> Result<BTreeMap<String, Id>, Error> {
    let mut patterns = Patterns::new(&options.branches)?;
    let mut chosen = BTreeMap::new();
    for (name, target) in store.refs(BRANCHES) {
        let short = name.strip_prefix(BRANCHES).unwrap_or(&name);
        let id = match target {
            Target::Id(id) => Some(id),
            Target::Symbolic(_) => store.resolve(&name),
        };
        if patterns.fits(short)
            && let Some(id) = id
        {
            chosen.insert(name, id);
        }
    }
    if let Some(pattern) = patterns.unused() {
        return Err(Error::NoBranch(pattern.to_owned()));
    }
    let reached: Option<HashSet<Id>> = match options.branches.is_empty() {
        true => None,
        false => Some(parents_first(store, chosen.values())?.commits.into_iter().collect()),
    };
    for (name, _) in store.refs(TAGS) {
        let Some(id) = store.resolve(&name) else { continue };
        let is_reached = match &reached {
            None => true,
            Some(reached) => git::commit_of(store, id)?.is_some_and(|id| reached.contains(&id)),
        };
        if is_reached {
            chosen.insert(name, id);
        }
    }
    Ok(chosen)
}

/// Commits, those of parents before their children.
struct Order {
    commits: Vec<Id>,
    /// How the git hashed that some of them came from.
    hash: Option<gix_hash::Kind>,
}

fn parents_first<'i>(store: &Store, roots: impl Iterator<Item = &'i Id>) -> Result<Order, Error> {
    let mut order = Order { commits: Vec::new(), hash: None };
    let mut done: HashSet<Id> = HashSet::new();
    let mut stack: Vec<(Id, bool)> = Vec::new();
    for root in roots {
        if let Some(id) = git::commit_of(store, *root)? {
            stack.push((id, false));
        }
        while let Some((id, is_open)) = stack.pop() {
            if is_open {
                if done.insert(id) {
                    order.commits.push(id);
                }
                continue;
            }
            if done.contains(&id) {
                continue;
            }
            let commit: Commit = store.object(&id)?;
            order.hash = order.hash.or_else(|| git::hash_of(&commit));
            stack.push((id, true));
            let new = commit.parents.iter().filter(|parent| !done.contains(*parent));
            stack.extend(new.map(|parent| (*parent, false)));
        }
    }
    Ok(order)
}

/// Git's id for what a ref or tag points to.
fn write_target(
    store: &Store,
    exporter: &mut Exporter<'_>,
    id: &Id,
    written: &HashMap<Id, Written>,
    depth: usize,
) -> Result<(ObjectId, Type), Error> {
    if let Some(found) = written.get(id) {
        return Ok((found.id, Type::Commit));
    }
    if *id != Id::EMPTY && store.contains(Kind::Tag, id) && depth < 64 {
        let tag: Tag = store.object(id)?;
        let target = match Kind::from_number(tag.target_kind) {
            Some(Kind::Tree) => (exporter.lone_tree(&tag.target, Some(&tag))?, Type::Tree),
            _ => write_target(store, exporter, &tag.target, written, depth + 1)?,
        };
        return Ok((exporter.tag(id, &tag, target)?, Type::Tag));
    }
    if *id != Id::EMPTY && store.contains(Kind::Tree, id) {
        return Ok((exporter.lone_tree(id, None)?, Type::Tree));
    }
    let size = match store.contains(Kind::Manifest, id) {
        true => store.object::<Manifest>(id)?.size,
        false => store.read(Kind::Chunk, id)?.len() as u64,
    };
    Ok((exporter.content(id, size)?, Type::Blob))
}

fn move_refs(
    git: &Git,
    chosen: &BTreeMap<String, Id>,
    ids: &BTreeMap<&String, (ObjectId, Type)>,
    options: &Options,
    outcome: &mut Outcome,
) -> Result<(), Error> {
    let refs: HashMap<Vec<u8>, GitRef> =
        git.refs()?.into_iter().map(|one| (one.name.clone(), one)).collect();
    let in_use = git.checked_out()?;
    let mut moves = Vec::new();
    for (name, id) in chosen {
        let Some((new, _)) = ids.get(name).copied() else { continue };
        let there = refs.get(name.as_bytes());
        let old = there.map(|one| one.id);
        let fate = match old {
            None => Fate::New,
            Some(old) if old == new => Fate::Same,
            Some(_) if in_use.contains(name.as_bytes()) => Fate::InUse,
            Some(old) if name.starts_with(BRANCHES) && git.is_ancestor(&old, &new)? => Fate::Moved,
            Some(old) if name.starts_with(BRANCHES) && git.is_ancestor(&new, &old)? => Fate::Ahead,
            Some(_) if options.force => Fate::Forced,
            Some(_) => Fate::Kept,
        };
        // To move it would move the branch it stands for.
        let is_symbolic = there.is_some_and(|one| one.is_symbolic);
        let fate = match fate {
            Fate::Moved | Fate::Forced | Fate::Kept if is_symbolic => Fate::Symbolic,
            fate => fate,
        };
        if matches!(fate, Fate::New | Fate::Moved | Fate::Forced) {
            moves.push((name.clone(), old, new));
        }
        let git = new.to_string();
        outcome.refs.push(RefOutcome { name: name.clone(), id: *id, git, fate });
    }
    git.move_refs(&moves)?;
    Ok(())
}
