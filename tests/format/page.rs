//! `docs/format.md` as the tests read it: its fenced blocks.

use std::path::Path;

/// A fenced block of the page.
#[derive(Debug)]
pub(crate) struct Block {
    /// The word behind the fence.
    pub(crate) language: String,
    /// What its first line names, if that begins with `# `.
    pub(crate) name: Option<String>,
    /// Its lines.
    pub(crate) lines: Vec<String>,
}

impl Block {
    /// Its lines as a text.
    pub(crate) fn text(&self) -> String {
        self.lines.iter().map(|line| format!("{line}\n")).collect()
    }

    /// The lines below the first that are not comments.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Vec<&str>> {
        let rows = self.lines.iter().filter(|line| !line.starts_with('#'));
        rows.map(|line| line.split_whitespace().collect())
    }

    /// The bytes of a `hex` block: what stands before `#` on each line.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let digits: String = self
            .lines
            .iter()
            .flat_map(|line| line.split('#').next().unwrap_or_default().chars())
            .filter(|digit| !digit.is_whitespace())
            .collect();
        unhex(&digits).unwrap_or_else(|| panic!("'{:?}' has something else than bytes", self.name))
    }

    /// The id in its second line, if there is one.
    pub(crate) fn id(&self) -> Option<&str> {
        self.lines.get(1)?.strip_prefix("# id ")
    }
}

/// The bytes that hexadecimal digits stand for.
pub(crate) fn unhex(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

/// The fenced blocks of `docs/format.md`, in order.
pub(crate) fn blocks() -> Vec<Block> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/format.md");
    let page = std::fs::read_to_string(path).unwrap();
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(language) = line.strip_prefix("```") else { continue };
        let lines: Vec<String> =
            lines.by_ref().take_while(|line| *line != "```").map(str::to_owned).collect();
        let name = lines.first().and_then(|line| line.strip_prefix("# ")).map(str::to_owned);
        blocks.push(Block { language: language.to_owned(), name, lines });
    }
    blocks
}

/// The block whose first line names this.
pub(crate) fn block(name: &str) -> Block {
    let found = blocks().into_iter().find(|block| block.name.as_deref() == Some(name));
    found.unwrap_or_else(|| panic!("docs/format.md has no example '{name}'"))
}
