//! Counting what changed, laid out as git does.

/// What changed in one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    /// Lines.
    Lines {
        /// Only on the new side.
        added: u64,
        /// Only on the old side.
        deleted: u64,
    },
    /// Content that is not text: its lengths.
    Binary {
        /// Bytes on the old side.
        old: u64,
        /// Bytes on the new side.
        new: u64,
    },
}

impl Counts {
    fn lines(self) -> u64 {
        match self {
            Self::Lines { added, deleted } => added + deleted,
            Self::Binary { .. } => 0,
        }
    }
}

/// One line of `--stat`: everything left of the bar is text, the bar is two lengths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Name, separator and number.
    pub text: String,
    /// How many `+`.
    pub plus: usize,
    /// How many `-`.
    pub minus: usize,
    /// What stands in place of the bar for content that is not text.
    pub bytes: Option<(u64, u64)>,
}

/// The name of what was renamed, as git shortens it: `dir/{old => new}/file`.
pub fn renamed(old: &str, new: &str) -> String {
    let (a, b) = (old.as_bytes(), new.as_bytes());
    let common = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let start = a[..common].iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
    let mut end = 0;
    // What both end with may begin with the slash that what both start with ends with.
    let room = (a.len() - start).min(b.len() - start) + usize::from(start > 0);
    for back in 1..=room {
        if a[a.len() - back] != b[b.len() - back] {
            break;
        }
        if a[a.len() - back] == b'/' {
            end = back;
        }
    }
    if start == 0 && end == 0 {
        return format!("{old} => {new}");
    }
    let middle = |name: &str| {
        let to = name.len() - end;
        name.get(start..to.max(start)).unwrap_or_default().to_owned()
    };
    let (first, last) = (&old[..start], &old[old.len() - end..]);
    format!("{first}{{{} => {}}}{last}", middle(old), middle(new))
}

/// Lays out names and counts for a terminal of this width.
pub fn layout(files: &[(String, Counts)], width: usize) -> Vec<Row> {
    let digits = |number: u64| number.checked_ilog10().map_or(1, |log| log as usize + 1);
    let (mut longest, mut most, mut binary_width, mut number_width) = (0, 0, 0, 0);
    for (name, counts) in files {
        longest = longest.max(name.chars().count());
        most = most.max(counts.lines());
        if let Counts::Binary { old, new } = counts {
            // "Bin 1 -> 2 bytes", with "Bin" where the numbers are.
            binary_width = binary_width.max(14 + digits(*old) + digits(*new));
            number_width = 3;
        }
    }
    let number_width = number_width.max(digits(most));
    let width = width.max(16 + 6 + number_width);
    let most_columns = usize::try_from(most).unwrap_or(usize::MAX / 2);
    let mut graph = if most_columns + 4 > binary_width { most_columns } else { binary_width - 4 };
    let mut names = longest;
    if names + number_width + 6 + graph > width {
        graph = graph.min((width * 3 / 8).saturating_sub(number_width + 6).max(6));
        if names > width - number_width - 6 - graph {
            names = width - number_width - 6 - graph;
        } else {
            graph = width - number_width - 6 - names;
        }
    }
    files
        .iter()
        .map(|(name, counts)| row(name, *counts, names, number_width, graph, most))
        .collect()
}

fn row(name: &str, counts: Counts, names: usize, numbers: usize, graph: usize, most: u64) -> Row {
    let name = shortened(name, names);
    let padding = " ".repeat(names.saturating_sub(name.chars().count()));
    match counts {
        Counts::Binary { old, new } => Row {
            text: format!(" {name}{padding} | {:>numbers$}", "Bin"),
            plus: 0,
            minus: 0,
            bytes: Some((old, new)),
        },
        Counts::Lines { added, deleted } => {
            let space = if added + deleted > 0 { " " } else { "" };
            let text = format!(" {name}{padding} | {:>numbers$}{space}", added + deleted);
            let (plus, minus) = bar(added, deleted, graph as u64, most);
            Row { text, plus: plus as usize, minus: minus as usize, bytes: None }
        }
    }
}

fn bar(added: u64, deleted: u64, graph: u64, most: u64) -> (u64, u64) {
    if graph > most {
        return (added, deleted);
    }
    let scale = |count: u64| match count {
        0 => 0,
        _ => 1 + (u128::from(count) * u128::from(graph - 1) / u128::from(most)) as u64,
    };
    let mut total = scale(added + deleted);
    if total < 2 && added > 0 && deleted > 0 {
        total = 2;
    }
    if added < deleted {
        let plus = scale(added);
        (plus, total - plus)
    } else {
        let minus = scale(deleted);
        (total - minus, minus)
    }
}

/// The end of a name that is too long, from a directory on if there is room for one.
fn shortened(name: &str, width: usize) -> String {
    let length = name.chars().count();
    if length <= width {
        return name.to_owned();
    }
    let keep = width.saturating_sub(3);
    let rest: String = name.chars().skip(length - keep).collect();
    let rest = rest.find('/').map_or(&rest[..], |slash| &rest[slash..]);
    format!("...{rest}")
}

/// The line below: how many files changed, and by how many lines.
pub fn summary(files: &[(String, Counts)]) -> String {
    let (mut added, mut deleted) = (0, 0);
    for (_, counts) in files {
        if let Counts::Lines { added: more, deleted: fewer } = counts {
            added += more;
            deleted += fewer;
        }
    }
    if files.is_empty() {
        return " 0 files changed".to_owned();
    }
    let plural = |count: u64| if count == 1 { "" } else { "s" };
    let count = files.len() as u64;
    let mut text = format!(" {count} file{} changed", plural(count));
    if added > 0 || deleted == 0 {
        text += &format!(", {added} insertion{}(+)", plural(added));
    }
    if deleted > 0 || added == 0 {
        text += &format!(", {deleted} deletion{}(-)", plural(deleted));
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::process::Command;

    use super::*;

    fn shown(files: &[(String, Counts)]) -> String {
        let mut text = String::new();
        for row in layout(files, 80) {
            text += &row.text;
            match row.bytes {
                Some((0, 0)) => {}
                Some((old, new)) => text += &format!(" {old} -> {new} bytes"),
                None => text += &("+".repeat(row.plus) + &"-".repeat(row.minus)),
            }
            text += "\n";
        }
        text + &summary(files) + "\n"
    }

    #[test]
    fn a_rename_is_shortened_to_what_differs() {
        for (old, new, shown) in [
            ("a", "b", "a => b"),
            ("d/a", "d/b", "d/{a => b}"),
            ("d/a/x", "d/b/x", "d/{a => b}/x"),
            ("d/x", "d/sub/x", "d/{ => sub}/x"),
            ("d/sub/x", "d/x", "d/{sub => }/x"),
            ("x", "d/x", "x => d/x"),
            ("a/x", "b/x", "{a => b}/x"),
        ] {
            assert_eq!(renamed(old, new), shown);
        }
    }

    #[test]
    fn the_layout_is_the_one_of_git() {
        let git = |folder: &std::path::Path, args: &[&str]| {
            let output = Command::new("git").args(args).current_dir(folder).output()?;
            std::io::Result::Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        };
        let folder = tempfile::tempdir().unwrap();
        if git(folder.path(), &["init", "-q"]).is_err() {
            return;
        }
        let long = format!("{}/{}", "directory".repeat(6), "name".repeat(9));
        let cases: [&[(&str, Counts)]; 4] = [
            &[("a", Counts::Lines { added: 1, deleted: 0 })],
            &[
                ("a", Counts::Lines { added: 3, deleted: 1 }),
                ("b", Counts::Binary { old: 0, new: 12_345 }),
                ("empty", Counts::Lines { added: 0, deleted: 0 }),
            ],
            &[
                (&long, Counts::Lines { added: 700, deleted: 3 }),
                ("x", Counts::Lines { added: 1, deleted: 1 }),
            ],
            &[("many", Counts::Lines { added: 0, deleted: 100_000 })],
        ];
        for case in cases {
            let write = |lines: u64| "same\n".to_owned() + &"line\n".repeat(lines as usize);
            for (name, counts) in case {
                let path = folder.path().join(name);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                match counts {
                    Counts::Lines { added: 0, deleted: 0 } => {}
                    Counts::Lines { deleted, .. } => {
                        let old: String = (0..*deleted).map(|n| format!("{n}\n")).collect();
                        std::fs::write(path, "same\n".to_owned() + &old).unwrap();
                    }
                    Counts::Binary { .. } => {}
                }
            }
            git(folder.path(), &["add", "-A"]).unwrap();
            for (name, counts) in case {
                let path = folder.path().join(name);
                match counts {
                    Counts::Lines { added: 0, deleted: 0 } => std::fs::write(path, "").unwrap(),
                    Counts::Lines { added, .. } => std::fs::write(path, write(*added)).unwrap(),
                    Counts::Binary { new, .. } => {
                        std::fs::write(path, vec![0; *new as usize]).unwrap();
                    }
                }
            }
            git(folder.path(), &["add", "-A", "-N"]).unwrap();
            let expected = git(folder.path(), &["diff", "--stat=80"]).unwrap();
            let files: Vec<(String, Counts)> =
                case.iter().map(|(name, counts)| ((*name).to_owned(), *counts)).collect();
            let mut sorted = files.clone();
            sorted.sort_by(|a, b| a.0.cmp(&b.0));
            assert_eq!(shown(&sorted), expected);
            git(folder.path(), &["rm", "-rfq", "--cached", "."]).unwrap();
            for (name, _) in case {
                std::fs::remove_file(folder.path().join(name)).unwrap();
            }
        }
    }
}
