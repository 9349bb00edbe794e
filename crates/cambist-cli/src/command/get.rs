//! `cambist token get`: asks the endpoint beside an app, as an SDK would.

use cambist_core::secret::Secret;
use serde_json::{Value, json};

use crate::cli::{Get, Plain};
use crate::output::json as document;
use crate::text;
use crate::token::endpoint::{Answer, Endpoint, GetError};
use crate::token::{Inspected, surroundings};
use crate::world::{COULD_NOT_RUN, Outcome, USAGE, World};

/// It was refused.
const REFUSED: u8 = 1;

pub(crate) async fn run(args: &Get, world: &mut World<'_>) -> Outcome {
    let endpoint = match Endpoint::of(world.env) {
        Ok(endpoint) => endpoint,
        Err(error) => return Outcome::fail(USAGE, error),
    };
    let warnings = surroundings::warnings(world.env, endpoint.host());
    let told: String = warnings.iter().map(|it| format!("warning: {it}\n")).collect();
    let client_id = args.client_id.clone().or_else(|| world.env.get("AZURE_CLIENT_ID"));
    let answer = endpoint.ask(&args.resource, client_id.as_deref()).await;
    let mut outcome = match answer {
        Ok(Answer::Token(token)) => show(args, world, &token, &warnings),
        Ok(Answer::Refused { status, message }) => {
            let message = text::message(&endpoint.blotted(&message));
            Outcome::fail(REFUSED, format!("{status}: {message}"))
        }
        Err(error @ GetError::Request(_)) => Outcome::fail(USAGE, error),
        Err(error) => Outcome::fail(COULD_NOT_RUN, error),
    };
    outcome.err.insert_str(0, &told);
    outcome
}

fn show(args: &Get, world: &World<'_>, token: &Secret, warnings: &[String]) -> Outcome {
    if args.print {
        return Outcome::print(format!("{}\n", token.expose()));
    }
    match Inspected::of_access(token.expose(), world.clock(args.now).wall()) {
        Ok(inspected) => Outcome::print(match args.output {
            Plain::Table => inspected.access_table(),
            Plain::Json => {
                let mut shown = inspected.json();
                shown["surroundings"] = json!(warnings);
                document(&shown)
            }
        }),
        // Azure says that tokens are opaque: one that cannot be looked into is a token all the same.
        Err(_) => Outcome::print(match args.output {
            Plain::Table => "there is a token; its claims cannot be read\n".to_owned(),
            Plain::Json => document(
                &json!({"schemaVersion": 1, "claims": Value::Null, "surroundings": warnings}),
            ),
        }),
    }
}
