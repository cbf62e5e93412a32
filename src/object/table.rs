//! Tables: what a content pack holds, kept where every repository has it.
//!
//! A store that loses a content pack knows from its table exactly what it lost, and a clone knows
//! what each of a store's packs held.

use crate::codec::{Decode, Encode, Error, Validate};
use crate::hash::{Id, Kind};

use super::Object;

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

/// The objects of one pack of class `list`, `near` or `data`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Table {
    /// The number of the kind that all of them have.
    pub kind: u8,
    /// The objects, sorted by id, each once.
    pub rows: Vec<TableRow>,
}

impl Validate for Table {
    fn validate(&self) -> Result<(), Error> {
        if !matches!(Kind::from_number(self.kind), Some(Kind::Chunk | Kind::List)) {
            return Err(Error::Invalid("a table is of neither chunks nor lists"));
        }
        if self.rows.is_empty() || self.rows.len() > MOST_OBJECTS {
            return Err(Error::Invalid("a table has too few or too many rows"));
        }
        if !self.rows.is_sorted_by(|a, b| a.id < b.id) {
            return Err(Error::Invalid("a table is not sorted"));
        }
        Ok(())
    }
}

impl Object for Table {
    const KIND: Kind = Kind::Table;
}
