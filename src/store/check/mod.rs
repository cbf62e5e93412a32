//! Checking what the store itself knows about: pack files, their tables, the lookup, `format`.
//!
//! Whether everything that is needed is there is `history`'s question; nothing here follows an
//! object to another. Nothing is changed but derived data.

mod content;
mod finding;
mod packs;

use std::collections::BTreeSet;
use std::io;

use crate::disk::{self, Wait};
use crate::hash;

use super::{Class, Effect, Error, Identity, Lost, Store, journal::Slot};

pub use content::check_manifest;
pub use finding::{Damage, Finding, Severity};
pub use packs::Packs;

/// How much is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// Whether everything is there: tables of packs and metadata, no content.
    Connectivity,
    /// Every byte.
    #[default]
    Complete,
}

/// What is there and belongs to nobody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Garbage {
    /// Packs that no record lists.
    pub packs: u64,
    /// Their bytes.
    pub pack_bytes: u64,
    /// Temporary folders and files of processes that are gone.
    pub temporary: u64,
}

impl Store {
    /// Checks the `format` file.
    pub fn check_format(&self, report: &mut dyn FnMut(Finding)) {
        let wrong = |text: &str| {
            Finding::error("E_FORMAT", Damage::Journal, text.to_owned()).in_file("format")
        };
        match Identity::read(&*self.dir) {
            Ok(identity) => {
                let state = self.state();
                if state.number > 0 && identity.incarnation != state.incarnation {
                    if self.had_incarnation(identity.incarnation) {
                        let text = "it is of an older incarnation; the next write renews it";
                        report(
                            Finding::notice("N_FORMAT_OLD", Damage::None, text).in_file("format"),
                        );
                    } else {
                        report(wrong("it is of another store; the next write makes it anew"));
                    }
                }
            }
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                report(wrong("it is missing; the next write makes it anew"));
            }
            Err(Error::DamagedFormat | Error::NotAStore) => {
                report(wrong("it is damaged; the next write makes it anew"));
            }
            Err(error) => report(wrong(&error.to_string())),
        }
    }

    /// Whether a record that is still there says that the store once was of this incarnation.
    fn had_incarnation(&self, incarnation: [u8; 16]) -> bool {
        let newest = self.state().number;
        (1..=newest).rev().take(1024).any(|number| {
            matches!(self.journal.read(number),
                Ok(Slot::Record(record, _)) if record.incarnation == incarnation)
        })
    }

    /// Compares what is saved of the journal's state with the journal itself. If they differ, what
    /// is saved is removed and the journal believed.
    pub fn check_saved_state(&self, report: &mut dyn FnMut(Finding)) -> Result<(), Error> {
        let known = self.state();
        let truth = self.journal.replay_beyond(None, known.number)?;
        let comparable = truth.damage.is_empty()
            && known.damage.is_empty()
            && truth.number == known.number
            && truth.hash == known.hash;
        if comparable && truth != *known {
            let _ = self.dir.remove_file(super::STATE.as_bytes());
            *self.state.write().unwrap_or_else(std::sync::PoisonError::into_inner) = truth.into();
            let text = "the saved state did not agree with the journal; it was removed";
            report(Finding::notice("N_STATE", Damage::Derived, text).in_file(super::STATE));
        }
        Ok(())
    }

    /// Looks for traces of records that are no longer there: whoever loses the newest records sees
    /// only an older store.
    pub fn check_for_lost_records(&self, report: &mut dyn FnMut(Finding)) -> Result<(), Error> {
        // No store is ever like this by itself, whatever was interrupted: these are errors.
        let lost = match self.are_packs_all_there_is()? {
            true => Some(Lost::Everything),
            false => self.lost(),
        };
        if let Some(lost) = lost {
            let id = match lost {
                Lost::Everything => "E_JOURNAL_GONE",
                Lost::Newest { .. } => "E_RECORDS_GONE",
                Lost::Other { .. } => "E_RECORD_OTHER",
            };
            report(Finding::error(id, Damage::Journal, lost.to_string()).in_file("journal"));
            return Ok(());
        }
        let state = self.state();
        // No error: a record that was seen and never became durable leaves the same traces.
        let lost = |text: String| Finding::warning("W_JOURNAL_SHORT", text);
        let saved = disk::read_all(&*self.dir, super::STATE.as_bytes(), 1 << 30);
        if let Ok((saved, _)) =
            saved.as_deref().map_or(Err(()), |bytes| super::State::parse(bytes).map_err(|_| ()))
            && saved.number > self.journal.highest()?
        {
            report(lost(format!(
                "the newest records are gone: the journal has been at {} and is at {}",
                saved.number, state.number
            )));
            return Ok(());
        }
        let mut removed = BTreeSet::new();
        let mut number = state.number;
        while let Ok(Slot::Record(record, _)) = self.journal.read(number) {
            for effect in record.effects {
                if let Effect::PackRemoved { name, .. } = effect {
                    removed.insert(name);
                }
            }
            number -= 1;
        }
        // Only what was published gets into a run, and older removals may be covered.
        let known = self.lookup().pack_names();
        let unlisted = self.unlisted_files()?;
        let strange =
            unlisted.iter().find(|(name, _)| known.contains(*name) && !removed.contains(*name));
        if let Some((name, _)) = strange
            && number == 0
        {
            report(lost(format!(
                "the newest records are gone: none lists pack {name}, which the lookup knows"
            )));
        }
        Ok(())
    }

    /// Names and paths of the packs that are there and not listed.
    pub(super) fn unlisted_files(
        &self,
    ) -> Result<std::collections::BTreeMap<String, String>, Error> {
        let state = self.state();
        let mut unlisted = std::collections::BTreeMap::new();
        for class in Class::ALL {
            for path in self.pack_files(class)? {
                let name = path.rsplit('/').next().unwrap_or_default();
                let is_listed = state
                    .packs
                    .get(name)
                    .is_some_and(|pack| super::pack_path(pack.class, name) == path);
                if !is_listed {
                    unlisted.insert(name.to_owned(), path.clone());
                }
            }
        }
        Ok(unlisted)
    }

    /// Counts what belongs to nobody.
    pub fn garbage(&self) -> Result<Garbage, Error> {
        let mut garbage = Garbage::default();
        for path in self.unlisted_files()?.into_values() {
            garbage.packs += 1;
            garbage.pack_bytes += self.dir.stat(path.as_bytes()).map_or(0, |stat| stat.size);
        }
        let listed = match self.dir.dir(b"tmp").and_then(|dir| dir.list()) {
            Ok(listed) => listed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(garbage),
            Err(error) => return Err(Error::io("list", "tmp")(error)),
        };
        for found in listed {
            let name = String::from_utf8_lossy(&found.name).into_owned();
            let lock = format!("tmp/{name}/lock");
            // Asking for a lock makes its file: only where there is one.
            let is_alive = hash::unhex::<8>(&name).is_some()
                && self.dir.stat(lock.as_bytes()).is_ok()
                && matches!(self.dir.lock(lock.as_bytes(), Wait::No), Ok(None));
            garbage.temporary += u64::from(!is_alive);
        }
        Ok(garbage)
    }
}
