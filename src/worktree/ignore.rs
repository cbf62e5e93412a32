//! Which untracked files are left alone: rules in gitignore syntax.
//!
//! A rule in `.annalsignore` counts for its directory and everything below; deeper files win over
//! the ones above, all of them over `.annals/info/exclude`, and that over the person's global
//! file. `.gitignore` is read only where that was asked for. What is tracked is never ignored.
//!
//! Deliberately absent: reading files. Whoever walks hands the text over.

use std::sync::Arc;

use bstr::ByteSlice;
use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::path::RepoPath;

/// The rule file of a directory.
pub const RULE_FILE: &[u8] = b".annalsignore";
const GIT_RULE_FILE: &[u8] = b".gitignore";

/// Whether other programs' rules count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GitRules {
    /// `.gitignore` is a file like any other.
    #[default]
    Ignore,
    /// `.gitignore` is obeyed, below `.annalsignore` in the same directory.
    Obey,
}

/// Whether rules tell `a` from `A`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Case {
    /// They do.
    #[default]
    Sensitive,
    /// They do not, as on a file system that does not.
    Insensitive,
}

/// The rules that count in one directory. Cheap to clone; without any rules it costs nothing.
#[derive(Clone, Debug, Default)]
pub struct Ignore {
    innermost: Option<Arc<Level>>,
    git: GitRules,
    case: Case,
    /// No rule counts, whatever is found on the way.
    is_off: bool,
}

/// The rules of one file.
#[derive(Debug)]
struct Level {
    rules: Gitignore,
    /// The directory they count in ends here in a path, with the slash.
    base: usize,
    outer: Option<Arc<Self>>,
}

impl Ignore {
    /// No rules but those that will be found on the way.
    pub fn new(git: GitRules, case: Case) -> Self {
        Self { innermost: None, git, case, is_off: false }
    }

    /// No rules at all: nothing is ignored.
    pub fn nothing() -> Self {
        Self { is_off: true, ..Self::default() }
    }

    /// The names of the files whose rules count, least important first.
    pub fn rule_files(&self) -> &'static [&'static [u8]] {
        match self.git {
            _ if self.is_off => &[],
            GitRules::Ignore => &[RULE_FILE],
            GitRules::Obey => &[GIT_RULE_FILE, RULE_FILE],
        }
    }

    /// Adds rules that count in `directory` and win over all there are. Lines that are no rules
    /// are left out and told to `complain`, with their number.
    #[must_use]
    pub fn with_rules(
        &self,
        directory: &RepoPath,
        text: &[u8],
        mut complain: impl FnMut(String),
    ) -> Self {
        let mut builder = GitignoreBuilder::new("");
        if self.case == Case::Insensitive {
            // Cannot fail: it says so itself.
            let _ = builder.case_insensitive(true);
        }
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        for (number, line) in (1..).zip(text.lines()) {
            match line.to_str() {
                Ok(line) => {
                    if let Err(error) = builder.add_line(None, line) {
                        complain(format!("line {number}: {error}"));
                    }
                }
                Err(_) => complain(format!("line {number}: '{}' is not UTF-8", line.as_bstr())),
            }
        }
        let rules = match builder.build() {
            Ok(rules) if rules.is_empty() => return self.clone(),
            Ok(rules) => rules,
            Err(error) => {
                complain(error.to_string());
                return self.clone();
            }
        };
        let base = match directory.as_bytes().len() {
            0 => 0,
            length => length + 1,
        };
        let outer = self.innermost.clone();
        Self { innermost: Some(Arc::new(Level { rules, base, outer })), ..self.clone() }
    }

    /// Whether there are any rules.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.innermost.is_none()
    }

    /// Whether rules say that `path` is ignored. They must be those of its directory, and the
    /// directories above are not ignored themselves.
    pub fn is_ignored(&self, path: &RepoPath, is_directory: bool) -> bool {
        let mut next = self.innermost.as_deref();
        while let Some(level) = next {
            let relative = path.as_bytes().get(level.base..).unwrap_or_default();
            match level.rules.matched(relative.to_path_lossy(), is_directory) {
                Match::Ignore(_) => return true,
                Match::Whitelist(_) => return false,
                Match::None => next = level.outer.as_deref(),
            }
        }
        false
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn path(text: &str) -> RepoPath {
        RepoPath::new(text).unwrap()
    }

    fn rules(text: &str) -> Ignore {
        Ignore::default().with_rules(&RepoPath::root(), text.as_bytes(), |line| panic!("{line}"))
    }

    fn ignored(rules: &Ignore, file: &str) -> bool {
        rules.is_ignored(&path(file), false)
    }

    #[test]
    fn without_rules_nothing_is_ignored() {
        assert!(Ignore::default().is_empty());
        assert!(rules("# a comment\n\n   \n").is_empty());
        assert!(!ignored(&rules(""), "a"));
    }

    #[test]
    fn rules_are_those_of_gitignore() {
        let rules =
            rules("*.tmp\n!keep.tmp\n/top\nbuild/\ndoc/*.txt\n**/deep/x\nspace\\ \n\\#hash");
        assert!(ignored(&rules, "a.tmp"));
        assert!(ignored(&rules, "a/b/c.tmp"));
        assert!(!ignored(&rules, "a/keep.tmp"));
        assert!(ignored(&rules, "top"));
        assert!(!ignored(&rules, "a/top"));
        assert!(rules.is_ignored(&path("a/build"), true));
        assert!(!ignored(&rules, "a/build"), "a file of that name");
        assert!(ignored(&rules, "doc/a.txt"));
        assert!(!ignored(&rules, "doc/a/b.txt"));
        assert!(ignored(&rules, "a/b/deep/x"));
        assert!(ignored(&rules, "space "));
        assert!(ignored(&rules, "#hash"));
    }

    #[test]
    fn deeper_rules_win_and_count_only_below() {
        let outer = rules("*.log\n");
        let inner = outer.with_rules(&path("a"), b"!x.log\n/y\n", |line| panic!("{line}"));
        assert!(ignored(&outer, "x.log"));
        assert!(!ignored(&inner, "a/x.log"));
        assert!(!ignored(&inner, "a/b/x.log"));
        assert!(ignored(&inner, "a/z.log"));
        assert!(ignored(&inner, "a/y"));
        assert!(!ignored(&inner, "a/b/y"));
    }

    #[test]
    fn other_programs_rules_count_only_when_asked_for() {
        assert_eq!(Ignore::default().rule_files(), [RULE_FILE]);
        let both = Ignore::new(GitRules::Obey, Case::Sensitive);
        assert_eq!(both.rule_files(), [GIT_RULE_FILE, RULE_FILE]);
    }

    #[test]
    fn case_counts_unless_the_file_system_does_not_tell() {
        assert!(!ignored(&rules("*.TMP"), "a.tmp"));
        let insensitive = Ignore::new(GitRules::Ignore, Case::Insensitive);
        let insensitive = insensitive.with_rules(&RepoPath::root(), b"*.TMP", drop);
        assert!(ignored(&insensitive, "a.tmp"));
    }

    #[test]
    fn lines_that_are_no_rules_are_named_and_the_others_count() {
        let mut complaints = Vec::new();
        let text = b"\xef\xbb\xbfa\r\n{b\n\xff\nc\n";
        let rules = Ignore::default()
            .with_rules(&RepoPath::root(), text, |complaint| complaints.push(complaint));
        assert_eq!(complaints.len(), 2, "{complaints:?}");
        assert!(ignored(&rules, "a") && ignored(&rules, "c"));
        assert!(!ignored(&rules, "b"));
    }

    #[test]
    fn names_that_are_not_text_are_matched_by_their_bytes() {
        let rules = rules("*.tmp\n");
        assert!(rules.is_ignored(&RepoPath::new(b"\xff.tmp".to_vec()).unwrap(), false));
    }
}
