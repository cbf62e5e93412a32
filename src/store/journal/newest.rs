//! `newest`: the newest record that this store is known to have had.
//!
//! Whoever loses the newest records sees only an older store, and the next record would take a lost
//! number again. So number and hash of each record are noted beside the journal once the record is
//! durable, and whoever writes next gives up what is gone.
//!
//! The note is a witness and no more. It is written last and not synced: a power failure leaves an
//! older one or one that does not verify, and neither says that anything is wrong. It can never
//! name a record that the same failure took, because that was on the disk before. Readers do not
//! write it, so a store that cannot be written to needs none.

use std::io;

use crate::clock::Random;
use crate::disk;
use crate::hash::{Id, hex, unhex};

use super::record::checked_lines;
use super::{Error, Journal, ended_text, io_error};

const MAGIC: &str = "annals-newest 1";
const PATH: &str = "newest";

/// What the file `newest` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Newest {
    /// The store's id: what is noted of another store says nothing of this one.
    pub store: [u8; 16],
    /// The number of the record.
    pub number: u64,
    /// Its hash.
    pub hash: Id,
}

impl Newest {
    /// As a text.
    pub fn to_text(&self) -> String {
        let (store, Self { number, hash, .. }) = (hex(&self.store), self);
        ended_text(format!("{MAGIC}\nstore {store}\nnumber {number}\nrecord {hash}\n"))
    }

    /// Reads it; `None` if it is damaged, or of a version that is not known: then it says nothing.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (lines, _) = checked_lines(bytes).ok()?;
        let lines: Vec<&str> = lines.lines().collect();
        let [MAGIC, store, number, hash] = lines[..] else { return None };
        let newest = Self {
            store: unhex(store.strip_prefix("store ")?)?,
            number: number.strip_prefix("number ")?.parse().ok()?,
            hash: hash.strip_prefix("record ")?.parse().ok()?,
        };
        (newest.number > 0 && newest.to_text().as_bytes() == bytes).then_some(newest)
    }
}

impl Journal {
    /// The newest record that the store is known to have had, if that is known. To be asked before
    /// the journal is read: what it names was there then.
    pub fn newest(&self) -> Result<Option<Newest>, Error> {
        match disk::read_all(&*self.dir, PATH.as_bytes(), 4096) {
            Ok(bytes) => Ok(Newest::parse(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            // Longer than any.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(None),
            Err(error) => Err(io_error("read", PATH)(error)),
        }
    }

    /// Notes a record that is durable. Without it only a loss goes unnoticed, so nothing fails.
    pub(in super::super) fn remember(&self, newest: &Newest, random: &dyn Random) {
        let beside = format!("tmp/{}.new", hex(&random.sixteen()));
        let written = self
            .dir
            .create(beside.as_bytes(), 0o666)
            .and_then(|file| file.write_at(newest.to_text().as_bytes(), 0))
            .and_then(|()| self.dir.rename(beside.as_bytes(), &*self.dir, PATH.as_bytes()));
        if written.is_err() {
            let _ = self.dir.remove_file(beside.as_bytes());
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::testing::{World, journal};
    use super::*;
    use crate::clock::SeededRandom;
    use crate::disk::{MemoryDisk, Survival};

    fn noted(number: u64) -> Newest {
        Newest { store: [7; 16], number, hash: crate::hash::hash(&number.to_le_bytes()) }
    }

    #[test]
    fn what_is_noted_is_read_back_and_what_is_damaged_says_nothing() {
        let world = World::new();
        assert_eq!(world.journal.newest().unwrap(), None);
        disk::make_dirs(&*world.journal.dir, b"tmp").unwrap();
        world.journal.remember(&noted(3), &world.random);
        world.journal.remember(&noted(4), &world.random);
        assert_eq!(world.journal.newest().unwrap(), Some(noted(4)));
        assert!(world.journal.dir.dir(b"tmp").unwrap().list().unwrap().is_empty());
        for nonsense in [String::new(), noted(4).to_text().replace('4', "5"), "x".repeat(5000)] {
            world.disk.write("/repo/newest", nonsense);
            assert_eq!(world.journal.newest().unwrap(), None);
        }
    }

    #[test]
    fn a_text_that_says_the_same_otherwise_is_not_believed() {
        let text = noted(4).to_text();
        let with = |old: &str, new: &str| {
            let body = text[..text.rfind("end ").unwrap()].replace(old, new);
            Newest::parse(ended_text(body).as_bytes())
        };
        assert_eq!(with("", ""), Some(noted(4)));
        for (old, new) in [
            ("number 4", "number +4"),
            ("number 4", "number 04"),
            ("number 4", "number 0"),
            ("number 4\n", ""),
            ("number 4\n", "number 4\nnumber 4\n"),
            ("newest 1", "newest 2"),
        ] {
            assert_eq!(with(old, new), None, "{new}");
        }
    }

    #[test]
    fn a_power_failure_leaves_the_note_or_an_older_one_or_none_that_counts() {
        for survival in
            [Survival::Nothing, Survival::Everything].into_iter().chain((0..20).map(Survival::Some))
        {
            let disk = MemoryDisk::new();
            let before = journal(&disk);
            disk::make_dirs(&*before.dir, b"tmp").unwrap();
            let random = SeededRandom::new(1);
            before.remember(&noted(3), &random);
            disk.remount();
            before.remember(&noted(4), &random);
            let found = journal(&disk.image_after_power_loss(survival)).newest().unwrap();
            let is_lawful = [None, Some(noted(3)), Some(noted(4))].contains(&found);
            assert!(is_lawful, "{survival:?}: {found:?}");
        }
    }
}
