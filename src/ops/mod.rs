//! The verbs: one file each, with its options and its outcome.
//!
//! A verb takes an open repository, decides, and has it done by the floors below. It prints
//! nothing and asks nobody; what a person should know is in its outcome.

pub mod add;
mod begin;
pub mod branch;
pub mod cat;
pub mod commit;
pub mod diff;
mod error;
pub mod export;
pub mod follow;
pub mod fsck;
pub mod import;
pub mod init;
pub mod inspect;
mod kept;
pub mod log;
pub mod ls;
pub mod merge;
pub mod merge_base;
pub mod merge_tree;
pub mod merging;
mod moved;
pub mod mv;
mod overlay;
pub mod pending;
pub mod reflog;
mod relocated;
pub mod repack;
pub mod reset;
pub mod resolve;
pub mod restore;
pub mod revisions;
pub mod rm;
mod staging;
pub mod status;
pub mod switch;
pub mod tag;
mod travel;
pub mod undo;
mod workspace;

pub use error::Error;
