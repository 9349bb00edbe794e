//! Where client assertions come from: the projected token, read and judged anew each time.

use std::sync::Arc;

use cambist_core::admission::{
    Admission, Assertion, Circumstances, KeyVerdicts, Mode, Refusal, Standing,
};
use cambist_core::issuer::IssuerUrl;
use cambist_core::jwks::{KeySet, Thumbprint};
use cambist_core::token::ProjectedToken;
use cambist_key_age::Verdict;

use crate::context::Context;
use crate::error::Error;
use crate::issuer_keys::IssuerKeys;
use crate::key_age::KeyAge;
use crate::token_file::TokenFile;

/// A projected token's way to being an assertion.
#[derive(Clone, Debug)]
pub struct Assertions {
    token_file: TokenFile,
    keys: IssuerKeys,
    admission: Admission,
    context: Context,
}

impl Assertions {
    /// Reads this file, and judges by these keys and this policy.
    pub fn new(
        token_file: TokenFile,
        keys: IssuerKeys,
        admission: Admission,
        context: Context,
    ) -> Self {
        Self { token_file, keys, admission, context }
    }

    /// Whether a token that this key vouched for is to be replaced when that can be done.
    pub(crate) fn is_withdrawn(&self, key: Thumbprint) -> bool {
        let enforced = self.admission.mode() == Mode::Enforce;
        let now = self.context.clock.wall();
        self.keys.key_age().is_some_and(|key_age| key_age.is_withdrawn(key, enforced, now))
    }

    /// What is to be said of the age of the key that vouches for an assertion, if that is judged.
    pub(crate) fn verdict_on(&self, standing: Standing) -> Option<Verdict> {
        let Standing::Verified(key) = standing else { return None };
        Some(self.keys.key_age()?.report()?.judgement.key(key)?.verdict)
    }

    /// The issuer's keys.
    pub fn keys(&self) -> &IssuerKeys {
        &self.keys
    }

    /// Reads the file again and judges what it holds.
    ///
    /// # Errors
    /// If the file cannot be read, or its token may not be sent.
    pub async fn next(&self) -> Result<Assertion, Error> {
        let token = self.token_file.read().await.map_err(Error::new)?;
        let (issuer, keys) = self.keys_for(&token).await?;
        let key_age = self.keys.key_age().filter(|_| self.admission.mode() != Mode::Off);
        let report = match key_age {
            Some(key_age) => key_age.judged().await,
            None => None,
        };
        let exempt = key_age.map(KeyAge::exempt).unwrap_or_default();
        let verdicts = report.as_ref().map(|report| report.verdicts(exempt));
        let world = Circumstances {
            keys: keys.as_deref().map_err(String::as_str),
            now: self.context.clock.wall(),
            upstream: self.keys.upstream_time(self.context.clock.boot()),
            verdicts: verdicts.unwrap_or(KeyVerdicts { refused: &[], exempt }),
        };
        let assertion = self.admission.admit(token, world).map_err(Error::new)?;
        if let (Some(key_age), Standing::Verified(key)) = (key_age, assertion.standing()) {
            let claims = assertion.claims();
            key_age.observe_token(&issuer, key, claims.issued_at, claims.expires_at);
        }
        self.context.observer.admitted(&assertion);
        Ok(assertion)
    }

    /// The token's issuer and the keys to judge it by, or in words why there are none.
    async fn keys_for(
        &self,
        token: &ProjectedToken,
    ) -> Result<(IssuerUrl, Result<Arc<KeySet>, String>), Error> {
        // What is bad without looking at any key is not worth a request to its issuer, and a token
        // whose claims are not ours must not choose whom we call. Only a wrong time may be the
        // clock's fault, which an answer from the issuer would show.
        let verifier = self.admission.verifier().verifier_of(token);
        let screened = verifier.and_then(|verifier| {
            match verifier.screen_at(token, self.context.clock.wall()) {
                Err(error) if !error.is_about_time() => Err(error),
                _ => Ok(verifier.issuer.clone()),
            }
        });
        let issuer = screened.map_err(|error| Error::new(Refusal::from(error)))?;
        let keys = self.keys.with(&issuer, token.kid()).await.map_err(|error| error.to_string());
        Ok((issuer, keys))
    }
}
