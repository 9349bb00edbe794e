//! JSON objects without duplicate names.
//!
//! `serde_json` lets the last of two equal names win and other parsers the first; a document that
//! means two things is refused (RFC 8725 has no section on it; RFC 7515 section 4 and RFC 7519
//! section 4 require or allow refusal for headers and claims).

use std::fmt;

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Why bytes are not one JSON object with distinct names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// Not JSON, or JSON that says a name twice; the parser's words, which repeat no value.
    #[error("not acceptable JSON: {0}")]
    Syntax(String),
    /// JSON of another kind.
    #[error("expected a JSON object, found {0}")]
    NotAnObject(&'static str),
}

/// Parses one JSON object in which no object, at any depth, says a name twice.
pub(crate) fn object(bytes: &[u8]) -> Result<Map<String, Value>, JsonError> {
    match serde_json::from_slice::<Strict>(bytes) {
        Ok(Strict(Value::Object(map))) => Ok(map),
        Ok(Strict(other)) => Err(JsonError::NotAnObject(kind(&other))),
        Err(e) => Err(JsonError::Syntax(e.to_string())),
    }
}

/// The name of a JSON value's kind, for messages that must not repeat the value.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Strict)
    }
}

struct StrictVisitor;

impl<'de> DeserializeSeed<'de> for StrictVisitor {
    type Value = Value;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_string<E>(self, v: String) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(StrictVisitor)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut out = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            if out.contains_key(&name) {
                return Err(de::Error::custom(format_args!(
                    "the name {} stands twice in one object",
                    crate::text::quoted(&name)
                )));
            }
            let value = map.next_value_seed(StrictVisitor)?;
            out.insert(name, value);
        }
        Ok(Value::Object(out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicates_are_refused_at_any_depth() {
        assert!(object(br#"{"a":1,"b":{"a":2}}"#).is_ok());
        for bad in [r#"{"a":1,"a":1}"#, r#"{"k":[{"b":{"x":1,"x":2}}]}"#, r#"{"a":1,"\u0061":2}"#] {
            let text = object(bad.as_bytes()).unwrap_err().to_string();
            assert!(text.contains("stands twice"), "{text}");
        }
    }

    #[test]
    fn junk_is_refused_with_words() {
        let deep = "[".repeat(10_000);
        for bad in ["", "{", "{} x", "\u{feff}{}", "{\"a\":NaN}", deep.as_str(), "\"\\ud800\""] {
            assert!(matches!(object(bad.as_bytes()), Err(JsonError::Syntax(_))), "{bad:.20}");
        }
        assert!(matches!(object(&[0xff, 0xfe, b'{', 0]), Err(JsonError::Syntax(_))));
        assert_eq!(object(b"[]"), Err(JsonError::NotAnObject("an array")));
    }

    proptest::proptest! {
        #[test]
        fn agrees_with_serde_json_where_no_name_is_twice(text in r#"\{("[a-c]":(1|"x"|\[\]),){0,1}"z":null\}"#) {
            let lenient: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(Value::Object(object(text.as_bytes()).unwrap()), lenient);
        }
    }
}
