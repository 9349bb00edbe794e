//! What pages are put together from.

use maud::{Markup, html};

/// What something means to who reads of it. A page says it in words, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "each has its colours in the one style")]
pub enum Tone {
    /// All is well.
    Good,
    /// Nothing is shown, either way.
    Open,
    /// Something is to be done.
    Soon,
    /// Something is wrong.
    Bad,
}

impl Tone {
    /// The class that a text in its colours has.
    pub const fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Open => "open",
            Self::Soon => "soon",
            Self::Bad => "bad",
        }
    }

    /// The class of a shape in its colour.
    pub const fn fill(self) -> &'static str {
        match self {
            Self::Good => "fill-good",
            Self::Open => "fill-open",
            Self::Soon => "fill-soon",
            Self::Bad => "fill-bad",
        }
    }

    /// A word in its colours.
    pub fn tag(self, word: &str) -> Markup {
        html! { span.tag.(self.class()) { (word) } }
    }
}

/// Text that somebody else wrote. It is escaped as any text is; here it is also kept from turning the direction
/// of what stands beside it. Whoever has control characters in it makes them visible before.
pub fn foreign(text: &str) -> Markup {
    html! { bdi { (text) } }
}

/// A way to another page, which is not told where one comes from.
pub fn link(address: &str, text: &str) -> Markup {
    html! { a href=(address) rel="noreferrer" { (text) } }
}

/// Sentences of ours with commands between backticks.
pub fn prose(text: &str) -> Markup {
    html! {
        @for (n, part) in text.split('`').enumerate() {
            @if n % 2 == 0 { (part) } @else { code { (part) } }
        }
    }
}

/// A share as a place in a drawing: no less than nothing, no more than all of it.
pub fn share(part: f64) -> String {
    // What is no number is nothing.
    let part = if part > 0.0 { part.min(1.0) } else { 0.0 };
    format!("{:.2}%", part * 100.0)
}

/// How much of something is left, as a bar; `words` say it to who does not see it.
pub fn bar(part: f64, tone: Tone, words: &str) -> Markup {
    html! {
        svg.bar role="img" aria-label=(words) height="12" {
            rect.lane width="100%" height="12" rx="2" {}
            rect.(tone.fill()) width=(share(part)) height="12" rx="2" {}
            rect.edge x="0.5" y="0.5" width="99%" height="11" rx="2" {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_set_apart_and_escaped() {
        let text = prose("run `a <b>` & wait").into_string();
        assert_eq!(text, "run <code>a &lt;b&gt;</code> &amp; wait");
    }

    #[test]
    fn no_number_leaves_the_drawing() {
        for (part, place) in
            [(-1.0, "0.00%"), (0.256, "25.60%"), (7.0, "100.00%"), (f64::NAN, "0.00%")]
        {
            assert_eq!(share(part), place);
        }
        let bar = bar(0.5, Tone::Soon, "2h \"left\"").into_string();
        assert!(
            bar.contains("aria-label=\"2h &quot;left&quot;\"") && bar.contains("50.00%"),
            "{bar}"
        );
    }
}
