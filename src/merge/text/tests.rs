//! Tests of merging texts.

use super::*;

fn options() -> TextOptions<'static> {
    let labels: [&[u8]; 3] = [b"base", b"ours", b"theirs"];
    TextOptions { favour: Favour::Nobody, style: Style::Merge, marker_size: 7, labels }
}

fn merged(base: &str, ours: &str, theirs: &str, options: &TextOptions<'_>) -> (String, usize) {
    let found = merge(base.as_bytes(), ours.as_bytes(), theirs.as_bytes(), options);
    (String::from_utf8(found.bytes).unwrap(), found.conflicts)
}

#[test]
fn edits_apart_are_both_taken() {
    let (text, conflicts) =
        merged("a\nb\nc\nd\ne\n", "A\nb\nc\nd\ne\n", "a\nb\nc\nd\nE\n", &options());
    assert_eq!((&text[..], conflicts), ("A\nb\nc\nd\nE\n", 0));
}

#[test]
fn edits_side_by_side_are_a_conflict() {
    let (text, conflicts) = merged("a\nb\n", "A\nb\n", "a\nB\n", &options());
    let expected = "<<<<<<< ours\nA\nb\n=======\na\nB\n>>>>>>> theirs\n";
    assert_eq!((&text[..], conflicts), (expected, 1));
}

#[test]
fn a_conflict_is_cut_down_to_the_lines_that_differ() {
    let ours = "a\n1\n2\n3\n4\n5\nours\nz\n";
    let theirs = "a\n1\n2\n3\n4\n5\ntheirs\nz\n";
    let (text, conflicts) = merged("a\nz\n", ours, theirs, &options());
    let expected = "a\n1\n2\n3\n4\n5\n<<<<<<< ours\nours\n=======\ntheirs\n>>>>>>> theirs\nz\n";
    assert_eq!((&text[..], conflicts), (expected, 1));
    let diff3 = TextOptions { style: Style::Diff3, ..options() };
    let (text, conflicts) = merged("a\nz\n", ours, theirs, &diff3);
    let shown = "a\n<<<<<<< ours\n1\n2\n3\n4\n5\nours\n||||||| base\n=======\n1\n2\n3\n4\n5\ntheirs\n>>>>>>> theirs\nz\n";
    assert_eq!((&text[..], conflicts), (shown, 1));
}

#[test]
fn favouring_a_side_takes_its_lines_only_where_both_changed() {
    let (base, ours, theirs) = ("a\nb\nc\nd\n", "A1\nb\nc\nd\n", "A2\nb\nc\nD\n");
    let with = |favour| merged(base, ours, theirs, &TextOptions { favour, ..options() }).0;
    assert_eq!(with(Favour::Ours), "A1\nb\nc\nD\n");
    assert_eq!(with(Favour::Theirs), "A2\nb\nc\nD\n");
    assert_eq!(with(Favour::Union), "A1\nA2\nb\nc\nD\n");
}

#[test]
fn carriage_returns_and_a_missing_last_line_feed_are_kept() {
    let (text, conflicts) =
        merged("a\r\nb\r\nc\r\nd", "A\r\nb\r\nc\r\nd", "a\r\nb\r\nc\r\nD", &options());
    assert_eq!((&text[..], conflicts), ("A\r\nb\r\nc\r\nD", 0));
    let (text, _) = merged("a\r\nb\r\n", "a\r\n1\r\n", "a\r\n2\r\n", &options());
    let expected = "a\r\n<<<<<<< ours\r\n1\r\n=======\r\n2\r\n>>>>>>> theirs\r\n";
    assert_eq!(text, expected);
    // The markers stand on lines of their own; what follows them has no line feed still.
    let (text, _) = merged("a", "b", "c", &options());
    assert_eq!(text, "<<<<<<< ours\nb\n=======\nc\n>>>>>>> theirs\n");
}

#[test]
fn lines_that_are_everywhere_do_not_confuse() {
    let line = "x\n".repeat(200);
    let (ours, theirs) = (format!("first\n{line}"), format!("{line}last\n"));
    let (text, conflicts) = merged(&line, &ours, &theirs, &options());
    assert_eq!((text, conflicts), (format!("first\n{line}last\n"), 0));
}

#[test]
fn a_change_that_meets_several_deletions_is_one_conflict() {
    let base = "1\n2\n3\n4\n5\n6\n7\n8\n";
    let (ours, theirs) = ("x\n", "1\n6\n8\n");
    let (text, conflicts) = merged(base, ours, theirs, &options());
    let expected = "<<<<<<< ours\nx\n=======\n1\n6\n8\n>>>>>>> theirs\n";
    assert_eq!((&text[..], conflicts), (expected, 1));
    let (text, conflicts) = merged(base, theirs, ours, &options());
    let expected = "<<<<<<< ours\n1\n6\n8\n=======\nx\n>>>>>>> theirs\n";
    assert_eq!((&text[..], conflicts), (expected, 1));
}
