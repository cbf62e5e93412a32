//! The command line: every command and the options all of them share.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::commands;
use crate::output::When;

/// Version control for collections of files that are too big, too many or too scattered for git
#[derive(Debug, Parser)]
#[command(name = "annals", version, max_term_width = 100, disable_help_subcommand = true)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command understands.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Global {
    /// Run in this directory
    #[arg(short = 'C', value_name = "DIR")]
    pub(crate) directory: Vec<PathBuf>,
    /// Set KEY to VALUE for this command
    #[arg(short = 'c', value_name = "KEY=VALUE")]
    pub(crate) settings: Vec<String>,
    /// Print JSON, one object on a line
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print only what was asked for
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Print more
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
    /// Use colours
    #[arg(long, value_name = "WHEN", global = true, num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "always", hide_possible_values = true)]
    pub(crate) color: Option<When>,
    /// Never start a pager
    #[arg(long, global = true)]
    pub(crate) no_pager: bool,
    /// Show progress even if nobody watches
    #[arg(long, global = true, overrides_with = "no_progress")]
    pub(crate) progress: bool,
    /// Show no progress
    #[arg(long, global = true)]
    pub(crate) no_progress: bool,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Init(commands::init::Args),
    Add(commands::add::Args),
    Commit(commands::commit::Args),
    Rm(commands::rm::Args),
    Mv(commands::mv::Args),
    Status(commands::status::Args),
    Switch(commands::switch::Args),
    Restore(commands::restore::Args),
    Merge(commands::merge::Args),
    Resolve(commands::resolve::Args),
    Reset(commands::reset::Args),
    Undo(commands::undo::Undo),
    Redo(commands::undo::Redo),
    Log(commands::log::Args),
    Show(commands::show::Args),
    Diff(commands::diff::Args),
    Ls(commands::ls::Args),
    Cat(commands::cat::Args),
    Branch(commands::branch::Args),
    Tag(commands::tag::Args),
    Reflog(commands::reflog::Args),
    Config(commands::config::Args),
    RevParse(commands::rev_parse::Args),
    MergeBase(commands::merge_base::Args),
    MergeTree(commands::merge_tree::Args),
    CatObject(commands::cat_object::Args),
    Fsck(commands::fsck::Args),
    Repack(commands::repack::Args),
    Import(commands::import::Args),
    Export(commands::export::Args),
    Completions(commands::completions::Args),
    Help(commands::help::Args),
    #[command(hide = true)]
    Reference(commands::reference::Args),
    /// An alias, or nothing that is known.
    #[command(external_subcommand)]
    Other(Vec<OsString>),
}

impl Command {
    /// The option by which it throws away unsaved work that is in the way, if it has one.
    pub(crate) fn discards(&self) -> Option<&'static str> {
        match self {
            Self::Switch(_) => Some("--discard"),
            Self::Rm(_) => Some("-f"),
            Self::Reset(_) => Some("--hard"),
            _ => None,
        }
    }
}
