//! Several tenants, the identities in them, and which tokens of Entra's own count as assertions.

use super::*;
use crate::entra::{FederatedCredential, Identity};

const HOME: &str = "7e57ab1e-0000-4000-8000-00000000000a";
const CUSTOMER: &str = "7e57ab1e-0000-4000-8000-00000000000b";
const APP: &str = "c11e0001-0000-4000-8000-0000000000a1";
const MANAGED: &str = "c11e0001-0000-4000-8000-0000000000b1";
const BLUEPRINT: &str = "c11e0001-0000-4000-8000-0000000000c1";
const AGENT: &str = "c11e0001-0000-4000-8000-0000000000d1";
const RESOURCE_ID: &str = "/subscriptions/s";
const EXCHANGE: &str = "api://AzureADTokenExchange";

/// One exchange.
#[derive(Clone, Copy)]
struct Ask<'a> {
    tenant: &'a str,
    client: &'a str,
    assertion: &'a str,
    resource: &'a str,
    fmi_path: Option<&'a str>,
}

fn ask<'a>(tenant: &'a str, client: &'a str, assertion: &'a str) -> Ask<'a> {
    let resource = "https://vault.azure.net";
    Ask { tenant, client, assertion, resource, fmi_path: None }
}

impl<'a> Ask<'a> {
    fn exchange(self) -> Self {
        Self { resource: EXCHANGE, ..self }
    }

    fn fmi_path(self, fmi_path: &'a str) -> Self {
        Self { fmi_path: Some(fmi_path), ..self.exchange() }
    }

    async fn of(self, sim: &Sim) -> (u16, Value) {
        let mut request = request(sim, self.assertion, &format!("{}/.default", self.resource));
        let mut body = form_urlencoded::Serializer::new(String::new());
        for (name, value) in form_urlencoded::parse(request.body()) {
            let value = if name == "client_id" { self.client.into() } else { value };
            body.append_pair(&name, &value);
        }
        if let Some(fmi_path) = self.fmi_path {
            body.append_pair("fmi_path", fmi_path);
        }
        *request.body_mut() = body.finish().into();
        *request.uri_mut() = sim.token_url_of(self.tenant).parse().unwrap();
        send(sim, request).await
    }

    async fn token(self, sim: &Sim) -> String {
        let (status, body) = self.of(sim).await;
        assert_eq!(status, 200, "{body}");
        body["access_token"].as_str().unwrap().to_owned()
    }

    /// The status and the code of a refusal.
    async fn refused(self, sim: &Sim) -> (u16, i64) {
        let (status, body) = self.of(sim).await;
        let rule = if body["error"] == "invalid_client" { 401 } else { 400 };
        assert_eq!(status, rule, "{body}");
        (status, body["error_codes"][0].as_i64().unwrap_or_default())
    }
}

/// A cluster that an application of many tenants, a managed identity and a blueprint with an agent in
/// the customer's tenant trust.
fn sim() -> Sim {
    let sim = Sim::new().unwrap();
    let cluster = sim.federated_credential();
    for identity in [
        Identity::application(HOME, APP).provisioned_in(CUSTOMER),
        Identity::managed_identity(HOME, MANAGED, RESOURCE_ID),
        Identity::agent_blueprint(HOME, BLUEPRINT).provisioned_in(CUSTOMER),
    ] {
        sim.entra().add(identity.trusting(cluster.clone()));
    }
    sim.entra().add(Identity::agent(CUSTOMER, AGENT, BLUEPRINT));
    sim
}

#[tokio::test(start_paused = true)]
async fn a_token_is_of_the_tenant_that_was_asked() {
    let sim = sim();
    let cluster = sim.token().unwrap();
    let mut principals = Vec::new();
    for tenant in [HOME, CUSTOMER] {
        let claims = claims(&ask(tenant, APP, &cluster).token(&sim).await);
        assert_eq!(claims["iss"], format!("https://sts.windows.net/{tenant}/"));
        assert_eq!((&claims["tid"], &claims["appid"]), (&json!(tenant), &json!(APP)));
        assert_eq!(claims["oid"], sim.entra().object_id_in(tenant, APP).unwrap());
        assert_eq!(claims["sub"], claims["oid"]);
        principals.push(claims["oid"].clone());
    }
    assert_ne!(principals[0], principals[1]);
    // The first tenant goes on as if there were no other.
    assert_eq!(exchange(&sim, &cluster).await.0, 200);
    assert_eq!(ask(CUSTOMER, MANAGED, &cluster).refused(&sim).await, (400, 700_016));
    assert_eq!(ask(sim.entra().tenant(), APP, &cluster).refused(&sim).await, (400, 700_016));
    let nobody = "7e57ab1e-0000-4000-8000-00000000000c";
    assert_eq!(ask(nobody, APP, &cluster).refused(&sim).await, (400, 90_002));
    sim.entra().add_tenant(nobody);
    assert_eq!(ask(nobody, APP, &cluster).refused(&sim).await, (400, 700_016));
    // An app is a resource where it has a principal.
    let orders = format!("api://{APP}");
    let for_orders = Ask { resource: &orders, ..ask(HOME, MANAGED, &cluster) };
    for_orders.token(&sim).await;
    let first = sim.entra().tenant().to_owned();
    let own = sim.settings().client_id.clone();
    let for_orders = Ask { tenant: &first, client: &own, ..for_orders };
    assert_eq!(for_orders.refused(&sim).await, (400, 500_011));
}

#[tokio::test(start_paused = true)]
async fn the_journal_tells_tenant_and_client() {
    let sim = sim();
    ask(CUSTOMER, APP, &sim.token().unwrap()).token(&sim).await;
    ask(HOME, "nobody", "").of(&sim).await;
    let told: Vec<_> =
        sim.journal().entries().into_iter().map(|it| (it.tenant, it.client)).collect();
    let of = |tenant: &str, client: &str| (Some(tenant.to_owned()), Some(client.to_owned()));
    // Between them is what Entra fetched.
    assert_eq!(told, [of(CUSTOMER, APP), (None, None), (None, None), of(HOME, "nobody")]);
}

#[tokio::test(start_paused = true)]
async fn a_federated_token_is_nobody_elses_credential() {
    let sim = sim();
    let cluster = sim.token().unwrap();
    for (first, kind) in [(MANAGED, "managed identity"), (APP, "application")] {
        let middle = ask(HOME, first, &cluster).exchange().token(&sim).await;
        let claims = claims(&middle);
        assert!(claims["xms_ficinfo"].is_string(), "{claims}");
        let last = "c11e0001-0000-4000-8000-0000000000e1";
        let trusting = sim.entra().credential_of(first).unwrap();
        for identity in [
            Identity::application(HOME, last),
            Identity::application(CUSTOMER, last).provisioned_in(HOME),
            Identity::managed_identity(HOME, last, RESOURCE_ID),
            Identity::agent_blueprint(HOME, last),
        ] {
            let ask = ask(HOME, last, &middle);
            let ask = if identity == Identity::agent_blueprint(HOME, last) {
                ask.fmi_path(AGENT)
            } else {
                ask
            };
            sim.entra().add(identity.trusting(trusting.clone()));
            assert_eq!(ask.refused(&sim).await, (401, 700_231), "{kind}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_managed_identity_without_federation_is_an_applications_credential() {
    let sim = sim();
    let of =
        |client: &str, resource: &str| sim.entra().unfederated_token(client, resource).unwrap();
    let middle = of(MANAGED, EXCHANGE);
    let told = claims(&middle);
    assert_eq!(told["exp"].as_i64().unwrap() - told["iat"].as_i64().unwrap(), 86_700);
    assert_eq!((told.get("xms_ficinfo"), &told["xms_mirid"]), (None, &json!(RESOURCE_ID)));
    let managed = sim.entra().credential_of(MANAGED).unwrap();
    let v1 = format!("https://sts.windows.net/{HOME}/");
    let guid = "fb60f99c-7a34-4190-8149-302f77469936";
    let but = |change: fn(&mut FederatedCredential, &str), to: &str| {
        let mut credential = managed.clone();
        change(&mut credential, to);
        credential
    };
    let issuer = but(|it, to| to.clone_into(&mut it.issuer), "https://i.test");
    let subject = but(|it, to| to.clone_into(&mut it.subject), MANAGED);
    let written_as_guid = but(|it, to| to.clone_into(&mut it.audience), "a9dd8a2a");
    let as_guid = but(|it, to| to.clone_into(&mut it.audience), guid);
    let of_v1 = but(|it, to| to.clone_into(&mut it.issuer), &v1);
    let app = sim.entra().credential_of(APP).unwrap();
    let last = "c11e0001-0000-4000-8000-0000000000e1";
    let application = |home| Identity::application(home, last).provisioned_in(HOME);
    for (identity, assertion, code) in [
        (application(HOME).trusting(managed.clone()), &middle, 0),
        (application(HOME).trusting(issuer), &middle, 700_211),
        (application(HOME).trusting(subject), &middle, 700_213),
        (application(HOME).trusting(written_as_guid), &middle, 7_002_121),
        (application(HOME).trusting(as_guid), &middle, 700_214),
        (
            application(HOME).trusting(managed.clone()),
            &of(MANAGED, "https://vault.azure.net"),
            7_002_121,
        ),
        (application(HOME).trusting(of_v1), &of(MANAGED, "https://vault.azure.net"), 700_227),
        (application(HOME).trusting(app), &of(APP, EXCHANGE), 700_226),
        (application(CUSTOMER).trusting(managed.clone()), &middle, 700_236),
        (Identity::managed_identity(HOME, last, RESOURCE_ID).trusting(managed), &middle, 700_222),
        (application(HOME), &middle, 70_025),
    ] {
        sim.entra().add(identity.clone());
        let (_, body) = ask(HOME, last, assertion).of(&sim).await;
        assert_eq!(
            body["error_codes"][0].as_i64().unwrap_or_default(),
            code,
            "{identity:?} {body}"
        );
    }
    sim.entra().add(application(HOME).trusting(sim.entra().credential_of(MANAGED).unwrap()));
    let forged = format!("{}AAAA", &middle[..middle.len() - 4]);
    assert_eq!(ask(HOME, last, &forged).refused(&sim).await, (401, 7_000_274));
    let counts = sim.journal().entries().iter().filter(|it| it.by == By::Entra).count();
    assert_eq!(counts, 0, "Entra fetched its own keys");
    sim.clock().advance(Duration::from_secs(87_000));
    assert_eq!(ask(HOME, last, &middle).refused(&sim).await, (401, 700_024));
}

#[tokio::test(start_paused = true)]
async fn a_users_token_is_nobodys_credential() {
    let sim = sim();
    let credential = sim.entra().credential_of(MANAGED).unwrap();
    sim.entra().trust(APP, credential.clone());
    let token = sim.token_spec().claim("iss", credential.issuer.as_str());
    let token = token.claim("sub", credential.subject.as_str()).claim("scp", "user_impersonation");
    // The key that Entra has in a test.
    let token = token.sign(&sim.settings().keys.take(0).unwrap()).unwrap();
    assert_eq!(ask(HOME, APP, &token).refused(&sim).await, (401, 700_229));
}

#[tokio::test(start_paused = true)]
async fn an_agent_has_its_token_by_its_blueprint() {
    let sim = sim();
    let cluster = sim.token().unwrap();
    let first = ask(CUSTOMER, BLUEPRINT, &cluster).fmi_path(AGENT).token(&sim).await;
    let told = claims(&first);
    assert_eq!((&told["azp"], &told["tid"]), (&json!(BLUEPRINT), &json!(CUSTOMER)));
    assert_eq!(told["oid"], sim.entra().object_id_in(CUSTOMER, BLUEPRINT).unwrap());
    // Tenant and blueprint, as base64url of their bytes in Windows' order.
    let path = "/eid1/c/pub/t/HqtXfgAAAECAAAAAAAAACw/a/AQAewQAAAECAAAAAAAAAwQ";
    assert_eq!(told["sub"], format!("{path}/{AGENT}"));
    assert!(told["xms_ficinfo"].is_string());
    let token = claims(&ask(CUSTOMER, AGENT, &first).token(&sim).await);
    assert_eq!((&token["appid"], &token["xms_par_app_azp"]), (&json!(AGENT), &json!(BLUEPRINT)));
    let object_id = sim.entra().object_id(AGENT).unwrap();
    assert_eq!((&token["oid"], &token["sub"]), (&json!(object_id), &json!(object_id)));
    for (name, part) in [("xms_act_fct", "11"), ("xms_sub_fct", "11"), ("xms_idrel", "7")] {
        assert!(token[name].as_str().unwrap().split(' ').any(|it| it == part), "{token}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_other_token_is_an_agents() {
    let sim = sim();
    let cluster = sim.token().unwrap();
    let hop = |tenant, client, path| ask(tenant, client, &cluster).fmi_path(path);
    // The cluster itself, the blueprint's home, another agent's, another blueprint's.
    let refused = async |assertion: &str| ask(CUSTOMER, AGENT, assertion).refused(&sim).await.1;
    assert_eq!(refused(&cluster).await, 700_211);
    assert_eq!(refused(&hop(HOME, BLUEPRINT, AGENT).token(&sim).await).await, 700_211);
    assert_eq!(refused(&hop(CUSTOMER, BLUEPRINT, MANAGED).token(&sim).await).await, 700_213);
    let other = "c11e0001-0000-4000-8000-0000000000c2";
    let cluster_too = sim.federated_credential();
    sim.entra().add(Identity::agent_blueprint(CUSTOMER, other).trusting(cluster_too));
    assert_eq!(refused(&hop(CUSTOMER, other, AGENT).token(&sim).await).await, 700_213);
    assert_eq!(refused(&ask(CUSTOMER, APP, &cluster).exchange().token(&sim).await).await, 700_213);
    // Nor can the first be had without a name, or be for anything else.
    let blueprint = ask(CUSTOMER, BLUEPRINT, &cluster);
    assert_eq!(blueprint.exchange().refused(&sim).await, (400, 82_008));
    assert_eq!(blueprint.fmi_path("").refused(&sim).await, (400, 82_008));
    assert_eq!(blueprint.refused(&sim).await, (400, 82_001));
    let other_case = Ask { resource: "api://AzureAdTokenExchange", ..blueprint };
    assert_eq!(other_case.refused(&sim).await, (400, 82_008));
    assert_eq!(ask(HOME, APP, &cluster).fmi_path("").refused(&sim).await, (400, 9_002_313));
    let graph = Ask { resource: "https://graph.microsoft.com", ..blueprint };
    assert_eq!(claims(&graph.token(&sim).await)["appid"], BLUEPRINT);
    // And it is good for its agent alone.
    let first = hop(CUSTOMER, BLUEPRINT, AGENT).token(&sim).await;
    assert_eq!(ask(CUSTOMER, APP, &first).refused(&sim).await, (401, 700_211));
}
