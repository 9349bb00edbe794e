//! The page of all checks.

use std::fmt::Write as _;

use super::check::Judge;
use super::checks;
use crate::testing::held;

fn page() -> String {
    let mut out = "# The checks of `cambist doctor`\n\n\
        Made from the code by `CAMBIST_WRITE=1 cargo test -p cambist-cli --lib doctor`; not by hand.\n\n\
        Run `cambist doctor` beside the app, in the sidecar's container, or on a laptop with `--token-file`, \
        `--tenant-id` and `--client-id`; with `--admin URL` it asks a running sidecar, too. It finds out where it \
        is, says so first, and leaves out what is not there. Each check ends as ok, warning, failed or skipped. \
        What only follows from a failure is skipped (`because D201`), so that the cause stands alone. The exit \
        code is 0 if nothing failed, 1 if something did, 64 if there is nothing to look at.\n\n\
        A finding says what was compared with what, and the fix for the case at hand; `-o json` has the variables \
        to set or take away and the commands beside the words. No token and no secret is in any output.\n\n\
        | check | where | what is so when all is well |\n|---|---|---|\n"
        .to_owned();
    for check in checks::all() {
        let anchor = check.id.to_ascii_lowercase();
        _ = writeln!(
            out,
            "| [{}](#{anchor}) | {} | {} |",
            check.id,
            place(check.judge),
            check.title
        );
    }
    for check in checks::all() {
        _ = write!(
            out,
            "\n## {}\n\n**{}**\n\n- Looks at: {}\n- Fails if: {}\n- What to do: {}\n",
            check.id,
            sentence(check.title),
            check.looks_at,
            check.fails,
            check.remedy
        );
        if !check.after.is_empty() {
            let mut after = check.after.to_vec();
            after.retain(|id| *id != check.id);
            after.sort_unstable();
            _ = writeln!(out, "- Skipped because of: {}", after.join(", "));
        }
    }
    out
}

fn place(judge: Judge) -> &'static str {
    match judge {
        Judge::Environment(_) => "everywhere",
        Judge::Workload(_) => "where the projected token is",
        Judge::App(_) => "beside an app",
        Judge::Sidecar(_) => "a running sidecar",
    }
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().collect::<String>());
    first.unwrap_or_default() + letters.as_str()
}

#[test]
fn the_page_of_all_checks_is_what_the_code_says() {
    held("../../docs/doctor.md", &page());
}

#[test]
fn ids_are_distinct_and_those_that_others_come_after_exist() {
    let ids: Vec<_> = checks::all().map(|check| check.id).collect();
    let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(distinct.len(), ids.len());
    for check in checks::all() {
        for after in check.after {
            assert!(ids.contains(after), "{}: {after}", check.id);
        }
    }
}
