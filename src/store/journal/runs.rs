//! Runs: what a stretch of records changed in refs and packs, sorted by name.
//!
//! A run covers whole blocks of 256 records. It has every ref and pack that was other after one of
//! its blocks than before it, with what it is after the last; what is gone by then is said to be
//! gone, but not in a run that begins with record 1: below it there is nothing. So a run is a
//! function of the records it covers, and two that follow each other are merged by letting the
//! newer win, in any order.
//!
//! Checkpoints name the runs they stand on, with their hashes. What a run was merged from stays
//! beside it, so that a run that is damaged can be made again.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use bstr::ByteSlice;

use crate::clock::Random;
use crate::disk;
use crate::hash::Id;

use super::checkpoint::Stretches;
use super::record::{
    PackInfo, ParseError, Target, check_pack_name, checked_lines, end_text, parse_target,
    percent_decode, percent_encode, write_target,
};
use super::{Error, Journal, LONGEST_CHECKPOINT, State, io_error};

const MAGIC: &str = "annals-run 1";

/// A run, as a checkpoint names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Run {
    /// The first record it covers.
    pub first: u64,
    /// The last.
    pub last: u64,
    /// The hash at its end.
    pub hash: Id,
}

impl Run {
    pub(super) fn path(&self) -> String {
        run_path(self.first, self.last)
    }
}

pub(super) fn run_path(first: u64, last: u64) -> String {
    format!("journal/runs/{first}-{last}")
}

/// What a run says: refs and packs by name, `None` where one is gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Refs by full name.
    pub refs: BTreeMap<String, Option<Target>>,
    /// Packs by name.
    pub packs: BTreeMap<String, Option<PackInfo>>,
    /// Whether there are lines this program does not know, so that it must not write.
    pub has_unknown_lines: bool,
}

impl Changes {
    /// What changed between two states.
    pub(super) fn between(older: &State, newer: &State) -> Self {
        Self {
            refs: newer.refs.since(&older.refs),
            packs: newer.packs.since(&older.packs),
            has_unknown_lines: false,
        }
    }

    /// Lays what changed later over it.
    pub(super) fn take(&mut self, newer: Self) {
        // Names are put in one by one only where there are others.
        if self.refs.is_empty() {
            self.refs = newer.refs;
        } else {
            self.refs.extend(newer.refs);
        }
        self.packs.extend(newer.packs);
        self.has_unknown_lines |= newer.has_unknown_lines;
    }

    /// As the run of these records; with its hash.
    pub fn to_text(&self, first: u64, last: u64) -> (String, Id) {
        let mut text = format!("{MAGIC}\nrecords {first} {last}\n");
        self.write_lines(&mut text, first == 1);
        end_text(text)
    }

    /// The lines for all of it. Where nothing lies below, nothing is said of what is gone.
    fn write_lines(&self, text: &mut String, is_lowest: bool) {
        let refs = self.refs.iter().filter(|(_, target)| !is_lowest || target.is_some());
        write_refs(text, refs.map(|(name, target)| (name, target.as_ref())));
        let packs = self.packs.iter().filter(|(_, pack)| !is_lowest || pack.is_some());
        write_packs(text, packs.map(|(name, pack)| (name, pack.as_ref())));
    }

    /// Reads a run; with the records it covers and its hash.
    pub fn parse(bytes: &[u8]) -> Result<(Self, Run), ParseError> {
        let (lines, hash) = checked_lines(bytes)?;
        let mut changes = Self::default();
        let mut run = Run { first: 0, last: 0, hash };
        let (mut refs, mut packs) = (Vec::new(), Vec::new());
        for (number, line) in lines.lines().enumerate() {
            let malformed = || ParseError::Line { number: number + 1, line: line.to_owned() };
            if number == 0 {
                match line {
                    MAGIC => continue,
                    other => return Err(ParseError::TooNew(other.to_owned())),
                }
            }
            if line.starts_with(|first: char| first.is_ascii_uppercase()) {
                return Err(ParseError::TooNew(line.to_owned()));
            }
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            match word {
                "records" => {
                    let (first, last) = rest.split_once(' ').ok_or_else(malformed)?;
                    run.first = first.parse().map_err(|_| malformed())?;
                    run.last = last.parse().map_err(|_| malformed())?;
                }
                "ref" => refs.push(parse_ref(rest).ok_or_else(malformed)?),
                "pack" => packs.push(parse_pack(rest).ok_or_else(malformed)?),
                _ => changes.has_unknown_lines = true,
            }
        }
        // Sorted as they are, so that this costs little.
        changes.refs = refs.into_iter().collect();
        changes.packs = packs.into_iter().collect();
        Ok((changes, run))
    }
}

/// Lines for refs, `-` for one that is gone.
pub(super) fn write_refs<'a>(
    text: &mut String,
    refs: impl Iterator<Item = (&'a String, Option<&'a Target>)>,
) {
    for (name, target) in refs {
        text.push_str(&format!("ref {} {}\n", percent_encode(name), write_target(target)));
    }
}

/// Lines for packs, `-` before one that is gone.
pub(super) fn write_packs<'a>(
    text: &mut String,
    packs: impl Iterator<Item = (&'a String, Option<&'a PackInfo>)>,
) {
    for (name, pack) in packs {
        match pack {
            Some(pack) => text.push_str(&format!("pack {}\n", pack.to_line())),
            None => text.push_str(&format!("pack - {name}\n")),
        }
    }
}

/// What follows `ref` in a run or checkpoint.
pub(super) fn parse_ref(rest: &str) -> Option<(String, Option<Target>)> {
    let (name, target) = rest.split_once(' ')?;
    Some((percent_decode(name)?, parse_target(target)?))
}

/// What follows `pack` in a run or checkpoint.
pub(super) fn parse_pack(rest: &str) -> Option<(String, Option<PackInfo>)> {
    if let Some(gone) = rest.strip_prefix("- ") {
        return Some((check_pack_name(gone)?, None));
    }
    let words: Vec<&str> = rest.split(' ').collect();
    let pack = PackInfo::parse(&words)?;
    Some((pack.name.clone(), Some(pack)))
}

/// What became of a run that was looked for.
#[derive(Debug)]
pub(super) enum Found {
    Sound(Changes),
    /// Damaged or gone, and made again from what it was merged from.
    Mended(Changes),
    Lost,
}

impl Journal {
    /// The runs that are there, as first and last record, sorted.
    pub(super) fn run_names(&self, folder: &str) -> Result<Stretches, Error> {
        let parse = |name: &[u8]| -> Option<(u64, u64)> {
            let (first, last) = name.to_str().ok()?.split_once('-')?;
            Some((first.parse().ok()?, last.parse().ok()?))
        };
        let mut names: Stretches = match self.dir.dir(folder.as_bytes()).and_then(|dir| dir.list())
        {
            Ok(found) => found.iter().filter_map(|found| parse(&found.name)).collect(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(io_error("list", folder)(error)),
        };
        names.sort_unstable();
        Ok(names)
    }

    /// Reads the run of these records. `None` if it is not there; [`ParseError::Damaged`] too if
    /// it is that of others.
    pub(super) fn read_run(&self, first: u64, last: u64) -> Result<Option<(Changes, Id)>, Error> {
        let path = run_path(first, last);
        let bytes = match disk::read_all(&*self.dir, path.as_bytes(), LONGEST_CHECKPOINT) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error("read", &path)(error)),
        };
        match Changes::parse(&bytes) {
            Ok((changes, run)) if (run.first, run.last) == (first, last) => {
                Ok(Some((changes, run.hash)))
            }
            Ok(_) => Err(Error::Parse { path, source: ParseError::Damaged }),
            Err(source) => Err(Error::Parse { path, source }),
        }
    }

    /// Whether a run is there and has its hash.
    pub(super) fn is_sound(&self, run: &Run) -> Result<bool, Error> {
        let path = run.path();
        match disk::read_all(&*self.dir, path.as_bytes(), LONGEST_CHECKPOINT) {
            Ok(bytes) => Ok(checked_lines(&bytes).is_ok_and(|(_, hash)| hash == run.hash)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(io_error("read", &path)(error)),
        }
    }

    /// What a run says: from itself, or from what it was merged from.
    pub(super) fn find_run(&self, run: &Run) -> Result<Found, Error> {
        match self.read_run(run.first, run.last) {
            Ok(Some((changes, hash))) if hash == run.hash => return Ok(Found::Sound(changes)),
            Ok(_) | Err(Error::Parse { source: ParseError::Damaged, .. }) => {}
            Err(error) => return Err(error),
        }
        let mut mended = Changes::default();
        for (first, last) in parts(run, &self.run_names("journal/runs")?) {
            match self.read_run(first, last) {
                Ok(Some((changes, _))) => mended.take(changes),
                Ok(None) | Err(Error::Parse { source: ParseError::Damaged, .. }) => {
                    return Ok(Found::Lost);
                }
                Err(error) => return Err(error),
            }
        }
        // The hash tells whether the parts were the right ones, and all.
        let is_right = mended.to_text(run.first, run.last).1 == run.hash;
        Ok(if is_right { Found::Mended(mended) } else { Found::Lost })
    }

    /// Lays under a state the runs it stands on. `None` if one is lost; else also those that had
    /// to be mended.
    pub(super) fn stand(&self, state: State) -> Result<Option<(State, Vec<Run>)>, Error> {
        let mut all = Changes::default();
        let mut mended = Vec::new();
        for run in &state.runs {
            match self.find_run(run)? {
                Found::Sound(changes) => all.take(changes),
                Found::Mended(changes) => {
                    all.take(changes);
                    mended.push(*run);
                }
                Found::Lost => return Ok(None),
            }
        }
        Ok(Some((state.standing_on(all), mended)))
    }

    /// The state that a text beside the journal says, if the runs it stands on are still there.
    pub fn saved(&self, bytes: &[u8]) -> Option<State> {
        let (state, _) = State::parse(bytes).ok()?;
        Some(self.stand(state).ok()??.0)
    }

    /// Writes the run of these records, durably.
    pub(super) fn write_run(
        &self,
        changes: &Changes,
        first: u64,
        last: u64,
        random: &dyn Random,
    ) -> Result<Run, Error> {
        let (text, hash) = changes.to_text(first, last);
        let run = Run { first, last, hash };
        let path = run.path();
        // One that is there is this one: it is a function of the records. Or it was damaged.
        if !self.put_new(&path, text.as_bytes(), random)? && !self.is_sound(&run)? {
            disk::replace(&*self.dir, path.as_bytes(), random.four(), text.as_bytes())
                .map_err(io_error("write", &path))?;
        }
        Ok(run)
    }
}

/// Of the runs that are there, those that a run was merged from: the fewest that follow each other
/// inside it. They need not reach its end.
pub(super) fn parts(run: &Run, there: &[(u64, u64)]) -> Stretches {
    let mut parts = Vec::new();
    let mut next = run.first;
    let is_inside = |part: &(u64, u64)| {
        part.1 <= run.last && part.0 <= part.1 && *part != (run.first, run.last)
    };
    while let Some(part) =
        there.iter().filter(|part| part.0 == next && is_inside(part)).max_by_key(|part| part.1)
    {
        parts.push(*part);
        if part.1 == run.last {
            break;
        }
        next = part.1 + 1;
    }
    parts
}

/// The names and values of what is there.
pub(super) fn present<V>(all: BTreeMap<String, Option<V>>) -> Arc<BTreeMap<String, V>> {
    Arc::new(all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;
    use std::sync::Arc;

    use super::super::checkpoint::{checkpoint_path, runs_at};
    use super::super::testing::{World, journal};
    use super::super::{CHECKPOINT_EVERY, Effect, Slot};
    use super::*;
    use crate::disk::{Disk, FaultyDisk, Survival};
    use crate::hash;

    fn path(run: &(u64, u64)) -> String {
        format!("/repo/{}", run_path(run.0, run.1))
    }

    /// A world of so many blocks, with so many seconds between records.
    fn grown(seed: u64, blocks: u64, seconds: i64) -> World {
        let mut world = World::seeded(seed);
        for _ in 0..CHECKPOINT_EVERY * blocks {
            world.grow(seconds);
            // Not after every record: others may have died before they came to it.
            if world.below(100) == 0 {
                world.journal.compact(&world.state, &world.random).unwrap();
            }
        }
        world.journal.compact(&world.state, &world.random).unwrap();
        world
    }

    #[test]
    fn checkpoints_and_runs_say_what_all_records_say_however_much_was_deleted() {
        for seed in 0..3 {
            let mut world = grown(seed, 3, 3600);
            for _ in 0..5 {
                for _ in 0..CHECKPOINT_EVERY {
                    world.grow(3600);
                }
                // Without the deletions that an interruption left out, and with some of them.
                let older = world.disk.image_after_power_loss(Survival::Everything);
                world.journal.compact(&world.state, &world.random).unwrap();
                let dir = world.disk.open(Path::new("/repo")).unwrap();
                for folder in ["journal/runs", "journal/moves", "journal/checkpoints"] {
                    for found in older
                        .open(Path::new("/repo"))
                        .unwrap()
                        .dir(folder.as_bytes())
                        .unwrap()
                        .list()
                        .unwrap()
                    {
                        let name = format!("{folder}/{}", found.name.to_str().unwrap());
                        let is_gone = dir.open(name.as_bytes()).is_err();
                        if is_gone && world.below(2) == 0 {
                            let bytes = older.read(&format!("/repo/{name}")).unwrap();
                            world.disk.write(&format!("/repo/{name}"), bytes);
                        }
                    }
                }
                let found = journal(&world.disk);
                assert_eq!(found.replay(None).unwrap(), world.state, "seed {seed}");
                let (base, number) =
                    (found.newest_checkpoint(None).unwrap().state, world.state.number);
                assert_eq!(base, world.states[number as usize / 256 * 256]);
                let named: Vec<_> = base.runs.iter().map(|run| (run.first, run.last)).collect();
                assert_eq!(named, runs_at(number));
                found.check(&mut |finding| panic!("seed {seed}: {finding:?}")).unwrap();
            }
            world.check(&world.journal);
        }
    }

    #[test]
    fn a_run_is_the_same_whoever_writes_it_and_whatever_it_is_merged_from() {
        let world = grown(3, 4, 60);
        // Somebody who finds nothing but the records.
        let other = World::seeded(4);
        for number in 1..=world.state.number {
            let Slot::Record(record, _) = world_record(&world, number) else { panic!("{number}") };
            assert!(other.journal.create(&record, &other.random).unwrap());
        }
        other.journal.compact(&world.state, &other.random).unwrap();
        for run in other.journal.run_names("journal/runs").unwrap() {
            let text = other.disk.read(&path(&run)).unwrap();
            assert_eq!(world.disk.read(&path(&run)).unwrap_or(text.clone()), text, "{run:?}");
        }
        let newest = format!("/repo/{}", checkpoint_path(1024));
        assert_eq!(other.disk.read(&newest).unwrap(), world.disk.read(&newest).unwrap());
        // What nobody else has: a run from other parts than it was merged from.
        let states = &world.states;
        let between = |first: usize, last: usize| Changes::between(&states[first], &states[last]);
        let mut left = between(0, 256);
        left.take(between(256, 512));
        let mut right = between(512, 768);
        right.take(between(768, 1024));
        left.take(right);
        let all = world.disk.read(&path(&(1, 1024))).unwrap();
        assert_eq!(left.to_text(1, 1024).0.into_bytes(), all);
    }

    fn world_record(world: &World, number: u64) -> Slot {
        let found = world.journal.read(number).unwrap();
        assert!(matches!(found, Slot::Record(..)), "{number}");
        found
    }

    #[test]
    fn damage_to_any_one_run_or_checkpoint_loses_nothing_and_is_mended() {
        for blocks in [3, 4] {
            let mut world = grown(blocks, blocks, 3600);
            for _ in 0..10 {
                world.grow(3600);
            }
            let mut victims: Vec<String> =
                world.journal.run_names("journal/runs").unwrap().iter().map(path).collect();
            let checkpoints = world.journal.checkpoint_numbers().unwrap();
            victims.extend(checkpoints.iter().map(|at| format!("/repo/{}", checkpoint_path(*at))));
            assert!(victims.len() > 3);
            let before = world.disk.image_after_power_loss(Survival::Everything);
            for victim in victims {
                for is_lost in [true, false] {
                    let disk = before.image_after_power_loss(Survival::Everything);
                    if is_lost {
                        let dir = disk.open(Path::new("/repo")).unwrap();
                        dir.remove_file(&victim.as_bytes()["/repo/".len()..]).unwrap();
                    } else {
                        let mut bytes = disk.read(&victim).unwrap();
                        bytes[40] ^= 1;
                        disk.write(&victim, bytes);
                    }
                    let journal = journal(&disk);
                    assert_eq!(journal.replay(None).unwrap(), world.state, "{victim}");
                    let mut findings = Vec::new();
                    journal.check(&mut |finding| findings.push(finding)).unwrap();
                    let is_told = findings.iter().any(|finding| {
                        finding.file.as_deref().is_some_and(|file| victim.ends_with(file))
                    });
                    assert!(is_told || is_lost, "{victim}: {findings:?}");
                    // What comes after is written as if nothing had been.
                    let mut state = world.state.clone();
                    let mut later = World { disk, journal, ..World::seeded(blocks) };
                    std::mem::swap(&mut later.state, &mut state);
                    for _ in 0..CHECKPOINT_EVERY {
                        later.grow(3600);
                    }
                    later.journal.compact(&later.state, &later.random).unwrap();
                    assert_eq!(later.journal.replay(None).unwrap(), later.state);
                    // A spare cannot be made again, and goes when what it is for goes.
                    let is_fine = |id| id == "W_RUN" && !is_lost;
                    later
                        .journal
                        .check(&mut |finding| assert!(is_fine(finding.id), "{victim}: {finding:?}"))
                        .unwrap();
                    let oldest = later.journal.records()[0];
                    assert!(oldest + 2 * CHECKPOINT_EVERY > later.state.number, "{oldest}");
                }
            }
        }
    }

    #[test]
    fn a_checkpoint_that_says_everything_itself_is_gone_on_from() {
        for blocks in [3, 5] {
            let mut world = grown(blocks, blocks, 3600);
            let dir = world.disk.open(Path::new("/repo")).unwrap();
            for (first, last) in world.journal.run_names("journal/runs").unwrap() {
                dir.remove_file(run_path(first, last).as_bytes()).unwrap();
            }
            let number = world.state.number;
            for number in [number - CHECKPOINT_EVERY, number] {
                let text = world.states[number as usize].to_text(&runs_at(number));
                world.disk.write(&format!("/repo/{}", checkpoint_path(number)), text);
            }
            let mut named = Vec::new();
            for _ in blocks..8 {
                for _ in 0..CHECKPOINT_EVERY {
                    world.grow(3600);
                }
                world.journal.compact(&world.state, &world.random).unwrap();
                world.check(&world.journal);
                let runs = world.journal.newest_checkpoint(None).unwrap().state.runs;
                named.push(runs.iter().map(|run| run.last / CHECKPOINT_EVERY).collect::<Vec<_>>());
            }
            let expected: &[&[u64]] = match blocks {
                3 => &[&[4], &[4, 5], &[4, 6], &[4, 6, 7], &[8]],
                _ => &[&[5, 6], &[5, 6, 7], &[8]],
            };
            assert_eq!(named, expected);
        }
    }

    #[test]
    fn a_checkpoint_writes_what_changed_and_not_what_is_there() {
        let mut world = World { keeps_states: false, ..World::new() };
        let refs = 20_000;
        let moved = |number: usize, by: u64| Effect::Ref {
            name: format!("refs/tags/{number}"),
            old: None,
            new: Some(Target::Id(hash::hash(&by.to_le_bytes()))),
            reason: String::new(),
        };
        world.record(3600, (0..refs).map(|number| moved(number, 0)).collect());
        let faulty = FaultyDisk::new(Arc::new(world.disk.clone()));
        world.journal = Journal::new(faulty.open(Path::new("/repo")).unwrap());
        let mut written = Vec::new();
        for block in 1..=16 {
            while world.state.number < block * CHECKPOINT_EVERY {
                let number = world.below(refs);
                world.record(3600, vec![moved(number, world.state.number)]);
            }
            faulty.reset_counts();
            world.journal.compact(&world.state, &world.random).unwrap();
            written.push(faulty.counts().bytes_written);
        }
        assert_eq!(world.journal.replay(None).unwrap(), world.state);
        let everything = written[0];
        assert!(everything > 90 * refs as u64, "{written:?}");
        for (block, written) in (1u64..).zip(&written) {
            // All of it in the first, and when their number doubles; else what changed since the
            // last that was as large, each change in some 250 bytes for ref and move.
            let blocks = 1 << block.trailing_zeros();
            let most = if block.is_power_of_two() { 2 * everything } else { 0 };
            assert!(*written < most + (blocks + 1) * 256 * 250 + 1000, "block {block}: {written}");
        }
        // What was merged is there once more, and nothing else.
        let names = world.journal.run_names("journal/runs").unwrap();
        let kept = BTreeSet::from([(1, 4096), (1, 2048), (2049, 3072), (3073, 3584), (3585, 3840)]);
        assert!(kept.is_subset(&names.iter().copied().collect()), "{names:?}");
        let bytes = names.iter().map(|run| world.disk.read(&path(run)).unwrap().len() as u64);
        assert!(bytes.sum::<u64>() < 3 * everything);
    }
}
