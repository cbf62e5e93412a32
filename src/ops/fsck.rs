//! `fsck`: reads everything and says what is damaged or missing.
//!
//! It goes on to the end whatever it finds, and changes nothing but derived data. A loss is named
//! exactly: which paths of which commits. Absent: repair; nothing here moves or writes an object.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::chunk::Sketcher;
use crate::hash::{Id, Kind};
use crate::history::reachable::{Met, Place, Reached, Root, Visitor, reachable};
use crate::history::{Loss, losses, refname};
use crate::index::{Index, Known};
use crate::object::{Commit, Manifest, Node, Source};
use crate::path::RepoPath;
use crate::progress::{Monitor, Stage};
use crate::repo::Repository;
use crate::store::check::{self, Garbage, Packs};
use crate::store::{Error as StoreError, State, Store, Target};

use super::Error;

pub use crate::store::check::{Damage, Depth, Finding, Severity};

/// How thorough to be, and how much to say.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How much is read.
    pub depth: Depth,
    /// At most so many findings of one sort and so many lost paths are kept; the rest is counted.
    pub most: usize,
    /// At most so many objects that nothing needs are named. They are counted in any case.
    pub most_dangling: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { depth: Depth::Complete, most: 1000, most_dangling: 0 }
    }
}

/// What was found.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Everything that was found, in the order of the checks.
    pub findings: Vec<Finding>,
    /// Findings beyond those: how many of each sort.
    pub more: BTreeMap<&'static str, u64>,
    /// Paths that cannot be read any more, each with the newest commit that has it so.
    pub lost: Vec<Loss>,
    /// Lost paths beyond those.
    pub lost_more: u64,
    /// Packs that were checked.
    pub packs: u64,
    /// Their bytes.
    pub pack_bytes: u64,
    /// Objects in them.
    pub objects: u64,
    /// Records of the journal.
    pub records: u64,
    /// Checkpoints of the journal.
    pub checkpoints: u64,
    /// Refs.
    pub refs: u64,
    /// Objects that can be reached.
    pub reachable: u64,
    /// Objects that nothing needs.
    pub dangling: u64,
    /// Some of them.
    pub dangling_objects: Vec<(Kind, Id)>,
    /// Files that belong to nobody.
    pub garbage: Garbage,
    damage: u8,
}

impl Outcome {
    /// A bit for each sort of damage: 1 objects, 2 something is missing, 4 packs, 8 journal, refs or
    /// `format`, 16 derived data was made anew.
    pub fn exit_code(&self) -> u8 {
        self.damage
    }

    /// Whether nothing is damaged and nothing is missing; derived data may have been made anew.
    pub fn is_clean(&self) -> bool {
        self.damage & !Damage::Derived.bit() == 0
    }

    /// Whether there is nothing to tell at all, but garbage and dangling objects.
    pub fn is_perfect(&self) -> bool {
        self.damage == 0
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Findings as they come, counted and capped.
struct Findings {
    outcome: Mutex<Outcome>,
    most: usize,
}

impl Findings {
    fn add(&self, finding: Finding) {
        let mut outcome = locked(&self.outcome);
        let counts = finding.severity == Severity::Error || finding.damage == Damage::Derived;
        if counts {
            outcome.damage |= finding.damage.bit();
        }
        let same = outcome.findings.iter().filter(|known| known.id == finding.id).count();
        if same < self.most {
            outcome.findings.push(finding);
        } else {
            *outcome.more.entry(finding.id).or_default() += 1;
        }
    }
}

/// Checks everything.
pub fn run(repo: &Repository, options: &Options, monitor: &dyn Monitor) -> Result<Outcome, Error> {
    let store = repo.store();
    let findings = Findings { outcome: Mutex::default(), most: options.most };
    let mut report = |finding| findings.add(finding);
    store.check_format(&mut report);
    store.check_saved_state(&mut report)?;
    let journal = store.journal().check(&mut report).map_err(StoreError::from)?;
    store.check_for_lost_records(&mut report)?;
    let packs = store.check_packs(options.depth, monitor, &|finding| findings.add(finding))?;
    check_refs(repo, &mut report);
    let roots = roots(store, &mut report);
    monitor.begin(Stage::Checking, None, None);
    let walk = Walk {
        store,
        packs: &packs,
        findings: &findings,
        depth: options.depth,
        monitor,
        sketchers: Mutex::default(),
        lost: Mutex::default(),
        commits: Mutex::default(),
    };
    let reached = reachable(store, &roots, &walk);
    let (lost, commits) = (locked(&walk.lost).clone(), locked(&walk.commits).clone());
    check_index(repo, &mut report);
    let mut outcome = findings.outcome.into_inner().unwrap_or_else(PoisonError::into_inner);
    if !lost.is_empty() {
        let mut lost = losses(store, &newest_first(store, commits), &lost);
        outcome.lost_more = lost.len().saturating_sub(options.most) as u64;
        lost.truncate(options.most);
        outcome.lost = lost;
    }
    count_dangling(store, &reached, options.most_dangling, &mut outcome);
    outcome.refs = store.state().refs.len() as u64;
    outcome.reachable = reached.len() as u64;
    outcome.packs = packs.packs;
    outcome.pack_bytes = packs.bytes;
    outcome.objects = packs.objects;
    outcome.records = journal.records;
    outcome.checkpoints = journal.checkpoints;
    outcome.garbage = store.garbage()?;
    Ok(outcome)
}

/// Whether every ref leads to an object it may lead to.
fn check_refs(repo: &Repository, report: &mut dyn FnMut(Finding)) {
    let store = repo.store();
    let state = store.state();
    for (name, target) in &state.refs {
        let mut wrong = |id, text: String| {
            report(Finding::error(id, Damage::Journal, text).reached(Some(name.clone()), None));
        };
        if name.starts_with("refs/")
            && let Err(error) = refname::check(name)
        {
            wrong("E_REF_NAME", error.to_string());
        }
        match target {
            Target::Symbolic(_) if leads_in_circles(&state, name) => {
                wrong("E_REF_LOOP", "the ref leads nowhere".into());
            }
            Target::Symbolic(_) => {}
            Target::Id(id) => {
                let kinds = store.kinds(id);
                let wanted = wanted_kinds(name);
                let is_empty_tree = *id == Node::empty_id() && wanted.contains(&Kind::Tree);
                // What is missing is reported by the walk, as anything that can be reached.
                if !kinds.is_empty() && !is_empty_tree && !kinds.iter().any(|k| wanted.contains(k))
                {
                    let found = kinds[0];
                    wrong("E_REF_KIND", format!("the ref points to a {found}, {id}"));
                }
            }
        }
    }
    if let Ok(worktree) = repo.worktree() {
        let text = store.read_file("worktree", 4096).ok().flatten().unwrap_or_default();
        let id = crate::hash::hex(&worktree.id);
        if state.number > 0 && text != format!("{id}\n").as_bytes() {
            let text = "the id of the working tree is damaged; it is known from the journal";
            report(Finding::error("E_WORKTREE", Damage::Journal, text).in_file("worktree"));
        }
    }
}

fn leads_in_circles(state: &State, name: &str) -> bool {
    let mut name = name;
    for _ in 0..8 {
        match state.refs.get(name) {
            Some(Target::Symbolic(next)) => name = next,
            // A branch without commits is a proper place to be.
            _ => return false,
        }
    }
    true
}

/// The kinds a ref of this name may point to.
fn wanted_kinds(name: &str) -> &'static [Kind] {
    let is_staged = name.ends_with("/staged") || name.ends_with("/staged-base");
    if name.starts_with("refs/heads/") || name == "HEAD" || name.ends_with("/HEAD") {
        &[Kind::Commit]
    } else if name.starts_with("refs/worktree/") && is_staged {
        &[Kind::Tree]
    } else {
        &Kind::ALL
    }
}

/// Where the walk begins: refs, what they pointed to while that is remembered, and the tables of
/// packs.
fn roots(store: &Store, report: &mut dyn FnMut(Finding)) -> Vec<Root> {
    let state = store.state();
    let kind_of = |name: &str, id: &Id| {
        let kinds = store.kinds(id);
        let wanted = wanted_kinds(name);
        kinds.iter().find(|kind| wanted.contains(kind)).or(kinds.first()).copied()
    };
    let mut roots = Vec::new();
    for (name, id) in store.roots() {
        let kind = kind_of(&name, &id)
            .unwrap_or_else(|| if name.contains("/staged") { Kind::Tree } else { Kind::Commit });
        roots.push(Root { name, kind, id });
    }
    match store.journal().moves(&state) {
        Ok(moves) => {
            for one in moves.into_iter().rev() {
                for target in [one.new, one.old].into_iter().flatten() {
                    if let Target::Id(id) = target {
                        let kind = kind_of(&one.name, &id).unwrap_or(Kind::Commit);
                        let name = format!("{} at record {}", one.name, one.number);
                        roots.push(Root { name, kind, id });
                    }
                }
            }
        }
        Err(error) => {
            let text = format!("where refs have been cannot be read: {error}");
            report(Finding::error("E_MOVES", Damage::Journal, text).in_file("journal/moves"));
        }
    }
    for pack in state.packs.values() {
        if let Some(id) = pack.table {
            // Missing ones are reported with their packs.
            if store.contains(Kind::Table, &id) {
                roots.push(Root { name: pack.name.clone(), kind: Kind::Table, id });
            }
        }
    }
    roots
}

/// Of commits of the same second, those that follow come before what they follow.
fn newest_first(store: &Store, mut commits: Vec<(i64, Id)>) -> Vec<Id> {
    commits.sort_unstable_by(|a, b| b.cmp(a));
    let equal = commits.chunk_by(|a, b| a.0 == b.0);
    equal.flat_map(|commits| children_first(store, commits)).collect()
}

fn children_first(store: &Store, commits: &[(i64, Id)]) -> Vec<Id> {
    if let [(_, id)] = commits {
        return vec![*id];
    }
    let parents = |id: &Id| store.object::<Commit>(id).map_or(Vec::new(), |commit| commit.parents);
    // How many of them follow each and have not had their turn.
    let mut before: HashMap<Id, usize> = commits.iter().map(|(_, id)| (*id, 0)).collect();
    for (_, id) in commits {
        for parent in parents(id) {
            before.entry(parent).and_modify(|count| *count += 1);
        }
    }
    let mut ready: Vec<Id> = commits.iter().rev().map(|(_, id)| *id).collect();
    ready.retain(|id| before[id] == 0);
    let mut sorted = Vec::with_capacity(commits.len());
    while let Some(id) = ready.pop() {
        for parent in parents(&id) {
            if let Some(count) = before.get_mut(&parent) {
                *count -= 1;
                if *count == 0 {
                    ready.push(parent);
                }
            }
        }
        sorted.push(id);
    }
    sorted
}

struct Walk<'a> {
    store: &'a Store,
    packs: &'a Packs,
    findings: &'a Findings,
    depth: Depth,
    monitor: &'a dyn Monitor,
    sketchers: Mutex<Vec<Sketcher>>,
    lost: Mutex<HashSet<Id>>,
    commits: Mutex<Vec<(i64, Id)>>,
}

impl Walk<'_> {
    fn check_content(&self, id: &Id, manifest: &Manifest, place: &Place) {
        let mut sketcher = locked(&self.sketchers).pop().unwrap_or_default();
        // What cannot be read is reported chunk by chunk.
        if let Ok(Some(what)) = check::check_manifest(self.store, manifest, &mut sketcher) {
            self.wrong(Kind::Manifest, id, what, place);
        }
        locked(&self.sketchers).push(sketcher);
        self.monitor.advance(0, manifest.size);
    }
}

impl Visitor for Walk<'_> {
    fn met(&self, id: &Id, object: &Met<'_>, place: &Place) {
        match object {
            Met::Commit(commit) => {
                locked(&self.commits).push((commit.committer.seconds, *id));
            }
            Met::Manifest(manifest) if self.depth == Depth::Complete => {
                self.check_content(id, manifest, place);
            }
            _ => {}
        }
        self.monitor.advance(1, 0);
    }

    fn chunk(&self, id: &Id, _: &Place) -> Result<u64, StoreError> {
        match self.packs.has(self.store, Kind::Chunk, id) {
            Some(length) => Ok(length.into()),
            // Its pack is broken, which it may have survived; or it is somewhere else.
            None => self.store.read(Kind::Chunk, id).map(|content| content.len() as u64),
        }
    }

    fn lost(&self, kind: Kind, id: &Id, error: StoreError, place: &Place) {
        let (name, damage, text) = match &error {
            StoreError::Missing { .. } => {
                ("E_MISSING", Damage::Missing, "it is missing".to_owned())
            }
            StoreError::Corrupt { pack, .. } => {
                ("E_CORRUPT", Damage::Object, format!("it is corrupt in pack {pack}"))
            }
            StoreError::Object(error) => ("E_OBJECT_MALFORMED", Damage::Object, error.to_string()),
            error => ("E_UNREADABLE", Damage::Object, error.to_string()),
        };
        // What a pack held is not said any more once somebody has rewritten it.
        let is_listed = |state: &State| state.packs.contains_key(&place.origin());
        if kind == Kind::Table && !self.store.refresh().is_ok_and(|state| is_listed(&state)) {
            return;
        }
        locked(&self.lost).insert(*id);
        let finding = Finding::error(name, damage, text).of(kind, id);
        self.findings.add(finding.reached(Some(place.origin()), place.path()));
    }

    fn wrong(&self, kind: Kind, id: &Id, what: &'static str, place: &Place) {
        let name = match kind {
            Kind::Tree => "E_TREE",
            Kind::List => "E_LIST",
            Kind::Manifest => "E_MANIFEST",
            _ => "E_LENGTH",
        };
        let finding = Finding::error(name, Damage::Object, what).of(kind, id);
        self.findings.add(finding.reached(Some(place.origin()), place.path()));
    }
}

/// Reads the whole index, if there is one.
fn check_index(repo: &Repository, report: &mut dyn FnMut(Finding)) {
    let Ok(_) = repo.worktree() else { return };
    let dir = repo.store().dir().clone();
    let is_there = dir.stat(b"index/overlay.redb").is_ok();
    let damaged = || {
        let text = "the index does not verify; the next command makes it anew";
        Finding::notice("N_INDEX", Damage::Derived, text).in_file("index")
    };
    let index = match Index::open(dir, repo.env().random.clone()) {
        Ok(index) if index.is_lost() => {
            if is_there {
                report(damaged());
            }
            return;
        }
        Ok(index) => index,
        Err(error) => return report(damaged().in_file(format!("index ({error})"))),
    };
    if read_index(&index).is_err() {
        return report(damaged());
    }
    // Nobody notes a commit in an index before it is recorded.
    if let Some(commit) = index.base().commit
        && !repo.store().contains(Kind::Commit, &commit)
    {
        let text = "the index names a commit that is not there: the newest records may be gone";
        report(Finding::warning("W_JOURNAL_SHORT", text).of(Kind::Commit, &commit));
    }
}

fn read_index(index: &Index) -> Result<(), crate::index::Error> {
    let mut todo = vec![RepoPath::root()];
    while let Some(path) = todo.pop() {
        let Some(view) = index.directory(&path)? else { continue };
        for row in view.iter() {
            if row.tracked().what == Known::Directory {
                todo.push(path.join(row.name()));
            }
        }
    }
    Ok(())
}

fn count_dangling(store: &Store, reached: &Reached, most: usize, outcome: &mut Outcome) {
    let state = store.state();
    let mut seen = HashSet::new();
    store.lookup().each(&state, &mut |kind, id| {
        if !reached.contains(&id) && seen.insert((kind, id)) {
            outcome.dangling += 1;
            if outcome.dangling_objects.len() < most {
                outcome.dangling_objects.push((kind, id));
            }
        }
    });
}
