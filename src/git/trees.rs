//! Git's trees as trees of Annals.
//!
//! Versions of one directory come one after the other, newest first, and share most of what they
//! say: a run of entries that stood in the version before, between the same boundaries, is the same
//! node, and neither looked up nor written again. What is needed and has not been converted yet (a
//! directory that has moved) is asked for and converted at once.

use std::cmp::Ordering;

use gix_hash::ObjectId;

use crate::chunk::Sketcher;
use crate::hash::Kind;
use crate::object::tree::{Builder, Child, Root};
use crate::object::{Entry, Node, Object, Sink, What, boundary};
use crate::path::{DEEPEST, check_name};
use crate::store::{Age, Arranged};

use super::Error;
use super::content::{self, Content};
use super::held::Held;
use super::ids::IdMap;
use super::names::legal_names;
use super::pipe::{Git, Reader};
use super::raw::{self, Mode, Type};

/// What git's objects are in Annals, as far as that is known.
#[derive(Debug, Default)]
pub(super) struct Maps {
    /// Content.
    pub contents: IdMap<Content>,
    /// Directories.
    pub trees: IdMap<Root>,
    /// Directories that git would not write so, or that have such below them.
    pub odd: IdMap<Odd>,
}

impl Maps {
    /// Takes in what somebody else has found out.
    pub(super) fn extend(&mut self, other: Self) {
        self.contents.extend(other.contents);
        self.trees.extend(other.trees);
        self.odd.extend(other.odd);
    }
}

/// What is odd about a directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Odd {
    /// Its own bytes are not what git would write.
    pub verbatim: bool,
    /// Something below these is odd: names in Annals, and git's ids.
    pub below: Vec<(Vec<u8>, ObjectId)>,
}

/// Paths in Annals and the bytes of git's trees there.
pub(super) type RawTrees = Vec<(Vec<u8>, Vec<u8>)>;

/// One entry of a raw tree, as places in its bytes.
#[derive(Clone, Copy, Debug)]
struct Slot {
    start: usize,
    name: usize,
    id: usize,
    end: usize,
    mode: Mode,
}

impl Slot {
    fn name<'a>(&self, raw: &'a [u8]) -> &'a [u8] {
        &raw[self.name..self.id - 1]
    }

    fn bytes<'a>(&self, raw: &'a [u8]) -> &'a [u8] {
        &raw[self.start..self.end]
    }
}

/// A leaf of the version before.
#[derive(Clone, Debug)]
struct Span {
    first: usize,
    count: usize,
    child: Child,
    /// It ended at a boundary, not with the directory.
    closed: bool,
    /// Something in it is not as git would write it.
    verbatim: bool,
    below: Vec<(Vec<u8>, ObjectId)>,
}

/// The version of a directory that was converted last.
#[derive(Debug, Default)]
struct Version {
    raw: Vec<u8>,
    slots: Vec<Slot>,
    spans: Vec<Span>,
}

/// Converts trees, one thread's share of them.
pub(super) struct TreeHand<'a, 'b, 's> {
    git: &'a Git,
    known: &'a Maps,
    /// What this hand has found out.
    pub fresh: Maps,
    /// Where objects go.
    pub(super) writer: Held<'b, 's>,
    asker: Option<Reader>,
    sketcher: Sketcher,
    before: Version,
    depth: usize,
}

impl<'a, 'b, 's> TreeHand<'a, 'b, 's> {
    /// A hand that knows this much.
    pub(super) fn new(git: &'a Git, known: &'a Maps, writer: Arranged<'b, 's>) -> Self {
        Self {
            git,
            known,
            fresh: Maps::default(),
            writer: Held::new(writer),
            asker: None,
            sketcher: Sketcher::new(),
            before: Version::default(),
            depth: 0,
        }
    }

    /// Reads an object that nobody has read ahead.
    pub(super) fn ask(&mut self, id: &ObjectId, wanted: Type) -> Result<Vec<u8>, Error> {
        let asker = match &mut self.asker {
            Some(asker) => asker,
            none => none.insert(self.git.ask()?),
        };
        let mut bytes = Vec::new();
        let kind = asker.get(id, &mut bytes)?;
        check_type(id, kind, wanted)?;
        Ok(bytes)
    }

    /// The tree of Annals for this one of git.
    pub(super) fn tree(&mut self, id: &ObjectId) -> Result<Root, Error> {
        if let Some(root) = self.fresh.trees.get(id).or_else(|| self.known.trees.get(id)) {
            return Ok(*root);
        }
        if self.depth >= DEEPEST {
            return Err(Error::Malformed { id: *id, why: "it is nested too deeply" });
        }
        let raw = self.ask(id, Type::Tree)?;
        // The versions that are being read one after the other must stay next to each other.
        let before = std::mem::take(&mut self.before);
        self.depth += 1;
        let root = self.convert(id, raw);
        self.depth -= 1;
        self.before = before;
        root
    }

    /// The content of Annals for this blob of git.
    pub(super) fn content(&mut self, id: &ObjectId) -> Result<Content, Error> {
        if let Some(found) = self.fresh.contents.get(id).or_else(|| self.known.contents.get(id)) {
            return Ok(*found);
        }
        let bytes = self.ask(id, Type::Blob)?;
        let mut pieces = Vec::new();
        let content = {
            let writer = &mut self.writer.writer;
            content::cut(&bytes, &mut self.sketcher, writer, &mut pieces)?
        };
        let age = Age::older(content.size);
        for piece in pieces {
            let bytes = &bytes[piece.start..piece.start + piece.length];
            self.writer.writer.put_chunk(piece.class, age, piece.id, bytes)?;
        }
        self.fresh.contents.insert(*id, content);
        Ok(content)
    }

    /// What is odd about a tree.
    pub(super) fn odd(&self, id: &ObjectId) -> Option<&Odd> {
        self.fresh.odd.get(id).or_else(|| self.known.odd.get(id))
    }

    /// Converts a tree whose bytes have been read.
    pub(super) fn convert(&mut self, id: &ObjectId, raw: Vec<u8>) -> Result<Root, Error> {
        if let Some(root) = self.fresh.trees.get(id).or_else(|| self.known.trees.get(id)) {
            return Ok(*root);
        }
        let mut odd = Odd::default();
        let mut slots = self.parse(id, &raw, &mut odd)?;
        // A directory sorts as if its name ended in '/' there, and by its name here.
        if !slots.is_sorted_by(|a, b| a.name(&raw) < b.name(&raw)) {
            slots.sort_by(|a, b| a.name(&raw).cmp(b.name(&raw)));
        }
        let is_unique = slots.is_sorted_by(|a, b| a.name(&raw) < b.name(&raw));
        let plain = if is_unique { self.plain(&raw, &slots, &mut odd)? } else { None };
        let root = match plain {
            Some((root, spans)) => {
                self.before = Version { raw, slots, spans };
                root
            }
            None => {
                odd = Odd { verbatim: true, below: Vec::new() };
                self.renamed(&raw, slots, &mut odd)?
            }
        };
        self.fresh.trees.insert(*id, root);
        if odd != Odd::default() {
            self.fresh.odd.insert(*id, odd);
        }
        Ok(root)
    }

    fn parse(&self, id: &ObjectId, raw: &[u8], odd: &mut Odd) -> Result<Vec<Slot>, Error> {
        let malformed = |why| Error::Malformed { id: *id, why };
        let mut slots: Vec<Slot> = Vec::with_capacity(raw.len() / 32);
        let mut rest = raw;
        while let Some(entry) = raw::next_entry(self.git.hash(), &mut rest).map_err(malformed)? {
            let (mode, is_usual) =
                Mode::parse(entry.mode).ok_or_else(|| malformed("a mode is no number"))?;
            odd.verbatim |= !is_usual;
            let start = slots.last().map_or(0, |slot| slot.end);
            let name = start + entry.mode.len() + 1;
            let slot = Slot {
                start,
                name,
                id: name + entry.name.len() + 1,
                end: start + entry.bytes.len(),
                mode,
            };
            if let Some(last) = slots.last() {
                let key = |slot: &Slot| (&raw[slot.name..slot.id - 1], slot.mode == Mode::Tree);
                odd.verbatim |= raw::git_order(key(last), key(&slot)) != Ordering::Less;
            }
            slots.push(slot);
        }
        Ok(slots)
    }

    /// Converts a tree whose names are all different; `None` if one of them is not lawful here.
    fn plain(
        &mut self,
        raw: &[u8],
        slots: &[Slot],
        odd: &mut Odd,
    ) -> Result<Option<(Root, Vec<Span>)>, Error> {
        let mut spans: Vec<Span> = Vec::new();
        let mut old = 0;
        let mut first = 0;
        while first < slots.len() {
            let span = match self.same_as_before(raw, slots, first, &mut old) {
                Some(span) => span,
                None => match self.leaf(raw, slots, first)? {
                    Some(span) => span,
                    None => return Ok(None),
                },
            };
            first += span.count;
            spans.push(span);
        }
        let mut builder = Builder::new();
        for span in &spans {
            odd.verbatim |= span.verbatim;
            odd.below.extend(span.below.iter().cloned());
            builder.push_node(0, span.child.clone(), &mut self.writer)?;
        }
        Ok(Some((builder.finish(&mut self.writer)?, spans)))
    }

    /// The leaf that begins here, if it stood like this in the version before.
    fn same_as_before(
        &self,
        raw: &[u8],
        slots: &[Slot],
        first: usize,
        old: &mut usize,
    ) -> Option<Span> {
        let before = &self.before;
        let name = slots[first].name(raw);
        let span = loop {
            let span = before.spans.get(*old)?;
            match before.slots[span.first].name(&before.raw).cmp(name) {
                Ordering::Less => *old += 1,
                Ordering::Equal => break span,
                Ordering::Greater => return None,
            }
        };
        let now = slots.get(first..first + span.count)?;
        if !span.closed && first + span.count != slots.len() {
            return None;
        }
        let then = &before.slots[span.first..span.first + span.count];
        let is_same = now.iter().zip(then).all(|(a, b)| a.bytes(raw) == b.bytes(&before.raw));
        is_same.then(|| Span { first, ..span.clone() })
    }

    /// Makes the leaf that begins here; `None` if a name in it is not lawful.
    fn leaf(&mut self, raw: &[u8], slots: &[Slot], first: usize) -> Result<Option<Span>, Error> {
        let mut entries = Vec::new();
        let (mut verbatim, mut below) = (false, Vec::new());
        let mut closed = false;
        for slot in &slots[first..] {
            let name = slot.name(raw);
            if check_name(name).is_err() {
                return Ok(None);
            }
            let id = &raw[slot.id..slot.end];
            let entry = self.entry(name.to_vec(), slot.mode, id, &mut verbatim, &mut below)?;
            entries.push(entry);
            if boundary::ends(name, 0, entries.len()) {
                closed = true;
                break;
            }
        }
        let count = entries.len();
        let node = Node::Leaf(entries);
        let child = Child {
            last: node.last().unwrap_or_default().to_vec(),
            totals: node.totals(),
            node: self.writer.put(Kind::Tree, node.to_bytes())?,
        };
        Ok(Some(Span { first, count, child, closed, verbatim, below }))
    }

    fn entry(
        &mut self,
        name: Vec<u8>,
        mode: Mode,
        id: &[u8],
        verbatim: &mut bool,
        below: &mut Vec<(Vec<u8>, ObjectId)>,
    ) -> Result<Entry, Error> {
        let entry = |mode, what, name| Entry { name, mode, mtime: None, attributes: None, what };
        if mode == Mode::Gitlink {
            return Ok(entry(0, What::Gitlink { commit: id.to_vec() }, name));
        }
        let id = raw::id_from_bytes(id).unwrap_or(self.git.hash().null());
        if mode == Mode::Tree {
            let root = self.tree(&id)?;
            if self.odd(&id).is_some() {
                below.push((name.clone(), id));
            }
            let (files, bytes) = (root.totals.files, root.totals.bytes);
            return Ok(entry(0o755, What::Directory { files, bytes, tree: root.id }, name));
        }
        let Content { size, id: content } = self.content(&id)?;
        Ok(match mode {
            Mode::Symlink if (1..=16 * 1024).contains(&size) => {
                entry(0, What::Symlink { size, target: content }, name)
            }
            Mode::Executable => entry(0o755, What::File { size, content }, name),
            _ => {
                // A link that no system could follow is kept as a file.
                *verbatim |= mode == Mode::Symlink;
                entry(0o644, What::File { size, content }, name)
            }
        })
    }

    /// Converts a tree whose names cannot all stand in one of Annals.
    fn renamed(&mut self, raw: &[u8], mut slots: Vec<Slot>, odd: &mut Odd) -> Result<Root, Error> {
        slots.sort_by_key(|slot| slot.start);
        let names = legal_names(slots.iter().map(|slot| slot.name(raw)));
        let mut named: Vec<(Vec<u8>, Slot)> = names.into_iter().zip(slots).collect();
        named.sort_by(|a, b| a.0.cmp(&b.0));
        let mut builder = Builder::new();
        for (name, slot) in named {
            let id = &raw[slot.id..slot.end];
            let entry = self.entry(name, slot.mode, id, &mut odd.verbatim, &mut odd.below)?;
            builder.push(entry, &mut self.writer)?;
        }
        Ok(builder.finish(&mut self.writer)?)
    }

    /// The trees that git would not write below a root, with their paths in Annals.
    pub(super) fn odd_trees(&mut self, root: &ObjectId) -> Result<RawTrees, Error> {
        let mut found: Vec<(Vec<u8>, ObjectId)> = Vec::new();
        let mut queue = vec![(Vec::new(), *root)];
        while let Some((path, id)) = queue.pop() {
            let Some(odd) = self.odd(&id) else { continue };
            for (name, id) in &odd.below {
                let mut path = path.clone();
                if !path.is_empty() {
                    path.push(b'/');
                }
                path.extend_from_slice(name);
                queue.push((path, *id));
            }
            if odd.verbatim {
                found.push((path, id));
            }
        }
        found.sort();
        let read = |(path, id): (Vec<u8>, ObjectId)| Ok((path, self.ask(&id, Type::Tree)?));
        found.into_iter().map(read).collect()
    }
}

/// An object must be of the type it is used as.
pub(super) fn check_type(id: &ObjectId, found: Type, wanted: Type) -> Result<(), Error> {
    match (found, wanted) {
        _ if found == wanted => Ok(()),
        (_, Type::Blob) => Err(Error::Malformed { id: *id, why: "it should be a blob" }),
        (_, Type::Tree) => Err(Error::Malformed { id: *id, why: "it should be a tree" }),
        (_, Type::Commit) => Err(Error::Malformed { id: *id, why: "it should be a commit" }),
        (_, Type::Tag) => Err(Error::Malformed { id: *id, why: "it should be a tag" }),
    }
}
