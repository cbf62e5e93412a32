//! Merging two trees or commits without a working tree.
//!
//! The merged tree is durable when this returns, as any recorded tree, and its id can be given to
//! every command that takes a tree. No ref names it: whoever wants to keep it commits it, and until
//! then it is as safe from a later clean-up as anything that was recorded and given up.

use crate::hash::Id;
use crate::history::{StoredGraph, ancestor};
use crate::merge::{self, Answer, Driver, Merged, Need, Request};
use crate::path::RepoPath;
use crate::repo::{Person, Repository};
use crate::store::{Batch, Publication};

use super::Error;
use super::begin::until_undisturbed;
use super::workspace::{CONFLICTS, Workspace};

/// What is merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sides {
    /// Two commits, by all their best common ancestors.
    Commits {
        /// Ours and theirs.
        commits: [Id; 2],
        /// What happens if they have no common ancestor.
        unrelated: Unrelated,
    },
    /// Two trees, and what they were made from.
    Trees {
        /// The base.
        base: Id,
        /// Ours and theirs.
        trees: [Id; 2],
    },
}

/// Whether commits without a common ancestor are merged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unrelated {
    /// They are not.
    #[default]
    Refused,
    /// As if they had been made from nothing.
    Allowed,
}

/// How.
pub struct Options<'a> {
    /// What is merged.
    pub sides: Sides,
    /// How it is merged.
    pub merge: merge::Options,
    /// Programs that merge what lines cannot.
    pub driver: &'a dyn Driver,
}

/// Merges, and writes the merged tree.
pub fn run(repo: &Repository, actor: &Person, options: &Options<'_>) -> Result<Merged, Error> {
    until_undisturbed(repo, || attempt(repo, actor, options))
}

fn attempt(repo: &Repository, actor: &Person, options: &Options<'_>) -> Result<Merged, Error> {
    let mut room = Workspace::new(repo.store());
    let answer = match options.sides {
        Sides::Trees { base, trees: [ours, theirs] } => {
            let Options { merge: options, driver, .. } = options;
            let request = Request { base: Some(base), ours, theirs, options, driver: *driver };
            merge::trees(&mut room, &request)?
        }
        Sides::Commits { commits, unrelated } => {
            let graph = StoredGraph::open(repo.store());
            if unrelated == Unrelated::Refused
                && ancestor::merge_bases(&graph, &commits[0], &commits[1])?.is_empty()
            {
                let [ours, theirs] = commits;
                return Err(Error::NothingInCommon { ours, theirs });
            }
            let answer =
                merge::commits(&mut room, &graph, commits, &options.merge, options.driver)?;
            graph.save();
            answer
        }
    };
    let merged = match answer {
        Answer::Merged(merged) => merged,
        Answer::Needs(needs) => return Err(lacking(&needs)),
    };
    if room.is_new(&merged.tree) {
        let batch = Batch::begin(repo.store())?;
        let mut writer = batch.writer();
        let has_conflicts = room.write(&merged.tree, &mut writer)?;
        writer.flush()?;
        drop(writer);
        let mut publication =
            Publication::new("merge-tree", &actor.to_actor()).with_packs(batch.seal()?);
        if has_conflicts {
            publication = publication.requiring(true, CONFLICTS);
        }
        repo.store().publish(publication)?;
    }
    Ok(merged)
}

/// That a merge cannot go on without these.
pub(super) fn lacking(needs: &[Need]) -> Error {
    let mut paths: Vec<RepoPath> = needs.iter().map(|need| need.path.clone()).collect();
    paths.sort();
    paths.dedup();
    Error::Elsewhere { paths }
}
