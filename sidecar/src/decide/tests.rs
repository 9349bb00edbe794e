use cambist_core::policy::Identity;
use http::Version;

use super::*;
use crate::testing::{LOOPBACK, of_one};

const SECRET: &str = "0123456789abcdef";
const CLIENT: &str = "00000000-0000-0000-0000-00000000000A";
const MSI: &str = "/msi/token?api-version=2019-08-01&resource=https://vault.azure.net";
const IMDS: &str =
    "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://vault.azure.net";
const NATIVE: &str = "/v1/token?scope=https://vault.azure.net/.default";

fn of(protocols: &[Protocol], secret: Option<&str>) -> Access {
    of_one(protocols, secret, Identity::new("identity", CLIENT))
}

fn policy() -> Access {
    of(&Protocol::ALL, Some(SECRET))
}

/// The one request that yields a token by App Service, IMDS or the native protocol.
fn good(target: &str) -> http::request::Builder {
    let proof = if target.to_ascii_lowercase().contains("metadata/") {
        ("metadata", "true")
    } else {
        ("X-IDENTITY-HEADER", SECRET)
    };
    Request::get(target).header("Host", "127.0.0.1:8421").header(proof.0, proof.1)
}

fn verdict(request: http::request::Builder) -> Result<(Protocol, String), Reason> {
    let request = request.body(()).expect("the test's request is a request");
    decide(&policy(), LOOPBACK, &request)
        .map(|asked| (asked.protocol, asked.resource.as_str().to_owned()))
        .map_err(|rejection| rejection.reason())
}

#[track_caller]
fn yields(request: http::request::Builder, protocol: Protocol, resource: &str) {
    assert_eq!(verdict(request), Ok((protocol, resource.to_owned())));
}

#[track_caller]
fn refused(request: http::request::Builder, reason: Reason) {
    let shown = format!("{request:?}");
    assert_eq!(verdict(request), Err(reason), "{shown}");
}

#[test]
fn each_protocol_yields_a_token_by_its_one_shape() {
    let vault = "https://vault.azure.net";
    yields(good(MSI), Protocol::AppService, vault);
    yields(good(IMDS), Protocol::Imds, vault);
    yields(good(NATIVE), Protocol::Native, vault);
    yields(
        good("/msi/token?resource=https%3A%2F%2Fvault.azure.net%2F&api-version=2017-09-01"),
        Protocol::AppService,
        "https://vault.azure.net/",
    );
    yields(
        good("/msi/token?Resource=api://x/.default&API-VERSION=2019-07-01-preview&xms_cc=cp1"),
        Protocol::AppService,
        "api://x/.default",
    );
    yields(good("/v1/token?scope=https%3A%2F%2Fa%2F%2F.default"), Protocol::Native, "https://a/");
}

#[test]
fn what_sdks_send_beside_is_tolerated() {
    let tolerated = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("content-length", "0"),
        ("x-client-sku", "MSAL.JS"),
        ("metadata", "true"),
        ("accept", "*/*"),
        ("x-ms-client-request-id", "1"),
    ];
    for (name, value) in tolerated {
        yields(good(MSI).header(name, value), Protocol::AppService, "https://vault.azure.net");
    }
    // Rust's SDK sends the header secret to the metadata service, too.
    yields(good(IMDS).header("x-identity-header", "x"), Protocol::Imds, "https://vault.azure.net");
}

#[test]
fn the_message_must_be_framed_beyond_doubt() {
    for (name, value) in [
        ("content-length", "1"),
        ("content-length", "00"),
        ("content-length", "+0"),
        ("content-length", "0, 0"),
        ("transfer-encoding", "chunked"),
        ("transfer-encoding", "identity"),
        ("transfer-encoding", ""),
    ] {
        refused(good(MSI).header(name, value), Reason::Body);
    }
    refused(good(MSI).header("content-length", "0").header("content-length", "0"), Reason::Body);
    for version in [Version::HTTP_09, Version::HTTP_10, Version::HTTP_2] {
        refused(good(MSI).version(version), Reason::HttpVersion);
    }
}

#[test]
fn the_host_must_be_this_listener() {
    let with = |host: &str| {
        Request::get(MSI).header("X-IDENTITY-HEADER", SECRET).header("Host", host.to_owned())
    };
    for host in ["127.0.0.1:8421", "localhost:8421", "LocalHost:8421", "[::1]:8421"] {
        yields(with(host), Protocol::AppService, "https://vault.azure.net");
    }
    for host in [
        "",
        "127.0.0.1",
        "localhost",
        "127.0.0.1:8422",
        "127.0.0.1:08421",
        "127.0.0.1:+8421",
        "127.0.0.1:8421 ",
        "127.0.0.1:8421,evil",
        "127.0.0.2:8421",
        "127.1:8421",
        "2130706433:8421",
        "localhost.:8421",
        "::1:8421",
        "[::]:8421",
        "0.0.0.0:8421",
        "evil.example:8421",
        "user@localhost:8421",
        "localhost:8421@evil.example",
    ] {
        refused(with(host), Reason::HostNotAllowed);
    }
    refused(Request::get(MSI).header("X-IDENTITY-HEADER", SECRET), Reason::Host);
    refused(good(MSI).header("Host", "127.0.0.1:8421"), Reason::Host);
    refused(good(MSI).header("Host", "evil.example"), Reason::Host);
}

#[test]
fn an_absolute_target_is_for_proxies() {
    let absolute = |base: &str| good(&format!("{base}{MSI}"));
    for base in [
        "http://127.0.0.1:8421",
        "http://evil.example",
        "http://evil.example:8421",
        "http://localhost:8421",
        "http://user@127.0.0.1:8421",
        "https://127.0.0.1:8421",
        "ftp://127.0.0.1:8421",
    ] {
        refused(absolute(base), Reason::Host);
    }
}

#[test]
fn proxies_and_browsers_are_refused() {
    for name in
        ["X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded", "Forwarded", "Via", "X-Real-IP"]
    {
        refused(good(MSI).header(name, ""), Reason::Forwarded);
        refused(good(IMDS).header(name, "127.0.0.1"), Reason::Forwarded);
    }
    for name in ["Origin", "Sec-Fetch-Site", "Sec-Fetch-Dest"] {
        refused(good(NATIVE).header(name, "null"), Reason::Browser);
        refused(good(NATIVE).header("sec-fetch-mode", "cors").header(name, ""), Reason::Browser);
    }
}

#[test]
fn nodes_own_fetch_is_no_browser() {
    let fetched = |target| {
        let request = good(target).header("connection", "keep-alive").header("accept", "*/*");
        let request = request.header("accept-language", "*").header("sec-fetch-mode", "cors");
        request.header("user-agent", "node").header("accept-encoding", "gzip, deflate")
    };
    for (target, protocol) in
        [(MSI, Protocol::AppService), (NATIVE, Protocol::Native), (IMDS, Protocol::Imds)]
    {
        yields(fetched(target), protocol, "https://vault.azure.net");
    }
}

#[test]
fn the_list_of_paths_is_closed() {
    let query = "?api-version=2018-02-01&resource=https://vault.azure.net";
    for path in [
        "/metadata/identity/oauth2/token",
        "//metadata/identity/oauth2/token",
        "/metadata/identity/oauth2/token/",
        "//METADATA/identity/oauth2/token/",
        "/MetaData/identity/oauth2/token",
    ] {
        yields(good(&format!("{path}{query}")), Protocol::Imds, "https://vault.azure.net");
    }
    for path in [
        "/",
        "/metadata/identity/getplatformmetadata",
        "/metadata/identity/oauth2/token//",
        "///metadata/identity/oauth2/token",
        "/metadata//identity/oauth2/token",
        "/metadata/identity/OAuth2/token",
        "/metadata/identity/oauth2/TOKEN",
        "/metadata/identity%2foauth2/token",
        "/metadata/identity/oauth2/token%00",
        "/metadata/./identity/oauth2/token",
        "/metadata/identity/x/../oauth2/token",
        "/%6detadata/identity/oauth2/token",
        "/metadata;a=b/identity/oauth2/token",
        "/metadata/identity/oauth2/token;a=b",
        "/metadata/identity%5coauth2%5ctoken/",
        "/x/metadata/identity/oauth2/token",
        "/metadata/instance",
        "/msi/token//",
        "//msi/token",
        "/MSI/token",
        "/msi/token;x",
        "/msi%2ftoken",
        "/v1/token/",
        "/v1/Token",
        "/v1",
        "/live",
        "/metrics",
    ] {
        let both = good(&format!("{path}{query}"))
            .header("X-IDENTITY-HEADER", SECRET)
            .header("Metadata", "true");
        refused(both, Reason::Path);
    }
    refused(good("*"), Reason::Path);
    // CVE-2022-23551: `\` taken for `/` by one of two parsers.
    if let Ok(request) = good("/metadata/identity\\oauth2\\token/").body(()) {
        assert_eq!(decide(&policy(), LOOPBACK, &request).unwrap_err().reason(), Reason::Path);
    }
}

#[test]
fn who_asks_at_a_wrong_path_is_told_the_right_one() {
    for (path, fix) in [
        ("/", "IDENTITY_ENDPOINT (or MSI_ENDPOINT) ends in /msi/token"),
        ("/msi/tokens", "IDENTITY_ENDPOINT (or MSI_ENDPOINT) ends in /msi/token"),
        ("/metadata/identity", "a whole URL ends in /metadata/identity/oauth2/token"),
        (
            "/metadata/identity/oauth2/token/metadata/identity/oauth2/token",
            "AZURE_POD_IDENTITY_AUTHORITY_HOST is http://HOST:PORT alone",
        ),
    ] {
        let request = good(path).body(()).unwrap();
        let refused = decide(&policy(), LOOPBACK, &request).unwrap_err();
        assert_eq!(refused.reason(), Reason::Path);
        assert!(refused.to_string().contains(fix), "{path}: {refused}");
    }
}

#[test]
fn only_get_is_answered() {
    for method in ["POST", "PUT", "HEAD", "OPTIONS", "DELETE", "PATCH", "TRACE", "get"] {
        refused(good(MSI).method(method), Reason::Method);
    }
}

#[test]
fn what_is_closed_yields_nothing() {
    let closed = of(&[Protocol::AppService], Some(SECRET));
    let bare = of(&Protocol::ALL, None);
    for (policy, target, open) in [
        (&closed, MSI, true),
        (&closed, IMDS, false),
        (&closed, NATIVE, false),
        (&bare, MSI, false),
        (&bare, NATIVE, false),
        (&bare, IMDS, true),
    ] {
        let request = good(target).body(()).unwrap();
        let verdict = decide(policy, LOOPBACK, &request).map_err(|r| r.reason());
        assert_eq!(verdict.is_ok(), open, "{target}");
        assert!(open || verdict == Err(Reason::ProtocolClosed));
    }
}

#[test]
fn the_app_must_know_the_secret() {
    let bare = |target: &str| Request::get(target).header("Host", "127.0.0.1:8421");
    for target in [MSI, NATIVE] {
        refused(bare(target), Reason::IdentityHeader);
        refused(bare(target).header("Metadata", "true"), Reason::IdentityHeader);
        for wrong in ["", "0123456789abcdeF", "0123456789abcde", "0123456789abcdef0"] {
            refused(bare(target).header("x-identity-header", wrong), Reason::IdentityHeader);
        }
        refused(good(target).header("x-identity-header", SECRET), Reason::IdentityHeader);
        // Under either of its names, and once.
        let twice = bare(target).header("secret", SECRET).header("secret", SECRET);
        refused(twice, Reason::IdentityHeader);
        // The older name makes nothing good that the newer one says.
        let both = bare(target).header("x-identity-header", "wrong").header("secret", SECRET);
        refused(both, Reason::IdentityHeader);
        refused(bare(target).header("secret", "0123456789abcdeF"), Reason::IdentityHeader);
        let by_secret = bare(target).header("Secret", SECRET).body(()).unwrap();
        assert!(decide(&policy(), LOOPBACK, &by_secret).is_ok(), "{target}");
    }
    // Even a request that asks for nonsense must prove itself first.
    refused(bare("/msi/token"), Reason::IdentityHeader);
}

#[test]
fn imds_must_be_asked_with_its_header() {
    let with =
        |value: &str| Request::get(IMDS).header("Host", "[::1]:8421").header("Metadata", value);
    for value in ["true", "True", "TRUE"] {
        yields(with(value), Protocol::Imds, "https://vault.azure.net");
    }
    for value in ["", "false", "1", "true,true", " true"] {
        refused(with(value), Reason::MetadataHeader);
    }
    refused(with("true").header("metadata", "true"), Reason::MetadataHeader);
    refused(Request::get(IMDS).header("Host", "[::1]:8421"), Reason::MetadataHeader);
}

#[test]
fn the_query_must_mean_one_thing() {
    let twice = [
        "&resource=https://other",
        "&Resource=https://vault.azure.net",
        "&%72esource=x",
        "&api-version=2019-08-01",
        "&a=1&A=2",
    ];
    for extra in twice {
        refused(good(&format!("{MSI}{extra}")), Reason::Query);
        refused(good(&format!("{IMDS}{extra}")), Reason::Query);
    }
    for bad in ["&x=%", "&x=%zz", "&x=%ff", "&%c3=1"] {
        refused(good(&format!("{MSI}{bad}")), Reason::Query);
    }
    for (target, reason) in [
        ("/msi/token", Reason::ApiVersion),
        ("/msi/token?resource=x", Reason::ApiVersion),
        ("/msi/token?resource=x&api-version=", Reason::ApiVersion),
        ("/msi/token?resource=x&api-version=latest", Reason::ApiVersion),
        ("/msi/token?resource=x&api-version=2019-08-1", Reason::ApiVersion),
        ("/msi/token?resource=x&api-version=2019-08-01x", Reason::ApiVersion),
        ("/msi/token?resource=x&api-version=2019-08-01-", Reason::ApiVersion),
        ("/msi/token?api-version=2019-08-01", Reason::Resource),
        ("/msi/token?api-version=2019-08-01&resource=", Reason::Resource),
        ("/msi/token?api-version=2019-08-01&resource=/.default", Reason::Resource),
        ("/msi/token?api-version=2019-08-01&resource=https://a+https://b", Reason::Resource),
        ("/msi/token?api-version=2019-08-01&resource=https://a%20https://b", Reason::Resource),
        ("/msi/token?api-version=2019-08-01&resource=a%0d%0ab", Reason::Resource),
        ("/msi/token?api-version=2019-08-01&resource=%22", Reason::Resource),
        ("/msi/token?api-version=2019-08-01&scope=https://a/.default", Reason::Resource),
        ("/v1/token", Reason::Scope),
        ("/v1/token?resource=https://a", Reason::Scope),
        ("/v1/token?scope=https://a", Reason::Scope),
        ("/v1/token?scope=https://a/user_impersonation", Reason::Scope),
        ("/v1/token?scope=https://a/.default+https://b/.default", Reason::Scope),
    ] {
        refused(good(target), reason);
    }
}

#[test]
fn the_native_protocol_takes_a_least_lifetime() {
    let ttl = |text: &str| {
        let request = good(&format!("{NATIVE}&min_ttl={text}")).body(()).unwrap();
        decide(&policy(), LOOPBACK, &request).map(|asked| asked.min_ttl).map_err(|r| r.reason())
    };
    assert_eq!(ttl("600"), Ok(Some(Duration::from_secs(600))));
    assert_eq!(ttl("0"), Ok(Some(Duration::ZERO)));
    for bad in ["", "-1", "+1", "1.5", "86401", "99999999999999999999", "1m"] {
        assert_eq!(ttl(bad), Err(Reason::MinTtl), "{bad}");
    }
    // It means nothing elsewhere.
    yields(good(&format!("{MSI}&min_ttl=x")), Protocol::AppService, "https://vault.azure.net");
}

#[test]
fn an_identity_may_be_selected_by_any_of_its_names() {
    let mut identity = Identity::new("identity", CLIENT);
    identity.object_id = Some("object".to_owned());
    identity.resource_id = Some("/subscriptions/s/x".to_owned());
    let policy = of_one(&Protocol::ALL, Some(SECRET), identity);
    let ask = |policy: &Access, selectors: &str| {
        let request = good(&format!("{MSI}&{selectors}")).body(()).unwrap();
        decide(policy, LOOPBACK, &request).map(drop).map_err(|r| r.reason())
    };
    let mine = CLIENT.to_lowercase();
    for (names, value) in [
        (&["client_id", "clientid", "CLIENT_ID"][..], mine.as_str()),
        (&["object_id", "principal_id", "principalId"][..], "OBJECT"),
        (&["msi_res_id", "mi_res_id", "msi-res-id", "resource_id"][..], "%2Fsubscriptions%2Fs%2FX"),
    ] {
        for name in names {
            assert_eq!(ask(&policy, &format!("{name}={value}")), Ok(()), "{name}");
            let other = ask(&policy, &format!("{name}=other"));
            assert_eq!(other, Err(Reason::IdentityNotFound), "{name}");
        }
    }
    assert_eq!(ask(&policy, &format!("client_id={mine}&clientid={CLIENT}")), Ok(()));
    for two in [
        format!("client_id={mine}&object_id=object"),
        format!("client_id={mine}&clientid=other"),
        "object_id=object&msi_res_id=x".to_owned(),
    ] {
        assert_eq!(ask(&policy, &two), Err(Reason::IdentityConflict), "{two}");
    }
    let mut anybody = Identity::new("developer", "developer");
    anybody.anybody = true;
    let policy = of_one(&Protocol::ALL, Some(SECRET), anybody);
    assert_eq!(ask(&policy, "client_id=whoever"), Ok(()));
    assert_eq!(ask(&policy, "client_id=a&object_id=b"), Err(Reason::IdentityConflict));
    // Unknown here: it cannot be told to be ours.
    let unknown = self::policy();
    assert_eq!(ask(&unknown, "object_id=object"), Err(Reason::IdentityNotFound));
    assert_eq!(ask(&unknown, "client_id="), Err(Reason::IdentityNotFound));
}

#[test]
fn the_secret_is_in_no_verdict() {
    let policy = policy();
    let request = good("/msi/token").body(()).unwrap();
    let rejection = decide(&policy, LOOPBACK, &request).unwrap_err();
    let text = format!("{rejection} {rejection:?} {policy:?}");
    assert!(!text.contains(SECRET), "{text}");
    for wrong in ["hunter2hunter2hunter2", ""] {
        let request = Request::get(MSI)
            .header("Host", "localhost:8421")
            .header("x-identity-header", wrong)
            .body(())
            .unwrap();
        let text = decide(&policy, LOOPBACK, &request).unwrap_err().to_string();
        assert!(!text.contains("hunter2"), "what was presented may be a neighbour's: {text}");
    }
}
