//! Files that went elsewhere in the working tree without `mv`: gone under one name, and there,
//! untracked, under another.
//!
//! Nobody looks for them unless something is gone and something is untracked. A file that has the
//! number, the size and the time that the index knows of one that is gone is that one, unread. Of
//! all others only those are read whose size leaves room for a likeness, and of them no more than
//! [`MOST_FILES`] and [`MOST_BYTES`]: those that are called like something that is gone first, then
//! those of its size. What is left out stays what it seems to be, a deletion and a file that is not
//! tracked.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use crate::chunk::SPAN_LIMIT;
use crate::diff::renames::{self, Copies, Difference, Directories, RenameOptions};
use crate::diff::{Change, Status};
use crate::disk::{FileKind, Stat};
use crate::hash::{Id, Kind};
use crate::index::{Known, Matches, Tracked};
use crate::object::tree::{Edit, edit};
use crate::object::{Entry, Manifest, Source, What};
use crate::path::{Pathspec, RepoPath};
use crate::progress::Monitor;
use crate::repo::Working;
use crate::store::content_kind;
use crate::worktree::Walker;
use crate::worktree::record::hash_file;
use crate::worktree::scan::{self, ChangeKind, DirectoryFound, Untracked, Visitor};

use super::Error;
use super::overlay::{Overlay, keep_directories};
use super::status::Unstaged;

/// So many files that are not tracked are read.
const MOST_FILES: usize = 4_096;
/// And so many bytes of them.
const MOST_BYTES: u64 = 128 << 20;
/// So many directories that are not tracked are walked to one by one.
const MOST_NAMED: usize = 32;

/// What went elsewhere.
#[derive(Debug, Default)]
pub(super) struct Relocated {
    /// A rename for each file that was found again, in the order of new paths.
    pub(super) renames: Vec<Difference>,
    /// Where the directories went that are gone.
    pub(super) directories: Directories,
}

/// Whether a file is gone that may be looked for.
pub(super) fn is_gone(unstaged: &Unstaged) -> bool {
    let known = unstaged.old.as_ref().map(|tracked| &tracked.what);
    unstaged.status == Status::Deleted
        && matches!(known, Some(Known::File { .. } | Known::Symlink { .. }))
}

/// Looks for what is gone among files that are not tracked.
pub(super) fn find(
    working: &Working<'_>,
    options: &RenameOptions,
    unstaged: &[Unstaged],
    untracked: &[(RepoPath, Stat)],
) -> Result<Relocated, Error> {
    let gone: Vec<&Unstaged> = unstaged.iter().filter(|unstaged| is_gone(unstaged)).collect();
    if gone.is_empty() || untracked.is_empty() {
        return Ok(Relocated::default());
    }
    let options = RenameOptions { copies: Copies::None, ..*options };
    let mut search = Search {
        working,
        options,
        source: Overlay::new(working.repo),
        walker: Walker::new(working.tree.root.clone()),
        missing: Vec::new(),
        manifests: HashMap::new(),
        contents: HashMap::new(),
    };
    let mut changes: Vec<Change> = Vec::new();
    for gone in &gone {
        let old = gone.old.as_ref().and_then(Tracked::to_entry);
        changes.push(Change { path: gone.path.clone(), old, new: None });
    }
    let rest = search.recognised(&gone, untracked, &mut changes);
    search.read(&gone, rest, &mut changes)?;
    changes.sort_by(|a, b| a.path.cmp(&b.path));
    let found = renames::find(&search.source, &changes, &search.options)?;
    let mut edits: Vec<Edit> = Vec::new();
    for gone in unstaged.iter().filter(|unstaged| unstaged.status == Status::Deleted) {
        edits.push(Edit { path: gone.path.clone(), entry: None });
    }
    for pair in &found.pairs {
        let Change { path, new, .. } = &changes[pair.to];
        edits.push(Edit { path: path.clone(), entry: new.clone() });
    }
    let Search { mut source, mut walker, .. } = search;
    let base = working.base.tree;
    keep_directories(working.repo, base.as_ref(), &mut walker, &mut edits)?;
    let tree = edit(&mut source, base.as_ref(), edits)?.id;
    let directories = renames::directories(&source, Some(&tree), &changes, &found.pairs)?;
    let mut renames = renames::differences(changes, &found);
    renames.retain(|difference| difference.origin.is_some());
    Ok(Relocated { renames, directories })
}

struct Search<'w, 'r> {
    working: &'w Working<'r>,
    options: RenameOptions,
    source: Overlay<'r>,
    walker: Walker,
    /// The sizes of what is gone and was not found again, sorted, each with what it held.
    missing: Vec<(u64, Id)>,
    /// By its size, the manifests of what is gone and has one.
    manifests: HashMap<u64, Vec<Id>>,
    /// Those that were read, each with its content.
    contents: HashMap<u64, Vec<(Id, Id)>>,
}

impl Search<'_, '_> {
    /// Takes those that the index knows, with the files that are gone; returns the others.
    fn recognised(
        &mut self,
        gone: &[&Unstaged],
        untracked: &[(RepoPath, Stat)],
        changes: &mut Vec<Change>,
    ) -> Vec<(RepoPath, Stat)> {
        let volume = &self.working.volume;
        let mut known: HashMap<u64, &Unstaged> = HashMap::new();
        if volume.stable_inodes {
            for one in gone {
                let seen = one.old.as_ref().and_then(|tracked| tracked.seen);
                known.extend(seen.map(|seen| (seen.inode, *one)));
            }
        }
        let mut rest = Vec::new();
        let mut found: HashSet<&RepoPath> = HashSet::new();
        let files = untracked.iter().filter(|(_, stat)| stat.kind != FileKind::Directory);
        for (path, stat) in files {
            let same = known.get(&stat.inode).filter(|one| is_same(one, stat, volume));
            let entry = same.and_then(|one| Some((one, one.old.as_ref()?.to_entry()?)));
            let Some((one, entry)) = entry else {
                rest.push((path.clone(), *stat));
                continue;
            };
            found.insert(&one.path);
            let new = Some(entry_of(path, stat, entry.what));
            changes.push(Change { path: path.clone(), old: None, new });
        }
        let missing = gone.iter().filter(|one| !found.contains(&one.path));
        self.missing = missing.filter_map(|one| held_by(one)).collect();
        self.missing.sort_unstable();
        rest
    }

    /// Reads what may be one of those that are left.
    fn read(
        &mut self,
        gone: &[&Unstaged],
        mut rest: Vec<(RepoPath, Stat)>,
        changes: &mut Vec<Change>,
    ) -> Result<(), Error> {
        rest.retain(|(_, stat)| self.may_be_gone(stat.size));
        let names: BTreeSet<&[u8]> = gone.iter().map(|one| one.path.name()).collect();
        rest.sort_by_cached_key(|(path, stat)| {
            (!names.contains(path.name()), !self.is_of_its_size(stat.size), path.clone())
        });
        for (size, manifest) in gone.iter().filter_map(|one| held_by(one)) {
            self.manifests.entry(size).or_default().push(manifest);
        }
        let mut bytes = 0;
        for (path, stat) in rest.into_iter().take(MOST_FILES) {
            if self.missing.is_empty() {
                break;
            }
            if bytes + stat.size > MOST_BYTES {
                continue;
            }
            bytes += stat.size;
            let Some(entry) = self.read_one(&path, &stat)? else { continue };
            if let What::File { size, content } | What::Symlink { size, target: content } =
                &entry.what
                && let Ok(at) = self.missing.binary_search(&(*size, *content))
            {
                self.missing.remove(at);
            }
            changes.push(Change { path, old: None, new: Some(entry) });
        }
        Ok(())
    }

    /// Whether something that is gone could have become a file of this size.
    fn may_be_gone(&self, size: u64) -> bool {
        // What is larger has no sketch until it is recorded: it is the same or it is not.
        if size > SPAN_LIMIT || size == 0 {
            return self.is_of_its_size(size);
        }
        let least = self.options.least_partner(size);
        let partner = self.missing.get(self.missing.partition_point(|&(gone, _)| gone < least));
        partner.is_some_and(|&(gone, _)| self.options.fits(size, gone))
    }

    fn is_of_its_size(&self, size: u64) -> bool {
        self.missing.binary_search_by_key(&size, |&(gone, _)| gone).is_ok()
    }

    /// What would be recorded of a file; `None` if it cannot be read.
    fn read_one(&mut self, path: &RepoPath, stat: &Stat) -> Result<Option<Entry>, Error> {
        let Some((parent, name)) = path.split() else { return Ok(None) };
        let Ok(dir) = self.walker.open(&parent) else { return Ok(None) };
        if stat.kind == FileKind::Symlink {
            let Ok(target) = dir.link_target(name) else { return Ok(None) };
            let (size, target) = (target.len() as u64, Kind::Chunk.id_of(&target));
            return Ok(Some(entry_of(path, stat, What::Symlink { size, target })));
        }
        let Ok(Some((stat, content))) = hash_file(&*dir, name) else { return Ok(None) };
        let content = match self.manifest_of(stat.size, &content)? {
            Some(manifest) => manifest,
            None => {
                self.source.add_file(content, path.clone(), stat.size);
                content
            }
        };
        Ok(Some(entry_of(path, &stat, What::File { size: stat.size, content })))
    }

    /// The manifest of something that is gone, if this is its content.
    fn manifest_of(&mut self, size: u64, content: &Id) -> Result<Option<Id>, Error> {
        if content_kind(size) == Kind::Chunk {
            return Ok(None);
        }
        if !self.contents.contains_key(&size) {
            let mut found = Vec::new();
            for manifest in self.manifests.remove(&size).unwrap_or_default() {
                let its: Manifest = self.working.repo.store().object(&manifest)?;
                found.push((manifest, its.content));
            }
            self.contents.insert(size, found);
        }
        let known = self.contents.get(&size).into_iter().flatten();
        Ok(known.filter(|(_, its)| its == content).map(|(manifest, _)| *manifest).next())
    }
}

fn known_of(one: &Unstaged) -> Option<&Known> {
    one.old.as_ref().map(|tracked| &tracked.what)
}

/// Its size, and chunk or manifest.
fn held_by(one: &Unstaged) -> Option<(u64, Id)> {
    match known_of(one)? {
        Known::File { size, content: held } | Known::Symlink { size, target: held } => {
            Some((*size, *held))
        }
        _ => None,
    }
}

/// Whether a file is one that is gone, by all that the file system says of both.
fn is_same(gone: &Unstaged, stat: &Stat, volume: &crate::index::Volume) -> bool {
    let is_kind = match known_of(gone) {
        Some(Known::File { .. }) => stat.kind == FileKind::File,
        Some(Known::Symlink { .. }) => stat.kind == FileKind::Symlink,
        _ => false,
    };
    let seen = gone.old.as_ref().and_then(|tracked| tracked.seen);
    is_kind && seen.is_some_and(|seen| seen.matches(stat, volume) != Matches::Content)
}

fn entry_of(path: &RepoPath, stat: &Stat, what: What) -> Entry {
    let mode = if matches!(what, What::Symlink { .. }) { 0 } else { stat.mode };
    Entry { name: path.name().to_vec(), mode, mtime: Some(stat.mtime), attributes: None, what }
}

/// What is not tracked, without what was found again: a directory in which something was found is
/// replaced by what else is in it, as far up as nothing that was found is in it too. `inside` is
/// what is in such directories, in order, with directories that are empty.
pub(super) fn left_over(
    untracked: Vec<Vec<u8>>,
    inside: &[(RepoPath, Stat)],
    renames: &[Difference],
) -> Vec<Vec<u8>> {
    let found: BTreeSet<&RepoPath> = renames.iter().map(|one| &one.change.path).collect();
    let has_found = |directory: &RepoPath| {
        let next = found.range::<&RepoPath, _>(directory..).next();
        next.is_some_and(|path| path.is_within(directory))
    };
    let mut left = BTreeSet::new();
    for name in untracked {
        let path = RepoPath::new(name.strip_suffix(b"/").unwrap_or(&name));
        let Some(top) = path.ok().filter(|path| has_found(path)) else {
            left.insert(name);
            continue;
        };
        let start = inside.partition_point(|(path, _)| *path < top);
        let rest = inside[start..].iter().take_while(|(path, _)| path.is_within(&top));
        for (path, stat) in rest.filter(|(path, _)| !found.contains(path)) {
            let mut shown = path.clone();
            let mut is_directory = stat.kind == FileKind::Directory;
            while let Some((above, _)) = shown.split()
                && above.is_within(&top)
                && !has_found(&above)
            {
                (shown, is_directory) = (above, true);
            }
            let mut shown = shown.as_bytes().to_vec();
            if is_directory {
                shown.push(b'/');
            }
            left.insert(shown);
        }
    }
    left.into_iter().collect()
}

/// Is told what is in directories that are not tracked.
#[derive(Default)]
struct Inside(Mutex<Vec<(RepoPath, Stat)>>);

impl Visitor for Inside {
    fn directory(&self, found: DirectoryFound<'_>) {
        let added = found.changes.iter().filter(|change| change.kind == ChangeKind::Added);
        let files = added.filter_map(|change| Some((&change.name, change.stat?)));
        let untracked = found.directories.iter().filter(|sub| sub.tracked.is_none());
        let directories = untracked.map(|sub| (&sub.name, sub.stat));
        let all = files.chain(directories).map(|(name, stat)| (found.path.join(name), stat));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(all);
    }
}

/// What is not tracked, in order: of what a scan told of, directories are replaced by what is in
/// them. Of directories only empty ones are named.
pub(super) fn look_inside(
    request: &scan::Request<'_>,
    untracked: &[(Vec<u8>, Option<Stat>)],
    monitor: &dyn Monitor,
) -> Result<Vec<(RepoPath, Stat)>, Error> {
    let (mut files, mut directories) = (Vec::new(), Vec::new());
    for (name, stat) in untracked {
        let Ok(path) = RepoPath::new(name.strip_suffix(b"/").unwrap_or(name)) else { continue };
        match name.ends_with(b"/") {
            true => directories.push(path),
            false => files.extend(stat.map(|stat| (path, stat))),
        }
    }
    if !directories.is_empty() {
        // Very many are not worth being walked to one by one.
        let named = Pathspec::of_paths(directories.iter().take(MOST_NAMED + 1).cloned());
        let pathspec =
            if directories.len() > MOST_NAMED { request.pathspec.clone() } else { named };
        let inside = scan::Request { pathspec: &pathspec, untracked: Untracked::All, ..*request };
        let found = Inside::default();
        scan::scan(&inside, &found, monitor).map_err(crate::worktree::record::Error::from)?;
        directories.sort_unstable();
        let is_asked = |path: &RepoPath| {
            let at = directories.partition_point(|directory| directory <= path);
            at > 0 && path.is_within(&directories[at - 1])
        };
        let found = found.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        let meant = |path: &RepoPath| is_asked(path) && request.pathspec.matches(path);
        files.extend(found.into_iter().filter(|(path, _)| meant(path)));
    }
    files.sort_by(|a, b| a.0.cmp(&b.0));
    files.dedup_by(|a, b| a.0 == b.0);
    let is_full: Vec<bool> =
        files.windows(2).map(|two| two[1].0.is_within(&two[0].0)).chain([false]).collect();
    let mut is_full = is_full.into_iter();
    files.retain(|_| !is_full.next().unwrap_or(false));
    Ok(files)
}
