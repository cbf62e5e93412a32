//! Commits: a tree, where it came from, who recorded it, when and why.

use crate::codec::{Decode, Encode, Error, Validate};
use crate::hash::{Id, Kind};

use super::Object;

/// Who did something, and when.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Signature {
    /// A name, in any encoding (UTF-8 when Annals writes it).
    pub name: Vec<u8>,
    /// An e-mail address or whatever stands for one.
    pub email: Vec<u8>,
    /// Seconds since 1970-01-01 00:00:00 UTC.
    pub seconds: i64,
    /// Minutes east of UTC where it was done.
    pub zone_minutes: i16,
}

impl Validate for Signature {
    fn validate(&self) -> Result<(), Error> {
        let plain =
            |bytes: &[u8]| !bytes.iter().any(|byte| matches!(byte, b'\n' | 0 | b'<' | b'>'));
        if !plain(&self.name) || !plain(&self.email) {
            return Err(Error::Invalid(
                "a signature contains '<', '>', a line feed or a zero byte",
            ));
        }
        Ok(())
    }
}

/// A header that Annals itself has no place for, kept as it is.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Header {
    /// Its name: neither empty nor with spaces or control characters.
    pub name: Vec<u8>,
    /// Its value, any bytes.
    pub value: Vec<u8>,
}

impl Validate for Header {
    fn validate(&self) -> Result<(), Error> {
        if self.name.is_empty() || self.name.iter().any(|&byte| byte <= b' ') {
            return Err(Error::Invalid("a header has no proper name"));
        }
        Ok(())
    }
}

/// A commit.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Commit {
    /// The root of the tree that was recorded.
    pub tree: Id,
    /// The commits it follows; the first is the one it was made on.
    pub parents: Vec<Id>,
    /// Who made the change.
    pub author: Signature,
    /// Who recorded it.
    pub committer: Signature,
    /// Why, in the author's words.
    pub message: Vec<u8>,
    /// Further headers, in order, repeated where need be.
    pub headers: Vec<Header>,
}

impl Commit {
    /// The first line of the message.
    pub fn subject(&self) -> &[u8] {
        let message = bstr::ByteSlice::trim_start(&self.message[..]);
        message.split(|&byte| byte == b'\n').next().unwrap_or_default()
    }
}

impl Validate for Commit {
    fn validate(&self) -> Result<(), Error> {
        self.author.validate()?;
        self.committer.validate()?;
        self.headers.iter().try_for_each(Validate::validate)
    }
}

impl Object for Commit {
    const KIND: Kind = Kind::Commit;
}
