//! A histogram that is counted without a lock: what is over at once costs one addition.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::{MetricType, TypedMetric};

/// The buckets' upper bounds, in milliseconds.
const BOUNDS: [u64; 11] = [5, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000];

/// How long something took, in buckets. Clones count together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Durations(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    buckets: [AtomicU64; BOUNDS.len()],
    beyond: AtomicU64,
    micros: AtomicU64,
}

impl Durations {
    /// One more, that took so long.
    pub(crate) fn observe(&self, took: Duration) {
        let at = BOUNDS.iter().position(|bound| took <= Duration::from_millis(*bound));
        let bucket = at.and_then(|at| self.0.buckets.get(at)).unwrap_or(&self.0.beyond);
        bucket.fetch_add(1, Ordering::Relaxed);
        if !took.is_zero() {
            let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
            self.0.micros.fetch_add(micros, Ordering::Relaxed);
        }
    }
}

impl TypedMetric for Durations {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for Durations {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let Counts { buckets, beyond, micros } = &*self.0;
        let bounds = BOUNDS.map(|bound| bound as f64 / 1e3).into_iter().chain([f64::INFINITY]);
        let counts = buckets.iter().chain([beyond]).map(|count| count.load(Ordering::Relaxed));
        let buckets: Vec<_> = bounds.zip(counts).collect();
        // Of the very buckets that are told, however many are counted meanwhile.
        let count = buckets.iter().map(|(_, count)| count).sum();
        let sum = micros.load(Ordering::Relaxed) as f64 / 1e6;
        encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;

    fn text(durations: &Durations) -> String {
        let (mut registry, mut text) = (Registry::default(), String::new());
        registry.register("it_seconds", "Something", durations.clone());
        encode(&mut text, &registry).unwrap();
        text
    }

    #[test]
    fn each_is_in_its_bucket_and_in_those_above() {
        let durations = Durations::default();
        for millis in [0, 5, 6, 2500, 30_000, 30_001] {
            durations.observe(Duration::from_millis(millis));
        }
        let text = text(&durations);
        for line in [
            "# TYPE it_seconds histogram",
            "it_seconds_bucket{le=\"0.005\"} 2",
            "it_seconds_bucket{le=\"0.025\"} 3",
            "it_seconds_bucket{le=\"1.0\"} 3",
            "it_seconds_bucket{le=\"2.5\"} 4",
            "it_seconds_bucket{le=\"30.0\"} 5",
            "it_seconds_bucket{le=\"+Inf\"} 6",
            "it_seconds_count 6",
            "it_seconds_sum 62.512",
        ] {
            assert!(text.lines().any(|it| it == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn none_is_lost_however_many_count_at_once() {
        let durations = Durations::default();
        let counting = (0..4).map(|n| {
            let durations = durations.clone();
            std::thread::spawn(move || {
                (0..1000).for_each(|_| durations.observe(Duration::from_millis(n)));
            })
        });
        counting.collect::<Vec<_>>().into_iter().for_each(|it| it.join().unwrap());
        let text = text(&durations);
        assert!(text.contains("it_seconds_count 4000\n"), "{text}");
        assert!(text.contains("it_seconds_sum 6.0\n"), "{text}");
    }
}
