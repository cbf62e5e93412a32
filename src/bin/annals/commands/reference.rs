//! `annals reference`, hidden: writes docs/commands.md.

use std::fmt::Write as _;
use std::process::ExitCode;

use annals::config::KEYS;
use clap::{Arg, Command, CommandFactory};

use crate::cli::Cli;
use crate::context::Context;
use crate::report::Error;

/// Print the reference of all commands
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(context: &Context, _: &Args) -> Result<ExitCode, Error> {
    let mut command = Cli::command();
    command.build();
    let mut text = String::from(
        "# Commands\n\nMade by `annals reference` from the program itself; do not edit.\n",
    );
    let everywhere: Vec<&Arg> = command.get_arguments().filter(|arg| !is_of_clap(arg)).collect();
    section(&mut text, "Everywhere", &everywhere);
    for command in command.get_subcommands().filter(|command| !command.is_hide_set()) {
        describe(&mut text, command);
    }
    text += "\n## Settings\n\n`annals config KEY VALUE` sets one.\n\n| key | default | what it is for |\n|---|---|---|\n";
    for key in KEYS {
        let default = key.default.map_or(String::new(), |default| format!("`{default}`"));
        let _ = writeln!(text, "| `{}` | {default} | {} |", key.name, key.help);
    }
    context.output().write(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn is_of_clap(arg: &Arg) -> bool {
    matches!(arg.get_id().as_str(), "help" | "version")
}

fn describe(text: &mut String, command: &Command) {
    let _ = write!(text, "\n## annals {}\n\n", command.get_name());
    if let Some(about) = command.get_long_about().or(command.get_about()) {
        let about = about.to_string();
        let _ = write!(
            text,
            "{}.\n\n",
            about.trim_end().trim_end_matches('.').replacen("\n\n", ".\n\n", 1)
        );
    }
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ");
    let _ = write!(text, "```text\n{usage}\n```\n");
    let own: Vec<&Arg> = command
        .get_arguments()
        .filter(|arg| !is_of_clap(arg) && !arg.is_global_set() && !arg.is_hide_set())
        .collect();
    section(text, "", &own);
}

fn section(text: &mut String, title: &str, arguments: &[&Arg]) {
    if arguments.is_empty() {
        return;
    }
    if title.is_empty() {
        text.push_str("\n| argument | what it does |\n|---|---|\n");
    } else {
        let _ = write!(text, "\n## {title}\n\n| option | what it does |\n|---|---|\n");
    }
    for arg in arguments {
        let mut names = Vec::new();
        names.extend(arg.get_short().map(|short| format!("-{short}")));
        names.extend(arg.get_long().map(|long| format!("--{long}")));
        let mut name = names.join(", ");
        if arg.get_action().takes_values() {
            let values = arg.get_value_names().unwrap_or_default();
            let values: Vec<&str> = values.iter().map(|value| value.as_str()).collect();
            let separator = if name.is_empty() { "" } else { " " };
            let _ = write!(name, "{separator}{}", values.join(" "));
        }
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(text, "| `{}` | {} |", name.replace('|', "\\|"), help.replace('|', "\\|"));
    }
}
