//! One tracked name against the file that stands on disk under it.

use crate::disk::{FileKind, Stat};
use crate::index::{Known, Matches, Presence, Row, Tracked, Volume};

use super::found::ChangeKind;

/// What comparing shows.
pub(super) enum Verdict {
    /// Nothing changed.
    Same,
    /// Nothing changed but the stat, or that it is here now.
    Stale(Box<Tracked>),
    /// It differs, or may.
    Changed(ChangeKind),
}

/// What is needed to compare.
#[derive(Clone, Copy)]
pub(super) struct Comparer<'a> {
    pub(super) volume: &'a Volume,
    /// Rows marked unsynced were written before the system was started the last time.
    pub(super) distrust_unsynced: bool,
}

impl Comparer<'_> {
    /// Whether this is certainly the file last seen. Almost every file ends here.
    #[inline]
    pub(super) fn is_quickly_same(&self, row: &Row<'_>, stat: &Stat) -> bool {
        row.is_certainly_unchanged(stat, self.volume)
            && row.presence() == Presence::Here
            && !(self.distrust_unsynced && row.is_unsynced())
    }

    /// Compares a row with what is there; neither is a directory.
    pub(super) fn compare(&self, row: &Row<'_>, stat: &Stat) -> Verdict {
        use Verdict::Changed;
        let Some(kind) = row.kind() else {
            if is_gitlink(row) {
                // A directory.
                return Changed(ChangeKind::TypeChanged);
            }
            // What is recorded is a conflict. What was written for it has the stat that was seen
            // then; anything else may be how it was settled. A mode settles nothing.
            let seen = match row.is_unsynced() && self.distrust_unsynced {
                true => None,
                false => row.seen(),
            };
            let is_as_written = row.presence() == Presence::Here
                && seen.is_some_and(|seen| seen.matches(stat, self.volume) != Matches::Content);
            return Changed(match is_as_written {
                true => ChangeKind::Undecided,
                false => ChangeKind::Unsure,
            });
        };
        // A link that this file system cannot hold may stand here as a file.
        if row.presence() == Presence::NotRepresentable
            && (kind, stat.kind) == (FileKind::Symlink, FileKind::File)
            && !self.volume.symlinks
        {
            return Verdict::Same;
        }
        if kind != stat.kind {
            return Changed(ChangeKind::TypeChanged);
        }
        if kind == FileKind::Special {
            return Verdict::Same;
        }
        let tracked = row.tracked();
        // Of a symbolic link not every file system knows the size.
        if let Known::File { size, .. } = tracked.what
            && size != stat.size
        {
            return Changed(ChangeKind::Modified);
        }
        let matches = match row.is_unsynced() && self.distrust_unsynced {
            true => Matches::Content,
            false => row.matches(stat, self.volume),
        };
        let other_mode =
            self.volume.exec_bits && kind == FileKind::File && tracked.mode != stat.mode;
        match matches {
            Matches::Content => Changed(ChangeKind::Unsure),
            _ if other_mode => Changed(ChangeKind::ModeOnly),
            Matches::Same | Matches::MetadataOnly => Verdict::Stale(Box::new(tracked)),
        }
    }
}

/// Whether a row stands for a repository of git, which is a directory nobody looks into.
pub(super) fn is_gitlink(row: &Row<'_>) -> bool {
    matches!(row.tracked().what, Known::Other(crate::object::What::Gitlink { .. }))
}

/// Whether a row stands for a conflict that nobody has decided on.
pub(super) fn is_conflict(row: &Row<'_>) -> bool {
    row.kind().is_none() && !is_gitlink(row)
}
