//! The JSON Schema of the file, which editors complete by and which [`read`](super::read) holds a file against.

/// The schema: made of the types, and kept equal to them by a test.
pub const SCHEMA: &str = include_str!("../../schema/identities.v1.json");

/// Where it is published: what a file has behind `# yaml-language-server: $schema=`, so that editors complete it.
pub const SCHEMA_URL: &str =
    concat!(env!("CARGO_PKG_REPOSITORY"), "/raw/main/crates/cambist/schema/identities.v1.json");

pub(super) fn value() -> serde_json::Value {
    serde_json::from_str(SCHEMA).expect("it is JSON, and a test says so")
}

#[cfg(test)]
mod tests {
    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

    use super::*;
    use crate::policy_file::{PolicyFile, Version};

    impl JsonSchema for Version {
        fn schema_name() -> std::borrow::Cow<'static, str> {
            "Version".into()
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({ "type": "integer", "const": 1, "description": "The version of the form." })
        }
    }

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "whoever changes the types has the schema written"
    )]
    fn it_is_that_of_the_types() {
        let made = serde_json::to_string_pretty(&schemars::schema_for!(PolicyFile)).unwrap() + "\n";
        if std::env::var_os("CAMBIST_WRITE").is_some() {
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/identities.v1.json");
            std::fs::write(path, &made).unwrap();
        } else {
            assert_eq!(made, SCHEMA, "run this test with CAMBIST_WRITE=1");
        }
        let _ = value();
    }
}
