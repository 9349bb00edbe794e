//! The issuer's keys and where they are published.

use cambist_core::clock::{BootTime, UnixTime};
use serde_json::{Value, json};

use super::timeline::Timeline;
use super::{Hosting, Place, Schedule, View};
use crate::keys::SigningKey;

#[derive(Debug)]
pub(super) struct State {
    pub(super) signer: SigningKey,
    pub(super) signing_since: BootTime,
    /// How many keys were ever made here.
    made: usize,
    /// Every key made or published here, oldest first.
    pub(super) known: Vec<SigningKey>,
    pub(super) entries: Vec<Entry>,
    pub(super) public: Timeline,
    pub(super) api: Timeline,
    pub(super) hosting: Hosting,
    rollout: Option<Rollout>,
    pub(super) schedule: Schedule,
    /// The key that the schedule has published and not signed with yet.
    pub(super) next: Option<SigningKey>,
    /// Keys made for the schedule.
    pub(super) spare: Vec<SigningKey>,
    /// When anything was changed last; the schedule does nothing before.
    pub(super) changed: BootTime,
}

/// One member of the key set.
#[derive(Debug)]
pub(super) struct Entry {
    /// `None` for a JWK published as it is.
    pub(super) key: Option<SigningKey>,
    pub(super) jwk: Value,
    pub(super) place: Place,
    pub(super) since: BootTime,
}

/// Some of the API servers have restarted with new keys, some have not.
#[derive(Debug)]
struct Rollout {
    until: BootTime,
    public: Value,
    api: Value,
    /// Whether the one that has not restarted answered last.
    public_turn: bool,
    api_turn: bool,
}

impl Entry {
    pub(super) fn new(key: &SigningKey, place: Place, since: BootTime) -> Self {
        Self { jwk: key.jwk(), key: Some(key.clone()), place, since }
    }

    fn is_in(&self, view: View) -> bool {
        match self.place {
            Place::Both => true,
            Place::Public => view == View::Public,
            Place::Api => view == View::Api,
        }
    }
}

impl State {
    pub(super) fn new(signer: SigningKey, now: BootTime, wall: UnixTime) -> Self {
        let entries = vec![Entry::new(&signer, Place::Both, now)];
        let set = render(&entries, View::Public);
        Self {
            known: vec![signer.clone()],
            signer,
            signing_since: now,
            made: 1,
            entries,
            public: Timeline::new(set.clone(), now, wall),
            api: Timeline::new(set, now, wall),
            hosting: Hosting::default(),
            rollout: None,
            schedule: Schedule::default(),
            next: None,
            spare: Vec::new(),
            changed: now,
        }
    }

    /// The number of the next key to be made.
    pub(super) fn number_next_key(&mut self) -> usize {
        self.made += 1;
        self.made
    }

    pub(super) fn know(&mut self, key: &SigningKey) {
        if !self.known.contains(key) {
            self.known.push(key.clone());
        }
    }

    /// Publishes a key; one that is published already only if `again`, and without aging anew.
    pub(super) fn publish(&mut self, entry: Entry, again: bool) {
        if let Some(key) = &entry.key {
            self.know(key);
        }
        match self.entries.iter_mut().find(|old| old.key.is_some() && old.key == entry.key) {
            Some(old) if again => *old = Entry { since: old.since, ..entry },
            Some(_) => {}
            None => self.entries.push(entry),
        }
    }

    pub(super) fn sign_with(&mut self, key: &SigningKey, now: BootTime) {
        self.know(key);
        if self.signer != *key {
            self.signer = key.clone();
            self.signing_since = now;
        }
    }

    /// Notes what is published from `now` on.
    pub(super) fn record(&mut self, now: BootTime, wall: UnixTime) {
        self.public.record(render(&self.entries, View::Public), now, wall);
        self.api.record(render(&self.entries, View::Api), now, wall);
        self.changed = self.changed.max(now);
    }

    pub(super) fn upload(&mut self, now: BootTime, wall: UnixTime) {
        self.public.rewrite(now, wall);
    }

    pub(super) fn algorithms(&self, view: View) -> Vec<&'static str> {
        let keys = self.entries.iter().filter(|entry| entry.is_in(view));
        let keys = keys.filter_map(|entry| entry.key.as_ref());
        let mut algorithms: Vec<_> = keys.map(SigningKey::algorithm).collect();
        algorithms.sort_unstable();
        algorithms.dedup();
        algorithms
    }

    pub(super) fn roll_out(&mut self, until: BootTime) {
        let (public, api) = (self.public.last().set.clone(), self.api.last().set.clone());
        self.rollout = Some(Rollout { until, public, api, public_turn: false, api_turn: false });
    }

    /// The old set, if it is the turn of an API server that has not restarted yet.
    pub(super) fn not_restarted(&mut self, view: View, now: BootTime) -> Option<Value> {
        let rollout = self.rollout.as_mut().filter(|rollout| now < rollout.until)?;
        let (turn, set) = match view {
            View::Public => (&mut rollout.public_turn, &rollout.public),
            View::Api => (&mut rollout.api_turn, &rollout.api),
        };
        *turn = !*turn;
        turn.then(|| set.clone())
    }
}

fn render(entries: &[Entry], view: View) -> Value {
    let keys = entries.iter().filter(|entry| entry.is_in(view)).map(|entry| entry.jwk.clone());
    json!({ "keys": keys.collect::<Vec<_>>() })
}
