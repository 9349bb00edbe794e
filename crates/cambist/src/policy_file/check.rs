//! A document held against a JSON Schema, as much of one as types like ours make: all that is wrong, with its place.

use std::fmt;

use cambist_core::foreign::Foreign;
use serde_json::Value;
use serde_saphyr::Location;

use super::tree::{Node, What, place};

/// Most faults that are told at once.
const MOST: usize = 100;

/// One thing that is wrong in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileFault {
    /// The line, from 1 on; 0 if it is of the file as a whole.
    pub line: u64,
    /// The column, from 1 on.
    pub column: u64,
    /// Where that is in the file, such as `callers[0].may`.
    pub path: String,
    /// What was found and what was expected there.
    pub problem: String,
}

/// All that is wrong in a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct FileErrors(Vec<FileFault>);

impl FileErrors {
    pub(super) fn of_yaml(error: &serde_saphyr::Error) -> Self {
        let at = error.location();
        let words = error.to_string();
        let first = words.lines().next().unwrap_or_default();
        let first = first.strip_prefix("error: ").unwrap_or(first);
        // The place is told by ourselves.
        let first = match first.split_once(": ") {
            Some((place, rest)) if place.starts_with("line ") => rest,
            _ => first,
        };
        // What the library's words are for programmers of.
        let first = match first {
            _ if first.contains("duplicate mapping key") => {
                let key = first.split(&[':', ','][..]).nth(1).unwrap_or_default();
                format!("the key{key} is there twice")
            }
            _ if first.contains("multiple YAML documents") => {
                "there is more than one document; take all but one away".to_owned()
            }
            _ if first.contains("scanning an anchor or alias") => {
                "a * or & begins an alias or an anchor; to allow everything, write it in quotes: \"*\"".to_owned()
            }
            _ => format!("it is no YAML that can be read: {}", Foreign::new(first)),
        };
        let fault = FileFault {
            line: at.map_or(0, |at| at.line()),
            column: at.map_or(0, |at| at.column()),
            path: String::new(),
            problem: first,
        };
        Self(vec![fault])
    }

    /// These faults, if there are any.
    pub(super) fn of(faults: Vec<FileFault>) -> Result<(), Self> {
        if faults.is_empty() { Ok(()) } else { Err(Self(faults)) }
    }

    /// As many of them as anybody would read.
    pub(super) fn cut(mut self) -> Self {
        let more = self.0.len().saturating_sub(MOST);
        self.0.truncate(MOST);
        if let (Some(last), 1..) = (self.0.last_mut(), more) {
            last.problem += &format!(" (and {more} more faults in this file)");
        }
        self
    }

    /// The same, each with its line and column in this document, and in its order.
    pub(super) fn placed(mut self, document: &Node) -> Self {
        for fault in &mut self.0 {
            let at = place(document, &fault.path);
            (fault.line, fault.column) = (at.line(), at.column());
        }
        self.0.sort_by_key(|fault| (fault.line, fault.column));
        self
    }

    /// What is wrong, in the order of the file.
    pub fn faults(&self) -> &[FileFault] {
        &self.0
    }
}

impl FileFault {
    /// Of a part of the file whose line is found later.
    pub(super) fn new(path: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { line: 0, column: 0, path: path.into(), problem: problem.into() }
    }
}

impl fmt::Display for FileErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, fault) in self.0.iter().enumerate() {
            let end = if n == 0 { "" } else { "\n" };
            write!(f, "{end}{fault}")?;
        }
        Ok(())
    }
}

impl fmt::Display for FileFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}, column {}: ", self.line, self.column)?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.problem)
    }
}

/// Holds a document against a schema.
pub(super) fn against(schema: &Value, document: &Node) -> Result<(), FileErrors> {
    let mut check = Check { root: schema, faults: Vec::new() };
    check.node(schema, document, "");
    FileErrors::of(check.faults)
}

struct Check<'s> {
    root: &'s Value,
    faults: Vec<FileFault>,
}

impl<'s> Check<'s> {
    fn fault(&mut self, at: &Location, path: &str, problem: String) {
        let (line, column) = (at.line(), at.column());
        self.faults.push(FileFault { line, column, path: path.to_owned(), problem });
    }

    /// The schema itself, behind its references.
    fn behind(&self, schema: &'s Value) -> &'s Value {
        let name = schema["$ref"].as_str().and_then(|it| it.strip_prefix("#/$defs/"));
        name.map_or(schema, |name| self.behind(&self.root["$defs"][name]))
    }

    fn node(&mut self, schema: &'s Value, node: &Node, path: &str) {
        let schema = self.behind(schema);
        if node.value == What::Null {
            // It may be left out, and a template that failed is not that.
            let problem = "it has no value: write one, or take the key away";
            return self.fault(&node.referenced, path, problem.to_owned());
        }
        let wanted = schema["type"].as_str().unwrap_or_default();
        if let Some(words) = words(schema) {
            let found = match &node.value {
                What::Text(text) if words.contains(&text.as_str()) => return,
                What::Text(text) => Foreign::new(text).to_string(),
                other => other.kind().to_owned(),
            };
            let near = match &node.value {
                What::Text(text) => near(text, &words),
                _ => String::new(),
            };
            let problem = format!("{found} is none of {}{near}", words.join(", "));
            return self.fault(&node.referenced, path, problem);
        }
        match &node.value {
            What::Map(entries) if wanted == "object" => self.map(schema, node, entries, path),
            What::List(items) if wanted == "array" => {
                for (n, item) in items.iter().enumerate() {
                    self.node(&schema["items"], item, &format!("{path}[{n}]"));
                }
            }
            What::Text(_) if wanted == "string" => {}
            What::Bool(_) if wanted == "boolean" => {}
            What::Integer(number) if wanted == "integer" => {
                if schema["const"].as_i64().is_some_and(|only| i128::from(only) != *number) {
                    self.fault(
                        &node.referenced,
                        path,
                        format!("{number} is not {}", schema["const"]),
                    );
                }
            }
            other => {
                let hint = match (other, wanted) {
                    (What::Text(text), "boolean")
                        if matches!(text.as_str(), "yes" | "no" | "on" | "off") =>
                    {
                        "; write true or false"
                    }
                    (What::Integer(_) | What::Float(_) | What::Bool(_), "string") => {
                        "; put it in quotes"
                    }
                    _ => "",
                };
                let problem = format!(
                    "{} is there, and {} is expected{hint}",
                    other.kind(),
                    in_words(wanted)
                );
                self.fault(&node.referenced, path, problem);
            }
        }
    }

    fn map(
        &mut self,
        schema: &'s Value,
        node: &Node,
        entries: &[(serde_saphyr::Spanned<String>, Node)],
        path: &str,
    ) {
        let Some(properties) = schema["properties"].as_object() else { return };
        let names: Vec<_> = properties.keys().map(String::as_str).collect();
        for (key, value) in entries {
            let below =
                if path.is_empty() { key.value.clone() } else { format!("{path}.{}", key.value) };
            match properties.get(&key.value) {
                Some(schema) => self.node(schema, value, &below),
                None => {
                    let near = near(&key.value, &names);
                    let problem = format!(
                        "there is no {} here{near}; there are {}",
                        Foreign::new(&key.value),
                        names.join(", ")
                    );
                    self.fault(&key.referenced, path, problem);
                }
            }
        }
        let required =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        for name in required {
            if !entries.iter().any(|(key, _)| key.value == name) {
                self.fault(&node.referenced, path, format!("{name} is missing"));
            }
        }
    }
}

/// The words that a schema of an enumeration takes.
fn words(schema: &Value) -> Option<Vec<&str>> {
    // With a description for each of them.
    schema["oneOf"].as_array()?.iter().map(|one| one["const"].as_str()).collect()
}

fn in_words(kind: &str) -> &'static str {
    match kind {
        "object" => "a map of names and values",
        "array" => "a list",
        "string" => "a text",
        "boolean" => "true or false",
        "integer" => "a whole number",
        _ => "a number",
    }
}

/// The word that comes nearest to what was written, if any comes near.
pub(super) fn near(found: &str, words: &[&str]) -> String {
    // As long as nobody's name is: the work grows with both lengths.
    let found: String = found.chars().take(64).collect::<String>().to_ascii_lowercase();
    let near = words.iter().map(|word| (strsim::osa_distance(&found, word), word)).min();
    match near {
        Some((distance, word)) if distance <= 1 + word.len() / 4 => {
            format!(" (did you mean {word}?)")
        }
        _ => String::new(),
    }
}
