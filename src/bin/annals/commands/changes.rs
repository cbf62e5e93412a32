//! How changes are shown: as names, counts or patches. Shared by `diff`, `log` and `show`.

use annals::diff::Change;
use annals::diff::stat::{self, Counts};
use annals::diff::text::{self, Body, Line, Mark};
use annals::ops::diff;
use annals::path::RepoPath;

use crate::context::{Context, columns};
use crate::output::{BOLD, CYAN, GREEN, Quoting, RED, change_json};
use crate::report::Error;

/// What is shown of changes.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Format {
    /// Show the names of what changed, with a letter: A added, D deleted, M modified, T type
    #[arg(long)]
    name_status: bool,
    /// Show the names of what changed
    #[arg(long)]
    name_only: bool,
    /// Show how much changed in each file
    #[arg(long)]
    stat: bool,
    /// Show how many lines were added and deleted, as numbers
    #[arg(long)]
    numstat: bool,
    /// Show how much changed in all
    #[arg(long)]
    shortstat: bool,
    /// Show the lines that changed
    #[arg(short, long)]
    patch: bool,
    /// Show so many lines around each change
    #[arg(short = 'U', long, value_name = "LINES")]
    unified: Option<usize>,
    /// End names with a zero byte and leave them unquoted
    #[arg(short = 'z')]
    null: bool,
}

impl Format {
    /// Whether anything was asked for.
    pub(crate) fn is_some(&self) -> bool {
        self.is_patch()
            || self.name_status
            || self.name_only
            || self.stat
            || self.numstat
            || self.shortstat
    }

    /// The same, or a patch if nothing was asked for.
    pub(crate) fn or_patch(&self) -> Self {
        Self { patch: self.is_patch() || !self.is_some(), ..self.clone() }
    }

    fn is_patch(&self) -> bool {
        self.patch || self.unified.is_some()
    }

    fn needs_content(&self) -> bool {
        self.is_patch() || self.stat || self.numstat || self.shortstat
    }

    /// Compares and shows; tells whether anything differs.
    pub(crate) fn show(
        &self,
        context: &Context,
        options: &diff::Options<'_>,
    ) -> Result<bool, Error> {
        let (repo, output) = (context.repository()?, context.output());
        if context.is_json() {
            let mut is_any = false;
            diff::run(repo, options, context.monitor(), &mut |change| {
                is_any = true;
                output.json(&change_json(&change))
            })?;
            return Ok(is_any);
        }
        if !self.needs_content() {
            let mut is_any = false;
            diff::run(repo, options, context.monitor(), &mut |change| {
                is_any = true;
                self.name(context, &change)
            })?;
            return Ok(is_any);
        }
        let mut changes = Vec::new();
        diff::run(repo, options, context.monitor(), &mut |change| {
            changes.push(change);
            Ok::<(), Error>(())
        })?;
        if self.name_status || self.name_only {
            changes.iter().try_for_each(|change| self.name(context, change))?;
        }
        if self.stat || self.numstat || self.shortstat {
            self.counts(context, options, &changes)?;
            if self.is_patch() && !changes.is_empty() {
                output.line("")?;
            }
        }
        if self.is_patch() {
            changes.iter().try_for_each(|change| self.patch(context, options, change))?;
        }
        Ok(!changes.is_empty())
    }

    fn name(&self, context: &Context, change: &Change) -> Result<(), Error> {
        let mut line = Vec::new();
        if self.name_status {
            line.push(change.status().letter() as u8);
            line.push(if self.null { 0 } else { b'\t' });
        }
        line.extend(self.path(context, &change.path));
        line.push(if self.null { 0 } else { b'\n' });
        context.output().write(&line)
    }

    fn path(&self, context: &Context, path: &RepoPath) -> Vec<u8> {
        let quoting = if self.null { Quoting::Raw } else { context.output().quoting };
        quoting.show(path.as_bytes())
    }

    fn counts(
        &self,
        context: &Context,
        options: &diff::Options<'_>,
        changes: &[Change],
    ) -> Result<(), Error> {
        let output = context.output();
        let mut files = Vec::new();
        for change in changes {
            let counts = if change.is_of_content() {
                let (old, new) = bodies(context, options, change)?;
                diff::counts(&old, &new)
            } else {
                Counts::Lines { added: 0, deleted: 0 }
            };
            if self.numstat {
                let (added, deleted) = match counts {
                    Counts::Lines { added, deleted } => (added.to_string(), deleted.to_string()),
                    Counts::Binary { .. } => ("-".to_owned(), "-".to_owned()),
                };
                let mut line = format!("{added}\t{deleted}\t").into_bytes();
                line.extend(self.path(context, &change.path));
                line.push(if self.null { 0 } else { b'\n' });
                output.write(&line)?;
            }
            files.push((output.quoting.text(change.path.as_bytes()), counts));
        }
        if self.stat {
            let width = if crate::output::is_terminal() { columns().unwrap_or(80) } else { 80 };
            for row in stat::layout(&files, width) {
                let color = output.color;
                let tail = match row.bytes {
                    Some((0, 0)) => String::new(),
                    Some((old, new)) => format!(
                        " {} -> {} bytes",
                        color.red(&old.to_string()),
                        color.green(&new.to_string())
                    ),
                    None => {
                        let paint = |count: usize, sign: &str, paint: fn(_, &str) -> String| {
                            if count > 0 {
                                paint(color, &sign.repeat(count))
                            } else {
                                String::new()
                            }
                        };
                        paint(row.plus, "+", crate::output::Color::green)
                            + &paint(row.minus, "-", crate::output::Color::red)
                    }
                };
                output.line(row.text + &tail)?;
            }
        }
        if (self.stat || self.shortstat) && !files.is_empty() {
            output.line(stat::summary(&files))?;
        }
        Ok(())
    }

    fn patch(
        &self,
        context: &Context,
        options: &diff::Options<'_>,
        change: &Change,
    ) -> Result<(), Error> {
        // Nothing can be shown of directories but that they are there.
        let (old, new) = if change.is_of_content() {
            bodies(context, options, change)?
        } else {
            (Body::Text(Vec::new()), Body::Text(Vec::new()))
        };
        let shown = text::Options {
            context: self.unified.unwrap_or(text::Options::default().context),
            ..text::Options::default()
        };
        let side = |entry, body| text::Side { entry, body };
        let lines = text::patch(
            &change.path,
            side(change.old.as_ref(), &old),
            side(change.new.as_ref(), &new),
            shown,
        );
        lines.iter().try_for_each(|line| write(context, line))
    }
}

fn bodies(
    context: &Context,
    options: &diff::Options<'_>,
    change: &Change,
) -> Result<(Body, Body), Error> {
    let repo = context.repository()?;
    let old = diff::body(repo, options.old, &change.path, change.old.as_ref())?;
    let new = diff::body(repo, options.new, &change.path, change.new.as_ref())?;
    Ok((old, new))
}

fn write(context: &Context, line: &Line) -> Result<(), Error> {
    let output = context.output();
    let style = match line.mark {
        Mark::Header => BOLD,
        Mark::Place => CYAN,
        Mark::Added => GREEN,
        Mark::Deleted => RED,
        Mark::Same => return output.line(&line.bytes),
    };
    output.line(output.color.bytes(style, &line.bytes))
}
