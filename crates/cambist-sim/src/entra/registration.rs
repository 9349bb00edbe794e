//! Who is there: what a test or a tenant's administrator registers.

use std::time::Duration;

use cambist_core::clock::Clock;

use super::{Entra, FederatedCredential, Identity, Kind, own};

impl Entra {
    /// There is such a tenant from now on; requests to others are AADSTS90002.
    pub fn add_tenant(&self, tenant: &str) {
        self.state().directory.add_tenant(tenant);
    }

    /// Registers an identity in the place of whatever had its client id, and makes its tenants. To a
    /// tenant that has no service principal of it it is unknown: AADSTS700016.
    pub fn add(&self, identity: Identity) {
        let now = self.0.clock.boot();
        self.state().directory.add(identity, now);
    }

    /// Registers an app that accepts no assertion yet.
    pub fn register(&self, client_id: &str) {
        self.state().directory.app(client_id);
    }

    /// Makes of a client id's owner what it says. Registers it if need be.
    pub fn make(&self, client_id: &str, kind: Kind) {
        self.state().directory.app(client_id).kind = kind;
    }

    /// The id of the service principal of an app in the tenant that it is registered in: `oid` and
    /// `sub` of its tokens.
    pub fn object_id(&self, client_id: &str) -> Option<String> {
        let state = self.state();
        let home = state.directory.home_of(client_id)?;
        state.directory.object_id(home, client_id).map(str::to_owned)
    }

    /// The id of the service principal that an app has in a tenant.
    pub fn object_id_in(&self, tenant: &str, client_id: &str) -> Option<String> {
        self.state().directory.object_id(tenant, client_id).map(str::to_owned)
    }

    /// Whether there is such a blueprint of agent identities.
    pub fn is_blueprint(&self, client_id: &str) -> bool {
        matches!(self.state().directory.kind(client_id), Some(Kind::AgentBlueprint))
    }

    /// The federated credential with which an app trusts this managed identity.
    ///
    /// ```
    /// use cambist_sim::Sim;
    /// use cambist_sim::entra::Identity;
    ///
    /// let (sim, client_id) = (Sim::new()?, "c11e0001-0000-4000-8000-0000000000b2");
    /// let tenant = sim.entra().tenant().to_owned();
    /// sim.entra().add(Identity::managed_identity(&tenant, client_id, "/subscriptions/s"));
    /// let credential = sim.entra().credential_of(client_id).ok_or("not registered")?;
    /// assert!(credential.issuer.ends_with("/v2.0"));
    /// assert_eq!(Some(credential.subject), sim.entra().object_id(client_id));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn credential_of(&self, client_id: &str) -> Option<FederatedCredential> {
        let subject = self.object_id(client_id)?;
        let issuer = own::v2_issuer(self.state().directory.home_of(client_id)?);
        Some(FederatedCredential { issuer, subject, audience: own::EXCHANGE.to_owned() })
    }

    /// The app accepts such assertions from now on. Registers it if need be.
    pub fn trust(&self, client_id: &str, credential: FederatedCredential) {
        self.trust_after(Duration::ZERO, client_id, credential);
    }

    /// As [`trust`](Self::trust), but effective only after `lag`: Entra's federated credentials take
    /// minutes to reach all of its servers. Until then the answer is AADSTS70021.
    pub fn trust_after(&self, lag: Duration, client_id: &str, credential: FederatedCredential) {
        let effective = self.0.clock.boot() + lag;
        self.state().directory.app(client_id).credentials.push((credential, effective));
    }

    /// The app accepts no assertion any more: AADSTS70025.
    pub fn distrust(&self, client_id: &str) {
        self.state().directory.app(client_id).credentials.clear();
    }
}
