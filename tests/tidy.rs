//! Whether the code is in order, where the compiler cannot tell: floors, doors, and files.
//!
//! The floors are read from `src/lib.rs`. Every rule is shown to be able to fail, on small sources
//! made up for it.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A source file: its path from the root of the package, and what it says.
#[derive(Clone, Debug)]
struct Source {
    path: String,
    text: String,
}

/// A word or a mark of a source, outside comments and literals, with its line.
#[derive(Clone, Debug, PartialEq)]
struct Token {
    text: String,
    line: usize,
}

/// What is wrong, in words that name the place.
type Findings = Vec<String>;

// ── Reading sources ─────────────────────────────────────────────────────────────────────────────

/// The tokens of a source; comments are left out, a literal is one token `"`.
fn tokens(text: &str) -> Vec<Token> {
    let bytes = text.as_bytes();
    let (mut tokens, mut at, mut line) = (Vec::new(), 0, 1);
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80;
    while at < bytes.len() {
        let rest = &text.as_bytes()[at..];
        let (length, kept) = if rest.starts_with(b"//") {
            (rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len()), None)
        } else if rest.starts_with(b"/*") {
            (block_comment(rest), None)
        } else if let Some(length) = literal(rest) {
            (length, Some("\"".to_owned()))
        } else if is_word(rest[0]) {
            let length = rest.iter().position(|&byte| !is_word(byte)).unwrap_or(rest.len());
            (length, Some(String::from_utf8_lossy(&rest[..length]).into_owned()))
        } else if rest.starts_with(b"::") {
            (2, Some("::".to_owned()))
        } else if rest[0].is_ascii_whitespace() {
            (1, None)
        } else {
            (1, Some(char::from(rest[0]).to_string()))
        };
        tokens.extend(kept.map(|text| Token { text, line }));
        line += rest[..length].iter().filter(|&&byte| byte == b'\n').count();
        at += length;
    }
    tokens
}

fn block_comment(bytes: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < bytes.len() {
        match &bytes[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length of the string or character that begins here, if one does. Lifetimes are none.
fn literal(bytes: &[u8]) -> Option<usize> {
    let prefix = bytes.iter().take_while(|byte| matches!(byte, b'b' | b'c' | b'r')).count();
    let hashes = bytes[prefix..].iter().take_while(|&&byte| byte == b'#').count();
    let start = prefix + hashes;
    match bytes.get(start)? {
        b'"' if bytes[..prefix].contains(&b'r') => {
            let end = [&b"\""[..], &b"#".repeat(hashes)].concat();
            let body = &bytes[start + 1..];
            let length = body.windows(end.len()).position(|window| window == end);
            Some(start + 1 + length.map_or(body.len(), |length| length + end.len()))
        }
        b'"' if hashes == 0 => Some(start + quoted(&bytes[start..], b'"')),
        b'\'' if hashes == 0 && !bytes[..prefix].contains(&b'r') => {
            let body = std::str::from_utf8(&bytes[start + 1..]).ok()?;
            let mut characters = body.char_indices();
            let (_, first) = characters.next()?;
            let is_character = first == '\\' || characters.next()?.1 == '\'';
            is_character.then(|| start + quoted(&bytes[start..], b'\''))
        }
        _ => None,
    }
}

fn quoted(bytes: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < bytes.len() && bytes[at] != quote {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(bytes.len())
}

/// For each token: whether it belongs to an item that is there for tests only.
fn in_tests(tokens: &[Token]) -> Vec<bool> {
    let texts: Vec<&str> = tokens.iter().map(|token| token.text.as_str()).collect();
    let mut marks = vec![false; texts.len()];
    let mut at = 0;
    while at < texts.len() {
        if texts[at..].starts_with(&["#", "[", "cfg", "(", "test", ")", "]"]) {
            let start = at;
            let mut depth = 0;
            while at < texts.len() {
                match texts[at] {
                    "{" | "[" | "(" => depth += 1,
                    "]" | ")" => depth -= 1,
                    "}" => depth -= 1,
                    _ => {}
                }
                let is_end = texts[at] == ";" || texts[at] == "}";
                at += 1;
                if depth == 0 && is_end {
                    break;
                }
            }
            marks[start..at].fill(true);
        } else {
            at += 1;
        }
    }
    marks
}

/// The module a file of `src` is: `["store", "journal"]` for `src/store/journal/mod.rs`.
fn module_of(path: &str) -> Vec<&str> {
    let inside = path.trim_start_matches("src/").trim_end_matches(".rs");
    let mut parts: Vec<&str> = inside.split('/').collect();
    if parts.last() == Some(&"mod") || parts == ["lib"] {
        parts.pop();
    }
    parts
}

/// The library's files, the program left out.
fn library(sources: &[Source]) -> impl Iterator<Item = &Source> {
    sources
        .iter()
        .filter(|source| source.path.starts_with("src/") && !source.path.starts_with("src/bin/"))
}

/// The files that are there for tests only, because their module is declared so.
fn test_files(sources: &[Source]) -> BTreeSet<String> {
    let mut modules = BTreeSet::new();
    for source in library(sources) {
        let tokens = tokens(&source.text);
        let marks = in_tests(&tokens);
        for (at, window) in tokens.windows(3).enumerate() {
            if marks[at] && window[0].text == "mod" && window[2].text == ";" {
                let mut module = module_of(&source.path).join("/");
                module.push('/');
                modules.insert(module + &window[1].text);
            }
        }
    }
    let is_in = |path: &str| {
        let module = module_of(path).join("/");
        modules.iter().any(|test| module == *test || module.starts_with(&format!("{test}/")))
    };
    let paths = library(sources).map(|source| source.path.clone());
    paths.filter(|path| is_in(path)).collect()
}

// ── The rules ───────────────────────────────────────────────────────────────────────────────────

/// The floor of each module: its row in the table in the documentation of `src/lib.rs`, counted
/// from the lowest. A row may begin with the floor's number.
fn floors(lib: &str) -> BTreeMap<String, usize> {
    let lines = lib.lines().filter_map(|line| line.strip_prefix("//! "));
    let rows =
        lines.skip_while(|line| *line != "```text").skip(1).take_while(|line| *line != "```");
    let rows: Vec<&str> = rows.collect();
    let names = rows.iter().rev().enumerate().flat_map(|(floor, row)| {
        let words = row.split_whitespace().filter(|word| word.parse::<u32>().is_err());
        words.map(move |name| (name.to_owned(), floor))
    });
    names.collect()
}

/// The names that follow `crate::`, with their lines.
fn crate_names(tokens: &[Token]) -> Vec<(String, usize)> {
    let mut names = Vec::new();
    for at in 0..tokens.len() {
        let begins =
            tokens[at].text == "crate" && tokens.get(at + 1).is_some_and(|t| t.text == "::");
        if !begins {
            continue;
        }
        let (mut depth, mut expected) = (0, true);
        for token in &tokens[at + 2..] {
            match token.text.as_str() {
                "{" => depth += 1,
                "}" => depth -= 1,
                "," if depth == 1 => expected = true,
                "::" | "," => {}
                name => {
                    if expected {
                        names.push((name.to_owned(), token.line));
                    }
                    expected = false;
                }
            }
            if depth == 0 {
                break;
            }
        }
    }
    names
}

/// Every module has a floor, and uses only floors below it.
fn check_floors(sources: &[Source]) -> Findings {
    let mut findings = Vec::new();
    let lib = sources.iter().find(|source| source.path == "src/lib.rs").unwrap();
    let floors = floors(&lib.text);
    let mut unplaced = BTreeSet::new();
    for source in library(sources) {
        let module = module_of(&source.path);
        let Some(&name) = module.first() else { continue };
        let Some(floor) = floors.get(name) else {
            unplaced.insert(name);
            continue;
        };
        for (used, line) in crate_names(&tokens(&source.text)) {
            let below = floors.get(&used).is_some_and(|other| other < floor);
            if used != name && !below {
                let path = &source.path;
                findings.push(format!("{path}:{line}: uses crate::{used}, which is not below it"));
            }
        }
    }
    findings.extend(unplaced.iter().map(|name| format!("src/lib.rs: '{name}' has no floor")));
    findings
}

/// Nobody leaves its top-level module by `super::`.
fn check_super(sources: &[Source]) -> Findings {
    let mut findings = Vec::new();
    for source in library(sources).filter(|source| source.path != "src/lib.rs") {
        let depth = module_of(&source.path).len() - 1;
        let tokens = tokens(&source.text);
        let text = |at: usize| tokens.get(at).map_or("", |token: &Token| token.text.as_str());
        // For each open brace, whether a module began with it.
        let mut braces: Vec<bool> = Vec::new();
        let places = 0..tokens.len();
        for at in places {
            match text(at) {
                "{" => braces.push(at >= 2 && text(at - 2) == "mod"),
                "}" => drop(braces.pop()),
                "super" if at == 0 || text(at - 1) != "::" => {
                    let steps = (0..).take_while(|step| {
                        text(at + 2 * step) == "super" && text(at + 2 * step + 1) == "::"
                    });
                    let within = depth + braces.iter().filter(|is_module| **is_module).count();
                    if steps.count() > within {
                        let (path, line) = (&source.path, tokens[at].line);
                        findings.push(format!("{path}:{line}: leaves its module by super::"));
                    }
                }
                _ => {}
            }
        }
    }
    findings
}

/// Who may name what: a path of a crate or module, and the only places that may say it.
const DOORS: [(&[&str], &str); 4] = [
    (&["std", "fs"], "src/disk/os.rs"),
    (&["bincode"], "src/codec/"),
    (&["redb"], "src/table/"),
    (&["memmap2"], "src/disk/os.rs"),
];

/// Whether the tokens from `at` on are a path of these names, in a group or not.
fn names_path(tokens: &[Token], at: usize, path: &[&str]) -> bool {
    let [first, rest @ ..] = path else { return true };
    if tokens[at].text != *first {
        return false;
    }
    let Some(next) = rest.first() else {
        // A path or a use of the crate, not a word of our own.
        let text = |at: usize| tokens.get(at).map_or("", |token: &Token| token.text.as_str());
        let before = if at == 0 { "" } else { text(at - 1) };
        return (text(at + 1) == "::" && before != "::" && before != ".") || before == "use";
    };
    let Some(after) = tokens.get(at + 2) else { return false };
    if tokens[at + 1].text != "::" {
        return false;
    }
    if after.text != "{" {
        return after.text == *next;
    }
    let mut depth = 0;
    let mut begins = false;
    for token in &tokens[at + 2..] {
        match token.text.as_str() {
            "{" => (depth, begins) = (depth + 1, true),
            "}" => depth -= 1,
            "," => begins = true,
            name => {
                if depth == 1 && begins && name == *next {
                    return true;
                }
                begins = false;
            }
        }
        if depth == 0 {
            break;
        }
    }
    false
}

/// What has one door is named only there, tests aside.
fn check_doors(sources: &[Source]) -> Findings {
    let mut findings = Vec::new();
    let tests = test_files(sources);
    let shipped = sources.iter().filter(|source| source.path.starts_with("src/"));
    for source in shipped.filter(|source| !tests.contains(&source.path)) {
        let tokens = tokens(&source.text);
        let marks = in_tests(&tokens);
        for (path, door) in DOORS {
            if source.path.starts_with(door) {
                continue;
            }
            for at in (0..tokens.len()).filter(|&at| !marks[at]) {
                if names_path(&tokens, at, path) {
                    let (file, line, what) = (&source.path, tokens[at].line, path.join("::"));
                    findings.push(format!("{file}:{line}: names {what}, which only {door} may"));
                }
            }
        }
    }
    findings
}

/// Only the program's output prints, and tests that say what they left out.
fn check_prints(sources: &[Source]) -> Findings {
    let mut findings = Vec::new();
    let tests = test_files(sources);
    let shipped = sources.iter().filter(|source| {
        source.path.starts_with("src/") && !source.path.starts_with("src/bin/annals/output")
    });
    for source in shipped.filter(|source| !tests.contains(&source.path)) {
        let tokens = tokens(&source.text);
        let marks = in_tests(&tokens);
        for (at, window) in tokens.windows(2).enumerate() {
            let is_print = ["print", "println", "eprint", "eprintln"].contains(&&*window[0].text);
            if is_print && window[1].text == "!" && !marks[at] {
                let (path, line) = (&source.path, window[0].line);
                findings.push(format!("{path}:{line}: prints outside src/bin/annals/output"));
            }
        }
    }
    findings
}

/// Every file begins by saying what it is.
fn check_openings(sources: &[Source]) -> Findings {
    let begins_with_prose = |text: &str| {
        let first = text.lines().next().unwrap_or_default();
        first.strip_prefix("//! ").is_some_and(|prose| prose.split_whitespace().count() >= 2)
    };
    let silent = sources.iter().filter(|source| !begins_with_prose(&source.text));
    silent.map(|source| format!("{}:1: does not open with `//!` prose", source.path)).collect()
}

/// Every file is declared by a module above it, or by `Cargo.toml`.
fn check_declared(sources: &[Source], manifest: &str) -> Findings {
    let mut findings = Vec::new();
    let declares = |path: &str, name: &str| {
        sources.iter().any(|source| {
            source.path == path
                && tokens(&source.text).windows(3).any(|window| {
                    window[0].text == "mod"
                        && window[1].text == name
                        && matches!(&*window[2].text, ";" | "{")
                })
        })
    };
    for source in sources.iter().filter(|source| !source.path.starts_with("tests/fuzz/")) {
        let path = &source.path;
        if manifest.contains(&format!("path = \"{path}\"")) {
            continue;
        }
        let module = path.trim_end_matches(".rs").trim_end_matches("/mod");
        let (parent, name) = module.rsplit_once('/').unwrap_or(("", module));
        let is_root = !parent.contains('/') && matches!(parent, "tests" | "benches");
        let parents: Vec<String> = if parent == "src" {
            vec!["src/lib.rs".into()]
        } else if is_root && module.len() < path.len() - 3 {
            // A directory's `mod.rs`: any program of the tests may take it.
            let of_tests = |source: &&Source| source.path.matches('/').count() == 1;
            sources.iter().filter(of_tests).map(|source| source.path.clone()).collect()
        } else if is_root {
            Vec::new()
        } else {
            let main = parent.strip_prefix("src/bin/").map(|_| format!("{parent}/main.rs"));
            let beside = [format!("{parent}/mod.rs"), format!("{parent}.rs")];
            beside.into_iter().chain(main).collect()
        };
        if !parents.iter().any(|parent| declares(parent, name)) {
            findings.push(format!("{path}:1: nobody declares it"));
        }
    }
    findings
}

// ── The code we have ────────────────────────────────────────────────────────────────────────────

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every `.rs` file of the package, sorted by path.
fn sources() -> Vec<Source> {
    let mut sources = Vec::new();
    let mut folders = vec!["src".to_owned(), "tests".to_owned(), "benches".to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(listed) = std::fs::read_dir(root().join(&folder)) else { continue };
        for found in listed.map(Result::unwrap) {
            let path = format!("{folder}/{}", found.file_name().to_string_lossy());
            if found.file_type().unwrap().is_dir() {
                if !path.ends_with("/target") {
                    folders.push(path);
                }
            } else if path.ends_with(".rs") {
                let text = std::fs::read_to_string(found.path()).unwrap();
                sources.push(Source { path, text });
            }
        }
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources
}

fn assert_none(findings: Findings) {
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

#[test]
fn modules_use_only_floors_below_them() {
    assert_none(check_floors(&sources()));
}

#[test]
fn nobody_leaves_its_module_by_super() {
    assert_none(check_super(&sources()));
}

#[test]
fn what_has_one_door_is_named_only_there() {
    assert_none(check_doors(&sources()));
}

#[test]
fn only_the_programs_output_prints() {
    assert_none(check_prints(&sources()));
}

#[test]
fn every_file_opens_with_prose() {
    assert_none(check_openings(&sources()));
}

#[test]
fn every_file_is_declared() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert_none(check_declared(&sources(), &manifest));
}

// ── Every rule can fail ─────────────────────────────────────────────────────────────────────────

fn source(path: &str, text: &str) -> Source {
    Source { path: path.to_owned(), text: text.to_owned() }
}

const LIB: &str = "//! Plan\n//! ```text\n//! 1  upper right\n//! 0  lower\n//! ```\n";

/// The findings of a rule about one file, beside a library of two floors.
fn about(rule: fn(&[Source]) -> Findings, path: &str, text: &str) -> Findings {
    rule(&[source("src/lib.rs", LIB), source(path, text)])
}

#[test]
fn a_use_of_a_floor_above_or_beside_is_found() {
    let finds = |path: &str, text: &str| about(check_floors, path, text).len();
    assert_eq!(finds("src/upper/mod.rs", "use crate::lower::A; use crate::upper::B;"), 0);
    assert_eq!(finds("src/lower.rs", "use crate::upper::A;"), 1);
    assert_eq!(finds("src/upper/a/b.rs", "use crate::right::A;"), 1);
    assert_eq!(finds("src/lower.rs", "fn f() { crate::upper::g() }"), 1);
    assert_eq!(finds("src/lower.rs", "use crate::{lower::{a, upper}, upper::b, right};"), 2);
    assert_eq!(finds("src/lower.rs", "use crate::*;"), 1);
    assert_eq!(finds("src/attic.rs", ""), 1);
    let quiet = "// crate::upper\n/* crate::upper /* */ crate::upper */ pub(crate) fn f() {\n\
                 (\"crate::upper\", r#\"crate::upper \"x\" \"#, '\"', 'a', b'\\'', \"\\\"crate::upper\") }";
    assert_eq!(finds("src/lower.rs", quiet), 0);
    assert_eq!(finds("src/lower.rs", "fn f<'a>(x: &'a str) { crate::upper::g('\"') }"), 1);
}

#[test]
fn the_floors_are_those_of_the_table() {
    let floors = floors(LIB);
    assert_eq!(floors["upper"], 1);
    assert_eq!(floors["right"], 1);
    assert_eq!(floors["lower"], 0);
    assert_eq!(floors.len(), 3);
    let split = LIB.replace("0  lower", "0  lower\n//!    cellar");
    assert_eq!(self::floors(&split).into_values().collect::<Vec<_>>(), [0, 1, 2, 2]);
}

#[test]
fn a_super_too_many_is_found() {
    let finds = |path: &str, text: &str| about(check_super, path, text).len();
    assert_eq!(finds("src/upper/mod.rs", "use super::lower;"), 1);
    assert_eq!(finds("src/lower.rs", "fn f() { super::upper::g() }"), 1);
    assert_eq!(finds("src/upper/a.rs", "use super::b;"), 0);
    assert_eq!(finds("src/upper/a.rs", "use super::super::lower;"), 1);
    assert_eq!(finds("src/upper/a/mod.rs", "use super::super::lower;"), 1);
    assert_eq!(finds("src/upper/a/b.rs", "use super::super::c;"), 0);
    assert_eq!(finds("src/lower.rs", "fn f() {} mod tests { use super::*; }"), 0);
    assert_eq!(finds("src/lower.rs", "mod tests { use super::super::x; }"), 1);
    assert_eq!(finds("src/lower.rs", "mod tests { fn f() { g() } } use super::x;"), 1);
}

#[test]
fn a_second_door_is_found() {
    let finds = |path: &str, text: &str| about(check_doors, path, text).len();
    assert_eq!(finds("src/upper/mod.rs", "use std::fs::File;"), 1);
    assert_eq!(finds("src/upper/mod.rs", "use std::{io, fs};"), 1);
    assert_eq!(finds("src/upper/mod.rs", "use std::{io::{self, fs}, path};"), 0);
    assert_eq!(finds("src/bin/annals/main.rs", "fn main() { std::fs::read(\"x\") }"), 1);
    assert_eq!(finds("src/disk/os.rs", "use std::fs::File; use memmap2::Mmap;"), 0);
    assert_eq!(finds("src/disk/memory.rs", "use memmap2::Mmap;"), 1);
    assert_eq!(finds("src/upper/mod.rs", "use bincode::Encode;"), 1);
    assert_eq!(finds("src/upper/mod.rs", "fn f(redb: u8) { self.redb; bincode; x::redb::y }"), 0);
    assert_eq!(finds("src/codec/mod.rs", "use bincode::Encode;"), 0);
    assert_eq!(finds("src/upper/mod.rs", "fn f() { redb::Database::create() }"), 1);
    assert_eq!(finds("src/upper/mod.rs", "use redb;"), 1);
    let tests = "#[cfg(test)]\n#[allow(x)]\nmod tests { fn f() { std::fs::read() } }";
    assert_eq!(finds("src/upper/mod.rs", tests), 0);
    assert_eq!(finds("src/upper/mod.rs", &format!("{tests} use std::fs;")), 1);
    assert_eq!(finds("src/upper/mod.rs", "#[cfg(test)] use std::fs; fn f() { std::fs::x }"), 1);
    let testing = [
        source("src/lib.rs", LIB),
        source("src/upper/mod.rs", "#[cfg(test)] mod testing; mod shipped;"),
        source("src/upper/testing.rs", "use std::fs;"),
        source("src/upper/shipped.rs", "use std::fs;"),
    ];
    assert_eq!(check_doors(&testing).len(), 1);
}

#[test]
fn a_print_is_found() {
    let finds = |path: &str, text: &str| about(check_prints, path, text).len();
    for print in ["print", "println", "eprint", "eprintln"] {
        assert_eq!(finds("src/upper/mod.rs", &format!("fn f() {{ {print}!(\"x\") }}")), 1);
        assert_eq!(finds("src/bin/annals/main.rs", &format!("fn f() {{ {print}!(\"x\") }}")), 1);
    }
    assert_eq!(finds("src/bin/annals/output/mod.rs", "fn f() { println!() }"), 0);
    assert_eq!(finds("src/upper/mod.rs", "// println!(\nfn print() { writeln!(x) }"), 0);
    assert_eq!(finds("src/upper/mod.rs", "#[cfg(test)] mod tests { fn f() { eprintln!() } }"), 0);
}

#[test]
fn a_file_that_does_not_say_what_it_is_is_found() {
    let finds = |text| check_openings(&[source("src/a.rs", text)]).len();
    assert_eq!(finds("//! What this is.\n"), 0);
    assert_eq!(finds("//! x\n"), 1);
    assert_eq!(finds("use a;\n//! What this is.\n"), 1);
    assert_eq!(finds("// What this is.\n"), 1);
    assert_eq!(finds(""), 1);
}

#[test]
fn a_file_that_nobody_declares_is_found() {
    let manifest = "[lib]\npath = \"src/lib.rs\"\n[[test]]\npath = \"tests/suite.rs\"\n\
                    [[bin]]\npath = \"src/bin/annals/main.rs\"";
    let all = [
        source("src/lib.rs", "pub mod a; // mod forgotten;\nmod b;"),
        source("src/a/mod.rs", "mod c;"),
        source("src/a/c.rs", ""),
        source("src/b.rs", ""),
        source("src/bin/annals/main.rs", "mod cli;"),
        source("src/bin/annals/cli.rs", ""),
        source("tests/suite.rs", "mod format;"),
        source("tests/format/mod.rs", "mod golden;"),
        source("tests/format/golden.rs", ""),
        source("tests/fuzz/targets/tree.rs", ""),
    ];
    assert_eq!(check_declared(&all, manifest), Findings::new());
    for path in [
        "src/forgotten.rs",
        "src/a/forgotten.rs",
        "src/a/c/d.rs",
        "src/bin/annals/forgotten.rs",
        "tests/forgotten.rs",
        "tests/forgotten/mod.rs",
        "tests/format/forgotten.rs",
        "tests/cli/add.rs",
    ] {
        let mut with = all.to_vec();
        with.push(source(path, ""));
        assert_eq!(check_declared(&with, manifest), [format!("{path}:1: nobody declares it")]);
    }
}

#[test]
fn what_runs_before_a_merge_goes_on_aloud_without_the_programs_it_compares_with() {
    use std::os::unix::fs::PermissionsExt;
    let place = tempfile::tempdir().unwrap();
    let programs = place.path();
    let write = |name: &str, text: &str| {
        let path = programs.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    // Neither git nor b3sum, and nobody who could install them.
    let path = std::env::var("PATH").unwrap();
    for name in ["bash", "dirname", "env", "id"] {
        let mut found = path.split(':').map(|folder| Path::new(folder).join(name));
        let found = found.find(|path| path.exists()).unwrap();
        std::os::unix::fs::symlink(found, programs.join(name)).unwrap();
    }
    let log = programs.join("log");
    write("cargo", "#!/usr/bin/env bash\necho \"$*\" >> \"$LOG\"\n[ \"$1\" != \"$FAILS\" ]\n");
    let run = |fails: &str| {
        std::process::Command::new(programs.join("bash"))
            .arg(root().join(".ci/run"))
            .env_clear()
            .env("PATH", programs)
            .env("LOG", &log)
            .env("FAILS", fails)
            .output()
            .unwrap()
    };
    let output = run("");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("not installed: git b3sum: tests that compare with them are skipped"));
    assert!(said.ends_with("all passed\n"), "{said}");
    let ran = std::fs::read_to_string(&log).unwrap();
    let verbs: Vec<&str> = ran.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(verbs, ["fmt", "clippy", "test", "doc"]);
    // The first that fails ends it.
    std::fs::remove_file(&log).unwrap();
    assert!(!run("clippy").status.success());
    assert_eq!(std::fs::read_to_string(&log).unwrap().lines().count(), 2);
}
