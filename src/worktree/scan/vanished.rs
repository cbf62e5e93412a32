//! What the index knows and the disk does not have, at any depth.

use std::collections::HashSet;
use std::sync::Arc;

use crate::disk::FileKind;
use crate::index::{Presence, Row};
use crate::path::RepoPath;

use super::compare::is_conflict;
use super::found::{Change, ChangeKind, DirectoryFound, Summary};
use super::queue::{Place, Task};
use super::request::Error;
use super::walk::Walk;

/// A tracked directory that is not on disk.
pub(super) struct Vanished {
    /// Directories, it or below it, that stay because something in them was not deleted.
    staying: HashSet<RepoPath>,
    /// Whether there is anything to tell of below it.
    is_told: bool,
}

impl Vanished {
    pub(super) fn stays(&self, path: &RepoPath) -> bool {
        self.staying.contains(path)
    }

    /// What is left to do to tell of what was in it.
    pub(super) fn into_task(self, path: RepoPath) -> Option<Task> {
        let place = Place::Gone { staying: Arc::new(self.staying) };
        self.is_told.then_some(Task { path, place })
    }
}

impl Walk<'_> {
    /// A row with nothing on disk.
    pub(super) fn missing(
        &self,
        row: &Row<'_>,
        directory: &RepoPath,
        changes: &mut Vec<Change>,
        tasks: &mut Vec<Task>,
        summary: &mut Summary,
    ) -> Result<(), Error> {
        let path = directory.join(row.name());
        if row.presence() == Presence::NotRepresentable && self.is_meant(&path) {
            summary.not_representable.push(path.clone());
        }
        if row.kind() == Some(FileKind::Directory) {
            if !self.is_meant(&path) && !self.may_be_meant_below(&path) {
                return Ok(());
            }
            let vanished = self.vanished(&path, row)?;
            if !vanished.stays(&path) {
                changes.push(deletion(row));
            }
            tasks.extend(vanished.into_task(path));
        } else if self.is_deleted(row, &path) {
            changes.push(deletion(row));
        } else if self.is_undecided(row, &path) {
            changes.push(undecided(row));
        }
        Ok(())
    }

    /// Looks through all that is tracked below a directory that is not on disk.
    pub(super) fn vanished(&self, top: &RepoPath, row: &Row<'_>) -> Result<Vanished, Error> {
        let mut vanished = Vanished { staying: HashSet::new(), is_told: false };
        if !self.is_deleted(row, top) {
            vanished.staying.insert(top.clone());
        }
        let mut todo = vec![top.clone()];
        while let Some(directory) = todo.pop() {
            let Some(view) = self.request.index.directory(&directory)? else { continue };
            for row in &view {
                let is_directory = row.kind() == Some(FileKind::Directory);
                // Where everything is meant, the paths of files are not needed.
                let needs_path = is_directory || !self.everything;
                let path = if needs_path { directory.join(row.name()) } else { RepoPath::root() };
                if self.is_deleted(&row, &path) {
                    vanished.is_told = true;
                } else {
                    vanished.is_told |= self.is_undecided(&row, &path);
                    let mut above =
                        Some(if is_directory { path.clone() } else { directory.clone() });
                    while let Some(stays) = above.filter(|above| above.is_within(top)) {
                        above = stays.split().map(|(above, _)| above);
                        if !vanished.staying.insert(stays) {
                            break;
                        }
                    }
                }
                if is_directory {
                    todo.push(path);
                }
            }
        }
        Ok(vanished)
    }

    fn is_deleted(&self, row: &Row<'_>, path: &RepoPath) -> bool {
        row.presence() == Presence::Here && self.is_meant(path)
    }

    /// A conflict for which nothing was written.
    fn is_undecided(&self, row: &Row<'_>, path: &RepoPath) -> bool {
        is_conflict(row) && self.is_meant(path)
    }

    /// Tells of what was in a directory that is not on disk.
    pub(super) fn gone(
        &self,
        path: &RepoPath,
        staying: &Arc<HashSet<RepoPath>>,
    ) -> Result<(), Error> {
        let mut found = DirectoryFound::nothing(None, path, !self.everything);
        let mut tasks = Vec::new();
        if let Some(view) = self.request.index.directory(path)? {
            for row in &view {
                let path = path.join(row.name());
                let is_directory = row.kind() == Some(FileKind::Directory);
                if is_directory {
                    if !staying.contains(&path) {
                        found.changes.push(deletion(&row));
                    }
                    let place = Place::Gone { staying: staying.clone() };
                    tasks.push(Task { path, place });
                } else if self.is_deleted(&row, &path) {
                    found.changes.push(deletion(&row));
                } else if self.is_undecided(&row, &path) {
                    found.changes.push(undecided(&row));
                }
            }
        }
        if !found.changes.is_empty() {
            self.visitor.directory(found);
        }
        self.queue.add(tasks);
        Ok(())
    }
}

fn deletion(row: &Row<'_>) -> Change {
    nothing_there(ChangeKind::Deleted, row)
}

fn undecided(row: &Row<'_>) -> Change {
    nothing_there(ChangeKind::Undecided, row)
}

fn nothing_there(kind: ChangeKind, row: &Row<'_>) -> Change {
    Change { name: row.name().to_vec(), kind, stat: None, tracked: Some(row.tracked()) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::index::{Known, Presence};
    use crate::worktree::scan::testing::{FILES, World, names};

    const GONE: &[&str] = &["d/e/brought", "d/e/other", "d/f/brought", "d/e", "d/f", "d"];

    fn world_with(presence: Presence) -> World {
        let world = World::new(&["d/e/brought", "d/e/other", "d/f/brought", "x"]);
        world.record(|tracked| {
            if tracked.name == b"other" {
                tracked.presence = presence;
            }
        });
        world
    }

    #[test]
    fn what_was_not_brought_or_cannot_be_is_not_deleted() {
        for presence in [Presence::NotBrought, Presence::NotRepresentable] {
            let world = World::new(FILES);
            world.record(|tracked| {
                if tracked.what != Known::Directory {
                    (tracked.presence, tracked.seen) = (presence, None);
                }
            });
            world.remove(&["a", "d/b", "d/e/c", "d/e", "d", "z"]);
            let scan = world.scan();
            assert!(scan.short().is_empty());
            assert_eq!(names(&scan.told), [""]);
            let held_back = names(&scan.summary.not_representable);
            match presence {
                Presence::NotRepresentable => assert_eq!(held_back, ["a", "z"]),
                _ => assert!(held_back.is_empty()),
            }
        }
    }

    #[test]
    fn a_directory_is_deleted_file_by_file_and_only_with_everything_in_it() {
        let world = world_with(Presence::Here);
        world.remove(GONE);
        let scan = world.scan();
        let all = ["D d", "D d/e", "D d/e/brought", "D d/e/other", "D d/f", "D d/f/brought"];
        assert_eq!(scan.short(), all);
        assert_eq!(names(&scan.told), ["", "d", "d/e", "d/f"]);
        for presence in [Presence::NotBrought, Presence::NotRepresentable] {
            let world = world_with(presence);
            world.remove(GONE);
            assert_eq!(world.scan().short(), ["D d/e/brought", "D d/f", "D d/f/brought"]);
        }
    }

    #[test]
    fn a_file_in_the_way_of_what_was_not_brought_is_told_apart() {
        for (presence, expected) in [(Presence::Here, "T d"), (Presence::NotBrought, "! d")] {
            let world = world_with(presence);
            world.remove(GONE);
            world.write("d", "a file");
            let short = world.scan().short();
            assert_eq!(short[0], expected);
            assert_eq!(short.contains(&"D d/e/other".to_owned()), presence == Presence::Here);
            assert!(short.contains(&"D d/f/brought".to_owned()));
        }
        // A directory that was not brought, though nothing is in it.
        let world = World::new(FILES);
        world.make_dir("empty");
        world.record(|tracked| {
            if tracked.name == b"empty" {
                tracked.presence = Presence::NotBrought;
            }
        });
        world.remove(&["empty"]);
        assert!(world.scan().short().is_empty());
        world.write("empty", "a file");
        assert_eq!(world.scan().short(), ["! empty"]);
    }

    #[test]
    fn what_is_not_asked_about_keeps_its_directory() {
        let world = world_with(Presence::Here).only(&["d", ":!d/e/other"]);
        world.remove(GONE);
        assert_eq!(world.scan().short(), ["D d/e/brought", "D d/f", "D d/f/brought"]);
        let world = world.only(&["*other"]);
        assert_eq!(world.scan().short(), ["D d/e/other"]);
        let world = world.only(&["d/e"]);
        assert_eq!(world.scan().short(), ["D d/e", "D d/e/brought", "D d/e/other"]);
        let world = world.only(&["d/e/other", "d/f/none"]);
        assert_eq!(world.scan().short(), ["D d/e/other"]);
        world.write("d", "a file");
        assert_eq!(world.scan().short(), ["D d/e/other"]);
    }

    #[test]
    fn an_empty_directory_that_is_gone_is_deleted() {
        let world = World::new(FILES);
        world.make_dir("d/empty");
        world.record(|_| {});
        world.remove(&["d/empty"]);
        assert_eq!(world.scan().short(), ["D d/empty"]);
    }
}
