//! The verification policy: when a token is what it says.

use std::borrow::Cow;
use std::time::Duration;

use crate::admission::Unchecked;
use crate::clock::UnixTime;
use crate::duration::exact;
use crate::foreign::{Foreign, ForeignList};
use crate::issuer::{IssuerError, IssuerUrl};
use crate::jwks::{Alg, KeyId, KeySet, Thumbprint};
use crate::jws::{self, JwsError};
use crate::scope::Audience;
use crate::subject::{ServiceAccount, SubjectError};
use crate::token::{Claims, ProjectedToken};

/// How far the clocks of cluster and pod may differ unless something else is configured: clocks at
/// the edge drift.
pub const LEEWAY: Duration = Duration::from_secs(300);

/// The longest accepted life of a token unless something else is configured.
pub const MAX_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// The longest life of a token that Entra takes (AADSTS70023), whatever is accepted here.
pub const ENTRA_MAX_LIFETIME: Duration = Duration::from_secs(25 * 3600);

/// What tokens of one issuer are held against. Time and the key set are arguments of each check.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Verifier {
    /// The one accepted issuer.
    pub issuer: IssuerUrl,
    /// What else must be true.
    pub rules: Rules,
}

/// What must be true of a token, whoever issued it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Rules {
    /// What the `aud` claim must contain.
    pub audience: Audience,
    /// The accepted signature algorithms.
    pub algorithms: Vec<Alg>,
    /// How far the clocks of cluster and pod may differ.
    pub leeway: Duration,
    /// The longest accepted time from `iat` to `exp`.
    pub max_lifetime: Duration,
    /// Whether a namespace's `default` account may be the subject.
    pub default_account: DefaultAccount,
}

/// What the token in the pod's own file is held against.
///
/// ```compile_fail
/// // Nobody else's token: whoever can host an issuer could show one.
/// use cambist_core::verify::{OwnTokenVerifier, Verifier};
///
/// fn misuse(own: OwnTokenVerifier) -> Verifier {
///     own.into()
/// }
/// ```
///
/// ```compile_fail
/// // Nor pinned to whatever issuer the token names, which is as good as not pinned at all.
/// use cambist_core::token::ProjectedToken;
/// use cambist_core::verify::{OwnTokenVerifier, Verifier};
///
/// fn misuse(own: &OwnTokenVerifier, shown: &ProjectedToken) -> Option<Verifier> {
///     own.verifier_of(shown).ok().map(|verifier| verifier.into_owned())
/// }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum OwnTokenVerifier {
    /// It must come from the configured issuer.
    Pinned(Verifier),
    /// It may come from any https issuer, by its own word. The kubelet wrote the file, and whoever
    /// could write it instead could send its content to Entra himself; but then the checks are an early
    /// diagnosis at most.
    DangerUnpinned(Rules),
}

/// What to do about tokens of a namespace's `default` service account. They are refused, or taken by
/// name: that is all there may ever be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a third way would have to be decided on by whoever tells these two apart"
)]
pub enum DefaultAccount {
    /// Refuse them: every pod that names no account has that one.
    #[default]
    Refused,
    /// Accept those of the named namespaces' `default` accounts.
    Allowed(Vec<ServiceAccount>),
}

/// A token that passed every check. [`Verifier`] is its only maker.
#[derive(Debug)]
pub struct VerifiedToken {
    token: ProjectedToken,
    subject: ServiceAccount,
    thumbprint: Thumbprint,
}

/// Why a token is not accepted: what it says against what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// Another issuer.
    #[error(
        "the token's issuer is {found}, but {expected} is expected; they are compared byte for byte, a trailing slash included"
    )]
    Issuer {
        /// The expected issuer.
        expected: Foreign,
        /// The `iss` claim.
        found: Foreign,
    },
    /// No issuer is configured and the token's own is no acceptable URL.
    #[error(transparent)]
    IssuerUrl(#[from] IssuerError),
    /// Addressed to somebody else.
    #[error(
        "the token's audience is {found}, but {expected} is expected: set `audience` of the projected volume accordingly"
    )]
    Audience {
        /// The expected audience.
        expected: Foreign,
        /// The `aud` claim.
        found: ForeignList,
    },
    /// The subject is no service account.
    #[error("the token's subject is refused: {0}")]
    Subject(#[from] SubjectError),
    /// The subject is a `default` account that was not allowed.
    #[error(
        "the token is for {0}, an account that every pod of the namespace gets unless it names another: give the workload a service account of its own"
    )]
    DefaultAccount(ServiceAccount),
    /// Valid for longer than tokens should be.
    #[error(
        "the token is valid for {}, longer than the accepted {}{}: lower `expirationSeconds`, or set --service-account-extend-token-expiration=false on the API server",
        exact(*.found),
        exact(*.accepted),
        entras_own(*.found)
    )]
    Lifetime {
        /// The longest accepted.
        accepted: Duration,
        /// From `iat` to `exp`.
        found: Duration,
    },
    /// It ends before it begins.
    #[error("the token expires at {expires_at}, not after it was issued at {issued_at}")]
    Backwards {
        /// The `iat` claim.
        issued_at: UnixTime,
        /// The `exp` claim.
        expires_at: UnixTime,
    },
    /// Its time is over.
    #[error(
        "the token expired at {expires_at}, and it is {now} (with {} of leeway): is the kubelet refreshing the file, and is this clock right?",
        exact(*.leeway)
    )]
    Expired {
        /// The `exp` claim.
        expires_at: UnixTime,
        /// The clock.
        now: UnixTime,
        /// The allowed difference.
        leeway: Duration,
    },
    /// Its time has not come.
    #[error(
        "the token is valid from {valid_from} ({claim}), and it is only {now} (with {} of leeway): is this clock right?",
        exact(*.leeway)
    )]
    NotYetValid {
        /// Which claim says so.
        claim: &'static str,
        /// What it says.
        valid_from: UnixTime,
        /// The clock.
        now: UnixTime,
        /// The allowed difference.
        leeway: Duration,
    },
    /// The form, the key or the signature.
    #[error(transparent)]
    Jws(#[from] JwsError),
}

/// Raising the limit here would be in vain.
fn entras_own(found: Duration) -> &'static str {
    if found > ENTRA_MAX_LIFETIME { ", and than the 25h that Entra takes at most" } else { "" }
}

impl VerifyError {
    /// Whether only the clock stands between the token and acceptance.
    pub fn is_about_time(&self) -> bool {
        matches!(self, Self::Expired { .. } | Self::NotYetValid { .. })
    }

    /// The token was not shown to be bad but could not be checked: its key is not known, or is
    /// published in a form that cannot be used.
    pub fn for_want_of_a_key(&self) -> Option<Unchecked> {
        match self {
            Self::Jws(JwsError::UnknownKey { .. }) => Some(Unchecked::UnknownKid),
            Self::Jws(JwsError::UnusableKey { .. }) => Some(Unchecked::UnusableKey),
            _ => None,
        }
    }

    /// Whether another key under the same name would have made a difference: a signer outside the API
    /// server can swap one for another, and a held set does not show it.
    pub fn may_be_the_keys(&self) -> bool {
        matches!(self, Self::Jws(JwsError::Signature { .. } | JwsError::KeyAlgorithm { .. }))
    }

    /// The reason as one stable word, for metrics and logs.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Issuer { .. } | Self::IssuerUrl(_) => "issuer_mismatch",
            Self::Audience { .. } => "audience_mismatch",
            Self::Subject(_) => "subject_invalid",
            Self::DefaultAccount(_) => "default_service_account",
            Self::Lifetime { .. } => "token_lifetime",
            Self::Backwards { .. } => "token_dates",
            Self::Expired { .. } => "token_expired",
            Self::NotYetValid { .. } => "token_not_yet_valid",
            Self::Jws(JwsError::Algorithm { .. } | JwsError::KeyAlgorithm { .. }) => {
                "algorithm_refused"
            }
            Self::Jws(JwsError::UnknownKey { .. }) => "unknown_kid",
            Self::Jws(JwsError::UnusableKey { .. }) => "unusable_key",
            Self::Jws(JwsError::Signature { .. }) => "signature_invalid",
            Self::Jws(JwsError::Exposed { .. }) => "key_compromised",
            Self::Jws(_) => "token_malformed",
        }
    }
}

impl Verifier {
    /// The usual [`Rules`] for this issuer's tokens.
    pub fn new(issuer: IssuerUrl, audience: Audience) -> Self {
        Self::with(issuer, Rules::new(audience))
    }

    /// Rules of one's own.
    pub fn with(issuer: IssuerUrl, rules: Rules) -> Self {
        Self { issuer, rules }
    }

    /// Every check that needs no key. A token that fails here is bad whatever its signature; one
    /// that passes may still be forged.
    ///
    /// # Errors
    /// [`VerifyError`], never about the signature.
    pub fn screen_at(
        &self,
        token: &ProjectedToken,
        now: UnixTime,
    ) -> Result<ServiceAccount, VerifyError> {
        let Self { issuer, rules } = self;
        token.header().alg(&rules.algorithms)?;
        let claims = token.claims();
        if claims.issuer != issuer.as_str() {
            return Err(VerifyError::Issuer {
                expected: Foreign::new(issuer.as_str()),
                found: Foreign::new(&claims.issuer),
            });
        }
        if !claims.audiences.iter().any(|audience| audience == rules.audience.as_str()) {
            return Err(VerifyError::Audience {
                expected: Foreign::new(rules.audience.as_str()),
                found: ForeignList::of(&claims.audiences),
            });
        }
        let subject: ServiceAccount = claims.subject.parse()?;
        if subject.is_default() && !rules.allows_default(&subject) {
            return Err(VerifyError::DefaultAccount(subject));
        }
        rules.check_dates(claims, now)?;
        Ok(subject)
    }

    /// Every check there is.
    ///
    /// # Errors
    /// [`VerifyError`]; [`VerifyError::for_want_of_a_key`] tells "shown to be bad" from "cannot
    /// be checked with these keys".
    pub fn verify_at(
        &self,
        token: &ProjectedToken,
        keys: &KeySet,
        now: UnixTime,
    ) -> Result<VerifiedToken, VerifyError> {
        let subject = self.screen_at(token, now)?;
        let key = jws::verify_parts(token.parts()?, token.header(), keys, &self.rules.algorithms)?;
        Ok(VerifiedToken { token: token.clone(), subject, thumbprint: key.thumbprint() })
    }
}

impl From<Verifier> for OwnTokenVerifier {
    fn from(verifier: Verifier) -> Self {
        Self::Pinned(verifier)
    }
}

impl OwnTokenVerifier {
    /// What must be true of the token, whichever issuer it may come from.
    pub fn rules(&self) -> &Rules {
        match self {
            Self::Pinned(verifier) => &verifier.rules,
            Self::DangerUnpinned(rules) => rules,
        }
    }

    /// The issuer whose keys this token, the pod's own, is to be checked with.
    ///
    /// What is bad without looking at any key is not worth a request to its issuer, and a token whose
    /// claims are not the pod's must not choose whom it calls. Only a wrong time may be the clock's
    /// fault, which an answer from the issuer would show.
    ///
    /// # Errors
    /// [`VerifyError`], neither about the signature nor about the time.
    pub fn issuer_of(
        &self,
        token: &ProjectedToken,
        now: UnixTime,
    ) -> Result<IssuerUrl, VerifyError> {
        let verifier = self.verifier_of(token)?;
        match verifier.screen_at(token, now) {
            Err(error) if !error.is_about_time() => Err(error),
            _ => Ok(verifier.issuer.clone()),
        }
    }

    /// The key that vouches for this token, the pod's own.
    ///
    /// # Errors
    /// As [`Verifier::verify_at`], and if the token's own issuer is to be taken and is none.
    pub fn signer_at(
        &self,
        token: &ProjectedToken,
        keys: &KeySet,
        now: UnixTime,
    ) -> Result<Thumbprint, VerifyError> {
        let verified = self.verifier_of(token)?.verify_at(token, keys, now)?;
        Ok(verified.thumbprint())
    }

    /// What this token, the pod's own, is held against. For this crate alone: pinned to the issuer that
    /// a token names, a verifier looks like one that somebody decided for.
    ///
    /// # Errors
    /// If no issuer is configured and the token's own is no acceptable URL.
    pub(crate) fn verifier_of(
        &self,
        token: &ProjectedToken,
    ) -> Result<Cow<'_, Verifier>, VerifyError> {
        match self {
            Self::Pinned(verifier) => Ok(Cow::Borrowed(verifier)),
            Self::DangerUnpinned(rules) => {
                let issuer = IssuerUrl::parse(&token.claims().issuer)?;
                Ok(Cow::Owned(Verifier::with(issuer, rules.clone())))
            }
        }
    }
}

impl Rules {
    /// The rules for projected tokens on their way to Entra: RS256 alone (all that Entra supports),
    /// 300 seconds of leeway (edge clocks drift), at most 24 hours of life, no `default` account.
    pub fn new(audience: Audience) -> Self {
        Self {
            audience,
            algorithms: vec![Alg::Rs256],
            leeway: LEEWAY,
            max_lifetime: MAX_LIFETIME,
            default_account: DefaultAccount::Refused,
        }
    }

    fn allows_default(&self, subject: &ServiceAccount) -> bool {
        match &self.default_account {
            DefaultAccount::Refused => false,
            DefaultAccount::Allowed(accounts) => accounts.contains(subject),
        }
    }

    fn check_dates(&self, claims: &Claims, now: UnixTime) -> Result<(), VerifyError> {
        let (issued_at, expires_at) = (claims.issued_at, claims.expires_at);
        if expires_at <= issued_at {
            return Err(VerifyError::Backwards { issued_at, expires_at });
        }
        let found = expires_at.since(issued_at);
        if found > self.max_lifetime {
            return Err(VerifyError::Lifetime { accepted: self.max_lifetime, found });
        }
        let leeway = self.leeway;
        if now >= expires_at + leeway {
            return Err(VerifyError::Expired { expires_at, now, leeway });
        }
        for (claim, valid_from) in [("nbf", claims.not_before), ("iat", Some(issued_at))] {
            if let Some(valid_from) = valid_from.filter(|from| now + leeway < *from) {
                return Err(VerifyError::NotYetValid { claim, valid_from, now, leeway });
            }
        }
        Ok(())
    }
}

impl VerifiedToken {
    /// Whom it speaks for.
    pub fn subject(&self) -> &ServiceAccount {
        &self.subject
    }

    /// What it claims; all of it checked against the policy.
    pub fn claims(&self) -> &Claims {
        self.token.claims()
    }

    /// The name of the key that signed it.
    pub fn kid(&self) -> Option<&KeyId> {
        self.token.kid()
    }

    /// The key that signed it.
    pub fn thumbprint(&self) -> Thumbprint {
        self.thumbprint
    }
}

#[cfg(test)]
mod tests;
