//! State: what the journal says when it is read from the beginning.
//!
//! In memory and as a text, a state stands on runs: it has what they say, and what changed since.
//! A state without runs says everything itself.

use std::collections::BTreeMap;

use crate::clock::Time;
use crate::hash::{Id, hex, unhex};

use super::layered::Layered;
use super::record::{
    Effect, PackInfo, ParseError, Record, Target, checked_lines, end_text, parse_time,
    percent_decode, percent_encode,
};
use super::runs::{Changes, Run, parse_pack, parse_ref, present, write_packs, write_refs};

/// How many records lie between checkpoints.
pub const CHECKPOINT_EVERY: u64 = 256;

const MAGIC: &str = "annals-checkpoint 1";
const NEWER: &str = "its checkpoint is of a newer version";

/// The features this program knows; a record may require one by name.
const FEATURES: &[&str] = &["archive", "conflicts"];

/// Refs, packs and the rest, as of a record.
///
/// Two are equal if they say the same, whatever they stand on.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// The record this is the state after; 0 before the first.
    pub number: u64,
    /// That record's hash.
    pub hash: Id,
    /// That record's time.
    pub time: Time,
    /// The store's incarnation.
    pub incarnation: [u8; 16],
    /// The runs it stands on, oldest first.
    pub runs: Vec<Run>,
    /// Refs by full name.
    pub refs: Layered<Target>,
    /// Packs by name.
    pub packs: Layered<PackInfo>,
    /// Features needed, with whether reading needs them too.
    pub required: BTreeMap<String, bool>,
    /// What the newest record changed: the next one repeats it.
    pub last_effects: Vec<Effect>,
    /// Why this program must not write, if it must not.
    pub must_not_write: Option<String>,
    /// Damaged records that were met, with what became of them.
    pub damage: Vec<String>,
}

impl State {
    /// Takes the next record.
    pub fn apply(&mut self, record: Record, hash: Id) {
        self.number = record.number;
        self.hash = hash;
        self.time = record.time;
        self.incarnation = record.incarnation;
        if record.has_unknown_lines {
            self.forbid_writing(format!("record {} has lines of a newer version", record.number));
        }
        for effect in &record.effects {
            self.apply_effect(effect);
        }
        self.last_effects = record.effects;
    }

    /// Takes effects that are known only because the record after repeats them.
    pub fn apply_repeated(&mut self, number: u64, effects: &[Effect]) {
        for effect in effects {
            self.apply_effect(effect);
        }
        self.number = number;
        self.last_effects = effects.to_vec();
    }

    fn apply_effect(&mut self, effect: &Effect) {
        match effect {
            Effect::Ref { name, new: Some(target), .. } => {
                self.refs.insert(name.clone(), target.clone());
            }
            Effect::Ref { name, new: None, .. } => {
                self.refs.remove(name);
            }
            Effect::PackAdded(pack) => {
                self.packs.insert(pack.name.clone(), pack.clone());
            }
            Effect::PackRemoved { name, .. } => {
                self.packs.remove(name);
            }
            Effect::SessionEnded(session) => {
                let of_session = |pack: &&PackInfo| pack.session.as_ref() == Some(session);
                let listed: Vec<PackInfo> =
                    self.packs.values().filter(of_session).cloned().collect();
                for pack in listed {
                    self.packs.insert(pack.name.clone(), PackInfo { session: None, ..pack });
                }
            }
            Effect::Require { reading, feature } => {
                let needed = self.required.entry(feature.clone()).or_default();
                *needed |= *reading;
                if !FEATURES.contains(&feature.as_str()) {
                    self.forbid_writing(format!("it needs the feature '{feature}'"));
                }
            }
            Effect::Incarnation { new, .. } => self.incarnation = *new,
            Effect::Dead { .. } => {
                self.forbid_writing("it has lists of dead objects".to_owned());
            }
            Effect::Skips { .. } => {}
        }
    }

    fn forbid_writing(&mut self, why: String) {
        self.must_not_write.get_or_insert(why);
    }

    /// A feature that reading needs and this program does not know.
    pub fn unreadable_feature(&self) -> Option<&str> {
        self.required
            .iter()
            .find(|(feature, reading)| **reading && !FEATURES.contains(&feature.as_str()))
            .map(|(feature, _)| feature.as_str())
    }

    /// The last record that the runs it stands on cover; 0 if it says everything itself.
    pub fn base_number(&self) -> u64 {
        self.runs.last().map_or(0, |run| run.last)
    }

    /// How many refs and packs it says something of beside what the runs say.
    pub fn own_lines(&self) -> usize {
        self.refs.changes().len() + self.packs.changes().len()
    }

    /// Lays what the runs say under it.
    pub(super) fn standing_on(mut self, all: Changes) -> Self {
        if all.has_unknown_lines {
            self.forbid_writing(NEWER.to_owned());
        }
        self.refs = Layered::new(present(all.refs), self.refs.changes().clone());
        self.packs = Layered::new(present(all.packs), self.packs.changes().clone());
        self
    }

    /// As a text: the runs it stands on, and what changed since. `moves` names the runs of ref
    /// moves, as first and last record.
    pub fn to_text(&self, moves: &[(u64, u64)]) -> String {
        let mut text = self.head(&self.runs);
        let refs = self.refs.changes().iter();
        write_refs(&mut text, refs.map(|(name, target)| (name, target.as_ref())));
        let packs = self.packs.changes().iter();
        write_packs(&mut text, packs.map(|(name, pack)| (name, pack.as_ref())));
        self.ended(text, moves)
    }

    /// As a checkpoint: these runs say all of it.
    pub(super) fn to_checkpoint(&self, runs: &[Run], moves: &[(u64, u64)]) -> String {
        self.ended(self.head(runs), moves)
    }

    fn head(&self, runs: &[Run]) -> String {
        let mut text = format!(
            "{MAGIC}\nnumber {}\nrecord {}\ntime {}\nincarnation {}\n",
            self.number,
            self.hash,
            self.time,
            hex(&self.incarnation),
        );
        for (feature, reading) in &self.required {
            let what = if *reading { "read" } else { "write" };
            text.push_str(&format!("require {what} {}\n", percent_encode(feature)));
        }
        if let Some(why) = &self.must_not_write {
            text.push_str(&format!("frozen {}\n", percent_encode(why)));
        }
        for Run { first, last, hash } in runs {
            text.push_str(&format!("Run {first} {last} {hash}\n"));
        }
        text
    }

    fn ended(&self, mut text: String, moves: &[(u64, u64)]) -> String {
        for effect in &self.last_effects {
            text.push_str("before ");
            effect.write(&mut text);
            text.push('\n');
        }
        for (first, last) in moves {
            text.push_str(&format!("moves {first} {last}\n"));
        }
        end_text(text).0
    }

    /// Reads a checkpoint and the runs of ref moves it names. Of refs and packs the state has only
    /// what the text itself says: [`Journal`](super::Journal) reads the runs it stands on.
    pub fn parse(bytes: &[u8]) -> Result<(Self, Vec<(u64, u64)>), ParseError> {
        let (lines, _) = checked_lines(bytes)?;
        let mut state = Self::default();
        let mut own = Changes::default();
        let mut moves = Vec::new();
        for (number, line) in lines.lines().enumerate() {
            let malformed = || ParseError::Line { number: number + 1, line: line.to_owned() };
            if number == 0 {
                match line {
                    MAGIC => continue,
                    other => return Err(ParseError::TooNew(other.to_owned())),
                }
            }
            let words: Vec<&str> = line.split(' ').collect();
            let what = line.strip_prefix("before ").unwrap_or(line);
            let is_newer = what.starts_with(|first: char| first.is_ascii_uppercase());
            if is_newer && words[0] != "Run" {
                return Err(ParseError::TooNew(line.to_owned()));
            }
            state.parse_line(line, &words, &mut own, &mut moves).ok_or_else(malformed)?;
        }
        state.refs = Layered::without_base(own.refs);
        state.packs = Layered::without_base(own.packs);
        Ok((state, moves))
    }

    fn parse_line(
        &mut self,
        line: &str,
        words: &[&str],
        own: &mut Changes,
        moves: &mut Vec<(u64, u64)>,
    ) -> Option<()> {
        match words {
            ["number", number] => self.number = number.parse().ok()?,
            ["record", hash] => self.hash = hash.parse().ok()?,
            ["time", time] => self.time = parse_time(time)?,
            ["incarnation", incarnation] => self.incarnation = unhex(incarnation)?,
            ["require", what @ ("read" | "write"), feature] => {
                self.required.insert(percent_decode(feature)?, *what == "read");
            }
            ["frozen", why] => self.must_not_write = Some(percent_decode(why)?),
            ["Run", first, last, hash] => self.runs.push(Run {
                first: first.parse().ok()?,
                last: last.parse().ok()?,
                hash: hash.parse().ok()?,
            }),
            ["Run", ..] => return None,
            ["ref", ..] => own.refs.extend([parse_ref(line.strip_prefix("ref ")?)?]),
            ["pack", ..] => own.packs.extend([parse_pack(line.strip_prefix("pack ")?)?]),
            ["before", ..] => match Effect::parse(line.strip_prefix("before ")?)? {
                super::record::Line::Known(effect) => self.last_effects.push(effect),
                _ => self.forbid_writing(NEWER.to_owned()),
            },
            ["moves", first, last] => moves.push((first.parse().ok()?, last.parse().ok()?)),
            // Which records count, by number and nonce: for stores that cannot list under a lock.
            ["covers", _, _] => {}
            _ => self.forbid_writing(NEWER.to_owned()),
        }
        Some(())
    }
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        let Self {
            number,
            hash,
            time,
            incarnation,
            runs: _,
            refs,
            packs,
            required,
            last_effects,
            must_not_write,
            damage,
        } = self;
        (number, hash, time, incarnation)
            == (&other.number, &other.hash, &other.time, &other.incarnation)
            && (refs, packs, required) == (&other.refs, &other.packs, &other.required)
            && (last_effects, must_not_write, damage)
                == (&other.last_effects, &other.must_not_write, &other.damage)
    }
}

impl Eq for State {}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn with(line: &str) -> Result<State, ParseError> {
        let text = State::default().to_text(&[]);
        let body = &text[..text.rfind("end ").unwrap()];
        State::parse(end_text(format!("{body}{line}\n")).0.as_bytes()).map(|(state, _)| state)
    }

    #[test]
    fn a_checkpoint_of_a_newer_version_stops_writing_or_reading_as_a_record_does() {
        assert!(with("glow 1 2").unwrap().must_not_write.is_some());
        assert!(with("before glow 1 2").unwrap().must_not_write.is_some());
        assert!(matches!(with("Glow 1"), Err(ParseError::TooNew(_))));
        assert!(matches!(with("before Glow 1"), Err(ParseError::TooNew(_))));
        assert!(matches!(with("before"), Err(ParseError::Line { .. })));
        assert!(
            with("covers 1 00112233445566778899aabbccddeeff").unwrap().must_not_write.is_none()
        );
    }
}
