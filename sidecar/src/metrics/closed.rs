//! Counters of a closed set of words. They exist from the start, so that the hit path looks none up
//! by its labels, which would take a lock, and each is scraped as zero before it first counts.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::Labels;

/// A label's name, and the word for each of its values.
pub(crate) type Label<T> = (&'static str, fn(T) -> &'static str);

/// A counter for each of some values.
#[derive(Debug)]
pub(crate) struct Each<A, const N: usize> {
    all: [A; N],
    counters: [Counter; N],
    family: Family<Labels<1>, Counter>,
}

impl<A: Copy + PartialEq, const N: usize> Each<A, N> {
    pub(crate) fn new(all: [A; N], (name, word): Label<A>) -> Self {
        let family = Family::<Labels<1>, Counter>::default();
        let counters = all.map(|a| family.get_or_create_owned(&[(name, word(a))]));
        Self { all, counters, family }
    }

    /// One more of this one; what is not of the set is not counted.
    pub(crate) fn inc(&self, of: A) {
        if let Some(counter) = find(&self.all, of).and_then(|at| self.counters.get(at)) {
            counter.inc();
        }
    }

    pub(crate) fn register(&self, registry: &mut Registry, name: &str, help: &str) {
        registry.register(name, help, self.family.clone());
    }
}

/// A counter for each pair of some values.
#[derive(Debug)]
pub(crate) struct EachPair<A, B, const N: usize, const M: usize> {
    rows: [A; N],
    columns: [B; M],
    counters: [[Counter; M]; N],
    family: Family<Labels<2>, Counter>,
}

impl<A, B, const N: usize, const M: usize> EachPair<A, B, N, M>
where
    A: Copy + PartialEq,
    B: Copy + PartialEq,
{
    pub(crate) fn new(
        (rows, (row, row_word)): ([A; N], Label<A>),
        (columns, (column, column_word)): ([B; M], Label<B>),
    ) -> Self {
        let family = Family::<Labels<2>, Counter>::default();
        let made =
            |a, b| family.get_or_create_owned(&[(row, row_word(a)), (column, column_word(b))]);
        let counters = rows.map(|a| columns.map(|b| made(a, b)));
        Self { rows, columns, counters, family }
    }

    /// One more of this pair; what is not of the set is not counted.
    pub(crate) fn inc(&self, a: A, b: B) {
        self.inc_by(a, b, 1);
    }

    /// So many more of this pair.
    pub(crate) fn inc_by(&self, a: A, b: B, times: u64) {
        let at = find(&self.rows, a).zip(find(&self.columns, b));
        if let Some(counter) = at.and_then(|(row, column)| self.counters.get(row)?.get(column)) {
            counter.inc_by(times);
        }
    }

    pub(crate) fn register(&self, registry: &mut Registry, name: &str, help: &str) {
        registry.register(name, help, self.family.clone());
    }
}

fn find<T: PartialEq>(all: &[T], one: T) -> Option<usize> {
    all.iter().position(|known| *known == one)
}
