//! Who may ask, whose tokens they may have, and what for.

use cambist_core::scope::{Allowed, Resource};
use cambist_core::secret::Secret;
use http::header::{HeaderMap, HeaderName};

use crate::front_door::Door;
use crate::request::{Asked, Identity, Protocol, Reason, Rejection, Selected};

const IDENTITY_HEADER: HeaderName = HeaderName::from_static("x-identity-header");
/// App Service 2017-09-01 has it so.
const OLDER_HEADER: HeaderName = HeaderName::from_static("secret");

/// What happens to a request for a resource that its caller may not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// It is answered, and told.
    #[default]
    Audit,
    /// It is refused.
    Enforce,
}

/// Who may have what: callers and the identities whose tokens they may have.
#[derive(Debug)]
pub struct Policy {
    pub(crate) door: Door,
    pub(crate) protocols: Vec<Protocol>,
    mode: Mode,
    callers: Vec<Caller>,
    identities: Vec<Identity>,
    /// Whose tokens a caller gets that names none and may have several.
    default: Option<usize>,
}

/// Somebody who may ask.
#[derive(Debug)]
pub struct Caller {
    /// What the policy calls it.
    name: String,
    proof: Proof,
    rights: Vec<Right>,
}

/// How a caller is known.
#[derive(Debug)]
#[non_exhaustive]
pub enum Proof {
    /// By any of these header secrets: more than one while they are rotated.
    Secrets(Vec<Secret>),
    /// By nothing: whoever asks by a protocol that has no secret.
    Anonymous,
}

/// What a caller may have of one identity.
#[derive(Clone, Debug)]
struct Right {
    /// A place in the policy's identities.
    identity: usize,
    resources: Vec<Allowed>,
}

impl Caller {
    /// A caller that may have nothing yet.
    pub fn new(name: impl Into<String>, proof: Proof) -> Self {
        Self { name: name.into(), proof, rights: Vec::new() }
    }

    /// The same, and it may have tokens of this identity, by its place in the policy, for these resources.
    #[must_use]
    pub fn may(mut self, identity: usize, resources: Vec<Allowed>) -> Self {
        self.rights.push(Right { identity, resources });
        self
    }
}

/// What a policy says of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verdict<'p> {
    /// Who asks, as the policy calls it.
    pub(crate) caller: &'p str,
    /// Whose token it is: a place in the policy's identities.
    pub(crate) identity: usize,
    /// Whether the caller may have it. It is answered all the same where the policy only looks on.
    pub(crate) allowed: bool,
}

impl Policy {
    /// The policy of a pod with one identity: `identity` is for whoever knows the header secret, and
    /// by a protocol that asks for none, for whoever comes in at `door`. Of the `protocols`, those
    /// that ask for a secret are closed without one.
    pub fn of_one(
        door: Door,
        protocols: Vec<Protocol>,
        secret: Option<Secret>,
        identity: Identity,
    ) -> Self {
        let any = || vec!["*".parse().expect("a star is every resource")];
        let known =
            secret.map(|secret| Caller::new("app", Proof::Secrets(vec![secret])).may(0, any()));
        let anonymous = Caller::new("anonymous", Proof::Anonymous).may(0, any());
        let callers = known.into_iter().chain([anonymous]).collect();
        Self::new(door, protocols, Mode::Enforce, callers, vec![identity])
    }

    /// A policy of several. Callers' rights are places in `identities`.
    ///
    /// # Panics
    /// If a caller may have an identity that is none of these.
    pub fn new(
        door: Door,
        protocols: Vec<Protocol>,
        mode: Mode,
        callers: Vec<Caller>,
        identities: Vec<Identity>,
    ) -> Self {
        let rights = callers.iter().flat_map(|caller| &caller.rights);
        assert!(
            rights.into_iter().all(|right| right.identity < identities.len()),
            "an identity of this policy"
        );
        Self { door, protocols, mode, callers, identities, default: None }
    }

    /// The same, and a caller that names no identity and may have several, this one among them, gets this one's tokens.
    #[must_use]
    pub fn with_default(self, identity: usize) -> Self {
        Self { default: Some(identity), ..self }
    }

    /// Whether anybody can ask by a secret.
    pub(crate) fn has_secrets(&self) -> bool {
        self.callers
            .iter()
            .any(|caller| matches!(&caller.proof, Proof::Secrets(known) if !known.is_empty()))
    }

    /// Who asks, by what the request proves.
    pub(crate) fn caller(
        &self,
        protocol: Protocol,
        headers: &HeaderMap,
    ) -> Result<&Caller, Rejection> {
        if protocol.needs_secret() {
            return self.knows_secret(headers);
        }
        check_metadata(headers)?;
        let anonymous = self.callers.iter().find(|caller| matches!(caller.proof, Proof::Anonymous));
        anonymous.ok_or_else(|| Rejection::new(Reason::ProtocolClosed, "nobody may ask this way"))
    }

    fn knows_secret(&self, headers: &HeaderMap) -> Result<&Caller, Rejection> {
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
                let knows = self.callers.iter().fold(None, |found, caller| {
                    let knows = caller.knows(given.as_bytes());
                    if knows { Some(caller) } else { found }
                });
                match knows {
                    Some(caller) => return Ok(caller),
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
    pub(crate) fn judge<'p>(
        &'p self,
        caller: &'p Caller,
        asked: &Asked<'_>,
    ) -> Result<Verdict<'p>, Rejection> {
        let right = self.right(caller, asked)?;
        let allowed = right.covers(&asked.resource);
        if !allowed && self.mode == Mode::Enforce {
            return Err(caller.denied(&self.identities[right.identity], &asked.resource));
        }
        Ok(Verdict { caller: &caller.name, identity: right.identity, allowed })
    }

    /// Within what the caller may have alone: it learns nothing of what others may.
    fn right<'p>(&self, caller: &'p Caller, asked: &Asked<'_>) -> Result<&'p Right, Rejection> {
        if let Some(selected) = Selected::of(&asked.selectors)? {
            let selects = |right: &&Right| self.identities[right.identity].is(&selected);
            let found = caller.rights.iter().find(selects);
            return found.ok_or_else(|| match &self.identities[..] {
                [only] => selected.not_found(&only.only(&selected)),
                _ => {
                    selected.not_found(&format!("{} may have {}", caller.name, self.names(caller)))
                }
            });
        }
        let default = caller.rights.iter().find(|right| Some(right.identity) == self.default);
        match (default, &caller.rights[..]) {
            (Some(right), _) | (None, [right]) => Ok(right),
            (None, []) => {
                let detail = format!("the policy gives {} no identity", caller.name);
                Err(Rejection::new(Reason::PolicyDenied, detail))
            }
            (None, _) => {
                let detail = format!(
                    "{} may have {}, and none of them is its default: name one, by client_id, object_id or \
                     mi_res_id (in an SDK, by the identity given to its credential)",
                    caller.name,
                    self.names(caller)
                );
                Err(Rejection::new(Reason::IdentityAmbiguous, detail))
            }
        }
    }

    /// The identities that a caller may have, by name.
    fn names(&self, caller: &Caller) -> String {
        let names: Vec<_> = caller
            .rights
            .iter()
            .map(|right| self.identities[right.identity].name.as_str())
            .collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }
}

impl Caller {
    fn knows(&self, given: &[u8]) -> bool {
        match &self.proof {
            Proof::Secrets(known) => {
                known.iter().fold(false, |knows, secret| secret.matches(given) | knows)
            }
            Proof::Anonymous => false,
        }
    }

    fn denied(&self, identity: &Identity, resource: &Resource<'_>) -> Rejection {
        let detail = format!(
            "the policy gives {} no token of {} for {}",
            self.name,
            identity.name,
            cambist_core::foreign::Foreign::new(resource.as_str())
        );
        Rejection::new(Reason::PolicyDenied, detail)
    }
}

impl Right {
    fn covers(&self, resource: &Resource<'_>) -> bool {
        self.resources.iter().any(|allowed| allowed.covers(resource.key()))
    }
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
