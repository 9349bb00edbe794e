//! What is to be said of an issuer's keys.

use std::collections::BTreeMap;

use cambist_core::admission::{Exemption, KeyVerdicts, Refused};
use cambist_core::clock::UnixTime;
use cambist_core::jwks::Thumbprint;
use cambist_key_age::{Finding, Judgement, Platform, Policy};

/// What is to be said of the keys now.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// When it was made.
    pub at: UnixTime,
    /// The platform that the issuer is of.
    pub platform: Platform,
    /// What the keys were held against.
    pub policy: Policy,
    /// The judgement of each key and of the issuer.
    pub judgement: Judgement,
    /// What was found about them.
    pub findings: Vec<Finding>,
    /// The keys that sign nothing that is exchanged where that is enforced.
    pub refused: Vec<Refused>,
    /// Why the history is not used, if it cannot be.
    pub history_problem: Option<String>,
    /// What the keys are called, as far as that was seen: their `kid`.
    pub kids: BTreeMap<Thumbprint, String>,
    /// How many looks at the key set were not recorded, because this clock is too far off what https
    /// servers say, or because none has said anything yet.
    pub looks_left_out: u32,
}

impl Report {
    /// This judgement by this policy, with nothing found and nothing refused.
    pub fn new(at: UnixTime, platform: Platform, policy: Policy, judgement: Judgement) -> Self {
        Self {
            at,
            platform,
            policy,
            judgement,
            findings: Vec::new(),
            refused: Vec::new(),
            history_problem: None,
            kids: BTreeMap::new(),
            looks_left_out: 0,
        }
    }

    /// What a key is called: its `kid`, else its thumbprint.
    pub fn name(&self, key: Thumbprint) -> String {
        self.kids.get(&key).cloned().unwrap_or_else(|| key.to_string())
    }

    /// What admission needs of it.
    pub fn verdicts<'a>(&'a self, exempt: &'a [Exemption]) -> KeyVerdicts<'a> {
        KeyVerdicts::new(&self.refused, exempt)
    }
}
