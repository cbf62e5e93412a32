//! The verbs: one file each, with its options and its outcome.
//!
//! A verb takes an open repository, decides, and has it done by the floors below. It prints
//! nothing and asks nobody; what a person should know is in its outcome.

pub mod commit;
mod error;
pub mod init;
mod moved;
mod pending;
mod staging;

pub use error::Error;
