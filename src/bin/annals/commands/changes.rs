//! How changes are shown: as names, counts or patches. Shared by `diff`, `log` and `show`.

use annals::diff::renames::{
    self, Difference, Directories, How, Line as Folded, Origin, RenameOptions,
};
use annals::diff::stat::{self, Counts};
use annals::diff::text::{self, Body, Line, Mark};
use annals::ops::diff::{self, Renamed, Side};
use annals::path::RepoPath;

use crate::context::{Context, columns};
use crate::output::{BOLD, CYAN, GREEN, Quoting, RED, change_json, is_terminal};
use crate::report::Error;

use super::renames::{Renames, folded_text};

/// What is shown of changes.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Format {
    /// Show the names of what changed, with a letter: A added, D deleted, M modified, T type; R092
    /// renamed and C092 copied, with how similar both are in percent
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
    #[command(flatten)]
    renames: Renames,
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

    /// What counts as a rename where one thing is followed.
    pub(crate) fn followed(&self, context: &Context) -> Result<RenameOptions, Error> {
        Ok(self.renames.options(context)?.unwrap_or_default())
    }

    /// Tells of every difference, with renames if they are looked for; tells whether there is any.
    pub(crate) fn each(
        &self,
        context: &Context,
        options: &diff::Options<'_>,
        visit: &mut dyn FnMut(&Difference) -> Result<(), Error>,
    ) -> Result<bool, Error> {
        let repo = context.repository()?;
        if let Some(renames) = self.renames.options(context)? {
            let found = diff::renamed(repo, options, &renames, context.monitor())?;
            found.differences.iter().try_for_each(visit)?;
            return Ok(!found.differences.is_empty());
        }
        let mut is_any = false;
        diff::run(repo, options, context.monitor(), &mut |change| {
            is_any = true;
            visit(&change.into())
        })?;
        Ok(is_any)
    }

    /// Compares and shows; tells whether anything differs.
    pub(crate) fn show(
        &self,
        context: &Context,
        options: &diff::Options<'_>,
    ) -> Result<bool, Error> {
        let output = context.output();
        if context.is_json() {
            return self.each(context, options, &mut |one| output.json(&change_json(one)));
        }
        // Only people see directories folded, and never where each file has its own lines.
        let folds = self.renames.folds() && !self.null && !self.numstat && is_terminal();
        if !self.needs_content() && !folds {
            return self.each(context, options, &mut |one| self.name(context, one));
        }
        let found = match self.renames.options(context)? {
            Some(renames) => {
                diff::renamed(context.repository()?, options, &renames, context.monitor())?
            }
            None => {
                let mut differences = Vec::new();
                self.each(context, options, &mut |one| {
                    differences.push(one.clone());
                    Ok(())
                })?;
                Renamed { differences, directories: Directories::default() }
            }
        };
        self.tell(context, (options.old, options.new), &found, folds)?;
        Ok(!found.differences.is_empty())
    }

    /// Shows how one file differs from another.
    pub(crate) fn show_files(
        &self,
        context: &Context,
        differences: &[Difference],
    ) -> Result<(), Error> {
        if context.is_json() {
            let output = context.output();
            return differences.iter().try_for_each(|one| output.json(&change_json(one)));
        }
        let directories = Directories::default();
        let found = Renamed { differences: differences.to_vec(), directories };
        self.tell(context, (Side::Empty, Side::Empty), &found, false)
    }

    fn tell(
        &self,
        context: &Context,
        sides: (Side, Side),
        found: &Renamed,
        folds: bool,
    ) -> Result<(), Error> {
        let output = context.output();
        let differences = &found.differences[..];
        if self.name_status || self.name_only {
            let lines = match folds && self.name_status {
                true => renames::fold(differences, &found.directories),
                false => (0..differences.len()).map(Folded::One).collect(),
            };
            for line in lines {
                match line {
                    Folded::One(at) => self.name(context, &differences[at])?,
                    Folded::Directory(folded) => {
                        let name = |path: &RepoPath| output.quoting.text(path.as_bytes());
                        let text = folded_text(&folded, &name(&folded.from), &name(&folded.to));
                        output.line(format!("renamed {text}"))?;
                    }
                }
            }
        }
        if self.stat || self.numstat || self.shortstat {
            self.counts(context, sides, differences)?;
            if self.is_patch() && !differences.is_empty() {
                output.line("")?;
            }
        }
        if self.is_patch() {
            differences.iter().try_for_each(|one| self.patch(context, sides, one))?;
        }
        Ok(())
    }

    fn name(&self, context: &Context, one: &Difference) -> Result<(), Error> {
        let mut line = Vec::new();
        let separator = if self.null { 0 } else { b'\t' };
        if self.name_status {
            line.extend(one.code().into_bytes());
            line.push(separator);
            // Of two files that were named, git has the first.
            if let Some(Origin { path, how: How::Named, .. }) = &one.origin {
                line.extend(self.path(context, path));
                line.push(if self.null { 0 } else { b'\n' });
                return context.output().write(&line);
            }
            if let Some(origin) = &one.origin {
                line.extend(self.path(context, &origin.path));
                line.push(separator);
            }
        }
        line.extend(self.path(context, &one.change.path));
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
        sides: (Side, Side),
        differences: &[Difference],
    ) -> Result<(), Error> {
        let output = context.output();
        let mut files = Vec::new();
        for one in differences {
            let name = |path: &RepoPath| output.quoting.text(path.as_bytes());
            let shown = match &one.origin {
                Some(origin) => stat::renamed(&name(&origin.path), &name(&one.change.path)),
                None => name(&one.change.path),
            };
            let counts = if one.change.is_of_content() {
                let (old, new) = bodies(context, sides, one)?;
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
                match &one.origin {
                    Some(origin) if self.null => {
                        line.push(0);
                        line.extend(origin.path.as_bytes());
                        line.push(0);
                        line.extend(one.change.path.as_bytes());
                    }
                    Some(_) => line.extend(shown.as_bytes()),
                    None => line.extend(self.path(context, &one.change.path)),
                }
                line.push(if self.null { 0 } else { b'\n' });
                output.write(&line)?;
            }
            files.push((shown, counts));
        }
        if self.stat {
            let width = if is_terminal() { columns().unwrap_or(80) } else { 80 };
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

    fn patch(&self, context: &Context, sides: (Side, Side), one: &Difference) -> Result<(), Error> {
        let change = &one.change;
        // Nothing can be shown of directories but that they are there.
        let (old, new) = if change.is_of_content() {
            bodies(context, sides, one)?
        } else {
            (Body::Text(Vec::new()), Body::Text(Vec::new()))
        };
        let shown = text::Options {
            context: self.unified.unwrap_or(text::Options::default().context),
            ..text::Options::default()
        };
        let side = |entry, body| text::Side { entry, body };
        let lines = text::patch_from(
            &change.path,
            one.origin.as_ref(),
            side(change.old.as_ref(), &old),
            side(change.new.as_ref(), &new),
            shown,
        );
        lines.iter().try_for_each(|line| write(context, line))
    }
}

fn bodies(context: &Context, sides: (Side, Side), one: &Difference) -> Result<(Body, Body), Error> {
    let (repo, change) = (context.repository()?, &one.change);
    let old = diff::body(repo, sides.0, one.old_path(), change.old.as_ref())?;
    let new = diff::body(repo, sides.1, &change.path, change.new.as_ref())?;
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
