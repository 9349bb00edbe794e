use std::time::Duration;

use cambist_sim::keys::SigningKey;
use serde_json::Value;

use crate::testing::{HISTORY, Pod, TOKEN, write};

const DAY: Duration = Duration::from_secs(24 * 3600);

async fn page(pod: &Pod, flags: &str) -> String {
    let outcome = pod.run(format!("issuer check -o html {flags}").trim()).await;
    assert!(outcome.out.starts_with("<!DOCTYPE html><html lang=\"en\">"), "{outcome:?}");
    outcome.out
}

/// What stands between two marks, the first time.
fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let (_, rest) = text.split_once(from).unwrap_or_else(|| panic!("{from}: {text}"));
    rest.split_once(to).unwrap_or_else(|| panic!("{to}: {text}")).0
}

#[tokio::test(start_paused = true)]
async fn one_page_tells_the_verdict_the_dates_and_what_to_do() {
    let pod = Pod::new();
    pod.days(20).await;
    pod.sim.issuer().rotate(true).unwrap();
    pod.kubelet.project().unwrap();
    pod.days(5).await;
    // A week in which nobody looked, and in which the old key went.
    pod.sim.clock().advance(DAY * 6);
    pod.sim.issuer().retire(1);
    pod.days(2).await;
    let flags = format!("{TOKEN} {HISTORY}");
    let page = page(&pod, &flags).await;
    let report = pod.json(&format!("issuer check {flags}")).await;

    assert_eq!(report["verdict"], "OK");
    assert_eq!(between(&page, "<p class=\"word\">", "</p>"), "OK");
    assert!(page.contains("Every published key is shown to be within its limits"), "{page}");
    for step in report["outlook"]["next"].as_array().unwrap() {
        assert!(page.contains(step["command"].as_str().unwrap()), "{step}");
    }
    for finding in report["findings"].as_array().unwrap() {
        assert!(page.contains(finding["title"].as_str().unwrap()), "{finding}");
    }
    for fact in report["facts"].as_array().unwrap() {
        assert!(page.contains(fact["detail"].as_str().unwrap()), "{fact}");
    }
    for at in ["trustedByUtc", "rotateByUtc", "expireByUtc"] {
        let at = report["keys"][0][at].as_str().unwrap();
        assert!(page.contains(&format!("<time datetime=\"{at}\">{}</time>", &at[..10])), "{at}");
    }

    let drawing = between(&page, "<svg role=\"img\"", "</svg>");
    let words = between(drawing, "<desc id=\"timeline-words\">", "</desc>");
    assert!(
        words.contains("signer, OK; public by 2026-12-14")
            && words.contains("gone; published from 2026-11-24"),
        "{words}"
    );
    assert_eq!(drawing.matches("class=\"mark\"").count(), 2, "rotate-by and expire-by: {drawing}");
    // Watched until the pause and after it, and between them not.
    assert_eq!(drawing.matches("<rect class=\"fill-open\"").count(), 2, "{drawing}");
    assert!(drawing.contains(">now</text>"), "{drawing}");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_known_is_said_to_be_so() {
    let pod = Pod::new();
    let first = page(&pod, "").await;
    assert!(first.contains("Too early to tell: this is the first look"), "{first}");
    assert!(first.contains("What was not looked at") && first.contains("--compare-api"), "{first}");
    let blind = page(&pod, "--issuer https://gone.test/").await;
    for text in ["No key set could be read", "There is nothing to draw", "What could not be read"] {
        assert!(blind.to_lowercase().contains(&text.to_lowercase()), "{text}: {blind}");
    }
    assert!(!blind.contains("<svg role=\"img\""), "{blind}");
}

/// What an issuer and whoever collects say of themselves.
const HOSTILE: [&str; 4] = [
    "\"><script>alert(1)</script><img src=x onerror=alert(1)>",
    "javascript:alert(document.domain)",
    "\u{202e}\u{2066}txet desrever\u{5d0}\u{5d1}",
    "</title></style><style>*{display:none}</style>]]>&lt;",
];

#[tokio::test(start_paused = true)]
async fn what_strangers_wrote_is_text_and_nothing_else() {
    let pod = Pod::new();
    let long = "k".repeat(10_000);
    for kid in HOSTILE.into_iter().chain([long.as_str()]) {
        pod.sim.issuer().publish(&SigningKey::generate_ec().unwrap().with_kid(kid));
    }
    let outcome = pod.run(&format!("issuer observe {TOKEN} --bundle {{dir}}/bundle.json")).await;
    assert_eq!(outcome.code, 0, "{outcome:?}");
    let text = std::fs::read_to_string(pod.path("bundle.json")).unwrap();
    let mut bundle: Value = serde_json::from_str(&text).unwrap();
    let problems = HOSTILE.map(|text| serde_json::json!({ "place": text, "detail": text }));
    bundle["problems"] = problems.to_vec().into();
    write(pod.path("bundle.json"), &bundle.to_string());
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}');
    let table = pod.run("issuer check --offline {dir}/bundle.json").await.out;
    assert!(!table.contains(turns) && table.contains("\\u{202e}"), "{table}");
    let page = page(&pod, "--offline {dir}/bundle.json").await;

    // The only elements are ours, and no attribute is another's.
    for mark in
        ["<script", "<img", "onerror=alert(1)>", "href=\"javascript:", "<style>*", " style="]
    {
        assert!(!page.contains(mark), "{mark}: {page}");
    }
    assert_eq!((page.matches("<style>").count(), page.matches("</title>").count()), (1, 2));
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "it is told: {page}");
    assert!(!page.contains(turns) && page.contains("\\u{202e}"), "{page}");
    assert!(page.contains(&format!("<bdi>{}…</bdi>", "k".repeat(96))), "it is cut: {page}");
    assert!(!page.contains(&"k".repeat(402)), "{page}");
    // Links lead to the pages of checks alone.
    let links: Vec<_> = page.split("href=\"").skip(1).collect();
    assert!(
        !links.is_empty() && links.iter().all(|it| it.starts_with("https://github.com/cambist/"))
    );
}
