//! The power fails before the 1st, 2nd, 3rd … write of every verb, and what is left is judged.
//!
//! The store is as before or as after, what was acknowledged is there, fsck finds nothing, and the
//! next command works. The working tree becomes wholly the old or wholly the new one by the next
//! command. Then the same with the next command itself cut, with full disks, and with disks that
//! fail.

use std::io;
use std::sync::Arc;

use annals::disk::{Disk, Fault, FaultyDisk, MemoryDisk, Survival};
use annals::merge::{Favour, NoDriver, Style};
use annals::ops::undo::{self, Direction};
use annals::ops::{
    self, add, branch, commit, merge, merging, mv, repack, reset, resolve, restore, rm,
};
use annals::ops::{status, switch, tag};
use annals::progress::{Monitor, Silent};
use annals::repo::{Repository, Rules};

use super::*;
use crate::format::samples::summed;
use crate::support::Notices;

type Done = Result<(), ops::Error>;
type Run = fn(&Arc<dyn Disk>) -> Done;

/// A command, and what was there before it.
struct Verb {
    name: &'static str,
    prepare: fn(&MemoryDisk),
    run: Run,
}

const VERBS: &[Verb] = &[
    Verb {
        name: "init",
        prepare: |disk| write(disk, "a", "1"),
        run: |disk| create(disk).map(drop),
    },
    Verb {
        name: "first commit",
        prepare: not_recorded,
        run: |disk| commit_all(&open(disk)?, "verb").map(drop),
    },
    Verb {
        name: "commit",
        prepare: changed,
        run: |disk| commit_all(&open(disk)?, "verb").map(drop),
    },
    Verb {
        name: "commit of a path",
        prepare: changed,
        run: |disk| commit_paths(&open(disk)?, "verb", paths(&["a"])).map(drop),
    },
    Verb { name: "commit of what is staged", prepare: staged, run: commit_staged },
    Verb { name: "commit --amend", prepare: changed, run: amend },
    Verb { name: "add", prepare: changed, run: |disk| stage(disk, &["a", "d"]) },
    Verb { name: "switch", prepare: with_branch, run: |disk| go(disk, "other") },
    Verb {
        name: "switch with a user's files",
        prepare: with_untracked,
        run: |disk| go(disk, "other"),
    },
    Verb {
        name: "restore",
        prepare: changed,
        run: |disk| bring_back(disk, None, &["a", "d", "new"]),
    },
    Verb {
        name: "restore from a commit",
        prepare: with_branch,
        run: |disk| bring_back(disk, Some("other"), &["a", "d"]),
    },
    Verb {
        name: "restore of what a commit does not have",
        prepare: with_what_goes,
        run: |disk| bring_back(disk, Some("other"), &["a", "d", "link", "mine", "new"]),
    },
    Verb {
        name: "restore over files of another kind",
        prepare: of_another_kind,
        run: |disk| bring_back(disk, None, &["a", "d", "empty", "link", "t"]),
    },
    Verb { name: "reset --hard", prepare: with_branch, run: |disk| go_back(disk, "other") },
    Verb { name: "reset --hard over edits", prepare: edited, run: |disk| go_back(disk, "HEAD") },
    Verb { name: "switch --discard over edits", prepare: edited, run: discard },
    Verb {
        name: "reset --hard over files of another kind",
        prepare: of_another_kind,
        run: |disk| go_back(disk, "HEAD"),
    },
    Verb {
        name: "switch --discard over files of another kind",
        prepare: of_another_kind,
        run: discard,
    },
    Verb { name: "merge", prepare: diverged, run: |disk| join(disk, "other") },
    Verb { name: "undo", prepare: went_back, run: |disk| undo_or_redo(disk, Direction::Undo) },
    Verb { name: "redo", prepare: undone, run: |disk| undo_or_redo(disk, Direction::Redo) },
    Verb { name: "rm", prepare: recorded, run: |disk| remove(disk, &["a", "d"]) },
    Verb { name: "mv", prepare: recorded, run: |disk| rename(disk, &["a", "d/b"], "empty") },
    Verb { name: "mv of a directory", prepare: recorded, run: |disk| rename(disk, &["d"], "n") },
    Verb { name: "branch", prepare: recorded, run: |disk| make_branch(disk, "another") },
    Verb { name: "tag", prepare: recorded, run: make_tag },
    Verb { name: "repack", prepare: recorded_often, run: repack_all },
];

fn not_recorded(disk: &MemoryDisk) {
    create(&shared(disk)).unwrap();
    furnish(disk);
}

/// One of every sort of file.
pub(crate) fn furnish(disk: &MemoryDisk) {
    write(disk, "a", "one\n");
    write(disk, "d/b", noise(1, 30_000));
    write(disk, "d/e/c", "");
    let root = disk.open(std::path::Path::new(ROOT)).unwrap();
    let _ = root.make_dir(b"empty", 0o755);
    let _ = root.make_symlink(b"d/b", b"link");
}

fn recorded(disk: &MemoryDisk) {
    not_recorded(disk);
    commit_all(&open(&shared(disk)).unwrap(), "base").unwrap();
}

fn change(disk: &MemoryDisk) {
    write(disk, "a", "another\n");
    write(disk, "d/b", noise(2, 20_000));
    write(disk, "new", "new\n");
    disk.open(std::path::Path::new(ROOT)).unwrap().remove_file(b"link").unwrap();
}

fn changed(disk: &MemoryDisk) {
    recorded(disk);
    change(disk);
}

fn staged(disk: &MemoryDisk) {
    changed(disk);
    stage(&shared(disk), &["a", "new"]).unwrap();
}

/// On `main`; `other` differs in everything.
fn with_branch(disk: &MemoryDisk) {
    recorded(disk);
    let shared = shared(disk);
    make_branch(&shared, "other").unwrap();
    go(&shared, "other").unwrap();
    change(disk);
    commit_all(&open(&shared).unwrap(), "on other").unwrap();
    go(&shared, "main").unwrap();
    settle(disk);
}

/// On `main` with files that are missing or edited, large ones too.
fn edited(disk: &MemoryDisk) {
    recorded(disk);
    let shared = shared(disk);
    write(disk, "big", noise(4, 200_000));
    write(disk, "large", noise(5, 150_000));
    commit_all(&open(&shared).unwrap(), "large").unwrap();
    make_branch(&shared, "other").unwrap();
    go(&shared, "other").unwrap();
    change(disk);
    commit_all(&open(&shared).unwrap(), "on other").unwrap();
    go(&shared, "main").unwrap();
    settle(disk);
    write(disk, "a", "two\n");
    write(disk, "large", "mine");
    let root = disk.open(std::path::Path::new(ROOT)).unwrap();
    root.remove_file(b"big").unwrap();
    root.dir(b"d").unwrap().remove_file(b"b").unwrap();
}

/// On `main`, whose `link` and `mine` `other` does not have; `mine` is edited.
fn with_what_goes(disk: &MemoryDisk) {
    with_branch(disk);
    write(disk, "mine", "on main\n");
    commit_all(&open(&shared(disk)).unwrap(), "on main").unwrap();
    settle(disk);
    write(disk, "mine", "edited\n");
}

/// On `main`, with files where directories were recorded and the other way round. Where `other` has
/// a file or a directory more, something untracked stands.
fn of_another_kind(disk: &MemoryDisk) {
    recorded(disk);
    let shared = shared(disk);
    write(disk, "t/x", "in t\n");
    commit_all(&open(&shared).unwrap(), "with t").unwrap();
    make_branch(&shared, "other").unwrap();
    go(&shared, "other").unwrap();
    let root = disk.open(std::path::Path::new(ROOT)).unwrap();
    root.dir(b"t").unwrap().remove_file(b"x").unwrap();
    root.remove_dir(b"t").unwrap();
    for path in ["a", "t", "new", "n/f"] {
        write(disk, path, format!("{path} of other\n"));
    }
    commit_all(&open(&shared).unwrap(), "on other").unwrap();
    go(&shared, "main").unwrap();
    settle(disk);
    for file in [&b"a"[..], b"link", b"d/b", b"d/e/c"] {
        root.remove_file(file).unwrap();
    }
    for directory in [&b"d/e"[..], b"d", b"empty"] {
        root.remove_dir(directory).unwrap();
    }
    write(disk, "d", "a file\n");
    root.make_symlink(b"t", b"empty").unwrap();
    for path in ["a/mine", "a/deep/mine", "link/mine", "t/mine", "new/mine", "n"] {
        write(disk, path, "not recorded\n");
    }
}

fn with_untracked(disk: &MemoryDisk) {
    with_branch(disk);
    write(disk, "d/mine", "not recorded");
    write(disk, "empty/mine", "not recorded");
}

fn went_back(disk: &MemoryDisk) {
    with_branch(disk);
    go_back(&shared(disk), "other").unwrap();
}

fn undone(disk: &MemoryDisk) {
    went_back(disk);
    undo_or_redo(&shared(disk), Direction::Undo).unwrap();
}

/// On `main`, which has work of its own; so has `other`.
fn diverged(disk: &MemoryDisk) {
    with_branch(disk);
    write(disk, "mine", "on main\n");
    commit_all(&open(&shared(disk)).unwrap(), "on main").unwrap();
}

/// The same, and nobody can decide on `a` and `d/b`.
fn conflicting(disk: &MemoryDisk) {
    with_branch(disk);
    write(disk, "a", "on main\n");
    write(disk, "d/b", noise(3, 20_000));
    commit_all(&open(&shared(disk)).unwrap(), "on main").unwrap();
}

/// What was written long ago is on the disk.
fn settle(disk: &MemoryDisk) {
    disk.remount();
}

fn stage(disk: &Arc<dyn Disk>, words: &[&str]) -> Done {
    stage_told(disk, words, &Silent)
}

fn stage_told(disk: &Arc<dyn Disk>, words: &[&str], monitor: &dyn Monitor) -> Done {
    let options = add::Options {
        paths: paths(words),
        only_tracked: false,
        force: false,
        dry_run: false,
        actor: person(),
        rules: Rules::default(),
    };
    let outcome = add::run(&open(disk)?, &options, monitor)?;
    told(outcome.unread.is_empty() && outcome.unreadable.is_empty())
}

/// A command that has told what it could not do has not done it.
fn told(is_complete: bool) -> Done {
    if is_complete { Ok(()) } else { Err(ops::Error::NothingToCommit) }
}

fn commit_staged(disk: &Arc<dyn Disk>) -> Done {
    commit::run(&open(disk)?, &commit::Options::new("verb", person()), &Silent)
        .and_then(|outcome| told(outcome.is_complete()))
}

fn amend(disk: &Arc<dyn Disk>) -> Done {
    let options = commit::Options { amend: true, ..commit::Options::new("verb", person()) };
    commit::run(&open(disk)?, &options, &Silent).and_then(|outcome| told(outcome.is_complete()))
}

fn go(disk: &Arc<dyn Disk>, name: &str) -> Done {
    go_with(disk, name, false)
}

fn discard(disk: &Arc<dyn Disk>) -> Done {
    go_with(disk, "other", true)
}

fn go_with(disk: &Arc<dyn Disk>, name: &str, discard: bool) -> Done {
    let options = switch::Options {
        to: switch::To::Branch(name.into()),
        discard,
        actor: person(),
        rules: Rules::default(),
    };
    told(switch::run(&open(disk)?, &options, &Silent)?.failed.is_empty())
}

fn bring_back(disk: &Arc<dyn Disk>, source: Option<&str>, words: &[&str]) -> Done {
    let options = restore::Options {
        source: source.map(str::to_owned),
        paths: paths(words),
        staged: false,
        worktree: true,
        side: None,
        dry_run: false,
        actor: person(),
        rules: Rules::default(),
    };
    told(restore::run(&open(disk)?, &options, &Silent)?.failed.is_empty())
}

fn go_back(disk: &Arc<dyn Disk>, revision: &str) -> Done {
    let options = reset::Options {
        mode: reset::Mode::Hard,
        revision: Some(revision.into()),
        dry_run: false,
        actor: person(),
        rules: Rules::default(),
    };
    told(reset::run(&open(disk)?, &options, &Silent)?.failed.is_empty())
}

fn join(disk: &Arc<dyn Disk>, word: &str) -> Done {
    join_with(disk, word, false)
}

fn join_as_it_is(disk: &Arc<dyn Disk>) -> Done {
    join_with(disk, "other", true)
}

fn join_with(disk: &Arc<dyn Disk>, word: &str, keep_conflicts: bool) -> Done {
    let options = merge::Options {
        heads: vec![word.into()],
        fast_forward: merge::FastForward::Allow,
        until: merge::Until::Commit,
        message: b"verb".to_vec(),
        favour: Favour::Nobody,
        style: Style::Merge,
        allow_unrelated: false,
        keep_conflicts,
        driver: &NoDriver,
        dry_run: false,
        actor: person(),
        rules: Rules::default(),
    };
    told(merge::run(&open(disk)?, &options, &Silent)?.failed.is_empty())
}

fn abort(disk: &Arc<dyn Disk>) -> Done {
    let options = merge::Abort { dry_run: false, actor: person(), rules: Rules::default() };
    told(merge::abort(&open(disk)?, &options, &Silent)?.failed.is_empty())
}

fn undo_or_redo(disk: &Arc<dyn Disk>, direction: Direction) -> Done {
    let options =
        undo::Options { direction, dry_run: false, actor: person(), rules: Rules::default() };
    told(undo::run(&open(disk)?, &options, &Silent)?.failed.is_empty())
}

fn remove(disk: &Arc<dyn Disk>, words: &[&str]) -> Done {
    let options = rm::Options {
        paths: paths(words),
        cached: false,
        recursive: true,
        force: false,
        dry_run: false,
        actor: person(),
        rules: Rules::default(),
    };
    rm::run(&open(disk)?, &options, &Silent).map(drop)
}

fn rename(disk: &Arc<dyn Disk>, sources: &[&str], destination: &str) -> Done {
    let path = |word: &str| annals::path::RepoPath::new(word).unwrap();
    let options = mv::Options {
        sources: sources.iter().map(|word| path(word)).collect(),
        destination: path(destination),
        force: false,
        dry_run: false,
        actor: person(),
        rules: Rules::default(),
    };
    mv::run(&open(disk)?, &options, &Silent).map(drop)
}

fn make_branch(disk: &Arc<dyn Disk>, name: &str) -> Done {
    let repo = open(disk)?;
    branch::create(&repo, &person(), name, &repo.head_commit()?, branch::Force::No)
}

fn make_tag(disk: &Arc<dyn Disk>) -> Done {
    let repo = open(disk)?;
    let options = tag::Options {
        name: "v1".into(),
        target: repo.head_commit()?,
        target_kind: annals::hash::Kind::Commit,
        annotation: Some((person().sign(1, 0), b"first".to_vec())),
        replace: false,
    };
    tag::create(&repo, &person(), &options).map(drop)
}

fn recorded_often(disk: &MemoryDisk) {
    recorded(disk);
    for number in 0..3 {
        write(disk, "d/b", noise(number + 3, 20_000));
        commit_all(&open(&shared(disk)).unwrap(), "more").unwrap();
    }
}

fn repack_all(disk: &Arc<dyn Disk>) -> Done {
    let options = repack::Options { extent: repack::Extent::All, actor: person() };
    repack::run(&open(disk)?, &options, &Silent).map(drop)
}

/// The next command: whoever comes after a crash records what there is.
fn next_command(disk: &Arc<dyn Disk>) -> Done {
    commit_all(&open(disk)?, "next").map(drop)
}

fn list_status(repo: &Repository) -> Result<status::Outcome, ops::Error> {
    status::run(repo, &status::Options::default(), &Silent)
}

/// What a verb begins with and what it makes of it.
struct Story {
    name: &'static str,
    base: MemoryDisk,
    before: Picture,
    done: Picture,
    old: Files,
    new: Files,
}

impl Story {
    fn of(verb: &Verb) -> Self {
        let base = MemoryDisk::new();
        (verb.prepare)(&base);
        settle(&base);
        let look = |disk: &MemoryDisk| match open(&shared(disk)) {
            Ok(repo) => picture(&repo).unwrap(),
            Err(_) => Picture::default(),
        };
        let finished = base.image_after_power_loss(Survival::Everything);
        (verb.run)(&shared(&finished)).unwrap();
        Self {
            name: verb.name,
            before: look(&base),
            done: look(&finished),
            old: working_files(&base),
            new: working_files(&finished),
            base,
        }
    }

    fn copy(&self) -> MemoryDisk {
        self.base.image_after_power_loss(Survival::Everything)
    }

    /// Judges what is left, and that all goes on from there.
    fn judge(&self, disk: &MemoryDisk, finished: bool, context: &str) {
        let context = format!("{}: {context}", self.name);
        let shared = shared(disk);
        let repo = match open(&shared) {
            Ok(repo) => repo,
            // Nothing is there yet: it is made again.
            Err(_) if self.before == Picture::default() && !finished => create(&shared).unwrap(),
            Err(error) => panic!("{context}: {error}"),
        };
        let found = picture(&repo).unwrap_or_else(|error| panic!("{context}: {error}"));
        let is_done = found == self.done;
        assert!(is_done || (found == self.before && !finished), "{context}: {found:?}");
        let checked = check(&repo);
        assert!(checked.is_clean(), "{context}: {:?}", checked.findings);
        drop(repo);
        write(disk, "next", "next");
        next_command(&shared).unwrap_or_else(|error| panic!("{context}: next: {error}"));
        self.judge_after_next(disk, &found, &context);
    }

    fn judge_after_next(&self, disk: &MemoryDisk, found: &Picture, context: &str) {
        let repo = open(&shared(disk)).unwrap();
        let mut working = working_files(disk);
        assert_eq!(working.remove("next").as_deref(), Some(&b"next"[..]), "{context}");
        let is_whole = working == self.old || working == self.new;
        let neither: Vec<_> = working
            .iter()
            .filter(|(path, now)| {
                let is = |files: &Files| files.get(*path) == Some(now);
                !is(&self.old) && !is(&self.new)
            })
            .map(|(path, now)| (path, now.len(), &now[..now.len().min(12)]))
            .collect();
        let unlike = |files: &Files| -> Vec<String> {
            let paths = working.keys().chain(files.keys());
            paths.filter(|path| working.get(*path) != files.get(*path)).cloned().collect()
        };
        assert!(
            is_whole,
            "{context}: not old in {:?}, not new in {:?}, neither: {neither:?}",
            unlike(&self.old),
            unlike(&self.new),
        );
        let (messages, mut files) = at_head(&repo);
        files.remove("next");
        assert_eq!(
            files.keys().collect::<Vec<_>>(),
            working.keys().collect::<Vec<_>>(),
            "{context}"
        );
        let unlike: Vec<&String> = files.keys().filter(|p| files[*p] != working[*p]).collect();
        assert!(unlike.is_empty(), "{context}: recorded otherwise than it is: {unlike:?}");
        assert_eq!(messages[0], "next");
        let before: Vec<&Vec<String>> = [&self.before, &self.done, found]
            .iter()
            .filter_map(|picture| picture.refs.get(&picture.head).map(|(messages, _)| messages))
            .collect();
        let follows = before.iter().any(|before| before[..] == messages[1..]);
        assert!(follows || messages.len() == 1, "{context}: {messages:?}");
        let checked = check(&repo);
        assert!(checked.is_clean(), "{context}: after next: {:?}", checked.findings);
        assert!(list_status(&repo).unwrap().is_clean(), "{context}");
    }
}

const SURVIVALS: [Survival; 4] =
    [Survival::Nothing, Survival::Everything, Survival::Some(1), Survival::Some(2)];

/// How many of the possible states are looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pains {
    /// Two kinds of power loss for each cut, and cuts in the recovery.
    Great,
    /// One, another for each cut.
    Small,
}

/// Cuts the power before each write of the verb and judges what is left.
fn survives_power_loss(verb: &Verb, pains: Pains) {
    let story = Story::of(verb);
    for survivors in 0.. {
        let disk = story.copy();
        let faulty = FaultyDisk::new(Arc::new(disk.clone()));
        let fault = Fault::dying_after(survivors);
        faulty.set_fault(if survivors % 2 == 0 { fault } else { fault.torn() });
        let shared: Arc<dyn Disk> = Arc::new(faulty.clone());
        let finished = (verb.run)(&shared).is_ok();
        let kinds = if pains == Pains::Great { 2 } else { 1 };
        for kind in 0..kinds {
            let survival = SURVIVALS[(survivors as usize + kind) % 4];
            let left = disk.image_after_power_loss(survival);
            if pains == Pains::Great && kind == 0 {
                // Once more, in what the next command does. All pairs are too many.
                survives_twice(&story, &left, finished, survivors);
            }
            story.judge(&left, finished, &format!("after {survivors} writes, {survival:?}"));
        }
        if !faulty.is_dead() {
            assert!(finished, "{}", verb.name);
            return;
        }
    }
}

fn survives_twice(story: &Story, left: &MemoryDisk, finished: bool, survivors: u64) {
    for cut in (survivors % 23..70).step_by(23) {
        let again = left.image_after_power_loss(Survival::Everything);
        let faulty = FaultyDisk::new(Arc::new(again.clone()));
        faulty.set_fault(Fault::dying_after(cut));
        let dying: Arc<dyn Disk> = Arc::new(faulty);
        // Whether it gets so far or not, the same law holds; a new file would be in the way of it.
        let _ = open(&dying).and_then(|repo| list_status(&repo).map(drop));
        let _ = ops_that_recover(&dying);
        let survival = SURVIVALS[(survivors + cut) as usize % 4];
        let left = again.image_after_power_loss(survival);
        let context = format!("after {survivors} writes, {cut} of the next command, {survival:?}");
        story.judge(&left, finished, &context);
    }
}

/// A command that finishes what was interrupted, and then finds nothing to do.
fn ops_that_recover(disk: &Arc<dyn Disk>) -> Done {
    recover(disk, &Silent)
}

fn recover(disk: &Arc<dyn Disk>, monitor: &dyn Monitor) -> Done {
    match stage_told(disk, &["of no such name"], monitor) {
        Err(ops::Error::NoMatch(_)) => Ok(()),
        done => done,
    }
}

macro_rules! power_loss {
    ($($test:ident: $name:literal),* $(,)?) => {
        $(#[test]
        fn $test() {
            let verb = VERBS.iter().find(|verb| verb.name == $name).unwrap();
            survives_power_loss(verb, Pains::Great);
        })*
    };
}

power_loss! {
    init_survives_power_loss: "init",
    a_first_commit_survives_power_loss: "first commit",
    a_commit_survives_power_loss: "commit",
    a_commit_of_a_path_survives_power_loss: "commit of a path",
    a_commit_of_what_is_staged_survives_power_loss: "commit of what is staged",
    amending_survives_power_loss: "commit --amend",
    add_survives_power_loss: "add",
    switch_survives_power_loss: "switch",
    switch_keeps_what_is_the_users_through_a_power_loss: "switch with a user's files",
    restore_survives_power_loss: "restore",
    restore_from_a_commit_survives_power_loss: "restore from a commit",
    restore_of_what_goes_survives_power_loss: "restore of what a commit does not have",
    restore_over_other_kinds_survives_power_loss: "restore over files of another kind",
    reset_survives_power_loss: "reset --hard",
    reset_over_edits_survives_power_loss: "reset --hard over edits",
    switching_over_edits_survives_power_loss: "switch --discard over edits",
    reset_over_other_kinds_survives_power_loss: "reset --hard over files of another kind",
    switching_over_other_kinds_survives_power_loss: "switch --discard over files of another kind",
    merge_survives_power_loss: "merge",
    undo_survives_power_loss: "undo",
    redo_survives_power_loss: "redo",
    rm_survives_power_loss: "rm",
    mv_survives_power_loss: "mv",
    mv_of_a_directory_survives_power_loss: "mv of a directory",
    branch_survives_power_loss: "branch",
    tag_survives_power_loss: "tag",
    repack_survives_power_loss: "repack",
}

/// A killed command, as after a timeout: what was written is there.
#[test]
fn a_killed_discard_is_completed_and_spares_what_was_edited_since() {
    for name in ["reset --hard over edits", "switch --discard over edits"] {
        let story = Story::of(VERBS.iter().find(|verb| verb.name == name).unwrap());
        let verb = VERBS.iter().find(|verb| verb.name == name).unwrap();
        let mut completed = 0;
        for survivors in 0.. {
            let disk = story.copy();
            let faulty = FaultyDisk::new(Arc::new(disk.clone()));
            faulty.set_fault(Fault::dying_after(survivors).torn());
            let dying: Arc<dyn Disk> = Arc::new(faulty.clone());
            let _ = (verb.run)(&dying);
            let left = disk.image_after_power_loss(Survival::Everything);
            let context = format!("{name}: after {survivors} writes");
            let files = working_files(&left);
            for path in ["big", "large"] {
                let now = files.get(path);
                let is_whole = now == story.old.get(path) || now == story.new.get(path);
                assert!(is_whole, "{context}: half of {path}");
            }
            write(&left, "a", "since the kill");
            let is_noted = list_status(&open(&shared(&left)).unwrap()).unwrap().is_changing;
            let _ = ops_that_recover(&shared(&left));
            let mut meant = if is_noted { story.new.clone() } else { files };
            meant.insert("a".into(), b"since the kill".to_vec());
            let now = working_files(&left);
            let unlike: Vec<&String> = meant
                .keys()
                .chain(now.keys())
                .filter(|path| now.get(*path) != meant.get(*path))
                .collect();
            assert!(unlike.is_empty(), "{context}: unlike {unlike:?}");
            completed += u32::from(is_noted);
            if !faulty.is_dead() {
                break;
            }
        }
        assert!(completed > 5, "{name}: {completed}");
    }
}

/// What was to be thrown away goes; what came into it since the kill stays, and so does a directory
/// with that in it.
#[test]
fn a_killed_discard_clears_the_way_and_spares_what_came_since() {
    for name in [
        "reset --hard over files of another kind",
        "switch --discard over files of another kind",
        "restore over files of another kind",
        "restore of what a commit does not have",
    ] {
        let verb = VERBS.iter().find(|verb| verb.name == name).unwrap();
        let story = Story::of(verb);
        let mut completed = 0;
        for survivors in 0.. {
            let disk = story.copy();
            let faulty = FaultyDisk::new(Arc::new(disk.clone()));
            faulty.set_fault(Fault::dying_after(survivors).torn());
            let dying: Arc<dyn Disk> = Arc::new(faulty.clone());
            let _ = (verb.run)(&dying);
            let left = disk.image_after_power_loss(Survival::Everything);
            let context = format!("{name}: after {survivors} writes");
            let files = working_files(&left);
            let is_noted = list_status(&open(&shared(&left)).unwrap()).unwrap().is_changing;
            let mut meant = if is_noted { story.new.clone() } else { files.clone() };
            let mut since = |path: &str, inside: &[&str]| {
                write(&left, path, "since the kill");
                inside.iter().for_each(|above| drop(meant.insert((*above).into(), b"/".into())));
                meant.insert(path.into(), b"since the kill".into());
            };
            if files.get("a/deep").is_some_and(|kind| kind == b"/") {
                since("a/deep/since", &["a", "a/deep"]);
            }
            if files.get("mine").is_some_and(|bytes| bytes == b"edited\n") {
                since("mine", &[]);
            }
            let _ = ops_that_recover(&shared(&left));
            let now = working_files(&left);
            let unlike: Vec<&String> = meant
                .keys()
                .chain(now.keys())
                .filter(|path| now.get(*path) != meant.get(*path))
                .collect();
            assert!(unlike.is_empty(), "{context}: unlike {unlike:?}");
            assert!(!list_status(&open(&shared(&left)).unwrap()).unwrap().is_changing, "{context}");
            completed += u32::from(is_noted);
            if !faulty.is_dead() {
                break;
            }
        }
        assert!(completed > 5, "{name}: {completed}");
    }
}

/// Runs a command killed before each of its writes that leaves a note, lets something come between,
/// and gives the disk after the next command to judge, and what that told.
fn killed(
    name: &str,
    since: impl Fn(&MemoryDisk),
    judge: impl Fn(&Story, &MemoryDisk, &[String], &str),
) {
    let verb = VERBS.iter().find(|verb| verb.name == name).unwrap();
    let story = Story::of(verb);
    let mut completed = 0;
    for survivors in 0.. {
        let disk = story.copy();
        let faulty = FaultyDisk::new(Arc::new(disk.clone()));
        faulty.set_fault(Fault::dying_after(survivors).torn());
        let dying: Arc<dyn Disk> = Arc::new(faulty.clone());
        let _ = (verb.run)(&dying);
        let left = disk.image_after_power_loss(Survival::Everything);
        let context = format!("{name}: after {survivors} writes");
        if list_status(&open(&shared(&left)).unwrap()).unwrap().is_changing {
            since(&left);
            let told = Notices::default();
            recover(&shared(&left), &told).unwrap_or_else(|e| panic!("{context}: {e}"));
            let status = list_status(&open(&shared(&left)).unwrap()).unwrap();
            assert!(!status.is_changing, "{context}");
            judge(&story, &left, &told.0.into_inner().unwrap(), &context);
            completed += 1;
        }
        if !faulty.is_dead() {
            break;
        }
    }
    assert!(completed > 5, "{name}: {completed}");
}

const OVER_OTHER_KINDS: [&str; 3] = [
    "reset --hard over files of another kind",
    "switch --discard over files of another kind",
    "restore over files of another kind",
];

/// One file that nobody may remove does not end every later command: it is left, and all else is
/// as if there had been no interruption.
#[test]
fn a_killed_discard_is_finished_around_what_cannot_be_removed() {
    for name in OVER_OTHER_KINDS {
        let fix = |disk: &MemoryDisk| {
            if working_files(disk).contains_key("a/deep/mine") {
                disk.make_fixed(&format!("{ROOT}/a/deep"));
            }
        };
        killed(name, fix, |story, disk, told, context| {
            let mut now = working_files(disk);
            let mut new = story.new.clone();
            if now.get("a").is_some_and(|kind| kind == b"/") {
                assert_eq!(now.remove("a/deep").as_deref(), Some(&b"/"[..]), "{context}");
                assert_eq!(
                    now.remove("a/deep/mine").as_deref(),
                    Some(&b"not recorded\n"[..]),
                    "{context}"
                );
                now.remove("a");
                new.remove("a");
                let is_told = told.iter().any(|told| told.starts_with("'a/deep/mine' could not"));
                assert!(is_told, "{context}: {told:?}");
            }
            assert_eq!(now, new, "{context}");
        });
    }
}

/// What was to be thrown away need not be read for that.
#[test]
fn a_killed_discard_is_finished_over_what_cannot_be_read() {
    for name in ["reset --hard over edits", "switch --discard over edits"] {
        let close = |disk: &MemoryDisk| {
            if working_files(disk).get("a").is_some_and(|now| now == b"two\n") {
                disk.make_unreadable(&format!("{ROOT}/a"));
            }
        };
        killed(name, close, |story, disk, _, context| {
            assert_eq!(working_files(disk), story.new, "{context}");
        });
    }
}

/// A program that knew no magic and no version was killed, and this one comes next.
#[test]
fn a_note_of_the_first_programs_is_finished() {
    let as_of_old = |disk: &MemoryDisk| {
        let path = format!("{ROOT}/.annals/pending");
        let bytes = disk.read(&path).unwrap();
        assert!(bytes.starts_with(b"PEND\x01"));
        disk.write(&path, summed(&bytes[5..bytes.len() - 8]));
    };
    killed("reset --hard over edits", as_of_old, |story, disk, _, context| {
        assert!(working_files(disk) == story.new, "{context}");
    });
}

/// What a newer program began, only that can finish: nothing is changed until it has, and all that
/// only reads works.
#[test]
fn a_note_of_another_version_stops_what_changes_and_nothing_else() {
    let disk = MemoryDisk::new();
    edited(&disk);
    let path = format!("{ROOT}/.annals/pending");
    let note = summed(b"PEND\x02what nobody knows yet");
    disk.write(&path, &note);
    let files = working_files(&disk);
    let changing: [Run; 8] = [
        discard,
        next_command,
        commit_staged,
        |disk| stage(disk, &["a"]),
        |disk| bring_back(disk, None, &["a"]),
        |disk| go_back(disk, "HEAD"),
        |disk| remove(disk, &["a"]),
        |disk| undo_or_redo(disk, Direction::Undo),
    ];
    for change in changing {
        let stopped = change(&shared(&disk));
        assert!(matches!(stopped, Err(ops::Error::PendingVersion(2))), "{stopped:?}");
    }
    assert!(list_status(&open(&shared(&disk)).unwrap()).unwrap().is_changing);
    assert_eq!(disk.read(&path).unwrap(), note);
    assert!(working_files(&disk) == files);
}

/// What somebody put there since, and nobody else may look at, stays and is told of.
#[test]
fn a_killed_change_is_finished_around_what_may_not_be_looked_at() {
    for name in ["reset --hard over edits", "switch"] {
        let close = |disk: &MemoryDisk| {
            // As long as what would be compared with it.
            write(disk, "a", if name == "switch" { "my own.\n" } else { "now\n" });
            disk.make_closed(&format!("{ROOT}/a"));
            disk.make_closed(&format!("{ROOT}/d"));
        };
        killed(name, close, |story, disk, told, context| {
            let (mut now, mut new) = (working_files(disk), story.new.clone());
            let a = now.remove("a").unwrap();
            assert!(a == b"now\n" || a == b"my own.\n", "{context}");
            new.remove("a");
            // What was being written beside its place cannot be removed there either.
            now.retain(|path, _| !path.starts_with("d/"));
            new.retain(|path, _| !path.starts_with("d/"));
            assert!(now == new, "{context}: {:?}, not {:?}", now.keys(), new.keys());
            for path in ["'a'", "'d/b'"] {
                let is_told = told.iter().any(|told| told.starts_with(path));
                assert!(is_told, "{context}: {told:?}");
            }
        });
    }
}

/// A directory in the way that has become a repository since the kill is not cleared: its history
/// is recorded nowhere else.
#[test]
fn a_killed_discard_spares_what_has_become_a_repository() {
    for name in OVER_OTHER_KINDS {
        let mine = |disk: &MemoryDisk| {
            let files = working_files(disk);
            files.into_iter().filter(|(path, _)| path.starts_with("a/")).collect::<Files>()
        };
        let found = std::cell::RefCell::new(Files::new());
        let become_one = |disk: &MemoryDisk| {
            if working_files(disk).contains_key("a/deep") {
                write(disk, "a/deep/.git/HEAD", "ref: refs/heads/main\n");
            }
            found.replace(mine(disk));
        };
        killed(name, become_one, |_, disk, _, context| {
            if found.borrow().contains_key("a/deep/.git") {
                assert_eq!(mine(disk), *found.borrow(), "{context}");
            }
        });
    }
}

#[test]
fn undoing_rm_cached_leaves_files_alone() {
    let disk = MemoryDisk::new();
    recorded(&disk);
    let shared = shared(&disk);
    let options = rm::Options {
        paths: paths(&["a"]),
        cached: true,
        recursive: false,
        force: false,
        dry_run: false,
        actor: person(),
        rules: Rules::default(),
    };
    rm::run(&open(&shared).unwrap(), &options, &Silent).unwrap();
    write(&disk, "a", "mine");
    undo_or_redo(&shared, Direction::Undo).unwrap();
    assert_eq!(working_files(&disk)["a"], b"mine");
    undo_or_redo(&shared, Direction::Redo).unwrap();
    assert_eq!(working_files(&disk)["a"], b"mine");
}

/// A merge that leaves something open is there wholly or not at all; and so is taking it back.
fn survives_conflicts(verb: &Verb) {
    let story = Story::of(verb);
    for survivors in 0.. {
        let disk = story.copy();
        let faulty = FaultyDisk::new(Arc::new(disk.clone()));
        let fault = Fault::dying_after(survivors);
        faulty.set_fault(if survivors % 2 == 0 { fault } else { fault.torn() });
        let dying: Arc<dyn Disk> = Arc::new(faulty.clone());
        let finished = (verb.run)(&dying).is_ok();
        let survival = SURVIVALS[survivors as usize % 4];
        let left = disk.image_after_power_loss(survival);
        let context = format!("{}: after {survivors} writes, {survival:?}", verb.name);
        let shared = shared(&left);
        let repo = open(&shared).unwrap_or_else(|error| panic!("{context}: {error}"));
        let found = picture(&repo).unwrap();
        assert!(found == story.done || (found == story.before && !finished), "{context}");
        assert!(check(&repo).is_clean(), "{context}");
        drop(repo);
        let _ = ops_that_recover(&shared);
        let repo = open(&shared).unwrap();
        let found = picture(&repo).unwrap();
        let (is_done, working) = (found == story.done, working_files(&left));
        assert!(is_done || found == story.before, "{context}: neither");
        let meant = if is_done { &story.new } else { &story.old };
        let unlike: Vec<&String> = meant
            .keys()
            .chain(working.keys())
            .filter(|path| working.get(*path) != meant.get(*path))
            .collect();
        assert!(unlike.is_empty(), "{context}: done {is_done}, unlike: {unlike:?}");
        // Whatever is left can be gone on with.
        if merging::find(&repo).unwrap().is_some() {
            abort(&shared).unwrap_or_else(|error| panic!("{context}: {error}"));
            assert!(list_status(&open(&shared).unwrap()).unwrap().is_clean(), "{context}");
        }
        commit_of(&left, &context);
        if !faulty.is_dead() {
            assert!(finished, "{}", verb.name);
            return;
        }
    }
}

fn commit_of(disk: &MemoryDisk, context: &str) {
    write(disk, "next", "next");
    next_command(&shared(disk)).unwrap_or_else(|error| panic!("{context}: next: {error}"));
    let repo = open(&shared(disk)).unwrap();
    assert_eq!(at_head(&repo).1, working_files(disk), "{context}");
    assert!(check(&repo).is_clean(), "{context}: after next");
}

#[test]
fn a_merge_with_conflicts_survives_power_loss() {
    let run = |disk: &Arc<dyn Disk>| join(disk, "other");
    survives_conflicts(&Verb { name: "merge with conflicts", prepare: conflicting, run });
}

#[test]
fn taking_a_merge_back_survives_power_loss() {
    let prepare = |disk: &MemoryDisk| {
        conflicting(disk);
        join(&shared(disk), "other").unwrap();
    };
    survives_conflicts(&Verb { name: "merge --abort", prepare, run: abort });
}

#[test]
fn redoing_a_merge_with_conflicts_survives_power_loss() {
    let prepare = |disk: &MemoryDisk| {
        conflicting(disk);
        join(&shared(disk), "other").unwrap();
        undo_or_redo(&shared(disk), Direction::Undo).unwrap();
    };
    let run = |disk: &Arc<dyn Disk>| undo_or_redo(disk, Direction::Redo);
    survives_conflicts(&Verb { name: "redo of a merge with conflicts", prepare, run });
}

/// On `main`, where `a` and `d/b` are recorded as conflicts.
fn kept(disk: &MemoryDisk) {
    conflicting(disk);
    join_as_it_is(&shared(disk)).unwrap();
    settle(disk);
}

fn kept_and_edited(disk: &MemoryDisk) {
    kept(disk);
    write(disk, "a", "edited\n");
    write(disk, "d/b", noise(9, 20_000));
}

fn decide(disk: &Arc<dyn Disk>) -> Done {
    let options = resolve::Options {
        paths: paths(&["a", "d/b"]),
        force: false,
        dry_run: false,
        actor: person(),
        rules: Rules::default(),
    };
    resolve::run(&open(disk)?, &options, &Silent).map(drop)
}

const VERBS_OF_CONFLICTS: &[Verb] = &[
    Verb { name: "merge --keep-conflicts", prepare: conflicting, run: join_as_it_is },
    Verb { name: "switch away", prepare: kept, run: |disk| go(disk, "other") },
    Verb {
        name: "switch to it",
        prepare: |disk| {
            kept(disk);
            go(&shared(disk), "other").unwrap();
        },
        run: |disk| go(disk, "main"),
    },
    Verb { name: "reset --hard", prepare: kept_and_edited, run: |disk| go_back(disk, "HEAD") },
    Verb {
        name: "restore",
        prepare: kept_and_edited,
        run: |disk| bring_back(disk, None, &["a", "d/b"]),
    },
    Verb { name: "undo", prepare: kept, run: |disk| undo_or_redo(disk, Direction::Undo) },
    Verb {
        name: "redo",
        prepare: |disk| {
            kept(disk);
            undo_or_redo(&shared(disk), Direction::Undo).unwrap();
        },
        run: |disk| undo_or_redo(disk, Direction::Redo),
    },
    Verb {
        name: "commit",
        prepare: kept_and_edited,
        run: |disk| commit_all(&open(disk)?, "verb").map(drop),
    },
    Verb { name: "resolve", prepare: kept_and_edited, run: decide },
    Verb { name: "rm", prepare: kept, run: |disk| remove(disk, &["d/b"]) },
    Verb { name: "mv", prepare: kept, run: |disk| rename(disk, &["d/b"], "c") },
];

/// Conflicts that are recorded come and go wholly, and whatever is left of them in the working tree
/// is never recorded for what somebody decided.
fn survives_undecided(verb: &Verb) {
    let story = Story::of(verb);
    for survivors in 0.. {
        let disk = story.copy();
        let faulty = FaultyDisk::new(Arc::new(disk.clone()));
        let fault = Fault::dying_after(survivors);
        faulty.set_fault(if survivors % 2 == 0 { fault } else { fault.torn() });
        let dying: Arc<dyn Disk> = Arc::new(faulty.clone());
        let finished = (verb.run)(&dying).is_ok();
        let survival = SURVIVALS[survivors as usize % 4];
        let left = disk.image_after_power_loss(survival);
        let context = format!("{}: after {survivors} writes, {survival:?}", verb.name);
        let shared = shared(&left);
        let repo = open(&shared).unwrap_or_else(|error| panic!("{context}: {error}"));
        let found = picture(&repo).unwrap();
        assert!(found == story.done || (found == story.before && !finished), "{context}");
        assert!(check(&repo).is_clean(), "{context}");
        drop(repo);
        let _ = ops_that_recover(&shared);
        let repo = open(&shared).unwrap();
        let found = picture(&repo).unwrap();
        let working = working_files(&left);
        let mut meant = Vec::new();
        meant.extend((found == story.done).then_some(&story.new));
        meant.extend((found == story.before && !finished).then_some(&story.old));
        assert!(!meant.is_empty(), "{context}: neither");
        let is_beside = |path: &str| path.contains("~version-");
        let is_meant = |path: &String| {
            meant.iter().any(|files| files.get(path) == working.get(path))
                // Of a conflict that stays, the entry has what stood beside it.
                || (is_beside(path) && !finished && !working.contains_key(path))
        };
        let all = meant.iter().flat_map(|files| files.keys()).chain(working.keys());
        let unlike: Vec<&String> = all.filter(|path| !is_meant(path)).collect();
        assert!(unlike.is_empty(), "{context}: unlike: {unlike:?}");
        drop(repo);
        write(&left, "next", "next");
        next_command(&shared).unwrap_or_else(|error| panic!("{context}: next: {error}"));
        let repo = open(&shared).unwrap();
        for (path, bytes) in at_head(&repo).1 {
            assert!(!is_beside(&path) && !bytes.starts_with(b"<<<<<<<"), "{context}: {path}");
        }
        let status = list_status(&repo).unwrap();
        assert!(!status.has_changes() && status.staged.is_empty(), "{context}: {status:?}");
        assert!(check(&repo).is_clean(), "{context}: after next");
        if !faulty.is_dead() {
            assert!(finished, "{}", verb.name);
            return;
        }
    }
}

#[test]
fn recorded_conflicts_survive_power_loss() {
    for verb in VERBS_OF_CONFLICTS {
        survives_undecided(verb);
    }
}

/// Commits until a commit more does something that most do not.
fn many(disk: &MemoryDisk, count: u64) {
    create(&shared(disk)).unwrap();
    furnish(disk);
    let repo = open(&shared(disk)).unwrap();
    for number in 0..count {
        write(disk, "counted", number.to_string());
        commit_all(&repo, &format!("number {number}")).unwrap();
    }
    write(disk, "counted", "verb");
}

#[test]
fn merging_small_packs_survives_power_loss() {
    let verb = Verb {
        name: "the commit that merges packs",
        prepare: |disk| many(disk, 32),
        run: |disk| {
            let repo = open(disk)?;
            let before = repo.store().state().packs.len();
            commit_all(&repo, "verb")?;
            assert!(repo.store().state().packs.len() < before, "it merges");
            Ok(())
        },
    };
    survives_power_loss(&verb, Pains::Small);
}

#[test]
fn writing_a_checkpoint_survives_power_loss() {
    let verb = Verb {
        name: "the 256th record",
        prepare: |disk| {
            recorded(disk);
            let repo = open(&shared(disk)).unwrap();
            let head = repo.head_commit().unwrap();
            while repo.store().state().number < 255 {
                let name = format!("b{}", repo.store().state().number % 5);
                branch::create(&repo, &person(), &name, &head, branch::Force::Yes).unwrap();
            }
            write(disk, "a", "changed");
        },
        run: |disk| commit_all(&open(disk)?, "verb").map(drop),
    };
    survives_power_loss(&verb, Pains::Small);
}

/// A commit that died between its record and the index must not be reverted by the next one.
#[test]
fn what_died_between_record_and_index_is_not_reverted() {
    let base = MemoryDisk::new();
    changed(&base);
    settle(&base);
    let mut between = 0;
    for survivors in 0.. {
        let disk = base.image_after_power_loss(Survival::Everything);
        let faulty = FaultyDisk::new(Arc::new(disk.clone()));
        faulty.set_fault(Fault::dying_after(survivors));
        let dying: Arc<dyn Disk> = Arc::new(faulty.clone());
        let _ = open(&dying).and_then(|repo| commit_all(&repo, "verb"));
        let left = disk.image_after_power_loss(Survival::Everything);
        let repo = open(&shared(&left)).unwrap();
        let is_there = at_head(&repo).0[0] == "verb";
        if is_there && faulty.is_dead() {
            between += 1;
            assert!(list_status(&repo).unwrap().is_clean(), "after {survivors} writes");
            let nothing = commit_all(&repo, "again");
            assert!(matches!(nothing, Err(ops::Error::NothingToCommit)), "{nothing:?}");
            write(&left, "a", "third");
            commit_paths(&repo, "third", paths(&["a"])).unwrap();
            let (messages, files) = at_head(&repo);
            assert_eq!(messages, ["third", "verb", "base"]);
            assert_eq!(files, working_files(&left));
        }
        if !faulty.is_dead() {
            break;
        }
    }
    assert!(between > 3, "the index is written after the record: {between}");
}

/// A verb that fails has changed nothing that counts, and can be run again where it works.
fn fails_cleanly(story: &Story, disk: &MemoryDisk, result: Done, context: &str) {
    let context = format!("{}: {context}", story.name);
    let was_done = result.is_ok();
    let repo = open(&shared(disk)).unwrap_or_else(|error| panic!("{context}: {error}"));
    let found = picture(&repo).unwrap_or_else(|error| panic!("{context}: {error}"));
    let is_done = found == story.done;
    assert!(is_done || found == story.before, "{context}: half done");
    assert!(is_done || result.is_err(), "{context}: a false success");
    let checked = check(&repo);
    assert!(checked.is_clean(), "{context}: {:?}", checked.findings);
    drop(repo);
    write(disk, "next", "next");
    next_command(&shared(disk)).unwrap_or_else(|error| panic!("{context}: next: {error}"));
    // A working tree that could not be written is told of, path by path.
    if was_done || story.old == story.new {
        story.judge_after_next(disk, &found, &context);
    }
}

/// The verbs that write each in their own way.
fn different_verbs() -> impl Iterator<Item = &'static Verb> {
    let names = ["first commit", "commit of a path", "add", "switch", "restore"];
    VERBS.iter().filter(move |verb| names.contains(&verb.name))
}

#[test]
fn a_full_disk_is_an_error_and_nothing_more() {
    for verb in different_verbs() {
        let story = Story::of(verb);
        let used = story.base.used();
        for blocks in 0.. {
            let disk = story.copy();
            disk.set_capacity(Some(used + blocks * 4096));
            let result = (verb.run)(&shared(&disk));
            let finished = result.is_ok();
            // Reading works on a full disk, and so does fsck.
            if let Ok(repo) = open(&shared(&disk)) {
                picture(&repo).unwrap();
                assert!(check(&repo).is_clean(), "{}", verb.name);
            }
            disk.set_capacity(None);
            fails_cleanly(&story, &disk, result, &format!("{blocks} blocks free"));
            if finished && blocks > 40 {
                break;
            }
        }
    }
}

#[test]
fn a_failing_disk_is_never_a_success() {
    for verb in different_verbs() {
        let story = Story::of(verb);
        for once in [true, false] {
            for at in (1..).step_by(if once { 1 } else { 3 }) {
                let disk = story.copy();
                let faulty = FaultyDisk::new(Arc::new(disk.clone()));
                faulty.set_fault(Fault::failing_at(at, io::ErrorKind::Other, once));
                let failing: Arc<dyn Disk> = Arc::new(faulty.clone());
                let result = (verb.run)(&failing);
                let operations = faulty.operations();
                fails_cleanly(&story, &disk, result, &format!("operation {at}, once: {once}"));
                if operations < at {
                    break;
                }
            }
        }
    }
}

#[test]
fn what_could_not_be_written_is_never_taken_for_written() {
    let names = ["switch", "reset --hard", "merge", "undo", "redo"];
    let mut partly = 0;
    for verb in VERBS.iter().filter(|verb| names.contains(&verb.name)) {
        let story = Story::of(verb);
        for at in 1.. {
            let disk = story.copy();
            let faulty = FaultyDisk::new(Arc::new(disk.clone()));
            faulty.set_fault(Fault::failing_at(at, io::ErrorKind::PermissionDenied, true));
            let failing: Arc<dyn Disk> = Arc::new(faulty.clone());
            partly += u32::from((verb.run)(&failing).is_err());
            // Nothing but what differs is written, so what is not known to differ stays.
            go_back(&shared(&disk), "HEAD").unwrap();
            let repo = open(&shared(&disk)).unwrap();
            let working = working_files(&disk);
            for (path, recorded) in at_head(&repo).1 {
                let is_same = working.get(&path) == Some(&recorded);
                assert!(is_same, "{}: operation {at}: '{path}'", story.name);
            }
            if faulty.operations() < at {
                break;
            }
        }
    }
    assert!(partly > 10, "{partly}");
}

#[test]
fn an_error_of_reading_is_never_taken_for_something_missing() {
    for verb in different_verbs() {
        let story = Story::of(verb);
        for once in [true, false] {
            for at in (1..400).step_by(if once { 1 } else { 3 }) {
                let disk = story.copy();
                let faulty = FaultyDisk::new(Arc::new(disk.clone()));
                faulty.set_fault(Fault::failing_reads_at(at, io::ErrorKind::Other, once));
                let failing: Arc<dyn Disk> = Arc::new(faulty.clone());
                let result = (verb.run)(&failing);
                let reads = faulty.counts().reads + faulty.counts().maps;
                // What cannot be read is left out and told of: then it is neither.
                let found = picture(&open(&shared(&disk)).unwrap()).unwrap();
                let left_out = found != story.done && found != story.before;
                assert!(!left_out || result.is_err(), "{}: read {at}: not told", verb.name);
                if !left_out {
                    fails_cleanly(&story, &disk, result, &format!("read {at}, once: {once}"));
                }
                if reads < at {
                    break;
                }
            }
        }
    }
}
