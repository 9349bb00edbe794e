//! Who asks: a caller of the policy, by what the request proves; and what the policy says of what is asked.

use cambist_core::policy::{self, Denied, Policy};
use cambist_core::secret::Secret;
use http::header::{HeaderMap, HeaderName};

use crate::front_door::Door;
use crate::request::{Asked, Protocol, Reason, Rejection, misplaced, not_found, selected};

const IDENTITY_HEADER: HeaderName = HeaderName::from_static("x-identity-header");
/// App Service 2017-09-01 has it so.
const OLDER_HEADER: HeaderName = HeaderName::from_static("secret");

/// How a caller is known.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Proof {
    /// By any of these header secrets: more than one while they are rotated.
    Secrets(Vec<Secret>),
    /// By nothing: whoever asks by a protocol that has no secret.
    Anonymous,
}

/// A policy with what its callers are known by, and the door that they come in at.
#[derive(Debug)]
pub struct Access {
    pub(crate) door: Door,
    pub(crate) protocols: Vec<Protocol>,
    policy: Policy,
    /// One for each caller of the policy, in its order.
    proofs: Vec<Proof>,
    /// Whether the policy is of variables: their names then say more than its own.
    of_variables: bool,
}

/// What is said of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Whose token it is: a place in the policy's identities.
    pub(crate) identity: usize,
    /// Whether the caller may have it. It is answered all the same where the policy only looks on.
    pub(crate) allowed: bool,
}

impl Access {
    /// Access by this policy, whose callers are known by these proofs, in its order.
    ///
    /// # Panics
    /// If there is not one proof for each caller.
    pub fn new(door: Door, protocols: Vec<Protocol>, policy: Policy, proofs: Vec<Proof>) -> Self {
        assert_eq!(policy.callers().len(), proofs.len(), "a proof for each caller");
        Self { door, protocols, policy, proofs, of_variables: false }
    }

    /// The same, of variables and not of a file: a refusal names them.
    #[must_use]
    pub fn of_variables(self) -> Self {
        Self { of_variables: true, ..self }
    }

    /// What callers may have.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Whether anybody can ask by a secret.
    pub(crate) fn has_secrets(&self) -> bool {
        let known = |proof: &Proof| matches!(proof, Proof::Secrets(known) if !known.is_empty());
        self.proofs.iter().any(known)
    }

    /// Why a protocol that asks for a secret is closed, which nobody has.
    pub(crate) fn why_no_secret(&self, protocol: &str) -> String {
        if self.of_variables {
            return format!("{protocol} is closed, because the sidecar has no IDENTITY_HEADER");
        }
        format!("{protocol} is closed, because no caller of the sidecar's policy has a secret")
    }

    /// The protocols that are both open and possible.
    pub fn served(&self) -> impl Iterator<Item = Protocol> {
        Protocol::possible(&self.protocols, self.has_secrets())
    }

    /// The secrets that anybody is known by.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &Secret> {
        self.proofs.iter().flat_map(Proof::secrets)
    }

    /// Refuses what is a token or a secret and not a resource, before anything keeps it or is told of it.
    pub(crate) fn check_resource(&self, resource: &str) -> Result<(), Rejection> {
        let Some(_) = misplaced::without(resource, self.secrets()) else { return Ok(()) };
        let detail =
            "that is a token or a header secret, not a resource: look at what the app asks for";
        Err(Rejection::new(Reason::Resource, detail))
    }

    /// Who asks, by what the request proves: a place in the policy's callers.
    pub(crate) fn caller(
        &self,
        protocol: Protocol,
        headers: &HeaderMap,
    ) -> Result<usize, Rejection> {
        if protocol.needs_secret() {
            return self.knows_secret(headers);
        }
        check_metadata(headers)?;
        let anonymous = self.proofs.iter().position(|proof| matches!(proof, Proof::Anonymous));
        anonymous.ok_or_else(|| {
            let detail = "the policy has no caller that shows no secret (anonymous: true)";
            Rejection::new(Reason::PolicyDenied, detail)
        })
    }

    /// What a caller is called, by its place.
    pub(crate) fn caller_name(&self, caller: usize) -> &str {
        self.policy.callers().get(caller).map_or("", policy::Caller::name)
    }

    /// How a caller is known, by its place, in words.
    pub(crate) fn how_known(&self, caller: usize) -> &'static str {
        match self.proofs.get(caller) {
            Some(Proof::Secrets(known)) if known.is_empty() => "by a secret that is not there now",
            Some(Proof::Secrets(_)) => "by its header secret",
            Some(Proof::Anonymous) => "by asking without a secret",
            None => "by nothing",
        }
    }

    /// Whether a caller of this name is still known by what was shown before.
    pub(crate) fn knows(&self, caller: &str, shown: Option<&Secret>) -> bool {
        let mut callers = self.callers();
        let proof = callers.find(|(it, _)| it.name() == caller).map(|(_, proof)| proof);
        match (proof, shown) {
            (Some(proof @ Proof::Secrets(_)), Some(shown)) => {
                proof.knows(shown.expose().as_bytes())
            }
            (Some(Proof::Anonymous), None) => true,
            _ => false,
        }
    }

    fn callers(&self) -> impl Iterator<Item = (&policy::Caller, &Proof)> {
        self.policy.callers().iter().zip(&self.proofs)
    }

    fn knows_secret(&self, headers: &HeaderMap) -> Result<usize, Rejection> {
        let mut given = headers.get_all(IDENTITY_HEADER).iter();
        let mut proof = (given.next(), given.next());
        let older = proof.0.is_none();
        if older {
            // For what the app has in MSI_SECRET.
            let mut given = headers.get_all(OLDER_HEADER).iter();
            proof = (given.next(), given.next());
        }
        let detail = match proof {
            (None, _) => "X-IDENTITY-HEADER is missing; it must say what IDENTITY_HEADER says",
            (Some(_), Some(_)) => "X-IDENTITY-HEADER or Secret is there more than once",
            (Some(given), None) => {
                // Each secret is looked at, whichever it is: how long that takes tells nobody which.
                let knows = self.proofs.iter().enumerate().fold(None, |found, (place, proof)| {
                    let knows = proof.knows(given.as_bytes());
                    if knows { Some(place) } else { found }
                });
                match knows {
                    Some(caller) => return Ok(caller),
                    None if !self.of_variables => {
                        "the secret that was shown (IDENTITY_HEADER, or MSI_SECRET) is that of no caller of this \
                         sidecar's policy: compare it with the caller's secret_files"
                    }
                    None if older => {
                        "Secret (the app's MSI_SECRET) is not what this sidecar's IDENTITY_HEADER says"
                    }
                    None => "X-IDENTITY-HEADER is not what this sidecar's IDENTITY_HEADER says",
                }
            }
        };
        Err(Rejection::new(Reason::IdentityHeader, detail))
    }

    /// Whose token this caller gets for what it asks, and whether it may have it.
    pub(crate) fn judge(&self, caller: usize, asked: &Asked<'_>) -> Result<Verdict, Rejection> {
        // Whoever is known is of this policy.
        let caller = self.policy.callers().get(caller).expect("a caller of the policy");
        let selector = selected(&asked.selectors)?;
        let verdict = self.policy.judge(caller, selector, asked.resource.key());
        let policy::Verdict { identity, allowed } =
            verdict.map_err(|denied| match (&denied, selector, self.policy.identities()) {
                (Denied::NotFound { .. }, Some(selector), [only]) if self.of_variables => {
                    not_found(&selector, only)
                }
                _ => Rejection::of_policy(&denied),
            })?;
        Ok(Verdict { identity, allowed })
    }
}

impl Proof {
    fn knows(&self, given: &[u8]) -> bool {
        match self {
            Self::Secrets(known) => {
                known.iter().fold(false, |knows, secret| secret.matches(given) | knows)
            }
            Self::Anonymous => false,
        }
    }

    fn secrets(&self) -> &[Secret] {
        match self {
            Self::Secrets(known) => known,
            Self::Anonymous => &[],
        }
    }

    /// Whether it proves what the other does, no more and no less.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let (one, two) = (self.secrets(), other.secrets());
        std::mem::discriminant(self) == std::mem::discriminant(other)
            && one.len() == two.len()
            && one.iter().zip(two).all(|(one, two)| one.matches(two.expose().as_bytes()))
    }

    /// Whether something proves both.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        let known = |secret: &Secret| other.knows(secret.expose().as_bytes());
        self.secrets().iter().any(known)
    }
}

/// The header secret that a request is known by, for whoever asks again later whether it still counts.
pub(crate) fn shown_secret(protocol: Protocol, headers: &HeaderMap) -> Option<Secret> {
    if !protocol.needs_secret() {
        return None;
    }
    let shown = headers.get(IDENTITY_HEADER).or_else(|| headers.get(OLDER_HEADER))?;
    shown.to_str().ok().map(Secret::new)
}

fn check_metadata(headers: &HeaderMap) -> Result<(), Rejection> {
    let mut given = headers.get_all("metadata").iter();
    match (given.next(), given.next()) {
        (Some(value), None) if value.as_bytes().eq_ignore_ascii_case(b"true") => Ok(()),
        // The metadata service's own words.
        _ => Err(Rejection::new(Reason::MetadataHeader, "Required metadata header not specified")),
    }
}

#[cfg(test)]
mod tests;
