//! What differs: between two trees, and between two texts.
//!
//! Comparing trees reads only nodes that differ, so its cost follows the change and not the
//! collection. A modification time alone is no difference. Which changes are one file under two
//! names is found in `renames`, afterwards. Nothing here reads a working tree.

mod change;
pub mod renames;
pub mod stat;
pub mod text;
mod walk;

pub use change::{Change, Status};
pub use walk::{differ, entries, trees};
