//! Moments in JSON: seconds for a program, and beside them RFC 3339 for whoever reads them.

use cambist_core::clock::UnixTime;
use serde_json::{Map, Value};

/// The members that are moments, in every command's JSON, wherever they are numbers.
const MOMENTS: [&str; 28] = [
    "absentAt",
    "announcedAt",
    "asOf",
    "askAgain",
    "at",
    "bestAt",
    "decidesAt",
    "expireBy",
    "first",
    "firstIssued",
    "from",
    "goneAt",
    "last",
    "lastExpires",
    "lastIssued",
    "lastModified",
    "lastSigned",
    "next",
    "notAfter",
    "notBefore",
    "now",
    "observedAt",
    "rotateBy",
    "since",
    "to",
    "trustedBy",
    "trustedNotBefore",
    "until",
];

/// Puts beside each moment the same in RFC 3339, its name ending in `Utc`.
pub(super) fn told(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(told),
        Value::Object(members) => {
            members.values_mut().for_each(told);
            let moments = MOMENTS.iter().filter_map(|name| Some((*name, utc(name, members)?)));
            for (name, text) in moments.collect::<Vec<_>>() {
                members.insert(format!("{name}Utc"), text);
            }
        }
        _ => {}
    }
}

/// The text beside a member; a moment that there is not has none there, either.
fn utc(name: &str, members: &Map<String, Value>) -> Option<Value> {
    match members.get(name)? {
        Value::Number(seconds) => Some(UnixTime::from_secs(seconds.as_i64()?).to_string().into()),
        Value::Null => Some(Value::Null),
        _ => None,
    }
}
