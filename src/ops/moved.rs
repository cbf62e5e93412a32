//! Moving HEAD, or the branch it is on.

use crate::hash::Id;
use crate::repo::{Head, Repository};
use crate::store::{RefEdit, Target};

/// The move of what HEAD stands for to a new commit.
pub(super) fn to_commit(repo: &Repository, head: &Head, new: Id, reason: String) -> Vec<RefEdit> {
    match head {
        Head::Branch { name, commit } => {
            let mut edits = vec![RefEdit {
                name: name.clone(),
                old: commit.map(Target::Id),
                new: Some(Target::Id(new)),
                reason,
            }];
            // A repository whose making was interrupted has no HEAD yet.
            let head_name = repo.head_name();
            if repo.store().target(&head_name).is_none() {
                edits.push(RefEdit {
                    name: head_name,
                    old: None,
                    new: Some(Target::Symbolic(name.clone())),
                    reason: "init".to_owned(),
                });
            }
            edits
        }
        Head::Detached(old) => vec![RefEdit {
            name: repo.head_name(),
            old: Some(Target::Id(*old)),
            new: Some(Target::Id(new)),
            reason,
        }],
    }
}

/// The edits that make this tree the staged one, on this base; `None` clears.
pub(super) fn staged(repo: &Repository, new: Option<(Id, Id)>, reason: &str) -> Vec<RefEdit> {
    let edit = |name: &str, new: Option<Id>| {
        let name = repo.own_ref(name);
        let old = repo.store().target(&name);
        let new = new.map(Target::Id);
        (old != new).then(|| RefEdit { name, old, new, reason: reason.to_owned() })
    };
    let edits =
        [edit("staged", new.map(|(tree, _)| tree)), edit("staged-base", new.map(|(_, base)| base))];
    edits.into_iter().flatten().collect()
}
