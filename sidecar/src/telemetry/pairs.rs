//! What each caller does with each identity, counted where requests find it without looking it up.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use cambist::event::ServedHow;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::OTHER;
use crate::metrics::Counted;

/// So many are counted by themselves; those beyond are counted together.
const MOST: usize = 1000;

type Labels<const N: usize> = [(&'static str, String); N];

/// A caller and an identity that it asks for, with what is counted of the two.
#[derive(Debug)]
pub struct Pair {
    caller: String,
    identity: String,
    caller_number: usize,
    counters: Counters,
}

#[derive(Debug)]
struct Counters {
    served: [Counter; ServedHow::ALL.len()],
    would_deny: Counter,
}

impl Pair {
    /// The caller, as the policy calls it.
    pub fn caller(&self) -> &str {
        &self.caller
    }

    /// The identity, as the policy calls it.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// The caller's number in this process, which it keeps when the policy changes.
    pub(crate) fn caller_number(&self) -> usize {
        self.caller_number
    }

    /// One more answer.
    pub(crate) fn served(&self, how: ServedHow) {
        let at = ServedHow::ALL.iter().position(|known| *known == how);
        if let Some(counter) = at.and_then(|at| self.counters.served.get(at)) {
            counter.inc();
        }
    }

    /// One more that is answered and that the policy would refuse if it were enforced.
    pub(crate) fn would_deny(&self) {
        self.counters.would_deny.inc();
    }
}

/// All that there were.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    known: Mutex<Known>,
    served: Family<Labels<3>, Counter>,
    would_deny: Family<Labels<2>, Counter>,
}

#[derive(Debug, Default)]
struct Known {
    pairs: HashMap<(String, String), Arc<Pair>>,
    callers: HashMap<String, usize>,
}

impl Pairs {
    /// The pair of these two, as it was before if it was.
    pub(super) fn of(&self, caller: &str, identity: &str) -> Arc<Pair> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (caller.to_owned(), identity.to_owned());
        if let Some(pair) = known.pairs.get(&key) {
            return pair.clone();
        }
        let next = known.callers.len();
        let caller_number = *known.callers.entry(caller.to_owned()).or_insert(next);
        let room = known.pairs.len() < MOST;
        let counters =
            if room { self.counters(caller, identity) } else { self.counters(OTHER, OTHER) };
        let (caller, identity) = key.clone();
        let pair = Arc::new(Pair { caller, identity, caller_number, counters });
        if room {
            known.pairs.insert(key, pair.clone());
        }
        pair
    }

    fn counters(&self, caller: &str, identity: &str) -> Counters {
        let both = [("caller", caller.to_owned()), ("identity", identity.to_owned())];
        let served = ServedHow::ALL.map(|how| {
            let [caller, identity] = both.clone();
            self.served.get_or_create_owned(&[caller, identity, ("how", how.as_str().to_owned())])
        });
        Counters { served, would_deny: self.would_deny.get_or_create_owned(&both) }
    }
}

impl Counted for Pairs {
    fn register(&self, registry: &mut Registry) {
        let help = "Requests for tokens that were let in, by who asked, whose token, and how they were answered";
        registry.register("served", help, self.served.clone());
        let help = "Requests that were answered, and that the policy refuses once it is enforced, by who asked and whose token";
        registry.register("would_deny", help, self.would_deny.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn a_pair_and_a_caller_stay_who_they_were() {
        let pairs = Pairs::default();
        let first = pairs.of("app", "reports");
        first.served(ServedHow::Hit);
        let (other, again) = (pairs.of("batch", "reports"), pairs.of("app", "reports"));
        again.served(ServedHow::Hit);
        assert!(Arc::ptr_eq(&first, &again));
        assert_eq!((first.caller_number(), other.caller_number()), (0, 1));
        assert_eq!(pairs.of("app", "orders").caller_number(), 0);
        let text = Metrics::of(&[&pairs]).text();
        let line = "cambist_served_total{caller=\"app\",identity=\"reports\",how=\"hit\"} 2";
        assert!(text.contains(line), "{text}");
    }

    #[test]
    fn beyond_the_most_they_are_counted_together() {
        let pairs = Pairs::default();
        (0..MOST + 100).for_each(|n| pairs.of("app", &n.to_string()).served(ServedHow::Held));
        let text = Metrics::of(&[&pairs]).text();
        assert_eq!(text.matches("\ncambist_served_total").count(), 4 * (MOST + 1));
        let other = "cambist_served_total{caller=\"other\",identity=\"other\",how=\"held\"} 100\n";
        assert!(text.contains(other));
    }
}
