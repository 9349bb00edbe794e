//! What can be chosen about a simulated world.

use std::time::Duration;

use cambist_core::clock::UnixTime;

use crate::clock::SimClock;
use crate::entra::{FederatedCredential, KEPT, Kind};
use crate::keys::KeySource;
use crate::token::Workload;

/// What a simulated world is made of. [`Default`] gives one in which the first exchange succeeds.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "others write `..Settings::default()`, which `non_exhaustive` would forbid them"
)]
pub struct Settings {
    /// The issuer's URL: https, used byte for byte.
    pub issuer: String,
    /// The authority's base URL: https, no path.
    pub authority: String,
    /// The API server's base URL: https, no path.
    pub api_server: String,
    /// Those of further API servers of the same cluster.
    pub more_api_servers: Vec<String>,
    /// The base URL of the cluster's token proxy (AKS identity bindings), if it has one: https,
    /// perhaps with a path. Entra then trusts the cluster's tokens through the proxy alone, unless
    /// federated credentials are given.
    pub token_proxy: Option<String>,
    /// The audience of tokens for the API server.
    pub api_audience: String,
    /// Entra's tenant.
    pub tenant_id: String,
    /// The app registration.
    pub client_id: String,
    /// The pod whose token is exchanged.
    pub workload: Workload,
    /// The audience of its tokens.
    pub audience: String,
    /// How long its tokens live.
    pub token_lifetime: Duration,
    /// How long Entra's access tokens live.
    pub access_token_lifetime: Duration,
    /// What the client id stands for.
    pub client_kind: Kind,
    /// How long Entra goes on with an issuer's documents before it reads them anew. See
    /// [`Entra::keep_documents`](crate::entra::Entra::keep_documents).
    pub entra_keeps: Duration,
    /// What the app trusts; empty for exactly the issuer, workload and audience above.
    pub federated_credentials: Vec<FederatedCredential>,
    /// What the tenant has besides Azure's own resources: see
    /// [`Entra::know_resource`](crate::entra::Entra::know_resource).
    pub resources: Vec<String>,
    /// Where signing keys come from.
    pub keys: KeySource,
    /// The time.
    pub clock: SimClock,
}

impl Default for Settings {
    /// Starts at 2026-11-23T04:13:45Z and follows tokio's clock.
    fn default() -> Self {
        Self {
            issuer: "https://issuer.sim.test/".to_owned(),
            authority: "https://login.sim.test".to_owned(),
            api_server: "https://api.sim.test".to_owned(),
            more_api_servers: Vec::new(),
            token_proxy: None,
            api_audience: "https://kubernetes.default.svc.cluster.local".to_owned(),
            tenant_id: "7e57ab1e-0000-4000-8000-00000000a11a".to_owned(),
            client_id: "c11e0001-0000-4000-8000-00000000ca5b".to_owned(),
            workload: Workload::new("shop", "checkout"),
            audience: "api://AzureADTokenExchange".to_owned(),
            token_lifetime: Duration::from_secs(3600),
            access_token_lifetime: Duration::from_secs(3599),
            client_kind: Kind::Application,
            entra_keeps: KEPT,
            federated_credentials: Vec::new(),
            resources: Vec::new(),
            keys: KeySource::Pool,
            clock: SimClock::starting_at(UnixTime::from_secs(1_795_407_225)),
        }
    }
}
