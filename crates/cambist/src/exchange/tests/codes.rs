//! The codes in `docs/reasons.md`, made of what the exchange makes of an answer with each, and held equal to it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use cambist_core::refresh::{Holding, Jitter, wait};

use super::corpus::seen_at;
use super::*;
use crate::error::Error;
use crate::exchange::aadsts::CODES;
use crate::reason::Class;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reasons.md");
const BEGIN: &str = "<!-- codes -->\n";
const END: &str = "<!-- end of codes -->\n";

/// What the exchange makes of an answer with this code.
async fn answered(code: u32) -> ExchangeError {
    let body = format!(
        r#"{{"error":"invalid_request","error_description":"AADSTS{code}: so it is.","error_codes":[{code}]}}"#
    );
    let answer = move || Response::builder().status(400).body(body.clone().into()).unwrap();
    ask(&answering(answer)).await.unwrap_err()
}

/// How long until it is asked again: the first pause and the longest.
fn pauses(failure: Failure) -> String {
    let jitter = Jitter::of(b"");
    let after = |failures| {
        let pause = wait(failure, failures, Holding::Nothing, None, jitter).as_secs_f64();
        (pause / (1.0 - jitter.as_f64() / 4.0)).round()
    };
    let (first, most) = (after(1), after(17));
    format!("after {first} to {most} s")
}

async fn page() -> String {
    let mut out = "| code | reason | class | asked again |\n|---|---|---|---|\n".to_owned();
    let mut sections = String::new();
    let mut rows = BTreeMap::new();
    let seen = seen_at();
    for (_, codes) in CODES {
        let error = answered(codes[0]).await;
        let fix = error.entra().unwrap().fix().to_owned();
        let end = if fix.ends_with(['?', '.']) { "" } else { "." };
        let pauses = pauses(error.failure());
        let error = Error::new(error);
        let class = match error.class() {
            Class::Permanent => "lasts",
            Class::Transient => "passes",
            Class::Throttled => "throttled",
            other => panic!("Entra's refusals are not {other:?}"),
        };
        let reason = error.reason();
        let title = codes.iter().map(|code| format!("AADSTS{code}")).collect::<Vec<_>>().join(", ");
        let anchors = codes.iter().map(|code| format!("<a id=\"aadsts{code}\"></a>"));
        _ = writeln!(sections, "\n{}\n\n### {title}\n\n{fix}{end}\n", anchors.collect::<String>());
        _ = writeln!(sections, "- Reason: [`{reason}`](#{reason}); {class}; asked again {pauses}");
        for code in *codes {
            rows.insert(
                code.to_string(),
                format!("| [{code}](#aadsts{code}) | `{reason}` | {class} | {pauses} |\n"),
            );
            for place in seen.get(code).into_iter().flatten() {
                _ = writeln!(sections, "- Seen with {code}: <{place}>");
            }
        }
    }
    // As one looks for a number of unknown length: by its digits.
    out.extend(rows.into_values());
    out + &sections
}

#[tokio::test(start_paused = true)]
#[expect(clippy::disallowed_methods, reason = "whoever runs the test says whether it writes")]
async fn the_page_has_every_code_as_it_is_answered() {
    let page_now = std::fs::read_to_string(PAGE).unwrap();
    let (before, rest) = page_now.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let made = format!("{before}{BEGIN}\n{}\n{END}{after}", page().await);
    if std::env::var_os("CAMBIST_WRITE").is_some() {
        return std::fs::write(PAGE, made).unwrap();
    }
    assert!(
        page_now == made,
        "docs/reasons.md is out of date: CAMBIST_WRITE=1 cargo test -p cambist --lib codes writes its codes anew; it \
         would be\n{made}"
    );
}
