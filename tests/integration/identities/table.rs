//! Each caller, each identity, each selector, each resource, each mode.

use kit::sidecar::VAULT;
use kit::{Reply, Request, Sidecar, World};
use serde_json::json;

use super::{asking, claims, managed, may, object_id, of, secret, under};
use crate::refusals::assert_refused;

const ARM: &str = "https://management.azure.com/";
const BLOB: &str = "https://shop.blob.core.windows.net";
const RESOURCES: [&str; 3] = [VAULT, ARM, BLOB];

/// All as long as each other, so that a refusal's length tells nothing. There is none of the last.
const IDENTITIES: [&str; 4] = ["checkouts", "warehouse", "reporting", "nobodyhas"];
const NOBODYS: usize = 3;

/// Who asks: by a secret of this name, or as who shows none.
type Asker = Option<&'static str>;

/// Of each who asks, what they may have of each identity.
const RIGHTS: [(Asker, [&[&str]; 4]); 6] = [
    (Some("shop"), [&[VAULT, ARM], &[BLOB], &[], &[]]),
    (Some("report"), [&[], &[], &[VAULT, ARM, BLOB], &[]]),
    (Some("old"), [&[VAULT], &[], &[], &[]]),
    (Some("new"), [&[VAULT], &[], &[], &[]]),
    (Some("idle"), [&[], &[], &[], &[]]),
    (None, [&[], &[BLOB], &[], &[]]),
];

fn client_id(identity: usize) -> String {
    format!("c11e0001-0000-4000-8000-00000000000{identity}")
}

fn resource_id(identity: usize) -> String {
    let name = IDENTITIES[identity];
    format!("/subscriptions/s/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}")
}

struct Stage {
    world: World,
    sidecar: Sidecar,
    /// Each identity's name, by each kind of selector.
    names: Vec<[(&'static str, String); 3]>,
}

impl Stage {
    async fn new(mode: &str) -> Self {
        let world = World::start().await;
        let tenant = world.env()["AZURE_TENANT_ID"].clone();
        let (mut identities, mut names) = (Vec::new(), Vec::new());
        for (n, name) in IDENTITIES.into_iter().enumerate() {
            let (client_id, resource_id) = (client_id(n), resource_id(n));
            let mut object = "0b1ec700-0000-4000-8000-00000000000f".to_owned();
            if n != NOBODYS {
                managed(&world, &client_id, &resource_id);
                object = object_id(&world, &tenant, &client_id);
                identities.push(json!({
                    "name": name, "client_id": client_id, "object_id": object, "resource_id": resource_id,
                }));
            }
            names.push([
                ("client_id", client_id),
                ("object_id", object),
                ("mi_res_id", resource_id),
            ]);
        }
        let known = |names: &[&str]| names.iter().map(|it| secret(&world, it)).collect::<Vec<_>>();
        let policy = json!({
            "version": 1,
            "mode": mode,
            "identities": identities,
            "callers": [
                {
                    "name": "shop",
                    "secret_files": known(&["shop"]),
                    "may": [
                        // One slash at the end is neither here nor there.
                        may("checkouts", &[VAULT, "https://management.azure.com"]),
                        may("warehouse", &["https://*.blob.core.windows.net"]),
                    ],
                },
                { "name": "report", "secret_files": known(&["report"]), "may": [may("reporting", &["*"])] },
                { "name": "new", "secret_files": known(&["old", "new"]), "may": [may("checkouts", &[VAULT])] },
                { "name": "idle", "secret_files": known(&["idle"]), "may": [] },
                { "name": "rest", "anonymous": true, "may": [may("warehouse", &[BLOB])] },
            ],
        });
        let sidecar = under(&world, &policy).await;
        Self { world, sidecar, names }
    }

    fn request(&self, asker: Asker, selector: &str, resource: &str) -> Request {
        match asker {
            Some(name) => asking(&self.sidecar, &of(name), resource, selector),
            None => self.sidecar.imds(resource).more(selector),
        }
    }

    async fn ask(&self, asker: Asker, selector: &str, resource: &str) -> Reply {
        self.sidecar.send(&self.request(asker, selector, resource)).await
    }

    /// Holds that it is this identity's token, for this, and nothing else.
    fn assert_of(&self, reply: &Reply, identity: usize, resource: &str, case: &str) {
        let claims = claims(&self.world, reply);
        let [(_, client_id), (_, object_id), (_, resource_id)] = &self.names[identity];
        let told = json!([reply.member("client_id"), reply.member("resource")]);
        assert_eq!(told, json!([client_id, resource]), "{case}");
        let tenant = &self.world.env()["AZURE_TENANT_ID"];
        for (name, expected) in [
            ("appid", client_id.as_str()),
            ("oid", object_id),
            ("tid", tenant),
            ("aud", resource),
            ("xms_mirid", resource_id),
        ] {
            assert_eq!(claims[name], expected, "{case}: {name}");
        }
    }
}

async fn table(mode: &str) -> usize {
    let stage = Stage::new(mode).await;
    let mut cells = 0;
    for (asker, row) in RIGHTS {
        for (identity, rights) in row.into_iter().enumerate() {
            for (parameter, name) in &stage.names[identity] {
                for resource in RESOURCES {
                    let selector = format!("&{parameter}={name}");
                    let reply = stage.ask(asker, &selector, resource).await;
                    let case = format!("{mode} {asker:?} {selector} {resource}");
                    cells += 1;
                    let has = !rights.is_empty();
                    // Who only looks on keeps nobody who is known from what there is.
                    let known = asker.is_some() || has;
                    let exists = mode == "audit" && identity != NOBODYS && known;
                    if rights.contains(&resource) || exists {
                        stage.assert_of(&reply, identity, resource, &case);
                        continue;
                    }
                    assert_refused(&reply, &case);
                    let reason = if has { "policy_denied" } else { "identity_not_found" };
                    assert_eq!((reply.status, reply.reason()), (403, reason), "{case}: {reply:?}");
                }
            }
        }
    }
    // What nobody allowed is told, and nothing else is.
    let told = stage.sidecar.log().matches("the policy does not allow").count();
    assert_eq!(told > 0, mode == "audit", "{}", stage.sidecar.log());
    stage.sidecar.stop().await;
    cells
}

#[tokio::test]
async fn callers_have_what_they_may_of_each_identity_and_nothing_else() {
    assert_eq!(table("enforce").await, 216);
}

#[tokio::test]
async fn who_looks_on_keeps_nobody_from_what_there_is() {
    assert_eq!(table("audit").await, 216);
}

/// A refusal's bytes, but for the time and what the caller named itself.
fn bytes(reply: &Reply, named: &str) -> String {
    let mut lines: Vec<_> = reply.headers.iter().filter(|it| it.0 != "date").collect();
    lines.sort();
    let body = reply.text().replace(&reply.member("timestamp"), "TIME").replace(named, "NAMED");
    format!("{} {lines:?} {body}", reply.status)
}

#[tokio::test]
async fn nobody_learns_whether_what_is_not_theirs_exists() {
    let stage = Stage::new("enforce").await;
    let mut pairs = 0;
    for (asker, row) in RIGHTS {
        for kind in 0..3 {
            for resource in RESOURCES {
                let refused = async |identity: usize| {
                    let (parameter, name) = &stage.names[identity][kind];
                    let reply = stage.ask(asker, &format!("&{parameter}={name}"), resource).await;
                    assert_eq!(reply.reason(), "identity_not_found", "{asker:?} {name}: {reply:?}");
                    (reply.text().len(), bytes(&reply, name), reply)
                };
                let (nobodys_length, nobodys, _) = refused(NOBODYS).await;
                for (other, rights) in row.iter().enumerate().take(NOBODYS) {
                    if !rights.is_empty() {
                        continue;
                    }
                    let (length, anothers, reply) = refused(other).await;
                    assert_eq!((length, &anothers), (nobodys_length, &nobodys), "{asker:?}");
                    let own = reply.text().replace(&stage.names[other][kind].1, "");
                    assert!(!own.contains(IDENTITIES[other]), "{asker:?} reads of {own}");
                    pairs += 1;
                }
            }
        }
    }
    assert_eq!(pairs, 108);
    // Who has no secret of anybody's learns even less, whatever there is.
    let stranger = "a-secret-that-is-nobody's-at-all";
    let mut all = Vec::new();
    for names in &stage.names {
        for (parameter, name) in names {
            let selector = format!("&{parameter}={name}");
            let request = asking(&stage.sidecar, stranger, VAULT, &selector);
            let reply = stage.sidecar.send(&request).await;
            assert_eq!((reply.status, reply.reason()), (401, "identity_header"));
            all.push(bytes(&reply, name));
        }
    }
    assert!(all.iter().all(|it| *it == all[0]), "{all:#?}");
    stage.sidecar.stop().await;
}

#[tokio::test]
async fn who_names_none_gets_its_only_one_and_none_of_several() {
    let stage = Stage::new("enforce").await;
    let reply = stage.ask(Some("report"), "", ARM).await;
    stage.assert_of(&reply, 2, ARM, "its only one");
    let reply = stage.ask(None, "", BLOB).await;
    stage.assert_of(&reply, 1, BLOB, "the only one of who shows no secret");
    let reply = stage.ask(Some("shop"), "", VAULT).await;
    assert_eq!(reply.reason(), "identity_ambiguous");
    let message = reply.member("message");
    assert!(message.contains("checkouts, warehouse"), "{message}");
    assert!(!message.contains("reporting"), "{message}");
    let reply = stage.ask(Some("idle"), "", VAULT).await;
    assert_eq!((reply.status, reply.reason()), (403, "policy_denied"));
    // A secret is for its own protocols: whoever asks without one is nobody but the rest.
    let reply = stage.ask(None, &format!("&client_id={}", client_id(0)), VAULT).await;
    assert_eq!(reply.reason(), "identity_not_found");
    stage.sidecar.stop().await;
}
