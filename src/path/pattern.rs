//! Pathspecs: which paths a person means.
//!
//! A pathspec is a path (which means everything below it too) or a pattern with `*`, `?` or `[…]`,
//! in which `*` crosses `/` as in git. A pattern also means the path that is spelled as it is, so
//! that `photos [2019]` can be named; the directory it is given in is never part of the pattern.
//! `:(glob)` makes `*` stop at `/` and `**` cross it,
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
    pattern: Option<Glob>,
}

#[derive(Clone, Debug)]
struct Glob {
    matcher: GlobMatcher,
    /// The path that is spelled like the pattern.
    spelled: RepoPath,
}

impl Pathspec {
    /// Everything.
    pub fn all() -> Self {
        Self::default()
    }

    /// Exactly these paths and what lies below them.
    pub fn of_paths(paths: impl IntoIterator<Item = RepoPath>) -> Self {
        let item = |path: RepoPath| Item { given: path.to_string(), base: path, pattern: None };
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
        self.included.iter().all(|item| item.base.is_root() && item.pattern.is_none())
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
                let plain = |item: &'_ Item| item.pattern.is_none();
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
        let (above, parts) =
            resolve(&start, rest).ok_or_else(|| PatternError::Outside(given.clone()))?;
        let named = |parts: &[&[u8]]| {
            RepoPath::new(parts.join(&b'/'))
                .map_err(|source| PatternError::Path { path: given.clone(), source })
        };
        let path = named(&parts)?;
        let is_wild = |part: &&[u8]| part.iter().any(|byte| matches!(byte, b'*' | b'?' | b'['));
        let is_pattern = !literal && (icase || parts[above..].iter().any(is_wild));
        let matcher = is_pattern.then(|| matcher(&parts, above, glob, icase)).flatten();
        let Some(matcher) = matcher else {
            return Ok((exclude, Self { given, base: path, pattern: None }));
        };
        let may_vary = |part: &&[u8]| icase || is_wild(part) || part.contains(&b'\\');
        let fixed = parts[above..].iter().position(may_vary).unwrap_or_default();
        let base = named(&parts[..if icase { 0 } else { above + fixed }])?;
        let pattern = Some(Glob { matcher, spelled: path });
        Ok((exclude, Self { given, base, pattern }))
    }

    fn matches(&self, path: &RepoPath) -> bool {
        match &self.pattern {
            None => path.is_within(&self.base),
            Some(Glob { matcher, spelled }) => {
                // A pattern that matches a directory means everything below it, as a path does.
                let bytes = path.as_bytes();
                path.is_within(spelled)
                    || (0..=bytes.len())
                        .filter(|&end| end == bytes.len() || bytes[end] == b'/')
                        .any(|end| matcher.is_match(bstr_path(&bytes[..end])))
            }
        }
    }
}

/// What a pattern matches, the first parts of which are no pattern. `None` if it is none at all, as
/// `[` without an end: then it is the name it spells.
fn matcher(parts: &[&[u8]], above: usize, glob: bool, icase: bool) -> Option<GlobMatcher> {
    let escaped = parts[..above].iter().map(|part| Some(globset::escape(part.to_str().ok()?)));
    let wild = parts[above..].iter().map(|part| Some(part.to_str().ok()?.to_owned()));
    let text: Option<Vec<String>> = escaped.chain(wild).collect();
    let built = GlobBuilder::new(&text?.join("/"))
        .literal_separator(glob)
        .case_insensitive(icase)
        .backslash_escape(true)
        .build();
    Some(built.ok()?.compile_matcher())
}

fn bstr_path(bytes: &[u8]) -> std::borrow::Cow<'_, std::path::Path> {
    bytes.to_path_lossy()
}

/// The parts of the path `text` means for somebody in `start`, and how many of them are from there:
/// `.` and `..` are taken away. `None` if it leads above the root.
fn resolve<'a>(start: &'a RepoPath, text: &'a [u8]) -> Option<(usize, Vec<&'a [u8]>)> {
    let mut parts: Vec<&[u8]> = start.parts().collect();
    let mut above = parts.len();
    for part in text.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop()?;
                above = above.min(parts.len());
            }
            name => parts.push(name),
        }
    }
    Some((above, parts))
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
    fn a_name_that_looks_like_a_pattern_is_meant_too() {
        assert!(matched("", &["photos [2019]"], "photos [2019]/a"));
        assert!(matched("", &["photos [2019]/a"], "photos [2019]/a"));
        assert!(matched("", &["photos [2019]"], "photos 9"));
        assert!(matched("", &["[x"], "[x/below"));
        assert!(!matched("", &["[x"], "x"));
        assert!(!matched("", &[":!photos [2019]"], "photos [2019]/a"));
    }

    #[test]
    fn the_directory_somebody_is_in_is_no_pattern() {
        assert!(matched("photos [2019]", &["a"], "photos [2019]/a"));
        assert!(matched("photos [2019]", &["."], "photos [2019]/a"));
        assert!(matched("photos [2019]", &["*.jpg"], "photos [2019]/a.jpg"));
        assert!(!matched("photos [2019]", &["*.jpg"], "photos 2/a.jpg"));
        assert!(matched("photos [2019]/b", &["../*.jpg"], "photos [2019]/a.jpg"));
        assert!(matched("photos [2019]", &["../*.jpg"], "a.jpg"));
        let specs = Pathspec::parse(&path("x [1]"), [&b"a/*"[..]]).unwrap();
        assert!(specs.may_match_below(&path("x [1]")));
        assert!(specs.may_match_below(&path("x [1]/a/b")));
        assert!(!specs.may_match_below(&path("x [1]/b")));
        assert!(!specs.may_match_below(&path("x 1")));
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
