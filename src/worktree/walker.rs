//! The way to a directory of the working tree.

use std::io;

use crate::disk::DirRef;
use crate::path::RepoPath;

/// Opens directories of the working tree one name at a time, keeping the way to the last one.
#[derive(Debug)]
pub struct Walker {
    root: DirRef,
    way: Vec<(Vec<u8>, DirRef)>,
}

impl Walker {
    /// Begins at the root.
    pub fn new(root: DirRef) -> Self {
        Self { root, way: Vec::new() }
    }

    /// Opens a directory. A symbolic link on the way is an error: nothing is reached through one.
    pub fn open(&mut self, path: &RepoPath) -> io::Result<DirRef> {
        let same =
            path.parts().zip(&self.way).take_while(|(part, (name, _))| *part == &name[..]).count();
        self.way.truncate(same);
        for part in path.parts().skip(same) {
            let dir = self.way.last().map_or(&self.root, |(_, dir)| dir).dir(part)?;
            self.way.push((part.to_vec(), dir));
        }
        Ok(self.way.last().map_or(&self.root, |(_, dir)| dir).clone())
    }
}
