//! Tables: objects of one kind with their lengths, kept where every repository has them.
//!
//! The table of a content pack says what the pack holds: a store that loses the pack knows exactly
//! what it lost, and a clone knows what each of a store's packs held. The same shape lists dead
//! objects of a metadata pack, one table for each kind.

use crate::codec::{Decode, Encode, Error, Validate};
use crate::hash::{Id, Kind};

use super::{LONGEST_OBJECT, Object};

/// The most objects of one pack.
pub const MOST_OBJECTS: usize = 65_536;

/// One object of a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct TableRow {
    /// Which object.
    pub id: Id,
    /// Its length in bytes.
    pub length: u32,
}

/// Objects of one pack: all of a pack of class `list`, `near` or `data`, or dead ones.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Table {
    /// The number of the kind that all of them have.
    pub kind: u8,
    /// The objects, sorted by id, each once.
    pub rows: Vec<TableRow>,
}

impl Validate for Table {
    fn validate(&self) -> Result<(), Error> {
        if Kind::from_number(self.kind).is_none() {
            return Err(Error::Invalid("a table is of an unknown kind"));
        }
        if self.rows.is_empty() || self.rows.len() > MOST_OBJECTS {
            return Err(Error::Invalid("a table has too few or too many rows"));
        }
        if !self.rows.is_sorted_by(|a, b| a.id < b.id) {
            return Err(Error::Invalid("a table is not sorted"));
        }
        if !self.rows.iter().all(|row| (1..=LONGEST_OBJECT).contains(&row.length)) {
            return Err(Error::Invalid("a table has an object of an impossible length"));
        }
        Ok(())
    }
}

impl Object for Table {
    const KIND: Kind = Kind::Table;
}
