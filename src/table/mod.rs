//! Derived tables: sorted runs that are never written again.

mod run;

pub use run::{KEY, RunBuilder, SortedRun};
