use super::*;
use crate::testing::World;

mod schedules;
mod steadfast;

fn rules(extra: &[(&str, &str)]) -> Rules {
    World::new().config(extra).key_age.unwrap()
}

#[test]
fn the_policy_is_told_in_words() {
    let text = rules(&[]).to_string();
    for words in ["audit", "replaced after 45d, gone after 90d", "3d of grace", "other"] {
        assert!(text.contains(words), "{words} is not in {text}");
    }
    assert!(text.contains("key history       none") && text.contains("keys exempt      none"));
    assert_eq!(rules(&[("CAMBIST_KEY_AGE", "off")]).to_string().lines().count(), 1);

    let key = "JHJehTTTZlsspKHT-GaJxK7Kd1NQgZJu3fyK6K_QDYU";
    let text = rules(&[
        ("CAMBIST_KEY_AGE", "enforce"),
        ("CAMBIST_ROTATE_AFTER", "1000h"),
        ("CAMBIST_EXPIRE_AFTER", "2400h"),
        ("CAMBIST_HISTORY", "/history/history.json"),
        ("CAMBIST_HISTORY_TRUST", "asserted"),
        ("CAMBIST_KEY_AGE_EXEMPT", &format!("{key}@2026-12-01")),
    ])
    .to_string();
    for words in [
        "enforce",
        "replaced after 41d16h, gone after 100d,",
        "/history/history.json, believed as asserted at most",
        &format!("{key} until 2026-12-02T00:00:00Z"),
    ] {
        assert!(text.contains(words), "{words} is not in {text}");
    }
}

#[test]
fn where_the_platform_rotates_itself_ages_only_inform() {
    for (name, text) in [
        ("CAMBIST_PLATFORM", "eks"),
        ("CAMBIST_ISSUER", "https://eastus.oic.prod-aks.azure.com/tenant/cluster/"),
    ] {
        let rules = rules(&[(name, text)]);
        let words = rules.limits_in_words();
        assert!(words.starts_with(&format!("none: {}", rules.platform_in_words())), "{words}");
    }
    // Somebody set a limit: then it is judged.
    let judged = rules(&[("CAMBIST_PLATFORM", "eks"), ("CAMBIST_ROTATE_AFTER", "336h")]);
    assert!(judged.limits_in_words().starts_with("replaced after 14d"));
}

#[test]
fn an_exemption_says_when_it_ends() {
    let key = "JHJehTTTZlsspKHT-GaJxK7Kd1NQgZJu3fyK6K_QDYU";
    let both = format!("{key}@2026-11-22,{key}@2026-11-23");
    let rules = rules(&[("CAMBIST_KEY_AGE_EXEMPT", &both)]);
    let now = UnixTime::from_secs(1_795_407_225);
    assert_eq!(now.to_string(), "2026-11-23T04:13:45Z");
    let over: Vec<_> = rules.exemptions(now).map(|(_, _, over)| over).collect();
    assert_eq!(over, [true, false]);
}
