//! Our own OpenMetrics text, read back: what is counted is registered once, for scrapers and for this.
//!
//! It is the text of [`Metrics::encode`](crate::metrics::Metrics::encode) and nothing else, so that what does not look
//! like it is left out.

/// A metric with its samples.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Family<'t> {
    /// The name, without a sample's suffix.
    pub(super) name: &'t str,
    pub(super) kind: &'t str,
    pub(super) help: String,
    pub(super) samples: Vec<Sample<'t>>,
}

/// A number with its labels.
#[derive(Debug, PartialEq)]
pub(super) struct Sample<'t> {
    /// What the sample's name has behind the metric's: `_total`, `_bucket`, nothing.
    pub(super) suffix: &'t str,
    pub(super) labels: Vec<(&'t str, String)>,
    pub(super) value: f64,
}

/// The metrics of a text, those of one name once.
pub(super) fn families(text: &str) -> Vec<Family<'_>> {
    let mut families = Vec::<Family<'_>>::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            if let Some((name, help)) = rest.split_once(' ') {
                families.push(Family { name, help: unescaped(help), ..Family::default() });
            }
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            if let (Some((name, kind)), Some(last)) = (rest.split_once(' '), families.last_mut())
                && last.name == name
            {
                last.kind = kind;
            }
        } else if !line.starts_with('#')
            && let Some(last) = families.last_mut()
            && let Some(sample) = sample(line, last.name)
        {
            last.samples.push(sample);
        }
    }
    families
}

fn sample<'t>(line: &'t str, family: &str) -> Option<Sample<'t>> {
    let rest = line.strip_prefix(family)?;
    let end = rest.find(['{', ' '])?;
    let (suffix, rest) = rest.split_at(end);
    let (labels, value) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Vec::new(), rest),
    };
    let value = value.trim_start().split(' ').next()?.parse().ok()?;
    Some(Sample { suffix, labels, value })
}

/// Labels up to their closing brace, and what is behind it.
fn labels(mut rest: &str) -> Option<(Vec<(&str, String)>, &str)> {
    let mut labels = Vec::new();
    while !rest.starts_with('}') {
        let (name, value) = rest.split_once("=\"")?;
        let mut escaped = false;
        let end = value.find(|c| {
            let is_end = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            is_end
        })?;
        labels.push((name.trim_start_matches(','), unescaped(value.get(..end)?)));
        rest = value.get(end + 1..)?;
    }
    Some((labels, rest.get(1..)?))
}

fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(c) = letters.next() {
        match c {
            '\\' => match letters.next() {
                Some('n') => out.push('\n'),
                Some(other) => out.push(other),
                None => {}
            },
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::family::Family as Of;
    use prometheus_client::metrics::gauge::Gauge;
    use prometheus_client::metrics::histogram::Histogram;
    use prometheus_client::registry::Registry;

    use super::*;

    #[test]
    fn what_is_encoded_is_read_back() {
        let mut registry = Registry::with_prefix("cambist");
        let counters = Of::<[(&str, &str); 2], Counter>::default();
        counters.get_or_create(&[("a", "x} 7,\"\\\n"), ("b", "")]).inc_by(3);
        registry.register("some", "Help with a \\ in it", counters);
        registry.register("age_seconds", "An age", Gauge::<i64>::default());
        let histogram = Histogram::new([0.5, 1.0]);
        histogram.observe(0.7);
        registry.register("took_seconds", "How long", histogram);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();

        let read = families(&text);
        let kinds: Vec<_> = read.iter().map(|it| (it.name, it.kind)).collect();
        let expected = [
            ("cambist_some", "counter"),
            ("cambist_age_seconds", "gauge"),
            ("cambist_took_seconds", "histogram"),
        ];
        assert_eq!(kinds, expected, "{text}");
        let labels = vec![("a", "x} 7,\"\\\n".to_owned()), ("b", String::new())];
        assert_eq!(read[0].samples, [Sample { suffix: "_total", labels, value: 3.0 }], "{text}");
        let suffixes: Vec<_> = read[2].samples.iter().map(|it| (it.suffix, it.value)).collect();
        let expected =
            [("_sum", 0.7), ("_count", 1.0), ("_bucket", 0.0), ("_bucket", 1.0), ("_bucket", 1.0)];
        assert_eq!(suffixes, expected, "{text}");
    }

    #[test]
    fn what_does_not_look_like_it_is_left_out() {
        let text = "# HELP a A\n# TYPE a gauge\na{b=\"c\" 1\nb 1\na nonsense\na 2\n# EOF\n";
        let read = families(text);
        assert_eq!(read.len(), 1);
        assert_eq!(read[0].samples.len(), 1, "{read:?}");
    }
}
