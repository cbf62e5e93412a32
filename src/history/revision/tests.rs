//! Revisions are judged by git wherever both have the same thing.

use std::collections::HashMap;

use super::*;
use crate::hash::{Kind, Prefix};
use crate::history::testing::{Clocks, Git, Plan, Random, World, history, write_to_git};
use crate::history::walk::{Options, Walk};
use crate::history::{Commits, Move, Target};
use crate::object::tree::find;
use crate::object::{Commit, Object, Source, Tag};

#[derive(Debug)]
struct Utc;

impl Clock for Utc {
    fn now(&self) -> Time {
        Time::default()
    }

    fn zone_minutes(&self, _: Time) -> i16 {
        0
    }
}

const NOW: Time = Time { seconds: 1_800_000_000, nanoseconds: 0 };

fn nowhere(_: &str, _: Far) -> Option<String> {
    None
}

fn context() -> Context<'static> {
    static ROOT: RepoPath = RepoPath::root();
    Context { here: Some(&ROOT), now: NOW, zone: &Utc, far: &nowhere }
}

fn look(world: &World, text: &str) -> Result<Found, Error<crate::codec::Error>> {
    Revisions::new(world, context()).find(text)
}

fn put_tag(world: &mut World, name: &str, target: Id) -> Id {
    let kind = crate::history::Names::kind(world, &target).unwrap().unwrap();
    let tag = Tag {
        target,
        target_kind: kind.number(),
        name: name.into(),
        tagger: None,
        message: b"x\n".to_vec(),
        headers: Vec::new(),
    };
    let id = world.put(&tag);
    world.refs.insert(format!("refs/tags/{name}"), Target::Id(id));
    id
}

/// The same history with the same tags on both sides, and which object is which.
struct Twins {
    git: Git,
    world: World,
    same: HashMap<String, Id>,
}

fn twins(random: &mut Random, clocks: Clocks) -> Option<Twins> {
    let git = Git::new("revisions")?;
    let plans: Vec<Plan> = history(random, 50, clocks);
    write_to_git(&git, &plans);
    let mut world = World::of(&plans);
    let mut same = HashMap::new();
    for (index, id) in world.commits.iter().enumerate() {
        let branch = format!("c{index}");
        let tree = look(&world, &format!("{branch}^{{tree}}")).unwrap().id;
        let ids = git.run(&["log", "-1", "--format=%H %T", &branch]);
        let (commit, root) = ids.trim().split_once(' ').unwrap();
        same.insert(commit.to_owned(), *id);
        same.insert(root.to_owned(), tree);
        let format = "--format=%(objectname) %(path)";
        for line in git.run(&["ls-tree", "-r", "-t", format, &branch]).lines() {
            let (theirs, path) = line.split_once(' ').unwrap();
            let mut id = tree;
            for name in path.split('/') {
                let entry = find(&world, &id, name.as_bytes()).unwrap().unwrap();
                id = match entry.what {
                    crate::object::What::File { content, .. } => content,
                    _ => entry.tree().unwrap(),
                };
            }
            same.insert(theirs.to_owned(), id);
        }
    }
    let tags = [
        ("t1", "c3"),
        ("t2", "c40"),
        ("nested", "t2"),
        ("tree", "c30^{tree}"),
        ("blob", "nested^{tree}"),
        ("both", "c20"),
    ];
    for (name, target) in tags {
        let ours = look(&world, target).unwrap().id;
        let id = put_tag(&mut world, name, ours);
        git.run(&["tag", "-a", "-m", "x", name, target]);
        same.insert(git.run(&["rev-parse", &format!("refs/tags/{name}")]).trim().to_owned(), id);
    }
    // A tag and a branch of one name.
    git.run(&["branch", "both", "c10"]);
    world.refs.insert("refs/heads/both".into(), Target::Id(world.commits[10]));
    git.run(&["symbolic-ref", "HEAD", "refs/heads/c49"]);
    world.head = Some("refs/worktree/1/HEAD".into());
    let head = Target::Symbolic("refs/heads/c49".into());
    world.refs.insert("refs/worktree/1/HEAD".into(), head);
    Some(Twins { git, world, same })
}

fn draw<'a>(random: &mut Random, some: &[&'a str]) -> &'a str {
    some[random.below(some.len())]
}

fn expression(random: &mut Random) -> String {
    let mut text = match random.below(8) {
        0 => draw(random, &["HEAD", "@", "t1", "t2", "nested", "tree", "blob", "both"]).to_owned(),
        1 => {
            draw(random, &["heads/c5", "refs/heads/c7", "tags/t1", "heads/both", "refs/tags/both"])
                .to_owned()
        }
        2 if random.one_in(3) => draw(random, &["none", "c", "c4x", "refs/heads", "@@"]).to_owned(),
        _ => format!("c{}", random.below(50)),
    };
    let steps = [
        "^",
        "^",
        "~",
        "^^",
        "^0",
        "^1",
        "^2",
        "^3",
        "~0",
        "~2",
        "~3",
        "~7",
        "^{commit}",
        "^{tree}",
        "^{}",
        "^{object}",
        "^{tag}",
        "^{blob}",
        "^{/word3}",
        "^{/!-word}",
        "^{/fix2}",
        "^{/}",
        "^{/none such}",
        "^{/^c[0-9]*[13]}",
        "^{/word[23]}",
        "^{/word[45]$}",
        "^{/(fix|word)4}",
        "^{/w.rd5}",
        "^{/!-^c4}",
        "^{/d{1,2}[[:digit:]]}",
        "^{/^word}",
        "^{/[}",
        "^{/(}",
    ];
    for _ in 0..random.below(4) {
        text += draw(random, &steps);
    }
    if random.one_in(3) {
        let paths = [
            ":", ":a", ":d", ":d/", ":d/a", ":d/e", ":d/e/a", ":none", ":a/b", ":./a", ":./d/e",
            ":./", ":f/x", ":d/../a",
        ];
        text += draw(random, &paths);
    }
    text
}

#[test]
fn revisions_mean_what_git_says_they_mean() {
    let mut random = Random(21);
    let mut found = 0;
    for clocks in [Clocks::Right, Clocks::Skewed] {
        let Some(Twins { git, world, same }) = twins(&mut random, clocks) else { return };
        let mut texts: Vec<String> = (0..4000).map(|_| expression(&mut random)).collect();
        let input = texts.join("\n");
        let answer = git.feed(&["cat-file", "--batch-check=%(objectname)"], &input);
        let answers: Vec<&str> = answer.lines().collect();
        assert_eq!(answers.len(), texts.len());
        // git 2.47.3 finds the oldest commit by `:/text`, so its log is asked for the youngest.
        let searches = [
            ":/word3",
            ":/fix1",
            ":/none such",
            ":/!-word3",
            ":/!!",
            ":/c49",
            ":/^c4[57]",
            ":/wor?d[24]",
            ":/!-[13579]",
        ];
        let alone = searches.map(|search| {
            let text = &search[2..];
            let (text, matching) = match text.strip_prefix("!-") {
                Some(text) => (text, "--invert-grep"),
                None => (text.strip_prefix('!').unwrap_or(text), "-E"),
            };
            let grep = format!("--grep={text}");
            git.run(&["log", "--all", "-1", "--format=%H", "-E", matching, &grep]).trim().to_owned()
        });
        texts.extend(searches.map(String::from));
        let answers = answers.into_iter().chain(alone.iter().map(String::as_str));
        let time = |id: &Id| {
            world.object::<Commit>(id).map(|commit| commit.committer.seconds).unwrap_or_default()
        };
        for (text, theirs) in texts.iter().zip(answers) {
            let ours = look(&world, text);
            let theirs = same.get(theirs);
            match (&ours, theirs) {
                (Ok(ours), Some(theirs)) => {
                    found += 1;
                    // Among commits of one age either may be the youngest.
                    let alike = text.contains('/') && time(&ours.id) == time(theirs);
                    assert!(ours.id == *theirs || alike, "{text}");
                    assert_eq!(world.memory.borrow().objects[&ours.id].0, ours.kind, "{text}");
                }
                (Err(_), None) => {}
                _ => panic!("{text}: {ours:?}, git {theirs:?}"),
            }
        }
    }
    assert!(found > 3000, "too many mean nothing: {found}");
}

fn word(random: &mut Random) -> String {
    let mut commit = || match random.below(5) {
        0 => format!("c{}^", random.below(50)),
        1 => format!("c{}~2", random.below(50)),
        _ => format!("c{}", random.below(50)),
    };
    let (a, b) = (commit(), commit());
    match random.below(16) {
        0 => format!("{a}..{b}"),
        1 => format!("{a}...{b}"),
        2 => format!("^{a}"),
        3 => format!("{a}^@"),
        4 => format!("{a}^!"),
        5 => format!("{a}^-"),
        6 => format!("{a}^-2"),
        7 => "--not".into(),
        8 => format!("^{a}^@"),
        9 => format!("^{a}^!"),
        10 => format!("..{b}"),
        11 => format!("{a}.."),
        12 => draw(random, &["--branches=c1*", "--tags", "--remotes", "--branches=x", "--tags=t*"])
            .into(),
        13 if random.one_in(4) => draw(random, &["--all", "--branches"]).into(),
        _ => a,
    }
}

#[test]
fn sets_hold_what_git_says_they_hold() {
    let mut random = Random(22);
    let Some(Twins { git, world, .. }) = twins(&mut random, Clocks::Right) else { return };
    let graph = Commits::new(&world);
    let mut filled = 0;
    for _ in 0..400 {
        let words: Vec<String> = (0..=random.below(3)).map(|_| word(&mut random)).collect();
        let mut command = vec!["rev-list", "--no-commit-header", "--format=%s"];
        command.extend(words.iter().map(String::as_str));
        // Without a single commit git explains itself.
        if words.iter().all(|word| word == "--not") {
            continue;
        }
        let output = git.command(&command).output().unwrap();
        let ours = Revisions::new(&world, context()).set(&words, &graph);
        assert_eq!(ours.is_ok(), output.status.success(), "{words:?}: {ours:?}");
        let Ok(set) = ours else { continue };
        let RevisionSet { include, exclude, .. } = set;
        let options = Options { include, exclude, ..Options::default() };
        let ours: Vec<usize> =
            Walk::new(&graph, options).map(|step| world.number(&step.unwrap().id)).collect();
        let theirs = String::from_utf8(output.stdout).unwrap();
        let theirs: Vec<usize> = theirs.lines().map(|line| line[1..].parse().unwrap()).collect();
        filled += usize::from(!ours.is_empty());
        assert_eq!(ours, theirs, "{words:?}");
    }
    assert!(filled > 100);
}

/// A journal that is kept beside git's reflog.
struct Diary {
    git: Git,
    world: World,
    record: u64,
    seconds: i64,
    branch: Option<String>,
}

const HEAD: &str = "refs/worktree/1/HEAD";

impl Diary {
    fn new() -> Option<Self> {
        let git = Git::new("moves")?;
        let mut world = World { head: Some(HEAD.into()), ..World::default() };
        world.refs.insert(HEAD.into(), Target::Symbolic("refs/heads/main".into()));
        let branch = Some("main".into());
        Some(Self { git, world, record: 0, seconds: 1_700_000_000, branch })
    }

    fn git(&self, arguments: &[&str]) {
        self.git.run_at(self.seconds, arguments);
    }

    fn next(&mut self) {
        self.record += 1;
        self.seconds += 1000;
    }

    fn note(&mut self, log: &str, old: Option<Target>, new: Target, reason: &str) {
        let entry = Move {
            number: self.record,
            time: Time::from_seconds(self.seconds),
            name: log.into(),
            old,
            new: Some(new),
            reason: reason.into(),
            actor: "A".into(),
        };
        self.world.moves.entry(log.into()).or_default().push(entry);
    }

    /// Moves HEAD or the branch it is on.
    fn move_to(&mut self, id: Id, reason: &str) {
        let name = match &self.branch {
            Some(branch) => format!("refs/heads/{branch}"),
            None => HEAD.into(),
        };
        let old = self.world.refs.insert(name.clone(), Target::Id(id));
        if self.branch.is_some() {
            self.note(&name, old.clone(), Target::Id(id), reason);
        }
        self.note(HEAD, old, Target::Id(id), reason);
    }

    fn here(&self) -> Option<Id> {
        look(&self.world, "HEAD").ok().map(|found| found.id)
    }

    fn commit(&mut self) {
        self.next();
        let number = self.world.commits.len();
        let message = format!("c{number}");
        self.git(&["commit", "--quiet", "--allow-empty", "-m", &message]);
        let tree = self.world.put_tree(&std::collections::BTreeMap::new());
        let parents = self.here().into_iter().collect();
        let id = self.world.put_commit(tree, parents, self.seconds, &message);
        self.world.commits.push(id);
        self.move_to(id, &format!("commit: {message}"));
    }

    fn reset(&mut self, number: usize) {
        self.next();
        let id = self.world.commits[number];
        self.git(&["reset", "--quiet", "--hard", &format!(":/c{number}")]);
        self.move_to(id, "reset: moving");
    }

    fn switch(&mut self, to: Option<&str>, is_new: bool) {
        self.next();
        let here = self.here().unwrap();
        let value = |branch: &Option<String>| match branch {
            Some(branch) => Target::Symbolic(format!("refs/heads/{branch}")),
            None => Target::Id(here),
        };
        let (old, new) = (value(&self.branch), value(&to.map(str::to_owned)));
        match to {
            Some(to) if is_new => self.git(&["switch", "--quiet", "-c", to]),
            Some(to) => self.git(&["switch", "--quiet", to]),
            None => self.git(&["switch", "--quiet", "--detach"]),
        }
        if is_new {
            let name = format!("refs/heads/{}", to.unwrap());
            self.world.refs.insert(name.clone(), Target::Id(here));
            self.note(&name, None, Target::Id(here), "branch: created");
        }
        self.note(HEAD, Some(old), new.clone(), "switch: moving from one to another");
        self.world.refs.insert(HEAD.into(), new);
        self.branch = to.map(str::to_owned);
    }
}

#[test]
fn moves_are_those_of_gits_reflog() {
    let Some(mut diary) = Diary::new() else { return };
    assert!(
        matches!(look(&diary.world, "HEAD"), Err(Error::Unborn { branch, .. }) if branch == "main")
    );
    diary.commit();
    diary.commit();
    diary.switch(Some("dev"), true);
    diary.commit();
    diary.commit();
    diary.switch(Some("main"), false);
    diary.commit();
    diary.reset(1);
    diary.switch(Some("topic"), true);
    diary.commit();
    diary.switch(None, false);
    diary.commit();
    diary.switch(Some("dev"), false);
    diary.reset(2);
    diary.commit();
    let mut texts: Vec<String> =
        ["-", "@{-1}~1", "main@{1}^", "@{0}:", "HEAD@{2}^{tree}"].map(Into::into).into();
    for number in 0..16 {
        for name in ["HEAD", "", "main", "dev", "topic", "heads/dev", "none", "@"] {
            texts.push(format!("{name}@{{{number}}}"));
        }
        texts.push(format!("@{{-{number}}}"));
        for name in ["HEAD", "main", "dev", "topic"] {
            for seconds in [0, 500] {
                let seconds = 1_700_000_000 + number * 1000 + seconds;
                texts.push(format!("{name}@{{{seconds}}}"));
                let time = Time::from_seconds(seconds);
                let iso = crate::history::dates::DateStyle::Iso.format(time, 0, NOW);
                texts.push(format!("{name}@{{{iso}}}"));
            }
        }
        texts.push(format!(
            "main@{{{}}}",
            ["yesterday", "2.weeks.ago", "rubbish"][number as usize % 3]
        ));
    }
    for text in texts {
        // To git a lone dash is no revision, and its @@ has no moves.
        let asked = match text.as_str() {
            "-" => "@{-1}".to_owned(),
            text => text.replace("@@", "HEAD@"),
        };
        let theirs = diary.git.command(&["rev-parse", "--verify", "--quiet", &asked]);
        let theirs = { theirs }.output().unwrap();
        let theirs = theirs.status.success().then(|| {
            let id = String::from_utf8(theirs.stdout).unwrap();
            let id = id.trim().to_owned();
            match diary.git.run(&["cat-file", "-t", &id]).trim() {
                "commit" => diary.git.run(&["log", "-1", "--format=%s", &id]).trim().to_owned(),
                kind => kind.to_owned(),
            }
        });
        let ours = look(&diary.world, &text).map(|found| match found.kind {
            Kind::Commit => format!("c{}", diary.world.number(&found.id)),
            kind => kind.name().to_owned(),
        });
        match (ours, theirs) {
            (Ok(ours), Some(theirs)) => assert_eq!(ours, theirs, "{text}"),
            (Err(_), None) => {}
            (ours, theirs) => panic!("{text}: {ours:?}, git {theirs:?}"),
        }
    }
    let name = |text| look(&diary.world, text).unwrap().full_name;
    assert_eq!(name("@{-1}"), None, "HEAD was detached");
    assert_eq!(name("-").or(name("@{-2}")).as_deref(), Some("refs/heads/topic"));
    assert_eq!(name("@").as_deref(), Some("refs/heads/dev"));
    assert_eq!(name("HEAD^0"), None);
    let mut revisions = Revisions::new(&diary.world, context());
    revisions.find("main@{1600000000}").unwrap();
    let seconds = 1_700_001_000;
    let name = "refs/heads/main".to_owned();
    assert_eq!(revisions.warnings(), [Warning::LogTooShort { name, seconds }]);
}

#[test]
fn a_branch_that_is_gone_is_found_by_its_moves() {
    let mut world = small();
    let (old, id) = (world.commits[0], world.commits[1]);
    let entry = |number, old: Option<Id>, new: Option<Id>| Move {
        number,
        time: Time::from_seconds(i64::try_from(number).unwrap()),
        name: "refs/heads/gone".into(),
        old: old.map(Target::Id),
        new: new.map(Target::Id),
        reason: String::new(),
        actor: String::new(),
    };
    let moves =
        vec![entry(1, None, Some(old)), entry(2, Some(old), Some(id)), entry(3, Some(id), None)];
    world.moves.insert("refs/heads/gone".into(), moves);
    assert!(matches!(look(&world, "gone"), Err(Error::Unknown { .. })));
    assert!(matches!(look(&world, "gone@{0}"), Err(Error::NotThen { .. })));
    assert_eq!(look(&world, "gone@{1}").unwrap().id, id);
    assert_eq!(look(&world, "gone@{2}").unwrap().id, old);
    assert!(matches!(look(&world, "gone@{3}"), Err(Error::NoMove { has: 3, .. })));
}

/// Three commits in a row on main, dev on the first.
fn small() -> World {
    let mut world = World { head: Some(HEAD.into()), ..World::default() };
    world.refs.insert(HEAD.into(), Target::Symbolic("refs/heads/main".into()));
    for number in 0..3 {
        let files = [("a", "one"), ("d/b", "two")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        let tree = world.put_tree(&files.into());
        let parents = world.commits.last().copied().into_iter().collect();
        let id = world.put_commit(tree, parents, number, &format!("number {number}"));
        world.commits.push(id);
    }
    for (name, number) in [("main", 2), ("dev", 0)] {
        world.refs.insert(format!("refs/heads/{name}"), Target::Id(world.commits[number]));
    }
    world
}

#[test]
fn what_is_not_found_is_named_and_nearly_right_names_are_told() {
    let mut world = small();
    world.refs.insert("refs/remotes/origin/main".into(), Target::Id(world.commits[0]));
    let error = look(&world, "mian~2").unwrap_err();
    assert_eq!(error.to_string(), "'mian' is not a revision");
    assert!(matches!(error, Error::Unknown { similar, .. } if similar == ["main"]));
    let text = |revision: &str| look(&world, revision).unwrap_err().to_string();
    assert_eq!(
        text("main~9"),
        "'main~9' is not a revision: history goes back 2 commits from there"
    );
    assert!(text("main^2").ends_with("has 1 parent"));
    assert_eq!(text("main:x"), "'x' does not exist in 'main'");
    assert_eq!(text(":x"), "'x' is not tracked");
    assert_eq!(text("main^{blob}"), "'main^{blob}' is a commit, not a file's content");
    assert_eq!(text("main@{u}"), "branch 'main' has no upstream branch");
    assert_eq!(text("@{-1}"), "'@{-1}' is not a revision: HEAD has been switched 0 times");
    assert_eq!(
        text("main@{rubbish}"),
        "'main@{rubbish}' is not a revision: 'rubbish' is not a date"
    );
    assert_eq!(text("main:../x"), "'main:../x' is outside the repository");
    assert_eq!(
        text("main^{leaf}"),
        format!("'main^{{leaf}}' is not a revision: {}", SyntaxError::Peel)
    );
    let missing = "0".repeat(64);
    assert!(text(&missing).ends_with("is missing"));
}

#[test]
fn the_other_branch_comes_from_the_configuration() {
    let mut world = small();
    world.refs.insert("refs/remotes/origin/main".into(), Target::Id(world.commits[1]));
    let far = |branch: &str, far: Far| match (branch, far) {
        ("refs/heads/main", Far::Upstream) => Some("refs/remotes/origin/main".to_owned()),
        ("refs/heads/main", Far::Push) => Some("refs/remotes/mine/main".to_owned()),
        _ => None,
    };
    let look = |text: &str| Revisions::new(&world, Context { far: &far, ..context() }).find(text);
    for text in ["@{u}", "main@{upstream}", "HEAD@{U}", "@{u}~0"] {
        assert_eq!(look(text).unwrap().id, world.commits[1], "{text}");
    }
    assert_eq!(look("@{u}").unwrap().full_name.as_deref(), Some("refs/remotes/origin/main"));
    assert!(matches!(look("@{push}"), Err(Error::FarMissing { .. })));
    assert!(matches!(look("dev@{u}"), Err(Error::NoFar { .. })));
    assert!(matches!(look("origin/main@{u}"), Err(Error::NotABranch { .. })));
}

#[test]
fn a_name_that_means_several_refs_is_warned_of() {
    let mut world = small();
    let (first, second) = (world.commits[0], world.commits[1]);
    world.refs.insert("refs/tags/dev".into(), Target::Id(second));
    world.refs.insert("refs/worktree/1/staged".into(), Target::Id(first));
    let mut revisions = Revisions::new(&world, context());
    assert_eq!(revisions.find("dev").unwrap().id, second);
    assert_eq!(revisions.find("heads/dev").unwrap().id, first);
    assert_eq!(
        revisions.find("staged").unwrap().full_name.as_deref(),
        Some("refs/worktree/1/staged")
    );
    revisions.find("dev~0").unwrap();
    let refs = vec!["refs/tags/dev".to_owned(), "refs/heads/dev".to_owned()];
    assert_eq!(revisions.warnings(), [Warning::AmbiguousName { name: "dev".into(), refs }]);
}

#[test]
fn short_ids_mean_what_is_likely_and_several_are_told() {
    let world = World::default();
    let tree = world.put_tree(&std::collections::BTreeMap::new());
    // Enough commits that two begin alike, and content that begins like a commit.
    let mut by_digits: HashMap<String, Vec<Id>> = HashMap::new();
    let mut twice = Vec::new();
    for number in 0.. {
        let id = world.put_commit(tree, Vec::new(), number, &format!("number {number}\n\nmore"));
        let alike = by_digits.entry(id.short(4)).or_default();
        alike.push(id);
        if alike.len() == 2 {
            twice = alike.clone();
            break;
        }
    }
    let digits = twice[0].short(4);
    let Err(Error::Ambiguous { candidates, .. }) = look(&world, &digits) else { panic!() };
    twice.sort();
    assert_eq!(candidates.iter().map(|candidate| candidate.id).collect::<Vec<_>>(), twice);
    let (who, subject) = candidates[0].about.clone().unwrap();
    assert!(who.is_some() && subject.starts_with(b"number "));

    let alone: Vec<(&String, Id)> = by_digits
        .iter()
        .filter(|(_, ids)| ids.len() == 1)
        .map(|(digits, ids)| (digits, ids[0]))
        .collect();
    let alone: HashMap<&String, Id> = alone.into_iter().collect();
    let mut found = None;
    for number in 0.. {
        let content = format!("content {number}");
        let chunk = Kind::Chunk.id_of(content.as_bytes());
        if let Some(commit) = alone.get(&chunk.short(4)) {
            world.put_file(&content);
            found = Some((*commit, chunk));
            break;
        }
    }
    let (commit, chunk) = found.unwrap();
    let digits = commit.short(4);
    assert_eq!(look(&world, &digits).unwrap().id, commit);
    assert_eq!(look(&world, &format!("{digits}^{{blob}}")).unwrap().id, chunk);
    assert_eq!(look(&world, &format!("{digits}:")).unwrap().id, tree);
    assert_eq!(look(&world, &format!("v1-3-g{digits}")).unwrap().id, commit);
    assert_eq!(look(&world, &commit.to_string().to_uppercase()).unwrap().id, commit);
    assert!(matches!(look(&world, &digits[..3]), Err(Error::Unknown { .. })));
    assert!(Prefix::parse(&digits).is_some());
    let wanted = Revisions::new(&world, context()).find_as(&*chunk.short(10), Wanted::Commit);
    assert!(matches!(wanted, Err(Error::WrongKind { kind: Kind::Chunk, .. })));
}

#[test]
fn paths_count_from_the_root_or_from_where_one_is() {
    let mut world = small();
    let here = RepoPath::new("d").unwrap();
    let there = world.file("b", "staged");
    world.staged.insert((RepoPath::new("d/b").unwrap(), 0), there.clone());
    world.staged.insert((RepoPath::new("d/b").unwrap(), 2), world.file("b", "ours"));
    let inside = Context { here: Some(&here), ..context() };
    let look = |text: &str| Revisions::new(&world, inside).find(text);
    let two = Kind::Chunk.id_of(b"two");
    for text in ["main:d/b", "main:./b", "main:../d/b", "main:../d/./b"] {
        assert_eq!(look(text).unwrap().id, two, "{text}");
    }
    let (path, entry) = look("main:./b").unwrap().path.unwrap();
    assert_eq!((path.as_bytes(), &entry.name[..]), (&b"d/b"[..], &b"b"[..]));
    assert_eq!(look("main:..").unwrap().kind, Kind::Tree);
    assert_eq!(look("main:").unwrap().path, None);
    assert!(matches!(look("main:../../d"), Err(Error::Outside { .. })));
    assert!(matches!(look("main:d//b"), Err(Error::Path { .. })));
    for text in [":d/b", ":./b", ":0:d/b", ":0:./b"] {
        assert_eq!(look(text).unwrap().path.unwrap().1, there, "{text}");
    }
    assert_eq!(look(":2:./b").unwrap().id, Kind::Chunk.id_of(b"ours"));
    assert!(matches!(look(":3:d/b"), Err(Error::NotTracked { stage: 3, .. })));
    let bare = Context { here: None, ..context() };
    let relative = Revisions::new(&world, bare).find("main:./b");
    assert!(matches!(relative, Err(Error::NoWorkingTree { .. })));
}

#[test]
fn refs_that_lead_in_a_circle_are_an_error() {
    let mut world = small();
    world.refs.insert("refs/heads/x".into(), Target::Symbolic("refs/heads/y".into()));
    world.refs.insert("refs/heads/y".into(), Target::Symbolic("refs/heads/x".into()));
    assert!(matches!(look(&world, "x"), Err(Error::Circle { .. })));
    let chunk = world.put_file("x");
    assert_eq!(put_tag(&mut world, "content", chunk), look(&world, "content").unwrap().id);
    assert_eq!(look(&world, "content^{}").unwrap().id, chunk);
    assert_eq!(look(&world, "content^{blob}").unwrap().id, chunk);
    assert_eq!(Tag::KIND, look(&world, "content^{tag}").unwrap().kind);
}
