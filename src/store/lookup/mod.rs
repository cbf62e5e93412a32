//! The lookup: object → place in a pack. Derived from the packs' own tables; may be deleted at any
//! time.
//!
//! Immutable sorted runs, each covering some packs, merged geometrically. A run carries what is
//! needed to read a frame of its packs, so no table has to be opened for reading. Rows of packs
//! that have left the store are passed over, and dropped when runs are merged. Besides objects, a
//! run maps the content id of every manifest to it, so that what `b3sum` prints names files of
//! many chunks.

mod run;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use crate::disk::{self, Dir, DirRef, Wait};
use crate::hash::{self, Id, Kind, Prefix, hex};
use crate::table::SortedRun;

use super::journal::State;
use super::pack::Class;

pub use run::{Indexed, PackRun, Place};

/// Runs are merged while a run is less than so many times the one after it.
const FACTOR: usize = 8;

/// The runs of a store, as one command sees them.
#[derive(Clone, Debug, Default)]
pub struct Lookup {
    /// Largest first.
    runs: Vec<Arc<PackRun>>,
    /// Names of their files; `None` for a run that is only in memory.
    names: Vec<Option<String>>,
}

const CURRENT: &str = "lookup/current";

impl Lookup {
    /// Opens what is there. Anything unreadable counts as not there: it will be made anew.
    pub fn open(dir: &dyn Dir) -> Self {
        let mut lookup = Self::default();
        let Ok(bytes) = disk::read_all(dir, CURRENT.as_bytes(), 1 << 20) else { return lookup };
        let Some(names) = parse_current(&bytes) else { return lookup };
        for name in names {
            let opened = dir
                .map(format!("lookup/runs/{name}").as_bytes())
                .ok()
                .and_then(SortedRun::open)
                .and_then(PackRun::open);
            if let Some(run) = opened {
                lookup.runs.push(Arc::new(run));
                lookup.names.push(Some(name));
            }
        }
        lookup
    }

    /// The packs that no run covers.
    pub fn uncovered<'a>(&self, state: &'a State) -> Vec<&'a str> {
        let covered: BTreeSet<&str> =
            self.runs.iter().flat_map(|run| run.packs().map(|pack| pack.name())).collect();
        state.packs.keys().map(String::as_str).filter(|name| !covered.contains(name)).collect()
    }

    /// Where an object is, in a pack that belongs to the store.
    pub fn find(&self, state: &State, kind: Kind, id: &Id) -> Option<Place> {
        self.runs.iter().rev().find_map(|run| {
            run.find(id)
                .filter(|place| place.kind == Some(kind))
                .find(|place| state.packs.contains_key(&place.pack))
        })
    }

    /// All places of an object: it may be in several packs.
    pub fn find_all<'a>(
        &'a self,
        state: &'a State,
        kind: Kind,
        id: &'a Id,
    ) -> impl Iterator<Item = Place> + 'a {
        self.runs.iter().rev().flat_map(move |run| {
            run.find(id)
                .filter(move |place| place.kind == Some(kind))
                .filter(|place| state.packs.contains_key(&place.pack))
        })
    }

    /// The manifest of this content, if a file of more than 16 KiB has it.
    pub fn find_content(&self, state: &State, content: &Id) -> Option<Place> {
        self.runs.iter().rev().find_map(|run| {
            run.find(content)
                .filter(|place| place.kind.is_none())
                .find(|place| state.packs.contains_key(&place.pack))
        })
    }

    /// The kinds an id stands for. A chunk and a content may share one; `None` is a content.
    pub fn kinds(&self, state: &State, id: &Id) -> Vec<Option<Kind>> {
        let mut kinds: Vec<Option<Kind>> = self
            .runs
            .iter()
            .flat_map(|run| run.find(id))
            .filter(|place| state.packs.contains_key(&place.pack))
            .map(|place| place.kind)
            .collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }

    /// All ids that begin so, with their kinds.
    pub fn find_prefix(&self, state: &State, prefix: &Prefix) -> Vec<(Id, Option<Kind>)> {
        let mut found: Vec<(Id, Option<Kind>)> = Vec::new();
        for run in &self.runs {
            run.prefixed(prefix, |id, place| {
                if state.packs.contains_key(&place.pack) {
                    found.push((id, place.kind));
                }
            });
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Every object of the store's packs, in order of ids.
    pub fn rows(&self) -> usize {
        self.runs.iter().map(|run| run.len()).sum()
    }

    /// Calls `each` with every object of the store's packs; one that is in several comes several
    /// times.
    pub fn each(&self, state: &State, each: &mut dyn FnMut(Kind, Id)) {
        for run in &self.runs {
            run.each(|id, place, _| {
                if let Some(kind) = place.kind
                    && state.packs.contains_key(&place.pack)
                {
                    each(kind, id);
                }
            });
        }
    }

    /// How many objects of each pack there are.
    pub(super) fn rows_by_pack(&self) -> BTreeMap<String, usize> {
        let mut rows: BTreeMap<String, usize> = BTreeMap::new();
        for run in &self.runs {
            // By number first: names are long and rows many.
            let mut counts = vec![0; run.packs().count()];
            run.each_pack(|pack| counts[pack] += 1);
            for (pack, count) in run.packs().zip(counts) {
                *rows.entry(pack.name().to_owned()).or_default() += count;
            }
        }
        rows
    }

    /// The names of all packs that a run covers.
    pub(super) fn pack_names(&self) -> BTreeSet<String> {
        let packs = self.runs.iter().flat_map(|run| run.packs());
        packs.map(|pack| pack.name().to_owned()).collect()
    }

    /// Takes packs whose contents are known, and keeps the runs few. Nothing is written.
    pub fn add(&mut self, packs: Vec<Indexed>) {
        if packs.is_empty() {
            return;
        }
        if let Some(run) = PackRun::build(packs) {
            self.runs.push(Arc::new(run));
            self.names.push(None);
        }
    }

    /// Merges runs until each is eight times the next, leaving out packs that have left.
    pub fn tidy(&mut self, state: &State) {
        while let [.., older, newer] = &self.runs[..] {
            if older.len() >= FACTOR * newer.len().max(1) {
                break;
            }
            let Some(merged) = PackRun::merge(older, newer, |pack| state.packs.contains_key(pack))
            else {
                break;
            };
            self.runs.truncate(self.runs.len() - 2);
            self.names.truncate(self.names.len() - 2);
            self.runs.push(Arc::new(merged));
            self.names.push(None);
        }
    }

    /// Writes runs that are only in memory and makes the set current. If another process is at it,
    /// or nothing can be written here, the runs stay in memory: they are derived.
    pub fn save(&mut self, dir: &DirRef, random: &dyn crate::clock::Random) {
        if self.names.iter().all(Option::is_some) {
            return;
        }
        // It may have been deleted as a whole.
        let _ = disk::make_dirs(&**dir, b"lookup");
        let Ok(Some(_lock)) = dir.lock(b"lookup/lock", Wait::No) else { return };
        // Failing to save derived data is no failure; the next command makes it again.
        let _ = self.try_save(&**dir, random);
    }

    fn try_save(&mut self, dir: &dyn Dir, random: &dyn crate::clock::Random) -> io::Result<()> {
        disk::make_dirs(dir, b"lookup/runs")?;
        for (run, name) in self.runs.iter().zip(&mut self.names) {
            if name.is_none() {
                let new = hex(&random.sixteen());
                run.write(dir, &format!("lookup/runs/{new}"))?;
                *name = Some(new);
            }
        }
        let mut text = String::new();
        self.names.iter().flatten().for_each(|name| text.push_str(&format!("{name}\n")));
        text.push_str(&format!("end {:016x}\n", hash::checksum(text.as_bytes())));
        disk::replace_derived(dir, CURRENT.as_bytes(), random.four(), text.as_bytes())?;
        // A command that still has an older set open keeps its maps; names are never used again.
        for found in dir.dir(b"lookup/runs")?.list()? {
            let is_current = self.names.iter().flatten().any(|name| name.as_bytes() == found.name);
            if !is_current {
                let mut path = b"lookup/runs/".to_vec();
                path.extend_from_slice(&found.name);
                dir.remove_file(&path)?;
            }
        }
        Ok(())
    }

    /// Forgets everything that is saved: the next refresh makes it anew.
    pub fn discard(dir: &dyn Dir) {
        let _ = dir.remove_file(CURRENT.as_bytes());
    }

    /// Objects by class, for statistics: how many and how many bytes.
    pub fn totals(&self, state: &State) -> BTreeMap<Class, (u64, u64)> {
        let mut totals = BTreeMap::new();
        for run in &self.runs {
            run.each(|_, place, pack| {
                if place.kind.is_some() && state.packs.contains_key(&place.pack) {
                    let (count, bytes): &mut (u64, u64) = totals.entry(pack.class()).or_default();
                    *count += 1;
                    *bytes += u64::from(place.length);
                }
            });
        }
        totals
    }
}

fn parse_current(bytes: &[u8]) -> Option<Vec<String>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let body = text.strip_suffix('\n')?;
    let (lines, end) = body.rsplit_once('\n').map_or(("", body), |(lines, end)| (lines, end));
    let lines = if lines.is_empty() { String::new() } else { format!("{lines}\n") };
    if end != format!("end {:016x}", hash::checksum(lines.as_bytes())) {
        return None;
    }
    let proper = |name: &str| hash::unhex::<16>(name).is_some();
    lines.lines().map(|name| proper(name).then(|| name.to_owned())).collect()
}
