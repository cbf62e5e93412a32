//! Attributes: what the metadata profile `full` knows of a file beyond mode and time.

use crate::clock::Time;
use crate::codec::{Decode, Encode, Error, Validate};
use crate::hash::Kind;

use super::Object;

/// Whose a file is.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Owner {
    /// The user's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
    /// The user's name, if known.
    pub user: Vec<u8>,
    /// The group's name, if known.
    pub group: Vec<u8>,
}

/// What a special file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Device {
    /// A named pipe.
    Pipe,
    /// A block device of this major and minor number.
    Block(u32, u32),
    /// A character device of this major and minor number.
    Character(u32, u32),
}

/// Attributes of one entry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Attributes {
    /// Owner and group.
    pub owner: Option<Owner>,
    /// Extended attributes, ACLs among them, sorted by name; `None` where the file system has no
    /// such thing, which is not the same as having none.
    pub extended: Option<Vec<(Vec<u8>, Vec<u8>)>>,
    /// Entries of one tree that share this value are names of one file.
    pub link_group: Option<[u8; 16]>,
    /// Where the file has holes: offsets and lengths, ascending and apart; `None` where the file
    /// system does not tell.
    pub holes: Option<Vec<(u64, u64)>>,
    /// For special files: which.
    pub device: Option<Device>,
    /// When the file was made.
    pub birth: Option<Time>,
}

impl Validate for Attributes {
    fn validate(&self) -> Result<(), Error> {
        if *self == Self::default() {
            return Err(Error::Invalid("attributes that say nothing"));
        }
        let extended = self.extended.as_deref().unwrap_or_default();
        if !extended.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(Error::Invalid("extended attributes are not sorted"));
        }
        let mut end = 0;
        let holes = self.holes.as_deref().unwrap_or_default();
        for (index, &(offset, length)) in holes.iter().enumerate() {
            if length == 0 || (index > 0 && offset <= end) {
                return Err(Error::Invalid("holes touch or overlap"));
            }
            end = offset.checked_add(length).ok_or(Error::Invalid("a hole is too long"))?;
        }
        if self.birth.is_some_and(|birth| birth.nanoseconds >= 1_000_000_000) {
            return Err(Error::Invalid("a time has more than a second of nanoseconds"));
        }
        Ok(())
    }
}

impl Object for Attributes {
    const KIND: Kind = Kind::Attributes;
}
