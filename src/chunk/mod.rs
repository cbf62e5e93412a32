//! Cutting content into chunks, and recognising similar content without its bytes.
//!
//! `parameters` holds the numbers of format 1, `boundaries` finds where a chunk ends, `sketch` is
//! what a manifest remembers of a file's lines, and `sketcher` computes it while the bytes go by.
//!
//! Everything here is a pure function of the content: the same bytes give the same chunks and the
//! same sketch in every repository, on every machine, however they were read. Manifest ids depend
//! on that, so a change to any number here is a change of format.
//!
//! Hashing is not here: a chunk's id is `hash`'s business. Nothing here reads a file.

mod boundaries;
mod parameters;
mod sketch;
mod sketcher;
mod spans;

pub use boundaries::{next, zero_run};
pub use parameters::{CHUNKER, LARGEST, SMALL, Sizes, sizes};
pub use sketch::{SPAN_LIMIT, Sketch, band_keys, equal_slots, estimate};
pub use sketcher::Sketcher;
