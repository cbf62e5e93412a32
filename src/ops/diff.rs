//! What differs between any two of a commit, the index and the working tree.
//!
//! The working tree is compared as if it were recorded: its changes are applied to the tree the
//! index describes, in memory. Files that are not tracked are no differences, unless renames are
//! looked for and one of them is what is gone elsewhere.

use std::collections::HashSet;
use std::io;

use crate::diff::renames::{
    self, Copies, Difference, Directories, EQUAL, How, Origin, RenameOptions,
};
use crate::diff::stat::Counts;
use crate::diff::text::{self, Body, Options as TextOptions};
use crate::diff::{self, Change, Status};
use crate::disk::{self, FileKind};
use crate::hash::{Id, Kind};
use crate::merge::{Contents, Style};
use crate::object::tree::{Edit, edit};
use crate::object::{Entry, Manifest, Source, What, manifest};
use crate::path::{Pathspec, RepoPath};
use crate::progress::Monitor;
use crate::repo::{Repository, Rules};
use crate::store::{self, Store, content_kind};
use crate::worktree::record::hash_file;
use crate::worktree::{Walker, read_small};

use super::Error;
use super::kept;
use super::merging::Unmerged;
use super::overlay::{Overlay, keep_directories};
use super::relocated;
use super::revisions::Found;
use super::status::{self, Unstaged, Untracked};
use super::workspace::Workspace;

/// One side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Nothing.
    Empty,
    /// A recorded tree.
    Tree(Id),
    /// What is staged.
    Index,
    /// The files themselves.
    Worktree,
}

/// What is compared.
#[derive(Clone, Debug)]
pub struct Options<'a> {
    /// Before; never the working tree.
    pub old: Side,
    /// After.
    pub new: Side,
    /// Which paths.
    pub paths: Pathspec,
    /// Which rules of the user's hold in the working tree.
    pub rules: Rules<'a>,
}

/// Tells `visit` every path that differs, in order.
///
/// Of a changed file of more than 16 KiB in the working tree, `content` is its content id and not
/// the id of a manifest, which only recording makes.
pub fn run<E>(
    repo: &Repository,
    options: &Options<'_>,
    monitor: &dyn Monitor,
    visit: &mut dyn FnMut(Change) -> Result<(), E>,
) -> Result<(), E>
where
    E: From<Error> + From<store::Error>,
{
    let compared = Compared::new(repo, options, None, monitor)?;
    let (old, new) = (compared.old.as_ref(), compared.new.as_ref());
    diff::trees(&compared.source, old, new, &options.paths, visit)
}

/// What differs, with renames; how they were looked for; and where directories went.
#[derive(Debug)]
pub struct Renamed {
    /// What differs, in the order of new paths.
    pub differences: Vec<Difference>,
    /// Where the directories went that are gone.
    pub directories: Directories,
}

/// Everything that differs, with renames and copies. Unlike [`run`], it holds all of it in memory.
pub fn renamed(
    repo: &Repository,
    options: &Options<'_>,
    renames: &RenameOptions,
    monitor: &dyn Monitor,
) -> Result<Renamed, Error> {
    let compared = Compared::new(repo, options, Some(renames), monitor)?;
    let (source, old, new) = (&compared.source, compared.old.as_ref(), compared.new.as_ref());
    let mut changes = Vec::new();
    diff::trees::<_, Error>(source, old, new, &options.paths, &mut |change| {
        changes.push(change);
        Ok(())
    })?;
    if renames.copies == Copies::FromAll {
        add_unchanged(source, old, options, &mut changes)?;
    }
    let found = renames::find(source, &changes, renames)?;
    let directories = renames::directories(source, new, &changes, &found.pairs)?;
    Ok(Renamed { differences: renames::differences(changes, &found), directories })
}

/// Adds what did not change, in its place, to be copied from.
fn add_unchanged(
    source: &Overlay<'_>,
    old: Option<&Id>,
    options: &Options<'_>,
    changes: &mut Vec<Change>,
) -> Result<(), Error> {
    let changed: HashSet<RepoPath> = changes.iter().map(|change| change.path.clone()).collect();
    diff::trees::<_, Error>(source, None, old, &options.paths, &mut |change| {
        if !changed.contains(&change.path) {
            changes.push(Change { old: change.new.clone(), ..change });
        }
        Ok(())
    })?;
    changes.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(())
}

/// The two trees that are compared, and where their objects are.
struct Compared<'s> {
    source: Overlay<'s>,
    old: Option<Id>,
    new: Option<Id>,
}

impl<'s> Compared<'s> {
    fn new(
        repo: &'s Repository,
        options: &Options<'_>,
        renames: Option<&RenameOptions>,
        monitor: &dyn Monitor,
    ) -> Result<Self, Error> {
        let mut source = Overlay::new(repo);
        let old = tree(repo, options.old)?;
        if options.new != Side::Worktree {
            let new = tree(repo, options.new)?;
            return Ok(Self { source, old, new });
        }
        let asked = status::Options {
            paths: options.paths.clone(),
            untracked: Untracked::No,
            ignored: false,
            rules: options.rules,
            renames: None,
            relocated: None,
        };
        let mut found = status::run(repo, &asked, monitor)?;
        if let Some(renames) = renames
            && found.unstaged.iter().any(relocated::is_gone)
        {
            // What is gone may have gone elsewhere, where nothing is tracked.
            let untracked = Untracked::Directories;
            let asked = status::Options { untracked, relocated: Some(*renames), ..asked };
            found = status::run(repo, &asked, monitor)?;
        }
        for (path, error) in &found.unreadable {
            monitor.notice(&format!("'{path}' is left out: it cannot be looked at: {error}"));
        }
        let base = tree(repo, Side::Index)?;
        let mut edits = Vec::new();
        let mut walker = Walker::new(repo.worktree().map_err(Error::from)?.root.clone());
        for unstaged in &found.unstaged {
            let Some(edit) = to_edit(repo, &mut walker, unstaged, monitor)? else { continue };
            if let Some(What::File { size, content }) = edit.entry.as_ref().map(|new| &new.what) {
                source.add_file(*content, edit.path.clone(), *size);
            }
            edits.push(edit);
        }
        for one in &found.relocated {
            let entry = one.change.new.clone();
            if let Some(What::File { size, content }) = entry.as_ref().map(|new| &new.what)
                && one.origin.as_ref().is_some_and(|origin| origin.score < EQUAL)
            {
                source.add_file(*content, one.change.path.clone(), *size);
            }
            edits.push(Edit { path: one.old_path().clone(), entry: None });
            edits.push(Edit { path: one.change.path.clone(), entry });
        }
        keep_directories(repo, base.as_ref(), &mut walker, &mut edits)?;
        // What a merge left open is compared with what was there before the merge.
        let mut ours = Vec::new();
        if let (Side::Index, Some(merging)) = (options.old, &found.merging) {
            let edit = |unmerged: &Unmerged| Edit {
                path: unmerged.path.clone(),
                entry: unmerged.stages[1].clone(),
            };
            ours = merging.unmerged.iter().map(edit).collect();
        }
        // So is a conflict that was recorded, if anything stands there: with its first version.
        for kept in &found.kept {
            let path = &kept.open.path;
            let is_changed = found.unstaged.iter().any(|unstaged| unstaged.path == *path);
            if options.old != Side::Index || (kept.stat.is_none() && !is_changed) {
                continue;
            }
            ours.push(Edit { path: path.clone(), entry: kept.open.stages[1].clone() });
            if !is_changed {
                let status = Status::Modified;
                let (path, stat) = (path.clone(), kept.stat);
                let shown = Unstaged { path, status, old: None, stat };
                edits.extend(to_edit(repo, &mut walker, &shown, monitor)?);
            }
        }
        ours.sort_by(|a, b| a.path.cmp(&b.path));
        let old = match ours.is_empty() {
            true => old,
            false => Some(edit(&mut source, old.as_ref(), ours)?.id),
        };
        let new = match edits.is_empty() {
            true => base,
            false => Some(edit(&mut source, base.as_ref(), edits)?.id),
        };
        Ok(Self { source, old, new })
    }
}

/// What differs between two files that were named by revision and path; `None` if one of them was
/// not. How similar they are is not asked.
pub fn files(old: &Found, new: &Found) -> Option<Vec<Difference>> {
    let file = |found: &Found| {
        found.path.clone().filter(|(_, entry)| !entry.is_directory()).map(|(path, entry)| {
            let mode = text::git_mode(&entry);
            (path, entry, mode)
        })
    };
    let ((old_path, was, old_mode), (path, is, mode)) = (file(old)?, file(new)?);
    if was.what == is.what && old_mode == mode {
        return Some(Vec::new());
    }
    let origin = (old_path != path).then_some(Origin { path: old_path, score: 0, how: How::Named });
    Some(vec![Difference { change: Change { path, old: Some(was), new: Some(is) }, origin }])
}

/// Whether anything differs.
pub fn differs(
    repo: &Repository,
    options: &Options<'_>,
    monitor: &dyn Monitor,
) -> Result<bool, Error> {
    match run(repo, options, monitor, &mut |_| Err(Stop::Found)) {
        Ok(()) => Ok(false),
        Err(Stop::Found) => Ok(true),
        Err(Stop::Failed(error)) => Err(error),
    }
}

/// Why a comparison that looks for one change ends early.
enum Stop {
    Found,
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<store::Error> for Stop {
    fn from(error: store::Error) -> Self {
        Self::Failed(error.into())
    }
}

fn tree(repo: &Repository, side: Side) -> Result<Option<Id>, Error> {
    match side {
        Side::Empty | Side::Worktree => Ok(None),
        Side::Tree(id) => Ok(Some(id)),
        Side::Index => match repo.staged() {
            Some(staged) => Ok(Some(staged.tree)),
            None => Ok(repo.head_tree()?),
        },
    }
}

/// What the tree would say of a path if it were recorded now. What cannot be read is left out, and
/// named: it is not gone.
fn to_edit(
    repo: &Repository,
    walker: &mut Walker,
    unstaged: &Unstaged,
    monitor: &dyn Monitor,
) -> Result<Option<Edit>, store::Error> {
    match edit_of(repo, walker, unstaged)? {
        Ok(edit) => Ok(Some(edit)),
        Err(error) if disk::is_nothing(&error) => {
            Ok(Some(Edit { path: unstaged.path.clone(), entry: None }))
        }
        Err(error) => {
            let path = &unstaged.path;
            monitor.notice(&format!("'{path}' is left out: it cannot be read: {error}"));
            Ok(None)
        }
    }
}

fn edit_of(
    repo: &Repository,
    walker: &mut Walker,
    unstaged: &Unstaged,
) -> Result<io::Result<Edit>, store::Error> {
    let gone = Edit { path: unstaged.path.clone(), entry: None };
    let (Some((parent, name)), Some(stat)) = (unstaged.path.split(), unstaged.stat) else {
        return Ok(Ok(gone));
    };
    if unstaged.status == Status::Deleted {
        return Ok(Ok(gone));
    }
    let known = unstaged.old.as_ref().and_then(|tracked| tracked.to_entry());
    let dir = match walker.open(&parent) {
        Ok(dir) => dir,
        Err(error) => return Ok(Err(error)),
    };
    let (what, mode) = match stat.kind {
        FileKind::File => {
            let (stat, content) = match hash_file(&*dir, name) {
                Ok(Some(hashed)) => hashed,
                Ok(None) => return Ok(Ok(gone)),
                Err(error) => return Ok(Err(error)),
            };
            let content = same_as_known(repo.store(), known.as_ref(), stat.size, content)?;
            (What::File { size: stat.size, content }, stat.mode)
        }
        FileKind::Symlink => {
            let pointed = match dir.link_target(name) {
                Ok(pointed) => pointed,
                Err(error) => return Ok(Err(error)),
            };
            let target = Kind::Chunk.id_of(&pointed);
            (What::Symlink { size: pointed.len() as u64, target }, 0)
        }
        FileKind::Directory => {
            let tree = tree(repo, Side::Index).ok().flatten();
            let entry = match tree {
                Some(tree) => crate::repo::find_entry(repo.store(), &tree, &unstaged.path),
                None => Ok(None),
            };
            let Ok(Some(entry)) = entry else { return Ok(Ok(gone)) };
            (entry.what, stat.mode)
        }
        FileKind::Special => return Ok(Ok(gone)),
    };
    let attributes = unstaged.old.as_ref().and_then(|tracked| tracked.attributes);
    let name = name.to_vec();
    let entry = Entry { name, mode, mtime: Some(stat.mtime), attributes, what };
    Ok(Ok(Edit { path: unstaged.path.clone(), entry: Some(entry) }))
}

/// The id under which a content is known, if it is what was recorded; else the content id.
fn same_as_known(
    store: &Store,
    known: Option<&Entry>,
    size: u64,
    found: Id,
) -> Result<Id, store::Error> {
    if content_kind(size) == Kind::Chunk {
        return Ok(found);
    }
    if let Some(What::File { size: was, content }) = known.map(|entry| &entry.what)
        && *was == size
        && store.object::<Manifest>(content)?.content == found
    {
        return Ok(*content);
    }
    Ok(found)
}

/// What a side of a change holds, for showing it.
pub fn body(
    repo: &Repository,
    side: Side,
    path: &RepoPath,
    entry: Option<&Entry>,
) -> Result<Body, Error> {
    let Some(entry) = entry else { return Ok(Body::Absent) };
    let (size, content) = match &entry.what {
        What::File { size, content } => (*size, content),
        What::Symlink { size, target } => (*size, target),
        What::Conflict { .. } => return conflict_body(repo, path, entry),
        _ => return Ok(Body::Text(Vec::new())),
    };
    if size > text::LONGEST {
        return Ok(Body::Binary(size));
    }
    if side == Side::Worktree
        && let Some(found) = body_on_disk(repo, path, size)?
    {
        return Ok(found);
    }
    if content_kind(size) == Kind::Manifest && size <= manifest::NEAR {
        let known: Manifest = repo.store().object(content)?;
        if !known.near {
            return Ok(Body::Binary(size));
        }
    }
    match read_small(repo.store(), size, content) {
        Ok(bytes) => Ok(Body::of(bytes)),
        Err(store::Error::Missing { kind: Kind::Chunk | Kind::List, .. }) => {
            Ok(Body::Elsewhere(size))
        }
        Err(error) => Err(error.into()),
    }
}

/// A conflict is shown as it would be in a working tree.
fn conflict_body(repo: &Repository, path: &RepoPath, entry: &Entry) -> Result<Body, Error> {
    let mut room = Workspace::new(repo.store());
    let shown = kept::shown_as(&mut room, path, entry, Style::Merge)?;
    let (size, content) = match shown.and_then(|shown| shown.here).map(|here| here.what) {
        Some(What::File { size, content }) => (size, content),
        Some(What::Symlink { size, target }) => (size, target),
        _ => return Ok(Body::Text(Vec::new())),
    };
    if size > text::LONGEST {
        return Ok(Body::Binary(size));
    }
    let bytes = room.read(size, &content)?;
    Ok(bytes.map_or(Body::Elsewhere(size), Body::of))
}

/// `None` if nothing is there: then it is what was recorded.
fn body_on_disk(repo: &Repository, path: &RepoPath, size: u64) -> Result<Option<Body>, Error> {
    let failed = |source| Error::Worktree { path: path.clone(), source };
    let Some((parent, name)) = path.split() else { return Ok(None) };
    let dir = match Walker::new(repo.worktree()?.root.clone()).open(&parent) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        dir => dir.map_err(failed)?,
    };
    match dir.stat(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Ok(stat) if stat.kind == FileKind::Symlink => {
            Ok(Some(Body::Text(dir.link_target(name).map_err(failed)?)))
        }
        Ok(_) => {
            let bytes = disk::read_all(&*dir, name, text::LONGEST.max(size)).map_err(failed)?;
            Ok(Some(Body::of(bytes)))
        }
        Err(source) => Err(failed(source)),
    }
}

/// How many lines differ.
pub fn counts(old: &Body, new: &Body) -> Counts {
    let lines = |body: &Body| match body {
        Body::Text(bytes) => bytes.clone(),
        _ => Vec::new(),
    };
    if old.is_opaque() || new.is_opaque() {
        return Counts::Binary { old: old.len(), new: new.len() };
    }
    let (added, deleted) = text::counts(&lines(old), &lines(new), TextOptions::default());
    Counts::Lines { added, deleted }
}
