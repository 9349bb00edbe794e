//! Who may have whose tokens, and what for: one pure function over a table of callers, identities and resources.
//!
//! How a caller is known, and how the refusal travels, is for whoever asks. A caller learns nothing of what others may
//! have: what is not its own is refused in the same words as what does not exist.

use std::fmt;

use crate::foreign::Foreign;
use crate::scope::Allowed;

mod denied;

pub use denied::Denied;

/// What happens to a request that the policy does not allow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// It is answered, and told.
    Audit,
    /// It is refused.
    #[default]
    Enforce,
}

impl Mode {
    /// The word it is configured by.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Audit => "audit",
            Self::Enforce => "enforce",
        }
    }
}

/// A kind of name that an identity is selected by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(
    clippy::exhaustive_enums,
    reason = "whoever tells how to name an identity has to tell it of each kind"
)]
pub enum SelectorKind {
    /// The application's client id.
    Client,
    /// The service principal's object id.
    Object,
    /// The managed identity's Azure resource id.
    Resource,
}

impl fmt::Display for SelectorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "client id",
            Self::Object => "object id",
            Self::Resource => "resource id",
        })
    }
}

/// The one identity that a request names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "whoever reads a request writes both, and there is no more to a name"
)]
pub struct Selector<'r> {
    /// What kind of name it is.
    pub kind: SelectorKind,
    /// The name, as it was written; no case matters in any of them.
    pub value: &'r str,
}

impl fmt::Display for Selector<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, Foreign::new(self.value))
    }
}

/// Whose tokens can be had, as far as a policy needs to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Identity {
    /// What it is called.
    pub name: String,
    /// The application's client id.
    pub client_id: String,
    /// The service principal's object id, if it is known.
    pub object_id: Option<String>,
    /// The managed identity's resource id, if it is known.
    pub resource_id: Option<String>,
    /// Whether it is whoever is selected: a developer stands in for everybody.
    pub anybody: bool,
    /// What anybody may have its tokens for at most; everything without a list.
    pub resources: Option<Vec<Allowed>>,
}

impl Identity {
    /// An identity that is known by its client id alone.
    pub fn new(name: impl Into<String>, client_id: impl Into<String>) -> Self {
        Self { name: name.into(), client_id: client_id.into(), ..Self::default() }
    }

    /// What it goes by, of this kind.
    pub fn known(&self, kind: SelectorKind) -> Option<&str> {
        match kind {
            SelectorKind::Client => Some(&self.client_id),
            SelectorKind::Object => self.object_id.as_deref(),
            SelectorKind::Resource => self.resource_id.as_deref(),
        }
    }

    fn covers(&self, resource: &str) -> bool {
        self.resources.as_ref().is_none_or(|list| list.iter().any(|it| it.covers(resource)))
    }
}

/// Somebody who may ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    name: String,
    /// In the order of the identities.
    rights: Vec<Right>,
    anonymous: bool,
}

/// What a caller may have of one identity.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Right {
    identity: usize,
    resources: Vec<Allowed>,
}

impl Caller {
    /// A caller that may have nothing yet.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), rights: Vec::new(), anonymous: false }
    }

    /// The same for whoever is known by nothing: it has none but its own identities, in whatever mode.
    pub fn anonymous(name: impl Into<String>) -> Self {
        Self { anonymous: true, ..Self::new(name) }
    }

    /// The same, and it may have tokens of this identity, by its place in the policy, for these resources.
    #[must_use]
    pub fn may(mut self, identity: usize, resources: impl IntoIterator<Item = Allowed>) -> Self {
        match self.rights.binary_search_by_key(&identity, |right| right.identity) {
            Ok(at) => self.rights[at].resources.extend(resources),
            Err(at) => {
                let right = Right { identity, resources: resources.into_iter().collect() };
                self.rights.insert(at, right);
            }
        }
        self
    }

    /// What the policy calls it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it may have: identities by their places, each with its resources.
    pub fn rights(&self) -> impl Iterator<Item = (usize, &[Allowed])> {
        self.rights.iter().map(|right| (right.identity, &*right.resources))
    }

    fn right(&self, identity: usize) -> Option<&Right> {
        let at = self.rights.binary_search_by_key(&identity, |right| right.identity).ok()?;
        self.rights.get(at)
    }
}

/// Who may have what: callers, and the identities whose tokens they may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    mode: Mode,
    identities: Vec<Identity>,
    callers: Vec<Caller>,
    default: Option<usize>,
    /// The [`trace`] of each name that an identity goes by, sorted, with the identity's place.
    traces: Vec<(u64, usize)>,
    /// Those that stand in for whoever is selected.
    anybody: Vec<usize>,
}

/// What a policy says of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "whoever answers a request by it takes all of it into account"
)]
pub struct Verdict {
    /// Whose token it is: a place in the policy's identities.
    pub identity: usize,
    /// Whether the caller may have it. If not, the policy only looks on ([`Mode::Audit`]).
    pub allowed: bool,
}

impl Policy {
    /// A policy without a default identity. Callers' rights are places in `identities`.
    ///
    /// # Panics
    /// If a caller may have an identity that is none of these.
    pub fn new(mode: Mode, identities: Vec<Identity>, callers: Vec<Caller>) -> Self {
        let rights = callers.iter().flat_map(|caller| &caller.rights);
        assert!(
            rights.into_iter().all(|right| right.identity < identities.len()),
            "an identity of this policy"
        );
        let kinds = [SelectorKind::Client, SelectorKind::Object, SelectorKind::Resource];
        let mut traces: Vec<_> = identities
            .iter()
            .enumerate()
            .flat_map(|(at, identity)| {
                kinds.into_iter().filter_map(move |kind| {
                    let value = identity.known(kind)?;
                    Some((trace(Selector { kind, value }), at))
                })
            })
            .collect();
        traces.sort_unstable();
        let anybody = (0..identities.len()).filter(|at| identities[*at].anybody).collect();
        Self { mode, identities, callers, default: None, traces, anybody }
    }

    /// The same, and a caller that names no identity and may have several, this one among them, gets this one's
    /// tokens.
    #[must_use]
    pub fn with_default(self, identity: usize) -> Self {
        Self { default: Some(identity), ..self }
    }

    /// What happens to what is not allowed.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The identities, by their places.
    pub fn identities(&self) -> &[Identity] {
        &self.identities
    }

    /// The callers, by their places.
    pub fn callers(&self) -> &[Caller] {
        &self.callers
    }

    /// The place of the identity that is had by a caller who names none and may have several.
    pub fn default_identity(&self) -> Option<usize> {
        self.default
    }

    /// Whose token this caller gets for what it asks, and whether it may have it. Allocates nothing where it may.
    ///
    /// # Errors
    /// [`Denied`]: it may not, or it is not clear which one it means.
    pub fn judge(
        &self,
        caller: &Caller,
        selector: Option<Selector<'_>>,
        resource: &str,
    ) -> Result<Verdict, Denied> {
        let identity = match selector {
            Some(selector) => self.selected(caller, selector)?,
            None => self.unselected(caller)?,
        };
        let allowed = self.allows(caller, identity, resource);
        if allowed || self.looks_on(caller, identity) {
            return Ok(Verdict { identity, allowed });
        }
        Err(Denied::Resource {
            caller: caller.name.clone(),
            identity: self.identities[identity].name.clone(),
            resource: Foreign::new(resource),
        })
    }

    /// Whether a caller gets tokens of an identity for this, allowed or looked on.
    pub fn gives(&self, caller: &Caller, identity: usize, resource: &str) -> bool {
        self.looks_on(caller, identity) || self.allows(caller, identity, resource)
    }

    /// Whether a caller is kept from nothing of an identity: who only looks on keeps nobody who is known from what
    /// there is.
    fn looks_on(&self, caller: &Caller, identity: usize) -> bool {
        self.mode == Mode::Audit && (!caller.anonymous || caller.right(identity).is_some())
    }

    /// Whether a caller may have tokens of an identity for this, whatever the mode.
    pub fn allows(&self, caller: &Caller, identity: usize, resource: &str) -> bool {
        let Some(right) = caller.right(identity) else { return false };
        self.identities[identity].covers(resource)
            && right.resources.iter().any(|it| it.covers(resource))
    }

    fn selected(&self, caller: &Caller, selector: Selector<'_>) -> Result<usize, Denied> {
        let is_own = |at: &usize| caller.right(*at).is_some();
        match self.one_of(self.named(selector).filter(is_own)) {
            Found::One(identity) => return Ok(identity),
            Found::Several => {
                let own = self.names(self.named(selector).filter(is_own));
                let (caller, selector) = (caller.name.clone(), selector.to_string());
                return Err(Denied::Shared { caller, selector, own });
            }
            Found::None => {}
        }
        let looked_on = self.named(selector).filter(|at| self.looks_on(caller, *at));
        if let Found::One(identity) = self.one_of(looked_on) {
            return Ok(identity);
        }
        Err(Denied::NotFound {
            caller: caller.name.clone(),
            selector: selector.to_string(),
            own: self.names(caller.rights.iter().map(|right| right.identity)),
        })
    }

    fn unselected(&self, caller: &Caller) -> Result<usize, Denied> {
        let own = || caller.rights.iter().map(|right| right.identity);
        match self.one_of(own()) {
            Found::One(identity) => Ok(identity),
            Found::None => Err(Denied::Nothing { caller: caller.name.clone() }),
            Found::Several => {
                Err(Denied::Ambiguous { caller: caller.name.clone(), own: self.names(own()) })
            }
        }
    }

    /// The only one, or of several the default.
    fn one_of(&self, mut places: impl Iterator<Item = usize>) -> Found {
        let Some(first) = places.next() else { return Found::None };
        let mut several = false;
        let mut default = Some(first) == self.default;
        for other in places {
            several = true;
            default |= Some(other) == self.default;
        }
        match (several, self.default) {
            (false, _) => Found::One(first),
            (true, Some(identity)) if default => Found::One(identity),
            (true, _) => Found::Several,
        }
    }

    /// The places of those that go by this name: more than one where an application has a tenant for each.
    fn named(&self, selector: Selector<'_>) -> impl Iterator<Item = usize> {
        let trace = trace(selector);
        let start = self.traces.partition_point(|known| known.0 < trace);
        let near = self.traces[start..].iter().take_while(move |known| known.0 == trace);
        let is_it = move |at: &usize| {
            let known = self.identities[*at].known(selector.kind);
            known.is_some_and(|known| known.eq_ignore_ascii_case(selector.value))
        };
        // Not twice, where somebody selects a developer by name.
        let others = self.anybody.iter().copied().filter(move |at| !is_it(at));
        near.map(|known| known.1).filter(is_it).chain(others)
    }

    fn names(&self, places: impl Iterator<Item = usize>) -> String {
        /// Most of them that a refusal lists.
        const MOST: usize = 10;
        let mut names: Vec<_> = places.map(|at| &*self.identities[at].name).collect();
        let more = names.len().saturating_sub(MOST);
        names.truncate(MOST);
        match (names.is_empty(), more) {
            (true, _) => "none".to_owned(),
            (false, 0) => names.join(", "),
            (false, more) => format!("{} and {more} more", names.join(", ")),
        }
    }
}

/// How many there are.
enum Found {
    None,
    One(usize),
    Several,
}

/// What the name that an identity is selected by leaves in a sorted list, in any case: by it one of a thousand is found
/// without comparing many. Two names may leave the same.
fn trace(selector: Selector<'_>) -> u64 {
    /// The bit that tells small letters from capital ones.
    const SMALL: u64 = 0x2020_2020_2020_2020;
    selector.value.as_bytes().chunks(8).fold(selector.kind as u64, |trace, chunk| {
        let mut eight = [0; 8];
        eight[..chunk.len()].copy_from_slice(chunk);
        let word = u64::from_le_bytes(eight) | SMALL;
        (trace.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    })
}

#[cfg(test)]
mod tests;
