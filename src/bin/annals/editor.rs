//! The editor: asks a person for a message.
//!
//! The text lies in the repository's state directory, in `message`, and stays there afterwards: if
//! the command fails, nobody has to type it again. Lines that begin with `#` are not part of it.
//!
//! An editor is given bytes and gives bytes back. One that puts U+FFFD in the place of what is no
//! text to it is not believed.

use std::path::Path;
use std::process::{Command, Stdio};

use bstr::ByteSlice;

use crate::context::{Context, read_outside, variable, write_settings};
use crate::report::Error;

/// The file, in the state directory.
const FILE: &str = "message";

/// Has a message written. `text` is there to begin with; `about` is explained below it.
pub(crate) fn ask(context: &Context, text: &[u8], about: &[String]) -> Result<Vec<u8>, Error> {
    let command = variable("ANNALS_EDITOR")
        .or(context.config()?.text("core.editor")?)
        .or_else(|| variable("VISUAL"))
        .or_else(|| variable("EDITOR"))
        .ok_or(Error::NoEditor)?;
    let path = context.repository()?.state_path().join(FILE);
    let mut template = [text, b"\n"].concat();
    for line in about {
        template.push(b'#');
        if !line.is_empty() && !line.starts_with('\t') {
            template.push(b' ');
        }
        template.extend_from_slice(line.as_bytes());
        template.push(b'\n');
    }
    write_settings(&path, &template)?;
    run(&command, &path)?;
    let written = read_outside(&path).map_err(|source| Error::file("read", &path, source))?;
    let message = cleaned(&written);
    if message.is_empty() {
        return Err(Error::EmptyMessage);
    }
    match has_lost_bytes(text, &message) {
        true => Err(Error::NotTextToEditor { command }),
        false => Ok(message),
    }
}

/// Whether bytes that are no text became U+FFFD: what they were cannot be found out any more.
fn has_lost_bytes(old: &[u8], new: &[u8]) -> bool {
    let replaced = |text: &[u8]| text.find_iter("\u{fffd}").count();
    str::from_utf8(old).is_err() && replaced(new) > replaced(old)
}

fn run(command: &str, path: &Path) -> Result<(), Error> {
    let failed = |why: String| Error::Editor { command: command.to_owned(), why };
    let mut shell = Command::new("sh");
    // The setting is words of a shell; the path is one more.
    shell.args(["-c", &format!("{command} \"$@\""), command]).arg(path);
    shell.stdin(Stdio::inherit()).stdout(Stdio::inherit()).stderr(Stdio::inherit());
    let status = shell.status().map_err(|error| failed(crate::output::reason(&error)))?;
    if status.success() { Ok(()) } else { Err(failed(status.to_string())) }
}

/// What was written without the lines that begin with `#`, spaces at the ends of lines, and empty
/// lines at both ends or beyond the first of several.
fn cleaned(text: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    let mut empty_lines = 0;
    for line in text.split(|&byte| byte == b'\n') {
        if line.starts_with(b"#") {
            continue;
        }
        let line = line.trim_ascii_end();
        if line.is_empty() {
            empty_lines += 1;
            continue;
        }
        if empty_lines > 0 && !message.is_empty() {
            message.push(b'\n');
        }
        empty_lines = 0;
        message.extend_from_slice(line);
        message.push(b'\n');
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_explained_is_not_part_of_the_message() {
        let written = b"\n\n  one  \n# left out\n\n\n#\ntwo\n #three\n\n# end\n";
        assert_eq!(cleaned(written), b"  one\n\ntwo\n #three\n");
        assert_eq!(cleaned(b"\n# nothing\n   \n"), b"");
        assert_eq!(cleaned(b"no line end"), b"no line end\n");
    }

    #[test]
    fn bytes_that_became_replacement_characters_are_noticed() {
        let old = "gr\u{fffd}n ".as_bytes();
        assert!(!has_lost_bytes(b"gr\xfcn", b"gr\xfcn"));
        assert!(has_lost_bytes(b"gr\xfcn", old));
        assert!(!has_lost_bytes(&[old, b"\xfc"].concat(), old));
        // Somebody may write it into what is text.
        assert!(!has_lost_bytes(b"green", old));
    }
}
