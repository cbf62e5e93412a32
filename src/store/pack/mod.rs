//! Packs: immutable files of many objects.
//!
//! ```text
//! header | frame | frame | … | table | trailer
//! ```
//!
//! A frame is one or more objects compressed as one, or left as they are. The table says what each
//! frame holds, in order. The trailer says where the table is and ends with the BLAKE3 of
//! everything before it. A pack is written beside, synced and renamed: it is complete or it is not
//! there. An archive is a pack whose frames may be longer: for content that is rarely read.

pub(crate) mod frame;
mod name;
mod reader;
mod stream;
mod writer;

use thiserror::Error;

use crate::codec::{self, Decode, Encode, Validate};
use crate::hash::{Id, Kind};
use crate::object::{MOST_OBJECTS, Table, TableRow};

pub use frame::{Frame, FrameBuilder, Level, MOST_ARCHIVE_FRAME_BYTES, MOST_FRAME_BYTES};
pub use name::{NAME, PackName};
pub use reader::{Outcome, PackReader, check_pack, read_table};
pub use stream::Blocks;
pub use writer::{PackWriter, Written};

/// What a pack holds, which decides who keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Commits, tags, trees, manifests, tables: complete in every repository.
    Meta,
    /// Chunk lists: wherever their content is.
    List,
    /// Content of at most 16 KiB, text of at most 1 MiB: brought by default.
    Near,
    /// All other content.
    Data,
}

impl Class {
    /// All classes.
    pub const ALL: [Self; 4] = [Self::Meta, Self::List, Self::Near, Self::Data];

    /// Its name in the journal and its folder.
    pub fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::List => "list",
            Self::Near => "near",
            Self::Data => "data",
        }
    }

    /// The class of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }

    /// Its number in pack headers.
    pub fn number(self) -> u8 {
        match self {
            Self::Meta => 1,
            Self::List => 2,
            Self::Near => 3,
            Self::Data => 4,
        }
    }

    /// Whether objects of this kind belong into packs of this class.
    pub fn holds(self, kind: Kind) -> bool {
        match self {
            Self::Meta => !matches!(kind, Kind::Chunk | Kind::List),
            Self::List => kind == Kind::List,
            Self::Near | Self::Data => kind == Kind::Chunk,
        }
    }
}

/// The first bytes of every pack.
pub const MAGIC: [u8; 8] = *b"ANNLPACK";
/// The version that is written.
pub const VERSION: u8 = 1;
/// Where the header says whether a pack is an archive: 1 if it is, else 0.
const ARCHIVE_AT: usize = 10;
/// Length of the header in bytes.
pub const HEADER_BYTES: u64 = 16;
/// The longest table: 65,536 frames of one object each, with every number as long as it gets.
pub const MOST_TABLE_BYTES: u64 = 10 + (16 + 38) * MOST_OBJECTS as u64;
/// Length of the trailer in bytes: where the table is, its length, and the hash.
pub const TRAILER_BYTES: u64 = 8 + 8 + 32;

/// How the bytes of a frame stand in the pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Form {
    /// As they are.
    Raw,
    /// One zstd frame.
    Zstd,
}

/// What the table says of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct FrameRow {
    /// How its bytes stand in the pack.
    pub form: Form,
    /// How many bytes it takes in the pack.
    pub stored: u32,
    /// How many bytes its objects are together.
    pub raw: u32,
    /// How many objects it holds.
    pub objects: u32,
}

/// What the table says of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ObjectRow {
    /// The number of its kind.
    pub kind: u8,
    /// Its id.
    pub id: Id,
    /// Its length in bytes.
    pub length: u32,
}

/// The table of a pack: frames as they follow each other, and their objects likewise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct PackTable {
    /// The frames.
    pub frames: Vec<FrameRow>,
    /// The objects of all frames.
    pub objects: Vec<ObjectRow>,
}

impl PackTable {
    /// The object that says in metadata what a content pack holds; `None` for one of metadata.
    pub fn to_object(&self, class: Class) -> Option<Table> {
        let kind = match class {
            Class::Meta => return None,
            Class::List => Kind::List,
            Class::Near | Class::Data => Kind::Chunk,
        };
        let row = |row: &ObjectRow| TableRow { id: row.id, length: row.length };
        let mut rows: Vec<TableRow> = self.objects.iter().map(row).collect();
        rows.sort_unstable();
        rows.dedup_by_key(|row| row.id);
        Some(Table { kind: kind.number(), rows })
    }
}

impl PackTable {
    /// Whether a frame is longer than those of packs that are no archives.
    fn has_long_frames(&self) -> bool {
        self.frames.iter().any(|frame| frame.raw as usize > MOST_FRAME_BYTES)
    }
}

impl Validate for PackTable {
    fn validate(&self) -> Result<(), codec::Error> {
        if self.frames.is_empty() || self.objects.len() > MOST_OBJECTS {
            return Err(codec::Error::Invalid("a pack has no frames or too many objects"));
        }
        let mut objects = self.objects.iter();
        for frame in &self.frames {
            if u64::from(frame.raw) > MOST_ARCHIVE_FRAME_BYTES as u64 || frame.objects == 0 {
                return Err(codec::Error::Invalid("a frame is empty or too long"));
            }
            if frame.form == Form::Raw && frame.raw != frame.stored {
                return Err(codec::Error::Invalid("a raw frame has two lengths"));
            }
            // Also bounds what is read for a frame.
            if frame.form == Form::Zstd && frame.stored >= frame.raw {
                return Err(codec::Error::Invalid("a compressed frame is not shorter"));
            }
            let mut sum = 0u64;
            for _ in 0..frame.objects {
                let Some(row) = objects.next() else {
                    return Err(codec::Error::Invalid("a frame has more objects than its pack"));
                };
                if Kind::from_number(row.kind).is_none() {
                    return Err(codec::Error::Invalid("an object is of an unknown kind"));
                }
                if row.length == 0 {
                    return Err(codec::Error::Invalid("an object has no bytes"));
                }
                sum += u64::from(row.length);
            }
            if sum != u64::from(frame.raw) {
                return Err(codec::Error::Invalid("the objects of a frame do not add up"));
            }
        }
        if objects.next().is_some() {
            return Err(codec::Error::Invalid("a pack has objects outside its frames"));
        }
        Ok(())
    }
}

/// What is wrong with the bytes of a pack.
#[derive(Debug, Error)]
pub enum Damage {
    /// It is too short, or its header, trailer or table make no sense.
    #[error("{0}")]
    Shape(&'static str),
    /// It is of another version.
    #[error("it is of version {0}")]
    Version(u8),
    /// The table does not decode.
    #[error("its table: {0}")]
    Table(codec::Error),
    /// Its bytes do not have the hash it ends with.
    #[error("its bytes do not match its hash")]
    Hash,
    /// A frame does not decompress to what the table says.
    #[error("frame {0} does not decompress to what the table says")]
    Frame(usize),
    /// An object does not have the id the table says.
    #[error("{kind} {id} is not what its id says")]
    Object {
        /// Its kind.
        kind: Kind,
        /// The id it should have.
        id: Id,
    },
}
