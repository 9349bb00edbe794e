//! A cluster's issuer for the tests of a service that lets in workloads.

use std::convert::Infallible;
use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use bytes::Bytes;
use cambist_core::clock::Clock as _;
use cambist_core::issuer::{IssuerUrl, JwksHost};
use cambist_core::scope::Audience;
use cambist_core::subject::ServiceAccount;
use cambist_core::verify::Verifier;
use http::{Request, Response};
use serde_json::json;

use crate::clock::SystemClock;
use crate::context::Context;
use crate::issuer_keys::{IssuerKeys, KeyOrigin};
use crate::layer::{AuthenticateLayer, Callers, CallersError};
use crate::transport::Transport;

const URL: &str = "https://issuer.test/";
const KEY_SET: &str = "https://issuer.test/keys";

/// An issuer with one key, which vouches for whomever a test says.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// use cambist::fixed::FixedIssuer;
/// use http::{Request, Response, header::AUTHORIZATION};
/// use tower::{Layer as _, ServiceExt as _, service_fn};
///
/// let cluster = FixedIssuer::new();
/// // In a pod it would be `AuthenticateLayer::for_issuer(url, audience)`.
/// let layer = cluster.callers("https://orders.shop")?.allow_namespace("shop");
/// let service = layer.layer(service_fn(|_: Request<()>| async {
///     Ok::<_, std::convert::Infallible>(Response::new(()))
/// }));
/// let checkout = "system:serviceaccount:shop:checkout".parse()?;
/// let token = cluster.token(&checkout, "https://orders.shop");
/// let request = Request::get("/").header(AUTHORIZATION, format!("Bearer {token}")).body(())?;
/// assert_eq!(service.oneshot(request).await?.status(), 200);
/// # Ok::<_, tower::BoxError>(()) }).unwrap();
/// ```
pub struct FixedIssuer {
    key: RsaKeyPair,
}

impl FixedIssuer {
    /// An issuer with a key of its own. Making one takes a moment.
    pub fn new() -> Self {
        let key = RsaKeyPair::generate(KeySize::Rsa2048);
        Self { key: key.expect("aws-lc makes keys of this size") }
    }

    /// Those who show tokens of this issuer for this audience: what
    /// [`AuthenticateLayer::for_issuer`] makes of a real one.
    ///
    /// # Errors
    /// If the audience is none, or one of Entra's.
    pub fn callers(&self, audience: &str) -> Result<Callers, CallersError> {
        let verifier = Verifier::new(IssuerUrl::parse(URL)?, Audience::parse(audience)?);
        let context = Context::system("fixed");
        let source =
            KeyOrigin::Public { transport: self.transport(), host: JwksHost::SameAsIssuer };
        let keys = IssuerKeys::new(vec![source], context.clone());
        AuthenticateLayer::with_keys(verifier, keys, context)
    }

    /// A token as the kubelet projects it for an account, good for an hour from now.
    pub fn token(&self, account: &ServiceAccount, audience: &str) -> String {
        let now = SystemClock.wall().as_secs();
        let (namespace, name) = (account.namespace(), account.name());
        let claims = json!({
            "iss": URL, "sub": account.to_string(), "aud": [audience],
            "iat": now, "nbf": now, "exp": now + 3600,
            "kubernetes.io": { "namespace": namespace, "serviceaccount": { "name": name } },
        });
        let header = json!({ "alg": "RS256", "kid": "fixed" });
        let [header, claims] = [header, claims].map(|part| BASE64URL.encode(part.to_string()));
        let mut token = format!("{header}.{claims}");
        let mut signature = vec![0; self.key.public_modulus_len()];
        let random = SystemRandom::new();
        let signed = self.key.sign(&RSA_PKCS1_SHA256, &random, token.as_bytes(), &mut signature);
        signed.expect("there is room for a signature of this key");
        token.push('.');
        token.push_str(&BASE64URL.encode(signature));
        token
    }

    /// The way to the issuer's two documents.
    fn transport(&self) -> Transport {
        // PKCS #1's RSAPublicKey (RFC 8017, A.1.1): of a key of 2048 bits the first 8 bytes are tags
        // and lengths, the next is the sign of the modulus; what follows that is 65537.
        let der = self.key.public_key().as_ref();
        let modulus = der.get(9..9 + 256).unwrap_or_default();
        let key_set = json!({ "keys": [{
            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": "fixed",
            "n": BASE64URL.encode(modulus), "e": "AQAB",
        }] });
        let discovery = json!({ "issuer": URL, "jwks_uri": KEY_SET });
        let [key_set, discovery] = [key_set, discovery].map(|it| Bytes::from(it.to_string()));
        Transport::from_service(tower::service_fn(move |request: Request<Bytes>| {
            let body = if *request.uri() == KEY_SET { &key_set } else { &discovery };
            std::future::ready(Ok::<_, Infallible>(Response::new(body.clone())))
        }))
    }
}

impl Default for FixedIssuer {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for FixedIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FixedIssuer").field("url", &URL).finish_non_exhaustive()
    }
}
