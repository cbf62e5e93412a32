//! Colours: the few that mean something, and when they are used.

use std::io::{self, IsTerminal};

use annals::history::drawing::Cell;
use anstyle::{AnsiColor, Style};

/// When output is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum When {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Whether the two streams are coloured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Color {
    output: bool,
    errors: bool,
}

impl Color {
    pub(crate) fn new(when: When) -> Self {
        let wanted = |is_terminal: bool| match when {
            When::Always => true,
            When::Never => false,
            When::Auto => {
                let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
                let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
                is_terminal && !no_color && !is_dumb
            }
        };
        Self {
            output: wanted(io::stdout().is_terminal()),
            errors: wanted(io::stderr().is_terminal()),
        }
    }

    /// The same for what goes to standard error.
    pub(crate) fn on_errors(self) -> Self {
        Self { output: self.errors, ..self }
    }

    pub(crate) fn is_on(self) -> bool {
        self.output
    }

    fn paint(self, style: Style, text: &str) -> String {
        if self.output { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    /// A line of bytes in a colour.
    pub(crate) fn bytes(self, style: Style, bytes: &[u8]) -> Vec<u8> {
        if !self.output {
            return bytes.to_vec();
        }
        let (on, off) = (style.render().to_string(), style.render_reset().to_string());
        [on.as_bytes(), bytes, off.as_bytes()].concat()
    }

    /// A row of a drawing, each line of it in a colour of its own.
    pub(crate) fn cells(self, cells: &[Cell]) -> Vec<u8> {
        let mut text = Vec::with_capacity(cells.len());
        for (character, line) in cells {
            match line.filter(|_| self.output) {
                Some(line) => {
                    let style = LINES[line % LINES.len()];
                    text.extend(self.bytes(style, &[*character]));
                }
                None => text.push(*character),
            }
        }
        text
    }

    pub(crate) fn red(self, text: &str) -> String {
        self.paint(RED, text)
    }

    pub(crate) fn green(self, text: &str) -> String {
        self.paint(GREEN, text)
    }

    pub(crate) fn yellow(self, text: &str) -> String {
        self.paint(YELLOW, text)
    }

    pub(crate) fn cyan(self, text: &str) -> String {
        self.paint(CYAN, text)
    }
}

const fn ansi(color: AnsiColor) -> Style {
    Style::new().fg_color(Some(anstyle::Color::Ansi(color)))
}

pub(crate) const RED: Style = ansi(AnsiColor::Red);
pub(crate) const GREEN: Style = ansi(AnsiColor::Green);
pub(crate) const YELLOW: Style = ansi(AnsiColor::Yellow);
pub(crate) const CYAN: Style = ansi(AnsiColor::Cyan);
pub(crate) const BOLD: Style = Style::new().bold();

/// The colours of lines of work, one after the other.
const LINES: [Style; 6] =
    [RED, GREEN, YELLOW, ansi(AnsiColor::Blue), ansi(AnsiColor::Magenta), CYAN];
