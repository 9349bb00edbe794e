//! `cambist token`: what a token says of itself, and what the endpoint beside an app gives.

use std::io::Read as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cambist_core::clock::UnixTime;
use cambist_core::duration::rough;
use cambist_core::jws::MAX_TOKEN_BYTES;
use serde_json::{Map, Value, json};

use crate::text::plain;
use crate::time::relative;

mod access;
pub(crate) mod endpoint;
pub(crate) mod surroundings;
mod warning;

use warning::Warning;

/// Why there is nothing to inspect. It never repeats what was read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InspectError {
    #[error("{path}: {problem}")]
    Read { path: String, problem: std::io::Error },
    #[error(
        "there is more than the {MAX_TOKEN_BYTES} bytes that a token may have; is it the right file?"
    )]
    TooLong,
    #[error("expected header.payload.signature, found {0} part(s); is it a token at all?")]
    Parts(usize),
    #[error("the token's {0} is not base64url of a JSON object; was it cut or re-encoded?")]
    Part(&'static str),
}

/// A token's header and claims. The signature is dropped on reading.
#[derive(Debug)]
pub(crate) struct Inspected {
    header: Map<String, Value>,
    claims: Map<String, Value>,
    warnings: Vec<Warning>,
    now: UnixTime,
}

/// Reads a token from a file, or from standard input if `file` is none or `-`.
pub(crate) fn read(
    file: Option<&Path>,
    stdin: &mut dyn std::io::Read,
) -> Result<String, InspectError> {
    let limit = u64::try_from(MAX_TOKEN_BYTES + 3).unwrap_or(u64::MAX);
    let mut text = String::new();
    let (path, read) = match file.filter(|path| *path != Path::new("-")) {
        None => ("standard input".to_owned(), stdin.take(limit).read_to_string(&mut text)),
        Some(path) => {
            let file = std::fs::File::open(path);
            let read = file.and_then(|file| file.take(limit).read_to_string(&mut text));
            (path.display().to_string(), read)
        }
    };
    read.map_err(|problem| InspectError::Read { path, problem })?;
    if text.trim_ascii().len() > MAX_TOKEN_BYTES {
        return Err(InspectError::TooLong);
    }
    Ok(text)
}

impl Inspected {
    /// Takes a token apart, a legacy one too.
    pub(crate) fn of(token: &str, now: UnixTime) -> Result<Self, InspectError> {
        let ([header, claims], unsigned) = parts(token)?;
        let warnings = warning::all(token, &header, &claims, unsigned, now);
        Ok(Self { header, claims, warnings, now })
    }

    /// The claims, dates in words beside them, as JSON.
    pub(crate) fn json(&self) -> Value {
        let iso = |claim: &str| date(&self.claims, claim).map(|at| at.to_string());
        let warnings: Vec<_> = self.warnings.iter().map(Warning::json).collect();
        json!({
            "schemaVersion": 1,
            "header": self.header,
            "claims": self.claims,
            "issuedAt": iso("iat"),
            "notBefore": iso("nbf"),
            "expiresAt": iso("exp"),
            "lifetimeSeconds": self.lifetime().map(|life| life.as_secs()),
            "expired": date(&self.claims, "exp").map(|exp| exp <= self.now),
            "signatureVerified": false,
            "warnings": warnings,
        })
    }

    /// The same for a reader.
    pub(crate) fn table(&self) -> String {
        let when = |claim| self.when(claim);
        let mut lines = vec![
            ("algorithm", text(&self.header, "alg")),
            ("kid", text(&self.header, "kid")),
            ("issuer", text(&self.claims, "iss")),
            ("subject", text(&self.claims, "sub")),
            ("audience", audience(&self.claims)),
            ("issued", when("iat")),
        ];
        if date(&self.claims, "nbf") != date(&self.claims, "iat") {
            lines.push(("valid from", when("nbf")));
        }
        lines.push(("expires", when("exp")));
        lines.push(("lifetime", self.lifetime().map_or_else(|| "without end".to_owned(), rough)));
        let bound: Vec<_> = ["pod", "node", "secret"]
            .into_iter()
            .filter_map(|of| Some((of, self.bound(of)?)))
            .map(|(of, name)| format!("{of} {}", plain(name)))
            .collect();
        let bound = if bound.is_empty() { "nothing".to_owned() } else { bound.join(", ") };
        lines.push(("bound to", bound));
        let note = "The signature was not checked and is not shown; `cambist issuer check --token-file` checks it.";
        self.told(lines, note)
    }

    /// Lines, what is remarkable, and a note.
    fn told(&self, lines: Vec<(&str, String)>, note: &str) -> String {
        let lines = lines.into_iter().map(|(name, text)| format!("{name:<11}{text}\n"));
        let warnings = self.warnings.iter().map(|warning| format!("warning    {warning}\n"));
        lines.chain(warnings).chain([format!("\n{note}\n")]).collect()
    }

    fn when(&self, claim: &str) -> String {
        date(&self.claims, claim).map_or_else(
            || text(&self.claims, claim),
            |at| format!("{at} ({})", relative(at, self.now)),
        )
    }

    fn bound(&self, of: &str) -> Option<&str> {
        self.claims.get("kubernetes.io")?.get(of)?.get("name")?.as_str()
    }

    fn lifetime(&self) -> Option<std::time::Duration> {
        Some(date(&self.claims, "exp")?.since(date(&self.claims, "iat")?))
    }
}

/// A token's header and claims, and whether it lacks a signature.
fn parts(token: &str) -> Result<([Map<String, Value>; 2], bool), InspectError> {
    let parts: Vec<_> = token.trim_ascii().split('.').collect();
    let [header, claims, signature] = parts[..] else {
        return Err(InspectError::Parts(parts.len()));
    };
    Ok(([object(header, "header")?, object(claims, "payload")?], signature.is_empty()))
}

fn text(map: &Map<String, Value>, name: &str) -> String {
    match map.get(name) {
        None => "(none)".to_owned(),
        Some(Value::String(text)) => plain(text),
        Some(other) => plain(&other.to_string()),
    }
}

fn object(part: &str, name: &'static str) -> Result<Map<String, Value>, InspectError> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| InspectError::Part(name))?;
    serde_json::from_slice(&bytes).map_err(|_| InspectError::Part(name))
}

fn date(claims: &Map<String, Value>, claim: &str) -> Option<UnixTime> {
    claims.get(claim)?.as_i64().map(UnixTime::from_secs)
}

fn audience(claims: &Map<String, Value>) -> String {
    match claims.get("aud") {
        Some(Value::Array(items)) => {
            items.iter().filter_map(Value::as_str).map(plain).collect::<Vec<_>>().join(", ")
        }
        Some(Value::String(text)) => plain(text),
        _ => "(none)".to_owned(),
    }
}

#[cfg(test)]
mod tests;
