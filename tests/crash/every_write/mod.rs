//! The power fails before the 1st, 2nd, 3rd … write of every verb, and what is left is judged.
//!
//! The store is as before or as after, what was acknowledged is there, fsck finds nothing, and the
//! next command works. The working tree becomes wholly the old or wholly the new one by the next
//! command. Then the same with the next command itself cut, with full disks, and with disks that
//! fail.
//!
//! A [`Verb`] is a command and what was there before it; its [`Story`] knows how both look, and runs
//! it on disks that die. `beginnings` and `commands` are what verbs are made of. What is shown is in
//! the files that are left: `power_loss`, `killed`, `conflicts`, `copies` and `failing`.

mod beginnings;
mod commands;
mod conflicts;
mod copies;
mod failing;
mod killed;
mod power_loss;
mod story;

pub(crate) use beginnings::furnish;

use annals::disk::Survival;

use super::*;
use story::{Story, Torn, Verb, unlike};

/// How a command ended.
type Done = Result<(), ops::Error>;
/// A command, given a disk.
type Run = fn(&Arc<dyn Disk>) -> Done;

/// What a power failure may leave of what was written and not synced.
const SURVIVALS: [Survival; 4] =
    [Survival::Nothing, Survival::Everything, Survival::Some(1), Survival::Some(2)];

/// The verb of this name.
fn named(verbs: &'static [Verb], name: &str) -> &'static Verb {
    verbs.iter().find(|verb| verb.name == name).unwrap()
}
