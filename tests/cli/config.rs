//! `annals config`, and what settings do.

use crate::support::World;

#[test]
fn a_setting_is_set_read_listed_and_removed() {
    let world = World::new();
    world.run("config log.date iso").ok();
    assert_eq!(world.says("config log.date"), "iso");
    assert_eq!(world.says("config list"), "log.date=iso");
    assert!(
        world.says("config list --show-origin").ends_with("/.annals/config.toml\tlog.date=iso")
    );
    world.run("config unset log.date").ok();
    assert_eq!(world.says("config get log.date"), "default");
    world.run("config unset log.date").fails(1);
    world.run("config get user.name").fails(1);
}

#[test]
fn the_repository_outweighs_the_person_and_the_command_line_both() {
    let world = World::new();
    world.run_args(&["config", "--global", "user.name", "Person"]).ok();
    assert_eq!(world.says("config user.name"), "Person");
    world.run("config user.name Here").ok();
    assert_eq!(world.says("config user.name"), "Here");
    assert_eq!(world.says("-c user.name=Now config user.name"), "Now");
    assert_eq!(world.says("config --global user.name"), "Person");
}

#[test]
fn comments_stay_and_a_wrong_value_is_refused() {
    let world = World::new();
    world.write(".annals/config.toml", "# mine\n[user]\nname = \"A\" # me\n");
    world.run("config user.name B").ok();
    let text = std::fs::read_to_string(world.path(".annals/config.toml")).unwrap();
    assert_eq!(text, "# mine\n[user]\nname = \"B\" # me\n");
    let said = world.run("config record.times sometimes").fails(128);
    assert_eq!(said, "error: 'record.times' cannot be 'sometimes': it is one of changed, always\n");
}

#[test]
fn a_setting_that_nobody_knows_is_refused_and_told_of_where_it_stands() {
    let world = World::new();
    let said = world.run("config user.nmae Ada").fails(128);
    assert_eq!(said, "error: 'user.nmae' is not a setting\nhint: did you mean 'user.name'?\n");
    let said = world.run("config set gc.reflogexpire never").fails(128);
    assert!(said.contains("hint: `annals config keys` lists all settings"), "{said}");
    assert_eq!(world.says("config list"), "");
    for asked in ["config user.nmae", "config get user.nmae", "config unset user.nmae"] {
        let said = world.run(asked).fails(1);
        let told = "error: 'user.nmae' is not a setting\nhint: did you mean 'user.name'?\n";
        assert_eq!(said, told, "{asked}");
    }
    assert!(world.run("config get frob.nicate").fails(1).contains("`annals config keys`"));
    // What could be set and is not says nothing.
    for asked in ["config user.email", "config unset user.email", "config get alias.anything"] {
        assert_eq!(world.run(asked).fails(1), "", "{asked}");
    }
    world.run("config alias.anything status").ok();
    // A newer program may have written it.
    world.write(".annals/config.toml", "[user]\nnmae = \"Ada\"\n");
    let (_, said) = world.run("status -s").ends(0);
    let file = world.path(".annals/config.toml").canonicalize().unwrap();
    let told = "is not a setting; did you mean 'user.name'?";
    assert_eq!(said, format!("warning: 'user.nmae' ({}) {told}\n", file.display()));
    let (_, said) = world.run("-c log.dat=iso config unset user.nmae").ends(0);
    assert!(said.contains("'log.dat' (command line) is not a setting"), "{said}");
    assert_eq!(world.run("config list").ends(0), (String::new(), String::new()));
}

#[test]
fn what_is_recorded_is_compressed_as_hard_as_the_setting_says() {
    let stored = |level: &str| {
        let world = World::new();
        world.run_args(&["config", "pack.compression", level]).ok();
        let text: String = (0..30_000_u64).map(|i| format!("{:x} {i}\n", i * i * 7919)).collect();
        world.write("text", &text);
        world.run("commit -q -m text").ok();
        assert_eq!(std::fs::read_to_string(world.path("text")).unwrap(), text);
        let packs = std::fs::read_dir(world.path(".annals/packs/near")).unwrap();
        let below = packs.flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap());
        below.map(|pack| pack.unwrap().metadata().unwrap().len()).sum::<u64>()
    };
    let (least, most) = (stored("1"), stored("19"));
    assert!(most < least * 9 / 10, "{least} {most}");
    let world = World::new();
    let said = world.run("-c pack.compression=20 status").fails(128);
    assert!(said.contains("cannot be '20': it is a whole number from 1 to 19"), "{said}");
}

#[test]
fn an_alias_is_a_command_of_ones_own() {
    let world = World::with(&["one: a=1", "two: a=2"]);
    world.run_args(&["config", "alias.last", "log -1 --format=%s"]).ok();
    assert_eq!(world.says("last"), "two");
    assert_eq!(world.says("last HEAD~1"), "one");
    world.run_args(&["config", "alias.loop", "loop"]).ok();
    assert!(world.run("loop").fails(129).contains("stands for itself"));
}
