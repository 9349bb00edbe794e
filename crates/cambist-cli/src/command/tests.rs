use std::time::Duration;

use serde_json::json;

use crate::testing::{HISTORY, Pod, TOKEN, ids};

const DAY: Duration = Duration::from_secs(24 * 3600);
const ISSUER: &str = "https://issuer.sim.test/";
const CHECK: &str =
    "issuer check --token-file {dir}/tokens/token --history file:{dir}/history.json";

#[tokio::test(start_paused = true)]
async fn a_first_look_is_unknown_and_says_when_it_will_be_decided() {
    let pod = Pod::new();
    let outcome = pod.run(CHECK).await;
    assert_eq!(outcome.code, 3, "{outcome:?}");
    assert!(outcome.out.contains("UNKNOWN"), "{}", outcome.out);
    assert!(outcome.out.contains("DUE from 2027-01-10"), "{}", outcome.out);
    assert!(pod.run(&format!("{CHECK} --fail-on overdue")).await.code == 0);
    assert!(pod.run(&format!("{CHECK} --unknown warn")).await.code == 1);
}

#[tokio::test(start_paused = true)]
async fn a_healthy_schedule_is_ok_and_a_forgotten_one_becomes_due_and_overdue() {
    let pod = Pod::new();
    pod.days(2).await;
    pod.sim.issuer().rotate(true).unwrap();
    pod.kubelet.project().unwrap();
    pod.days(2).await;
    pod.sim.issuer().retire(1);
    pod.days(10).await;
    let report = pod.json(CHECK).await;
    assert_eq!(report["verdict"], "OK", "{report:#}");
    assert_eq!(report["exitCode"], 0);
    assert_eq!(report["keys"][0]["role"], "signer");
    pod.days(38).await;
    let due = pod.json(CHECK).await;
    assert_eq!((&due["verdict"], &due["exitCode"]), (&json!("DUE"), &json!(1)));
    assert!(ids(&due).contains(&"K001"));
    pod.days(45).await;
    let outcome = pod.run(CHECK).await;
    assert_eq!(outcome.code, 2, "{}", outcome.out);
    assert!(
        outcome.out.contains("OVERDUE") && outcome.out.contains("critical   K001"),
        "{}",
        outcome.out
    );
    assert_eq!(pod.run(&format!("{CHECK} --exit-code 7")).await.code, 7);
}

#[tokio::test(start_paused = true)]
async fn needs_rotation_speaks_as_step_does() {
    let pod = Pod::new();
    let ask = |more: &str| {
        let args = format!("issuer needs-rotation {TOKEN} {HISTORY} {more}");
        args.trim_end().to_owned()
    };
    let outcome = pod.run(&ask("")).await;
    assert_eq!((outcome.code, outcome.out.starts_with("not proven")), (1, true), "{outcome:?}");
    pod.days(40).await;
    assert_eq!(pod.run(&ask("")).await.code, 1);
    assert_eq!(pod.run(&ask("--within 7d")).await.code, 0);
    assert_eq!(pod.run(&ask("--expires-in 75%")).await.code, 0);
    assert_eq!(pod.run(&ask("--within 95%")).await.code, 1);
    pod.days(9).await;
    let outcome = pod.run(&ask("--quiet")).await;
    assert_eq!((outcome.code, outcome.out.as_str()), (0, ""));
    let mut nobody = Pod::new();
    nobody.env.remove("CAMBIST_ISSUER");
    assert_eq!(nobody.run("issuer needs-rotation").await.code, 2);
}

#[tokio::test(start_paused = true)]
async fn no_rotation_calls_for_the_next_and_no_suspicion_for_any() {
    let pod = Pod::new();
    let ask = format!("issuer needs-rotation {TOKEN} {HISTORY}");
    let old = pod.sim.issuer().signer();
    // In an emergency, then looked at and asked every day.
    pod.days(10).await;
    pod.sim.issuer().rotate(false).unwrap();
    for _ in 0..10 {
        pod.days(1).await;
        let said = pod.run(&ask).await;
        assert_eq!(said.code, 1, "{said:?}");
    }
    // A retired key that is back is a suspicion, which another key does not mend.
    pod.sim.issuer().publish(&old);
    pod.days(2).await;
    let report = pod.json(CHECK).await;
    assert!(ids(&report).contains(&"K112") && report["verdict"] == "SUSPECT", "{report:#}");
    assert_eq!(pod.run(&ask).await.code, 1);
}

#[tokio::test(start_paused = true)]
async fn a_bundle_is_collected_here_and_judged_there() {
    let pod = Pod::new();
    let outcome = pod.run(&format!("issuer observe {TOKEN} --bundle {{dir}}/bundle.json")).await;
    assert_eq!(outcome.code, 0, "{outcome:?}");
    let bundle = std::fs::read_to_string(pod.path("bundle.json")).unwrap();
    let token = std::fs::read_to_string(pod.kubelet.token_file()).unwrap();
    for part in token.trim().split('.') {
        assert!(!bundle.contains(part), "a bundle holds no part of a token");
    }
    pod.sim.clock().advance(100 * DAY);
    let judged = pod.json("issuer check --offline {dir}/bundle.json").await;
    assert_eq!(judged["verdict"], "OVERDUE");
    assert_eq!(judged["keys"][0]["grade"], "attested");
    let other = "issuer check --offline {dir}/bundle.json --issuer https://else.test";
    assert!(pod.run(other).await.err.contains("byte for byte"));
}

#[tokio::test(start_paused = true)]
async fn what_the_api_server_never_published_is_suspect() {
    let pod = Pod::new();
    let api = pod.sim.issuer().jwks();
    pod.api.with(|state| state.jwks = Some(api));
    let forger = cambist_sim::keys::KeySource::Pool.take(7).unwrap();
    let check = "issuer check --compare-api --in-cluster --history file:{dir}/history.json";
    for _ in 0..2 {
        assert!(!ids(&pod.json(check).await).contains(&"K102"));
        pod.sim.clock().advance(DAY);
    }
    pod.sim.issuer().publish(&forger);
    // Whoever rotates by hand may be about to give it to the API server.
    let report = pod.json(check).await;
    let found = report["findings"].as_array().unwrap();
    let found = found.iter().find(|finding| finding["id"] == "K102").unwrap();
    assert_eq!(found["severity"], "high", "{report:#}");
    assert_ne!(report["verdict"], "SUSPECT");
    pod.sim.clock().advance(DAY + DAY / 24);
    let report = pod.json(check).await;
    assert!(ids(&report).contains(&"K102"), "{report:#}");
    assert_eq!((&report["verdict"], &report["exitCode"]), (&json!("SUSPECT"), &json!(2)));
    let diff = pod.run("issuer diff --compare-api").await;
    assert_eq!(diff.code, 1, "{diff:?}");
    // Neither the in-cluster jwks_uri nor anything but the two documents is asked for.
    let asked = pod.api.with(|state| state.asked.clone());
    assert!(asked.iter().all(|(method, path, _)| method == "GET" && !path.contains("/api/")));
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_issuer_is_no_verdict() {
    let mut pod = Pod::new();
    pod.env.insert("CAMBIST_ISSUER".to_owned(), "https://gone.test/".to_owned());
    let outcome = pod.run("issuer check --fail-on overdue").await;
    assert_eq!(outcome.code, 3);
    assert!(outcome.out.contains("no key set could be read"), "{}", outcome.out);
    assert!(outcome.out.contains("could not  public: gone.test"), "{}", outcome.out);
    pod.env.remove("CAMBIST_ISSUER");
    assert_eq!(pod.run("issuer check").await.code, 64);
    assert_eq!(pod.run("issuer check --issuer http://x.test").await.code, 64);
}

#[tokio::test(start_paused = true)]
async fn a_damaged_history_is_told_and_a_stranger_s_refused() {
    let pod = Pod::new();
    pod.days(2).await;
    crate::testing::write(pod.path("history.json"), "{");
    let report = pod.json(&format!("{CHECK} --read-only")).await;
    assert!(ids(&report).contains(&"K190"), "{report:#}");
    assert!(!std::fs::exists(pod.path("history.json.damaged")).unwrap());
    assert!(!report["problems"].to_string().contains("kept as"), "{report:#}");
    let table = pod.run(&format!("issuer observe {HISTORY}")).await;
    assert!(table.out.contains("history.json.damaged"), "{table:?}");
    assert_eq!(std::fs::read_to_string(pod.path("history.json.damaged")).unwrap(), "{");
    pod.days(1).await;
    assert!(!ids(&pod.json(CHECK).await).contains(&"K190"));
    let other = pod.run(&format!("issuer check --issuer https://else.test {HISTORY}")).await;
    assert!(other.code == 3 && other.err.contains("history of"), "{other:?}");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_added_to_a_damaged_history_is_not_called_recorded() {
    let pod = Pod::new();
    let not_recorded = async |arguments: &str, why: &str| {
        let outcome = pod.run(&format!("issuer observe {arguments} -o ndjson")).await;
        let line: serde_json::Value = serde_json::from_str(&outcome.out).unwrap();
        assert_eq!((outcome.code, &line["recorded"]), (3, &json!(false)), "{line:#}");
        assert!(line["problems"].to_string().contains(why), "{line:#}");
        let table = pod.run(&format!("issuer observe {arguments}")).await;
        assert!(table.code == 3 && !table.out.contains("recorded\n"), "{table:?}");
    };
    pod.days(1).await;
    let whole = std::fs::read_to_string(pod.path("history.json")).unwrap();
    let altered = whole.replacen("\"n\":1", "\"n\":2", 1);
    assert_ne!(altered, whole);
    let map = |text: &str| {
        let metadata = json!({ "name": "history", "namespace": "ops", "resourceVersion": "7" });
        json!({ "metadata": metadata, "data": { "history.json": text } })
    };
    for text in ["hello", "", &altered] {
        crate::testing::write(pod.path("history.json"), text);
        not_recorded(HISTORY, "nothing was added").await;
        assert_eq!(std::fs::read_to_string(pod.path("history.json")).unwrap(), text);
        // An empty entry of a ConfigMap is how one is made beforehand.
        if !text.is_empty() {
            pod.api.with(|state| state.maps.insert("ops/history".to_owned(), map(text)));
            not_recorded("--history cm:ops/history", "nothing was added").await;
            let held = pod.api.with(|state| state.maps["ops/history"].clone());
            assert_eq!(held, map(text));
        }
    }
    // Nor is it where nothing was read that could be.
    std::fs::remove_file(pod.path("history.json")).unwrap();
    not_recorded(&format!("--issuer https://gone.test/ {HISTORY}"), "no key set was read").await;
    assert!(!std::fs::exists(pod.path("history.json")).unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_look_by_a_wrong_clock_is_told_and_leaves_no_old_key_behind() {
    use cambist_sim::clock::Machine;
    let observe = format!("issuer observe {TOKEN} {HISTORY} -o ndjson");
    for wrong in [-100, 100] {
        let pod = Pod::new();
        let node = pod.sim.clock_of(Machine::Pod);
        node.skew(wrong * 86_400);
        let outcome = pod.run(&observe).await;
        let line: serde_json::Value = serde_json::from_str(&outcome.out).unwrap();
        assert_eq!((outcome.code, &line["recorded"]), (3, &json!(false)), "{line:#}");
        assert!(line["problems"][0].as_str().unwrap().contains("100d off"), "{line:#}");
        let report = pod.json(CHECK).await;
        assert_eq!(report["looksLeftOut"], 1, "{report:#}");
        assert_eq!(report["verdict"], "UNKNOWN");
        assert!(ids(&report).contains(&"K405"));
        // NTP.
        node.skew(0);
        pod.days(3).await;
        let report = pod.json(CHECK).await;
        assert_eq!((&report["verdict"], &report["looksLeftOut"]), (&json!("UNKNOWN"), &json!(0)));
        assert!(report["keys"][0]["age"]["atLeastSeconds"].as_u64().unwrap() < 4 * 86_400);
    }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_date_silences_no_alarm() {
    use cambist_sim::clock::Machine;
    let pod = Pod::new();
    pod.days(1).await;
    pod.sim.clock().advance(100 * DAY);
    pod.sim.clock_of(Machine::Issuer).skew(-60 * 86_400);
    let report = pod.json(&format!("{CHECK} --fail-on overdue")).await;
    assert_eq!((&report["verdict"], &report["exitCode"]), (&json!("OVERDUE"), &json!(2)));
    assert_eq!(report["clockErrorSeconds"], 60 * 86_400);
    let clock = report["findings"].as_array().unwrap().iter().find(|it| it["id"] == "K405");
    assert_eq!(clock.unwrap()["severity"], "high", "{report:#}");
}

#[tokio::test(start_paused = true)]
async fn a_loop_tells_what_is_wrong_and_tries_again() {
    let pod = Pod::new();
    let observe = "issuer observe --kubeconfig {dir}/kubeconfig --compare-api --every 1h -o ndjson";
    crate::testing::write(pod.path("kubeconfig"), "no: [kubeconfig");
    let lines = pod.lines(observe, 150 * Duration::from_secs(60)).await;
    assert_eq!(lines.len(), 3, "{lines:#?}");
    for line in lines {
        assert_eq!((&line["recorded"], &line["issuer"]), (&json!(false), &json!(ISSUER)));
        assert!(line["problems"][0].as_str().unwrap().contains("kubeconfig"), "{line:#}");
    }
    // What is wrong with the command line itself does not get better.
    let wrong = "issuer observe --issuer http://x.test --every 1h";
    assert_eq!(pod.run(wrong).await.code, 64);
}

#[tokio::test(start_paused = true)]
async fn history_explain_and_diff_tell_what_is_known() {
    let pod = Pod::new();
    pod.days(3).await;
    let history = pod.run(&format!("issuer history {HISTORY}")).await;
    assert!(history.out.contains("public") && history.out.contains("NEWEST TOKEN"), "{history:?}");
    let kid = pod.sim.issuer().signer().kid().to_owned();
    let explained = pod.run(&format!("issuer explain {kid} {TOKEN} {HISTORY}")).await;
    assert!(explained.out.contains("signer") && explained.out.contains(" * E"), "{explained:?}");
    let none = pod.run(&format!("issuer explain nothing {HISTORY}")).await;
    assert!(none.code == 3 && none.err.contains(&kid), "{none:?}");
    assert_eq!(pod.run(&format!("issuer diff {HISTORY}")).await.code, 0);
    pod.sim.issuer().rotate(true).unwrap();
    assert_eq!(pod.run(&format!("issuer diff {HISTORY}")).await.code, 1);
}

#[tokio::test(start_paused = true)]
async fn a_config_map_keeps_the_history_whoever_else_writes() {
    let pod = Pod::new();
    let observe = "issuer observe --history cm:ops/history --token-file {dir}/tokens/token";
    pod.api.with(|state| state.conflicts = 11);
    for _ in 0..3 {
        let outcome = pod.run(observe).await;
        assert_eq!((outcome.code, outcome.err.as_str()), (0, ""), "{outcome:?}");
        pod.sim.clock().advance(50 * DAY);
        pod.kubelet.project().unwrap();
    }
    let report = pod.json("issuer check --history cm:ops/history --read-only").await;
    assert_eq!(report["verdict"], "OVERDUE");
    assert_eq!(report["keys"][0]["grade"], "attested", "others may write a ConfigMap");
    let map = pod.api.with(|state| state.maps["ops/history"].clone());
    assert!(map["data"]["history.json"].as_str().unwrap().len() < 64 * 1024);
    pod.api.with(|state| state.conflicts = 99);
    let contended = pod.run(observe).await;
    assert!(contended.code == 3 && contended.out.contains("changed under each"), "{contended:?}");
    pod.api.with(|state| state.refuse = Some(http::StatusCode::FORBIDDEN));
    let refused = pod.run(observe).await;
    let role = "allow the account get and update on configmaps, resourceNames [history]";
    assert!(refused.out.contains(role), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn a_token_of_another_key_is_an_outage() {
    let pod = Pod::new();
    let hidden = pod.sim.issuer().prepare().unwrap();
    pod.sim.issuer().sign_with(&hidden);
    pod.kubelet.project().unwrap();
    let report = pod.json(CHECK).await;
    assert!(ids(&report).contains(&"K201"), "{report:#}");
}

#[tokio::test(start_paused = true)]
async fn pages_and_completions_are_printed() {
    let pod = Pod::new();
    assert!(pod.run("completions bash").await.out.contains("needs-rotation"));
    assert!(pod.run("man").await.out.starts_with(".ie"));
    assert!(pod.run("man issuer check").await.out.contains("rotate\\-after"));
    assert_eq!(pod.run("man nothing").await.code, 64);
}

#[tokio::test(start_paused = true)]
async fn an_unchanged_set_is_not_fetched_again_and_seen_all_the_same() {
    use cambist_sim::issuer::Hosting;
    let pod = Pod::new();
    pod.sim.issuer().host(Hosting::Blob);
    let observe = format!("issuer observe {HISTORY} -o ndjson");
    let mut seen = Vec::new();
    for _ in 0..3 {
        let outcome = pod.run(&observe).await;
        assert_eq!(outcome.code, 0, "{outcome:?}");
        let line: serde_json::Value = serde_json::from_str(&outcome.out).unwrap();
        assert_eq!((&line["problems"], &line["recorded"]), (&json!([]), &json!(true)), "{line}");
        seen.push(line["public"].clone());
        pod.sim.clock().advance(DAY);
    }
    assert!(seen.iter().all(|keys| *keys == seen[0] && keys.as_array().unwrap().len() == 1));
    let statuses = || {
        let entries = json!(pod.sim.journal().entries());
        let entries = entries.as_array().unwrap().iter();
        let sets = entries.filter(|entry| entry.to_string().contains("openid/v1/jwks"));
        sets.map(|entry| entry["status"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(statuses(), [200, 304, 304]);
    let held = std::fs::read(pod.path("history.json")).unwrap();
    let history = cambist_key_age::History::decode(&held).unwrap();
    assert_eq!((history.runs().len(), history.runs()[0].n), (1, 3));
    // A token is verified with the whole set, and another set is fetched.
    assert_eq!(pod.run(&format!("issuer observe {TOKEN} {HISTORY}")).await.code, 0);
    pod.sim.issuer().rotate(true).unwrap();
    let outcome = pod.run(&observe).await;
    assert_eq!(statuses()[3..], [200, 200], "{outcome:?}");
    assert!(outcome.out.contains(pod.sim.issuer().signer().kid()));
}
