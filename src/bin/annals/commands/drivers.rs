//! Merge drivers: programs of the user's that merge what lines cannot.
//!
//! Settings name them: `merge-driver.NAME.patterns` says for which paths, `merge-driver.NAME.command`
//! what to run. In the command `%O`, `%A` and `%B` are files with the version of the base, ours and
//! theirs, `%P` is the path and `%L` how long a marker is. It leaves the result in `%A` and ends
//! with 0; with 1 to 127 if there are conflicts in it. Without a command, the names `text`,
//! `binary` and `union` mean what they do in git.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use annals::clock::Env;
use annals::disk::{self, DirRef, Disk, OsDisk};
use annals::hash::hex;
use annals::merge::{Driven, Driver, Handling, Versions};
use annals::path::RepoPath;
use globset::{Glob, GlobSet, GlobSetBuilder};

use crate::context::Context;
use crate::report::Error;

/// What a driver leaves may have this many bytes.
const LONGEST: u64 = 1 << 30;

/// The drivers that settings name.
pub(super) struct Drivers {
    drivers: Vec<One>,
    /// Where commands are run.
    directory: PathBuf,
    /// What went wrong.
    failed: RefCell<Vec<String>>,
}

struct One {
    name: String,
    patterns: GlobSet,
    command: Option<String>,
}

impl Drivers {
    /// Those of this repository.
    pub(super) fn new(context: &Context) -> Result<Self, Error> {
        let config = context.config()?;
        let mut drivers: Vec<One> = Vec::new();
        for setting in config.list() {
            let Some(name) = setting
                .name
                .strip_prefix("merge-driver.")
                .and_then(|rest| rest.strip_suffix(".patterns"))
            else {
                continue;
            };
            // The strongest setting counts.
            let given = config.text(&setting.name)?.unwrap_or_default();
            let mut patterns = GlobSetBuilder::new();
            for word in given.split_whitespace() {
                // Without a slash, a name in any directory.
                let pattern =
                    if word.contains('/') { word.to_owned() } else { format!("**/{word}") };
                let glob = Glob::new(&pattern).map_err(|error| {
                    Error::usage(format!("'{}': '{word}' is no pattern: {error}", setting.name))
                })?;
                patterns.add(glob);
            }
            let patterns = patterns.build().map_err(|error| {
                Error::usage(format!("'{}' cannot be used: {error}", setting.name))
            })?;
            let command = config.text(&format!("merge-driver.{name}.command"))?;
            if command.is_none() && !["text", "binary", "union"].contains(&name) {
                return Err(Error::usage(format!("'merge-driver.{name}.command' is not set")));
            }
            drivers.retain(|driver| driver.name != name);
            drivers.push(One { name: name.to_owned(), patterns, command });
        }
        let directory = match context.repository()?.worktree() {
            Ok(worktree) => worktree.path.clone(),
            Err(_) => context.directory().to_owned(),
        };
        Ok(Self { drivers, directory, failed: RefCell::default() })
    }

    /// Tells what went wrong.
    pub(super) fn tell(&self, context: &Context) {
        for failed in self.failed.borrow().iter() {
            context.output().warn(failed);
        }
    }

    fn of(&self, path: &RepoPath) -> Option<&One> {
        let name = String::from_utf8_lossy(path.as_bytes());
        self.drivers.iter().rev().find(|driver| driver.patterns.is_match(&*name))
    }

    fn execute(
        &self,
        command: &str,
        path: &RepoPath,
        versions: &Versions<'_>,
    ) -> std::io::Result<Driven> {
        let folder = Folder::new()?;
        let files = [("base", versions.base), ("ours", versions.ours), ("theirs", versions.theirs)];
        let extension = Path::new(&*String::from_utf8_lossy(path.name()))
            .extension()
            .map(|extension| format!(".{}", extension.to_string_lossy()))
            .unwrap_or_default();
        let named = |name: &str| format!("{name}{extension}");
        for (name, bytes) in files {
            folder.dir.create(named(name).as_bytes(), 0o600)?.write_at(bytes, 0)?;
        }
        let quoted = |text: &str| format!("'{}'", text.replace('\'', "'\\''"));
        let mut line = String::new();
        let mut letters = command.chars();
        while let Some(letter) = letters.next() {
            if letter != '%' {
                line.push(letter);
                continue;
            }
            let place = |name: &str| quoted(&folder.path.join(named(name)).to_string_lossy());
            match letters.next() {
                Some('O') => line += &place("base"),
                Some('A') => line += &place("ours"),
                Some('B') => line += &place("theirs"),
                Some('P') => line += &quoted(&String::from_utf8_lossy(path.as_bytes())),
                Some('L') => line += &versions.marker_size.to_string(),
                Some('%') | None => line.push('%'),
                Some(other) => line.extend(['%', other]),
            }
        }
        let status = Command::new("sh")
            .args(["-c", &line])
            .current_dir(&self.directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()?;
        let is_clean = match status.code() {
            Some(0) => true,
            Some(1..=127) => false,
            _ => return Err(std::io::Error::other(format!("it ended with {status}"))),
        };
        let bytes = disk::read_all(&*folder.dir, named("ours").as_bytes(), LONGEST)?;
        Ok(Driven { bytes, is_clean })
    }
}

impl Driver for Drivers {
    fn choose(&self, path: &RepoPath) -> Handling {
        match self.of(path) {
            None => Handling::Usual,
            Some(One { command: Some(_), .. }) => Handling::Driven,
            Some(one) => match one.name.as_str() {
                "union" => Handling::Union,
                "binary" => Handling::Binary,
                _ => Handling::Text,
            },
        }
    }

    fn merge(&self, path: &RepoPath, versions: &Versions<'_>) -> Option<Driven> {
        let one = self.of(path)?;
        let command = one.command.as_ref()?;
        match self.execute(command, path, versions) {
            Ok(driven) => Some(driven),
            Err(error) => {
                // A conflict, then: nobody's version is lost.
                let text = format!("the merge driver '{}' failed on '{path}': {error}", one.name);
                self.failed.borrow_mut().push(text);
                None
            }
        }
    }
}

/// A directory of its own for the files of one call; it goes with it.
struct Folder {
    /// Where it is.
    path: PathBuf,
    above: DirRef,
    name: String,
    dir: DirRef,
}

impl Folder {
    fn new() -> std::io::Result<Self> {
        let place = std::env::temp_dir();
        let above = OsDisk::new().open(&place)?;
        let name = format!("annals-merge-{}", hex(&Env::system().random.four()));
        above.make_dir(name.as_bytes(), 0o700)?;
        let dir = above.dir(name.as_bytes())?;
        Ok(Self { path: place.join(&name), above, name, dir })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left is the system's to tidy.
        for found in self.dir.list().unwrap_or_default() {
            let _ = self.dir.remove_file(&found.name);
        }
        let _ = self.above.remove_dir(self.name.as_bytes());
    }
}
