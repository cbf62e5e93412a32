//! The first record of a copy, with the power cut before each write: what was taken in place of
//! packs that did not come along is listed by it, wholly or not at all.

use annals::disk::Survival;

use super::beginnings::{commit_numbers, many};
use super::commands::next_command;
use super::*;

/// A copy that took the packs long after all else: small ones were merged meanwhile.
fn copied_while_packs_were_merged(disk: &MemoryDisk) {
    many(disk, 20);
    let original = disk.image_after_power_loss(Survival::Everything);
    commit_numbers(&original, 20..45);
    let (listed, came_along) = (packs(disk), packs(&original));
    let dir = disk.open(Path::new(ROOT)).unwrap();
    for gone in listed.keys().filter(|path| !came_along.contains_key(*path)) {
        dir.remove_file(gone.as_bytes()).unwrap();
    }
    came_along.iter().for_each(|(path, bytes)| write(disk, path, bytes));
    // Files of a copy are others.
    let format = disk.read(&format!("{ROOT}/.annals/format")).unwrap();
    dir.remove_file(b".annals/format").unwrap();
    disk.write("/elsewhere", "takes the next number");
    write(disk, ".annals/format", format);
}

fn packs(disk: &MemoryDisk) -> BTreeMap<String, Vec<u8>> {
    let mut files = state_files(disk);
    files.retain(|path, _| path.starts_with(".annals/packs/"));
    files
}

/// Commits, and makes sure that the next to open has nothing to find out any more.
fn record_first(disk: &Arc<dyn Disk>) -> Done {
    let repo = open(disk)?;
    let told = repo.store().take_notices();
    assert!(told.iter().any(|told| told.contains("packs were merged")), "{told:?}");
    commit_all(&repo, "verb")?;
    assert!(open(disk)?.store().take_notices().is_empty());
    Ok(())
}

/// Until it is written to, a copy still lists what did not come along, which fsck finds.
#[test]
fn the_first_record_of_a_copy_survives_power_loss() {
    let story = Story::of(&Verb {
        name: "the first record of a copy",
        prepare: copied_while_packs_were_merged,
        run: record_first,
    });
    story.cut_everywhere(Torn::EverySecond, |ran, survivors| {
        let finished = ran.is_finished();
        let survival = SURVIVALS[survivors as usize % 4];
        let left = ran.left(survival);
        let context = format!("after {survivors} writes, {survival:?}");
        let repo = open(&shared(&left)).unwrap_or_else(|error| panic!("{context}: {error}"));
        let found = picture(&repo).unwrap_or_else(|error| panic!("{context}: {error}"));
        assert!(found == story.done || (found == story.before && !finished), "{context}");
        drop(repo);
        write(&left, "next", "next");
        next_command(&shared(&left)).unwrap_or_else(|error| panic!("{context}: next: {error}"));
        story.judge_after_next(&left, &found, &context);
        // What is listed is kept. In packs that nobody lists all of it would be found, too.
        let listed = open(&shared(&left)).unwrap().store().state();
        for path in packs(&story.base).keys() {
            let name = path.rsplit('/').next().unwrap();
            assert!(listed.packs.contains_key(name), "{context}: {path} is not listed");
        }
    });
}
