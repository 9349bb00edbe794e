//! A YAML document with the place of each of its parts.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

use super::check::FileErrors;

/// One part of a document.
pub(super) type Node = Spanned<What>;

/// What it is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum What {
    Null,
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Spanned<String>, Node)>),
}

/// Reads a document.
pub(super) fn read(text: &str) -> Result<Node, FileErrors> {
    serde_saphyr::from_str(text).map_err(|error| FileErrors::of_yaml(&error))
}

/// The place of the part that a path such as `callers[0].may` leads to, or of what it leads to as far as it goes.
pub(super) fn place(document: &Node, path: &str) -> Location {
    let mut node = document;
    for step in path.split(['.', '[']).filter(|step| !step.is_empty()) {
        let next = match &node.value {
            What::Map(entries) => {
                entries.iter().find(|(key, _)| key.value == step).map(|(_, value)| value)
            }
            What::List(items) => {
                step.trim_end_matches(']').parse::<usize>().ok().and_then(|at| items.get(at))
            }
            _ => None,
        };
        let Some(next) = next else { break };
        node = next;
    }
    node.referenced
}

impl What {
    /// In a word, for people.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "true or false",
            Self::Integer(_) => "a whole number",
            Self::Float(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map of names and values",
        }
    }
}

impl<'de> Deserialize<'de> for What {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = What;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<What, E> {
        Ok(What::Null)
    }

    fn visit_none<E>(self) -> Result<What, E> {
        Ok(What::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<What, E> {
        Ok(What::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<What, E> {
        Ok(What::Integer(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<What, E> {
        Ok(What::Integer(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<What, E> {
        Ok(What::Float(value))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<What, E> {
        Ok(What::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<What, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(What::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<What, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(What::Map(map))
    }
}
