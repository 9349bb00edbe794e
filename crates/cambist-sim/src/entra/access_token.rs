//! Access tokens, with the claims of real ones. Which of the optional ones a token has depends on its
//! resource, and nobody should depend on one.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use cambist_core::clock::UnixTime;
use serde_json::{Map, Value, json};

use super::answer::RequestId;
use crate::keys::{KeyError, SigningKey};
use crate::random;

/// A token counts from so long before it is issued, since clocks differ.
const BEFORE: Duration = Duration::from_secs(300);
/// `expires_in` has lost a second by the time that it is written.
const WRITING: Duration = Duration::from_secs(1);
/// The audience of tokens for `api://AzureADTokenExchange` in the public cloud.
const EXCHANGE: &str = "fb60f99c-7a34-4190-8149-302f77469936";

/// What a client id stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// An application.
    #[default]
    Application,
    /// A user-assigned managed identity, whose tokens name it as a resource of Azure.
    ManagedIdentity {
        /// `/subscriptions/.../userAssignedIdentities/NAME`.
        resource_id: String,
    },
}

/// Whom a token is about, and for whom.
pub(super) struct Subject<'a> {
    pub(super) tenant: &'a str,
    pub(super) client_id: &'a str,
    pub(super) object_id: &'a str,
    pub(super) kind: &'a Kind,
    pub(super) resource: &'a str,
    /// The application id of a resource that takes tokens of version 2.0.
    pub(super) resource_app: Option<&'a str>,
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
        if self.resource == "api://AzureADTokenExchange" {
            Some(EXCHANGE)
        } else {
            self.resource_app
        }
    }

    fn common(&self, now: UnixTime, lifetime: Duration, id: RequestId) -> Map<String, Value> {
        let from = (now - BEFORE).as_secs();
        let mut claims = object(json!({
            "iat": from,
            "nbf": from,
            "exp": (now + lifetime + WRITING).as_secs(),
            "aio": opaque("k2Jg"),
            "oid": self.object_id,
            // Not pairwise for applications, as it is for people.
            "sub": self.object_id,
            "tid": self.tenant,
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
        if let Kind::ManagedIdentity { resource_id } = self.kind {
            claims.insert("xms_mirid".to_owned(), resource_id.as_str().into());
        }
        claims
    }

    fn of_v1(&self) -> Map<String, Value> {
        let issuer = format!("https://sts.windows.net/{}/", self.tenant);
        object(json!({
            "aud": self.resource,
            "iss": issuer,
            "idp": issuer,
            "appid": self.client_id,
            "appidacr": "2",
            "ver": "1.0",
        }))
    }

    fn of_v2(&self, audience: &str) -> Map<String, Value> {
        object(json!({
            "aud": audience,
            "iss": format!("https://login.microsoftonline.com/{}/v2.0", self.tenant),
            "azp": self.client_id,
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
