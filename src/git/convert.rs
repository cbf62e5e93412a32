//! Commits and tags, from git's bytes to objects of Annals and back.
//!
//! Pure: the same bytes give the same object everywhere. What Annals has no place for is in the
//! header `git`, in one of two forms. The short one says only what does not follow from the rest
//! of the object: the number 1 (SHA-1) or 2 (SHA-256), the id of git's tree, and the further
//! header lines without the line feed of the last. It is taken if git's bytes come out of it again.
//! Otherwise the header has everything before the message, as it is; that begins with `tree` or
//! `object`. So every id of git follows from the commits of Annals, parents first, without looking
//! at a tree.

use gix_hash::ObjectId;

use crate::hash::{Id, Kind};
use crate::object::{Commit, Header, Signature, Tag};

use super::raw::{self, RawPerson, Type};
use super::trees::RawTrees;

/// The header with git's own header lines.
pub(super) const GIT: &[u8] = b"git";
/// The header with a tree that git itself would not write: its path, a zero byte, its bytes.
pub(super) const GIT_TREE: &[u8] = b"git-tree";

fn signature(line: Option<&[u8]>) -> Signature {
    let RawPerson { name, email, seconds, zone_minutes } =
        raw::parse_person(line.unwrap_or_default());
    Signature { name, email, seconds, zone_minutes }
}

fn render(signature: &Signature, out: &mut Vec<u8>) {
    let person = RawPerson {
        name: signature.name.clone(),
        email: signature.email.clone(),
        seconds: signature.seconds,
        zone_minutes: signature.zone_minutes,
    };
    raw::render_person(&person, out);
}

/// The commit of Annals for one of git. `parents` are those of the raw commit, converted; `trees`
/// are its trees that git would not write, by path.
pub(super) fn commit_from_git(
    hash: gix_hash::Kind,
    bytes: &[u8],
    tree: Id,
    parents: Vec<Id>,
    trees: RawTrees,
) -> Result<Commit, &'static str> {
    let raw = raw::parse_commit(hash, bytes)?;
    let mut commit = Commit {
        tree,
        parents,
        author: signature(raw.author),
        committer: signature(raw.committer.or(raw.author)),
        message: raw.message.to_vec(),
        headers: Vec::new(),
    };
    let mut short = vec![if hash == gix_hash::Kind::Sha1 { 1 } else { 2 }];
    short.extend_from_slice(raw.tree.as_slice());
    short.extend_from_slice(raw.rest);
    let again = rebuild(&commit, raw.tree, &raw.parents, raw.rest);
    let value = if again == bytes { short } else { raw.header.to_vec() };
    commit.headers.push(Header { name: GIT.to_vec(), value });
    commit.headers.extend(trees.into_iter().map(tree_header));
    Ok(commit)
}

fn tree_header((path, bytes): (Vec<u8>, Vec<u8>)) -> Header {
    let mut value = path;
    value.push(0);
    value.extend_from_slice(&bytes);
    Header { name: GIT_TREE.to_vec(), value }
}

/// Git's bytes of a commit with this tree, these parents and further header lines.
fn rebuild(commit: &Commit, tree: ObjectId, parents: &[ObjectId], rest: &[u8]) -> Vec<u8> {
    let mut out = format!("tree {tree}\n").into_bytes();
    for parent in parents {
        out.extend_from_slice(format!("parent {parent}\n").as_bytes());
    }
    for (word, who) in [("author ", &commit.author), ("committer ", &commit.committer)] {
        out.extend_from_slice(word.as_bytes());
        render(who, &mut out);
        out.push(b'\n');
    }
    if !rest.is_empty() {
        out.extend_from_slice(rest);
        out.push(b'\n');
    }
    out.push(b'\n');
    out.extend_from_slice(&commit.message);
    out
}

/// What the header `git` of a commit says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FromGit<'a> {
    /// The tree; all else follows.
    Short {
        /// How git hashed.
        hash: gix_hash::Kind,
        /// Git's tree.
        tree: ObjectId,
        /// Further header lines.
        rest: &'a [u8],
    },
    /// Everything before the message.
    Verbatim(&'a [u8]),
}

/// What a commit that came from git says of that; `None` if it was made in Annals.
pub(super) fn from_git(headers: &[Header]) -> Option<FromGit<'_>> {
    let value = &headers.iter().find(|header| header.name == GIT)?.value[..];
    let (hash, rest) = match value.split_first()? {
        (1, rest) => (gix_hash::Kind::Sha1, rest),
        (2, rest) => (gix_hash::Kind::Sha256, rest),
        _ => return Some(FromGit::Verbatim(value)),
    };
    let (tree, rest) = rest.split_at_checked(hash.len_in_bytes())?;
    Some(FromGit::Short { hash, tree: raw::id_from_bytes(tree)?, rest })
}

/// The trees of a commit or tag that git would not write: path and bytes.
pub(super) fn trees_from_git(headers: &[Header]) -> impl Iterator<Item = (&[u8], &[u8])> {
    headers.iter().filter(|header| header.name == GIT_TREE).filter_map(|header| {
        let zero = header.value.iter().position(|&byte| byte == 0)?;
        Some((&header.value[..zero], &header.value[zero + 1..]))
    })
}

/// Git's bytes of a commit that came from a git that hashes so, given its parents' ids; `None` if
/// it did not.
pub(super) fn commit_to_git(
    hash: gix_hash::Kind,
    commit: &Commit,
    parents: &[ObjectId],
) -> Option<Vec<u8>> {
    match from_git(&commit.headers)? {
        FromGit::Short { hash: own, tree, rest } => {
            (own == hash).then(|| rebuild(commit, tree, parents, rest))
        }
        FromGit::Verbatim(header) => {
            let bytes = [header, &commit.message].concat();
            // Its ids say which kind they are of.
            raw::parse_commit(hash, &bytes).is_ok().then_some(bytes)
        }
    }
}

/// Git's bytes of a commit that was made in Annals.
pub(super) fn new_commit_to_git(commit: &Commit, tree: ObjectId, parents: &[ObjectId]) -> Vec<u8> {
    rebuild(commit, tree, parents, b"")
}

/// The tag of Annals for one of git.
pub(super) fn tag_from_git(
    hash: gix_hash::Kind,
    bytes: &[u8],
    target: Id,
    target_kind: Kind,
    trees: RawTrees,
) -> Result<Tag, &'static str> {
    let raw = raw::parse_tag(hash, bytes)?;
    let mut headers = vec![Header { name: GIT.to_vec(), value: raw.header.to_vec() }];
    headers.extend(trees.into_iter().map(tree_header));
    let is_proper = !raw.name.is_empty() && !raw.name.contains(&0);
    Ok(Tag {
        target,
        target_kind: target_kind.number(),
        name: if is_proper { raw.name.to_vec() } else { b"unnamed".to_vec() },
        tagger: raw.tagger.map(|line| signature(Some(line))),
        message: raw.message.to_vec(),
        headers,
    })
}

/// Git's bytes of a tag that came from a git that hashes so; `None` if it did not.
pub(super) fn tag_to_git(hash: gix_hash::Kind, tag: &Tag) -> Option<Vec<u8>> {
    match from_git(&tag.headers)? {
        FromGit::Verbatim(header) => {
            let bytes = [header, &tag.message].concat();
            raw::parse_tag(hash, &bytes).is_ok().then_some(bytes)
        }
        FromGit::Short { .. } => None,
    }
}

/// Git's bytes of a tag that was made in Annals.
pub(super) fn new_tag_to_git(tag: &Tag, target: ObjectId, target_type: Type) -> Vec<u8> {
    let mut out = format!("object {target}\ntype {}\ntag ", target_type.name()).into_bytes();
    out.extend_from_slice(&tag.name);
    out.push(b'\n');
    if let Some(tagger) = &tag.tagger {
        out.extend_from_slice(b"tagger ");
        render(tagger, &mut out);
        out.push(b'\n');
    }
    out.push(b'\n');
    out.extend_from_slice(&tag.message);
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::object::Object;

    const HASH: gix_hash::Kind = gix_hash::Kind::Sha1;
    const TREE: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

    fn round_trip(text: &str) -> Commit {
        let parents = raw::parse_commit(HASH, text.as_bytes()).unwrap().parents;
        let ours = vec![Id::EMPTY; parents.len()];
        let commit = commit_from_git(HASH, text.as_bytes(), Id::EMPTY, ours, Vec::new()).unwrap();
        assert_eq!(Commit::from_bytes(&commit.to_bytes()).unwrap(), commit);
        assert_eq!(commit_to_git(HASH, &commit, &parents).unwrap(), text.as_bytes(), "{text}");
        commit
    }

    #[test]
    fn a_commit_comes_back_byte_for_byte() {
        let tree = format!("tree {TREE}\n");
        let who = "author A <a@b> 1 +0100\ncommitter C <c@d> 2 -0930\n";
        let plain = round_trip(&format!("{tree}{who}\nwords\n"));
        assert_eq!(plain.message, b"words\n");
        assert_eq!(plain.headers[0].value.len(), 21);
        let parents = format!("parent {TREE}\nparent {TREE}\n");
        let signed = "encoding ISO-8859-1\ngpgsig -----BEGIN\n \n abc\n -----END";
        let signed = round_trip(&format!("{tree}{parents}{who}{signed}\n\n\nwords"));
        assert!(signed.headers[0].value.ends_with(b"END"));
        assert_eq!(signed.message, b"\nwords");
        // What cannot be made again from the rest is kept as it is.
        for odd in [
            "author A <a@b> 1 +051800\ncommitter C <c@d> 2 +0000\n",
            "author A <a@b> 1 -0000\ncommitter C <c@d> 2 +0000\n",
            "author A<a@b> 01 +0000\ncommitter C <c@d> 2 +0000\n",
            "author A <a@b> 1 +0000\nauthor A <a@b> 1 +0000\ncommitter C <c@d> 2 +0000\n",
            "author \ncommitter C <c@d>\n",
            "",
        ] {
            let commit = round_trip(&format!("{tree}{odd}\nwords\n"));
            assert!(commit.headers[0].value.starts_with(b"tree "), "{odd}");
            round_trip(&format!("{tree}{parents}{odd}\n"));
            round_trip(&format!("{tree}{odd}"));
        }
    }

    #[test]
    fn a_tag_comes_back_byte_for_byte() {
        for text in [
            "tag v1\ntagger A <a@b> 1 +0000\n\nOne.\n-----BEGIN PGP\n",
            "tag v1\n\nno tagger",
            "tagger A <a@b> 1 +0000\n\nno name",
            "tag v1",
        ] {
            let text = format!("object {TREE}\ntype tree\n{text}");
            let tag =
                tag_from_git(HASH, text.as_bytes(), Id::EMPTY, Kind::Tree, Vec::new()).unwrap();
            assert_eq!(Tag::from_bytes(&tag.to_bytes()).unwrap(), tag);
            assert_eq!(tag_to_git(HASH, &tag).unwrap(), text.as_bytes());
        }
    }
}
