//! Changing the working tree so that an interruption at any point can be finished (rule 20).
//!
//! First what is to be done is written down durably, then files change, then the index, then one
//! record moves HEAD, then the note goes. Whoever finds a note whose command is dead finishes it
//! before anything is recorded: a path that is as before is changed, one that is as it should be
//! stays, one that is a cut or zero-filled version of what it should be goes to `lost-found` and is
//! written again, and anything else is the user's and stays. A command that throws away unsaved work
//! names those paths with what stood there: as long as just that stands there, it is overwritten.

mod finish;
mod lost;
mod note;
mod plan;

pub(super) use finish::{finish_interrupted, holds, holds_in};
pub(super) use lost::{Before, Lost};
pub use note::{Overwritten, Pending, PendingRef, PendingTarget, Stamp, Unknown};
pub(super) use note::{is_pending, remove_note};
pub(super) use plan::{Plan, apply, carry_out, carry_out_by, lock, sync_written, taken};
