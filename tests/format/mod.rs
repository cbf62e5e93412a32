//! Whether the bytes are what `docs/format.md` says, for ever, and whether other bytes are refused.

mod golden;
mod hostile;
mod memory;
mod old_repositories;
mod page;
mod properties;
pub(crate) mod samples;
mod second_encoder;
