//! Trees: one directory as a history-independent balanced tree of nodes.
//!
//! The same entries give the same nodes whatever the order of edits, a directory of ten million
//! files changes in a few nodes, and two versions are compared by walking only what differs.
//! Inner nodes and directory entries carry totals, so sizes need no walk.

mod builder;
mod cursor;
mod edit;
mod entry;
mod node;

pub use builder::{Builder, Root};
pub use cursor::{Cursor, Head, find};
pub use edit::{Edit, edit, edit_directory};
pub use entry::{Entry, Term, What};
pub use node::{Child, Node, Totals};
