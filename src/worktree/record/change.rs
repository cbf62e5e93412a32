//! One file, link or deletion: what is read of it, and what it becomes.

use std::io;
use std::sync::atomic::Ordering;

use crate::clock::Time;
use crate::disk::{DirRef, FileKind, Stat};
use crate::hash::Id;
use crate::index::{Known, Seen, Tracked};
use crate::object::tree::Edit;
use crate::object::{Entry, What};
use crate::path::RepoPath;
use crate::store::SeenFile;

use super::content::{Hand, Outcome, Recorded};
use super::recorder::{LARGE, Recorder, locked};
use super::scan::{Change, ChangeKind};
use super::{Error, Recording, Unread, Why};

/// Something that was looked at just now.
pub(super) struct Fresh {
    pub(super) entry: Entry,
    pub(super) row: Tracked,
}

fn file_of(size: u64, content: Id) -> What {
    What::File { size, content }
}

pub(super) fn is_conflict(known: &Tracked) -> bool {
    matches!(known.what, Known::Other(What::Conflict { .. }))
}

pub(super) fn is_same(known: &Tracked, entry: &Entry) -> bool {
    known.to_entry().is_some_and(|known| known.is_same_as(entry))
}

impl<'s> Recorder<'_, 's> {
    /// Reads one thing; `None` if there is nothing to be recorded of it.
    pub(super) fn record_change(
        &self,
        hand: &mut Hand<'_, 's>,
        dir: Option<&DirRef>,
        path: &RepoPath,
        change: &Change,
        mine: &mut Recording,
    ) -> Result<Option<Fresh>, Error> {
        let tracked = change.tracked.as_ref();
        if change.kind == ChangeKind::Deleted {
            let was_directory = tracked.is_some_and(|known| known.what == Known::Directory);
            mine.deleted += u64::from(!was_directory);
            if tracked.is_some_and(is_conflict) {
                mine.undecided.push(path.clone());
            }
            mine.edits.push(Edit { path: path.clone(), entry: None });
            mine.rows.push((path.clone(), None));
            return Ok(None);
        }
        if change.kind == ChangeKind::Undecided
            && (change.stat.is_none() || !self.request.decided.contains(path))
        {
            return Ok(None);
        }
        let Some(dir) = dir else { return Ok(None) };
        let read_at = (self.request.file_system_now)();
        let unread = |mine: &mut Recording, why| {
            mine.unread.push(Unread { path: path.clone(), why });
            Ok(None)
        };
        let asked;
        let stat = match &change.stat {
            Some(stat) => stat,
            None => {
                if let Some(fresh) = self.record_spared(hand, dir, change, read_at, mine)? {
                    return Ok(Some(fresh));
                }
                match dir.stat(&change.name) {
                    Ok(stat) => asked = stat,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        return unread(mine, Why::Vanished);
                    }
                    Err(error) => return unread(mine, Why::Unreadable(error)),
                }
                &asked
            }
        };
        if change.kind == ChangeKind::InTheWay {
            return unread(mine, Why::InTheWay);
        }
        if let (ChangeKind::ModeOnly, Some(tracked)) = (&change.kind, tracked)
            && let Some(known) = tracked.to_entry()
        {
            let entry = Entry { mode: self.mode(stat, Some(tracked)), ..known };
            return Ok(Some(self.fresh(entry, stat, read_at)));
        }
        let what = match stat.kind {
            FileKind::File => {
                if let Some(content) = self.seen_before(path, stat) {
                    let what = file_of(stat.size, content);
                    let entry = self.entry(change, stat, what);
                    return Ok(Some(self.fresh(entry, stat, read_at)));
                }
                let monitor = self.request.monitor;
                let mut bytes = 0;
                let is_large = stat.size > LARGE;
                self.large.fetch_add(usize::from(is_large), Ordering::Relaxed);
                let outcome =
                    hand.record_file(&**dir, &change.name, stat, &self.jobs, &mut |read| {
                        bytes += read;
                        // A long one is asked about more than once while it is read.
                        monitor.at(path);
                        monitor.advance(0, read);
                    });
                self.large.fetch_sub(usize::from(is_large), Ordering::Relaxed);
                mine.bytes_read += bytes;
                monitor.advance(1, 0);
                match outcome? {
                    Outcome::Recorded(Recorded { content, stat }) => {
                        mine.files_read += 1;
                        self.keep_seen(path, &stat, content);
                        let entry = self.entry(change, &stat, file_of(stat.size, content));
                        return Ok(Some(self.fresh(entry, &stat, read_at)));
                    }
                    Outcome::Vanished => return unread(mine, Why::Vanished),
                    Outcome::Changing => return unread(mine, Why::Changing),
                    Outcome::Unreadable(error) => return unread(mine, Why::Unreadable(error)),
                }
            }
            FileKind::Symlink => match dir.link_target(&change.name) {
                Ok(target) if target.len() as u64 > crate::object::manifest::SMALL => {
                    return Err(Error::LongLink(path.clone()));
                }
                Ok(target) => {
                    What::Symlink { size: target.len() as u64, target: hand.record_link(&target)? }
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return unread(mine, Why::Vanished);
                }
                Err(error) => return unread(mine, Why::Unreadable(error)),
            },
            FileKind::Directory | FileKind::Special => return Ok(None),
        };
        let entry = self.entry(change, stat, what);
        Ok(Some(self.fresh(entry, stat, read_at)))
    }

    /// Records a file that the scan did not ask about. `None` if it has to be asked about first.
    fn record_spared(
        &self,
        hand: &mut Hand<'_, 's>,
        dir: &DirRef,
        change: &Change,
        read_at: Time,
        mine: &mut Recording,
    ) -> Result<Option<Fresh>, Error> {
        let monitor = self.request.monitor;
        let mut bytes = 0;
        let recorded = hand.record_small(&**dir, &change.name, &mut |read| {
            bytes += read;
            monitor.advance(0, read);
        })?;
        mine.bytes_read += bytes;
        let Some(Recorded { content, stat }) = recorded else { return Ok(None) };
        mine.files_read += 1;
        monitor.advance(1, 0);
        let entry = self.entry(change, &stat, file_of(stat.size, content));
        Ok(Some(self.fresh(entry, &stat, read_at)))
    }

    fn entry(&self, change: &Change, stat: &Stat, what: What) -> Entry {
        let mode = match what {
            What::Symlink { .. } => 0,
            _ => self.mode(stat, change.tracked.as_ref()),
        };
        Entry {
            name: change.name.clone(),
            mode,
            mtime: Some(stat.mtime),
            attributes: change.tracked.as_ref().and_then(|tracked| tracked.attributes),
            what,
        }
    }

    /// Permission bits: what the file system cannot express is inherited.
    fn mode(&self, stat: &Stat, tracked: Option<&Tracked>) -> u16 {
        if self.request.volume.exec_bits {
            return stat.mode;
        }
        let is_file = |tracked: &&Tracked| matches!(tracked.what, Known::File { .. });
        tracked.filter(is_file).map_or(0o644, |tracked| tracked.mode)
    }

    fn fresh(&self, entry: Entry, stat: &Stat, read_at: Time) -> Fresh {
        let mut row = Tracked::of_entry(&entry);
        row.seen = Some(Seen::of(stat, read_at, self.request.volume));
        Fresh { entry, row }
    }

    /// What an interrupted session had read of this file, if it has not changed since.
    fn seen_before(&self, path: &RepoPath, stat: &Stat) -> Option<Id> {
        let seen = self.request.already_seen;
        let at = seen.binary_search_by(|seen| seen.path[..].cmp(path.as_bytes())).ok()?;
        let seen = &seen[at];
        let is_same = seen.size == stat.size
            && seen.mtime == stat.mtime
            && seen.ctime == stat.ctime
            && seen.inode == stat.inode;
        is_same.then_some(seen.content)
    }

    fn keep_seen(&self, path: &RepoPath, stat: &Stat, content: Id) {
        // Small files are read again as quickly as they are remembered.
        if stat.size <= crate::object::manifest::SMALL {
            return;
        }
        locked(&self.seen).push(SeenFile {
            path: path.as_bytes().to_vec(),
            size: stat.size,
            mtime: stat.mtime,
            ctime: stat.ctime,
            inode: stat.inode,
            content,
        });
    }
}
