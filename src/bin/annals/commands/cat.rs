//! `annals cat`.

use std::ffi::OsString;
use std::process::ExitCode;

use annals::ops::{cat, revisions};
use annals::path::quoted;

use crate::context::Context;
use crate::report::Error;

/// Print the content of a file as it was recorded
///
/// Files of any size are passed on piece by piece.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What to print: a file in a revision, a content id, or an object
    #[arg(value_name = "REV:PATH|ID", required = true)]
    objects: Vec<OsString>,
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<ExitCode, Error> {
    let repo = context.repository()?;
    for text in &args.objects {
        let text = text.as_encoded_bytes();
        let found = revisions::find(repo, text, context.monitor())?;
        let text = quoted(text);
        let options = match found.path {
            Some((_, entry)) => cat::Options::Entry { text, entry },
            None => cat::Options::Object { text, id: found.id, kind: found.kind },
        };
        super::show::copy(context, &options)?;
    }
    Ok(ExitCode::SUCCESS)
}
