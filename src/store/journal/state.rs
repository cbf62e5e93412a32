//! State: what the journal says when it is read from the beginning.

use std::collections::BTreeMap;

use crate::clock::Time;
use crate::hash::{Id, hex, unhex};

use super::record::{
    Effect, PackInfo, ParseError, Record, Target, checked_lines, end_text, parse_target,
    parse_time, percent_decode, percent_encode, write_target,
};

/// How many records lie between checkpoints.
pub const CHECKPOINT_EVERY: u64 = 256;

const MAGIC: &str = "annals-checkpoint 1";

/// The features this program knows; a record may require one by name.
const FEATURES: &[&str] = &["archive", "conflicts"];

/// Refs, packs and the rest, as of a record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The record this is the state after; 0 before the first.
    pub number: u64,
    /// That record's hash.
    pub hash: Id,
    /// That record's time.
    pub time: Time,
    /// The store's incarnation.
    pub incarnation: [u8; 16],
    /// Refs by full name.
    pub refs: BTreeMap<String, Target>,
    /// Packs by name.
    pub packs: BTreeMap<String, PackInfo>,
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
                for pack in self.packs.values_mut() {
                    if pack.session.as_ref() == Some(session) {
                        pack.session = None;
                    }
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

    /// As a checkpoint: a pure function of the records it covers. `moves` names the runs of ref
    /// moves, as first and last record.
    pub fn to_text(&self, moves: &[(u64, u64)]) -> String {
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
        for (name, target) in &self.refs {
            let target = write_target(Some(target));
            text.push_str(&format!("ref {} {target}\n", percent_encode(name)));
        }
        for pack in self.packs.values() {
            text.push_str(&format!("pack {}\n", pack.to_line()));
        }
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

    /// Reads a checkpoint and the runs of ref moves it names.
    pub fn parse(bytes: &[u8]) -> Result<(Self, Vec<(u64, u64)>), ParseError> {
        let (lines, _) = checked_lines(bytes)?;
        let mut state = Self::default();
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
            if what.starts_with(|first: char| first.is_ascii_uppercase()) {
                return Err(ParseError::TooNew(line.to_owned()));
            }
            state.parse_line(line, &words, &mut moves).ok_or_else(malformed)?;
        }
        Ok((state, moves))
    }

    fn parse_line(
        &mut self,
        line: &str,
        words: &[&str],
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
            ["ref", name, target] => {
                self.refs.insert(percent_decode(name)?, parse_target(target)??);
            }
            ["pack", rest @ ..] => {
                let pack = PackInfo::parse(rest)?;
                self.packs.insert(pack.name.clone(), pack);
            }
            ["before", ..] => match Effect::parse(line.strip_prefix("before ")?)? {
                super::record::Line::Known(effect) => self.last_effects.push(effect),
                _ => self.forbid_writing("its checkpoint is of a newer version".to_owned()),
            },
            ["moves", first, last] => moves.push((first.parse().ok()?, last.parse().ok()?)),
            // Which records count, by number and nonce: for stores that cannot list under a lock.
            ["covers", _, _] => {}
            _ => self.forbid_writing("its checkpoint is of a newer version".to_owned()),
        }
        Some(())
    }
}

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
