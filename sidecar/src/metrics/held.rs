//! What is held, as metrics of one scrape: what two scrapes shared, one would empty while the other
//! reads it.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use cambist::cache::Entry;
use cambist_core::clock::{BootTime, UnixTime};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::runway;

/// So many resources are told one by one: those that are prefetched, then those asked for last. Whoever may ask for
/// anything can have thousands held, and a scraper with a limit would lose everything for them.
const MOST: usize = 1000;

/// What is held at one moment, by the names of the identities.
#[derive(Debug, Default)]
pub struct Held<'e> {
    /// The moment.
    pub at: BootTime,
    /// The tokens.
    pub entries: Vec<(&'e str, Entry)>,
    /// When the projected tokens expire.
    pub projected: Vec<(&'e str, UnixTime)>,
}

type Of<const N: usize> = Family<[(&'static str, String); N], Gauge>;

impl Held<'_> {
    /// As it is now, so that what the cache has forgotten is forgotten here, too.
    pub(super) fn register(self, registry: &mut Registry) {
        let Self { at, mut entries, projected } = self;
        let (known, runway, expiry) = (Of::<1>::default(), Of::<1>::default(), Of::<1>::default());
        let mut left = BTreeMap::new();
        for (name, entry) in &entries {
            known.get_or_create(&identity(name)).inc();
            if let Some(lives) = runway::left(entry, at) {
                let least = left.entry(*name).or_insert(lives);
                *least = lives.min(*least);
            }
        }
        for (name, least) in left {
            let least = i64::try_from(least.as_secs()).unwrap_or(i64::MAX);
            runway.get_or_create(&identity(name)).set(least);
        }
        for (name, expires) in projected {
            expiry.get_or_create(&identity(name)).set(expires.as_secs());
        }
        if entries.len() > MOST {
            entries.sort_by_key(|(_, it)| Reverse((it.pinned, it.last_asked)));
            entries.truncate(MOST);
        }
        let help = "How long apps would still be served if Entra vanished now: the least over what was asked for in the \
            last hour and what is prefetched, zero where one of these has no token. What was never given counts for \
            five minutes after it was asked for, and not at all if the resource itself is refused; where nothing counts \
            there is no runway";
        registry.register("runway_seconds", help, runway);
        let help = "When the projected token expires that was last seen in its file, in seconds since 1970";
        registry.register("projected_token_expiry_timestamp_seconds", help, expiry);
        let help = "Resources that are known, with a token or without, told one by one or not";
        registry.register("resources", help, known);
        one_by_one(&entries, at, registry);
    }
}

fn one_by_one(entries: &[(&str, Entry)], at: BootTime, registry: &mut Registry) {
    let (held, expiry, refresh) = (Of::<2>::default(), Of::<2>::default(), Of::<2>::default());
    let failing = Of::<3>::default();
    for (name, entry) in entries {
        let [identity] = identity(name);
        let resource = ("resource", entry.scope.resource().to_owned());
        let labels = [identity.clone(), resource.clone()];
        held.get_or_create(&labels).set(i64::from(entry.token.is_some()));
        if let Some(token) = &entry.token {
            expiry.get_or_create(&labels).set(token.expires_on().as_secs());
            refresh.get_or_create(&labels).set(token.not_before().as_secs());
        }
        if let Some(failure) = entry.failure.as_ref().filter(|_| !runway::is_given_up(entry, at)) {
            let reason = ("reason", failure.reason().as_str().to_owned());
            failing.get_or_create(&[identity, resource, reason]).set(1);
        }
    }
    let help = "When the held token expires, in seconds since 1970";
    registry.register("token_expiry_timestamp_seconds", help, expiry);
    let help = "When the held token was asked for, in seconds since 1970";
    registry.register("token_last_refresh_timestamp_seconds", help, refresh);
    registry.register("token_held", "Whether a valid token is held", held);
    let help = "1 for why the last try to get a token failed, whether or not one is held still; gone once one succeeds, and, of \
        what was never had, five minutes after it was last asked for";
    registry.register("token_failing", help, failing);
}

fn identity(name: &str) -> [(&'static str, String); 1] {
    [("identity", name.to_owned())]
}

#[cfg(test)]
mod tests {
    use cambist_core::scope::Scope;

    use super::*;
    use crate::metrics::{Format, Metrics};

    #[test]
    fn so_many_are_told_one_by_one_and_all_are_counted() {
        let entry = |n: usize| {
            let mut entry =
                Entry::prefetched(Scope::parse(&format!("api://{n}/.default")).unwrap());
            // The last hundred are prefetched; of the others, the higher the later asked for.
            entry.pinned = n >= 3900;
            entry.last_asked =
                BootTime::from_origin(std::time::Duration::from_secs(n as u64 % 3900));
            ("identity", entry)
        };
        let held = Held { entries: (0..4000).map(entry).collect(), ..Held::default() };
        let text = Metrics::of(&[]).encode(held, Format::OpenMetrics);
        assert!(text.contains("\ncambist_resources{identity=\"identity\"} 4000\n"), "{text}");
        let told = |n: usize| {
            let series =
                format!("\ncambist_token_held{{identity=\"identity\",resource=\"api://{n}\"}}");
            text.contains(&series)
        };
        let told: Vec<_> = (0..4000).filter(|n| told(*n)).collect();
        assert_eq!(told, (3000..4000).collect::<Vec<_>>());
    }
}
