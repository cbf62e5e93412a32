//! Names on disk that the index does not know.

use std::io;
use std::sync::Arc;

use crate::disk::{DirRef, FileKind, Found, Stat, is_nothing};
use crate::path::{self, NameError, RepoPath};
use crate::worktree::ignore::Ignore;

use super::found::{Change, ChangeKind, Summary};
use super::queue::Ahead;
use super::request::{Nested, Untracked};
use super::walk::{Here, Walk};

/// Deeper than this, directories that are only looked through are opened from the root.
const MOST_OPEN: usize = 50;
/// So many names of all directories in one are kept at most.
const MOST_NAMES: usize = 16_384;

/// What an untracked directory is worth.
enum Worth {
    /// Something is to be told of it, for example this.
    Something(RepoPath),
    /// It holds nothing but what is ignored.
    OnlyIgnored,
    /// It is an Annals repository.
    Repository,
    /// It is not there any more.
    Gone,
}

/// A directory that is looked through.
struct Through {
    path: RepoPath,
    parent: Option<DirRef>,
    ignore: Ignore,
}

impl Walk<'_> {
    /// A name on disk that has no row. Without a stat, the directory says that it is a file.
    pub(super) fn untracked(
        &self,
        name: Vec<u8>,
        stat: Option<io::Result<Stat>>,
        here: &mut Here<'_>,
        summary: &mut Summary,
    ) {
        let is_ours = name == path::STATE || path::is_temporary(&name);
        if self.request.untracked == Untracked::No || is_ours {
            return;
        }
        let directory = here.found.path;
        if let Err(reason) = check(&name, directory) {
            if self.is_meant(directory) || self.may_be_meant_below(directory) {
                let shown = format!("{directory}/{}", path::quoted(&name));
                summary.refused.push((shown.trim_start_matches('/').to_owned(), reason));
            }
            return;
        }
        let path = directory.join(&name);
        let is_directory = matches!(&stat, Some(Ok(Stat { kind: FileKind::Directory, .. })));
        let is_meant = self.is_meant(&path);
        let may_be_below = is_directory && self.may_be_meant_below(&path);
        if !is_meant && !may_be_below {
            return;
        }
        let is_ignored = here.is_ignored
            || (!here.ignore.is_empty() && here.ignore.is_ignored(&path, is_directory));
        if is_ignored {
            if is_meant {
                self.ignored(name, is_directory, here);
            }
            return;
        }
        let stat = match stat.transpose() {
            Ok(stat) => stat,
            Err(error) => {
                summary.unreadable.push((path, error));
                return;
            }
        };
        match stat {
            Some(Stat { kind: FileKind::Special, .. }) => summary.special.push(path),
            Some(stat) if is_directory => {
                self.untracked_directory(path, stat, is_meant, here, summary);
            }
            _ => {
                let kind = ChangeKind::Added;
                here.found.changes.push(Change { name, kind, stat, tracked: None });
            }
        }
    }

    fn ignored(&self, mut name: Vec<u8>, is_directory: bool, here: &mut Here<'_>) {
        if self.request.tell_ignored {
            if is_directory {
                name.push(b'/');
            }
            here.found.ignored.push(name);
        }
    }

    fn untracked_directory(
        &self,
        path: RepoPath,
        stat: Stat,
        is_meant: bool,
        here: &mut Here<'_>,
        summary: &mut Summary,
    ) {
        let witness = here.witness.clone().filter(|witness| witness.is_within(&path));
        let mut ahead = Ahead { witness, names: None };
        // What is not meant itself is told of only if something in it is.
        if is_meant && ahead.witness.is_none() {
            match self.worth(&path, here, &mut ahead.names) {
                Worth::Something(found) => ahead.witness = Some(Arc::new(found)),
                Worth::OnlyIgnored => {
                    self.ignored(path.name().to_vec(), true, here);
                    return;
                }
                Worth::Repository => {
                    summary.nested.push(path);
                    return;
                }
                Worth::Gone => return,
            }
        }
        self.announce(path, stat, None, ahead, here);
    }

    /// Looks through an untracked directory until something is found that is not ignored. An empty
    /// directory is something. Whether a directory is recorded depends on this, so it is asked
    /// before anybody is told of it. Its names are kept for whoever looks at it then.
    fn worth(&self, top: &RepoPath, here: &mut Here<'_>, kept: &mut Option<Vec<Found>>) -> Worth {
        let (parent, ignore) = (Some(here.dir.clone()), here.ignore.clone());
        let mut todo = vec![Through { path: top.clone(), parent, ignore }];
        while let Some(through) = todo.pop() {
            let opened = match &through.parent {
                Some(parent) => parent.dir(through.path.name()),
                None => self.open_from_root(&through.path),
            };
            let is_top = through.path == *top;
            let (dir, names) = match opened.and_then(|dir| Ok((dir.list()?, dir))) {
                Ok((names, dir)) => (dir, names),
                Err(error) if is_nothing(&error) && is_top => return Worth::Gone,
                Err(error) if is_nothing(&error) => continue,
                // What cannot be read is told of.
                Err(_) => return Worth::Something(through.path),
            };
            let found = self.look_through(through, is_top, &dir, &names, &mut todo);
            if is_top && here.kept_names + names.len() <= MOST_NAMES {
                here.kept_names += names.len();
                *kept = Some(names);
            }
            if let Some(worth) = found {
                return worth;
            }
        }
        Worth::OnlyIgnored
    }

    /// Looks at the names in one directory; `None` if it has to be looked further.
    fn look_through(
        &self,
        through: Through,
        is_top: bool,
        dir: &DirRef,
        names: &[Found],
        todo: &mut Vec<Through>,
    ) -> Option<Worth> {
        let Through { path, ignore, .. } = through;
        if names.is_empty() {
            return Some(Worth::Something(path));
        }
        let has = |wanted: &[u8]| names.iter().any(|found| found.name == wanted);
        if has(path::STATE) {
            if !is_top {
                // It is told of in the directory it is in.
                let above = path.split().map(|(above, _)| above).unwrap_or_default();
                return Some(Worth::Something(above));
            }
            if self.request.nested == Nested::Skip {
                return Some(Worth::Repository);
            }
            return Some(Worth::Something(path));
        }
        let ignore = self.rules(&path, dir, &ignore, has, &mut Vec::new());
        for found in names {
            if check(&found.name, &path).is_err() {
                return Some(Worth::Something(path));
            }
            let below = path.join(&found.name);
            let kind = found.kind.or_else(|| Some(dir.stat(&found.name).ok()?.kind));
            let is_directory = kind == Some(FileKind::Directory);
            if !self.is_meant(&below)
                || (!ignore.is_empty() && ignore.is_ignored(&below, is_directory))
            {
                continue;
            }
            if !is_directory {
                return Some(Worth::Something(below));
            }
            let parent = (todo.len() < MOST_OPEN).then(|| dir.clone());
            todo.push(Through { path: below, parent, ignore: ignore.clone() });
        }
        None
    }
}

fn check(name: &[u8], directory: &RepoPath) -> Result<(), NameError> {
    path::check_name(name)?;
    // Deep paths are rare, so that counting is, too.
    if directory.as_bytes().len() >= path::DEEPEST && directory.parts().count() >= path::DEEPEST {
        return Err(NameError::Deep);
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::worktree::scan::testing::{FILES, World, names};

    #[test]
    fn repositories_and_illegal_names_are_named() {
        let world = World::new(FILES);
        world.write("d/.annals/format", "");
        world.write("d/b", "changed");
        world.write("link/.annals", "elsewhere");
        world.write("link/x", "");
        world.write("n/m/.annals/format", "");
        world.write("e/.ANNALS", "");
        let scan = world.scan();
        assert_eq!(names(&scan.summary.nested), ["d", "link", "n/m"]);
        let [(name, reason)] = &scan.summary.refused[..] else { panic!("{:?}", scan.summary) };
        assert_eq!((&name[..], *reason), ("e/.ANNALS", NameError::State));
        assert_eq!(scan.short(), ["A e", "A n"]);
        let scan = world.scan_with(|request| request.nested = Nested::Data);
        assert_eq!(names(&scan.summary.nested), ["d", "link", "n/m"]);
        assert_eq!(scan.short(), ["M d/b", "A e", "A link", "A link/x", "A n", "A n/m"]);
        let world = world.only(&["d/b", "link/x", "n"]);
        let scan = world.scan();
        assert_eq!(names(&scan.summary.nested), ["d", "link", "n/m"]);
        assert_eq!(scan.short(), ["A n"]);
    }

    #[test]
    fn rules_hide_what_is_not_tracked_and_nothing_else() {
        let world = World::new(&["a.tmp", "out/kept", "out/deep/kept"]);
        world.write(".annalsignore", "*.tmp\nout/\n{\n");
        world.write("b.tmp", "");
        world.write("out/new", "");
        world.write("out/deep/new", "");
        world.write("skipped.tmp/x", "");
        world.write("d/.annalsignore", "!c.tmp");
        world.write("d/c.tmp", "");
        world.write("a.tmp", "changed");
        world.write("out/kept", "changed");
        world.write("out/deep/kept", "changed");
        let scan = world.scan_with(|request| request.tell_ignored = true);
        let expected = [
            "A .annalsignore",
            "M a.tmp",
            "A d",
            "A d/.annalsignore",
            "A d/c.tmp",
            "M out/deep/kept",
            "M out/kept",
        ];
        assert_eq!(scan.short(), expected);
        assert_eq!(scan.ignored, ["b.tmp", "out/deep/new", "out/new", "skipped.tmp/"]);
        assert_eq!(scan.summary.bad_rules.len(), 1);
        assert!(world.scan().ignored.is_empty());
        let world = world.only(&["out/new", "out/deep", "b.tmp"]);
        let scan = world.scan_with(|request| request.tell_ignored = true);
        assert_eq!(scan.short(), ["M out/deep/kept"]);
        assert_eq!(scan.ignored, ["b.tmp", "out/deep/new", "out/new"]);
    }

    #[test]
    fn untracked_directories_can_be_told_alone_or_not_at_all() {
        let world = World::new(FILES);
        world.write("n/m/x", "");
        world.write("d/new", "");
        let with = |untracked| world.scan_with(|request| request.untracked = untracked).short();
        assert_eq!(with(Untracked::All), ["A d/new", "A n", "A n/m", "A n/m/x"]);
        assert_eq!(with(Untracked::Directories), ["A d/new", "A n"]);
        assert!(with(Untracked::No).is_empty());
    }

    #[test]
    fn a_directory_with_only_ignored_files_is_ignored_and_an_empty_one_is_told_of() {
        let world = World::new(FILES);
        world.write("n/.annalsignore", "*.tmp");
        world.write("ignored/.annalsignore", "*");
        world.write("ignored/x", "");
        world.write("ignored/below/x", "");
        world.write("n/only/a/x.tmp", "");
        world.write("n/only/b/x.tmp", "");
        world.write("n/mixed/a/x.tmp", "");
        world.write("n/mixed/z/x", "");
        world.make_dir("empty/below");
        for (untracked, expected) in [
            (Untracked::Directories, &["A empty", "A n"][..]),
            (
                Untracked::All,
                &[
                    "A empty",
                    "A empty/below",
                    "A n",
                    "A n/.annalsignore",
                    "A n/mixed",
                    "A n/mixed/z",
                    "A n/mixed/z/x",
                ],
            ),
        ] {
            let scan = world.scan_with(|request| {
                (request.untracked, request.tell_ignored) = (untracked, true);
            });
            assert_eq!(scan.short(), expected);
            let ignored: &[&str] = match untracked {
                Untracked::All => &["ignored/", "n/mixed/a/", "n/only/"],
                _ => &["ignored/"],
            };
            assert_eq!(scan.ignored, ignored);
        }
    }

    #[test]
    fn what_is_not_meant_itself_is_looked_into() {
        let world = World::new(FILES).only(&["n/*.jpg"]);
        world.write("n/a.jpg", "");
        world.write("n/a.txt", "");
        for untracked in [Untracked::All, Untracked::Directories] {
            let scan = world.scan_with(|request| request.untracked = untracked);
            assert_eq!(scan.short(), ["A n/a.jpg"]);
        }
        let world = world.only(&["n", ":!n/a.jpg"]);
        assert_eq!(world.scan().short(), ["A n", "A n/a.txt"]);
    }
}
