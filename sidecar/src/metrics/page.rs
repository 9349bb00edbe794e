//! The table of all metrics in `docs/metrics.md`, made of scrapes and held equal to them.

use std::collections::{BTreeMap, BTreeSet};

use crate::testing::{held, region};

/// What scrapes say of one metric.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Metric {
    kind: String,
    help: String,
    labels: BTreeSet<String>,
}

/// All metrics that are in any of these scrapes, by name.
pub(super) fn metrics(scrapes: &[String]) -> BTreeMap<String, Metric> {
    let mut all = BTreeMap::<_, Metric>::new();
    for scrape in scrapes {
        for line in scrape.lines() {
            if let Some((name, help)) =
                line.strip_prefix("# HELP ").and_then(|it| it.split_once(' '))
            {
                help.clone_into(&mut all.entry(name.to_owned()).or_default().help);
            } else if let Some((name, kind)) =
                line.strip_prefix("# TYPE ").and_then(|it| it.split_once(' '))
            {
                kind.clone_into(&mut all.entry(name.to_owned()).or_default().kind);
            } else {
                let (series, labels) = series(line);
                let metric = all.get_mut(name_of(series)).expect("its type was told before");
                metric.labels.extend(labels.into_iter().filter(|name| name != "le"));
            }
        }
    }
    all
}

/// The metric that a series is of: a histogram has three kinds of them.
pub(super) fn name_of(series: &str) -> &str {
    let of_histogram = ["_seconds_bucket", "_seconds_count", "_seconds_sum"];
    let end = of_histogram.iter().find(|end| series.ends_with(**end));
    end.map_or(series, |end| &series[..series.len() - (end.len() - "_seconds".len())])
}

/// The series of a sample, and the names of its labels.
fn series(line: &str) -> (&str, Vec<String>) {
    let (series, rest) = line.split_once(['{', ' ']).expect("a sample has a value");
    let mut labels = Vec::new();
    let mut rest = if line[series.len()..].starts_with('{') { rest } else { "" };
    while let Some((name, value)) = rest.split_once("=\"") {
        labels.push(name.trim_start_matches(',').to_owned());
        // To the quote that ends the value, whatever is escaped in it.
        let mut escaped = false;
        let end = value.find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        rest = &value[end.expect("a label's value ends") + 1..];
    }
    (series, labels)
}

/// The table as it is to be.
fn table(all: &BTreeMap<String, Metric>) -> String {
    let mut table = "| metric | type | labels | meaning |\n|---|---|---|---|\n".to_owned();
    for (name, Metric { kind, help, labels }) in all {
        let labels = labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
        let help = help.trim_end_matches('.');
        table += &format!("| `{name}` | {kind} | {labels} | {help} |\n");
    }
    table
}

/// Holds the page's table against these.
pub(super) fn hold(all: &BTreeMap<String, Metric>) {
    held("../docs/metrics.md", |page| region(page, "metrics", &table(all)));
}

#[test]
fn series_and_their_labels_are_told_apart() {
    let line = r#"a_seconds_bucket{x="1,y=\"2\"}",z="\\",le="1.0"} 7"#;
    let (series, labels) = series(line);
    assert_eq!((name_of(series), labels.join(" ")), ("a_seconds", "x z le".to_owned()));
    assert_eq!(super::page::series("up_total 1"), ("up_total", Vec::new()));
}
