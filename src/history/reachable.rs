//! Everything that can be reached from some roots: commits, tags, trees, manifests, lists, chunks,
//! tables and attributes, each once.
//!
//! Metadata is read, chunks are only named. Each object comes with the place where it was first
//! met. What a node's parents say of it (level, last key, totals, whether it may end where it does)
//! is compared for every parent, though the node is read once. Memory: 16 bytes of every id, and 16
//! more for nodes.
//!
//! Absent: any judgement of what may be missing. The visitor says whether a chunk is there.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::hash::{self, Id, Kind};
use crate::object::{
    Attributes, Chunks, Commit, Entry, List, Manifest, Node, Source, Table, Tag, Term, What,
    boundary,
};
use crate::path::RepoPath;
use crate::store::{Error, Store, content_kind};

/// Where an object was met: by which root or commit, under which path.
#[derive(Clone, Debug)]
pub struct Place(Arc<Step>);

#[derive(Debug)]
enum Step {
    Root(String),
    Commit(Id),
    Name(Place, Vec<u8>),
}

impl Drop for Step {
    /// One after the other: a path may be deeper than the stack.
    fn drop(&mut self) {
        let Self::Name(above, _) = self else { return };
        let mut next = Some(std::mem::replace(&mut above.0, empty_step()));
        while let Some(step) = next.and_then(Arc::into_inner) {
            let mut step = step;
            next = match &mut step {
                Self::Name(above, _) => Some(std::mem::replace(&mut above.0, empty_step())),
                _ => None,
            };
        }
    }
}

fn empty_step() -> Arc<Step> {
    Arc::new(Step::Root(String::new()))
}

impl Place {
    /// At a root of this name.
    pub fn root(name: &str) -> Self {
        Self(Arc::new(Step::Root(name.to_owned())))
    }

    fn commit(id: Id) -> Self {
        Self(Arc::new(Step::Commit(id)))
    }

    fn name(&self, name: &[u8]) -> Self {
        Self(Arc::new(Step::Name(self.clone(), name.to_vec())))
    }

    /// The commit, or the root where it is not below one.
    pub fn origin(&self) -> String {
        let mut at = self;
        loop {
            match &*at.0 {
                Step::Root(name) => return name.clone(),
                Step::Commit(id) => return id.to_string(),
                Step::Name(above, _) => at = above,
            }
        }
    }

    /// The path within the commit's tree; `None` for what is no part of it.
    pub fn path(&self) -> Option<RepoPath> {
        let mut parts = Vec::new();
        let mut at = self;
        while let Step::Name(above, name) = &*at.0 {
            parts.push(&name[..]);
            at = above;
        }
        parts.reverse();
        if parts.is_empty() { None } else { RepoPath::new(parts.join(&b'/')).ok() }
    }
}

/// An object that was read.
#[derive(Debug)]
pub enum Met<'a> {
    /// A commit.
    Commit(&'a Commit),
    /// An annotated tag.
    Tag(&'a Tag),
    /// A node of a directory.
    Tree(&'a Node),
    /// A manifest.
    Manifest(&'a Manifest),
    /// A node of a chunk list.
    List(&'a List),
    /// What a content pack holds.
    Table(&'a Table),
    /// Attributes of an entry.
    Attributes(&'a Attributes),
}

/// Is told what is met. Calls come from several threads.
pub trait Visitor: Sync {
    /// An object was read.
    fn met(&self, _id: &Id, _object: &Met<'_>, _place: &Place) {}

    /// A chunk is named: tells its length, if it is there.
    fn chunk(&self, id: &Id, place: &Place) -> Result<u64, Error>;

    /// An object cannot be read.
    fn lost(&self, kind: Kind, id: &Id, error: Error, place: &Place);

    /// An object is there and is not what something says of it.
    fn wrong(&self, kind: Kind, id: &Id, what: &'static str, place: &Place);
}

/// What may begin a walk.
#[derive(Clone, Debug)]
pub struct Root {
    /// Its name, such as a ref's.
    pub name: String,
    /// The object's kind.
    pub kind: Kind,
    /// The object.
    pub id: Id,
}

/// The objects that were reached.
#[derive(Debug, Default)]
pub struct Reached {
    plain: HashSet<Short>,
    nodes: HashMap<Short, Facts>,
}

/// Enough of an id to tell it from all others.
type Short = [u8; 16];

fn short(id: &Id) -> Short {
    let mut short = [0; 16];
    short.copy_from_slice(&id.as_bytes()[..16]);
    short
}

impl Reached {
    /// Whether an object was reached, missing ones included.
    pub fn contains(&self, id: &Id) -> bool {
        self.plain.contains(&short(id)) || self.nodes.contains_key(&short(id))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.plain.len() + self.nodes.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What is to be true of a node or manifest, in few bytes. All zero: it was not read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Facts {
    /// Level, last key and totals.
    as_child: u64,
    /// Totals alone, for whoever names the root; the length of a manifest.
    as_root: u64,
    /// Whether its right edge was checked to end as that of an inner node must.
    is_strict: bool,
    /// Whether it ends where a node must end that is not the last of its level.
    ends: bool,
    /// Whether it may be a root: no root has a single child.
    may_be_root: bool,
}

/// What something says of a node it names.
#[derive(Clone, Copy, Debug)]
enum Said {
    Nothing,
    Length(u64),
    /// The totals; `None` where whoever names the root does not tell.
    Root(Option<u64>),
    Child {
        facts: u64,
        ends_level: bool,
    },
}

fn sum(parts: &[u64], key: &[u8]) -> u64 {
    let mut bytes: Vec<u8> = parts.iter().flat_map(|part| part.to_le_bytes()).collect();
    bytes.extend_from_slice(key);
    // Zero is kept for what was not read.
    hash::checksum(&bytes).max(1)
}

fn facts_of_tree(node: &Node) -> Facts {
    let totals = node.totals();
    let (count, last) = match node {
        Node::Leaf(entries) => (entries.len(), node.last().unwrap_or_default()),
        Node::Inner { children, .. } => (children.len(), node.last().unwrap_or_default()),
    };
    Facts {
        as_child: tree_child(node.level(), last, &totals),
        as_root: sum(&[totals.files, totals.bytes], b""),
        ends: boundary::ends(last, node.level(), count),
        may_be_root: node.level() == 0 || count > 1,
        is_strict: node.level() == 0,
    }
}

fn tree_child(level: u8, last: &[u8], totals: &crate::object::tree::Totals) -> u64 {
    sum(&[level.into(), totals.entries, totals.files, totals.bytes], last)
}

fn facts_of_list(list: &List) -> Facts {
    let (chunks, bytes) = list.totals().unwrap_or_default();
    let (count, last) = match list {
        List::Leaf(chunks) => (chunks.len(), chunks.last().map(|chunk| chunk.id)),
        List::Inner { children, .. } => (children.len(), children.last().map(|child| child.last)),
    };
    let last = last.unwrap_or_default();
    Facts {
        as_child: sum(&[list.level().into(), chunks, bytes], last.as_bytes()),
        as_root: sum(&[chunks, bytes], b""),
        ends: boundary::ends(last.as_bytes(), list.level(), count),
        may_be_root: list.level() == 0 || count > 1,
        is_strict: list.level() == 0,
    }
}

impl Said {
    /// Whether more follows at the level of the node.
    fn is_strict(self) -> bool {
        matches!(self, Self::Child { ends_level: false, .. })
    }
}

impl Facts {
    fn contradict(self, said: Said) -> Option<&'static str> {
        match said {
            _ if self == Self::default() => None,
            Said::Length(length) if length != self.as_root => {
                Some("it has another length than is said")
            }
            Said::Root(Some(totals)) if totals != self.as_root => {
                Some("its totals are not what is said of it")
            }
            Said::Root(_) if !self.may_be_root => Some("it is a root with a single child"),
            Said::Child { facts, .. } if facts != self.as_child => {
                Some("it is not what its parent says")
            }
            Said::Child { ends_level: false, .. } if !self.ends => {
                Some("it ends where no node may end")
            }
            _ => None,
        }
    }
}

/// Something still to be looked at.
struct Item {
    kind: Kind,
    id: Id,
    said: Said,
    place: Place,
}

#[derive(Default)]
struct Queue {
    items: Vec<Item>,
    working: usize,
}

struct Walk<'s, V> {
    store: &'s Store,
    visitor: &'s V,
    reached: Mutex<Reached>,
    queue: Mutex<Queue>,
    more: Condvar,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Walks from the roots, with as many threads as there are processors.
pub fn reachable<V: Visitor>(store: &Store, roots: &[Root], visitor: &V) -> Reached {
    // The first root comes first: it is on top.
    let items = roots.iter().rev().map(|root| Item {
        kind: root.kind,
        id: root.id,
        said: if root.kind == Kind::Tree { Said::Root(None) } else { Said::Nothing },
        place: Place::root(&root.name),
    });
    let walk = Walk {
        store,
        visitor,
        reached: Mutex::default(),
        queue: Mutex::new(Queue { items: items.collect(), working: 0 }),
        more: Condvar::new(),
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| walk.work());
        }
    });
    walk.reached.into_inner().unwrap_or_else(PoisonError::into_inner)
}

impl<V: Visitor> Walk<'_, V> {
    fn work(&self) {
        let mut below = Vec::new();
        loop {
            let item = {
                let mut queue = locked(&self.queue);
                loop {
                    if let Some(item) = queue.items.pop() {
                        queue.working += 1;
                        break item;
                    }
                    if queue.working == 0 {
                        return;
                    }
                    queue = self.more.wait(queue).unwrap_or_else(PoisonError::into_inner);
                }
            };
            self.look_at(&item, &mut below);
            let mut queue = locked(&self.queue);
            queue.working -= 1;
            // The first comes first: it is on top.
            queue.items.extend(below.drain(..).rev());
            self.more.notify_all();
        }
    }

    /// Looks at one object and collects what it names. The same node may be looked at by two
    /// threads only if both read it at once, which costs time and nothing else.
    fn look_at(&self, item: &Item, below: &mut Vec<Item>) {
        let Item { kind, id, said, place } = item;
        let is_node = matches!(kind, Kind::Tree | Kind::List | Kind::Manifest);
        {
            let mut reached = locked(&self.reached);
            if is_node {
                if let Some(facts) = reached.nodes.get_mut(&short(id)) {
                    let known = *facts;
                    facts.is_strict |= said.is_strict();
                    drop(reached);
                    if said.is_strict() && !known.is_strict && known != Facts::default() {
                        self.look_at_right_edge(item, below);
                    }
                    return self.compare(item, known);
                }
            } else if !reached.plain.insert(short(id)) {
                drop(reached);
                if *kind == Kind::Chunk {
                    self.chunk(item, false);
                }
                return;
            }
        }
        if *kind == Kind::Chunk {
            return self.chunk(item, true);
        }
        let met = (|| -> Result<Facts, Error> {
            let mut facts = Facts::default();
            match kind {
                Kind::Commit => {
                    let commit: Commit = self.store.object(id)?;
                    self.visitor.met(id, &Met::Commit(&commit), place);
                    below_commit(id, &commit, below);
                }
                Kind::Tag => {
                    let tag: Tag = self.store.object(id)?;
                    self.visitor.met(id, &Met::Tag(&tag), place);
                    below_tag(&tag, place, below);
                }
                Kind::Tree => {
                    let node = self.store.tree(id)?;
                    facts = facts_of_tree(&node);
                    facts.is_strict |= said.is_strict();
                    if self.claim(id, facts) {
                        self.visitor.met(id, &Met::Tree(&node), place);
                        below_tree(&node, *said, place, below);
                    }
                }
                Kind::List => {
                    let list: List = self.store.object(id)?;
                    facts = facts_of_list(&list);
                    facts.is_strict |= said.is_strict();
                    if self.claim(id, facts) {
                        self.visitor.met(id, &Met::List(&list), place);
                        below_list(&list, *said, place, below);
                    }
                }
                Kind::Manifest => {
                    let manifest: Manifest = self.store.object(id)?;
                    facts = Facts { as_root: manifest.size, ..Facts::default() };
                    if self.claim(id, facts) {
                        self.visitor.met(id, &Met::Manifest(&manifest), place);
                        below_manifest(&manifest, place, below);
                    }
                }
                Kind::Table => {
                    let table: Table = self.store.object(id)?;
                    self.visitor.met(id, &Met::Table(&table), place);
                }
                Kind::Attributes => {
                    let attributes: Attributes = self.store.object(id)?;
                    self.visitor.met(id, &Met::Attributes(&attributes), place);
                }
                // Their form belongs to a later version: that they are there is all that is asked.
                Kind::Chunk | Kind::Inventory | Kind::Notes => {
                    self.store.read(*kind, id)?;
                }
            }
            Ok(facts)
        })();
        match met {
            Ok(facts) => self.compare(item, facts),
            Err(error) => {
                if !is_node || self.claim(id, Facts::default()) {
                    self.visitor.lost(*kind, id, error, place);
                }
            }
        }
    }

    /// Notes a node that was read; `false` if another thread was faster.
    fn claim(&self, id: &Id, facts: Facts) -> bool {
        locked(&self.reached).nodes.insert(short(id), facts).is_none()
    }

    fn compare(&self, item: &Item, facts: Facts) {
        if let Some(what) = facts.contradict(item.said) {
            self.visitor.wrong(item.kind, &item.id, what, &item.place);
        }
    }

    /// A node that was taken for the last of its level is not: its last child must end too.
    fn look_at_right_edge(&self, item: &Item, below: &mut Vec<Item>) {
        let mut all = Vec::new();
        match item.kind {
            Kind::Tree => {
                let Ok(node) = self.store.tree(&item.id) else { return };
                below_tree(&node, item.said, &item.place, &mut all);
            }
            Kind::List => {
                let Ok(list) = self.store.object::<List>(&item.id) else { return };
                below_list(&list, item.said, &item.place, &mut all);
            }
            _ => return,
        }
        below.extend(all.pop());
    }

    /// Asks for a chunk, and compares its length with what is said of it.
    fn chunk(&self, item: &Item, is_first: bool) {
        match (self.visitor.chunk(&item.id, &item.place), item.said) {
            (Ok(length), Said::Length(said)) if length != said => {
                let what = "it has another length than is said";
                self.visitor.wrong(item.kind, &item.id, what, &item.place);
            }
            (Err(error), _) if is_first => {
                self.visitor.lost(item.kind, &item.id, error, &item.place);
            }
            _ => {}
        }
    }
}

fn below_commit(id: &Id, commit: &Commit, below: &mut Vec<Item>) {
    let at = Place::commit(*id);
    let said = Said::Root(None);
    below.push(Item { kind: Kind::Tree, id: commit.tree, said, place: at.clone() });
    // A parent is named by the commit that follows it: what is lost may have no other name.
    below.extend(commit.parents.iter().map(|parent| Item {
        kind: Kind::Commit,
        id: *parent,
        said: Said::Nothing,
        place: at.clone(),
    }));
}

fn below_tag(tag: &Tag, place: &Place, below: &mut Vec<Item>) {
    if let Some(kind) = Kind::from_number(tag.target_kind) {
        let said = if kind == Kind::Tree { Said::Root(None) } else { Said::Nothing };
        below.push(Item { kind, id: tag.target, said, place: place.clone() });
    }
}

fn below_tree(node: &Node, said: Said, place: &Place, below: &mut Vec<Item>) {
    match node {
        Node::Inner { level, children } => {
            for (index, child) in children.iter().enumerate() {
                let facts = tree_child(level - 1, &child.last, &child.totals);
                let ends_level = index + 1 == children.len() && !said.is_strict();
                let said = Said::Child { facts, ends_level };
                below.push(Item { kind: Kind::Tree, id: child.node, said, place: place.clone() });
            }
        }
        Node::Leaf(entries) => entries.iter().for_each(|entry| below_entry(entry, place, below)),
    }
}

fn below_entry(entry: &Entry, place: &Place, below: &mut Vec<Item>) {
    let place = place.name(&entry.name);
    let mut push = |kind, id: &Id, said| {
        // Everybody has the empty content.
        if *id != Id::EMPTY {
            below.push(Item { kind, id: *id, said, place: place.clone() });
        }
    };
    if let Some(attributes) = &entry.attributes {
        push(Kind::Attributes, attributes, Said::Nothing);
    }
    let directory = |files: u64, bytes: u64| Said::Root(Some(sum(&[files, bytes], b"")));
    match &entry.what {
        What::File { size, content } => push(content_kind(*size), content, Said::Length(*size)),
        What::Symlink { size, target } => push(Kind::Chunk, target, Said::Length(*size)),
        What::Directory { files, bytes, tree } => push(Kind::Tree, tree, directory(*files, *bytes)),
        What::Special | What::Gitlink { .. } => {}
        What::Conflict { removes, adds } => {
            for term in removes.iter().chain(adds) {
                let attributes = match term {
                    Term::File { attributes, .. }
                    | Term::Symlink { attributes, .. }
                    | Term::Directory { attributes, .. } => attributes.as_ref(),
                    Term::Special { attributes, .. } => Some(attributes),
                    Term::Absent | Term::Gitlink { .. } => None,
                };
                if let Some(attributes) = attributes {
                    push(Kind::Attributes, attributes, Said::Nothing);
                }
                match term {
                    Term::File { size, content, .. } => {
                        push(content_kind(*size), content, Said::Length(*size));
                    }
                    Term::Symlink { size, target, .. } => {
                        push(Kind::Chunk, target, Said::Length(*size));
                    }
                    Term::Directory { files, bytes, tree, .. } => {
                        push(Kind::Tree, tree, directory(*files, *bytes));
                    }
                    Term::Absent | Term::Special { .. } | Term::Gitlink { .. } => {}
                }
            }
        }
    }
}

fn below_list(list: &List, said: Said, place: &Place, below: &mut Vec<Item>) {
    match list {
        List::Inner { level, children } => {
            for (index, child) in children.iter().enumerate() {
                let parts = [u64::from(level - 1), child.chunks, child.bytes];
                let facts = sum(&parts, child.last.as_bytes());
                let ends_level = index + 1 == children.len() && !said.is_strict();
                let said = Said::Child { facts, ends_level };
                below.push(Item { kind: Kind::List, id: child.node, said, place: place.clone() });
            }
        }
        List::Leaf(chunks) => below.extend(chunks.iter().map(|chunk| Item {
            kind: Kind::Chunk,
            id: chunk.id,
            said: Said::Length(chunk.length.into()),
            place: place.clone(),
        })),
    }
}

fn below_manifest(manifest: &Manifest, place: &Place, below: &mut Vec<Item>) {
    let mut push = |kind, id: &Id, said| {
        below.push(Item { kind, id: *id, said, place: place.clone() });
    };
    match &manifest.chunks {
        Chunks::One => push(Kind::Chunk, &manifest.content, Said::Length(manifest.size)),
        Chunks::Few(chunks) => {
            for chunk in chunks {
                push(Kind::Chunk, &chunk.id, Said::Length(chunk.length.into()));
            }
        }
        Chunks::Many { list, count } => {
            let totals = sum(&[*count, manifest.size], b"");
            push(Kind::List, list, Said::Root(Some(totals)));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::history::testing::{directory, file, stored};

    /// What the walk told, in short and sorted.
    #[derive(Default)]
    struct Told(Mutex<Vec<String>>);

    impl Visitor for Told {
        fn met(&self, _: &Id, object: &Met<'_>, _: &Place) {
            let kind = match object {
                Met::Commit(_) => "commit",
                Met::Tree(_) => "tree",
                _ => "other",
            };
            locked(&self.0).push(format!("met {kind}"));
        }

        fn chunk(&self, _: &Id, place: &Place) -> Result<u64, Error> {
            let path = place.path().map_or_else(String::new, |path| path.to_string());
            locked(&self.0).push(format!("chunk at {path}"));
            Ok(3)
        }

        fn lost(&self, kind: Kind, _: &Id, _: Error, place: &Place) {
            let path = place.path().map_or_else(String::new, |path| path.to_string());
            locked(&self.0).push(format!("lost {kind:?} at {path}"));
        }

        fn wrong(&self, kind: Kind, _: &Id, what: &'static str, place: &Place) {
            let path = place.path().map_or_else(String::new, |path| path.to_string());
            locked(&self.0).push(format!("wrong {kind:?} at {path}: {what}"));
        }
    }

    fn walk(store: &Store, commit: Id) -> (Vec<String>, Reached) {
        let told = Told::default();
        let root = Root { name: "refs/heads/main".into(), kind: Kind::Commit, id: commit };
        let reached = reachable(store, &[root], &told);
        let mut told = told.0.into_inner().unwrap();
        told.sort();
        (told, reached)
    }

    #[test]
    fn each_object_is_met_once_and_nothing_else_is() {
        let world = stored();
        let (one, other) = (world.chunk("one"), world.chunk("oth"));
        let below = world.tree(vec![file("a", &one)]);
        let old = world.commit(world.tree(vec![directory("d", below)]), &[]);
        let root = world.tree(vec![directory("d", below), directory("e", below)]);
        let new = world.commit(root, &[old]);
        let store = world.publish(new);
        let (told, reached) = walk(&store, new);
        let expected =
            ["chunk at d/a", "met commit", "met commit", "met tree", "met tree", "met tree"];
        assert_eq!(told, expected);
        assert_eq!(reached.len(), 6);
        assert!(reached.contains(&one) && !reached.contains(&other));
        // What came later is not reached from what came before.
        let (_, reached) = walk(&store, old);
        assert!(!reached.contains(&new) && reached.contains(&below));
    }

    #[test]
    fn what_is_lost_is_named_where_it_was_met_and_the_rest_goes_on() {
        let world = stored();
        let gone = Kind::Tree.id_of(b"never stored");
        let one = world.chunk("one");
        let root = world.tree(vec![directory("d", gone), file("x", &one)]);
        let commit = world.commit(root, &[]);
        let store = world.publish(commit);
        let (told, reached) = walk(&store, commit);
        assert_eq!(told, ["chunk at x", "lost Tree at d", "met commit", "met tree"]);
        assert!(reached.contains(&gone), "missing ones included");
    }

    #[test]
    fn a_directory_that_is_not_what_is_said_of_it_is_told_of_for_every_parent() {
        let world = stored();
        let below =
            world.tree(vec![file("a", &world.chunk("one")), file("b", &world.chunk("two"))]);
        // It has two files, and both entries say one.
        let root = world.tree(vec![directory("d", below), directory("e", below)]);
        let commit = world.commit(root, &[]);
        let store = world.publish(commit);
        let (told, _) = walk(&store, commit);
        let wrong: Vec<_> = told.iter().filter(|one| one.starts_with("wrong")).collect();
        assert_eq!(wrong.len(), 2, "{told:?}");
    }

    #[test]
    fn very_deep_trees_are_no_trouble() {
        let world = stored();
        let mut tree = world.tree(vec![file("x", &world.chunk("one"))]);
        for _ in 0..4000 {
            tree = world.tree(vec![directory("d", tree)]);
        }
        let commit = world.commit(tree, &[]);
        let store = world.publish(commit);
        let (told, reached) = walk(&store, commit);
        assert!(told[0].starts_with("chunk at d/d/d"));
        assert_eq!(reached.len(), 4003);
    }
}
