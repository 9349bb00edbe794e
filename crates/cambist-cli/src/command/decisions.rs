//! `cambist explain`: asks a running sidecar for the decisions behind an answer.

use bytes::Bytes;
use cambist::transport::{AnswerLimits, CaBundle, HttpsOptions};
use cambist_core::foreign::Foreign;
use http::header::HOST;
use http::{Request, Response, StatusCode, Uri};
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
    let explained = match read(&uri, &response) {
        Ok(explained) => explained,
        Err(outcome) => return outcome,
    };
    let out = match args.output {
        Plain::Json => document(&explained),
        Plain::Table => table(&explained, layout::width(world, false)),
    };
    let code = if explained["failing"] == false { 0 } else { WRONG };
    Outcome { code, ..Outcome::print(out) }
}

/// What is explained, if it is a sidecar that answers.
fn read(uri: &Uri, response: &Response<Bytes>) -> Result<Value, Outcome> {
    let status = response.status();
    let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
    let says = || message(body["message"].as_str().unwrap_or("it does not say why"));
    if body["schemaVersion"] == 1 && status == StatusCode::BAD_REQUEST {
        return Err(Outcome::fail(USAGE, says()));
    }
    if body["schemaVersion"] == 1 && status.is_success() && body["callers"].is_array() {
        return Ok(body);
    }
    let at = uri.authority().map_or("", http::uri::Authority::as_str);
    // A sidecar's listeners alone give reasons.
    let why = match response.headers().contains_key("x-cambist-reason") {
        true => format!("{at} refuses with {status}: {}", says()),
        false => {
            format!("what answers at {at} with {status} is no cambist sidecar that explains")
        }
    };
    let fix = "give --admin the address of its admin listener (CAMBIST_ADMIN_LISTEN, port 8422 by default)";
    Err(Outcome::fail(COULD_NOT_RUN, format!("{why}; {fix}")))
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

fn list<'v>(of: &'v Value, member: &str) -> impl Iterator<Item = &'v Value> {
    of[member].as_array().into_iter().flatten()
}

/// A text of a server's, which forges no line.
fn told(of: &Value, member: &str) -> String {
    message(of[member].as_str().unwrap_or_default())
}

fn table(explained: &Value, width: usize) -> String {
    let mut out = String::new();
    let mut part = |title: String, steps: &Value| {
        out += &wrap(&title, width, "", "  ");
        for step in list(steps, "steps") {
            out += &line(step, width);
        }
        out.push('\n');
    };
    for identity in list(explained, "identities") {
        let [name, client] = ["name", "client_id"].map(|member| told(identity, member));
        part(format!("{} as {name} ({client})", told(explained, "resource")), identity);
    }
    for caller in list(explained, "callers") {
        let [name, identity] = ["caller", "identity"].map(|member| told(caller, member));
        part(format!("for {name} as {identity}"), caller);
    }
    for denied in list(explained, "denied") {
        let [caller, says] = ["caller", "says"].map(|member| told(denied, member));
        out += &wrap(&format!("{caller}: {says}"), width, "No token for ", "  ");
    }
    for refusal in list(explained, "refusals") {
        let who = refusal["caller"].as_str().map_or_else(|| "somebody unknown".to_owned(), message);
        let [at, reason, says] = ["at", "reason", "says"].map(|member| told(refusal, member));
        let first = if refusal["last"] == true { "FAILED last answer: " } else { "Last refused: " };
        out += &wrap(&format!("{who} at {at} ({reason}): {says}"), width, first, "  ");
        if let Some(fix) = refusal["fix"].as_str() {
            out += &wrap(&format!("Fix: {}", message(fix)), width, "  ", "  ");
        }
    }
    if out.is_empty() {
        out += "the policy has no caller\n";
    }
    out
}

fn line(step: &Value, width: usize) -> String {
    let state = MARKS.iter().find(|(word, _)| step["state"] == *word);
    let mark = state.map_or("?", |(_, mark)| mark);
    let first = format!("  {mark:<7}{:<17}", told(step, "step"));
    let rest = " ".repeat(first.len());
    let says = wrap(&told(step, "says"), width, &first, &rest);
    match step["fix"].as_str() {
        Some(fix) => says + &wrap(&format!("Fix: {}", message(fix)), width, &rest, &rest),
        None => says,
    }
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
    fn a_step_is_a_line_and_nothing_that_a_server_says_forges_one() {
        let told = json!({
            "resource": "api://a",
            "identities": [{"name": "main", "client_id": "id", "steps": [
                {"step": "exchange", "state": "failed", "says": "Entra refused", "fix": "register it"},
            ]}],
            "callers": [{"caller": "app\n  FAILED x", "identity": "main", "steps": [
                {"step": "caller", "state": "ok", "says": "known"},
            ]}],
            "denied": [{"caller": "batch", "says": "the policy gives batch no token"}],
            "refusals": [
                {"caller": "app", "at": "T", "reason": "host", "says": "Host is x", "fix": "ask by its name", "last": true},
                {"caller": null, "at": "T", "reason": "host", "says": "Host is x", "last": false},
            ],
        });
        let expected = r"api://a as main (id)
  FAILED exchange         Entra refused
                          Fix: register it

for app\n  FAILED x as main
  ok     caller           known

No token for batch: the policy gives batch no token
FAILED last answer: app at T (host): Host is x
  Fix: ask by its name
Last refused: somebody unknown at T (host): Host is x
";
        assert_eq!(table(&told, 100), expected);
    }

    #[test]
    fn whoever_is_no_sidecar_is_told_from_one_that_takes_the_question_for_wrong() {
        let uri: Uri = "http://127.0.0.1:1/explain".parse().unwrap();
        for (status, body, code, says) in [
            (400, r#"{"schemaVersion":1,"message":"no caller x"}"#, USAGE, "no caller x"),
            (400, r#"{"message":"bad request"}"#, COULD_NOT_RUN, "is no cambist sidecar"),
            (404, r#"{"error":"not_found"}"#, COULD_NOT_RUN, "is no cambist sidecar"),
            (200, "<html>", COULD_NOT_RUN, "is no cambist sidecar"),
            (200, r#"{"schemaVersion":1}"#, COULD_NOT_RUN, "is no cambist sidecar"),
        ] {
            let mut response = Response::new(Bytes::from_static(body.as_bytes()));
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            let outcome = read(&uri, &response).unwrap_err();
            assert_eq!(outcome.code, code, "{body}");
            assert!(outcome.err.contains(says), "{body}: {}", outcome.err);
        }
        let mut refused = Response::new(Bytes::from_static(br#"{"message":"not here"}"#));
        *refused.status_mut() = StatusCode::FORBIDDEN;
        refused.headers_mut().insert("x-cambist-reason", "path".parse().unwrap());
        let outcome = read(&uri, &refused).unwrap_err();
        assert!(outcome.code == COULD_NOT_RUN && outcome.err.contains("refuses with 403"));
    }
}
