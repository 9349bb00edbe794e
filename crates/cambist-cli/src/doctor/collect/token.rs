//! The projected token, each rule that it breaks, and forgeries of it.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cambist::config::TrustConfig;
use cambist::token_file::TokenFile;
use cambist_core::clock::UnixTime;
use cambist_core::issuer::IssuerUrl;
use cambist_core::jwks::{Alg, KeySet};
use cambist_core::scope::Audience;
use cambist_core::token::ProjectedToken;
use cambist_core::verify::{
    DefaultAccount, ENTRA_MAX_LIFETIME, OwnTokenVerifier, Rules, Verifier, VerifyError,
};

use crate::doctor::facts::{Forgery, NoToken, Token};

/// The token itself, which stays among the collectors.
pub(super) struct Read {
    pub(super) token: ProjectedToken,
    /// Rules that it does not break, but for those about its key.
    mended: OwnTokenVerifier,
}

/// Reads the file, and holds the token against the rules that the sidecar has.
pub(super) async fn read(
    path: Option<&Path>,
    trust: &TrustConfig,
    audience: &Audience,
    now: UnixTime,
) -> (Result<Token, NoToken>, Option<Read>) {
    let Some(path) = path else { return (Err(NoToken::Unnamed), None) };
    let token = match TokenFile::new(path).read().await {
        Ok(token) => token,
        Err(error) => return (Err(NoToken::File(error.to_string())), None),
    };
    let (broken, mended) = broken(&token, trust, audience, now);
    let mode = crate::system::mode(path);
    let facts = Token {
        path: path.display().to_string(),
        mode,
        claims: token.claims().clone(),
        kid: token.kid().map(|kid| kid.as_str().to_owned()),
        broken,
        forgeries: Vec::new(),
    };
    (Ok(facts), Some(Read { token, mended }))
}

/// Each rule that is broken: the verifier tells the first, so that is noted, put aside, and it is asked again.
fn broken(
    token: &ProjectedToken,
    trust: &TrustConfig,
    audience: &Audience,
    now: UnixTime,
) -> (Vec<VerifyError>, OwnTokenVerifier) {
    let claims = token.claims();
    let mut rules = Rules::new(audience.clone());
    rules.leeway = trust.leeway;
    rules.max_lifetime = match trust.token_proxy {
        None => trust.max_lifetime.min(ENTRA_MAX_LIFETIME),
        Some(_) => trust.max_lifetime,
    };
    rules.default_account = trust.default_account.clone();
    let mut issuer = trust.issuer.clone();
    let mut broken: Vec<VerifyError> = Vec::new();
    let verifier = |issuer: &Option<IssuerUrl>, rules: &Rules| match issuer {
        Some(issuer) => Verifier::with(issuer.clone(), rules.clone()).into(),
        None => OwnTokenVerifier::DangerUnpinned(rules.clone()),
    };
    // One for each rule that can be put aside.
    for _ in 0..6 {
        let judged = match verifier(&issuer, &rules) {
            OwnTokenVerifier::Pinned(pinned) => pinned.screen_at(token, now).map(drop),
            unpinned => match IssuerUrl::parse(&claims.issuer) {
                Ok(own) => {
                    Verifier::with(own, unpinned.rules().clone()).screen_at(token, now).map(drop)
                }
                Err(error) => Err(error.into()),
            },
        };
        let Err(error) = judged else { break };
        let ends = match &error {
            VerifyError::Issuer { .. } => {
                issuer = None;
                false
            }
            VerifyError::Audience { .. } => match claims.audiences.first() {
                Some(own) => match Audience::parse(own.clone()) {
                    Ok(own) => {
                        rules.audience = own;
                        false
                    }
                    Err(_) => true,
                },
                None => true,
            },
            VerifyError::DefaultAccount(account) => {
                rules.default_account = DefaultAccount::Allowed(vec![account.clone()]);
                false
            }
            VerifyError::Lifetime { found, .. } => {
                rules.max_lifetime = *found;
                false
            }
            VerifyError::Jws(_) if rules.algorithms.len() == 1 => {
                rules.algorithms = vec![Alg::Rs256, Alg::Es256, Alg::Es384];
                false
            }
            _ => true,
        };
        broken.push(error);
        if ends {
            break;
        }
    }
    // By its key it is judged with the one algorithm that Entra takes.
    rules.algorithms = vec![Alg::Rs256];
    let mended = verifier(&issuer, &rules);
    (broken, mended)
}

impl Read {
    /// The key that signed it, at a moment when it was valid.
    pub(super) fn signer(&self, keys: &KeySet) -> Result<String, VerifyError> {
        let at = self.token.claims().issued_at;
        self.mended.signer_at(&self.token, keys, at).map(|key| key.to_string())
    }

    /// What becomes of copies that nobody signed; nothing if it does not even verify itself.
    pub(super) fn forgeries(&self, keys: &KeySet) -> Vec<Forgery> {
        if self.signer(keys).is_err() {
            return Vec::new();
        }
        let at = self.token.claims().issued_at;
        let parts: Vec<_> = self.token.secret().expose().split('.').collect();
        let [header, payload, signature] = parts[..] else { return Vec::new() };
        let first = if signature.starts_with('A') { "B" } else { "A" };
        let rest = signature.get(1..).unwrap_or_default();
        let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
        [
            ("another signature", format!("{header}.{payload}.{first}{rest}")),
            ("alg none", format!("{none}.{payload}.")),
        ]
        .into_iter()
        .map(|(how, forged)| {
            let refused = match ProjectedToken::parse(&forged) {
                Err(error) => Some(error.to_string()),
                Ok(forged) => {
                    self.mended.signer_at(&forged, keys, at).err().map(|it| it.to_string())
                }
            };
            Forgery { how, refused }
        })
        .collect()
    }
}
