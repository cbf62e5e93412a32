//! Conflicts that were recorded, in the working tree.
//!
//! A conflict entry is shown as [`crate::merge::show`] says: what stands there is part of no commit
//! and follows from the entry alone, so nothing has to be remembered of it. For the working tree a
//! tree becomes one of ordinary files ([`show`]), and the index, which describes the tree as it was
//! recorded, keeps with the conflict the stat of what was written for it ([`as_recorded`]). As long
//! as just that stands there, it decides nothing ([`inherit`]).
//!
//! Which versions were ours is not known here, and never is.

use std::collections::{BTreeMap, BTreeSet};

use crate::diff;
use crate::diff::text::LONGEST;
use crate::disk::{self, Dir, FileKind, Stat};
use crate::hash::Id;
use crate::index::{Presence, Tracked};
use crate::merge::{self, Style};
use crate::object::tree::{Edit, edit};
use crate::object::{Entry, Source, Term, What};
use crate::path::{Pathspec, RepoPath};
use crate::repo::Working;
use crate::store::{Batch, Error as StoreError, Publication, Store};
use crate::worktree::{Walker, record};

use super::Error;
use super::merging::{self, Unmerged};
use super::pending::{holds, holds_in};
use super::workspace::{CONFLICTS, Workspace};

/// The terms of a conflict.
pub(super) fn terms(entry: &Entry) -> Option<(&[Term], &[Term])> {
    match &entry.what {
        What::Conflict { removes, adds } => Some((removes, adds)),
        _ => None,
    }
}

fn is_conflict(entry: &Entry) -> bool {
    terms(entry).is_some()
}

/// A conflict as a merge would have left it: its base, its first and its second version.
pub(super) fn unmerged(path: &RepoPath, entry: &Entry) -> Option<Unmerged> {
    let (removes, adds) = terms(entry)?;
    let named = |entry: Entry| Entry { name: path.name().to_vec(), ..entry };
    let mut versions = merge::versions(adds).map(named);
    let stages = [merge::versions(removes).map(named).next(), versions.next(), versions.next()];
    Some(Unmerged { path: path.clone(), stages })
}

/// A conflict as it is shown, if all it takes is here.
pub(super) fn shown_as(
    room: &mut Workspace<'_>,
    path: &RepoPath,
    entry: &Entry,
    style: Style,
) -> Result<Option<merge::Shown>, Error> {
    let Some(terms) = terms(entry) else { return Ok(None) };
    let Some(shown) = merge::show(room, path, terms, style)? else { return Ok(None) };
    for entry in shown.here.iter().chain(shown.beside.iter().map(|(_, entry)| entry)) {
        let is_here = match &entry.what {
            What::File { size, content } => room.has_content(*size, content)?,
            What::Symlink { size, target } => room.has_content(*size, target)?,
            _ => true,
        };
        if !is_here {
            return Ok(None);
        }
    }
    Ok(Some(shown))
}

/// What a version is called beside the file it is a version of.
pub(super) fn beside_name(name: &[u8], label: &str, number: usize) -> Vec<u8> {
    let number = if number == 0 { String::new() } else { format!("_{number}") };
    let (stem, extension) = match name.iter().rposition(|&byte| byte == b'.') {
        Some(at) if at > 0 => name.split_at(at),
        _ => (name, &b""[..]),
    };
    [stem, b"~", label.as_bytes(), number.as_bytes(), extension].concat()
}

/// Beside which name a file would be a version, going by its own.
fn main_name(name: &[u8]) -> Option<Vec<u8>> {
    const MARK: &[u8] = b"~version-";
    let at = name.windows(MARK.len()).rposition(|window| window == MARK)?;
    let rest = &name[at + MARK.len()..];
    let end = rest.iter().position(|&byte| byte == b'.').unwrap_or(rest.len());
    let is_number = |byte: &u8| byte.is_ascii_digit() || *byte == b'_';
    (end > 0 && rest[..end].iter().all(is_number)).then(|| [&name[..at], &rest[end..]].concat())
}

/// Where versions stand beside a path: at the first names that the tree has not given away.
fn places<S: Source<Error = StoreError>>(
    source: &S,
    tree: Option<&Id>,
    path: &RepoPath,
    beside: Vec<(String, Entry)>,
) -> Result<Vec<(RepoPath, Entry)>, Error> {
    let Some((parent, name)) = path.split() else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for (label, entry) in beside {
        for number in 0.. {
            let name = beside_name(name, &label, number);
            if crate::path::check_name(&name).is_err() {
                // Too long: this version is only in the entry.
                break;
            }
            let place = parent.join(&name);
            let is_taken = match tree {
                Some(tree) => merging::entry_at(source, *tree, &place)?.is_some(),
                None => false,
            };
            if !is_taken {
                found.push((place, Entry { name, ..entry }));
                break;
            }
        }
    }
    Ok(found)
}

/// Conflicts of a tree that another does not have, and those at or below paths.
fn conflicts_of<S: Source<Error = StoreError>>(
    source: &S,
    base: Option<&Id>,
    tree: &Id,
    also: &[RepoPath],
) -> Result<BTreeMap<RepoPath, Entry>, Error> {
    let mut found = BTreeMap::new();
    diff::entries::<_, StoreError>(source, base, Some(tree), &Pathspec::all(), &mut |change| {
        found.extend(change.new.filter(is_conflict).map(|entry| (change.path, entry)));
        Ok(())
    })?;
    for path in also {
        let Some(entry) = merging::entry_at(source, *tree, path)? else { continue };
        let Some(below) = entry.tree() else {
            if is_conflict(&entry) {
                found.insert(path.clone(), entry);
            }
            continue;
        };
        let all = Pathspec::all();
        diff::entries::<_, StoreError>(source, None, Some(&below), &all, &mut |change| {
            if let Some(entry) = change.new.filter(is_conflict) {
                let path = change.path.parts().fold(path.clone(), |path, part| path.join(part));
                found.insert(path, entry);
            }
            Ok(())
        })?;
    }
    Ok(found)
}

/// A tree with conflicts shown, and what stands beside them.
pub(super) fn shown_tree(
    working: &Working<'_>,
    room: &mut Workspace<'_>,
    base: Option<&Id>,
    tree: &Id,
    also: &[RepoPath],
) -> Result<(Id, Vec<(RepoPath, Entry)>), Error> {
    let mut edits: BTreeMap<RepoPath, Entry> = BTreeMap::new();
    let mut all_beside = Vec::new();
    let mut walker = Walker::new(working.tree.root.clone());
    for (path, entry) in conflicts_of(room, base, tree, also)? {
        let Some(shown) = shown_as(room, &path, &entry, working.style)? else { continue };
        let mut beside = Vec::new();
        for (place, entry) in places(room, Some(tree), &path, shown.beside)? {
            // What somebody else has put there stays, and is in nobody's way: the version is in the
            // entry all the same.
            if is_free(working, room, &mut walker, &place, &entry)? {
                beside.push((place, entry));
            }
        }
        edits.extend(beside.iter().cloned());
        all_beside.extend(beside);
        if let Some(here) = shown.here {
            let name = path.name().to_vec();
            edits.insert(path, Entry { name, ..here });
        }
    }
    if edits.is_empty() {
        return Ok((*tree, all_beside));
    }
    let edits = edits.into_iter().map(|(path, entry)| Edit { path, entry: Some(entry) });
    let tree = edit::<_, StoreError>(room, Some(tree), edits.collect())?.id;
    Ok((tree, all_beside))
}

/// Whether nothing stands at a place that is not tracked, or just what is to stand there.
fn is_free(
    working: &Working<'_>,
    room: &Workspace<'_>,
    walker: &mut Walker,
    place: &RepoPath,
    entry: &Entry,
) -> Result<bool, Error> {
    let Some((parent, name)) = place.split() else { return Ok(false) };
    if working.entry(place)?.is_some() {
        return Ok(false);
    }
    match walker.open(&parent).and_then(|dir| dir.stat(name).map(|stat| (dir, stat))) {
        Ok((dir, stat)) => holds_in(room, &*dir, name, &stat, entry),
        // Where nothing can be looked at, nothing can be written either, and that is told then.
        Err(_) => Ok(true),
    }
}

/// What the working tree has before and after, with conflicts shown where they differ.
pub(super) struct Trees {
    /// What it has: with the versions beside conflicts that go, where nobody has changed them.
    pub(super) from: Option<Id>,
    /// What it will have.
    pub(super) to: Option<Id>,
    /// What will stand beside conflicts.
    pub(super) beside: Vec<(RepoPath, Entry)>,
}

/// Shows the conflicts that come on the way from one tree to another, and those at or below these
/// paths. The trees are durable afterwards, so that a note may name them.
pub(super) fn show(
    working: &Working<'_>,
    (verb, actor): (&str, &str),
    from: Option<Id>,
    to: Option<Id>,
    also: &[RepoPath],
) -> Result<Trees, Error> {
    let store = working.repo.store();
    let mut room = Workspace::new(store);
    let mut trees = Trees { from, to, beside: Vec::new() };
    if let Some(tree) = to {
        let (tree, beside) = shown_tree(working, &mut room, from.as_ref(), &tree, also)?;
        trees.to = Some(tree);
        trees.beside = beside;
    }
    if let Some(tree) = from {
        let mut beside = Vec::new();
        for (path, entry) in conflicts_of(&room, to.as_ref(), &tree, &[])? {
            let places = beside_of(working, Some(&tree), &path, &entry)?;
            beside.extend(merging::untouched(working, places)?);
        }
        let edits: BTreeMap<RepoPath, Entry> = beside.into_iter().collect();
        if !edits.is_empty() {
            let edits = edits.into_iter().map(|(path, entry)| Edit { path, entry: Some(entry) });
            let tree = edit::<_, StoreError>(&mut room, Some(&tree), edits.collect())?.id;
            trees.from = Some(tree);
        }
    }
    let new: Vec<Id> =
        [trees.from, trees.to].into_iter().flatten().filter(|tree| room.is_new(tree)).collect();
    if new.is_empty() {
        return Ok(trees);
    }
    let batch = Batch::begin(store)?;
    let mut writer = batch.writer();
    let mut has_conflicts = false;
    for tree in &new {
        has_conflicts |= room.write(tree, &mut writer)?;
    }
    writer.flush()?;
    drop(writer);
    let mut publication = Publication::new(verb, actor).with_packs(batch.seal()?);
    if has_conflicts {
        publication = publication.requiring(true, CONFLICTS);
    }
    store.publish(publication)?;
    Ok(trees)
}

/// What stands, or stood, beside a conflict of a tree.
fn beside_of(
    working: &Working<'_>,
    tree: Option<&Id>,
    path: &RepoPath,
    entry: &Entry,
) -> Result<Vec<(RepoPath, Entry)>, Error> {
    let store = working.repo.store();
    let mut room = Workspace::new(store);
    match shown_as(&mut room, path, entry, working.style)? {
        Some(shown) => places(store, tree, path, shown.beside),
        None => Ok(Vec::new()),
    }
}

/// What should stand beside a conflict of what the index describes and does not: somebody removed
/// it.
pub(super) fn gone_beside(
    working: &Working<'_>,
    path: &RepoPath,
    entry: &Entry,
) -> Result<Vec<RepoPath>, Error> {
    let mut walker = Walker::new(working.tree.root.clone());
    let mut gone = Vec::new();
    for (place, _) in beside_of(working, working.base.tree.as_ref(), path, entry)? {
        let Some((parent, name)) = place.split() else { continue };
        if walker.open(&parent).and_then(|dir| dir.stat(name)).is_err() {
            gone.push(place);
        }
    }
    Ok(gone)
}

/// The conflicts beside which something is gone. Looks through the whole tree, where there may be
/// any at all.
pub(super) fn incomplete(working: &Working<'_>) -> Result<Vec<RepoPath>, Error> {
    if !working.repo.store().state().required.contains_key(CONFLICTS) {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for (path, entry) in recorded_at(working, &Pathspec::all())? {
        if !gone_beside(working, &path, &entry)?.is_empty() {
            found.push(path);
        }
    }
    Ok(found)
}

/// Rows as the index has them that describes the tree as it was recorded: a conflict with what was
/// written for it, and nothing of what stands beside.
pub(super) fn as_recorded(
    store: &Store,
    recorded: Option<&Id>,
    shown: Option<&Id>,
    rows: &mut Vec<(RepoPath, Option<Tracked>)>,
) -> Result<(), Error> {
    if recorded == shown {
        return Ok(());
    }
    let mut differ: BTreeMap<RepoPath, Option<Entry>> = BTreeMap::new();
    diff::entries::<_, StoreError>(store, recorded, shown, &Pathspec::all(), &mut |change| {
        match change.old {
            None => drop(differ.insert(change.path, None)),
            Some(entry) if is_conflict(&entry) => {
                differ.insert(change.path, Some(entry));
            }
            Some(_) => {}
        }
        Ok(())
    })?;
    for (path, row) in rows {
        match differ.get(path) {
            None => {}
            Some(None) => *row = None,
            Some(Some(entry)) => *row = row.take().map(|row| row_of(entry, &row)),
        }
    }
    Ok(())
}

/// The row of a conflict, from that of what stands there for it.
fn row_of(entry: &Entry, row: &Tracked) -> Tracked {
    Tracked {
        seen: row.seen,
        presence: row.presence,
        unsynced: row.unsynced,
        ..Tracked::of_entry(entry)
    }
}

/// Whether what stands under a name is what a conflict shows, in whatever style.
pub(super) fn is_shown(
    store: &Store,
    dir: &dyn Dir,
    name: &[u8],
    stat: &Stat,
    entry: &Entry,
) -> Result<bool, Error> {
    for style in [Style::Merge, Style::Diff3] {
        let mut room = Workspace::new(store);
        let shown = shown_as(&mut room, &RepoPath::root(), entry, style)?;
        if let Some(here) = shown.and_then(|shown| shown.here)
            && holds_in(&room, dir, name, stat, &here)?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a recorded entry is what a conflict shows, in whatever style.
fn is_shown_entry(store: &Store, entry: &Entry, conflict: &Entry) -> Result<bool, Error> {
    for style in [Style::Merge, Style::Diff3] {
        let mut room = Workspace::new(store);
        let shown = shown_as(&mut room, &RepoPath::root(), conflict, style)?;
        if shown.and_then(|shown| shown.here).is_some_and(|here| here.what == entry.what) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether the file at a path has markers of a conflict that was shown.
pub(super) fn has_markers(working: &Working<'_>, path: &RepoPath) -> Result<bool, Error> {
    let Some((parent, name)) = path.split() else { return Ok(false) };
    let Ok(dir) = Walker::new(working.tree.root.clone()).open(&parent) else { return Ok(false) };
    let Ok(stat) = dir.stat(name) else { return Ok(false) };
    if stat.kind != FileKind::File || stat.size > LONGEST {
        return Ok(false);
    }
    let failed = |source| Error::Worktree { path: path.clone(), source };
    let text = disk::read_all(&*dir, name, LONGEST).map_err(failed)?;
    Ok(merge::has_markers(&text))
}

/// Whether a file that is not tracked is a version that stands beside a conflict.
pub(super) fn is_beside(working: &Working<'_>, path: &RepoPath) -> Result<bool, Error> {
    let Some((_, entry)) = conflict_beside(working, path)? else { return Ok(false) };
    let Some((parent, name)) = path.split() else { return Ok(false) };
    let Ok(dir) = Walker::new(working.tree.root.clone()).open(&parent) else { return Ok(false) };
    let Ok(stat) = dir.stat(name) else { return Ok(false) };
    holds(working.repo, &*dir, name, &stat, &entry)
}

/// The conflict beside which a version would stand at this path, and that version.
fn conflict_beside(
    working: &Working<'_>,
    path: &RepoPath,
) -> Result<Option<(RepoPath, Entry)>, Error> {
    let Some((parent, name)) = path.split() else { return Ok(None) };
    let Some(main) = main_name(name) else { return Ok(None) };
    let main = parent.join(&main);
    let Some(conflict) = working.entry(&main)?.filter(is_conflict) else { return Ok(None) };
    let beside = beside_of(working, working.base.tree.as_ref(), &main, &conflict)?;
    Ok(beside.into_iter().find(|(place, _)| place == path).map(|(_, entry)| (main, entry)))
}

/// Which files decide a conflict by standing there.
pub(super) enum Decides<'a> {
    /// Those that were changed, and have no markers left.
    Changed,
    /// Those that were changed in any way, and these in any case.
    ChangedOr(&'a BTreeSet<RepoPath>),
}

/// Of what was recorded takes out what decides nothing: a conflict stays one, and only what decides
/// one is left in `undecided`. Returns paths that somebody changed and that still have markers.
pub(super) fn inherit(
    working: &Working<'_>,
    recording: &mut record::Recording,
    decides: &Decides<'_>,
) -> Result<Vec<RepoPath>, Error> {
    let store = working.repo.store();
    let mut unchanged: BTreeMap<RepoPath, Option<Entry>> = BTreeMap::new();
    // Directories that stay because a conflict in them does, though nothing of them is there.
    let mut staying: BTreeSet<RepoPath> = BTreeSet::new();
    let mut marked = Vec::new();
    let mut decided = Vec::new();
    for path in std::mem::take(&mut recording.undecided) {
        let is_named = matches!(decides, Decides::ChangedOr(named) if named.contains(&path));
        let Some(conflict) = working.entry(&path)?.filter(is_conflict) else { continue };
        let at = recording.edits.partition_point(|edit| edit.path < path);
        let Some(edit) = recording.edits.get(at).filter(|edit| edit.path == path) else { continue };
        if is_named {
            decided.push(path);
            continue;
        }
        let Some(new) = &edit.entry else {
            // A directory in its place decides it; that nothing is there has to be said.
            let next = recording.edits.get(at + 1);
            let is_replaced = next.is_some_and(|next| next.path.is_within(&path));
            if !is_replaced && matches!(decides, Decides::Changed) {
                let mut below = path.clone();
                while let Some((above, _)) = below.split() {
                    staying.insert(above.clone());
                    below = above;
                }
                unchanged.insert(path, None);
                recording.deleted = recording.deleted.saturating_sub(1);
            } else {
                decided.push(path);
            }
            continue;
        };
        if is_shown_entry(store, new, &conflict)? {
            unchanged.insert(path, Some(conflict));
        } else if matches!(decides, Decides::Changed) && has_markers(working, &path)? {
            marked.push(path.clone());
            unchanged.insert(path, None);
        } else {
            decided.push(path);
            continue;
        }
        recording.modified = recording.modified.saturating_sub(1);
    }
    recording.undecided = decided;
    let named_beside = |path: &RepoPath| match decides {
        Decides::Changed => false,
        Decides::ChangedOr(named) => named.contains(path),
    };
    for edit in &recording.edits {
        let Some(new) = &edit.entry else { continue };
        if main_name(edit.path.name()).is_none() || named_beside(&edit.path) {
            continue;
        }
        if working.entry(&edit.path)?.is_none()
            && let Some((_, version)) = conflict_beside(working, &edit.path)?
            && version.what == new.what
        {
            unchanged.insert(edit.path.clone(), None);
            recording.added = recording.added.saturating_sub(1);
        }
    }
    if unchanged.is_empty() {
        return Ok(marked);
    }
    recording.edits.retain(|edit| {
        let stays = edit.entry.is_none() && staying.contains(&edit.path);
        !stays && !unchanged.contains_key(&edit.path)
    });
    recording.rows.retain_mut(|(path, row)| match (unchanged.get(path), row) {
        (None, None) => !staying.contains(path),
        (None, Some(_)) => true,
        (Some(Some(conflict)), Some(row)) => {
            *row = row_of(conflict, row);
            true
        }
        (Some(_), _) => false,
    });
    Ok(marked)
}

/// Removes what stands beside conflicts that are decided, where nobody has changed it. To be asked
/// with the index and the tree that still have them.
pub(super) fn beside_decided<'a>(
    working: &Working<'_>,
    decided: impl IntoIterator<Item = &'a RepoPath>,
) -> Result<Vec<(RepoPath, Entry)>, Error> {
    let mut found = Vec::new();
    for path in decided {
        if let Some(entry) = working.entry(path)?.filter(is_conflict) {
            found.extend(beside_of(working, working.base.tree.as_ref(), path, &entry)?);
        }
    }
    merging::untouched(working, found)
}

/// Conflicts of the tree the index describes, at or below these paths.
pub(super) fn recorded_at(
    working: &Working<'_>,
    paths: &Pathspec,
) -> Result<Vec<(RepoPath, Entry)>, Error> {
    let mut found = Vec::new();
    let tree = working.base.tree.as_ref();
    diff::trees::<_, StoreError>(working.repo.store(), None, tree, paths, &mut |change| {
        found.extend(change.new.filter(is_conflict).map(|entry| (change.path, entry)));
        Ok(())
    })?;
    Ok(found)
}

/// Of conflicts that are to be decided by what stands there, those where nothing does and nobody
/// took anything away.
pub(super) fn without_file<'a>(
    working: &Working<'_>,
    paths: impl Iterator<Item = &'a RepoPath>,
) -> Result<Vec<RepoPath>, Error> {
    let mut walker = Walker::new(working.tree.root.clone());
    let mut found = Vec::new();
    for path in paths {
        let Some((parent, name)) = path.split() else { continue };
        let is_there = walker.open(&parent).and_then(|dir| dir.stat(name)).is_ok();
        let was_here = working.index.get(path)?.is_some_and(|row| row.presence == Presence::Here);
        if !is_there && !was_here {
            found.push(path.clone());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_version_tells_whose_it_is() {
        for name in ["photo.jpg", "no-extension", ".hidden", "a.tar.gz"] {
            for number in [0, 3] {
                let beside = beside_name(name.as_bytes(), "version-2", number);
                assert_eq!(main_name(&beside).as_deref(), Some(name.as_bytes()), "{name}");
            }
        }
        assert_eq!(beside_name(b"a.jpg", "side", 0), b"a~side.jpg");
        assert_eq!(main_name(b"a~version-x.jpg"), None);
        assert_eq!(main_name(b"a~version-.jpg"), None);
    }
}
