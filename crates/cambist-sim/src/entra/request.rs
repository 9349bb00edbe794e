//! The form of a token request.

use std::collections::BTreeMap;

use http::{Method, header};

use super::refusal::Refusal;
use crate::reply::Request;

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A well-formed request for a token by client assertion. Holds a secret, hence no `Debug`.
pub(super) struct TokenRequest {
    pub(super) client_id: String,
    pub(super) assertion: String,
    scope: String,
}

impl TokenRequest {
    pub(super) fn parse(request: &Request) -> Result<Self, Refusal> {
        if request.method() != Method::POST {
            let text = format!(
                "The endpoint only accepts POST, OPTIONS requests. Received a {} request.",
                request.method()
            );
            return Err(Refusal::new(900_561, text));
        }
        let mut form = form(request)?;
        let mut required = |name: &str| {
            let value = form.remove(name).filter(|value| !value.is_empty());
            value.ok_or_else(|| {
                let text =
                    format!("The request body must contain the following parameter: '{name}'.");
                Refusal::new(900_144, text)
            })
        };
        let grant = required("grant_type")?;
        if grant != "client_credentials" {
            let text = format!("The app requested an unsupported grant type '{grant}'.");
            return Err(Refusal::new(70_003, text));
        }
        let client_id = required("client_id")?;
        let scope = required("scope")?;
        if required("client_secret").is_ok() {
            return Err(Refusal::plain(7_000_215));
        }
        let (Ok(kind), Ok(assertion)) =
            (required("client_assertion_type"), required("client_assertion"))
        else {
            return Err(Refusal::plain(7_000_216));
        };
        if kind != ASSERTION_TYPE {
            return Err(Refusal::plain(9_002_313));
        }
        Ok(Self { client_id, assertion, scope })
    }

    /// The one resource the scope names: what stands before `/.default`, and nothing taken off it.
    pub(super) fn resource(&self) -> Result<&str, Refusal> {
        let mut scopes = self.scope.split_ascii_whitespace();
        let (Some(scope), None) = (scopes.next(), scopes.next()) else {
            let text = format!(
                "The provided value for the input parameter 'scope' is not valid because it \
                 contains more than one resource. Scope {} is not valid.",
                self.scope
            );
            return Err(Refusal::new(700_022, text));
        };
        scope.strip_suffix("/.default").filter(|resource| !resource.is_empty()).ok_or_else(|| {
            let text = format!(
                "The provided value for the input parameter 'scope' is not valid. The scope \
                 {scope} is not valid: it must end in /.default in this flow."
            );
            Refusal::new(1_002_012, text)
        })
    }
}

/// The scope a request asks for, if it can be told: for the journal.
pub(crate) fn scope(request: &Request) -> Option<String> {
    form(request).ok()?.remove("scope")
}

fn form(request: &Request) -> Result<BTreeMap<String, String>, Refusal> {
    let content_type = request.headers().get(header::CONTENT_TYPE);
    let is_form = content_type.and_then(|value| value.to_str().ok()).is_some_and(|value| {
        let essence = value.split(';').next().unwrap_or(value).trim();
        essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
    });
    if !is_form {
        return Err(Refusal::plain(9_002_313));
    }
    let mut form = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(request.body()) {
        if form.insert(name.into_owned(), value.into_owned()).is_some() {
            return Err(Refusal::plain(9_002_313));
        }
    }
    Ok(form)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn request(body: &str) -> Request {
        http::Request::post("https://login.sim.test/t/oauth2/v2.0/token")
            .header("content-type", "application/x-www-form-urlencoded; charset=utf-8")
            .body(Bytes::copy_from_slice(body.as_bytes()))
            .unwrap()
    }

    fn good() -> String {
        form_urlencoded::Serializer::new(String::new())
            .append_pair("client_assertion", "a.b.c")
            .append_pair("client_assertion_type", ASSERTION_TYPE)
            .append_pair("client_id", "me")
            .append_pair("grant_type", "client_credentials")
            .append_pair("scope", "https://management.azure.com//.default")
            .finish()
    }

    fn code(body: &str) -> u32 {
        match TokenRequest::parse(&request(body)) {
            Ok(parsed) => parsed.resource().unwrap_err().code(),
            Err(refusal) => refusal.code(),
        }
    }

    #[test]
    fn keeps_the_resource_as_it_is() {
        let parsed = TokenRequest::parse(&request(&good())).ok().unwrap();
        assert_eq!(parsed.resource().unwrap(), "https://management.azure.com/");
        assert_eq!(scope(&request(&good())).unwrap(), "https://management.azure.com//.default");
    }

    #[test]
    fn says_what_is_wrong_with_the_form() {
        let good = good();
        assert_eq!(code(""), 900_144);
        assert_eq!(code(&good.replace("client_id", "client")), 900_144);
        assert_eq!(code(&good.replace("client_credentials", "password")), 70_003);
        assert_eq!(code(&good.replace("client_assertion=", "assertion=")), 7_000_216);
        assert_eq!(code(&good.replace("jwt-bearer", "saml")), 9_002_313);
        assert_eq!(code(&format!("{good}&client_id=you")), 9_002_313);
        assert_eq!(code(&format!("{good}&client_secret=s")), 7_000_215);
        assert_eq!(code(&good.replace("%2F.default", "%2Fread")), 1_002_012);
        assert_eq!(code(&format!("{good}+api%3A%2F%2Fb%2F.default")), 700_022);
        let mut get = request(&good);
        *get.method_mut() = Method::GET;
        assert_eq!(TokenRequest::parse(&get).err().unwrap().code(), 900_561);
        let mut json = request(&good);
        json.headers_mut().insert("content-type", "application/json".parse().unwrap());
        assert_eq!(TokenRequest::parse(&json).err().unwrap().code(), 9_002_313);
    }
}
