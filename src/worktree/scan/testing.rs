//! A working tree to scan.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::walk::scan_with;
use super::{Change, ChangeKind, DirectoryFound, Error, Nested, Request, Subdirectory, Summary};
use super::{Untracked, Visitor};
use crate::clock::{SeededRandom, Time};
use crate::disk::{DirRef, Disk, FileKind, MemoryDisk};
use crate::hash;
use crate::index::{Base, Index, Known, Listed, Presence, Seen, Tracked, Updated, Volume};
use crate::path::{self, Pathspec, RepoPath};
use crate::progress::Silent;
use crate::worktree::ignore::Ignore;

/// A working tree in memory whose index was written by looking at it.
pub(super) struct World {
    pub(super) disk: MemoryDisk,
    pub(super) volume: Volume,
    ignore: Ignore,
    pathspec: Pathspec,
}

pub(super) const LATER: Time = Time { seconds: 2_000_000_000, nanoseconds: 0 };

impl World {
    pub(super) fn new(files: &[&str]) -> Self {
        Self::on(MemoryDisk::new(), files)
    }

    pub(super) fn on(disk: MemoryDisk, files: &[&str]) -> Self {
        disk.set_time(Time::from_seconds(1_000_000_000));
        let (ignore, pathspec) = (Ignore::default(), Pathspec::all());
        let world = Self { disk, volume: Volume::default(), ignore, pathspec };
        for file in files {
            world.write(file, file);
        }
        world.record(|_| {});
        world
    }

    pub(super) fn write(&self, path: &str, content: &str) {
        self.disk.write(&format!("/r/{path}"), content);
    }

    pub(super) fn make_dir(&self, path: &str) {
        self.disk.create(Path::new(&format!("/r/{path}"))).unwrap();
    }

    pub(super) fn root(&self) -> DirRef {
        self.disk.create(Path::new("/r")).unwrap()
    }

    /// Removes files, then directories, in the order given.
    pub(super) fn remove(&self, paths: &[&str]) {
        let root = self.root();
        for path in paths {
            match root.stat(path.as_bytes()).unwrap().kind {
                FileKind::Directory => root.remove_dir(path.as_bytes()).unwrap(),
                _ => root.remove_file(path.as_bytes()).unwrap(),
            }
        }
    }

    pub(super) fn index(&self) -> Index {
        let state = self.disk.create(Path::new("/r/.annals")).unwrap();
        Index::open(state, Arc::new(SeededRandom::new(self.disk.used()))).unwrap()
    }

    /// Writes an index of what is there, as if it had been read long after it was written.
    pub(super) fn record(&self, change: impl Fn(&mut Tracked)) {
        self.disk.create(Path::new("/r/.annals")).unwrap();
        let mut writer = self.index().writer().unwrap();
        let mut directories: BTreeMap<RepoPath, Vec<Tracked>> = BTreeMap::new();
        let mut todo = vec![(RepoPath::root(), self.root())];
        while let Some((path, dir)) = todo.pop() {
            let mut rows = Vec::new();
            for (name, stat) in dir.scan().unwrap() {
                let stat = stat.unwrap();
                if name == path::STATE {
                    continue;
                }
                if stat.kind == FileKind::Directory {
                    todo.push((path.join(&name), dir.dir(&name).unwrap()));
                }
                let content = hash::hash(&name);
                let mut tracked = Tracked {
                    mode: if stat.kind == FileKind::Symlink { 0 } else { stat.mode },
                    mtime: Some(stat.mtime),
                    attributes: None,
                    what: match stat.kind {
                        FileKind::Directory => Known::Directory,
                        FileKind::Symlink => Known::Symlink { size: stat.size, target: content },
                        _ => Known::File { size: stat.size, content },
                    },
                    seen: Some(Seen::of(&stat, LATER, &self.volume)),
                    presence: Presence::Here,
                    unsynced: false,
                    name,
                };
                change(&mut tracked);
                rows.push(tracked);
            }
            rows.sort_by(|a, b| a.name.cmp(&b.name));
            directories.insert(path, rows);
        }
        for (directory, rows) in &directories {
            writer.push(directory, rows).unwrap();
        }
        let base = Base { commit: Some(hash::hash(b"commit")), tree: None };
        assert_eq!(writer.finish(base, None).unwrap(), Updated::Done);
    }

    pub(super) fn scan(&self) -> Scan {
        self.scan_with(|_| {})
    }

    pub(super) fn scan_with(&self, change: impl FnOnce(&mut Request<'_>)) -> Scan {
        self.try_scan(&self.root(), &self.index(), 2, change).unwrap()
    }

    pub(super) fn try_scan(
        &self,
        root: &DirRef,
        index: &Index,
        threads: usize,
        change: impl FnOnce(&mut Request<'_>),
    ) -> Result<Scan, Error> {
        let mut request = Request {
            root,
            index,
            volume: &self.volume,
            ignore: &self.ignore,
            pathspec: &self.pathspec,
            untracked: Untracked::All,
            spare: false,
            tell_ignored: false,
            nested: Nested::Skip,
            boot: None,
        };
        change(&mut request);
        let collect = Collect::default();
        let summary = scan_with(&request, &collect, &Silent, threads)?;
        let mut scan = collect.0.into_inner().unwrap();
        scan.summary = summary;
        scan.changes.sort_by(|a, b| a.0.cmp(&b.0));
        scan.directories.sort_by(|a, b| a.0.cmp(&b.0));
        scan.refreshed.sort_by(|a, b| a.0.cmp(&b.0));
        scan.ignored.sort();
        for (path, sub) in &scan.directories {
            let is_told = scan.told.contains(path)
                || scan.summary.unreadable.iter().any(|(unreadable, _)| unreadable == path);
            assert_eq!(sub.descend, is_told, "{path}");
        }
        Ok(scan)
    }

    pub(super) fn only(mut self, specs: &[&str]) -> Self {
        let specs = specs.iter().map(|spec| spec.as_bytes());
        self.pathspec = Pathspec::parse(&RepoPath::root(), specs).unwrap();
        self
    }
}

/// Everything that a visitor was told, with full paths and sorted.
#[derive(Debug, Default)]
pub(super) struct Scan {
    pub(super) changes: Vec<(RepoPath, Change)>,
    pub(super) directories: Vec<(RepoPath, Subdirectory)>,
    pub(super) refreshed: Vec<(RepoPath, Tracked)>,
    pub(super) ignored: Vec<String>,
    pub(super) listed: Vec<(RepoPath, Listed)>,
    /// Directories in the order in which they were told of.
    pub(super) told: Vec<RepoPath>,
    pub(super) summary: Summary,
}

#[derive(Default)]
struct Collect(Mutex<Scan>);

impl Visitor for Collect {
    fn directory(&self, found: DirectoryFound<'_>) {
        assert!(found.changes.is_sorted_by(|a, b| a.name < b.name));
        assert!(found.directories.is_sorted_by(|a, b| a.name < b.name));
        assert!(found.dir.is_some() || found.changes.iter().all(|change| change.stat.is_none()));
        let mut all = self.0.lock().unwrap();
        assert!(!all.told.contains(found.path), "{} twice", found.path);
        let below = |path: &RepoPath| path.is_within(found.path);
        assert!(!all.told.iter().any(below), "{} after what is in it", found.path);
        all.told.push(found.path.clone());
        let path = |name: &[u8]| found.path.join(name);
        all.changes.extend(found.changes.into_iter().map(|change| (path(&change.name), change)));
        all.directories.extend(found.directories.into_iter().map(|sub| (path(&sub.name), sub)));
        all.refreshed.extend(found.refreshed.into_iter().map(|(name, row)| (path(&name), row)));
        all.listed.extend(found.listed.map(|listed| (found.path.clone(), listed)));
        all.ignored.extend(found.ignored.iter().map(|name| {
            let shown = format!("{}/{}", found.path, String::from_utf8_lossy(name));
            shown.trim_start_matches('/').to_owned()
        }));
    }
}

impl Scan {
    /// Changes and new directories in short: a letter and the path.
    pub(super) fn short(&self) -> Vec<String> {
        let letter = |kind| match kind {
            ChangeKind::Added => 'A',
            ChangeKind::Modified => 'M',
            ChangeKind::Deleted => 'D',
            ChangeKind::TypeChanged => 'T',
            ChangeKind::InTheWay => '!',
            ChangeKind::ModeOnly => 'm',
            ChangeKind::Unsure => '?',
            ChangeKind::Undecided => 'U',
        };
        let files = self.changes.iter().map(|(path, change)| (path, letter(change.kind)));
        let is_new = |(_, sub): &&(RepoPath, Subdirectory)| sub.tracked.is_none() && sub.is_meant;
        let directories = self.directories.iter().filter(is_new).map(|(path, _)| (path, 'A'));
        let mut all: Vec<_> = files.chain(directories).collect();
        all.sort_by_key(|(path, letter)| (*path, *letter == 'A'));
        all.into_iter().map(|(path, letter)| format!("{letter} {path}")).collect()
    }
}

pub(super) fn names(paths: &[RepoPath]) -> Vec<String> {
    paths.iter().map(ToString::to_string).collect()
}

pub(super) const FILES: &[&str] = &["a", "d/b", "d/e/c", "z"];
