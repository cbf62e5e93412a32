//! Pathspecs: which paths a person means.
//!
//! A pathspec is a path (which means everything below it too) or a pattern with `*`, `?` or `[…]`,
//! in which `*` crosses `/` as in git. `:(glob)` makes `*` stop at `/` and `**` cross it,
//! `:(literal)` takes every character for itself, `:(icase)` ignores case, `:!` or `:^` or
//! `:(exclude)` leaves out, `:/` or `:(top)` counts from the top of the working tree.

use bstr::ByteSlice;
use globset::{GlobBuilder, GlobMatcher};
use thiserror::Error;

use super::{NameError, RepoPath};

/// Why a text is not a pathspec.
#[derive(Debug, Error)]
pub enum PatternError {
    /// The path it names could not be one in a repository.
    #[error("'{path}' is not a path in the repository: {source}")]
    Path {
        /// What was given.
        path: String,
        /// Which rule it breaks.
        source: NameError,
    },
    /// It leads out of the working tree.
    #[error("'{0}' is outside the working tree")]
    Outside(String),
    /// The pattern is malformed.
    #[error("'{pattern}' is not a pattern: {reason}")]
    Pattern {
        /// What was given.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// A set of paths, as given on a command line. Without any, everything is meant.
#[derive(Clone, Debug, Default)]
pub struct Pathspec {
    included: Vec<Item>,
    excluded: Vec<Item>,
}

#[derive(Clone, Debug)]
struct Item {
    given: String,
    /// Everything matched lies at or below this path.
    base: RepoPath,
    /// `None`: the base and everything below it.
    glob: Option<GlobMatcher>,
}

impl Pathspec {
    /// Everything.
    pub fn all() -> Self {
        Self::default()
    }

    /// Exactly these paths and what lies below them.
    pub fn of_paths(paths: impl IntoIterator<Item = RepoPath>) -> Self {
        let item = |path: RepoPath| Item { given: path.to_string(), base: path, glob: None };
        Self { included: paths.into_iter().map(item).collect(), excluded: Vec::new() }
    }

    /// Reads pathspecs given by somebody in directory `here`.
    pub fn parse<'a>(
        here: &RepoPath,
        given: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Self, PatternError> {
        let mut pathspec = Self::default();
        for text in given {
            let (exclude, item) = Item::parse(here, text)?;
            if exclude { &mut pathspec.excluded } else { &mut pathspec.included }.push(item);
        }
        Ok(pathspec)
    }

    /// Whether everything is meant.
    pub fn is_all(&self) -> bool {
        self.included.iter().all(|item| item.base.is_root() && item.glob.is_none())
            && self.excluded.is_empty()
    }

    /// Whether `path` is meant.
    pub fn matches(&self, path: &RepoPath) -> bool {
        (self.included.is_empty() || self.included.iter().any(|item| item.matches(path)))
            && !self.excluded.iter().any(|item| item.matches(path))
    }

    /// Whether something at or below `directory` may be meant; never wrongly no.
    pub fn may_match_below(&self, directory: &RepoPath) -> bool {
        self.included.is_empty()
            || self
                .included
                .iter()
                .any(|item| item.base.is_within(directory) || directory.is_within(&item.base))
    }

    /// The paths that were named without a pattern, if nothing but such paths was given.
    pub fn plain_paths(&self) -> Option<Vec<&RepoPath>> {
        (!self.included.is_empty() && self.excluded.is_empty())
            .then(|| {
                let plain = |item: &'_ Item| item.glob.is_none();
                self.included
                    .iter()
                    .all(plain)
                    .then(|| self.included.iter().map(|item| &item.base).collect())
            })
            .flatten()
    }

    /// Each inclusion as it was given, with whether it matches `path`: to name those that match
    /// nothing.
    pub fn each_match<'a>(&'a self, path: &'a RepoPath) -> impl Iterator<Item = (&'a str, bool)> {
        self.included.iter().map(|item| (item.given.as_str(), item.matches(path)))
    }

    /// How many inclusions were given.
    pub fn inclusions(&self) -> impl Iterator<Item = &str> {
        self.included.iter().map(|item| item.given.as_str())
    }
}

impl Item {
    fn parse(here: &RepoPath, text: &[u8]) -> Result<(bool, Self), PatternError> {
        let given = text.to_str_lossy().into_owned();
        let (mut exclude, mut top, mut glob, mut literal, mut icase) =
            (false, false, false, false, false);
        let mut rest = text;
        if let Some(magic) = rest.strip_prefix(b":(") {
            let end = magic.find_byte(b')').ok_or_else(|| PatternError::Pattern {
                pattern: given.clone(),
                reason: "the ')' is missing".into(),
            })?;
            for word in magic[..end].split(|&byte| byte == b',') {
                match word {
                    b"exclude" => exclude = true,
                    b"top" => top = true,
                    b"glob" => glob = true,
                    b"literal" => literal = true,
                    b"icase" => icase = true,
                    b"" => {}
                    other => {
                        return Err(PatternError::Pattern {
                            pattern: given,
                            reason: format!("'{}' is unknown", other.as_bstr()),
                        });
                    }
                }
            }
            rest = &magic[end + 1..];
        } else if let Some(magic) = rest.strip_prefix(b":") {
            let signs = magic.iter().take_while(|byte| matches!(byte, b'!' | b'^' | b'/')).count();
            exclude = magic[..signs].iter().any(|&byte| byte != b'/');
            top = magic[..signs].contains(&b'/');
            if signs > 0 {
                rest = &magic[signs..];
                rest = rest.strip_prefix(b":").unwrap_or(rest);
            }
        }
        let start = if top { RepoPath::root() } else { here.clone() };
        let path = resolve(&start, rest).ok_or_else(|| PatternError::Outside(given.clone()))?;
        let is_pattern =
            !literal && (icase || path.iter().any(|byte| matches!(byte, b'*' | b'?' | b'[')));
        if !is_pattern {
            let base = RepoPath::new(path)
                .map_err(|source| PatternError::Path { path: given.clone(), source })?;
            return Ok((exclude, Self { given, base, glob: None }));
        }
        let fixed = path.iter().position(|byte| matches!(byte, b'*' | b'?' | b'[' | b'\\'));
        let base = match path[..fixed.unwrap_or(path.len())].rfind_byte(b'/') {
            Some(slash) if !icase => path[..slash].to_vec(),
            _ => Vec::new(),
        };
        let base = RepoPath::new(base)
            .map_err(|source| PatternError::Path { path: given.clone(), source })?;
        let malformed = |reason: String| PatternError::Pattern { pattern: given.clone(), reason };
        let text = path.to_str().map_err(|_| malformed("it is not UTF-8".into()))?;
        let matcher = GlobBuilder::new(text)
            .literal_separator(glob)
            .case_insensitive(icase)
            .backslash_escape(true)
            .build()
            .map_err(|error| malformed(error.kind().to_string()))?
            .compile_matcher();
        Ok((exclude, Self { given, base, glob: Some(matcher) }))
    }

    fn matches(&self, path: &RepoPath) -> bool {
        match &self.glob {
            None => path.is_within(&self.base),
            Some(glob) => {
                // A pattern that matches a directory means everything below it, as a path does.
                let bytes = path.as_bytes();
                (0..=bytes.len())
                    .filter(|&end| end == bytes.len() || bytes[end] == b'/')
                    .any(|end| glob.is_match(bstr_path(&bytes[..end])))
            }
        }
    }
}

fn bstr_path(bytes: &[u8]) -> std::borrow::Cow<'_, std::path::Path> {
    bytes.to_path_lossy()
}

/// The path `text` means for somebody in `start`: `.` and `..` are taken away. `None` if it leads
/// above the root.
fn resolve(start: &RepoPath, text: &[u8]) -> Option<Vec<u8>> {
    let mut parts: Vec<&[u8]> = start.parts().collect();
    for part in text.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join(&b'/'))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn path(text: &str) -> RepoPath {
        RepoPath::new(text).unwrap()
    }

    fn matched(here: &str, specs: &[&str], candidate: &str) -> bool {
        let specs = Pathspec::parse(&path(here), specs.iter().map(|spec| spec.as_bytes())).unwrap();
        specs.matches(&path(candidate))
    }

    #[test]
    fn a_path_means_everything_below_it() {
        assert!(matched("", &["a"], "a/b/c"));
        assert!(!matched("", &["a"], "ab"));
        assert!(matched("x/y", &["../z"], "x/z/file"));
        assert!(matched("x", &[":/top"], "top"));
        assert!(matched("", &["."], "anything"));
    }

    #[test]
    fn a_star_crosses_directories_unless_told_otherwise() {
        assert!(matched("", &["*.jpg"], "a/b.jpg"));
        assert!(!matched("", &[":(glob)*.jpg"], "a/b.jpg"));
        assert!(matched("", &[":(glob)**/*.jpg"], "a/b.jpg"));
        assert!(matched("", &[":(icase)*.JPG"], "a/b.jpg"));
        assert!(matched("", &["ph*"], "photos/2020/x"));
    }

    #[test]
    fn what_is_excluded_is_not_meant() {
        assert!(!matched("", &["a", ":!a/b"], "a/b/c"));
        assert!(matched("", &["a", ":!a/b"], "a/c"));
        assert!(matched("", &[":^b"], "a"));
    }

    #[test]
    fn a_path_out_of_the_tree_is_an_error() {
        let outside = Pathspec::parse(&path("a"), [&b"../.."[..]]);
        assert!(matches!(outside, Err(PatternError::Outside(_))));
    }

    #[test]
    fn a_walk_may_skip_what_cannot_match() {
        let specs = Pathspec::parse(&RepoPath::root(), [&b"a/b*/c"[..]]).unwrap();
        assert!(specs.may_match_below(&path("a")));
        assert!(specs.may_match_below(&path("a/x")));
        assert!(!specs.may_match_below(&path("b")));
    }
}
