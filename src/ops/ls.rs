//! What is in a tree.

use crate::hash::Id;
use crate::object::tree::Cursor;
use crate::object::{Entry, Manifest, Source, What};
use crate::path::{Pathspec, RepoPath};
use crate::repo::{Repository, find_entry};
use crate::store::{self, content_kind};

use super::Error;

/// What is listed of directories.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// The entries of the directory that is named.
    #[default]
    One,
    /// Everything below it but directories.
    Files,
    /// Everything below it.
    All,
}

/// What is listed.
#[derive(Clone, Debug)]
pub struct Options {
    /// The tree.
    pub tree: Id,
    /// The tree as it was given, for messages.
    pub revision: String,
    /// Which paths: a directory that is named stands for what is in it.
    pub paths: Pathspec,
    /// Where to begin if no paths are given.
    pub here: RepoPath,
    /// How deep.
    pub depth: Depth,
}

/// Tells `visit` every path that is listed, in order.
pub fn run<E>(
    repo: &Repository,
    options: &Options,
    visit: &mut dyn FnMut(&RepoPath, &Entry) -> Result<(), E>,
) -> Result<(), E>
where
    E: From<Error> + From<store::Error>,
{
    let store = repo.store();
    let tops = match options.paths.plain_paths() {
        Some(paths) => paths.into_iter().cloned().collect(),
        None if options.paths.is_all() => vec![options.here.clone()],
        // Patterns mean files wherever they are.
        None => {
            let depth = if options.depth == Depth::One { Depth::All } else { options.depth };
            return below(repo, RepoPath::root(), options.tree, depth, &options.paths, visit);
        }
    };
    for path in tops {
        if path.is_root() {
            below(repo, path, options.tree, options.depth, &Pathspec::all(), visit)?;
            continue;
        }
        let entry =
            find_entry(store, &options.tree, &path).map_err(Error::from)?.ok_or_else(|| {
                Error::NoSuchPath { revision: options.revision.clone(), path: path.clone() }
            })?;
        match entry.tree() {
            Some(tree) => below(repo, path, tree, options.depth, &Pathspec::all(), visit)?,
            None => visit(&path, &entry)?,
        }
    }
    Ok(())
}

fn below<E>(
    repo: &Repository,
    top: RepoPath,
    tree: Id,
    depth: Depth,
    paths: &Pathspec,
    visit: &mut dyn FnMut(&RepoPath, &Entry) -> Result<(), E>,
) -> Result<(), E>
where
    E: From<store::Error>,
{
    let mut open = vec![(top, Cursor::new(repo.store(), &tree)?)];
    while let Some((directory, cursor)) = open.last_mut() {
        let Some(entry) = cursor.next_entry()? else {
            open.pop();
            continue;
        };
        let path = directory.join(&entry.name);
        let is_shown = !entry.is_directory() || depth != Depth::Files;
        if is_shown && paths.matches(&path) {
            visit(&path, &entry)?;
        }
        if let Some(tree) = entry.tree()
            && depth != Depth::One
            && paths.may_match_below(&path)
        {
            open.push((path, Cursor::new(repo.store(), &tree)?));
        }
    }
    Ok(())
}

/// The content id of a file, what `b3sum` prints; of anything else the id of what it holds.
pub fn content_id<S: Source>(source: &S, entry: &Entry) -> Result<Option<Id>, S::Error> {
    Ok(match &entry.what {
        What::File { size, content } if content_kind(*size) == crate::hash::Kind::Manifest => {
            Some(source.object::<Manifest>(content)?.content)
        }
        What::File { content, .. } => Some(*content),
        What::Symlink { target, .. } => Some(*target),
        What::Directory { tree, .. } => Some(*tree),
        _ => None,
    })
}
