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
