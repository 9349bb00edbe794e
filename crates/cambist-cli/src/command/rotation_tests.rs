//! `issuer plan` and `issuer gate`, against the simulated cluster and its two API servers.

use std::time::Duration;

use cambist_core::clock::Clock as _;
use cambist_sim::keys::SigningKey;
use serde_json::{Value, json};

use crate::testing::{HISTORY, Pod, TOKEN, write};

const HOUR: Duration = Duration::from_secs(3600);
const SERVERS: &str =
    "--in-cluster --api-server https://api.test:6443 --api-server https://api-2.test:6443/";

/// A cluster with a key that is made and that nobody knows yet.
fn rotating() -> (Pod, SigningKey, SigningKey) {
    let pod = Pod::new();
    let old = pod.sim.issuer().signer();
    let new = pod.sim.issuer().prepare().unwrap();
    // What the API servers accept is theirs, and not the issuer's published set.
    let own = json!({ "keys": [old.jwk()] });
    pod.api.with(|api| (api.jwks, api.signer) = (Some(own.clone()), Some(old.clone())));
    pod.second.with(|api| (api.jwks, api.signer) = (Some(own), Some(old.clone())));
    (pod, old, new)
}

fn both(old: &SigningKey, new: &SigningKey) -> Value {
    json!({ "keys": [old.jwk(), new.jwk()] })
}

#[tokio::test(start_paused = true)]
async fn a_key_is_published_once_each_api_server_accepts_it() {
    let (pod, old, new) = rotating();
    let ask = format!("issuer gate publish {} {SERVERS}", new.kid());
    pod.api.with(|api| api.jwks = Some(both(&old, &new)));
    let half = pod.run(&ask).await;
    assert!(half.code == 1 && half.out.contains("api-2.test"), "{half:?}");
    pod.second.with(|api| api.jwks = Some(both(&old, &new)));
    assert_eq!(pod.run(&ask).await.code, 0);
    // A kid may begin with a hyphen: it is base64url.
    let odd = new.with_kid("-W");
    pod.api.with(|api| api.jwks = Some(both(&old, &odd)));
    let named = pod.run(&format!("issuer gate publish -W {SERVERS}")).await;
    assert_eq!(named.code, 0, "{named:?}");
    // By a file as well as by its name.
    write(pod.path("new.json"), &new.jwk().to_string());
    assert_eq!(pod.run(&format!("issuer gate publish {{dir}}/new.json {SERVERS}")).await.code, 0);
    pod.second.with(|api| api.refuse = Some(http::StatusCode::UNAUTHORIZED));
    let blind = pod.run(&ask).await;
    assert!(blind.code == 3 && blind.out.contains("not looked at"), "{blind:?}");
    let nobody = pod.run(&format!("issuer gate publish made-up {SERVERS}")).await;
    assert!(nobody.code == 3 && nobody.err.contains("made-up"), "{nobody:?}");
}

#[tokio::test(start_paused = true)]
async fn a_key_signs_once_it_was_seen_in_public_for_a_day() {
    let (pod, _, new) = rotating();
    let ask = format!("issuer gate sign {} {HISTORY}", new.kid());
    let look = format!("issuer observe {HISTORY}");
    assert_eq!(pod.run(&look).await.code, 0);
    let hidden = pod.run(&ask).await;
    assert!(hidden.code == 1 && hidden.out.contains("publish it"), "{hidden:?}");
    pod.sim.issuer().publish(&new);
    for hour in 0..25 {
        pod.sim.clock().advance(HOUR);
        let said = pod.run(&ask).await;
        assert_eq!(said.code, u8::from(hour < 24), "{hour}: {said:?}");
        assert_eq!(said.out.contains("ask again"), hour < 24, "{hour}: {said:?}");
    }
    // Without a history nothing but this moment is known.
    assert_eq!(pod.run(&format!("issuer gate sign {}", new.kid())).await.code, 1);
    let hasty = pod.run(&format!("{ask} --cache-ttl 10m")).await;
    assert!(hasty.code == 64 && hasty.err.contains("--force"), "{hasty:?}");
    pod.sim.issuer().hide(new.kid());
    assert_eq!(pod.run(&ask).await.code, 1);
}

#[tokio::test(start_paused = true)]
async fn a_key_is_withdrawn_once_nothing_that_it_signed_lives() {
    let (pod, old, new) = rotating();
    pod.sim.issuer().publish(&new);
    for api in [&pod.api, &pod.second] {
        api.with(|api| api.jwks = Some(both(&old, &new)));
    }
    let ask = format!("issuer gate retire {} {SERVERS} --mint shop/app {HISTORY}", old.kid());
    let signs = pod.run(&ask).await;
    assert!(signs.code == 1 && signs.out.contains("still signs with it"), "{signs:?}");
    pod.api.with(|api| api.signer = Some(new.clone()));
    let half = pod.run(&ask).await;
    assert!(half.code == 1 && half.out.contains("api-2.test:6443\" still"), "{half:?}");
    pod.second.with(|api| api.signer = Some(new.clone()));
    pod.sim.clock().advance(Duration::from_secs(1));
    for hour in 0..=48 {
        let said = pod.run(&ask).await;
        assert_eq!(said.code, u8::from(hour < 48), "{hour}: {said:?}");
        pod.sim.clock().advance(HOUR);
    }
    // Nobody asked the second server, or anybody at all.
    let one = ask.replace("--mint shop/app ", &format!("{TOKEN} "));
    pod.sim.issuer().sign_with(&new);
    pod.kubelet.project().unwrap();
    assert_eq!(pod.run(&one).await.code, 3);
    let none = format!("issuer gate retire {} {HISTORY}", old.kid());
    assert_eq!(pod.run(&none).await.code, 3);
}

#[tokio::test(start_paused = true)]
async fn a_plan_has_the_safe_order_and_dates_within_the_policy() {
    let mut pod = Pod::new();
    pod.env.remove("CAMBIST_ISSUER");
    let plan = pod.json("issuer plan --start 2026-12-01 --platform kubeadm").await;
    let steps = plan["steps"].as_array().unwrap();
    let dates: Vec<_> = steps.iter().map(|step| step["date"].as_str().unwrap()).collect();
    let day = |n: u8| format!("2026-12-{n:02}T00:00:00Z");
    assert_eq!(dates, [day(1), day(1), day(2), day(4), day(4)]);
    let acts: Vec<_> = steps.iter().map(|step| step["acts"][0].as_str().unwrap()).collect();
    assert_eq!(acts, ["accept", "publish", "sign", "withdraw", "drop"]);
    assert_eq!(plan["next"], json!(1_799_884_800), "{plan:#}");
    // k3s signs with the first key of its file: the old one stays there until the wait is over.
    let k3s = pod.run("issuer plan --platform arc-k3s").await.out;
    let first = k3s.find("OLD key first").unwrap();
    assert!(first < k3s.find("NEW key first").unwrap(), "{k3s}");
    let eks = pod.json("issuer plan --platform eks").await;
    assert_eq!(
        (&eks["automatic"], &eks["steps"], &eks["next"]),
        (&json!(true), &json!([]), &Value::Null)
    );
    let tight = pod.run("issuer plan --rotate-after 45d --expire-after 46d").await;
    assert!(tight.code == 64 && tight.err.contains("--max-token-ttl"), "{tight:?}");
    assert_eq!(pod.run("issuer plan --cache-ttl 30m").await.code, 64);
    assert_eq!(pod.run("issuer plan --cache-ttl 30m --force").await.code, 0);
}

#[tokio::test(start_paused = true)]
async fn a_plan_looks_at_the_issuer_that_is_given() {
    let pod = Pod::new();
    pod.days(3).await;
    let plan = pod.run(&format!("issuer plan {TOKEN} {HISTORY}")).await.out;
    assert!(plan.contains("is to be replaced by"), "{plan}");
    assert!(plan.contains(pod.sim.settings().issuer.as_str()), "{plan}");
}

#[tokio::test(start_paused = true)]
async fn a_gate_says_yes_by_nothing_that_may_have_lost_the_no() {
    let (pod, old, new) = rotating();
    let sign = format!("issuer gate sign {} {HISTORY}", new.kid());
    let look = format!("issuer observe {HISTORY}");
    assert_eq!(pod.run(&look).await.code, 0);
    pod.sim.issuer().publish(&new);
    for _ in 0..26 {
        assert_eq!(pod.run(&look).await.code, 0);
        pod.sim.clock().advance(HOUR);
    }
    assert_eq!(pod.run(&sign).await.code, 0);
    // A clock that nobody can date by, whether it may write or not.
    let ahead =
        cambist_core::clock::UnixTime::from_secs(pod.sim.clock().wall().as_secs() + 13 * 86_400);
    for more in ["", " --read-only"] {
        let wrong = pod.run(&format!("{sign}{more} --now {ahead}")).await;
        assert!(wrong.code == 3 && wrong.out.contains("cannot be dated"), "{wrong:?}");
    }
    // What the backup has may lack the last looks.
    write(pod.path("history.json"), "{");
    let damaged = pod.run(&format!("{sign} --read-only")).await;
    assert!(damaged.code == 3 && damaged.out.contains("K190"), "{damaged:?}");
    let observed = pod.run(&look).await;
    assert!(observed.code == 3 && !observed.out.contains(" recorded\n"), "{observed:?}");
    write(pod.path("history.json"), "{");
    let needs = pod.run(&format!("issuer needs-rotation {HISTORY}")).await;
    assert!(needs.code == 255 && needs.err.contains("K190"), "{needs:?}");

    // Another cluster's servers, and a wait that is none.
    pod.api.with(|api| api.signer = Some(new.clone()));
    let retire = format!("issuer gate retire {} --in-cluster --mint shop/app", old.kid());
    let other = pod.run(&format!("{retire} --issuer https://else.test/")).await;
    assert!(other.code == 3, "{other:?}");
    let none = pod.run(&format!("{retire} --max-token-ttl 10m --margin 0s")).await;
    assert!(none.code == 64 && none.err.contains("--force"), "{none:?}");
}

#[tokio::test(start_paused = true)]
async fn a_forged_token_is_told_by_whoever_looks() {
    let (pod, old, new) = rotating();
    let forged = pod.sim.token_spec().header("kid", old.kid()).sign(&new).unwrap();
    write(pod.path("forged"), &forged);
    let observed = pod.run(&format!("issuer observe --token-file {{dir}}/forged {HISTORY}")).await;
    assert!(
        observed.out.contains("forged: ") && observed.out.contains("signature"),
        "{observed:?}"
    );
    let checked = pod.run("issuer check --token-file {dir}/forged").await;
    assert!(checked.out.contains("unknown: no key of this issuer is known to have"), "{checked:?}");
}
