//! JSON objects without duplicate names.
//!
//! `serde_json` lets the last of two equal names win and other parsers the first; a document that
//! means two things is refused (RFC 8725 has no section on it; RFC 7515 section 4 and RFC 7519
//! section 4 require or allow refusal for headers and claims).

use std::cell::Cell;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_json::{Map, Value};

use crate::foreign::Foreign;

/// Why bytes are not the JSON that they should be. It says where, never what a parser said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// There is nothing but white space.
    #[error("empty, not JSON")]
    Empty,
    /// It ends before it is whole.
    #[error("cut off: its JSON ends at line {line}, column {column}, before it is whole")]
    CutOff {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// It is not JSON, or is nested deeper than 128 times.
    #[error("not JSON: what stands at line {line}, column {column} may not stand there")]
    Syntax {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// It is JSON of another form than what is read here.
    #[error("of another form than expected, at line {line}, column {column}")]
    Form {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// An object that means two things.
    #[error("not acceptable JSON: the name {0} stands twice in one object")]
    NameTwice(Foreign),
    /// JSON of another kind.
    #[error("expected to be a JSON object, but is {0}")]
    NotAnObject(&'static str),
}

impl From<&serde_json::Error> for JsonError {
    /// What kind of trouble a parser had, and where.
    fn from(error: &serde_json::Error) -> Self {
        let (line, column) = (error.line(), error.column());
        match error.classify() {
            Category::Eof if (line, column) == (1, 0) => Self::Empty,
            Category::Eof => Self::CutOff { line, column },
            Category::Data => Self::Form { line, column },
            Category::Syntax | Category::Io => Self::Syntax { line, column },
        }
    }
}

impl From<serde_json::Error> for JsonError {
    fn from(error: serde_json::Error) -> Self {
        Self::from(&error)
    }
}

/// What stands where something else must.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Found {
    /// Nothing.
    Nothing,
    /// A text.
    Text(Foreign),
    /// A number.
    Number(Foreign),
    /// Something else, of this kind.
    Kind(&'static str),
}

impl Found {
    /// A text as it is; of anything else, the kind alone.
    pub fn of(value: Option<&Value>) -> Self {
        match value {
            None => Self::Nothing,
            Some(Value::String(text)) => Self::Text(Foreign::new(text)),
            Some(other) => Self::Kind(kind(other)),
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::Text(text) => text.fmt(f),
            Self::Number(number) => f.write_str(number.as_str()),
            Self::Kind(kind) => f.write_str(kind),
        }
    }
}

/// Parses one JSON object in which no object, at any depth, says a name twice.
///
/// # Errors
/// If the bytes are anything else.
pub fn object(bytes: &[u8]) -> Result<Map<String, Value>, JsonError> {
    if bytes.trim_ascii().is_empty() {
        return Err(JsonError::Empty);
    }
    // The parser's error has only room for words, and words are not what is wanted of it.
    let twice = Cell::new(None);
    let mut parser = serde_json::Deserializer::from_slice(bytes);
    let parsed = StrictVisitor(&twice).deserialize(&mut parser);
    match parsed.and_then(|value| parser.end().map(|()| value)) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(other) => Err(JsonError::NotAnObject(kind(&other))),
        Err(error) => Err(twice.take().map_or_else(|| (&error).into(), JsonError::NameTwice)),
    }
}

/// Reads a struct from a JSON object and from nothing else: to serde alone, an array of the members in
/// their order is such a struct as well.
///
/// Only the outermost value is looked at so, and a name that no member has may stand twice; what must
/// not mean two things anywhere is read by [`object`].
///
/// ```
/// use cambist_core::JsonError;
/// use cambist_core::json::read;
///
/// #[derive(serde::Deserialize)]
/// struct Answer {
///     token: String,
/// }
///
/// assert_eq!(read::<Answer>(br#"{"token":"t"}"#)?.token, "t");
/// let array = read::<Answer>(br#"["t"]"#).err();
/// assert_eq!(array, Some(JsonError::NotAnObject("an array")));
/// # Ok::<(), JsonError>(())
/// ```
///
/// # Errors
/// If it is something else, or of another form than the struct's ([`JsonError::Form`]).
pub fn read<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, JsonError> {
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        // Says what it is instead, which is never an object.
        object(bytes)?;
    }
    Ok(serde_json::from_slice(bytes)?)
}

/// The name of a JSON value's kind, for messages that must not repeat the value.
pub fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// Tells the name that stands twice to whoever asked.
#[derive(Clone, Copy)]
struct StrictVisitor<'t>(&'t Cell<Option<Foreign>>);

impl<'de> DeserializeSeed<'de> for StrictVisitor<'_> {
    type Value = Value;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for StrictVisitor<'_> {
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
        while let Some(item) = seq.next_element_seed(self)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut out = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            if out.contains_key(&name) {
                self.0.set(Some(Foreign::new(&name)));
                return Err(de::Error::custom("a name stands twice"));
            }
            let value = map.next_value_seed(self)?;
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
        for bad in ["{} x", "\u{feff}{}", "{\"a\":NaN}", deep.as_str(), "\"\\ud800\""] {
            assert!(matches!(object(bad.as_bytes()), Err(JsonError::Syntax { .. })), "{bad:.20}");
        }
        assert!(matches!(object(&[0xff, 0xfe, b'{', 0]), Err(JsonError::Syntax { .. })));
        assert_eq!(object(b"{\n \"a\": "), Err(JsonError::CutOff { line: 2, column: 6 }));
        assert_eq!(object(b" \n"), Err(JsonError::Empty));
        let names = format!("{{\"{0}\":1,\"{0}\":2}}", "x".repeat(100_000));
        assert!(object(names.as_bytes()).unwrap_err().to_string().len() < 300);
        assert_eq!(object(b"[]"), Err(JsonError::NotAnObject("an array")));
    }

    #[test]
    fn a_struct_is_an_object_and_nothing_else() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct One {
            a: u8,
        }
        assert_eq!(read::<One>(b" {\"a\":1,\"b\":[]}\n"), Ok(One { a: 1 }));
        for (bad, error) in [
            ("[1]", JsonError::NotAnObject("an array")),
            (" \t[1]", JsonError::NotAnObject("an array")),
            ("1", JsonError::NotAnObject("a number")),
            ("null", JsonError::NotAnObject("null")),
            ("", JsonError::Empty),
            (" \n", JsonError::Empty),
            ("<a>", JsonError::Syntax { line: 1, column: 1 }),
            ("{\"a\":1", JsonError::CutOff { line: 1, column: 6 }),
            ("{\"a\":[]}", JsonError::Form { line: 1, column: 5 }),
            ("{\"a\":1,\"a\":1}", JsonError::Form { line: 1, column: 10 }),
            ("{\"a\":1}]", JsonError::Syntax { line: 1, column: 8 }),
        ] {
            assert_eq!(read::<One>(bad.as_bytes()), Err(error), "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn agrees_with_serde_json_where_no_name_is_twice(text in r#"\{("[a-c]":(1|"x"|\[\]),){0,1}"z":null\}"#) {
            let lenient: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(Value::Object(object(text.as_bytes()).unwrap()), lenient);
        }
    }
}
