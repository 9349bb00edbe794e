//! Metrics, as OTLP has them.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint,
    ResourceMetrics, ScopeMetrics, Sum,
};
use opentelemetry_proto::tonic::resource::v1::Resource;

use super::openmetrics::{Family, Sample, families};
use super::text_attribute;

/// When it was counted: from when on, and until when, in nanoseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) start: u64,
    pub(super) now: u64,
}

/// A request that tells all of a scrape.
pub(super) fn request(
    text: &str,
    span: Span,
    resource: Resource,
    scope: InstrumentationScope,
) -> ExportMetricsServiceRequest {
    let metrics = families(text).into_iter().filter_map(|family| metric(family, span)).collect();
    let scope_metrics = ScopeMetrics { scope: Some(scope), metrics, schema_url: String::new() };
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(resource),
            scope_metrics: vec![scope_metrics],
            schema_url: String::new(),
        }],
    }
}

/// Counted from the start on: what is told next says more than what was told before.
const CUMULATIVE: i32 = AggregationTemporality::Cumulative as i32;

fn metric(family: Family<'_>, span: Span) -> Option<Metric> {
    let Family { name, kind, help, samples } = family;
    if samples.is_empty() {
        return None;
    }
    let points = || samples.iter().map(|sample| number(sample, span)).collect();
    let data = match kind {
        "counter" => Data::Sum(Sum {
            data_points: points(),
            aggregation_temporality: CUMULATIVE,
            is_monotonic: true,
        }),
        "histogram" => Data::Histogram(Histogram {
            data_points: histograms(&samples, span),
            aggregation_temporality: CUMULATIVE,
        }),
        _ => Data::Gauge(Gauge { data_points: points() }),
    };
    // The unit is the last word of the name, as Prometheus has it.
    let unit = if name.ends_with("_seconds") { "s" } else { "" };
    let name = if kind == "info" { format!("{name}_info") } else { name.to_owned() };
    let unit = unit.to_owned();
    Some(Metric { name, description: help, unit, metadata: Vec::new(), data: Some(data) })
}

fn number(sample: &Sample<'_>, span: Span) -> NumberDataPoint {
    NumberDataPoint {
        attributes: attributes(sample, ""),
        start_time_unix_nano: span.start,
        time_unix_nano: span.now,
        value: Some(Value::AsDouble(sample.value)),
        ..NumberDataPoint::default()
    }
}

fn attributes(sample: &Sample<'_>, but: &str) -> Vec<KeyValue> {
    let labels = sample.labels.iter().filter(|(name, _)| *name != but);
    labels.map(|(name, value)| text_attribute(name, value)).collect()
}

/// A point for each set of labels. OpenMetrics counts what is below each bound, OTLP what is between two.
fn histograms(samples: &[Sample<'_>], span: Span) -> Vec<HistogramDataPoint> {
    let mut points = Vec::<HistogramDataPoint>::new();
    for sample in samples {
        let attributes = attributes(sample, "le");
        let known = points.iter_mut().find(|point| point.attributes == attributes);
        let point = match known {
            Some(point) => point,
            None => {
                let (start, now) = (span.start, span.now);
                points.push(HistogramDataPoint {
                    attributes,
                    start_time_unix_nano: start,
                    time_unix_nano: now,
                    ..HistogramDataPoint::default()
                });
                points.last_mut().expect("one was just put there")
            }
        };
        match sample.suffix {
            "_sum" => point.sum = Some(sample.value),
            "_count" => point.count = whole(sample.value),
            "_bucket" => {
                let below = point.bucket_counts.iter().sum::<u64>();
                point.bucket_counts.push(whole(sample.value).saturating_sub(below));
                let bound = sample.labels.iter().find(|(name, _)| *name == "le");
                let bound = bound.and_then(|(_, bound)| bound.parse::<f64>().ok());
                point.explicit_bounds.extend(bound.filter(|bound| bound.is_finite()));
            }
            _ => {}
        }
    }
    points
}

/// A count, which is told as any number is.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts are whole, not negative, and far below 2^53"
)]
fn whole(count: f64) -> u64 {
    count as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Span = Span { start: 5, now: 7 };

    fn metrics(text: &str) -> Vec<Metric> {
        let request = request(text, SPAN, Resource::default(), InstrumentationScope::default());
        request.resource_metrics[0].scope_metrics[0].metrics.clone()
    }

    #[test]
    fn a_counter_is_a_sum_and_a_gauge_a_gauge() {
        let text = "# HELP a Some\n# TYPE a counter\na_total{b=\"c\"} 3\n# HELP d_seconds An age\n\
                    # TYPE d_seconds gauge\nd_seconds 1.5\n# HELP e None\n# TYPE e gauge\n# EOF\n";
        let [a, d] = metrics(text).try_into().expect("what has no sample is left out");
        assert_eq!((&*a.name, &*a.description, &*a.unit), ("a", "Some", ""));
        let Some(Data::Sum(sum)) = a.data else { panic!("{a:?}") };
        assert!(sum.is_monotonic && sum.aggregation_temporality == CUMULATIVE);
        let point = &sum.data_points[0];
        assert_eq!(point.attributes, [text_attribute("b", "c")]);
        assert_eq!((point.start_time_unix_nano, point.time_unix_nano), (5, 7));
        assert_eq!(point.value, Some(Value::AsDouble(3.0)));
        assert_eq!((&*d.name, &*d.unit), ("d_seconds", "s"));
        assert!(matches!(d.data, Some(Data::Gauge(_))), "{d:?}");
    }

    #[test]
    fn a_histogram_counts_between_its_bounds() {
        let text = "# HELP h_seconds H\n# TYPE h_seconds histogram\n\
                    h_seconds_sum{x=\"1\"} 4.5\nh_seconds_count{x=\"1\"} 6\n\
                    h_seconds_bucket{le=\"0.5\",x=\"1\"} 2\nh_seconds_bucket{le=\"1.0\",x=\"1\"} 5\n\
                    h_seconds_bucket{le=\"+Inf\",x=\"1\"} 6\nh_seconds_count{x=\"2\"} 0\n# EOF\n";
        let [h] = metrics(text).try_into().unwrap();
        let Some(Data::Histogram(histogram)) = h.data else { panic!("{h:?}") };
        let [one, two] = <[_; 2]>::try_from(histogram.data_points).unwrap();
        assert_eq!((one.count, one.sum), (6, Some(4.5)));
        assert_eq!(one.bucket_counts, [2, 3, 1]);
        assert_eq!(one.explicit_bounds, [0.5, 1.0]);
        assert_eq!(two.attributes, [text_attribute("x", "2")]);
    }
}
