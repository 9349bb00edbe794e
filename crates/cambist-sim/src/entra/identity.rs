//! Who can be registered: applications, managed identities and agents.

/// Whose assertions an app registration accepts. All three are compared exactly.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "whoever registers one says all three")]
pub struct FederatedCredential {
    /// The `iss` of the assertion.
    pub issuer: String,
    /// Its `sub`.
    pub subject: String,
    /// Its `aud`.
    pub audience: String,
}

/// What a client id stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// An application.
    #[default]
    Application,
    /// A user-assigned managed identity, whose tokens name it as a resource of Azure.
    ManagedIdentity {
        /// `/subscriptions/.../userAssignedIdentities/NAME`.
        resource_id: String,
    },
    /// The blueprint of agent identities. It has the credentials, and no tokens for resources other
    /// than Microsoft Graph (AADSTS82001): what it asks for is the first token of an agent's two, which
    /// names the agent by `fmi_path` (AADSTS82008 without it).
    AgentBlueprint,
    /// An agent identity. The first token of its blueprint is its credential, and nothing else is.
    AgentIdentity {
        /// The client id of its blueprint.
        blueprint: String,
    },
}

/// An identity for [`Entra::add`](super::Entra::add).
///
/// ```
/// use cambist_sim::Sim;
/// use cambist_sim::entra::Identity;
///
/// let (home, customer) = ("7e57ab1e-0000-4000-8000-00000000000a", "7e57ab1e-0000-4000-8000-00000000000b");
/// let billing = "c11e0001-0000-4000-8000-0000000000b1";
/// let sim = Sim::new()?;
/// // An application of many tenants, which trusts the cluster itself.
/// let app = Identity::application(home, billing).provisioned_in(customer);
/// sim.entra().add(app.trusting(sim.federated_credential()));
/// assert_ne!(sim.entra().object_id_in(home, billing), sim.entra().object_id_in(customer, billing));
/// # Ok::<(), cambist_sim::SimError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub(super) tenant: String,
    pub(super) client_id: String,
    pub(super) kind: Kind,
    pub(super) elsewhere: Vec<String>,
    pub(super) credentials: Vec<FederatedCredential>,
}

impl Identity {
    /// An application that is registered in `tenant`.
    pub fn application(tenant: &str, client_id: &str) -> Self {
        Self::new(tenant, client_id, Kind::Application)
    }

    /// A user-assigned managed identity.
    pub fn managed_identity(tenant: &str, client_id: &str, resource_id: &str) -> Self {
        let kind = Kind::ManagedIdentity { resource_id: resource_id.to_owned() };
        Self::new(tenant, client_id, kind)
    }

    /// The blueprint of agent identities.
    pub fn agent_blueprint(tenant: &str, client_id: &str) -> Self {
        Self::new(tenant, client_id, Kind::AgentBlueprint)
    }

    /// An agent identity of `tenant`. Its blueprint may be registered in another one and
    /// [provisioned](Self::provisioned_in) there.
    pub fn agent(tenant: &str, client_id: &str, blueprint: &str) -> Self {
        Self::new(tenant, client_id, Kind::AgentIdentity { blueprint: blueprint.to_owned() })
    }

    /// An identity of any kind.
    pub fn new(tenant: &str, client_id: &str, kind: Kind) -> Self {
        Self {
            tenant: tenant.to_owned(),
            client_id: client_id.to_owned(),
            kind,
            elsewhere: Vec::new(),
            credentials: Vec::new(),
        }
    }

    /// Its client id.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// It has a service principal in this tenant, too: it is registered for many tenants, and somebody
    /// there consented.
    #[must_use]
    pub fn provisioned_in(mut self, tenant: &str) -> Self {
        self.elsewhere.push(tenant.to_owned());
        self
    }

    /// It accepts such assertions. For those of a managed identity there is
    /// [`Entra::credential_of`](super::Entra::credential_of).
    #[must_use]
    pub fn trusting(mut self, credential: FederatedCredential) -> Self {
        self.credentials.push(credential);
        self
    }
}
