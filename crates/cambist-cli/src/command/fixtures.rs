//! A kube-apiserver's own documents and tokens, as files, read by the commands.

use std::sync::Arc;

use bytes::Bytes;
use cambist::transport::Transport;
use cambist_core::clock::UnixTime;
use clap::Parser as _;
use http::{Request, Response};
use serde_json::{Value, json};

use crate::cli::Cli;
use crate::testing::ids;
use crate::time::Fixed;
use crate::world::{Outcome, World};

const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";
const NEW: &str = "3DJ4eM-W7aqG_vl7bU-PFYnDj9gy3G4CKtKBHks4HBI";
const OLD: &str = "F-6R_R5ovHZp-bCmw5VLqz6izno59zzPxSBoG6cF8RU";
const EC: &str = "aOEokuLulrzKJUlPkMCu0mMn_r208mA8kMXtpNymtCg";
/// A minute after the tokens were signed.
const NOW: UnixTime = UnixTime::from_secs(1_795_400_060);

fn token(name: &str) -> String {
    format!("{}/testdata/apiserver/{name}.jwt", env!("CARGO_MANIFEST_DIR"))
}

/// Answers as kube-apiserver does.
fn serve(request: &Request<Bytes>) -> Response<Bytes> {
    let (kind, body) = match request.uri().path() {
        "/.well-known/openid-configuration" => (
            "application/json",
            &include_bytes!("../../testdata/apiserver/openid-configuration.json")[..],
        ),
        "/openid/v1/jwks" => {
            ("application/jwk-set+json", &include_bytes!("../../testdata/apiserver/jwks.json")[..])
        }
        path => panic!("{path} is not asked for"),
    };
    let response = Response::builder().header("content-type", kind);
    let response = response.header("cache-control", "public, max-age=3600");
    response.body(Bytes::from_static(body)).unwrap()
}

async fn run(arguments: &str) -> Outcome {
    let cli = Cli::try_parse_from(std::iter::once("cambist").chain(arguments.split(' ')));
    let service = tower::service_fn(|request: Request<Bytes>| async move {
        Ok::<_, std::convert::Infallible>(serve(&request))
    });
    let transport = Transport::from_service(service);
    let mut world = World {
        env: &std::collections::BTreeMap::new(),
        clock: Arc::new(Fixed(NOW)),
        connect: &move |_| Ok(transport.clone()),
        stdin: &mut std::io::empty(),
        lines: &mut std::io::sink(),
        terminal: false,
        progress: None,
        columns: None,
        mount: None,
    };
    crate::command::run(cli.unwrap().command, &mut world).await
}

async fn parsed(arguments: &str) -> Value {
    let outcome = run(arguments).await;
    serde_json::from_str(&outcome.out).unwrap_or_else(|_| panic!("{outcome:?}"))
}

async fn check(names: &[&str]) -> Value {
    let tokens: String =
        names.iter().map(|name| format!(" --token-file {}", token(name))).collect();
    parsed(&format!("issuer check --issuer {ISSUER} --jwks-any-host -o json{tokens}")).await
}

/// By the newest token, however old it is.
fn signer(report: &Value) -> Option<&str> {
    let mut keys = report["keys"].as_array().unwrap().iter();
    let key = keys.find(|key| key["key"] == report["signer"]["key"]);
    key.map(|key| key["kid"].as_str().unwrap())
}

#[tokio::test]
async fn a_set_in_rotation_is_read_whole_and_each_algorithm_verified() {
    for (name, kid) in [("projected", NEW), ("before-the-rotation", OLD), ("es256", EC)] {
        let report = check(&[name]).await;
        assert_eq!(signer(&report), Some(kid), "{name}: {report:#}");
        assert_eq!(report["keys"].as_array().unwrap().len(), 3);
        assert_eq!(report["problems"], json!([]), "{name}");
        // Neither forged, nor missing, nor misnamed, nor an incomplete document.
        for id in ["K104", "K201", "K307", "K309", "K401", "K406", "K407", "K408"] {
            assert!(!ids(&report).contains(&id), "{name} {id}: {report:#}");
        }
    }
    // The newest token counts, in whichever order they are named.
    for names in [["projected", "before-the-rotation"], ["before-the-rotation", "projected"]] {
        assert_eq!(signer(&check(&names).await), Some(NEW));
    }
}

#[tokio::test]
async fn where_the_document_points_elsewhere_nothing_is_followed_unasked() {
    let outcome = run(&format!("issuer check --issuer {ISSUER}")).await;
    assert!(outcome.code == 3 && outcome.out.contains("172.18.0.5:6443"), "{outcome:?}");
}

#[tokio::test]
async fn a_years_token_is_told_and_a_legacy_one_is_no_evidence() {
    let year = check(&["extended"]).await;
    assert_eq!(signer(&year), Some(NEW));
    assert!(ids(&year).contains(&"K207"), "{year:#}");
    let legacy = check(&["legacy"]).await;
    assert_eq!((signer(&legacy), &legacy["problems"][0]["place"]), (None, &json!("token")));
}

#[tokio::test]
async fn inspect_reads_every_token() {
    for (name, alg, kid, lifetime, warnings) in [
        ("projected", "RS256", NEW, json!(3600), &[][..]),
        ("before-the-rotation", "RS256", OLD, json!(3600), &["expired"]),
        ("es256", "ES256", EC, json!(3600), &["algorithm"]),
        ("extended", "RS256", NEW, json!(31_536_000), &["lifetime", "extended"]),
        ("legacy", "RS256", OLD, Value::Null, &["legacy", "issuer"]),
    ] {
        let told = parsed(&format!("token inspect -o json {}", token(name))).await;
        assert_eq!((&told["header"]["alg"], &told["header"]["kid"]), (&json!(alg), &json!(kid)));
        assert_eq!(told["lifetimeSeconds"], lifetime, "{name}");
        let codes = told["warnings"].as_array().unwrap().iter();
        let codes: Vec<_> = codes.map(|warning| warning["code"].as_str().unwrap()).collect();
        assert_eq!(codes, warnings, "{name}");
    }
}

#[tokio::test]
async fn kids_are_the_thumbprints() {
    let path = format!("{}/testdata/apiserver/jwks.json", env!("CARGO_MANIFEST_DIR"));
    let out = run(&format!("issuer kid {path}")).await.out;
    for kid in [NEW, OLD, EC] {
        assert!(out.contains(kid), "{out}");
    }
}
