//! The reader that counts.

use cambist::event::ServedHow;
use prometheus_client::registry::Registry;

use super::run::Run;
use crate::event::Event;
use crate::key_age::Rules;
use crate::metrics::Counted;

mod answers;
mod keys;
mod reloads;
mod tokens;
mod waits;

use answers::Answers;
use keys::Keys;
use reloads::Reloads;
use tokens::Tokens;
use waits::Waits;

/// All that is counted of events.
#[derive(Debug)]
pub(super) struct Counters {
    answers: Answers,
    tokens: Tokens,
    keys: Keys,
    reloads: Reloads,
    waits: Waits,
}

impl Counters {
    pub(super) fn new(rules: Option<&Rules>, run: &Run) -> Self {
        Self {
            answers: Answers::new(),
            tokens: Tokens::new(),
            keys: Keys::new(rules),
            reloads: Reloads::new(run.clone()),
            waits: Waits::new(),
        }
    }

    pub(super) fn read(&self, event: &Event<'_>) {
        match event {
            Event::Library(event) => {
                self.tokens.read(event);
                self.keys.read(event);
                self.reloads.read(event);
            }
            Event::Refused(it) => self.answers.refused(it),
            // The admin listener's requests are not the app's: those are counted alone.
            Event::TurnedAway(_) => {}
            Event::Failed(it) => {
                it.request.pair.served(ServedHow::Failed);
                self.waits.waited(ServedHow::Failed, it.waited);
                self.answers.answered(Some(it.request.protocol), it.status);
            }
            Event::SentAway(it) => {
                it.request.pair.served(ServedHow::Failed);
                self.waits.waited(ServedHow::Failed, it.waited);
                self.answers.sent_away(it.request.protocol, it.recalled);
            }
            Event::Granted(it) => {
                it.request.pair.served(it.how);
                self.waits.waited(it.how, it.waited);
                self.answers.answered(Some(it.request.protocol), http::StatusCode::OK);
            }
            Event::WouldDeny(it) => it.request.pair.would_deny(),
            Event::Reloaded(it) => self.reloads.policy(it),
        }
    }
}

impl Counted for Counters {
    fn register(&self, registry: &mut Registry) {
        let Self { answers, tokens, keys, reloads, waits } = self;
        let all: [&dyn Counted; _] = [answers, tokens, keys, reloads, waits];
        all.into_iter().for_each(|counted| counted.register(registry));
    }
}
