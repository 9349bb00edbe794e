//! Where this runs, by what is set there.

use cambist::Env;
use serde::Serialize;

use crate::cli::doctor::Doctor;

/// What leads an app's SDK to an endpoint.
const ENDPOINTS: [&str; 3] =
    ["IDENTITY_ENDPOINT", "MSI_ENDPOINT", "AZURE_POD_IDENTITY_AUTHORITY_HOST"];

/// What the workload-identity webhook sets.
pub(super) const WEBHOOK: [&str; 3] =
    ["AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE"];

/// What it shows there.
const SECRETS: [&str; 2] = ["IDENTITY_HEADER", "MSI_SECRET"];

/// What the sidecar has and no app.
const OWN: [&str; 4] =
    ["CAMBIST_ISSUER", "CAMBIST_CONFIG", "CAMBIST_LISTEN", "CAMBIST_ALLOW_AUTHORITY"];

/// Nothing tells what should be looked at.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NothingToDo {
    #[error(
        "there is nothing to look at: this is no pod (KUBERNETES_SERVICE_HOST is not set), no variable names a token or an endpoint, and no sidecar answers; give --token-file FILE with --tenant-id and --client-id, or --admin URL"
    )]
    Nowhere,
    #[error("--resource: {0}")]
    Resource(String),
    #[error("--admin: {0}")]
    Admin(String),
}

/// Where it is, and what is therefore looked at.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Place {
    /// In words, with what tells.
    pub(crate) words: String,
    pub(crate) in_pod: bool,
    pub(crate) workload: bool,
    pub(crate) app: bool,
    /// No variable says whose container it is.
    #[serde(skip)]
    pub(super) is_bare: bool,
    /// What is left out, and how it would be looked at.
    pub(crate) left_out: Vec<String>,
}

const NO_APP: &str = "what an app meets (IDENTITY_ENDPOINT is not set)";

impl Place {
    /// Where a sidecar answers and nothing else is set, there is an app whose variables are missing.
    pub(super) fn turns_out_beside_an_app(&mut self) {
        (self.workload, self.app) = (false, true);
        self.words += ", beside an app that has no variable (a sidecar answers here)";
        self.left_out.retain(|it| it != NO_APP);
        self.left_out.push(
            "the way from the projected token to Entra, which is the sidecar's here".to_owned(),
        );
    }

    pub(super) fn find(args: &Doctor, env: &dyn Env) -> Self {
        let set = |name: &&str| env.get(name).is_some();
        let in_pod = set(&"KUBERNETES_SERVICE_HOST");
        let named = args.token_file.is_some() || args.issuer.is_some();
        let webhook = WEBHOOK.into_iter().find(set);
        let own = OWN.into_iter().find(set);
        let alone = own.is_none() && webhook.is_none();
        // Whoever has the secret alone is an app, too.
        let app = ENDPOINTS
            .into_iter()
            .find(set)
            .or_else(|| SECRETS.into_iter().find(|it| alone && set(it)));
        let developer = env.get("CAMBIST_SOURCE").is_some_and(|source| source == "developer");
        let workload =
            named || !developer && app.is_none() && (in_pod || webhook.is_some() || own.is_some());
        let machine = if in_pod {
            "in a pod (KUBERNETES_SERVICE_HOST is set)"
        } else {
            "outside of a cluster (KUBERNETES_SERVICE_HOST is not set)"
        };
        let role = match (app, own, webhook) {
            (Some(app), ..) => format!(", beside an app ({app} is set)"),
            (None, Some(own), _) if in_pod => {
                format!(", in the sidecar's container ({own} is set)")
            }
            (None, None, Some(name)) if in_pod => {
                format!(
                    ", whose app goes to Entra itself ({name} is set, IDENTITY_ENDPOINT is not)"
                )
            }
            _ => String::new(),
        };
        let mut left_out = Vec::new();
        if !workload {
            let why = if developer {
                "there is no token with CAMBIST_SOURCE=developer"
            } else {
                "no variable names a token here; --token-file FILE"
            };
            left_out.push(format!("the way from the projected token to Entra ({why})"));
        }
        if app.is_none() {
            left_out.push(NO_APP.to_owned());
        }
        Self {
            words: format!("{machine}{role}"),
            in_pod,
            workload,
            app: app.is_some(),
            is_bare: alone && app.is_none() && !named,
            left_out,
        }
    }
}
