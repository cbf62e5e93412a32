//! What the program promises its users, one file a capability.

mod branch;
mod calling;
mod commit;
mod config;
mod diff;
mod follow;
mod fsck;
mod json;
mod kept;
mod log;
mod ls;
mod merge;
mod merge_base;
mod merge_tree;
mod reference;
mod renames;
mod repack;
mod reset;
mod restore;
mod revisions;
mod show;
mod status;
mod switch;
mod tag;
mod terminal;
mod undo;
