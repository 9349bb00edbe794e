//! `cambist schema`: the JSON Schemas of what is read and printed.

use clap::ValueEnum as _;

use crate::cli::Schema;
use crate::world::Outcome;

pub(super) fn run(schema: Option<Schema>) -> Outcome {
    Outcome::print(schema.map_or_else(list, |schema| text(schema).to_owned()))
}

/// The file itself, which is in the repository.
fn text(schema: Schema) -> &'static str {
    match schema {
        Schema::Identities => cambist::policy_file::SCHEMA,
        Schema::Doctor => include_str!("../../schema/doctor.v1.json"),
        Schema::IssuerCheck => include_str!("../../schema/issuer-check.v1.json"),
    }
}

/// A line for each.
fn list() -> String {
    let schemas = Schema::value_variants().iter().filter_map(Schema::to_possible_value);
    schemas.fold(String::new(), |list, schema| {
        let help = schema.get_help().map(ToString::to_string).unwrap_or_default();
        format!("{list}{:<14}{help}\n", schema.get_name())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_says_what_it_is_of_and_where_it_is_published() {
        for schema in Schema::value_variants() {
            let text = text(*schema);
            let json: serde_json::Value = serde_json::from_str(text).unwrap();
            let id = json["$id"].as_str().unwrap_or_else(|| panic!("{schema:?} has no $id"));
            let path = id.strip_prefix(concat!(env!("CARGO_PKG_REPOSITORY"), "/raw/main/"));
            let path = format!("{}/../../{}", env!("CARGO_MANIFEST_DIR"), path.unwrap());
            assert_eq!(std::fs::read_to_string(path).unwrap(), text, "{id}");
            let title = json["title"].as_str().unwrap();
            assert!(title.contains("cambist") && title.contains(' '), "{schema:?}: {title}");
        }
    }
}
