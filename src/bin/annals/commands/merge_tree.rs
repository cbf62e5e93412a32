//! `annals merge-tree`.

use std::ffi::OsString;
use std::process::ExitCode;

use annals::diff::text::git_mode;
use annals::merge::{self, Favour, Labels, Merged, Style, Unsettled};
use annals::ops::merge_tree::{self, Sides, Unrelated};
use annals::ops::{ls, revisions};
use annals::path::RepoPath;
use serde_json::{Value, json};

use crate::context::Context;
use crate::output::{Quoting, entry_json, id_json, text_json};
use crate::report::{Error, NO};

use super::drivers::Drivers;

/// Merge two commits without a working tree
///
/// Prints the id of the merged tree, which `ls`, `diff` and `cat` understand, and what is in
/// conflict: mode, content and stage (1 the base, 2 ours, 3 theirs) of each version, and what
/// happened. Nothing else changes. Exits with 1 if there are conflicts.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Our commit; with --merge-base a tree will do
    #[arg(value_name = "A")]
    ours: OsString,
    /// Their commit; with --merge-base a tree will do
    #[arg(value_name = "B")]
    theirs: OsString,
    /// What both were made from, in place of their common ancestors
    #[arg(long, value_name = "REV")]
    merge_base: Option<OsString>,
    /// Write the merged tree; that is always done
    #[arg(long)]
    write_tree: bool,
    /// In a conflict between lines, take the lines of one side
    #[arg(short = 'X', long, value_name = "SIDE", value_parser = ["ours", "theirs"])]
    strategy_option: Option<String>,
    /// What a conflict in a text shows
    #[arg(long, value_name = "STYLE", value_parser = ["merge", "diff3"], default_value = "merge")]
    conflict: String,
    /// Merge commits that have no common ancestor
    #[arg(long)]
    allow_unrelated_histories: bool,
    /// Leave conflicts in the tree as entries with all versions, in place of marked-up texts
    #[arg(long)]
    keep_conflicts: bool,
    /// Of conflicts, print only the paths
    #[arg(long)]
    name_only: bool,
    /// Say what happened (the default if there are conflicts)
    #[arg(long, overrides_with = "no_messages")]
    messages: bool,
    /// Do not say what happened
    #[arg(long)]
    no_messages: bool,
    /// End names with a zero byte and leave them unquoted
    #[arg(short = 'z')]
    null: bool,
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<ExitCode, Error> {
    let repo = context.repository()?;
    let (ours, theirs) = (args.ours.as_encoded_bytes(), args.theirs.as_encoded_bytes());
    let tree = |text: &[u8]| revisions::tree(repo, text, context.monitor());
    let (sides, base_label) = match &args.merge_base {
        Some(base) => {
            let (base, trees) = (base.as_encoded_bytes(), [tree(ours)?, tree(theirs)?]);
            (Sides::Trees { base: tree(base)?, trees }, base.to_vec())
        }
        None => {
            let commit = |text: &[u8]| revisions::commit(repo, text, context.monitor());
            let unrelated = match args.allow_unrelated_histories {
                true => Unrelated::Allowed,
                false => Unrelated::Refused,
            };
            let commits = [commit(ours)?, commit(theirs)?];
            (Sides::Commits { commits, unrelated }, b"merged common ancestors".to_vec())
        }
    };
    let options = merge::Options {
        favour: match args.strategy_option.as_deref() {
            Some("ours") => Favour::Ours,
            Some("theirs") => Favour::Theirs,
            _ => Favour::Nobody,
        },
        style: if args.conflict == "diff3" { Style::Diff3 } else { Style::Merge },
        labels: Labels { base: base_label, ours: ours.to_vec(), theirs: theirs.to_vec() },
        unsettled: if args.keep_conflicts { Unsettled::Keep } else { Unsettled::Mark },
        ..merge::Options::default()
    };
    let drivers = Drivers::new(context)?;
    let options = merge_tree::Options { sides, merge: options, driver: &drivers };
    let merged = merge_tree::run(repo, &context.committer()?, &options)?;
    drivers.tell(context);
    if context.is_json() {
        context.output().json(&as_json(&merged))?;
    } else {
        show(context, args, &merged)?;
    }
    Ok(if merged.is_clean() { ExitCode::SUCCESS } else { ExitCode::from(NO) })
}

fn as_json(merged: &Merged) -> Value {
    let conflicts: Vec<Value> = merged
        .conflicts
        .iter()
        .map(|conflict| {
            let [base, ours, theirs] =
                conflict.stages.each_ref().map(|stage| stage.as_ref().map(entry_json));
            json!({
                "path": text_json(conflict.path.as_bytes()),
                "kind": conflict.kind.name(),
                "base": base,
                "ours": ours,
                "theirs": theirs,
            })
        })
        .collect();
    let messages: Vec<Value> = merged
        .messages
        .iter()
        .map(|message| {
            json!({
                "path": text_json(message.path.as_bytes()),
                "kind": message.kind.map(|kind| kind.name()),
                "text": message.text,
            })
        })
        .collect();
    json!({
        "tree": id_json(&merged.tree),
        "clean": merged.is_clean(),
        "conflicts": conflicts,
        "messages": messages,
    })
}

fn show(context: &Context, args: &Args, merged: &Merged) -> Result<(), Error> {
    let output = context.output();
    let end: &[u8] = if args.null { b"\0" } else { b"\n" };
    let line = |text: &[u8]| output.write(&[text, end].concat());
    line(merged.tree.to_string().as_bytes())?;
    let quoting = if args.null { Quoting::Raw } else { output.quoting };
    let mut last: Option<&RepoPath> = None;
    for conflict in &merged.conflicts {
        let name = quoting.show(conflict.path.as_bytes());
        if args.name_only {
            if last != Some(&conflict.path) {
                line(&name)?;
            }
            last = Some(&conflict.path);
            continue;
        }
        for (stage, entry) in conflict.stages.iter().enumerate() {
            let Some(entry) = entry else { continue };
            let id = ls::content_id(context.repository()?.store(), entry)?;
            let id = id.map_or_else(|| "-".to_owned(), |id| id.to_string());
            let words = format!("{} {id} {}\t", git_mode(entry), stage + 1);
            line(&[words.as_bytes(), &name].concat())?;
        }
    }
    let tells = !args.no_messages && (args.messages || !merged.is_clean());
    if !tells || context.is_quiet() {
        return Ok(());
    }
    line(b"")?;
    for message in &merged.messages {
        let text = match message.kind {
            Some(kind) => format!("CONFLICT ({kind}): {}", message.text),
            None => message.text.clone(),
        };
        line(text.as_bytes())?;
    }
    Ok(())
}
