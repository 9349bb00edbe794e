//! What was measured, held against what it should be.

use std::fmt;

use crate::stats::{median, range};

/// A side on which a ratio has to stay.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Bound {
    fn holds(self, value: f64) -> bool {
        // A ratio that is not a number holds nothing.
        match self {
            Self::AtMost(bound) => value <= bound,
            Self::AtLeast(bound) => value >= bound,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(bound) => write!(f, "<= {bound:.2}"),
            Self::AtLeast(bound) => write!(f, ">= {bound:.2}"),
        }
    }
}

/// A ratio, or another figure, once for each round.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) ratios: Vec<f64>,
    pub(crate) goal: Option<Bound>,
    /// Beyond it the run fails.
    pub(crate) floor: Option<Bound>,
}

impl Row {
    /// A ratio without a goal.
    pub(crate) fn new(what: &str, ratios: Vec<f64>) -> Self {
        Self { what: what.to_owned(), ratios, goal: None, floor: None }
    }

    pub(crate) fn goal(self, goal: Bound) -> Self {
        Self { goal: Some(goal), ..self }
    }

    pub(crate) fn floor(self, floor: Bound) -> Self {
        Self { floor: Some(floor), ..self }
    }

    /// Whether it is good enough to ship.
    pub(crate) fn holds(&self) -> bool {
        self.floor.is_none_or(|floor| floor.holds(median(&self.ratios)))
    }

    fn verdict(&self) -> &'static str {
        let value = median(&self.ratios);
        match self.goal {
            _ if !self.holds() => "BELOW THE FLOOR",
            Some(goal) if goal.holds(value) => "met",
            Some(_) => "missed",
            None => "",
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (low, high) = range(&self.ratios);
        let text = |bound: Option<Bound>| bound.map(|b| b.to_string()).unwrap_or_default();
        write!(
            f,
            "{:<46} {:>7.3}  {:<15} {:<8} {:<8} {}",
            self.what,
            median(&self.ratios),
            format!("{low:.3}..{high:.3}"),
            text(self.goal),
            text(self.floor),
            self.verdict()
        )
    }
}

/// The line above rows.
pub(crate) fn heading() -> String {
    format!(
        "{:<46} {:>7}  {:<15} {:<8} {:<8} verdict",
        "figure", "median", "range", "goal", "floor"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_judged() {
        let row = |ratios: &[f64]| {
            Row::new("cpu", ratios.to_vec()).goal(Bound::AtMost(1.1)).floor(Bound::AtMost(1.2))
        };
        assert_eq!(row(&[1.0, 1.05, 9.0]).verdict(), "met");
        assert_eq!(row(&[1.15]).verdict(), "missed");
        assert!(row(&[1.15]).holds());
        for bad in [row(&[1.3, 1.0, 1.3]), row(&[f64::NAN]), row(&[])] {
            assert!(!bad.holds());
            assert_eq!(bad.verdict(), "BELOW THE FLOOR");
        }
        let rps = Row::new("rps", vec![0.9]).goal(Bound::AtLeast(0.92)).floor(Bound::AtLeast(0.85));
        assert!(rps.holds());
        assert_eq!(rps.verdict(), "missed");
    }
}
