//! Arrangement: which path each object belongs to, and which of its versions it is.
//!
//! What working trees have now comes first. Then history from the newest commit back; as much of
//! it again is taken for recent, because whoever compares the newest commits needs both. Paths get their numbers as they are met, so the files
//! of a directory are neighbours. An object that is met at several places belongs to the first.
//!
//! This is about order alone, so nothing here has to be complete: what is damaged is passed over,
//! and after some number of objects that are not asked for the walk gives up.

use std::collections::{BinaryHeap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::hash::{Id, Kind};
use crate::object::{Chunks, Commit, Entry, List, Manifest, Node, Object, Source, Tag, Term, What};
use crate::store::{Age, Error, Placed, Rank, Repack, Store, Target, content_kind};

/// The refs of working trees: HEADs, and what is staged.
const WORKTREES: &str = "refs/worktree/";
/// So many objects are read for each that is to be placed.
const READ_FOR_EACH: usize = 4;
/// And so many more.
const READ_ANYWAY: usize = 1 << 16;

/// Places what is about to be rewritten, as far as refs lead to it.
pub fn arrange(store: &Store, repack: &mut Repack<'_>) -> Result<(), Error> {
    let left = repack.objects() * READ_FOR_EACH + READ_ANYWAY;
    let walk = Walk {
        store,
        repack,
        paths: HashMap::new(),
        read: HashSet::new(),
        is_newest: true,
        recent: Recent::default(),
        turn: 0,
        left,
    };
    walk.run()
}

struct Walk<'a, 's> {
    store: &'a Store,
    repack: &'a mut Repack<'s>,
    /// The numbers of paths, by a hash of each. Two that share one are neighbours by mistake.
    paths: HashMap<u64, u32>,
    /// Objects that are not placed here and were read: the beginnings of their ids.
    read: HashSet<u64>,
    /// Whether what is met is in a working tree.
    is_newest: bool,
    /// How many more directories and contents are recent.
    recent: Recent,
    /// The number of the tree that is walked.
    turn: u32,
    /// How many more objects may be read.
    left: usize,
}

/// How many objects: as many are recent as are in working trees.
#[derive(Default)]
struct Recent {
    nodes: u32,
    contents: u32,
}

/// A directory's node, still to be looked at.
struct Below {
    node: Id,
    directory: u64,
    part: u32,
}

impl Walk<'_, '_> {
    fn run(mut self) -> Result<(), Error> {
        let mut commits: BinaryHeap<(i64, Id)> = BinaryHeap::new();
        let mut known: HashSet<Id> = HashSet::new();
        let mut others = Vec::new();
        for (name, target) in self.store.refs("") {
            let Some(root) = self.store.resolve(&name) else { continue };
            let is_own = name.starts_with(WORKTREES);
            // What a symbolic ref leads to has a name of its own.
            if matches!(target, Target::Symbolic(_)) && !is_own {
                continue;
            }
            let (mut kind, mut id) = match self.kind_of(&root) {
                Some(kind) => (kind, root),
                None => continue,
            };
            while kind == Kind::Tag {
                self.place(kind, &id, 0, 0, Age::older(0));
                let Some(tag) = self.object::<Tag>(&id)? else { break };
                let Some(next) = Kind::from_number(tag.target_kind) else { break };
                (kind, id) = (next, tag.target);
            }
            match kind {
                Kind::Commit => {
                    let Some(commit) = self.object::<Commit>(&id)? else { continue };
                    if known.insert(id) {
                        commits.push((commit.committer.seconds, id));
                    }
                    if is_own {
                        self.tree(commit.tree)?;
                    }
                }
                Kind::Tree if is_own => self.tree(id)?,
                Kind::Tree => others.push(id),
                _ => {}
            }
        }
        self.is_newest = false;
        while let Some((_, id)) = commits.pop() {
            if self.repack.is_placed() || self.left == 0 {
                break;
            }
            self.place(Kind::Commit, &id, 0, 0, Age::older(0));
            let Some(commit) = self.object::<Commit>(&id)? else { continue };
            self.tree(commit.tree)?;
            for parent in commit.parents {
                if known.insert(parent)
                    && let Some(commit) = self.object::<Commit>(&parent)?
                {
                    commits.push((commit.committer.seconds, parent));
                }
            }
        }
        others.into_iter().try_for_each(|tree| self.tree(tree))
    }

    fn kind_of(&self, id: &Id) -> Option<Kind> {
        let kinds = self.store.lookup().kinds(&self.store.state(), id);
        kinds.into_iter().flatten().next()
    }

    /// Reads an object; nothing if it is lost.
    fn object<T: Object>(&mut self, id: &Id) -> Result<Option<T>, Error> {
        found(self.store.object(id))
    }

    fn place(&mut self, kind: Kind, id: &Id, path: u32, part: u32, older: Age) -> Placed {
        let rank = Rank { path, part, turn: self.turn };
        let left = match kind {
            Kind::Tree => &mut self.recent.nodes,
            _ => &mut self.recent.contents,
        };
        let age = if self.is_newest || *left > 0 { Age::Recent } else { older };
        let placed = self.repack.place(kind, id, age, rank);
        if placed == Placed::Now && matches!(kind, Kind::Tree | Kind::Chunk) {
            *left = if self.is_newest { *left + 1 } else { left.saturating_sub(1) };
        }
        placed
    }

    /// Places a node or manifest; whether what it names should be looked at.
    fn enter(&mut self, kind: Kind, id: &Id, path: u32, part: u32) -> bool {
        let is_new = match self.place(kind, id, path, part, Age::older(0)) {
            Placed::Now => true,
            Placed::Before => false,
            Placed::Elsewhere => {
                let first =
                    id.as_bytes().first_chunk().map_or(0, |first| u64::from_le_bytes(*first));
                self.read.insert(first)
            }
        };
        let may_read = is_new && self.left > 0 && !self.repack.is_placed();
        self.left -= usize::from(may_read);
        may_read
    }

    fn path(&mut self, directory: u64, name: &[u8]) -> (u64, u32) {
        let mut hasher = DefaultHasher::new();
        (directory, name).hash(&mut hasher);
        let key = hasher.finish();
        // Number 0 is for what has no path.
        let next = self.paths.len() as u32 + 1;
        (key, *self.paths.entry(key).or_insert(next))
    }

    fn tree(&mut self, root: Id) -> Result<(), Error> {
        self.turn += 1;
        let mut stack = vec![Below { node: root, directory: 0, part: 0 }];
        while let Some(Below { node, directory, part }) = stack.pop() {
            let (_, path) = self.path(directory, b"");
            if !self.enter(Kind::Tree, &node, path, part) {
                continue;
            }
            let Some(node) = found(self.store.tree(&node))? else { continue };
            let start = stack.len();
            match &*node {
                Node::Inner { children, .. } => {
                    for (index, child) in children.iter().enumerate() {
                        let part = part.wrapping_mul(256).wrapping_add(index as u32 + 1);
                        stack.push(Below { node: child.node, directory, part });
                    }
                }
                Node::Leaf(entries) => {
                    for entry in entries {
                        self.entry(entry, directory, &mut stack)?;
                    }
                }
            }
            // The first comes first.
            stack[start..].reverse();
        }
        Ok(())
    }

    fn entry(
        &mut self,
        entry: &Entry,
        directory: u64,
        stack: &mut Vec<Below>,
    ) -> Result<(), Error> {
        let (key, path) = self.path(directory, &entry.name);
        if let Some(attributes) = &entry.attributes {
            self.place(Kind::Attributes, attributes, path, 0, Age::older(0));
        }
        match &entry.what {
            What::File { size, content } => self.content(*size, content, path)?,
            What::Symlink { size, target } => self.content(*size, target, path)?,
            What::Directory { tree, .. } => {
                stack.push(Below { node: *tree, directory: key, part: 0 });
            }
            What::Special | What::Gitlink { .. } => {}
            What::Conflict { removes, adds } => {
                for term in removes.iter().chain(adds) {
                    match term {
                        Term::File { size, content, .. } => self.content(*size, content, path)?,
                        Term::Symlink { size, target, .. } => self.content(*size, target, path)?,
                        Term::Directory { tree, .. } => {
                            stack.push(Below { node: *tree, directory: key, part: 0 });
                        }
                        Term::Absent | Term::Special { .. } | Term::Gitlink { .. } => {}
                    }
                }
            }
        }
        Ok(())
    }

    fn content(&mut self, size: u64, id: &Id, path: u32) -> Result<(), Error> {
        if content_kind(size) == Kind::Chunk {
            self.chunk(id, size, path, 0);
            return Ok(());
        }
        if !self.enter(Kind::Manifest, id, path, 0) {
            return Ok(());
        }
        let Some(manifest) = self.object::<Manifest>(id)? else { return Ok(()) };
        match &manifest.chunks {
            Chunks::One => self.chunk(&manifest.content, size, path, 0),
            Chunks::Few(chunks) => {
                for (part, chunk) in chunks.iter().enumerate() {
                    self.chunk(&chunk.id, size, path, part as u32);
                }
            }
            Chunks::Many { list, .. } => self.list(*list, size, path)?,
        }
        Ok(())
    }

    fn chunk(&mut self, id: &Id, size: u64, path: u32, part: u32) {
        self.place(Kind::Chunk, id, path, part, Age::older(size));
    }

    fn list(&mut self, root: Id, size: u64, path: u32) -> Result<(), Error> {
        let mut stack = vec![(root, 0u32)];
        while let Some((id, mut part)) = stack.pop() {
            if !self.enter(Kind::List, &id, path, part) {
                continue;
            }
            match self.object::<List>(&id)? {
                Some(List::Inner { children, .. }) => {
                    let start = stack.len();
                    for child in children {
                        stack.push((child.node, part));
                        part = part.wrapping_add(child.chunks as u32);
                    }
                    stack[start..].reverse();
                }
                Some(List::Leaf(chunks)) => {
                    for chunk in chunks {
                        self.chunk(&chunk.id, size, path, part);
                        part = part.wrapping_add(1);
                    }
                }
                None => {}
            }
        }
        Ok(())
    }
}

/// What was read; nothing if it is lost. A failure to read is not taken for a loss.
fn found<T>(read: Result<T, Error>) -> Result<Option<T>, Error> {
    match read {
        Ok(object) => Ok(Some(object)),
        Err(Error::Missing { .. } | Error::Corrupt { .. } | Error::Object(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::history::testing::{directory, file, stored};
    use crate::progress::Silent;
    use crate::store::pack::read_table;
    use crate::store::{Class, Extent, Publication, RefEdit};

    /// Rewrites everything; returns the objects of a class in the order in which they stand now.
    fn order(store: &Store, class: Class) -> Vec<Id> {
        let plan = store.plan_repack(Extent::All).unwrap();
        let mut repack = store.begin_repack(&plan.rounds.concat()).unwrap();
        arrange(store, &mut repack).unwrap();
        repack.run("A", &Silent).unwrap();
        let packs = store.pack_files(class).unwrap();
        let file = store.dir().open(packs[0].as_bytes()).unwrap();
        assert_eq!(packs.len(), 1);
        read_table(file).unwrap().unwrap().table.objects.iter().map(|row| row.id).collect()
    }

    #[test]
    fn versions_of_a_path_stand_together_the_newest_first() {
        let world = stored();
        let mut parents = Vec::new();
        let (mut a, mut b) = (Vec::new(), Vec::new());
        let garbage = world.chunk("???");
        for version in 1..4 {
            b.insert(0, world.chunk(&format!("b {version}")));
            a.insert(0, world.chunk(&format!("a {version}")));
            let below = world.tree(vec![file("b", &b[0])]);
            let root = world.tree(vec![file("a", &a[0]), directory("d", below)]);
            parents = vec![world.commit(root, &parents)];
        }
        let store = world.publish(parents[0]);
        let all = [&a[..], &b[..], &[garbage]].concat();
        assert_eq!(order(&store, Class::Near), all, "and what nothing needs comes last");
    }

    #[test]
    fn what_a_working_tree_has_stands_before_what_was_replaced() {
        let world = stored();
        let (old, new) = (world.chunk("old"), world.chunk("new"));
        let (x, y) = (world.chunk("xxx"), world.chunk("yyy"));
        let first = world.commit(world.tree(vec![file("a", &old), file("b", &x)]), &[]);
        let second = world.commit(world.tree(vec![file("a", &new)]), &[first]);
        let other = world.commit(world.tree(vec![file("c", &y)]), &[second]);
        let store = world.publish(other);
        let edit = RefEdit {
            name: format!("{WORKTREES}0/HEAD"),
            old: None,
            new: Some(crate::store::Target::Id(second)),
            reason: String::new(),
        };
        store.publish(Publication::new("switch", "A").with_refs([edit])).unwrap();
        // As much as the working tree has is recent too: one content.
        assert_eq!(order(&store, Class::Near), [new, y, old, x]);
    }

    #[test]
    fn what_is_lost_is_passed_over() {
        let world = stored();
        let gone = Kind::Tree.id_of(b"never stored");
        let one = world.chunk("one");
        let below = world.commit(world.tree(vec![directory("d", gone), file("x", &one)]), &[]);
        let store = world.publish(below);
        assert_eq!(order(&store, Class::Near), [one]);
    }
}
