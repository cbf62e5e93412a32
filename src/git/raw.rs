//! Git's objects as bytes: what commits, tags and trees say, and how they are hashed.
//!
//! Parsing takes what git takes, and a little more: whatever stands in a history has to come
//! through. Nothing here knows of Annals.

use bstr::ByteSlice;
use gix_hash::ObjectId;

/// The kinds of objects git has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Type {
    /// A file's content.
    Blob,
    /// A directory.
    Tree,
    /// A commit.
    Commit,
    /// An annotated tag.
    Tag,
}

impl Type {
    /// Git's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Blob => "blob",
            Self::Tree => "tree",
            Self::Commit => "commit",
            Self::Tag => "tag",
        }
    }

    /// The type that git calls so.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        [Self::Blob, Self::Tree, Self::Commit, Self::Tag]
            .into_iter()
            .find(|kind| kind.name().as_bytes() == name)
    }
}

/// The id of an object; `None` for bytes made to collide with others.
pub(super) fn id_of(hash: gix_hash::Kind, kind: Type, bytes: &[u8]) -> Option<ObjectId> {
    let mut hasher = hasher_for(hash, kind, bytes.len() as u64);
    hasher.update(bytes);
    hasher.try_finalize().ok()
}

/// A hasher that has taken what git puts before an object of this length.
pub(super) fn hasher_for(hash: gix_hash::Kind, kind: Type, bytes: u64) -> gix_hash::Hasher {
    let mut hasher = gix_hash::hasher(hash);
    hasher.update(format!("{} {bytes}\0", kind.name()).as_bytes());
    hasher
}

/// An id from its hexadecimal digits.
pub(super) fn parse_id(hash: gix_hash::Kind, digits: &[u8]) -> Option<ObjectId> {
    let id = ObjectId::from_hex(digits).ok()?;
    (id.kind() == hash && digits.iter().all(|byte| !byte.is_ascii_uppercase())).then_some(id)
}

/// An id from its bytes; `None` if there are not 20 or 32 of them.
pub(super) fn id_from_bytes(bytes: &[u8]) -> Option<ObjectId> {
    match bytes.len() {
        20 | 32 => Some(ObjectId::from_bytes_or_panic(bytes)),
        _ => None,
    }
}

/// Where the message of a commit or tag begins: behind the first empty line.
pub(super) fn message_start(raw: &[u8]) -> usize {
    match raw.find(b"\n\n") {
        Some(at) => at + 2,
        None => raw.len(),
    }
}

/// What a commit says, as far as it can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RawCommit<'a> {
    /// Its tree.
    pub tree: ObjectId,
    /// Its parents.
    pub parents: Vec<ObjectId>,
    /// Behind `author `, if the line is there.
    pub author: Option<&'a [u8]>,
    /// Behind `committer `, if the line is there.
    pub committer: Option<&'a [u8]>,
    /// What follows these lines up to the empty line, which is not in it.
    pub rest: &'a [u8],
    /// The message.
    pub message: &'a [u8],
    /// Everything before the message.
    pub header: &'a [u8],
}

/// Reads a commit.
pub(super) fn parse_commit(
    hash: gix_hash::Kind,
    raw: &[u8],
) -> Result<RawCommit<'_>, &'static str> {
    let (header, message) = raw.split_at(message_start(raw));
    let mut at = 0;
    let mut next = |name: &str| -> Option<&[u8]> {
        let line = header[at..].split(|&byte| byte == b'\n').next().unwrap_or_default();
        let value = line.strip_prefix(name.as_bytes())?.strip_prefix(b" ")?;
        at = (at + line.len() + 1).min(header.len());
        Some(value)
    };
    let tree = next("tree").and_then(|digits| parse_id(hash, digits)).ok_or("it has no tree")?;
    let mut parents = Vec::new();
    while let Some(digits) = next("parent") {
        parents.push(parse_id(hash, digits).ok_or("a parent is no id")?);
    }
    let author = next("author");
    let committer = next("committer");
    let rest = &header[at..];
    // The empty line, and the end of the last line before it.
    let rest = rest.strip_suffix(b"\n").unwrap_or(rest);
    let rest = rest.strip_suffix(b"\n").unwrap_or(rest);
    Ok(RawCommit { tree, parents, author, committer, rest, message, header })
}

/// What an annotated tag says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RawTag<'a> {
    /// What it names.
    pub target: ObjectId,
    /// Of which type that is.
    pub target_type: Type,
    /// The tag's name; empty if it has none.
    pub name: &'a [u8],
    /// Behind `tagger `, if the line is there.
    pub tagger: Option<&'a [u8]>,
    /// The message.
    pub message: &'a [u8],
    /// Everything before the message.
    pub header: &'a [u8],
}

/// Reads an annotated tag.
pub(super) fn parse_tag(hash: gix_hash::Kind, raw: &[u8]) -> Result<RawTag<'_>, &'static str> {
    let (header, message) = raw.split_at(message_start(raw));
    let mut lines = header.split(|&byte| byte == b'\n').peekable();
    let mut next = |name: &str| -> Option<&[u8]> {
        let value = lines.peek()?.strip_prefix(name.as_bytes())?.strip_prefix(b" ")?;
        lines.next();
        Some(value)
    };
    let target = next("object").and_then(|digits| parse_id(hash, digits));
    let target = target.ok_or("it names no object")?;
    let target_type = next("type").and_then(Type::from_name).ok_or("it names no type")?;
    let name = next("tag").unwrap_or_default();
    let tagger = next("tagger");
    Ok(RawTag { target, target_type, name, tagger, message, header })
}

/// Somebody and a time, as git writes them behind `author` and the like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RawPerson {
    /// The name.
    pub name: Vec<u8>,
    /// The address.
    pub email: Vec<u8>,
    /// Seconds since 1970.
    pub seconds: i64,
    /// Minutes east of UTC.
    pub zone_minutes: i16,
}

/// Reads a person as well as that is possible: `NAME <ADDRESS> SECONDS ZONE`.
pub(super) fn parse_person(line: &[u8]) -> RawPerson {
    let kept = |bytes: &[u8]| -> Vec<u8> {
        let kept = bytes.iter().filter(|byte| !matches!(byte, b'<' | b'>' | b'\n' | 0));
        kept.copied().collect()
    };
    let open = line.find_byte(b'<');
    let close = line.rfind_byte(b'>');
    let name = &line[..open.or(close).unwrap_or(line.len())];
    let email = match (open, close) {
        (Some(open), Some(close)) if open < close => &line[open + 1..close],
        _ => b"",
    };
    let mut numbers = line[close.map_or(line.len(), |at| at + 1)..]
        .split(|&byte| byte == b' ')
        .filter(|word| !word.is_empty());
    let text = |word: Option<&[u8]>| word.and_then(|word| word.to_str().ok()).map(str::to_owned);
    let seconds = text(numbers.next()).and_then(|digits| digits.parse().ok()).unwrap_or(0);
    let zone_minutes = text(numbers.next()).and_then(|zone| parse_zone(&zone)).unwrap_or(0);
    RawPerson {
        name: kept(name.strip_suffix(b" ").unwrap_or(name)),
        email: kept(email),
        seconds,
        zone_minutes,
    }
}

/// Minutes east of UTC of `+HHMM`.
fn parse_zone(zone: &str) -> Option<i16> {
    let (sign, digits) = match zone.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let number: i16 = digits.parse().ok().filter(|_| digits.bytes().all(|b| b.is_ascii_digit()))?;
    number.div_euclid(100).checked_mul(60)?.checked_add(number % 100).map(|minutes| sign * minutes)
}

/// Writes a person as git does.
pub(super) fn render_person(person: &RawPerson, out: &mut Vec<u8>) {
    out.extend_from_slice(&person.name);
    out.extend_from_slice(b" <");
    out.extend_from_slice(&person.email);
    out.extend_from_slice(b"> ");
    let zone = person.zone_minutes.unsigned_abs();
    let sign = if person.zone_minutes < 0 { '-' } else { '+' };
    let time = format!("{} {sign}{:02}{:02}", person.seconds, zone / 60, zone % 60);
    out.extend_from_slice(time.as_bytes());
}

/// What a tree says of one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RawEntry<'a> {
    /// The octal digits of the mode.
    pub mode: &'a [u8],
    /// The name.
    pub name: &'a [u8],
    /// The bytes of the id.
    pub id: &'a [u8],
    /// All bytes of the entry.
    pub bytes: &'a [u8],
}

/// Takes the next entry off the rest of a tree.
pub(super) fn next_entry<'a>(
    hash: gix_hash::Kind,
    rest: &mut &'a [u8],
) -> Result<Option<RawEntry<'a>>, &'static str> {
    if rest.is_empty() {
        return Ok(None);
    }
    let all: &'a [u8] = rest;
    let space = all.find_byte(b' ').ok_or("an entry has no mode")?;
    let zero = all[space..].find_byte(0).ok_or("an entry has no name")? + space;
    let end = zero + 1 + hash.len_in_bytes();
    if end > all.len() {
        return Err("an entry has no id");
    }
    *rest = &all[end..];
    Ok(Some(RawEntry {
        mode: &all[..space],
        name: &all[space + 1..zero],
        id: &all[zero + 1..end],
        bytes: &all[..end],
    }))
}

/// What a mode stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// A file.
    File,
    /// A file that can be executed.
    Executable,
    /// A symbolic link.
    Symlink,
    /// A directory.
    Tree,
    /// A commit of another repository.
    Gitlink,
}

impl Mode {
    /// The mode as git writes it today.
    pub(super) fn digits(self) -> &'static [u8] {
        match self {
            Self::File => b"100644",
            Self::Executable => b"100755",
            Self::Symlink => b"120000",
            Self::Tree => b"40000",
            Self::Gitlink => b"160000",
        }
    }

    /// What these digits stand for, and whether git writes them so today.
    pub(super) fn parse(digits: &[u8]) -> Option<(Self, bool)> {
        for mode in [Self::File, Self::Executable, Self::Tree, Self::Symlink, Self::Gitlink] {
            if mode.digits() == digits {
                return Some((mode, true));
            }
        }
        let mut number = 0u32;
        for &digit in digits {
            let value = char::from(digit).to_digit(8)?;
            number = number.checked_mul(8)?.checked_add(value)?;
        }
        let mode = match number & 0o170_000 {
            0o040_000 => Self::Tree,
            0o120_000 => Self::Symlink,
            0o160_000 => Self::Gitlink,
            _ if number & 0o100 != 0 => Self::Executable,
            _ => Self::File,
        };
        Some((mode, false))
    }
}

/// The order of names in git's trees: a directory sorts as if its name ended in `/`.
pub(super) fn git_order(a: (&[u8], bool), b: (&[u8], bool)) -> std::cmp::Ordering {
    let common = a.0.len().min(b.0.len());
    a.0[..common].cmp(&b.0[..common]).then_with(|| {
        let next = |(name, is_tree): (&[u8], bool)| match name.get(common) {
            Some(&byte) => u16::from(byte) + 1,
            None if is_tree => u16::from(b'/') + 1,
            None => 0,
        };
        next(a).cmp(&next(b))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_person_comes_back_as_git_wrote_it() {
        for line in
            ["A U Thor <a@example.org> 1112354055 +0200", "A <a> -1 -0930", "Nobody <> 0 +0000"]
        {
            let mut out = Vec::new();
            render_person(&parse_person(line.as_bytes()), &mut out);
            assert_eq!(out.as_bstr(), line);
        }
    }

    #[test]
    fn an_odd_person_is_read_as_well_as_possible() {
        let person = parse_person(b"A <b@c> <d@e> 12 +051800");
        assert_eq!(person.name, b"A");
        assert_eq!(person.email, b"b@c d@e");
        assert_eq!(person.seconds, 12);
        assert_eq!(
            parse_person(b"no address"),
            RawPerson { name: b"no address".to_vec(), ..RawPerson::default() }
        );
        assert_eq!(parse_person(b"> 1 <").seconds, 1);
        assert_eq!(parse_person(b"").name, b"");
    }

    #[test]
    fn a_directory_sorts_behind_what_its_name_begins() {
        use std::cmp::Ordering;
        assert_eq!(git_order((b"a", true), (b"a.c", false)), Ordering::Greater);
        assert_eq!(git_order((b"a", false), (b"a.c", false)), Ordering::Less);
        assert_eq!(git_order((b"a", true), (b"a0", false)), Ordering::Less);
        assert_eq!(git_order((b"a", false), (b"a", true)), Ordering::Less);
    }

    #[test]
    fn modes_of_old_are_read_and_known_for_odd() {
        assert_eq!(Mode::parse(b"100644"), Some((Mode::File, true)));
        assert_eq!(Mode::parse(b"100664"), Some((Mode::File, false)));
        assert_eq!(Mode::parse(b"040000"), Some((Mode::Tree, false)));
        assert_eq!(Mode::parse(b"100775"), Some((Mode::Executable, false)));
        assert_eq!(Mode::parse(b"99"), None);
    }
}
