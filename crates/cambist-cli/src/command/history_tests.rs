//! `issuer expect` and `issuer merge`: what is added to a history by hand.

use std::time::Duration;

use cambist_core::clock::{Clock as _, UnixTime};
use cambist_key_age::History;
use serde_json::{Value, json};

use crate::testing::{HISTORY, Pod, write};

const HOUR: Duration = Duration::from_secs(3600);
const CHECK: &str = "issuer check --compare-api --in-cluster --history file:{dir}/history.json";

/// A cluster that is watched, and whose API server has the old key alone from now on.
async fn watched() -> Pod {
    let pod = Pod::new();
    let own = pod.sim.issuer().jwks();
    pod.api.with(|api| api.jwks = Some(own));
    for _ in 0..3 {
        pod.sim.clock().advance(HOUR);
        assert_eq!(pod.run(&CHECK.replacen("check", "observe", 1)).await.code, 0);
    }
    pod
}

fn severity(report: &Value, id: &str) -> Option<String> {
    let found = report["findings"].as_array().unwrap().iter().find(|it| it["id"] == id)?;
    Some(found["severity"].as_str().unwrap().to_owned())
}

#[tokio::test(start_paused = true)]
async fn an_announced_key_alarms_nobody_and_any_other_does() {
    for (announced, expected) in
        [(None, Some("high")), (Some(true), None), (Some(false), Some("critical"))]
    {
        let pod = watched().await;
        let coming = pod.sim.issuer().prepare().unwrap();
        let other = cambist_sim::keys::SigningKey::generate_ec().unwrap();
        if let Some(right) = announced {
            let key = if right { &coming } else { &other };
            write(pod.path("new.json"), &key.jwk().to_string());
            let said =
                pod.run(&format!("issuer expect {{dir}}/new.json --until 3d {HISTORY}")).await;
            assert!(said.code == 0 && said.out.contains("is expected until"), "{said:?}");
        }
        pod.sim.clock().advance(HOUR);
        pod.sim.issuer().publish(&coming);
        let report = pod.json(CHECK).await;
        assert_eq!(severity(&report, "K102").as_deref(), expected, "{report:#}");
        assert_eq!(report["verdict"] == "SUSPECT", announced == Some(false));
        let told = report["expected"].as_array().unwrap();
        assert_eq!(told.len(), usize::from(announced.is_some()));
        if announced == Some(true) {
            assert_eq!(
                (&told[0]["kid"], &told[0]["published"]),
                (&json!(coming.kid()), &json!(true))
            );
            let table = pod.run(CHECK).await.out;
            assert!(table.contains("expected  ") && table.contains("; published"), "{table}");
            let history = pod.run(&format!("issuer history {HISTORY}")).await.out;
            assert!(history.contains("EXPECTED"), "{history}");
            let history = pod.json(&format!("issuer history {HISTORY}")).await;
            assert_eq!(history["expected"][0]["inForce"], true);
            // It ends by itself, and the API server has still not got the key.
            pod.sim.clock().advance(HOUR * 24 * 4);
            let report = pod.json(CHECK).await;
            assert_eq!(severity(&report, "K102").as_deref(), Some("critical"), "{report:#}");
            assert_eq!(report["expected"], json!([]));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_announced_is_named_as_at_the_gate_and_ends_in_time() {
    let pod = watched().await;
    let kid = pod.sim.issuer().signer().kid().to_owned();
    for until in ["1h", "2w", "2040-01-01"] {
        let said = pod.run(&format!("issuer expect {kid} --until {until} {HISTORY}")).await;
        assert_eq!(said.code, if until == "2040-01-01" { 64 } else { 0 }, "{said:?}");
    }
    for (arguments, code, words) in [
        ("made-up --until 1d", 3, "is no file"),
        ("{dir} --until 1d", 3, "directory"),
        ("KID --until 2020-01-01", 64, "is over"),
        ("KID --until 400d", 64, "at the latest"),
        ("KID --until 1d --read-only", 64, "leave out --read-only"),
        ("KID --until 1d --issuer https://else.test", 3, "history of"),
    ] {
        let arguments = arguments.replace("KID", &kid);
        let said = pod.run(&format!("issuer expect {arguments} {HISTORY}")).await;
        assert!(said.code == code && said.err.contains(words), "{arguments}: {said:?}");
    }
    let nowhere = pod.run(&format!("issuer expect {kid} --until 1d")).await;
    assert!(nowhere.code == 64 && nowhere.err.contains("give --history"), "{nowhere:?}");
    // A history that is not there yet begins with it; a damaged one is left alone.
    let fresh = "issuer expect KID --until 1d --history file:{dir}/fresh.json".replace("KID", &kid);
    assert_eq!(pod.run(&fresh).await.code, 0);
    assert_eq!(pod.run(&format!("issuer observe {HISTORY}")).await.code, 0);
    write(pod.path("fresh.json"), "hello");
    assert_eq!(pod.run(&fresh).await.code, 3);
    assert_eq!(std::fs::read_to_string(pod.path("fresh.json")).unwrap(), "hello");
    let map = fresh.replace("file:{dir}/fresh.json", "cm:ops/history --in-cluster");
    assert_eq!(pod.run(&map).await.code, 0);
    assert!(pod.api.with(|api| api.maps["ops/history"].to_string().contains("until")));
}

#[tokio::test(start_paused = true)]
async fn histories_are_merged_in_any_order_and_nothing_is_lost() {
    let pod = watched().await;
    let read = |name: &str| History::decode(&std::fs::read(pod.path(name)).unwrap()).unwrap();
    for name in ["a", "b", "c"] {
        pod.sim.clock().advance(HOUR * 30);
        pod.sim.issuer().rotate(true).unwrap();
        let observe = format!("issuer observe --history file:{{dir}}/{name}.json");
        assert_eq!(pod.run(&observe).await.code, 0);
    }
    let merged =
        pod.run("issuer merge {dir}/a.json {dir}/b.json file:{dir}/c.json -o {dir}/all.json").await;
    assert_eq!(merged.code, 0, "{merged:?}");
    assert!(
        merged.out.contains("a.json: 1 runs of 1 looks") && merged.out.contains("all.json: 3 runs")
    );
    let mut by_hand = read("a.json");
    by_hand.merge(&read("b.json")).unwrap();
    by_hand.merge(&read("c.json")).unwrap();
    assert_eq!(read("all.json"), by_hand);
    let again =
        "issuer merge {dir}/c.json {dir}/b.json {dir}/a.json {dir}/b.json -o file:{dir}/other.json";
    assert_eq!(pod.run(again).await.code, 0);
    assert_eq!(read("other.json"), by_hand);
    // What is there already is one of them; into a ConfigMap as well.
    assert_eq!(pod.run("issuer merge {dir}/a.json {dir}/b.json -o {dir}/c.json").await.code, 0);
    assert_eq!(read("c.json"), by_hand);
    let map = "issuer merge {dir}/a.json {dir}/c.json -o cm:ops/history --in-cluster";
    assert_eq!(pod.run(map).await.code, 0);
    let text = pod.api.with(|api| api.maps["ops/history"]["data"]["history.json"].clone());
    assert_eq!(History::decode(text.as_str().unwrap().as_bytes()), Ok(by_hand));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_merged_of_what_is_damaged_a_stranger_s_or_of_the_future() {
    let pod = watched().await;
    assert_eq!(pod.run(&format!("issuer observe {HISTORY}")).await.code, 0);
    let mut foreign = History::new("https://else.test");
    foreign.observe_token(
        cambist_core::jwks::Thumbprint::of_spki(b"k"),
        UnixTime::from_secs(1),
        UnixTime::from_secs(2),
    );
    let bytes = |history: &History| String::from_utf8(history.encode().unwrap()).unwrap();
    write(pod.path("foreign.json"), &bytes(&foreign));
    write(pod.path("empty.json"), "");
    write(pod.path("damaged.json"), "{");
    let own = std::fs::read(pod.path("history.json")).unwrap();
    let mut ahead = History::decode(&own).unwrap();
    let far = pod.sim.clock().wall() + HOUR * 24 * 30;
    ahead.observe_token(cambist_core::jwks::Thumbprint::of_spki(b"k"), far, far);
    write(pod.path("ahead.json"), &bytes(&ahead));
    for (name, words) in [
        ("foreign", "cannot be merged"),
        ("empty", "damaged"),
        ("damaged", "damaged"),
        ("ahead", "of the future"),
        ("none", "there is no history"),
    ] {
        let into = "issuer merge {dir}/history.json {dir}/NAME.json -o {dir}/out.json";
        let into = pod.run(&into.replace("NAME", name)).await;
        assert!(into.code == 3 && into.err.contains(words), "{into:?}");
        assert!(!std::fs::exists(pod.path("out.json")).unwrap());
        if name != "none" {
            let before = std::fs::read(pod.path(&format!("{name}.json"))).unwrap();
            let onto = format!(
                "issuer merge {{dir}}/history.json {{dir}}/history.json -o {{dir}}/{name}.json"
            );
            assert_eq!(pod.run(&onto).await.code, 3, "{name}");
            assert_eq!(std::fs::read(pod.path(&format!("{name}.json"))).unwrap(), before);
        }
    }
    assert_eq!(std::fs::read(pod.path("history.json")).unwrap(), own);
}

#[tokio::test(start_paused = true)]
async fn a_loop_goes_on_whatever_the_store_holds_and_says_what_is_wrong_once() {
    let pod = watched().await;
    let far = pod.sim.clock().wall() + HOUR * 24 * 30;
    let key = cambist_core::jwks::Thumbprint::of_spki(b"k");
    let text = |history: &History| String::from_utf8(history.encode().unwrap()).unwrap();
    let mut ahead = History::decode(&std::fs::read(pod.path("history.json")).unwrap()).unwrap();
    ahead.observe_token(key, far, far);
    let mut foreign = History::new("https://else.test");
    foreign.observe_token(key, UnixTime::from_secs(1), UnixTime::from_secs(2));
    for (content, words) in [
        ("hello", "cannot be used"),
        ("", "cannot be used"),
        (&text(&ahead), "of the future"),
        (&text(&foreign), "history of"),
    ] {
        write(pod.path("bad.json"), content);
        let observe = "issuer observe --history file:{dir}/bad.json";
        let once = pod.run(observe).await;
        assert_eq!(once.code, 3, "{once:?}");
        let told = once.out + &once.err;
        assert_eq!(told.matches(words).count(), 1, "{told}");
        assert!(!told.lines().any(|line| line.ends_with(" recorded")), "{told}");
        let said = pod.said(&format!("{observe} --every 1h"), HOUR * 7 / 2).await;
        assert_eq!(
            (said.matches(words).count(), said.matches("as before").count()),
            (1, 3),
            "{said}"
        );
        assert!(!said.contains(" recorded  ("), "{said}");
        let lines = pod.lines(&format!("{observe} --every 1h -o ndjson"), HOUR * 7 / 2).await;
        assert!(lines.len() == 4 && lines.iter().all(|line| line["recorded"] == false));
        assert!(lines.iter().all(|line| line["problems"].to_string().contains(words)));
        assert_eq!(std::fs::read_to_string(pod.path("bad.json")).unwrap(), content);
        assert!(!std::fs::exists(pod.path("bad.json.damaged")).unwrap());
    }
    // A store that is away, an issuer that answers nonsense.
    pod.api.with(|api| api.refuse = Some(http::StatusCode::SERVICE_UNAVAILABLE));
    let away = "issuer observe --history cm:ops/history --in-cluster --every 1h";
    let said = pod.said(away, HOUR * 7 / 2).await;
    // The store, and the question which issuer it is.
    assert_eq!((said.matches("503").count(), said.matches("as before").count()), (2, 3), "{said}");
}
