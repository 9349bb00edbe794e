//! Every output of one real report, held against its format.

use std::collections::BTreeSet;

use cambist_key_age::CheckId;
use serde_json::Value;

use crate::testing::{HISTORY, Pod, TOKEN};

const SCHEMA: &str = include_str!("../../schema/issuer-check.v1.json");

/// A forgotten key, a resurrected one's shadow, and an issuer with much to say.
async fn report(format: &str) -> String {
    let pod = Pod::new();
    pod.days(3).await;
    pod.sim.clock().advance(std::time::Duration::from_secs(100 * 24 * 3600));
    pod.kubelet.project().unwrap();
    let odd = serde_json::json!({ "kty": "oct", "kid": "<&\"'\u{1b}\n>", "k": "c2VjcmV0" });
    pod.sim.issuer().publish_raw(odd);
    let outcome = pod.run(&format!("issuer check {TOKEN} {HISTORY} -o {format}")).await;
    assert_eq!(outcome.code, 2, "{outcome:?}");
    assert!(!outcome.out.contains("c2VjcmV0"), "published or not, a secret is not repeated");
    outcome.out
}

/// As much of JSON Schema as the published schema uses.
fn valid(schema: &Value, root: &Value, value: &Value) -> Result<(), String> {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.strip_prefix("#/$defs/").unwrap();
        return valid(&root["$defs"][name], root, value).map_err(|e| format!("{name}: {e}"));
    }
    if let Some(any) = schema["anyOf"].as_array() {
        let fits = any.iter().any(|schema| valid(schema, root, value).is_ok());
        return if fits { Ok(()) } else { Err(format!("{value} is none of {any:?}")) };
    }
    if let Some(values) = schema["enum"].as_array() {
        return if values.contains(value) { Ok(()) } else { Err(format!("{value}?")) };
    }
    if let Some(constant) = schema.get("const") {
        return if constant == value { Ok(()) } else { Err(format!("{value}, not {constant}")) };
    }
    let kinds: Vec<_> = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        kind => kind.as_str().into_iter().collect(),
    };
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    if !kinds.contains(&kind) {
        return Err(format!("{value} is {kind}, not {kinds:?}"));
    }
    for item in value.as_array().into_iter().flatten() {
        valid(&schema["items"], root, item)?;
    }
    if let Value::Object(members) = value {
        for name in schema["required"].as_array().unwrap() {
            members.get(name.as_str().unwrap()).ok_or_else(|| format!("{name} is missing"))?;
        }
        for (name, member) in members {
            let schema = schema["properties"].get(name).ok_or_else(|| format!("{name} is new"))?;
            valid(schema, root, member).map_err(|error| format!("{name}: {error}"))?;
        }
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn json_is_as_its_schema_says() {
    let (schema, report): (Value, Value) = (
        serde_json::from_str(SCHEMA).unwrap(),
        serde_json::from_str(&report("json").await).unwrap(),
    );
    assert_eq!(valid(&schema, &schema, &report), Ok(()));
    assert!(!report["facts"].as_array().unwrap().is_empty());
    // Beside every moment there is the same for a reader.
    fn moments(schema: &Value) {
        let moment = |schema: &Value| schema.to_string().contains("#/$defs/moment\"");
        let leaf = |schema: &Value| schema["properties"].is_null() && schema["items"].is_null();
        for (name, member) in schema["properties"].as_object().into_iter().flatten() {
            if leaf(member) && moment(member) {
                let beside = &schema["properties"][format!("{name}Utc")];
                assert!(beside.to_string().contains("#/$defs/time\""), "{name}: {beside}");
            }
            moments(member);
        }
    }
    moments(&schema);
    schema["$defs"].as_object().unwrap().values().for_each(moments);
    assert_eq!(report["nowUtc"], "2027-03-06T04:13:45Z");
    assert_eq!(report["keys"][0]["trustedByUtc"], "2026-11-24T04:13:45Z");
    let mut wrong = report;
    wrong["keys"][0]["role"] = "king".into();
    assert!(valid(&schema, &schema, &wrong).is_err());
}

#[tokio::test(start_paused = true)]
async fn sarif_names_rules_that_exist_and_fingerprints_that_last() {
    let sarif: Value = serde_json::from_str(&report("sarif").await).unwrap();
    assert_eq!(sarif["version"], "2.1.0");
    let run = &sarif["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    assert_eq!(rules.len(), CheckId::ALL.len());
    for rule in rules {
        let anchor = rule["id"].as_str().unwrap().to_lowercase();
        assert!(rule["helpUri"].as_str().unwrap().ends_with(&format!("/docs/checks.md#{anchor}")));
    }
    let results = run["results"].as_array().unwrap();
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert_eq!(result["partialFingerprints"]["issuerKeyRule/v1"].as_str().unwrap().len(), 64);
    }
    let of = |id: &str| results.iter().find(|result| result["ruleId"] == id).unwrap();
    assert_eq!((&of("K001")["level"], &of("K308")["level"]), (&"error".into(), &"note".into()));
    let again: Value = serde_json::from_str(&report("sarif").await).unwrap();
    assert_eq!(again["runs"][0]["results"], run["results"], "the same world, the same results");
}

#[tokio::test(start_paused = true)]
async fn junit_has_a_case_a_check_and_no_character_that_xml_lacks() {
    let xml = report("junit").await;
    assert_eq!(xml.matches("<testcase ").count(), CheckId::ALL.len() + 1);
    let failures = xml.matches("<failure ").count();
    assert!(failures > 0 && xml.contains(&format!("failures=\"{failures}\"")), "{xml}");
    assert!(!xml.contains('\u{1b}'));
    let text =
        xml.replace("&lt;", "").replace("&gt;", "").replace("&amp;", "").replace("&quot;", "");
    assert!(!text.replace("&apos;", "").contains('&'), "every ampersand is an entity");
}

#[tokio::test(start_paused = true)]
async fn junit_is_red_for_what_the_exit_code_says_and_skips_what_was_not_looked_at() {
    let pod = Pod::new();
    let ask = async |flags: &str| {
        let outcome = pod.run(&format!("issuer check {TOKEN} {HISTORY} -o junit {flags}")).await;
        (outcome.code, outcome.out)
    };
    let case = |xml: &str, id: &str| {
        let from = xml.find(&format!("name=\"{id} ")).unwrap();
        xml[from..].split("<testcase").next().unwrap().to_owned()
    };
    // UNKNOWN fails unless a flag says otherwise; an RSA key of 2048 bits changes nothing.
    let (code, xml) = ask("--fail-on unknown").await;
    assert!(code == 3 && case(&xml, "K003").contains("<failure"), "{xml}");
    assert!(xml.contains("message=\"UNKNOWN: too early to tell"), "{xml}");
    let (code, xml) = ask("--fail-on overdue").await;
    assert!(code == 0 && !xml.contains("<failure"), "{xml}");
    assert!(case(&xml, "K308").contains("<system-out>low: "), "{xml}");
    let (code, xml) = ask("--fail-on overdue --fail-on-severity low").await;
    assert!(code == 1 && case(&xml, "K308").contains("<failure type=\"low\""), "{xml}");
    // What was not looked at did not pass.
    assert!(
        case(&xml, "K501").contains("<skipped message=\"not looked at: node (--node-root)\"/>")
    );
    assert!(case(&xml, "K202").contains("API server (--compare-api)"), "{xml}");
    assert!(case(&xml, "K201").contains("/>") && !case(&xml, "K201").contains("skipped"), "{xml}");
    let skipped = xml.matches("<skipped ").count();
    assert!(skipped > 5 && xml.contains(&format!("skipped=\"{skipped}\"")), "{xml}");
    // Without an issuer, nothing of it did.
    let outcome = pod.run("issuer check -o junit --issuer https://gone.test/").await;
    let (code, xml) = (outcome.code, outcome.out);
    assert!(code == 3 && xml.contains("errors=\"1\""), "{xml}");
    for id in ["K101", "K301", "K407"] {
        assert!(case(&xml, id).contains("<skipped"), "{id}: {xml}");
    }
    assert!(xml.contains("<property name=\"watched\" value=\""), "{xml}");
}

#[tokio::test(start_paused = true)]
async fn prometheus_has_moments_each_described_once_and_every_line_well_formed() {
    let text = report("prometheus").await;
    assert!(text.ends_with('\n') && !text.contains("age_seconds"));
    let mut described = BTreeSet::new();
    let mut samples = BTreeSet::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(described.insert(name.to_owned()) && kind == "gauge", "{line}");
        } else if !line.starts_with('#') {
            let (series, value) = line.rsplit_once(' ').unwrap();
            assert!(value.parse::<i64>().is_ok(), "{line}");
            assert!(described.contains(series.split('{').next().unwrap()), "{line}");
            assert!(samples.insert(series.to_owned()), "twice: {line}");
        }
    }
    assert!(text.contains(
        "cambist_issuer_status{issuer=\"https://issuer.sim.test/\",status=\"SUSPECT\"} 1"
    ));
    assert!(text.contains("cambist_issuer_key_rotate_by_timestamp_seconds"));
    let watched =
        "cambist_issuer_watched_longest_pause_seconds{issuer=\"https://issuer.sim.test/\"}";
    assert!(text.contains(&format!("{watched} 8640000")), "{text}");
    assert!(text.contains("source=\"public\"} 1"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn prometheus_has_no_date_for_a_key_of_unknown_age() {
    let pod = Pod::new();
    let text = pod.run("issuer check -o prometheus").await.out;
    assert!(
        text.contains("status=\"UNKNOWN\"} 1") && text.contains("key_trusted_since_max"),
        "{text}"
    );
    assert!(!text.contains("rotate_by") && !text.contains("expire_by"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn tables_have_colours_only_where_asked_and_never_a_server_s() {
    assert!(!report("table").await.contains('\u{1b}'));
    let coloured = report("table --color always").await;
    assert!(coloured.contains("\u{1b}[1;31mSUSPECT\u{1b}[0m"), "{coloured}");
}

#[tokio::test(start_paused = true)]
async fn how_long_and_how_well_it_was_watched_stands_beside_every_verdict() {
    let table = report("table").await;
    assert!(table.contains("\nwatched   since 2026-"), "{table}");
    assert!(table.contains("(public), longest pause 100d, clock off by"), "{table}");
    let json: Value = serde_json::from_str(&report("json").await).unwrap();
    assert_eq!(json["watch"]["longestPauseSeconds"], 100 * 24 * 3600);
    assert_eq!(json["signer"]["current"], true);
    let pod = Pod::new();
    let first = pod.run("issuer check").await.out;
    assert!(first.contains("\nwatched   one look, now (public)"), "{first}");
    assert!(first.contains("\nsigner    unknown: no token was seen"), "{first}");
    pod.run(&format!("issuer check {TOKEN} {HISTORY}")).await;
    pod.sim.clock().advance(std::time::Duration::from_secs(2 * 24 * 3600));
    let later = pod.run(&format!("issuer check {HISTORY}")).await.out;
    assert!(later.contains("(2d ago), and no newer token was seen"), "{later}");
}

#[tokio::test(start_paused = true)]
async fn a_report_goes_to_a_file_whole() {
    let pod = Pod::new();
    let outcome = pod.run("issuer check -o prometheus --output-file {dir}/c.prom").await;
    assert_eq!((outcome.code, outcome.out.as_str()), (3, ""));
    assert!(std::fs::read_to_string(pod.path("c.prom")).unwrap().contains("status=\"UNKNOWN\"} 1"));
    let nowhere = pod.run("issuer check --output-file {dir}/missing/c.prom").await;
    assert!(nowhere.code == 3 && nowhere.err.contains("missing/c.prom"), "{nowhere:?}");
}

#[tokio::test(start_paused = true)]
async fn a_table_tells_once_how_the_platform_rotates() {
    let table = report("table").await;
    let passage = "Make a new pair; add new.pub as a further";
    assert_eq!(table.matches(passage).count(), 1, "{table}");
    assert!(table.contains("with a current library. [1]\n"), "{table}");
    assert!(table.contains("\n[1]        ") || table.contains("\n[2]        "), "{table}");
    // Programs get each finding with its whole remedy.
    let json = report("json").await;
    assert!(json.matches(passage).count() > 1);
}
