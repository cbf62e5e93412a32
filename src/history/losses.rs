//! Losses: which paths of which commits cannot be read, when some objects are known to be lost.
//!
//! Every path is named once, with the first of the commits given that has it so. Only what leads to
//! something lost is walked for names; what does not is walked once to know that.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::hash::{Id, Kind};
use crate::object::{Chunks, Commit, Entry, List, Manifest, Node, Source, Term, What};
use crate::path::RepoPath;
use crate::store::{Store, content_kind};

/// An object on the way, and what it leads to once it has been looked at.
type Pending = (Kind, Id, Option<Vec<(Kind, Id)>>);

/// A path that cannot be read as one commit has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The commit.
    pub commit: Id,
    /// The path; the root if the whole tree is lost.
    pub path: RepoPath,
}

/// The paths of these commits that need a lost object.
pub fn losses(store: &Store, commits: &[Id], lost: &HashSet<Id>) -> Vec<Loss> {
    let mut search = Search { store, lost, touched: HashMap::new() };
    let mut named: BTreeSet<RepoPath> = BTreeSet::new();
    let mut losses = Vec::new();
    for commit in commits {
        let Ok(Commit { tree, .. }) = store.object(commit) else { continue };
        let mut todo = vec![(RepoPath::root(), tree)];
        while let Some((path, tree)) = todo.pop() {
            if !search.is_touched(Kind::Tree, tree) {
                continue;
            }
            let Ok(node) = store.tree(&tree) else {
                if named.insert(path.clone()) {
                    losses.push(Loss { commit: *commit, path });
                }
                continue;
            };
            match &*node {
                Node::Inner { children, .. } => {
                    todo.extend(children.iter().rev().map(|child| (path.clone(), child.node)));
                }
                Node::Leaf(entries) => {
                    for entry in entries.iter().rev() {
                        let below = path.join(&entry.name);
                        if let Some(tree) = entry.tree() {
                            todo.push((below.clone(), tree));
                        }
                        let own = parts(entry).into_iter().filter(|(kind, _)| *kind != Kind::Tree);
                        let is_lost = own.into_iter().any(|(kind, id)| search.is_touched(kind, id));
                        if is_lost && named.insert(below.clone()) {
                            losses.push(Loss { commit: *commit, path: below });
                        }
                    }
                }
            }
        }
    }
    losses
}

/// What an entry names.
fn parts(entry: &Entry) -> Vec<(Kind, Id)> {
    let mut parts: Vec<(Kind, Id)> =
        entry.attributes.iter().map(|id| (Kind::Attributes, *id)).collect();
    match &entry.what {
        What::File { size, content } => parts.push((content_kind(*size), *content)),
        What::Symlink { target, .. } => parts.push((Kind::Chunk, *target)),
        What::Directory { tree, .. } => parts.push((Kind::Tree, *tree)),
        What::Special | What::Gitlink { .. } => {}
        What::Conflict { removes, adds } => {
            parts.extend(removes.iter().chain(adds).filter_map(|term| match term {
                Term::File { size, content, .. } => Some((content_kind(*size), *content)),
                Term::Symlink { target, .. } => Some((Kind::Chunk, *target)),
                // A version of a conflict has no path of its own.
                Term::Directory { tree, .. } => Some((Kind::Tree, *tree)),
                Term::Special { attributes, .. } => Some((Kind::Attributes, *attributes)),
                Term::Absent | Term::Gitlink { .. } => None,
            }));
        }
    }
    parts
}

struct Search<'a> {
    store: &'a Store,
    lost: &'a HashSet<Id>,
    /// Whether something lost is at or below an object.
    touched: HashMap<Id, bool>,
}

impl Search<'_> {
    /// Whether something lost is at or below this. Deep trees must not be deep in the stack.
    fn is_touched(&mut self, kind: Kind, id: Id) -> bool {
        let mut stack: Vec<Pending> = vec![(kind, id, None)];
        while let Some((kind, id, below)) = stack.pop() {
            if self.touched.contains_key(&id) {
                continue;
            }
            if self.lost.contains(&id) || kind == Kind::Chunk {
                // Chunks are not noted: there are too many that are well.
                if kind != Kind::Chunk {
                    self.touched.insert(id, true);
                }
                continue;
            }
            match below {
                None => {
                    let below = self.below(kind, &id);
                    stack.push((kind, id, Some(below.clone())));
                    stack.extend(below.into_iter().map(|(kind, id)| (kind, id, None)));
                }
                Some(below) => {
                    let touched = below.iter().any(|(_, id)| self.known(id));
                    self.touched.insert(id, touched);
                }
            }
        }
        self.known(&id)
    }

    fn known(&self, id: &Id) -> bool {
        self.lost.contains(id) || self.touched.get(id).copied().unwrap_or(false)
    }

    fn below(&self, kind: Kind, id: &Id) -> Vec<(Kind, Id)> {
        match kind {
            Kind::Tree => match self.store.tree(id).as_deref() {
                Ok(Node::Inner { children, .. }) => {
                    children.iter().map(|child| (Kind::Tree, child.node)).collect()
                }
                Ok(Node::Leaf(entries)) => entries.iter().flat_map(parts).collect(),
                Err(_) => Vec::new(),
            },
            Kind::Manifest => match self.store.object::<Manifest>(id) {
                Ok(Manifest { chunks: Chunks::One, content, .. }) => vec![(Kind::Chunk, content)],
                Ok(Manifest { chunks: Chunks::Few(chunks), .. }) => {
                    chunks.iter().map(|chunk| (Kind::Chunk, chunk.id)).collect()
                }
                Ok(Manifest { chunks: Chunks::Many { list, .. }, .. }) => vec![(Kind::List, list)],
                Err(_) => Vec::new(),
            },
            Kind::List => match self.store.object::<List>(id) {
                Ok(List::Inner { children, .. }) => {
                    children.iter().map(|child| (Kind::List, child.node)).collect()
                }
                Ok(List::Leaf(chunks)) => {
                    chunks.iter().map(|chunk| (Kind::Chunk, chunk.id)).collect()
                }
                Err(_) => Vec::new(),
            },
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::history::testing::{directory, file, stored};

    fn paths(losses: &[Loss]) -> Vec<String> {
        losses.iter().map(|loss| loss.path.to_string()).collect()
    }

    #[test]
    fn a_path_is_named_once_by_the_first_commit_that_has_it_so() {
        let world = stored();
        let below =
            world.tree(vec![file("a", &world.chunk("one")), file("b", &world.chunk("two"))]);
        let root =
            |more: &str| world.tree(vec![file("c", &world.chunk(more)), directory("d", below)]);
        let old = world.commit(root("old"), &[]);
        let new = world.commit(root("new"), &[old]);
        let store = world.publish(new);
        let lost = |text: &str| HashSet::from([Kind::Chunk.id_of(text.as_bytes())]);
        let found = losses(&store, &[new, old], &lost("one"));
        assert_eq!(paths(&found), ["d/a"]);
        assert_eq!(found[0].commit, new);
        // Only the older one has it.
        let found = losses(&store, &[new, old], &lost("old"));
        assert_eq!((paths(&found), found[0].commit), (vec!["c".to_owned()], old));
        assert!(losses(&store, &[new, old], &lost("nowhere")).is_empty());
        assert!(losses(&store, &[new, old], &HashSet::new()).is_empty());
    }

    #[test]
    fn a_directory_that_cannot_be_read_is_named_as_a_whole() {
        let world = stored();
        let gone = Kind::Tree.id_of(b"never stored");
        let manifest = Kind::Manifest.id_of(b"never stored either");
        let mut large = file("large", &manifest);
        large.what = What::File { size: 1 << 20, content: manifest };
        let root = world.tree(vec![
            file("a", &world.chunk("one")),
            directory("d", gone),
            directory("e", world.tree(vec![large])),
        ]);
        let commit = world.commit(root, &[]);
        let store = world.publish(commit);
        let found = losses(&store, &[commit], &HashSet::from([gone, manifest]));
        assert_eq!(paths(&found), ["d", "e/large"]);
    }

    #[test]
    fn very_deep_trees_are_no_trouble() {
        let world = stored();
        let mut tree = world.tree(vec![file("x", &world.chunk("deep"))]);
        for _ in 0..4000 {
            tree = world.tree(vec![directory("d", tree)]);
        }
        let commit = world.commit(tree, &[]);
        let store = world.publish(commit);
        let lost = HashSet::from([Kind::Chunk.id_of(b"deep")]);
        let found = losses(&store, &[commit], &lost);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].path.parts().count(), 4001);
    }
}
