//! The two text forms of a scrape, and which of them a scraper takes.

use http::HeaderMap;
use http::header::ACCEPT;

/// A text form of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// OpenMetrics 1.0.0.
    OpenMetrics,
    /// The older one of Prometheus, which every scraper and promtool read.
    Text,
}

impl Format {
    /// What is wanted by `Accept` (RFC 9110 section 12.5.1): OpenMetrics for who names it and likes nothing better,
    /// as Prometheus does, and Prometheus' own form for everybody else.
    pub(crate) fn wanted(headers: &HeaderMap) -> Self {
        let accept: Vec<_> =
            headers.get_all(ACCEPT).iter().filter_map(|it| it.to_str().ok()).collect();
        let accept = accept.join(",");
        let ranges = || accept.split(',').filter_map(Range::parse);
        let best = |like: fn(&Range<'_>) -> Option<u8>| {
            let fitting = ranges().filter_map(|range| Some((like(&range)?, range.quality)));
            fitting.max_by_key(|(nearness, quality)| (*nearness, *quality)).map(|(_, q)| q)
        };
        let open_metrics = best(|range| range.names("application/openmetrics-text", "1.0.0"));
        let text = best(|range| range.names("text/plain", "0.0.4").or_else(|| range.covers_text()));
        match open_metrics {
            Some(quality) if quality > 0 && quality >= text.unwrap_or(0) => Self::OpenMetrics,
            _ => Self::Text,
        }
    }

    /// How it is called.
    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// A media range.
struct Range<'a> {
    media: &'a str,
    version: Option<&'a str>,
    /// In thousandths.
    quality: u16,
}

impl<'a> Range<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let media = parts.next().filter(|media| !media.is_empty())?;
        let (mut version, mut quality) = (None, 1000);
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            let value = value.trim().trim_matches('"');
            match name.trim() {
                name if name.eq_ignore_ascii_case("version") => version = Some(value),
                // What is no quality is none.
                name if name.eq_ignore_ascii_case("q") => quality = thousandths(value).unwrap_or(0),
                _ => {}
            }
        }
        Some(Self { media, version, quality })
    }

    /// How near it comes to this type in this version, if it names the type.
    fn names(&self, media: &str, version: &str) -> Option<u8> {
        let known = self.version.is_none_or(|it| it == version);
        (self.media.eq_ignore_ascii_case(media) && known)
            .then(|| 2 + u8::from(self.version.is_some()))
    }

    fn covers_text(&self) -> Option<u8> {
        let wild = [("*/*", 0), ("text/*", 1)];
        wild.into_iter().find(|(media, _)| self.media.eq_ignore_ascii_case(media)).map(|(_, n)| n)
    }
}

fn thousandths(text: &str) -> Option<u16> {
    let quality: f32 = text.parse().ok().filter(|quality| (0.0..=1.0).contains(quality))?;
    Some((quality * 1000.0) as u16)
}

/// The same scrape in Prometheus' text form 0.0.4. There counters are called as their samples are, and neither infos,
/// units nor an end are known. (Of exemplars, timestamps and `_created`, which differ too, this program writes none.)
pub(crate) fn as_text(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    let mut help = None;
    for line in open_metrics.lines() {
        if line == "# EOF" || line.starts_with("# UNIT ") {
            continue;
        }
        if let Some(of) = line.strip_prefix("# HELP ") {
            // What it is called is known with its type, which comes next.
            help = of.split_once(' ');
            continue;
        }
        let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|of| of.split_once(' '))
        else {
            text.extend([line, "\n"]);
            continue;
        };
        let (suffix, kind) = match kind {
            "counter" => ("_total", "counter"),
            "info" => ("_info", "gauge"),
            "unknown" => ("", "untyped"),
            kind => ("", kind),
        };
        if let Some((_, words)) = help.take().filter(|(of, _)| *of == name) {
            // Quotes are escaped in OpenMetrics alone.
            let words = words.replace("\\\"", "\"");
            text.extend(["# HELP ", name, suffix, " ", &words, "\n"]);
        }
        text.extend(["# TYPE ", name, suffix, " ", kind, "\n"]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(accept: &[&str]) -> Format {
        let mut headers = HeaderMap::new();
        for it in accept {
            headers.append(ACCEPT, it.parse().unwrap());
        }
        Format::wanted(&headers)
    }

    #[test]
    fn each_scraper_gets_what_it_likes_best() {
        use Format::{OpenMetrics, Text};
        for (accept, format) in [
            // Prometheus 2.42, 2.53 and 3.
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                OpenMetrics,
            ),
            (
                "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                OpenMetrics,
            ),
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                OpenMetrics,
            ),
            // The same, told to take the text form alone; and first of all.
            ("text/plain;version=0.0.4;q=0.5,*/*;q=0.1", Text),
            (
                "text/plain;version=0.0.4;q=0.6,application/openmetrics-text;version=1.0.0;q=0.5,*/*;q=0.1",
                Text,
            ),
            // curl, a browser, and who says nothing.
            ("*/*", Text),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Text),
            ("", Text),
            // A type alone takes any version of it, and an older version is not ours.
            ("application/openmetrics-text", OpenMetrics),
            ("APPLICATION/OpenMetrics-Text ; Version=\"1.0.0\"", OpenMetrics),
            ("application/openmetrics-text;version=0.0.1", Text),
            ("application/openmetrics-text;version=0.0.1,text/plain;q=0.1", Text),
            // Qualities count, also those of whole families, and the nearest range before them.
            ("application/openmetrics-text;q=0.5,*/*", Text),
            ("application/openmetrics-text;q=0.5,text/*;q=0.6", Text),
            ("application/openmetrics-text;q=0.5,text/plain;q=0.4,*/*", OpenMetrics),
            ("application/openmetrics-text,text/plain", OpenMetrics),
            ("application/openmetrics-text;q=0", Text),
            ("application/openmetrics-text;q=much", Text),
            ("application/openmetrics-text;q=7", Text),
            (",;q=1,;,text/plain;version", Text),
        ] {
            assert_eq!(wanted(&[accept]), format, "{accept}");
        }
        assert_eq!(wanted(&[]), Text);
        assert_eq!(wanted(&["text/plain;q=0.1", "application/openmetrics-text"]), OpenMetrics);
    }

    #[test]
    fn the_older_form_calls_things_by_its_own_names() {
        let open_metrics = r#"# HELP c Some \"counted\" \\ words.
# TYPE c counter
c_total{a="x\"\\\n# EOF"} 1
# HELP b The program.
# TYPE b info
b_info{version="1"} 1
# HELP g_seconds A gauge.
# TYPE g_seconds gauge
# UNIT g_seconds seconds
g_seconds -1.5
# HELP h_seconds A histogram.
# TYPE h_seconds histogram
h_seconds_sum 1.0
h_seconds_count 1
h_seconds_bucket{le="+Inf"} 1
# TYPE u unknown
u 7
# EOF
"#;
        let text = r#"# HELP c_total Some "counted" \\ words.
# TYPE c_total counter
c_total{a="x\"\\\n# EOF"} 1
# HELP b_info The program.
# TYPE b_info gauge
b_info{version="1"} 1
# HELP g_seconds A gauge.
# TYPE g_seconds gauge
g_seconds -1.5
# HELP h_seconds A histogram.
# TYPE h_seconds histogram
h_seconds_sum 1.0
h_seconds_count 1
h_seconds_bucket{le="+Inf"} 1
# TYPE u untyped
u 7
"#;
        assert_eq!(as_text(open_metrics), text);
    }
}
