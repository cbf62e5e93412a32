//! The `format` file: which store this is, and whether it is still the one it was.
//!
//! A store has an id and an incarnation. Beside them stand the file system and inode of the file
//! itself: a copy, or a repository put back from an archive, has others, and begins a new
//! incarnation with its first write. So two copies that live on become two repositories.

use std::io;

use crate::clock::Random;
use crate::disk::{self, Dir};
use crate::hash::{hex, unhex};

use super::Error;
use super::journal::checked_text;

const MAGIC: &str = "annals-store 1";
const PATH: &[u8] = b"format";

/// What the `format` file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The store's id: the same in all its copies.
    pub store: [u8; 16],
    /// Its incarnation.
    pub incarnation: [u8; 16],
    /// The file system and inode that the file had when it was written.
    pub place: (u64, u64),
}

impl Identity {
    /// Makes the file. It is written twice: its inode is known only once it is there.
    pub fn create(dir: &dyn Dir, random: &dyn Random) -> Result<Self, Error> {
        let identity =
            Self { store: random.sixteen(), incarnation: random.sixteen(), place: (0, 0) };
        identity.write(dir, random)
    }

    /// Writes the file anew with this incarnation, for where it is now.
    pub fn write(mut self, dir: &dyn Dir, random: &dyn Random) -> Result<Self, Error> {
        let failed = |source| Error::Io { action: "write", path: "format".into(), source };
        if !exists(dir).map_err(failed)? {
            disk::replace(dir, PATH, random.four(), self.to_text().as_bytes()).map_err(failed)?;
        }
        self.place = Self::place(dir).map_err(failed)?;
        let text = self.to_text();
        // In place, so that the inode stays: the text has one length, and a torn one is seen.
        let file = dir.open_or_create(PATH, 0o666).map_err(failed)?;
        file.write_at(text.as_bytes(), 0).map_err(failed)?;
        file.set_len(text.len() as u64).map_err(failed)?;
        file.sync().map_err(failed)?;
        Ok(self)
    }

    /// Reads the file.
    pub fn read(dir: &dyn Dir) -> Result<Self, Error> {
        let failed = |source| Error::Io { action: "read", path: "format".into(), source };
        let bytes = disk::read_all(dir, PATH, 64 * 1024).map_err(failed)?;
        if !bytes.starts_with(b"annals-store ") {
            return Err(Error::NotAStore);
        }
        let line = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
        if line.len() < bytes.len() && line != MAGIC.as_bytes() {
            return Err(Error::Version(String::from_utf8_lossy(line).into_owned()));
        }
        parse(&bytes).ok_or(Error::DamagedFormat)
    }

    /// Whether this may be the id of the store. One whose file was lost knows no id.
    pub(super) fn may_be(&self, store: [u8; 16]) -> bool {
        store == self.store || [store, self.store].contains(&[0; 16])
    }

    /// Where the file is now.
    pub fn place(dir: &dyn Dir) -> io::Result<(u64, u64)> {
        Ok((dir.file_system_id()?, dir.stat(PATH)?.inode))
    }

    fn to_text(self) -> String {
        let (file_system, inode) = self.place;
        super::journal::ended_text(format!(
            "{MAGIC}\nstore {}\nincarnation {}\nplace {file_system:016x} {inode:016x}\n",
            hex(&self.store),
            hex(&self.incarnation),
        ))
    }
}

fn exists(dir: &dyn Dir) -> io::Result<bool> {
    match dir.stat(PATH) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn parse(bytes: &[u8]) -> Option<Identity> {
    let lines = checked_text(bytes)?;
    let mut identity = Identity { store: [0; 16], incarnation: [0; 16], place: (0, 0) };
    for line in lines.lines().skip(1) {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["store", store] => identity.store = unhex(store)?,
            ["incarnation", incarnation] => identity.incarnation = unhex(incarnation)?,
            ["place", file_system, inode] => {
                identity.place =
                    (u64::from_be_bytes(unhex(file_system)?), u64::from_be_bytes(unhex(inode)?));
            }
            _ => return None,
        }
    }
    Some(identity)
}
