//! History: the commits that lead to some and not to others, newest first.

use std::collections::BTreeMap;

use bstr::ByteSlice;

use crate::git::readable;
use crate::hash::{Id, Kind};
use crate::history::walk::{self, Direction, Follow, Merges, Order, Step, Walk, same_along};
use crate::history::{Asked, Commits, Graph, StoredGraph};
use crate::object::{Commit, Source, Tag};
use crate::path::Pathspec;
use crate::progress::Monitor;
use crate::repo::{Head, Repository};
use crate::store::{self, Store};

use super::{Error, branch, tag};

pub use crate::history::Number;

/// Which commits.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where to begin.
    pub include: Vec<Id>,
    /// What is left out, with all it follows.
    pub exclude: Vec<Id>,
    /// Only commits that change these paths.
    pub paths: Pathspec,
    /// In which order.
    pub order: Order,
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
    monitor: &dyn Monitor,
    visit: &mut dyn FnMut(&Id, &Commit) -> Result<(), E>,
) -> Result<(), E>
where
    E: From<Error> + From<store::Error>,
{
    let store = repo.store();
    let is_listed = !options.exclude.is_empty() || options.order != Order::Time;
    if !is_listed && options.paths.is_all() {
        // All that is walked is shown, but for a little: so the commits themselves are walked.
        let graph = Commits::keeping(store);
        let keep = |step: &Step, keep: &Chosen| graph.with(step.number, |commit| keep.has(commit));
        for step in walk(&graph, options, &keep) {
            let step = step?;
            visit(&step.id, &graph.take(step.number)?)?;
        }
        return Ok(());
    }
    let asked = ask_for_paths(store, options, monitor)?;
    let mut visited = 0;
    StoredGraph::ask(store, |graph| {
        let keep = chosen_in(store);
        // Asked again, the graph gives the same answer, of which some has been told.
        for step in walk_stored(graph, store, options, asked.as_ref(), &keep).skip(visited) {
            let step = step?;
            visit(&step.id, &store.object(&step.id)?)?;
            visited += 1;
        }
        Ok(())
    })
}

/// A commit as it hangs together with others that are shown.
#[derive(Clone, Debug)]
pub struct Connected {
    /// The commit.
    pub id: Id,
    /// What stands for it in a drawing.
    pub number: Number,
    /// Those that its lines lead to.
    pub parents: Vec<Number>,
}

/// Tells `visit` every commit, none before those that follow it, and how they hang together.
pub fn connected<E>(
    repo: &Repository,
    options: &Options,
    monitor: &dyn Monitor,
    visit: &mut dyn FnMut(&Connected, &Commit) -> Result<(), E>,
) -> Result<(), E>
where
    E: From<Error> + From<store::Error>,
{
    let store = repo.store();
    let asked = ask_for_paths(store, options, monitor)?;
    let mut visited = 0;
    StoredGraph::ask(store, |graph| {
        let keep = chosen_in(store);
        for shown in
            walk_stored(graph, store, options, asked.as_ref(), &keep).connected().skip(visited)
        {
            let (Step { id, number }, parents) = shown?;
            visit(&Connected { id, number, parents }, &store.object(&id)?)?;
            visited += 1;
        }
        Ok(())
    })
}

fn chosen_in(store: &Store) -> impl Fn(&Step, &Chosen) -> Result<bool, store::Error> {
    move |step, chosen| Ok(chosen.has(&store.object(&step.id)?))
}

/// Finds out which paths the commits changed that are asked for, if that is not known and can be
/// kept. `None` if it does not help.
fn ask_for_paths(
    store: &Store,
    options: &Options,
    monitor: &dyn Monitor,
) -> Result<Option<Asked>, store::Error> {
    let Some(asked) = Asked::new(&options.paths) else { return Ok(None) };
    // So that the table has what it is about to be asked about.
    StoredGraph::ask(store, |graph| {
        options.include.iter().try_for_each(|id| graph.number(id).map(|_| ()))
    })?;
    // Without it the trees are compared.
    let _ = StoredGraph::learn(store, monitor);
    Ok(Some(asked))
}

/// The walk that the options ask for, along paths if there are any.
fn walk_stored<'g>(
    graph: &'g StoredGraph<'g>,
    store: &'g Store,
    options: &'g Options,
    asked: Option<&'g Asked>,
    keep: &'g impl Fn(&Step, &Chosen) -> Result<bool, store::Error>,
) -> Walk<'g, StoredGraph<'g>> {
    let walk = walk(graph, options, keep);
    if options.paths.is_all() {
        return walk;
    }
    walk.comparing(move |pair| {
        let known = asked.map_or(Ok(None), |asked| graph.is_same(asked, pair))?;
        if let Some(is_same) = known {
            return Ok(is_same);
        }
        let before = pair.parent.map(|(_, parent)| graph.tree(parent)).transpose()?;
        same_along(store, &options.paths, before.as_ref(), &graph.tree(pair.commit)?)
    })
}

/// The walk that the options ask for; `keep` says of a commit whether its words are asked for.
fn walk<'g, G: Graph<Error = store::Error>>(
    graph: &'g G,
    options: &'g Options,
    keep: &'g impl Fn(&Step, &Chosen) -> Result<bool, store::Error>,
) -> Walk<'g, G> {
    let walk_options = walk::Options {
        include: options.include.clone(),
        exclude: options.exclude.clone(),
        order: options.order,
        direction: options.direction,
        follow: options.follow,
        merges: options.merges,
        since: options.since,
        until: options.until,
        skip: options.skip,
        limit: options.limit,
    };
    let mut walk = Walk::new(graph, walk_options);
    if !options.authors.is_empty() || !options.messages.is_empty() {
        let chosen = Chosen::new(options);
        walk = walk.keeping(move |step| keep(step, &chosen));
    }
    walk
}

/// Which commits are shown, by their words.
struct Chosen {
    authors: Vec<Vec<u8>>,
    messages: Vec<Vec<u8>>,
}

impl Chosen {
    fn new(options: &Options) -> Self {
        let lower = |words: &[String]| -> Vec<Vec<u8>> {
            words.iter().map(|word| word.to_lowercase().into_bytes()).collect()
        };
        Self { authors: lower(&options.authors), messages: lower(&options.messages) }
    }

    fn has(&self, commit: &Commit) -> bool {
        let commit = readable(commit);
        let author = [&commit.author.name[..], b" <", &commit.author.email, b">"].concat();
        contains_any(&author, &self.authors) && contains_any(&commit.message, &self.messages)
    }
}

fn contains_any(text: &[u8], words: &[Vec<u8>]) -> bool {
    let text = text.to_lowercase();
    words.is_empty() || words.iter().any(|word| text.contains_str(word))
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
