//! Large directories as they were listed: so that one that did not change need not be listed.
//!
//! A directory that has the times it had keeps the names it had. The index then only has to hold
//! as many names that are found there as were found in all: they are the same ones, and nothing is
//! there that is not tracked. So what is kept here need not change when rows do; it can only be
//! out of date, and then the directory is listed.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

use super::stat::{Matches, Seen};
use super::volume::Volume;
use crate::codec::{self, Decode, Encode, Validate};
use crate::disk::Stat;
use crate::path::RepoPath;
use crate::table::{self, Batch, Database};

const TABLE: &str = "listed";

/// A directory as it was listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Listed {
    /// How many names it had, `.annals` in the root not among them.
    pub names: u64,
    /// What the file system said of it before it was listed.
    pub seen: Seen,
}

impl Validate for Listed {
    fn validate(&self) -> Result<(), codec::Error> {
        Ok(())
    }
}

impl Listed {
    /// Whether the directory still has the names it had.
    pub fn holds(&self, stat: &Stat, volume: &Volume) -> bool {
        can_tell(volume) && self.seen.matches(stat, volume) == Matches::Same
    }

    /// Whether it can ever be used: a change right after it was listed would show.
    pub fn is_sure(&self, volume: &Volume) -> bool {
        can_tell(volume) && !self.seen.racy
    }
}

/// Whether the times of a directory tell that its names are the same, and a name is one name only.
/// The change time must be a real one: anybody may set the other back, and `switch` does.
fn can_tell(volume: &Volume) -> bool {
    volume.directory_times && volume.real_ctime && volume.case_sensitive && !volume.normalises
}

/// By path.
pub(super) type All = BTreeMap<Vec<u8>, Listed>;

/// Reads all of them; what cannot be read is left out.
pub(super) fn read(database: &Database) -> Result<All, table::Error> {
    let mut all = All::new();
    database.visit(TABLE, Bound::Unbounded, Bound::Unbounded, |path, bytes| {
        if let Ok(listed) = codec::decode(bytes) {
            all.insert(path.to_vec(), listed);
        }
        ControlFlow::Continue(())
    })?;
    Ok(all)
}

pub(super) fn write(
    batch: &mut Batch<'_>,
    newer: &[(RepoPath, Listed)],
) -> Result<(), table::Error> {
    if newer.is_empty() {
        return Ok(());
    }
    let mut rows = batch.table(TABLE)?;
    for (path, listed) in newer {
        rows.put(path.as_bytes(), &codec::encode(listed))?;
    }
    Ok(())
}

/// Forgets all of them: some may be of directories that are gone.
pub(super) fn clear(batch: &mut Batch<'_>) -> Result<(), table::Error> {
    batch.clear(TABLE)
}
