//! Access tokens, with the claims of real ones. Which of the optional ones a token has depends on its
//! resource, and nobody should depend on one.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use cambist_core::clock::UnixTime;
use serde_json::{Map, Value, json};

use super::answer::RequestId;
use super::directory::{Client, path};
use super::identity::Kind;
use super::own::{EXCHANGE_ID, is_exchange, v1_issuer, v2_issuer};
use crate::keys::{KeyError, SigningKey};
use crate::random;

/// A token counts from so long before it is issued, since clocks differ.
const BEFORE: Duration = Duration::from_secs(300);
/// `expires_in` has lost a second by the time that it is written.
const WRITING: Duration = Duration::from_secs(1);
/// What tokens for the exchange say that came of a federated credential. Only Entra reads what it says.
const FEDERATED: &str = "CAAQABgAIAAoAjAA";

/// Whom a token is about, and for whom.
pub(super) struct Subject<'a> {
    pub(super) client: &'a Client,
    pub(super) resource: &'a str,
    /// The application id of a resource that takes tokens of version 2.0.
    pub(super) resource_app: Option<&'a str>,
    /// For which of its agents a blueprint asks.
    pub(super) fmi_path: Option<&'a str>,
    /// Whether it came of a federated credential.
    pub(super) federated: bool,
}

impl Subject<'_> {
    /// A token that is good for `lifetime` from `now` on.
    pub(super) fn token(
        &self,
        key: &SigningKey,
        now: UnixTime,
        lifetime: Duration,
        id: RequestId,
    ) -> Result<String, KeyError> {
        let v2 = self.v2_audience();
        let mut header = json!({ "typ": "JWT", "alg": key.algorithm(), "kid": key.kid() });
        if v2.is_none() {
            header["x5t"] = key.kid().into();
        }
        let mut claims = self.common(now, lifetime, id);
        claims.extend(match v2 {
            Some(audience) => self.of_v2(audience),
            None => self.of_v1(),
        });
        let claims = Value::Object(claims).to_string();
        key.sign_parts(header.to_string().as_bytes(), claims.as_bytes())
    }

    fn v2_audience(&self) -> Option<&str> {
        if is_exchange(self.resource) { Some(EXCHANGE_ID) } else { self.resource_app }
    }

    fn common(&self, now: UnixTime, lifetime: Duration, id: RequestId) -> Map<String, Value> {
        let client = self.client;
        let from = (now - BEFORE).as_secs();
        let mut claims = object(json!({
            "iat": from,
            "nbf": from,
            "exp": (now + lifetime + WRITING).as_secs(),
            "aio": opaque("k2Jg"),
            "oid": client.object_id,
            // Not pairwise for applications, as it is for people.
            "sub": client.object_id,
            "tid": client.tenant,
            "uti": id.uti(),
            "rh": opaque("1.A"),
            "xms_ftd": opaque(""),
            "xms_idrel": "7 22",
        }));
        // Microsoft's own resources ask for it, others as a rule do not.
        if !self.resource.starts_with("api://") || self.resource.starts_with("api://AzureAD") {
            claims.insert("idtyp".to_owned(), "app".into());
        }
        if self.resource.starts_with("https://graph.microsoft.com") {
            claims.extend(object(json!({
                "app_displayname": "sim",
                "tenant_region_scope": "NA",
                "wids": ["0997a1d0-0d1d-4acb-b408-d5ca73121e90"],
                "xms_tcdt": 1_289_241_547,
            })));
        }
        match &client.kind {
            Kind::ManagedIdentity { resource_id } => {
                claims.insert("xms_mirid".to_owned(), resource_id.as_str().into());
            }
            Kind::AgentIdentity { blueprint } => claims.extend(object(json!({
                "xms_par_app_azp": blueprint,
                // Among others: an agent identity.
                "xms_act_fct": "3 9 11",
                "xms_sub_fct": "3 9 11",
            }))),
            Kind::Application | Kind::AgentBlueprint => {}
        }
        if is_exchange(self.resource) {
            if self.federated {
                claims.insert("xms_ficinfo".to_owned(), FEDERATED.into());
            }
            if let Some(fmi_path) = self.fmi_path {
                let sub = path(&client.tenant, &client.client_id, fmi_path);
                claims.insert("sub".to_owned(), sub.into());
            }
        }
        claims
    }

    fn of_v1(&self) -> Map<String, Value> {
        let issuer = v1_issuer(&self.client.tenant);
        object(json!({
            "aud": self.resource,
            "iss": issuer,
            "idp": issuer,
            "appid": self.client.client_id,
            "appidacr": "2",
            "ver": "1.0",
        }))
    }

    fn of_v2(&self, audience: &str) -> Map<String, Value> {
        object(json!({
            "aud": audience,
            "iss": v2_issuer(&self.client.tenant),
            "azp": self.client.client_id,
            "azpacr": "2",
            "ver": "2.0",
        }))
    }
}

/// What only Entra can read.
fn opaque(prefix: &str) -> String {
    format!("{prefix}{}", BASE64URL.encode(random::bytes::<30>()))
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
