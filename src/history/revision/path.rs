//! `REV:path` and `:path`: what stands at a path in a tree or in the index.

use crate::hash::{Id, Kind};
use crate::history::Names;
use crate::object::tree::find;
use crate::object::{Entry, What};
use crate::path::{RepoPath, unquoted};
use crate::store::content_kind;

use super::{Error, Found, Revisions};

impl<N: Names> Revisions<'_, N> {
    /// The path that was typed: from the root, or from where the asker is if it begins with `./`
    /// or `../`.
    fn typed_path(&self, asked: &str, raw: &[u8]) -> Result<RepoPath, Error<N::Error>> {
        let asked = || asked.to_owned();
        let is_relative =
            raw == b"." || raw == b".." || { raw.starts_with(b"./") || raw.starts_with(b"../") };
        // A directory may be written with a slash behind it.
        let raw = raw.strip_suffix(b"/").unwrap_or(raw);
        if !is_relative {
            let path = RepoPath::new(raw);
            return path.map_err(|source| Error::Path { asked: asked(), source });
        }
        let here = self.context.here.ok_or_else(|| Error::NoWorkingTree { asked: asked() })?;
        let mut parts: Vec<&[u8]> = here.parts().collect();
        for part in raw.split(|&byte| byte == b'/') {
            match part {
                b"." => {}
                b".." => {
                    parts.pop().ok_or_else(|| Error::Outside { asked: asked() })?;
                }
                name => parts.push(name),
            }
        }
        let path = RepoPath::new(parts.join(&b'/'));
        path.map_err(|source| Error::Path { asked: asked(), source })
    }

    /// What stands at a path below a tree.
    pub(super) fn in_tree(
        &self,
        asked: &str,
        root: &Id,
        raw: &[u8],
    ) -> Result<Found, Error<N::Error>> {
        let path = self.typed_path(asked, raw)?;
        if path.is_root() {
            return Ok(Found { id: *root, kind: Kind::Tree, path: None, full_name: None });
        }
        let (mut tree, mut found) = (Some(*root), None);
        for name in path.parts() {
            found = match tree {
                Some(tree) => find(self.names, &tree, name)?,
                None => None,
            };
            tree = found.as_ref().and_then(Entry::tree);
        }
        match found {
            Some(entry) => at_path(asked, path, entry),
            // A name that really has quotes around it goes first.
            None => {
                if let Some(plain) = unquoted(raw) {
                    return self.in_tree(asked, root, &plain);
                }
                // All of it is shown in quotes if the path has to be.
                let plain = asked.strip_prefix('"').unwrap_or(asked);
                let revision = plain.split(':').next().unwrap_or_default().to_owned();
                Err(Error::NoPath { asked: asked.into(), path, revision })
            }
        }
    }

    /// What the index has at a path.
    pub(super) fn in_index(
        &self,
        asked: &str,
        stage: u8,
        raw: &[u8],
    ) -> Result<Found, Error<N::Error>> {
        let path = self.typed_path(asked, raw)?;
        match self.names.tracked(&path, stage)? {
            Some(entry) => at_path(asked, path, entry),
            None => match unquoted(raw) {
                Some(plain) => self.in_index(asked, stage, &plain),
                None => Err(Error::NotTracked { asked: asked.into(), path, stage }),
            },
        }
    }
}

fn at_path<E: std::error::Error>(
    asked: &str,
    path: RepoPath,
    entry: Entry,
) -> Result<Found, Error<E>> {
    let object = match &entry.what {
        What::File { size, content } => Ok((*content, content_kind(*size))),
        What::Symlink { target, .. } => Ok((*target, Kind::Chunk)),
        What::Directory { tree, .. } => Ok((*tree, Kind::Tree)),
        What::Special => entry.attributes.map(|id| (id, Kind::Attributes)).ok_or("special file"),
        What::Conflict { .. } => Err("conflict"),
        What::Gitlink { .. } => Err("commit of another repository"),
    };
    match object {
        Ok((id, kind)) => Ok(Found { id, kind, path: Some((path, entry)), full_name: None }),
        Err(what) => Err(Error::NoContent { asked: asked.into(), path, what }),
    }
}
