//! The last judgement as metrics: moments, never ages, which would be wrong a minute later.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use cambist::key_age::Report;
use cambist_core::clock::UnixTime;
use cambist_key_age::{KeyJudgement, Role, Verdict};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet};
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
    report: Option<Arc<Report>>,
    read_at: Option<UnixTime>,
}

const VERDICTS: [Verdict; 5] =
    [Verdict::Ok, Verdict::Unknown, Verdict::Due, Verdict::Overdue, Verdict::Suspect];
const ROLES: [Role; 5] = [Role::Signer, Role::Verifier, Role::Next, Role::Ghost, Role::Unknown];

impl Gauges {
    pub(crate) fn read(&self, event: &Event<'_>) {
        match event {
            Event::Library(cambist::Event::KeysJudged(it)) => self.judged(it.report),
            Event::Library(cambist::Event::KeysFetched(it)) if it.result.is_ok() => {
                self.change(|last| last.read_at = Some(it.at));
            }
            Event::Library(_)
            | Event::Refused(_)
            | Event::TurnedAway(_)
            | Event::Failed(_)
            | Event::SentAway(_)
            | Event::Granted(_) => {}
        }
    }

    fn judged(&self, report: &Report) {
        self.change(|last| last.report = Some(Arc::new(report.clone())));
    }

    fn change(&self, by: impl FnOnce(&mut Last)) {
        by(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
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

type Moment = fn(&KeyJudgement) -> Option<UnixTime>;

const MOMENTS: [(&str, &str, Moment); 5] = [
    (
        "issuer_key_trusted_since_min_timestamp_seconds",
        "The key was not yet published at this moment.",
        |key| key.trusted_not_before,
    ),
    (
        "issuer_key_trusted_since_max_timestamp_seconds",
        "The key was published by this moment.",
        |key| key.trusted_by,
    ),
    (
        "issuer_key_last_signed_timestamp_seconds",
        "When the newest token seen of this key was issued.",
        |key| key.last_signed,
    ),
    (
        "issuer_key_rotate_by_timestamp_seconds",
        "When the key is to be replaced, without grace.",
        |key| key.rotate_by,
    ),
    (
        "issuer_key_expire_by_timestamp_seconds",
        "When the key is to be gone, without grace.",
        |key| key.expire_by,
    ),
];

impl Collector for Gauges {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut out = Out(encoder);
        let Last { report, read_at } = self.last();
        if let Some(at) = read_at {
            let help = "When the issuer's keys were last read.";
            out.one("issuer_last_observation_timestamp_seconds", help, at.as_secs())?;
        }
        let Some(report) = report else { return Ok(()) };
        let judgement = &report.judgement;

        let verdicts =
            VERDICTS.map(|v| ([("status", v.as_str())], i64::from(v == judgement.verdict)));
        let help = "1 for the verdict on the issuer's keys, 0 for every other.";
        out.all("issuer_status", help, verdicts)?;
        if let Some(at) = judgement.decides_at {
            let help = "When UNKNOWN is decided unless a rotation is seen before.";
            out.one("issuer_decides_at_timestamp_seconds", help, at.as_secs())?;
        }
        let count = |role| judgement.keys.iter().filter(|key| key.role == role).count();
        let roles = ROLES.map(|role| ([("role", role.as_str())], whole(count(role))));
        out.all("issuer_keys", "Keys that are published or sign, by role.", roles)?;

        for (name, help, moment) in MOMENTS {
            let samples = judgement.keys.iter().filter_map(|key| {
                let labels = [
                    ("key", key.key.to_string()),
                    ("role", key.role.to_string()),
                    ("verdict", key.verdict.to_string()),
                ];
                Some((labels, moment(key)?.as_secs()))
            });
            out.all(name, help, samples)?;
        }

        let mut checks: BTreeMap<_, i64> = BTreeMap::new();
        for found in &report.findings {
            *checks.entry((found.id, found.severity)).or_default() += 1;
        }
        let checks = checks.into_iter().map(|((id, severity), count)| {
            ([("id", id.as_str()), ("severity", severity.as_str())], count)
        });
        out.all("issuer_check", "Findings of a check.", checks)?;

        let problem = i64::from(report.history_problem.is_some());
        out.one("key_history_problem", "Whether the key history cannot be used as it is.", problem)
    }
}

/// Writes gauges, those without a sample not at all.
struct Out<'a>(DescriptorEncoder<'a>);

impl Out<'_> {
    fn one(&mut self, name: &str, help: &str, value: i64) -> fmt::Result {
        self.0.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)
    }

    fn all<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (L, i64)>,
    ) -> fmt::Result {
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_none() {
            return Ok(());
        }
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        samples.try_for_each(|(labels, value)| family.encode_family(&labels)?.encode_gauge(&value))
    }
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use cambist_core::jwks::Thumbprint;
    use cambist_key_age::{Fact, Known, Platform, Policy, Source, judge};
    use prometheus_client::encoding::text::encode;

    use super::*;

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
        gauges.judged(&report(0..100));
        let text = scrape(&registry);
        let of_keys = text.lines().filter(|line| line.starts_with("cambist_issuer_key_"));
        // Trusted by, to be replaced by, to be gone by; nothing is known of the other two.
        assert_eq!(of_keys.count(), 300, "{text}");
        assert!(text.lines().count() < 340);
        gauges.judged(&report(100..101));
        let text = scrape(&registry);
        let keys: Vec<_> = text.lines().filter(|line| line.contains("key=\"")).collect();
        let only = Thumbprint::of_spki(&[100]).to_string();
        assert!(keys.len() == 3 && keys.iter().all(|line| line.contains(&only)), "{text}");
        assert!(keys[0].ends_with(" 1795407225"), "a moment, not an age: {text}");
        let helps: Vec<_> = text.lines().filter(|line| line.starts_with("# HELP")).collect();
        let once: std::collections::BTreeSet<_> = helps.iter().collect();
        assert_eq!(helps.len(), once.len(), "{text}");
    }
}
