//! How long requests waited for their answer.

use std::time::Duration;

use cambist::event::ServedHow;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::metrics::{Counted, Durations, Labels};

/// One for each way to be answered, found without a lookup: a token that was there is waited for by nobody, and
/// counting that is one addition.
#[derive(Debug)]
pub(super) struct Waits {
    each: [Durations; ServedHow::ALL.len()],
    family: Family<Labels<1>, Durations>,
}

impl Waits {
    pub(super) fn new() -> Self {
        let family = Family::<Labels<1>, Durations>::default();
        let each = ServedHow::ALL.map(|how| family.get_or_create_owned(&[("how", how.as_str())]));
        Self { each, family }
    }

    /// A request was answered like this after so long.
    pub(super) fn waited(&self, how: ServedHow, waited: Duration) {
        let at = ServedHow::ALL.iter().position(|known| *known == how);
        if let Some(durations) = at.and_then(|at| self.each.get(at)) {
            durations.observe(waited);
        }
    }
}

impl Counted for Waits {
    fn register(&self, registry: &mut Registry) {
        let help = "How long requests for tokens that were let in waited for their answer, by how they were answered";
        registry.register("wait_duration_seconds", help, self.family.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::counted;

    #[test]
    fn every_wait_is_where_its_label_says() {
        let waits = Waits::new();
        waits.waited(ServedHow::Hit, Duration::ZERO);
        waits.waited(ServedHow::Failed, Duration::from_millis(1500));
        let counted = counted(&waits);
        for series in [
            "bucket{le=\"0.005\",how=\"hit\"} 1",
            "bucket{le=\"2.5\",how=\"failed\"} 1",
            "sum{how=\"failed\"} 1.5",
            "count{how=\"failed\"} 1",
        ] {
            let line = format!("cambist_wait_duration_seconds_{series}");
            assert!(counted.contains(&line), "{line} is not in {counted:#?}");
        }
        let no = ["le=\"1.0\",how=\"failed\"", "how=\"held\"", "sum{how=\"hit\"} 0.5"];
        assert!(
            !counted.iter().any(|it| no.iter().any(|no| it.contains(no)) && !it.ends_with(" 0.0"))
        );
    }
}
