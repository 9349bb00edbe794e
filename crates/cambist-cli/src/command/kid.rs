//! `cambist issuer kid`.

use std::io::Read as _;
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
    let limit = u64::try_from(key::MAX_KEY_FILE + 1).unwrap_or(u64::MAX);
    let mut content = Vec::new();
    let file = std::fs::File::open(path);
    let read = file.and_then(|file| file.take(limit).read_to_end(&mut content));
    read.map_err(|error| error.to_string())?;
    if content.len() > key::MAX_KEY_FILE {
        return Err(format!("is larger than the {} bytes that are read", key::MAX_KEY_FILE));
    }
    Ok(content)
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
