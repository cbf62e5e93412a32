//! Commands: declaration, call, print; one file each.

pub(crate) mod add;
pub(crate) mod branch;
mod brought;
pub(crate) mod cat;
pub(crate) mod cat_object;
mod changes;
pub(crate) mod commit;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod diff;
mod drivers;
pub(crate) mod export;
pub(crate) mod fsck;
pub(crate) mod help;
pub(crate) mod import;
pub(crate) mod init;
mod left_out;
pub(crate) mod log;
pub(crate) mod ls;
pub(crate) mod merge;
pub(crate) mod merge_base;
pub(crate) mod merge_tree;
pub(crate) mod mv;
pub(crate) mod other;
pub(crate) mod reference;
pub(crate) mod reflog;
mod renames;
pub(crate) mod repack;
pub(crate) mod reset;
pub(crate) mod resolve;
pub(crate) mod restore;
pub(crate) mod rev_parse;
pub(crate) mod rm;
pub(crate) mod show;
pub(crate) mod status;
pub(crate) mod switch;
pub(crate) mod tag;
pub(crate) mod undo;

use std::process::ExitCode;

use crate::cli::Command;
use crate::context::Context;
use crate::report::Error;

/// Runs a command.
pub(crate) fn run(context: &Context, command: &Command) -> Result<ExitCode, Error> {
    match command {
        Command::Init(args) => init::run(context, args),
        Command::Add(args) => add::run(context, args),
        Command::Commit(args) => commit::run(context, args),
        Command::Rm(args) => rm::run(context, args),
        Command::Mv(args) => mv::run(context, args),
        Command::Status(args) => status::run(context, args),
        Command::Switch(args) => switch::run(context, args),
        Command::Restore(args) => restore::run(context, args),
        Command::Merge(args) => merge::run(context, args),
        Command::Resolve(args) => resolve::run(context, args),
        Command::Reset(args) => reset::run(context, args),
        Command::Undo(args) => undo::undo(context, args),
        Command::Redo(args) => undo::redo(context, args),
        Command::Log(args) => log::run(context, args),
        Command::Show(args) => show::run(context, args),
        Command::Diff(args) => diff::run(context, args),
        Command::Ls(args) => ls::run(context, args),
        Command::Cat(args) => cat::run(context, args),
        Command::Branch(args) => branch::run(context, args),
        Command::Tag(args) => tag::run(context, args),
        Command::Reflog(args) => reflog::run(context, args),
        Command::Config(args) => config::run(context, args),
        Command::RevParse(args) => rev_parse::run(context, args),
        Command::MergeBase(args) => merge_base::run(context, args),
        Command::MergeTree(args) => merge_tree::run(context, args),
        Command::CatObject(args) => cat_object::run(context, args),
        Command::Fsck(args) => fsck::run(context, args),
        Command::Repack(args) => repack::run(context, args),
        Command::Export(args) => export::run(context, args),
        Command::Import(args) => import::run(context, args),
        Command::Completions(args) => completions::run(context, args),
        Command::Help(args) => help::run(context, args),
        Command::Reference(args) => reference::run(context, args),
        Command::Other(_) => Ok(ExitCode::SUCCESS),
    }
}

/// Whether a name fits one of the patterns; without any, every name does.
fn fits(name: &str, patterns: &[String]) -> bool {
    let fits = |pattern: &String| {
        globset::Glob::new(pattern).is_ok_and(|glob| glob.compile_matcher().is_match(name))
    };
    patterns.is_empty() || patterns.iter().any(fits)
}
