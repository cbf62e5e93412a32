//! Reading on: from a state, record by record, to the newest that counts.
//!
//! Not everything that stands under a number counts. A record that does not verify is known from
//! what the next repeats, or was given up by a later one that has `skips` for it. A record that is
//! sound may have been given up too, because it was lost when that was written and came back since:
//! whoever meets the one that gives it up goes back to where that goes on from. A hole in the
//! numbers is bridged by `skips` and by nothing else.
//!
//! Deliberately absent: any conclusion from a record that is not there. What is known to have been
//! there is [`newest`](super::newest)'s question.

use std::collections::BTreeSet;

use crate::hash::Id;

use super::{Effect, Error, Journal, ParseError, Record, Slot, State, checkpoint};

/// How far to read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Until {
    /// No record above this number is taken.
    pub(super) last: u64,
    /// A number that is or was taken: up to there, records are looked for beyond a hole.
    pub(super) taken: u64,
}

impl Until {
    /// To the end, wherever that is; at `taken` something is or was.
    pub(super) fn end(taken: u64) -> Self {
        Self { last: u64::MAX, taken }
    }

    /// Up to this record.
    pub(super) fn record(number: u64) -> Self {
        Self { last: number, taken: number }
    }
}

/// What is met on the way.
pub(super) enum Met<'a> {
    /// A record that counts, the state before it, and the number of the last that counted.
    Record { record: &'a Record, state: &'a State, counted: u64 },
    /// One that cannot be read: what it changed is known from the record after it.
    Repeated { number: u64, next: &'a Record },
    /// Some from this number on that cannot be read, and whose changes nobody repeats.
    Lost(u64),
    /// What was met after this number does not count.
    Back(u64),
}

/// What stands from a number on, up to the first record.
struct Ahead {
    /// The last file that is none, if there is one.
    damaged: Option<u64>,
    /// Whether numbers are free between all that.
    has_hole: bool,
    record: Option<(Box<Record>, Id)>,
}

impl Journal {
    /// Brings a state up to the newest record. A state whose own record is gone or different
    /// (cleaned up since, or the store was put back) is read anew from a checkpoint.
    pub fn replay(&self, known: Option<State>) -> Result<State, Error> {
        self.replay_beyond(known, 0)
    }

    /// The same, where a number is known that is or was taken: the journal is not believed to end
    /// below it only because numbers are free.
    pub fn replay_beyond(&self, known: Option<State>, taken: u64) -> Result<State, Error> {
        if let Some(state) = known
            && let Some(state) = self.replay_from(state, taken)?
        {
            return Ok(state);
        }
        // Records may be cleaned up while they are read: then a newer checkpoint is there.
        for _ in 0..16 {
            let state = self.newest_checkpoint(None)?.state;
            if state.number == 0
                && let Some(number) = self.checkpoint_numbers()?.pop()
                && matches!(self.read(1)?, Slot::Absent)
            {
                // Not a store without refs: one whose refs cannot be read.
                let path = checkpoint::checkpoint_path(number);
                return Err(Error::Parse { path, source: ParseError::Damaged });
            }
            if let Some(state) = self.replay_from(state, taken)? {
                return Ok(state);
            }
        }
        let mut state = self.newest_checkpoint(None)?.state;
        state.damage.push(format!("record {} of the journal is missing", state.number));
        Ok(self.follow(state, Until::end(taken), &mut |_| {})?.0)
    }

    /// `None` if the state does not belong to the records that are there.
    fn replay_from(&self, state: State, taken: u64) -> Result<Option<State>, Error> {
        if state.number > 0 {
            match self.read(state.number)? {
                Slot::Record(_, id) if id == state.hash => {}
                // Known from what a checkpoint or the next record repeats.
                Slot::Damaged(_) => {}
                _ => return Ok(None),
            }
        }
        let (state, last_seen) = self.follow(state, Until::end(taken), &mut |_| {})?;
        // "Nothing after n" counts only if n is still there now.
        if last_seen > 0 && !self.is_there(last_seen)? {
            return Ok(None);
        }
        Ok(Some(state))
    }

    /// The state after record `number`, if it counts and the records up to it are there.
    pub fn state_at(&self, number: u64) -> Result<Option<State>, Error> {
        let state = self.newest_checkpoint(Some(number))?.state;
        let (state, _) = self.follow(state, Until::record(number), &mut |_| {})?;
        Ok((state.number == number).then_some(state))
    }

    /// Reads on from a state until nothing follows; also tells the newest file that was there.
    pub(super) fn follow(
        &self,
        mut state: State,
        until: Until,
        met: &mut dyn FnMut(Met<'_>),
    ) -> Result<(State, u64), Error> {
        let mut last_seen = state.number;
        let mut counted = state.number;
        // With their numbers: what is given up later takes its damage along.
        let mut damage: Vec<(u64, String)> = Vec::new();
        while state.number < until.last {
            let number = state.number + 1;
            let Ahead { damaged, has_hole, record } = self.ahead(number, until.taken)?;
            let Some((record, id)) = record else {
                if let Some(last) = damaged {
                    damage.push((number, not_counting(number, last)));
                    last_seen = last;
                }
                break;
            };
            let next = record.number;
            let given_up = skipped(&record.effects);
            if next > number && !(number..next).all(|number| given_up.contains(&number)) {
                if has_hole && next > number + 1 {
                    damage.push((number, hole(number, next)));
                    break;
                }
                // The last of them is repeated by the record behind it, the others by nobody.
                if next > number + 1 {
                    let known = skipped(&record.before);
                    if !(number..next - 1).all(|number| known.contains(&number)) {
                        damage.push((number, lost(number, next - 2)));
                        met(Met::Lost(number));
                    }
                    state.number = (next - 2).min(until.last);
                    continue;
                }
                let base = self.before_what_is_given_up(&record.before, counted, None)?;
                if let Some(base) = base {
                    met(Met::Back(base.number));
                    damage.retain(|(number, _)| *number <= base.number);
                    state = State { damage: state.damage, ..base };
                }
                let what = if damaged.is_some() { "damaged" } else { "missing" };
                damage.push((
                    number,
                    format!(
                        "record {number} is {what}; what it changed is known from record {next}"
                    ),
                ));
                met(Met::Repeated { number, next: &record });
                state.hash = record.previous;
                state.apply_repeated(number, &record.before);
                (counted, last_seen) = (number, next);
                continue;
            }
            if next > until.last {
                break;
            }
            let previous = Some(record.previous);
            let base = self.before_what_is_given_up(&record.effects, counted, previous)?;
            if let Some(base) = base {
                met(Met::Back(base.number));
                damage.retain(|(number, _)| *number <= base.number);
                counted = base.number;
                state = State { damage: state.damage, ..base };
            }
            if record.previous != state.hash {
                damage.push((next, format!("record {next} does not follow the record before it")));
            }
            met(Met::Record { record: &record, state: &state, counted });
            state.apply(*record, id);
            (counted, last_seen) = (next, next);
        }
        state.damage.extend(damage.into_iter().map(|(_, text)| text));
        Ok((state, last_seen))
    }

    /// The state that a record with these effects goes on from, if that is older than the newest
    /// that counted: then what came between does not count. It has to end with this hash.
    fn before_what_is_given_up(
        &self,
        effects: &[Effect],
        counted: u64,
        hash: Option<Id>,
    ) -> Result<Option<State>, Error> {
        let goes_on = effects.iter().filter_map(|effect| match effect {
            Effect::Skips { number, .. } => Some(number.saturating_sub(1)),
            Effect::Incarnation { after, .. } => Some(*after),
            _ => None,
        });
        let Some(back) = goes_on.min().filter(|back| *back < counted) else { return Ok(None) };
        let state = self.state_at(back)?;
        Ok(state.filter(|state| hash.is_none_or(|hash| hash == state.hash)))
    }

    /// Looks for the next record from `number` on: behind files that are none, behind one number
    /// that is free, and up to `taken` behind as many as there are.
    fn ahead(&self, number: u64, taken: u64) -> Result<Ahead, Error> {
        let mut ahead = Ahead { damaged: None, has_hole: false, record: None };
        let mut at = number;
        loop {
            match self.read(at)? {
                Slot::Record(record, id) => {
                    ahead.record = Some((record, id));
                    return Ok(ahead);
                }
                Slot::Damaged(_) => {
                    ahead.damaged = Some(at);
                    at += 1;
                }
                // One that is missing is no hole: the next repeats it.
                Slot::Absent if at == number => at += 1,
                Slot::Absent if at < taken => {
                    let Some(next) = self.next_taken(at)? else { return Ok(ahead) };
                    ahead.has_hole = true;
                    at = next;
                }
                Slot::Absent => return Ok(ahead),
            }
        }
    }
}

/// The numbers whose records these effects give up.
pub(super) fn skipped(effects: &[Effect]) -> BTreeSet<u64> {
    effects.iter().filter_map(Effect::given_up).collect()
}

fn not_counting(first: u64, last: u64) -> String {
    if first == last {
        return format!("record {first}, the newest, is damaged and does not count");
    }
    format!("records {first} to {last}, the newest, are damaged and do not count")
}

fn lost(first: u64, last: u64) -> String {
    if first == last {
        return format!("record {first} is damaged; what it changed is lost");
    }
    format!("records {first} to {last} are damaged; what they changed is lost")
}

fn hole(first: u64, next: u64) -> String {
    format!(
        "records {first} to {} are missing; until they are back, those from {next} on do not count",
        next - 1
    )
}
