//! What the cache holds, as metrics of one scrape: what two scrapes shared, one would empty while the
//! other reads it.

use cambist::cache::Entry;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// As it is now, so that what the cache has forgotten is forgotten here, too.
pub(super) fn held<'e>(
    entries: impl IntoIterator<Item = (&'e str, Entry)>,
    registry: &mut Registry,
) {
    let expiry = Family::<[(&'static str, String); 2], Gauge>::default();
    let held = Family::<[(&'static str, String); 2], Gauge>::default();
    for (identity, entry) in entries {
        let labels =
            [("identity", identity.to_owned()), ("resource", entry.scope.resource().to_owned())];
        held.get_or_create(&labels).set(i64::from(entry.token.is_some()));
        if let Some(token) = &entry.token {
            expiry.get_or_create(&labels).set(token.expires_on().as_secs());
        }
    }
    let help = "When the held token expires, in seconds since 1970";
    registry.register("token_expiry_timestamp_seconds", help, expiry);
    registry.register("token_held", "Whether a valid token is held", held);
}
