//! The clock, and what Entra knows and says.

use cambist_sim::clock::Machine;
use cambist_sim::entra::FederatedCredential;
use cambist_sim::fault::{Fault as Failure, Target};
use http::StatusCode;
use serde_json::{Value, json};

use super::{CLEARED, OTHER, body, fail};
use crate::doctor::scene::Scene;
use crate::doctor::{Fault, Mend, each};

/// Entra trusts another than the token's in one part, and by the line of the fix what the token says.
fn distrust(scene: &Scene, change: impl FnOnce(&mut FederatedCredential)) {
    let (sim, client) = (scene.sim(), scene.env["AZURE_CLIENT_ID"].clone());
    let mut other = sim.federated_credential();
    change(&mut other);
    sim.entra().distrust(&client);
    sim.entra().trust(&client, other);
}

/// Has a shell read the fix's line, and registers what it says.
fn create(scene: &mut Scene, fix: &Value) {
    for (line, at) in [(0, "identity"), (1, "ad")] {
        let line = fix["commands"][line].as_str().unwrap();
        assert!(fix["words"].as_str().unwrap().contains(line), "{fix}");
        let script = format!("az() {{ for word in \"$@\"; do echo \"$word\"; done; }}; {line}");
        let words = std::process::Command::new("/bin/sh").args(["-c", &script]).output().unwrap();
        let words = String::from_utf8(words.stdout).unwrap();
        let words: Vec<_> = words.lines().collect();
        let value = |flag: &str| words[words.iter().position(|word| *word == flag).unwrap() + 1];
        assert_eq!(words[0], at);
        let credential = match at {
            "identity" => FederatedCredential {
                issuer: value("--issuer").to_owned(),
                subject: value("--subject").to_owned(),
                audience: value("--audiences").to_owned(),
            },
            _ => {
                assert_eq!(value("--id"), scene.env["AZURE_CLIENT_ID"]);
                let said: Value = serde_json::from_str(value("--parameters")).unwrap();
                let text = |name: &str| said[name].as_str().unwrap().to_owned();
                FederatedCredential {
                    issuer: text("issuer"),
                    subject: text("subject"),
                    audience: said["audiences"][0].as_str().unwrap().to_owned(),
                }
            }
        };
        let client = &scene.env["AZURE_CLIENT_ID"];
        scene.sim().entra().distrust(client);
        scene.sim().entra().trust(client, credential);
    }
}

const CLOCKS: [Machine; 3] = [Machine::Issuer, Machine::Api, Machine::Entra];

fn skew(scene: &Scene, seconds: i64) {
    for machine in CLOCKS {
        scene.sim().clock_of(machine).skew(seconds);
    }
    scene.renew();
}

pub(super) const CLOCK: &[Fault] = &[
    Fault {
        name: "a clock that is two hours behind",
        seed: |scene| skew(scene, 7200),
        found: &["D401"],
        words: &["2h", "behind", "chronyc makestep"],
        mend: Mend::By(|scene, _| skew(scene, 0)),
    },
    Fault {
        name: "a clock that is two hours ahead",
        seed: |scene| skew(scene, -7200),
        found: &["D401"],
        words: &["2h", "ahead", "timedatectl set-ntp true"],
        mend: Mend::By(|scene, _| skew(scene, 0)),
    },
    Fault {
        name: "a clock that is two minutes behind",
        seed: |scene| skew(scene, 120),
        found: &["D401"],
        words: &["behind"],
        mend: Mend::By(|scene, _| skew(scene, 0)),
    },
];

pub(super) const ENTRA: &[Fault] = &[
    Fault {
        name: "no credential for the subject",
        seed: |scene| {
            distrust(scene, |it| it.subject = "system:serviceaccount:shop:other".to_owned());
        },
        found: &["D501"],
        words: &[
            "AADSTS700213",
            "az identity federated-credential create --name shop-checkout --identity-name IDENTITY_NAME",
            "--subject system:serviceaccount:shop:checkout",
            "az ad app federated-credential create --id",
        ],
        mend: Mend::By(create),
    },
    Fault {
        name: "no credential for the issuer",
        seed: |scene| distrust(scene, |it| it.issuer = "https://another.example/".to_owned()),
        found: &["D501"],
        words: &["AADSTS700211", "az identity federated-credential create"],
        mend: Mend::By(create),
    },
    Fault {
        name: "no credential for the audience",
        seed: |scene| distrust(scene, |it| it.audience = "api://another".to_owned()),
        found: &["D501"],
        words: &["AADSTS700212", "--audiences api://AzureADTokenExchange"],
        mend: Mend::By(create),
    },
    Fault {
        name: "no credential at all",
        seed: |scene| scene.sim().entra().distrust(&scene.env["AZURE_CLIENT_ID"]),
        found: &["D501"],
        words: &["AADSTS70025"],
        mend: Mend::By(create),
    },
    Fault {
        name: "a managed identity whose resource id is told",
        seed: |scene| {
            scene.set(
                "CAMBIST_RESOURCE_ID",
                "/subscriptions/s/resourceGroups/rg-shop/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-checkout",
            );
            scene.sim().entra().distrust(&scene.env["AZURE_CLIENT_ID"]);
        },
        found: &["D501"],
        words: &["--identity-name id-checkout --resource-group rg-shop "],
        mend: Mend::By(create),
    },
    Fault {
        name: "another tenant",
        seed: |scene| scene.set("AZURE_TENANT_ID", OTHER),
        found: &["D502"],
        words: &["AADSTS90002", "AZURE_TENANT_ID"],
        mend: Mend::By(|scene, _| scene.restore("AZURE_TENANT_ID")),
    },
    Fault {
        name: "another client",
        seed: |scene| scene.set("AZURE_CLIENT_ID", OTHER),
        found: &["D502"],
        words: &["AADSTS700016", "AZURE_CLIENT_ID"],
        mend: Mend::By(|scene, _| scene.restore("AZURE_CLIENT_ID")),
    },
    Fault {
        name: "a token that Entra finds too old",
        seed: |scene| {
            let code = 700_024;
            fail(scene, Target::Entra, Failure::Aadsts { code, status: None, retry_after: None });
        },
        found: &["D503"],
        words: &["AADSTS700024", "is the kubelet renewing the file"],
        mend: CLEARED,
    },
    Fault {
        name: "an issuer that Entra cannot reach",
        seed: |scene| {
            let code = 90_061;
            fail(scene, Target::Entra, Failure::Aadsts { code, status: None, retry_after: None });
        },
        found: &["D503"],
        words: &["AADSTS90061", "from the internet"],
        mend: CLEARED,
    },
    Fault {
        name: "a resource that the tenant does not have",
        seed: |scene| {
            scene.args =
                ["--resource", "https://no-such-resource.example"].map(str::to_owned).to_vec();
        },
        found: &["D504"],
        words: &["AADSTS500011", "--resource"],
        mend: Mend::By(|scene, _| scene.args.clear()),
    },
    Fault {
        name: "a Conditional Access policy",
        seed: |scene| {
            let code = 53_003;
            fail(scene, Target::Entra, Failure::Aadsts { code, status: None, retry_after: None });
        },
        found: &["D505"],
        words: &["AADSTS53003", "an administrator can admit"],
        mend: CLEARED,
    },
    Fault {
        name: "an Entra that has trouble",
        seed: |scene| {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            fail(scene, Target::Entra, Failure::Status { status, retry_after: None });
        },
        found: &["D506"],
        words: &["503", "wait some minutes", "https://azure.status.microsoft"],
        mend: CLEARED,
    },
    Fault {
        name: "a page in Entra's place",
        seed: |scene| fail(scene, Target::Entra, Failure::Html(StatusCode::OK)),
        found: &["D506"],
        words: &["HTML page", "a captive portal"],
        mend: CLEARED,
    },
    Fault {
        name: "an Entra that asks for fewer requests",
        seed: |scene| {
            let status = StatusCode::TOO_MANY_REQUESTS;
            fail(scene, Target::Entra, Failure::Status { status, retry_after: None });
        },
        found: &["D506"],
        words: &["429", "ask less often"],
        mend: CLEARED,
    },
    Fault {
        name: "a proxy in Entra's place that asks for a password",
        seed: |scene| {
            let status = StatusCode::PROXY_AUTHENTICATION_REQUIRED;
            fail(scene, Target::Entra, Failure::Status { status, retry_after: None });
        },
        found: &["D506"],
        words: &["407", "user and password in HTTPS_PROXY"],
        mend: CLEARED,
    },
    Fault {
        name: "a redirect to a captive portal",
        seed: |scene| {
            let location = "https://portal.example/".to_owned();
            fail(scene, Target::Entra, Failure::Redirect { location });
        },
        found: &["D506"],
        words: &["portal.example", "find out who answers in Entra's place"],
        mend: CLEARED,
    },
    Fault {
        name: "an answer without a token's type",
        seed: |scene| {
            let answer = json!({"access_token": "x", "expires_in": 3600});
            fail(scene, Target::Entra, body(&answer));
        },
        found: &["D506"],
        words: &["token_type", "find out who answers in Entra's place"],
        mend: CLEARED,
    },
    Fault {
        name: "an answer with nothing in it",
        seed: |scene| fail(scene, Target::Entra, Failure::Empty(StatusCode::OK)),
        found: &["D506"],
        words: &["the body is empty", "find out who answers in Entra's place"],
        mend: CLEARED,
    },
    Fault {
        name: "a connection that is reset",
        seed: |scene| fail(scene, Target::Entra, Failure::Reset),
        found: &["D506"],
        words: &["find what ends connections"],
        mend: CLEARED,
    },
];

#[tokio::test]
async fn the_clock_and_entra() {
    each(Scene::workload().await, CLOCK).await;
    each(Scene::workload().await, ENTRA).await;
}
