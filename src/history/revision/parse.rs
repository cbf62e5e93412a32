//! The grammar: text to expression. Nothing is looked up.
//!
//! ```text
//! expression = ":/" text | ":" [ stage ":" ] path | revision [ ":" path ] | "-"
//! revision   = base step*
//! base       = name | "@" | "@{-" n "}" | nothing, before "@{"
//! step       = "^" [n] | "~" [n] | "^{" what "}" | "@{" n | date | "u" | "upstream" | "push" "}"
//! ```

use thiserror::Error;

/// Why a text is not a revision whatever the repository holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SyntaxError {
    /// There is nothing.
    #[error("it is empty")]
    Empty,
    /// It begins with `^`, `~` or `}`.
    #[error("it names nothing before '{0}'")]
    NoBase(char),
    /// A `{` without its `}`.
    #[error("a '}}' is missing")]
    Unclosed,
    /// Something unexpected follows.
    #[error("'{0}' cannot stand there")]
    Unexpected(char),
    /// A number that is too large.
    #[error("a number is too large")]
    Number,
    /// `^{what}` with something unknown.
    #[error(
        "after '^' in braces stands commit, tree, tag, blob, object, a '/' and text, or nothing"
    )]
    Peel,
    /// `@{-0}`, or `@{-n}` after a name.
    #[error("'@{{-1}}' is the branch before this one, '@{{-2}}' the one before that")]
    Previous,
    /// `@{}`.
    #[error("there is no date or number in '@{{}}'")]
    NoMove,
    /// `rev^-0`.
    #[error("parents are counted from 1")]
    Parent,
    /// A search that begins with `!` and goes on with neither `!` nor `-`.
    #[error("after '!' in a search stands '!' or '-'")]
    Search,
    /// A name that is not UTF-8.
    #[error("it is not UTF-8")]
    NotUtf8,
}

/// One revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expression {
    /// Where it starts.
    pub base: Base,
    /// How it goes on, from left to right.
    pub steps: Vec<Step>,
    /// What stands after `:`, raw: empty, from the root down, or with `./` or `../` before it.
    pub path: Option<Vec<u8>>,
}

/// Where a revision starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Base {
    /// A ref, an id, the beginning of one, or what `describe` prints.
    Name(String),
    /// The current branch, or HEAD if there is none: what stands before a lone `@{…}`.
    Current,
    /// The branch so many switches ago, from 1.
    Previous(usize),
    /// The youngest commit on any ref whose message matches.
    Latest(Search),
    /// A path in the index, and which stage of it.
    Tracked(u8, Vec<u8>),
}

/// How a revision goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Where the ref was so many moves ago.
    Move(usize),
    /// Where the ref was at this date.
    At(String),
    /// The branch this one is brought up to date from.
    Upstream,
    /// The branch this one is pushed to.
    Push,
    /// A parent, from 1; 0 is the commit itself.
    Parent(usize),
    /// So many times the first parent.
    Ancestor(usize),
    /// Another object that this one leads to.
    Peel(Peel),
    /// The youngest commit from here back whose message matches.
    Search(Search),
}

/// What stands in `^{…}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peel {
    /// `^{}`: whatever a tag leads to.
    Untagged,
    /// `^{object}`: it exists.
    Object,
    /// `^{commit}`
    Commit,
    /// `^{tree}`
    Tree,
    /// `^{tag}`
    Tag,
    /// `^{blob}`: the content of a file.
    Blob,
}

/// A search in messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// The pattern, a regular expression.
    pub text: Vec<u8>,
    /// Messages that do not match are meant (`!-text`).
    pub negated: bool,
}

/// Reads one revision.
pub fn parse(text: &[u8]) -> Result<Expression, SyntaxError> {
    let simple = |base| Ok(Expression { base, steps: Vec::new(), path: None });
    match text {
        b"" => return Err(SyntaxError::Empty),
        b"-" => return simple(Base::Previous(1)),
        [b':', b'/', search @ ..] => return simple(Base::Latest(parse_search(search)?)),
        [b':', stage @ b'0'..=b'3', b':', path @ ..] => {
            return simple(Base::Tracked(stage - b'0', path.to_vec()));
        }
        [b':', path @ ..] => return simple(Base::Tracked(0, path.to_vec())),
        _ => {}
    }
    let (revision, path) = match colon(text) {
        Some(at) => (&text[..at], Some(text[at + 1..].to_vec())),
        None => (text, None),
    };
    let revision = std::str::from_utf8(revision).map_err(|_| SyntaxError::NotUtf8)?;
    let (base, mut rest) = parse_base(revision)?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let names_a_ref = steps.iter().all(|step| matches!(step, Step::Upstream | Step::Push));
        let (step, after) = parse_step(rest, names_a_ref)?;
        steps.push(step);
        rest = after;
    }
    Ok(Expression { base, steps, path })
}

/// The first colon outside braces: a path follows it.
pub(super) fn colon(text: &[u8]) -> Option<usize> {
    let mut depth = 0usize;
    text.iter().position(|&byte| {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        byte == b':' && depth == 0
    })
}

fn parse_base(text: &str) -> Result<(Base, &str), SyntaxError> {
    if let Some(rest) = text.strip_prefix("@{-") {
        let (number, rest) = rest.split_once('}').ok_or(SyntaxError::Unclosed)?;
        return match parse_digits(number.as_bytes())? {
            Some(number @ 1..) => Ok((Base::Previous(number), rest)),
            _ => Err(SyntaxError::Previous),
        };
    }
    let end = text
        .char_indices()
        .find(|(at, character)| matches!(character, '^' | '~') || text[*at..].starts_with("@{"))
        .map_or(text.len(), |(at, _)| at);
    let (name, rest) = text.split_at(end);
    match (name, rest.chars().next()) {
        ("", Some('@')) => Ok((Base::Current, rest)),
        ("", Some(character)) => Err(SyntaxError::NoBase(character)),
        ("", None) => Err(SyntaxError::Empty),
        ("@", _) => Ok((Base::Name("HEAD".into()), rest)),
        (name, _) => Ok((Base::Name(name.to_owned()), rest)),
    }
}

fn parse_step(text: &str, names_a_ref: bool) -> Result<(Step, &str), SyntaxError> {
    if let Some(rest) = text.strip_prefix("^{") {
        let (inside, rest) = braces(rest)?;
        return Ok((parse_peel(inside)?, rest));
    }
    if let Some(rest) = text.strip_prefix("@{") {
        if !names_a_ref {
            return Err(SyntaxError::Unexpected('@'));
        }
        let (inside, rest) = braces(rest)?;
        return Ok((parse_move(inside)?, rest));
    }
    let Some(rest) = text.strip_prefix(['^', '~']) else {
        return Err(text.chars().next().map_or(SyntaxError::Empty, SyntaxError::Unexpected));
    };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = rest.split_at(digits);
    let number = parse_digits(number.as_bytes())?.unwrap_or(1);
    let step = if text.starts_with('^') { Step::Parent(number) } else { Step::Ancestor(number) };
    Ok((step, rest))
}

/// Splits before the brace that closes the one already opened.
fn braces(text: &str) -> Result<(&str, &str), SyntaxError> {
    let mut depth = 0usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 0 => return Ok((&text[..at], &text[at + 1..])),
            b'}' => depth -= 1,
            _ => {}
        }
    }
    Err(SyntaxError::Unclosed)
}

fn parse_peel(inside: &str) -> Result<Step, SyntaxError> {
    let peel = match inside {
        "" => Peel::Untagged,
        "object" => Peel::Object,
        "commit" => Peel::Commit,
        "tree" => Peel::Tree,
        "tag" => Peel::Tag,
        "blob" => Peel::Blob,
        // git takes an empty search for the commit itself.
        "/" => Peel::Commit,
        _ => {
            let search = inside.strip_prefix('/').ok_or(SyntaxError::Peel)?;
            return Ok(Step::Search(parse_search(search.as_bytes())?));
        }
    };
    Ok(Step::Peel(peel))
}

fn parse_move(inside: &str) -> Result<Step, SyntaxError> {
    let is = |word: &str| inside.eq_ignore_ascii_case(word);
    if is("u") || is("upstream") {
        return Ok(Step::Upstream);
    }
    if is("push") {
        return Ok(Step::Push);
    }
    if inside.starts_with('-') {
        return Err(SyntaxError::Previous);
    }
    // Nine digits and more are a time in seconds.
    if inside.len() < 9
        && let Some(number) = parse_digits(inside.as_bytes())?
    {
        return Ok(Step::Move(number));
    }
    if inside.is_empty() {
        return Err(SyntaxError::NoMove);
    }
    Ok(Step::At(inside.to_owned()))
}

fn parse_search(text: &[u8]) -> Result<Search, SyntaxError> {
    match text {
        [b'!', b'-', text @ ..] => Ok(Search { text: text.to_vec(), negated: true }),
        [b'!', text @ ..] if text.starts_with(b"!") => {
            Ok(Search { text: text.to_vec(), negated: false })
        }
        [b'!', ..] => Err(SyntaxError::Search),
        text => Ok(Search { text: text.to_vec(), negated: false }),
    }
}

/// A number, or `None` if there are no digits or other things.
pub(super) fn parse_digits(text: &[u8]) -> Result<Option<usize>, SyntaxError> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return Ok(None);
    }
    let number = std::str::from_utf8(text).ok().and_then(|digits| digits.parse().ok());
    number.map(Some).ok_or(SyntaxError::Number)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(text: &str) -> Expression {
        parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text:?}: {error}"))
    }

    #[test]
    fn steps_are_taken_from_left_to_right() {
        use Step::{Ancestor, Parent};
        let expected = [Ancestor(2), Parent(2), Ancestor(1), Step::Peel(Peel::Tree)];
        assert_eq!(read("HEAD~2^2~^{tree}").steps, expected);
        assert_eq!(read("a^^^0").steps, [Parent(1), Parent(1), Parent(0)]);
        assert_eq!(read("@").base, Base::Name("HEAD".into()));
        assert_eq!(read("a@b/c@").base, Base::Name("a@b/c@".into()));
    }

    #[test]
    fn braces_after_an_at_sign_hold_a_move_a_date_or_a_word() {
        assert_eq!(
            read("@{1}"),
            Expression { base: Base::Current, steps: vec![Step::Move(1)], path: None }
        );
        assert_eq!(read("@{-2}^").base, Base::Previous(2));
        assert_eq!(read("-").base, Base::Previous(1));
        assert_eq!(read("x@{2 weeks ago}").steps, [Step::At("2 weeks ago".into())]);
        assert_eq!(read("x@{10:30}:p").path.unwrap(), b"p");
        assert_eq!(read("x@{1700000000}").steps, [Step::At("1700000000".into())]);
        assert_eq!(read("x@{U}@{1}").steps, [Step::Upstream, Step::Move(1)]);
        assert_eq!(parse(b"x^@{1}"), Err(SyntaxError::Unexpected('@')));
        assert_eq!(parse(b"x@{-1}"), Err(SyntaxError::Previous));
    }

    #[test]
    fn paths_and_searches_take_the_rest_as_it_is() {
        assert_eq!(read("HEAD:a^b~1:c").path.unwrap(), b"a^b~1:c");
        assert_eq!(read("HEAD:").path.unwrap(), b"");
        assert_eq!(read(":2:a").base, Base::Tracked(2, b"a".to_vec()));
        assert_eq!(read(":4:a").base, Base::Tracked(0, b"4:a".to_vec()));
        let search = Search { text: b"a: b..c".to_vec(), negated: false };
        assert_eq!(read(":/a: b..c").base, Base::Latest(search));
        let search = Search { text: b"x: {y}".to_vec(), negated: true };
        assert_eq!(read("m^{/!-x: {y}}").steps, [Step::Search(search)]);
        assert_eq!(parse(b"HEAD:\xff").unwrap().path.unwrap(), b"\xff");
        assert_eq!(parse(b"\xff"), Err(SyntaxError::NotUtf8));
    }

    #[test]
    fn what_cannot_be_a_revision_says_why() {
        assert_eq!(parse(b""), Err(SyntaxError::Empty));
        assert_eq!(parse(b"^a"), Err(SyntaxError::NoBase('^')));
        assert_eq!(parse(b"~"), Err(SyntaxError::NoBase('~')));
        assert_eq!(parse(b"a^{tree"), Err(SyntaxError::Unclosed));
        assert_eq!(parse(b"a^{leaf}"), Err(SyntaxError::Peel));
        assert_eq!(parse(b"a~1x"), Err(SyntaxError::Unexpected('x')));
        assert_eq!(parse(b"a~99999999999999999999"), Err(SyntaxError::Number));
        assert_eq!(parse(b"a@{}"), Err(SyntaxError::NoMove));
        assert_eq!(parse(b":/!x"), Err(SyntaxError::Search));
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let pieces = ["^", "~", "@", "{", "}", ":", ".", "..", "-", "1", "a", "/", "!", "\u{fc}"];
        let mut random = crate::history::testing::Random(5);
        for _ in 0..20_000 {
            let length = random.below(8);
            let text: String = (0..length).map(|_| pieces[random.below(pieces.len())]).collect();
            let _ = parse(text.as_bytes());
            let _ = crate::history::revision::parse_word(text.as_bytes());
        }
    }
}
