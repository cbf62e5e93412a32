//! docs/commands.md is what the program says of itself.

use crate::support::World;

#[test]
fn the_reference_of_commands_is_current() {
    let made = World::empty().run("reference").ok();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/commands.md");
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(made == kept, "`annals reference > docs/commands.md` brings the page up to date");
}
