//! Walks are judged by `git rev-list`, order included.

use super::*;
use crate::history::testing::{Clocks, Git, Random, World, history, write_to_git};
use crate::history::{Age, Commits, Number};
use crate::path::{Pathspec, RepoPath};

const CLOCKS: [Clocks; 4] = [Clocks::Right, Clocks::Coarse, Clocks::Skewed, Clocks::Random];

/// A walk drawn by lot, and the arguments that tell git the same.
fn lot(random: &mut Random, world: &World) -> (Options, Vec<String>) {
    let mut options = Options::default();
    let mut arguments = Vec::new();
    for _ in 0..=random.below(3) {
        let number = random.below(world.commits.len());
        options.include.push(world.commits[number]);
        arguments.push(format!("c{number}"));
    }
    for _ in 0..random.below(3) {
        let number = random.below(world.commits.len());
        options.exclude.push(world.commits[number]);
        arguments.push(format!("^c{number}"));
    }
    match random.below(4) {
        0 => {
            options.order = Order::Topological;
            arguments.push("--topo-order".into());
        }
        1 => {
            options.order = Order::TopologicalByTime;
            arguments.push("--date-order".into());
        }
        _ => {}
    }
    if random.one_in(4) {
        options.follow = Follow::First;
        arguments.push("--first-parent".into());
    }
    match random.below(6) {
        0 => {
            options.merges = Merges::Only;
            arguments.push("--merges".into());
        }
        1 => {
            options.merges = Merges::Hidden;
            arguments.push("--no-merges".into());
        }
        _ => {}
    }
    let moment = |random: &mut Random| 1_700_000_000 + i64::try_from(random.below(6000)).unwrap();
    if random.one_in(6) {
        let since = moment(random);
        options.since = Some(since);
        arguments.push(format!("--since={since}"));
    }
    if random.one_in(6) {
        let until = moment(random);
        options.until = Some(until);
        arguments.push(format!("--until={until}"));
    }
    if random.one_in(5) {
        let skip = random.below(5);
        options.skip = u64::try_from(skip).unwrap();
        arguments.push(format!("--skip={skip}"));
    }
    if random.one_in(5) {
        let limit = random.below(8);
        options.limit = Some(u64::try_from(limit).unwrap());
        arguments.push(format!("-n{limit}"));
    }
    if random.one_in(5) {
        options.direction = Direction::Forward;
        arguments.push("--reverse".into());
    }
    (options, arguments)
}

const SPECS: [&[&str]; 9] = [
    &["a"],
    &["d"],
    &["d/a"],
    &["d/e"],
    &["a", "f/x"],
    &["*/a"],
    &["d", ":!d/e"],
    &["none"],
    &["f", "b"],
];

#[test]
fn commits_come_as_git_lists_them() {
    let mut random = Random(11);
    for clocks in CLOCKS {
        let Some(git) = Git::new("the order of commits") else { return };
        let plans = history(&mut random, 80, clocks);
        write_to_git(&git, &plans);
        let world = World::of(&plans);
        let graph = Commits::new(&world);
        for _ in 0..150 {
            let (options, mut arguments) = lot(&mut random, &world);
            // Of a merge on the first line whose first parent is left out, git compares with the
            // second after all, and may hide a change.
            let hides = options.follow == Follow::First && !options.exclude.is_empty();
            let limited = options.skip > 0 || options.limit.is_some();
            let mut walk = Walk::new(&graph, options);
            let has_paths = random.one_in(2) && !(hides && limited);
            if has_paths {
                let specs = SPECS[random.below(SPECS.len())];
                arguments.push("--".into());
                arguments.extend(specs.iter().map(|spec| (*spec).to_owned()));
                let specs = specs.iter().map(|spec| spec.as_bytes());
                let paths = Pathspec::parse(&RepoPath::root(), specs).unwrap();
                let world = &world;
                walk = walk.along(move |a, b| same_along(world, &paths, a, b));
            }
            let ours: Vec<usize> = walk.map(|step| world.number(&step.unwrap().id)).collect();
            let mut command = vec!["rev-list", "--no-commit-header", "--format=%s"];
            command.extend(arguments.iter().map(String::as_str));
            let theirs = git.run(&command);
            let theirs: Vec<usize> =
                theirs.lines().map(|subject| subject[1..].parse().unwrap()).collect();
            if has_paths && hides {
                assert!(theirs.iter().all(|number| ours.contains(number)), "{arguments:?}");
                continue;
            }
            assert_eq!(ours, theirs, "{clocks:?} {arguments:?}");
        }
    }
}

/// A graph that knows generations.
struct Counted<'w>(Commits<'w, World>, &'w World, Vec<u32>);

impl Graph for Counted<'_> {
    type Error = crate::codec::Error;

    fn number(&self, id: &Id) -> Result<Number, Self::Error> {
        self.0.number(id)
    }

    fn id(&self, commit: Number) -> Result<Id, Self::Error> {
        self.0.id(commit)
    }

    fn age(&self, commit: Number) -> Result<Age, Self::Error> {
        let generation = Some(self.2[self.1.number(&self.0.id(commit)?)]);
        Ok(Age { generation, ..self.0.age(commit)? })
    }

    fn parents(&self, commit: Number, into: &mut Vec<Number>) -> Result<(), Self::Error> {
        self.0.parents(commit, into)
    }

    fn tree(&self, commit: Number) -> Result<Id, Self::Error> {
        self.0.tree(commit)
    }
}

#[test]
fn with_generations_nothing_is_shown_that_was_left_out() {
    let mut random = Random(12);
    let mut needed = 0;
    for _ in 0..60 {
        let plans = history(&mut random, 60, Clocks::Random);
        let world = World::of(&plans);
        let mut generations: Vec<u32> = Vec::new();
        let mut ancestors: Vec<Vec<bool>> = Vec::new();
        for (index, plan) in plans.iter().enumerate() {
            let above = plan.parents.iter().map(|parent| generations[*parent]).max();
            generations.push(above.unwrap_or(0) + 1);
            let mut mine = vec![false; plans.len()];
            mine[index] = true;
            for parent in &plan.parents {
                for (at, is_theirs) in ancestors[*parent].iter().enumerate() {
                    mine[at] |= is_theirs;
                }
            }
            ancestors.push(mine);
        }
        let graph = Counted(Commits::new(&world), &world, generations);
        for _ in 0..20 {
            let (a, b) = (random.below(plans.len()), random.below(plans.len()));
            let options = Options {
                include: vec![world.commits[a]],
                exclude: vec![world.commits[b]],
                ..Options::default()
            };
            let shown = |ids: Vec<Id>| {
                let mut numbers = world.numbers(&ids);
                numbers.sort_unstable();
                numbers
            };
            let ids = |walk: &mut dyn Iterator<Item = Result<Step, _>>| -> Vec<Id> {
                walk.map(|step: Result<Step, crate::codec::Error>| step.unwrap().id).collect()
            };
            let exact = shown(ids(&mut Walk::new(&graph, options.clone())));
            let sloppy = shown(ids(&mut Walk::new(&Commits::new(&world), options)));
            let right: Vec<usize> =
                (0..plans.len()).filter(|c| ancestors[a][*c] && !ancestors[b][*c]).collect();
            assert_eq!(exact, right);
            needed += usize::from(sloppy != right);
        }
    }
    assert!(needed > 0, "these clocks should mislead a walk without generations");
}

#[test]
fn a_walk_is_lazy_and_reads_each_commit_once() {
    let plans = history(&mut Random(13), 300, Clocks::Skewed);
    let world = World::of(&plans);
    let graph = Commits::new(&world);
    let include = vec![world.commits[299]];
    let options = Options { include: include.clone(), limit: Some(3), ..Options::default() };
    world.memory.borrow().reads.set(0);
    assert_eq!(Walk::new(&graph, options).count(), 3);
    assert!(world.memory.borrow().reads.get() < 15);
    for order in [Order::Time, Order::Topological] {
        world.memory.borrow().reads.set(0);
        let graph = Commits::new(&world);
        let options = Options { include: include.clone(), order, ..Options::default() };
        let shown = Walk::new(&graph, options).count();
        assert_eq!(world.memory.borrow().reads.get(), shown);
    }
}

#[test]
fn the_limit_counts_what_is_kept() {
    let plans = history(&mut Random(14), 40, Clocks::Right);
    let world = World::of(&plans);
    let graph = Commits::new(&world);
    let options =
        Options { include: vec![world.commits[39]], limit: Some(2), ..Options::default() };
    let even = |step: &Step| Ok(world.number(&step.id).is_multiple_of(2));
    let kept: Vec<usize> = Walk::new(&graph, options)
        .keeping(even)
        .map(|step| world.number(&step.unwrap().id))
        .collect();
    assert_eq!(kept.len(), 2);
    assert!(kept.iter().all(|number| number % 2 == 0));
}

#[test]
fn lines_of_work_are_connected_as_git_connects_them() {
    let mut random = Random(15);
    let mut skipped = 0;
    for clocks in CLOCKS {
        let Some(git) = Git::new("lines of work") else { return };
        let plans = history(&mut random, 80, clocks);
        write_to_git(&git, &plans);
        let world = World::of(&plans);
        let graph = Commits::new(&world);
        for _ in 0..80 {
            let (options, mut arguments) = lot(&mut random, &world);
            if options.direction == Direction::Forward || options.follow == Follow::First {
                continue;
            }
            let mut walk = Walk::new(&graph, options);
            if random.one_in(2) {
                let specs = SPECS[random.below(SPECS.len())];
                arguments.push("--".into());
                arguments.extend(specs.iter().map(|spec| (*spec).to_owned()));
                let specs = specs.iter().map(|spec| spec.as_bytes());
                let paths = Pathspec::parse(&RepoPath::root(), specs).unwrap();
                let world = &world;
                walk = walk.along(move |a, b| same_along(world, &paths, a, b));
            }
            let mut drawing = crate::history::drawing::Drawing::new();
            let mut ours = String::new();
            for shown in walk.connected() {
                let (step, parents) = shown.unwrap();
                let mut all = Vec::new();
                graph.parents(step.number, &mut all).unwrap();
                skipped += usize::from(parents.iter().any(|parent| !all.contains(parent)));
                drawing.begin(step.number, parents);
                loop {
                    let row = drawing.row();
                    ours += &row.text();
                    if row.is_commit {
                        ours += &format!("c{}", world.number(&step.id));
                    }
                    ours.push('\n');
                    if drawing.is_done() {
                        break;
                    }
                }
            }
            let mut command = vec!["log", "--graph", "--format=%s"];
            command.extend(arguments.iter().map(String::as_str));
            assert_eq!(ours, git.run(&command), "{clocks:?} {arguments:?}");
        }
    }
    assert!(skipped > 20, "lines should go past what is not shown: {skipped}");
}
