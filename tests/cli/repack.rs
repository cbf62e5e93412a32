//! `annals repack`.

use crate::support::World;

/// Fifty versions of a text that differs from the one before in a line.
fn edited(world: &World) {
    for version in 0..50 {
        let line = |line: u32| match line == version {
            true => format!("changed in {version}\n"),
            false => format!("{}\n", u64::from(line).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        };
        world.write("text", (0..400).map(line).collect::<String>());
        world.commit(&format!("version {version}"));
    }
}

#[test]
fn a_history_takes_a_fraction_of_the_room_and_reads_as_before() {
    let world = World::new();
    edited(&world);
    let log = world.says("log --format=%H");
    let before = world.says("cat HEAD~30:text");
    let would = world.says("repack -n");
    assert!(would.starts_with("Would rewrite "), "{would}");
    assert_eq!(world.says("repack -n"), would, "nothing was done");
    let said: serde_json::Value = serde_json::from_str(&world.says("--json repack")).unwrap();
    let (old, new) = (said["bytes_before"].as_u64().unwrap(), said["bytes"].as_u64().unwrap());
    assert!(new * 3 < old, "{said}");
    assert_eq!(said["packs"], 2, "{said}");
    assert_eq!(world.says("log --format=%H"), log);
    assert_eq!(world.says("cat HEAD~30:text"), before);
    let (checked, _) = world.run("fsck").ends(0);
    assert!(checked.contains("everything is sound"), "{checked}");
    assert_eq!(world.says("repack"), "Nothing to repack");
    assert_eq!(world.says("repack -n"), "Nothing to repack");
    let said: serde_json::Value = serde_json::from_str(&world.says("--json repack --all")).unwrap();
    assert_eq!((&said["packs_before"], &said["packs"]), (&2.into(), &2.into()), "all once more");
}

#[test]
fn nothing_is_due_while_little_has_come() {
    let world = World::with(&["one: a=1"]);
    assert_eq!(world.says("repack --auto"), "Nothing to repack");
    assert!(world.says("repack").starts_with("Repacked 4 objects: "));
    assert_eq!(world.says("repack -a -d -q"), "", "as git has it");
}

#[test]
fn damage_is_named_and_stays_where_it_is() {
    let world = World::with(&["one: a=1", "two: a=2"]);
    let near = world.path(".annals/packs/near");
    let folder = std::fs::read_dir(near).unwrap().next().unwrap().unwrap().path();
    let pack = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&pack).unwrap();
    bytes[16] ^= 1;
    let mut mode = std::fs::metadata(&pack).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut mode, 0o644);
    std::fs::set_permissions(&pack, mode).unwrap();
    std::fs::write(&pack, &bytes).unwrap();
    let (_, told) = world.run("repack").ends(1);
    assert!(told.contains("is missing or damaged"), "{told}");
    assert_eq!(std::fs::read(&pack).unwrap(), bytes);
    std::fs::remove_file(&pack).unwrap();
    let (_, told) = world.run("repack --all").ends(1);
    assert!(told.contains("is missing or damaged"), "{told}");
}
