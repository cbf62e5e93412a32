//! `init`: makes a directory a repository, in place.

use std::path::Path;
use std::sync::Arc;

use crate::clock::Env;
use crate::disk::Disk;
use crate::repo::{DEFAULT_BRANCH, Person, Repository};
use crate::store::{Error as StoreError, Publication, RefEdit, Target};

use super::Error;

/// How to make it.
#[derive(Clone, Debug)]
pub struct Options {
    /// Without a working tree.
    pub bare: bool,
    /// The branch to begin on, without `refs/heads/`.
    pub branch: String,
    /// Who makes it.
    pub actor: Person,
}

impl Options {
    /// A repository with a working tree, on the default branch.
    pub fn new(actor: Person) -> Self {
        Self { bare: false, branch: DEFAULT_BRANCH.to_owned(), actor }
    }
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// It was a repository before; nothing was changed.
    pub existed: bool,
}

/// Makes the repository; or finishes one whose making was interrupted.
pub fn run(
    disk: Arc<dyn Disk>,
    path: &Path,
    env: Env,
    options: &Options,
) -> Result<(Repository, Outcome), Error> {
    let (repo, existed) = Repository::create(disk, path, env, options.bare)?;
    let head = repo.head_name();
    if repo.store().target(&head).is_none() {
        let branch = format!("refs/heads/{}", options.branch);
        let edit = RefEdit {
            name: head.clone(),
            old: None,
            new: Some(Target::Symbolic(branch)),
            reason: "init".to_owned(),
        };
        let publication = Publication::new("init", &options.actor.to_actor()).with_refs([edit]);
        match repo.store().publish(publication) {
            Ok(_) => return Ok((repo, Outcome { existed: false })),
            // Two at once: the other one was faster.
            Err(StoreError::Moved { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok((repo, Outcome { existed }))
}
