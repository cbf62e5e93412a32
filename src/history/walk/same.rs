//! Whether two trees hold the same along some paths.
//!
//! Only what differs is read, and only until the first difference that counts. A changed
//! modification time is none. What the difference is, is `diff`'s business.

use std::cmp::Ordering;
use std::ops::ControlFlow;

use crate::hash::Id;
use crate::object::tree::{Cursor, Head, find};
use crate::object::{Entry, Node, Source};
use crate::path::{Pathspec, RepoPath};

/// Whether both trees hold the same where `paths` says; `None` is the empty tree.
pub fn same_along<S: Source>(
    source: &S,
    paths: &Pathspec,
    before: Option<&Id>,
    after: &Id,
) -> Result<bool, S::Error> {
    if before == Some(after) {
        return Ok(true);
    }
    let plain = paths.plain_paths().filter(|plain| !plain.iter().any(|path| path.is_root()));
    let Some(plain) = plain else {
        let open = vec![(before.copied(), Some(*after), RepoPath::root())];
        return nothing_differs(source, paths, open);
    };
    for path in plain {
        if !same_at(source, before, after, path)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether both trees hold the same at this path and below it.
pub(in crate::history) fn same_at<S: Source>(
    source: &S,
    before: Option<&Id>,
    after: &Id,
    path: &RepoPath,
) -> Result<bool, S::Error> {
    let was = before.map_or(Ok(None), |root| entry_at(source, root, path))?;
    let is = entry_at(source, after, path)?;
    if differs(was.as_ref(), is.as_ref()) {
        return Ok(false);
    }
    let mut open = Vec::new();
    push_directories(&mut open, was.as_ref(), is.as_ref(), path.clone());
    nothing_differs(source, &Pathspec::all(), open)
}

/// Tells `visit` every path that is meant and differs between two trees, until it has enough;
/// directories only if they differ themselves.
pub(in crate::history) fn each_difference<S: Source>(
    source: &S,
    paths: &Pathspec,
    before: Option<&Id>,
    after: &Id,
    visit: &mut dyn FnMut(&RepoPath) -> ControlFlow<()>,
) -> Result<(), S::Error> {
    if before == Some(after) {
        return Ok(());
    }
    visit_differences(source, paths, vec![(before.copied(), Some(*after), RepoPath::root())], visit)
}

/// The entry at a path, reading only the directories above it.
fn entry_at<S: Source>(source: &S, root: &Id, path: &RepoPath) -> Result<Option<Entry>, S::Error> {
    let mut tree = Some(*root);
    let mut found = None;
    for name in path.parts() {
        let Some(root) = tree else { return Ok(None) };
        found = find(source, &root, name)?;
        tree = found.as_ref().and_then(Entry::tree);
    }
    Ok(found)
}

/// Two directories at one path that may differ.
type Pair = (Option<Id>, Option<Id>, RepoPath);

/// Whether two entries differ, what is in directories aside.
fn differs(before: Option<&Entry>, after: Option<&Entry>) -> bool {
    match (before, after) {
        (None, None) => false,
        (Some(a), Some(b)) if a.is_directory() && b.is_directory() => {
            a.mode != b.mode || a.attributes != b.attributes
        }
        (Some(a), Some(b)) => !a.is_same_as(b),
        // A directory on one side only differs by what is in it, unless it is empty.
        (Some(one), None) | (None, Some(one)) => {
            one.tree().is_none_or(|tree| tree == Node::empty_id())
        }
    }
}

fn push_directories(
    open: &mut Vec<Pair>,
    before: Option<&Entry>,
    after: Option<&Entry>,
    path: RepoPath,
) {
    let (before, after) = (before.and_then(Entry::tree), after.and_then(Entry::tree));
    if before != after {
        open.push((before, after, path));
    }
}

fn nothing_differs<S: Source>(
    source: &S,
    paths: &Pathspec,
    open: Vec<Pair>,
) -> Result<bool, S::Error> {
    let mut is_same = true;
    visit_differences(source, paths, open, &mut |_| {
        is_same = false;
        ControlFlow::Break(())
    })?;
    Ok(is_same)
}

fn visit_differences<S: Source>(
    source: &S,
    paths: &Pathspec,
    mut open: Vec<Pair>,
    visit: &mut dyn FnMut(&RepoPath) -> ControlFlow<()>,
) -> Result<(), S::Error> {
    let is_all = paths.is_all();
    while let Some((before, after, directory)) = open.pop() {
        let cursor = |tree: Option<Id>| match tree {
            Some(tree) => Cursor::new(source, &tree),
            None => Ok(Cursor::empty(source)),
        };
        let (mut a, mut b) = (cursor(before)?, cursor(after)?);
        while let Some((before, after)) = next_difference(&mut a, &mut b)? {
            let Some(entry) = before.as_ref().or(after.as_ref()) else { break };
            let path = directory.join(&entry.name);
            if differs(before.as_ref(), after.as_ref())
                && (is_all || paths.matches(&path))
                && visit(&path).is_break()
            {
                return Ok(());
            }
            if is_all || paths.may_match_below(&path) {
                push_directories(&mut open, before.as_ref(), after.as_ref(), path);
            }
        }
    }
    Ok(())
}

/// What two directories have under the next name of which they do not say the same.
type Difference = (Option<Entry>, Option<Entry>);

fn next_difference<S: Source>(
    a: &mut Cursor<'_, S>,
    b: &mut Cursor<'_, S>,
) -> Result<Option<Difference>, S::Error> {
    loop {
        let (enter_a, enter_b) = match (a.head(), b.head()) {
            (None, None) => return Ok(None),
            (Some(Head::Node { child: x, .. }), Some(Head::Node { child: y, .. }))
                if x.node == y.node =>
            {
                a.skip();
                b.skip();
                continue;
            }
            (Some(Head::Node { level: x, .. }), Some(Head::Node { level: y, .. })) => {
                (x >= y, y >= x)
            }
            (Some(Head::Node { .. }), _) => (true, false),
            (_, Some(Head::Node { .. })) => (false, true),
            (Some(Head::Entry(x)), Some(Head::Entry(y))) => {
                let order = x.name.cmp(&y.name);
                if order == Ordering::Equal && x.is_same_as(y) {
                    a.skip();
                    b.skip();
                    continue;
                }
                let x = (order != Ordering::Greater).then(|| x.clone());
                let y = (order != Ordering::Less).then(|| y.clone());
                if x.is_some() {
                    a.skip();
                }
                if y.is_some() {
                    b.skip();
                }
                return Ok(Some((x, y)));
            }
            (Some(Head::Entry(_)), None) => return Ok(Some((a.next_entry()?, None))),
            (None, Some(Head::Entry(_))) => return Ok(Some((None, b.next_entry()?))),
        };
        if enter_a {
            a.enter()?;
        }
        if enter_b {
            b.enter()?;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::clock::Time;
    use crate::history::testing::World;
    use crate::object::tree::{Builder, Edit, edit};

    fn files(list: &[(&str, &str)]) -> BTreeMap<String, String> {
        list.iter().map(|(path, content)| ((*path).to_owned(), (*content).to_owned())).collect()
    }

    fn same(world: &World, specs: &[&str], a: Option<&Id>, b: &Id) -> bool {
        let specs = specs.iter().map(|spec| spec.as_bytes());
        let paths = Pathspec::parse(&RepoPath::root(), specs).unwrap();
        same_along(world, &paths, a, b).unwrap()
    }

    #[test]
    fn only_the_paths_meant_are_compared() {
        let world = World::default();
        let a = world.put_tree(&files(&[("a", "1"), ("d/x", "1"), ("d/e/y", "1")]));
        let b = world.put_tree(&files(&[("a", "1"), ("d/x", "1"), ("d/e/y", "2"), ("d/z", "1")]));
        for specs in [&["a"][..], &["d/x"], &["d/x", "a"], &["none"], &["d/e", ":!d/e/y"]] {
            assert!(same(&world, specs, Some(&a), &b), "{specs:?}");
        }
        for specs in
            [&[][..], &["d"], &["d/e"], &["d/e/y"], &["d/z"], &["*y"], &["a", "d/z"], &["."]]
        {
            assert!(!same(&world, specs, Some(&a), &b), "{specs:?}");
        }
        assert!(same(&world, &["z"], None, &b));
        assert!(!same(&world, &["a"], None, &b));
        assert!(!same(&world, &["*/y"], None, &b));
    }

    #[test]
    fn a_time_is_no_difference_at_any_depth() {
        let world = World::default();
        let a = world.put_tree(&files(&[("d/x", "1")]));
        let mut entry = world.file("x", "1");
        entry.mtime = Some(Time::from_seconds(5));
        let inner = {
            let mut memory = world.memory.borrow_mut();
            let path = RepoPath::new("d/x").unwrap();
            edit(&mut *memory, Some(&a), vec![Edit { path, entry: Some(entry) }]).unwrap().id
        };
        assert_ne!(a, inner);
        for specs in [&[][..], &["d"], &["d/x"], &["*x"]] {
            assert!(same(&world, specs, Some(&a), &inner), "{specs:?}");
        }
    }

    #[test]
    fn large_directories_are_compared_where_they_differ() {
        let world = World::default();
        world.put(&Node::Leaf(Vec::new()));
        let build = |skipped: usize| {
            let mut builder = Builder::new();
            for number in (0..20_000).filter(|number| *number != skipped) {
                let entry = world.file(&format!("f{number:06}"), "x");
                builder.push(entry, &mut *world.memory.borrow_mut()).unwrap();
            }
            builder.finish(&mut *world.memory.borrow_mut()).unwrap().id
        };
        let (all, some, others) = (build(usize::MAX), build(12_345), build(12_346));
        world.memory.borrow().reads.set(0);
        assert!(!same(&world, &["f*"], Some(&all), &some));
        assert!(same(&world, &["*2346"], Some(&all), &some));
        assert!(!same(&world, &["*2346"], Some(&some), &others));
        assert!(same(&world, &["*2347"], Some(&some), &others));
        assert!(world.memory.borrow().reads.get() < 60);
        assert!(!same(&world, &[], None, &all));
        assert!(same(&world, &[], None, &Node::empty_id()));
    }
}
