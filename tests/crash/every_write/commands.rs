//! The commands, as whoever loses power runs them: each opens the repository for itself.
//!
//! One that has told what it could not do counts as one that failed.

use annals::merge::{Favour, NoDriver, Style};
use annals::ops::undo::{self, Direction};
use annals::ops::{
    add, branch, merge, mv, repack, reset, resolve, restore, rm, status, switch, tag,
};
use annals::progress::Monitor;
use annals::repo::Rules;

use super::*;

pub(super) fn stage(disk: &Arc<dyn Disk>, words: &[&str]) -> Done {
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

pub(super) fn commit_staged(disk: &Arc<dyn Disk>) -> Done {
    commit::run(&open(disk)?, &commit::Options::new("verb", person()), &Silent)
        .and_then(|outcome| told(outcome.is_complete()))
}

pub(super) fn amend(disk: &Arc<dyn Disk>) -> Done {
    let options = commit::Options { amend: true, ..commit::Options::new("verb", person()) };
    commit::run(&open(disk)?, &options, &Silent).and_then(|outcome| told(outcome.is_complete()))
}

pub(super) fn go(disk: &Arc<dyn Disk>, name: &str) -> Done {
    go_with(disk, name, false)
}

pub(super) fn discard(disk: &Arc<dyn Disk>) -> Done {
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

pub(super) fn bring_back(disk: &Arc<dyn Disk>, source: Option<&str>, words: &[&str]) -> Done {
    let options = restore::Options {
        source: source.map(|source| source.into()),
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

pub(super) fn go_back(disk: &Arc<dyn Disk>, revision: &str) -> Done {
    let options = reset::Options {
        mode: reset::Mode::Hard,
        revision: Some(revision.into()),
        dry_run: false,
        actor: person(),
        rules: Rules::default(),
    };
    told(reset::run(&open(disk)?, &options, &Silent)?.failed.is_empty())
}

pub(super) fn join(disk: &Arc<dyn Disk>, word: &str) -> Done {
    join_with(disk, word, false)
}

pub(super) fn join_as_it_is(disk: &Arc<dyn Disk>) -> Done {
    join_with(disk, "other", true)
}

fn join_with(disk: &Arc<dyn Disk>, word: &str, keep_conflicts: bool) -> Done {
    let options = merge::Options { keep_conflicts, ..how_to_join(word) };
    told(merge::run(&open(disk)?, &options, &Silent)?.failed.is_empty())
}

pub(super) fn how_to_join(word: &str) -> merge::Options<'static> {
    merge::Options {
        heads: vec![word.into()],
        fast_forward: merge::FastForward::Allow,
        until: merge::Until::Commit,
        message: b"verb".to_vec(),
        favour: Favour::Nobody,
        style: Style::Merge,
        allow_unrelated: false,
        keep_conflicts: false,
        driver: &NoDriver,
        dry_run: false,
        actor: person(),
        rules: Rules::default(),
    }
}

pub(super) fn abort(disk: &Arc<dyn Disk>) -> Done {
    told(merge::abort(&open(disk)?, &how_to_abort(), &Silent)?.failed.is_empty())
}

pub(super) fn how_to_abort() -> merge::Abort<'static> {
    merge::Abort { dry_run: false, actor: person(), rules: Rules::default() }
}

pub(super) fn undo_or_redo(disk: &Arc<dyn Disk>, direction: Direction) -> Done {
    let options =
        undo::Options { direction, dry_run: false, actor: person(), rules: Rules::default() };
    told(undo::run(&open(disk)?, &options, &Silent)?.failed.is_empty())
}

pub(super) fn remove(disk: &Arc<dyn Disk>, words: &[&str]) -> Done {
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

pub(super) fn rename(disk: &Arc<dyn Disk>, sources: &[&str], destination: &str) -> Done {
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

pub(super) fn make_branch(disk: &Arc<dyn Disk>, name: &str) -> Done {
    let repo = open(disk)?;
    branch::create(&repo, &person(), name, &repo.head_commit()?, branch::Force::No).map(drop)
}

pub(super) fn make_tag(disk: &Arc<dyn Disk>) -> Done {
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

pub(super) fn repack_all(disk: &Arc<dyn Disk>) -> Done {
    let options = repack::Options { extent: repack::Extent::All, actor: person() };
    repack::run(&open(disk)?, &options, &Silent).map(drop)
}

/// The next command: whoever comes after a crash records what there is.
pub(super) fn next_command(disk: &Arc<dyn Disk>) -> Done {
    commit_all(&open(disk)?, "next").map(drop)
}

pub(super) fn list_status(repo: &Repository) -> Result<status::Outcome, ops::Error> {
    status::run(repo, &status::Options::default(), &Silent)
}

/// A command that finishes what was interrupted, and then finds nothing to do.
pub(super) fn ops_that_recover(disk: &Arc<dyn Disk>) -> Done {
    recover(disk, &Silent)
}

pub(super) fn recover(disk: &Arc<dyn Disk>, monitor: &dyn Monitor) -> Done {
    match stage_told(disk, &["of no such name"], monitor) {
        Err(ops::Error::NoMatch(_)) => Ok(()),
        done => done,
    }
}

pub(super) fn decide(disk: &Arc<dyn Disk>) -> Done {
    let options = resolve::Options {
        paths: paths(&["a", "d/b"]),
        force: false,
        dry_run: false,
        actor: person(),
        rules: Rules::default(),
    };
    resolve::run(&open(disk)?, &options, &Silent).map(drop)
}
