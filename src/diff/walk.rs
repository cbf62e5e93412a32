//! Comparing two trees node by node, reading only what differs.
//!
//! Equal nodes are skipped whole; of two that differ, both are entered, and a directory is entered
//! where its tree differs. Changes come in the order of a walk. Directories themselves are told of
//! only where their contents cannot: an empty one that came or went, and one whose mode differs.

use crate::codec;
use crate::hash::Id;
use crate::object::tree::{Cursor, Head};
use crate::object::{Entry, Node, Source};
use crate::path::{DEEPEST, Pathspec, RepoPath};

use super::Change;

/// Tells `visit` every path that is meant and differs between two trees. A tree that is `None` is
/// empty.
pub fn trees<S, E>(
    source: &S,
    old: Option<&Id>,
    new: Option<&Id>,
    pathspec: &Pathspec,
    visit: &mut dyn FnMut(Change) -> Result<(), E>,
) -> Result<(), E>
where
    S: Source,
    E: From<S::Error>,
{
    walk(source, old, new, pathspec, Detail::Changes, visit)
}

/// Tells `visit` every entry that is not the same to the letter: directories whose trees differ
/// too, before what is in them, and entries that differ only in their times. What changing a
/// working tree from one tree to the other has to do.
pub fn entries<S, E>(
    source: &S,
    old: Option<&Id>,
    new: Option<&Id>,
    pathspec: &Pathspec,
    visit: &mut dyn FnMut(Change) -> Result<(), E>,
) -> Result<(), E>
where
    S: Source,
    E: From<S::Error>,
{
    walk(source, old, new, pathspec, Detail::Entries, visit)
}

fn walk<S, E>(
    source: &S,
    old: Option<&Id>,
    new: Option<&Id>,
    pathspec: &Pathspec,
    detail: Detail,
    visit: &mut dyn FnMut(Change) -> Result<(), E>,
) -> Result<(), E>
where
    S: Source,
    E: From<S::Error>,
{
    let mut walk = Walk { source, pathspec, detail, visit, stack: Vec::new() };
    walk.descend(RepoPath::root(), old.copied(), new.copied())?;
    while walk.step()? {}
    Ok(())
}

/// What is told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Detail {
    /// What a person calls a change.
    Changes,
    /// Every entry that differs.
    Entries,
}

/// Whether any path that is meant differs between two trees.
pub fn differ<S: Source>(
    source: &S,
    old: Option<&Id>,
    new: Option<&Id>,
    pathspec: &Pathspec,
) -> Result<bool, S::Error> {
    match trees(source, old, new, pathspec, &mut |_| Err(Stop::Found)) {
        Ok(()) => Ok(false),
        Err(Stop::Found) => Ok(true),
        Err(Stop::Failed(error)) => Err(error),
    }
}

/// Why a walk that looks for one change ends early.
enum Stop<E> {
    Found,
    Failed(E),
}

impl<E> From<E> for Stop<E> {
    fn from(error: E) -> Self {
        Self::Failed(error)
    }
}

struct Walk<'a, 's, S, E> {
    source: &'s S,
    pathspec: &'a Pathspec,
    detail: Detail,
    visit: &'a mut dyn FnMut(Change) -> Result<(), E>,
    /// The directories that are open, from the root down.
    stack: Vec<Pair<'s, S>>,
}

/// One directory in both trees.
struct Pair<'s, S> {
    path: RepoPath,
    old: Cursor<'s, S>,
    new: Cursor<'s, S>,
}

/// What to do where two cursors stand.
enum Step {
    Done,
    SkipBoth,
    Enter { old: bool, new: bool },
    Old(Entry),
    New(Entry),
    Both(Entry, Entry),
}

impl<S, E> Walk<'_, '_, S, E>
where
    S: Source,
    E: From<S::Error>,
{
    /// Goes on by one entry or node; `false` at the end.
    fn step(&mut self) -> Result<bool, E> {
        let Some(pair) = self.stack.last_mut() else { return Ok(false) };
        match pair.next() {
            Step::Done => {
                self.stack.pop();
            }
            Step::SkipBoth => {
                pair.old.skip();
                pair.new.skip();
            }
            Step::Enter { old, new } => {
                if old {
                    pair.old.enter()?;
                }
                if new {
                    pair.new.enter()?;
                }
            }
            Step::Old(entry) => {
                pair.old.skip();
                let path = pair.path.join(&entry.name);
                self.only(path, entry, Side::Old)?;
            }
            Step::New(entry) => {
                pair.new.skip();
                let path = pair.path.join(&entry.name);
                self.only(path, entry, Side::New)?;
            }
            Step::Both(old, new) => {
                pair.old.skip();
                pair.new.skip();
                let path = pair.path.join(&old.name);
                self.both(path, old, new)?;
            }
        }
        Ok(true)
    }

    /// An entry that one side has.
    fn only(&mut self, path: RepoPath, entry: Entry, side: Side) -> Result<(), E> {
        if self.detail == Detail::Entries {
            let tree = entry.tree();
            let Some(tree) = tree else {
                return match side {
                    Side::Old => self.tell(path, Some(entry), None),
                    Side::New => self.tell(path, None, Some(entry)),
                };
            };
            return match side {
                Side::Old => {
                    self.tell(path.clone(), Some(entry), None)?;
                    self.descend(path, Some(tree), None)
                }
                Side::New => {
                    self.tell(path.clone(), None, Some(entry))?;
                    self.descend(path, None, Some(tree))
                }
            };
        }
        match entry.tree() {
            Some(tree) if tree != Node::empty_id() => match side {
                Side::Old => self.descend(path, Some(tree), None),
                Side::New => self.descend(path, None, Some(tree)),
            },
            _ => match side {
                Side::Old => self.tell(path, Some(entry), None),
                Side::New => self.tell(path, None, Some(entry)),
            },
        }
    }

    /// An entry that both sides have under one name.
    fn both(&mut self, path: RepoPath, old: Entry, new: Entry) -> Result<(), E> {
        if self.detail == Detail::Entries {
            if old == new {
                return Ok(());
            }
            let (old_tree, new_tree) = (old.tree(), new.tree());
            if old_tree == new_tree {
                return self.tell(path, Some(old), Some(new));
            }
            self.tell(path.clone(), Some(old), Some(new))?;
            return self.descend(path, old_tree, new_tree);
        }
        if old.is_same_as(&new) {
            return Ok(());
        }
        let filled = |entry: &Entry| entry.tree().filter(|tree| *tree != Node::empty_id());
        match (old.tree(), new.tree()) {
            (Some(old_tree), Some(new_tree)) => {
                if old.mode != new.mode || old.attributes != new.attributes {
                    self.tell(path.clone(), Some(old), Some(new))?;
                }
                self.descend(path, Some(old_tree), Some(new_tree))
            }
            // A directory with contents gave way to a file, or a file to it: the contents tell.
            (Some(_), None) if filled(&old).is_some() => {
                self.tell(path.clone(), None, Some(new))?;
                self.descend(path, filled(&old), None)
            }
            (None, Some(_)) if filled(&new).is_some() => {
                self.tell(path.clone(), Some(old), None)?;
                self.descend(path, None, filled(&new))
            }
            _ => self.tell(path, Some(old), Some(new)),
        }
    }

    fn descend(&mut self, path: RepoPath, old: Option<Id>, new: Option<Id>) -> Result<(), E> {
        if old == new || !self.pathspec.may_match_below(&path) {
            return Ok(());
        }
        if self.stack.len() > DEEPEST {
            return Err(S::Error::from(codec::Error::Invalid("a tree is too deep")).into());
        }
        let cursor = |tree: Option<Id>| match tree {
            Some(tree) => Cursor::new(self.source, &tree),
            None => Ok(Cursor::empty(self.source)),
        };
        let pair = Pair { path, old: cursor(old)?, new: cursor(new)? };
        self.stack.push(pair);
        Ok(())
    }

    fn tell(&mut self, path: RepoPath, old: Option<Entry>, new: Option<Entry>) -> Result<(), E> {
        if self.pathspec.matches(&path) {
            (self.visit)(Change { path, old, new })?;
        }
        Ok(())
    }
}

enum Side {
    Old,
    New,
}

impl<S: Source> Pair<'_, S> {
    fn next(&self) -> Step {
        match (self.old.head(), self.new.head()) {
            (None, None) => Step::Done,
            (Some(Head::Node { .. }), None) => Step::Enter { old: true, new: false },
            (None, Some(Head::Node { .. })) => Step::Enter { old: false, new: true },
            (Some(Head::Entry(old)), None) => Step::Old(old.clone()),
            (None, Some(Head::Entry(new))) => Step::New(new.clone()),
            (
                Some(Head::Node { level: old_level, child: old }),
                Some(Head::Node { level: new_level, child: new }),
            ) => {
                if old.node == new.node {
                    Step::SkipBoth
                } else {
                    // Of two levels the higher one is entered: its children may be equal to what
                    // the other stands before.
                    Step::Enter { old: old_level >= new_level, new: new_level >= old_level }
                }
            }
            (Some(Head::Node { .. }), Some(Head::Entry(_))) => {
                Step::Enter { old: true, new: false }
            }
            (Some(Head::Entry(_)), Some(Head::Node { .. })) => {
                Step::Enter { old: false, new: true }
            }
            (Some(Head::Entry(old)), Some(Head::Entry(new))) => {
                match old.name[..].cmp(&new.name[..]) {
                    std::cmp::Ordering::Less => Step::Old(old.clone()),
                    std::cmp::Ordering::Greater => Step::New(new.clone()),
                    std::cmp::Ordering::Equal => Step::Both(old.clone(), new.clone()),
                }
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::clock::Time;
    use crate::hash;
    use crate::object::What;
    use crate::object::testing::Memory;
    use crate::object::tree::{Edit, edit};

    fn file(content: u64, mode: u16) -> Entry {
        let content = hash::hash(&content.to_le_bytes());
        let what = What::File { size: 8, content };
        Entry { name: Vec::new(), mode, mtime: None, attributes: None, what }
    }

    fn directory(mode: u16) -> Entry {
        let what = What::Directory { files: 0, bytes: 0, tree: Node::empty_id() };
        Entry { name: Vec::new(), mode, mtime: None, attributes: None, what }
    }

    fn path(text: &str) -> RepoPath {
        RepoPath::new(text).unwrap()
    }

    fn apply(memory: &mut Memory, root: Option<&Id>, edits: &[(&str, Option<Entry>)]) -> Id {
        let mut edits: Vec<Edit> = edits
            .iter()
            .map(|(text, entry)| {
                let path = path(text);
                let entry = entry.clone().map(|mut entry| {
                    entry.name = path.name().to_vec();
                    entry
                });
                Edit { path, entry }
            })
            .collect();
        edits.sort_by(|a, b| a.path.cmp(&b.path));
        edit(memory, root, edits).unwrap().id
    }

    fn changes(memory: &Memory, old: Option<&Id>, new: Option<&Id>) -> Vec<String> {
        let mut found = Vec::new();
        trees::<_, codec::Error>(memory, old, new, &Pathspec::all(), &mut |change| {
            found.push(format!("{} {}", change.status().letter(), change.path));
            Ok(())
        })
        .unwrap();
        found
    }

    #[test]
    fn ten_edits_among_a_hundred_thousand_files_read_few_nodes() {
        let mut memory = Memory::default();
        let names: Vec<String> = (0..100_000).map(|n| format!("{:03}/{n:06}", n % 100)).collect();
        let all: Vec<(&str, Option<Entry>)> =
            names.iter().map(|name| (&name[..], Some(file(1, 0o644)))).collect();
        let old = apply(&mut memory, None, &all);
        let some: Vec<(&str, Option<Entry>)> =
            names.iter().step_by(10_007).map(|name| (&name[..], Some(file(2, 0o644)))).collect();
        let new = apply(&mut memory, Some(&old), &some);
        memory.reads.set(0);
        let found = changes(&memory, Some(&old), Some(&new));
        assert_eq!(found.len(), 10);
        // The root's two levels and a directory's two, on both sides, for each edit at most.
        assert!(memory.reads.get() <= 2 * (1 + 10 * 3), "{}", memory.reads.get());
    }

    #[test]
    fn a_flat_directory_of_a_hundred_thousand_reads_few_nodes_too() {
        let mut memory = Memory::default();
        let names: Vec<String> = (0..100_000).map(|n| format!("{n:06}")).collect();
        let all: Vec<(&str, Option<Entry>)> =
            names.iter().map(|name| (&name[..], Some(file(1, 0o644)))).collect();
        let old = apply(&mut memory, None, &all);
        let mut edits: Vec<(&str, Option<Entry>)> =
            names.iter().step_by(20_011).map(|name| (&name[..], None)).collect();
        let added: Vec<String> = (0..5).map(|n| format!("{:06}x", n * 19_997)).collect();
        edits.extend(added.iter().map(|name| (&name[..], Some(file(3, 0o644)))));
        let new = apply(&mut memory, Some(&old), &edits);
        memory.reads.set(0);
        assert_eq!(changes(&memory, Some(&old), Some(&new)).len(), 10);
        assert!(memory.reads.get() <= 80, "{}", memory.reads.get());
        memory.reads.set(0);
        assert!(differ(&memory, Some(&old), Some(&new), &Pathspec::all()).unwrap());
        assert!(memory.reads.get() <= 8, "{}", memory.reads.get());
    }

    #[test]
    fn directories_are_told_of_only_where_their_contents_cannot() {
        let mut memory = Memory::default();
        let old = apply(
            &mut memory,
            None,
            &[
                ("empty", Some(directory(0o755))),
                ("mode", Some(directory(0o755))),
                ("mode/file", Some(file(1, 0o644))),
                ("gone/a/b", Some(file(1, 0o644))),
                ("swap", Some(file(1, 0o644))),
            ],
        );
        let mut new = apply(
            &mut memory,
            Some(&old),
            &[
                ("empty", None),
                ("gone/a/b", None),
                ("swap", None),
                ("came", Some(directory(0o700))),
            ],
        );
        new = apply(&mut memory, Some(&new), &[("gone", None), ("swap/in", Some(file(1, 0o644)))]);
        let there = crate::object::tree::find(&memory, &new, b"mode").unwrap().unwrap();
        new = apply(&mut memory, Some(&new), &[("mode", Some(Entry { mode: 0o700, ..there }))]);
        let found = changes(&memory, Some(&old), Some(&new));
        assert_eq!(found, ["A came", "D empty", "D gone/a/b", "M mode", "D swap", "A swap/in"]);
    }

    #[test]
    fn a_time_alone_is_no_change_and_a_mode_is() {
        let mut memory = Memory::default();
        let old = apply(&mut memory, None, &[("f", Some(file(1, 0o644)))]);
        let mut touched = file(1, 0o644);
        touched.mtime = Some(Time::from_seconds(5));
        let new = apply(&mut memory, Some(&old), &[("f", Some(touched))]);
        assert_ne!(old, new);
        assert!(changes(&memory, Some(&old), Some(&new)).is_empty());
        let new = apply(&mut memory, Some(&new), &[("f", Some(file(1, 0o755)))]);
        assert_eq!(changes(&memory, Some(&old), Some(&new)), ["M f"]);
    }

    #[test]
    fn any_two_trees_differ_as_their_maps_do() {
        let mut memory = Memory::default();
        let mut seed = 7u64;
        let mut random = move |below: u64| {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (seed >> 33) % below
        };
        for _ in 0..30 {
            let mut map = BTreeMap::new();
            for _ in 0..random(600) {
                map.insert(format!("{}/{:03}", random(3), random(500)), random(3));
            }
            let build = |memory: &mut Memory, map: &BTreeMap<String, u64>| {
                let edits: Vec<(&str, Option<Entry>)> =
                    map.iter().map(|(name, n)| (&name[..], Some(file(*n, 0o644)))).collect();
                apply(memory, None, &edits)
            };
            let old = build(&mut memory, &map);
            let before = map.clone();
            for _ in 0..random(40) {
                let name = format!("{}/{:03}", random(3), random(500));
                match random(3) {
                    0 => map.remove(&name),
                    _ => map.insert(name, random(3)),
                };
            }
            let new = build(&mut memory, &map);
            let mut expected: Vec<(RepoPath, String)> = Vec::new();
            for name in before.keys().chain(map.keys()).collect::<std::collections::BTreeSet<_>>() {
                let letter = match (before.get(name), map.get(name)) {
                    (Some(a), Some(b)) if a == b => continue,
                    (Some(_), Some(_)) => 'M',
                    (Some(_), None) => 'D',
                    _ => 'A',
                };
                expected.push((path(name), format!("{letter} {name}")));
            }
            expected.sort();
            let expected: Vec<String> = expected.into_iter().map(|(_, line)| line).collect();
            assert_eq!(changes(&memory, Some(&old), Some(&new)), expected);
        }
    }
}
