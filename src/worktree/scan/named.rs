//! Paths that were named: each is walked to directly, and nothing beside it is looked at.

use std::collections::BTreeMap;
use std::io;

use crate::disk::{Answer, DirRef, FileKind, is_nothing};
use crate::index::Row;
use crate::path::{self, RepoPath};
use crate::worktree::ignore::Ignore;

use super::compare::is_gitlink;
use super::found::{DirectoryFound, Summary};
use super::queue::Task;
use super::request::{Error, Nested};
use super::walk::{Here, Walk};

/// So many directories on the way stay open.
const MOST_OPEN: usize = 50;

impl Walk<'_> {
    /// Looks at the named paths; directories among them are left in the queue.
    pub(super) fn named(
        &self,
        mut paths: Vec<&RepoPath>,
        summary: &mut Summary,
    ) -> Result<(), Error> {
        paths.sort_unstable();
        // In the order of a walk, what is within a path follows it directly.
        paths.dedup_by(|path, before| path.is_within(before));
        let mut parents: BTreeMap<RepoPath, Vec<Vec<u8>>> = BTreeMap::new();
        for path in paths {
            if let Some((parent, name)) = path.split() {
                parents.entry(parent).or_default().push(name.to_vec());
            }
        }
        let (mut way, mut tasks) = (Way::default(), Vec::new());
        for (parent, names) in parents {
            match way.go(self, &parent) {
                Ok(Some(repository)) => summary.nested.push(repository),
                Ok(None) => {
                    tasks.extend(self.named_in(&parent, names, &mut way, summary)?);
                }
                Err(error) if is_nothing(&error) => {
                    let mut found = DirectoryFound::nothing(None, &parent, true);
                    for row in self.rows(&parent, &names)? {
                        self.missing(&row, &parent, &mut found.changes, &mut tasks, summary)?;
                    }
                    if !found.changes.is_empty() {
                        self.visitor.directory(found);
                    }
                }
                Err(error) => summary.unreadable.push((parent, error)),
            }
        }
        self.queue.add(tasks);
        Ok(())
    }

    /// Looks at some names in one directory. Returns what is to be looked at further.
    fn named_in(
        &self,
        parent: &RepoPath,
        names: Vec<Vec<u8>>,
        way: &mut Way,
        summary: &mut Summary,
    ) -> Result<Vec<Task>, Error> {
        let dir = match way.dir(self) {
            Ok(dir) => dir,
            Err(error) => {
                summary.unreadable.push((parent.clone(), error));
                return Ok(Vec::new());
            }
        };
        let names_are_exact = self.request.volume.tells_names_apart();
        let mut asked: Vec<Answer> = names
            .iter()
            .filter_map(|name| match dir.stat(name) {
                Err(error) if is_nothing(&error) => None,
                stat => Some((name.clone(), stat)),
            })
            .collect();
        self.count(asked.len(), summary);
        let rows = self.rows(parent, &names)?;
        // Rules matter only to what is not tracked, and in directories to what is below.
        let is_directory =
            |(_, stat): &Answer| stat.as_ref().is_ok_and(|stat| stat.kind == FileKind::Directory);
        let has_unknown = rows.len() < names.len();
        if has_unknown && self.is_in_gitlink(parent)? {
            return Ok(Vec::new());
        }
        let (ignore, is_ignored) = match has_unknown || asked.iter().any(is_directory) {
            true => way.rules(self, summary),
            false => (self.request.ignore.clone(), false),
        };
        let mut here = Here {
            dir: &dir,
            ignore,
            is_ignored,
            witness: None,
            wanted: None,
            kept: None,
            kept_names: 0,
            tasks: Vec::new(),
            found: DirectoryFound::nothing(Some(&dir), parent, true),
        };
        if names_are_exact {
            self.against(rows.into_iter(), asked, &mut here, summary)?;
        } else {
            // A name may be meant that is spelled otherwise on disk or in the index.
            let mut listed = match dir.scan() {
                Ok(listed) => listed,
                Err(error) => {
                    summary.unreadable.push((parent.clone(), error));
                    return Ok(Vec::new());
                }
            };
            listed.sort_by(|a, b| a.0.cmp(&b.0));
            let identity =
                |(_, stat): &Answer| stat.as_ref().ok().map(|stat| (stat.device, stat.inode));
            asked.retain(|(name, _)| {
                listed.binary_search_by(|on_disk| on_disk.0.cmp(name)).is_err()
            });
            let identities: Vec<_> = asked.iter().filter_map(identity).collect();
            let is_meant = |on_disk: &&Answer| {
                identity(on_disk).is_some_and(|found| identities.contains(&found))
            };
            let mut wanted: Vec<Vec<u8>> =
                listed.iter().filter(is_meant).map(|(name, _)| name.clone()).collect();
            wanted.extend(names);
            wanted.sort_unstable();
            wanted.dedup();
            here.wanted = Some(wanted);
            match self.request.index.directory(parent)? {
                Some(view) => self.against(view.iter(), listed, &mut here, summary)?,
                None => self.against(std::iter::empty(), listed, &mut here, summary)?,
            }
        }
        here.found.sort();
        let Here { found, tasks, .. } = here;
        self.visitor.directory(found);
        Ok(tasks)
    }

    /// The rows of some names in one directory.
    fn rows(&self, parent: &RepoPath, names: &[Vec<u8>]) -> Result<Vec<Row<'_>>, Error> {
        let mut rows = Vec::new();
        for name in names {
            rows.extend(self.request.index.row(&parent.join(name))?);
        }
        Ok(rows)
    }

    fn is_in_gitlink(&self, directory: &RepoPath) -> Result<bool, Error> {
        let mut path = directory.clone();
        while let Some((above, _)) = path.split() {
            if self.request.index.row(&path)?.is_some_and(|row| is_gitlink(&row)) {
                return Ok(true);
            }
            path = above;
        }
        Ok(false)
    }
}

/// The way from the root to a directory. Going to directories in the order of a walk opens each
/// once.
#[derive(Default)]
struct Way {
    levels: Vec<Level>,
}

struct Level {
    path: RepoPath,
    dir: Option<DirRef>,
    /// The rules in it, and whether those above say to leave it alone, if that was asked.
    rules: Option<(Ignore, bool)>,
}

impl Way {
    /// Goes to a directory. Returns the repository that is on the way, if it is to be left alone.
    fn go(&mut self, walk: &Walk<'_>, directory: &RepoPath) -> io::Result<Option<RepoPath>> {
        if self.levels.is_empty() {
            let dir = Some(walk.request.root.clone());
            self.levels.push(Level { path: RepoPath::root(), dir, rules: None });
        }
        let same = self.levels.iter().take_while(|level| directory.is_within(&level.path)).count();
        self.levels.truncate(same);
        for name in directory.parts().skip(same - 1) {
            let dir = self.dir(walk)?;
            let path = self.last().path.join(name);
            let dir = dir.dir(name)?;
            if walk.request.nested == Nested::Skip && dir.stat(path::STATE).is_ok() {
                return Ok(Some(path));
            }
            self.levels.push(Level { path, dir: Some(dir), rules: None });
            if let Some(far) = self.levels.len().checked_sub(MOST_OPEN) {
                self.levels[far].dir = None;
            }
        }
        Ok(None)
    }

    fn last(&self) -> &Level {
        // The root is never left.
        &self.levels[self.levels.len() - 1]
    }

    /// The directory it has come to.
    fn dir(&mut self, walk: &Walk<'_>) -> io::Result<DirRef> {
        self.dir_at(walk, self.levels.len() - 1)
    }

    fn dir_at(&mut self, walk: &Walk<'_>, at: usize) -> io::Result<DirRef> {
        let level = &mut self.levels[at];
        match &level.dir {
            Some(dir) => Ok(dir.clone()),
            None => walk.open_from_root(&level.path),
        }
    }

    /// The rules where it has come to, and whether that is in something ignored.
    fn rules(&mut self, walk: &Walk<'_>, summary: &mut Summary) -> (Ignore, bool) {
        let known = self.levels.iter().rposition(|level| level.rules.is_some());
        let mut rules = known
            .and_then(|at| self.levels[at].rules.clone())
            .unwrap_or_else(|| (walk.request.ignore.clone(), false));
        for at in known.map_or(0, |at| at + 1)..self.levels.len() {
            let (ignore, is_ignored) = rules;
            let path = self.levels[at].path.clone();
            let is_ignored = is_ignored || (!path.is_root() && ignore.is_ignored(&path, true));
            let ignore = match self.dir_at(walk, at) {
                Ok(dir) => walk.rules(&path, &dir, &ignore, |_| true, &mut summary.bad_rules),
                Err(_) => ignore,
            };
            rules = (ignore, is_ignored);
            self.levels[at].rules = Some(rules.clone());
        }
        rules
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use crate::disk::{Disk, FaultyDisk};
    use crate::worktree::scan::testing::{FILES, World, names};

    #[test]
    fn one_named_path_is_one_question() {
        let world = World::new(FILES).only(&["d/e/c"]);
        world.write("a", "changed");
        world.write("d/e/c", "changed");
        let index = world.index();
        let disk = FaultyDisk::new(Arc::new(world.disk.clone()));
        let root = disk.open(Path::new("/r")).unwrap();
        disk.reset_counts();
        let found = world.try_scan(&root, &index, 2, |_| {}).unwrap();
        assert_eq!(found.short(), ["M d/e/c"]);
        let counts = disk.counts();
        // Two of them ask whether the directories on the way are repositories.
        assert_eq!((counts.stats, counts.scans, counts.lists, counts.opens), (3, 0, 0, 0));
        assert!(index.pages_read() <= 2);
    }

    #[test]
    fn many_named_paths_cost_no_more_than_each() {
        let files: Vec<String> =
            (0..20_000).map(|number| format!("d{}/f{number}", number / 100)).collect();
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        let world = World::new(&files).only(&files);
        world.write("d7/f777", "much longer");
        let started = std::time::Instant::now();
        assert_eq!(world.scan().short(), ["M d7/f777"]);
        // Comparing each with each takes a hundred times as long.
        assert!(started.elapsed().as_secs() < 20);
    }

    #[test]
    fn named_paths_and_patterns_limit_what_is_found() {
        let world = World::new(FILES);
        world.write("a", "changed");
        world.write("d/new", "");
        world.write("d/e/c", "changed");
        world.write("n/.annalsignore", "*.tmp");
        world.write("n/x.tmp", "");
        world.write("n/x", "");
        world.remove(&["z"]);
        let world = world.only(&["d", "d/e", "z", "missing"]);
        assert_eq!(world.scan().short(), ["M d/e/c", "A d/new", "D z"]);
        let world = world.only(&["n/x.tmp", "n/x", "a"]);
        let scan = world.scan_with(|request| request.tell_ignored = true);
        assert_eq!(scan.short(), ["M a", "A n/x"]);
        assert_eq!(scan.ignored, ["n/x.tmp"]);
        let world = world.only(&["d/n*", "z"]);
        assert_eq!(world.scan().short(), ["A d/new", "D z"]);
        let world = world.only(&["d/b/under"]);
        assert!(world.scan().short().is_empty());
        let world = world.only(&["."]);
        assert_eq!(names(&world.scan().told), ["", "d", "d/e", "n"]);
    }

    #[test]
    fn a_path_far_below_is_reached_with_few_directories_open() {
        let deep = format!("{}x", "d/".repeat(300));
        let world = World::new(&[&deep]).only(&[&deep, "d/d/y", "d/d/d/y"]);
        world.write(&deep, "changed");
        world.write("d/d/y", "");
        assert_eq!(world.scan().short().len(), 2);
    }
}
