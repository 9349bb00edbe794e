//! `cambist issuer kid`.

use std::path::Path;

use serde_json::{Value, json};

use crate::cli::Plain;
use crate::cli::issuer::Kid;
use crate::key::{self, PublicKey};
use crate::output;
use crate::world::{COULD_NOT_RUN, Outcome};

pub(super) fn run(args: &Kid) -> Outcome {
    let keys = read(&args.file).and_then(|it| key::read(&it).map_err(|error| error.to_string()));
    match keys {
        Ok(keys) => Outcome::print(match args.output {
            Plain::Table => keys.iter().map(line).collect::<String>(),
            Plain::Json => output::json(&json!({
                "schemaVersion": 1,
                "keys": keys.iter().map(value).collect::<Vec<_>>(),
            })),
        }),
        Err(error) => Outcome::fail(COULD_NOT_RUN, format!("{}: {error}", args.file.display())),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    super::named::content(file)
}

/// The thumbprint alone, fit for `$(...)`; a different `kid` beside it.
fn line(key: &PublicKey) -> String {
    let thumbprint = key.thumbprint.to_string();
    match key.kid.as_deref().filter(|kid| *kid != thumbprint) {
        Some(kid) => format!("{thumbprint}  (published as {})\n", crate::text::plain(kid)),
        None => thumbprint + "\n",
    }
}

fn value(key: &PublicKey) -> Value {
    json!({ "thumbprint": key.thumbprint, "kid": key.kid, "form": key.form })
}
