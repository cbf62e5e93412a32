//! A large directory that has the names it had when it was listed: what is tracked in it is asked
//! about, and nothing is listed.
//!
//! That answers for the whole directory if as many names are found under the index's rows as there
//! were in all. Otherwise it answers nothing, and the directory is listed.

use std::io;

use crate::disk::{Answer, Dir, Stat};
use crate::index::{DirectoryView, Listed, Row, Seen};
use crate::path::{self, RepoPath};

use super::walk::Walk;

/// Smaller directories are listed faster than they are thought about.
const LARGE: usize = 4096;

/// What stands under the rows of a directory, apart from what is as it was.
pub(super) type Asked<'r> = Vec<(Row<'r>, Option<Stat>)>;

impl Walk<'_> {
    /// Asks about the rows of a directory that has the names it had. `None` if it must be listed.
    pub(super) fn as_listed<'r>(
        &self,
        path: &RepoPath,
        dir: &dyn Dir,
        view: Option<&DirectoryView<'r>>,
    ) -> Option<(Asked<'r>, usize)> {
        let (view, listed) = (view?, self.request.index.listed(path)?);
        // Where much is tracked that is not here, listing is less work.
        let (names, rows) = (listed.names, view.at_most() as u64);
        if rows < names || rows - names > names / 4 {
            return None;
        }
        // Asked before the names are: what comes or goes meanwhile shows the next time.
        if !listed.holds(&dir.stat_self().ok()?, self.request.volume) {
            return None;
        }
        let mut rows: Vec<Row<'r>> = view.iter().collect();
        // The inode table is read in order, as when the names come from a list. Often it is the
        // order of the names.
        rows.sort_unstable_by_key(Row::inode);
        let (asked, found) = self.ask(dir, &rows).ok()?;
        (found == names).then_some((asked, rows.len()))
    }

    /// Asks about rows on all threads. Returns what is not as it was, and how many there are.
    fn ask<'r>(&self, dir: &dyn Dir, rows: &[Row<'r>]) -> io::Result<(Asked<'r>, u64)> {
        let ask = |rows: &[Row<'r>]| {
            let (mut asked, mut found) = (Vec::new(), 0);
            for row in rows {
                match dir.stat(row.name()) {
                    Ok(stat) => {
                        found += 1;
                        if !self.comparer.is_quickly_same(row, &stat) {
                            asked.push((*row, Some(stat)));
                        }
                    }
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        asked.push((*row, None));
                    }
                    Err(error) => return Err(error),
                }
            }
            Ok((asked, found))
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let mut parts = rows.chunks(rows.len().div_ceil(threads).max(1));
        let ours = parts.next().unwrap_or_default();
        std::thread::scope(|scope| {
            let others: Vec<_> = parts.map(|part| scope.spawn(move || ask(part))).collect();
            let (mut asked, mut found) = ask(ours)?;
            for other in others {
                let (more, more_found) =
                    other.join().map_err(|_| io::Error::other("a thread died"))??;
                asked.extend(more);
                found += more_found;
            }
            Ok((asked, found))
        })
    }

    /// What the file system says of a directory that is about to be listed, if it is large.
    pub(super) fn before_listing(
        &self,
        dir: &dyn Dir,
        view: Option<&DirectoryView<'_>>,
    ) -> Option<Seen> {
        if view?.at_most() < LARGE {
            return None;
        }
        let now = self.request.root.now();
        dir.stat_self().ok().map(|stat| Seen::of(&stat, now, self.request.volume))
    }

    /// How a large directory was listed, if that is worth being kept.
    pub(super) fn listing(
        &self,
        path: &RepoPath,
        seen: Seen,
        names: &[Answer],
        view: &DirectoryView<'_>,
    ) -> Option<Listed> {
        let is_state = |(name, _): &Answer| path.is_root() && name == path::STATE;
        let names = names.len() - usize::from(names.iter().any(is_state));
        let listed = Listed { names: names as u64, seen };
        let is_worth_it = (LARGE..=view.at_most()).contains(&names)
            && listed.is_sure(self.request.volume)
            && self.request.index.listed(path) != Some(listed);
        is_worth_it.then_some(listed)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::disk::{Counts, Dir, Disk, FaultyDisk};
    use crate::index::{Presence, Update, Updated};
    use crate::worktree::scan::testing::{LATER, Scan, World};

    /// A world with a large directory, listed once long after it was made.
    fn world() -> World {
        let names: Vec<String> = (0..LARGE).map(|number| format!("d/{number:05}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).chain(["d/sub/x", "z"]).collect();
        let world = World::new(&names);
        world.disk.set_time(LATER);
        keep(&world, &world.scan());
        world
    }

    fn keep(world: &World, scan: &Scan) {
        let mut index = world.index();
        let update =
            Update { listed: scan.listed.clone(), ..Update::new(index.base(), Vec::new()) };
        assert_eq!(index.update(update).unwrap(), Updated::Done);
    }

    fn scan(world: &World) -> (Scan, Counts) {
        let disk = FaultyDisk::new(Arc::new(world.disk.clone()));
        let root = disk.open(Path::new("/r")).unwrap();
        let index = world.index();
        disk.reset_counts();
        let scan = world.try_scan(&root, &index, 2, |_| {}).unwrap();
        (scan, disk.counts())
    }

    #[test]
    fn a_large_directory_without_new_names_is_not_listed_again() {
        let world = world();
        let (found, counts) = scan(&world);
        assert!(found.short().is_empty() && found.listed.is_empty());
        // The root and what is in the large directory are small. Its own stat, and those in it.
        assert_eq!((counts.scans, counts.stats), (2, 1 + LARGE as u64 + 1));
        assert_eq!(found.summary.files, 2 + 1 + LARGE as u64 + 1 + 1);
        world.write("d/00007", "longer than before");
        world.write("d/sub/new", "");
        let (found, counts) = scan(&world);
        assert_eq!(found.short(), ["M d/00007", "A d/sub/new"]);
        assert_eq!(counts.scans, 2);
    }

    #[test]
    fn whatever_comes_and_goes_is_found() {
        let dir = |world: &World| world.root().dir(b"d").unwrap();
        let change = |change: &dyn Fn(&World, &dyn Dir), expected: &[&str]| {
            let world = world();
            change(&world, &*dir(&world));
            assert_eq!(scan(&world).0.short(), expected);
        };
        change(&|world, _| world.write("d/new", ""), &["A d/new"]);
        change(&|_, dir| dir.remove_file(b"00001").unwrap(), &["D d/00001"]);
        change(&|_, dir| dir.rename(b"00001", dir, b"new").unwrap(), &["D d/00001", "A d/new"]);
        // The time that anybody can set tells nothing.
        let hidden = |world: &World, dir: &dyn Dir| {
            let mtime = world.root().stat(b"d").unwrap().mtime;
            dir.rename(b"00001", dir, b"new").unwrap();
            world.root().set_mtime(b"d", mtime).unwrap();
        };
        change(&hidden, &["D d/00001", "A d/new"]);
        let rules = |world: &World, _: &dyn Dir| world.write("d/.annalsignore", "sub");
        change(&rules, &["A d/.annalsignore"]);
        change(&|world, _| world.root().set_mode(b"d", 0o700).unwrap(), &[]);
    }

    #[test]
    fn what_the_index_no_longer_tracks_is_found_as_untracked() {
        let world = world();
        let untrack = |path: &str, row| {
            let mut index = world.index();
            let update = Update::new(index.base(), vec![(RepoPath::new(path).unwrap(), row)]);
            assert_eq!(index.update(update).unwrap(), Updated::Done);
        };
        untrack("d/00002", None);
        assert_eq!(scan(&world).0.short(), ["A d/00002"]);
        // As many rows as there were names, and not all of them here.
        let elsewhere = world.index().get(&RepoPath::new("d/00003").unwrap()).unwrap().unwrap();
        let elsewhere = crate::index::Tracked {
            name: b"elsewhere".to_vec(),
            presence: Presence::NotBrought,
            ..elsewhere
        };
        untrack("d/elsewhere", Some(elsewhere));
        assert_eq!(scan(&world).0.short(), ["A d/00002"]);
    }

    #[test]
    fn a_directory_that_may_have_changed_right_after_is_not_believed() {
        let world = World::new(&["z"]);
        for number in 0..LARGE {
            world.write(&format!("d/{number:05}"), "");
        }
        world.record(|_| {});
        let fresh = world.scan();
        assert!(fresh.listed.is_empty(), "{:?}", fresh.listed);
        world.disk.set_time(LATER);
        assert_eq!(world.scan().listed.len(), 1);
        let mut world = world;
        world.volume.directory_times = false;
        assert!(world.scan().listed.is_empty());
    }
}
