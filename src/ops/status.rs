//! `status`: what is staged, what changed in the working tree or went elsewhere in it, and what is
//! not tracked.

use std::collections::HashSet;
use std::io;
use std::sync::{Mutex, PoisonError};

use crate::diff::renames::{self, Difference, Directories, RenameOptions};
use crate::diff::{self, Change, Status};
use crate::disk::{self, Dir, FileKind, Stat};
use crate::hash::Kind;
use crate::index::{Known, Listed, Presence, Seen, Tracked, Update};
use crate::object::{Entry, What};
use crate::path::{NameError, Pathspec, RepoPath};
use crate::progress::{Monitor, Stage};
use crate::repo::{Head, Repository, Rules, Working};
use crate::store::Error as StoreError;
use crate::worktree::Walker;
use crate::worktree::record::hash_file;
use crate::worktree::scan::{self, ChangeKind, DirectoryFound, Nested, Visitor};

use super::merging::{self, Merging, Unmerged};
use super::relocated::{self, Relocated};
use super::{Error, begin, kept};

pub use crate::worktree::scan::Untracked;

/// What to look for.
#[derive(Clone, Debug)]
pub struct Options<'a> {
    /// Which paths.
    pub paths: Pathspec,
    /// Whether untracked things are looked for.
    pub untracked: Untracked,
    /// Whether ignored things are told of.
    pub ignored: bool,
    /// Which rules of the user's hold.
    pub rules: Rules<'a>,
    /// How renames are looked for among what is staged, if they are.
    pub renames: Option<RenameOptions>,
    /// How files are looked for that went elsewhere in the working tree without `mv`, if they are.
    /// What is untracked has to be looked for too.
    pub relocated: Option<RenameOptions>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self {
            paths: Pathspec::all(),
            untracked: Untracked::Directories,
            ignored: false,
            rules: Rules::default(),
            renames: None,
            relocated: None,
        }
    }
}

/// How a file of the working tree differs from what is staged, or from HEAD.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unstaged {
    /// Which.
    pub path: RepoPath,
    /// How.
    pub status: Status,
    /// What is recorded.
    pub old: Option<Tracked>,
    /// What is there.
    pub stat: Option<Stat>,
}

/// A conflict that was recorded, and what is there of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Which, with its base and its first two versions.
    pub open: Unmerged,
    /// What stands there, if anything does.
    pub stat: Option<Stat>,
    /// Versions that should stand beside it and do not.
    pub gone_beside: Vec<RepoPath>,
}

/// What was found.
#[derive(Debug)]
pub struct Outcome {
    /// Where HEAD is.
    pub head: Head,
    /// A merge under way. What it left open is not among what is staged; if its file was changed
    /// since, it is among what changed.
    pub merging: Option<Merging>,
    /// Conflicts that were recorded and that nobody has decided on, but for those a merge under way
    /// left open. If the file that shows one was changed, it is among what changed too.
    pub kept: Vec<Kept>,
    /// What is staged: between HEAD and the staged tree.
    pub staged: Vec<Difference>,
    /// Where the directories went that are gone from what is staged.
    pub directories: Directories,
    /// What changed in the working tree.
    pub unstaged: Vec<Unstaged>,
    /// What of it stands where a directory is recorded of which not everything is here: it is not
    /// recorded as it is, because that would delete what nobody deleted.
    pub in_the_way: Vec<RepoPath>,
    /// What went elsewhere without `mv`: gone under one name, and there, untracked, under another.
    /// It is neither among what changed nor among what is not tracked.
    pub relocated: Vec<Difference>,
    /// Where directories went with it.
    pub relocated_directories: Directories,
    /// What is not tracked; directories end in `/`.
    pub untracked: Vec<Vec<u8>>,
    /// What is ignored, if asked for; directories end in `/`.
    pub ignored: Vec<Vec<u8>>,
    /// What could not be looked at.
    pub unreadable: Vec<(RepoPath, std::io::Error)>,
    /// Names that cannot be recorded.
    pub refused: Vec<(String, NameError)>,
    /// Pipes, sockets and devices.
    pub special: Vec<RepoPath>,
    /// Repositories within.
    pub nested: Vec<RepoPath>,
    /// What is recorded and not here because this file system cannot hold it, without what is in
    /// directories among them.
    pub not_representable: Vec<RepoPath>,
    /// Lines of files of ignore rules that are no rules: the file, and what is wrong.
    pub bad_rules: Vec<(RepoPath, String)>,
    /// How many names were looked at.
    pub files: u64,
    /// A command that changes the working tree has been interrupted or is at work.
    pub is_changing: bool,
}

impl Outcome {
    /// Whether anything could be recorded that is not staged.
    pub fn has_changes(&self) -> bool {
        !self.unstaged.is_empty() || !self.relocated.is_empty() || !self.untracked.is_empty()
    }

    /// Whether there is nothing to record and nothing untracked.
    pub fn is_clean(&self) -> bool {
        self.merging.is_none()
            && self.kept.is_empty()
            && self.staged.is_empty()
            && self.unstaged.is_empty()
            && self.relocated.is_empty()
            && self.untracked.is_empty()
    }
}

/// Looks.
pub fn run(
    repo: &Repository,
    options: &Options<'_>,
    monitor: &dyn Monitor,
) -> Result<Outcome, Error> {
    begin::with_sound_index(repo, &options.rules, monitor, || look(repo, options, monitor))
}

fn look(repo: &Repository, options: &Options<'_>, monitor: &dyn Monitor) -> Result<Outcome, Error> {
    let mut working = repo.working(&options.rules, monitor)?;
    monitor.begin(Stage::Scanning, None, None);
    let mut merging = merging::find(repo)?;
    if let Some(merging) = &mut merging {
        merging.unmerged.retain(|unmerged| options.paths.matches(&unmerged.path));
    }
    let (staged, directories) = staged(&working, options, merging.as_ref())?;
    let is_open = |path: &RepoPath| {
        merging.iter().flat_map(|merging| &merging.unmerged).any(|open| open.path == *path)
    };
    let found = Collect::default();
    let request = scan::Request {
        root: &working.tree.root,
        index: &working.index,
        volume: &working.volume,
        ignore: &working.ignore,
        pathspec: &options.paths,
        untracked: options.untracked,
        spare: false,
        tell_ignored: options.ignored,
        nested: options.rules.nested.unwrap_or(Nested::Skip),
        boot: repo.disk().boot_id(),
    };
    let mut summary =
        scan::scan(&request, &found, monitor).map_err(crate::worktree::record::Error::from)?;
    let mut found = found.0.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut unstaged = Vec::new();
    let mut refreshed = std::mem::take(&mut found.refreshed);
    let mut in_the_way: Vec<RepoPath> = found
        .changes
        .iter()
        .filter(|(_, change)| change.kind == ChangeKind::InTheWay)
        .map(|(path, _)| path.clone())
        .collect();
    in_the_way.sort_unstable();
    let mut kept = Vec::new();
    for change in std::mem::take(&mut found.changes) {
        if let Some(open) = kept_by(&change)
            && !is_open(&open.path)
        {
            let entry = change.1.tracked.as_ref().and_then(Tracked::to_entry);
            let gone_beside = match entry.filter(|_| change.1.stat.is_some()) {
                Some(entry) => kept::gone_beside(&working, &open.path, &entry)?,
                None => Vec::new(),
            };
            kept.push(Kept { open, stat: change.1.stat, gone_beside });
        }
        let path = change.0.clone();
        if let Err(error) = judge(&working, change, &mut unstaged, &mut refreshed) {
            summary.unreadable.push((path, error));
        }
    }
    summary.unreadable.sort_by(|a, b| a.0.cmp(&b.0));
    // Of what cannot be looked at nothing is known, not even that its mode alone was changed.
    let unreadable: HashSet<&RepoPath> = summary.unreadable.iter().map(|(path, _)| path).collect();
    unstaged.retain(|change| !unreadable.contains(&change.path));
    kept.sort_by(|a, b| a.open.path.cmp(&b.open.path));
    found.untracked = without_beside(&working, found.untracked)?;
    unstaged.sort_by(|a, b| a.path.cmp(&b.path));
    leave_out_directories(&mut unstaged);
    let (relocated, mut untracked) =
        relocated(&working, options, &request, &mut unstaged, found.untracked, monitor)?;
    untracked.sort_unstable_by(|a, b| crate::path::compare(a, b));
    found.ignored.sort_unstable_by(|a, b| crate::path::compare(a, b));
    let head = working.head.clone();
    write_back(&mut working, refreshed, found.listed);
    Ok(Outcome {
        head,
        merging,
        kept,
        staged,
        directories,
        unstaged,
        in_the_way,
        relocated: relocated.renames,
        relocated_directories: relocated.directories,
        untracked,
        ignored: found.ignored,
        unreadable: summary.unreadable,
        refused: summary.refused,
        special: summary.special,
        nested: summary.nested,
        not_representable: summary.not_representable,
        bad_rules: summary.bad_rules,
        files: summary.files,
        is_changing: super::pending::is_pending(repo),
    })
}

/// The conflict that a path is, if it was recorded as one.
fn kept_by((path, change): &(RepoPath, scan::Change)) -> Option<Unmerged> {
    kept::unmerged(path, &change.tracked.as_ref()?.to_entry()?)
}

/// What is not tracked, without what was written beside conflicts.
fn without_beside(working: &Working<'_>, untracked: Vec<Named>) -> Result<Vec<Named>, Error> {
    let mut left = Vec::with_capacity(untracked.len());
    for (name, stat) in untracked {
        let is_beside = match RepoPath::new(&name[..]) {
            Ok(path) => kept::is_beside(working, &path)?,
            Err(_) => false,
        };
        if !is_beside {
            left.push((name, stat));
        }
    }
    Ok(left)
}

/// What went elsewhere, and what is not tracked without it. It is no longer among what changed then.
fn relocated(
    working: &Working<'_>,
    options: &Options<'_>,
    request: &scan::Request<'_>,
    unstaged: &mut Vec<Unstaged>,
    untracked: Vec<(Vec<u8>, Option<Stat>)>,
    monitor: &dyn Monitor,
) -> Result<(Relocated, Vec<Vec<u8>>), Error> {
    let names = |all: Vec<(Vec<u8>, _)>| all.into_iter().map(|(name, _)| name).collect();
    let (Some(renames), true, false) =
        (&options.relocated, unstaged.iter().any(relocated::is_gone), untracked.is_empty())
    else {
        return Ok((Relocated::default(), names(untracked)));
    };
    let inside = relocated::look_inside(request, &untracked, monitor)?;
    let found = relocated::find(working, renames, unstaged, &inside)?;
    let gone: HashSet<&RepoPath> = found.renames.iter().map(Difference::old_path).collect();
    unstaged.retain(|change| change.status != Status::Deleted || !gone.contains(&change.path));
    let left = relocated::left_over(names(untracked), &inside, &found.renames);
    Ok((found, left))
}

/// What is staged, with renames if they are looked for, and without what a merge left open.
fn staged(
    working: &Working<'_>,
    options: &Options<'_>,
    merging: Option<&Merging>,
) -> Result<(Vec<Difference>, Directories), StoreError> {
    let mut changes = staged_changes(working, &options.paths)?;
    let open = merging.map_or(&[][..], |merging| &merging.unmerged);
    changes.retain(|change| open.iter().all(|open| open.path != change.path));
    let (Some(renames), Some(staged)) = (options.renames, working.staged) else {
        return Ok((changes.into_iter().map(Difference::from).collect(), Directories::default()));
    };
    let store = working.repo.store();
    let found = renames::find(store, &changes, &renames)?;
    let tree = Some(&staged.tree);
    let directories = renames::directories(store, tree, &changes, &found.pairs)?;
    Ok((renames::differences(changes, &found), directories))
}

/// What is staged: between the tree it was staged on and the staged tree.
pub(super) fn staged_changes(
    working: &Working<'_>,
    paths: &Pathspec,
) -> Result<Vec<Change>, StoreError> {
    let Some(staged) = working.staged else { return Ok(Vec::new()) };
    let mut changes = Vec::new();
    diff::trees::<_, StoreError>(
        working.repo.store(),
        Some(&staged.base),
        Some(&staged.tree),
        paths,
        &mut |change| {
            changes.push(change);
            Ok(())
        },
    )?;
    Ok(changes)
}

/// A name, which ends in `/` if it is a directory's, and what stands there.
type Named = (Vec<u8>, Option<Stat>);

/// What the scan tells, with full paths.
#[derive(Default)]
struct Found {
    changes: Vec<(RepoPath, scan::Change)>,
    untracked: Vec<Named>,
    ignored: Vec<Vec<u8>>,
    refreshed: Vec<(RepoPath, Option<Tracked>)>,
    listed: Vec<(RepoPath, Listed)>,
}

#[derive(Default)]
struct Collect(Mutex<Found>);

impl Visitor for Collect {
    fn directory(&self, found: DirectoryFound<'_>) {
        let is_quiet = found.changes.is_empty()
            && found.ignored.is_empty()
            && found.refreshed.is_empty()
            && found.listed.is_none()
            && found.directories.iter().all(|sub| sub.tracked.is_some());
        if is_quiet && found.directories.iter().all(|sub| !mode_differs(sub)) {
            return;
        }
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for sub in &found.directories {
            let path = found.path.join(&sub.name);
            if sub.tracked.is_none() && !sub.descend {
                let mut shown = path.as_bytes().to_vec();
                shown.push(b'/');
                all.untracked.push((shown, Some(sub.stat)));
            } else if mode_differs(sub) {
                let change = scan::Change {
                    name: sub.name.clone(),
                    kind: ChangeKind::ModeOnly,
                    stat: Some(sub.stat),
                    tracked: sub.tracked.clone(),
                };
                all.changes.push((path, change));
            }
        }
        for change in found.changes {
            let path = found.path.join(&change.name);
            // What took the place of a directory is new; what was in the directory is told of.
            let was_directory = change
                .tracked
                .as_ref()
                .is_some_and(|tracked| matches!(tracked.what, Known::Directory));
            let replaces = change.kind == ChangeKind::TypeChanged && was_directory;
            if change.kind == ChangeKind::Added || replaces {
                all.untracked.push((path.as_bytes().to_vec(), change.stat));
            } else {
                all.changes.push((path, change));
            }
        }
        for name in found.ignored {
            let mut path = found.path.as_bytes().to_vec();
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(&name);
            all.ignored.push(path);
        }
        all.listed.extend(found.listed.map(|listed| (found.path.clone(), listed)));
        for (name, row) in found.refreshed {
            all.refreshed.push((found.path.join(&name), Some(row)));
        }
    }
}

fn mode_differs(sub: &scan::Subdirectory) -> bool {
    sub.tracked.as_ref().is_some_and(|tracked| tracked.mode != sub.stat.mode)
}

/// Decides what a scan left open; content is read only where nothing else tells. If it cannot be
/// read then, nothing is decided.
fn judge(
    working: &Working<'_>,
    (path, change): (RepoPath, scan::Change),
    unstaged: &mut Vec<Unstaged>,
    refreshed: &mut Vec<(RepoPath, Option<Tracked>)>,
) -> io::Result<()> {
    let is_conflict =
        |tracked: &Tracked| matches!(tracked.what, Known::Other(What::Conflict { .. }));
    let status = match change.kind {
        ChangeKind::Undecided => return Ok(()),
        ChangeKind::Added => Status::Added,
        ChangeKind::Deleted => Status::Deleted,
        ChangeKind::TypeChanged | ChangeKind::InTheWay => Status::TypeChanged,
        ChangeKind::Modified => Status::Modified,
        ChangeKind::ModeOnly => {
            let is_directory = change.stat.is_some_and(|stat| stat.kind == FileKind::Directory);
            if is_directory && !working.volume.exec_bits {
                return Ok(());
            }
            Status::Modified
        }
        ChangeKind::Unsure => {
            let read_at = working.now();
            match (&change.tracked, same_content(working, &path, &change)?) {
                (Some(tracked), Some(stat)) => {
                    let mut row = tracked.clone();
                    row.seen = Some(Seen::of(&stat, read_at, &working.volume));
                    row.presence = Presence::Here;
                    row.unsynced = false;
                    refreshed.push((path.clone(), Some(row)));
                    let same_mode = !working.volume.exec_bits
                        || is_conflict(tracked)
                        || stat.kind == FileKind::Symlink
                        || stat.mode == tracked.mode;
                    if same_mode {
                        return Ok(());
                    }
                    Status::Modified
                }
                _ => Status::Modified,
            }
        }
    };
    unstaged.push(Unstaged { path, status, old: change.tracked, stat: change.stat });
    Ok(())
}

/// The stat of a file whose content turns out to be what the index says; `None` if it differs, or
/// went meanwhile.
fn same_content(
    working: &Working<'_>,
    path: &RepoPath,
    change: &scan::Change,
) -> io::Result<Option<Stat>> {
    let Some((parent, name)) = path.split() else { return Ok(None) };
    let root = working.tree.root.clone();
    match Walker::new(root).open(&parent).and_then(|dir| same_in(working, &*dir, name, change)) {
        Err(error) if disk::is_nothing(&error) => Ok(None),
        same => same,
    }
}

/// The same of a file in a directory. What the store does not have is not the same.
fn same_in(
    working: &Working<'_>,
    dir: &dyn Dir,
    name: &[u8],
    change: &scan::Change,
) -> io::Result<Option<Stat>> {
    let (Some(stat), Some(tracked)) = (change.stat, &change.tracked) else { return Ok(None) };
    Ok(match &tracked.what {
        Known::File { size, content } if *size == stat.size => {
            let Some((stat, id)) = hash_file(dir, name)? else { return Ok(None) };
            let expected = match crate::store::content_kind(*size) {
                Kind::Chunk => *content,
                _ => {
                    let manifest: Result<crate::object::Manifest, _> =
                        crate::object::Source::object(working.repo.store(), content);
                    let Ok(manifest) = manifest else { return Ok(None) };
                    manifest.content
                }
            };
            (stat.size == *size && id == expected).then_some(stat)
        }
        Known::Other(What::Conflict { .. }) => {
            let Some(conflict) = tracked.to_entry() else { return Ok(None) };
            let store = working.repo.store();
            let shown = kept::is_shown(store, dir, name, &stat, &conflict);
            shown.unwrap_or(false).then_some(stat)
        }
        Known::Symlink { target, .. } => {
            let pointed = dir.link_target(name)?;
            (Kind::Chunk.id_of(&pointed) == *target).then_some(stat)
        }
        _ => None,
    })
}

/// A directory that is gone is told by what was in it, unless that was nothing.
fn leave_out_directories(unstaged: &mut Vec<Unstaged>) {
    let is_told: Vec<bool> =
        unstaged.windows(2).map(|two| two[1].path.is_within(&two[0].path)).collect();
    let mut is_told = is_told.into_iter();
    unstaged.retain(|change| {
        let was_directory = change.old.as_ref().is_some_and(|known| known.what == Known::Directory);
        let is_told = is_told.next().unwrap_or(false);
        !(was_directory && is_told && change.status == Status::Deleted)
    });
}

/// Keeps stats that were looked at again, if the index opens at once; it is only a cache.
fn write_back(
    working: &mut Working<'_>,
    rows: Vec<(RepoPath, Option<Tracked>)>,
    listed: Vec<(RepoPath, Listed)>,
) {
    if !rows.is_empty() || !listed.is_empty() {
        let mut update = Update { listed, ..Update::new(working.base, rows) };
        update.changes.sort_by(|a, b| a.0.cmp(&b.0));
        let _ = working.index.update(update);
    }
}

/// The entry a file of the working tree would get, as far as it is known without reading it.
pub fn entry_of(unstaged: &Unstaged) -> Option<Entry> {
    let tracked = unstaged.old.as_ref()?.to_entry()?;
    let stat = unstaged.stat?;
    let what = match &tracked.what {
        What::File { content, .. } => What::File { size: stat.size, content: *content },
        other => other.clone(),
    };
    Some(Entry { mode: stat.mode, what, ..tracked })
}
