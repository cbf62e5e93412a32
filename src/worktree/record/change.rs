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
use super::recorder::{LARGE, Place, Recorder, locked};
use super::scan::{Change, ChangeKind};
use super::{Error, Recording, Unread, Why};

/// Something that was looked at just now.
pub(super) struct Fresh {
    what: What,
    mode: u16,
    mtime: Option<Time>,
    stat: Stat,
    /// The moment before it was looked at.
    read_at: Time,
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
        place: &Place,
        change: &Change,
        mine: &mut Recording,
    ) -> Result<Option<Fresh>, Error> {
        let read_at = self.request.clock.now();
        if let (Some(dir), ChangeKind::Added, None) = (&place.dir, change.kind, change.stat)
            && let Some(fresh) = self.record_spared(hand, dir, change, read_at, mine)?
        {
            return Ok(Some(fresh));
        }
        let path = place.path.join(&change.name);
        self.request.monitor.at(&path);
        let tracked = change.tracked.as_ref();
        if change.kind == ChangeKind::Deleted {
            let was_directory = tracked.is_some_and(|known| known.what == Known::Directory);
            mine.deleted += u64::from(!was_directory);
            if tracked.is_some_and(is_conflict) {
                mine.undecided.push(path.clone());
            }
            mine.edits.push(Edit { path: path.clone(), entry: None });
            mine.rows.push((path, None));
            return Ok(None);
        }
        if change.kind == ChangeKind::Undecided
            && (change.stat.is_none() || !self.request.decided.contains(&path))
        {
            return Ok(None);
        }
        let Some(dir) = &place.dir else { return Ok(None) };
        let unread = |mine: &mut Recording, why| {
            mine.unread.push(Unread { path: path.clone(), why });
            Ok(None)
        };
        let stat = match change.stat {
            Some(stat) => stat,
            None => match dir.stat(&change.name) {
                Ok(stat) => stat,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return unread(mine, Why::Vanished);
                }
                Err(error) => return unread(mine, Why::Unreadable(error)),
            },
        };
        if change.kind == ChangeKind::InTheWay {
            return unread(mine, Why::InTheWay);
        }
        if let (ChangeKind::ModeOnly, Some(tracked)) = (&change.kind, tracked)
            && let Some(Entry { what, mtime, .. }) = tracked.to_entry()
        {
            let mode = self.mode(&stat, Some(tracked));
            return Ok(Some(Fresh { what, mode, mtime, stat, read_at }));
        }
        let what = match stat.kind {
            FileKind::File => {
                if let Some(content) = self.seen_before(&path, &stat) {
                    let what = file_of(stat.size, content);
                    return Ok(Some(self.fresh(change, stat, what, read_at)));
                }
                let monitor = self.request.monitor;
                let mut bytes = 0;
                let is_large = stat.size > LARGE;
                self.large.fetch_add(usize::from(is_large), Ordering::Relaxed);
                let outcome =
                    hand.record_file(&**dir, &change.name, &stat, &self.jobs, &mut |read| {
                        bytes += read;
                        // A long one is asked about more than once while it is read.
                        monitor.at(&path);
                        monitor.advance(0, read);
                    });
                self.large.fetch_sub(usize::from(is_large), Ordering::Relaxed);
                mine.bytes_read += bytes;
                monitor.advance(1, 0);
                match outcome? {
                    Outcome::Recorded(Recorded { content, stat }) => {
                        mine.files_read += 1;
                        self.keep_seen(&path, &stat, content);
                        let what = file_of(stat.size, content);
                        return Ok(Some(self.fresh(change, stat, what, read_at)));
                    }
                    Outcome::Vanished => return unread(mine, Why::Vanished),
                    Outcome::Changing => return unread(mine, Why::Changing),
                    Outcome::Unreadable(error) => return unread(mine, Why::Unreadable(error)),
                }
            }
            FileKind::Symlink => match dir.link_target(&change.name) {
                Ok(target) if target.len() as u64 > crate::object::manifest::SMALL => {
                    return Err(Error::LongLink(path));
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
        Ok(Some(self.fresh(change, stat, what, read_at)))
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
        let is_settled =
            |stat: &Stat| self.request.clock.is_settled(stat, read_at, self.request.volume);
        let recorded = hand.record_small(&**dir, &change.name, &is_settled)?;
        let Some(Recorded { content, stat }) = recorded else { return Ok(None) };
        mine.bytes_read += stat.size;
        mine.files_read += 1;
        self.request.monitor.advance(1, stat.size);
        Ok(Some(self.fresh(change, stat, file_of(stat.size, content), read_at)))
    }

    /// What was read is what there is; only permission bits depend on what was known.
    fn fresh(&self, change: &Change, stat: Stat, what: What, read_at: Time) -> Fresh {
        let mode = match what {
            What::Symlink { .. } => 0,
            _ => self.mode(&stat, change.tracked.as_ref()),
        };
        Fresh { what, mode, mtime: Some(stat.mtime), stat, read_at }
    }

    /// Permission bits: what the file system cannot express is inherited.
    fn mode(&self, stat: &Stat, tracked: Option<&Tracked>) -> u16 {
        if self.request.volume.exec_bits {
            return stat.mode;
        }
        let is_file = |tracked: &&Tracked| matches!(tracked.what, Known::File { .. });
        tracked.filter(is_file).map_or(0o644, |tracked| tracked.mode)
    }

    /// What stands in the tree, and what in the index.
    pub(super) fn entry_and_row(
        &self,
        name: Vec<u8>,
        tracked: Option<&Tracked>,
        fresh: Fresh,
    ) -> (Entry, Tracked) {
        let Fresh { what, mode, mtime, stat, read_at } = fresh;
        let attributes = tracked.and_then(|tracked| tracked.attributes);
        let entry = Entry { name, mode, mtime, attributes, what };
        let mut row = Tracked::of_entry(&entry);
        row.seen = Some(Seen::of(&stat, read_at, self.request.volume));
        (entry, row)
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
