//! Directories as the scan finds them: those that are built at once, and what is to be looked at
//! again of the others.

use std::sync::PoisonError;

use crate::disk::Stat;
use crate::index::Tracked;
use crate::object::{Entry, Node, What};
use crate::path::RepoPath;

use super::assemble::{Built, Complete, take_all};
use super::content::Hand;
use super::recorder::{Part, Place, Recorder, locked, part_lengths};
use super::scan::{DirectoryFound, Subdirectory, Visitor};
use super::{Error, Unread, Whole, Why};

impl Visitor for Recorder<'_, '_> {
    fn directory(&self, found: DirectoryFound<'_>) {
        if self.has_failed() {
            return;
        }
        if let Err(error) = self.take_directory(found) {
            self.fail(error);
        }
    }

    fn unreadable(&self, path: &RepoPath) {
        if self.whole == Whole::Nothing || self.has_failed() {
            return;
        }
        if let Err(error) = self.give_up(path) {
            self.fail(error);
        }
    }
}

impl<'s> Recorder<'_, 's> {
    fn take_directory(&self, found: DirectoryFound<'_>) -> Result<(), Error> {
        let path = found.path;
        let parts = part_lengths(&found.changes);
        let is_whole = self.whole != Whole::Nothing && locked(&self.assembly).has(path);
        if is_whole && found.dir.is_none() {
            locked(&self.outcome).unread.push(Unread { path: path.clone(), why: Why::Vanished });
            return self.give_up(path);
        }
        if is_whole {
            self.begin_whole(path, &found.directories, parts.len())?;
        } else {
            let mut outcome = locked(&self.outcome);
            for sub in found.directories.iter().filter(|sub| sub.descend) {
                let is_new = sub.tracked.is_none();
                let mode = if self.request.volume.exec_bits { Some(sub.stat.mode) } else { None };
                let mode_differs = sub
                    .tracked
                    .as_ref()
                    .is_some_and(|tracked| mode.is_some_and(|mode| mode != tracked.mode));
                if is_new && self.whole == Whole::NewDirectories {
                    let shell = self.directory_entry(&sub.name, &sub.stat);
                    locked(&self.assembly).expect(path.join(&sub.name), Some(shell));
                } else if sub.is_meant && (is_new || mode_differs) {
                    outcome.directories.insert(path.join(&sub.name));
                }
            }
            for (name, row) in found.refreshed {
                outcome.rows.push((path.join(&name), Some(row)));
            }
            drop(outcome);
            if self.whole == Whole::NewDirectories {
                let descended = found.directories.iter().filter(|sub| sub.descend);
                let mut rows = locked(&self.rows);
                rows.expect(descended.map(|sub| path.join(&sub.name)));
                // Its own are no rows of a new directory.
                rows.push(path.clone(), Vec::new())?;
            }
        }
        let mut changes = found.changes.into_iter();
        for length in parts {
            let part = Part {
                is_whole,
                place: Place { dir: found.dir.cloned(), path: path.clone() },
                changes: changes.by_ref().take(length).collect(),
            };
            // The workers take parts until the scan has ended.
            if self.parts.send(part).is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Expects all parts of a directory that is built at once.
    fn begin_whole(
        &self,
        path: &RepoPath,
        directories: &[Subdirectory],
        parts: usize,
    ) -> Result<(), Error> {
        let descended: Vec<_> = directories.iter().filter(|sub| sub.descend).collect();
        let mut rows: Vec<Tracked> = Vec::with_capacity(descended.len());
        let complete = {
            let mut assembly = locked(&self.assembly);
            for sub in &descended {
                let shell = self.directory_entry(&sub.name, &sub.stat);
                rows.push(Tracked::of_entry(&shell));
                assembly.expect(path.join(&sub.name), Some(shell));
            }
            assembly.found(path, parts + descended.len())
        };
        locked(&self.rows).expect(descended.iter().map(|sub| path.join(&sub.name)));
        locked(&self.gathering).insert(path.clone(), (parts + 1, Vec::new()));
        self.push_rows(path, rows)?;
        self.build_without_part(complete)
    }

    fn directory_entry(&self, name: &[u8], stat: &Stat) -> Entry {
        Entry {
            name: name.to_vec(),
            mode: if self.request.volume.exec_bits { stat.mode } else { 0o755 },
            mtime: Some(stat.mtime),
            attributes: None,
            what: What::Directory { files: 0, bytes: 0, tree: Node::empty_id() },
        }
    }

    pub(super) fn push_rows(&self, path: &RepoPath, rows: Vec<Tracked>) -> Result<(), Error> {
        let finished = {
            let mut gathering = locked(&self.gathering);
            let Some((missing, gathered)) = gathering.get_mut(path) else { return Ok(()) };
            take_all(gathered, rows);
            *missing -= 1;
            if *missing > 0 {
                return Ok(());
            }
            gathering.remove(path)
        };
        if let Some((_, rows)) = finished {
            locked(&self.rows).push(path.clone(), rows)?;
        }
        Ok(())
    }

    /// Builds a directory that is complete, and those above it that become so.
    pub(super) fn build(
        &self,
        hand: &mut Hand<'_, 's>,
        mut next: Option<Complete>,
    ) -> Result<(), Error> {
        while let Some(complete) = next.take() {
            match complete.build(&mut hand.writer)? {
                Built::Tree(root) => locked(&self.outcome).root = Some(root),
                Built::Within(parent, entry) => {
                    next = locked(&self.assembly).add(&parent, vec![entry]);
                }
                Built::New(path, entry) => locked(&self.outcome).take_directory(path, entry),
            }
        }
        Ok(())
    }

    /// A new directory that cannot be looked at, or is gone, does not come.
    fn give_up(&self, path: &RepoPath) -> Result<(), Error> {
        let (complete, has_row) = {
            let mut assembly = locked(&self.assembly);
            let is_new = assembly.has(path);
            let has_row = is_new && path.split().is_some_and(|(parent, _)| assembly.has(&parent));
            (assembly.give_up(path), has_row)
        };
        locked(&self.rows).push(path.clone(), Vec::new())?;
        if has_row {
            // The one above was told of it before anybody knew.
            locked(&self.outcome).given_up.insert(path.clone());
        }
        self.build_without_part(complete)
    }

    /// Builds a directory the last part of which was no part of its files.
    fn build_without_part(&self, complete: Option<Complete>) -> Result<(), Error> {
        if complete.is_some() {
            let _recording = self.recording.read().unwrap_or_else(PoisonError::into_inner);
            self.build(&mut locked(&self.hands[self.hands.len() - 1]), complete)?;
        }
        Ok(())
    }
}
