//! What people and other programs get to see.
//!
//! Standard output carries data, and only data; progress, warnings and errors go to standard error.
//! Nothing else in the program prints. A reader that closes its end is no error: the program ends
//! quietly.

mod color;
mod json;
mod names;
mod pager;
mod progress;
mod table;

use std::cell::RefCell;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::sync::Arc;

use annals::path::RepoPath;
use serde_json::Value;

use crate::report::Error;

pub(crate) use color::{BOLD, CYAN, Color, GREEN, RED, When, color_codes};
pub(crate) use json::{change_json, entry_json, id_json, person_json, text_json, time_json};
pub(crate) use names::{Quoting, relative};
pub(crate) use pager::Pager;
pub(crate) use progress::{Progress, Show, bytes_text};
pub(crate) use table::Table;

/// How much is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Loudness {
    /// Only what was asked for.
    Quiet,
    /// The usual.
    Usual,
    /// More than that.
    Verbose,
}

/// Where data goes, and how it looks.
pub(crate) struct Output {
    out: RefCell<Box<dyn Write>>,
    pager: RefCell<Option<Pager>>,
    pub(crate) color: Color,
    pub(crate) quoting: Quoting,
    pub(crate) loudness: Loudness,
    pub(crate) is_json: bool,
    progress: Arc<Progress>,
    /// What stands at the beginning of every line, and whether the next byte begins one.
    beside: RefCell<(Vec<u8>, bool)>,
}

impl Output {
    pub(crate) fn new(
        color: Color,
        quoting: Quoting,
        loudness: Loudness,
        is_json: bool,
        progress: Arc<Progress>,
    ) -> Self {
        let out: Box<dyn Write> = Box::new(BufWriter::with_capacity(1 << 16, io::stdout()));
        Self {
            out: RefCell::new(out),
            pager: RefCell::new(None),
            color,
            quoting,
            loudness,
            is_json,
            progress,
            beside: RefCell::default(),
        }
    }

    /// Sends what follows through a pager.
    pub(crate) fn page(&self, command: &str) {
        if let Some((pager, input)) = Pager::start(command) {
            *self.out.borrow_mut() = Box::new(BufWriter::with_capacity(1 << 16, input));
            *self.pager.borrow_mut() = Some(pager);
        }
    }

    /// Puts this at the beginning of every line from now on; nothing if it is empty.
    pub(crate) fn set_beside(&self, beside: Vec<u8>) {
        *self.beside.borrow_mut() = (beside, true);
    }

    /// Writes bytes as they are.
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<(), Error> {
        self.progress.pause();
        let (beside, begins) = &mut *self.beside.borrow_mut();
        let out = &mut *self.out.borrow_mut();
        if beside.is_empty() {
            return out.write_all(bytes).map_err(Error::from_writing);
        }
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            if std::mem::replace(begins, line.ends_with(b"\n")) {
                out.write_all(beside).map_err(Error::from_writing)?;
            }
            out.write_all(line).map_err(Error::from_writing)?;
        }
        Ok(())
    }

    /// Writes a line.
    pub(crate) fn line(&self, text: impl AsRef<[u8]>) -> Result<(), Error> {
        self.write(text.as_ref())?;
        self.write(b"\n")
    }

    /// Writes a line unless only data was asked for.
    pub(crate) fn say(&self, text: impl AsRef<[u8]>) -> Result<(), Error> {
        if self.loudness == Loudness::Quiet || self.is_json {
            return Ok(());
        }
        self.line(text)
    }

    /// Writes one JSON object on a line of its own.
    pub(crate) fn json(&self, value: &Value) -> Result<(), Error> {
        self.line(value.to_string())
    }

    /// A path as it is shown.
    pub(crate) fn path(&self, path: &RepoPath) -> Vec<u8> {
        self.quoting.show(path.as_bytes())
    }

    /// Words as they are shown: what is no text in them could mean anything to a terminal.
    pub(crate) fn readable(&self, text: Vec<u8>) -> Vec<u8> {
        match String::from_utf8(text) {
            Err(error) if is_terminal() => {
                String::from_utf8_lossy(error.as_bytes()).into_owned().into_bytes()
            }
            Err(error) => error.into_bytes(),
            Ok(text) => text.into_bytes(),
        }
    }

    /// Tells something a person should know, beside the data.
    pub(crate) fn warn(&self, text: &str) {
        self.progress.pause();
        standard_error(&format!("{} {text}", self.color.on_errors().yellow("warning:")));
    }

    /// Writes everything out and waits for the pager.
    pub(crate) fn finish(&self) -> Result<(), Error> {
        self.progress.finish();
        let flushed = self.out.borrow_mut().flush().map_err(Error::from_writing);
        if let Some(pager) = self.pager.borrow_mut().take() {
            // The pager sees the end of its input only once our end is gone.
            *self.out.borrow_mut() = Box::new(io::sink());
            pager.wait();
        }
        flushed
    }
}

/// Writes a line to standard error. Nobody can be told if that fails.
pub(crate) fn standard_error(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// So many of something.
pub(crate) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// Whether standard output is a terminal.
pub(crate) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// What a file system said, without its number.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = match error.kind() {
        io::ErrorKind::NotFound => return "no such file or directory".to_owned(),
        io::ErrorKind::PermissionDenied => return "permission denied".to_owned(),
        io::ErrorKind::StorageFull => return "the disk is full".to_owned(),
        io::ErrorKind::ReadOnlyFilesystem => return "the file system is read-only".to_owned(),
        _ => error.to_string(),
    };
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_lowercase().collect::<String>() + letters.as_str()
    })
}
