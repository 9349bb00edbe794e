use super::*;

const PORT: u16 = 8422;
const OPEN: &[&str] = &["/live", "/ready", "/metrics"];
const PAGES: &[&str] = &["/status"];

fn from(peer: &str, local: &str) -> Ends {
    let host = Some("10.0.0.4".parse().unwrap());
    Ends::new(Peer::of(peer.parse().unwrap(), host), Some(local.parse().unwrap()))
}

fn near() -> Ends {
    from("127.0.0.1", "127.0.0.1")
}

fn far() -> Ends {
    from("10.1.1.9", "10.1.0.7")
}

fn names(list: &[&str]) -> Vec<HostName> {
    list.iter().map(|name| name.parse().unwrap()).collect()
}

fn get(path: &str, host: &str) -> http::request::Builder {
    Request::get(path).header("Host", host)
}

#[track_caller]
fn verdict(door: &Door, ends: Ends, request: http::request::Builder) -> Result<(), Reason> {
    door.check(ends, &request.body(()).unwrap()).map_err(|rejection| rejection.reason())
}

#[test]
fn the_admin_door_knows_itself_by_its_addresses_and_its_names() {
    let door =
        Door::admin(PORT, names(&["cambist.shop.svc", "10.0.0.4:18422", "fd00::4"]), OPEN, PAGES);
    let by = |ends, host: &str| verdict(&door, ends, get("/live", host));
    for host in ["127.0.0.1:8422", "localhost:8422", "LocalHost", "[::1]:8422", "localhost:9000"] {
        assert_eq!(by(near(), host), Ok(()), "{host}");
    }
    for host in [
        "10.1.0.7:8422",
        "10.1.0.7",
        "cambist.shop.svc",
        "Cambist.Shop.Svc:8422",
        "10.0.0.4:18422",
        "[fd00::4]",
    ] {
        assert_eq!(by(far(), host), Ok(()), "{host}");
    }
    assert_eq!(by(from("fd00::9", "fd00::7"), "[fd00:0::7]:8422"), Ok(()));
    // A socket for both families.
    assert_eq!(by(from("::ffff:10.1.1.9", "::ffff:10.1.0.7"), "10.1.0.7:8422"), Ok(()));
    // What a browser makes of an IPv4 address in IPv6's clothes. It does not count that as loopback, and
    // so sends none of its marks there.
    for (ends, host) in [
        (near(), "[::ffff:7f00:1]:8422"),
        (near(), "[::ffff:127.0.0.1]:8422"),
        (far(), "[::ffff:a01:7]:8422"),
        (from("::ffff:10.1.1.9", "::ffff:10.1.0.7"), "[::ffff:a01:7]:8422"),
    ] {
        assert_eq!(by(ends, host), Err(Reason::HostNotAllowed), "{host}");
    }
    for host in [
        "",
        ":8422",
        "evil.example:8422",
        "10.1.0.7.nip.io:8422",
        "10.1.0.7:80",
        "10.1.0.7:08422",
        "10.1.0.7:+8422",
        "10.1.0.8:8422",
        "10.1.7:8422",
        "[10.1.0.7]:8422",
        "cambist.shop.svc:80",
        "cambist.shop.svc.:8422",
        "10.0.0.4",
        "10.0.0.4:8422",
        "fd00::4",
        "localhost.:8422",
        "user@localhost:8422",
        "localhost, evil.example",
    ] {
        assert_eq!(by(far(), host), Err(Reason::HostNotAllowed), "{host}");
    }
    let evil = get("/live", "evil.example").body(()).unwrap();
    let said = door.check(far(), &evil).unwrap_err().to_string();
    for part in ["\"evil.example\"", "10.1.0.7", "cambist.shop.svc", "CAMBIST_ADMIN_HOSTS"] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
}

#[test]
fn beyond_the_pod_only_what_is_open_is_answered() {
    let door = Door::admin(PORT, Vec::new(), OPEN, PAGES);
    let node = from("10.0.0.4", "10.1.0.7");
    for (ends, host) in [(far(), "10.1.0.7:8422"), (node, "10.1.0.7:8422")] {
        for path in ["/live", "/ready", "/ready?tokens=1", "/metrics"] {
            assert_eq!(verdict(&door, ends, get(path, host)), Ok(()), "{path}");
        }
        for path in ["/status.json", "/", "/live/", "/Metrics", "/debug", "/msi/token"] {
            assert_eq!(verdict(&door, ends, get(path, host)), Err(Reason::OffLoopback), "{path}");
        }
    }
    assert_eq!(verdict(&door, near(), get("/status.json", "localhost:8422")), Ok(()));
    let tokens = Door::tokens(8421);
    let asked = get("/msi/token", "127.0.0.1:8421");
    assert_eq!(verdict(&tokens, far(), asked), Err(Reason::OffLoopback));
}

#[test]
fn both_doors_have_the_same_rules_of_messages_and_messengers() {
    let admin = Door::admin(PORT, Vec::new(), OPEN, PAGES);
    let doors = [(Door::tokens(PORT), "127.0.0.1:8422"), (admin, "127.0.0.1:8422")];
    for (door, host) in &doors {
        let good = || get("/live", host);
        assert_eq!(verdict(door, near(), good()), Ok(()));
        for (name, value, reason) in [
            ("content-length", "1", Reason::Body),
            ("transfer-encoding", "chunked", Reason::Body),
            ("host", "127.0.0.1:8422", Reason::Host),
            ("x-forwarded-for", "10.0.0.1", Reason::Forwarded),
            ("forwarded", "", Reason::Forwarded),
            ("origin", "null", Reason::Browser),
            ("sec-fetch-site", "none", Reason::Browser),
            ("sec-fetch-dest", "document", Reason::Browser),
        ] {
            assert_eq!(verdict(door, near(), good().header(name, value)), Err(reason), "{name}");
        }
        let old = good().version(Version::HTTP_10);
        assert_eq!(verdict(door, near(), old), Err(Reason::HttpVersion));
        let absolute = get("http://127.0.0.1:8422/live", host);
        assert_eq!(verdict(door, near(), absolute), Err(Reason::Host));
        assert_eq!(verdict(door, near(), Request::get("/live")), Err(Reason::Host));
    }
}

#[test]
fn a_page_is_opened_by_hand_or_not_at_all() {
    let door = Door::admin(PORT, Vec::new(), OPEN, PAGES);
    let typed = |path: &str, marks: &[(&str, &str)]| {
        let request = get(path, "localhost:8422");
        let request = marks.iter().fold(request, |it, (name, value)| it.header(*name, *value));
        verdict(&door, near(), request)
    };
    let [site, mode, dest] = [
        ("sec-fetch-site", "none"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
    ];
    assert_eq!(typed("/status", &[site, mode, dest]), Ok(()));
    assert_eq!(typed("/status?x=1", &[site, mode, dest, ("sec-fetch-user", "?1")]), Ok(()));
    assert_eq!(typed("/status", &[]), Ok(()), "a program");
    // What a program of ours asks for is no page, whoever opens it.
    for path in ["/status.json", "/metrics", "/live", "/ready", "/status/"] {
        assert_eq!(typed(path, &[site, mode, dest]), Err(Reason::Browser), "{path}");
    }
    // Another page led there, framed it, fetched it; or somebody takes the marks for granted.
    for marks in [
        &[("sec-fetch-site", "cross-site"), mode, dest][..],
        &[("sec-fetch-site", "same-site"), mode, dest],
        &[("sec-fetch-site", "same-origin"), mode, dest],
        &[site, ("sec-fetch-mode", "no-cors"), dest],
        &[site, mode, ("sec-fetch-dest", "iframe")],
        &[site, mode, ("sec-fetch-dest", "empty")],
        &[site, mode, dest, ("origin", "null")],
        &[site, site, mode, dest],
        &[site, dest],
        &[mode, dest],
        &[site, mode],
    ] {
        assert_eq!(typed("/status", marks), Err(Reason::Browser), "{marks:?}");
    }
    let led = get("/status", "localhost:8422").header("sec-fetch-site", "cross-site");
    let said = door.check(near(), &led.body(()).unwrap()).unwrap_err().to_string();
    assert!(said.contains("type this address into a new tab"), "{said}");
    // Tokens are for nobody's eyes.
    let tokens = Door::tokens(PORT);
    let request = get("/status", "127.0.0.1:8422").header(site.0, site.1).header(mode.0, mode.1);
    assert_eq!(verdict(&tokens, near(), request.header(dest.0, dest.1)), Err(Reason::Browser));
}

#[test]
fn who_asks_as_in_cloud_shell_is_told_which_variable_is_missing() {
    let door = Door::tokens(PORT);
    let asked = |name| {
        let request = get("/msi/token", "127.0.0.1:8422").header("content-length", "38");
        let request = request.header(name, "true").body(()).unwrap();
        door.check(near(), &request).unwrap_err().to_string()
    };
    assert!(asked("metadata").contains("lacks MSI_SECRET"));
    assert!(!asked("accept").contains("MSI_SECRET"));
}

#[test]
fn what_is_no_host_name_is_refused_as_one() {
    for good in ["cambist", "a_b.c-d:80", "10.0.0.4", "[fd00::4]:80", "fd00::4"] {
        assert!(good.parse::<HostName>().is_ok(), "{good}");
    }
    assert_eq!("FD00::4".parse::<HostName>().unwrap().to_string(), "[fd00::4]");
    for bad in ["", "*", "*.svc", "http://a", "a/b", "a:b", "a:0", "a:65536", "a b", "[a]", "é"] {
        assert!(bad.parse::<HostName>().is_err(), "{bad}");
    }
}
