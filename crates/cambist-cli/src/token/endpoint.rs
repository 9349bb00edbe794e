//! The endpoint beside an app, asked as an SDK does.

use std::time::Duration;

use bytes::Bytes;
use cambist::Env;
use cambist_core::foreign::Foreign;
use cambist_core::secret::Secret;
use http::header::HOST;
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::Empty;
use serde_json::Value;

use crate::straight::{self, NoAnswer};

/// How long it may take: an exchange is waited for by whoever asks first.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GetError {
    #[error(
        "IDENTITY_ENDPOINT is not set, nor is MSI_ENDPOINT or AZURE_POD_IDENTITY_AUTHORITY_HOST: an SDK would not look here at all; set IDENTITY_ENDPOINT=http://127.0.0.1:8421/msi/token for the app"
    )]
    NoEndpoint,
    #[error(
        "{0} is set and {1} is not: SDKs take that for another service's endpoint; set {1} for the app to what the sidecar has as IDENTITY_HEADER"
    )]
    NoSecret(&'static str, &'static str),
    #[error("{name} is {found}, not http://HOST:PORT/PATH: {why}")]
    Endpoint { name: &'static str, found: Foreign, why: &'static str },
    #[error(
        "{0} has a user or password in its URL, which is not shown here; write http://HOST:PORT/PATH"
    )]
    UserInfo(&'static str),
    #[error("{0} cannot be sent as a header: it has line ends or other control characters in it")]
    Secret(&'static str),
    #[error("this cannot be asked for: {0}")]
    Request(String),
    #[error(
        "nobody answers at {0} ({1}): does the sidecar run beside this app, in the same pod, and on this port (CAMBIST_LISTEN)?"
    )]
    Connect(String, String),
    #[error("{0} did not answer within {PATIENCE:?}")]
    Late(String),
    #[error("what answers at {0} does not speak HTTP as the sidecar does: {1}")]
    NotHttp(String, String),
    #[error("what answers at {0} with status {1} is not the sidecar: {2}")]
    Strange(String, u16, &'static str),
}

/// What the endpoint said.
#[derive(Debug)]
pub(crate) enum Answer {
    Token(Secret),
    /// The endpoint begins its message with the rule that refused.
    Refused {
        status: u16,
        message: String,
    },
}

/// One way that SDKs are led to an endpoint, and ask there.
struct Way {
    endpoint: &'static str,
    /// What is put behind the variable's value.
    path: &'static str,
    secret: Proof,
    header: &'static str,
    version: &'static str,
    client: &'static str,
}

enum Proof {
    /// A variable's value.
    Secret(&'static str),
    /// None: a header that says which protocol it is.
    Metadata,
}

/// In the order in which SDKs look.
const WAYS: [Way; 3] = [
    Way {
        endpoint: "IDENTITY_ENDPOINT",
        path: "",
        secret: Proof::Secret("IDENTITY_HEADER"),
        header: "x-identity-header",
        version: "2019-08-01",
        client: "client_id",
    },
    Way {
        endpoint: "MSI_ENDPOINT",
        path: "",
        secret: Proof::Secret("MSI_SECRET"),
        header: "secret",
        version: "2017-09-01",
        client: "clientid",
    },
    Way {
        endpoint: "AZURE_POD_IDENTITY_AUTHORITY_HOST",
        path: "/metadata/identity/oauth2/token",
        secret: Proof::Metadata,
        header: "metadata",
        version: "2018-02-01",
        client: "client_id",
    },
];

/// Where an app's SDK would ask, and what it would show.
#[derive(Debug)]
pub(crate) struct Endpoint {
    uri: Uri,
    /// `X-IDENTITY-HEADER`, or `Secret` with the older variables, or `Metadata`.
    header: (&'static str, HeaderValue),
    secret: Option<Secret>,
    version: &'static str,
    client: &'static str,
}

impl Endpoint {
    /// By the variables that SDKs read, the newer ones first.
    pub(crate) fn of(env: &dyn Env) -> Result<Self, GetError> {
        let way = WAYS.iter().find(|way| env.get(way.endpoint).is_some());
        let way = way.ok_or(GetError::NoEndpoint)?;
        let text = env.get(way.endpoint).unwrap_or_default();
        let wrong =
            |why| GetError::Endpoint { name: way.endpoint, found: Foreign::new(&text), why };
        if has_user_info(&text) {
            return Err(GetError::UserInfo(way.endpoint));
        }
        if text.trim() != text {
            return Err(wrong(
                "SDKs take the blank or line end at its end or beginning for a part of it",
            ));
        }
        // SDKs that put a path behind a base take the base's slash away.
        let base = if way.path.is_empty() { &*text } else { text.trim_end_matches('/') };
        let uri: Uri = format!("{base}{}", way.path).parse().map_err(|_| wrong("it is no URL"))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(wrong("the sidecar speaks http, within the pod")),
            _ => return Err(wrong("http:// is missing")),
        }
        if uri.query().is_some() {
            return Err(wrong("SDKs add the query"));
        }
        let (value, secret) = match way.secret {
            Proof::Metadata => (HeaderValue::from_static("true"), None),
            Proof::Secret(name) => {
                let secret =
                    Secret::new(env.get(name).ok_or(GetError::NoSecret(way.endpoint, name))?);
                let shown = HeaderValue::from_str(secret.expose());
                let mut shown = shown.map_err(|_| GetError::Secret(name))?;
                shown.set_sensitive(true);
                (shown, Some(secret))
            }
        };
        Ok(Self {
            uri,
            header: (way.header, value),
            secret,
            version: way.version,
            client: way.client,
        })
    }

    /// A message without what must not be shown, whoever wrote it: the secret that was sent, and whatever looks like a
    /// token.
    pub(crate) fn blotted(&self, message: &str) -> String {
        let secret = self.secret.as_ref().map(Secret::expose).filter(|secret| !secret.is_empty());
        let message =
            secret.map_or_else(|| message.to_owned(), |it| message.replace(it, "[secret]"));
        let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let mut out = String::with_capacity(message.len());
        for piece in message.split_inclusive(|c| !part(c)) {
            let word = piece.trim_end_matches(|c| !part(c));
            let is_token = word.starts_with("eyJ") && word.matches('.').count() >= 2;
            out += if is_token { "[token]" } else { word };
            out += &piece[word.len()..];
        }
        out
    }

    /// The host, without its port.
    pub(crate) fn host(&self) -> &str {
        let host = self.uri.host().unwrap_or_default();
        host.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(host)
    }

    /// The address that the app is told, without a secret.
    pub(crate) fn url(&self) -> String {
        self.uri.to_string()
    }

    /// Asks once, straight: no proxy, no redirect, no second try.
    pub(crate) async fn ask(
        &self,
        resource: &str,
        client_id: Option<&str>,
    ) -> Result<Answer, GetError> {
        let request = self.request(resource, client_id, None)?;
        read(&self.at(), &get(self.host(), self.port(), request).await?)
    }

    /// Asks as nobody should get a token: the status of what was answered, and whether a token was in it.
    pub(crate) async fn ask_oddly(
        &self,
        odd: Odd,
        resource: &str,
        client_id: Option<&str>,
    ) -> Result<(u16, bool), GetError> {
        let request = self.request(resource, client_id, Some(odd))?;
        let response = get(self.host(), self.port(), request).await?;
        let token = matches!(read(&self.at(), &response), Ok(Answer::Token(_)));
        Ok((response.status().as_u16(), token))
    }

    fn port(&self) -> u16 {
        self.uri.port_u16().unwrap_or(80)
    }

    fn at(&self) -> String {
        format!("{}:{}", self.host(), self.port())
    }

    fn request(
        &self,
        resource: &str,
        client_id: Option<&str>,
        odd: Option<Odd>,
    ) -> Result<Request<Empty<Bytes>>, GetError> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("api-version", self.version).append_pair("resource", resource);
        if let Some(client_id) = client_id {
            query.append_pair(self.client, client_id);
        }
        let path = if odd == Some(Odd::Path) { "/nothing/is/here" } else { self.uri.path() };
        let own = self.uri.authority().map_or("", http::uri::Authority::as_str);
        let host = if odd == Some(Odd::Host) { "cambist-doctor.example" } else { own };
        let mut request = Request::get(format!("{path}?{}", query.finish())).header(HOST, host);
        let (name, value) = &self.header;
        request = match odd {
            Some(Odd::NoHeader) => request,
            Some(Odd::WrongHeader) => request.header(*name, "cambist-doctor-guesses-a-secret"),
            _ => request.header(*name, value),
        };
        request = match odd {
            Some(Odd::Forwarded) => request.header("x-forwarded-for", "192.0.2.1"),
            Some(Odd::Origin) => request.header("origin", "https://cambist-doctor.example"),
            _ => request,
        };
        request.body(Empty::new()).map_err(|error| GetError::Request(error.to_string()))
    }
}

/// A request that must not be answered with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Odd {
    /// Without the header that proves who asks.
    NoHeader,
    /// With another one.
    WrongHeader,
    /// For another host, as a page in a browser asks whose name leads to loopback.
    Host,
    /// Through a proxy that can be talked into it.
    Forwarded,
    /// By a page in a browser.
    Origin,
    /// For a path that is none.
    Path,
}

/// Sends one request to a server of this pod.
pub(crate) async fn get(
    host: &str,
    port: u16,
    request: Request<Empty<Bytes>>,
) -> Result<Response<Bytes>, GetError> {
    let at = || format!("{host}:{port}");
    straight::send((host, port), request, PATIENCE).await.map_err(|why| match why {
        NoAnswer::Connect(why) => GetError::Connect(at(), why),
        NoAnswer::NotHttp(why) => GetError::NotHttp(at(), why),
        NoAnswer::Late => GetError::Late(at()),
    })
}

/// Whether a URL, or what should be one, has a user or a password before its host.
fn has_user_info(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().is_some_and(|authority| authority.contains('@'))
}

fn read(at: &str, response: &Response<Bytes>) -> Result<Answer, GetError> {
    let status = response.status().as_u16();
    let strange = |what| GetError::Strange(at.to_owned(), status, what);
    let body: Value =
        serde_json::from_slice(response.body()).map_err(|_| strange("its answer is no JSON"))?;
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    if status == 200 {
        let token =
            text("access_token").ok_or_else(|| strange("there is no access_token in it"))?;
        return Ok(Answer::Token(Secret::new(token)));
    }
    let message = text("message").or_else(|| text("error_description"));
    let message = message.ok_or_else(|| strange("it does not say why"))?;
    Ok(Answer::Refused { status, message: message.to_owned() })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<Endpoint, GetError> {
        let env: BTreeMap<String, String> =
            variables.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        Endpoint::of(&env)
    }

    #[test]
    fn a_variable_that_would_mislead_an_sdk_is_named_and_no_secret_shown() {
        let good = ("IDENTITY_ENDPOINT", "http://127.0.0.1:8421/msi/token");
        for (variables, words) in [
            (&[][..], "IDENTITY_ENDPOINT is not set"),
            (&[good], "IDENTITY_HEADER is not"),
            (&[("MSI_ENDPOINT", good.1)], "MSI_SECRET is not"),
            (&[good, ("IDENTITY_HEADER", "s3cret\nx")], "IDENTITY_HEADER cannot be sent"),
            (
                &[
                    ("IDENTITY_ENDPOINT", "https://127.0.0.1/msi/token"),
                    ("IDENTITY_HEADER", "s3cret"),
                ],
                "speaks http",
            ),
            (
                &[("IDENTITY_ENDPOINT", "127.0.0.1:8421"), ("IDENTITY_HEADER", "s3cret")],
                "http:// is missing",
            ),
            (
                &[("IDENTITY_ENDPOINT", "http://h/t\n"), ("IDENTITY_HEADER", "s3cret")],
                "blank or line end",
            ),
            (
                &[("IDENTITY_ENDPOINT", "http://u:s3cret@h/t"), ("IDENTITY_HEADER", "x")],
                "user or password",
            ),
            (
                &[("IDENTITY_ENDPOINT", "https://u:s3cret@h/t"), ("IDENTITY_HEADER", "x")],
                "user or password",
            ),
            (
                &[("IDENTITY_ENDPOINT", "u:s3cret@h\n"), ("IDENTITY_HEADER", "x")],
                "user or password",
            ),
            (
                &[("IDENTITY_ENDPOINT", "http://h/t?x=1"), ("IDENTITY_HEADER", "s3cret")],
                "add the query",
            ),
        ] {
            let error = of(variables).unwrap_err().to_string();
            assert!(error.contains(words) && !error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn it_asks_as_the_variables_say() {
        let newer = of(&[
            ("IDENTITY_ENDPOINT", "http://127.0.0.1:8421/msi/token"),
            ("IDENTITY_HEADER", "s3cret"),
            ("MSI_ENDPOINT", "http://elsewhere/"),
        ]);
        let request = newer.unwrap().request("https://a b/", Some("c"), None).unwrap();
        let query = "api-version=2019-08-01&resource=https%3A%2F%2Fa+b%2F&client_id=c";
        assert_eq!(request.uri(), format!("/msi/token?{query}").as_str());
        assert_eq!(request.headers()["host"], "127.0.0.1:8421");
        assert_eq!(request.headers()["x-identity-header"], "s3cret");
        assert!(!format!("{request:?}").contains("s3cret"));
        let older = of(&[("MSI_ENDPOINT", "http://[::1]:9/msi/token"), ("MSI_SECRET", "s3cret")]);
        let older = older.unwrap();
        assert_eq!(older.host(), "::1");
        let request = older.request("r", None, None).unwrap();
        assert_eq!(request.uri(), "/msi/token?api-version=2017-09-01&resource=r");
        assert_eq!(request.headers()["secret"], "s3cret");
    }

    #[test]
    fn it_asks_as_a_virtual_machine_where_only_that_variable_is_set() {
        for base in ["http://127.0.0.1:8421", "http://127.0.0.1:8421/"] {
            let imds = of(&[("AZURE_POD_IDENTITY_AUTHORITY_HOST", base)]).unwrap();
            let request = imds.request("r", Some("c"), None).unwrap();
            let target =
                "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=r&client_id=c";
            assert_eq!(request.uri(), target);
            assert_eq!(request.headers()["metadata"], "true");
        }
    }

    #[test]
    fn whoever_answers_cannot_have_it_print_the_secret_or_a_token() {
        let endpoint = of(&[
            ("IDENTITY_ENDPOINT", "http://127.0.0.1:8421/msi/token"),
            ("IDENTITY_HEADER", "s3cret"),
        ])
        .unwrap();
        for (message, shown) in [
            ("plain: words, v1.2.3 and eyJ", "plain: words, v1.2.3 and eyJ"),
            ("you sent s3cret.", "you sent [secret]."),
            ("tok eyJhbGciOi.eyJzdWIi.c2ln", "tok [token]"),
            ("\"eyJhbGciOi.eyJzdWIi.c2-_ln\", x=eyJh.eyJz.", "\"[token]\", x=[token]"),
        ] {
            assert_eq!(endpoint.blotted(message), shown);
        }
    }

    #[test]
    fn what_is_no_answer_of_the_endpoint_is_told_as_such() {
        let read = |status: u16, body: &'static str| {
            let response = Response::builder().status(status);
            read("h:1", &response.body(Bytes::from_static(body.as_bytes())).unwrap())
        };
        for (status, body, words) in [
            (200, "<html>", "no JSON"),
            (200, "{}", "no access_token"),
            (403, "{\"a\":1}", "does not say why"),
            (200, "[]", "no access_token"),
        ] {
            let error = read(status, body).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        let refused = read(503, "{\"message\":\"busy: later\"}").unwrap();
        assert!(
            matches!(refused, Answer::Refused { status: 503, message } if message == "busy: later")
        );
    }
}
