//! The ages of keys alone, with the rules and without the library.

use cambist_core::clock::{Reading, UnixTime};
use cambist_core::jwks::Thumbprint;
use cambist_key_age::{Fact, Known, Policy, Source, Verdict, judge};

#[test]
fn a_key_that_nobody_rotates_is_overdue_in_the_end() {
    let key = Thumbprint::of_spki(b"a key");
    let first_look = UnixTime::from_secs(1_795_407_225);
    let known = Known {
        facts: vec![Fact::published(key, first_look, Source::Public)],
        published: [key].into(),
        ..Known::default()
    };
    for (days, verdict) in [(0, Verdict::Unknown), (49, Verdict::Due), (94, Verdict::Overdue)] {
        let now = UnixTime::from_secs(first_look.as_secs() + days * 86_400);
        let judged = judge(&known, &Policy::default(), Reading::alone(now));
        assert_eq!(judged.verdict, verdict, "after {days} days");
    }
}
