//! The conformance driver's client for Rust: `azure_identity` used as an app would use it.
//!
//! One JSON request a line on standard input, one answer a line on standard output.

use std::collections::HashMap;
use std::error::Error;
use std::io::{self, Write};
use std::iter;
use std::sync::Arc;

use azure_core::credentials::TokenCredential;
use azure_identity::{ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId};
use futures_util::future::join_all;
use serde_json::{Value, json};

/// Azure's crates tell their version to nobody, so it is read where cargo took it from.
const LOCK: &str = include_str!("../../../Cargo.lock");

/// What an identity's credential is, or the answer to everybody who asks for it.
type Made = Result<Arc<dyn TokenCredential>, Value>;

#[tokio::main]
async fn main() -> io::Result<()> {
    tell(&json!({ "sdk": format!("azure_identity {}", version("azure_identity")) }))?;
    let mut credentials = HashMap::new();
    for line in io::stdin().lines() {
        let request: Value = serde_json::from_str(&line?)?;
        let key = [&request["credential"], &request["identity"]].map(Value::to_string);
        let made = credentials.entry(key).or_insert_with(|| make(&request));
        tell(&answer(made, &request).await)?;
    }
    Ok(())
}

async fn answer(made: &Made, request: &Value) -> Value {
    let scope = request["scope"].as_str().unwrap_or_default();
    match request["op"].as_str() {
        Some("token") => token(made.clone(), scope.to_owned()).await,
        Some("crowd") => {
            let count = request["count"].as_u64().unwrap_or_default();
            let crowd = (0..count).map(|_| tokio::spawn(token(made.clone(), scope.to_owned())));
            let crowd: Vec<_> = crowd.collect();
            let results = join_all(crowd).await.into_iter();
            let results = results.map(|result| result.unwrap_or_else(|error| failure(&error)));
            json!({ "results": results.collect::<Vec<_>>() })
        }
        _ => json!({ "error": format!("no such op: {request}") }),
    }
}

async fn token(made: Made, scope: String) -> Value {
    let credential = match made {
        Ok(credential) => credential,
        Err(answer) => return answer,
    };
    match credential.get_token(&[&scope], None).await {
        Ok(token) => json!({
            "token": token.token.secret(),
            "expires_on": token.expires_on.unix_timestamp(),
        }),
        Err(error) => failure(&error),
    }
}

fn make(request: &Value) -> Made {
    if request["credential"] != "managed-identity" {
        return Err(json!({ "unsupported": "azure_identity has no DefaultAzureCredential" }));
    }
    let options = ManagedIdentityCredentialOptions {
        user_assigned_id: user_assigned(&request["identity"]),
        ..Default::default()
    };
    match ManagedIdentityCredential::new(Some(options)) {
        Ok(credential) => Ok(credential),
        Err(error) => Err(failure(&error)),
    }
}

/// None of these is the system-assigned identity.
fn user_assigned(identity: &Value) -> Option<UserAssignedId> {
    let id = |key| identity[key].as_str().map(str::to_owned);
    id("client_id")
        .map(UserAssignedId::ClientId)
        .or_else(|| id("object_id").map(UserAssignedId::ObjectId))
        .or_else(|| id("resource_id").map(UserAssignedId::ResourceId))
}

/// All that a developer can see: the error and everything under it, as anyhow's `{:#}` prints it.
fn failure(error: &(dyn Error + 'static)) -> Value {
    let chain = iter::successors(Some(error), |&error| error.source());
    json!({ "error": chain.map(ToString::to_string).collect::<Vec<_>>().join(": ") })
}

fn version(package: &str) -> &'static str {
    let start = format!("name = \"{package}\"\nversion = \"");
    let rest = LOCK.split_once(&start).map(|(_, rest)| rest);
    rest.and_then(|rest| rest.split('"').next()).unwrap_or("unknown")
}

fn tell(answer: &Value) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{answer}")?;
    out.flush()
}
