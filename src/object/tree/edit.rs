//! Editing trees: a few paths change, and only the nodes on their way are read and written.

use crate::codec::Error;
use crate::hash::Id;
use crate::object::{Sink, Source};
use crate::path::RepoPath;

use super::{Builder, Cursor, Entry, Head, Node, Root, What};

/// What becomes of one path.
#[derive(Clone, Debug)]
pub struct Edit {
    /// Which.
    pub path: RepoPath,
    /// Its new entry, whose name is the last part of the path; `None` removes what is there.
    pub entry: Option<Entry>,
}

/// Applies edits to one directory: names in order, each once, with the new entry or `None`.
pub fn edit_directory<S, E>(
    store: &mut S,
    root: Option<&Id>,
    edits: impl IntoIterator<Item = (Vec<u8>, Option<Entry>)>,
) -> Result<Root, E>
where
    S: Source<Error = E> + Sink<Error = E>,
    E: From<Error>,
{
    // The cursor reads and the builder writes through the same store, in turn.
    let mut edits = edits.into_iter().peekable();
    let mut builder = Builder::new();
    let mut stack = Place::start(store, root)?;
    loop {
        let step = stack.look(store, |cursor| match cursor.head() {
            None => Step::End,
            Some(Head::Entry(entry)) => Step::Entry(entry.clone()),
            Some(Head::Node { level, child }) => {
                Step::Node { level, child: child.clone(), on_edge: cursor.is_on_right_edge() }
            }
        });
        match step {
            Step::End => {
                for (_, entry) in edits {
                    if let Some(entry) = entry {
                        builder.push(entry, store)?;
                    }
                }
                return builder.finish(store);
            }
            Step::Entry(old) => {
                while let Some((_, entry)) = edits.next_if(|(name, _)| *name < old.name) {
                    if let Some(entry) = entry {
                        builder.push(entry, store)?;
                    }
                }
                match edits.next_if(|(name, _)| *name == old.name) {
                    Some((_, Some(entry))) => builder.push(entry, store)?,
                    Some((_, None)) => {}
                    None => builder.push(old, store)?,
                }
                stack.skip(store);
            }
            Step::Node { level, child, on_edge } => {
                let untouched = edits.peek().is_none_or(|(name, _)| *name > child.last);
                // The last node of a level may be a stump that must be joined with what comes
                // after it or with what is left before it: it is always taken apart.
                if untouched && !on_edge && builder.is_at_boundary(level) {
                    builder.push_node(level, child, store)?;
                    stack.skip(store);
                } else {
                    stack.enter(store)?;
                }
            }
        }
    }
}

enum Step {
    End,
    Entry(Entry),
    Node { level: u8, child: super::Child, on_edge: bool },
}

/// A cursor that can be put down while its store is written to.
struct Place {
    stack: super::cursor::Stack,
}

impl Place {
    fn start<S: Source>(store: &S, root: Option<&Id>) -> Result<Self, S::Error> {
        let cursor = match root {
            Some(root) => Cursor::new(store, root)?,
            None => Cursor::empty(store),
        };
        Ok(Self { stack: cursor.put_down() })
    }

    fn look<S: Source>(&mut self, store: &S, f: impl FnOnce(&Cursor<'_, S>) -> Step) -> Step {
        let cursor = Cursor::take_up(store, std::mem::take(&mut self.stack));
        let step = f(&cursor);
        self.stack = cursor.put_down();
        step
    }

    fn skip<S: Source>(&mut self, store: &S) {
        let mut cursor = Cursor::take_up(store, std::mem::take(&mut self.stack));
        cursor.skip();
        self.stack = cursor.put_down();
    }

    fn enter<S: Source>(&mut self, store: &S) -> Result<(), S::Error> {
        let mut cursor = Cursor::take_up(store, std::mem::take(&mut self.stack));
        let entered = cursor.enter();
        self.stack = cursor.put_down();
        entered
    }
}

/// Applies edits to the tree of `root` (`None`: an empty one), making and removing directories as
/// needed. The edits are sorted by path, each path once. A directory that loses its last entry
/// through an edit goes too, unless it is itself given; a file that stands where a directory is
/// needed gives way. New directories get `mode` 0o755 and no time unless they are given.
///
/// An edit may give a directory entry together with edits below it: the entry says mode, time and
/// attributes, and the edits apply to the tree it names.
pub fn edit<S, E>(store: &mut S, root: Option<&Id>, edits: Vec<Edit>) -> Result<Root, E>
where
    S: Source<Error = E> + Sink<Error = E>,
    E: From<Error>,
{
    let mut edits = edits.into_iter().peekable();
    edit_below(store, root, &RepoPath::root(), &mut edits)
}

fn edit_below<S, E>(
    store: &mut S,
    root: Option<&Id>,
    directory: &RepoPath,
    edits: &mut std::iter::Peekable<std::vec::IntoIter<Edit>>,
) -> Result<Root, E>
where
    S: Source<Error = E> + Sink<Error = E>,
    E: From<Error>,
{
    let mut here: Vec<(Vec<u8>, Option<Entry>)> = Vec::new();
    let skip = if directory.is_root() { 0 } else { directory.as_bytes().len() + 1 };
    let is_below = |path: &RepoPath| path.is_within(directory) && path != directory;
    while let Some(next) = edits.next_if(|edit| is_below(&edit.path)) {
        let rest = &next.path.as_bytes()[skip..];
        let (name, is_here) = match rest.iter().position(|&byte| byte == b'/') {
            Some(slash) => (rest[..slash].to_vec(), false),
            None => (rest.to_vec(), true),
        };
        let path = directory.join(&name);
        // Edits further down follow at once, because the list is a walk.
        let (given, mut below) =
            if is_here { (Some(next.entry), Vec::new()) } else { (None, vec![next]) };
        while let Some(deeper) = edits.next_if(|edit| edit.path.is_within(&path)) {
            below.push(deeper);
        }
        let entry = match (given, below.is_empty()) {
            (Some(Some(entry)), none) if entry.is_directory() => {
                // The empty tree may be named without having been stored.
                let tree = entry.tree().filter(|tree| *tree != Node::empty_id());
                if none && tree.is_some() {
                    Some(entry)
                } else {
                    let root = edit_list(store, tree.as_ref(), &path, below)?;
                    Some(with_root(entry, &root))
                }
            }
            (Some(entry), true) => entry,
            // Removed, or a file now: edits below an entry that is no directory can only remove.
            (Some(None), false) => {
                let root = edit_list(store, None, &path, below)?;
                (root.totals.entries > 0).then(|| new_directory(&name, &root))
            }
            (Some(entry), false) => entry,
            (None, _) => {
                let old = match root {
                    Some(root) => super::find(store, root, &name)?,
                    None => None,
                };
                let old_tree = old.as_ref().and_then(Entry::tree);
                let root = edit_list(store, old_tree.as_ref(), &path, below)?;
                match old {
                    Some(old) if old.is_directory() => {
                        let had =
                            matches!(&old.what, What::Directory { tree, .. } if *tree != root.id);
                        (root.totals.entries > 0 || !had).then(|| with_root(old, &root))
                    }
                    Some(old) if root.totals.entries == 0 => Some(old),
                    _ => (root.totals.entries > 0).then(|| new_directory(&name, &root)),
                }
            }
        };
        here.push((name, entry));
    }
    edit_directory(store, root, here)
}

fn edit_list<S, E>(
    store: &mut S,
    root: Option<&Id>,
    directory: &RepoPath,
    edits: Vec<Edit>,
) -> Result<Root, E>
where
    S: Source<Error = E> + Sink<Error = E>,
    E: From<Error>,
{
    edit_below(store, root, directory, &mut edits.into_iter().peekable())
}

fn with_root(entry: Entry, root: &Root) -> Entry {
    Entry { what: directory_of(root), ..entry }
}

fn new_directory(name: &[u8], root: &Root) -> Entry {
    Entry {
        name: name.to_vec(),
        mode: 0o755,
        mtime: None,
        attributes: None,
        what: directory_of(root),
    }
}

fn directory_of(root: &Root) -> What {
    What::Directory { files: root.totals.files, bytes: root.totals.bytes, tree: root.id }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::hash;
    use crate::object::Object;
    use crate::object::testing::Memory;
    use crate::object::tree::find;

    fn file(name: &[u8], version: u32) -> Entry {
        Entry {
            name: name.to_vec(),
            mode: 0o644,
            mtime: None,
            attributes: None,
            what: What::File { size: 5, content: hash::hash(&version.to_le_bytes()) },
        }
    }

    fn name(number: u32) -> Vec<u8> {
        format!("file{number:06}").into_bytes()
    }

    fn build(memory: &mut Memory, entries: impl IntoIterator<Item = Entry>) -> Root {
        let mut builder = Builder::new();
        for entry in entries {
            builder.push(entry, memory).unwrap();
        }
        builder.finish(memory).unwrap()
    }

    fn read(memory: &Memory, root: &Id) -> Vec<Entry> {
        let mut cursor = Cursor::new(memory, root).unwrap();
        std::iter::from_fn(|| cursor.next_entry().unwrap()).collect()
    }

    fn check_shape(memory: &Memory, id: &Id, ends_level: bool) {
        let node = memory.tree(id).unwrap();
        assert!(node.is_lawful(ends_level));
        if let Node::Inner { children, .. } = &*node {
            for (index, child) in children.iter().enumerate() {
                check_shape(memory, &child.node, ends_level && index + 1 == children.len());
            }
        }
    }

    #[test]
    fn a_large_directory_reads_back_and_has_lawful_nodes() {
        let mut memory = Memory::default();
        let root = build(&mut memory, (0..20_000).map(|number| file(&name(number), number)));
        assert_eq!(
            root.totals,
            crate::object::tree::Totals { entries: 20_000, files: 20_000, bytes: 100_000 }
        );
        check_shape(&memory, &root.id, true);
        assert_eq!(read(&memory, &root.id).len(), 20_000);
        assert!(memory.tree(&root.id).unwrap().level() >= 2);
        let found = find(&memory, &root.id, &name(777)).unwrap().unwrap();
        assert_eq!(found, file(&name(777), 777));
        assert_eq!(find(&memory, &root.id, b"none").unwrap(), None);
    }

    #[test]
    fn one_edit_in_twenty_thousand_reads_and_writes_a_few_nodes() {
        let mut memory = Memory::default();
        let root = build(&mut memory, (0..20_000).map(|number| file(&name(number), number)));
        let before = memory.objects.len();
        memory.reads.set(0);
        let edits = vec![(name(9_999), Some(file(&name(9_999), 1)))];
        let edited = edit_directory(&mut memory, Some(&root.id), edits).unwrap();
        assert!(memory.reads.get() <= 12, "{}", memory.reads.get());
        assert!(memory.objects.len() - before <= 6);
        let expected = build(
            &mut memory,
            (0..20_000).map(|number| file(&name(number), if number == 9_999 { 1 } else { number })),
        );
        assert_eq!(edited, expected);
    }

    #[test]
    fn an_empty_directory_is_one_empty_leaf() {
        let mut memory = Memory::default();
        let root = build(&mut memory, []);
        assert_eq!(root.id, Node::Leaf(Vec::new()).id());
        let full = build(&mut memory, (0..5_000).map(|number| file(&name(number), number)));
        let edits: Vec<_> = (0..5_000).map(|number| (name(number), None)).collect();
        assert_eq!(edit_directory(&mut memory, Some(&full.id), edits).unwrap(), root);
    }

    #[test]
    fn edits_make_and_remove_directories() {
        let mut memory = Memory::default();
        let edit_of = |path: &str, version: Option<u32>| {
            let path = RepoPath::new(path).unwrap();
            Edit { entry: version.map(|version| file(path.name(), version)), path }
        };
        let first = edit(
            &mut memory,
            None,
            vec![edit_of("a/b/c", Some(1)), edit_of("a/d", Some(2)), edit_of("e", Some(3))],
        )
        .unwrap();
        assert_eq!(first.totals.files, 3);
        let second = edit(&mut memory, Some(&first.id), vec![edit_of("a/b/c", None)]).unwrap();
        let a = find(&memory, &second.id, b"a").unwrap().unwrap();
        assert_eq!(read(&memory, &a.tree().unwrap()).len(), 1);
        let third =
            edit(&mut memory, Some(&second.id), vec![edit_of("a", Some(9)), edit_of("a/d", None)])
                .unwrap();
        assert_eq!(find(&memory, &third.id, b"a").unwrap(), Some(file(b"a", 9)));
        let fourth =
            edit(&mut memory, Some(&third.id), vec![edit_of("a", None), edit_of("a/x", Some(1))])
                .unwrap();
        assert!(find(&memory, &fourth.id, b"a").unwrap().unwrap().is_directory());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn the_same_entries_give_the_same_nodes_in_any_order_of_edits(
            start in proptest::collection::btree_map(0u32..3_000, 0u32..4, 0..1_500),
            rounds in proptest::collection::vec(
                proptest::collection::btree_map(0u32..3_300, proptest::option::of(0u32..4), 0..60), 0..6),
        ) {
            let mut memory = Memory::default();
            let mut model: BTreeMap<u32, u32> = start;
            let mut root = build(&mut memory, model.iter().map(|(n, v)| file(&name(*n), *v)));
            for round in rounds {
                let edits: Vec<_> = round
                    .iter()
                    .map(|(n, v)| (name(*n), v.map(|v| file(&name(*n), v))))
                    .collect();
                for (n, v) in round {
                    match v {
                        Some(v) => model.insert(n, v),
                        None => model.remove(&n),
                    };
                }
                root = edit_directory(&mut memory, Some(&root.id), edits).unwrap();
                let fresh = build(&mut memory, model.iter().map(|(n, v)| file(&name(*n), *v)));
                prop_assert_eq!(root, fresh);
            }
            check_shape(&memory, &root.id, true);
        }
    }
}
