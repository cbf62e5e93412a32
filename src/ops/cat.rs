//! The content of one file, of any size, in constant memory.

use std::io;

use crate::hash::{Id, Kind};
use crate::object::{Entry, Manifest, Source, What};
use crate::repo::Repository;
use crate::store::Store;
use crate::worktree::read_content;

use super::Error;

/// What is read.
#[derive(Clone, Debug)]
pub enum Options {
    /// What stands in a tree.
    Entry {
        /// As it was given, for messages.
        text: String,
        /// What was found there.
        entry: Entry,
    },
    /// An object, or a content id.
    Object {
        /// As it was given, for messages.
        text: String,
        /// Its id.
        id: Id,
        /// Its kind.
        kind: Kind,
    },
}

/// Passes the content on, piece by piece.
pub fn run(
    repo: &Repository,
    options: &Options,
    write: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> Result<(), Error> {
    let store = repo.store();
    match options {
        Options::Entry { text, entry } => match &entry.what {
            What::File { size, content } => copy(store, *size, content, write),
            What::Symlink { size, target } => copy(store, *size, target, write),
            What::Directory { .. } => Err(Error::Directory(text.clone())),
            _ => Err(Error::NoContent(text.clone())),
        },
        Options::Object { id, kind: Kind::Chunk, .. } => {
            write(&store.read(Kind::Chunk, id)?).map_err(Error::Write)
        }
        Options::Object { id, kind: Kind::Manifest, .. } => {
            // A content id counts as its manifest's.
            let (id, manifest) = match store.manifest_of(id)? {
                Some(found) => found,
                None => (*id, store.object::<Manifest>(id)?),
            };
            copy(store, manifest.size, &id, write)
        }
        Options::Object { text, kind: Kind::Tree | Kind::Commit, .. } => {
            Err(Error::Directory(text.clone()))
        }
        Options::Object { text, .. } => Err(Error::NoContent(text.clone())),
    }
}

fn copy(
    store: &Store,
    size: u64,
    content: &Id,
    write: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> Result<(), Error> {
    read_content(store, size, content, |piece| write(&piece).map_err(Error::Write))
}
