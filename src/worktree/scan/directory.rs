//! One directory: its names against its rows.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::Ordering;

use crate::disk::{Answer, FileKind, Stat};
use crate::index::{Presence, Row, Seen, Tracked};
use crate::path::RepoPath;

use super::as_listed::Asked;
use super::compare::{Verdict, is_gitlink};
use super::found::{Change, ChangeKind, Subdirectory, Summary};
use super::queue::{Ahead, Place, Task};
use super::request::{Error, Untracked};
use super::walk::{Here, Walk};

/// So many refreshed rows are told of; the rest has its turn next time.
const MOST_REFRESHED: usize = 100_000;

impl Walk<'_> {
    /// Compares names with rows, both sorted.
    pub(super) fn against<'r>(
        &self,
        rows: impl Iterator<Item = Row<'r>>,
        names: Vec<Answer>,
        here: &mut Here<'_>,
        summary: &mut Summary,
    ) -> Result<(), Error> {
        let (mut missing, mut unknown) = (Vec::new(), Vec::new());
        let mut names = names.into_iter().peekable();
        for row in rows {
            let name = row.name();
            while let Some(before) = names.next_if(|(on_disk, _)| on_disk.as_slice() < name) {
                unknown.push(before);
            }
            match names.next_if(|(on_disk, _)| on_disk.as_slice() == name) {
                Some((name, stat)) if here.wants(&name) => {
                    self.tracked(&row, stat, here, summary)?;
                }
                Some(_) => {}
                None => missing.push(row),
            }
        }
        unknown.extend(names);
        if !missing.is_empty() && !unknown.is_empty() {
            self.other_spellings(&mut missing, &mut unknown, here, summary)?;
        }
        for row in missing {
            if here.wants(row.name()) {
                let (changes, tasks) = (&mut here.found.changes, &mut here.tasks);
                self.missing(&row, here.found.path, changes, tasks, summary)?;
            }
        }
        for (name, stat) in unknown {
            if here.wants(&name) {
                self.untracked(name, Some(stat), here, summary);
            }
        }
        Ok(())
    }

    /// What was asked about, and is not as it was.
    pub(super) fn asked(
        &self,
        asked: Asked<'_>,
        here: &mut Here<'_>,
        summary: &mut Summary,
    ) -> Result<(), Error> {
        for (row, stat) in asked {
            match stat {
                Some(stat) => self.tracked(&row, Ok(stat), here, summary)?,
                None => {
                    let (changes, tasks) = (&mut here.found.changes, &mut here.tasks);
                    self.missing(&row, here.found.path, changes, tasks, summary)?;
                }
            }
        }
        Ok(())
    }

    /// Where the file system takes several spellings of a name for the same, what is tracked may be
    /// there under another one: that is not a change.
    fn other_spellings(
        &self,
        missing: &mut Vec<Row<'_>>,
        unknown: &mut Vec<Answer>,
        here: &mut Here<'_>,
        summary: &mut Summary,
    ) -> Result<(), Error> {
        if self.request.volume.tells_names_apart() {
            return Ok(());
        }
        let mut by_identity: HashMap<(u64, u64), Vec<usize>> = HashMap::new();
        for (at, (_, stat)) in unknown.iter().enumerate() {
            if let Ok(stat) = stat {
                by_identity.entry((stat.device, stat.inode)).or_default().push(at);
            }
        }
        let mut is_taken = vec![false; unknown.len()];
        let mut still_missing = Vec::new();
        for row in missing.drain(..) {
            let found = here.dir.stat(row.name()).ok().and_then(|stat| {
                let same = by_identity.get_mut(&(stat.device, stat.inode))?;
                // Hard links are the same file under several names: the most alike is meant.
                let folded = |name: &[u8]| String::from_utf8_lossy(name).to_lowercase();
                let wanted = folded(row.name());
                let alike = same.iter().position(|&at| folded(&unknown[at].0) == wanted);
                (!same.is_empty()).then(|| same.swap_remove(alike.unwrap_or(0)))
            });
            let Some(at) = found else {
                still_missing.push(row);
                continue;
            };
            is_taken[at] = true;
            if here.wants(row.name()) || here.wants(&unknown[at].0) {
                let stat = std::mem::replace(&mut unknown[at].1, Err(io::ErrorKind::Other.into()));
                self.tracked(&row, stat, here, summary)?;
            }
        }
        *missing = still_missing;
        let mut is_taken = is_taken.into_iter();
        unknown.retain(|_| !is_taken.next().unwrap_or(false));
        Ok(())
    }

    /// A row with what stands under its name.
    #[inline]
    fn tracked(
        &self,
        row: &Row<'_>,
        stat: io::Result<Stat>,
        here: &mut Here<'_>,
        summary: &mut Summary,
    ) -> Result<(), Error> {
        match stat {
            Ok(stat) if self.comparer.is_quickly_same(row, &stat) => Ok(()),
            Ok(stat) if stat.kind == FileKind::Directory => {
                self.tracked_directory(row, stat, here, summary);
                Ok(())
            }
            Ok(stat) => self.tracked_file(row, stat, here, summary),
            Err(error) => {
                summary.unreadable.push((here.found.path.join(row.name()), error));
                Ok(())
            }
        }
    }

    fn tracked_directory(
        &self,
        row: &Row<'_>,
        stat: Stat,
        here: &mut Here<'_>,
        summary: &mut Summary,
    ) {
        let path = here.found.path.join(row.name());
        if row.kind() == Some(FileKind::Directory) {
            self.announce(path, stat, Some(row.tracked()), Ahead::default(), here);
        } else if !is_gitlink(row) {
            // A directory has taken a file's place.
            if self.is_meant(&path) {
                here.push(ChangeKind::Deleted, None, row);
            }
            if self.request.untracked != Untracked::No {
                self.untracked(row.name().to_vec(), Some(Ok(stat)), here, summary);
            }
        }
    }

    fn tracked_file(
        &self,
        row: &Row<'_>,
        stat: Stat,
        here: &mut Here<'_>,
        summary: &mut Summary,
    ) -> Result<(), Error> {
        let path = here.found.path.join(row.name());
        let is_meant = self.is_meant(&path);
        if is_meant && stat.kind == FileKind::Special {
            summary.special.push(path.clone());
        }
        if row.kind() == Some(FileKind::Directory) {
            if is_meant || self.may_be_meant_below(&path) {
                let vanished = self.vanished(&path, row)?;
                if is_meant {
                    let kind = match vanished.stays(&path) {
                        true => ChangeKind::InTheWay,
                        false => ChangeKind::TypeChanged,
                    };
                    here.push(kind, Some(stat), row);
                }
                here.tasks.extend(vanished.into_task(path));
            }
            return Ok(());
        }
        if !is_meant {
            return Ok(());
        }
        match self.comparer.compare(row, &stat) {
            Verdict::Same => {}
            Verdict::Changed(kind) => here.push(kind, Some(stat), row),
            Verdict::Stale(tracked) => {
                let seen = Seen::of(&stat, self.request.root.now(), self.request.volume);
                let fresh =
                    Tracked { seen: Some(seen), presence: Presence::Here, ..*tracked.clone() };
                // Some stats do not fit where they are compared quickly.
                if fresh != *tracked
                    && self.refreshed.fetch_add(1, Ordering::Relaxed) < MOST_REFRESHED
                {
                    here.found.refreshed.push((row.name().to_vec(), fresh));
                }
            }
        }
        Ok(())
    }

    /// A directory on disk, which is looked into if anything in it may be meant.
    pub(super) fn announce(
        &self,
        path: RepoPath,
        stat: Stat,
        tracked: Option<Tracked>,
        ahead: Ahead,
        here: &mut Here<'_>,
    ) {
        let is_meant = self.is_meant(&path);
        let is_told_alone =
            is_meant && tracked.is_none() && self.request.untracked == Untracked::Directories;
        let descend = !is_told_alone && self.may_be_meant_below(&path);
        if !is_meant && !descend {
            return;
        }
        let name = path.name().to_vec();
        here.found.directories.push(Subdirectory { name, stat, tracked, descend, is_meant });
        if !descend {
            return;
        }
        if here.kept.is_none() {
            here.kept = self.queue.keep(here.dir);
        }
        let is_ignored =
            here.is_ignored || (!here.ignore.is_empty() && here.ignore.is_ignored(&path, true));
        let place = Place::Disk {
            parent: here.kept.clone(),
            ignore: here.ignore.clone(),
            is_ignored,
            ahead,
        };
        here.tasks.push(Task { path, place });
    }
}

impl Here<'_> {
    /// Whether a name is asked about.
    #[inline]
    fn wants(&self, name: &[u8]) -> bool {
        match &self.wanted {
            None => true,
            Some(wanted) => wanted.binary_search_by(|wanted| wanted[..].cmp(name)).is_ok(),
        }
    }

    fn push(&mut self, kind: ChangeKind, stat: Option<Stat>, row: &Row<'_>) {
        let tracked = Some(row.tracked());
        self.found.changes.push(Change { name: row.name().to_vec(), kind, stat, tracked });
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::clock::Time;
    use crate::disk::{Limits, MemoryDisk};
    use crate::index::{Known, Unsynced, Update, Updated, Volume};
    use crate::object::What;
    use crate::worktree::scan::testing::{FILES, LATER, World, names};

    #[test]
    fn every_kind_of_change_is_told_apart() {
        let world = World::new(&["deleted", "mode", "longer", "same", "file", "dir/x", "kept"]);
        let root = world.root();
        world.write("added", "");
        root.set_mode(b"mode", 0o755).unwrap();
        world.write("longer", "much longer");
        world.write("same", "emas");
        world.remove(&["deleted", "file", "dir/x", "dir"]);
        root.make_symlink(b"kept", b"file").unwrap();
        world.write("dir", "now a file");
        let scan = world.scan();
        assert_eq!(
            scan.short(),
            ["A added", "D deleted", "T dir", "D dir/x", "T file", "M longer", "m mode", "? same"]
        );
        let (_, change) = &scan.changes[5];
        assert_eq!(change.stat.unwrap().size, 11);
        assert_eq!(change.tracked.as_ref().unwrap().name, b"longer");
        assert!(scan.changes[1].1.stat.is_none() && scan.changes[0].1.tracked.is_none());
    }

    #[test]
    fn a_file_that_becomes_a_directory_is_deleted_and_brings_its_content() {
        let world = World::new(&["x", "y"]);
        world.remove(&["x"]);
        world.write("x/in", "");
        let scan = world.scan();
        assert_eq!(scan.short(), ["D x", "A x", "A x/in"]);
        let scan = world.scan_with(|request| request.untracked = Untracked::No);
        assert_eq!(scan.short(), ["D x"]);
    }

    #[test]
    fn directories_are_told_of_with_what_is_known_of_them() {
        let world = World::new(FILES);
        world.root().set_mode(b"d", 0o700).unwrap();
        world.make_dir("new/below");
        let scan = world.scan();
        let shown: Vec<_> = scan
            .directories
            .iter()
            .map(|(path, sub)| (path.to_string(), sub.tracked.is_some(), sub.descend))
            .collect();
        let expected = [("d", true), ("d/e", true), ("new", false), ("new/below", false)];
        assert_eq!(shown, expected.map(|(path, tracked)| (path.to_owned(), tracked, true)));
        let known = scan.directories[0].1.tracked.as_ref().unwrap();
        assert!(known.mode != scan.directories[0].1.stat.mode);
        assert!(scan.changes.is_empty());
        assert_eq!(names(&scan.told), ["", "d", "d/e", "new", "new/below"]);
    }

    #[test]
    fn a_stat_that_changed_alone_is_written_back() {
        let world = World::new(FILES);
        let root = world.root();
        let write_back = |scan: &crate::worktree::scan::testing::Scan| {
            let mut index = world.index();
            let rows = scan.refreshed.iter().map(|(path, row)| (path.clone(), Some(row.clone())));
            let update = Update::new(index.base(), rows.collect());
            assert_eq!(index.update(update).unwrap(), Updated::Done);
        };
        let touch = || {
            root.set_mode(b"a", 0o600).unwrap();
            root.set_mode(b"a", 0o644).unwrap();
        };
        touch();
        world.disk.set_time(LATER);
        let scan = world.scan();
        assert!(scan.changes.is_empty());
        assert_eq!(scan.refreshed.len(), 1);
        assert!(!scan.refreshed[0].1.seen.unwrap().racy);
        write_back(&scan);
        assert!(world.scan().refreshed.is_empty());
        // What was touched just now may be touched again at the same moment.
        touch();
        let scan = world.scan();
        assert!(scan.refreshed[0].1.seen.unwrap().racy);
        write_back(&scan);
        assert_eq!(world.scan().short(), ["? a"]);
    }

    #[test]
    fn a_time_that_does_not_fit_is_not_refreshed_for_ever() {
        let world = World::new(FILES);
        world.root().set_mtime(b"a", Time::from_seconds(1 << 40)).unwrap();
        world.disk.set_time(LATER);
        world.record(|_| {});
        let scan = world.scan();
        assert!(scan.changes.is_empty() && scan.refreshed.is_empty());
    }

    #[test]
    fn what_was_written_while_it_was_read_is_read_again() {
        let world = World::new(FILES);
        world.record(|tracked| {
            if let Some(seen) = &mut tracked.seen {
                seen.racy = tracked.name == b"b";
            }
        });
        assert_eq!(world.scan().short(), ["? d/b"]);
    }

    #[test]
    fn what_was_not_brought_and_is_there_all_the_same_is_compared() {
        for presence in [Presence::NotBrought, Presence::NotRepresentable] {
            let world = World::new(FILES);
            world.record(|tracked| {
                if tracked.what != Known::Directory {
                    tracked.presence = presence;
                    tracked.seen = tracked.seen.filter(|_| tracked.name == b"a");
                }
            });
            world.write("z", "longer");
            let scan = world.scan();
            assert_eq!(scan.short(), ["? d/b", "? d/e/c", "M z"]);
            // From now on it can be deleted.
            assert_eq!(scan.refreshed.len(), 1);
            assert_eq!(scan.refreshed[0].1.presence, Presence::Here);
        }
    }

    #[test]
    fn what_cannot_be_read_is_named_and_not_deleted() {
        let world = World::new(FILES);
        world.disk.make_unreadable("/r/d");
        world.write("a", "changed");
        let scan = world.scan();
        assert_eq!(scan.short(), ["M a"]);
        assert_eq!(scan.summary.unreadable.len(), 1);
        assert_eq!(scan.summary.unreadable[0].0.as_bytes(), b"d");
    }

    #[test]
    fn gitlinks_are_not_looked_into_and_conflicts_are_read() {
        let world = World::new(&["conflict", "link", "other", "pipe/x"]);
        world.record(|tracked| {
            let what = match &tracked.name[..] {
                b"conflict" => What::Conflict { removes: Vec::new(), adds: Vec::new() },
                b"link" | b"other" => What::Gitlink { commit: vec![1; 20] },
                _ => return,
            };
            tracked.what = Known::Other(what);
        });
        world.remove(&["link"]);
        world.write("link/inside", "");
        assert_eq!(world.scan().short(), ["U conflict", "T other"]);
        world.write("conflict", "longer than it was");
        assert_eq!(world.scan().short(), ["? conflict", "T other"]);
        let inside = world.only(&["link/inside"]);
        assert!(inside.scan().short().is_empty());
        inside.remove(&["conflict", "other"]);
        inside.write("conflict/x", "");
        let all = inside.only(&[]);
        assert_eq!(all.scan().short(), ["D conflict", "A conflict", "A conflict/x", "D other"]);
    }

    #[test]
    fn what_was_not_synced_before_a_restart_is_not_trusted() {
        let world = World::new(FILES);
        let mut index = world.index();
        let row = index.get(&RepoPath::new("a").unwrap()).unwrap().unwrap();
        let changes = vec![(RepoPath::new("a").unwrap(), Some(Tracked { unsynced: true, ..row }))];
        let update =
            Update { unsynced: Unsynced::Under([1; 16]), ..Update::new(index.base(), changes) };
        assert_eq!(index.update(update).unwrap(), Updated::Done);
        let under = |boot| world.scan_with(|request| request.boot = boot).short();
        assert!(under(Some([1; 16])).is_empty());
        assert_eq!(under(Some([2; 16])), ["? a"]);
        assert_eq!(under(None), ["? a"]);
    }

    fn poor_world(files: &[&str]) -> World {
        let mut world = World::on(MemoryDisk::with_limits(Limits::exfat()), files);
        world.volume = Volume {
            exec_bits: false,
            symlinks: false,
            case_sensitive: false,
            stable_inodes: false,
            real_ctime: false,
            local_times: true,
            mtime_step_nanoseconds: 2_000_000_000,
            ..Volume::default()
        };
        world.record(|tracked| {
            tracked.mode = 0o644;
            tracked.name = match &tracked.name[..] {
                b"Photo.JPG" => b"photo.jpg".to_vec(),
                b"Dir" => b"dir".to_vec(),
                _ => return,
            };
        });
        world
    }

    #[test]
    fn what_the_file_system_cannot_say_is_no_change() {
        let world = poor_world(&["Photo.JPG", "d/run"]);
        assert!(world.scan().short().is_empty());
        world.disk.remount();
        assert!(world.scan().short().is_empty());
        world.remove(&["photo.jpg"]);
        assert_eq!(world.scan().short(), ["D photo.jpg"]);
    }

    #[test]
    fn another_spelling_is_the_same_name_also_where_it_is_named() {
        let world = poor_world(&["Photo.JPG", "other", "x"]);
        world.write("PHOTO.jpg", "changed");
        world.write("new", "");
        assert_eq!(world.scan().short(), ["A new", "M photo.jpg"]);
        let mut world = world;
        for named in ["photo.jpg", "Photo.JPG", "PHOTO.JPG"] {
            world = world.only(&[named, "NEW", "missing"]);
            assert_eq!(world.scan().short(), ["A new", "M photo.jpg"], "{named}");
        }
        world = world.only(&["OTHER"]);
        assert!(world.scan().short().is_empty());
    }

    #[test]
    fn a_link_that_stands_here_as_a_file_is_no_change() {
        let world = poor_world(&["link"]);
        world.record(|tracked| {
            tracked.what = Known::Symlink { size: 1, target: crate::hash::hash(b"x") };
            tracked.presence = Presence::NotRepresentable;
        });
        assert!(world.scan().short().is_empty());
    }

    #[test]
    fn special_files_are_named_and_no_content() {
        let world = World::new(&["was", "x"]);
        world.remove(&["was"]);
        world.disk.make_special("/r/was");
        world.disk.make_special("/r/pipe");
        let scan = world.scan();
        assert_eq!(scan.short(), ["T was"]);
        assert_eq!(names(&scan.summary.special), ["pipe", "was"]);
    }
}
