//! Which paths each commit changed, so that `log -- PATH` need not compare trees.
//!
//! For 256 commits with numbers one after the other the table has the hashes of all paths, whole
//! directories included, along which one of them differs from the commit it was made on, and for
//! each path which commits those are. That is exact, where a filter would only say "perhaps": so a
//! commit that is found is shown without its trees being read. Merges also say, for the paths they
//! changed, along which they are the same as their other parents.
//!
//! ```text
//!      0   4  count of commits, 1 to 256
//!      4   4  count of paths, n
//!      8  32  commits that changed too much to be listed: a bit each, the lowest first
//!     40      n × 8 hashes of paths, sorted: the first eight bytes of their BLAKE3
//!             n × 4 how many commits are listed up to and with this path
//!             2 each, sorted: commit in the low byte; above it a bit for each further parent,
//!             the second in the lowest, set if the path is the same there
//! ```
//!
//! Numbers are little-endian.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::hash::{self, Id, IdMap, Kind};
use crate::history::walk::{Pair, each_difference, same_at};
use crate::object::{Node, Object, Source};
use crate::path::{Pathspec, RepoPath};

use super::block::LENGTH;

const HEAD: usize = 40;
/// A commit that changed more paths, directories included, is not listed.
const MOST_PATHS: usize = 1024;
/// Of so many parents beyond the first it is said whether they are the same.
const MOST_PARENTS: usize = 8;
/// So many tree nodes are kept in memory while commits are compared.
const KEEP_NODES: usize = 4096;

/// What is to be compared of a commit.
#[derive(Clone, Debug)]
pub(super) struct Trees {
    pub(super) tree: Id,
    /// The trees of its parents.
    pub(super) parents: Vec<Id>,
}

/// The bytes of a block for these commits.
pub(super) fn build<S: Source>(source: &S, commits: &[Trees]) -> Result<Vec<u8>, S::Error> {
    let nodes = Nodes::new(source);
    let mut listed: BTreeMap<u64, Vec<u16>> = BTreeMap::new();
    let mut large = [0u8; 32];
    for (at, Trees { tree, parents }) in commits.iter().enumerate() {
        let Some(paths) = changed(&nodes, parents.first(), tree)? else {
            large[at / 8] |= 1 << (at % 8);
            continue;
        };
        for path in paths {
            let mut entry = at as u16;
            for (bit, parent) in parents.iter().skip(1).take(MOST_PARENTS).enumerate() {
                if same_at(&nodes, Some(parent), tree, &path)? {
                    entry |= 1 << (8 + bit);
                }
            }
            listed.entry(hash_of(&path)).or_default().push(entry);
        }
    }
    let mut bytes = (commits.len() as u32).to_le_bytes().to_vec();
    bytes.extend((listed.len() as u32).to_le_bytes());
    bytes.extend(large);
    for hash in listed.keys() {
        bytes.extend(hash.to_le_bytes());
    }
    let mut end = 0u32;
    for entries in listed.values() {
        end += entries.len() as u32;
        bytes.extend(end.to_le_bytes());
    }
    for entry in listed.values().flatten() {
        bytes.extend(entry.to_le_bytes());
    }
    Ok(bytes)
}

fn hash_of(path: &RepoPath) -> u64 {
    hash::checksum(path.as_bytes())
}

/// The paths along which two trees differ, with all directories above; `None` if they are many.
fn changed<S: Source>(
    source: &S,
    before: Option<&Id>,
    after: &Id,
) -> Result<Option<HashSet<RepoPath>>, S::Error> {
    let mut paths = HashSet::new();
    each_difference(source, &Pathspec::all(), before, after, &mut |path| {
        let mut next = Some(path.clone());
        while let Some(path) = next.filter(|path| !path.is_root()) {
            next = path.split().map(|(above, _)| above);
            if !paths.insert(path) {
                break;
            }
        }
        match paths.len() > MOST_PATHS {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    })?;
    Ok((paths.len() <= MOST_PATHS).then_some(paths))
}

/// A source that keeps tree nodes it has decoded: of two commits one after the other most are the
/// same.
struct Nodes<'s, S> {
    source: &'s S,
    known: RefCell<IdMap<Arc<Node>>>,
}

impl<'s, S: Source> Nodes<'s, S> {
    fn new(source: &'s S) -> Self {
        Self { source, known: RefCell::default() }
    }
}

impl<S: Source> Source for Nodes<'_, S> {
    type Error = S::Error;

    fn bytes(&self, kind: Kind, id: &Id) -> Result<Arc<[u8]>, S::Error> {
        self.source.bytes(kind, id)
    }

    fn tree(&self, id: &Id) -> Result<Arc<Node>, S::Error> {
        if let Some(node) = self.known.borrow().get(id) {
            return Ok(node.clone());
        }
        let node = self.source.tree(id)?;
        let mut known = self.known.borrow_mut();
        if known.len() >= KEEP_NODES {
            known.clear();
        }
        known.insert(*id, node.clone());
        Ok(node)
    }

    fn object<T: Object>(&self, id: &Id) -> Result<T, S::Error> {
        self.source.object(id)
    }
}

/// What a block says of some paths.
#[derive(Debug)]
pub(super) struct Told {
    count: u32,
    large: [u8; 32],
    /// For each path, the commits that changed it.
    entries: Vec<Vec<u16>>,
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

impl Told {
    /// Looks the paths up; `None` if the block does not hold together.
    pub(super) fn read(bytes: &[u8], hashes: &[u64]) -> Option<Self> {
        let count = u32::from_le_bytes(number(bytes, 0)?);
        let paths = u32::from_le_bytes(number(bytes, 4)?) as usize;
        let large = number(bytes, 8)?;
        let ends_at = paths.checked_mul(8)?.checked_add(HEAD)?;
        let entries_at = paths.checked_mul(4)?.checked_add(ends_at)?;
        let hashed = bytes.get(HEAD..ends_at)?.as_chunks::<8>().0;
        let end = |path: usize| -> Option<usize> {
            Some(u32::from_le_bytes(number(bytes, ends_at + path * 4)?) as usize)
        };
        let mut entries = Vec::new();
        for wanted in hashes {
            let found = hashed.binary_search_by_key(wanted, |hash| u64::from_le_bytes(*hash));
            let Ok(path) = found else {
                entries.push(Vec::new());
                continue;
            };
            let first = if path == 0 { 0 } else { end(path - 1)? };
            let listed = entries_at.checked_add(first.checked_mul(2)?)?
                ..entries_at.checked_add(end(path)?.checked_mul(2)?)?;
            let listed = bytes.get(listed)?.as_chunks::<2>().0;
            entries.push(listed.iter().map(|entry| u16::from_le_bytes(*entry)).collect());
        }
        (count <= LENGTH).then_some(Self { count, large, entries })
    }

    /// Whether the commit at this place is the same as this parent along all paths; `None` if it
    /// is not known.
    pub(super) fn is_same(&self, at: u32, pair: &Pair) -> Option<bool> {
        if at >= self.count || self.large[at as usize / 8] & 1 << (at % 8) != 0 {
            return None;
        }
        let mut is_known = true;
        for entries in &self.entries {
            let found = entries.binary_search_by_key(&at, |entry| u32::from(entry & 0xff));
            let entry = found.ok().map(|place| entries[place]);
            let is_same = match (pair.parent, entry) {
                (None | Some((0, _)), entry) => Some(entry.is_none()),
                // Only of paths that it changed does a merge say more.
                (Some(_), None) => None,
                (Some((index, _)), Some(_)) if index > MOST_PARENTS => None,
                (Some((index, _)), Some(entry)) => Some(entry & 1 << (7 + index) != 0),
            };
            match is_same {
                Some(false) => return Some(false),
                Some(true) => {}
                None => is_known = false,
            }
        }
        is_known.then_some(true)
    }
}

/// Paths that are asked about, and what blocks say of them as far as they were read.
#[derive(Debug)]
pub struct Asked {
    pub(super) hashes: Vec<u64>,
    pub(super) told: RefCell<HashMap<u32, Option<Told>>>,
}

impl Asked {
    /// Whether these paths differ can be asked; `None` if they are patterns, or everything.
    pub fn new(paths: &Pathspec) -> Option<Self> {
        let plain = paths.plain_paths()?;
        if plain.iter().any(|path| path.is_root()) {
            return None;
        }
        let hashes = plain.into_iter().map(hash_of).collect();
        Some(Self { hashes, told: RefCell::default() })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::history::Number;
    use crate::history::testing::{Clocks, Random, World, history};
    use crate::history::walk::same_along;

    const SPECS: [&[&str]; 8] =
        [&["a"], &["d"], &["d/a"], &["d/e"], &["a", "f/x"], &["none"], &["f", "b"], &["d/e/a"]];

    #[test]
    fn what_is_told_is_what_the_trees_say() {
        let mut random = Random(41);
        let (mut told, mut unknown) = (0, 0);
        for _ in 0..20 {
            let plans = history(&mut random, 80, Clocks::Right);
            let world = World::of(&plans);
            let trees: Vec<Id> = plans.iter().map(|plan| world.put_tree(&plan.files)).collect();
            let commits: Vec<Trees> = plans
                .iter()
                .zip(&trees)
                .map(|(plan, tree)| Trees {
                    tree: *tree,
                    parents: plan.parents.iter().map(|parent| trees[*parent]).collect(),
                })
                .collect();
            let bytes = build(&world, &commits).unwrap();
            for specs in SPECS {
                let given = specs.iter().map(|spec| spec.as_bytes());
                let paths = Pathspec::parse(&RepoPath::root(), given).unwrap();
                let answers = Told::read(&bytes, &Asked::new(&paths).unwrap().hashes).unwrap();
                for (at, commit) in commits.iter().enumerate() {
                    let parents = commit.parents.iter().enumerate();
                    let mut pairs: Vec<_> =
                        parents.map(|(at, tree)| (Some(at), Some(tree))).collect();
                    if pairs.is_empty() {
                        pairs.push((None, None));
                    }
                    for (index, parent) in pairs {
                        let is_same = same_along(&world, &paths, parent, &commit.tree).unwrap();
                        let parent = index.map(|index| (index, Number(0)));
                        let pair = Pair { commit: Number(0), parent };
                        let answer = answers.is_same(at as u32, &pair);
                        told += usize::from(answer.is_some());
                        unknown += usize::from(answer.is_none());
                        assert!(answer.is_none_or(|answer| answer == is_same), "{specs:?} {at}");
                        if index.is_none_or(|index| index == 0) {
                            assert!(answer.is_some());
                        }
                    }
                }
            }
        }
        assert!(told > 2 * unknown, "{told} {unknown}");
    }

    #[test]
    fn a_commit_that_changed_very_much_is_left_to_its_trees() {
        let world = World::default();
        let files = |count: usize| {
            world.put_tree(&(0..count).map(|at| (format!("f{at}"), "x".to_owned())).collect())
        };
        let trees = [files(1), files(2000), files(2001)];
        let commits = [
            Trees { tree: trees[0], parents: Vec::new() },
            Trees { tree: trees[1], parents: vec![trees[0]] },
            Trees { tree: trees[2], parents: vec![trees[1]] },
        ];
        let bytes = build(&world, &commits).unwrap();
        assert!(bytes.len() < 200);
        let paths = Pathspec::of_paths([RepoPath::new("f0").unwrap()]);
        let told = Told::read(&bytes, &Asked::new(&paths).unwrap().hashes).unwrap();
        let pair = |index| Pair { commit: Number(0), parent: Some((index, Number(0))) };
        assert_eq!(told.is_same(0, &pair(0)), Some(false));
        assert_eq!(told.is_same(1, &pair(0)), None);
        assert_eq!(told.is_same(2, &pair(0)), Some(true));
        assert_eq!(told.is_same(3, &pair(0)), None);
    }

    #[test]
    fn a_block_that_is_cut_short_is_refused() {
        let world = World::default();
        let tree = world.put_tree(&[("a".to_owned(), "1".to_owned())].into());
        let bytes = build(&world, &[Trees { tree, parents: Vec::new() }]).unwrap();
        let hashes = Asked::new(&Pathspec::of_paths([RepoPath::new("a").unwrap()])).unwrap().hashes;
        assert!(Told::read(&bytes, &hashes).is_some());
        for length in 0..bytes.len() {
            assert!(Told::read(&bytes[..length], &hashes).is_none(), "{length}");
        }
        for at in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] ^= 0xff;
            // Anything may be told but nothing may go wrong.
            let _ = Told::read(&bytes, &hashes);
        }
    }
}
