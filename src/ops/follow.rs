//! History of one file or directory, under whatever names it had.
//!
//! Every line of history is followed under the name that the thing had there. Where it is not in a
//! commit's parent, it is looked for among what went away in that step: a file by its pair, a
//! directory by where most of its files came from. Of a merge only a parent that has the same is
//! followed, as in any history along a path.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet};

use bstr::ByteSlice;

use crate::diff::renames::{self, RenameOptions};
use crate::diff::{self, Change};
use crate::hash::Id;
use crate::history::walk::{Direction, Follow, Merges};
use crate::object::{Commit, Entry, Source};
use crate::path::{Pathspec, RepoPath};
use crate::progress::Silent;
use crate::repo::{Repository, find_entry};
use crate::store::{self, Store};

use super::Error;
use super::log::{self, Options};

/// A commit that changed what is followed.
#[derive(Clone, Debug)]
pub struct Followed {
    /// The commit.
    pub id: Id,
    /// The name it had after the commit, and the one it had before, if that was another.
    pub paths: Vec<RepoPath>,
}

/// Tells `visit` every commit that changed the file or directory at `path`, whatever it was called.
/// The paths of `options` say nothing here.
pub fn run<E>(
    repo: &Repository,
    options: &Options,
    path: &RepoPath,
    renames: &RenameOptions,
    visit: &mut dyn FnMut(&Followed, &Commit) -> Result<(), E>,
) -> Result<(), E>
where
    E: From<Error> + From<store::Error>,
{
    let store = repo.store();
    let mut search = Search::new(store, *renames, options.follow);
    search.range = range(repo, options)?;
    for id in &options.include {
        search.add(id, path.clone())?;
    }
    let mut turned = Vec::new();
    let (mut skipped, mut shown) = (0, 0);
    while options.limit.is_none_or(|limit| shown < limit) {
        let Some((followed, commit)) = search.next()? else { break };
        let is_merge = commit.parents.len() > 1;
        let seconds = commit.committer.seconds;
        let is_shown = match options.merges {
            Merges::Shown => true,
            Merges::Only => is_merge,
            Merges::Hidden => !is_merge,
        };
        let in_time = options.since.is_none_or(|since| seconds >= since)
            && options.until.is_none_or(|until| seconds <= until);
        if followed.paths.is_empty() || !is_shown || !in_time || !is_meant(options, &commit) {
            continue;
        }
        if skipped < options.skip {
            skipped += 1;
            continue;
        }
        shown += 1;
        match options.direction {
            Direction::Back => visit(&followed, &commit)?,
            Direction::Forward => turned.push((followed, commit)),
        }
    }
    turned.iter().rev().try_for_each(|(followed, commit)| visit(followed, commit))
}

/// The commits that may be shown; `None` if that is all of them.
fn range(repo: &Repository, options: &Options) -> Result<Option<HashSet<Id>>, Error> {
    if options.exclude.is_empty() {
        return Ok(None);
    }
    let all = Options {
        include: options.include.clone(),
        exclude: options.exclude.clone(),
        follow: options.follow,
        ..Options::default()
    };
    let mut range = HashSet::new();
    // Without paths there is nothing to find out first.
    log::run::<Error>(repo, &all, &Silent, &mut |id, _| {
        range.insert(*id);
        Ok(())
    })?;
    Ok(Some(range))
}

struct Search<'s> {
    store: &'s Store,
    renames: RenameOptions,
    follow: Follow,
    range: Option<HashSet<Id>>,
    /// Newest first; of one age, the one that came first.
    queue: BinaryHeap<(i64, Reverse<u64>, Id)>,
    /// The commits in the queue, and the names that are followed there.
    waiting: HashMap<Id, (Commit, BTreeSet<RepoPath>)>,
    /// Commits that have had their turn, with the names that were followed.
    seen: HashSet<(Id, RepoPath)>,
    queued: u64,
}

impl<'s> Search<'s> {
    fn new(store: &'s Store, renames: RenameOptions, follow: Follow) -> Self {
        Self {
            store,
            renames,
            follow,
            range: None,
            queue: BinaryHeap::new(),
            waiting: HashMap::new(),
            seen: HashSet::new(),
            queued: 0,
        }
    }

    fn add(&mut self, id: &Id, path: RepoPath) -> Result<(), store::Error> {
        if self.range.as_ref().is_some_and(|range| !range.contains(id))
            || !self.seen.insert((*id, path.clone()))
        {
            return Ok(());
        }
        if let Some((_, paths)) = self.waiting.get_mut(id) {
            paths.insert(path);
            return Ok(());
        }
        let commit: Commit = self.store.object(id)?;
        self.queued += 1;
        self.queue.push((commit.committer.seconds, Reverse(self.queued), *id));
        self.waiting.insert(*id, (commit, BTreeSet::from([path])));
        Ok(())
    }

    /// The next commit, with no paths if it changed nothing.
    fn next(&mut self) -> Result<Option<(Followed, Commit)>, Error> {
        let Some((.., id)) = self.queue.pop() else { return Ok(None) };
        let Some((commit, paths)) = self.waiting.remove(&id) else { return Ok(None) };
        let mut changed = BTreeSet::new();
        for path in &paths {
            self.step(&commit, path, &mut changed)?;
        }
        let followed = Followed { id, paths: changed.into_iter().collect() };
        Ok(Some((followed, commit)))
    }

    /// Follows one name into the parents; adds the names in question if the commit changed it.
    fn step(
        &mut self,
        commit: &Commit,
        path: &RepoPath,
        changed: &mut BTreeSet<RepoPath>,
    ) -> Result<(), Error> {
        let here = find_entry(self.store, &commit.tree, path)?;
        let parents = match self.follow {
            Follow::All => &commit.parents[..],
            Follow::First => &commit.parents[..commit.parents.len().min(1)],
        };
        let mut before = Vec::new();
        for parent in parents {
            let tree = self.store.object::<Commit>(parent)?.tree;
            let there = find_entry(self.store, &tree, path)?;
            if is_same(here.as_ref(), there.as_ref()) {
                return Ok(self.add(parent, path.clone())?);
            }
            before.push((parent, tree, there));
        }
        if here.is_none() && before.is_empty() {
            return Ok(());
        }
        changed.insert(path.clone());
        for (parent, tree, there) in before {
            let origin = match (&here, &there) {
                (Some(here), None) => self.origin(&tree, &commit.tree, path, here)?,
                _ => None,
            };
            changed.extend(origin.clone());
            self.add(parent, origin.unwrap_or_else(|| path.clone()))?;
        }
        Ok(())
    }

    /// What a file or directory that came was called before.
    fn origin(
        &self,
        old: &Id,
        new: &Id,
        path: &RepoPath,
        here: &Entry,
    ) -> Result<Option<RepoPath>, store::Error> {
        let mut changes: Vec<Change> = Vec::new();
        let all = Pathspec::all();
        diff::trees::<_, store::Error>(self.store, Some(old), Some(new), &all, &mut |change| {
            // Of what came, only what is followed matters; of what went, everything.
            if change.new.is_none() || change.old.is_none() && change.path.is_within(path) {
                changes.push(change);
            }
            Ok(())
        })?;
        let found = renames::find(self.store, &changes, &self.renames)?;
        let pairs = found.pairs.iter();
        let named =
            pairs.map(|pair| (&changes[pair.from].path, &changes[pair.to].path, pair.is_copy));
        if !here.is_directory() {
            return Ok(named
                .filter(|(_, to, _)| *to == path)
                .map(|(from, ..)| from.clone())
                .next());
        }
        // A directory came from where most of its files did, under the names they have in it.
        let mut places: BTreeMap<RepoPath, usize> = BTreeMap::new();
        for (from, to, _) in named {
            let rest = &to.as_bytes()[path.as_bytes().len()..];
            if let Some(place) = from.as_bytes().strip_suffix(rest)
                && let Ok(place) = RepoPath::new(place)
                && !place.is_root()
            {
                *places.entry(place).or_default() += 1;
            }
        }
        // Of several with as many, the first.
        let best = places.into_iter().max_by(|(a, x), (b, y)| x.cmp(y).then(b.cmp(a)));
        Ok(best.map(|(place, _)| place))
    }
}

/// Whether author and message are among those that were asked for.
fn is_meant(options: &Options, commit: &Commit) -> bool {
    let has = |text: &[u8], words: &[String]| {
        let text = text.to_lowercase();
        words.is_empty() || words.iter().any(|word| text.contains_str(word.to_lowercase()))
    };
    let author = [&commit.author.name[..], b" <", &commit.author.email, b">"].concat();
    has(&author, &options.authors) && has(&commit.message, &options.messages)
}

fn is_same(a: Option<&Entry>, b: Option<&Entry>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => a.is_same_as(b),
        _ => false,
    }
}
