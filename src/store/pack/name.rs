//! Names of packs, where very many are carried about.

use std::fmt;
use std::ops::Deref;

/// How many characters a pack's name has.
pub const NAME: usize = 41;

/// The name of a pack: ASCII, of one length, so that it is copied without asking for memory.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackName([u8; NAME]);

impl PackName {
    /// This name; `None` if no pack can have it.
    pub fn new(name: &[u8]) -> Option<Self> {
        let name: [u8; NAME] = name.try_into().ok()?;
        name.is_ascii().then_some(Self(name))
    }
}

impl Deref for PackName {
    type Target = str;

    fn deref(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for PackName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl fmt::Debug for PackName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_packs_are_taken() {
        let name = format!("{:032}-{:08}", 1, 2);
        assert_eq!(PackName::new(name.as_bytes()).as_deref(), Some(&name[..]));
        assert_eq!(PackName::new(&name.as_bytes()[1..]), None);
        assert_eq!(PackName::new(&[0xff; NAME]), None);
    }
}
