//! The projected token.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use cambist_sim::keys::SigningKey;
use cambist_sim::token::Form;

use super::RENEWED;
use crate::doctor::scene::Scene;
use crate::doctor::{Fault, Mend, each};

pub(super) const TOKEN: &[Fault] = &[
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

#[tokio::test]
async fn the_token() {
    each(Scene::workload().await, TOKEN).await;
}
