//! Annotated tags: a name and words for an object.

use crate::codec::{Decode, Encode, Error, Validate};
use crate::hash::{Id, Kind};

use super::{Header, Object, Signature};

/// An annotated tag.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Tag {
    /// The object it names.
    pub target: Id,
    /// The number of that object's kind.
    pub target_kind: u8,
    /// The tag's name.
    pub name: Vec<u8>,
    /// Who made it; old tags in git may not say.
    pub tagger: Option<Signature>,
    /// Why.
    pub message: Vec<u8>,
    /// Further headers, in order.
    pub headers: Vec<Header>,
}

impl Validate for Tag {
    fn validate(&self) -> Result<(), Error> {
        match Kind::from_number(self.target_kind) {
            Some(Kind::Commit | Kind::Tree | Kind::Tag | Kind::Manifest | Kind::Chunk) => {}
            _ => return Err(Error::Invalid("a tag names an object of an unknown kind")),
        }
        if self.name.is_empty() || self.name.iter().any(|byte| matches!(byte, b'\n' | 0)) {
            return Err(Error::Invalid("a tag has no proper name"));
        }
        self.tagger.as_ref().map_or(Ok(()), Validate::validate)?;
        self.headers.iter().try_for_each(Validate::validate)
    }
}

impl Object for Tag {
    const KIND: Kind = Kind::Tag;
}
