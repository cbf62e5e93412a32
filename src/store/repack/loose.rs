//! Which packs are worth rewriting.
//!
//! Packs are *settled* if whoever wrote them had the whole order at hand, and *loose* otherwise.
//! That is noted by name beside the lookup: if the note is lost, they are rewritten once more, and
//! nothing else. Long packs of content that does not compress are as good as they get.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use crate::disk;
use crate::hash::checksum;

use super::super::consolidate::SMALL_PACK;
use super::super::pack::{Form, read_table};
use super::super::{Class, Error, PackInfo, Store, pack_path};

/// The names of settled packs.
const SETTLED: &str = "lookup/settled";
/// Its first line.
const MAGIC: &str = "annals-settled 1";
/// The longest note: a million names.
const LONGEST: u64 = 64 << 20;
/// A pack of at least so many bytes is not short.
const LONG_PACK: u64 = 32 << 20;
/// So many packs that no commit merges may stay loose, if they are few bytes.
const MOST_LOOSE: usize = 64;
/// So few loose bytes are left alone.
const FEW_BYTES: u64 = 64 << 20;
/// So many packed bytes are rewritten at once: twice as much is taken while that lasts.
const ROUND_BYTES: u64 = 8 << 30;
/// And so many objects: 64 bytes of memory each.
const ROUND_OBJECTS: usize = 2 << 20;

/// What is rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// What came since, and what is settled too once that came to half of it.
    Loose,
    /// The same, if it is worth the time by now.
    WhatIsDue,
    /// Everything that may become smaller.
    All,
}

/// What rewriting a pack may bring.
enum Worth {
    MayBecomeSmaller,
    IsAsSmallAsItGets,
    Unsound,
}

/// The packs that are to be rewritten.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Those that are rewritten together, one round after the other.
    pub rounds: Vec<Vec<PackInfo>>,
    /// Packs that are missing or have no sound table: their paths. They are for repair.
    pub unsound: Vec<String>,
}

impl Plan {
    /// How many packs there are.
    pub fn packs(&self) -> usize {
        self.rounds.iter().map(Vec::len).sum()
    }

    /// Their bytes.
    pub fn bytes(&self) -> u64 {
        self.rounds.iter().flatten().map(|pack| pack.bytes).sum()
    }
}

impl Store {
    /// Which packs should be rewritten.
    pub fn plan_repack(&self, extent: Extent) -> Result<Plan, Error> {
        let state = self.refresh()?;
        let noted = self.settled();
        let (mut loose, mut settled, mut unsound) = (Vec::new(), Vec::new(), Vec::new());
        // The packs of a session are its own until it ends.
        for pack in state.packs.values().filter(|pack| pack.session.is_none()) {
            if noted.contains(&pack.name) {
                settled.push(pack);
            } else {
                match self.worth(pack)? {
                    Worth::MayBecomeSmaller => loose.push(pack),
                    Worth::IsAsSmallAsItGets => {}
                    Worth::Unsound => unsound.push(pack_path(pack.class, &pack.name)),
                }
            }
        }
        if extent == Extent::WhatIsDue && !is_due(&loose, &settled) {
            return Ok(Plan { unsound, ..Plan::default() });
        }
        if extent == Extent::All || !loose.is_empty() && are_half(&loose, &settled) {
            loose.append(&mut settled);
        } else {
            add_short(&mut loose, settled);
        }
        loose.sort_by_key(|pack| (pack.class == Class::Meta, pack.class, &pack.name));
        Ok(Plan { rounds: rounds(loose, &self.lookup().rows_by_pack()), unsound })
    }

    /// What may come of a pack. A long one of content that does not compress is left alone.
    fn worth(&self, pack: &PackInfo) -> Result<Worth, Error> {
        let path = pack_path(pack.class, &pack.name);
        let file = match self.dir().open(path.as_bytes()) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Worth::Unsound),
            Err(error) => return Err(Error::io("open", &path)(error)),
        };
        let table = match read_table(file).map_err(Error::io("read", &path))? {
            Ok(pack) => pack.table,
            Err(_) => return Ok(Worth::Unsound),
        };
        let frames = table.frames.iter().filter(|frame| frame.form == Form::Raw);
        let raw: u64 = frames.map(|frame| u64::from(frame.stored)).sum();
        let is_long = pack.class == Class::Data && pack.bytes >= LONG_PACK;
        Ok(match is_long && raw >= pack.bytes / 10 * 9 {
            true => Worth::IsAsSmallAsItGets,
            false => Worth::MayBecomeSmaller,
        })
    }

    /// The packs that are noted as settled.
    fn settled(&self) -> BTreeSet<String> {
        let read = disk::read_all(&**self.dir(), SETTLED.as_bytes(), LONGEST);
        read.ok().and_then(|bytes| parse(&bytes)).unwrap_or_default()
    }

    /// Notes that these packs are settled, and forgets those that have left.
    pub(in crate::store) fn settle<'n>(&self, names: impl Iterator<Item = &'n String>) {
        let state = self.state();
        let mut settled = self.settled();
        settled.retain(|name| state.packs.contains_key(name));
        settled.extend(names.cloned());
        let mut text = format!("{MAGIC}\n");
        settled.iter().for_each(|name| text.push_str(&format!("{name}\n")));
        text.push_str(&format!("end {:016x}\n", checksum(text.as_bytes())));
        let unique = self.env().random.four();
        // Derived: failing to save it costs time, not truth.
        let _ = disk::replace_derived(&**self.dir(), SETTLED.as_bytes(), unique, text.as_bytes());
    }
}

/// Divides packs into what is rewritten with one record each.
fn rounds(packs: Vec<&PackInfo>, objects: &BTreeMap<String, usize>) -> Vec<Vec<PackInfo>> {
    let mut rounds: Vec<Vec<PackInfo>> = Vec::new();
    let (mut round_bytes, mut round_objects) = (0, 0);
    for pack in packs {
        let own = objects.get(&pack.name).copied().unwrap_or_default();
        round_bytes += pack.bytes;
        round_objects += own;
        let is_full = round_bytes > ROUND_BYTES || round_objects > ROUND_OBJECTS;
        match rounds.last_mut().filter(|_| !is_full) {
            Some(round) => round.push(pack.clone()),
            None => {
                rounds.push(vec![pack.clone()]);
                (round_bytes, round_objects) = (pack.bytes, own);
            }
        }
    }
    rounds
}

fn bytes(packs: &[&PackInfo]) -> u64 {
    packs.iter().map(|pack| pack.bytes).sum()
}

/// Whether as much has come as half of what is settled. So a byte is rewritten a logarithmic number
/// of times.
fn are_half(loose: &[&PackInfo], settled: &[&PackInfo]) -> bool {
    2 * bytes(loose) >= bytes(settled)
}

/// Whether it is worth the time. Small packs do not count: commits merge them.
fn is_due(loose: &[&PackInfo], settled: &[&PackInfo]) -> bool {
    let many = loose.iter().filter(|pack| pack.bytes >= SMALL_PACK).count() > MOST_LOOSE;
    many || bytes(loose) >= FEW_BYTES && are_half(loose, settled)
}

/// Adds short settled packs to the loose ones of their class, while one is not larger than all
/// before it together: so settled packs do not become many, and few bytes are written again.
fn add_short<'p>(loose: &mut Vec<&'p PackInfo>, settled: Vec<&'p PackInfo>) {
    let mut sums: BTreeMap<Class, u64> = BTreeMap::new();
    for pack in &*loose {
        *sums.entry(pack.class).or_default() += pack.bytes;
    }
    let mut short: Vec<&PackInfo> =
        settled.into_iter().filter(|pack| pack.bytes < LONG_PACK).collect();
    short.sort_by_key(|pack| pack.bytes);
    for pack in short {
        if let Some(sum) = sums.get_mut(&pack.class).filter(|sum| pack.bytes <= **sum) {
            *sum += pack.bytes;
            loose.push(pack);
        }
    }
}

fn parse(bytes: &[u8]) -> Option<BTreeSet<String>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let end = text.rfind("end ")?;
    if text[end..] != format!("end {:016x}\n", checksum(&bytes[..end])) {
        return None;
    }
    let mut lines = text[..end].lines();
    (lines.next() == Some(MAGIC)).then(|| lines.map(str::to_owned).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::hash::Id;

    fn pack(class: Class, name: &str, bytes: u64) -> PackInfo {
        let (hash, table, session) = (Id::default(), None, None);
        PackInfo { class, name: name.to_owned(), hash, bytes, table, session }
    }

    #[test]
    fn short_packs_join_while_they_are_not_larger_than_those_before() {
        let loose = [pack(Class::Near, "new", 100)];
        let settled = [
            pack(Class::Near, "as long", 100),
            pack(Class::Near, "as both", 200),
            pack(Class::Near, "too long", 401),
            pack(Class::Data, "other", 1),
        ];
        let mut taken = loose.iter().collect();
        add_short(&mut taken, settled.iter().collect());
        let names: Vec<&str> = taken.iter().map(|pack| pack.name.as_str()).collect();
        assert_eq!(names, ["new", "as long", "as both"]);
    }

    #[test]
    fn a_round_has_bytes_and_objects_up_to_a_bound() {
        let packs: Vec<PackInfo> =
            ["a", "b", "c", "d"].map(|name| pack(Class::Data, name, ROUND_BYTES / 2)).to_vec();
        let names = |objects: &[(&str, usize)]| {
            let objects = objects.iter().map(|(name, count)| ((*name).to_owned(), *count));
            rounds(packs.iter().collect(), &objects.collect())
                .iter()
                .map(|round| round.iter().map(|pack| pack.name.as_str()).collect::<String>())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&[]), ["ab", "cd"]);
        assert_eq!(names(&[("b", ROUND_OBJECTS), ("c", 1)]), ["ab", "cd"]);
        assert_eq!(names(&[("a", 1), ("b", ROUND_OBJECTS)]), ["a", "bc", "d"]);
    }

    #[test]
    fn it_is_due_when_half_as_much_has_come_or_when_packs_are_many() {
        let long = |count: usize, bytes| vec![pack(Class::Data, "x", bytes); count];
        let due = |loose: &[PackInfo], settled: &[PackInfo]| {
            let (loose, settled): (Vec<_>, Vec<_>) =
                (loose.iter().collect(), settled.iter().collect());
            is_due(&loose, &settled)
        };
        assert!(due(&long(1, FEW_BYTES), &long(1, 2 * FEW_BYTES)));
        assert!(!due(&long(1, FEW_BYTES), &long(1, 2 * FEW_BYTES + 1)));
        assert!(!due(&long(1, FEW_BYTES - 1), &[]), "too few to matter");
        assert!(due(&long(MOST_LOOSE + 1, SMALL_PACK), &long(1, 1 << 40)));
        assert!(!due(&long(MOST_LOOSE, SMALL_PACK), &long(1, 1 << 40)));
        assert!(!due(&long(1000, SMALL_PACK - 1), &long(1, 1 << 40)), "commits merge them");
    }

    #[test]
    fn a_note_that_was_changed_is_not_believed() {
        let text = format!("{MAGIC}\none\ntwo\n");
        let whole = format!("{text}end {:016x}\n", checksum(text.as_bytes()));
        assert_eq!(parse(whole.as_bytes()).unwrap().len(), 2);
        for at in 0..whole.len() {
            assert_eq!(parse(&whole.as_bytes()[..at]), None);
            let mut changed = whole.clone().into_bytes();
            changed[at] ^= 1;
            assert_eq!(parse(&changed), None, "{at}");
        }
    }
}
