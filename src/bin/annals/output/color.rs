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

/// What a terminal is told for words like `bold`, `brightred`, `208` or `#ff8800`: the first colour
/// is that of the text, the second that behind it. `None` if one of them is none of these.
pub(crate) fn color_codes(words: &str) -> Option<String> {
    let (mut codes, mut colors) = (Vec::new(), 0);
    for word in words.split([' ', ',']).filter(|word| !word.is_empty()) {
        if let Some(code) = attribute(word) {
            codes.push(code.to_string());
            continue;
        }
        let behind = match colors {
            0 => 0,
            1 => 10,
            _ => return None,
        };
        codes.extend(one_color(word, behind)?);
        colors += 1;
    }
    Some(codes.join(";"))
}

fn attribute(word: &str) -> Option<u8> {
    const ATTRIBUTES: [(&str, u8, u8); 7] = [
        ("bold", 1, 22),
        ("dim", 2, 22),
        ("italic", 3, 23),
        ("ul", 4, 24),
        ("blink", 5, 25),
        ("reverse", 7, 27),
        ("strike", 9, 29),
    ];
    if word == "reset" {
        return Some(0);
    }
    let (name, is_off) = match word.strip_prefix("no") {
        Some(name) => (name.strip_prefix('-').unwrap_or(name), true),
        None => (word, false),
    };
    let (_, on, off) = ATTRIBUTES.into_iter().find(|(known, ..)| *known == name)?;
    Some(if is_off { off } else { on })
}

/// The code of a colour, `behind` higher for what is behind the text; none for `normal`.
fn one_color(word: &str, behind: u8) -> Option<Option<String>> {
    const COLORS: [&str; 8] =
        ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];
    let of_eight = |name: &str, first: u8| {
        let at = COLORS.iter().position(|color| *color == name)?;
        Some((first + behind + at as u8).to_string())
    };
    if let Some(digits) = word.strip_prefix('#') {
        let part = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
        let (red, green, blue) = (part(0)?, part(2)?, part(4)?);
        return (digits.len() == 6)
            .then(|| Some(format!("{};2;{red};{green};{blue}", 38 + behind)));
    }
    if let Ok(number) = word.parse::<u8>() {
        return Some(Some(match number {
            0..8 => (30 + behind + number).to_string(),
            8..16 => (82 + behind + number).to_string(),
            _ => format!("{};5;{number}", 38 + behind),
        }));
    }
    match word {
        "normal" => Some(None),
        "default" => Some(Some((39 + behind).to_string())),
        _ => match word.strip_prefix("bright") {
            Some(name) => of_eight(name, 90).map(Some),
            None => of_eight(word, 30).map(Some),
        },
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn words_become_what_git_tells_terminals() {
        for (words, codes) in [
            ("red", "31"),
            ("bold yellow", "1;33"),
            ("yellow bold ul", "33;1;4"),
            ("white red", "37;41"),
            ("brightblue brightblack", "94;100"),
            ("208", "38;5;208"),
            ("1 9", "31;101"),
            ("#ff8800", "38;2;255;136;0"),
            ("normal 200", "48;5;200"),
            ("default default", "39;49"),
            ("nobold no-ul", "22;24"),
            ("reset", "0"),
            ("", ""),
        ] {
            assert_eq!(color_codes(words).as_deref(), Some(codes), "{words}");
        }
        for wrong in ["purple", "red green blue", "#12345", "#1234567", "256", "no-red", "brightx"]
        {
            assert_eq!(color_codes(wrong), None, "{wrong}");
        }
    }
}
