//! Names of files as they are shown.

use annals::path::{RepoPath, quoted};

/// How a name is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quoting {
    /// Byte for byte.
    Raw,
    /// In quotes with C escapes if it would not fit on a line or is not UTF-8.
    Usual,
    /// In quotes as well if it is not ASCII.
    Ascii,
}

impl Quoting {
    pub(crate) fn show(self, name: &[u8]) -> Vec<u8> {
        match self {
            Self::Raw => name.to_vec(),
            Self::Ascii if !name.is_ascii() => escaped(name),
            Self::Usual | Self::Ascii => quoted(name).into_bytes(),
        }
    }

    pub(crate) fn text(self, name: &[u8]) -> String {
        String::from_utf8_lossy(&self.show(name)).into_owned()
    }
}

fn escaped(name: &[u8]) -> Vec<u8> {
    let mut shown = vec![b'"'];
    for &byte in name {
        match byte {
            b'"' | b'\\' => shown.extend([b'\\', byte]),
            b'\n' => shown.extend(b"\\n"),
            b'\t' => shown.extend(b"\\t"),
            b'\r' => shown.extend(b"\\r"),
            0..0x20 | 0x7f.. => shown.extend(format!("\\{byte:03o}").into_bytes()),
            other => shown.push(other),
        }
    }
    shown.push(b'"');
    shown
}

/// `path` as somebody in directory `here` would write it.
pub(crate) fn relative(here: &RepoPath, path: &RepoPath) -> Vec<u8> {
    if here.is_root() {
        return path.as_bytes().to_vec();
    }
    let (from, to): (Vec<&[u8]>, Vec<&[u8]>) = (here.parts().collect(), path.parts().collect());
    let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let mut parts: Vec<&[u8]> = vec![b".."; from.len() - common];
    parts.extend(&to[common..]);
    if parts.is_empty() { b".".to_vec() } else { parts.join(&b'/') }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_shown_from_where_one_stands() {
        let path = |text: &str| RepoPath::new(text).unwrap();
        let shown = |here: &str, to: &str| relative(&path(here), &path(to));
        assert_eq!(shown("", "a/b"), b"a/b");
        assert_eq!(shown("a", "a/b"), b"b");
        assert_eq!(shown("a/x/y", "a/b"), b"../../b");
        assert_eq!(shown("a", "a"), b".");
    }

    #[test]
    fn a_name_that_is_not_ascii_is_quoted_only_if_asked() {
        assert_eq!(Quoting::Usual.show("ü".as_bytes()), "ü".as_bytes());
        assert_eq!(Quoting::Ascii.show("ü".as_bytes()), b"\"\\303\\274\"");
        assert_eq!(Quoting::Raw.show(b"a\nb"), b"a\nb");
    }
}
