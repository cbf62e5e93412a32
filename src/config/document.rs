//! Settings as TOML: finding, setting and removing values, all else untouched.

use toml_edit::{DocumentMut, Item, Table, TableLike, Value};

use super::Error;
use super::keys::{Form, key, parse_flag, split};

pub(super) fn parse(origin: &str, text: &str) -> Result<DocumentMut, Error> {
    text.parse().map_err(|error: toml_edit::TomlError| Error::Syntax {
        origin: origin.to_owned(),
        reason: error.to_string().trim_end().to_owned(),
    })
}

/// The value under a path, as text.
pub(super) fn find(table: &Table, path: &[&str]) -> Option<String> {
    let (last, sections) = path.split_last()?;
    let mut at: &dyn TableLike = table;
    for section in sections {
        at = at.get(section)?.as_table_like()?;
    }
    to_text(at.get(last)?.as_value()?)
}

/// Tells every value with its dotted name, in order.
pub(super) fn each(table: &Table, visit: &mut dyn FnMut(String, String)) {
    fn below(prefix: &str, table: &dyn TableLike, visit: &mut dyn FnMut(String, String)) {
        for (name, item) in table.iter() {
            let name = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
            match item.as_table_like() {
                Some(table) => below(&name, table, visit),
                None => {
                    if let Some(value) = item.as_value().and_then(to_text) {
                        visit(name, value);
                    }
                }
            }
        }
    }
    below("", table, visit);
}

fn to_text(value: &Value) -> Option<String> {
    Some(match value {
        Value::String(text) => text.value().clone(),
        Value::Integer(number) => number.value().to_string(),
        Value::Float(number) => number.value().to_string(),
        Value::Boolean(flag) => flag.value().to_string(),
        Value::Datetime(time) => time.value().to_string(),
        Value::Array(values) => {
            values.iter().filter_map(to_text).collect::<Vec<String>>().join(" ")
        }
        Value::InlineTable(_) => return None,
    })
}

/// The text of a settings file with this key set, which must be one that is known.
pub fn set(text: &str, name: &str, value: &str) -> Result<String, Error> {
    split(name)?;
    if key(name).is_none() {
        return Err(Error::unknown(name));
    }
    put(text, name, value)
}

/// The same whether or not the key is known.
pub(super) fn put(text: &str, name: &str, value: &str) -> Result<String, Error> {
    let path = split(name)?;
    let form = key(name).map_or(Form::Text, |key| key.form);
    form.check(name, value)?;
    let mut document = parse("", text)?;
    let (last, sections) = path.split_last().expect("a name has at least two parts");
    let mut table: &mut dyn TableLike = document.as_table_mut();
    for (depth, section) in sections.iter().enumerate() {
        let item = table.entry(section).or_insert_with(|| {
            let mut table = Table::new();
            // `[branch]` alone says nothing above `[branch.main]`.
            table.set_implicit(depth + 1 < sections.len());
            Item::Table(table)
        });
        table = item.as_table_like_mut().ok_or_else(|| Error::Shape(name.to_owned()))?;
    }
    let mut new = match (form, parse_flag(value), value.parse::<i64>()) {
        (Form::Flag, Some(flag), _) => Value::from(flag),
        (Form::Number(..), _, Ok(number)) => Value::from(number),
        _ => Value::from(value),
    };
    match table.get_mut(last) {
        Some(Item::Value(old)) => {
            *new.decor_mut() = old.decor().clone();
            *old = new;
        }
        Some(item) if !item.is_none() => return Err(Error::Shape(name.to_owned())),
        _ => {
            table.insert(last, Item::Value(new));
        }
    }
    Ok(document.to_string())
}

/// The text of a settings file without this key; `None` if it has none.
pub fn unset(text: &str, name: &str) -> Result<Option<String>, Error> {
    let path = split(name)?;
    let mut document = parse("", text)?;
    let is_gone = remove(document.as_table_mut(), &path);
    Ok(is_gone.then(|| document.to_string()))
}

/// Removes a value, and the sections it leaves empty.
fn remove(table: &mut dyn TableLike, path: &[&str]) -> bool {
    match path {
        [] => false,
        [last] => match table.get(last) {
            Some(Item::Value(_)) => table.remove(last).is_some(),
            _ => false,
        },
        [section, rest @ ..] => {
            let Some(below) = table.get_mut(section).and_then(Item::as_table_like_mut) else {
                return false;
            };
            let is_gone = remove(below, rest);
            if is_gone && below.is_empty() {
                table.remove(section);
            }
            is_gone
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_unknown_keys_survive_a_change() {
        let before = "# mine\n[user]\nname = \"A\" # that is me\nnick = \"a\"\n\n[new]\nx = 1\n";
        let after = set(before, "user.name", "B").unwrap();
        assert_eq!(after, before.replace("\"A\"", "\"B\""));
        assert_eq!(unset(&after, "new.x").unwrap().unwrap(), after.replace("\n[new]\nx = 1\n", ""));
    }

    #[test]
    fn a_flag_is_written_as_one_and_unsetting_twice_says_so() {
        let text = set("", "core.quotepath", "yes").unwrap();
        assert_eq!(text, "[core]\nquotepath = true\n");
        let text = unset(&text, "core.quotepath").unwrap().unwrap();
        assert_eq!(text, "");
        assert_eq!(unset(&text, "core.quotepath").unwrap(), None);
    }

    #[test]
    fn a_name_that_nobody_knows_is_not_set() {
        let similar = Some("user.name".to_owned());
        let unknown = Error::Unknown { name: "user.nmae".to_owned(), similar };
        assert_eq!(set("", "user.nmae", "A"), Err(unknown));
        assert_eq!(put("", "user.nmae", "A").unwrap(), "[user]\nnmae = \"A\"\n");
    }

    #[test]
    fn a_section_is_not_a_value() {
        let text = "[branch]\nmain = \"A\"\n";
        let name = "branch.main.remote";
        assert_eq!(set(text, name, "1"), Err(Error::Shape(name.into())));
        assert!(matches!(set("user =", "user.name", "A"), Err(Error::Syntax { .. })));
    }
}
