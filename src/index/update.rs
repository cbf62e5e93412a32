//! Changing the index: over the run as long as it is little, into a new run when it is much (see
//! [`super::fold`]).
//!
//! A change takes the overlay's lock for milliseconds, compares the revision found there with the
//! one that was opened, and does nothing if they differ.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use super::current::{Error, Index, Place};
use super::entry::{Base, Known, Presence, Tracked};
use super::fold::{Beside, Pages};
use super::key;
use super::listed::Listed;
use super::overlay::{self, Overlay, State};
use super::row;
use super::run::Damaged;
use crate::disk::DirRef;
use crate::path::RepoPath;
use crate::table::{self, Database, Durability, Opened};

/// How often a busy lock is tried, for a tenth of a second in all.
const TRIES: u32 = 12;
/// An overlay may have this many rows, or one hundredth of the run's if that is more.
const SMALLEST_LIMIT: u64 = 1024;
/// No overlay has more rows: it is read whole.
const LARGEST_LIMIT: u64 = 65_536;

/// Whether a change of the index happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Updated {
    /// It did.
    Done,
    /// Somebody else changed the index since it was opened or is doing so, or it is lost or found to
    /// be damaged, or this place cannot be written to. The index is what it was; it is only a cache.
    Skipped,
}

/// What becomes of the mark under which boot unsynced entries were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsynced {
    /// It stays.
    Keep,
    /// The entries of this change that say so were written under this boot. An older mark that
    /// was not cleared stays, since it says less.
    Under([u8; 16]),
    /// Everything was made durable: no entry counts as unsynced any more.
    Clear,
}

/// A change of the index.
#[derive(Debug)]
pub struct Update {
    /// What the index describes afterwards.
    pub base: Base,
    /// The paths that change: what they become, or `None` if they are no longer tracked, which
    /// takes everything below along. Directories above a new path are added if they are missing.
    pub changes: Vec<(RepoPath, Option<Tracked>)>,
    /// What is in directories that come anew, if it is too much to be among the changes. Their own
    /// entries are changes.
    pub beside: Option<Beside>,
    /// Large directories that were listed. Not kept by a change that makes a new run.
    pub listed: Vec<(RepoPath, Listed)>,
    /// The mark of what is not synced.
    pub unsynced: Unsynced,
    /// How sure it must be before this returns. What makes entries [`Presence::NotBrought`] must
    /// be [`Durability::Now`], and come before the files go: otherwise a power failure could leave
    /// files that seem to have been deleted.
    pub durability: Durability,
}

impl Update {
    /// A change that a power failure may take back.
    pub fn new(base: Base, changes: Vec<(RepoPath, Option<Tracked>)>) -> Self {
        let (unsynced, durability) = (Unsynced::Keep, Durability::Eventually);
        Self { base, changes, beside: None, listed: Vec::new(), unsynced, durability }
    }
}

impl Index {
    /// Changes the index, if it still is as it was opened. A lost index is not changed, because a
    /// base with a few entries would be taken for the whole tree: it takes a [`Self::writer`].
    pub fn update(&mut self, update: Update) -> Result<Updated, Error> {
        match self.try_update(update) {
            // It describes what was there before: whoever comes next catches up, and meets it.
            Err(Error::Damaged) => Ok(Updated::Skipped),
            done => done,
        }
    }

    fn try_update(&mut self, mut update: Update) -> Result<Updated, Error> {
        let changes = std::mem::take(&mut update.changes);
        let beside = match update.beside.take().map(|beside| beside.finish(&self.place)) {
            None => None,
            Some(finished) => match finished? {
                Some(pages) => Some(pages),
                None => return Ok(Updated::Skipped),
            },
        };
        let Some((mut state, newer, overlay)) = self.prepared(&update, changes, beside.as_ref())?
        else {
            return Ok(Updated::Skipped);
        };
        state.marked |= beside.as_ref().is_some_and(|beside| beside.marked);
        let Some(content) = &self.content else { return Ok(Updated::Skipped) };
        let limit = (content.run.rows() / 100).clamp(SMALLEST_LIMIT, LARGEST_LIMIT);
        if beside.is_some() || overlay.len() as u64 > limit {
            // There may be very many.
            drop(newer);
            return self.fold(state, &overlay, beside.as_ref());
        }
        // What was changed in memory only belongs to what this change builds on.
        let unwritten = content.unwritten.merged(&newer);
        let Some(mut database) = open_unchanged(&self.place)? else {
            return Ok(Updated::Skipped);
        };
        let written = overlay::write(&mut database, &state, &unwritten, &update.listed)
            .and_then(|()| database.finish(update.durability));
        match written {
            Err(table::Error::Io(error)) if is_refusal(&error) => return Ok(Updated::Skipped),
            other => drop(other?),
        }
        self.place.revision = Some(state.revision);
        if let Some(content) = &mut self.content {
            (content.state, content.overlay) = (state, overlay);
            content.unwritten = Overlay::default();
            for (path, listed) in update.listed {
                content.listed.insert(path.as_bytes().to_vec(), listed);
            }
        }
        Ok(Updated::Done)
    }

    /// Changes the index for this process only, where it cannot be written to: a read-only place,
    /// or somebody else was faster. A later [`Self::update`] writes it along. A lost index is not
    /// changed.
    pub fn update_in_memory(&mut self, mut update: Update) -> Result<(), Error> {
        let changes = std::mem::take(&mut update.changes);
        let Some((state, newer, overlay)) = self.prepared(&update, changes, None)? else {
            return Ok(());
        };
        if let Some(content) = &mut self.content {
            content.unwritten = content.unwritten.merged(&newer);
            (content.state, content.overlay) = (state, overlay);
        }
        Ok(())
    }

    /// The state after a change, its rows, and the overlay with them; `None` if the index is lost.
    fn prepared(
        &self,
        update: &Update,
        changes: Vec<(RepoPath, Option<Tracked>)>,
        beside: Option<&Pages>,
    ) -> Result<Option<(State, Overlay, Overlay)>, Error> {
        let marked = changes.iter().any(|(_, tracked)| matches!(tracked, Some(t) if t.unsynced));
        let changes = self.completed(changes)?;
        let Some(content) = self.content() else { return Ok(None) };
        let mut newer = Overlay::default();
        for (key, row) in changes {
            newer.push(&key, row.as_ref().map_or(&[], |row| &row.bytes));
        }
        let overlay = match beside {
            // What was said before of directories that come anew counts no more.
            Some(beside) => content.overlay.without(|key| beside.has(key)).merged(&newer),
            None => content.overlay.merged(&newer),
        };
        let state = State {
            revision: self.place.random.sixteen(),
            commit: update.base.commit,
            tree: update.base.tree,
            boot: match update.unsynced {
                Unsynced::Keep => content.state.boot,
                Unsynced::Under(boot) => content.state.boot.or(Some(boot)),
                Unsynced::Clear => None,
            },
            marked: content.state.marked || marked,
            rows: overlay.len() as u64,
            ..content.state
        };
        Ok(Some((state, newer, overlay)))
    }

    /// The changes by key, with what goes below paths that are no directories any more, and with
    /// the directories above new paths. There may be very many: they are not held twice.
    fn completed(
        &self,
        changes: Vec<(RepoPath, Option<Tracked>)>,
    ) -> Result<BTreeMap<Vec<u8>, Option<Encoded>>, Error> {
        let mut completed = BTreeMap::new();
        let mut paths = Vec::with_capacity(changes.len());
        for (path, tracked) in changes {
            let row = tracked.map(|tracked| match tracked.name == path.name() {
                true => Encoded::of(&tracked),
                false => Encoded::of(&Tracked { name: path.name().to_vec(), ..tracked }),
            });
            let is_directory = row.as_ref().is_some_and(|row| row.is_directory);
            let is_there = row.is_some();
            if let Some(key) = key::key_of(&path) {
                completed.insert(key, row);
                paths.push((path, is_there, is_directory));
            }
        }
        let was_directory = |tracked: &Tracked| tracked.what == Known::Directory;
        let mut last_parent = None;
        for (path, is_there, is_directory) in paths {
            let Some((parent, _)) = path.split() else { continue };
            if !is_directory && self.get(&path)?.as_ref().is_some_and(was_directory) {
                self.each_key_below(&path, |key| {
                    completed.entry(key.to_vec()).or_insert(None);
                })?;
            }
            if !is_there || last_parent.as_ref() == Some(&parent) {
                continue;
            }
            let mut above = parent.clone();
            while let Some(key) = key::key_of(&above) {
                let there = match completed.get(&key) {
                    Some(row) => row.as_ref().is_some_and(|row| row.is_directory),
                    None => self.get(&above)?.as_ref().is_some_and(was_directory),
                };
                if !there {
                    completed.insert(key, Some(Encoded::of(&plain_directory(above.name()))));
                }
                above = above.split().map(|(above, _)| above).unwrap_or_default();
            }
            last_parent = Some(parent);
        }
        Ok(completed)
    }

    fn each_key_below(
        &self,
        directory: &RepoPath,
        mut visit: impl FnMut(&[u8]),
    ) -> Result<(), Error> {
        let Some(content) = self.content() else { return Ok(()) };
        let from = key::prefix_below(directory.as_bytes());
        let to = key::after_prefix(&from);
        for at in content.overlay.between(&from, to.as_deref()) {
            visit(content.overlay.key(at));
        }
        self.checked(content.run.each_page(&from, to.as_deref(), |reference| {
            let length = key::prefix_length(reference.key).ok_or(Damaged)?;
            if reference.key.starts_with(&from) {
                let page = content.run.page(reference, true)?;
                for at in 0..page.len() {
                    visit(&[&reference.key[..length], page.row(at).name()].concat());
                }
            }
            Ok(())
        }))
    }
}

/// A row as it will be written.
struct Encoded {
    is_directory: bool,
    bytes: Box<[u8]>,
}

impl Encoded {
    fn of(tracked: &Tracked) -> Self {
        let mut heap = Vec::new();
        let fixed = row::encode(tracked, &mut heap);
        let is_directory = tracked.what == Known::Directory;
        Self { is_directory, bytes: [&fixed[..], &heap].concat().into_boxed_slice() }
    }
}

fn plain_directory(name: &[u8]) -> Tracked {
    Tracked {
        name: name.to_vec(),
        mode: 0o755,
        mtime: None,
        attributes: None,
        what: Known::Directory,
        seen: None,
        presence: Presence::Here,
        unsynced: false,
    }
}

/// Opens the overlay for writing if nobody has changed it since the revision in `place`.
fn open_unchanged(place: &Place) -> Result<Option<Database>, Error> {
    let Some(mut database) = open_patiently(place)? else { return Ok(None) };
    let found = match place.revision {
        // The state alone, since the rows were good when they were read.
        Some(_) => overlay::read_state(&database).map(|state| state.map(|state| state.revision)),
        None => Overlay::read(&database).map(|read| read.map(|(state, _)| state.revision)),
    };
    match found {
        Ok(found) if found == place.revision => Ok(Some(database)),
        Ok(None) | Err(table::Error::Damaged) if place.revision.is_none() => {
            database.begin_anew()?;
            Ok(Some(database))
        }
        Ok(_) | Err(table::Error::Damaged | table::Error::Moved) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Tries for a tenth of a second.
fn open_patiently(place: &Place) -> Result<Option<Database>, Error> {
    for attempt in 0..TRIES {
        let opened = place
            .index_dir()
            .map_err(table::Error::Io)
            .and_then(|dir| Database::open(&*dir, overlay::NAME, overlay::VERSION));
        match opened {
            Ok(Opened::Ready(database)) => return Ok(Some(database)),
            Ok(Opened::Busy) => {}
            Err(table::Error::Io(error)) if is_refusal(&error) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        if attempt + 1 < TRIES {
            let jitter = u64::from(place.random.four()[0]) * 16;
            std::thread::sleep(Duration::from_micros(jitter + 1000 * u64::from(attempt)));
        }
    }
    Ok(None)
}

/// Whether this place does not let us write, which is no reason to fail.
pub(super) fn is_refusal(error: &io::Error) -> bool {
    use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem, StorageFull};
    matches!(error.kind(), ReadOnlyFilesystem | PermissionDenied | StorageFull)
}

/// Makes the finished run `name` the one that counts, with an empty overlay, durably. Then nothing
/// needs the others.
pub(super) fn switch_run(place: &Place, state: &State, name: &[u8]) -> Result<Updated, Error> {
    let dir = place.index_dir()?;
    let Some(mut database) = open_unchanged(place)? else {
        // Nobody will name it.
        let _ = dir.remove_file(name);
        return Ok(Updated::Skipped);
    };
    // Whoever held the lock before may have taken the unnamed file for a leftover.
    if dir.stat(name).is_err() {
        return Ok(Updated::Skipped);
    }
    overlay::begin_anew(&mut database, state)?;
    // Before any other run goes: the overlay that names it must not come back.
    let lock = database.finish(Durability::Now)?;
    remove_other_runs(&dir, name);
    drop(lock);
    Ok(Updated::Done)
}

/// Removes all runs but one, as far as that is possible.
fn remove_other_runs(dir: &DirRef, name: &[u8]) {
    for found in dir.list().unwrap_or_default() {
        if found.name.starts_with(b"run-") && found.name != name {
            let _ = dir.remove_file(&found.name);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::disk::{Disk, MemoryDisk};
    use crate::index::testing::*;

    #[test]
    fn small_changes_lie_over_the_run() {
        let disk = MemoryDisk::new();
        let mut model = model(3, 300);
        create(&disk, &model, base(1));
        let changes = vec![
            (path("d001/f00000"), Some(file(b"f00000", 9000))),
            (path("d001/f00001"), None),
            (path("d001/a"), Some(file(b"a", 9001))),
            (path("d001/z"), Some(file(b"z", 9002))),
            (path("new/deep/x"), Some(file(b"x", 9003))),
            (path("d002"), None),
        ];
        model.insert(path("new"), directory(b"new"));
        model.insert(path("new/deep"), directory(b"deep"));
        for (path, tracked) in changes.clone() {
            match tracked {
                Some(tracked) => drop(model.insert(path, tracked)),
                None => model.retain(|other, _| !other.is_within(&path)),
            }
        }
        let mut index = open(&disk, 2);
        let runs = |disk: &MemoryDisk| {
            disk.tree("/r/.annals/index").keys().filter(|name| name.starts_with(b"run-")).count()
        };
        assert_eq!(index.update(Update::new(base(2), changes)).unwrap(), Updated::Done);
        assert_eq!(content(&index).unwrap(), model);
        assert_eq!(index.base(), base(2));
        assert_eq!(says(&disk), Some((base(2), model.clone())));
        assert_eq!(runs(&disk), 1);
        assert!(index.directory(&path("d002")).unwrap().is_none());

        // A directory that comes back has nothing of its former content.
        let back = vec![(path("d002"), Some(directory(b"d002")))];
        model.insert(path("d002"), directory(b"d002"));
        assert_eq!(index.update(Update::new(base(3), back)).unwrap(), Updated::Done);
        assert_eq!(says(&disk), Some((base(3), model)));
    }

    #[test]
    fn changes_follow_a_model_through_folding() {
        let disk = MemoryDisk::new();
        let mut model = model(12, 600);
        create(&disk, &model, base(1));
        let mut index = open(&disk, 2);
        let mut seed = 1_u64;
        let mut draw = |most: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) % most
        };
        let mut folded = 0;
        for round in 0..40 {
            let generation = index.content().unwrap().state.generation;
            let mut changes: BTreeMap<RepoPath, Option<Tracked>> = BTreeMap::new();
            for _ in 0..draw(200) {
                let directory = format!("d{:03}", draw(14));
                let name = format!("f{:05}", draw(900));
                let tracked = (draw(4) > 0).then(|| file(name.as_bytes(), draw(1 << 20)));
                changes.insert(path(&format!("{directory}/{name}")), tracked);
            }
            for (path, tracked) in &changes {
                match tracked {
                    Some(tracked) => {
                        let (above, _) = path.split().unwrap();
                        let directory = directory(above.name());
                        model.entry(above).or_insert(directory);
                        model.insert(path.clone(), tracked.clone());
                    }
                    None => drop(model.remove(path)),
                }
            }
            let update = Update::new(base(round), changes.into_iter().collect());
            assert_eq!(index.update(update).unwrap(), Updated::Done);
            folded += usize::from(index.content().unwrap().state.generation != generation);
            assert_eq!(content(&index).unwrap(), model, "round {round}");
            if round % 7 == 0 {
                assert_eq!(says(&disk), Some((base(round), model.clone())));
                index = open(&disk, 100 + round);
            }
        }
        assert!(folded >= 2, "{folded}");
    }

    #[test]
    fn whoever_comes_second_changes_nothing() {
        let disk = MemoryDisk::new();
        create(&disk, &model(1, 5), base(1));
        let (mut first, mut second) = (open(&disk, 2), open(&disk, 3));
        let third = open(&disk, 4);
        let change = |number| Update::new(base(number), vec![]);
        assert_eq!(first.update(change(2)).unwrap(), Updated::Done);
        assert_eq!(second.update(change(3)).unwrap(), Updated::Skipped);
        assert_eq!(second.base(), base(1));
        assert_eq!(write(&third, &Model::new(), base(4)).unwrap(), Updated::Skipped);
        assert_eq!(first.update(change(5)).unwrap(), Updated::Done);
        assert_eq!(says(&disk), Some((base(5), model(1, 5))));
    }

    #[test]
    fn a_busy_or_read_only_index_is_left_as_it_is() {
        let disk = MemoryDisk::new();
        create(&disk, &model(1, 5), base(1));
        let mut index = open(&disk, 2);
        let dir = state_dir(&disk).dir(b"index").unwrap();
        let busy = Database::open(&*dir, overlay::NAME, overlay::VERSION).unwrap();
        assert!(matches!(busy, Opened::Ready(_)));
        assert_eq!(index.update(Update::new(base(2), vec![])).unwrap(), Updated::Skipped);
        assert_eq!(says(&disk), Some((base(1), model(1, 5))));
        drop(busy);
        disk.set_read_only(true);
        assert_eq!(index.update(Update::new(base(2), vec![])).unwrap(), Updated::Skipped);
        let index = Index::open(disk.open(Path::new("/r/.annals")).unwrap(), random()).unwrap();
        assert_eq!(index.base(), base(1));
    }

    #[test]
    fn what_was_changed_in_memory_only_is_written_with_the_next_change() {
        let disk = MemoryDisk::new();
        let mut expected = model(1, 5);
        create(&disk, &expected, base(1));
        let mut index = open(&disk, 2);
        disk.set_read_only(true);
        let change = |name: &str| vec![(path(name), Some(file(name.as_bytes(), 77)))];
        assert_eq!(index.update(Update::new(base(2), change("x"))).unwrap(), Updated::Skipped);
        index.update_in_memory(Update::new(base(2), change("x"))).unwrap();
        expected.insert(path("x"), file(b"x", 77));
        assert_eq!((index.base(), content(&index).unwrap()), (base(2), expected.clone()));
        disk.set_read_only(false);
        assert_eq!(says(&disk), Some((base(1), model(1, 5))));
        let mut other = open(&disk, 3);
        assert_eq!(index.update(Update::new(base(3), change("y"))).unwrap(), Updated::Done);
        expected.insert(path("y"), file(b"y", 77));
        assert_eq!(says(&disk), Some((base(3), expected.clone())));
        // Not over what somebody else wrote.
        other.update_in_memory(Update::new(base(4), change("z"))).unwrap();
        assert_eq!(other.update(Update::new(base(5), vec![])).unwrap(), Updated::Skipped);
        assert_eq!(says(&disk), Some((base(3), expected)));
    }

    #[test]
    fn marks_of_what_is_not_synced_are_kept_and_cleared() {
        let disk = MemoryDisk::new();
        create(&disk, &model(1, 5), base(1));
        let mut index = open(&disk, 2);
        let marked = |unsynced| Tracked { unsynced, ..file(b"x", 1) };
        let update = |unsynced| Update { unsynced, ..Update::new(base(1), vec![]) };
        let written = Update {
            changes: vec![(path("x"), Some(marked(true)))],
            ..update(Unsynced::Under([1; 16]))
        };
        assert_eq!(index.update(written).unwrap(), Updated::Done);
        let index_of = |seed| open(&disk, seed);
        assert_eq!(index_of(3).unsynced_boot(), Some([1; 16]));
        assert_eq!(index_of(3).get(&path("x")).unwrap(), Some(marked(true)));
        // An older boot says less, so it stays.
        assert_eq!(index.update(update(Unsynced::Under([2; 16]))).unwrap(), Updated::Done);
        assert_eq!(index.unsynced_boot(), Some([1; 16]));
        assert_eq!(index.update(update(Unsynced::Clear)).unwrap(), Updated::Done);
        assert_eq!(index_of(4).unsynced_boot(), None);
        assert_eq!(index_of(4).get(&path("x")).unwrap(), Some(marked(false)));
        // Folding forgets cleared marks for good.
        let many = (0..1100).map(|number| {
            let name = format!("n{number}");
            (path(&name), Some(file(name.as_bytes(), number)))
        });
        let folding = Update::new(base(1), many.collect());
        assert_eq!(index.update(folding).unwrap(), Updated::Done);
        let again = update(Unsynced::Under([3; 16]));
        assert_eq!(index.update(again).unwrap(), Updated::Done);
        assert_eq!(index_of(5).get(&path("x")).unwrap(), Some(marked(false)));
    }

    #[test]
    fn a_power_failure_in_a_small_change_leaves_the_old_index_or_the_new() {
        let before = model(2, 50);
        let mut after = before.clone();
        after.insert(path("d001/f00000"), file(b"f00000", 9000));
        for durability in [Durability::Now, Durability::Eventually] {
            survives_power_loss(&before, &after, durability, |disk| {
                let mut index = Index::open(disk.open(Path::new("/r/.annals")).unwrap(), random())?;
                let changes = vec![(path("d001/f00000"), Some(file(b"f00000", 9000)))];
                index.update(Update { durability, ..Update::new(base(2), changes) })
            });
        }
    }

    #[test]
    fn a_power_failure_in_folding_or_writing_leaves_the_old_index_or_the_new() {
        let (before, after) = (model(1, 20), model(2, 800));
        survives_power_loss(&before, &after, Durability::Now, |disk| {
            let mut index = Index::open(disk.open(Path::new("/r/.annals")).unwrap(), random())?;
            let changes = after.clone().into_iter().map(|(path, tracked)| (path, Some(tracked)));
            index.update(Update::new(base(2), changes.collect()))
        });
        survives_power_loss(&before, &after, Durability::Now, |disk| {
            let index = Index::open(disk.open(Path::new("/r/.annals")).unwrap(), random())?;
            write(&index, &after, base(2))
        });
    }
}
