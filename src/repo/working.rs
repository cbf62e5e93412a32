//! The working tree made ready for a command: its index brought up to date with what HEAD or the
//! staged tree says.
//!
//! The index names the tree it describes. If that is not the tree it should describe (a crash
//! after publishing, another process that was faster, a lost index), the two trees are compared and
//! what the right one says is adopted, with nothing believed of the files until they are read.
//! What is tracked, not in the index and not on disk counts as not brought here, never as deleted.

use std::collections::HashSet;
use std::io;
use std::path::Path;

use crate::clock::Time;
use crate::diff;
use crate::disk::{self, Disk, MemoryDisk};
use crate::hash::{Id, Kind};
use crate::index::{self, Base, Index, Presence, Tracked, Update, Updated, Volume};
use crate::merge::Style;
use crate::object::tree::Cursor;
use crate::object::{Entry, Node, What};
use crate::path::{Pathspec, RepoPath};
use crate::progress::{Monitor, Stage};
use crate::worktree::ignore::{Case, GitRules, Ignore};
use crate::worktree::{self, FileClock, Spellings, Walker, scan};

use super::{Error, Repository, Staged, Worktree};

/// A working tree, ready to be scanned or changed.
pub struct Working<'r> {
    /// The repository.
    pub repo: &'r Repository,
    /// The working tree.
    pub tree: &'r Worktree,
    /// Its index, describing `base`.
    pub index: Index,
    /// What its file system can express.
    pub volume: Volume,
    /// Ignore rules that hold everywhere.
    pub ignore: Ignore,
    /// The commit HEAD is on, and the tree the index describes: what is staged, or HEAD's.
    pub base: Base,
    /// What is staged, if something is.
    pub staged: Option<Staged>,
    /// Where HEAD was found.
    pub head: super::Head,
    /// The tree of HEAD.
    pub head_tree: Option<Id>,
    /// What conflicts that were recorded show.
    pub style: Style,
}

impl Repository {
    /// Makes the working tree ready.
    pub fn working(
        &self,
        options: &Rules<'_>,
        monitor: &dyn Monitor,
    ) -> Result<Working<'_>, Error> {
        let tree = self.worktree()?;
        let head = self.head();
        let head_tree = match head.commit() {
            Some(id) => {
                let commit: crate::object::Commit =
                    crate::object::Source::object(self.store(), &id)?;
                Some(commit.tree)
            }
            None => None,
        };
        let staged = self.staged();
        let base =
            Base { commit: head.commit(), tree: staged.map(|staged| staged.tree).or(head_tree) };
        let index = self.open_index()?;
        let volume = worktree::volume(self.store().dir(), &*self.env().random);
        let exclude = self.store().read_file("info/exclude", 16 << 20)?.unwrap_or_default();
        let git = if options.obeys_gitignore { GitRules::Obey } else { GitRules::Ignore };
        let case = if volume.case_sensitive { Case::Sensitive } else { Case::Insensitive };
        let mut ignore = Ignore::new(git, case);
        for text in options.user_ignore.into_iter().chain([&exclude[..]]) {
            ignore = ignore.with_rules(&RepoPath::root(), text, |wrong| {
                monitor.notice(&format!("a rule of what to ignore is malformed: {wrong}"));
            });
        }
        let style = options.style;
        let mut working = Working {
            repo: self,
            tree,
            index,
            volume,
            ignore,
            base,
            staged,
            head,
            head_tree,
            style,
        };
        match working.catch_up(monitor) {
            Err(Error::Index(index::Error::Damaged)) => working.make_index_anew(monitor)?,
            done => done?,
        }
        Ok(working)
    }
}

impl Repository {
    /// The index as it was last written. One that had to be made anew where nothing can be written
    /// is in memory, as long as this repository is open.
    pub fn open_index(&self) -> Result<Index, Error> {
        let dir = self.index_aside.get().unwrap_or_else(|| self.store().dir());
        Ok(Index::open(dir.clone(), self.env().random.clone())?)
    }
}

/// Which rules of the user's hold.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules<'a> {
    /// The text of the user's own file of ignore rules.
    pub user_ignore: Option<&'a [u8]>,
    /// Whether `.gitignore` is obeyed.
    pub obeys_gitignore: bool,
    /// What becomes of repositories within.
    pub nested: Option<scan::Nested>,
    /// What conflicts that were recorded show in texts.
    pub style: Style,
}

impl Working<'_> {
    /// Whether nothing was ever recorded here and nothing is known: a first recording.
    pub fn is_fresh(&self) -> bool {
        self.index.is_lost() && self.base.tree.is_none()
    }

    /// The time by the file system's clock.
    pub fn now(&self) -> Time {
        self.tree.root.now()
    }

    /// The file system's clock, compared with that of this machine if something is recorded, not
    /// only rehearsed.
    pub fn file_clock(&self, is_rehearsal: bool) -> FileClock {
        let root = self.tree.root.clone();
        if is_rehearsal {
            return FileClock::believed(root);
        }
        let state_dir = self.repo.store().dir();
        FileClock::compared(root, state_dir, &self.volume, &*self.repo.env().random)
    }

    fn catch_up(&mut self, monitor: &dyn Monitor) -> Result<(), Error> {
        if self.index.is_lost() {
            return match self.base.tree {
                None => Ok(()),
                Some(tree) => self.rebuild(tree, monitor),
            };
        }
        if self.index.base().tree == self.base.tree {
            return Ok(());
        }
        let store = self.repo.store();
        let is_known = |tree: Id| tree == Node::empty_id() || store.contains(Kind::Tree, &tree);
        if !self.index.base().tree.is_none_or(is_known) {
            // Copied when the journal was, but later: it describes what never came along.
            return self.rebuild(self.base.tree.unwrap_or_else(Node::empty_id), monitor);
        }
        let mut places = Places::new(self);
        let mut changes: Vec<(RepoPath, Option<Tracked>)> = Vec::new();
        let (from, to) = (self.index.base().tree, self.base.tree);
        diff::entries::<_, Error>(
            store,
            from.as_ref(),
            to.as_ref(),
            &Pathspec::all(),
            &mut |change| {
                let row = change.new.as_ref().map(|entry| {
                    let mut row = Tracked::of_entry(entry);
                    // What the index knows to have been here and is gone was deleted; of what it
                    // does not know nothing is concluded.
                    row.presence = match self.index.get(&change.path)? {
                        Some(known) if change.old.is_some() => known.presence,
                        _ => places.presence(&change.path, entry, &mut |other| {
                            let Some(to) = &to else { return Ok(false) };
                            Ok(find_entry(store, to, other)?.is_some())
                        })?,
                    };
                    Ok::<_, Error>(row)
                });
                changes.push((change.path, row.transpose()?));
                Ok(())
            },
        )?;
        let update = || Update::new(self.base, changes.clone());
        match self.index.update(update())? {
            Updated::Done => {}
            Updated::Skipped => {
                let update = Update::new(self.base, changes);
                self.index.update_in_memory(update)?;
            }
        }
        Ok(())
    }

    /// Makes an index anew that was found to be damaged, and says so. What is tracked and not there
    /// counts as not brought here from then on.
    pub fn make_index_anew(&mut self, monitor: &dyn Monitor) -> Result<(), Error> {
        monitor.notice("the index was damaged, and is made anew");
        self.rebuild(self.base.tree.unwrap_or_else(Node::empty_id), monitor)
    }

    /// Makes a lost index anew from the tree it should describe: in memory where nothing can be
    /// written, so that what only reads works there.
    fn rebuild(&mut self, top: Id, monitor: &dyn Monitor) -> Result<(), Error> {
        match self.rebuild_in_place(top, monitor) {
            Err(Error::Index(index::Error::Io(error)))
                if self.repo.index_aside.get().is_none() && is_refused(&error) =>
            {
                let aside = MemoryDisk::new().create(Path::new("/")).map_err(index::Error::Io)?;
                // For all that this process will ask: an index that is found to be damaged on the
                // way would be found so again and again.
                self.repo.index_aside.get_or_init(|| aside);
                self.index = self.repo.open_index()?;
                self.rebuild_in_place(top, monitor)
            }
            done => done,
        }
    }

    fn rebuild_in_place(&mut self, top: Id, monitor: &dyn Monitor) -> Result<(), Error> {
        monitor.begin(Stage::Indexing, None, None);
        let mut writer = self.index.writer()?;
        let store = self.repo.store();
        let mut walker = Walker::new(self.tree.root.clone());
        let mut places = Places::new(self);
        let mut stack = vec![(RepoPath::root(), top)];
        while let Some((path, tree)) = stack.pop() {
            let dir = walker.open(&path).ok();
            let mut rows: Vec<Tracked> = Vec::new();
            let mut below = Vec::new();
            let mut unclear = Vec::new();
            if tree != Node::empty_id() {
                let mut cursor = Cursor::new(store, &tree)?;
                while let Some(entry) = cursor.next_entry()? {
                    if let Some(tree) = entry.tree() {
                        below.push((path.join(&entry.name), tree));
                    }
                    let mut row = Tracked::of_entry(&entry);
                    let is_there = dir.as_ref().is_some_and(|dir| dir.stat(&entry.name).is_ok());
                    if places.is_good() {
                        row.presence = if is_there { Presence::Here } else { Presence::NotBrought };
                    } else {
                        unclear.push(entry);
                    }
                    rows.push(row);
                }
            }
            for (at, entry) in unclear.iter().enumerate() {
                let is_ours = &mut |other: &RepoPath| match other.split() {
                    Some((parent, name)) if parent == path => {
                        Ok(rows.binary_search_by(|row| row.name[..].cmp(name)).is_ok())
                    }
                    // Whether its directory has a place was asked before.
                    _ => Ok(find_entry(store, &top, other)?.is_some()),
                };
                let presence = places.presence(&path.join(&entry.name), entry, is_ours)?;
                rows[at].presence = presence;
            }
            monitor.advance(rows.len() as u64, 0);
            writer.push(&path, &rows)?;
            stack.extend(below.into_iter().rev());
        }
        let finished = writer.finish(self.base, None)?;
        self.index = self.repo.open_index()?;
        match finished {
            Updated::Done => Ok(()),
            // Somebody else made it anew at the same time.
            Updated::Skipped if self.index.base().tree == self.base.tree => Ok(()),
            Updated::Skipped => Err(Error::IndexBusy),
        }
    }

    /// The entry of a path in the tree the index describes, directories included.
    pub fn entry(&self, path: &RepoPath) -> Result<Option<Entry>, Error> {
        let Some(tree) = self.base.tree else { return Ok(None) };
        find_entry(self.repo.store(), &tree, path)
    }
}

/// The entry of a path in a tree.
pub fn find_entry(
    store: &crate::store::Store,
    tree: &Id,
    path: &RepoPath,
) -> Result<Option<Entry>, Error> {
    let mut tree = *tree;
    let mut found = None;
    for part in path.parts() {
        if tree == Node::empty_id() {
            return Ok(None);
        }
        let Some(entry) = crate::object::tree::find(store, &tree, part)? else { return Ok(None) };
        match entry.tree() {
            Some(below) => tree = below,
            // What is below something that is no directory is nothing.
            None => tree = Node::empty_id(),
        }
        found = Some(entry);
    }
    Ok(found)
}

/// Whether nothing can be written in a place, whatever it is.
fn is_refused(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied)
}

/// Tells what of a tree is in the working tree, by looking.
struct Places<'a> {
    volume: &'a Volume,
    walker: Walker,
    spellings: Spellings,
    /// Files that stand there under a spelling nobody has, each for the first who asked.
    claimed: HashSet<RepoPath>,
}

impl<'a> Places<'a> {
    fn new(working: &'a Working<'_>) -> Self {
        let root = &working.tree.root;
        Self {
            volume: &working.volume,
            walker: Walker::new(root.clone()),
            spellings: Spellings::new(root.clone(), &working.volume),
            claimed: HashSet::new(),
        }
    }

    /// Whether the file system can hold everything, so that what is there is what was meant.
    fn is_good(&self) -> bool {
        let Volume { symlinks, utf8_only, trims_names, ref forbidden, .. } = *self.volume;
        let takes_all = !utf8_only && !trims_names && forbidden.is_empty();
        self.volume.tells_names_apart() && symlinks && takes_all
    }

    /// Whether an entry is there; `is_ours` knows the tree it is in.
    fn presence(
        &mut self,
        path: &RepoPath,
        entry: &Entry,
        is_ours: &mut dyn FnMut(&RepoPath) -> Result<bool, Error>,
    ) -> Result<Presence, Error> {
        let Some((parent, name)) = path.split() else { return Ok(Presence::Here) };
        let is_link = matches!(entry.what, What::Symlink { .. });
        if path.parts().any(|part| !self.volume.can_hold(part))
            || (is_link && !self.volume.symlinks)
        {
            return Ok(Presence::NotRepresentable);
        }
        if !self.volume.tells_names_apart() {
            let mut failed = None;
            let taken = self.spellings.taken_by(path, &mut |other| {
                is_ours(other).map_err(|error| {
                    failed = Some(error);
                    io::Error::from(io::ErrorKind::Other)
                })
            });
            if let Some(error) = failed {
                return Err(error);
            }
            match taken {
                Ok(Some(_)) => return Ok(Presence::NotRepresentable),
                Ok(None) => {}
                // What cannot be looked at is named by the scan.
                Err(_) => return Ok(Presence::Here),
            }
            if let Ok(Some(spelled)) = self.spellings.on_disk(&parent, name)
                && spelled != name
                && !self.claimed.insert(parent.join(&spelled))
            {
                return Ok(Presence::NotRepresentable);
            }
        }
        Ok(match self.walker.open(&parent).and_then(|dir| dir.stat(name)) {
            Err(error) if disk::is_nothing(&error) => Presence::NotBrought,
            _ => Presence::Here,
        })
    }
}

impl From<index::Error> for Error {
    fn from(error: index::Error) -> Self {
        Self::Index(error)
    }
}
