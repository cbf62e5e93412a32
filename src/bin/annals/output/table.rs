//! Tables: columns that line up, without lines around them.

/// Rows of text. All columns but the last are padded.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Its lines.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns)
            .map(|column| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                cells.map(|cell| width(cell)).max().unwrap_or(0)
            })
            .collect();
        self.rows.iter().map(move |row| {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let padding = " ".repeat(widths[column] - width(cell));
                let is_last = column + 1 == row.len();
                line += cell;
                if !is_last {
                    line += &padding;
                    line += "  ";
                }
            }
            line
        })
    }
}

/// Columns of a terminal that a text takes; colours take none.
fn width(text: &str) -> usize {
    let mut in_escape = false;
    let mut count = 0;
    for character in text.chars() {
        match character {
            '\x1b' => in_escape = true,
            'm' if in_escape => in_escape = false,
            _ if in_escape => {}
            _ => count += 1,
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_their_colours() {
        let mut table = Table::new();
        table.row(["a", "10", "x"].map(str::to_owned));
        table.row(["\x1b[31mlong\x1b[0m", "5", "y"].map(str::to_owned));
        let lines: Vec<String> = table.lines().collect();
        assert_eq!(lines, ["a     10  x", "\x1b[31mlong\x1b[0m  5   y"]);
    }
}
