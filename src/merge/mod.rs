//! Merging: two trees and what they were made from, or two commits.
//!
//! Pure: a merge is a function of three trees, of the texts that both sides changed, and of those
//! that may be such a text under another name. It reads only what differs, writes through a
//! [`Contents`], and knows no ref, no index and no working tree. Where a text is needed that is not
//! here, it gives no other answer: it names what it needs ([`Answer::Needs`]).
//!
//! [`trees`] merges two trees with a base, [`commits`] two commits: their bases are found and, if
//! there are several, merged first. Renames of files and directories are followed. What nobody can
//! decide is a [`Conflict`]: the merged tree then holds a text with markers, or the version of one
//! side, or, if asked for ([`Unsettled::Keep`]), an entry with all versions, and the conflict says
//! which entries it is made of. No line of either side is lost that the other did not delete.
//!
//! What git merges is merged as git does it, down to the lines of a conflict; git's tests of merges
//! and of directory renames are the words in which this is discussed. What git has no notion of:
//! permission bits are merged bit by bit, attributes field by field, an empty directory stays if
//! nobody removed it, and of two modification times the later counts.
//!
//! [`show`] makes of an entry with all versions what a person is to look at.
//!
//! Nothing here reads a clock, and no choice depends on which side is called ours, other than whose
//! lines come first in a conflict.

mod attributes;
mod base;
mod content;
mod moves;
mod outcome;
mod request;
mod settle;
mod show;
mod terms;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
pub mod text;
mod trees;
mod version;

pub use base::commits;
pub use outcome::{Answer, Conflict, ConflictKind, Merged, Message, Need};
pub use request::{
    Contents, Driven, Driver, Favour, Follow, Handling, Labels, NoDriver, Options, Request, Style,
    Unsettled, Versions,
};
pub use show::{Shown, has_markers, show, versions};
pub use trees::trees;
