//! Recording: files of the working tree on their way into the store.

mod assemble;
mod content;
mod jobs;
mod rows;

pub use content::{Hand, Outcome, Recorded};
pub use jobs::Jobs;
