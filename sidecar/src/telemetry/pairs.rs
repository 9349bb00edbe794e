//! What each caller does with each identity, counted where requests find it without looking it up.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use cambist::event::ServedHow;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::metrics::Counted;

/// So many are counted by themselves; those beyond are counted together.
const MOST: usize = 1000;

/// What those beyond are called.
const OTHER: &str = "other";

type Labels = [(&'static str, String); 3];

/// A caller and an identity that it asks for, with what is counted of the two.
#[derive(Debug)]
pub struct Pair {
    caller: String,
    identity: String,
    caller_number: usize,
    served: Arc<Served>,
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
        if let Some(counter) = at.and_then(|at| self.served.get(at)) {
            counter.inc();
        }
    }
}

type Served = [Counter; ServedHow::ALL.len()];

/// All that there were.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    known: Mutex<Known>,
    served: Family<Labels, Counter>,
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
        let served =
            if room { self.counters(caller, identity) } else { self.counters(OTHER, OTHER) };
        let (caller, identity) = key.clone();
        let pair = Arc::new(Pair { caller, identity, caller_number, served: Arc::new(served) });
        if room {
            known.pairs.insert(key, pair.clone());
        }
        pair
    }

    fn counters(&self, caller: &str, identity: &str) -> Served {
        ServedHow::ALL.map(|how| {
            let labels = [
                ("caller", caller.to_owned()),
                ("identity", identity.to_owned()),
                ("how", how.as_str().to_owned()),
            ];
            self.served.get_or_create_owned(&labels)
        })
    }
}

impl Counted for Pairs {
    fn register(&self, registry: &mut Registry) {
        let help = "Requests for tokens that were let in, by who asked, whose token, and how they were answered";
        registry.register("served", help, self.served.clone());
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
        let text = Metrics::of(&[&pairs]).encode([]);
        let line = "cambist_served_total{caller=\"app\",identity=\"reports\",how=\"hit\"} 2";
        assert!(text.contains(line), "{text}");
    }

    #[test]
    fn beyond_the_most_they_are_counted_together() {
        let pairs = Pairs::default();
        (0..MOST + 100).for_each(|n| pairs.of("app", &n.to_string()).served(ServedHow::Held));
        let text = Metrics::of(&[&pairs]).encode([]);
        assert_eq!(text.matches("\ncambist_served_total").count(), 4 * (MOST + 1));
        let other = "cambist_served_total{caller=\"other\",identity=\"other\",how=\"held\"} 100\n";
        assert!(text.contains(other));
    }
}
