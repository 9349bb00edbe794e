use super::*;
use cambist_core::clock::UnixTime;

const START: i64 = 1_795_407_225;

fn issuer(url: &str) -> Issuer {
    let clock = SimClock::starting_at(UnixTime::from_secs(START));
    Issuer::new(url, clock, KeySource::Pool).unwrap()
}

fn kids(set: &Value) -> Vec<&str> {
    set["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap()).collect()
}

#[test]
fn documents_lie_below_the_issuer_with_or_without_its_slash() {
    for url in ["https://issuer.test/c1", "https://issuer.test/c1/"] {
        let discovery = issuer(url).discovery();
        assert_eq!(discovery["issuer"], url);
        assert_eq!(discovery["jwks_uri"], "https://issuer.test/c1/openid/v1/jwks");
        assert_eq!(discovery["id_token_signing_alg_values_supported"], json!(["RS256"]));
    }
}

#[test]
fn rotates_with_and_without_overlap() {
    let issuer = issuer("https://issuer.test");
    let first = issuer.signer();
    let second = issuer.rotate(true).unwrap();
    assert_eq!(issuer.signer(), second);
    assert_eq!(kids(&issuer.jwks()), [first.kid(), second.kid()]);
    let third = issuer.rotate(false).unwrap();
    assert_eq!(kids(&issuer.jwks()), [third.kid()]);
    let fourth = issuer.rotate(true).unwrap();
    issuer.retire(1);
    assert_eq!(kids(&issuer.jwks()), [fourth.kid()]);
}

#[test]
fn hides_keys_and_publishes_anything() {
    let issuer = issuer("https://issuer.test");
    issuer.hide(issuer.signer().kid());
    issuer.publish_raw(json!({ "kty": "AKP", "kid": 7 }));
    assert_eq!(issuer.jwks(), json!({ "keys": [{ "kty": "AKP", "kid": 7 }] }));
    issuer.publish(&SigningKey::generate_ec().unwrap());
    let discovery = issuer.discovery();
    assert_eq!(discovery["id_token_signing_alg_values_supported"], json!(["ES256"]));
}

#[test]
fn remembers_what_it_published() {
    let issuer = issuer("https://issuer.test");
    let before = issuer.jwks();
    issuer.0.clock.advance(Duration::from_secs(100));
    issuer.rotate(false).unwrap();
    issuer.0.clock.advance(Duration::from_secs(100));
    assert_eq!(issuer.jwks_before(Duration::from_secs(150)), before);
    assert_ne!(issuer.jwks_before(Duration::from_secs(50)), before);
    assert_eq!(issuer.jwks_before(Duration::from_secs(9_999)), before);
}

const DAY: Duration = Duration::from_secs(24 * 3600);

#[test]
fn a_kept_schedule_leaves_the_right_history_however_late_one_looks() {
    let issuer = issuer("https://issuer.test");
    issuer.follow(Schedule::rotating(45, 90));
    let mut signers = vec![issuer.signer()];
    for day in 1..=200_u64 {
        issuer.0.clock.advance(DAY);
        if issuer.signer() != *signers.last().unwrap() {
            assert_eq!(day % 45, 0, "day {day}");
            signers.push(issuer.signer());
        }
        let published = issuer.published();
        assert_eq!(published.len(), if day < 45 { 1 } else { 2 }, "day {day}");
        assert_eq!(published.last().unwrap(), issuer.signer().kid());
    }
    assert_eq!(signers.len(), 5);
    for (days_ago, signer) in [(20, 4), (21, 3), (66, 2), (111, 1), (156, 0)] {
        let set = issuer.jwks_before(DAY * days_ago);
        assert_eq!(kids(&set).last(), Some(&signers[signer].kid()), "{days_ago} days ago");
    }

    let late = self::issuer("https://issuer.test");
    late.follow(Schedule::rotating(45, 90));
    late.0.clock.advance(DAY * 200);
    assert_eq!(late.signer(), issuer.signer());
    for days_ago in 0..200 {
        let age = DAY * days_ago;
        assert_eq!(late.jwks_before(age), issuer.jwks_before(age), "{days_ago} days ago");
    }
    let published: Vec<_> = late.keys().into_iter().filter_map(|key| key.since).collect();
    assert_eq!(published, [135, 180].map(|day| UnixTime::from_secs(START) + DAY * day));
}

#[test]
fn a_key_is_published_ahead_of_its_use_if_the_schedule_says_so() {
    let issuer = issuer("https://issuer.test");
    let first = issuer.signer();
    issuer.follow(Schedule { publish_ahead: DAY, ..Schedule::rotating(45, 90) });
    issuer.0.clock.advance(DAY * 44);
    assert_eq!(issuer.signer(), first);
    assert_eq!(issuer.published().len(), 2);
    issuer.0.clock.advance(DAY);
    assert_eq!(issuer.signer().kid(), issuer.published()[1]);
    issuer.0.clock.advance(DAY * 45);
    assert!(!issuer.published().contains(&first.kid().to_owned()));
}

#[test]
fn a_schedule_may_forget_to_expire_or_to_rotate() {
    let sprawling = issuer("https://issuer.test");
    sprawling.follow(Schedule { expire_after: None, ..Schedule::rotating(45, 90) });
    sprawling.0.clock.advance(DAY * 140);
    assert_eq!(sprawling.published().len(), 4);

    let forgotten = issuer("https://issuer.test");
    forgotten.rotate(true).unwrap();
    forgotten.follow(Schedule { rotate_after: None, ..Schedule::rotating(45, 90) });
    forgotten.0.clock.advance(DAY * 400);
    assert_eq!(forgotten.published(), [forgotten.signer().kid()]);
}

#[test]
fn a_schedule_does_not_reach_back_before_it_was_given() {
    let issuer = issuer("https://issuer.test");
    issuer.0.clock.advance(DAY * 60);
    issuer.follow(Schedule::rotating(45, 90));
    issuer.0.clock.advance(DAY);
    assert_eq!(issuer.published().len(), 2);
    assert_eq!(kids(&issuer.jwks_before(DAY * 2)).len(), 1);
    // A rotation by hand starts the next term.
    issuer.0.clock.advance(DAY * 10);
    let own = issuer.rotate(true).unwrap();
    issuer.0.clock.advance(DAY * 44);
    assert_eq!(issuer.signer(), own);
    issuer.0.clock.advance(DAY);
    assert_ne!(issuer.signer(), own);
}

#[test]
fn the_two_views_may_differ() {
    let issuer = issuer("https://issuer.test");
    let signer = issuer.signer();
    let (foreign, late) = (issuer.prepare().unwrap(), issuer.prepare().unwrap());
    issuer.publish_in(Place::Public, &foreign);
    issuer.publish_in(Place::Api, &late);
    assert_eq!(kids(&issuer.jwks()), [signer.kid(), foreign.kid()]);
    assert_eq!(kids(&issuer.api_jwks()), [signer.kid(), late.kid()]);
    assert!(!issuer.accepted().contains(&foreign.jwk()));
    issuer.publish(&late);
    assert_eq!(kids(&issuer.jwks()).len(), 2, "publishing a published key changes nothing");
    issuer.publish_in(Place::Both, &late);
    assert_eq!(kids(&issuer.jwks()).len(), 3);
}

#[test]
fn keys_come_back_leak_and_take_each_others_names() {
    let issuer = issuer("https://issuer.test");
    let first = issuer.signer();
    let second = issuer.rotate(false).unwrap();
    let retired = issuer.keys().remove(0);
    assert_eq!(
        (retired.kid.as_str(), retired.published, retired.signs),
        (first.kid(), None, false)
    );
    issuer.publish(&issuer.key(first.kid()).unwrap());
    assert_eq!(kids(&issuer.jwks()), [second.kid(), first.kid()]);

    issuer.leak_in(Place::Public, &second).unwrap();
    assert_eq!(issuer.jwks()["keys"][0], second.private_jwk().unwrap());
    assert_eq!(issuer.published().len(), 2);
    issuer.publish_in(Place::Both, &second);
    assert_eq!(issuer.jwks()["keys"][0], second.jwk());

    issuer.hide(first.kid());
    let impostor = issuer.prepare().unwrap().with_kid(first.kid());
    issuer.rotate_to(&impostor, true);
    assert_eq!(kids(&issuer.jwks()), [second.kid(), first.kid()]);
    assert_eq!(issuer.key(first.kid()), Some(impostor));
}

fn tag(response: &Response) -> &str {
    response.headers()["etag"].to_str().unwrap()
}

fn knowing(name: http::HeaderName, value: &str) -> HeaderMap {
    HeaderMap::from_iter([(name, value.parse().unwrap())])
}

#[test]
fn a_blob_is_dated_and_known_by_its_tag() {
    use http::header::{IF_MODIFIED_SINCE, IF_NONE_MATCH};
    let issuer = issuer("https://issuer.test");
    let serve = |headers: &HeaderMap| issuer.serve_jwks(Duration::ZERO, headers);
    let plain = serve(&HeaderMap::new());
    assert!(
        !plain.headers().contains_key("last-modified") && !plain.headers().contains_key("etag")
    );

    issuer.host(Hosting::Blob);
    issuer.0.clock.advance(Duration::from_secs(3600));
    let first = serve(&HeaderMap::new());
    assert_eq!(first.headers()["last-modified"], "Mon, 23 Nov 2026 04:13:45 GMT");
    assert_eq!(first.body(), plain.body());

    let known = serve(&knowing(IF_NONE_MATCH, tag(&first)));
    assert_eq!((known.status().as_u16(), known.body().len()), (304, 0));
    assert_eq!(tag(&known), tag(&first));
    let since = knowing(IF_MODIFIED_SINCE, "Mon, 23 Nov 2026 04:13:45 GMT");
    assert_eq!(serve(&since).status(), 304);

    issuer.upload();
    let again = serve(&knowing(IF_NONE_MATCH, tag(&first)));
    assert_eq!((again.status().as_u16(), again.body()), (200, first.body()));
    assert_eq!(again.headers()["last-modified"], "Mon, 23 Nov 2026 05:13:45 GMT");
    assert_eq!(serve(&since).status(), 200);

    issuer.0.clock.advance(Duration::from_secs(60));
    issuer.rotate(true).unwrap();
    let changed = serve(&knowing(IF_NONE_MATCH, tag(&again)));
    assert_eq!(changed.headers()["last-modified"], "Mon, 23 Nov 2026 05:14:45 GMT");
}

#[test]
fn api_servers_take_turns_while_they_restart() {
    let issuer = issuer("https://issuer.test");
    let old = issuer.jwks();
    issuer.roll_out(Duration::from_secs(600));
    issuer.rotate(true).unwrap();
    let new = issuer.jwks();
    let public = || issuer.serve_jwks(Duration::ZERO, &HeaderMap::new()).into_body();
    for set in [&old, &new, &old, &new] {
        assert_eq!(public(), set.to_string());
        assert_eq!(issuer.serve_api_jwks(&HeaderMap::new()).into_body(), set.to_string());
    }
    issuer.host(Hosting::Blob);
    assert_eq!([public(), public()], [new.to_string(), new.to_string()]);
    issuer.host(Hosting::ApiServer);
    issuer.0.clock.advance(Duration::from_secs(600));
    assert_eq!([public(), public()], [new.to_string(), new.to_string()]);
}
