//! Where client assertions come from: the projected token, read and judged anew each time.

use std::sync::Arc;
use std::time::Duration;

use cambist_core::admission::{
    Admission, Assertion, Circumstances, KeyVerdicts, Mode, Refusal, Standing, Unchecked,
};
use cambist_core::issuer::IssuerUrl;
use cambist_core::jwks::{KeySet, Thumbprint};
use cambist_core::token::ProjectedToken;
use cambist_key_age::Verdict;

use crate::context::Context;
use crate::error::{Error, Kind};
use crate::event::{Admitted, Event};
use crate::issuer_keys::{IssuerKeys, KeysError, Waiting};
use crate::key_age::KeyAge;
use crate::principal::Principal;
use crate::receipt::Purpose;
use crate::token_file::TokenFile;

/// A projected token's way to being an assertion.
#[derive(Clone, Debug)]
pub struct Assertions {
    principal: Principal,
    token_file: TokenFile,
    keys: IssuerKeys,
    admission: Admission,
    context: Context,
}

impl Assertions {
    /// Reads this file, and judges by these keys and this policy, for whom it is that it stands for.
    pub fn new(
        principal: Principal,
        token_file: TokenFile,
        keys: IssuerKeys,
        admission: Admission,
        context: Context,
    ) -> Self {
        Self { principal, token_file, keys, admission, context }
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

    /// Where the projected token is.
    pub fn token_file(&self) -> &TokenFile {
        &self.token_file
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
        self.next_for(None).await
    }

    /// The same for an exchange of ours, if that is known.
    pub(crate) async fn next_for(&self, purpose: Option<Purpose<'_>>) -> Result<Assertion, Error> {
        let token = self.token_file.read().await.map_err(Error::new)?;
        let issuer = self.admission.verifier().issuer_of(&token, self.context.clock.wall());
        let issuer = issuer.map_err(|error| Error::new(Refusal::from(error)))?;
        let waiting = match self.admission.mode() {
            Mode::Enforce => Waiting::THROUGH_EVERYTHING,
            Mode::Off | Mode::Audit => Waiting::WHILE_IT_HELPS,
        };
        let asked = self.context.clock.boot();
        let keys = match self.keys.find(&issuer, token.kid(), waiting).await {
            Err(error) if error.is_pending() => return Err(self.pending(error)),
            keys => keys,
        };
        let mut judged = self.judge(&token, keys.as_ref()).await;
        if let (Err(refusal), Ok(keys)) = (&judged, &keys)
            && refusal.may_be_the_keys()
            && let Some(other) = self.keys.other_than(&issuer, keys, asked, waiting).await
        {
            judged = self.judge(&token, Ok(&other)).await;
        }
        let assertion = judged.map_err(|refusal| self.refused(refusal, &issuer))?;
        if let (Some(key_age), Standing::Verified(key)) = (self.key_age(), assertion.standing()) {
            let claims = assertion.claims();
            key_age.observe_token(&issuer, key, claims.issued_at, claims.expires_at);
        }
        let (principal, admitted) = (&self.principal, &assertion);
        let admitted = Admitted { principal, purpose, assertion: admitted };
        self.context.observer.event(&Event::Admitted(admitted));
        Ok(assertion)
    }

    /// How long the last token that was seen tells who signs; nothing where keys' age does not matter.
    pub(crate) fn signer_due_in(&self) -> Option<Duration> {
        self.key_age().map(KeyAge::signer_due_in)
    }

    /// Reads the file for what it says of who signs, once the last token that was seen says nothing any
    /// more: an exchange is needed once in hours, and a projected token may live for one. By the keys
    /// that are held; to look for others is for who needs the token.
    pub(crate) async fn see_signer(&self) {
        let Some(key_age) = self.key_age() else { return };
        if !key_age.signer_due_in().is_zero() {
            return;
        }
        let Ok(token) = self.token_file.read().await else { return };
        let (verifier, now) = (self.admission.verifier(), self.context.clock.wall());
        let Ok(issuer) = verifier.issuer_of(&token, now) else { return };
        let Some((_, keys, _)) = self.keys.peek().filter(|(held, ..)| *held == issuer) else {
            return;
        };
        if let Ok(key) = verifier.signer_at(&token, &keys, now) {
            let claims = token.claims();
            key_age.observe_token(&issuer, key, claims.issued_at, claims.expires_at);
        }
    }

    /// What is known of the keys' age, if that matters.
    fn key_age(&self) -> Option<&KeyAge> {
        self.keys.key_age().filter(|_| self.admission.mode() != Mode::Off)
    }

    async fn judge(
        &self,
        token: &ProjectedToken,
        keys: Result<&Arc<KeySet>, &KeysError>,
    ) -> Result<Assertion, Refusal> {
        let report = match self.key_age() {
            Some(key_age) => key_age.judged().await,
            None => None,
        };
        let exempt = self.key_age().map(KeyAge::exempt).unwrap_or_default();
        let verdicts = report.as_ref().map(|report| report.verdicts(exempt));
        let why = keys.err().map(KeysError::to_string);
        let keys = keys.map(|keys| &**keys).map_err(|_| why.as_deref().unwrap_or_default());
        let mut world = Circumstances::new(keys, self.context.clock.wall());
        world.upstream = self.keys.upstream_time(self.context.clock.boot());
        world.verdicts = verdicts.unwrap_or(KeyVerdicts::new(&[], exempt));
        self.admission.admit(token.clone(), world)
    }

    /// Nobody can say yet whether the token's key is a new one or made up. That is so for half a minute
    /// at most, and sent unchecked is only what is still unknown after that.
    fn pending(&self, error: KeysError) -> Error {
        let again = error.retry_after();
        let kind = match self.admission.mode() {
            Mode::Enforce => {
                let reason = Unchecked::UnknownKid;
                Refusal::Held { reason, detail: error.to_string() }.into()
            }
            Mode::Off | Mode::Audit => Kind::KeyPending(error),
        };
        Error::new(kind).with_retry_after(again)
    }

    /// What cannot be checked passes by itself: it is of use to ask again when keys are looked for.
    fn refused(&self, refusal: Refusal, issuer: &IssuerUrl) -> Error {
        let held = matches!(refusal, Refusal::Held { .. });
        let error = Error::new(refusal);
        if held { error.with_retry_after(self.keys.next_look_in(issuer)) } else { error }
    }
}
