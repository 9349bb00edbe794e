//! The form of a token request.

use std::collections::BTreeMap;

use http::{Method, header};

use super::refusal::Refusal;
use super::resources::is_resource;
use super::{answer, assertion};
use crate::reply::Request;

/// What each scope of an app's own ends in.
const DEFAULT: &str = "/.default";
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Scopes of OpenID Connect, which some SDKs send with every other, and which say nothing of a resource.
const OPENID: [&str; 4] = ["openid", "profile", "email", "offline_access"];

/// A well-formed request for a token by client assertion. Holds a secret, hence no `Debug`.
pub(super) struct TokenRequest {
    pub(super) client_id: String,
    pub(super) assertion: String,
    /// For which of its agents a blueprint asks.
    pub(super) fmi_path: Option<String>,
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
        let scope = required("scope").map_err(|_| {
            let text = "The required field 'scope' is missing from the credential. Ensure that you have \
                        all the necessary parameters for the login request.";
            Refusal::new(90_014, text)
        })?;
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
        Ok(Self { client_id, assertion, fmi_path: form.remove("fmi_path"), scope })
    }

    /// The one resource the scope names: what stands before `/.default`, and nothing taken off it.
    pub(super) fn resource(&self) -> Result<&str, Refusal> {
        let scopes = self.scope.split_ascii_whitespace();
        let scopes: Vec<_> = scopes.filter(|scope| !OPENID.contains(scope)).collect();
        if !scopes.iter().any(|scope| scope.ends_with(DEFAULT)) {
            let text = format!(
                "The provided value for scope {} is not valid. Client credential flows must have a \
                 scope value with /.default suffixed to the resource identifier (application ID URI).",
                self.scope
            );
            return Err(Refusal::new(1_002_012, text));
        }
        let [scope] = scopes[..] else { return Err(self.invalid("")) };
        scope.strip_suffix(DEFAULT).filter(|resource| is_resource(resource)).ok_or_else(|| {
            self.invalid(
                " The scope format is invalid. Scope must be in a valid URI form \
                 <https://example/scope> or a valid Guid <guid/scope>.",
            )
        })
    }

    fn invalid(&self, more: &str) -> Refusal {
        let text = format!(
            "The provided request must include a 'scope' input parameter. The provided value for the \
             input parameter 'scope' is not valid. The scope {} is not valid.{more}",
            self.scope
        );
        Refusal::new(70_011, text)
    }
}

/// What can be told of a token request that is nobody's secret: for the journal.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) client: Option<String>,
    pub(crate) scope: Option<String>,
    /// The assertion's `jti`.
    pub(crate) assertion: Option<String>,
    /// The id that the client gave it.
    pub(crate) request_id: Option<String>,
}

impl Told {
    pub(crate) fn by(request: &Request) -> Self {
        let request_id = answer::correlation(request);
        let Ok(mut form) = form(request) else { return Self { request_id, ..Self::default() } };
        let assertion = form.get("client_assertion").and_then(|it| assertion::id(it));
        let (client, scope) = (form.remove("client_id"), form.remove("scope"));
        Self { client, scope, assertion, request_id }
    }
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
        let told = Told::by(&request(&good()));
        assert_eq!(told.scope.unwrap(), "https://management.azure.com//.default");
        assert_eq!(told.client.unwrap(), "me");
    }

    #[test]
    fn says_what_is_wrong_with_the_scope() {
        let asked = |scope: &str| {
            let (client_id, assertion) = ("me".to_owned(), "a.b.c".to_owned());
            TokenRequest { client_id, assertion, fmi_path: None, scope: scope.to_owned() }
        };
        for scope in ["openid", "User.Read", "openid offline_access profile", ".default"]
            .into_iter()
            .chain(["https://vault.azure.net", "https://vault.azure.net/user_impersonation", " "])
        {
            assert_eq!(asked(scope).resource().unwrap_err().code(), 1_002_012, "{scope}");
        }
        for scope in [
            "https://a/.default https://b/.default",
            "/.default",
            "orders/.default",
            "vault.azure.net/.default",
            "my vault/.default",
        ] {
            assert_eq!(asked(scope).resource().unwrap_err().code(), 70_011, "{scope}");
        }
        for (scope, resource) in [
            ("api://orders/.default", "api://orders"),
            ("https://a/.default/.default", "https://a/.default"),
            (
                "00000003-0000-0000-c000-000000000000/.default",
                "00000003-0000-0000-c000-000000000000",
            ),
        ] {
            assert_eq!(asked(scope).resource().unwrap(), resource);
        }
    }

    #[test]
    fn takes_the_scopes_that_sdks_send_besides() {
        let more = good().replace("%2F.default", "%2F.default+openid+offline_access+profile");
        let parsed = TokenRequest::parse(&request(&more)).ok().unwrap();
        assert_eq!(parsed.resource().unwrap(), "https://management.azure.com/");
    }

    #[test]
    fn says_what_is_wrong_with_the_form() {
        let good = good();
        assert_eq!(code(""), 900_144);
        assert_eq!(code(&good.replace("client_id", "client")), 900_144);
        assert_eq!(code(&good.replace("scope=", "resource=")), 90_014);
        assert_eq!(code(&good.replace("client_credentials", "password")), 70_003);
        assert_eq!(code(&good.replace("client_assertion=", "assertion=")), 7_000_216);
        assert_eq!(code(&good.replace("jwt-bearer", "saml")), 9_002_313);
        assert_eq!(code(&format!("{good}&client_id=you")), 9_002_313);
        assert_eq!(code(&format!("{good}&client_secret=s")), 7_000_215);
        let mut get = request(&good);
        *get.method_mut() = Method::GET;
        assert_eq!(TokenRequest::parse(&get).err().unwrap().code(), 900_561);
        let mut json = request(&good);
        json.headers_mut().insert("content-type", "application/json".parse().unwrap());
        assert_eq!(TokenRequest::parse(&json).err().unwrap().code(), 9_002_313);
    }
}
