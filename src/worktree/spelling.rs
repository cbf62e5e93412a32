//! Which of several names stands on disk, where the file system takes them for one (rule 21).
//!
//! It is found out by looking: the file that answers to a name, and the name under which it is
//! listed. So nothing here knows how a file system folds case or which normal form it prefers.
//!
//! On a file system that tells all names apart, nothing is looked at and no name is taken.

use std::collections::{HashMap, HashSet};
use std::io;

use crate::disk::{self, DirRef, Stat};
use crate::index::Volume;
use crate::path::RepoPath;

use super::walker::Walker;

/// Looks at the names of a working tree.
#[derive(Debug)]
pub struct Spellings {
    /// Whether two names may be one here.
    is_needed: bool,
    walker: Walker,
    /// The names in the directory that was looked at last.
    listed: Option<(RepoPath, Names)>,
    /// A directory that was asked about, and the path that stands where it, or one above, would.
    known: Option<(RepoPath, Option<RepoPath>)>,
}

#[derive(Debug, Default)]
struct Names {
    exact: HashSet<Vec<u8>>,
    by_identity: HashMap<(u64, u64), Vec<Vec<u8>>>,
}

impl Names {
    fn add(&mut self, name: &[u8], stat: Option<&Stat>) {
        if self.exact.insert(name.to_vec())
            && let Some(stat) = stat
        {
            self.by_identity.entry((stat.device, stat.inode)).or_default().push(name.to_vec());
        }
    }
}

impl Spellings {
    /// Begins at the root of a working tree.
    pub fn new(root: DirRef, volume: &Volume) -> Self {
        let is_needed = !volume.tells_names_apart();
        Self { is_needed, walker: Walker::new(root), listed: None, known: None }
    }

    /// The path that stands where this one would, because the file system takes a name on the way
    /// for that of something else that `is_ours` knows; `None` if the place is free or its own. A
    /// file under another spelling that nobody else claims is its own.
    pub fn taken_by<E: From<io::Error>>(
        &mut self,
        path: &RepoPath,
        is_ours: &mut dyn FnMut(&RepoPath) -> Result<bool, E>,
    ) -> Result<Option<RepoPath>, E> {
        if !self.is_needed {
            return Ok(None);
        }
        let Some((parent, name)) = path.split() else { return Ok(None) };
        if !parent.is_root() {
            let above = match &self.known {
                Some((known, taken)) if *known == parent => taken.clone(),
                _ => {
                    let taken = self.taken_by(&parent, is_ours)?;
                    self.known = Some((parent.clone(), taken.clone()));
                    taken
                }
            };
            if above.is_some() {
                return Ok(above);
            }
        }
        match self.on_disk(&parent, name)? {
            Some(spelled) if spelled != name => {
                let other = parent.join(&spelled);
                Ok(is_ours(&other)?.then_some(other))
            }
            _ => Ok(None),
        }
    }

    /// The name under which the file that answers to a name is listed; `None` if none answers.
    pub fn on_disk(&mut self, parent: &RepoPath, name: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let dir = match self.walker.open(parent) {
            Err(error) if disk::is_nothing(&error) => return Ok(None),
            opened => opened?,
        };
        if self.listed.as_ref().is_none_or(|(listed, _)| listed != parent) {
            let mut names = Names::default();
            for (name, stat) in dir.scan()? {
                names.add(&name, stat.as_ref().ok());
            }
            self.listed = Some((parent.clone(), names));
        }
        let names = self.listed.as_ref().map(|(_, names)| names);
        if names.is_some_and(|names| names.exact.contains(name)) {
            return Ok(Some(name.to_vec()));
        }
        let stat = match dir.stat(name) {
            Err(error) if disk::is_nothing(&error) => return Ok(None),
            stat => stat?,
        };
        let same = names.and_then(|names| names.by_identity.get(&(stat.device, stat.inode)));
        // Hard links are the same file under several names: the most alike is meant.
        let folded = |name: &[u8]| String::from_utf8_lossy(name).to_lowercase();
        let wanted = folded(name);
        let spelled = same.and_then(|same| {
            same.iter().find(|one| folded(one) == wanted).or_else(|| same.first())
        });
        // Listed and gone again, or made meanwhile: then it is as it was asked for.
        Ok(Some(spelled.map_or_else(|| name.to_vec(), Clone::clone)))
    }

    /// Is told of what was made.
    pub fn made(&mut self, path: &RepoPath, stat: &Stat) {
        if let (Some((listed, names)), Some((parent, name))) = (&mut self.listed, path.split())
            && *listed == parent
        {
            names.add(name, Some(stat));
        }
    }

    /// Forgets what was seen: files were removed, or made without a word.
    pub fn forget(&mut self) {
        self.listed = None;
        self.known = None;
    }
}
