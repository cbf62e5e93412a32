//! Objects: what their bytes mean.
//!
//! Pure: nothing here reads or writes a file. Where building or reading needs other objects, it
//! goes through [`Source`] and [`Sink`], which the store implements. Every object decodes strictly
//! and validates itself; `docs/format.md` has the bytes.

mod attributes;
pub mod boundary;
mod commit;
pub mod manifest;
mod table;
mod tag;
pub mod tree;

use std::sync::Arc;

use crate::codec::{self, Decode, Encode, Validate};
use crate::hash::{Id, Kind};

pub use attributes::{Attributes, Device, Owner};
pub use commit::{Commit, Header, Signature};
pub use manifest::{ChunkRef, Chunks, List, Manifest};
pub use table::{MOST_OBJECTS, Table, TableRow};
pub use tag::Tag;
pub use tree::{Entry, Node, Term, What};

/// No object is longer, in bytes.
pub const LONGEST_OBJECT: u32 = 4 << 20;

/// A kind of object whose bytes are a value of a type.
pub trait Object: Encode + Decode<()> + Validate + Sized {
    /// The kind that is written.
    const KIND: Kind;

    /// Reads the object from its bytes.
    fn from_bytes(bytes: &[u8]) -> Result<Self, codec::Error> {
        codec::decode(bytes)
    }

    /// Its bytes.
    fn to_bytes(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Its id.
    fn id(&self) -> Id {
        Self::KIND.id_of(&self.to_bytes())
    }
}

/// Gives objects by id.
pub trait Source {
    /// What can go wrong.
    type Error: From<codec::Error>;

    /// The bytes of an object of this kind.
    fn bytes(&self, kind: Kind, id: &Id) -> Result<Arc<[u8]>, Self::Error>;

    /// The bytes of an object, or `None` if it is not here. Where that can be told from other
    /// trouble, it is; elsewhere an object that is not here is an error.
    fn bytes_if_here(&self, kind: Kind, id: &Id) -> Result<Option<Arc<[u8]>>, Self::Error> {
        self.bytes(kind, id).map(Some)
    }

    /// Hands over many objects, each with its place in the list: as `None` if it is not here. They
    /// come in any order, and stores read them with several threads.
    fn each_if_here(&self, wanted: &[(Kind, Id)], take: &Take<'_>) -> Result<(), Self::Error> {
        for (at, (kind, id)) in wanted.iter().enumerate() {
            take(at, self.bytes_if_here(*kind, id)?.as_deref())?;
        }
        Ok(())
    }

    /// A decoded tree node. Stores override this to keep nodes they have decoded.
    fn tree(&self, id: &Id) -> Result<Arc<Node>, Self::Error> {
        Ok(Arc::new(Node::from_bytes(&self.bytes(Kind::Tree, id)?)?))
    }

    /// A decoded object.
    fn object<T: Object>(&self, id: &Id) -> Result<T, Self::Error> {
        Ok(T::from_bytes(&self.bytes(T::KIND, id)?)?)
    }
}

/// Takes the objects that [`Source::each_if_here`] reads.
pub type Take<'t> = dyn Fn(usize, Option<&[u8]>) -> Result<(), codec::Error> + Sync + 't;

/// [`Source::each_if_here`] for a source that has some objects of its `own` and takes all others
/// from another.
pub fn each_of_two<S: Source>(
    own: impl Fn(Kind, &Id) -> Option<Arc<[u8]>>,
    others: &S,
    wanted: &[(Kind, Id)],
    take: &Take<'_>,
) -> Result<(), S::Error> {
    let (mut places, mut rest) = (Vec::new(), Vec::new());
    for (at, &(kind, id)) in wanted.iter().enumerate() {
        match own(kind, &id) {
            Some(bytes) => take(at, Some(&bytes))?,
            None => {
                places.push(at);
                rest.push((kind, id));
            }
        }
    }
    others.each_if_here(&rest, &|at, bytes| take(places[at], bytes))
}

/// Takes objects.
pub trait Sink {
    /// What can go wrong.
    type Error;

    /// Keeps an object and tells its id.
    fn put(&mut self, kind: Kind, bytes: Vec<u8>) -> Result<Id, Self::Error>;
}

#[cfg(test)]
pub(crate) mod testing {
    //! A source and sink in memory.

    use std::cell::Cell;
    use std::collections::HashMap;
    use std::sync::Arc;

    use super::{Sink, Source};
    use crate::codec;
    use crate::hash::{Id, Kind};

    #[derive(Default)]
    pub(crate) struct Memory {
        pub(crate) objects: HashMap<Id, (Kind, Arc<[u8]>)>,
        pub(crate) reads: Cell<usize>,
    }

    impl Source for Memory {
        type Error = codec::Error;

        fn bytes(&self, kind: Kind, id: &Id) -> Result<Arc<[u8]>, codec::Error> {
            self.reads.set(self.reads.get() + 1);
            match self.objects.get(id) {
                Some((found, bytes)) if *found == kind => Ok(bytes.clone()),
                _ => Err(codec::Error::Invalid("not there")),
            }
        }

        fn bytes_if_here(&self, kind: Kind, id: &Id) -> Result<Option<Arc<[u8]>>, codec::Error> {
            if self.objects.contains_key(id) { self.bytes(kind, id).map(Some) } else { Ok(None) }
        }
    }

    impl Sink for Memory {
        type Error = codec::Error;

        fn put(&mut self, kind: Kind, bytes: Vec<u8>) -> Result<Id, codec::Error> {
            let id = kind.id_of(&bytes);
            self.objects.insert(id, (kind, bytes.into()));
            Ok(id)
        }
    }
}
