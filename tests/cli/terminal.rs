//! What is different where somebody looks on: the pager, colours, and the line of progress.

use crate::support::World;

#[test]
fn long_output_goes_through_the_pager_only_on_a_terminal() {
    let world = World::with(&["one: a=1", "two: a=2"]);
    let pager = [("ANNALS_PAGER", "sed s/^/paged:/"), ("NO_COLOR", "1")];
    let log = ["log", "--format=%s"];
    assert_eq!(world.on_terminal(&pager, &log), "paged:two\npaged:one\n");
    let usual = [("PAGER", "sed s/^/usual:/"), ("NO_COLOR", "1")];
    assert_eq!(world.on_terminal(&usual, &log), "usual:two\nusual:one\n");
    let set = ["-c", "core.pager=sed s/^/set:/", "log", "--format=%s"];
    assert_eq!(world.on_terminal(&usual, &set), "set:two\nset:one\n");
    let plain = ["--no-pager", "log", "--format=%s"];
    assert_eq!(world.on_terminal(&pager, &plain), "two\none\n");
    let mut command = world.command(&log);
    let output = command.envs(pager).output().unwrap();
    assert_eq!(output.stdout, b"two\none\n");
    // A pager that is not there stops nobody from reading.
    let none = [("ANNALS_PAGER", "cat"), ("NO_COLOR", "1")];
    assert_eq!(world.on_terminal(&none, &log), "two\none\n");
}

#[test]
fn output_is_coloured_on_a_terminal_unless_somebody_minds() {
    let world = World::with(&["one: a=1"]);
    world.write("a", "2\n");
    assert!(world.on_terminal(&[], &["status", "-s"]).contains("\x1b["));
    assert_eq!(world.on_terminal(&[("NO_COLOR", "1")], &["status", "-s"]), " M a\n");
    assert_eq!(world.on_terminal(&[], &["--color=never", "status", "-s"]), " M a\n");
    assert_eq!(world.says("status -s"), " M a");
}

#[test]
fn long_work_shows_one_line_that_is_gone_when_it_is_done() {
    let world = World::new();
    // Enough to take longer than anybody waits without being told.
    let mut state = 1u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 40).to_le_bytes()
    })
    .flatten()
    .take(160 << 20)
    .collect();
    world.write("film.mov", noise);
    let seen = world.on_terminal(&[("NO_COLOR", "1")], &["commit", "-m", "one"]);
    assert!(seen.contains("\rrecording: ") && seen.contains("MiB/s"), "{seen:?}");
    assert!(!seen.contains("scanning"), "{seen:?}");
    assert!(seen.contains("film.mov"), "{seen:?}");
    // What stays is what is said at the end, on a line that was emptied.
    let last = seen.rsplit("\r\x1b[K").next().unwrap();
    assert!(last.starts_with("[main (first commit) "), "{last:?}");
    world.write("more", "1\n");
    let quick = world.on_terminal(&[("NO_COLOR", "1")], &["--no-progress", "commit", "-m", "two"]);
    assert!(!quick.contains('\r'), "{quick:?}");
}
