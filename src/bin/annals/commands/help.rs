//! `annals help`.

use std::process::ExitCode;

use annals::slip::nearest;
use clap::CommandFactory;

use crate::cli::Cli;
use crate::context::Context;
use crate::report::Error;

/// Print help, in general or on one command
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A command
    #[arg(value_name = "COMMAND")]
    command: Option<String>,
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<ExitCode, Error> {
    let mut command = Cli::command();
    command.build();
    let shown = match &args.command {
        None => &mut command,
        Some(name) => {
            let names: Vec<String> =
                command.get_subcommands().map(|c| c.get_name().to_owned()).collect();
            command.find_subcommand_mut(name).ok_or_else(|| Error::Usage {
                text: format!("'{name}' is not an annals command"),
                hint: nearest(name, names.iter().map(String::as_str))
                    .map(|near| format!("did you mean `annals help {near}`?")),
            })?
        }
    };
    let help = shown.render_long_help();
    let help =
        if context.output().color.is_on() { help.ansi().to_string() } else { help.to_string() };
    context.page()?;
    context.output().write(help.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
