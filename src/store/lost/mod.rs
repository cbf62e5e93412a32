//! Records that are known to have been here and are gone.
//!
//! The file `newest` is compared with the journal when a store is opened and before each record is
//! written. Reading goes on with what there is. The next record gives up the numbers that are gone,
//! each with a file that is no record in its place, so that neither a writer who knows less nor a
//! file that comes back late makes it a record again; and it begins a new incarnation. Where nothing
//! of the journal is left, nothing is written at all: a new journal would make garbage of all packs.
//!
//! Deliberately absent: bringing back what refs of given-up records pointed to.

use std::fmt;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use crate::hash::{self, Id};

use super::journal::{GIVEN_UP, Newest, Slot};
use super::{Class, Effect, Error, State, Store};

/// So many numbers are given up at once, and no more: each is a line in a record.
const MOST_GIVEN_UP: u64 = 4096;

/// What is known to have been in the journal and is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// It ends before the newest record it had.
    Newest {
        /// The number of that record.
        known: u64,
        /// The number of the newest that is there.
        found: u64,
    },
    /// Another record has the number.
    Other {
        /// Which.
        number: u64,
    },
    /// Nothing is left of it.
    Everything,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newest { known, found } => write!(
                f,
                "the newest records are gone: the journal has been at {known} and is at {found}"
            ),
            Self::Other { number } => {
                write!(f, "record {number} of the journal is not the one that was written here")
            }
            Self::Everything => f.write_str(
                "the journal is gone: no record says any more what is in packs or where refs point",
            ),
        }
    }
}

/// What the next record has to go by beside the state.
pub(super) struct Next {
    /// Its number.
    pub(super) number: u64,
    /// The numbers before it that do not count, with what stands there.
    pub(super) skips: Vec<Effect>,
    /// What was lost, if anything was.
    pub(super) lost: Option<Lost>,
}

impl Store {
    /// What is known to be lost of the journal.
    pub fn lost(&self) -> Option<Lost> {
        *self.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks for what is lost, and makes it known. `newest` was read before the state was.
    pub(super) fn find_lost(&self, newest: Option<&Newest>) -> Result<(), Error> {
        let lost = newest.map_or(Ok(None), |newest| self.compare(newest, &self.state()))?;
        if let Some(lost) = lost {
            self.notice(lost.to_string());
        } else if self.are_packs_all_there_is()? {
            self.notice(Lost::Everything.to_string());
        }
        *self.lost.lock().unwrap_or_else(PoisonError::into_inner) = lost;
        Ok(())
    }

    /// Whether packs lie here and no record says anything, nor that any ever did: records are there
    /// before packs, so they did not come along. Or else this is a store that somebody began in
    /// another way, so nobody is kept from writing to it.
    pub(super) fn are_packs_all_there_is(&self) -> Result<bool, Error> {
        if self.state().number > 0 || self.journal.highest()? > 0 {
            return Ok(false);
        }
        for class in Class::ALL {
            if !self.pack_files(class)?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What is noted as the newest record, if that is one of this store.
    pub(super) fn noted(&self) -> Result<Option<Newest>, Error> {
        let identity = self.identity();
        Ok(self.journal.newest()?.filter(|newest| identity.may_be(newest.store)))
    }

    /// What is lost, if the store has had this record and says this now.
    pub(super) fn compare(&self, newest: &Newest, state: &State) -> Result<Option<Lost>, Error> {
        let number = newest.number;
        if number == state.number {
            return Ok((newest.hash != state.hash).then_some(Lost::Other { number }));
        }
        if number > state.number && self.journal.highest()? == 0 {
            return Ok(Some(Lost::Everything));
        }
        let gone = Lost::Newest { known: number, found: state.number };
        Ok(match self.journal.read(number)? {
            Slot::Absent if number > state.number => Some(gone),
            // Giving it up was interrupted.
            Slot::Damaged(hash) if number > state.number && hash == given_up() => Some(gone),
            Slot::Record(_, hash) if number < state.number && hash != newest.hash => {
                Some(Lost::Other { number })
            }
            // What is there and damaged, or behind a hole, is told of by the journal.
            _ => None,
        })
    }

    /// An error if nothing is to be written, because the journal is gone.
    pub(super) fn check_journal(&self) -> Result<(), Error> {
        match self.lost() {
            Some(Lost::Everything) => Err(Error::JournalGone),
            _ => Ok(()),
        }
    }

    /// What the record after this state has to go by, where numbers up to `last` are or were taken.
    /// Those that are gone, or stand over files that do not count, are given up for ever when this
    /// returns. `None` if somebody else has written meanwhile: then all is to be looked at again.
    pub(super) fn next_record(
        &self,
        newest: Option<&Newest>,
        state: &State,
        last: u64,
    ) -> Result<Option<Next>, Error> {
        let lost = newest.map_or(Ok(None), |newest| self.compare(newest, state))?;
        if lost == Some(Lost::Everything) {
            return Err(Error::JournalGone);
        }
        let first = state.number + 1;
        let last = last.max(state.number);
        if last - state.number > MOST_GIVEN_UP {
            return Err(Error::TooManyLost { first, last });
        }
        let passed_over = self.held.load(Ordering::Relaxed);
        let mut slots = Vec::new();
        for number in first..=last {
            let slot = self.journal.read(number)?;
            match slot {
                Slot::Record(..) if number <= passed_over => {}
                // Whoever reads on meets it, or it was written since the copy was opened.
                Slot::Record(..) if number == first || passed_over > 0 => return Ok(None),
                Slot::Record(..) => return Err(Error::Hole { first, last: number - 1 }),
                _ => {}
            }
            slots.push((number, slot));
        }
        // Only once it is known that no record stands behind them.
        let free = slots.iter().filter(|(_, slot)| matches!(slot, Slot::Absent));
        let free: Vec<u64> = free.map(|(number, _)| *number).collect();
        self.journal.give_up(&free, &*self.env.random)?;
        let mut skips = Vec::new();
        for (number, slot) in slots {
            let was_free = matches!(slot, Slot::Absent);
            let hash = match if was_free { self.journal.read(number)? } else { slot } {
                Slot::Record(..) if was_free => return Ok(None),
                Slot::Record(_, hash) | Slot::Damaged(hash) => hash,
                Slot::Absent => Id::default(),
            };
            skips.push(Effect::Skips { number, hash });
        }
        Ok(Some(Next { number: last + 1, skips, lost }))
    }

    /// Notes a record that is durable. Nothing is noted before it is: so no power failure leaves a
    /// note of a record that it took.
    pub(super) fn remember(&self, newest: Option<&Newest>, number: u64, hash: Id) {
        // Without a lock somebody else may have noted a later one.
        if newest.is_none_or(|newest| newest.number < number) {
            let noted = Newest { store: self.identity().store, number, hash };
            self.journal.remember(&noted, &*self.env.random);
        }
    }

    /// The record that gives up what was lost is there: that is said once.
    pub(super) fn gave_up(&self, next: &Next) {
        if next.lost.is_some() {
            let numbers: Vec<u64> = next.skips.iter().filter_map(Effect::given_up).collect();
            let what = match (numbers.first(), numbers.last()) {
                (Some(first), Some(last)) if first < last => {
                    format!("records {first} to {last} are given up")
                }
                (Some(only), _) => format!("record {only} is given up"),
                _ => "the journal goes on from other records".to_owned(),
            };
            self.notice(format!("{what}: record {} begins a new incarnation", next.number));
        }
        *self.lost.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// The hash of what stands under a number that was given up.
fn given_up() -> Id {
    hash::hash(GIVEN_UP.as_bytes())
}

#[cfg(test)]
mod tests;
