//! Checking the journal: every record and checkpoint that should be there, and what they say of
//! each other.
//!
//! What is damaged and was skipped by a later record does not count and is known; everything else
//! is reported. Checkpoints whose records are still there are computed anew and compared.

use std::collections::BTreeSet;
use std::io;

use bstr::ByteSlice;

use crate::hash::{self, Id};

use super::super::check::{Damage, Finding};
use super::checkpoint::runs_at;
use super::follow::skipped;
use super::runs::Found;
use super::{
    CHECKPOINT_EVERY, Changes, Effect, Error, GIVEN_UP, Journal, Record, Slot, State, io_error,
    record_path,
};

/// What was there to be checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Records.
    pub records: u64,
    /// Checkpoints.
    pub checkpoints: u64,
}

/// The record before, as the next must speak of it.
struct Last {
    number: u64,
    hash: Id,
    effects: Vec<Effect>,
}

impl Journal {
    /// Checks all of it.
    pub fn check(&self, report: &mut dyn FnMut(Finding)) -> Result<Checked, Error> {
        let records = self.record_numbers(report)?;
        let checkpoints: BTreeSet<u64> = self.checkpoint_numbers()?.into_iter().collect();
        let checked =
            Checked { records: records.len() as u64, checkpoints: checkpoints.len() as u64 };
        let mut last: Option<Last> = None;
        // The state as the records say it, while none has been missing.
        let mut state = (records.first().is_none_or(|first| *first == 1)).then(State::default);
        let mut sound_checkpoint = 0;
        let mut named = BTreeSet::new();
        let skipped = self.given_up(&records);
        let mut pending: Vec<(u64, Finding)> = Vec::new();
        let all: BTreeSet<u64> = records.iter().chain(&checkpoints).copied().collect();
        for &number in &all {
            if records.contains(&number)
                && !skipped.contains(&number)
                && let Some((record, hash)) =
                    self.check_record(number, last.as_ref(), &skipped, &mut pending)?
            {
                let follows = state.as_ref().is_some_and(|state| {
                    (state.number + 1..number).all(|number| skipped.contains(&number))
                });
                last = Some(Last { number, hash, effects: record.effects.clone() });
                state = state.filter(|_| follows);
                if let Some(state) = &mut state {
                    state.apply(record, hash);
                }
            }
            if checkpoints.contains(&number) && skipped.contains(&number) {
                let text = "a later record gave up what it is the checkpoint of; it does not count";
                let path = super::checkpoint::checkpoint_path(number);
                report(Finding::warning("W_CHECKPOINT_SKIPPED", text).in_file(path));
            } else if checkpoints.contains(&number) {
                let computed = state.as_ref().filter(|state| state.number == number);
                let is_old = Some(&number) < checkpoints.iter().nth_back(1);
                if let Some(found) = self.check_one_checkpoint(number, computed, is_old, report)? {
                    named.extend(found.runs.iter().map(|run| (run.first, run.last)));
                    sound_checkpoint = number;
                    state.get_or_insert(found);
                }
            }
        }
        // Those that others were merged from are read only when those are damaged.
        for (first, last) in self.run_names("journal/runs")? {
            if let Err(Error::Parse { path, source }) = self.read_run(first, last)
                && !named.contains(&(first, last))
            {
                let text = format!("the run, which is kept as a spare, does not verify: {source}");
                report(Finding::warning("W_RUN", text).in_file(path));
            }
        }
        let damaged: BTreeSet<u64> = pending.iter().map(|(number, _)| *number).collect();
        pending.into_iter().for_each(|(_, finding)| report(finding));
        for &number in records.intersection(&skipped) {
            let text = match self.read(number) {
                // It was put there when the number was given up: nothing is wrong with that.
                Ok(Slot::Damaged(hash)) if hash == hash::hash(GIVEN_UP.as_bytes()) => continue,
                Ok(Slot::Record(..)) => "a later record gave it up",
                _ => "the record does not verify, and a later one gave it up",
            };
            let text = format!("{text}; it does not count");
            report(Finding::warning("W_RECORD_SKIPPED", text).in_file(record_path(number)));
        }
        check_gaps(&records, &skipped, &damaged, sound_checkpoint, report);
        Ok(checked)
    }

    /// The numbers whose records do not count, because a later one that does says so.
    fn given_up(&self, records: &BTreeSet<u64>) -> BTreeSet<u64> {
        let mut given_up = BTreeSet::new();
        for number in records.iter().rev() {
            if !given_up.contains(number)
                && let Ok(Slot::Record(record, _)) = self.read(*number)
            {
                given_up.extend(skipped(&record.effects));
            }
        }
        given_up
    }

    /// The numbers of the records that are there.
    fn record_numbers(&self, report: &mut dyn FnMut(Finding)) -> Result<BTreeSet<u64>, Error> {
        let mut records = BTreeSet::new();
        let list = |path: &str| match self.dir.dir(path.as_bytes()).and_then(|dir| dir.list()) {
            Ok(found) => Ok(found),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(io_error("list", path)(error)),
        };
        for folder in list("journal")? {
            let Some(number) = folder.name.to_str().ok().and_then(|name| name.parse::<u64>().ok())
            else {
                continue;
            };
            for found in list(&format!("journal/{number}"))? {
                let name = found.name.to_str_lossy();
                match name.parse::<u64>() {
                    Ok(record)
                        if record / 1000 == number && record_path(record).ends_with(&*name) =>
                    {
                        records.insert(record);
                    }
                    _ => {
                        let text = "it is no record";
                        let path = format!("journal/{number}/{name}");
                        report(Finding::notice("N_STRAY", Damage::None, text).in_file(path));
                    }
                }
            }
        }
        Ok(records)
    }

    fn check_record(
        &self,
        number: u64,
        last: Option<&Last>,
        skipped: &BTreeSet<u64>,
        wrong: &mut Vec<(u64, Finding)>,
    ) -> Result<Option<(Record, Id)>, Error> {
        let path = record_path(number);
        let mut error = |id, text: String| {
            wrong.push((number, Finding::error(id, Damage::Journal, text).in_file(&path)));
        };
        let (record, hash) = match self.read(number) {
            Ok(Slot::Record(record, hash)) => (*record, hash),
            // Deleted meanwhile, because a checkpoint covers it.
            Ok(Slot::Absent) => return Ok(None),
            Ok(Slot::Damaged(hash)) => {
                let text = match hash == hash::hash(GIVEN_UP.as_bytes()) {
                    true => {
                        "the record is gone; the next command that records something gives it up"
                    }
                    false => "the record does not verify",
                };
                error("E_RECORD", text.into());
                return Ok(None);
            }
            Err(Error::Parse { source, .. }) => {
                error("E_RECORD", source.to_string());
                return Ok(None);
            }
            Err(failed) => {
                error("E_RECORD_UNREADABLE", failed.to_string());
                return Ok(None);
            }
        };
        if let Some(last) = last {
            let between = (last.number + 1..number).all(|n| skipped.contains(&n));
            if between && record.previous != last.hash {
                error("E_RECORD_CHAIN", "the record does not follow the one before it".into());
            } else if between && record.before != last.effects {
                error(
                    "E_RECORD_CHAIN",
                    "the record repeats something else than the one before it says".into(),
                );
            }
        } else if number == 1 && (record.previous != Id::default() || !record.before.is_empty()) {
            error("E_RECORD_CHAIN", "the first record follows another".into());
        }
        Ok(Some((record, hash)))
    }

    fn check_one_checkpoint(
        &self,
        number: u64,
        computed: Option<&State>,
        is_old: bool,
        report: &mut dyn FnMut(Finding),
    ) -> Result<Option<State>, Error> {
        let path = super::checkpoint::checkpoint_path(number);
        let error =
            |text: String| Finding::error("E_CHECKPOINT", Damage::Journal, text).in_file(&path);
        let (state, moves) = match self.read_checkpoint(number) {
            Ok(Some(read)) => read,
            Ok(None) => {
                report(error("the checkpoint does not verify".into()));
                return Ok(None);
            }
            Err(failed) => {
                report(error(format!("the checkpoint cannot be read: {failed}")));
                return Ok(None);
            }
        };
        let mut next = 1;
        for run in &state.runs {
            if run.first != next || run.last < run.first {
                report(error("the checkpoint stands on runs that do not follow each other".into()));
                return Ok(None);
            }
            next = run.last.saturating_add(1);
        }
        if !state.runs.is_empty() && next != number + 1 {
            report(error("the checkpoint stands on runs of other records".into()));
            return Ok(None);
        }
        let mut all = Changes::default();
        for run in &state.runs {
            let wrong =
                |text: String| Finding::error("E_RUN", Damage::Journal, text).in_file(run.path());
            // Deleted, while the checkpoint was not or came back.
            let is_gone = || -> Result<bool, Error> {
                Ok(is_old && self.read_run(run.first, run.last)?.is_none())
            };
            match self.find_run(run) {
                Ok(Found::Sound(changes)) => all.take(changes),
                Ok(_) if is_gone().unwrap_or(false) => return Ok(None),
                Ok(Found::Mended(changes)) => {
                    let text = "the run does not verify; what it was merged from says the same";
                    report(wrong(text.into()));
                    all.take(changes);
                }
                Ok(Found::Lost) => {
                    report(wrong("the run does not verify".into()));
                    return Ok(None);
                }
                Err(failed) => {
                    report(wrong(failed.to_string()));
                    return Ok(None);
                }
            }
        }
        let state = state.standing_on(all);
        if computed.is_some_and(|computed| *computed != state) || moves != runs_at(number) {
            report(error("the checkpoint does not say what the records say".into()));
        }
        for (first, last) in moves {
            let wrong = |text: String| {
                Finding::error("E_MOVES", Damage::Journal, text)
                    .in_file(format!("journal/moves/{first}-{last}"))
            };
            match self.read_moves(first, last) {
                Ok(moves) if moves.iter().all(|one| (first..=last).contains(&one.number)) => {}
                Ok(_) => report(wrong("the run of ref moves is another one".into())),
                // Deleted, while the checkpoint was not or came back.
                Err(Error::Io { source, .. })
                    if is_old && source.kind() == io::ErrorKind::NotFound => {}
                Err(failed) => report(wrong(failed.to_string())),
            }
        }
        Ok(Some(state))
    }
}

/// Numbers that should be there and are not.
fn check_gaps(
    records: &BTreeSet<u64>,
    skipped: &BTreeSet<u64>,
    damaged: &BTreeSet<u64>,
    checkpoint: u64,
    report: &mut dyn FnMut(Finding),
) {
    let missing = |number: u64| {
        Finding::error("E_RECORD_MISSING", Damage::Journal, "the record is missing")
            .in_file(record_path(number))
    };
    let Some((first, last)) = records.first().zip(records.last()) else { return };
    // Older ones may have been deleted, once a checkpoint covers them. A power failure may bring
    // some of them back, in any order.
    let stay = last.saturating_sub(CHECKPOINT_EVERY) + 1;
    for number in *first..*last {
        let was_due = number < stay && number < checkpoint;
        if !records.contains(&number) && !skipped.contains(&number) && !was_due {
            report(missing(number));
        }
    }
    if *first > checkpoint + 1 || *first > stay {
        report(missing(*first - 1));
    }
    if checkpoint > *last {
        report(missing(checkpoint));
    }
    let due = (last - 1) / CHECKPOINT_EVERY * CHECKPOINT_EVERY;
    let is_late = checkpoint < due && damaged.is_empty() && skipped.is_empty();
    if is_late && *first == 1 {
        let text =
            format!("the checkpoint of record {due} is not there; a later command writes it");
        report(Finding::notice("N_CHECKPOINT", Damage::None, text));
    }
}
