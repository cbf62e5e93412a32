//! A merge under way: what it will be, and what is left to decide.
//!
//! It is kept as a commit that no branch has, so that it is durable, a root like any other, and
//! gone with its ref. Its parents and its message are those the merge will have. Its tree is not
//! that of the merge: the directories `base`, `ours` and `theirs` hold the versions of each path
//! that nobody has decided on, `merged` is the tree as the merge left it, and `beside/PATH/NAME`
//! is what was written beside PATH for people to look at. A path is decided on when it is in none
//! of the first three.

use std::collections::BTreeMap;

use crate::diff;
use crate::hash::Id;
use crate::object::tree::{Edit, edit};
use crate::object::{Commit, Entry, Node, Object, Sink, Source, What};
use crate::path::{Pathspec, RepoPath};
use crate::repo::{Repository, Working};
use crate::store::{Batch, Error as StoreError, Publication, RefEdit, Store, Target};
use crate::worktree::Walker;

use super::pending::holds;
use super::{Error, staging};

/// The ref of a merge under way, among those of the working tree.
const REF: &str = "merge";
/// The directories that hold the versions.
const STAGES: [&str; 3] = ["base", "ours", "theirs"];

/// A merge under way.
#[derive(Clone, Debug)]
pub struct Merging {
    /// The commit that keeps it.
    pub id: Id,
    /// The commits that are merged; the first is the one it was begun on.
    pub parents: Vec<Id>,
    /// What the merge will say.
    pub message: Vec<u8>,
    /// What nobody has decided on, in order of paths.
    pub unmerged: Vec<Unmerged>,
    /// The tree as the merge left it.
    pub(super) merged: Option<Id>,
    /// What was written beside a path: the path, where, and what.
    pub(super) beside: Vec<(RepoPath, RepoPath, Entry)>,
}

/// A path that nobody has decided on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmerged {
    /// Which.
    pub path: RepoPath,
    /// What the base, ours and theirs have there.
    pub stages: [Option<Entry>; 3],
}

impl Unmerged {
    /// The letters of it that git's `status` has.
    pub fn letters(&self) -> [char; 2] {
        match self.stages.each_ref().map(Option::is_some) {
            [true, false, false] => ['D', 'D'],
            [false, true, false] => ['A', 'U'],
            [true, true, false] => ['U', 'D'],
            [false, false, true] => ['U', 'A'],
            [true, false, true] => ['D', 'U'],
            [false, true, true] => ['A', 'A'],
            _ => ['U', 'U'],
        }
    }

    /// The same of a conflict that was recorded: nobody knows whose versions these are.
    pub fn words_without_sides(&self) -> &'static str {
        match self.letters() {
            ['U', 'D'] | ['D', 'U'] => "changed, deleted",
            ['A', _] | [_, 'A'] => "added twice",
            _ => "changed twice",
        }
    }

    /// What happened, in words.
    pub fn words(&self) -> &'static str {
        match self.letters() {
            ['D', 'D'] => "both deleted",
            ['A', 'U'] => "added by us",
            ['U', 'D'] => "deleted by them",
            ['U', 'A'] => "added by them",
            ['D', 'U'] => "deleted by us",
            ['A', 'A'] => "both added",
            _ => "both modified",
        }
    }
}

/// The merge under way, if there is one.
pub fn find(repo: &Repository) -> Result<Option<Merging>, Error> {
    match repo.store().target(&repo.own_ref(REF)) {
        Some(Target::Id(id)) => read(repo.store(), id).map(Some),
        _ => Ok(None),
    }
}

/// A merge as the commit has it that keeps it.
pub(super) fn read(store: &Store, id: Id) -> Result<Merging, Error> {
    let commit: Commit = store.object(&id)?;
    let below = |name: &str| -> Result<Option<Id>, StoreError> {
        let entry = crate::object::tree::find(store, &commit.tree, name.as_bytes())?;
        Ok(entry.and_then(|entry| entry.tree()))
    };
    let mut paths: BTreeMap<RepoPath, [Option<Entry>; 3]> = BTreeMap::new();
    for (stage, name) in STAGES.into_iter().enumerate() {
        for (path, entry) in files(store, below(name)?)? {
            paths.entry(path).or_default()[stage] = Some(entry);
        }
    }
    let beside = files(store, below("beside")?)?.into_iter().filter_map(|(place, entry)| {
        let (path, name) = place.split()?;
        let (parent, _) = path.split()?;
        Some((path.clone(), parent.join(name), entry))
    });
    Ok(Merging {
        id,
        merged: below("merged")?,
        beside: beside.collect(),
        unmerged: paths.into_iter().map(|(path, stages)| Unmerged { path, stages }).collect(),
        parents: commit.parents,
        message: commit.message,
    })
}

/// Everything in a tree that is not a directory.
fn files(store: &Store, tree: Option<Id>) -> Result<Vec<(RepoPath, Entry)>, StoreError> {
    let mut found = Vec::new();
    let all = Pathspec::all();
    diff::trees::<_, StoreError>(store, None, tree.as_ref(), &all, &mut |change| {
        found.extend(change.new.map(|entry| (change.path, entry)));
        Ok(())
    })?;
    Ok(found)
}

/// Nothing but a merge's own commands may come while one is under way.
pub(super) fn refuse(repo: &Repository, verb: &'static str) -> Result<(), Error> {
    match repo.store().target(&repo.own_ref(REF)) {
        Some(_) => Err(Error::Merging { verb }),
        None => Ok(()),
    }
}

/// The move of its ref.
pub(super) fn moved(repo: &Repository, new: Option<Id>, reason: &str) -> Option<RefEdit> {
    let name = repo.own_ref(REF);
    let old = repo.store().target(&name);
    let new = new.map(Target::Id);
    (old != new).then(|| RefEdit { name, old, new, reason: reason.to_owned() })
}

/// Makes the commit that keeps a merge. `commit` has its parents and message.
pub(super) fn keep<S>(
    store: &mut S,
    commit: Commit,
    merged: Id,
    unmerged: &[Unmerged],
    beside: &[(RepoPath, RepoPath, Entry)],
) -> Result<Id, StoreError>
where
    S: Source<Error = StoreError> + Sink<Error = StoreError>,
{
    let mut edits = Vec::new();
    let totals = store.tree(&merged)?.totals();
    let what = What::Directory { files: totals.files, bytes: totals.bytes, tree: merged };
    let name = b"merged".to_vec();
    let entry = Entry { name: name.clone(), mode: 0o755, mtime: None, attributes: None, what };
    edits.push(Edit { path: RepoPath::root().join(&name), entry: Some(entry) });
    for Unmerged { path, stages } in unmerged {
        for (stage, name) in stages.iter().zip(STAGES) {
            if stage.is_some() {
                edits.push(Edit { path: within(name, path), entry: stage.clone() });
            }
        }
    }
    for (path, place, entry) in beside {
        let path = within("beside", path).join(place.name());
        edits.push(Edit { path, entry: Some(entry.clone()) });
    }
    edits.sort_by(|a, b| a.path.cmp(&b.path));
    let tree = edit::<_, StoreError>(store, None, edits)?.id;
    store.put(Commit::KIND, Commit { tree, ..commit }.to_bytes())
}

fn within(directory: &str, path: &RepoPath) -> RepoPath {
    let start = RepoPath::root().join(directory.as_bytes());
    path.parts().fold(start, |path, part| path.join(part))
}

/// Says of the paths for which `is_decided` holds that they are. The packs of the batch must go
/// with the move.
pub(super) fn decide(
    repo: &Repository,
    batch: &Batch<'_>,
    verb: &str,
    is_decided: impl Fn(&RepoPath) -> bool,
) -> Result<Option<RefEdit>, Error> {
    let Some(merging) = find(repo)? else { return Ok(None) };
    let mut edits = Vec::new();
    for Unmerged { path, stages } in &merging.unmerged {
        if is_decided(path) {
            for (_, name) in stages.iter().zip(STAGES).filter(|(stage, _)| stage.is_some()) {
                edits.push(Edit { path: within(name, path), entry: None });
            }
        }
    }
    if edits.is_empty() {
        return Ok(None);
    }
    edits.sort_by(|a, b| a.path.cmp(&b.path));
    let commit: Commit = repo.store().object(&merging.id)?;
    let mut writer = batch.writer();
    let tree = staging::apply(&mut writer, Some(&commit.tree), edits)?.id;
    let id = writer.put(Commit::KIND, Commit { tree, ..commit }.to_bytes())?;
    writer.flush()?;
    Ok(moved(repo, Some(id), verb))
}

impl Merging {
    /// What is left of what was written beside other files, as it was written.
    pub(super) fn untouched_beside(
        &self,
        working: &Working<'_>,
        of: impl Fn(&RepoPath) -> bool,
    ) -> Result<Vec<(RepoPath, Entry)>, Error> {
        let is_meant = |(path, place, _): &&(RepoPath, RepoPath, Entry)| of(path) && path != place;
        let beside = self.beside.iter().filter(is_meant);
        untouched(working, beside.map(|(_, place, entry)| (place.clone(), entry.clone())).collect())
    }

    /// Removes what was written beside these paths, if nobody has changed it.
    pub(super) fn tidy_beside(
        &self,
        working: &Working<'_>,
        of: impl Fn(&RepoPath) -> bool,
    ) -> Result<(), Error> {
        remove_beside(working, self.untouched_beside(working, of)?)
    }
}

/// What of files that were written beside others is as it was written.
pub(super) fn untouched(
    working: &Working<'_>,
    beside: Vec<(RepoPath, Entry)>,
) -> Result<Vec<(RepoPath, Entry)>, Error> {
    let mut walker = Walker::new(working.tree.root.clone());
    let mut found = Vec::new();
    for (place, entry) in beside {
        let Some((parent, name)) = place.split() else { continue };
        let Ok(dir) = walker.open(&parent) else { continue };
        let Ok(stat) = dir.stat(name) else { continue };
        // What has been recorded meanwhile is not ours to remove.
        let is_tracked = working.entry(&place)?.is_some();
        if !is_tracked && holds(working.repo, &*dir, name, &stat, &entry)? {
            found.push((place, entry));
        }
    }
    Ok(found)
}

/// Removes files that were written beside others and have served their purpose.
pub(super) fn remove_beside(
    working: &Working<'_>,
    beside: Vec<(RepoPath, Entry)>,
) -> Result<(), Error> {
    let mut walker = Walker::new(working.tree.root.clone());
    let mut parents = BTreeMap::new();
    for (place, _) in beside {
        let Some((parent, name)) = place.split() else { continue };
        let removed = walker.open(&parent).and_then(|dir| {
            dir.remove_file(name)?;
            Ok(dir)
        });
        let dir = removed.map_err(|source| Error::Worktree { path: place.clone(), source })?;
        parents.insert(parent, dir);
    }
    // What came back after a power failure would be taken for a file of the user's.
    for (path, dir) in parents {
        dir.sync().map_err(|source| Error::Worktree { path, source })?;
    }
    Ok(())
}

/// What a tree has at a path.
pub(super) fn entry_at<S: Source>(
    source: &S,
    tree: Id,
    path: &RepoPath,
) -> Result<Option<Entry>, S::Error> {
    let (mut tree, mut found) = (tree, None);
    for part in path.parts() {
        let Some(entry) = crate::object::tree::find(source, &tree, part)? else {
            return Ok(None);
        };
        tree = entry.tree().unwrap_or_else(Node::empty_id);
        found = Some(entry);
    }
    Ok(found)
}

/// The tree with these files in it too, durable so that a note may name it.
pub(super) fn with_files(
    working: &Working<'_>,
    verb: &str,
    actor: &str,
    tree: Option<Id>,
    files: &[(RepoPath, Entry)],
) -> Result<Option<Id>, Error> {
    if files.is_empty() {
        return Ok(tree);
    }
    let edit = |(path, entry): &(RepoPath, Entry)| Edit {
        path: path.clone(),
        entry: Some(Entry { name: path.name().to_vec(), ..entry.clone() }),
    };
    let mut edits: Vec<Edit> = files.iter().map(edit).collect();
    edits.sort_by(|a, b| a.path.cmp(&b.path));
    let batch = Batch::begin(working.repo.store())?;
    let tree = staging::tree_with(&batch, tree.as_ref(), edits)?;
    let publication = Publication::new(verb, actor).with_packs(batch.seal()?);
    working.repo.store().publish(publication)?;
    Ok(Some(tree))
}
