//! `annals config`.

use std::process::ExitCode;

use annals::config::{self, Config, KEYS, Level, Setting};
use serde_json::json;

use crate::context::{Context, read_settings, write_settings};
use crate::output::Table;
use crate::report::{Error, NO};

/// Read and change settings
///
/// `annals config KEY` prints one, `annals config KEY VALUE` sets it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// get KEY, set KEY VALUE, unset KEY, list, keys; or just KEY [VALUE]
    #[arg(value_name = "ACTION|KEY", required = true, num_args = 1..)]
    words: Vec<String>,
    /// Of this person, in all repositories
    #[arg(long, visible_alias = "user", conflicts_with_all = ["system", "local"])]
    global: bool,
    /// Of everybody on this machine
    #[arg(long)]
    system: bool,
    /// Of this repository
    #[arg(long, conflicts_with = "system")]
    local: bool,
    /// Show where each setting comes from
    #[arg(long)]
    show_origin: bool,
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<ExitCode, Error> {
    let words: Vec<&str> = args.words.iter().map(String::as_str).collect();
    match words[..] {
        ["list"] => list(context, args),
        ["keys"] => keys(context),
        ["get", name] => get(context, args, name),
        ["set", name, value] => {
            change(context, args, name, |text| Ok(Some(config::set(text, name, value)?)))
        }
        ["unset", name] => change(context, args, name, |text| Ok(config::unset(text, name)?)),
        [name] => get(context, args, name),
        [name, value] if name.contains('.') => {
            change(context, args, name, |text| Ok(Some(config::set(text, name, value)?)))
        }
        _ => Err(Error::Usage {
            text: format!("cannot make sense of '{}'", words.join(" ")),
            hint: Some(
                "`annals config set KEY VALUE`, `get KEY`, `unset KEY` or `list`".to_owned(),
            ),
        }),
    }
}

fn level(args: &Args) -> Option<Level> {
    match (args.system, args.global, args.local) {
        (true, _, _) => Some(Level::System),
        (_, true, _) => Some(Level::User),
        (_, _, true) => Some(Level::Repository),
        _ => None,
    }
}

fn get(context: &Context, args: &Args, name: &str) -> Result<ExitCode, Error> {
    let config = context.config()?;
    let found = match level(args) {
        None => config.get(name)?,
        Some(level) => config
            .list()
            .into_iter()
            .rfind(|setting| setting.level == level && setting.name == name),
    };
    if let Some(setting) = found {
        show(context, args, &setting, &setting.value)?;
        return Ok(ExitCode::SUCCESS);
    }
    match config.text(name)? {
        Some(default) if level(args).is_none() => {
            let output = context.output();
            match context.is_json() {
                true => output.json(&json!({
                    "key": name, "value": default, "level": "default", "origin": null,
                }))?,
                false => output.line(default)?,
            }
            Ok(ExitCode::SUCCESS)
        }
        _ => Err(nothing(name)),
    }
}

/// Nothing is set: that speaks for itself, unless nothing of that name can be.
fn nothing(name: &str) -> Error {
    match config::key(name) {
        Some(_) => Error::Silent(NO),
        None => Error::NoSuchSetting(config::Error::unknown(name)),
    }
}

fn list(context: &Context, args: &Args) -> Result<ExitCode, Error> {
    for setting in context.config()?.list() {
        if level(args).is_none_or(|level| level == setting.level) {
            let text = format!("{}={}", setting.name, setting.value);
            show(context, args, &setting, &text)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn show(context: &Context, args: &Args, setting: &Setting, text: &str) -> Result<(), Error> {
    let output = context.output();
    if context.is_json() {
        return output.json(&json!({
            "key": setting.name, "value": setting.value,
            "level": setting.level.name(), "origin": setting.origin,
        }));
    }
    match args.show_origin {
        true => output.line(format!("{}\t{text}", setting.origin)),
        false => output.line(text),
    }
}

fn keys(context: &Context) -> Result<ExitCode, Error> {
    let output = context.output();
    if context.is_json() {
        KEYS.iter().try_for_each(|key| {
            output.json(&json!({ "key": key.name, "default": key.default, "help": key.help }))
        })?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new();
    for key in KEYS {
        table.row([key.name, key.default.unwrap_or(""), key.help].map(str::to_owned));
    }
    table.lines().try_for_each(|line| output.line(line))?;
    Ok(ExitCode::SUCCESS)
}

/// Changes a file of settings; exit code 1 if there was nothing to change.
fn change(
    context: &Context,
    args: &Args,
    name: &str,
    edit: impl Fn(&str) -> Result<Option<String>, Error>,
) -> Result<ExitCode, Error> {
    let level = level(args).unwrap_or(Level::Repository);
    if level == Level::Repository {
        context.repository()?;
    }
    let path = context
        .settings_path(level)
        .ok_or_else(|| Error::usage("there is no place for settings of this level"))?;
    let text = read_settings(&path)?.unwrap_or_default();
    let Some(new) = edit(&text)? else { return Err(nothing(name)) };
    write_settings(&path, new.as_bytes())?;
    if context.is_json() {
        let mut changed = Config::new();
        changed.add(level, "", &new)?;
        context.output().json(&json!({
            "key": name, "value": changed.get(name)?.map(|setting| setting.value),
            "level": level.name(), "origin": path.display().to_string(),
        }))?;
    }
    Ok(ExitCode::SUCCESS)
}
