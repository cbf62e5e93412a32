//! The index: what was last seen of each path in the working tree.
//!
//! It names the commit it describes ([`Base`]), and for each path of that commit's tree says what
//! stands there, what its file looked like when that was last known ([`Seen`]), and whether it was
//! brought here at all ([`Presence`]). Marks of what is staged are not here: they are a ref.
//!
//! On disk, in `.annals/index/`: one immutable sorted run, mapped into memory, and a small redb
//! overlay of what changed since; the overlay names the run it belongs to, so both change in one
//! step. It also keeps how large directories were when they were listed ([`Listed`]). All of it is
//! derived. What is damaged is noticed and the whole index is then *lost*:
//! empty, without a base, and nothing may be concluded from it, least of all a deletion.
//!
//! Always true: a base is never paired with entries of another commit. Whoever changes the index
//! says which state the change builds on; if somebody was faster, nothing happens
//! ([`Updated::Skipped`]), the base then is not HEAD, and the next command catches up.

mod current;
mod entry;
mod fold;
mod key;
mod listed;
mod node;
mod overlay;
mod row;
mod run;
mod stat;
mod sum;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod testing;
mod update;
mod view;
mod volume;
mod writer;

pub use current::{Error, Index};
pub use entry::{Base, Known, Presence, Tracked};
pub use fold::Beside;
pub use listed::Listed;
pub use row::Row;
pub use stat::{Matches, Seen, is_settled};
pub use update::{Unsynced, Update, Updated};
pub use view::DirectoryView;
pub use volume::Volume;
pub use writer::IndexWriter;
