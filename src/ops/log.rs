//! History: the commits that lead to some and not to others, newest first.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

use bstr::ByteSlice;

use crate::hash::{Id, Kind};
use crate::history::walk::{self, Direction, Follow, Merges, Walk, same_along};
use crate::history::{Graph, GraphCommit};
use crate::object::{Commit, Source, Tag};
use crate::path::Pathspec;
use crate::repo::{Head, Repository};
use crate::store::{self, Store};

use super::{Error, branch, tag};

/// Which commits.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where to begin.
    pub include: Vec<Id>,
    /// What is left out, with all it follows.
    pub exclude: Vec<Id>,
    /// Only commits that change these paths.
    pub paths: Pathspec,
    /// From which end.
    pub direction: Direction,
    /// Which parents are followed.
    pub follow: Follow,
    /// Whether merges are shown.
    pub merges: Merges,
    /// None from before this second.
    pub since: Option<i64>,
    /// None from after this second.
    pub until: Option<i64>,
    /// How many are left out first.
    pub skip: u64,
    /// At most so many.
    pub limit: Option<u64>,
    /// Only authors whose name or address contains one of these, in any case.
    pub authors: Vec<String>,
    /// Only messages that contain one of these, in any case.
    pub messages: Vec<String>,
}

/// Tells `visit` every commit.
pub fn run<E>(
    repo: &Repository,
    options: &Options,
    visit: &mut dyn FnMut(&Id, &Commit) -> Result<(), E>,
) -> Result<(), E>
where
    E: From<Error> + From<store::Error>,
{
    let graph = Kept { store: repo.store(), commits: RefCell::default() };
    let store = repo.store();
    let walk_options = walk::Options {
        include: options.include.clone(),
        exclude: options.exclude.clone(),
        direction: options.direction,
        follow: options.follow,
        merges: options.merges,
        since: options.since,
        until: options.until,
        skip: options.skip,
        limit: options.limit,
        ..walk::Options::default()
    };
    let mut walk = Walk::new(&graph, walk_options);
    if !options.paths.is_all() {
        walk = walk.along(|before, after| same_along(store, &options.paths, before, after));
    }
    if !options.authors.is_empty() || !options.messages.is_empty() {
        let lower = |words: &[String]| -> Vec<Vec<u8>> {
            words.iter().map(|word| word.to_lowercase().into_bytes()).collect()
        };
        let (authors, messages) = (lower(&options.authors), lower(&options.messages));
        let graph = &graph;
        walk = walk.keeping(move |step| {
            graph.with(&step.id, |commit| {
                let author = [&commit.author.name[..], b" <", &commit.author.email, b">"].concat();
                contains_any(&author, &authors) && contains_any(&commit.message, &messages)
            })
        });
    }
    for step in walk {
        let id = step?.id;
        let commit = graph.take(&id)?;
        visit(&id, &commit)?;
    }
    Ok(())
}

fn contains_any(text: &[u8], words: &[Vec<u8>]) -> bool {
    let text = text.to_lowercase();
    words.is_empty() || words.iter().any(|word| text.contains_str(word))
}

/// The graph as the commits themselves tell it; each is decoded once and kept until it is shown.
struct Kept<'s> {
    store: &'s Store,
    commits: RefCell<HashMap<Id, Commit>>,
}

impl Kept<'_> {
    fn with<T>(&self, id: &Id, use_it: impl FnOnce(&Commit) -> T) -> Result<T, store::Error> {
        if let Some(commit) = self.commits.borrow().get(id) {
            return Ok(use_it(commit));
        }
        Ok(use_it(&self.store.object(id)?))
    }

    fn take(&self, id: &Id) -> Result<Commit, store::Error> {
        match self.commits.borrow_mut().remove(id) {
            Some(commit) => Ok(commit),
            None => self.store.object(id),
        }
    }
}

impl Graph for Kept<'_> {
    type Error = store::Error;

    fn commit(&self, id: &Id) -> Result<GraphCommit, store::Error> {
        let commit: Commit = self.store.object(id)?;
        let known = GraphCommit {
            parents: commit.parents.clone(),
            generation: None,
            seconds: commit.committer.seconds,
            tree: commit.tree,
        };
        self.commits.borrow_mut().insert(*id, commit);
        Ok(known)
    }
}

/// A name of a commit, as it stands beside it in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoration {
    /// HEAD, on this branch or by itself.
    Head(Option<String>),
    /// A tag.
    Tag(String),
    /// A branch.
    Branch(String),
    /// Any other ref, by its full name.
    Other(String),
}

/// The names of commits: HEAD, then tags, then branches, then others.
pub fn decorations(repo: &Repository) -> Result<BTreeMap<Id, Vec<Decoration>>, Error> {
    let mut found: BTreeMap<Id, Vec<Decoration>> = BTreeMap::new();
    let head = repo.head();
    let current = match &head {
        Head::Branch { name, .. } => Some(name.clone()),
        Head::Detached(_) => None,
    };
    if let Some(id) = head.commit() {
        let on = current.as_ref().map(|name| name.trim_start_matches(branch::PREFIX).to_owned());
        found.entry(id).or_default().push(Decoration::Head(on));
    }
    for (name, _) in repo.store().refs(tag::PREFIX) {
        let Some(id) = repo.store().resolve(&name) else { continue };
        let id = peel(repo.store(), id)?;
        let name = name[tag::PREFIX.len()..].to_owned();
        found.entry(id).or_default().push(Decoration::Tag(name));
    }
    for (name, _) in repo.store().refs("refs/") {
        if name.starts_with(tag::PREFIX)
            || name.starts_with("refs/worktree/")
            || current.as_ref() == Some(&name)
        {
            continue;
        }
        let Some(id) = repo.store().resolve(&name) else { continue };
        let decoration = match name.strip_prefix(branch::PREFIX) {
            Some(short) => Decoration::Branch(short.to_owned()),
            None => Decoration::Other(name),
        };
        found.entry(id).or_default().push(decoration);
    }
    Ok(found)
}

/// What an annotated tag leads to in the end.
pub fn peel(store: &Store, mut id: Id) -> Result<Id, Error> {
    // Tags of tags are finite, because ids are hashes; the bound is against damage.
    for _ in 0..64 {
        if !store.contains(Kind::Tag, &id) {
            break;
        }
        id = store.object::<Tag>(&id)?.target;
    }
    Ok(id)
}

/// A commit.
pub fn commit(repo: &Repository, id: &Id) -> Result<Commit, Error> {
    Ok(repo.store().object(id)?)
}
