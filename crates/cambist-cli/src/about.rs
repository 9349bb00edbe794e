//! The checks as a reader meets them: for `explain`, for SARIF, and for the page of all checks.

use cambist_key_age::about::Need;
use cambist_key_age::{CheckId, Platform};
use serde_json::{Value, json};

use crate::output::layout::field;

/// The check's place on the page of all checks.
pub(crate) fn address(id: CheckId) -> String {
    let page = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs/checks.md");
    format!("{page}#{}", id.as_str().to_ascii_lowercase())
}

/// The flag that has something looked at.
pub(crate) const fn flag(need: Need) -> &'static str {
    match need {
        Need::ApiServer => "--compare-api",
        Need::Token => "--token-file",
        Need::History => "--history",
        Need::Node => "--node-root",
        Need::SeveralNodes => "--node-root or --offline, once for each",
        Need::Manifest => "--manifest",
        Need::Metrics => "--apiserver-metrics",
        _ => "--issuer",
    }
}

/// What a check needs, each with its flag.
pub(crate) fn needs(needs: impl IntoIterator<Item = Need>) -> String {
    let told: Vec<_> = needs.into_iter().map(|need| format!("{need} ({})", flag(need))).collect();
    if told.is_empty() { "nothing but the command line".to_owned() } else { told.join(", ") }
}

/// What a check is about, for a reader.
pub(crate) fn told(id: CheckId, platform: Platform, width: usize) -> String {
    let about = id.about();
    let suspect = if id.is_suspicion() { "; the verdict is SUSPECT then" } else { "" };
    [
        (id.as_str(), id.title().to_owned()),
        ("severity", format!("{}, unless a finding says otherwise{suspect}", id.severity())),
        ("looks at", about.looks_at.to_owned()),
        ("shown by", about.shown_by.to_owned()),
        ("needs", needs(about.needs.iter().copied())),
        ("do", id.remediation(platform)),
        ("page", address(id)),
    ]
    .map(|(name, text)| field(name, &text, width))
    .concat()
}

/// The same for a program.
pub(crate) fn json(id: CheckId, platform: Platform) -> Value {
    let about = id.about();
    let needs: Vec<_> = about
        .needs
        .iter()
        .map(|need| json!({ "what": need.as_str(), "flag": flag(*need) }))
        .collect();
    json!({
        "schemaVersion": 1,
        "id": id,
        "title": id.title(),
        "severity": id.severity(),
        "suspicion": id.is_suspicion(),
        "looksAt": about.looks_at,
        "shownBy": about.shown_by,
        "needs": needs,
        "remediation": id.remediation(platform),
        "page": address(id),
    })
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::testing::{Pod, held};

    /// The page of all checks.
    fn page() -> String {
        let mut out = "# The checks of `cambist issuer check`\n\n\
            Made from the code by `CAMBIST_WRITE=1 cargo test -p cambist-cli --lib about`; not by hand. \
            `cambist issuer explain K201` tells the same in a terminal.\n\n\
            A finding may be of another severity than its check usually is; it says so. Checks for which \
            something was not looked at are not made: the table and JUnit say which, and with which flag \
            they would be.\n\n\
            | check | severity | what it finds |\n|---|---|---|\n"
            .to_owned();
        for id in CheckId::ALL {
            let anchor = id.as_str().to_ascii_lowercase();
            _ = writeln!(out, "| [{id}](#{anchor}) | {} | {} |", id.severity(), id.title());
        }
        for id in CheckId::ALL {
            let about = id.about();
            let suspect = if id.is_suspicion() { ", and the verdict is SUSPECT" } else { "" };
            _ = write!(
                out,
                "\n## {id}\n\n**{}** ({}{suspect})\n\n- Looks at: {}\n- Shown by: {}\n- Needs: {}\n- What to do: {}\n",
                sentence(id.title()),
                id.severity(),
                about.looks_at,
                about.shown_by,
                needs(about.needs.iter().copied()),
                id.remediation(Platform::Other),
            );
        }
        out.push_str("\n## How the key is replaced on each platform\n\n\
            Where a check says how to rotate, it is above as for a cluster whose API servers are yours. \
            `cambist issuer plan --platform PLATFORM` has the steps with their dates.\n\n");
        for platform in Platform::ALL {
            _ = writeln!(out, "- `{platform}`: {}", CheckId::K001.remediation(platform));
        }
        out
    }

    fn sentence(text: &str) -> String {
        let mut letters = text.chars();
        letters
            .next()
            .map(|first| first.to_uppercase().collect::<String>() + letters.as_str())
            .unwrap_or_default()
    }

    #[test]
    fn the_page_of_all_checks_is_what_the_code_says() {
        held("../../docs/checks.md", &page());
    }

    #[tokio::test]
    async fn a_check_is_explained_without_an_issuer() {
        let mut pod = Pod::new();
        pod.env.clear();
        for asked in ["K201", "k201"] {
            let outcome = pod.run(&format!("issuer explain {asked}")).await;
            assert_eq!(outcome.code, 0, "{outcome:?}");
            for text in
                ["not published", "critical", "token (--token-file)", "/docs/checks.md#k201"]
            {
                assert!(outcome.out.contains(text), "{text}: {}", outcome.out);
            }
        }
        // A platform's own remedy, where it is named.
        let aks = pod.json("issuer explain K001 --platform aks").await;
        assert!(aks["remediation"].as_str().unwrap().contains("az aks"), "{aks:#}");
        assert_eq!(aks["needs"][0]["flag"], "--issuer");
    }

    #[test]
    fn no_line_is_longer_than_the_terminal() {
        for (width, id) in [60, 80, 100, 200]
            .into_iter()
            .flat_map(|width| CheckId::ALL.iter().map(move |id| (width, *id)))
        {
            let text = told(id, Platform::Other, width);
            assert!(text.lines().all(|line| line.chars().count() <= width), "{width}:\n{text}");
        }
    }
}
