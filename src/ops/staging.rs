//! From what was recorded to a tree.

use std::collections::BTreeSet;

use crate::diff;
use crate::disk::{self, FileKind};
use crate::hash::Id;
use crate::index::Tracked;
use crate::object::tree::{Edit, Root, edit};
use crate::object::{Entry, Node, What};
use crate::path::{Pathspec, RepoPath};
use crate::repo::{Person, Working};
use crate::store::{Batch, Error as StoreError, Publication, RefEdit, Sealed, Store, Writer};
use crate::worktree::{Walker, record};

use super::{Error, merging, moved};

/// The longest file of ignore rules that is read, as in a scan.
const LONGEST_RULE_FILE: u64 = 1 << 20;

/// Applies what was recorded to a tree.
pub(super) fn apply(
    writer: &mut Writer<'_, '_>,
    tree: Option<&Id>,
    edits: Vec<Edit>,
) -> Result<Root, Error> {
    Ok(edit::<_, StoreError>(writer, tree, edits)?)
}

/// The tree `base` with these edits, stored in this batch.
pub(super) fn tree_with(
    batch: &Batch<'_>,
    base: Option<&Id>,
    edits: Vec<Edit>,
) -> Result<Id, Error> {
    let mut writer = batch.writer();
    let tree = apply(&mut writer, base, edits)?.id;
    writer.flush()?;
    Ok(tree)
}

/// Removals from the tree `now`, with the directories above them that `recorded` has: one that was
/// recorded empty stays when the only file that was staged in it goes, and is not itself removed.
pub(super) fn keeping_recorded(
    store: &Store,
    now: &Id,
    recorded: &Id,
    mut edits: Vec<Edit>,
    mut may_stay: impl FnMut(&RepoPath) -> bool,
) -> Result<Vec<Edit>, Error> {
    let mut looked_at: BTreeSet<RepoPath> = edits.iter().map(|edit| edit.path.clone()).collect();
    let mut kept = Vec::new();
    for edit in edits.iter().filter(|edit| edit.entry.is_none()) {
        let mut path = edit.path.clone();
        while let Some((parent, _)) = path.split() {
            if parent.is_root() || !looked_at.insert(parent.clone()) {
                break;
            }
            let here = crate::repo::find_entry(store, now, &parent)?.filter(Entry::is_directory);
            if here.is_some()
                && may_stay(&parent)
                && crate::repo::find_entry(store, recorded, &parent)?
                    .is_some_and(|entry| entry.is_directory())
            {
                kept.push(Edit { path: parent.clone(), entry: here });
            }
            path = parent;
        }
    }
    edits.extend(kept);
    edits.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(edits)
}

/// Makes this tree the staged one, on what is staged already, or else on HEAD's. `decided` is what
/// that decides of a merge under way.
pub(super) fn publish(
    working: &Working<'_>,
    verb: &str,
    actor: &Person,
    tree: Id,
    sealed: Sealed,
    decided: Option<RefEdit>,
) -> Result<(), Error> {
    let publication = Publication::new(verb, &actor.to_actor())
        .with_packs(sealed)
        .with_refs(moved::staged(working.repo, staged_as(working, tree), verb))
        .with_refs(decided);
    working.repo.store().publish(publication)?;
    Ok(())
}

/// A tree as what is staged, with the tree it is staged on; `None` if they are the same.
pub(super) fn staged_as(working: &Working<'_>, tree: Id) -> Option<(Id, Id)> {
    let base = working
        .staged
        .map_or_else(|| working.head_tree.unwrap_or_else(Node::empty_id), |staged| staged.base);
    (tree != base).then_some((tree, base))
}

/// Whether trees differ in anything but times.
pub(super) fn differ(store: &Store, old: &Id, new: &Id) -> Result<bool, Error> {
    let mut differ = false;
    if old != new {
        diff::trees::<_, StoreError>(store, Some(old), Some(new), &Pathspec::all(), &mut |_| {
            differ = true;
            Ok(())
        })?;
    }
    Ok(differ)
}

/// Every path that was named must be there, or be recorded: otherwise it was mistyped.
pub(super) fn check_named(working: &Working<'_>, paths: &Pathspec) -> Result<(), Error> {
    let mut walker = Walker::new(working.tree.root.clone());
    let merging = merging::find(working.repo)?;
    let is_unmerged = |path: &RepoPath| {
        merging.iter().flat_map(|merging| &merging.unmerged).any(|one| one.path.is_within(path))
    };
    for path in paths.plain_paths().unwrap_or_default() {
        let Some((parent, name)) = path.split() else { continue };
        let is_there = walker.open(&parent).and_then(|dir| dir.stat(name)).is_ok();
        if !is_there && working.entry(path)?.is_none() && !is_unmerged(path) {
            let in_head = match working.head_tree {
                Some(tree) => crate::repo::find_entry(working.repo.store(), &tree, path)?,
                None => None,
            };
            if in_head.is_none() {
                return Err(Error::NoMatch(path.to_string()));
            }
        }
    }
    Ok(())
}

/// Of what was named, what is there, is not tracked, and was passed over without a reason that is
/// told elsewhere: it is ignored.
pub(super) fn passed_over(
    working: &Working<'_>,
    recording: &record::Recording,
    named: &BTreeSet<RepoPath>,
    is_told: impl Fn(&RepoPath) -> bool,
) -> Result<Vec<RepoPath>, Error> {
    let mut walker = Walker::new(working.tree.root.clone());
    let mut found = Vec::new();
    for path in named {
        let Some((parent, name)) = path.split() else { continue };
        let Ok(stat) = walker.open(&parent).and_then(|dir| dir.stat(name)) else { continue };
        if stat.kind == FileKind::Special || working.entry(path)?.is_some() {
            continue;
        }
        // Edits are sorted: what is at the path or below it follows at once.
        let at = recording.edits.partition_point(|edit| edit.path < *path);
        let is_staged = recording.edits.get(at).is_some_and(|edit| edit.path.is_within(path))
            || recording.directories.contains(path);
        // As in git, a directory is not ignored because everything in it is.
        let is_directory = stat.kind == FileKind::Directory;
        let is_passed_over = !is_staged && !is_told(path);
        if is_passed_over && (!is_directory || is_ignored_directory(working, path)?) {
            found.push(path.clone());
        }
    }
    Ok(found)
}

/// Whether rules say that a directory is ignored, or one above it.
fn is_ignored_directory(working: &Working<'_>, path: &RepoPath) -> Result<bool, Error> {
    let mut walker = Walker::new(working.tree.root.clone());
    let mut ignore = working.ignore.clone();
    let mut above = RepoPath::root();
    for part in path.parts() {
        let failed = |source| Error::Worktree { path: above.clone(), source };
        let dir = walker.open(&above).map_err(failed)?;
        for &file in ignore.rule_files() {
            // Rules that cannot be read are told of by the scan.
            if let Ok(text) = disk::read_all(&*dir, file, LONGEST_RULE_FILE) {
                ignore = ignore.with_rules(&above, &text, |_| {});
            }
        }
        above = above.join(part);
        if ignore.is_ignored(&above, true) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Edits of the tree `base`, with the entries of directories that are new or whose bits changed, and
/// of those in which something changed, whose times have moved with it. Brings the rows of those
/// directories into the recording.
pub(super) fn with_directories(
    working: &Working<'_>,
    recording: &mut record::Recording,
    mut edits: Vec<Edit>,
    base: Option<&Id>,
) -> Result<Vec<Edit>, Error> {
    let mut directories = recording.directories.clone();
    for edit in &edits {
        let mut path = edit.path.clone();
        while let Some((parent, _)) = path.split() {
            if parent.is_root() || !directories.insert(parent.clone()) {
                break;
            }
            path = parent;
        }
    }
    let mut walker = Walker::new(working.tree.root.clone());
    for path in directories {
        let Some((parent, name)) = path.split() else { continue };
        // Gone meanwhile: what was recorded below it keeps it.
        let Ok(stat) = walker.open(&parent).and_then(|dir| dir.stat(name)) else { continue };
        if stat.kind != crate::disk::FileKind::Directory {
            continue;
        }
        let old = match base {
            Some(base) => crate::repo::find_entry(working.repo.store(), base, &path)?,
            None => None,
        };
        let old = old.filter(Entry::is_directory);
        let inherited = old.as_ref().map_or(0o755, |old| old.mode);
        let empty = What::Directory { files: 0, bytes: 0, tree: Node::empty_id() };
        let entry = Entry {
            name: name.to_vec(),
            mode: if working.volume.exec_bits { stat.mode } else { inherited },
            mtime: Some(stat.mtime),
            attributes: old.as_ref().and_then(|old| old.attributes),
            what: old.map_or(empty, |old| old.what),
        };
        recording.rows.push((path.clone(), Some(Tracked::of_entry(&entry))));
        edits.push(Edit { path, entry: Some(entry) });
    }
    recording.rows.sort_by(|a, b| a.0.cmp(&b.0));
    recording.rows.dedup_by(|later, earlier| {
        let is_same = later.0 == earlier.0;
        // A directory that took a file's place is both removed and given: what is there counts.
        if is_same && later.1.is_some() {
            earlier.1 = later.1.take();
        }
        is_same
    });
    edits.sort_by(|a, b| a.path.cmp(&b.path));
    edits.dedup_by(|later, earlier| {
        let is_same = later.path == earlier.path;
        if is_same && later.entry.is_some() {
            earlier.entry = later.entry.take();
        }
        is_same
    });
    Ok(edits)
}
