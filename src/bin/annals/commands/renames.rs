//! Whether renames and copies are looked for, and how they are shown. Shared by what shows changes.

use annals::diff::renames::{Copies, EQUAL, FoldedDirectory, Look, RenameOptions};

use crate::context::Context;
use crate::report::Error;

/// Which renames and copies are looked for.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Renames {
    /// Look for renames, of files at least so similar (default: 50%)
    #[arg(short = 'M', long, value_name = "PERCENT", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "50%", overrides_with = "no_renames")]
    find_renames: Option<String>,
    /// Look for copies of changed files too; twice, of any file
    #[arg(short = 'C', long, value_name = "PERCENT", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "50%", overrides_with = "no_renames")]
    find_copies: Vec<String>,
    /// Show a rename as a deletion and an addition
    #[arg(long)]
    no_renames: bool,
    /// Show each file of a renamed directory
    #[arg(long)]
    no_fold: bool,
}

impl Renames {
    /// What to look for; `None` if nothing is. What was not asked for is up to `diff.renames`.
    pub(crate) fn options(&self, context: &Context) -> Result<Option<RenameOptions>, Error> {
        if self.no_renames {
            return Ok(None);
        }
        let mut options = RenameOptions { look: Look::Closer, ..RenameOptions::default() };
        for text in self.find_renames.iter().chain(&self.find_copies) {
            options.threshold = threshold(text)?;
        }
        let usual = context.config()?.choice("diff.renames")?;
        options.copies = match self.find_copies.len() {
            0 if usual == "copies" && self.find_renames.is_none() => Copies::FromChanged,
            0 => Copies::None,
            1 => Copies::FromChanged,
            _ => Copies::FromAll,
        };
        let is_asked = self.find_renames.is_some() || !self.find_copies.is_empty();
        Ok((is_asked || usual != "false").then_some(options))
    }

    /// Whether the files of a renamed directory may be shown as one.
    pub(crate) fn folds(&self) -> bool {
        !self.no_fold
    }
}

/// Hundredths of a percent: `90%`, or as git has it `9` or `90` for the same.
fn threshold(text: &str) -> Result<u16, Error> {
    let wrong = || Error::usage(format!("'{text}' is not a similarity like 90%"));
    let (digits, is_percent) = match text.strip_suffix('%') {
        Some(digits) => (digits, true),
        None => (text, false),
    };
    let (whole, part) = match is_percent {
        true => digits.split_once('.').unwrap_or((digits, "")),
        false => ("0", digits.strip_prefix("0.").unwrap_or(digits)),
    };
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(part) || whole.len() > 3 {
        return Err(wrong());
    }
    let (scale, places) = if is_percent { (100, 2) } else { (EQUAL, 4) };
    let part: String = part.chars().chain("0000".chars()).take(places).collect();
    let whole: u16 = whole.parse().map_err(|_| wrong())?;
    let part: u16 = part.parse().map_err(|_| wrong())?;
    Ok(whole.saturating_mul(scale).saturating_add(part).min(EQUAL))
}

/// `photos/2019/ → archive/2019/ (12,431 files, 3 edited)`, names as they are shown.
pub(crate) fn folded_text(folded: &FoldedDirectory, from: &str, to: &str) -> String {
    let edited = match folded.edited {
        0 => String::new(),
        count => format!(", {} edited", thousands(count)),
    };
    let files = if folded.files == 1 { "file" } else { "files" };
    format!("{from}/ → {to}/ ({} {files}{edited})", thousands(folded.files))
}

fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_similarity_is_written_as_for_git() {
        for (text, expected) in [
            ("90%", 9_000),
            ("90", 9_000),
            ("9", 9_000),
            ("05", 500),
            ("0.5", 5_000),
            ("5%", 500),
            ("99.5%", 9_950),
            ("100%", 10_000),
            ("200%", 10_000),
        ] {
            assert_eq!(threshold(text).unwrap(), expected, "{text}");
        }
        for text in ["", "%", "x", "1.x%", "-1"] {
            assert!(threshold(text).is_err() || text.is_empty(), "{text}");
        }
    }

    #[test]
    fn large_numbers_are_readable() {
        assert_eq!(thousands(1), "1");
        assert_eq!(thousands(12_431), "12,431");
        assert_eq!(thousands(1_000_000), "1,000,000");
    }
}
