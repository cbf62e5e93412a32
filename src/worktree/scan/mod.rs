//! Scanning: what in the working tree may differ from what the index knows.
//!
//! Directories are tasks, taken depth first and in the order of a walk by as many threads as there
//! are processors. Each is listed with the stat of all its names and compared with the index's
//! rows for it, both in the order of names. A large one that still has the names it had when it was
//! listed is not listed: see [`Listed`](crate::index::Listed). What is found is told to a [`Visitor`] by the thread
//! that found it; nothing is kept here, so memory does not depend on the number of files. No file
//! is opened but rule files: where only reading can tell, the change is [`ChangeKind::Unsure`].
//!
//! Always true: a deletion is concluded only from a row that was here. What was not brought, what
//! cannot be represented, what lies in a directory that could not be read, and everything if the
//! index is lost, is never deleted. A directory announced with `descend` is told of itself later,
//! or is in [`Summary::unreadable`].
//!
//! Deliberately absent: reading content, and scanning again when the index turns out to be
//! damaged; whoever asked decides about both.

mod as_listed;
mod compare;
mod directory;
mod found;
mod named;
mod queue;
mod request;
mod sparing;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod testing;
mod untracked;
mod vanished;
mod walk;

pub use found::{Change, ChangeKind, DirectoryFound, Subdirectory, Summary, Visitor};
pub use request::{Error, Nested, Request, Untracked};
pub use walk::scan;
