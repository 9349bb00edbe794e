use std::sync::Arc;

use cambist::cache::Entry;
use cambist_core::scope::Scope;
use prometheus_client::metrics::counter::Counter;

use super::*;

impl Counted for Counter {
    fn register(&self, registry: &mut Registry) {
        registry.register("some", "Some of a test", self.clone());
    }
}

#[test]
fn what_is_listed_is_scraped() {
    let some = Counter::default();
    let metrics = Metrics::of(&[&some]);
    some.inc();
    let text = metrics.text();
    assert!(text.contains("# HELP cambist_some Some of a test.\n"), "{text}");
    assert!(text.contains("\ncambist_some_total 1\n") && text.ends_with("# EOF\n"), "{text}");
}

#[test]
fn scrapes_at_once_see_all_there_is() {
    let metrics = Arc::new(Metrics::of(&[]));
    let scopes = ["api://a/.default", "api://b/.default", "api://c/.default"];
    let scrapers = (0..2).map(|_| {
        let metrics = metrics.clone();
        std::thread::spawn(move || {
            let entry = |name: &&str| ("identity", Entry::prefetched(Scope::parse(name).unwrap()));
            let entries: Vec<_> = scopes.iter().map(entry).collect();
            let held = |text: &str| text.matches("\ncambist_token_held{").count();
            let scrape = || {
                let held = Held { entries: entries.clone(), ..Held::default() };
                metrics.encode(held, Format::OpenMetrics)
            };
            (0..2000).filter(|_| held(&scrape()) != entries.len()).count()
        })
    });
    let scrapers: Vec<_> = scrapers.collect();
    let lacking: Vec<_> = scrapers.into_iter().map(|it| it.join().unwrap()).collect();
    assert_eq!(lacking, [0, 0]);
}
