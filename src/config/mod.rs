//! Settings: what can be set, where it was set, and what holds.
//!
//! Settings are TOML, edited by people, so comments and order survive a change. There are four
//! levels, each over the one before: system, user, repository, command line. The library is given
//! texts; reading files outside a repository is the program's business. A key nobody knows is not
//! set; where one stands it is kept and listed, so an older program never loses what a newer one
//! has set.

mod document;
mod error;
mod keys;

use toml_edit::DocumentMut;

pub use document::{set, unset};
pub use error::Error;
pub use keys::{Form, KEYS, Key, key, similar};

/// Where a setting comes from, the weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For everybody on this machine.
    System,
    /// For this person.
    User,
    /// For this repository.
    Repository,
    /// For this command.
    CommandLine,
}

impl Level {
    /// Its name in lists.
    pub fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Repository => "repository",
            Self::CommandLine => "command line",
        }
    }
}

/// One setting, and where it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its dotted name.
    pub name: String,
    /// Its value, as text.
    pub value: String,
    /// On which level.
    pub level: Level,
    /// In which file, or `command line`.
    pub origin: String,
}

/// Settings of all levels.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Sorted by level; of one level, later ones are stronger.
    layers: Vec<Layer>,
}

#[derive(Clone, Debug)]
struct Layer {
    level: Level,
    origin: String,
    document: DocumentMut,
}

impl Config {
    /// No settings: every key has its default.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the text of a settings file.
    pub fn add(&mut self, level: Level, origin: &str, text: &str) -> Result<(), Error> {
        let document = document::parse(origin, text)?;
        self.insert(Layer { level, origin: origin.to_owned(), document });
        Ok(())
    }

    /// Takes `KEY=VALUE`, or `KEY` for `KEY=true`, as given on a command line.
    pub fn add_assignment(&mut self, text: &str) -> Result<(), Error> {
        let (name, value) = text.split_once('=').unwrap_or((text, "true"));
        let document = document::parse("", &document::put("", name, value)?)?;
        let origin = Level::CommandLine.name().to_owned();
        self.insert(Layer { level: Level::CommandLine, origin, document });
        Ok(())
    }

    fn insert(&mut self, layer: Layer) {
        let at = self.layers.partition_point(|other| other.level <= layer.level);
        self.layers.insert(at, layer);
    }

    /// The strongest setting of this name; `None` if it is not set anywhere.
    pub fn get(&self, name: &str) -> Result<Option<Setting>, Error> {
        let path = keys::split(name)?;
        Ok(self.layers.iter().rev().find_map(|layer| {
            let value = document::find(layer.document.as_table(), &path)?;
            Some(Setting {
                name: name.to_owned(),
                value,
                level: layer.level,
                origin: layer.origin.clone(),
            })
        }))
    }

    /// The value of this name, or the default of its key; `None` if it has neither.
    pub fn text(&self, name: &str) -> Result<Option<String>, Error> {
        if let Some(setting) = self.get(name)? {
            return Ok(Some(setting.value));
        }
        Ok(key(name).and_then(|key| key.default).map(str::to_owned))
    }

    /// The value of a key that is on or off.
    pub fn flag(&self, name: &str) -> Result<bool, Error> {
        let Some(value) = self.text(name)? else { return Ok(false) };
        keys::parse_flag(&value).ok_or_else(|| Error::Value {
            name: name.to_owned(),
            value,
            wanted: "true or false".to_owned(),
        })
    }

    /// The value of a key that is a whole number; `None` if it has none.
    pub fn number(&self, name: &str) -> Result<Option<i64>, Error> {
        Ok(self.choice(name)?.parse().ok())
    }

    /// The value of a key that is one of a few words, or has another form.
    pub fn choice(&self, name: &str) -> Result<String, Error> {
        let value = self.text(name)?.unwrap_or_default();
        match key(name) {
            Some(key) => key.form.check(name, &value).map(|()| value),
            None => Ok(value),
        }
    }

    /// Every setting of every level, the weakest level first, in the order of the files.
    pub fn list(&self) -> Vec<Setting> {
        let mut settings = Vec::new();
        for layer in &self.layers {
            document::each(layer.document.as_table(), &mut |name, value| {
                settings.push(Setting {
                    name,
                    value,
                    level: layer.level,
                    origin: layer.origin.clone(),
                });
            });
        }
        settings
    }

    /// The settings that nobody knows.
    pub fn unknown(&self) -> Vec<Setting> {
        let mut settings = self.list();
        settings.retain(|setting| key(&setting.name).is_none());
        settings
    }

    /// What an alias stands for.
    pub fn alias(&self, name: &str) -> Result<Option<String>, Error> {
        Ok(self.get(&format!("alias.{name}"))?.map(|setting| setting.value))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_stronger_level_wins_whatever_the_order_they_came_in() {
        let mut config = Config::new();
        config.add_assignment("user.name=Line").unwrap();
        config.add(Level::Repository, "repo", "[user]\nname = \"Repo\"\n").unwrap();
        config.add(Level::User, "user", "[user]\nname = \"User\"\nemail = \"u@x\"\n").unwrap();
        assert_eq!(config.text("user.name").unwrap().unwrap(), "Line");
        assert_eq!(config.get("user.email").unwrap().unwrap().origin, "user");
        let levels: Vec<Level> = config.list().iter().map(|setting| setting.level).collect();
        assert_eq!(levels, [Level::User, Level::User, Level::Repository, Level::CommandLine]);
    }

    #[test]
    fn a_key_without_a_setting_has_its_default() {
        let config = Config::new();
        assert_eq!(config.choice("record.times").unwrap(), "changed");
        assert!(!config.flag("core.quotepath").unwrap());
        assert_eq!(config.number("pack.compression").unwrap(), Some(2));
        assert_eq!(config.text("user.name").unwrap(), None);
    }

    #[test]
    fn a_value_that_does_not_fit_its_key_names_both() {
        let mut config = Config::new();
        config.add(Level::User, "user", "[core]\nquotepath = 3\n").unwrap();
        let error = config.flag("core.quotepath").unwrap_err().to_string();
        assert_eq!(error, "'core.quotepath' cannot be '3': it is true or false");
        assert!(config.add_assignment("record.times=sometimes").is_err());
    }

    #[test]
    fn what_nobody_knows_is_named_with_where_it_stands_and_is_no_error() {
        let mut config = Config::new();
        let text = "odd = 1\n[user]\nname = \"A\"\nnick = \"a\"\n[alias]\nst = \"status\"\n";
        config.add(Level::User, "user", text).unwrap();
        config.add_assignment("user.nmae=B").unwrap();
        let unknown = config.unknown();
        let found: Vec<_> = unknown.iter().map(|one| (&one.name[..], &one.origin[..])).collect();
        assert_eq!(found, [("odd", "user"), ("user.nick", "user"), ("user.nmae", "command line")]);
    }

    #[test]
    fn a_branch_may_have_dots_and_slashes_in_its_name() {
        let text = set("", "branch.release/1.0.remote", "origin").unwrap();
        assert_eq!(text, "[branch.\"release/1.0\"]\nremote = \"origin\"\n");
        let mut config = Config::new();
        config.add(Level::Repository, "r", &text).unwrap();
        assert_eq!(config.text("branch.release/1.0.remote").unwrap().unwrap(), "origin");
        assert_eq!(config.list()[0].name, "branch.release/1.0.remote");
    }
}
