//! The program `annals`: words in, words out.
//!
//! It reads the command line, the environment and settings, calls one verb of the library, and
//! prints what came of it. What is decided about repositories is decided there.

mod cli;
mod commands;
mod context;
mod editor;
mod output;
mod pretty;
mod report;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use cli::{Cli, Command};
use context::Context;
use output::{Color, When};
use report::{Error, USAGE, report};

fn main() -> ExitCode {
    let cli = match Cli::try_parse_from(arguments()) {
        Ok(cli) => cli,
        Err(error) => return told_by_clap(&error),
    };
    run(cli)
}

/// The words of the command line. `-uall` is git's way to write `--untracked-files=all`, and
/// `-M90%` is its way to write `--find-renames=90%`.
fn arguments() -> Vec<OsString> {
    let (mut is_over, mut shows_changes) = (false, false);
    let spelt_out = |word: OsString| {
        is_over |= word == "--";
        let Some(text) = word.to_str().filter(|_| !is_over) else { return word };
        shows_changes |= matches!(text, "diff" | "log" | "show" | "status");
        let is_number = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
        for (short, long) in [("-M", "--find-renames"), ("-C", "--find-copies")] {
            if let Some(value) = text.strip_prefix(short).filter(|value| is_number(value))
                && shows_changes
            {
                return format!("{long}={value}").into();
            }
        }
        match text.strip_prefix("-u") {
            Some(mode @ ("all" | "no" | "normal")) => format!("--untracked-files={mode}").into(),
            _ => word,
        }
    };
    std::env::args_os().map(spelt_out).collect()
}

/// Help and version are answers, everything else is a wrong call.
fn told_by_clap(error: &clap::Error) -> ExitCode {
    if error.use_stderr() && asks_for_json(&arguments()) {
        return ExitCode::from(report(&wrong_call(error), Color::new(When::Never), true, None));
    }
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS }
}

fn asks_for_json(words: &[OsString]) -> bool {
    words.iter().take_while(|word| *word != "--").any(|word| word == "--json")
}

/// What clap says of a wrong call: first what is wrong, then perhaps a tip, then how it is called.
fn wrong_call(error: &clap::Error) -> Error {
    let said = error.render().to_string();
    let mut paragraphs = said.split("\n\n").map(str::trim);
    let first = paragraphs.next().unwrap_or_default();
    let hint = paragraphs.find_map(|one| {
        let hint = one.strip_prefix("tip: ").or(one.starts_with("Usage: ").then_some(one))?;
        hint.lines().next().map(str::to_owned)
    });
    let text = match error.kind() {
        // Clap lists them all.
        ErrorKind::MissingSubcommand => "a command is needed",
        _ => first.strip_prefix("error: ").unwrap_or(first),
    };
    Error::Usage { text: text.to_owned(), hint }
}

fn run(cli: Cli) -> ExitCode {
    let Cli { global, command } = cli;
    let color = Color::new(global.color.unwrap_or(When::Auto));
    // The options after an alias, or after a slip, are nobody's yet.
    let is_json = global.json || matches!(&command, Command::Other(words) if asks_for_json(words));
    let discards = command.discards();
    let failed = |error: &Error| ExitCode::from(report(error, color, is_json, discards));
    let context = match Context::new(global) {
        Ok(context) => context,
        Err(error) => return failed(&error),
    };
    if let Command::Other(words) = &command {
        return match commands::other::expand(&context, words) {
            Ok(cli) => run(*cli),
            Err(error) => failed(&error),
        };
    }
    let ran = commands::run(&context, &command);
    // What was printed goes out before what is told of an error.
    let finished = context.finish();
    match ran.and_then(|code| finished.map(|()| code)) {
        Ok(code) => code,
        Err(error) => failed(&error),
    }
}
