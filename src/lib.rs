//! Annals: version control for collections of files that are too big, too many or too scattered
//! for git.
//!
//! # The floor plan
//!
//! A module uses only floors below it; neighbours on a floor do not know each other.
//! `tests/tidy.rs` reads this table and holds the code to it.
//!
//! ```text
//! 8  ops
//! 7  repo
//! 6  git merge worktree
//! 5  diff history
//! 4  store index config
//! 3  blobs table
//! 2  disk
//! 1  chunk object
//! 0  hash clock progress slip
//!    codec path
//! ```

pub mod chunk;
pub mod clock;
pub mod codec;
pub mod config;
pub mod diff;
pub mod disk;
pub mod git;
pub mod hash;
pub mod history;
pub mod index;
pub mod merge;
pub mod object;
pub mod ops;
pub mod path;
pub mod progress;
pub mod repo;
pub mod slip;
pub mod store;
pub mod table;
pub mod worktree;
