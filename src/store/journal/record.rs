//! Records: the numbered entries of the journal, one small text file each.
//!
//! A record says who did what when, what it changed (its effects), and repeats the effects of the
//! record before it; so damage to any record but the newest loses nothing. It ends with the hash
//! of its own lines, and names the hash of the record before: a chain.
//!
//! A line of an unknown kind stops writing; one whose first letter is a capital stops reading.

use std::fmt::Write as _;

use bstr::ByteSlice;
use thiserror::Error;

use crate::clock::Time;
use crate::hash::{self, Id, hex, unhex};

use super::super::pack::Class;

/// Why a text is not a record or checkpoint.
#[derive(Debug, Error)]
pub enum ParseError {
    /// It does not end with the hash of its lines: it was damaged.
    #[error("the lines do not match their checksum")]
    Damaged,
    /// A line is malformed although the checksum is right.
    #[error("line {number} ('{line}') is malformed")]
    Line {
        /// Its number, from 1.
        number: usize,
        /// What it says.
        line: String,
    },
    /// It needs a newer program to be read.
    #[error("it needs a newer program: '{0}'")]
    TooNew(String),
}

/// What a ref points to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// An object.
    Id(Id),
    /// Another ref, by its full name.
    Symbolic(String),
}

/// A pack that belongs to the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackInfo {
    /// What it holds.
    pub class: Class,
    /// Its name below its class: `HASH32-RANDOM8`.
    pub name: String,
    /// BLAKE3 of everything in it but these 32 bytes.
    pub hash: Id,
    /// Length of the file.
    pub bytes: u64,
    /// The table object that says what it holds; packs of class `meta` have none.
    pub table: Option<Id>,
    /// The session that listed it, while that goes on.
    pub session: Option<String>,
}

/// One thing a record changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// A ref moved.
    Ref {
        /// Its full name.
        name: String,
        /// Where it was.
        old: Option<Target>,
        /// Where it is; `None` if it was deleted.
        new: Option<Target>,
        /// Why, for the reflog.
        reason: String,
    },
    /// A pack came.
    PackAdded(PackInfo),
    /// A pack went; if `into` is given, everything in it is in that pack.
    PackRemoved {
        /// Which.
        name: String,
        /// Where its objects are now.
        into: Option<String>,
    },
    /// A session has ended: its packs are ordinary ones.
    SessionEnded(String),
    /// From here on a feature is needed.
    Require {
        /// Needed for reading too, or only for writing.
        reading: bool,
        /// Its name.
        feature: String,
    },
    /// A record before this one is damaged and does not count.
    Skips {
        /// Its number.
        number: u64,
        /// BLAKE3 of the bytes found in its place.
        hash: Id,
    },
    /// The store was copied or put back: a new life begins.
    Incarnation {
        /// The new incarnation.
        new: [u8; 16],
        /// The last record of the old one that counts.
        after: u64,
        /// Its hash.
        hash: Id,
    },
    /// Objects of a kept pack that are no longer reachable: a table lists them.
    Dead {
        /// The pack.
        pack: String,
        /// The table object.
        table: Id,
    },
}

/// One entry of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its number: 1 for the first.
    pub number: u64,
    /// The hash of the record before; zero for the first.
    pub previous: Id,
    /// Sixteen random bytes by which a writer knows its own record again.
    pub nonce: [u8; 16],
    /// When, by the writer's clock.
    pub time: Time,
    /// Who: name and e-mail address.
    pub actor: String,
    /// Which command; never its arguments, which may be secret.
    pub verb: String,
    /// The store's incarnation.
    pub incarnation: [u8; 16],
    /// What changed.
    pub effects: Vec<Effect>,
    /// What the record before changed.
    pub before: Vec<Effect>,
    /// Whether it has lines this program does not know, so that it must not write.
    pub has_unknown_lines: bool,
}

const MAGIC: &str = "annals-record 1";

impl Record {
    /// Its text; the hash that the next record names is the one in its last line.
    pub fn to_text(&self) -> (String, Id) {
        let mut text = format!(
            "{MAGIC}\nnumber {}\nprevious {}\nnonce {}\ntime {}\nactor {}\nverb {}\nincarnation {}\n",
            self.number,
            self.previous,
            hex(&self.nonce),
            self.time,
            percent_encode(&self.actor),
            percent_encode(&self.verb),
            hex(&self.incarnation),
        );
        for effect in &self.effects {
            effect.write(&mut text);
            text.push('\n');
        }
        for effect in &self.before {
            text.push_str("before ");
            effect.write(&mut text);
            text.push('\n');
        }
        end_text(text)
    }

    /// Reads a record and its hash.
    pub fn parse(bytes: &[u8]) -> Result<(Self, Id), ParseError> {
        let (lines, hash) = checked_lines(bytes)?;
        let mut record = Self {
            number: 0,
            previous: Id::from_bytes([0; 32]),
            nonce: [0; 16],
            time: Time::default(),
            actor: String::new(),
            verb: String::new(),
            incarnation: [0; 16],
            effects: Vec::new(),
            before: Vec::new(),
            has_unknown_lines: false,
        };
        for (number, line) in lines.lines().enumerate() {
            let malformed = || ParseError::Line { number: number + 1, line: line.to_owned() };
            if number == 0 {
                match line {
                    MAGIC => continue,
                    other => return Err(ParseError::TooNew(other.to_owned())),
                }
            }
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            match word {
                "number" => record.number = rest.parse().map_err(|_| malformed())?,
                "previous" => record.previous = rest.parse().map_err(|_| malformed())?,
                "nonce" => record.nonce = unhex(rest).ok_or_else(malformed)?,
                "time" => record.time = parse_time(rest).ok_or_else(malformed)?,
                "actor" => record.actor = percent_decode(rest).ok_or_else(malformed)?,
                "verb" => record.verb = percent_decode(rest).ok_or_else(malformed)?,
                "incarnation" if !rest.contains(' ') => {
                    record.incarnation = unhex(rest).ok_or_else(malformed)?;
                }
                "before" => match Effect::parse(rest).ok_or_else(malformed)? {
                    Line::Known(effect) => record.before.push(effect),
                    Line::Unknown => record.has_unknown_lines = true,
                    Line::TooNew => return Err(ParseError::TooNew(line.to_owned())),
                },
                _ => match Effect::parse(line).ok_or_else(malformed)? {
                    Line::Known(effect) => record.effects.push(effect),
                    Line::Unknown => record.has_unknown_lines = true,
                    Line::TooNew => return Err(ParseError::TooNew(line.to_owned())),
                },
            }
        }
        Ok((record, hash))
    }
}

/// What a line turned out to be.
pub(super) enum Line {
    Known(Effect),
    Unknown,
    TooNew,
}

impl Effect {
    /// The number that it gives up, if it does.
    pub fn given_up(&self) -> Option<u64> {
        match self {
            Self::Skips { number, .. } => Some(*number),
            _ => None,
        }
    }

    pub(super) fn write(&self, text: &mut String) {
        // Writing to a string does not fail.
        let _ = match self {
            Self::Ref { name, old, new, reason } => {
                let symbolic =
                    |target: &Option<Target>| matches!(target, Some(Target::Symbolic(_)));
                let word = if symbolic(old) || symbolic(new) { "symref" } else { "ref" };
                write!(
                    text,
                    "{word} {} {} {} {}",
                    percent_encode(name),
                    write_target(old.as_ref()),
                    write_target(new.as_ref()),
                    percent_encode(reason),
                )
            }
            Self::PackAdded(pack) => write!(text, "pack + {}", pack.to_line()),
            Self::PackRemoved { name, into: None } => write!(text, "pack - {name}"),
            Self::PackRemoved { name, into: Some(into) } => write!(text, "pack - {name} {into}"),
            Self::SessionEnded(session) => write!(text, "session - {session}"),
            Self::Require { reading, feature } => {
                let what = if *reading { "read" } else { "write" };
                write!(text, "require {what} {}", percent_encode(feature))
            }
            Self::Skips { number, hash } => write!(text, "skips {number} {hash}"),
            Self::Incarnation { new, after, hash } => {
                write!(text, "incarnation {} after {after} {hash}", hex(new))
            }
            Self::Dead { pack, table } => write!(text, "dead {pack} {table}"),
        };
    }

    /// `None` if the line is of a known kind and malformed.
    pub(super) fn parse(line: &str) -> Option<Line> {
        let words: Vec<&str> = line.split(' ').collect();
        Some(Line::Known(match words[..] {
            ["ref" | "symref", name, old, new, reason] => Self::Ref {
                name: percent_decode(name)?,
                old: parse_target(old)?,
                new: parse_target(new)?,
                reason: percent_decode(reason)?,
            },
            ["pack", "+", ref rest @ ..] => Self::PackAdded(PackInfo::parse(rest)?),
            ["pack", "-", name] => Self::PackRemoved { name: check_pack_name(name)?, into: None },
            ["pack", "-", name, into] => Self::PackRemoved {
                name: check_pack_name(name)?,
                into: Some(check_pack_name(into)?),
            },
            ["session", "-", session] => Self::SessionEnded(check_session(session)?),
            ["require", what @ ("read" | "write"), feature] => {
                Self::Require { reading: what == "read", feature: percent_decode(feature)? }
            }
            ["skips", number, hash] => {
                Self::Skips { number: number.parse().ok()?, hash: hash.parse().ok()? }
            }
            ["incarnation", new, "after", after, hash] => Self::Incarnation {
                new: unhex(new)?,
                after: after.parse().ok()?,
                hash: hash.parse().ok()?,
            },
            ["dead", pack, table] => {
                Self::Dead { pack: check_pack_name(pack)?, table: table.parse().ok()? }
            }
            [word, ..] => {
                let known = ["ref", "symref", "pack", "session", "require", "skips", "dead"];
                if known.contains(&word) || word == "incarnation" {
                    return None;
                }
                return Some(if word.starts_with(|c: char| c.is_ascii_uppercase()) {
                    Line::TooNew
                } else {
                    Line::Unknown
                });
            }
            [] => return None,
        }))
    }
}

impl PackInfo {
    pub(super) fn to_line(&self) -> String {
        let table = self.table.map_or_else(|| "-".to_owned(), |table| table.to_string());
        let session = self.session.as_deref().unwrap_or("-");
        let (class, name) = (self.class.name(), &self.name);
        format!("{class} {name} {} {} {table} {session}", self.hash, self.bytes)
    }

    pub(super) fn parse(words: &[&str]) -> Option<Self> {
        let [class, name, hash, bytes, table, session] = words else { return None };
        Some(Self {
            class: Class::from_name(class)?,
            name: check_pack_name(name)?,
            hash: hash.parse().ok()?,
            bytes: bytes.parse().ok()?,
            table: if *table == "-" { None } else { Some(table.parse().ok()?) },
            session: if *session == "-" { None } else { Some(check_session(session)?) },
        })
    }
}

/// Pack names become file names, so nothing else passes: 32 hex digits, `-`, 8 hex digits.
pub(super) fn check_pack_name(name: &str) -> Option<String> {
    let (hash, random) = name.split_once('-')?;
    unhex::<16>(hash)?;
    unhex::<4>(random)?;
    Some(name.to_owned())
}

/// Session names become directory names: 16 hex digits.
fn check_session(name: &str) -> Option<String> {
    unhex::<8>(name)?;
    Some(name.to_owned())
}

pub(super) fn write_target(target: Option<&Target>) -> String {
    match target {
        None => "-".to_owned(),
        Some(Target::Id(id)) => id.to_string(),
        Some(Target::Symbolic(name)) => format!("@{}", percent_encode(name)),
    }
}

pub(super) fn parse_target(text: &str) -> Option<Option<Target>> {
    if text == "-" {
        return Some(None);
    }
    Some(Some(match text.strip_prefix('@') {
        Some(name) => Target::Symbolic(percent_decode(name)?),
        None => Target::Id(text.parse().ok()?),
    }))
}

pub(super) fn parse_time(text: &str) -> Option<Time> {
    let (seconds, nanoseconds) = text.split_once('.')?;
    if nanoseconds.len() != 9 {
        return None;
    }
    Some(Time { seconds: seconds.parse().ok()?, nanoseconds: nanoseconds.parse().ok()? })
}

/// Ends a text with the hash of its lines.
pub(super) fn end_text(mut text: String) -> (String, Id) {
    let hash = hash::hash(text.as_bytes());
    text.push_str(&format!("end {hash}\n"));
    (text, hash)
}

/// The lines of a text that ends with the right hash, and that hash.
pub(super) fn checked_lines(bytes: &[u8]) -> Result<(&str, Id), ParseError> {
    let body = bytes.strip_suffix(b"\n").ok_or(ParseError::Damaged)?;
    let start = body.rfind_byte(b'\n').ok_or(ParseError::Damaged)? + 1;
    let claimed = body[start..].strip_prefix(b"end ").ok_or(ParseError::Damaged)?;
    let hash = hash::hash(&bytes[..start]);
    if claimed != hash.to_string().as_bytes() {
        return Err(ParseError::Damaged);
    }
    let lines = std::str::from_utf8(&bytes[..start]).map_err(|_| ParseError::Damaged)?;
    Ok((lines, hash))
}

/// A text as one word: bytes up to the space, `%`, and everything that is not ASCII become `%XX`.
/// An empty text becomes `%`.
pub(super) fn percent_encode(text: &str) -> String {
    if text.is_empty() {
        return "%".to_owned();
    }
    let mut word = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'!'..=b'~' if byte != b'%' => word.push(char::from(byte)),
            _ => word.push_str(&format!("%{byte:02x}")),
        }
    }
    word
}

/// The text of a word.
pub(super) fn percent_decode(word: &str) -> Option<String> {
    if word == "%" {
        return Some(String::new());
    }
    if !word.is_empty() && word.bytes().all(|byte| matches!(byte, b'!'..=b'~' if byte != b'%')) {
        return Some(word.to_owned());
    }
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                let [value] = unhex::<1>(std::str::from_utf8(&digits).ok()?)?;
                bytes.push(value);
            }
            b'!'..=b'~' => bytes.push(byte),
            _ => return None,
        }
    }
    let text = String::from_utf8(bytes).ok()?;
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn record() -> Record {
        let pack = PackInfo {
            class: Class::Near,
            name: format!("{}-{}", "ab".repeat(16), "01234567"),
            hash: Id::EMPTY,
            bytes: 77,
            table: Some(Id::EMPTY),
            session: Some("00112233aabbccdd".into()),
        };
        Record {
            number: 7,
            previous: Id::EMPTY,
            nonce: [3; 16],
            time: Time { seconds: 1_763_630_000, nanoseconds: 5 },
            actor: "Ünal <u@example.org>".into(),
            verb: "commit".into(),
            incarnation: [4; 16],
            effects: vec![
                Effect::Ref {
                    name: "refs/heads/main".into(),
                    old: None,
                    new: Some(Target::Id(Id::EMPTY)),
                    reason: "commit: a 100 % thing".into(),
                },
                Effect::Ref {
                    name: "HEAD".into(),
                    old: None,
                    new: Some(Target::Symbolic("refs/heads/main".into())),
                    reason: String::new(),
                },
                Effect::PackAdded(pack.clone()),
                Effect::PackRemoved { name: pack.name.clone(), into: Some(pack.name.clone()) },
                Effect::SessionEnded("00112233aabbccdd".into()),
                Effect::Require { reading: true, feature: "conflicts".into() },
                Effect::Skips { number: 6, hash: Id::EMPTY },
                Effect::Incarnation { new: [9; 16], after: 5, hash: Id::EMPTY },
                Effect::Dead { pack: pack.name, table: Id::EMPTY },
            ],
            before: vec![Effect::SessionEnded("00112233aabbccdd".into())],
            has_unknown_lines: false,
        }
    }

    #[test]
    fn a_record_reads_back_as_it_was_written() {
        let record = record();
        let (text, hash) = record.to_text();
        assert_eq!(Record::parse(text.as_bytes()).unwrap(), (record, hash));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_seen() {
        let (text, _) = record().to_text();
        let bytes = text.into_bytes();
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            assert!(Record::parse(&flipped).is_err(), "byte {at}");
            assert!(Record::parse(&bytes[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn an_unknown_line_stops_writing_and_a_capital_stops_reading() {
        let (text, _) = record().to_text();
        let with = |line: &str| {
            let body = text[..text.rfind("end ").unwrap()].to_owned();
            end_text(body + line + "\n").0
        };
        assert!(Record::parse(with("glow 1 2").as_bytes()).unwrap().0.has_unknown_lines);
        assert!(matches!(Record::parse(with("Glow 1").as_bytes()), Err(ParseError::TooNew(_))));
        assert!(matches!(Record::parse(with("dead x y").as_bytes()), Err(ParseError::Line { .. })));
        let escape = with("pack - ../../../etc/passwd");
        assert!(matches!(Record::parse(escape.as_bytes()), Err(ParseError::Line { .. })));
    }
}
