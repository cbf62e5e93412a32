//! Checkpoints: what the records up to a number say, so that nobody need read them all.
//!
//! A checkpoint is a pure function of the records it covers, so it does not matter who writes it.
//! Refs, packs and ref moves are kept in runs beside it, merged like the digits of a binary counter:
//! a run of the newest 256 records is merged with its neighbour as soon as both are of a size. So
//! the reflog survives the records, and whatever changed is rewritten a logarithmic number of times.
//!
//! What is superseded is deleted after what takes its place is durable: records before the second
//! newest checkpoint, in ascending order, but for those of the last day; then checkpoints whose own
//! record is gone; then runs that no checkpoint names any more. So the two newest checkpoints stay,
//! and all records from the older of them on: if the newest is damaged, nothing is lost. Both may
//! stand on one run, so what a run was merged from stays with it: if it is damaged, nothing is lost
//! either.

use std::collections::BTreeSet;
use std::io;

use bstr::ByteSlice;

use crate::clock::{Random, Time};
use crate::disk;

use super::follow::{Met, Until};
use super::record::{
    Effect, Target, checked_lines, end_text, parse_target, parse_time, percent_decode,
    percent_encode, write_target,
};
use super::runs::{Changes, Found, Run, parts, run_path};
use super::{
    CHECKPOINT_EVERY, Error, Journal, LONGEST_CHECKPOINT, ParseError, Slot, State, io_error,
    record_path,
};

/// Ref moves older than this before the newest record are dropped when runs are merged: 90 days.
pub(super) const EXPIRY_SECONDS: i64 = 90 * 24 * 3600;
/// Records of the last day stay.
const STAY_SECONDS: i64 = 24 * 3600;
/// Every so many records it is looked for what may be deleted.
const DELETE_EVERY: u64 = 64;

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
pub(super) fn runs_at(number: u64) -> Stretches {
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

/// Stretches of records, as first and last.
pub(super) type Stretches = Vec<(u64, u64)>;

/// What the records of one block come to.
struct Block {
    /// Its last number.
    at: u64,
    /// The state after it.
    state: State,
    /// The ref moves in it.
    moves: Vec<Move>,
    /// Whether its last number is that of a record: a checkpoint is the state after one.
    counts: bool,
}

/// Blocks that were read.
struct Blocks {
    read: Vec<Block>,
    /// The first record that is damaged or missing and that nobody gives up: from there on all
    /// records stay, and no checkpoint covers them.
    broken: u64,
    /// The record that was gone on from, if the checkpoint that was begun with does not count.
    base_given_up: Option<u64>,
}

/// A checkpoint that was read.
#[derive(Debug, Default)]
pub(super) struct Checkpoint {
    /// What it says, with what it stands on.
    pub(super) state: State,
    /// Runs it stands on that are damaged or gone, and could be made again.
    pub(super) mended: Vec<Run>,
}

impl Journal {
    /// The newest checkpoint that can be read (at or below `limit`), or the state before the first
    /// record. One that is damaged, or stands on a run that is lost, is passed over.
    pub(super) fn newest_checkpoint(&self, limit: Option<u64>) -> Result<Checkpoint, Error> {
        let numbers = || -> Result<Vec<u64>, Error> {
            let mut numbers = self.checkpoint_numbers()?;
            numbers.retain(|number| limit.is_none_or(|limit| *number <= limit));
            Ok(numbers)
        };
        let mut listed = numbers()?;
        loop {
            for &number in listed.iter().rev() {
                if let Some((state, _)) = self.read_checkpoint(number)?
                    && let Some((state, mended)) = self.stand(state)?
                {
                    return Ok(Checkpoint { state, mended });
                }
            }
            // All of them may have been superseded while they were read.
            let again = numbers()?;
            if again == listed {
                return Ok(Checkpoint::default());
            }
            listed = again;
        }
    }

    /// The number of the newest checkpoint at or below `limit` that is whole, and every run it
    /// stands on; 0 if there is none.
    fn newest_sound(&self, limit: u64) -> Result<u64, Error> {
        let numbers = self.checkpoint_numbers()?;
        'checkpoints: for number in numbers.into_iter().rev().filter(|number| *number <= limit) {
            let Some((state, _)) = self.read_checkpoint(number)? else { continue };
            for run in &state.runs {
                if !self.is_sound(run)? {
                    continue 'checkpoints;
                }
            }
            return Ok(number);
        }
        Ok(0)
    }

    /// What a checkpoint itself says, and the runs of moves it names. `None` if it is damaged or
    /// gone.
    pub(super) fn read_checkpoint(&self, number: u64) -> Result<Option<(State, Stretches)>, Error> {
        let path = checkpoint_path(number);
        let bytes = match disk::read_all(&*self.dir, path.as_bytes(), LONGEST_CHECKPOINT) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error("read", &path)(error)),
        };
        match State::parse(&bytes) {
            Ok((state, moves)) if state.number == number => Ok(Some((state, moves))),
            Ok(_) | Err(ParseError::Damaged) => Ok(None),
            Err(source) => Err(Error::Parse { path, source }),
        }
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

    /// Checks a checkpoint: whether it reads, and its runs do.
    pub fn check_checkpoint(&self, number: u64) -> Result<bool, Error> {
        let Some((state, moves)) = self.read_checkpoint(number)? else { return Ok(false) };
        for run in &state.runs {
            if !self.is_sound(run)? {
                return Ok(false);
            }
        }
        Ok(moves.iter().all(|(first, last)| self.read_moves(*first, *last).is_ok()))
    }

    /// Writes the checkpoint that is due at or below `newest`, if there is one, and deletes what
    /// need not stay. The caller holds the lock. Only derived and covered files are touched, so an
    /// interruption anywhere is harmless.
    pub fn compact(&self, newest: &State, random: &dyn Random) -> Result<(), Error> {
        let last = self.checkpoint_numbers()?.pop().unwrap_or(0);
        let mut due = newest.number / CHECKPOINT_EVERY * CHECKPOINT_EVERY;
        // A number that was given up has no checkpoint.
        while due > last && !matches!(self.read(due)?, Slot::Record(..)) {
            due -= CHECKPOINT_EVERY;
        }
        if due <= last {
            // What an interruption left is deleted now and then.
            return match newest.number % DELETE_EVERY {
                0 => self.delete_superseded(newest),
                _ => Ok(()),
            };
        }
        let mut reachable = due;
        let (base, blocks) = loop {
            let Checkpoint { state: base, mended } = self.newest_checkpoint(Some(reachable))?;
            for run in mended {
                if let Found::Mended(changes) = self.find_run(&run)? {
                    self.write_run(&changes, run.first, run.last, random)?;
                }
            }
            let blocks = self.read_blocks(&base, newest.number)?;
            match blocks.base_given_up {
                None => break (base, blocks),
                Some(number) => reachable = number,
            }
        };
        let mut runs = base.runs.clone();
        if runs.is_empty() && base.number > 0 {
            // One that says everything itself: all of it becomes the first run.
            let all = Changes::between(&State::default(), &base);
            runs.push(self.write_run(&all, 1, base.number, random)?);
        }
        let mut state = base;
        for Block { at, state: next, moves, counts } in blocks.read {
            if at > due {
                break;
            }
            if at >= blocks.broken {
                return Ok(());
            }
            let block = Changes::between(&state, &next);
            runs = self.write_runs(runs, block, at - CHECKPOINT_EVERY + 1, at, random)?;
            self.write_moves(at, moves, next.time, random)?;
            if counts {
                let text = next.to_checkpoint(&runs, &runs_at(at));
                let path = checkpoint_path(at);
                let is_new = self.put_new(&path, text.as_bytes(), random)?;
                if !is_new && self.read_checkpoint(at)?.is_none() {
                    disk::replace(&*self.dir, path.as_bytes(), random.four(), text.as_bytes())
                        .map_err(io_error("write", &path))?;
                }
            }
            state = next;
        }
        self.delete_superseded(newest)
    }

    /// Writes the run of a new block, and the one it is merged into with those before it that have
    /// come to be of its size. Returns what the checkpoint at its end stands on.
    fn write_runs(
        &self,
        mut runs: Vec<Run>,
        block: Changes,
        first: u64,
        last: u64,
        random: &dyn Random,
    ) -> Result<Vec<Run>, Error> {
        let newest = self.write_run(&block, first, last, random)?;
        let start = runs_at(last).last().map_or(first, |(start, _)| *start);
        let smaller = runs.partition_point(|run| run.first < start);
        let merged = runs.split_off(smaller);
        let Some(oldest) = merged.first() else {
            runs.push(newest);
            return Ok(runs);
        };
        let mut all = Changes::default();
        for run in &merged {
            match self.find_run(run)? {
                Found::Sound(changes) | Found::Mended(changes) => all.take(changes),
                Found::Lost => {
                    return Err(Error::Parse { path: run.path(), source: ParseError::Damaged });
                }
            }
        }
        all.take(block);
        runs.push(self.write_run(&all, oldest.first, last, random)?);
        Ok(runs)
    }

    /// Reads on from a checkpoint, block by block, to the newest record: only that says of all others
    /// whether they count.
    fn read_blocks(&self, base: &State, newest: u64) -> Result<Blocks, Error> {
        let mut blocks = Blocks { read: Vec::new(), broken: u64::MAX, base_given_up: None };
        let mut moves: Vec<Move> = Vec::new();
        let close = |read: &mut Vec<Block>, state: &State, counted: u64, next: u64| {
            let last = read.last().map_or(base.number, |block| block.at);
            for at in (last + CHECKPOINT_EVERY..next).step_by(CHECKPOINT_EVERY as usize) {
                let state = State { number: at, ..state.clone() };
                read.push(Block { at, state, moves: Vec::new(), counts: at == counted });
            }
        };
        let until = Until::record(newest);
        let (state, _) = self.follow(base.clone(), until, &mut |met| match met {
            Met::Record { record, state, counted } => {
                close(&mut blocks.read, state, counted, record.number);
                collect_moves(record, &mut moves);
            }
            Met::Repeated { number, .. } | Met::Lost(number) => {
                blocks.broken = blocks.broken.min(number);
            }
            Met::Back(back) => {
                if back < base.number {
                    let lowest = blocks.base_given_up.unwrap_or(u64::MAX);
                    blocks.base_given_up = Some(lowest.min(back));
                }
                blocks.read.retain(|block| block.at <= back);
                moves.retain(|one| one.number <= back);
                if blocks.broken > back {
                    blocks.broken = u64::MAX;
                }
            }
        })?;
        close(&mut blocks.read, &state, state.number, newest + 1);
        for one in moves {
            let number = one.number;
            let in_it = |block: &&mut Block| number <= block.at;
            if let Some(block) = blocks.read.iter_mut().find(in_it) {
                block.moves.push(one);
            }
        }
        Ok(blocks)
    }

    /// Writes the run of moves that ends at `at`, merging the runs it takes the place of.
    fn write_moves(
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
        let mut base = self.newest_sound(state.number)?;
        let mut moves = Vec::new();
        'again: loop {
            moves.clear();
            for (first, last) in runs_at(base) {
                match self.read_moves(first, last) {
                    Ok(run) => moves.extend(run),
                    // A damaged run loses history of refs, not refs: fsck reports it.
                    Err(Error::Parse { .. }) => {}
                    Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                        // Merged and deleted meanwhile, if there is a newer checkpoint.
                        let newer = self.newest_sound(u64::MAX)?;
                        if newer > base {
                            base = newer;
                            continue 'again;
                        }
                    }
                    Err(error) => return Err(error),
                }
            }
            break;
        }
        moves.retain(|one| one.number <= state.number);
        // Only which records count is asked: what they add up to does not matter.
        let from = State { number: base, ..State::default() };
        self.follow(from, Until::record(state.number), &mut |met| match met {
            Met::Record { record, .. } => collect_moves(record, &mut moves),
            Met::Repeated { number, next } => {
                collect_effects(number, next, &next.before, &mut moves);
            }
            Met::Lost(_) => {}
            Met::Back(back) => moves.retain(|one| one.number <= back),
        })?;
        Ok(moves)
    }

    /// Deletes what the two newest checkpoints make superfluous.
    fn delete_superseded(&self, newest: &State) -> Result<(), Error> {
        let first = self.newest_sound(newest.number)?;
        let second = self.newest_sound(first.saturating_sub(1))?;
        if second == 0 {
            return Ok(());
        }
        let Some(oldest) = self.delete_records(second - 1, newest)? else { return Ok(()) };
        let (runs, moves) = (self.run_names("journal/runs")?, self.run_names("journal/moves")?);
        let (mut kept_runs, mut kept_moves) = (BTreeSet::new(), BTreeSet::new());
        for number in self.checkpoint_numbers()? {
            // Without its own record nothing is read on from it.
            if number < second && number < oldest {
                self.remove(&checkpoint_path(number))?;
                continue;
            }
            kept_moves.extend(runs_at(number));
            let Some((state, _)) = self.read_checkpoint(number)? else { continue };
            for run in state.runs {
                kept_runs.insert((run.first, run.last));
                kept_runs.extend(parts(&run, &runs));
            }
        }
        // Without a lock somebody may be about to write a newer checkpoint.
        let is_superseded =
            |run: &(u64, u64), kept: &BTreeSet<(u64, u64)>| run.1 <= first && !kept.contains(run);
        for run in moves.iter().filter(|run| is_superseded(run, &kept_moves)) {
            self.remove(&moves_path(run.0, run.1))?;
        }
        for run in runs.iter().filter(|run| is_superseded(run, &kept_runs)) {
            self.remove(&run_path(run.0, run.1))?;
        }
        Ok(())
    }

    /// Deletes records up to `covered`, oldest first, as far as they need not stay. Returns the
    /// oldest that stays; `None` if there is none.
    fn delete_records(&self, covered: u64, newest: &State) -> Result<Option<u64>, Error> {
        let keep_from = newest.number.saturating_sub(CHECKPOINT_EVERY) + 1;
        let listed = self.dir.dir(b"journal").and_then(|dir| dir.list());
        let listed = listed.map_err(io_error("list", "journal"))?;
        let mut folders: Vec<u64> =
            listed.iter().filter_map(|found| found.name.to_str().ok()?.parse().ok()).collect();
        folders.sort_unstable();
        // What is damaged, or was given up, is as old as the record after it.
        let mut ageless: Vec<u64> = Vec::new();
        for folder in folders {
            let path = format!("journal/{folder}");
            let dir = self.dir.dir(path.as_bytes()).map_err(io_error("open", &path))?;
            let listed = dir.list().map_err(io_error("list", &path))?;
            let mut numbers: Vec<u64> =
                listed.iter().filter_map(|found| found.name.to_str().ok()?.parse().ok()).collect();
            numbers.sort_unstable();
            for number in numbers {
                let oldest = ageless.first().copied().unwrap_or(number);
                if number >= keep_from || number > covered {
                    return Ok(Some(oldest));
                }
                let Slot::Record(record, _) = self.read(number)? else {
                    ageless.push(number);
                    continue;
                };
                // Where time ran backwards nothing is deleted: ages count to the newest record.
                let age = newest.time.seconds.saturating_sub(record.time.seconds);
                if age <= STAY_SECONDS {
                    return Ok(Some(oldest));
                }
                for number in ageless.drain(..).chain([number]) {
                    self.remove(&record_path(number))?;
                }
            }
        }
        Ok(ageless.first().copied())
    }

    fn remove(&self, path: &str) -> Result<(), Error> {
        match self.dir.remove_file(path.as_bytes()) {
            // Without a lock somebody else may have done it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed.map_err(io_error("remove", path)),
        }
    }
}

pub(super) fn collect_moves(record: &super::Record, moves: &mut Vec<Move>) {
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::super::testing::{World, journal};
    use super::*;
    use crate::disk::{Disk, Fault, FaultyDisk, Survival};

    #[test]
    fn what_is_superseded_goes_and_nothing_else() {
        let mut world = World::new();
        // Ten minutes apart: a day is 144 records, ninety days more than there are.
        for _ in 0..256 * 9 + 100 {
            world.grow(600);
            world.journal.compact(&world.state, &world.random).unwrap();
        }
        world.check(&world.journal);
        let journal = &world.journal;
        // What is before the second newest checkpoint is gone.
        assert_eq!(journal.records()[0], 256 * 8);
        assert_eq!(journal.checkpoint_numbers().unwrap(), [256 * 8, 256 * 9]);
        let moves = journal.run_names("journal/moves").unwrap();
        assert_eq!(moves, [(1, 2048), (2049, 2304)]);
        // Of refs and packs also what the largest was merged from.
        let runs = journal.run_names("journal/runs").unwrap();
        let parts = [(1, 1024), (1, 2048), (1025, 1536), (1537, 1792), (1793, 2048), (2049, 2304)];
        assert_eq!(runs, parts);
        assert_eq!(journal.moves(&world.state).unwrap().len(), 2404);
    }

    #[test]
    fn what_is_young_stays_however_much_there_is() {
        let mut world = World::new();
        for _ in 0..256 * 4 {
            world.grow(60);
            world.journal.compact(&world.state, &world.random).unwrap();
        }
        assert_eq!(world.journal.records().len(), 256 * 4);
        assert_eq!(world.journal.checkpoint_numbers().unwrap(), [256, 512, 768, 1024]);
        world.check(&world.journal);
        // Where time runs backwards nothing is old.
        world.grow(-1_000_000);
        for _ in 0..256 * 3 {
            world.grow(600);
            world.journal.compact(&world.state, &world.random).unwrap();
        }
        assert_eq!(world.journal.records()[0], 1);
        assert_eq!(world.journal.replay(None).unwrap(), world.state);
    }

    #[test]
    fn a_damaged_newest_checkpoint_loses_nothing() {
        let mut world = World::new();
        for _ in 0..256 * 4 + 7 {
            world.grow(3600);
            world.journal.compact(&world.state, &world.random).unwrap();
        }
        let path = format!("/repo/{}", checkpoint_path(1024));
        let mut bytes = world.disk.read(&path).unwrap();
        bytes[100] ^= 1;
        world.disk.write(&path, bytes);
        assert_eq!(world.journal.replay(None).unwrap(), world.state);
    }

    #[test]
    fn a_store_whose_refs_cannot_be_read_is_not_taken_for_one_without_refs() {
        let mut world = World::new();
        for _ in 0..256 * 3 {
            world.grow(3600);
            world.journal.compact(&world.state, &world.random).unwrap();
        }
        for number in [512, 768] {
            world.disk.write(&format!("/repo/{}", checkpoint_path(number)), "torn");
        }
        let replayed = world.journal.replay(None);
        assert!(matches!(replayed, Err(Error::Parse { .. })), "{replayed:?}");
    }

    #[test]
    fn compacting_may_be_cut_off_anywhere() {
        // The fourth block is merged with those before it.
        for blocks in [3, 4] {
            compacting_may_be_cut_off(blocks);
        }
    }

    fn compacting_may_be_cut_off(blocks: u64) {
        let mut world = World::new();
        for _ in 0..256 * blocks {
            world.grow(3600);
            if world.state.number < 256 * blocks {
                world.journal.compact(&world.state, &world.random).unwrap();
            }
        }
        let before = world.disk.image_after_power_loss(Survival::Everything);
        let mut cuts = 0;
        // Most of it is deleting records, one like the other.
        for survivors in (0..60).chain((60..).step_by(29)) {
            let disk = before.image_after_power_loss(Survival::Everything);
            let faulty = FaultyDisk::new(Arc::new(disk.clone()));
            let cut = Journal::new(faulty.create(Path::new("/repo")).unwrap());
            faulty.set_fault(Fault::dying_after(survivors));
            let is_done = cut.compact(&world.state, &world.random).is_ok();
            for survival in [Survival::Nothing, Survival::Everything, Survival::Some(survivors)] {
                let image = disk.image_after_power_loss(survival);
                let journal = journal(&image);
                world.check(&journal);
                // The next one completes it.
                journal.compact(&world.state, &world.random).unwrap();
                world.check(&journal);
                let newest = 256 * blocks;
                assert_eq!(journal.records()[0], newest - 256, "after {survivors}");
                assert_eq!(journal.checkpoint_numbers().unwrap(), [newest - 256, newest]);
            }
            cuts += 1;
            if is_done {
                break;
            }
        }
        assert!(cuts > 60, "{cuts}");
    }
}
