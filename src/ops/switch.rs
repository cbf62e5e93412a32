//! `switch`: goes to another branch or commit, and brings the working tree along.

use crate::hash::Id;
use crate::history::refname;
use crate::object::{Commit, Node, Source};
use crate::path::{Pathspec, RepoPath};
use crate::progress::Monitor;
use crate::repo::{Head, Person, Repository, Rules, Working};
use crate::store::{Batch, RefEdit, Target};
use crate::worktree::Failed;

use super::pending::{self, Plan};
use super::travel::{self, Journey, Unsaved};
use super::{Error, begin, merging, moved, revisions, staging};

/// Where to go.
#[derive(Clone, Debug)]
pub enum To {
    /// A branch, by its short name.
    Branch(String),
    /// The branch or commit HEAD was on before.
    Previous,
    /// A new branch of this name, beginning at this revision or at HEAD.
    NewBranch {
        /// Its short name.
        name: String,
        /// Where it begins.
        start: Option<String>,
        /// Whether a branch of that name gives way.
        replace: bool,
    },
    /// A commit, on no branch.
    Detached(String),
}

/// How to go there.
#[derive(Clone, Debug)]
pub struct Options<'a> {
    /// Where.
    pub to: To,
    /// Throw away what would be overwritten.
    pub discard: bool,
    /// Who goes.
    pub actor: Person,
    /// Which rules of the user's hold.
    pub rules: Rules<'a>,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// Where HEAD is now.
    pub head: Head,
    /// Where HEAD was.
    pub from: Head,
    /// A branch that was made.
    pub created: Option<String>,
    /// HEAD is on a branch that was there and began anew.
    pub replaced: bool,
    /// Files written.
    pub written: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files removed.
    pub removed: u64,
    /// Paths that could not be changed.
    pub failed: Vec<Failed>,
    /// Paths this file system cannot hold.
    pub not_representable: Vec<RepoPath>,
}

/// Goes.
pub fn run(
    repo: &Repository,
    options: &Options<'_>,
    monitor: &dyn Monitor,
) -> Result<Outcome, Error> {
    let attempt = || attempt(repo, options, monitor);
    begin::run(repo, &options.actor, &options.rules, monitor, attempt)
}

fn attempt(
    repo: &Repository,
    options: &Options<'_>,
    monitor: &dyn Monitor,
) -> Result<Outcome, Error> {
    if !options.discard {
        merging::refuse(repo, "switch")?;
    }
    let from = repo.head();
    let goal = goal(repo, &options.to, monitor)?;
    let head_name = repo.head_name();
    let reason = format!("switch: moving from {} to {}", shown(&from), goal.shown);
    let mut refs = goal.refs;
    if let Some(target) = goal.head {
        refs.push(RefEdit {
            old: repo.store().target(&head_name),
            name: head_name,
            new: Some(target),
            reason,
        });
    }
    let mut working = repo.working(&options.rules, monitor)?;
    let to_tree = match goal.commit {
        Some(id) => Some(repo.store().object::<Commit>(&id)?.tree),
        None => None,
    };
    let plan = plan(&working, goal.commit, to_tree, refs, options, monitor)?;
    let applied = pending::carry_out(&mut working, plan, monitor)?;
    Ok(Outcome {
        head: repo.head(),
        from,
        created: goal.created,
        replaced: goal.replaced,
        written: applied.files,
        bytes: applied.bytes,
        removed: applied.removed,
        failed: applied.failed,
        not_representable: applied.not_representable,
    })
}

/// Where HEAD shall be.
struct Goal {
    commit: Option<Id>,
    /// What HEAD becomes; `None` if it stays.
    head: Option<Target>,
    refs: Vec<RefEdit>,
    created: Option<String>,
    replaced: bool,
    shown: String,
}

fn shown(head: &Head) -> String {
    match head {
        Head::Branch { name, .. } => name.trim_start_matches("refs/heads/").to_owned(),
        Head::Detached(id) => id.to_string(),
    }
}

fn goal(repo: &Repository, to: &To, monitor: &dyn Monitor) -> Result<Goal, Error> {
    let branch = |name: &str| -> Option<(String, Id)> {
        let full = format!("refs/heads/{name}");
        repo.store().resolve(&full).map(|id| (full, id))
    };
    let on_branch = |full: String, id: Id| Goal {
        commit: Some(id),
        shown: full.trim_start_matches("refs/heads/").to_owned(),
        head: Some(Target::Symbolic(full)),
        refs: Vec::new(),
        created: None,
        replaced: false,
    };
    match to {
        To::Branch(name) => {
            let (full, id) = branch(name).ok_or_else(|| Error::NotFound(name.clone()))?;
            Ok(on_branch(full, id))
        }
        To::Previous => {
            let head = repo.head_name();
            let moves = crate::history::Names::moves(repo, &head)?;
            let left = moves
                .iter()
                .find(|one| one.reason.starts_with("switch: moving from "))
                .and_then(|one| one.old.clone());
            match left {
                Some(Target::Symbolic(full)) => {
                    let short = full.trim_start_matches("refs/heads/").to_owned();
                    let id = repo.store().resolve(&full).ok_or(Error::NotFound(short))?;
                    Ok(on_branch(full, id))
                }
                Some(Target::Id(id)) => Ok(detached(id)),
                None => Err(Error::NotFound("-".to_owned())),
            }
        }
        To::NewBranch { name, start, replace } => {
            refname::check_branch(name)
                .map_err(|error| Error::BadName { name: name.clone(), why: error.to_string() })?;
            let full = format!("refs/heads/{name}");
            let old = repo.store().target(&full);
            if old.is_some() && !replace {
                return Err(Error::Exists { kind: "branch", name: name.clone() });
            }
            let replaced = old.is_some();
            let commit = match start {
                Some(start) => Some(revisions::commit(repo, start, monitor)?),
                None => repo.head().commit(),
            };
            let from = start.clone().unwrap_or_else(|| "HEAD".to_owned());
            let refs = commit
                .map(|id| RefEdit {
                    name: full.clone(),
                    old,
                    new: Some(Target::Id(id)),
                    reason: format!("branch: created from {from}"),
                })
                .filter(|edit| edit.old != edit.new);
            Ok(Goal {
                commit,
                head: Some(Target::Symbolic(full)),
                refs: refs.into_iter().collect(),
                created: (!replaced).then(|| name.clone()),
                replaced,
                shown: name.clone(),
            })
        }
        To::Detached(text) => Ok(detached(revisions::commit(repo, text, monitor)?)),
    }
}

fn detached(id: Id) -> Goal {
    Goal {
        commit: Some(id),
        head: Some(Target::Id(id)),
        refs: Vec::new(),
        created: None,
        replaced: false,
        shown: id.to_string(),
    }
}

/// What has to be done to get from what the index describes to a commit's tree.
fn plan(
    working: &Working<'_>,
    commit: Option<Id>,
    to_tree: Option<Id>,
    mut refs: Vec<RefEdit>,
    options: &Options<'_>,
    monitor: &dyn Monitor,
) -> Result<Plan, Error> {
    let repo = working.repo;
    let mut sealed = None;
    let mut goal_tree = to_tree;
    if let Some(staged) = working.staged {
        if options.discard {
            refs.extend(moved::staged(repo, None, "switch"));
        } else if staged.base == to_tree.unwrap_or_else(Node::empty_id) {
            goal_tree = Some(staged.tree);
        } else {
            // What is staged comes along, unless it is in the way.
            let changes = super::status::staged_changes(working, &Pathspec::all())?;
            let mut in_the_way = Vec::new();
            let mut edits = Vec::new();
            for change in changes {
                let there = |tree: Option<Id>| -> Result<_, Error> {
                    Ok(match tree {
                        Some(tree) => crate::repo::find_entry(repo.store(), &tree, &change.path)?,
                        None => None,
                    })
                };
                let (here, goal) = (there(working.head_tree)?, there(to_tree)?);
                let same =
                    |a: &Option<crate::object::Entry>, b: &Option<crate::object::Entry>| match (
                        a, b,
                    ) {
                        (None, None) => true,
                        (Some(a), Some(b)) => a.is_same_as(b),
                        _ => false,
                    };
                if !same(&here, &goal) && !same(&change.new, &goal) {
                    in_the_way.push(change.path);
                    continue;
                }
                edits.push(crate::object::tree::Edit { path: change.path, entry: change.new });
            }
            if !in_the_way.is_empty() {
                return Err(Error::WouldOverwrite { paths: in_the_way });
            }
            let batch = Batch::begin(repo.store())?;
            let tree = staging::tree_with(&batch, to_tree.as_ref(), edits)?;
            let base = to_tree.unwrap_or_else(Node::empty_id);
            let new = (tree != base).then_some((tree, base));
            let was = (staged.tree, staged.base);
            if new != Some(was) {
                refs.extend(moved::staged(repo, new, "switch"));
                sealed = Some(batch.seal()?);
            }
            goal_tree = Some(tree);
        }
    }
    if options.discard {
        refs.extend(merging::moved(repo, None, "switch"));
    }
    let journey = Journey {
        commit,
        tree: goal_tree,
        refs,
        unsaved: if options.discard { Unsaved::Discard } else { Unsaved::Keep },
        ..Journey::new("switch", &options.actor, working)
    };
    let plan = travel::plan(working, journey, monitor)?;
    if let Some(packs) = sealed {
        // The trees that the note names must be there before it is.
        let publication =
            crate::store::Publication::new("switch", &options.actor.to_actor()).with_packs(packs);
        repo.store().publish(publication)?;
    }
    Ok(plan)
}
