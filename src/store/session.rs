//! Sessions: what an interrupted batch leaves for the next one.
//!
//! A long commit lists its packs as it goes and keeps beside them which files it has read, with
//! what the file system said of each and what their content was. The kernel lock in the session's
//! folder tells whether its process still lives. The next commit adopts dead sessions: their packs
//! become ordinary ones, and files that have not changed since need not be read again. A long import
//! does the same with what it has read, and keeps a note of it.

use std::io;

use crate::clock::Time;
use crate::codec::{self, Decode, Encode, Validate};
use crate::disk::{self, Wait};
use crate::hash::{self, Id, hex};

use super::batch::{Batch, remove_folder};
use super::{Error, Store};

/// One file that was read and whose content is in listed packs.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SeenFile {
    /// Its path in the working tree.
    pub path: Vec<u8>,
    /// Its length in bytes.
    pub size: u64,
    /// Its modification time.
    pub mtime: Time,
    /// Its change time.
    pub ctime: Time,
    /// Its inode.
    pub inode: u64,
    /// Its content: a chunk or manifest.
    pub content: Id,
}

/// Files that were read, in the order of their paths.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Seen {
    /// The working tree they belong to.
    pub worktree: [u8; 16],
    /// The files.
    pub files: Vec<SeenFile>,
}

impl Validate for Seen {
    fn validate(&self) -> Result<(), codec::Error> {
        Ok(())
    }
}

/// Files of one part: decoding stays within the codec's memory limit.
const FILES_A_PART: usize = 16_384;

impl Batch<'_> {
    /// Keeps what was read since the last part. Call before [`Batch::list_session`] lists the
    /// packs it speaks of; it is believed only for packs that are listed.
    pub fn keep_seen(&self, worktree: [u8; 16], files: &mut Vec<SeenFile>) -> Result<(), Error> {
        if self.is_rehearsal() {
            files.clear();
            return Ok(());
        }
        files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        for part in files.chunks(FILES_A_PART) {
            let seen = Seen { worktree, files: part.to_vec() };
            let mut bytes = codec::encode(&seen);
            bytes.extend_from_slice(&hash::checksum(&bytes).to_le_bytes());
            let name = hex(&self.store().env().random.four());
            let path = format!("tmp/{}/{name}.seen", self.session());
            let written = self.store().dir().create(path.as_bytes(), 0o666);
            written.and_then(|file| file.write_at(&bytes, 0)).map_err(Error::io("write", &path))?;
        }
        files.clear();
        Ok(())
    }
}

/// The end of the names of notes.
const NOTE: &[u8] = b".note";
/// Longer notes are not read.
const LONGEST_NOTE: u64 = 1 << 30;

impl Batch<'_> {
    /// Keeps a note for whoever goes on if this batch is interrupted. Call before
    /// [`Batch::list_session`] lists the packs it speaks of.
    pub fn keep_note(&self, mut note: Vec<u8>) -> Result<(), Error> {
        note.extend_from_slice(&hash::checksum(&note).to_le_bytes());
        let name = hex(&self.store().env().random.four());
        let path = format!("tmp/{}/{name}.note", self.session());
        let written = self.store().dir().create(path.as_bytes(), 0o666);
        written.and_then(|file| file.write_at(&note, 0)).map_err(Error::io("write", &path))
    }
}

impl Store {
    /// The sessions whose processes are gone and that left notes, with the notes. What these speak
    /// of may not have been listed.
    pub fn dead_sessions_with_notes(&self) -> Result<(Vec<String>, Vec<Vec<u8>>), Error> {
        let (mut dead, mut notes) = (Vec::new(), Vec::new());
        for session in self.dead_sessions([0; 16])?.0 {
            let before = notes.len();
            self.read_notes(&format!("tmp/{session}"), &mut notes)?;
            if notes.len() > before {
                dead.push(session);
            }
        }
        Ok((dead, notes))
    }

    fn read_notes(&self, folder: &str, notes: &mut Vec<Vec<u8>>) -> Result<(), Error> {
        let dir = match self.dir.dir(folder.as_bytes()) {
            Ok(dir) => dir,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(Error::io("open", folder)(error)),
        };
        for found in dir.list().map_err(Error::io("list", folder))? {
            if !found.name.ends_with(NOTE) {
                continue;
            }
            // One that is torn is not believed, and costs time only.
            let Ok(mut note) = disk::read_all(&*dir, &found.name, LONGEST_NOTE) else { continue };
            let Some((body, checksum)) = note.split_last_chunk::<8>() else { continue };
            if hash::checksum(body) == u64::from_le_bytes(*checksum) {
                note.truncate(note.len() - 8);
                notes.push(note);
            }
        }
        Ok(())
    }

    /// The sessions whose processes are gone, and what they had read for this working tree.
    /// Sessions that listed nothing are removed at once.
    pub fn dead_sessions(&self, worktree: [u8; 16]) -> Result<(Vec<String>, Vec<SeenFile>), Error> {
        let mut dead = Vec::new();
        let mut files = Vec::new();
        let listed = match self.dir.dir(b"tmp").and_then(|dir| dir.list()) {
            Ok(listed) => listed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((dead, files)),
            Err(error) => return Err(Error::io("list", "tmp")(error)),
        };
        for found in listed {
            let Ok(session) = String::from_utf8(found.name) else { continue };
            if hash::unhex::<8>(&session).is_none() {
                continue;
            }
            let folder = format!("tmp/{session}");
            let Ok(Some(_lock)) = self.dir.lock(format!("{folder}/lock").as_bytes(), Wait::No)
            else {
                continue;
            };
            let has_listed = self
                .state()
                .packs
                .values()
                .any(|pack| pack.session.as_deref() == Some(session.as_str()));
            if has_listed {
                files.extend(self.read_seen(&folder, worktree)?);
                dead.push(session);
            } else {
                remove_folder(self, &folder);
            }
        }
        // Packs listed by a session whose folder is gone are adopted too.
        for pack in self.state().packs.values() {
            if let Some(session) = &pack.session
                && !dead.contains(session)
                && self.dir.stat(format!("tmp/{session}").as_bytes()).is_err()
            {
                dead.push(session.clone());
            }
        }
        Ok((dead, files))
    }

    fn read_seen(&self, folder: &str, worktree: [u8; 16]) -> Result<Vec<SeenFile>, Error> {
        let dir = self.dir.dir(folder.as_bytes()).map_err(Error::io("open", folder))?;
        let mut files = Vec::new();
        for found in dir.list().map_err(Error::io("list", folder))? {
            if !found.name.ends_with(b".seen") {
                continue;
            }
            let Ok(bytes) = disk::read_all(&*dir, &found.name, 1 << 30) else { continue };
            let Some((body, checksum)) = bytes.split_last_chunk::<8>() else { continue };
            if hash::checksum(body) != u64::from_le_bytes(*checksum) {
                continue;
            }
            let Ok(seen) = codec::decode::<Seen>(body) else { continue };
            if seen.worktree == worktree {
                files.extend(seen.files);
            }
        }
        // What a torn part spoke of is simply read again; so is what was not listed.
        files.retain(|file| {
            let kind = super::read::content_kind(file.size);
            self.contains(kind, &file.content)
        });
        Ok(files)
    }
}
