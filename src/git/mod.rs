//! Git: histories of git as histories of Annals, and back.
//!
//! `pipe` speaks with the program `git`, which reads and writes its repositories; `raw` knows what
//! its objects say; `convert`, `trees` and `content` turn them into objects of Annals, as a pure
//! function of their bytes, so that two people who import the same history get the same ids.
//! Whatever Annals has no place for is kept verbatim in headers of commits and tags. `encoding` reads
//! words that are not in UTF-8, for whoever shows them.
//!
//! Refs are not here: which of them move is decided by `ops`.

mod content;
mod convert;
mod delta;
mod encoding;
mod error;
mod export;
mod gather;
mod held;
mod ids;
mod import;
mod known;
mod leaves;
mod names;
mod pack;
mod pipe;
mod raw;
mod trees;

pub use encoding::{encoding, readable};
pub use error::Error;
pub use export::{Exporter, LeftOut, Written};
pub use ids::{IdHasher, IdMap};
pub use import::{Converted, Imported, Known, Pace, Plan, import};
pub use known::{commit_of, hash_of, known_commits};
pub use pipe::{Git, GitRef, Listed, Reader};
pub use raw::Type;
