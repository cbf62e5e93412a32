//! `repack`: rewrites packs so that they take less room.
//!
//! Objects are put in the order of paths and versions and compressed thoroughly; none is added, none
//! is left out. Nothing else changes: no ref, no file, no id.

use crate::history;
use crate::progress::Monitor;
use crate::repo::{Person, Repository};

use super::{Error, begin};

pub use crate::store::{Extent, RepackPlan as Plan, Rewritten as Outcome};

/// What to rewrite.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which packs.
    pub extent: Extent,
    /// Who does it.
    pub actor: Person,
}

/// Which packs would be rewritten.
pub fn plan(repo: &Repository, options: &Options) -> Result<Plan, Error> {
    Ok(repo.store().plan_repack(options.extent)?)
}

/// Rewrites them, a round after the other; what was done stays done if a later one fails.
pub fn run(repo: &Repository, options: &Options, monitor: &dyn Monitor) -> Result<Outcome, Error> {
    let mut outcome = Outcome::default();
    repo.store().clear_up()?;
    begin::until_undisturbed(repo, || {
        let plan = plan(repo, options)?;
        outcome.unsound.extend(plan.unsound);
        for packs in plan.rounds {
            let mut repack = repo.store().begin_repack(&packs)?;
            history::arrange(repo.store(), &mut repack)?;
            let round = repack.run(&options.actor.to_actor(), monitor)?;
            outcome.packs_before += round.packs_before;
            outcome.bytes_before += round.bytes_before;
            outcome.packs += round.packs;
            outcome.bytes += round.bytes;
            outcome.objects += round.objects;
            outcome.unsound.extend(round.unsound);
        }
        Ok(())
    })?;
    outcome.unsound.sort_unstable();
    outcome.unsound.dedup();
    Ok(outcome)
}
