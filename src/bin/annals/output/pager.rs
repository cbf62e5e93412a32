//! The pager: what shows long output on a terminal.

use std::process::{Child, ChildStdin, Command, Stdio};

/// A pager that is running.
pub(crate) struct Pager(Child);

impl Pager {
    /// Starts it; `None` if it cannot be, and then output goes straight to the terminal.
    pub(crate) fn start(command: &str) -> Option<(Self, ChildStdin)> {
        if command.is_empty() || command == "cat" {
            return None;
        }
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).stdin(Stdio::piped());
        // Quit if it fits on one screen, keep colours, leave the screen as it is.
        if std::env::var_os("LESS").is_none() {
            shell.env("LESS", "FRX");
        }
        let mut child = shell.spawn().ok()?;
        let input = child.stdin.take()?;
        Some((Self(child), input))
    }

    /// Waits until the person is done reading.
    pub(crate) fn wait(mut self) {
        let _ = self.0.wait();
    }
}
