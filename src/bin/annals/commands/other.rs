//! Words that are no command: an alias, a habit from git, or a slip.

use std::ffi::OsString;

use annals::slip::nearest;
use clap::{CommandFactory, Parser};

use crate::cli::Cli;
use crate::context::Context;
use crate::report::Error;

/// What people know from git, and what it is called here.
const HABITS: &[(&str, &str)] = &[
    ("add-all", "add"),
    ("cat-file", "cat-object"),
    ("checkout", "switch` for branches, `annals restore` for files, `annals switch -c"),
    ("count-objects", "fsck"),
    ("for-each-ref", "branch` and `annals tag"),
    ("hash-object", "cat-object"),
    ("ls-files", "ls"),
    ("ls-tree", "ls REV"),
    ("rev-list", "log --format=%H"),
    ("show-ref", "branch -v` and `annals tag"),
    ("symbolic-ref", "rev-parse --abbrev-ref HEAD"),
    ("verify-pack", "fsck"),
    ("whatchanged", "log --name-status"),
];

/// The command line an alias stands for.
pub(crate) fn expand(context: &Context, words: &[OsString]) -> Result<Box<Cli>, Error> {
    let name = words.first().map(|word| word.to_string_lossy().into_owned()).unwrap_or_default();
    let Some(alias) = alias(context, &name)? else { return Err(unknown(&name)) };
    let mut line: Vec<OsString> = vec!["annals".into()];
    line.extend(context.global_words());
    line.extend(alias.split_whitespace().map(OsString::from));
    line.extend(words[1..].iter().cloned());
    let cli = Cli::try_parse_from(line).map_err(|error| {
        let text = error.kind().to_string();
        Error::usage(format!("cannot run the alias '{name}' ('{alias}'): {text}"))
    })?;
    if let crate::cli::Command::Other(inner) = &cli.command {
        let inner = inner.first().map(|word| word.to_string_lossy().into_owned());
        let inner = inner.unwrap_or_default();
        // One alias may use another, never itself.
        if inner == name || alias_depth(context, &inner)? > 8 {
            return Err(Error::usage(format!("the alias '{name}' stands for itself")));
        }
    }
    Ok(Box::new(cli))
}

fn alias(context: &Context, name: &str) -> Result<Option<String>, Error> {
    if name.is_empty() || name.contains(['.', '=']) {
        return Ok(None);
    }
    Ok(context.config()?.alias(name)?)
}

fn alias_depth(context: &Context, name: &str) -> Result<usize, Error> {
    let (mut name, mut depth) = (name.to_owned(), 0);
    while depth <= 8
        && let Some(next) = alias(context, &name)?
    {
        name = next.split_whitespace().next().unwrap_or_default().to_owned();
        depth += 1;
    }
    Ok(depth)
}

fn unknown(name: &str) -> Error {
    let text = format!("'{name}' is not an annals command");
    let habit = HABITS.iter().find(|(git, _)| *git == name);
    if let Some((_, here)) = habit {
        return Error::Usage { text, hint: Some(format!("here it is `annals {here}`")) };
    }
    let command = Cli::command();
    let names: Vec<&str> =
        command.get_subcommands().filter(|c| !c.is_hide_set()).map(|c| c.get_name()).collect();
    let hint = match nearest(name, names) {
        Some(near) => format!("did you mean `annals {near}`?"),
        None => "`annals help` lists all commands".to_owned(),
    };
    Error::Usage { text, hint: Some(hint) }
}
