//! The working tree: where trees meet files.
//!
//! Scanning compares it with the index, recording reads it into the store, applying changes it
//! from one tree to another. Names are checked once more before anything is written.

mod apply;
pub mod ignore;
mod probe;
pub mod record;
pub mod scan;
mod spelling;
mod walker;

pub use crate::store::{read_content, read_small};
pub use apply::{Applied, Failed, Obstacles, Step, Target, apply, steps_between};
pub(crate) use apply::{holds_repository, is_of_repository};
pub use probe::{FileClock, volume};
pub use spelling::Spellings;
pub use walker::Walker;
