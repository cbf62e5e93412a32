//! The walk: one directory at a time, in parallel.

use std::io;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};

use crate::disk::{Answer, DirRef, is_nothing, read_all};
use crate::index::{DirectoryView, Seen};
use crate::path::{self, RepoPath};
use crate::progress::Monitor;
use crate::worktree::ignore::Ignore;

use super::as_listed::Asked;
use super::compare::Comparer;
use super::found::{DirectoryFound, Summary, Visitor};
use super::queue::{Ahead, Kept, Place, Queue, Task};
use super::request::{Error, Nested, Request};
use super::sparing::{self, Spared};

/// A longer rule file is not read.
const LONGEST_RULE_FILE: u64 = 1 << 20;

/// Looks at what was asked for. Whoever asks says what stage of the work that is.
pub fn scan(
    request: &Request<'_>,
    visitor: &dyn Visitor,
    monitor: &dyn Monitor,
) -> Result<Summary, Error> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    scan_with(request, visitor, monitor, threads)
}

pub(super) fn scan_with(
    request: &Request<'_>,
    visitor: &dyn Visitor,
    monitor: &dyn Monitor,
    threads: usize,
) -> Result<Summary, Error> {
    let unsynced_boot = request.index.unsynced_boot();
    let named = request.pathspec.plain_paths();
    let walk = Walk {
        request,
        visitor,
        monitor,
        comparer: Comparer {
            volume: request.volume,
            distrust_unsynced: unsynced_boot.is_some() && unsynced_boot != request.boot,
        },
        everything: request.pathspec.is_all() || named.is_some(),
        queue: Queue::default(),
        refreshed: AtomicUsize::new(0),
    };
    let mut summary = Summary::default();
    match named {
        Some(paths) if !paths.iter().any(|path| path.is_root()) => {
            walk.named(paths, &mut summary)?;
        }
        _ => walk.queue.add(vec![Task {
            path: RepoPath::root(),
            place: Place::Disk {
                parent: None,
                ignore: request.ignore.clone(),
                is_ignored: false,
                ahead: Ahead::default(),
            },
        }]),
    }
    let all = Mutex::new(Ok(summary));
    let work = || {
        let outcome = walk.work();
        let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
        match (&mut *all, outcome) {
            (Ok(all), Ok(summary)) => all.take(summary),
            (all @ Ok(_), Err(error)) => *all = Err(error),
            (Err(_), _) => {}
        }
    };
    let threads = if walk.queue.is_empty() { 1 } else { threads };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    let mut summary = all.into_inner().unwrap_or_else(PoisonError::into_inner)?;
    summary.sort();
    Ok(summary)
}

pub(super) struct Walk<'a> {
    pub(super) request: &'a Request<'a>,
    pub(super) visitor: &'a dyn Visitor,
    monitor: &'a dyn Monitor,
    pub(super) comparer: Comparer<'a>,
    /// Whether every path that is come to is meant.
    pub(super) everything: bool,
    pub(super) queue: Queue,
    /// How many refreshed rows were told of.
    pub(super) refreshed: AtomicUsize,
}

/// The directory being looked at.
pub(super) struct Here<'a> {
    pub(super) dir: &'a DirRef,
    pub(super) ignore: Ignore,
    pub(super) is_ignored: bool,
    pub(super) witness: Option<Arc<RepoPath>>,
    /// Only these names, sorted, are asked about, or what the file system takes for them.
    pub(super) wanted: Option<Vec<Vec<u8>>>,
    pub(super) kept: Option<Arc<Kept>>,
    /// How many names of directories in it are kept for later.
    pub(super) kept_names: usize,
    pub(super) tasks: Vec<Task>,
    pub(super) found: DirectoryFound<'a>,
}

/// What is known of the names in a directory.
enum Names<'r> {
    /// All of them; none is tracked, and not all files were asked about.
    Untracked(Vec<Spared>),
    /// All of them, with what the file system said of the directory before, if it is large.
    Listed(Vec<Answer>, Option<Seen>),
    /// What is not as it was; all else that is tracked is, there is nothing that is not tracked,
    /// and so many names were asked about.
    Asked((Asked<'r>, usize)),
}

/// What is known of a directory from elsewhere.
struct Around<'r> {
    view: Option<DirectoryView<'r>>,
    /// The rules above it, and whether it is ignored.
    rules: (Ignore, bool),
    witness: Option<Arc<RepoPath>>,
}

impl Walk<'_> {
    /// Looks at directories until there are none.
    fn work(&self) -> Result<Summary, Error> {
        let mut summary = Summary::default();
        while let Some((task, taken)) = self.queue.take() {
            if let Err(error) = self.task(task, &mut summary) {
                self.queue.stop();
                return Err(error);
            }
            drop(taken);
        }
        Ok(summary)
    }

    fn task(&self, task: Task, summary: &mut Summary) -> Result<(), Error> {
        match task.place {
            Place::Gone { staying } => self.gone(&task.path, &staying),
            Place::Disk { parent, ignore, is_ignored, ahead } => {
                let Ahead { witness, names } = ahead;
                let opened = match parent {
                    Some(parent) => parent.dir.dir(task.path.name()),
                    None => self.open_from_root(&task.path),
                };
                let view = self.request.index.directory(&task.path)?;
                let looked = opened.and_then(|dir| {
                    if let Some(asked) = self.as_listed(&task.path, &*dir, view.as_ref()) {
                        return Ok((Names::Asked(asked), dir));
                    }
                    if self.request.spare && view.is_none() {
                        let found = names.map_or_else(|| dir.list(), Ok)?;
                        return Ok((Names::Untracked(sparing::ask(&*dir, found)?), dir));
                    }
                    let before = self.before_listing(&*dir, view.as_ref());
                    Ok((Names::Listed(dir.scan()?, before), dir))
                });
                match looked {
                    Ok((names, dir)) => {
                        let rules = (ignore, is_ignored);
                        let around = Around { view, rules, witness };
                        self.directory(&task.path, &dir, names, around, summary)
                    }
                    Err(error) if is_nothing(&error) && !task.path.is_root() => {
                        // It was announced, so somebody waits for it. The next scan tells what
                        // became of it.
                        let partial = !self.everything;
                        self.visitor.directory(DirectoryFound::nothing(None, &task.path, partial));
                        Ok(())
                    }
                    Err(error) => {
                        self.visitor.unreadable(&task.path);
                        summary.unreadable.push((task.path, error));
                        Ok(())
                    }
                }
            }
        }
    }

    /// One name at a time: no symbolic link on the way is followed.
    pub(super) fn open_from_root(&self, path: &RepoPath) -> io::Result<DirRef> {
        path.parts().try_fold(self.request.root.clone(), |dir, name| dir.dir(name))
    }

    pub(super) fn is_meant(&self, path: &RepoPath) -> bool {
        self.everything || self.request.pathspec.matches(path)
    }

    pub(super) fn may_be_meant_below(&self, path: &RepoPath) -> bool {
        self.everything || self.request.pathspec.may_match_below(path)
    }

    pub(super) fn count(&self, names: usize, summary: &mut Summary) {
        summary.directories += 1;
        summary.files += names as u64;
        self.monitor.advance(names as u64, 0);
    }

    /// Looks at a whole directory.
    fn directory(
        &self,
        path: &RepoPath,
        dir: &DirRef,
        names: Names<'_>,
        around: Around<'_>,
        summary: &mut Summary,
    ) -> Result<(), Error> {
        let Around { view, rules: (ignore, is_ignored), witness } = around;
        let mut here = Here {
            dir,
            ignore,
            is_ignored,
            witness,
            wanted: None,
            kept: None,
            kept_names: 0,
            tasks: Vec::new(),
            found: DirectoryFound::nothing(Some(dir), path, !self.everything),
        };
        match (names, view) {
            (Names::Asked((asked, names)), _) => {
                self.count(names, summary);
                // If there is no such file, opening it says so.
                here.ignore = self.rules(path, dir, &here.ignore, |_| true, &mut summary.bad_rules);
                self.asked(asked, &mut here, summary)?;
            }
            (Names::Untracked(mut names), _) => {
                sort(&mut names);
                if !self.enter(&names, &mut here, summary) {
                    self.visitor.directory(here.found);
                    return Ok(());
                }
                for (name, stat) in names {
                    self.untracked(name, stat, &mut here, summary);
                }
            }
            (Names::Listed(mut names, before), view) => {
                sort(&mut names);
                if !self.enter(&names, &mut here, summary) {
                    self.visitor.directory(here.found);
                    return Ok(());
                }
                let Some(view) = view else {
                    for (name, stat) in names {
                        self.untracked(name, Some(stat), &mut here, summary);
                    }
                    self.tell(here);
                    return Ok(());
                };
                let listed = before.and_then(|seen| self.listing(path, seen, &names, &view));
                self.against(view.iter(), names, &mut here, summary)?;
                here.found.listed = listed;
            }
        }
        self.tell(here);
        Ok(())
    }

    /// Counts the names of a directory and reads its rules. `false` if it is a repository that is
    /// to be left alone.
    fn enter<T>(&self, names: &[(Vec<u8>, T)], here: &mut Here<'_>, summary: &mut Summary) -> bool {
        self.count(names.len(), summary);
        let has = |wanted: &[u8]| names.binary_search_by(|(name, _)| name[..].cmp(wanted)).is_ok();
        let path = here.found.path;
        // Linked working trees have a file there.
        if !path.is_root() && has(path::STATE) {
            summary.nested.push(path.clone());
            if self.request.nested == Nested::Skip {
                return false;
            }
        }
        here.ignore = self.rules(path, here.dir, &here.ignore, has, &mut summary.bad_rules);
        true
    }

    /// Tells of a directory, and then has those in it looked at.
    pub(super) fn tell(&self, mut here: Here<'_>) {
        here.found.sort();
        here.tasks.sort_by(|a, b| a.path.cmp(&b.path));
        self.visitor.directory(here.found);
        self.queue.add(here.tasks);
    }

    /// The rules in a directory: those above and those of the files in it that are there.
    pub(super) fn rules(
        &self,
        path: &RepoPath,
        dir: &DirRef,
        above: &Ignore,
        is_there: impl Fn(&[u8]) -> bool,
        bad_rules: &mut Vec<(RepoPath, String)>,
    ) -> Ignore {
        let mut ignore = above.clone();
        for &file in ignore.rule_files() {
            if !is_there(file) {
                continue;
            }
            match read_all(&**dir, file, LONGEST_RULE_FILE) {
                Ok(text) => {
                    ignore = ignore.with_rules(path, &text, |complaint| {
                        bad_rules.push((path.join(file), complaint));
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => bad_rules.push((path.join(file), error.to_string())),
            }
        }
        ignore
    }
}

/// Brings the names of a directory into order, each once: a file that is replaced by renaming while
/// the directory is listed may be listed twice.
fn sort<T>(names: &mut Vec<(Vec<u8>, T)>) {
    // Often they come almost in order, which this sort is quick with.
    names.sort_by(|a, b| a.0.cmp(&b.0));
    names.dedup_by(|later, earlier| later.0 == earlier.0);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::disk::{Disk, FaultyDisk, OsDisk};
    use crate::progress::Silent;
    use crate::worktree::scan::testing::{FILES, World};
    use crate::worktree::scan::{Request, Untracked};

    #[test]
    fn where_nothing_changed_nothing_is_found_and_no_file_is_opened() {
        let world = World::new(FILES);
        let index = world.index();
        let disk = FaultyDisk::new(Arc::new(world.disk.clone()));
        let root = disk.open(Path::new("/r")).unwrap();
        disk.reset_counts();
        let scan = world.try_scan(&root, &index, 2, |_| {}).unwrap();
        assert!(scan.short().is_empty() && scan.refreshed.is_empty());
        let counts = disk.counts();
        assert_eq!((counts.opens, counts.reads, counts.scans), (0, 0, 3));
        assert_eq!((counts.stats, counts.lists), (0, 0));
    }

    #[test]
    fn damage_found_on_the_way_is_told_and_then_nothing_is_deleted() {
        let world = World::new(FILES);
        world.remove(&["a"]);
        for found in world.disk.tree("/r/.annals/index").into_keys() {
            if found.starts_with(b"run-") {
                let name = format!("/r/.annals/index/{}", String::from_utf8(found).unwrap());
                let mut bytes = world.disk.read(&name).unwrap();
                // In the first page: noticed in the middle of the scan.
                bytes[20] ^= 1;
                world.disk.write(&name, bytes);
            }
        }
        let index = world.index();
        assert!(!index.is_lost());
        let damaged = world.try_scan(&world.root(), &index, 2, |_| {});
        assert!(matches!(damaged, Err(Error::IndexDamaged)));
        assert!(index.is_lost());
        let scan = world.try_scan(&world.root(), &index, 2, |_| {}).unwrap();
        assert_eq!(scan.short(), ["A d", "A d/b", "A d/e", "A d/e/c", "A z"]);
    }

    #[test]
    fn deep_and_wide_trees_are_walked_and_each_directory_is_told_of_once() {
        let deep = format!("{}x", "d/".repeat(1500));
        let world = World::new(&[&deep]);
        for number in 0..300 {
            world.write(&format!("w{number}/{}f", "s/".repeat(number % 7)), "");
        }
        for threads in [1, 4] {
            let scan = world.try_scan(&world.root(), &world.index(), threads, |_| {}).unwrap();
            assert!(scan.summary.unreadable.is_empty());
            assert_eq!(scan.changes.len(), 300);
        }
        // What is gone is found without recursion as well.
        world.remove(&[&deep]);
        let mut directory = "d/".repeat(1500);
        while directory.len() > 1 {
            directory.pop();
            world.remove(&[&directory]);
            directory.pop();
        }
        let scan = world.scan_with(|request| request.untracked = Untracked::No);
        assert_eq!(scan.changes.len(), 1501);
    }

    /// Remembers how many files were open at most.
    struct Open(std::sync::atomic::AtomicUsize);

    impl Visitor for Open {
        fn directory(&self, _: DirectoryFound<'_>) {
            let open = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
            self.0.fetch_max(open, std::sync::atomic::Ordering::Relaxed);
        }
    }

    #[test]
    fn a_thousand_deep_is_walked_with_few_directories_open() {
        let temporary = tempfile::tempdir().unwrap();
        let top = OsDisk::new().open(temporary.path()).unwrap();
        let mut dir = top.clone();
        for _ in 0..1000 {
            // Two in each, so that one waits.
            dir.make_dir(b"a", 0o755).unwrap();
            dir.make_dir(b"b", 0o755).unwrap();
            dir = dir.dir(b"a").unwrap();
        }
        let world = World::new(FILES);
        let (index, ignore, pathspec) =
            (world.index(), Ignore::default(), crate::path::Pathspec::all());
        let index_dir = world.disk.create(Path::new("/r/.annals/none")).unwrap();
        drop(index);
        let random = Arc::new(crate::clock::SeededRandom::new(1));
        let lost = crate::index::Index::open(index_dir, random).unwrap();
        let request = Request {
            root: &top,
            index: &lost,
            volume: &world.volume,
            ignore: &ignore,
            pathspec: &pathspec,
            untracked: Untracked::All,
            spare: false,
            tell_ignored: false,
            nested: Nested::Skip,
            boot: None,
        };
        let open = Open(AtomicUsize::new(0));
        let summary = scan_with(&request, &open, &Silent, 2).unwrap();
        assert_eq!(summary.directories, 2001);
        assert!(summary.unreadable.is_empty());
        // Other tests have files open, too.
        let most = open.0.into_inner();
        assert!(most < 500, "{most}");
    }

    struct Panicking;

    impl Visitor for Panicking {
        fn directory(&self, found: DirectoryFound<'_>) {
            assert!(found.path.as_bytes() != b"d/e", "on purpose");
        }
    }

    #[test]
    fn a_visitor_that_panics_leaves_nobody_waiting() {
        let world = World::new(FILES);
        let (root, index) = (world.root(), world.index());
        let (ignore, pathspec) = (Ignore::default(), crate::path::Pathspec::all());
        let request = Request {
            root: &root,
            index: &index,
            volume: &world.volume,
            ignore: &ignore,
            pathspec: &pathspec,
            untracked: Untracked::All,
            spare: false,
            tell_ignored: false,
            nested: Nested::Skip,
            boot: None,
        };
        for threads in [1, 4] {
            let scan = || scan_with(&request, &Panicking, &Silent, threads);
            assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(scan)).is_err());
        }
    }
}
