//! Checkpoints: what the records up to a number say, so that nobody need read them all.
//!
//! A checkpoint is a pure function of the records it covers, so it does not matter who writes it.
//! Ref moves are kept in runs beside it, merged like the digits of a binary counter: a run of the
//! newest 256 records is merged with its neighbour as soon as both are of a size. So the reflog
//! survives the records, and each move is rewritten a logarithmic number of times.
//!
//! Old records are deleted only once a checkpoint covers them, in ascending order; the newest 256
//! and those of the last day stay.

use std::io;

use bstr::ByteSlice;

use crate::clock::{Random, Time};
use crate::disk;

use super::record::{
    Effect, Target, checked_lines, end_text, parse_target, parse_time, percent_decode,
    percent_encode, write_target,
};
use super::{
    CHECKPOINT_EVERY, Error, Journal, LONGEST_CHECKPOINT, ParseError, Slot, State, io_error,
    record_path,
};

/// Ref moves older than this before the newest record are dropped when runs are merged: 90 days.
pub(super) const EXPIRY_SECONDS: i64 = 90 * 24 * 3600;
/// Records of the last day stay.
const STAY_SECONDS: i64 = 24 * 3600;

/// One move of a ref.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// The record that made it.
    pub number: u64,
    /// When.
    pub time: Time,
    /// Who.
    pub actor: String,
    /// The ref.
    pub name: String,
    /// Where it was.
    pub old: Option<Target>,
    /// Where it went.
    pub new: Option<Target>,
    /// Why.
    pub reason: String,
}

impl Move {
    fn to_line(&self) -> String {
        format!(
            "{} {} {} {} {} {} {}\n",
            self.number,
            self.time,
            percent_encode(&self.actor),
            percent_encode(&self.name),
            write_target(self.old.as_ref()),
            write_target(self.new.as_ref()),
            percent_encode(&self.reason),
        )
    }

    fn parse(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split(' ').collect();
        let [number, time, actor, name, old, new, reason] = words[..] else { return None };
        Some(Self {
            number: number.parse().ok()?,
            time: parse_time(time)?,
            actor: percent_decode(actor)?,
            name: percent_decode(name)?,
            old: parse_target(old)?,
            new: parse_target(new)?,
            reason: percent_decode(reason)?,
        })
    }
}

const MOVES_MAGIC: &str = "annals-moves 1";

pub(super) fn checkpoint_path(number: u64) -> String {
    format!("journal/checkpoints/{number}")
}

fn moves_path(first: u64, last: u64) -> String {
    format!("journal/moves/{first}-{last}")
}

/// The runs of moves that stand beside the checkpoint at `number`, oldest first: one for each bit
/// of its count of blocks.
pub(super) fn runs_at(number: u64) -> Vec<(u64, u64)> {
    let blocks = number / CHECKPOINT_EVERY;
    let mut runs = Vec::new();
    let mut start = 0;
    for bit in (0..64).rev().filter(|bit| blocks >> bit & 1 == 1) {
        let end = start + (1u64 << bit);
        runs.push((start * CHECKPOINT_EVERY + 1, end * CHECKPOINT_EVERY));
        start = end;
    }
    runs
}

impl Journal {
    /// The newest checkpoint that can be read (at or below `limit`), or the state before the first
    /// record; with the numbers of damaged checkpoints that were passed over.
    pub(super) fn newest_checkpoint(&self, limit: Option<u64>) -> Result<(State, Vec<u64>), Error> {
        let mut numbers = self.checkpoint_numbers()?;
        numbers.retain(|number| limit.is_none_or(|limit| *number <= limit));
        let mut damaged = Vec::new();
        while let Some(number) = numbers.pop() {
            let path = checkpoint_path(number);
            let bytes = match disk::read_all(&*self.dir, path.as_bytes(), LONGEST_CHECKPOINT) {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(io_error("read", &path)(error)),
            };
            match State::parse(&bytes) {
                Ok((state, _)) if state.number == number => return Ok((state, damaged)),
                Ok(_) | Err(ParseError::Damaged) => damaged.push(number),
                Err(source) => return Err(Error::Parse { path, source }),
            }
        }
        Ok((State::default(), damaged))
    }

    /// The numbers of all checkpoints, ascending.
    pub fn checkpoint_numbers(&self) -> Result<Vec<u64>, Error> {
        let listed = match self.dir.dir(b"journal/checkpoints").and_then(|dir| dir.list()) {
            Ok(listed) => listed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(io_error("list", "journal/checkpoints")(error)),
        };
        let mut numbers: Vec<u64> =
            listed.iter().filter_map(|found| found.name.to_str().ok()?.parse().ok()).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Checks a checkpoint: whether it reads, and its runs of moves do.
    pub fn check_checkpoint(&self, number: u64) -> Result<bool, Error> {
        let path = checkpoint_path(number);
        let bytes = disk::read_all(&*self.dir, path.as_bytes(), LONGEST_CHECKPOINT)
            .map_err(io_error("read", &path))?;
        let Ok((state, runs)) = State::parse(&bytes) else { return Ok(false) };
        if state.number != number {
            return Ok(false);
        }
        for (first, last) in runs {
            if self.read_moves(first, last).is_err() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Writes the checkpoint that is due at or below `newest`, if there is one, and deletes
    /// records that need not stay. The caller holds the lock. Only derived and covered files are
    /// touched, so an interruption anywhere is harmless.
    pub fn compact(&self, newest: &State, random: &dyn Random) -> Result<(), Error> {
        let due = newest.number / CHECKPOINT_EVERY * CHECKPOINT_EVERY;
        let (base, _) = self.newest_checkpoint(Some(due))?;
        let mut at = base.number;
        let mut state = base;
        while at < due {
            at += CHECKPOINT_EVERY;
            let first = at - CHECKPOINT_EVERY + 1;
            let Some((next, moves)) = self.read_block(state, first, at)? else { return Ok(()) };
            state = next;
            self.write_runs(at, moves, state.time, random)?;
            let text = state.to_text(&runs_at(at));
            self.put_new(&checkpoint_path(at), text.as_bytes(), random)?;
        }
        self.delete_covered(due, newest)
    }

    /// The state after record `number`, if the records up to it are there.
    pub fn state_at(&self, number: u64) -> Result<Option<State>, Error> {
        let (mut state, _) = self.newest_checkpoint(Some(number))?;
        while state.number < number {
            let Slot::Record(record, id) = self.read(state.number + 1)? else { return Ok(None) };
            state = self.after(state, *record, id)?;
        }
        Ok(Some(state))
    }

    /// Reads the records of one block. `None` if one is damaged or missing: then they all stay,
    /// and no checkpoint covers them.
    fn read_block(
        &self,
        mut state: State,
        first: u64,
        last: u64,
    ) -> Result<Option<(State, Vec<Move>)>, Error> {
        let mut moves = Vec::new();
        for number in first..=last {
            let Slot::Record(record, id) = self.read(number)? else { return Ok(None) };
            collect_moves(&record, &mut moves);
            state = self.after(state, *record, id)?;
        }
        Ok(Some((state, moves)))
    }

    /// Writes the run of moves that ends at `at`, merging the runs it takes the place of.
    fn write_runs(
        &self,
        at: u64,
        newest: Vec<Move>,
        now: Time,
        random: &dyn Random,
    ) -> Result<(), Error> {
        let Some(&(first, last)) = runs_at(at).last() else { return Ok(()) };
        let mut moves = Vec::new();
        for (older_first, older_last) in runs_at(at - CHECKPOINT_EVERY) {
            if older_first >= first {
                moves.extend(self.read_moves(older_first, older_last)?);
            }
        }
        moves.extend(newest);
        moves.retain(|one| now.seconds.saturating_sub(one.time.seconds) <= EXPIRY_SECONDS);
        let mut text = format!("{MOVES_MAGIC}\n");
        moves.iter().for_each(|one| text.push_str(&one.to_line()));
        self.put_new(&moves_path(first, last), end_text(text).0.as_bytes(), random)?;
        Ok(())
    }

    pub(super) fn read_moves(&self, first: u64, last: u64) -> Result<Vec<Move>, Error> {
        let path = moves_path(first, last);
        let bytes = disk::read_all(&*self.dir, path.as_bytes(), LONGEST_CHECKPOINT)
            .map_err(io_error("read", &path))?;
        let parse = || {
            let (lines, _) = checked_lines(&bytes)?;
            let mut lines = lines.lines();
            match lines.next() {
                Some(MOVES_MAGIC) => {}
                other => return Err(ParseError::TooNew(other.unwrap_or_default().to_owned())),
            }
            lines.map(|line| Move::parse(line).ok_or(ParseError::Damaged)).collect()
        };
        parse().map_err(|source| Error::Parse { path: path.clone(), source })
    }

    /// All ref moves that are known, oldest first: those beside the newest checkpoint at or below
    /// the state, then those of the records after it.
    pub fn moves(&self, state: &State) -> Result<Vec<Move>, Error> {
        let (base, _) = self.newest_checkpoint(Some(state.number))?;
        let mut moves = Vec::new();
        for (first, last) in runs_at(base.number) {
            match self.read_moves(first, last) {
                Ok(run) => moves.extend(run),
                // A damaged run loses history of refs, not refs: fsck reports it.
                Err(Error::Parse { .. }) => {}
                Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        for number in base.number + 1..=state.number {
            match self.read(number)? {
                Slot::Record(record, _) => collect_moves(&record, &mut moves),
                _ => {
                    if let Slot::Record(next, _) = self.read(number + 1)? {
                        collect_effects(number, &next, &next.before, &mut moves);
                    }
                }
            }
        }
        Ok(moves)
    }

    fn delete_covered(&self, covered: u64, newest: &State) -> Result<(), Error> {
        let keep_from = newest.number.saturating_sub(CHECKPOINT_EVERY) + 1;
        let mut folders: Vec<u64> = match self.dir.dir(b"journal").and_then(|dir| dir.list()) {
            Ok(found) => {
                found.iter().filter_map(|found| found.name.to_str().ok()?.parse().ok()).collect()
            }
            Err(error) => return Err(io_error("list", "journal")(error)),
        };
        folders.sort_unstable();
        for folder in folders {
            let path = format!("journal/{folder}");
            let dir = self.dir.dir(path.as_bytes()).map_err(io_error("open", &path))?;
            let listed = dir.list().map_err(io_error("list", &path))?;
            let mut numbers: Vec<u64> =
                listed.iter().filter_map(|found| found.name.to_str().ok()?.parse().ok()).collect();
            numbers.sort_unstable();
            for number in numbers {
                if number >= keep_from || number > covered {
                    return Ok(());
                }
                // Where time ran backwards nothing is deleted: ages count to the newest record.
                let Slot::Record(record, _) = self.read(number)? else { return Ok(()) };
                let age = newest.time.seconds.saturating_sub(record.time.seconds);
                if age <= STAY_SECONDS {
                    return Ok(());
                }
                let path = record_path(number);
                self.dir.remove_file(path.as_bytes()).map_err(io_error("remove", &path))?;
            }
        }
        Ok(())
    }
}

fn collect_moves(record: &super::Record, moves: &mut Vec<Move>) {
    collect_effects(record.number, record, &record.effects, moves);
}

fn collect_effects(number: u64, record: &super::Record, effects: &[Effect], moves: &mut Vec<Move>) {
    for effect in effects {
        if let Effect::Ref { name, old, new, reason } = effect {
            moves.push(Move {
                number,
                time: record.time,
                actor: record.actor.clone(),
                name: name.clone(),
                old: old.clone(),
                new: new.clone(),
                reason: reason.clone(),
            });
        }
    }
}
