//! Renames and copies, judged by `git diff`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use crate::support::World;

/// Numbers that are the same in every run.
struct Lot(u64);

impl Lot {
    fn below(&mut self, most: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }

    /// Whether something happens that does so in so many of a hundred cases.
    fn happens(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

type Files = BTreeMap<String, Vec<String>>;

fn line(lot: &mut Lot) -> String {
    match lot.below(10) {
        0 => String::new(),
        1 => "a line that many files have".to_owned(),
        2 => format!("{}\r", lot.below(50)),
        3 => "long ".repeat(lot.below(60) as usize),
        _ => format!("line {} of {}", lot.below(1_000), lot.below(1_000)),
    }
}

fn edited(lot: &mut Lot, lines: &[String]) -> Vec<String> {
    // Of large files the score is an estimate, so few are changed by about half.
    let most = if lines.len() > 500 { 5 } else { 7 };
    let percent = [0, 0, 3, 10, 25, 45, 60][lot.below(most) as usize];
    let mut edited = Vec::new();
    for line_before in lines {
        match lot.happens(percent) {
            true if lot.happens(50) => edited.push(line(lot)),
            true if lot.happens(50) => {}
            _ => edited.push(line_before.clone()),
        }
    }
    edited
}

/// A tree, and what somebody made of it.
fn two_trees(lot: &mut Lot, length: (u64, u64)) -> (Files, Files) {
    let name = |lot: &mut Lot| {
        let names = ["Makefile", "main", "readme", "x1", "x2", "x3", "x4"];
        let depth = lot.below(3);
        let mut path = String::new();
        for _ in 0..depth {
            path += &format!("d{}/", lot.below(4));
        }
        path + names[lot.below(7) as usize] + ["", "a", "b"][lot.below(3) as usize]
    };
    let content = |lot: &mut Lot| -> Vec<String> {
        let count = length.0 + lot.below(length.1);
        (0..count).map(|_| line(lot)).collect()
    };
    let mut old = Files::new();
    for _ in 0..10 + lot.below(40) {
        let lines = content(lot);
        old.insert(name(lot), lines);
    }
    // Some are alike from the beginning.
    for lines in old.clone().into_values().filter(|_| lot.happens(20)).collect::<Vec<_>>() {
        let lines = edited(lot, &lines);
        old.insert(name(lot), lines);
    }
    let moved = lot.below(4);
    let mut new = Files::new();
    for (path, lines) in &old {
        let to = match lot.below(10) {
            _ if path.starts_with(&format!("d{moved}/")) => format!("moved/{}", &path[3..]),
            0..4 => path.clone(),
            4 => continue,
            _ => name(lot),
        };
        let lines = edited(lot, lines);
        new.entry(to).or_insert(lines);
        if lot.happens(10) {
            let lines = edited(lot, &old[path]);
            new.entry(name(lot)).or_insert(lines);
        }
    }
    for _ in 0..lot.below(8) {
        let lines = content(lot);
        new.entry(name(lot)).or_insert(lines);
    }
    // A name is a file or a directory.
    let is_free = |files: &Files, path: &String| {
        !files.keys().any(|other| other.starts_with(&format!("{path}/")))
    };
    for files in [&mut old, &mut new] {
        let all = files.clone();
        files.retain(|path, _| is_free(&all, path));
    }
    (old, new)
}

struct Both {
    world: World,
    git: tempfile::TempDir,
}

impl Both {
    /// `None`, and a word about it, without git.
    fn new() -> Option<Self> {
        let both = Self { world: World::new(), git: tempfile::tempdir().unwrap() };
        match both.git(&["init", "-q", "."]) {
            Some(_) => Some(both),
            None => {
                eprintln!("skipped: there is no git to compare with");
                None
            }
        }
    }

    fn git(&self, args: &[&str]) -> Option<String> {
        let output = Command::new("git")
            .args(args)
            .current_dir(self.git.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .envs([("GIT_AUTHOR_NAME", "Ada"), ("GIT_AUTHOR_EMAIL", "ada@example.org")])
            .envs([("GIT_COMMITTER_NAME", "Ada"), ("GIT_COMMITTER_EMAIL", "ada@example.org")])
            .output()
            .ok()?;
        assert!(output.status.success(), "git {args:?}: {output:?}");
        Some(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn record(&self, files: &Files) {
        for root in [self.world.path(""), self.git.path().to_owned()] {
            for entry in std::fs::read_dir(&root).unwrap() {
                let path = entry.unwrap().path();
                match path.file_name().unwrap().to_str().unwrap() {
                    ".annals" | ".git" => {}
                    _ if path.is_dir() => std::fs::remove_dir_all(path).unwrap(),
                    _ => std::fs::remove_file(path).unwrap(),
                }
            }
            for (path, lines) in files {
                let path = root.join(Path::new(path));
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, lines.join("\n")).unwrap();
            }
        }
        self.world.run("commit -q --allow-empty -m x").ok();
        self.git(&["add", "-A"]);
        self.git(&["-c", "gc.auto=0", "commit", "-q", "--allow-empty", "-m", "x"]);
    }

    fn compared(&self, how: &str) -> (Vec<String>, Vec<String>) {
        let ours = self.world.says(&format!("diff --name-status {how} HEAD~1 HEAD"));
        let mut args = vec!["diff", "-l0", "--name-status", "HEAD~1", "HEAD"];
        args.splice(1..1, how.split(' '));
        let theirs = self.git(&args).unwrap();
        let lines = |text: &str| text.lines().map(str::to_owned).collect();
        (lines(&ours), lines(&theirs))
    }
}

/// Of two old files with equal contents neither is the better one: contents stand in for their
/// names.
fn without_ties(old: &Files, lines: &[String]) -> Vec<String> {
    let mut told: Vec<String> = Vec::new();
    for line in lines {
        let mut parts: Vec<String> = line.split('\t').map(str::to_owned).collect();
        if matches!(parts[0].as_bytes()[0], b'C' | b'D' | b'R') {
            parts[1] = old[&parts[1]].join("\n");
        }
        told.push(parts.join("\t"));
    }
    told.sort();
    told
}

#[test]
fn renames_and_copies_of_small_files_are_those_of_git() {
    let mut lot = Lot(1);
    let Some(both) = Both::new() else { return };
    let (mut lines, mut others, mut renames) = (0, 0, 0);
    for round in 0..25 {
        let (old, new) = two_trees(&mut lot, (1, 60));
        both.record(&old);
        both.record(&new);
        for how in ["-M", "-M80%", "-M20%", "-C", "-C -C", "--no-renames"] {
            let (ours, theirs) = both.compared(how);
            let (found, expected) = (without_ties(&old, &ours), without_ties(&old, &theirs));
            let other = found.iter().filter(|line| !expected.contains(line));
            for line in other {
                let (code, names) = line.split_once('\t').unwrap();
                eprintln!("round {round}, {how}: {code} {}", names.rsplit('\t').next().unwrap());
                others += 1;
            }
            lines += expected.len();
            renames += ours.iter().filter(|line| line.starts_with('R')).count();
        }
    }
    eprintln!("{others} of {lines} lines are others");
    assert!(renames > 500, "{renames}");
    // Of equally similar files git takes the one that its four best happen to be left with.
    assert!(others * 500 <= lines, "{others} of {lines}");
}

#[test]
fn renames_of_large_files_are_those_of_git_within_ten_points() {
    let mut lot = Lot(2);
    let Some(both) = Both::new() else { return };
    // The code and the two paths of a rename.
    let parts = |line: &String| {
        let parts: Vec<String> = line.split('\t').map(str::to_owned).collect();
        let score: i32 = parts[0][1..].parse().ok()?;
        Some(((parts[1].clone(), parts[2].clone()), score))
    };
    let (mut same, mut all, mut near) = (0, 0, 0);
    for _ in 0..6 {
        let (old, new) = two_trees(&mut lot, (600, 1_500));
        both.record(&old);
        both.record(&new);
        let (ours, theirs) = both.compared("-M");
        let ours: BTreeMap<_, _> = ours.iter().filter_map(parts).collect();
        let theirs: BTreeMap<_, _> = theirs.iter().filter_map(parts).collect();
        all += theirs.keys().chain(ours.keys()).collect::<BTreeSet<_>>().len();
        for (pair, score) in theirs {
            let Some(found) = ours.get(&pair) else { continue };
            same += 1;
            near += usize::from((score - found).abs() <= 10);
        }
    }
    eprintln!("{same} of {all} pairs, {near} with the figure");
    assert!(all > 60, "{all}");
    // Far from the threshold a figure is still an estimate, and may choose another relative.
    assert!(same * 100 >= all * 99, "{same} of {all}");
    assert_eq!(near, same);
}
