//! Which keys there are, which are published and where, and which one signs.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Admin, Refused, failed, parse, yes};
use crate::issuer::{Hosting, Issuer, Place};
use crate::keys::SigningKey;
use crate::keys::odd::OddKey;
use crate::token::Form;

/// How a new key signs.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(super) enum Alg {
    #[default]
    #[serde(rename = "RS256")]
    Rs256,
    #[serde(rename = "ES256")]
    Es256,
}

/// Answers with the signer, what is public, and every key there ever was.
pub(super) async fn keys(State(admin): State<Admin>) -> Json<Value> {
    let issuer = admin.sim.issuer();
    let mut body = signing(issuer);
    body["keys"] = json!(issuer.keys());
    Json(body)
}

fn signing(issuer: &Issuer) -> Value {
    json!({ "kid": issuer.signer().kid(), "published": issuer.published() })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rotate {
    #[serde(default = "yes")]
    overlap: bool,
    #[serde(default)]
    alg: Alg,
}

pub(super) async fn rotate(
    State(admin): State<Admin>,
    body: Bytes,
) -> Result<Json<Value>, Refused> {
    let Rotate { overlap, alg } = parse(&body)?;
    let key = new_key(&admin, alg).await?;
    admin.sim.issuer().rotate_to(&key, overlap);
    admin.project().await.map_err(failed)?;
    Ok(Json(signing(admin.sim.issuer())))
}

async fn new_key(admin: &Admin, alg: Alg) -> Result<SigningKey, Refused> {
    let issuer = admin.sim.issuer().clone();
    let key = super::work(move || match alg {
        Alg::Rs256 => issuer.prepare(),
        Alg::Es256 => SigningKey::generate_ec(),
    });
    key.await.map_err(failed)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Publish {
    /// `new`, `short`, `low-exponent`, `example`, or the `kid` of a key there is or was.
    key: Option<String>,
    /// Instead of a key, a member of the set as it is.
    jwk: Option<Value>,
    #[serde(default)]
    alg: Alg,
    /// Another `kid` than the key's own.
    kid: Option<String>,
    #[serde(default)]
    place: Place,
    #[serde(default)]
    private: bool,
}

pub(super) async fn publish(
    State(admin): State<Admin>,
    body: Bytes,
) -> Result<Json<Value>, Refused> {
    let Publish { key, jwk, alg, kid, place, private } = parse(&body)?;
    let issuer = admin.sim.issuer();
    let odd = match (key.as_deref(), jwk) {
        (Some("short"), None) => Some(OddKey::Short.jwk()),
        (Some("low-exponent"), None) => Some(OddKey::LowExponent.jwk()),
        (Some("example"), None) => Some(OddKey::Example.jwk()),
        (None, Some(jwk)) => Some(jwk),
        (Some(_), None) => None,
        _ => {
            return Err(Refused::asked_wrongly(
                "give either 'key' (new, short, low-exponent, example or a kid) or 'jwk'",
            ));
        }
    };
    if let Some(mut jwk) = odd {
        if private {
            return Err(Refused::asked_wrongly("of this key there is no private half here"));
        }
        if let (Some(kid), Value::Object(members)) = (kid, &mut jwk) {
            members.insert("kid".to_owned(), kid.into());
        }
        issuer.publish_raw_in(place, jwk);
        return Ok(Json(signing(issuer)));
    }
    let mut key = match key.as_deref() {
        Some("new") | None => new_key(&admin, alg).await?,
        Some(known) => find(issuer, known)?,
    };
    if let Some(kid) = kid {
        key = key.with_kid(&kid);
    }
    if private {
        issuer.leak_in(place, &key).map_err(|error| failed(error.to_string()))?;
    } else {
        issuer.publish_in(place, &key);
    }
    let mut answer = signing(issuer);
    answer["key"] = key.kid().into();
    Ok(Json(answer))
}

fn find(issuer: &Issuer, kid: &str) -> Result<SigningKey, Refused> {
    let words = || format!("no key '{kid}' was ever made here; GET /sim/keys lists them");
    issuer.key(kid).ok_or_else(|| Refused::asked_wrongly(words()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    kid: String,
}

pub(super) async fn hide(State(admin): State<Admin>, body: Bytes) -> Result<Json<Value>, Refused> {
    let Named { kid } = parse(&body)?;
    admin.sim.issuer().hide(&kid);
    Ok(Json(signing(admin.sim.issuer())))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfServer {
    /// Each of them, if none is named.
    number: Option<usize>,
    accept: Option<Vec<String>>,
    sign: Option<String>,
}

pub(super) async fn api_server(
    State(admin): State<Admin>,
    body: Bytes,
) -> Result<Json<Value>, Refused> {
    let OfServer { number, accept, sign } = parse(&body)?;
    let (issuer, all) = (admin.sim.issuer(), admin.sim.apis());
    let accept = accept.map(|kids| kids.iter().map(|kid| find(issuer, kid)).collect());
    let accept: Option<Vec<_>> = accept.transpose()?;
    let sign = sign.map(|kid| find(issuer, &kid)).transpose()?;
    let servers = match number {
        None => all,
        Some(number) => all.get(number..=number).ok_or_else(|| {
            Refused::asked_wrongly(format!("there are {} API servers, from 0 on", all.len()))
        })?,
    };
    for server in servers {
        if let Some(keys) = &accept {
            server.accept(keys);
        }
        if let Some(key) = &sign {
            server.sign_with(key);
        }
    }
    admin.project().await.map_err(failed)?;
    Ok(Json(json!({ "servers": servers.len() })))
}

pub(super) async fn sign(State(admin): State<Admin>, body: Bytes) -> Result<Json<Value>, Refused> {
    let Named { kid } = parse(&body)?;
    let issuer = admin.sim.issuer();
    issuer.sign_with(&find(issuer, &kid)?);
    admin.project().await.map_err(failed)?;
    Ok(Json(signing(issuer)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Prepare {
    #[serde(default)]
    alg: Alg,
}

pub(super) async fn prepare(
    State(admin): State<Admin>,
    body: Bytes,
) -> Result<Json<Value>, Refused> {
    let Prepare { alg } = parse(&body)?;
    let key = new_key(&admin, alg).await?;
    let issuer = admin.sim.issuer();
    issuer.publish(&key);
    let mut answer = signing(issuer);
    answer["key"] = key.kid().into();
    Ok(Json(answer))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Retire {
    #[serde(default = "one")]
    keep: usize,
}

fn one() -> usize {
    1
}

pub(super) async fn retire(
    State(admin): State<Admin>,
    body: Bytes,
) -> Result<Json<Value>, Refused> {
    let Retire { keep } = parse(&body)?;
    admin.sim.issuer().retire(keep);
    Ok(Json(signing(admin.sim.issuer())))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Host {
    by: Hosting,
}

pub(super) async fn host(State(admin): State<Admin>, body: Bytes) -> Result<Json<Value>, Refused> {
    let Host { by } = parse(&body)?;
    admin.sim.issuer().host(by);
    Ok(Json(json!({ "by": by })))
}

pub(super) async fn upload(State(admin): State<Admin>) -> Json<Value> {
    admin.sim.issuer().upload();
    Json(json!({}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Token {
    #[serde(default)]
    form: Form,
}

pub(super) async fn token(State(admin): State<Admin>, body: Bytes) -> Result<Json<Value>, Refused> {
    let Token { form } = parse(&body)?;
    let kubelet = admin.kubelet.clone();
    super::work(move || kubelet.project_as(form)).await.map_err(failed)?;
    Ok(Json(json!({ "form": form })))
}
