//! Beside an app.

use std::io;
use std::net::SocketAddr;

use kit::Sidecar;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::scene::{Scene, run};
use super::{Fault, Mend, ailing, check, each};
use crate::{sidecar, sidecar_with};

/// What the app is given.
fn beside(mut scene: Scene, sidecar: &Sidecar) -> Scene {
    let header = scene.env["IDENTITY_HEADER"].clone();
    scene.env.retain(|name, _| name.starts_with("KUBERNETES_"));
    scene.set("CAMBIST_ADMIN_LISTEN", "off");
    scene.set("IDENTITY_ENDPOINT", format!("http://{}/msi/token", sidecar.tokens()));
    scene.set("IDENTITY_HEADER", header);
    scene.set("GOOD_ENDPOINT", format!("http://{}/msi/token", sidecar.tokens()));
    scene.set("ADMIN", sidecar.admin().to_string());
    scene
}

const HEADER: Mend = Mend::By(|scene, _| scene.restore("IDENTITY_HEADER"));
const ENDPOINT: Mend = Mend::By(|scene, _| {
    let good = scene.env["GOOD_ENDPOINT"].clone();
    scene.set("IDENTITY_ENDPOINT", good);
});

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "no secret",
        seed: |scene| scene.unset("IDENTITY_HEADER"),
        found: &["D801"],
        words: &["IDENTITY_HEADER is not", "set IDENTITY_HEADER in the app's container"],
        mend: HEADER,
    },
    Fault {
        name: "a secret alone",
        seed: |scene| scene.unset("IDENTITY_ENDPOINT"),
        found: &["D801"],
        words: &["set IDENTITY_ENDPOINT=http://127.0.0.1:8421/msi/token"],
        mend: ENDPOINT,
    },
    Fault {
        name: "https",
        seed: |scene| {
            let wrong = scene.env["IDENTITY_ENDPOINT"].replace("http:", "https:");
            scene.set("IDENTITY_ENDPOINT", wrong);
        },
        found: &["D801"],
        words: &["the sidecar speaks http"],
        mend: Mend::Settings,
    },
    Fault {
        name: "a line end",
        seed: |scene| {
            let wrong = format!("{}\n", scene.env["IDENTITY_ENDPOINT"]);
            scene.set("IDENTITY_ENDPOINT", wrong);
        },
        found: &["D801"],
        words: &["blank or line end"],
        mend: Mend::Settings,
    },
    Fault {
        name: "the sidecar's variable in the app",
        seed: |scene| scene.set("AZURE_FEDERATED_TOKEN_FILE", "/var/run/secrets/token"),
        found: &["D802"],
        words: &["DefaultAzureCredential goes to Entra itself"],
        mend: Mend::Settings,
    },
    Fault {
        name: "Service Fabric's variable",
        seed: |scene| scene.set("IDENTITY_SERVER_THUMBPRINT", "x"),
        found: &["D802"],
        words: &["Service Fabric"],
        mend: Mend::Settings,
    },
    Fault {
        name: "Azure Arc's variable",
        seed: |scene| scene.set("IMDS_ENDPOINT", "http://127.0.0.1:40342"),
        found: &["D802"],
        words: &["Azure Arc"],
        mend: Mend::Settings,
    },
    Fault {
        name: "a variable of before 2020",
        seed: |scene| scene.set("MSI_ENDPOINT", "http://127.0.0.1:8421/msi/token"),
        found: &["D802"],
        words: &["before 2020"],
        mend: Mend::Settings,
    },
    Fault {
        name: "a proxy",
        seed: |scene| scene.set("HTTP_PROXY", "http://127.0.0.1:1"),
        found: &["D803"],
        words: &["with its secret", "set NO_PROXY=127.0.0.1,localhost"],
        mend: Mend::Settings,
    },
    Fault {
        name: "a password",
        seed: |scene| {
            scene.set("AZURE_USERNAME", "somebody");
            scene.set("AZURE_PASSWORD", "hunter2-hunter2-hunter2");
        },
        found: &["D106"],
        words: &["AZURE_USERNAME and AZURE_PASSWORD"],
        mend: Mend::Settings,
    },
    Fault {
        name: "nobody there",
        seed: |scene| scene.set("IDENTITY_ENDPOINT", "http://127.0.0.1:1/msi/token"),
        found: &["D804"],
        words: &["nobody answers", "CAMBIST_LISTEN"],
        mend: ENDPOINT,
    },
    Fault {
        name: "another secret",
        seed: |scene| scene.set("IDENTITY_HEADER", "another-secret-12345"),
        found: &["D804"],
        words: &["identity_header", "what the sidecar has under the same name"],
        mend: HEADER,
    },
    Fault {
        name: "another path",
        seed: |scene| {
            let wrong = scene.env["IDENTITY_ENDPOINT"].replace("/msi/token", "/msi/tokens");
            scene.set("IDENTITY_ENDPOINT", wrong);
        },
        found: &["D804"],
        words: &["path: nothing is at"],
        mend: Mend::Settings,
    },
    Fault {
        name: "the admin listener's port",
        seed: |scene| {
            let wrong = format!("http://{}/msi/token", scene.env["ADMIN"]);
            scene.set("IDENTITY_ENDPOINT", wrong);
        },
        found: &["D804"],
        words: &["tokens are served on port"],
        mend: Mend::Settings,
    },
    Fault {
        name: "another identity",
        seed: |scene| scene.set("AZURE_CLIENT_ID", "0dd0dd00-0000-4000-8000-00000000000d"),
        found: &["D804"],
        words: &["identity_not_found"],
        mend: Mend::Settings,
    },
    Fault {
        name: "a resource that the tenant does not have",
        seed: |scene| {
            scene.args =
                ["--resource", "https://no-such-resource.example"].map(str::to_owned).to_vec();
        },
        found: &["D804"],
        words: &["AADSTS500011", "kubectl exec POD -c cambist -- cambist doctor"],
        mend: Mend::By(|scene, _| scene.args.clear()),
    },
];

#[tokio::test]
async fn an_app() {
    let scene = Scene::workload().await;
    let sidecar = sidecar(&scene.world).await;
    each(beside(scene, &sidecar), FAULTS).await;
    sidecar.stop().await;
}

/// An app that asks as on a virtual machine, where no secret is shown, is well as it is.
#[tokio::test]
async fn an_app_of_the_metadata_service() {
    let scene = Scene::workload().await;
    let sidecar = sidecar(&scene.world).await;
    let mut scene = beside(scene, &sidecar);
    scene.unset("IDENTITY_ENDPOINT");
    scene.unset("IDENTITY_HEADER");
    scene.set("AZURE_POD_IDENTITY_AUTHORITY_HOST", format!("http://{}", sidecar.tokens()));
    super::healthy(&scene, "by the metadata service's protocol").await;
    sidecar.stop().await;
}

/// A container that was given nothing, where a sidecar answers.
#[tokio::test]
async fn an_app_without_variables() {
    let scene = Scene::workload().await;
    let sidecar = sidecar(&scene.world).await;
    let mut scene = beside(scene, &sidecar);
    let both = ["IDENTITY_ENDPOINT", "IDENTITY_HEADER"].map(|name| (name, scene.env[name].clone()));
    both.iter().for_each(|(name, _)| scene.unset(name));
    scene.args = ["--admin".to_owned(), format!("http://{}", sidecar.admin())].to_vec();
    let report = run(&scene).await;
    assert_eq!(ailing(&report), ["D801"], "{report:#}");
    let place = report["place"]["words"].as_str().unwrap();
    assert!(place.contains("beside an app that has no variable"), "{place}");
    both.into_iter().for_each(|(name, value)| scene.set(name, value));
    super::healthy(&scene, "with both").await;
    sidecar.stop().await;
}

/// Answers everybody with a token.
async fn open_to_all(listener: TcpListener) -> io::Result<()> {
    loop {
        let (mut stream, _) = listener.accept().await?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        let body = r#"{"access_token":"eyJhbGciOiJub25lIn0.e30.bm90aGluZw"}"#;
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
        stream.write_all(answer.as_bytes()).await?;
    }
}

/// What must be refused.
pub(super) const OPEN: [&str; 7] = ["D811", "D812", "D813", "D814", "D815", "D816", "D817"];

/// Each of the checks of what must be refused fails where it is not.
#[tokio::test]
async fn an_endpoint_that_is_open_to_all() {
    let scene = Scene::workload().await;
    scene.world.secrets().add("eyJhbGciOiJub25lIn0.e30.bm90aGluZw");
    let sidecar = sidecar(&scene.world).await;
    let mut scene = beside(scene, &sidecar);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at: SocketAddr = listener.local_addr().unwrap();
    let open = tokio::spawn(open_to_all(listener));
    scene.set("IDENTITY_ENDPOINT", format!("http://{at}/msi/token"));
    scene.args = ["--forbidden", "https://vault.azure.net"].map(str::to_owned).to_vec();
    let report = run(&scene).await;
    assert_eq!(ailing(&report), OPEN, "{report:#}");
    for id in &OPEN[..6] {
        let fix = check(&report, id)["fix"]["words"].as_str().unwrap();
        assert!(fix.contains("let IDENTITY_ENDPOINT lead to the sidecar itself"), "{fix}");
    }
    open.abort();
    let good = scene.env["GOOD_ENDPOINT"].clone();
    scene.set("IDENTITY_ENDPOINT", good);
    scene.args.clear();
    super::healthy(&scene, "with the sidecar itself").await;
    sidecar.stop().await;
}

fn policy(scene: &Scene, resources: &str) -> String {
    format!(
        "version: 1\nidentities:\n  - name: payments\n    client_id: {}\ncallers:\n  - name: checkout\n    \
         secret_variable: IDENTITY_HEADER\n    may:\n      - {{ identity: payments, resources: [{resources}] }}\n",
        scene.world.env()["AZURE_CLIENT_ID"]
    )
}

/// A policy that gives too much, and the words of the fix.
#[tokio::test]
async fn a_policy_that_gives_what_it_should_not() {
    let scene = Scene::workload().await;
    let file = scene.file("policy.yaml");
    let started = async |resources: &str| {
        std::fs::write(&file, policy(&scene, resources)).unwrap();
        let path = file.display().to_string();
        sidecar_with(&scene.world, |program| {
            program.set("CAMBIST_CONFIG", path).unset("AZURE_CLIENT_ID")
        })
        .await
    };
    let wide = started("\"*\"").await;
    let narrow = started("\"https://management.azure.com\"").await;
    let mut scene = beside(scene, &wide);
    scene.args = ["--forbidden", "https://vault.azure.net"].map(str::to_owned).to_vec();
    let report = run(&scene).await;
    assert_eq!(ailing(&report), ["D817"], "{report:#}");
    let fix = check(&report, "D817")["fix"]["words"].as_str().unwrap();
    assert!(fix.contains("leave https://vault.azure.net out of"), "{fix}");
    // As it says.
    scene.set("IDENTITY_ENDPOINT", format!("http://{}/msi/token", narrow.tokens()));
    super::healthy(&scene, "with another policy").await;
    let refused = run(&scene).await;
    let evidence = check(&refused, "D817")["evidence"].as_str().unwrap();
    assert!(evidence.contains("policy_denied"), "{evidence}");
    wide.stop().await;
    narrow.stop().await;
}
