//! `--json`: objects, one on a line, and nothing else.

use serde_json::{Value, json};

use crate::support::World;

/// What a command prints, each line an object.
#[track_caller]
fn objects(world: &World, line: &str) -> Vec<Value> {
    let out = world.run(line).ok();
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
    let objects: Vec<Value> = out.lines().map(parse).collect();
    assert!(objects.iter().all(Value::is_object), "{line}: {out}");
    objects
}

/// The only object a command prints.
#[track_caller]
fn object(world: &World, line: &str) -> Value {
    let mut all = objects(world, line);
    assert_eq!(all.len(), 1, "{line}: {all:?}");
    all.remove(0)
}

fn world() -> World {
    let world = World::with(&["one: a=1 d/b=2", "two: a=2"]);
    world.run_args(&["tag", "v1", "-m", "the first"]).ok();
    world
}

#[test]
fn show_tells_of_commits_tags_directories_and_files() {
    let world = world();
    let id = world.says("rev-parse HEAD");
    let commit = object(&world, "show --json");
    assert_eq!((&commit["id"], &commit["kind"]), (&json!(id), &json!("commit")));
    assert_eq!(commit["message"], "two\n");
    assert_eq!(commit["changes"][0]["path"], "a");
    assert_eq!(object(&world, "show -s --json")["changes"], Value::Null);
    let tag = objects(&world, "show --json v1");
    assert_eq!((&tag[0]["kind"], &tag[0]["name"]), (&json!("tag"), &json!("v1")));
    assert_eq!(tag[1]["id"], json!(id));
    let file = object(&world, "show --json HEAD:d/b");
    assert_eq!((&file["path"], &file["kind"]), (&json!("d/b"), &json!("file")));
    let chunk = file["content"].as_str().unwrap();
    assert_eq!(object(&world, &format!("show --json {chunk}"))["kind"], "chunk");
    let tree = object(&world, "show --json HEAD:");
    let names: Vec<&Value> =
        tree["entries"].as_array().unwrap().iter().map(|e| &e["name"]).collect();
    assert_eq!(names, ["a", "d"]);
    assert_eq!(objects(&world, "show --json HEAD HEAD~1").len(), 2);
}

#[test]
fn settings_revisions_branches_and_kinds_are_objects() {
    let world = world();
    let id = world.says("rev-parse HEAD");
    let keys = objects(&world, "config keys --json");
    assert!(keys.iter().any(|key| key["key"] == "user.name" && key["help"].is_string()));
    world.run("config set user.name Eve").ok();
    let all = objects(&world, "config list --json");
    assert!(all.iter().any(|one| one["key"] == "user.name" && one["value"] == "Eve"), "{all:?}");
    let default = object(&world, "config get core.quotepath --json");
    assert_eq!(default["level"], "default");
    let asked = "rev-parse --json --show-prefix --is-bare-repository HEAD HEAD~1..HEAD";
    let said = objects(&world, asked);
    assert_eq!(said[..2], [json!({"prefix": ""}), json!({"is_bare_repository": false})]);
    assert_eq!(said[2], json!({"revision": "HEAD", "id": id, "excluded": false}));
    assert_eq!(said[4]["excluded"], true);
    let named = object(&world, "rev-parse --json --abbrev-ref HEAD");
    assert_eq!(named, json!({"revision": "HEAD", "name": "main"}));
    assert_eq!(object(&world, "branch --show-current --json"), json!({"name": "main"}));
    assert_eq!(object(&world, "cat-object -t HEAD --json"), json!({"id": id, "kind": "commit"}));
    assert!(object(&world, "cat-object --size HEAD --json")["size"].is_u64());
    world.run("cat-object --raw HEAD --json").fails(129);
    world.run("switch -q --detach HEAD").ok();
    assert_eq!(object(&world, "branch --show-current --json"), json!({"name": null}));
}

#[test]
fn a_dry_run_is_one_object_that_names_the_paths() {
    let world = world();
    world.write("a", "mine\n");
    for line in ["restore -n a", "reset --hard -n", "undo -n", "restore -n --source HEAD~1 a"] {
        if line.starts_with("undo") {
            world.run("restore a").ok();
            world.run("switch -q -c side HEAD~1").ok();
        }
        let would = object(&world, &format!("{line} --json"))["would_change"].clone();
        assert_eq!(would, json!(["a"]), "{line}");
        if line.starts_with("undo") {
            world.run("undo -q").ok();
            world.write("a", "mine\n");
        }
    }
    world.run("add a").ok();
    for line in ["restore -n --staged a --json", "reset -n --json -- a"] {
        assert_eq!(object(&world, line)["would_change"], json!(["a"]), "{line}");
    }
    assert_eq!(world.run("reset -q --hard -n --json").ok().lines().count(), 1);
    world.run("restore --staged a").ok();
    assert_eq!(object(&world, "restore a --json")["would_change"], Value::Null);
}

#[test]
fn a_dry_run_of_what_records_names_the_paths_too() {
    let world = world();
    world.write("a", "mine\n");
    world.write("new/file", "1\n");
    let would = |line: &str| object(&world, line)["would_change"].clone();
    assert_eq!(would("commit -n -m x --json"), json!(["a", "new/file"]));
    assert_eq!(would("commit -n -m x --json a"), json!(["a"]));
    world.run("add new").ok();
    assert_eq!(would("commit -n -m x --json"), json!(["new/file"]));
    assert_eq!(would("commit -n -m x --json a"), json!(["a"]));
    world.run("restore --staged new").ok();
    std::fs::remove_file(world.path("new/file")).unwrap();
    world.run("restore a").ok();
    assert_eq!(would("commit -n -m x --json"), json!(["new"]));
    std::fs::remove_dir(world.path("new")).unwrap();
    world.run("switch -q -c side").ok();
    world.write("d/b", "side\n");
    world.commit("side");
    world.run("switch -q main").ok();
    assert_eq!(would("merge -n side --json"), json!(["d/b"]));
    assert_eq!(would("merge -n --no-ff side --json"), json!(["d/b"]));
    assert_eq!(object(&world, "merge side --json")["would_change"], Value::Null);
    // These name each path in an object of its own, dry run or not.
    world.write("a", "mine\n");
    for line in ["add a", "rm -f a", "mv -f a c"] {
        let would = objects(&world, &line.replacen(' ', " -n --json ", 1));
        assert_eq!(objects(&world, &format!("{line} --json")), would, "{line}");
        world.run("reset -q --hard").ok();
        world.write("a", "mine\n");
    }
}

#[test]
fn branches_tags_and_settings_that_change_are_objects() {
    let world = world();
    let (id, old) = (world.says("rev-parse HEAD"), world.says("rev-parse HEAD~1"));
    let moved = |name: &str, id: Value, was: Value| json!({"name": name, "id": id, "was": was});
    let none = Value::Null;
    assert_eq!(object(&world, "branch x --json"), moved("x", json!(id), none.clone()));
    assert_eq!(object(&world, "branch -f x HEAD~1 --json"), moved("x", json!(old), json!(id)));
    let renamed = json!({"name": "y", "from": "x", "id": old});
    assert_eq!(object(&world, "branch -m x y --json"), renamed);
    assert_eq!(object(&world, "branch -d y --json"), moved("y", none.clone(), json!(old)));
    assert_eq!(object(&world, "tag t --json"), moved("t", json!(id), none.clone()));
    assert_eq!(object(&world, "tag -f t HEAD~1 --json"), moved("t", json!(old), json!(id)));
    assert_eq!(object(&world, "tag -d t --json"), moved("t", none, json!(old)));
    let tag = object(&world, "tag -m text u --json")["id"].clone();
    assert_eq!(json!(world.says("rev-parse u")), tag);
    let set = object(&world, "config log.date iso --json");
    let origin = set["origin"].clone();
    assert!(origin.as_str().unwrap().ends_with("config.toml"), "{set}");
    let setting = |value: Value| json!({"key": "log.date", "value": value, "level": "repository", "origin": origin});
    assert_eq!(set, setting(json!("iso")));
    assert_eq!(object(&world, "config log.date --json"), setting(json!("iso")));
    assert_eq!(object(&world, "config unset log.date --json"), setting(Value::Null));
}

#[test]
fn status_tells_the_branch_and_a_merge_if_asked() {
    let world = world();
    let id = world.says("rev-parse HEAD");
    assert_eq!(world.run("status --json").ok(), "");
    let quiet = json!({"branch": "main", "commit": id, "merging": null, "interrupted": false});
    assert_eq!(object(&world, "status -b --json"), quiet);
    world.run("switch -q -c side").ok();
    world.write("a", "side\n");
    world.commit("side");
    world.run("switch -q main").ok();
    world.write("a", "main\n");
    world.commit("main");
    world.run("merge -q side").fails(1);
    let all = objects(&world, "status -b --json");
    let parents = ["main", "side"].map(|name| world.says(&format!("rev-parse {name}")));
    let message = "Merge branch 'side'\n";
    let merging = json!({"parents": parents, "message": message, "unmerged": 1});
    assert_eq!(all[0]["merging"], merging);
    assert_eq!((&all[1]["path"], &all[1]["staged"]), (&json!("a"), &json!("U")));
    world.run("merge --abort -q").ok();
    world.run("switch -q --detach").ok();
    assert_eq!(object(&world, "status -b --json")["branch"], Value::Null);
}

#[test]
fn a_wrong_call_is_an_object_too() {
    let world = world();
    let said = |line: &str| -> Value {
        let (out, err) = world.run(line).ends(129);
        assert_eq!(out, "", "{line}");
        let error: Value = serde_json::from_str(&err).unwrap_or_else(|_| panic!("{line}: {err}"));
        assert_eq!(
            (&error["error"]["id"], &error["error"]["exit"]),
            (&json!("usage"), &json!(129))
        );
        error["error"].clone()
    };
    let option = said("log --onelin --json");
    assert_eq!(option["text"], "unexpected argument '--onelin' found");
    assert_eq!(option["hints"], json!(["a similar argument exists: '--oneline'"]));
    assert!(said("--json restore")["hints"][0].as_str().unwrap().starts_with("Usage: "));
    let missing = said("--json");
    assert_eq!(missing["text"], "a command is needed");
    assert!(missing["hints"][0].as_str().unwrap().ends_with(" [OPTIONS] <COMMAND>"), "{missing}");
    assert_eq!(said("--json comit")["hints"], json!(["did you mean `annals commit`?"]));
    assert_eq!(said("comit --json")["hints"], json!(["did you mean `annals commit`?"]));
    assert_eq!(said("--json help comit")["hints"], json!(["did you mean `annals help commit`?"]));
    // After `--` it is a path.
    let plain = world.run("log --onelin -- --json").fails(129);
    assert!(plain.starts_with("error: unexpected argument"), "{plain}");
}
