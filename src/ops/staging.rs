//! From what was recorded to a tree.

use crate::hash::Id;
use crate::object::tree::{Edit, Root, edit};
use crate::object::{Entry, Node, What};
use crate::path::{Pathspec, RepoPath};
use crate::repo::Working;
use crate::store::{Error as StoreError, Writer};
use crate::worktree::{Walker, record};

use super::Error;

/// Applies what was recorded to a tree.
pub(super) fn apply(
    writer: &mut Writer<'_, '_>,
    tree: Option<&Id>,
    edits: &[Edit],
) -> Result<Root, Error> {
    Ok(edit::<_, StoreError>(writer, tree, edits.to_vec())?)
}

/// Every path that was named must be there, or be recorded: otherwise it was mistyped.
pub(super) fn check_named(working: &Working<'_>, paths: &Pathspec) -> Result<(), Error> {
    let mut walker = Walker::new(working.tree.root.clone());
    for path in paths.plain_paths().unwrap_or_default() {
        let Some((parent, name)) = path.split() else { continue };
        let is_there = walker.open(&parent).and_then(|dir| dir.stat(name)).is_ok();
        if !is_there && working.entry(path)?.is_none() {
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

/// Adds the entries of directories: those that are new or whose bits changed, and those in which
/// something changed, whose times have moved with it.
pub(super) fn with_directories(
    working: &Working<'_>,
    recording: &mut record::Recording,
) -> Result<Vec<Edit>, Error> {
    let mut edits = std::mem::take(&mut recording.edits);
    let mut directories = std::mem::take(&mut recording.directories);
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
        let old = working.entry(&path)?.filter(Entry::is_directory);
        let inherited = old.as_ref().map_or(0o755, |old| old.mode);
        let entry = Entry {
            name: name.to_vec(),
            mode: if working.volume.exec_bits { stat.mode } else { inherited },
            mtime: Some(stat.mtime),
            attributes: old.as_ref().and_then(|old| old.attributes),
            what: old
                .map_or(What::Directory { files: 0, bytes: 0, tree: Node::empty_id() }, |old| {
                    old.what
                }),
        };
        recording.rows.push((path.clone(), Some(crate::index::Tracked::of_entry(&entry))));
        edits.push(Edit { path, entry: Some(entry) });
    }
    edits.sort_by(|a, b| a.path.cmp(&b.path));
    // A directory that took a file's place is both removed and given: the directory counts.
    let mut unique: Vec<Edit> = Vec::with_capacity(edits.len());
    for edit in edits {
        match unique.last_mut() {
            Some(last) if last.path == edit.path => {
                if edit.entry.is_some() {
                    *last = edit;
                }
            }
            _ => unique.push(edit),
        }
    }
    let mut rows: Vec<(RepoPath, Option<crate::index::Tracked>)> =
        std::mem::take(&mut recording.rows);
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    let mut kept: Vec<(RepoPath, Option<crate::index::Tracked>)> = Vec::with_capacity(rows.len());
    for (path, row) in rows {
        match kept.last_mut() {
            Some((last, known)) if *last == path => {
                if row.is_some() {
                    *known = row;
                }
            }
            _ => kept.push((path, row)),
        }
    }
    recording.rows = kept;
    Ok(unique)
}
