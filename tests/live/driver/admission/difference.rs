//! What one object has and another has not, a line for each thing.

use std::collections::BTreeSet;

use serde_json::Value;

/// What is called by a name and is no longer than this stands in one line.
const SHORT: usize = 160;

/// The lines of `after` that `before` has not, with a `+`, and the other way round, with a `-`.
pub(super) fn difference(before: &Value, after: &Value) -> Vec<String> {
    let (before, after) = (lines(before), lines(after));
    let gone: BTreeSet<_> = before.iter().collect();
    let come: BTreeSet<_> = after.iter().collect();
    let minus = before.iter().filter(|line| !come.contains(line)).map(|line| format!("- {line}"));
    let plus = after.iter().filter(|line| !gone.contains(line)).map(|line| format!("+ {line}"));
    minus.chain(plus).collect()
}

/// Every value with its path. What is in a list is called by its name, and the order of the names has a
/// line of its own.
fn lines(object: &Value) -> Vec<String> {
    let mut out = Vec::new();
    walk("", object, &mut out);
    out
}

fn walk(path: &str, value: &Value, out: &mut Vec<String>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                let dot = if path.is_empty() { "" } else { "." };
                walk(&format!("{path}{dot}{key}"), value, out);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            let names: Vec<_> = items.iter().filter_map(|item| item["name"].as_str()).collect();
            let different: BTreeSet<_> = names.iter().collect();
            if different.len() == items.len() {
                out.push(format!("{path} = {}", names.join(", ")));
                for (name, item) in names.iter().zip(items) {
                    let (path, text) = (format!("{path}[{name}]"), item.to_string());
                    if text.len() <= SHORT {
                        out.push(format!("{path} = {text}"))
                    } else {
                        walk(&path, item, out)
                    }
                }
            } else {
                for (number, item) in items.iter().enumerate() {
                    walk(&format!("{path}[{number}]"), item, out);
                }
            }
        }
        value => out.push(format!("{path} = {value}")),
    }
}
