//! What is left when machines, disks and other processes do their worst.
//!
//! A [`World`] is a repository at `/w` of a disk in memory. [`Picture`] is what a person would see
//! of it: histories by their words and files, never by ids, so that two runs can be compared.

mod every_damage;
mod every_write;
mod lost_records;
mod taking_turns;
mod two_writers;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use annals::clock::{Env, SeededRandom, SteppingClock, Time};
use annals::disk::{Disk, FileKind, MemoryDisk};
use annals::hash::{Id, Kind};
use annals::object::tree::Cursor;
use annals::object::{Commit, Source, Tag, What};
use annals::ops::{self, commit, fsck, init};
use annals::path::{Pathspec, RepoPath};
use annals::progress::Silent;
use annals::repo::{Head, Person, Repository};
use annals::store::{Error as StoreError, Store, Target};
use annals::worktree::{read_content, read_small};

pub(crate) const ROOT: &str = "/w";

/// Files by path: what they contain, links with a `->` before their target, directories with `/`.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

pub(crate) fn person() -> Person {
    Person { name: "A".into(), email: "a@b".into() }
}

/// A clock of whole minutes, and chance that nobody else has drawn.
pub(crate) fn env() -> Env {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    Env {
        clock: Arc::new(SteppingClock::new(Time::from_seconds(1_700_000_000), 60)),
        random: Arc::new(SeededRandom::new(NEXT.fetch_add(1, Ordering::Relaxed))),
    }
}

pub(crate) fn open(disk: &Arc<dyn Disk>) -> Result<Repository, ops::Error> {
    Ok(Repository::open(disk.clone(), Path::new(ROOT), env())?)
}

pub(crate) fn create(disk: &Arc<dyn Disk>) -> Result<Repository, ops::Error> {
    let options = init::Options::new(person());
    Ok(init::run(disk.clone(), Path::new(ROOT), env(), &options)?.0)
}

pub(crate) fn shared(disk: &MemoryDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

pub(crate) fn write(disk: &MemoryDisk, path: &str, bytes: impl AsRef<[u8]>) {
    disk.write(&format!("{ROOT}/{path}"), bytes);
}

/// Bytes that look random and are the same everywhere.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..length).map(|_| next()).collect()
}

pub(crate) fn commit_all(repo: &Repository, message: &str) -> Result<Id, ops::Error> {
    commit_paths(repo, message, Pathspec::all())
}

pub(crate) fn commit_paths(
    repo: &Repository,
    message: &str,
    paths: Pathspec,
) -> Result<Id, ops::Error> {
    let options = commit::Options {
        everything: paths.is_all(),
        paths,
        ..commit::Options::new(message, person())
    };
    let outcome = commit::run(repo, &options, &Silent)?;
    match outcome.commit {
        Some(id) if outcome.is_complete() => Ok(id),
        // Something could not be read and was told of.
        _ => Err(ops::Error::NothingToCommit),
    }
}

pub(crate) fn paths(words: &[&str]) -> Pathspec {
    Pathspec::of_paths(words.iter().map(|word| RepoPath::new(*word).unwrap()))
}

pub(crate) fn check(repo: &Repository) -> fsck::Outcome {
    fsck::run(repo, &fsck::Options::default(), &Silent).unwrap()
}

/// The files of the working tree as they are on the disk.
pub(crate) fn working_files(disk: &MemoryDisk) -> Files {
    let mut files = Files::new();
    for (path, entry) in disk.tree(ROOT) {
        let path = String::from_utf8_lossy(&path).into_owned();
        if path == ".annals" || path.starts_with(".annals/") {
            continue;
        }
        let content = match entry.kind {
            FileKind::Directory => b"/".to_vec(),
            FileKind::Symlink => [b"->", &entry.content[..]].concat(),
            _ => entry.content,
        };
        files.insert(path, content);
    }
    files
}

/// The files of the state directory, by their path from the root.
pub(crate) fn state_files(disk: &MemoryDisk) -> BTreeMap<String, Vec<u8>> {
    let files = disk.tree(ROOT).into_iter().filter(|(_, entry)| entry.kind == FileKind::File);
    files
        .filter_map(|(path, entry)| Some((String::from_utf8(path).ok()?, entry.content)))
        .filter(|(path, _)| path.starts_with(".annals/"))
        .collect()
}

/// The files of a tree.
pub(crate) fn files_of(store: &Store, tree: &Id) -> Result<Files, StoreError> {
    let mut files = Files::new();
    let mut todo = vec![(String::new(), *tree)];
    while let Some((above, tree)) = todo.pop() {
        let mut cursor = Cursor::new(store, &tree)?;
        while let Some(entry) = cursor.next_entry()? {
            let path = format!("{above}{}", String::from_utf8_lossy(&entry.name));
            let content = match &entry.what {
                What::Directory { tree, .. } => {
                    todo.push((format!("{path}/"), *tree));
                    b"/".to_vec()
                }
                What::File { size, content } => {
                    let mut bytes = Vec::new();
                    read_content::<StoreError>(store, *size, content, |piece| {
                        bytes.extend_from_slice(&piece);
                        Ok(())
                    })?;
                    bytes
                }
                What::Symlink { size, target } => {
                    [b"->", &read_small(store, *size, target)?[..]].concat()
                }
                What::Conflict { adds, .. } => format!("{} versions", adds.len()).into_bytes(),
                other => panic!("{other:?}"),
            };
            files.insert(path, content);
        }
    }
    Ok(files)
}

/// What a person sees of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Picture {
    /// Where HEAD is.
    pub(crate) head: String,
    /// Messages from each ref back, and the files at it.
    pub(crate) refs: BTreeMap<String, (Vec<String>, Files)>,
}

pub(crate) fn picture(repo: &Repository) -> Result<Picture, StoreError> {
    let store = repo.store();
    let mut picture = Picture::default();
    if let Head::Branch { name, .. } = repo.head() {
        picture.head = name;
    }
    for (name, target) in store.refs("") {
        let Target::Id(id) = target else { continue };
        if name.ends_with("/staged") || name.ends_with("/staged-base") {
            let name = name.rsplit('/').next().unwrap().to_owned();
            picture.refs.insert(name, (Vec::new(), files_of(store, &id)?));
            continue;
        }
        let mut messages = Vec::new();
        let mut next = Some(id);
        if store.contains(Kind::Tag, &id) {
            let tag: Tag = store.object(&id)?;
            messages.push(String::from_utf8_lossy(&tag.message).into_owned());
            next = Some(tag.target);
        }
        let mut files = None;
        while let Some(id) = next {
            let commit: Commit = store.object(&id)?;
            messages.push(String::from_utf8_lossy(&commit.message).into_owned());
            if files.is_none() {
                files = Some(files_of(store, &commit.tree)?);
            }
            next = commit.parents.first().copied();
        }
        let own = ["HEAD", "merge"].into_iter().find(|own| {
            name.strip_prefix("refs/worktree/")
                .is_some_and(|rest| rest.ends_with(&format!("/{own}")))
        });
        let name = own.map_or(name.clone(), str::to_owned);
        picture.refs.insert(name, (messages, files.unwrap_or_default()));
    }
    Ok(picture)
}

/// What HEAD is on: its history and its files.
pub(crate) fn at_head(repo: &Repository) -> (Vec<String>, Files) {
    let picture = picture(repo).unwrap();
    picture.refs.get(&picture.head).or(picture.refs.get("HEAD")).cloned().unwrap_or_default()
}
