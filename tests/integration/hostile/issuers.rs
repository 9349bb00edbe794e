//! The corpus of issuers: what stands in the place of a discovery document, of a key set, of a
//! certificate.

use serde_json::{Value, json};

use super::server::{Asked, Case, discovery, document, response};

/// Turns the direction of what follows, hides, and looks like what it is not.
pub(super) const BIDI: &str = "\u{202e}gnp.exe\u{2066}\u{200b}\u{feff}\u{430}pple\u{2029}\u{61c}";

/// Ends lines, moves the cursor, clears the screen, sets a terminal's title.
pub(super) const CONTROLS: &str =
    "a\r\n{\"level\":\"ERROR\"}\u{1b}[2J\u{1b}]0;owned\u{7}\u{8}\u{0}\u{7f}\u{9b}31m\u{85}";

const MEGABYTE: usize = 1024 * 1024;

/// What a single text may be.
pub(super) fn texts() -> [(&'static str, String); 5] {
    [
        ("long", "x".repeat(50_000)),
        ("quotes", "\"\\".repeat(20_000)),
        ("controls", format!("{BIDI}{CONTROLS}é").repeat(500)),
        ("a forged line", "\r\n{\"level\":\"ERROR\",\"message\":\"forged\"}".repeat(1000)),
        ("letters that look alike", "AADSTS700213: \u{430}\u{440}\u{440}\u{2028}".repeat(2000)),
    ]
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = documents();
    cases.extend(key_sets());
    cases.extend(messages());
    cases.extend(certificates());
    for (name, text) in texts() {
        // Documents are read up to 64 KiB.
        let short: String = text.chars().take(2000).collect();
        cases.push(member(&format!("{name}, an issuer"), "issuer", short.as_str()));
        cases.push(member(&format!("{name}, a jwks_uri"), "jwks_uri", short.as_str()));
        let odd = json!({"kty": text, "crv": text, "kid": text, "alg": text, "use": text});
        cases.push(beside(&format!("{name}, everywhere"), move |_| vec![odd.clone()]));
        let named = move |good: &Value| {
            let name = |n: usize| format!("{n}{}", text.chars().take(1000).collect::<String>());
            let key = |n| {
                let mut key = good.clone();
                key["kid"] = name(n).into();
                key
            };
            (0..99).map(key).collect::<Vec<_>>()
        };
        cases.push(beside(&format!("{name}, a hundred kids"), named));
    }
    cases
}

/// An issuer whose discovery document is like this.
fn discovery_is(name: &str, answer: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static) -> Case {
    Case::new(&format!("discovery, {name}"), answer)
}

/// An issuer whose discovery document differs in one member.
fn member(name: &str, member: &'static str, value: impl Into<Value>) -> Case {
    let value = value.into();
    discovery_is(name, move |asked| {
        let mut good = discovery(asked);
        good[member] = value.clone();
        document(good.to_string())
    })
}

/// An issuer whose discovery document is as it should be, and whose key set is like this.
fn keys(name: &str, answer: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static) -> Case {
    Case::new(&format!("keys, {name}"), move |asked| {
        if asked.path.ends_with("openid-configuration") {
            document(discovery(asked).to_string())
        } else {
            answer(asked)
        }
    })
}

/// A key set of these keys beside the one that signs.
fn beside(name: &str, others: impl Fn(&Value) -> Vec<Value> + Send + Sync + 'static) -> Case {
    keys(name, move |asked| {
        let mut all = others(&asked.key);
        all.push(asked.key.clone());
        document(json!({"keys": all}).to_string())
    })
}

/// A key set in which one member of the signing key is another.
fn key_member(name: &str, member: &'static str, value: impl Into<Value>) -> Case {
    let value = value.into();
    beside(name, move |good| {
        let mut odd = good.clone();
        odd[member] = value.clone();
        vec![odd]
    })
}

fn documents() -> Vec<Case> {
    let long = "x".repeat(50_000);
    let text = |name: &str, text: String| discovery_is(name, move |_| document(&text));
    vec![
        text("a web page", "<!DOCTYPE html><title>Sign in</title>".repeat(500)),
        text("nothing", String::new()),
        text("null", "null".to_owned()),
        text("a long text", format!("\"{long}\"")),
        text("an array in an array", format!("{}{}", "[".repeat(20_000), "]".repeat(20_000))),
        text("an object in an object", "{\"issuer\":".repeat(5000)),
        text("cut off", "{\"issuer\":\"https://a".to_owned()),
        text("members twice", "{\"issuer\":\"a\",\"issuer\":\"b\"}".to_owned()),
        text("a long member", format!("{{\"{long}\":1}}")),
        text("bidi members", format!("{{\"{BIDI}\":1,\"issuer\":{}}}", json!(BIDI))),
        discovery_is("no UTF-8", |_| {
            document([b"{\"issuer\":\"".as_slice(), &[0xff; 500], b"\"}"].concat())
        }),
        discovery_is("UTF-16", |_| {
            let units = "{\"issuer\":\"https://a/\"}".encode_utf16();
            document([vec![0xff, 0xfe], units.flat_map(u16::to_le_bytes).collect()].concat())
        }),
        discovery_is("ten megabytes", |_| document("[".to_owned() + &" ".repeat(10 * MEGABYTE))),
        member("a long issuer", "issuer", format!("https://{long}/")),
        member("a bidi issuer", "issuer", format!("https://{BIDI}/")),
        member("an issuer with controls", "issuer", CONTROLS),
        member("an issuer with a password", "issuer", "https://user:password@127.0.0.1/"),
        member("an issuer of no type", "issuer", json!({"a": [1, 2, long]})),
        member("a long jwks_uri", "jwks_uri", format!("https://127.0.0.1/{long}")),
        member("a bidi jwks_uri", "jwks_uri", format!("https://{BIDI}/keys")),
        member("a jwks_uri with controls", "jwks_uri", format!("https://127.0.0.1/{CONTROLS}")),
        member("a jwks_uri of a file", "jwks_uri", "file:///etc/passwd"),
        member("a jwks_uri without TLS", "jwks_uri", "http://127.0.0.1:9/keys"),
        member("a jwks_uri elsewhere", "jwks_uri", "https://a:secret-of-mine@127.0.0.2:9/keys"),
        member("a jwks_uri of metadata", "jwks_uri", "https://169.254.169.254/keys"),
        member("a jwks_uri of no type", "jwks_uri", json!([[[[]]]])),
        member(
            "ten thousand algorithms",
            "id_token_signing_alg_values_supported",
            vec![BIDI; 1000],
        ),
        member(
            "a long algorithm",
            "id_token_signing_alg_values_supported",
            json!([long, CONTROLS]),
        ),
    ]
}

fn key_sets() -> Vec<Case> {
    let long = "x".repeat(50_000);
    let text = |name: &str, text: String| keys(name, move |_| document(&text));
    let kids = |count: usize, kid: &'static str| {
        move |good: &Value| {
            let odd = |n: usize| {
                let mut key = good.clone();
                key["kid"] = format!("{kid}{n}").into();
                key["kty"] = format!("{kid}{n}").into();
                key
            };
            (0..count).map(odd).collect::<Vec<_>>()
        }
    };
    vec![
        text("a web page", "<!DOCTYPE html><title>Sign in</title>".to_owned()),
        text("a long text", format!("\"{long}\"")),
        text("keys of no type", format!("{{\"keys\":{{\"{BIDI}\":\"{long}\"}}}}")),
        text("keys that are texts", format!("{{\"keys\":[\"{long}\",\"{BIDI}\"]}}")),
        text("deep", format!("{{\"keys\":{}{}}}", "[".repeat(20_000), "]".repeat(20_000))),
        text("numbers that are none", "{\"keys\":[{\"kty\":1e999}]}".to_owned()),
        keys("a key in an array in an array", |it| document(format!("[[{}]]", it.key))),
        keys("too large", |it| {
            document(json!({"keys": [it.key], "more": "x".repeat(MEGABYTE)}).to_string())
        }),
        beside("a hundred odd keys", kids(99, "odd-")),
        beside("a hundred bidi keys", kids(99, BIDI)),
        beside("a thousand odd keys", kids(999, "odd-")),
        beside("one key a hundred times", |good| vec![good.clone(); 99]),
        beside("keys that are no keys", |_| {
            vec![json!(BIDI), json!([CONTROLS]), json!(null), json!(7)]
        }),
        beside("short keys", |_| vec![cambist_sim::keys::odd::OddKey::Short.jwk(); 20]),
        key_member("a kid of 10 KB", "kid", "k".repeat(10_000)),
        key_member("a bidi kid", "kid", BIDI),
        key_member("a kid with controls", "kid", CONTROLS),
        key_member("a kid of no type", "kid", json!({"a": long})),
        key_member("a long kty", "kty", long.as_str()),
        key_member("a kty with controls", "kty", CONTROLS),
        key_member("a long alg", "alg", long.as_str()),
        key_member("a bidi alg", "alg", BIDI),
        key_member("a long use", "use", long.as_str()),
        key_member("long key_ops", "key_ops", json!([long, BIDI, CONTROLS])),
        key_member("a long x5c", "x5c", json!([long])),
        key_member("a modulus of 50,000 digits", "n", long.as_str()),
        key_member("a modulus with controls", "n", CONTROLS),
        key_member("an exponent of 50,000 digits", "e", long.as_str()),
    ]
}

/// What is wrong with the message and not with the document.
fn messages() -> Vec<Case> {
    let answered = |name: &str, status: &'static str, headers: String, body: String| {
        Case::new(&format!("answered, {name}"), move |_| response(status, &headers, &body))
    };
    let none = String::new;
    let page = "<html>no</html>\n".repeat(MEGABYTE / 16);
    let raw =
        |name: &str, bytes: Vec<u8>| Case::new(&format!("raw, {name}"), move |_| bytes.clone());
    vec![
        answered("406 at length", "406 Not Acceptable", none(), page.clone()),
        answered("500 at length", "500 Internal Server Error", none(), page.clone()),
        answered("404 bidi", "404 Not Found", none(), BIDI.repeat(1000)),
        answered("401 controls", "401 Unauthorized", none(), CONTROLS.repeat(1000)),
        answered(
            "403 JSON",
            "403 Forbidden",
            none(),
            json!({"message": BIDI.repeat(500)}).to_string(),
        ),
        answered(
            "a redirect",
            "302 Found",
            "Location: https://127.0.0.1:9/?a=secret\r\n".to_owned(),
            none(),
        ),
        answered(
            "a long redirect",
            "301 M",
            format!("Location: https://a/{}\r\n", "x".repeat(50_000)),
            none(),
        ),
        answered("a bidi redirect", "307 T", format!("Location: https://{BIDI}/\r\n"), none()),
        answered("a long reason", "503 down", format!("X-A: {}\r\n", "y".repeat(300_000)), none()),
        answered("a status of its own", "999 \u{202e}reason", none(), none()),
        answered(
            "a wait of ages",
            "503 S",
            "Retry-After: 99999999999999999999\r\n".to_owned(),
            none(),
        ),
        answered("another type", "200 OK", format!("Content-Type: {BIDI}\r\n"), "{}".to_owned()),
        answered("compressed", "200 OK", "Content-Encoding: gzip\r\n".to_owned(), BIDI.repeat(10)),
        answered(
            "dates of no time",
            "200 OK",
            "Date: Fri, 99 Foo 99999\r\nAge: -1\r\nLast-Modified: \u{7f}\r\n".to_owned(),
            "{}".to_owned(),
        ),
        raw("nothing", Vec::new()),
        raw("no HTTP", b"\x1b[2JSSH-2.0-\xff\r\n".to_vec()),
        raw(
            "a long status line",
            format!("HTTP/1.1 200 {}\r\n\r\n", "z".repeat(200_000)).into_bytes(),
        ),
        raw(
            "a head without an end",
            format!("HTTP/1.1 200 OK\r\n{}", "A: b\r\n".repeat(50_000)).into_bytes(),
        ),
        raw("many announcements", b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(20_000)),
        raw(
            "a body shorter than said",
            b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"issuer\"".to_vec(),
        ),
        raw(
            "two lengths",
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}".to_vec(),
        ),
        raw(
            "odd chunks",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\x1b[2J\r\n{}".to_vec(),
        ),
    ]
}

fn certificates() -> Vec<Case> {
    let named = |name: &str| Case::new(&format!("certificate, {name}"), |_| document("{}"));
    // As many as a certificate that TLS libraries read has room for.
    let other = |n: usize| format!("name-{n}.others.example");
    vec![
        named("for 2,000 others").hosts((0..2000).map(other).collect()),
        named("for one other").hosts(vec!["a.example".to_owned()]),
        named("for a bidi other").hosts(vec!["a.example".to_owned()]).authority(BIDI),
        named("by a long authority").authority(&"x".repeat(10_000)),
        named("by one with controls").authority(CONTROLS),
        Case::new("no TLS, HTTP", |_| response("200 OK", "", BIDI)).plain(),
        Case::new("no TLS, noise", |_| b"\x15\x03\x01\x00\x02\x02\x28\x1b[2J".to_vec()).plain(),
        Case::new("no TLS, nothing", |_| Vec::new()).plain(),
    ]
}
