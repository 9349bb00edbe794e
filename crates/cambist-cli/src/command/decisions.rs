//! `cambist explain`: asks a running sidecar for the decisions behind an answer.

use bytes::Bytes;
use cambist::transport::{AnswerLimits, CaBundle, HttpsOptions};
use cambist_core::foreign::Foreign;
use http::header::HOST;
use http::{Request, Response, Uri};
use http_body_util::Empty;
use serde_json::Value;
use std::time::Duration;

use crate::cli::{Explain, Plain};
use crate::output::json as document;
use crate::output::layout::{self, wrap};
use crate::straight::{self, NoAnswer};
use crate::text::message;
use crate::world::{COULD_NOT_RUN, Outcome, USAGE, World};

/// Something is wrong with what was asked about.
const WRONG: u8 = 1;

/// How long the sidecar may take, which looks nothing up.
const PATIENCE: Duration = Duration::from_secs(10);

/// The marks of a step, by the sidecar's words for its state.
const MARKS: [(&str, &str); 4] =
    [("ok", "ok"), ("warning", "!"), ("failed", "FAILED"), ("none", "-")];

pub(super) async fn run(args: &Explain, world: &World<'_>) -> Outcome {
    let uri = match target(args) {
        Ok(uri) => uri,
        Err(error) => return Outcome::fail(USAGE, error),
    };
    let response = match ask(args, &uri, world).await {
        Ok(response) => response,
        Err(outcome) => return outcome,
    };
    let at = uri.authority().map_or("", http::uri::Authority::as_str);
    let strange = |what: &str| {
        let status = response.status();
        Outcome::fail(
            COULD_NOT_RUN,
            format!(
                "what answers at {at} with {status} is no cambist sidecar that explains: {what}"
            ),
        )
    };
    let Ok(explained) = serde_json::from_slice::<Value>(response.body()) else {
        return strange("its answer is no JSON");
    };
    if !response.status().is_success() {
        let says = explained["message"].as_str().unwrap_or("it does not say why");
        return Outcome::fail(USAGE, format!("{}: {}", response.status(), message(says)));
    }
    let Some(chains) = explained["chains"].as_array() else {
        return strange("there are no chains in its answer");
    };
    let failed = chains.is_empty() || chains.iter().any(has_failed);
    let out = match args.output {
        Plain::Json => document(&explained),
        Plain::Table => table(&explained, layout::width(world, false)),
    };
    Outcome { code: if failed { WRONG } else { 0 }, ..Outcome::print(out) }
}

fn target(args: &Explain) -> Result<Uri, String> {
    let base = args.admin.trim_end_matches('/');
    let wrong =
        || format!("--admin is {}, not http://HOST:PORT or https://HOST:PORT", Foreign::new(base));
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("resource", &args.resource);
    for (name, value) in [("caller", &args.caller), ("identity", &args.identity)] {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    let uri: Uri = format!("{base}/explain?{}", query.finish()).parse().map_err(|_| wrong())?;
    let is_base = uri.path() == "/explain" && !base.contains('@');
    match uri.scheme_str() {
        Some("http") if is_base && args.ca_file.is_some() => {
            Err("--ca-file is for an https listener, and --admin is http".to_owned())
        }
        Some("http" | "https") if is_base => Ok(uri),
        _ => Err(wrong()),
    }
}

async fn ask(args: &Explain, uri: &Uri, world: &World<'_>) -> Result<Response<Bytes>, Outcome> {
    let at = uri.authority().map_or("", http::uri::Authority::as_str);
    let no_answer = |why: &str| {
        Outcome::fail(
            COULD_NOT_RUN,
            format!(
                "no answer from {at} ({why}): does the sidecar run in this pod, and is this its CAMBIST_ADMIN_LISTEN? From outside: kubectl port-forward POD 8422"
            ),
        )
    };
    if uri.scheme_str() == Some("https") {
        let mut options = HttpsOptions::default();
        if let Some(file) = &args.ca_file {
            let bundle = CaBundle::read(file).map_err(|error| Outcome::fail(USAGE, error))?;
            options.roots.push(bundle);
            options.platform_roots = false;
        }
        let transport =
            (world.connect)(options).map_err(|error| Outcome::fail(COULD_NOT_RUN, error))?;
        let limits = AnswerLimits::new(4 * 1024 * 1024, PATIENCE);
        let request = Request::get(uri).body(Bytes::new());
        let request = request.map_err(|error| Outcome::fail(USAGE, error))?;
        return transport
            .send(request, limits)
            .await
            .map_err(|error| no_answer(&error.to_string()));
    }
    let target = uri.path_and_query().map_or("/explain", http::uri::PathAndQuery::as_str);
    let request = Request::get(target).header(HOST, at).body(Empty::new());
    let request = request.map_err(|error| Outcome::fail(USAGE, error))?;
    let host = uri.host().unwrap_or_default();
    let host = host.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(host);
    let answer = straight::send((host, uri.port_u16().unwrap_or(80)), request, PATIENCE).await;
    answer.map_err(|why| match why {
        NoAnswer::Connect(why) => no_answer(&why),
        NoAnswer::NotHttp(why) => {
            no_answer(&format!("it does not speak HTTP: {why}; is it https?"))
        }
        NoAnswer::Late => no_answer(&format!("not within {PATIENCE:?}")),
    })
}

fn has_failed(chain: &Value) -> bool {
    steps(chain).any(|step| step["state"] == "failed")
}

fn steps(chain: &Value) -> impl Iterator<Item = &Value> {
    chain["steps"].as_array().into_iter().flatten()
}

fn text<'v>(of: &'v Value, member: &str) -> &'v str {
    of[member].as_str().unwrap_or_default()
}

fn table(explained: &Value, width: usize) -> String {
    let mut out = String::new();
    for chain in explained["chains"].as_array().into_iter().flatten() {
        let [caller, identity, client] =
            ["caller", "identity", "client_id"].map(|name| message(text(chain, name)));
        out += &wrap(
            &format!(
                "{} for {caller} as {identity} ({client})",
                message(text(explained, "resource"))
            ),
            width,
            "",
            "  ",
        );
        for step in steps(chain) {
            let state = MARKS.iter().find(|(word, _)| step["state"] == *word);
            let mark = state.map_or("?", |(_, mark)| mark);
            let first = format!("  {mark:<7}{:<17}", message(text(step, "step")));
            let rest = " ".repeat(first.len());
            out += &wrap(&message(text(step, "says")), width, &first, &rest);
            if let Some(fix) = step["fix"].as_str() {
                out += &wrap(&format!("Fix: {}", message(fix)), width, &rest, &rest);
            }
        }
        out.push('\n');
    }
    for denied in explained["denied"].as_array().into_iter().flatten() {
        let line =
            format!("{}: {}", message(text(denied, "caller")), message(text(denied, "says")));
        out += &wrap(&line, width, "No token for ", "  ");
    }
    for refusal in explained["refusals"].as_array().into_iter().flatten() {
        let who = refusal["caller"].as_str().map_or_else(|| "somebody unknown".to_owned(), message);
        let [at, reason, says] = ["at", "reason", "says"].map(|name| message(text(refusal, name)));
        out += &wrap(&format!("{who} at {at} ({reason}): {says}"), width, "Last refused: ", "  ");
    }
    if out.is_empty() {
        out += "the policy knows no such caller, or has none\n";
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn args(admin: &str) -> Explain {
        Explain {
            resource: "https://vault.azure.net".to_owned(),
            caller: Some("a b".to_owned()),
            identity: None,
            admin: admin.to_owned(),
            ca_file: None,
            output: Plain::Table,
        }
    }

    #[test]
    fn an_admin_address_is_a_url_of_a_host_alone() {
        let uri = target(&args("http://127.0.0.1:8422/")).unwrap();
        let expected =
            "http://127.0.0.1:8422/explain?resource=https%3A%2F%2Fvault.azure.net&caller=a+b";
        assert_eq!(uri.to_string(), expected);
        for wrong in ["127.0.0.1:8422", "http://h/status", "ftp://h", "http://u:p@h", "http://h?x"]
        {
            let error = target(&args(wrong)).unwrap_err();
            assert!(error.contains("--admin is"), "{wrong}: {error}");
        }
        let with_ca = Explain { ca_file: Some("ca.pem".into()), ..args("http://h") };
        assert!(target(&with_ca).unwrap_err().contains("--ca-file"));
    }

    #[test]
    fn a_chain_is_a_line_for_each_step_and_nothing_that_a_server_says_forges_one() {
        let told = json!({
            "resource": "api://a",
            "chains": [{"caller": "app\n  FAILED x", "identity": "main", "client_id": "id", "steps": [
                {"step": "caller", "state": "ok", "says": "known"},
                {"step": "exchange", "state": "failed", "says": "Entra refused", "fix": "register it"},
            ]}],
            "denied": [{"caller": "batch", "says": "the policy gives batch no token"}],
            "refusals": [{"caller": null, "at": "T", "reason": "host", "says": "Host is x"}],
        });
        let expected = r"api://a for app\n  FAILED x as main (id)
  ok     caller           known
  FAILED exchange         Entra refused
                          Fix: register it

No token for batch: the policy gives batch no token
Last refused: somebody unknown at T (host): Host is x
";
        assert_eq!(table(&told, 100), expected);
        assert!(has_failed(&told["chains"][0]));
    }
}
