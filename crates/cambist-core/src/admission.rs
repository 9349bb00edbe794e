//! Admission: which token may leave the pod, and who a caller is.
//!
//! Promise: an assertion *shown* to be bad is never sent to Entra. One that *cannot be checked* is
//! sent in [`Mode::Off`] and [`Mode::Audit`], marked so, and held in [`Mode::Enforce`]: a sidecar
//! must not be less available than no sidecar, unless somebody asked for exactly that.
//!
//! ```compile_fail
//! // Exchange before verify does not compile: only `Admission` makes an `Assertion`.
//! use cambist_core::admission::{Assertion, Standing, Unchecked};
//!
//! fn misuse(token: cambist_core::token::ProjectedToken) -> Assertion {
//!     let standing = Standing::Unchecked(Unchecked::NoKeys);
//!     Assertion { token, standing, objection: None }
//! }
//! ```

use std::fmt;
use std::str::FromStr;

use crate::clock::{Reading, UnixTime};
use crate::jwks::{KeyId, KeySet, Thumbprint};
use crate::jws::JwsError;
use crate::secret::Secret;
use crate::subject::ServiceAccount;
use crate::token::{Claims, ProjectedToken};
use crate::verify::{OwnTokenVerifier, VerifiedToken, VerifyError};

mod objection;

pub use objection::{Exemption, ExemptionError, Ground, KeyVerdicts, Refused};

/// How strict the issuer-key policy is. Not to look, to look, to act: no fourth is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "whoever matches it decides what is held: a fourth must not slip by"
)]
pub enum Mode {
    /// Keys are not judged.
    Off,
    /// Keys are judged, findings are reported, nothing is held.
    #[default]
    Audit,
    /// What cannot be checked is held, and so is what an overdue or compromised key signed.
    Enforce,
}

impl Mode {
    /// The word it is configured by.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Audit => "audit",
            Self::Enforce => "enforce",
        }
    }
}

impl FromStr for Mode {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Off, Self::Audit, Self::Enforce].into_iter().find(|m| m.as_str() == text).ok_or(())
    }
}

/// A projected token that may be sent to Entra as a client assertion. [`Admission`] is its only
/// maker.
#[derive(Debug)]
pub struct Assertion {
    token: ProjectedToken,
    standing: Standing,
    objection: Option<Refused>,
}

/// What is known of an assertion. It was checked or it was not; why not may grow ([`Unchecked`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "whoever reads it has to tell what was checked from what was not"
)]
pub enum Standing {
    /// Everything was checked; this key signed it.
    Verified(Thumbprint),
    /// It could not be checked, for this reason, and the mode lets it pass.
    Unchecked(Unchecked),
}

/// Why a token could not be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unchecked {
    /// No key source could be reached and no key set is held.
    NoKeys,
    /// The key that the token names is not published, also after looking again.
    UnknownKid,
    /// The key that the token names is published but cannot be used.
    UnusableKey,
    /// The token's dates are wrong by this clock and right by that of an https server.
    ClockSkew,
}

impl Unchecked {
    /// The reason as one stable word, for metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoKeys => "no_keys",
            Self::UnknownKid => "unknown_kid",
            Self::UnusableKey => "unusable_key",
            Self::ClockSkew => "clock_skew",
        }
    }
}

/// Why a token is not sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It was shown to be bad.
    #[error(transparent)]
    Bad(#[from] VerifyError),
    /// It cannot be checked, and the mode is `enforce`.
    #[error("the token cannot be checked ({}), and CAMBIST_KEY_AGE=enforce holds what cannot be checked: {detail}", .reason.as_str())]
    Held {
        /// Why it cannot be checked.
        reason: Unchecked,
        /// What was tried.
        detail: String,
    },
    /// Its key is overdue or compromised, and the mode is `enforce`.
    #[error(transparent)]
    Key(#[from] Box<Refused>),
}

impl Refusal {
    /// Whether another key under the same name would have made a difference.
    pub fn may_be_the_keys(&self) -> bool {
        matches!(self, Self::Bad(error) if error.may_be_the_keys())
    }

    /// The reason as one stable word, for metrics and logs.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Bad(error) => error.as_str(),
            Self::Held { .. } => "unchecked_held",
            Self::Key(refused) => refused.as_str(),
        }
    }
}

/// What is known of the world when a token is judged.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Circumstances<'a> {
    /// The issuer's keys, or in words why there are none.
    pub keys: Result<&'a KeySet, &'a str>,
    /// This machine's wall clock.
    pub now: UnixTime,
    /// The time by an https server's `Date` header, if one was heard.
    pub upstream: Option<Reading>,
    /// What is known against keys.
    pub verdicts: KeyVerdicts<'a>,
}

impl<'a> Circumstances<'a> {
    /// These keys (or in words why there are none) at this time; no server's `Date` was heard, and
    /// nothing is known against any key.
    pub fn new(keys: Result<&'a KeySet, &'a str>, now: UnixTime) -> Self {
        Self { keys, now, upstream: None, verdicts: KeyVerdicts::default() }
    }
}

/// Decides what is sent to Entra.
#[derive(Clone, Debug)]
pub struct Admission {
    verifier: OwnTokenVerifier,
    mode: Mode,
}

impl Admission {
    /// A policy.
    pub fn new(verifier: impl Into<OwnTokenVerifier>, mode: Mode) -> Self {
        Self { verifier: verifier.into(), mode }
    }

    /// What tokens are held against.
    pub fn verifier(&self) -> &OwnTokenVerifier {
        &self.verifier
    }

    /// How strict it is.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Judges a token.
    ///
    /// # Errors
    /// [`Refusal`]: the token is bad, or may not be sent in this mode.
    pub fn admit(
        &self,
        token: ProjectedToken,
        world: Circumstances<'_>,
    ) -> Result<Assertion, Refusal> {
        let bad_time = match self.judge(&token, world, world.now) {
            Err(Refusal::Bad(error)) if error.is_about_time() => error,
            judged => return judged,
        };
        // Right by a clock that TLS vouches for: then this machine's clock is the fault.
        // One that is in doubt itself by more than clocks may differ says nothing.
        let upstream = world.upstream.filter(|time| time.error() <= self.verifier.rules().leeway);
        match upstream.map(|upstream| self.judge(&token, world, upstream.at())) {
            // Everything else was checked, so even `Enforce` lets it pass: a wrong clock of ours is no
            // reason to stop a fleet.
            Some(Ok(assertion)) => {
                let standing = Standing::Unchecked(Unchecked::ClockSkew);
                Ok(Assertion { standing, ..assertion })
            }
            Some(Err(refusal)) if !matches!(&refusal, Refusal::Bad(e) if e.is_about_time()) => {
                Err(refusal)
            }
            _ => Err(bad_time.into()),
        }
    }

    fn judge(
        &self,
        token: &ProjectedToken,
        world: Circumstances<'_>,
        now: UnixTime,
    ) -> Result<Assertion, Refusal> {
        let verifier = self.verifier.verifier_of(token)?;
        let keys = match world.keys {
            Ok(keys) => keys,
            Err(why) => {
                verifier.screen_at(token, now)?;
                return self.pass(token, Unchecked::NoKeys, why.to_owned());
            }
        };
        let (key, objection) = match verifier.verify_at(token, keys, now) {
            Ok(verified) => {
                let key = verified.thumbprint();
                (key, world.verdicts.against(key, now).cloned())
            }
            // Of callers it would prove nothing. Of our own token it leaves open who else has such
            // ones, which is the issuer's trouble: told, and held where that is asked for.
            Err(VerifyError::Jws(JwsError::Exposed { thumbprint, how, .. })) => {
                let refused = Refused::new(thumbprint, Ground::Compromised, how.to_string());
                let lets_pass = world.verdicts.lets_pass(thumbprint, now);
                (thumbprint, Some(refused).filter(|_| !lets_pass))
            }
            Err(error) => {
                return match error.for_want_of_a_key() {
                    Some(reason) => self.pass(token, reason, error.to_string()),
                    None => Err(error.into()),
                };
            }
        };
        match (objection.filter(|_| self.mode != Mode::Off), self.mode) {
            (Some(refused), Mode::Enforce) => Err(Box::new(refused).into()),
            (objection, _) => {
                let standing = Standing::Verified(key);
                Ok(Assertion { token: token.clone(), standing, objection })
            }
        }
    }

    fn pass(
        &self,
        token: &ProjectedToken,
        reason: Unchecked,
        detail: String,
    ) -> Result<Assertion, Refusal> {
        match self.mode {
            Mode::Enforce => Err(Refusal::Held { reason, detail }),
            Mode::Off | Mode::Audit => {
                let standing = Standing::Unchecked(reason);
                let token = token.clone();
                Ok(Assertion { token, standing, objection: None })
            }
        }
    }
}

impl Assertion {
    /// What is known of it.
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// What [`Mode::Enforce`] would have refused it for, in [`Mode::Audit`].
    pub fn objection(&self) -> Option<&Refused> {
        self.objection.as_ref()
    }

    /// What it claims.
    pub fn claims(&self) -> &Claims {
        self.token.claims()
    }

    /// The name of the key that signed it, by its own word.
    pub fn kid(&self) -> Option<&KeyId> {
        self.token.kid()
    }

    /// What its header names to have a key of its sender's choice trusted (`jwk`, `x5u`, ...). That is
    /// never looked at; no API server writes it, so somebody may want to know.
    pub fn ignored(&self) -> &[&'static str] {
        &self.token.header().ignored
    }

    /// The token, to be sent to Entra and nowhere else.
    pub fn secret(&self) -> &Secret {
        self.token.secret()
    }
}

/// Somebody who showed a verified token: whom a request comes from. It can never be exchanged.
///
/// ```compile_fail
/// fn exchange(_: cambist_core::admission::Assertion) {}
/// fn misuse(caller: cambist_core::admission::Caller) {
///     exchange(caller); // a caller's identity is not ours to spend
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    subject: ServiceAccount,
    key: Thumbprint,
    claims: Claims,
}

impl Caller {
    /// The service account the caller runs as.
    pub fn subject(&self) -> &ServiceAccount {
        &self.subject
    }

    /// The issuer's key that vouched for it.
    pub fn key(&self) -> Thumbprint {
        self.key
    }

    /// What its token claims.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }
}

impl From<VerifiedToken> for Caller {
    fn from(token: VerifiedToken) -> Self {
        let (subject, key) = (token.subject().clone(), token.thumbprint());
        Self { subject, key, claims: token.claims().clone() }
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.subject.fmt(f)
    }
}

#[cfg(test)]
mod tests;
