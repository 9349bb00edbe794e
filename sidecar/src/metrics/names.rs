//! Names, help texts and labels are an interface: dashboards and alerts go by them.

use std::collections::BTreeSet;

use cambist_sim::fault::{Fault, Target};

use crate::testing::{SECRET, VAULT, World, request as ask};

/// What a scrape looks like, but for its numbers and for what differs from run to run.
fn shape(scrape: &str) -> BTreeSet<String> {
    let line = |line: &str| {
        if line.starts_with('#') {
            return line.to_owned();
        }
        let (series, _) = line.rsplit_once(' ').unwrap();
        let Some((name, labels)) = series.split_once('{') else { return series.to_owned() };
        let labels = labels.trim_end_matches('}').split(',').map(|label| {
            let (name, _) = label.split_once('=').unwrap();
            let varies = matches!(name, "kid" | "issuer" | "version" | "role" | "le");
            if varies { format!("{name}=*") } else { label.to_owned() }
        });
        format!("{name}{{{}}}", labels.collect::<Vec<_>>().join(","))
    };
    scrape.lines().map(line).collect()
}

#[tokio::test]
async fn every_metric_keeps_its_name_its_help_and_its_labels() {
    let world = World::new();
    let running = world.start(&[]).await;
    let (at, admin) = (running.addresses()[0], running.admin_address().unwrap());
    let secret = format!("X-IDENTITY-HEADER: {SECRET}\r\n");
    let target = |resource: &str| format!("/msi/token?api-version=2019-08-01&resource={resource}");
    ask(at, &target(VAULT), &secret).await;
    let fault = Fault::Aadsts { code: 700_016, status: None, retry_after: None };
    world.sim.faults().inject(Target::Entra, fault);
    ask(at, &target("api://none"), &secret).await;

    let (_, scrape) = ask(admin, "/metrics", "").await;
    let (found, expected) = (shape(&scrape), shape_of_names());
    let all = found.iter().cloned().collect::<Vec<_>>().join("\n");
    let new: Vec<_> = found.difference(&expected).collect();
    let gone: Vec<_> = expected.difference(&found).collect();
    assert!(new.is_empty() && gone.is_empty(), "new: {new:#?}\ngone: {gone:#?}\nall:\n{all}");
}

fn shape_of_names() -> BTreeSet<String> {
    include_str!("names.txt").lines().map(str::to_owned).collect()
}
