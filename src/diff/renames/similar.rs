//! Pairing files of similar contents.
//!
//! A content of at most 16 KiB is compared by its lines, a larger one by its manifest (unless
//! somebody wants a closer look), and one with the other by sketches. Each is read once, or again
//! if the lines of too many are kept already.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::chunk::{SPAN_LIMIT, Sketch, Sketcher, estimate};
use crate::codec;
use crate::hash::{Id, Kind};
use crate::object::manifest::SMALL;
use crate::object::{ChunkRef, Chunks, Manifest, Object, Source, What};

use super::candidates::{Key, Postings, Rarity, chunk_keys, sketch_keys, width};
use super::closer::{self, Parts};
use super::lines::{Lines, Weights};
use super::{EQUAL, Found, Look, RenameOptions, WHOLE, Work};

/// Of each new file's old ones, so many of the best are remembered until the best of all choose;
/// as many as git does.
const BEST: usize = 4;

/// The lines of so many bytes of memory are kept.
const KEPT_BYTES: usize = 256 << 20;

/// Pairs what is similar; tells what was needed and is not here, and what that leaves undecided.
pub(super) fn pair<S: Source>(source: &S, work: &mut Work<'_>) -> Result<Found, S::Error> {
    let options = RenameOptions { threshold: work.options.threshold.max(1), ..work.options };
    let mut search = Search {
        source,
        options,
        files: [Vec::new(), Vec::new()],
        learner: Learner::default(),
        looked_at: 0,
        needs: BTreeSet::new(),
        undecided: Vec::new(),
    };
    search.collect(work);
    if !work.allows_copies() {
        search.pair_namesakes(work)?;
        search.collect(work);
    }
    search.pair_best(work)?;
    let undecided = search.undecided;
    Ok(Found { needs: search.needs.into_iter().collect(), undecided, ..Found::default() })
}

const OLD: usize = 0;
const NEW: usize = 1;

struct Search<'s, S> {
    source: &'s S,
    options: RenameOptions,
    /// What is left over on either side and has a partner of a possible size.
    files: [Vec<File>; 2],
    learner: Learner,
    /// So many bytes were looked at more closely.
    looked_at: u64,
    needs: BTreeSet<Id>,
    /// The changes of old files that are left unpaired because of that.
    undecided: Vec<usize>,
}

/// One file that may be similar to another.
struct File {
    /// Its place in the work.
    at: usize,
    size: u64,
    content: Id,
    /// Whether there is a possible partner that is not small.
    meets_large: bool,
    known: Option<Known>,
    /// What it is made of, if it was looked at more closely.
    weights: Weighed,
}

/// Whether a content was looked at more closely.
#[derive(Default)]
enum Weighed {
    #[default]
    No,
    /// It was asked for in vain.
    InVain,
    Yes(Weights),
}

impl File {
    /// What its content is read as.
    fn kind(&self) -> Kind {
        if self.size > SMALL { Kind::Manifest } else { Kind::Chunk }
    }

    /// All of its content, as far as is known where that is.
    fn whole(&self) -> Parts {
        let (chunks, list) = match &self.known {
            Some(Known::Large { chunks, list, .. }) => (chunks.clone(), *list),
            Some(Known::Small { .. }) => {
                (vec![ChunkRef { id: self.content, length: self.size as u32 }], None)
            }
            Some(Known::Elsewhere) | None => (Vec::new(), None),
        };
        Parts { size: self.size, chunks, list }
    }

    /// Whether it is known to be here wherever contents are brought that people read: text, or
    /// short.
    fn is_near(&self) -> bool {
        match &self.known {
            Some(Known::Small { .. }) => true,
            Some(Known::Large { is_text, .. }) => *is_text,
            Some(Known::Elsewhere) | None => false,
        }
    }

    /// Its sketch, and the chunks its manifest names.
    fn parts(&self) -> Option<(&Sketch, &[ChunkRef])> {
        match &self.known {
            Some(Known::Small { sketch: Some(sketch), .. }) => Some((sketch, &[])),
            Some(Known::Large { sketch, chunks, .. }) => Some((sketch, chunks)),
            _ => None,
        }
    }
}

/// What is known of a content.
enum Known {
    /// It is not here.
    Elsewhere,
    /// At most 16 KiB.
    Small { sketch: Option<Box<Sketch>>, lines: Option<Lines> },
    /// More.
    Large { sketch: Box<Sketch>, chunks: Vec<ChunkRef>, list: Option<Id>, is_text: bool },
}

/// Makes what is known of a content from its bytes, for several threads at once.
#[derive(Default)]
struct Learner {
    /// One for each thread at work.
    sketchers: Mutex<Vec<Sketcher>>,
    /// How much memory lines take.
    kept: AtomicUsize,
}

impl Learner {
    fn learn(&self, file: &File, bytes: &[u8]) -> Result<Known, codec::Error> {
        if file.kind() == Kind::Manifest {
            let manifest = Manifest::from_bytes(bytes)?;
            let (chunks, list) = match manifest.chunks {
                Chunks::One => {
                    let length = manifest.size as u32;
                    (vec![ChunkRef { id: manifest.content, length }], None)
                }
                Chunks::Few(chunks) => (chunks, None),
                // The list may not be here, and the answer must not depend on it.
                Chunks::Many { list, .. } => (Vec::new(), Some(list)),
            };
            let sketch = Box::new(Sketch::from_bytes(manifest.sketch));
            return Ok(Known::Large { sketch, chunks, list, is_text: manifest.near });
        }
        let lines = Lines::of(bytes);
        let sketch = file.meets_large.then(|| Box::new(self.sketch(bytes)));
        let kept = self.kept.fetch_add(lines.memory(), Ordering::Relaxed) + lines.memory();
        let lines = (kept <= KEPT_BYTES).then_some(lines);
        Ok(Known::Small { sketch, lines })
    }

    fn sketch(&self, bytes: &[u8]) -> Sketch {
        let sketchers = || self.sketchers.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = sketchers().pop();
        let mut sketcher = waiting.unwrap_or_default();
        sketcher.update(bytes);
        let sketch = sketcher.finish_and_reset();
        sketchers().push(sketcher);
        sketch
    }
}

impl<S: Source> Search<'_, S> {
    /// Finds what is left over and may have a partner, and keeps what is known of it.
    fn collect(&mut self, work: &Work<'_>) {
        let old = work.old.iter().enumerate();
        let old = old.filter(|(_, old)| old.matters && (work.allows_copies() || old.uses == 0));
        let old: Vec<_> = old.filter_map(|(at, old)| regular(at, old.what)).collect();
        let new = work.new.iter().enumerate().filter(|(_, new)| new.found.is_none());
        let new: Vec<_> = new.filter_map(|(at, new)| regular(at, new.what)).collect();
        for (side, mine, theirs) in [(OLD, &old, &new), (NEW, &new, &old)] {
            let mut sizes: Vec<u64> = theirs.iter().map(|&(_, size, _)| size).collect();
            sizes.sort_unstable();
            let mut known: HashMap<usize, (Option<Known>, Weighed)> = self.files[side]
                .drain(..)
                .map(|file| (file.at, (file.known, file.weights)))
                .collect();
            let fitting = mine.iter().filter_map(|&(at, size, content)| {
                let meets_large = self.meets(size, &sizes, SMALL + 1);
                let (known, weights) = known.remove(&at).unwrap_or_default();
                let file = File { at, size, content, meets_large, known, weights };
                self.meets(size, &sizes, 0).then_some(file)
            });
            self.files[side] = fitting.collect();
        }
    }

    /// Whether one of these sizes, which are sorted, is at least `smallest` and fits.
    fn meets(&self, size: u64, sizes: &[u64], smallest: u64) -> bool {
        // The smallest partner that is not too small is the only one to look at: if it is too
        // large, all are.
        let least = smallest.max(self.options.least_partner(size));
        let partner = sizes.get(sizes.partition_point(|&other| other < least));
        partner.is_some_and(|&other| self.options.fits(size, other))
    }

    /// Pairs files whose name is the only such on both sides. Any partner would do, so they have
    /// to be more similar than others.
    fn pair_namesakes(&mut self, work: &mut Work<'_>) -> Result<(), S::Error> {
        let minimum = self.minimum() + (WHOLE - self.minimum()) / 2;
        let mut new: HashMap<&[u8], Option<usize>> = HashMap::new();
        for (at, file) in work.new.iter().enumerate().filter(|(_, file)| file.found.is_none()) {
            new.entry(file.name).and_modify(|only| *only = None).or_insert(Some(at));
        }
        let mut old: HashMap<&[u8], usize> = HashMap::new();
        for file in work.old.iter().filter(|file| file.uses == 0) {
            *old.entry(file.name).or_default() += 1;
        }
        let places: HashMap<usize, usize> =
            self.files[NEW].iter().enumerate().map(|(file, new)| (new.at, file)).collect();
        let mut namesakes = Vec::new();
        for (a, file) in self.files[OLD].iter().enumerate() {
            let name = work.old[file.at].name;
            let (Some(Some(other)), Some(1)) = (new.get(name), old.get(name)) else { continue };
            if let Some(&b) = places.get(other)
                && self.fits(a, b)
            {
                namesakes.push((a, b));
            }
        }
        self.read(namesakes.iter().flat_map(|&(a, b)| [(OLD, a), (NEW, b)]).collect())?;
        let mut doubtful = Vec::new();
        for &(a, b) in &namesakes {
            // Of what is not paired here the best of all are, so no merge depends on it.
            if self.options.look == Look::Closer
                && self.is_doubtful(a, b, self.score(a, b)?, minimum)
            {
                doubtful.push((a, b));
            }
        }
        self.look_closer(&doubtful)?;
        for (a, b) in namesakes {
            let score = self.score(a, b)?;
            if score >= minimum {
                work.pair(self.files[OLD][a].at, self.files[NEW][b].at, score);
            }
        }
        Ok(())
    }

    /// Pairs the most similar files, then the most similar of the rest, and so on.
    fn pair_best(&mut self, work: &mut Work<'_>) -> Result<(), S::Error> {
        if self.files.iter().any(Vec::is_empty) {
            return Ok(());
        }
        let all = |side: usize| (0..self.files[side].len()).map(move |file| (side, file));
        self.read(all(OLD).chain(all(NEW)).collect())?;
        let mut rarity = Rarity::new();
        for file in 0..self.files[OLD].len() {
            if let Some(lines) = self.lines(OLD, file)? {
                rarity.count(&lines);
            }
        }
        let sketched = |side: usize| {
            let files = self.files[side].iter();
            files.filter(|file| file.size > SMALL || file.meets_large).count()
        };
        let width = width(sketched(OLD), sketched(NEW), self.options.threshold);
        let mut postings = Postings::default();
        for file in 0..self.files[OLD].len() {
            let keys = self.keys(OLD, file, &rarity, width)?;
            postings.add(file, work.old[self.files[OLD][file].at].name, &keys);
        }
        postings.finish();
        let mut best = Vec::new();
        // What is to be looked at more closely, and the candidates of those new files.
        let (mut doubtful, mut again) = (Vec::new(), Vec::new());
        for new in 0..self.files[NEW].len() {
            let name = work.new[self.files[NEW][new].at].name;
            let keys = self.keys(NEW, new, &rarity, width)?;
            let candidates = postings.of(name, &keys, |old| self.fits(old, new));
            let before = doubtful.len();
            best.push(self.best(new, &candidates, work, &mut doubtful)?);
            if doubtful.len() > before {
                again.push((new, candidates));
            }
        }
        self.look_closer(&doubtful)?;
        for (new, candidates) in again {
            best[new] = self.best(new, &candidates, work, &mut Vec::new())?;
        }
        if self.options.look == Look::Decide && !self.needs.is_empty() {
            let mut edges = Vec::new();
            for new in 0..self.files[NEW].len() {
                let keys = self.keys(NEW, new, &rarity, width)?;
                let name = work.new[self.files[NEW][new].at].name;
                for old in postings.of(name, &keys, |old| self.fits(old, new)) {
                    if self.score(old, new)? + self.margin() >= self.minimum() {
                        edges.push((old, new));
                    }
                }
            }
            for new in self.leave_undecided(work, &doubtful, &edges) {
                best[new] = Best::default();
            }
        }
        let mut ranked: Vec<Ranked> = best.into_iter().flat_map(|best| best.0).collect();
        // Stable: of equally similar ones, those that come first stay first.
        ranked.sort_by_key(|one| Reverse(one.rank()));
        choose(work, &ranked, |old, work| work.old[old].is_gone && work.old[old].uses == 0);
        if work.allows_copies() {
            choose(work, &ranked, |_, _| true);
        }
        Ok(())
    }

    /// The most similar of a new file's candidates; of those it adds what should be looked at more
    /// closely.
    fn best(
        &self,
        new: usize,
        candidates: &[usize],
        work: &Work<'_>,
        doubtful: &mut Vec<(usize, usize)>,
    ) -> Result<Best, S::Error> {
        let at = self.files[NEW][new].at;
        let name = work.new[at].name;
        let mut best = Best::default();
        for &candidate in candidates {
            let score = self.score(candidate, new)?;
            if self.is_doubtful(candidate, new, score, self.minimum()) {
                doubtful.push((candidate, new));
            }
            let old = self.files[OLD][candidate].at;
            let is_namesake = work.old[old].name == name;
            if score >= self.minimum() {
                best.offer(Ranked { score, is_namesake, old, new: at });
            }
        }
        Ok(best)
    }

    /// Leaves unpaired what lacks a content, all that might be paired with it, all that might be
    /// paired with those, and so on; tells which new files these are. `near` are the pairs that
    /// might be, `doubtful` those whose contents decide.
    fn leave_undecided(
        &mut self,
        work: &Work<'_>,
        doubtful: &[(usize, usize)],
        near: &[(usize, usize)],
    ) -> Vec<usize> {
        let is_lacking = |file: &File| {
            matches!(file.known, Some(Known::Elsewhere)) || matches!(file.weights, Weighed::InVain)
        };
        let mut left = [OLD, NEW].map(|side| {
            // Nothing is known of a short content that is not here: any size that fits may do.
            let others = self.files[1 - side].iter();
            let others = others.filter(|file| matches!(file.known, Some(Known::Elsewhere)));
            let mut sizes: Vec<u64> = others.map(|file| file.size).collect();
            sizes.sort_unstable();
            let files = self.files[side].iter();
            files
                .map(|file| is_lacking(file) || self.meets(file.size, &sizes, 0))
                .collect::<Vec<bool>>()
        });
        let mut is_growing = true;
        while is_growing {
            is_growing = false;
            for &(old, new) in doubtful.iter().chain(near) {
                is_growing |= left[OLD][old] != left[NEW][new];
                let is_left = left[OLD][old] || left[NEW][new];
                (left[OLD][old], left[NEW][new]) = (is_left, is_left);
            }
        }
        let all = |side: usize| {
            let left = left[side].iter().enumerate();
            left.filter(|(_, is_left)| **is_left).map(|(file, _)| file)
        };
        let files = &self.files[OLD];
        self.undecided = all(OLD).map(|file| work.old[files[file].at].change).collect();
        all(NEW).collect()
    }

    /// Whether a figure that comes from sketches is too near to the one that counts.
    fn is_doubtful(&self, old: usize, new: usize, score: u32, minimum: u32) -> bool {
        let (a, b) = (&self.files[OLD][old], &self.files[NEW][new]);
        let may_look = match self.options.look {
            Look::Recorded => false,
            Look::Closer => true,
            Look::Decide => a.is_near() && b.is_near(),
        };
        may_look
            && (SMALL + 1..=closer::LONGEST).contains(&a.size.max(b.size))
            && score.abs_diff(minimum) <= self.margin()
    }

    fn margin(&self) -> u32 {
        let margin = match self.options.look {
            Look::Recorded | Look::Closer => closer::MARGIN,
            Look::Decide => closer::MERGE_MARGIN,
        };
        margin * (WHOLE / u32::from(EQUAL))
    }

    /// Looks at the contents of these pairs, as far as they are here and not too much. What is too
    /// much depends on sizes alone.
    fn look_closer(&mut self, pairs: &[(usize, usize)]) -> Result<(), S::Error> {
        let (mut whose, mut parts) = (Vec::new(), Vec::new());
        for &(old, new) in pairs {
            let both = [(OLD, old), (NEW, new)];
            let is_new =
                |&(side, at): &(usize, usize)| matches!(self.files[side][at].weights, Weighed::No);
            let more: Vec<(usize, usize)> = both.into_iter().filter(is_new).collect();
            let bytes: u64 = more.iter().map(|&(side, at)| self.files[side][at].size).sum();
            if self.looked_at + bytes > closer::MOST_BYTES {
                continue;
            }
            self.looked_at += bytes;
            for (side, at) in more {
                let file = &mut self.files[side][at];
                file.weights = Weighed::InVain;
                whose.push((side, at));
                parts.push(file.whole());
            }
        }
        let weights = closer::weigh(self.source, parts)?;
        for ((side, at), weights) in whose.into_iter().zip(weights) {
            let file = &mut self.files[side][at];
            match weights {
                Some(weights) => file.weights = Weighed::Yes(weights),
                None if self.options.look == Look::Decide => drop(self.needs.insert(file.content)),
                None => {}
            }
        }
        Ok(())
    }

    fn minimum(&self) -> u32 {
        u32::from(self.options.threshold) * (WHOLE / u32::from(EQUAL))
    }

    fn fits(&self, old: usize, new: usize) -> bool {
        self.options.fits(self.files[OLD][old].size, self.files[NEW][new].size)
    }

    /// Learns what there is to know of these contents.
    fn read(&mut self, mut files: Vec<(usize, usize)>) -> Result<(), S::Error> {
        files.retain(|&(side, file)| self.files[side][file].known.is_none());
        let file = |at: usize| {
            let (side, file) = files[at];
            &self.files[side][file]
        };
        let wanted: Vec<(Kind, Id)> =
            (0..files.len()).map(|at| (file(at).kind(), file(at).content)).collect();
        let learnt = Mutex::new(Vec::with_capacity(files.len()));
        self.source.each_if_here(&wanted, &|at, bytes| {
            let known = match bytes {
                Some(bytes) => self.learner.learn(file(at), bytes)?,
                None => Known::Elsewhere,
            };
            learnt.lock().unwrap_or_else(PoisonError::into_inner).push((at, known));
            Ok(())
        })?;
        for (at, known) in learnt.into_inner().unwrap_or_else(PoisonError::into_inner) {
            let (side, file) = files[at];
            let file = &mut self.files[side][file];
            if matches!(known, Known::Elsewhere) {
                self.needs.insert(file.content);
            }
            file.known = Some(known);
        }
        Ok(())
    }

    /// The lines of a small content that is here.
    fn lines(&self, side: usize, file: usize) -> Result<Option<Cow<'_, Lines>>, S::Error> {
        let file = &self.files[side][file];
        Ok(match &file.known {
            Some(Known::Small { lines: Some(lines), .. }) => Some(Cow::Borrowed(lines)),
            Some(Known::Small { lines: None, .. }) => {
                let bytes = self.source.bytes(Kind::Chunk, &file.content)?;
                Some(Cow::Owned(Lines::of(&bytes)))
            }
            _ => None,
        })
    }

    fn keys(
        &self,
        side: usize,
        file: usize,
        rarity: &Rarity,
        width: usize,
    ) -> Result<Vec<Key>, S::Error> {
        let mut keys = Vec::new();
        if let Some(lines) = self.lines(side, file)? {
            let needed = self.files[side][file].size * u64::from(self.options.threshold);
            keys = rarity.keys(&lines, needed.div_ceil(u64::from(EQUAL)));
        }
        let file = &self.files[side][file];
        match &file.known {
            Some(Known::Small { sketch: Some(sketch), .. }) => {
                keys.extend(sketch_keys(sketch, file.size, false, width));
            }
            Some(Known::Large { sketch, chunks, .. }) => {
                keys.extend(sketch_keys(sketch, file.size, file.size > SPAN_LIMIT, width));
                keys.extend(chunk_keys(chunks));
            }
            _ => {}
        }
        Ok(keys)
    }

    /// How similar an old file and a new one are, in sixty-thousandths; both have been read.
    fn score(&self, old: usize, new: usize) -> Result<u32, S::Error> {
        let (a, b) = (&self.files[OLD][old], &self.files[NEW][new]);
        let larger = a.size.max(b.size);
        let of_shared = |shared: u64| {
            let score = shared * u64::from(WHOLE) / larger;
            (score as u32).min(WHOLE - WHOLE / u32::from(EQUAL))
        };
        if a.size <= SMALL && b.size <= SMALL {
            let (Some(a), Some(b)) = (self.lines(OLD, old)?, self.lines(NEW, new)?) else {
                return Ok(0);
            };
            return Ok(of_shared(a.shared(&b)));
        }
        if let (Weighed::Yes(a), Weighed::Yes(b)) = (&a.weights, &b.weights) {
            return Ok(of_shared(a.shared(b)));
        }
        let (Some((a_sketch, a_chunks)), Some((b_sketch, b_chunks))) = (a.parts(), b.parts())
        else {
            return Ok(0);
        };
        let shared = shared_bytes(a_chunks, b_chunks);
        let score = if (a.size > SPAN_LIMIT) == (b.size > SPAN_LIMIT) {
            estimate(a_sketch, a.size, b_sketch, b.size, shared)
        } else {
            // The two sorts of sketches say nothing of each other.
            (u128::from(shared) * u128::from(EQUAL) / u128::from(larger)).min(9_999) as u32
        };
        Ok(score * (WHOLE / u32::from(EQUAL)))
    }
}

/// What a file is compared by; `None` if nothing can be similar to it.
fn regular(at: usize, what: &What) -> Option<(usize, u64, Id)> {
    match what {
        What::File { size, content } if *size > 0 => Some((at, *size, *content)),
        _ => None,
    }
}

/// How many bytes are in chunks of both, each as often as in both.
fn shared_bytes(a: &[ChunkRef], b: &[ChunkRef]) -> u64 {
    let mut left: Vec<&ChunkRef> = b.iter().collect();
    let mut shared = 0;
    for chunk in a {
        if let Some(same) = left.iter().position(|other| other.id == chunk.id) {
            shared += u64::from(left.swap_remove(same).length);
        }
    }
    shared
}

/// A pair that might be.
#[derive(Clone, Copy)]
struct Ranked {
    score: u32,
    is_namesake: bool,
    old: usize,
    new: usize,
}

impl Ranked {
    fn rank(&self) -> (u32, bool) {
        (self.score, self.is_namesake)
    }
}

/// The best pairs of one new file, in the order in which they were found.
#[derive(Default)]
struct Best(Vec<Ranked>);

impl Best {
    fn offer(&mut self, one: Ranked) {
        if self.0.len() < BEST {
            return self.0.push(one);
        }
        let worst = self.0.iter_mut().reduce(|a, b| if b.rank() < a.rank() { b } else { a });
        if let Some(worst) = worst.filter(|worst| worst.rank() < one.rank()) {
            *worst = one;
        }
    }
}

/// Pairs in this order what has not been paired and `may` be.
fn choose(work: &mut Work<'_>, ranked: &[Ranked], may: impl Fn(usize, &Work<'_>) -> bool) {
    for one in ranked {
        if work.new[one.new].found.is_none() && may(one.old, work) {
            work.pair(one.old, one.new, one.score);
        }
    }
}
