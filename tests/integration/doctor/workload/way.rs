//! The way out: proxies, certificates, the token proxy.

use cambist_sim::fault::{Fault as Failure, Target};
use kit::World;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::{CLEARED, fail};
use crate::doctor::scene::Scene;
use crate::doctor::{Fault, Mend, each};

pub(super) const WAY: &[Fault] = &[
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
