//! Derived tables: what is computed from the truth, kept in files, and made anew when it is lost.
//!
//! [`Database`] is a redb file that is opened late, held for milliseconds, and never wrong after a
//! crash; nothing outside this module names redb. [`SortedRun`] is an immutable file of rows
//! sorted by key, mapped into memory.
//!
//! Deliberately absent: what the tables mean. Whoever keeps something here can make it anew.

mod database;
mod pages;
mod run;

pub use database::{Batch, BatchTable, Database, Durability, Error, Opened};
pub use run::{KEY, RunBuilder, SortedRun};
