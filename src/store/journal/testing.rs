//! A journal that grows at random, for the tests of this module.

use std::path::Path;

use crate::clock::{Random, SeededRandom, Time};
use crate::disk::{Disk, MemoryDisk};
use crate::hash::{self, Id, hex};

use super::super::pack::Class;
use super::checkpoint::{EXPIRY_SECONDS, collect_moves};
use super::{CHECKPOINT_EVERY, Effect, Journal, Move, PackInfo, Record, State, Target};

/// A journal that grows, and what its records say in all.
pub(super) struct World {
    pub(super) disk: MemoryDisk,
    pub(super) journal: Journal,
    pub(super) random: SeededRandom,
    pub(super) state: State,
    pub(super) moves: Vec<Move>,
    /// The state after each record.
    pub(super) states: Vec<State>,
    pub(super) keeps_states: bool,
}

/// The journal on this disk.
pub(super) fn journal(disk: &MemoryDisk) -> Journal {
    Journal::new(disk.create(Path::new("/repo")).unwrap())
}

impl World {
    pub(super) fn new() -> Self {
        Self::seeded(1)
    }

    pub(super) fn seeded(seed: u64) -> Self {
        let disk = MemoryDisk::new();
        let journal = journal(&disk);
        let state = State::default();
        let states = vec![state.clone()];
        let random = SeededRandom::new(seed);
        Self { disk, journal, random, state, moves: Vec::new(), states, keeps_states: true }
    }

    /// A number below this.
    pub(super) fn below(&self, limit: usize) -> usize {
        u32::from_le_bytes(self.random.four()) as usize % limit
    }

    /// Another record, so many seconds after the last: a ref moves, comes or goes, and now and
    /// then packs come and go, or a session ends.
    pub(super) fn grow(&mut self, seconds: i64) {
        let name = match self.below(2) {
            0 => format!("refs/heads/b{}", self.below(3)),
            _ => format!("refs/tags/\u{e9}{}", self.below(60)),
        };
        let new = Target::Id(hash::hash(&self.state.number.to_le_bytes()));
        let is_gone = self.state.refs.contains_key(&name) && self.below(3) == 0;
        let mut effects = vec![Effect::Ref {
            old: self.state.refs.get(&name).cloned(),
            new: (!is_gone).then_some(new),
            reason: format!("move {}", self.state.number + 1),
            name,
        }];
        match self.below(8) {
            0 | 1 => effects.push(Effect::PackAdded(PackInfo {
                class: Class::ALL[self.below(4)],
                name: format!("{}-{}", hex(&self.random.sixteen()), hex(&self.random.four())),
                hash: Id::EMPTY,
                bytes: 77,
                table: None,
                session: (self.below(2) == 0).then(|| "00112233aabbccdd".to_owned()),
            })),
            2 if !self.state.packs.is_empty() => {
                let nth = self.below(self.state.packs.len());
                let name = self.state.packs.keys().nth(nth).unwrap().clone();
                effects.push(Effect::PackRemoved { name, into: None });
            }
            3 => effects.push(Effect::SessionEnded("00112233aabbccdd".into())),
            _ => {}
        }
        self.record(seconds, effects);
    }

    /// Another record with these effects.
    pub(super) fn record(&mut self, seconds: i64, effects: Vec<Effect>) {
        let record = Record {
            number: self.state.number + 1,
            previous: self.state.hash,
            nonce: self.random.sixteen(),
            time: Time::from_seconds(self.state.time.seconds + seconds),
            actor: "A".into(),
            verb: "test".into(),
            incarnation: [7; 16],
            effects,
            before: self.state.last_effects.clone(),
            has_unknown_lines: false,
        };
        assert!(self.journal.create(&record, &self.random).unwrap());
        collect_moves(&record, &mut self.moves);
        let id = record.to_text().1;
        self.state.apply(record, id);
        if self.keeps_states {
            self.states.push(self.state.clone());
        }
    }

    /// What every reader must find, whatever is left.
    pub(super) fn check(&self, journal: &Journal) {
        assert_eq!(journal.replay(None).unwrap(), self.state);
        let records = journal.records();
        let newest = self.state.number;
        let stay = newest.saturating_sub(CHECKPOINT_EVERY) + 1..=newest;
        assert!(stay.clone().all(|number| records.contains(&number)));
        // A power failure may bring some of what was deleted back, and not all of it.
        let gap = records.windows(2).rposition(|two| two[1] != two[0] + 1);
        let oldest = gap.map_or(records[0], |gap| records[gap + 1]);
        // Checkpoint and tail give the state at any cut that they reach.
        let checkpoints = journal.checkpoint_numbers().unwrap();
        let reaches = checkpoints.into_iter().find(|number| *number >= oldest);
        let from = if oldest == 1 { 0 } else { reaches.unwrap() };
        assert!(from + CHECKPOINT_EVERY <= newest || from == 0, "two checkpoints reach");
        journal.check(&mut |finding| panic!("{finding:?}")).unwrap();
        for number in (from..=newest).step_by(37) {
            let state = journal.state_at(number).unwrap().unwrap();
            assert_eq!(state, self.states[number as usize], "at {number}");
        }
        let moves = journal.moves(&self.state).unwrap();
        // Expiry counts to the checkpoint that merged a run.
        let is_young = |one: &&Move| self.state.time.seconds - one.time.seconds <= EXPIRY_SECONDS;
        let (first, found) = (moves[0].number, moves.len());
        assert!(self.moves.iter().filter(is_young).count() <= found);
        assert_eq!(moves, self.moves[first as usize - 1..]);
    }
}

impl Journal {
    /// The numbers of all records that are there.
    pub(super) fn records(&self) -> Vec<u64> {
        let mut all = Vec::new();
        for folder in 0..10 {
            let path = format!("journal/{folder}");
            if let Ok(dir) = self.dir.dir(path.as_bytes()) {
                let names = dir.list().unwrap();
                let number =
                    |name: &[u8]| -> u64 { std::str::from_utf8(name).unwrap().parse().unwrap() };
                all.extend(names.iter().map(|found| number(&found.name)));
            }
        }
        all.sort_unstable();
        all
    }
}
