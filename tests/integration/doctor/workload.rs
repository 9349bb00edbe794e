//! From the projected token to Entra.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use cambist_sim::clock::Machine;
use cambist_sim::entra::FederatedCredential;
use cambist_sim::fault::{Fault as Failure, Injection, Reach, Target};
use cambist_sim::issuer::Place;
use cambist_sim::keys::SigningKey;
use cambist_sim::token::Form;
use http::StatusCode;
use kit::World;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::scene::Scene;
use super::{Fault, Mend, each, healthy};

const OTHER: &str = "0dd0dd00-0000-4000-8000-00000000000d";

/// The server itself fails so, for the pod and for Entra.
fn fail(scene: &Scene, target: Target, fault: Failure) {
    scene.sim().faults().add(Injection { target, fault, count: None, reach: Reach::All });
}

fn body(text: &Value) -> Failure {
    Failure::Body {
        status: StatusCode::OK,
        content_type: "application/json".to_owned(),
        body: text.to_string(),
    }
}

/// Everything is answered again.
const CLEARED: Mend = Mend::By(|scene, _| scene.sim().faults().clear());
/// The kubelet writes a good token.
const RENEWED: Mend = Mend::By(|scene, _| scene.renew());

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

const VARIABLES: &[Fault] = &[
    Fault {
        name: "no client id",
        seed: |scene| scene.unset("AZURE_CLIENT_ID"),
        found: &["D101"],
        words: &[
            "AZURE_CLIENT_ID is not set",
            "az identity show",
            "azure.workload.identity/client-id",
        ],
        mend: Mend::By(|scene, _| scene.restore("AZURE_CLIENT_ID")),
    },
    Fault {
        name: "a name for a client id",
        seed: |scene| scene.set("AZURE_CLIENT_ID", "checkout-identity"),
        found: &["D101"],
        words: &["must be a GUID", "checkout-identity"],
        mend: Mend::By(|scene, _| scene.restore("AZURE_CLIENT_ID")),
    },
    Fault {
        name: "no tenant",
        seed: |scene| scene.unset("AZURE_TENANT_ID"),
        found: &["D102"],
        words: &["AZURE_TENANT_ID is not set", "az account show"],
        mend: Mend::By(|scene, _| scene.restore("AZURE_TENANT_ID")),
    },
    Fault {
        name: "no tenant's name",
        seed: |scene| scene.set("AZURE_TENANT_ID", "our tenant"),
        found: &["D102"],
        words: &["our tenant"],
        mend: Mend::By(|scene, _| scene.restore("AZURE_TENANT_ID")),
    },
    Fault {
        name: "an authority that nobody allowed",
        seed: |scene| scene.unset("CAMBIST_ALLOW_AUTHORITY"),
        found: &["D103"],
        words: &["CAMBIST_ALLOW_AUTHORITY"],
        mend: Mend::By(|scene, _| scene.restore("CAMBIST_ALLOW_AUTHORITY")),
    },
    Fault {
        name: "a misspelt variable",
        seed: |scene| scene.set("CAMBIST_LEWAY", "1m"),
        found: &["D104"],
        words: &["nobody reads CAMBIST_LEWAY", "write CAMBIST_LEEWAY for CAMBIST_LEWAY"],
        mend: Mend::By(|scene, _| {
            let value = scene.env.remove("CAMBIST_LEWAY").unwrap();
            scene.set("CAMBIST_LEEWAY", value);
        }),
    },
    Fault {
        name: "a variable that nobody knows",
        seed: |scene| scene.set("CAMBIST_XYZZY", "1"),
        found: &["D104"],
        words: &["nobody reads CAMBIST_XYZZY"],
        mend: Mend::Settings,
    },
    Fault {
        name: "a variable's old name",
        seed: |scene| scene.set("CAMBIST_LEDGER_TRUST", "asserted"),
        found: &["D104"],
        words: &["CAMBIST_LEDGER_TRUST is CAMBIST_HISTORY_TRUST now"],
        mend: Mend::Settings,
    },
    Fault {
        name: "a value that is none",
        seed: |scene| scene.set("CAMBIST_LEEWAY", "a while"),
        found: &["D105"],
        words: &["CAMBIST_LEEWAY", "a while"],
        mend: Mend::Settings,
    },
    Fault {
        name: "two values that contradict each other",
        seed: |scene| {
            scene.set("CAMBIST_ROTATE_AFTER", "90d");
            scene.set("CAMBIST_EXPIRE_AFTER", "45d");
        },
        found: &["D105"],
        words: &["CAMBIST_ROTATE_AFTER"],
        mend: Mend::Settings,
    },
    Fault {
        name: "a client secret",
        seed: |scene| {
            scene.world.secrets().add("hunter2-hunter2-hunter2");
            scene.set("AZURE_CLIENT_SECRET", "hunter2-hunter2-hunter2");
        },
        found: &["D106"],
        words: &["AZURE_CLIENT_SECRET is set", "DefaultAzureCredential"],
        mend: Mend::Settings,
    },
    Fault {
        name: "a pod that the webhook did not see",
        seed: |scene| {
            for name in ["AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE"] {
                scene.unset(name);
            }
        },
        found: &["D107"],
        words: &["azure.workload.identity/use: \\\"true\\\"", "azure.workload.identity/client-id"],
        mend: Mend::By(|scene, _| {
            for name in ["AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE"] {
                scene.restore(name);
            }
        }),
    },
];

const TOKEN: &[Fault] = &[
    Fault {
        name: "a file that is not there",
        seed: |scene| scene.set("AZURE_FEDERATED_TOKEN_FILE", "/var/run/secrets/nothing"),
        found: &["D201"],
        words: &["/var/run/secrets/nothing", "does not exist", "api://AzureADTokenExchange"],
        mend: Mend::By(|scene, _| scene.restore("AZURE_FEDERATED_TOKEN_FILE")),
    },
    Fault {
        name: "a directory for a file",
        seed: |scene| {
            let dir = scene.world.dir().display().to_string();
            scene.set("AZURE_FEDERATED_TOKEN_FILE", dir);
        },
        found: &["D201"],
        words: &["not a regular file", "names the token itself"],
        mend: Mend::By(|scene, _| scene.restore("AZURE_FEDERATED_TOKEN_FILE")),
    },
    Fault {
        name: "an empty file",
        seed: |scene| scene.world.project(""),
        found: &["D201"],
        words: &["is empty"],
        mend: RENEWED,
    },
    Fault {
        name: "a legacy token from a Secret",
        seed: |scene| scene.world.running().kubelet().project_as(Form::Legacy).unwrap(),
        found: &["D201"],
        words: &["legacy", "projected serviceAccountToken"],
        mend: Mend::By(|scene, _| {
            scene.world.running().kubelet().project_as(Form::Projected).unwrap();
        }),
    },
    Fault {
        name: "a file that everybody may write",
        seed: |scene| {
            let (copy, token) = (scene.file("a copy"), scene.world.token_file());
            fs::copy(token, &copy).unwrap();
            fs::set_permissions(&copy, fs::Permissions::from_mode(0o666)).unwrap();
            scene.set("AZURE_FEDERATED_TOKEN_FILE", copy.display().to_string());
        },
        found: &["D202"],
        words: &["mode 0666", "chmod go-w"],
        mend: Mend::Command,
    },
    Fault {
        name: "a file that others on a laptop may read",
        seed: |scene| {
            let (copy, token) = (scene.file("another copy"), scene.world.token_file());
            fs::copy(token, &copy).unwrap();
            fs::set_permissions(&copy, fs::Permissions::from_mode(0o644)).unwrap();
            scene.set("AZURE_FEDERATED_TOKEN_FILE", copy.display().to_string());
            scene.unset("KUBERNETES_SERVICE_HOST");
        },
        found: &["D202"],
        words: &["mode 0644", "chmod 600"],
        mend: Mend::Command,
    },
    Fault {
        name: "an expired token",
        seed: |scene| {
            let now = scene.now();
            scene.project(|it| {
                it.claim("iat", now - 7200).claim("nbf", now - 7200).claim("exp", now - 3600)
            });
        },
        found: &["D203"],
        words: &["expired", "kubelet"],
        mend: RENEWED,
    },
    Fault {
        name: "a token that the kubelet should have renewed",
        seed: |scene| {
            let now = scene.now();
            scene.project(|it| {
                it.claim("iat", now - 3500).claim("nbf", now - 3500).claim("exp", now + 100)
            });
        },
        found: &["D203"],
        words: &["the kubelet renews such a token when it is 48m"],
        mend: RENEWED,
    },
    Fault {
        name: "another audience",
        seed: |scene| scene.project(|it| it.claim("aud", ["api://elsewhere"].as_slice())),
        found: &["D204"],
        words: &["api://elsewhere", "set audience: api://AzureADTokenExchange"],
        mend: Mend::By(|scene, fix| {
            let words = fix["words"].as_str().unwrap();
            let audience = words.strip_prefix("set audience: ").unwrap().split(' ').next().unwrap();
            scene.project(|it| it.claim("aud", [audience].as_slice()));
        }),
    },
    Fault {
        name: "an issuer without its slash",
        seed: |scene| {
            let issuer = scene.env["CAMBIST_ISSUER"].trim_end_matches('/').to_owned();
            scene.set("CAMBIST_ISSUER", issuer);
        },
        found: &["D205"],
        words: &["compared byte for byte", "set CAMBIST_ISSUER=https://"],
        mend: Mend::Settings,
    },
    Fault {
        name: "an issuer that is no URL",
        seed: |scene| scene.set("CAMBIST_ISSUER", "kubernetes.default.svc"),
        found: &["D205"],
        words: &["CAMBIST_ISSUER"],
        mend: Mend::Settings,
    },
    Fault {
        name: "a default account",
        seed: |scene| {
            scene.project(|it| it.claim("sub", "system:serviceaccount:shop:default"));
        },
        found: &["D206"],
        words: &["shop:default", "kubectl create serviceaccount NAME --namespace shop"],
        mend: RENEWED,
    },
    Fault {
        name: "a token that lives for a year",
        seed: |scene| scene.world.running().kubelet().project_as(Form::Long).unwrap(),
        found: &["D207"],
        words: &["expirationSeconds: 3600"],
        mend: Mend::By(|scene, _| {
            scene.world.running().kubelet().project_as(Form::Projected).unwrap();
        }),
    },
    Fault {
        name: "several audiences",
        seed: |scene| {
            let audiences = ["api://AzureADTokenExchange", "https://vault.example"];
            scene.project(|it| it.claim("aud", audiences.as_slice()));
        },
        found: &["D208"],
        words: &["https://vault.example", "api://AzureADTokenExchange alone"],
        mend: RENEWED,
    },
    Fault {
        name: "a key that is not RSA",
        seed: |scene| {
            scene.sim().issuer().rotate_to(&SigningKey::generate_ec().unwrap(), true);
            scene.renew();
        },
        found: &["D209"],
        words: &["ES256", "RSA key"],
        mend: Mend::By(|scene, _| {
            let first = scene.sim().issuer().keys()[0].kid.clone();
            let first = scene.sim().issuer().key(&first).unwrap();
            scene.sim().issuer().sign_with(&first);
            scene.renew();
        }),
    },
];

const ISSUER: &[Fault] = &[
    Fault {
        name: "an issuer's document that is not there",
        seed: |scene| {
            let status = StatusCode::NOT_FOUND;
            fail(scene, Target::Discovery, Failure::Status { status, retry_after: None });
        },
        found: &["D301"],
        words: &["answered 404", "kubectl get --raw /.well-known/openid-configuration"],
        mend: CLEARED,
    },
    Fault {
        name: "an issuer that asks for credentials",
        seed: |scene| {
            let status = StatusCode::FORBIDDEN;
            fail(scene, Target::Discovery, Failure::Status { status, retry_after: None });
        },
        found: &["D301"],
        words: &["answered 403", "anonymous"],
        mend: CLEARED,
    },
    Fault {
        name: "an issuer that redirects",
        seed: |scene| {
            let location = "https://elsewhere.example/".to_owned();
            fail(scene, Target::Discovery, Failure::Redirect { location });
        },
        found: &["D301"],
        words: &["redirects to", "without a redirect"],
        mend: CLEARED,
    },
    Fault {
        name: "another issuer's document",
        seed: |scene| {
            let mut document = scene.sim().issuer().discovery();
            document["issuer"] = json!("https://another.example/");
            fail(scene, Target::Discovery, body(&document));
        },
        found: &["D302"],
        words: &["https://another.example/"],
        mend: CLEARED,
    },
    Fault {
        name: "keys on another host",
        seed: |scene| {
            let mut document = scene.sim().issuer().discovery();
            document["jwks_uri"] = json!("https://keys.example/openid/v1/jwks");
            fail(scene, Target::Discovery, body(&document));
        },
        found: &["D302"],
        words: &["keys.example", "CAMBIST_JWKS_ANY_HOST=true"],
        mend: CLEARED,
    },
    Fault {
        name: "keys that are not served",
        seed: |scene| {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            fail(scene, Target::Jwks, Failure::Status { status, retry_after: None });
        },
        found: &["D303"],
        words: &["answered 500", "kubectl get --raw /openid/v1/jwks"],
        mend: CLEARED,
    },
    Fault {
        name: "a page for a key set",
        seed: |scene| fail(scene, Target::Jwks, Failure::Html(StatusCode::OK)),
        found: &["D303"],
        words: &["an HTML page, not JSON", "kubectl get --raw /openid/v1/jwks"],
        mend: CLEARED,
    },
    Fault {
        name: "keys that break off",
        seed: |scene| fail(scene, Target::Jwks, Failure::Truncate),
        found: &["D303"],
        words: &["find what ends connections on the way there"],
        mend: CLEARED,
    },
    Fault {
        name: "a page for a document",
        seed: |scene| fail(scene, Target::Discovery, Failure::Html(StatusCode::OK)),
        found: &["D302"],
        words: &["an HTML page, not JSON", "did a proxy or a gateway answer"],
        mend: CLEARED,
    },
    Fault {
        name: "a key that is not published",
        seed: |scene| {
            let sim = scene.sim();
            let key = sim.issuer().prepare().unwrap();
            sim.issuer().sign_with(&key);
            scene.renew();
        },
        found: &["D304"],
        words: &["is not among the issuer's", "jwks_uri"],
        mend: Mend::By(|scene, _| {
            let sim = scene.sim();
            sim.issuer().publish(&sim.issuer().signer());
            sim.entra().forget_issuer_keys();
        }),
    },
    Fault {
        name: "a signature that is not the key's",
        seed: |scene| {
            let token = scene.sim().token().unwrap();
            let (head, signature) = token.rsplit_once('.').unwrap();
            let first = if signature.starts_with('A') { "B" } else { "A" };
            scene.world.project(&format!("{head}.{first}{}", &signature[1..]));
        },
        found: &["D304"],
        words: &["signature"],
        mend: RENEWED,
    },
    Fault {
        name: "an upload that was forgotten",
        seed: |scene| {
            let sim = scene.sim();
            let key = sim.issuer().prepare().unwrap();
            sim.issuer().publish_in(Place::Api, &key);
            let kubeconfig = scene.world.running().dir().join("kubeconfig");
            scene.args = ["--kubeconfig".to_owned(), kubeconfig.display().to_string()].to_vec();
        },
        found: &["D305"],
        words: &["not public: ", "kubectl get --raw /openid/v1/jwks"],
        mend: Mend::By(|scene, _| {
            let sim = scene.sim();
            let last = sim.issuer().keys().last().unwrap().kid.clone();
            sim.issuer().publish_in(Place::Both, &sim.issuer().key(&last).unwrap());
        }),
    },
    Fault {
        name: "a public key that no API server knows",
        seed: |scene| {
            let sim = scene.sim();
            let key = sim.issuer().prepare().unwrap();
            sim.issuer().publish_in(Place::Public, &key);
            let kubeconfig = scene.world.running().dir().join("kubeconfig");
            scene.args = ["--kubeconfig".to_owned(), kubeconfig.display().to_string()].to_vec();
        },
        found: &["D305"],
        words: &["unknown to the API server", "take it out of the key set"],
        mend: Mend::By(|scene, _| {
            let sim = scene.sim();
            let last = sim.issuer().keys().last().unwrap().kid.clone();
            sim.issuer().hide(&last);
        }),
    },
    Fault {
        name: "a private key that is published",
        seed: |scene| {
            let sim = scene.sim();
            let key = sim.issuer().prepare().unwrap();
            sim.issuer().leak_in(Place::Both, &key).unwrap();
        },
        found: &["D306"],
        words: &["SUSPECT", "cambist issuer"],
        mend: Mend::By(|scene, _| {
            let sim = scene.sim();
            let last = sim.issuer().keys().last().unwrap().kid.clone();
            sim.issuer().hide(&last);
        }),
    },
];

const CLOCKS: [Machine; 3] = [Machine::Issuer, Machine::Api, Machine::Entra];

fn skew(scene: &Scene, seconds: i64) {
    for machine in CLOCKS {
        scene.sim().clock_of(machine).skew(seconds);
    }
    scene.renew();
}

const CLOCK: &[Fault] = &[
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

const ENTRA: &[Fault] = &[
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

const WAY: &[Fault] = &[
    Fault {
        name: "a proxy that is not there",
        seed: |scene| scene.set("HTTPS_PROXY", "http://127.0.0.1:1"),
        found: &["D601"],
        words: &["the proxy cannot be reached", "take HTTPS_PROXY out of"],
        mend: Mend::Settings,
    },
    Fault {
        name: "a proxy of another kind",
        seed: |scene| scene.set("HTTPS_PROXY", "socks5://127.0.0.1:1080"),
        found: &["D601"],
        words: &["socks5", "HTTPS_PROXY"],
        mend: Mend::Settings,
    },
    Fault {
        name: "a name that nobody knows",
        seed: |scene| {
            scene.set("AZURE_AUTHORITY_HOST", "https://login.invalid/");
            scene.set("CAMBIST_ALLOW_AUTHORITY", "https://login.invalid/");
        },
        found: &["D602"],
        words: &["login.invalid", "cannot be resolved", "AZURE_AUTHORITY_HOST"],
        mend: Mend::By(|scene, _| {
            scene.restore("AZURE_AUTHORITY_HOST");
            scene.restore("CAMBIST_ALLOW_AUTHORITY");
        }),
    },
    Fault {
        name: "somebody who opens TLS",
        seed: |scene| scene.unset("CAMBIST_CA_FILE"),
        found: &["D603"],
        words: &["issued by", "cambist-sim: for tests", "set CAMBIST_CA_FILE"],
        mend: Mend::By(|scene, _| scene.restore("CAMBIST_CA_FILE")),
    },
    Fault {
        name: "an Entra that cannot be connected to",
        seed: |scene| {
            scene.set("AZURE_AUTHORITY_HOST", "https://127.0.0.1:1/");
            scene.set("CAMBIST_ALLOW_AUTHORITY", "https://127.0.0.1:1/");
        },
        found: &["D604"],
        words: &["127.0.0.1:1", "NetworkPolicy"],
        mend: Mend::By(|scene, _| {
            scene.restore("AZURE_AUTHORITY_HOST");
            scene.restore("CAMBIST_ALLOW_AUTHORITY");
        }),
    },
    Fault {
        name: "an issuer that does not answer",
        seed: |scene| {
            scene.args = ["--timeout", "1s"].map(str::to_owned).to_vec();
            fail(scene, Target::Discovery, Failure::Hang);
        },
        found: &["D604"],
        words: &["did not answer within 1s"],
        mend: CLEARED,
    },
    Fault {
        name: "a CA file that is not there",
        seed: |scene| scene.set("CAMBIST_CA_FILE", "/etc/no-such-ca.pem"),
        found: &["D605"],
        words: &["/etc/no-such-ca.pem", "CAMBIST_CA_FILE"],
        mend: Mend::By(|scene, _| scene.restore("CAMBIST_CA_FILE")),
    },
];

const POLICY: &[Fault] = &[
    Fault {
        name: "a misspelt key in the policy's file",
        seed: |scene| {
            let good = fs::read_to_string(scene.file("policy.yaml")).unwrap();
            fs::write(scene.file("policy.yaml"), good.replace("client_id", "clientid")).unwrap();
        },
        found: &["D701"],
        words: &["line 4", "did you mean", "client_id", "--check-config"],
        mend: Mend::By(|scene, _| {
            let bad = fs::read_to_string(scene.file("policy.yaml")).unwrap();
            fs::write(scene.file("policy.yaml"), bad.replace("clientid", "client_id")).unwrap();
        }),
    },
    Fault {
        name: "a policy's file that is not there",
        seed: |scene| scene.set("CAMBIST_CONFIG", "/etc/no-such-policy.yaml"),
        found: &["D701"],
        words: &["/etc/no-such-policy.yaml"],
        mend: Mend::By(|scene, _| {
            let file = scene.file("policy.yaml").display().to_string();
            scene.set("CAMBIST_CONFIG", file);
        }),
    },
];

#[tokio::test]
async fn variables() {
    each(Scene::workload().await, VARIABLES).await;
}

#[tokio::test]
async fn the_token() {
    each(Scene::workload().await, TOKEN).await;
}

#[tokio::test]
async fn the_issuer() {
    each(Scene::workload().await, ISSUER).await;
}

#[tokio::test]
async fn the_clock_and_entra() {
    each(Scene::workload().await, CLOCK).await;
    each(Scene::workload().await, ENTRA).await;
}

#[tokio::test]
async fn the_way_out() {
    each(Scene::workload().await, WAY).await;
    let world = World::with(|options| options.proxy = true).await;
    each(
        Scene::of(world),
        &[Fault {
            name: "a proxy that asks for a password",
            seed: |scene| {
                let proxy = scene.env["HTTPS_PROXY"].clone();
                let at = proxy.rsplit('@').next().unwrap();
                scene.set("HTTPS_PROXY", format!("http://{at}"));
            },
            found: &["D601"],
            words: &["407", "HTTPS_PROXY=http://USER:PASSWORD@127.0.0.1:"],
            mend: Mend::By(|scene, _| scene.restore("HTTPS_PROXY")),
        }],
    )
    .await;
}

/// Set up otherwise than by default, and well.
#[tokio::test]
async fn other_ways_to_be_well() {
    let world = World::with(|options| {
        options.managed_identity = Some("/subscriptions/s/resourceGroups/g".to_owned());
    });
    let mut scene = Scene::of(world.await);
    healthy(&scene, "as a managed identity").await;
    scene.set("CAMBIST_KEY_AGE", "enforce");
    scene.set("CAMBIST_KEYS", "public,api");
    scene.set("CAMBIST_ROTATE_AFTER", "30d");
    healthy(&scene, "where the keys' age is enforced").await;
    scene.unset("CAMBIST_ISSUER");
    scene.set("CAMBIST_KEY_AGE", "off");
    scene.set("CAMBIST_HISTORY", scene.file("history.json").display().to_string());
    healthy(&scene, "with the token's own word for its issuer").await;
    scene.set("CAMBIST_PORT_8422_TCP_ADDR", "10.0.0.1");
    scene.set("NO_PROXY", "127.0.0.1");
    scene.set("HTTPS_PROXY", "http://127.0.0.1:1");
    healthy(&scene, "beside a proxy that is not for these hosts").await;
}

#[tokio::test]
async fn the_policy() {
    let mut scene = Scene::workload().await;
    let client_id = scene.env.remove("AZURE_CLIENT_ID").unwrap();
    let text = format!(
        "version: 1\nidentities:\n  - name: payments\n    client_id: {client_id}\ncallers:\n  - name: checkout\n    \
         secret_variable: IDENTITY_HEADER\n    may:\n      - {{ identity: payments, resources: [\"https://vault.azure.net\"] }}\n"
    );
    fs::write(scene.file("policy.yaml"), text).unwrap();
    let file = scene.file("policy.yaml").display().to_string();
    scene.set("CAMBIST_CONFIG", file);
    each(scene, POLICY).await;
}

/// Answers each request for a tunnel with a refusal.
async fn refuse(listener: TcpListener) -> std::io::Result<()> {
    loop {
        let (mut stream, _) = listener.accept().await?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").await?;
    }
}

#[tokio::test]
async fn a_proxy_that_refuses() {
    let mut scene = Scene::workload().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    scene.set("REFUSING", format!("http://{}", listener.local_addr().unwrap()));
    let refusing = tokio::spawn(refuse(listener));
    each(
        scene,
        &[Fault {
            name: "a proxy that refuses the tunnel",
            seed: |scene| scene.set("HTTPS_PROXY", scene.env["REFUSING"].clone()),
            found: &["D601"],
            words: &["allow CONNECT to 127.0.0.1", "set NO_PROXY=127.0.0.1"],
            mend: Mend::Settings,
        }],
    )
    .await;
    refusing.abort();
}

#[tokio::test]
async fn a_cluster_with_a_token_proxy() {
    let world = World::with(|options| options.token_proxy = true).await;
    each(
        Scene::of(world),
        &[
            Fault {
                name: "another name",
                seed: |scene| scene.set("AZURE_KUBERNETES_SNI_NAME", "another.ests.aks"),
                found: &["D603"],
                words: &["the token proxy", "AZURE_KUBERNETES_SNI_NAME"],
                mend: Mend::By(|scene, _| scene.restore("AZURE_KUBERNETES_SNI_NAME")),
            },
            Fault {
                name: "another cluster's CA",
                seed: |scene| {
                    let other = scene.env["CAMBIST_CA_FILE"].clone();
                    scene.set("AZURE_KUBERNETES_CA_FILE", other);
                },
                found: &["D603"],
                words: &["the token proxy", "AZURE_KUBERNETES_CA_FILE"],
                mend: Mend::By(|scene, _| scene.restore("AZURE_KUBERNETES_CA_FILE")),
            },
            Fault {
                name: "a name without a proxy",
                seed: |scene| scene.unset("AZURE_KUBERNETES_TOKEN_PROXY"),
                found: &["D105"],
                words: &[
                    "AZURE_KUBERNETES_SNI_NAME is set, but AZURE_KUBERNETES_TOKEN_PROXY is not",
                ],
                mend: Mend::By(|scene, _| scene.restore("AZURE_KUBERNETES_TOKEN_PROXY")),
            },
        ],
    )
    .await;
}

pub(super) const TABLES: [&[Fault]; 7] = [VARIABLES, TOKEN, ISSUER, CLOCK, ENTRA, WAY, POLICY];
