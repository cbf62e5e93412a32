//! What a command is run in: directory, settings, repository, output, who and when.
//!
//! Everything is opened when it is first asked for, so that a command pays only for what it uses.
//! The environment and files outside a repository are read here and nowhere else.

use std::cell::OnceCell;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use annals::clock::{Env, SteppingClock, SystemRandom, Time};
use annals::config::{Config, Level, similar};
use annals::disk::{DirRef, Disk, OsDisk};
use annals::history::{dates, revision};
use annals::merge::Style;
use annals::object::Signature;
use annals::ops::{self, revisions};
use annals::path::{Pathspec, PatternError, RepoPath, quoted};
use annals::progress::Monitor;
use annals::repo::{Person, Repository, Rules, discover};
use annals::store;
use annals::worktree::scan::Nested;

use crate::cli::Global;
use crate::output::{Color, Loudness, Output, Progress, Quoting, When, is_terminal};
use crate::report::{self, Error};

/// The file of a repository's settings, in its state directory.
pub(crate) const SETTINGS: &str = "config.toml";

/// What a command is run in.
pub(crate) struct Context {
    global: Global,
    directory: PathBuf,
    disk: Arc<dyn Disk>,
    env: Env,
    config: OnceCell<Config>,
    repository: OnceCell<Repository>,
    output: OnceCell<Output>,
    progress: OnceCell<Arc<Progress>>,
}

impl Context {
    pub(crate) fn new(global: Global) -> Result<Self, Error> {
        let mut directory = std::env::current_dir().map_err(Error::CurrentDirectory)?;
        for given in &global.directory {
            directory.push(given);
        }
        let mut env = Env::system();
        // A time that stands still, for tests and for records that must come out the same twice.
        if let Some(now) = variable("ANNALS_NOW") {
            let seconds = now.parse().map_err(|_| {
                Error::usage(format!("ANNALS_NOW is '{now}': it is a number of seconds since 1970"))
            })?;
            env.clock = Arc::new(SteppingClock::new(Time::from_seconds(seconds), 0));
            env.random = Arc::new(SystemRandom);
        }
        Ok(Self {
            global,
            directory,
            disk: Arc::new(OsDisk::new()),
            env,
            config: OnceCell::new(),
            repository: OnceCell::new(),
            output: OnceCell::new(),
            progress: OnceCell::new(),
        })
    }

    /// The directory the command is run in.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(crate) fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    pub(crate) fn env(&self) -> &Env {
        &self.env
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.global.quiet
    }

    pub(crate) fn is_verbose(&self) -> bool {
        self.global.verbose
    }

    pub(crate) fn is_json(&self) -> bool {
        self.global.json
    }

    /// A repository that was opened or made, as the settings want it.
    pub(crate) fn set_up(&self, mut repository: Repository) -> Result<Repository, Error> {
        let level = self.config()?.number("pack.compression")?;
        let level = level.and_then(|level| store::Level::new(u8::try_from(level).ok()?));
        repository.set_compression(level.unwrap_or(store::Level::FIRST));
        Ok(repository)
    }

    /// The repository the directory is in.
    pub(crate) fn repository(&self) -> Result<&Repository, Error> {
        if let Some(repository) = self.repository.get() {
            return Ok(repository);
        }
        let opened = Repository::open(self.disk.clone(), &self.directory, self.env.clone())?;
        let repository = self.set_up(opened)?;
        self.tell_notices(&repository);
        if let Some(lost) = repository.store().lost()
            && !self.global.quiet
        {
            report::hint_at_lost(lost, Color::new(self.global.color.unwrap_or(When::Auto)));
        }
        Ok(self.repository.get_or_init(|| repository))
    }

    fn tell_notices(&self, repository: &Repository) {
        for notice in repository.store().take_notices() {
            self.monitor().notice(&notice);
        }
    }

    /// Settings of all levels.
    pub(crate) fn config(&self) -> Result<&Config, Error> {
        if let Some(config) = self.config.get() {
            return Ok(config);
        }
        let mut config = Config::new();
        for (level, path) in [
            (Level::System, system_settings()),
            (Level::User, user_settings()),
            (Level::Repository, self.repository_settings()),
        ] {
            if let Some(path) = path
                && let Some(text) = read_settings(&path)?
            {
                config.add(level, &path.display().to_string(), &text)?;
            }
        }
        for assignment in &self.global.settings {
            config.add_assignment(assignment)?;
        }
        for setting in config.unknown() {
            let (name, origin) = (&setting.name, &setting.origin);
            let meant = similar(name);
            let meant = meant.map_or_else(String::new, |name| format!("; did you mean '{name}'?"));
            self.monitor().notice(&format!("'{name}' ({origin}) is not a setting{meant}"));
        }
        Ok(self.config.get_or_init(|| config))
    }

    /// Where the settings of this level are; `None` if there is no such place.
    pub(crate) fn settings_path(&self, level: Level) -> Option<PathBuf> {
        match level {
            Level::System => system_settings(),
            Level::User => user_settings(),
            Level::Repository => self.repository_settings(),
            Level::CommandLine => None,
        }
    }

    fn repository_settings(&self) -> Option<PathBuf> {
        // Without opening it: settings are needed to report what is wrong with a repository, too.
        if let Some(repository) = self.repository.get() {
            return Some(repository.state_path().join(SETTINGS));
        }
        let found = discover(&*self.disk, &self.directory).ok()?;
        Some(found.state.join(SETTINGS))
    }

    /// Writes everything out; nothing is opened for it.
    pub(crate) fn finish(&self) -> Result<(), Error> {
        // What came up since it was opened.
        if let Some(repository) = self.repository.get() {
            self.tell_notices(repository);
        }
        if let Some(progress) = self.progress.get() {
            progress.finish();
        }
        self.output.get().map_or(Ok(()), Output::finish)
    }

    /// Where data goes.
    pub(crate) fn output(&self) -> &Output {
        self.output.get_or_init(|| {
            let loudness = match (self.global.quiet, self.global.verbose) {
                (true, _) => Loudness::Quiet,
                (false, true) => Loudness::Verbose,
                _ => Loudness::Usual,
            };
            // Settings that cannot be read are reported by whoever needs one of them.
            let flag = |name| self.config().is_ok_and(|config| config.flag(name).unwrap_or(false));
            let quoting = if flag("core.quotepath") { Quoting::Ascii } else { Quoting::Usual };
            let progress = self.progress().clone();
            Output::new(self.color(), quoting, loudness, self.global.json, progress)
        })
    }

    fn color(&self) -> Color {
        let when = self.global.color.unwrap_or_else(|| {
            let set = self.config().ok().and_then(|config| config.choice("color.ui").ok());
            match set.as_deref() {
                Some("always") => When::Always,
                Some("never") => When::Never,
                _ => When::Auto,
            }
        });
        Color::new(when)
    }

    fn progress(&self) -> &Arc<Progress> {
        self.progress.get_or_init(|| {
            use crate::output::Show;
            let show = match (self.global.progress, self.global.no_progress) {
                (true, _) => Show::Always,
                (_, true) => Show::Never,
                _ => Show::OnTerminal,
            };
            Progress::new(
                show,
                self.global.quiet,
                Color::new(self.global.color.unwrap_or(When::Auto)),
            )
        })
    }

    /// Who watches long work.
    pub(crate) fn monitor(&self) -> &dyn Monitor {
        &**self.progress()
    }

    /// Sends what follows through a pager, if somebody reads it on a terminal.
    pub(crate) fn page(&self) -> Result<(), Error> {
        if self.global.no_pager || self.global.json || !is_terminal() {
            return Ok(());
        }
        let command = variable("ANNALS_PAGER")
            .or(self.config()?.text("core.pager")?)
            .or_else(|| variable("PAGER"))
            .unwrap_or_else(|| "less".to_owned());
        self.output().page(&command);
        Ok(())
    }

    /// The options before the command, for another run of the program within this one.
    pub(crate) fn global_words(&self) -> Vec<OsString> {
        let global = &self.global;
        let mut words: Vec<OsString> = Vec::new();
        for directory in &global.directory {
            words.extend(["-C".into(), directory.clone().into()]);
        }
        for setting in &global.settings {
            words.extend(["-c".into(), setting.into()]);
        }
        for (is_set, word) in [
            (global.json, "--json"),
            (global.quiet, "--quiet"),
            (global.verbose, "--verbose"),
            (global.no_pager, "--no-pager"),
            (global.progress, "--progress"),
            (global.no_progress, "--no-progress"),
        ] {
            if is_set {
                words.push(word.into());
            }
        }
        if let Some(color) = global.color {
            words.push(format!("--color={color:?}").to_lowercase().into());
        }
        words
    }

    /// Tells revisions from paths: what stands after `--` are paths; before it, words are revisions
    /// until one is not. At most `most` revisions are looked for.
    pub(crate) fn words(
        &self,
        words: &[OsString],
        paths: &[OsString],
        most: usize,
    ) -> Result<Words, Error> {
        let repo = self.repository()?;
        // Joined to a directory it would mean all that is in it.
        if words.iter().chain(paths).any(|word| word.is_empty()) {
            let text = "'' is neither a revision nor a path".to_owned();
            return Err(Error::Usage { text, hint: Some("`.` means this directory".to_owned()) });
        }
        let mut split = Words::default();
        // After `--` there may be nothing, and still all words before it are revisions.
        let is_told = !paths.is_empty() || std::env::args_os().any(|word| word == "--");
        let mut rest = words.iter();
        for word in rest.by_ref() {
            let text = word.as_encoded_bytes();
            if is_told {
                split.revisions.push(text.to_vec());
                continue;
            }
            let is_there = self.is_there(word);
            let is_path = is_there || is_pattern(word);
            // One object will do for some commands, commit or not.
            let found = (split.revisions.len() < most).then(|| {
                revisions::set(repo, &[text], self.monitor()).map(drop).or_else(|error| {
                    revisions::find(repo, text, self.monitor()).map(drop).map_err(|_| error)
                })
            });
            match (found, is_path) {
                (Some(Ok(())), _) if is_there => {
                    return Err(ops::Error::Ambiguous(quoted(text)).into());
                }
                (Some(Ok(())), _) => split.revisions.push(text.to_vec()),
                (_, true) => {
                    split.paths.push(word.clone());
                    break;
                }
                (Some(Err(error)), false) => {
                    return Err(match error {
                        ops::Error::Revision(revision::Error::Unknown { asked, .. }) => {
                            ops::Error::NeitherRevisionNorPath(asked)
                        }
                        other => other,
                    }
                    .into());
                }
                // A path of the one revision, perhaps; of several, no path is looked for.
                (None, false)
                    if most > 1 && revisions::find(repo, text, self.monitor()).is_ok() =>
                {
                    return Err(Error::usage(format!("at most {most} revisions are taken")));
                }
                (None, false) => {
                    split.paths.push(word.clone());
                    break;
                }
            }
        }
        split.paths.extend(rest.cloned());
        split.paths.extend(paths.iter().cloned());
        Ok(split)
    }

    /// Whether a word names something in the working tree.
    fn is_there(&self, word: &std::ffi::OsStr) -> bool {
        let there = |path: &Path| path.symlink_metadata().is_ok();
        let top = || Some(self.repository().ok()?.worktree().ok()?.path.clone());
        match word.as_encoded_bytes().strip_prefix(b":/") {
            Some([]) => true,
            // From the top of the working tree; else it is a search in messages.
            Some(path) => top().is_some_and(|top| there(&top.join(OsStr::from_bytes(path)))),
            None => there(&self.directory.join(word)),
        }
    }

    /// Paths as given by somebody in this directory.
    pub(crate) fn pathspec(&self, given: &[OsString]) -> Result<Pathspec, Error> {
        let here = match self.repository() {
            Ok(repository) => repository.here().clone(),
            Err(_) => RepoPath::root(),
        };
        let given = given.iter().map(|text| self.within(text));
        let given: Vec<Vec<u8>> = given.collect::<Result<_, _>>()?;
        Ok(Pathspec::parse(&here, given.iter().map(Vec::as_slice))?)
    }

    /// One path, taken literally.
    pub(crate) fn path(&self, given: &std::ffi::OsStr) -> Result<RepoPath, Error> {
        let text = [b":(literal)", &self.within(given)?[..]].concat();
        let text = match text.strip_prefix(b":(literal):/") {
            Some(rest) => [b":(top,literal)", rest].concat(),
            None => text,
        };
        let repo = self.repository()?;
        // Errors name what was typed, and not how it was put to be read.
        let typed = || given.to_string_lossy().into_owned();
        let parsed = Pathspec::parse(repo.here(), [&text[..]]).map_err(|error| match error {
            PatternError::Outside(_) => PatternError::Outside(typed()),
            PatternError::Path { source, .. } => PatternError::Path { path: typed(), source },
            other => other,
        })?;
        let path = parsed.plain_paths().and_then(|paths| paths.first().map(|path| (*path).clone()));
        Ok(path.unwrap_or_default())
    }

    /// An absolute path below the working tree, from its top; anything else as it is.
    fn within(&self, given: &OsStr) -> Result<Vec<u8>, Error> {
        let bytes = given.as_encoded_bytes();
        let root = self.repository().ok().and_then(|repository| repository.worktree().ok());
        let Some(root) = root.filter(|_| bytes.starts_with(b"/")) else {
            return Ok(bytes.to_vec());
        };
        // It may lead there through a link; the last part is named itself, link or not.
        let through_links = || {
            let path = Path::new(given);
            let parent = self.disk.canonical(path.parent()?).ok()?;
            Some(parent.join(path.file_name()?).into_os_string())
        };
        let below = |path: &[u8]| {
            let rest = path.strip_prefix(root.path.as_os_str().as_encoded_bytes())?;
            match rest {
                [] => Some(b":/".to_vec()),
                [b'/', rest @ ..] if rest.split(|&byte| byte == b'/').all(|part| part != b"..") => {
                    Some([b":/", rest].concat())
                }
                _ => None,
            }
        };
        below(bytes)
            .or_else(|| below(through_links()?.as_encoded_bytes()))
            .ok_or_else(|| PatternError::Outside(given.to_string_lossy().into_owned()).into())
    }

    /// Rules of what is recorded, as the settings have them.
    pub(crate) fn rules(&self) -> Result<OwnedRules, Error> {
        let config = self.config()?;
        let path = user_settings().map(|path| path.with_file_name("ignore"));
        let user_ignore = path.and_then(|path| read_outside(&path).ok());
        Ok(OwnedRules {
            user_ignore,
            obeys_gitignore: config.flag("record.gitignore")?,
            nested: config.choice("record.nested")?,
            style: match &config.choice("merge.conflictstyle")?[..] {
                "diff3" => Style::Diff3,
                _ => Style::Merge,
            },
        })
    }

    /// Who makes changes: as the environment or the settings say, else login and host.
    pub(crate) fn author(&self) -> Result<Person, Error> {
        self.person("AUTHOR")
    }

    /// Who records them.
    pub(crate) fn committer(&self) -> Result<Person, Error> {
        self.person("COMMITTER")
    }

    fn person(&self, role: &str) -> Result<Person, Error> {
        let config = self.config()?;
        let given = |part: &str| variable(&format!("ANNALS_{role}_{part}"));
        let name = given("NAME").or(config.text("user.name")?).unwrap_or_else(login);
        let email = given("EMAIL")
            .or(config.text("user.email")?)
            .unwrap_or_else(|| format!("{}@{}", login(), host()));
        Ok(Person { name, email })
    }

    /// When the author made the change, if the environment says.
    pub(crate) fn author_time(&self) -> Result<Option<(Time, i16)>, Error> {
        variable("ANNALS_AUTHOR_DATE").map(|text| self.date(&text)).transpose()
    }

    /// A date somebody typed, with the zone it is meant in.
    pub(crate) fn date(&self, text: &str) -> Result<(Time, i16), Error> {
        let clock = &self.env.clock;
        let time = dates::parse_date(text, clock.now(), &**clock)
            .ok_or_else(|| Error::usage(format!("'{text}' is not a date")))?;
        let last = text.rsplit(' ').next().unwrap_or_default();
        Ok((time, zone_of(last).unwrap_or_else(|| clock.zone_minutes(time))))
    }

    /// The signature of the committer, now.
    pub(crate) fn signature(&self) -> Result<Signature, Error> {
        let now = self.env.clock.now();
        Ok(self.committer()?.sign(now.seconds, self.env.clock.zone_minutes(now)))
    }
}

/// Rules of what is recorded.
pub(crate) struct OwnedRules {
    user_ignore: Option<Vec<u8>>,
    obeys_gitignore: bool,
    nested: String,
    style: Style,
}

impl OwnedRules {
    pub(crate) fn rules(&self) -> Rules<'_> {
        Rules {
            user_ignore: self.user_ignore.as_deref(),
            obeys_gitignore: self.obeys_gitignore,
            style: self.style,
            nested: Some(if self.nested == "data" { Nested::Data } else { Nested::Skip }),
        }
    }

    /// Whether repositories within are an error.
    pub(crate) fn refuses_nested(&self) -> bool {
        self.nested == "error"
    }
}

/// The words of a command, told apart.
#[derive(Debug, Default)]
pub(crate) struct Words {
    pub(crate) revisions: Vec<Vec<u8>>,
    pub(crate) paths: Vec<OsString>,
}

/// `+0130` in minutes.
fn zone_of(text: &str) -> Option<i16> {
    let digits = text.strip_prefix(['+', '-'])?;
    let number: i16 = (digits.len() == 4).then(|| digits.parse().ok())??;
    let minutes = number / 100 * 60 + number % 100;
    Some(if text.starts_with('-') { -minutes } else { minutes })
}

/// A variable of the environment, unless it is empty.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// How wide the terminal is, if there is one.
pub(crate) fn columns() -> Option<usize> {
    if let Some(columns) = variable("COLUMNS").and_then(|columns| columns.parse().ok()) {
        return Some(columns);
    }
    let size = rustix::termios::tcgetwinsize(std::io::stderr()).ok()?;
    (size.ws_col > 0).then_some(size.ws_col.into())
}

fn login() -> String {
    let given = ["USER", "LOGNAME", "USERNAME"].into_iter().find_map(variable);
    given.unwrap_or_else(|| format!("user{}", rustix::process::getuid().as_raw()))
}

fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

fn system_settings() -> Option<PathBuf> {
    let given = std::env::var_os("ANNALS_CONFIG_SYSTEM").map(PathBuf::from);
    Some(given.unwrap_or_else(|| PathBuf::from("/etc/annals/config.toml")))
}

fn user_settings() -> Option<PathBuf> {
    use etcetera::BaseStrategy;
    if let Some(given) = std::env::var_os("ANNALS_CONFIG_USER") {
        return Some(PathBuf::from(given));
    }
    let places = etcetera::choose_base_strategy().ok()?;
    Some(places.config_dir().join("annals").join(SETTINGS))
}

/// Reads a file that lies anywhere: settings, a message.
pub(crate) fn read_outside(path: &Path) -> std::io::Result<Vec<u8>> {
    let (dir, name) = outside(path, |disk, folder| disk.open(folder))?;
    annals::disk::read_all(&*dir, &name, LONGEST_OUTSIDE)
}

/// No settings and no message are longer.
const LONGEST_OUTSIDE: u64 = 1 << 30;

/// The directory a file lies in, opened or made, and its name there.
fn outside(
    path: &Path,
    open: impl FnOnce(&OsDisk, &Path) -> std::io::Result<DirRef>,
) -> std::io::Result<(DirRef, Vec<u8>)> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let dir = open(&OsDisk::new(), folder.unwrap_or(Path::new(".")))?;
    let name = path.file_name().ok_or(std::io::ErrorKind::InvalidInput)?;
    Ok((dir, name.as_encoded_bytes().to_vec()))
}

/// The text of a settings file; `None` if it is not there.
pub(crate) fn read_settings(path: &Path) -> Result<Option<String>, Error> {
    let text = read_outside(path).and_then(|bytes| {
        String::from_utf8(bytes).map_err(|_| std::io::ErrorKind::InvalidData.into())
    });
    match text {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::file("read", path, source)),
    }
}

/// Replaces a settings file as one step.
pub(crate) fn write_settings(path: &Path, text: &[u8]) -> Result<(), Error> {
    let unique = Env::system().random.four();
    outside(path, |disk, folder| disk.create(folder))
        .and_then(|(dir, name)| annals::disk::replace(&*dir, &name, unique, text))
        .map_err(|source| Error::file("write", path, source))
}

/// Whether a word can be nothing but a pattern of paths.
fn is_pattern(word: &OsStr) -> bool {
    let bytes = word.as_encoded_bytes();
    bytes.starts_with(b":(") || bytes.starts_with(b":!") || bytes.contains(&b'*')
}
