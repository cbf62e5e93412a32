//! Nodes of trees that wait for their like.
//!
//! Versions of a directory are converted one after the other, and each changes a few of its nodes.
//! What compresses best is to have the versions of one node next to each other, so nodes are held
//! back for a while and then written in the order of directory, level, first name and age.

use crate::hash::{Id, Kind};
use crate::object::Sink;
use crate::store::{Age, Arranged, Error};

/// So many bytes may be held back by one thread.
const MOST_BYTES: usize = 48 << 20;

/// Writes objects, nodes of trees in the order that compresses.
pub(super) struct Held<'b, 's> {
    pub(super) writer: Arranged<'b, 's>,
    /// The directory that is being converted.
    directory: u32,
    age: Age,
    nodes: Vec<Waiting>,
    bytes: usize,
}

struct Waiting {
    directory: u32,
    age: Age,
    level: u8,
    first: Vec<u8>,
    id: Id,
    bytes: Vec<u8>,
}

impl<'b, 's> Held<'b, 's> {
    pub(super) fn new(writer: Arranged<'b, 's>) -> Self {
        Self { writer, directory: 0, age: Age::older(0), nodes: Vec::new(), bytes: 0 }
    }

    /// Says which directory is converted next, and how old this version of it is.
    pub(super) fn stand(&mut self, directory: u32, age: Age) {
        (self.directory, self.age) = (directory, age);
    }

    /// Writes what is held back.
    pub(super) fn release(&mut self) -> Result<(), Error> {
        // Stable: the newest version of a node stays the first.
        self.nodes.sort_by(|a, b| {
            (a.directory, a.level, &a.first).cmp(&(b.directory, b.level, &b.first))
        });
        for node in self.nodes.drain(..) {
            self.writer.put_tree(node.age, node.id, &node.bytes)?;
        }
        self.bytes = 0;
        Ok(())
    }

    /// Writes everything.
    pub(super) fn flush(&mut self) -> Result<(), Error> {
        self.release()?;
        self.writer.flush()
    }
}

impl Sink for Held<'_, '_> {
    type Error = Error;

    fn put(&mut self, kind: Kind, bytes: Vec<u8>) -> Result<Id, Error> {
        if kind != Kind::Tree {
            return self.writer.put(kind, bytes);
        }
        let id = kind.id_of(&bytes);
        let (level, first) = place(&bytes);
        self.bytes += bytes.len();
        let first = first.to_vec();
        let (directory, age) = (self.directory, self.age);
        self.nodes.push(Waiting { directory, age, level, first, id, bytes });
        if self.bytes > MOST_BYTES {
            self.release()?;
        }
        Ok(id)
    }
}

/// The level of a node, and for a leaf the name it begins with: only a hint for the order.
fn place(bytes: &[u8]) -> (u8, &[u8]) {
    match bytes {
        // A leaf: the number of entries in one byte or in three, then the length of a name.
        [0, 251, _, _, length, rest @ ..] | [0, _, length, rest @ ..] => {
            (0, rest.get(..usize::from(*length)).unwrap_or(rest))
        }
        [1, level, ..] => (*level, &[]),
        _ => (0, &[]),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::object::tree::Child;
    use crate::object::{Entry, Node, Object, What};

    #[test]
    fn a_node_is_known_by_its_level_and_first_name() {
        let entry = |name: String| Entry {
            name: name.into_bytes(),
            mode: 0o644,
            mtime: None,
            attributes: None,
            what: What::File { size: 0, content: Id::EMPTY },
        };
        for count in [1, 250, 251, 256] {
            let entries = (0..count).map(|number| entry(format!("file-{number:03}"))).collect();
            let bytes = Node::Leaf(entries).to_bytes();
            assert_eq!(place(&bytes), (0, &b"file-000"[..]));
        }
        assert_eq!(place(&Node::Leaf(Vec::new()).to_bytes()).0, 0);
        let child = Child { last: b"z".to_vec(), node: Id::EMPTY, totals: Default::default() };
        let inner = Node::Inner { level: 2, children: vec![child] };
        assert_eq!(place(&inner.to_bytes()), (2, &[][..]));
    }
}
