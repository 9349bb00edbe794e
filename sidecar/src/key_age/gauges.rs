//! The last judgement as metrics.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use cambist::key_age::Report;
use cambist_core::clock::UnixTime;
use cambist_key_age::series::{Family, Told, families, last_read};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use crate::event::Event;
use crate::metrics::Counted;

/// What is scraped of the last judgement. There are no families to be cleared: a key that is gone
/// from the judgement is gone from the next scrape. A key set has at most 100 keys, and so have
/// these.
#[derive(Debug, Default)]
pub(crate) struct Gauges(Mutex<Last>);

#[derive(Clone, Debug, Default)]
struct Last {
    issuer: String,
    report: Option<Arc<Report>>,
    read_at: Option<UnixTime>,
}

impl Gauges {
    pub(crate) fn read(&self, event: &Event<'_>) {
        match event {
            Event::Library(cambist::Event::KeysJudged(it)) => {
                self.judged(it.issuer.as_str(), it.report);
            }
            Event::Library(cambist::Event::KeysFetched(it)) if it.result.is_ok() => {
                self.change(it.issuer.as_str(), |last| last.read_at = Some(it.at));
            }
            Event::Library(_)
            | Event::Refused(_)
            | Event::TurnedAway(_)
            | Event::Failed(_)
            | Event::SentAway(_)
            | Event::WouldDeny(_)
            | Event::Reloaded(_)
            | Event::Granted(_) => {}
        }
    }

    fn judged(&self, issuer: &str, report: &Report) {
        self.change(issuer, |last| last.report = Some(Arc::new(report.clone())));
    }

    /// Of another issuer nothing is known yet.
    fn change(&self, issuer: &str, by: impl FnOnce(&mut Last)) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.issuer != issuer {
            *last = Last { issuer: issuer.to_owned(), ..Last::default() };
        }
        by(&mut last);
    }

    fn last(&self) -> Last {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Counted for Arc<Gauges> {
    fn register(&self, registry: &mut Registry) {
        registry.register_collector(Box::new(self.clone()));
    }
}

impl Collector for Gauges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Last { issuer, report, read_at } = self.last();
        let Some(report) = report else {
            return write(&mut encoder, read_at.map(|at| last_read(&issuer, at)));
        };
        let judgement = &report.judgement;
        let told = Told {
            issuer: &issuer,
            verdict: judgement.verdict,
            decides_at: judgement.decides_at,
            signer: judgement.signer,
            watch: &judgement.watch,
            keys: judgement.keys.iter().map(|key| (report.name(key.key), key)).collect(),
            findings: report.findings.iter().collect(),
            read_at,
        };
        write(&mut encoder, families(&told))?;
        let problem = i64::from(report.history_problem.is_some());
        let help = "Whether the key history cannot be used as it is.";
        encoder
            .encode_descriptor("key_history_problem", help, None, MetricType::Gauge)?
            .encode_gauge(&problem)
    }
}

fn write(
    encoder: &mut DescriptorEncoder<'_>,
    families: impl IntoIterator<Item = Family>,
) -> fmt::Result {
    for Family { name, help, samples, .. } in families {
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for sample in samples {
            family.encode_family(&sample.labels)?.encode_gauge(&sample.value)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use cambist_core::jwks::Thumbprint;
    use cambist_key_age::{Fact, Known, Platform, Policy, Source, judge};
    use prometheus_client::encoding::text::encode;

    use super::*;

    const ISSUER: &str = "https://i.test/";
    const NOW: UnixTime = UnixTime::from_secs(1_795_407_225);

    fn scrape(registry: &Registry) -> String {
        let mut text = String::new();
        encode(&mut text, registry).unwrap();
        text
    }

    fn report(keys: std::ops::Range<u8>) -> Report {
        let keys: Vec<_> = keys.map(|n| Thumbprint::of_spki(&[n])).collect();
        let facts = keys.iter().map(|key| Fact::published(*key, NOW, Source::Public)).collect();
        let known = Known { facts, published: keys.into_iter().collect(), ..Known::default() };
        let judgement = judge(&known, &Policy::default(), cambist_core::clock::Reading::alone(NOW));
        Report::new(NOW, Platform::Kubeadm, Policy::default(), judgement)
    }

    #[test]
    fn a_hundred_keys_make_bounded_series_and_leave_none_behind() {
        let gauges = Arc::new(Gauges::default());
        let mut registry = Registry::with_prefix("cambist");
        gauges.register(&mut registry);
        assert_eq!(scrape(&registry), "# EOF\n", "nothing was judged yet");
        gauges.judged(ISSUER, &report(0..100));
        let text = scrape(&registry);
        let of_keys = text.lines().filter(|line| line.starts_with("cambist_issuer_key_"));
        // Trusted by, and which of the five verdicts; nothing is known of the other moments.
        assert_eq!(of_keys.count(), 600, "{text}");
        assert!(text.lines().count() < 660);
        gauges.judged(ISSUER, &report(100..101));
        let text = scrape(&registry);
        let keys: Vec<_> = text.lines().filter(|line| line.contains("kid=\"")).collect();
        let only = Thumbprint::of_spki(&[100]).to_string();
        assert!(keys.len() == 6 && keys.iter().all(|line| line.contains(&only)), "{text}");
        assert!(keys[0].ends_with(" 1795407225"), "a moment, not an age: {text}");
        let helps: Vec<_> = text.lines().filter(|line| line.starts_with("# HELP")).collect();
        let once: std::collections::BTreeSet<_> = helps.iter().collect();
        assert_eq!(helps.len(), once.len(), "{text}");
    }
}
