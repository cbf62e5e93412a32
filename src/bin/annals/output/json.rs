//! JSON: one object on a line; fields are only ever added.
//!
//! Names and messages that are not UTF-8 are given as `{"bytes": "hex"}`.

use annals::clock::Time;
use annals::diff::renames::{Difference, How};
use annals::hash::Id;
use annals::object::{Entry, Signature, What};
use serde_json::{Value, json};

/// Text, or the digits of bytes that are none.
pub(crate) fn text_json(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => json!({ "bytes": annals::hash::hex(bytes) }),
    }
}

pub(crate) fn id_json(id: &Id) -> Value {
    id.to_string().into()
}

pub(crate) fn time_json(time: Option<Time>) -> Value {
    time.map_or(Value::Null, |time| time.to_string().into())
}

pub(crate) fn person_json(signature: &Signature) -> Value {
    json!({
        "name": text_json(&signature.name),
        "email": text_json(&signature.email),
        "seconds": signature.seconds,
        "zone_minutes": signature.zone_minutes,
    })
}

pub(crate) fn entry_json(entry: &Entry) -> Value {
    let (kind, content) = match &entry.what {
        What::File { content, .. } => ("file", Some(content)),
        What::Symlink { target, .. } => ("symlink", Some(target)),
        What::Directory { tree, .. } => ("directory", Some(tree)),
        What::Special => ("special", None),
        What::Conflict { .. } => ("conflict", None),
        What::Gitlink { .. } => ("gitlink", None),
    };
    json!({
        "kind": kind,
        "mode": format!("{:04o}", entry.mode),
        "size": entry.size(),
        "mtime": time_json(entry.mtime),
        "content": content.map_or(Value::Null, id_json),
    })
}

/// A change; of a rename or copy also where it was and how similar both are, in percent.
pub(crate) fn change_json(difference: &Difference) -> Value {
    let (change, origin) = (&difference.change, difference.origin.as_ref());
    json!({
        "status": difference.letter().to_string(),
        "path": text_json(change.path.as_bytes()),
        "from": origin.map_or(Value::Null, |origin| text_json(origin.path.as_bytes())),
        "score": origin.filter(|origin| origin.how != How::Named).map(|origin| f64::from(origin.score) / 100.0),
        "old": change.old.as_ref().map_or(Value::Null, entry_json),
        "new": change.new.as_ref().map_or(Value::Null, entry_json),
    })
}
