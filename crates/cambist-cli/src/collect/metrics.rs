//! The API server's `/metrics`, as somebody saved them: when it started, and how fresh an external
//! signer's keys are.

use std::io::{BufRead, BufReader, Read as _};
use std::path::Path;

use cambist_core::clock::UnixTime;

use super::look::{Look, MetricsSeen};

/// Largest file that is read, in bytes. A large cluster's is about 20 MB.
const MAX: u64 = 256 * 1024 * 1024;

/// All metrics of KEP-740's external signer; they exist only where there is one.
const EXTERNAL: &str = "apiserver_externaljwt_";

/// Reads a saved answer of `/metrics`. Its own time counts as that of the metrics, unless `now` is
/// not the clock's.
pub(crate) fn collect(look: &mut Look, path: &Path, made_up: bool) {
    let read = std::fs::File::open(path).and_then(|file| {
        let saved = file.metadata().ok().and_then(|stat| super::modified(&stat));
        Ok((saved, read(BufReader::new(file.take(MAX)))?))
    });
    match read {
        Ok((saved, Some(seen))) => {
            let at = saved.filter(|saved| !made_up && *saved < look.at).unwrap_or(look.at);
            look.metrics = Some(MetricsSeen { path: path.display().to_string(), at, ..seen });
        }
        Ok((_, None)) => {
            let fix = "has no metric of an API server; save it with `kubectl get --raw /metrics`";
            look.problem("metrics", format!("{} {fix}", path.display()));
        }
        Err(error) => look.problem("metrics", format!("{}: {error}", path.display())),
    }
}

/// What is of use among the samples; `None` if no API server wrote them.
fn read(text: impl BufRead) -> std::io::Result<Option<MetricsSeen>> {
    let mut seen = MetricsSeen {
        path: String::new(),
        at: UnixTime::from_secs(0),
        started: None,
        external_signer: false,
        signer_data: None,
        signer_fetched: None,
    };
    let mut any = false;
    for line in text.lines() {
        let line = line?;
        let Some((name, value)) = sample(&line) else { continue };
        any |= name.starts_with("apiserver_");
        seen.external_signer |= name.starts_with(EXTERNAL);
        // Of several API servers' metrics in one file, what was loaded last and fetched first counts.
        match name {
            "process_start_time_seconds" => seen.started = seen.started.max(moment(value)),
            "apiserver_externaljwt_fetch_keys_data_timestamp" => {
                seen.signer_data = earlier(seen.signer_data, moment(value));
            }
            "apiserver_externaljwt_fetch_keys_success_timestamp" => {
                seen.signer_fetched = earlier(seen.signer_fetched, moment(value));
            }
            _ => {}
        }
    }
    Ok(any.then_some(seen))
}

/// Name and value of a line in Prometheus' text format.
fn sample(line: &str) -> Option<(&str, f64)> {
    let end = line.find(['{', ' ', '\t']).filter(|_| !line.starts_with('#'))?;
    let (name, rest) = line.split_at(end);
    // Labels hold anything in quotes, braces too; values hold none.
    let rest = rest.rsplit_once('}').map_or(rest, |(_, rest)| rest);
    Some((name, rest.split_ascii_whitespace().next()?.parse().ok()?))
}

/// Zero is what a gauge holds that nobody has set.
fn moment(seconds: f64) -> Option<UnixTime> {
    #[expect(clippy::cast_possible_truncation, reason = "within the range that was checked")]
    (1.0..1e11).contains(&seconds).then(|| UnixTime::from_secs(seconds as i64))
}

fn earlier(known: Option<UnixTime>, new: Option<UnixTime>) -> Option<UnixTime> {
    known.into_iter().chain(new).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    // As kube-apiserver writes them.
    const TEXT: &str = "\
# HELP apiserver_externaljwt_fetch_keys_data_timestamp [ALPHA] Unix Timestamp in seconds
# TYPE apiserver_externaljwt_fetch_keys_data_timestamp gauge
apiserver_externaljwt_fetch_keys_data_timestamp 1.7954064e+09
apiserver_externaljwt_fetch_keys_request_total{code=\"OK\"} 42
apiserver_externaljwt_fetch_keys_success_timestamp 1.7954065e+09
apiserver_request_total{code=\"200\",path=\"a } b\"} 7
process_start_time_seconds 1.79530000032e+09
";

    #[test]
    fn an_external_signer_is_found_and_dated() {
        let seen = read(TEXT.as_bytes()).unwrap().unwrap();
        assert_eq!(seen.signer_data, Some(UnixTime::from_secs(1_795_406_400)));
        assert_eq!(seen.signer_fetched, Some(UnixTime::from_secs(1_795_406_500)));
        assert_eq!(seen.started, Some(UnixTime::from_secs(1_795_300_000)));
        assert!(seen.external_signer);
        let twice = format!("{TEXT}{}", TEXT.replace("1.795", "1.796"));
        let both = read(twice.as_bytes()).unwrap().unwrap();
        assert_eq!(both.signer_data, seen.signer_data);
        assert!(both.started > seen.started);
    }

    #[test]
    fn a_server_with_keys_of_its_own_and_none_at_all() {
        let own = "apiserver_request_total 1\nprocess_start_time_seconds 0\n";
        let seen = read(own.as_bytes()).unwrap().unwrap();
        assert_eq!((seen.external_signer, seen.started, seen.signer_data), (false, None, None));
        for other in
            ["", "# HELP apiserver_x\n", "node_cpu 1\n", "apiserver_x{\n", "apiserver_y NaNa\n"]
        {
            assert!(read(other.as_bytes()).unwrap().is_none(), "{other}");
        }
        assert!(read(&b"\xff\n"[..]).is_err());
    }
}
