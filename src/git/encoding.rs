//! Words of commits that git keeps in another encoding than UTF-8, for people to read.
//!
//! Git writes down the encoding beside the bytes and leaves them alone. So does an import: what is
//! recorded stays as it came, and only whoever shows it, or records it anew in another commit, asks
//! here. Words that are not what their encoding allows, or in one that nobody knows, stay bytes.
//! Deliberately absent: guessing.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8};

use crate::object::{Commit, Signature};

use super::convert::{FromGit, from_git};

/// The encoding that a commit from git names for its words.
pub fn encoding(commit: &Commit) -> Option<&[u8]> {
    let lines = match from_git(&commit.headers)? {
        FromGit::Short { rest, .. } => rest,
        FromGit::Verbatim(header) => header,
    };
    lines.split(|&byte| byte == b'\n').find_map(|line| line.strip_prefix(b"encoding "))
}

/// The commit with its words in UTF-8, if it says in which encoding they are.
pub fn readable(commit: &Commit) -> Cow<'_, Commit> {
    let known = encoding(commit).and_then(Encoding::for_label);
    let Some(known) = known.filter(|known| *known != UTF_8 && known.is_ascii_compatible()) else {
        return Cow::Borrowed(commit);
    };
    let decode = |bytes: &[u8]| -> Vec<u8> {
        match known.decode_without_bom_handling_and_without_replacement(bytes) {
            Some(text) => text.into_owned().into_bytes(),
            None => bytes.to_vec(),
        }
    };
    let signature = |who: &Signature| Signature {
        name: decode(&who.name),
        email: decode(&who.email),
        ..who.clone()
    };
    Cow::Owned(Commit {
        author: signature(&commit.author),
        committer: signature(&commit.committer),
        message: decode(&commit.message),
        ..commit.clone()
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::git::convert::commit_from_git;
    use crate::hash::Id;

    fn commit(header: &str, message: &[u8]) -> Commit {
        let tree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
        let mut bytes = format!("tree {tree}\n").into_bytes();
        for role in ["author", "committer"] {
            bytes.extend_from_slice(role.as_bytes());
            bytes.extend_from_slice(b" J\xfcrgen <j@x> 1 +0000\n");
        }
        bytes.extend_from_slice(header.as_bytes());
        bytes.push(b'\n');
        bytes.extend_from_slice(message);
        let kind = gix_hash::Kind::Sha1;
        commit_from_git(kind, &bytes, Id::EMPTY, Vec::new(), Default::default()).unwrap()
    }

    #[test]
    fn words_are_read_in_the_encoding_that_git_names() {
        for label in ["ISO-8859-1", "latin1"] {
            let commit = commit(&format!("encoding {label}\n"), b"gr\xfcn\n");
            assert_eq!(encoding(&commit).unwrap(), label.as_bytes());
            let shown = readable(&commit);
            assert_eq!(shown.message, "grün\n".as_bytes());
            assert_eq!(shown.author.name, "Jürgen".as_bytes());
            assert_eq!(shown.committer.name, "Jürgen".as_bytes());
            assert_eq!(shown.headers, commit.headers);
        }
        let shown = commit("encoding Shift_JIS\n", b"\x93\xfa\x96{\n");
        assert_eq!(readable(&shown).message, "日本\n".as_bytes());
    }

    #[test]
    fn the_encoding_is_found_in_a_header_that_is_kept_whole() {
        // Git would write the header lines in another order.
        let mut commit = commit("encoding latin1\n", b"gr\xfcn\n");
        let header = b"tree 1\nauthor A <a> 1 +0\ngpgsig x\n encoding y\nencoding latin1\n\n";
        commit.headers[0].value = header.to_vec();
        assert_eq!(readable(&commit).message, "grün\n".as_bytes());
    }

    #[test]
    fn what_is_not_known_or_not_so_stays_bytes() {
        for header in ["", "encoding UTF-8\n", "encoding made-up\n", "encoding UTF-16LE\n"] {
            let commit = commit(header, b"gr\xfcn\n");
            assert_eq!(*readable(&commit), commit, "{header}");
        }
        let broken = commit("encoding EUC-JP\n", b"gr\xff\xff\n");
        assert_eq!(readable(&broken).message, b"gr\xff\xff\n");
    }
}
