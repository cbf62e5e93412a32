//! `commit`: records the working tree, or what was staged, or named paths.

use std::collections::{BTreeMap, BTreeSet};

use crate::clock::Time;
use crate::git::readable;
use crate::hash::Id;
use crate::index::{self, Base, Index, IndexWriter, Tracked, Update, Updated};
use crate::object::tree::Edit;
use crate::object::{Commit, Entry, Header, Object, Signature, Sink, Source};
use crate::path::{NameError, Pathspec, RepoPath};
use crate::progress::{Monitor, Stage};
use crate::repo::{Head, Person, Repository, Rules, Working};
use crate::store::{Batch, Error as StoreError, Publication, Sealed};
use crate::worktree::record::{self, Unread, Whole};
use crate::worktree::scan::{self, Nested, Untracked};

use super::merging::{self, Merging};
use super::{Error, begin, kept, moved, pending, staging};

/// What to record, and what to say about it.
#[derive(Clone, Debug)]
pub struct Options<'a> {
    /// Why; taken as it is.
    pub message: Vec<u8>,
    /// Replace the commit HEAD is on. Without a message its message stays. Its words are recorded
    /// in UTF-8 if it says in which other encoding they are, and as the bytes they are if not.
    pub amend: bool,
    /// Record a commit even if nothing changed.
    pub allow_empty: bool,
    /// Only say what would be recorded.
    pub dry_run: bool,
    /// Who made the change, if not who records it.
    pub author: Option<Person>,
    /// When the change was made, if not now: the time and minutes east of UTC.
    pub date: Option<(Time, i16)>,
    /// Who records it.
    pub committer: Person,
    /// Which paths; all of them if none are named.
    pub paths: Pathspec,
    /// Everything that changed, even if something is staged.
    pub everything: bool,
    /// Record modification times even where nothing else changed.
    pub always_times: bool,
    /// Further headers.
    pub headers: Vec<Header>,
    /// Which rules of the user's hold.
    pub rules: Rules<'a>,
    /// Repositories within are an error.
    pub refuse_nested: bool,
}

impl Options<'_> {
    /// Everything that changed, or what is staged, by this person.
    pub fn new(message: &str, committer: Person) -> Self {
        Self {
            message: message.as_bytes().to_vec(),
            amend: false,
            allow_empty: false,
            dry_run: false,
            author: None,
            date: None,
            committer,
            paths: Pathspec::all(),
            everything: false,
            always_times: false,
            headers: Vec::new(),
            rules: Rules::default(),
            refuse_nested: false,
        }
    }
}

/// What was recorded.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The new commit; `None` if it was a dry run.
    pub commit: Option<Id>,
    /// The tree that was recorded.
    pub tree: Option<Id>,
    /// The branch it is on, by full name; `None` if HEAD is detached.
    pub branch: Option<String>,
    /// The commit it replaces or follows.
    pub parent: Option<Id>,
    /// Its subject.
    pub subject: String,
    /// Files that are new.
    pub added: u64,
    /// Files that changed.
    pub modified: u64,
    /// Files that are gone.
    pub deleted: u64,
    /// Directories that are new, where no file changed; one in another counts with it.
    pub directories_added: u64,
    /// Directories that are gone, where no file changed.
    pub directories_deleted: u64,
    /// Paths that would be recorded, in a dry run.
    pub would_change: Vec<RepoPath>,
    /// Files in the whole tree.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes of files that were read.
    pub bytes_read: u64,
    /// New bytes in the store before compression.
    pub bytes_new: u64,
    /// What they take there.
    pub bytes_stored: u64,
    /// Files that were not recorded as they are.
    pub unread: Vec<Unread>,
    /// Conflicts whose files were changed and still have markers: they stay conflicts.
    pub undecided: Vec<RepoPath>,
    /// Directories and files that could not be looked at.
    pub unreadable: Vec<(RepoPath, std::io::Error)>,
    /// Names that may not stand in a tree.
    pub refused: Vec<(String, NameError)>,
    /// Pipes, sockets and devices, which were left out.
    pub special: Vec<RepoPath>,
    /// Repositories within, which were left out.
    pub nested: Vec<RepoPath>,
    /// Lines of files of ignore rules that are no rules: the file, and what is wrong.
    pub bad_rules: Vec<(RepoPath, String)>,
}

impl Outcome {
    /// Whether everything there is was recorded.
    pub fn is_complete(&self) -> bool {
        self.unread.is_empty()
            && self.undecided.is_empty()
            && self.unreadable.is_empty()
            && self.refused.is_empty()
            && self.nested.is_empty()
    }

    /// Names what edits would record, if that is all that is asked.
    fn name(&mut self, edits: &[Edit], options: &Options<'_>) {
        if options.dry_run {
            self.would_change = edits.iter().map(|edit| edit.path.clone()).collect();
        }
    }

    /// Counts directories that edits bring and take away, if they do nothing to files: then nothing
    /// else would tell of them.
    fn count_directories(
        &mut self,
        working: &Working<'_>,
        edits: &[Edit],
        is_dry: bool,
    ) -> Result<(), Error> {
        if self.added + self.modified + self.deleted > 0 {
            return Ok(());
        }
        for edit in edits {
            let old = match &working.head_tree {
                Some(tree) => crate::repo::find_entry(working.repo.store(), tree, &edit.path)?,
                None => None,
            };
            let is_directory = |entry: Option<&Entry>| entry.is_some_and(Entry::is_directory);
            match (is_directory(old.as_ref()), is_directory(edit.entry.as_ref())) {
                (false, true) => self.directories_added += 1,
                (true, false) => self.directories_deleted += 1,
                _ => continue,
            }
            if is_dry {
                self.would_change.push(edit.path.clone());
            }
        }
        Ok(())
    }

    /// Counts what edits do to HEAD's tree, in place of what was counted before.
    fn count(&mut self, working: &Working<'_>, edits: &[Edit]) -> Result<(), Error> {
        (self.added, self.modified, self.deleted) = (0, 0, 0);
        for edit in edits {
            let old = match &working.head_tree {
                Some(tree) => crate::repo::find_entry(working.repo.store(), tree, &edit.path)?,
                None => None,
            };
            match (old, &edit.entry) {
                (None, None) => {}
                (None, Some(_)) => self.added += 1,
                (Some(_), None) => self.deleted += 1,
                (Some(old), Some(new)) => self.modified += u64::from(!old.is_same_as(new)),
            }
        }
        Ok(())
    }
}

/// Records.
pub fn run(
    repo: &Repository,
    options: &Options<'_>,
    monitor: &dyn Monitor,
) -> Result<Outcome, Error> {
    if options.dry_run {
        // Only looked at: this works where nothing can be written, and beside another command.
        if pending::is_pending(repo) {
            monitor.notice("a command that changes the working tree was interrupted or is at work");
        }
        repo.store().refresh()?;
        return begin::with_sound_index(repo, &options.rules, monitor, || {
            attempt(repo, options, monitor)
        });
    }
    begin::run(repo, &options.committer, &options.rules, monitor, || {
        begin::until_undisturbed(repo, || attempt(repo, options, monitor))
    })
}

fn attempt(
    repo: &Repository,
    options: &Options<'_>,
    monitor: &dyn Monitor,
) -> Result<Outcome, Error> {
    let mut working = repo.working(&options.rules, monitor)?;
    let merging = merging::find(repo)?;
    if options.message.is_empty() && !options.amend && merging.is_none() {
        return Err(Error::NoMessage);
    }
    if let Some(merging) = &merging {
        check_merge(merging, options)?;
    }
    if let (Some(staged), true, false) =
        (working.staged, options.paths.is_all(), options.everything)
        && staging::differ(repo.store(), &staged.base, &staged.tree)?
    {
        let tree = rebased(&working, staged.tree, staged.base)?;
        return commit_staged(&working, options, tree);
    }
    if merging.is_some() && !options.everything {
        // A merge is concluded with what is staged, even if that is what was there before.
        let tree = working.base.tree.unwrap_or_else(crate::object::Node::empty_id);
        return commit_staged(&working, options, Rebased::AsIs(tree));
    }
    staging::check_named(&working, &options.paths)?;
    let actor = options.committer.to_actor();
    let batch = begin_batch(repo, options)?;
    let (ended, mut seen) = match options.dry_run {
        true => (Vec::new(), Vec::new()),
        false => repo.store().dead_sessions(working.tree.id)?,
    };
    seen.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    monitor.begin(Stage::Recording, None, None);
    let whole = match working.staged {
        _ if !options.paths.is_all() || options.dry_run => Whole::Nothing,
        _ if working.is_fresh() => Whole::Tree,
        // Both trees take the edits where something is staged besides.
        Some(_) => Whole::Nothing,
        None => Whole::NewDirectories,
    };
    let clock = working.file_clock(options.dry_run);
    let request = record::Request {
        batch: &batch,
        scan: scan::Request {
            root: &working.tree.root,
            index: &working.index,
            volume: &working.volume,
            ignore: &working.ignore,
            pathspec: &options.paths,
            untracked: Untracked::All,
            spare: false,
            tell_ignored: false,
            nested: options.rules.nested.unwrap_or(Nested::Skip),
            boot: repo.disk().boot_id(),
        },
        whole,
        worktree: working.tree.id,
        already_seen: &seen,
        always_times: options.always_times,
        decided: &BTreeSet::new(),
        clock: &clock,
        actor: &actor,
        monitor,
    };
    let (mut recording, summary) = record::record(request)?;
    let undecided = kept::inherit(&working, &mut recording, &kept::Decides::Changed)?;
    let beside = kept::beside_decided(&working, &recording.undecided)?;
    if options.refuse_nested && !summary.nested.is_empty() {
        return Err(Error::Nested { paths: summary.nested });
    }
    let mut outcome = Outcome {
        added: recording.added,
        modified: recording.modified,
        deleted: recording.deleted,
        bytes_read: recording.bytes_read,
        unread: std::mem::take(&mut recording.unread),
        undecided,
        unreadable: summary.unreadable,
        refused: summary.refused,
        bad_rules: summary.bad_rules,
        special: summary.special,
        nested: match options.rules.nested {
            Some(Nested::Data) => Vec::new(),
            _ => summary.nested,
        },
        ..Outcome::default()
    };
    // What cannot be recorded for another reason is told with what was.
    let named: BTreeSet<RepoPath> =
        options.paths.plain_paths().unwrap_or_default().into_iter().cloned().collect();
    let is_complete = outcome.is_complete();
    let paths = staging::passed_over(&working, &recording, &named, |_| !is_complete)?;
    if !paths.is_empty() {
        return Err(Error::Ignored { paths });
    }
    let mut writer = batch.writer();
    let (root, staged_tree) = match recording.root {
        Some(root) => (root, None),
        None => {
            let base = working.head_tree.as_ref();
            match working.staged {
                // There may be very many: they are never copied.
                None => {
                    let edits = std::mem::take(&mut recording.edits);
                    outcome.name(&edits, options);
                    let edits = staging::with_directories(&working, &mut recording, edits, base)?;
                    outcome.count_directories(&working, &edits, options.dry_run)?;
                    (staging::apply(&mut writer, base, edits)?, None)
                }
                Some(staged) => {
                    // The scan compared with what is staged: of the paths that are recorded, what
                    // was staged goes along.
                    let recorded = std::mem::take(&mut recording.edits);
                    let edits = with_staged(&working, &options.paths, recorded.clone())?;
                    outcome.count(&working, &edits)?;
                    outcome.name(&edits, options);
                    let edits = staging::with_directories(&working, &mut recording, edits, base)?;
                    let root = staging::apply(&mut writer, base, edits)?;
                    // What was staged besides stays staged, on top of the new commit.
                    let staged_tree = if options.everything {
                        None
                    } else {
                        let base = Some(&staged.tree);
                        let edits =
                            staging::with_directories(&working, &mut recording, recorded, base)?;
                        Some(staging::apply(&mut writer, base, edits)?.id)
                    };
                    (root, staged_tree)
                }
            }
        }
    };
    let tree = root.id;
    outcome.files = root.totals.files;
    outcome.bytes = root.totals.bytes;
    writer.flush()?;
    let staged_tree = staged_tree.filter(|staged| *staged != tree);
    let is_first_and_empty = working.base.tree.is_none() && outcome.added == 0;
    let changes_nothing =
        merging.is_none() && working.head_tree == Some(tree) || is_first_and_empty;
    if changes_nothing && !options.allow_empty && !options.amend {
        // Stats that were looked at again are worth keeping all the same.
        if !options.dry_run {
            refresh_index(&mut working, &mut recording);
        }
        return if outcome.is_complete() { Err(Error::NothingToCommit) } else { Ok(outcome) };
    }
    if options.dry_run {
        outcome.tree = Some(tree);
        return Ok(outcome);
    }
    let commit = put_commit(&working, options, tree, &mut outcome, &mut writer)?;
    writer.flush()?;
    drop(writer);
    let sealed = batch.seal()?;
    outcome.bytes_new = sealed.made.bytes;
    outcome.bytes_stored = sealed.made.stored;
    let new_staged = staged_tree.map(|staged| (staged, tree));
    // What stands beside conflicts that this decides has served its purpose. Left over by a crash it
    // would be recorded one day; of a conflict that stays, the entry has it all the same.
    merging::remove_beside(&working, beside)?;
    publish(&working, options, commit, sealed, new_staged, ended, &outcome)?;
    outcome.commit = Some(commit);
    let base = Base { commit: Some(commit), tree: Some(staged_tree.unwrap_or(tree)) };
    keep_index(&mut working, recording, base)?;
    Ok(outcome)
}

fn begin_batch<'r>(repo: &'r Repository, options: &Options<'_>) -> Result<Batch<'r>, StoreError> {
    match options.dry_run {
        true => Ok(Batch::rehearse(repo.store())),
        false => Batch::begin(repo.store()),
    }
}

/// A merge is recorded as a whole, and when everything in it is decided.
fn check_merge(merging: &Merging, options: &Options<'_>) -> Result<(), Error> {
    if options.amend {
        return Err(Error::Merging { verb: "commit --amend" });
    }
    if !options.paths.is_all() {
        return Err(Error::Merging { verb: "commit PATHS" });
    }
    if merging.unmerged.is_empty() {
        return Ok(());
    }
    let paths = merging.unmerged.iter().map(|unmerged| unmerged.path.clone()).collect();
    Err(Error::Unmerged { paths })
}

/// What was staged of these paths, with what was recorded over it, sorted by path.
fn with_staged(
    working: &Working<'_>,
    paths: &Pathspec,
    recorded: Vec<Edit>,
) -> Result<Vec<Edit>, Error> {
    let Some(staged) = working.staged else { return Ok(recorded) };
    let mut edits: BTreeMap<RepoPath, Edit> = BTreeMap::new();
    crate::diff::trees::<_, StoreError>(
        working.repo.store(),
        Some(&staged.base),
        Some(&staged.tree),
        paths,
        &mut |change| {
            let edit = Edit { path: change.path, entry: change.new };
            edits.insert(edit.path.clone(), edit);
            Ok(())
        },
    )?;
    edits.extend(recorded.into_iter().map(|edit| (edit.path.clone(), edit)));
    Ok(edits.into_values().collect())
}

/// Commits the staged tree as it is: no file is looked at.
fn commit_staged(
    working: &Working<'_>,
    options: &Options<'_>,
    tree: Rebased,
) -> Result<Outcome, Error> {
    let repo = working.repo;
    let mut outcome = Outcome::default();
    let batch = begin_batch(repo, options)?;
    let mut writer = batch.writer();
    let (tree, totals) = match tree {
        Rebased::AsIs(tree) => {
            let edits = super::status::staged_changes(working, &Pathspec::all())?
                .into_iter()
                .map(|change| Edit { path: change.path, entry: change.new });
            let edits: Vec<Edit> = edits.collect();
            outcome.count(working, &edits)?;
            outcome.name(&edits, options);
            (tree, repo.store().tree(&tree)?.totals())
        }
        Rebased::Onto(edits) => {
            outcome.count(working, &edits)?;
            outcome.name(&edits, options);
            let root = staging::apply(&mut writer, working.head_tree.as_ref(), edits)?;
            (root.id, root.totals)
        }
    };
    let is_merge = merging::find(repo)?.is_some();
    if working.head_tree == Some(tree) && !is_merge && !options.allow_empty && !options.amend {
        return Err(Error::NothingToCommit);
    }
    outcome.files = totals.files;
    outcome.bytes = totals.bytes;
    outcome.tree = Some(tree);
    if options.dry_run {
        return Ok(outcome);
    }
    let commit = put_commit(working, options, tree, &mut outcome, &mut writer)?;
    writer.flush()?;
    drop(writer);
    let sealed = batch.seal()?;
    outcome.bytes_new = sealed.made.bytes;
    outcome.bytes_stored = sealed.made.stored;
    publish(working, options, commit, sealed, None, Vec::new(), &outcome)?;
    outcome.commit = Some(commit);
    Ok(outcome)
}

/// A staged tree whose base may no longer be HEAD's tree.
enum Rebased {
    AsIs(Id),
    /// What was staged, to be applied to HEAD's tree.
    Onto(Vec<Edit>),
}

fn rebased(working: &Working<'_>, tree: Id, base: Id) -> Result<Rebased, Error> {
    let on = working.head_tree.unwrap_or_else(crate::object::Node::empty_id);
    if on == base {
        return Ok(Rebased::AsIs(tree));
    }
    let mut edits = Vec::new();
    crate::diff::trees::<_, StoreError>(
        working.repo.store(),
        Some(&base),
        Some(&tree),
        &Pathspec::all(),
        &mut |change| {
            edits.push(Edit { path: change.path, entry: change.new });
            Ok(())
        },
    )?;
    Ok(Rebased::Onto(edits))
}

fn put_commit(
    working: &Working<'_>,
    options: &Options<'_>,
    tree: Id,
    outcome: &mut Outcome,
    writer: &mut crate::store::Writer<'_, '_>,
) -> Result<Id, Error> {
    let repo = working.repo;
    let env = repo.env();
    let now = env.clock.now();
    let zone = env.clock.zone_minutes(now);
    let head = working.head.commit();
    let amended: Option<Commit> = match (options.amend, head) {
        // The header that names its encoding is git's, and not taken over: it would name a tree
        // and parents that this commit does not have.
        (true, Some(id)) => Some(readable(&repo.store().object(&id)?).into_owned()),
        (true, None) => return Err(crate::repo::Error::Unborn(String::from("HEAD")).into()),
        (false, _) => None,
    };
    let merging = merging::find(repo)?;
    let committer = options.committer.sign(now.seconds, zone);
    let (seconds, zone) = options
        .date
        .map_or((committer.seconds, committer.zone_minutes), |(time, zone)| (time.seconds, zone));
    let mut author: Signature = match (&options.author, &amended) {
        (Some(person), _) => person.sign(seconds, zone),
        (None, Some(amended)) => amended.author.clone(),
        (None, None) => options.committer.sign(seconds, zone),
    };
    if options.date.is_some() {
        (author.seconds, author.zone_minutes) = (seconds, zone);
    }
    let commit = Commit {
        tree,
        parents: match (&amended, &merging) {
            (Some(amended), _) => amended.parents.clone(),
            (None, Some(merging)) => {
                let others = merging.parents.iter().skip(1).copied();
                head.into_iter().chain(others).collect()
            }
            (None, None) => head.into_iter().collect(),
        },
        author,
        committer,
        message: match (&amended, merging) {
            (Some(amended), _) if options.message.is_empty() => amended.message.clone(),
            (None, Some(merging)) if options.message.is_empty() => merging.message,
            _ => options.message.clone(),
        },
        headers: options.headers.clone(),
    };
    outcome.tree = Some(tree);
    outcome.parent = commit.parents.first().copied();
    outcome.subject = String::from_utf8_lossy(commit.subject()).into_owned();
    outcome.branch = match &working.head {
        Head::Branch { name, .. } => Some(name.clone()),
        Head::Detached(_) => None,
    };
    Ok(writer.put(Commit::KIND, commit.to_bytes())?)
}

fn publish(
    working: &Working<'_>,
    options: &Options<'_>,
    commit: Id,
    sealed: Sealed,
    staged: Option<(Id, Id)>,
    ended: Vec<String>,
    outcome: &Outcome,
) -> Result<(), Error> {
    let concluded = merging::moved(working.repo, None, "commit");
    let how = match (options.amend, outcome.parent) {
        (true, _) => " (amend)",
        (false, None) => " (initial)",
        (false, Some(_)) if concluded.is_some() => " (merge)",
        (false, Some(_)) => "",
    };
    let reason = format!("commit{how}: {}", outcome.subject);
    let repo = working.repo;
    let publication = Publication::new("commit", &options.committer.to_actor())
        .with_packs(sealed)
        .with_refs(moved::to_commit(repo, &working.head, commit, reason))
        .with_refs(moved::staged(repo, staged, "commit"))
        .with_refs(concluded)
        .ending_sessions(ended);
    repo.store().publish(publication)?;
    Ok(())
}

/// Brings the index up to date with what was recorded. It is a cache: if this fails or somebody
/// was faster, the next command catches up.
fn keep_index(
    working: &mut Working<'_>,
    recording: record::Recording,
    base: Base,
) -> Result<(), Error> {
    if recording.index_is_behind {
        return Ok(());
    }
    let updated = match recording.index {
        Some(writer) => finish_index(working, writer, base, recording.rows),
        None => {
            let mut update =
                Update { beside: recording.beside, ..Update::new(base, recording.rows) };
            pending::sync_written(working, &mut update);
            working.index.update(update)
        }
    };
    match updated {
        Ok(Updated::Done | Updated::Skipped) => Ok(()),
        // The commit is recorded: what the index could not be told it will find out.
        Err(_) => Ok(()),
    }
}

/// Makes a new index the one that counts, but for what it was told too early.
fn finish_index(
    working: &mut Working<'_>,
    writer: IndexWriter,
    base: Base,
    later: Vec<(RepoPath, Option<Tracked>)>,
) -> Result<Updated, index::Error> {
    let updated = writer.finish(base, None)?;
    if updated == Updated::Skipped || later.is_empty() {
        return Ok(updated);
    }
    let repo = working.repo;
    working.index = Index::open(repo.store().dir().clone(), repo.env().random.clone())?;
    working.index.update(Update::new(base, later))
}

fn refresh_index(working: &mut Working<'_>, recording: &mut record::Recording) {
    if !recording.rows.is_empty() && !working.index.is_lost() {
        let rows = std::mem::take(&mut recording.rows);
        let _ = working.index.update(Update::new(working.base, rows));
    }
}
