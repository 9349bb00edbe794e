//! Where client assertions come from: the projected token, read and judged anew each time.

use std::time::Duration;

use cambist_core::admission::{
    Admission, Assertion, Circumstances, KeyVerdicts, Mode, Refusal, Standing,
};
use cambist_core::issuer::IssuerUrl;
use cambist_core::jwks::Thumbprint;
use cambist_core::token::ProjectedToken;
use cambist_key_age::Verdict;

use crate::context::Context;
use crate::error::Error;
use crate::issuer_keys::{IssuerKeys, KeysError, Known};
use crate::key_age::KeyAge;
use crate::token_file::TokenFile;

/// The longest that somebody whose token is held is told to wait.
const MOST_HELD: Duration = Duration::from_secs(5);

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
        let issuer = self.issuer_of(&token).map_err(Error::new)?;
        let mut known = self.keys.known(&issuer, token.kid()).await;
        let mut judged = self.judge(&token, &known).await;
        if let (Err(refusal), Ok(before)) = (&judged, &known)
            && refusal.may_be_the_keys()
            && let Some(keys) = self.keys.others(&issuer, &before.keys).await
        {
            known = Ok(Known { keys, look_owed: false });
            judged = self.judge(&token, &known).await;
        }
        let assertion = judged.map_err(|refusal| self.refused(refusal, &issuer))?;
        let key_age = self.judging();
        if let (Some(key_age), Standing::Verified(key)) = (key_age, assertion.standing()) {
            let claims = assertion.claims();
            key_age.observe_token(&issuer, key, claims.issued_at, claims.expires_at);
        }
        self.context.observer.admitted(&assertion);
        Ok(assertion)
    }

    async fn judge(
        &self,
        token: &ProjectedToken,
        known: &Result<Known, KeysError>,
    ) -> Result<Assertion, Refusal> {
        let key_age = self.judging();
        let report = match key_age {
            Some(key_age) => key_age.judged().await,
            None => None,
        };
        let exempt = key_age.map(KeyAge::exempt).unwrap_or_default();
        let verdicts = report.as_ref().map(|report| report.verdicts(exempt));
        let known = known.as_ref().map_err(KeysError::to_string);
        let world = Circumstances {
            keys: known.as_ref().map(|known| &*known.keys).map_err(String::as_str),
            look_owed: known.as_ref().is_ok_and(|known| known.look_owed),
            now: self.context.clock.wall(),
            upstream: self.keys.upstream_time(self.context.clock.boot()),
            verdicts: verdicts.unwrap_or(KeyVerdicts { refused: &[], exempt }),
        };
        self.admission.admit(token.clone(), world)
    }

    /// Whoever judges the keys' age, where that has consequences.
    fn judging(&self) -> Option<&KeyAge> {
        self.keys.key_age().filter(|_| self.admission.mode() != Mode::Off)
    }

    /// The refusal, with when to ask again if that is when the keys are looked for.
    fn refused(&self, refusal: Refusal, issuer: &IssuerUrl) -> Error {
        let look = self.keys.next_look_in(issuer);
        let look = match refusal {
            // Other things than a look may end this: a key source may be anywhere.
            Refusal::Held { .. } => look.min(MOST_HELD),
            _ => look,
        };
        let (awaits, error) = (refusal.awaits_keys(), Error::new(refusal));
        if awaits { error.with_retry_after(look) } else { error }
    }

    /// Whose keys the token is to be judged by.
    fn issuer_of(&self, token: &ProjectedToken) -> Result<IssuerUrl, Refusal> {
        // What is bad without looking at any key is not worth a request to its issuer, and a token
        // whose claims are not ours must not choose whom we call. Only a wrong time may be the
        // clock's fault, which an answer from the issuer would show.
        let verifier = self.admission.verifier();
        match verifier.screen_at(token, self.context.clock.wall()) {
            Err(error) if !error.is_about_time() => Err(error.into()),
            _ => Ok(verifier.issuer_of(token)?),
        }
    }
}
