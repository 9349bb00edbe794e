//! A running sidecar's own word, from its admin listener.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use cambist::Env;
use http::header::HOST;
use http::{Request, Response, Uri};
use http_body_util::Empty;
use serde_json::Value;

use super::progress::Progress;
use super::within;
use crate::cli::doctor::Doctor;
use crate::doctor::facts::{Failure, NoSidecar, Ready, Sidecar, Status};
use crate::doctor::place::NothingToDo;
use crate::text;
use crate::token::endpoint::{GetError, get};

/// Where the admin listener is by default.
const USUAL: &str = "127.0.0.1:8422";

/// Whether there is a sidecar.
pub(super) enum Found {
    There(Sidecar),
    /// Nobody is there, and nobody said that there would be.
    Nobody(String),
}

pub(super) async fn collect(
    args: &Doctor,
    env: &dyn Env,
    progress: &Progress<'_>,
) -> Result<Found, NothingToDo> {
    let listen = env.get("CAMBIST_ADMIN_LISTEN");
    let address = match &args.admin {
        Some(url) => authority(url)?,
        None => match &listen {
            Some(text) => match told(text) {
                Some(address) => address,
                None => return Ok(Found::Nobody(no_sidecar("CAMBIST_ADMIN_LISTEN names none"))),
            },
            None => USUAL.to_owned(),
        },
    };
    let admin = Admin { address: &address, args };
    let asked = progress.during("the sidecar", admin.ask("/ready")).await;
    let ready = asked.map_err(NoSidecar::Nobody).and_then(|response| self::ready(&response));
    // Where a sidecar is said to be, it is missed.
    if args.admin.is_none() && listen.is_none() {
        match &ready {
            Err(NoSidecar::Nobody(_)) => {
                return Ok(Found::Nobody(no_sidecar(&format!("nobody answers at {address}"))));
            }
            Err(NoSidecar::Stranger(_)) => {
                let why = format!("what answers at {address} is none");
                return Ok(Found::Nobody(no_sidecar(&why)));
            }
            _ => {}
        }
    }
    let status = match &ready {
        Ok(_) => progress.during("the sidecar", admin.ask("/status.json")).await.ok(),
        Err(_) => None,
    };
    let status = status.and_then(|response| serde_json::from_slice(response.body()).ok());
    let status = status.filter(|status: &Value| status["tokens"].is_array());
    Ok(Found::There(Sidecar {
        admin: format!("http://{address}"),
        asked_for: args.admin.is_some(),
        ready,
        status: status.map(|status| self::status(&status)),
    }))
}

fn no_sidecar(why: &str) -> String {
    format!("a running sidecar ({why}; --admin URL)")
}

struct Admin<'a> {
    address: &'a str,
    args: &'a Doctor,
}

impl Admin<'_> {
    async fn ask(&self, path: &str) -> Result<Response<Bytes>, String> {
        let uri: Uri = format!("http://{}{path}", self.address).parse().map_err(|_| self.odd())?;
        let host = uri.host().ok_or_else(|| self.odd())?.trim_matches(['[', ']']).to_owned();
        let request = Request::get(path).header(HOST, self.address).body(Empty::new());
        let request = request.map_err(|_| self.odd())?;
        let asked = get(&host, uri.port_u16().unwrap_or(80), request);
        match within(self.args.timeout, asked).await {
            None => Err(format!("{} did not answer within {:?}", self.address, self.args.timeout)),
            Some(Err(GetError::Connect(at, why))) => Err(format!("nobody answers at {at} ({why})")),
            Some(Err(error)) => Err(error.to_string()),
            Some(Ok(response)) => Ok(response),
        }
    }

    fn odd(&self) -> String {
        format!("{} is no address that can be asked", text::plain(self.address))
    }
}

/// `http://HOST:PORT`, as its host and port.
fn authority(url: &str) -> Result<String, NothingToDo> {
    let rest = url.strip_prefix("http://").map(|rest| rest.trim_end_matches('/'));
    let rest = rest.filter(|rest| !rest.is_empty() && !rest.contains(['/', '@', '?', '#']));
    rest.map(str::to_owned).ok_or_else(|| {
        NothingToDo::Admin(format!("expected http://HOST:PORT, found {:?}", text::plain(url)))
    })
}

/// What `CAMBIST_ADMIN_LISTEN` says, as one asks there; nothing if it is off.
fn told(text: &str) -> Option<String> {
    if let Ok(port) = text.trim().parse::<u16>() {
        return Some(format!("127.0.0.1:{port}"));
    }
    let at: SocketAddr = text.trim().parse().ok()?;
    let ip = match at.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => "127.0.0.1".to_owned(),
        IpAddr::V6(ip) if ip.is_unspecified() => "[::1]".to_owned(),
        IpAddr::V6(ip) => format!("[{ip}]"),
        ip => ip.to_string(),
    };
    Some(format!("{ip}:{}", at.port()))
}

/// Whatever does not say whether it is ready is no sidecar's admin listener.
fn ready(response: &Response<Bytes>) -> Result<Ready, NoSidecar> {
    let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
    let said = |name: &str| body[name].as_str().map(text::message);
    let status = response.status().as_u16();
    let Some(ready) = body["ready"].as_bool() else {
        // A sidecar's listeners alone give reasons; that for tokens has nothing at this path.
        let reason = response.headers().get("x-cambist-reason");
        return Err(match reason.map(|reason| reason.as_bytes()) {
            Some(b"path") => NoSidecar::TokenPort,
            Some(_) => NoSidecar::Refuses(said("message").unwrap_or_default()),
            None => NoSidecar::Stranger(status),
        });
    };
    let words = said("reason").or_else(|| said("message"));
    let words = words.unwrap_or_else(|| format!("it answered with status {status}"));
    Ok(Ready { ready, words })
}

/// What of it is judged. Its messages were cut and quoted by whoever wrote them.
fn status(body: &Value) -> Status {
    let text = |value: &Value| text::message(value.as_str().unwrap_or_default());
    let tokens = body["tokens"].as_array().map(Vec::as_slice).unwrap_or_default();
    let failures = tokens.iter().filter(|token| !token["failure"].is_null()).map(|token| {
        let failure = &token["failure"];
        Failure {
            resource: text(&token["resource"]),
            reason: text(&failure["reason"]),
            message: text(&failure["message"]),
        }
    });
    let refused = &body["policy"]["refused"];
    let sources = body["key_sources"].as_array().map(Vec::as_slice).unwrap_or_default();
    let ailing = sources.iter().filter(|it| it["detail"].as_str().is_some_and(|it| !it.is_empty()));
    Status {
        failures: failures.collect(),
        held: tokens.iter().filter(|token| !token["expires_on"].is_null()).count(),
        refused_policy: (!refused.is_null()).then(|| text(&refused["problem"])),
        key_sources: ailing.map(|it| (text(&it["source"]), text(&it["detail"]))).collect(),
    }
}
