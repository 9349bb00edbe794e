//! What the issuer's keys are held against, and how the sidecar tells of it: in words here, in
//! metrics, in the log and in `/status.json`. The rules themselves are the library's.

use std::fmt;

use cambist::key_age::Settings;
use cambist_core::admission::Mode;
use cambist_core::clock::UnixTime;
use cambist_core::duration::exact;
use cambist_key_age::{Limits, Platform, Policy};

mod changes;
mod gauges;
mod status;

pub(crate) use changes::Changes;
pub(crate) use gauges::Gauges;
pub(crate) use status::{FindingStatus, Judged, KeyAgeStatus, KeyStatus, detail, status};

/// The key-age policy of one sidecar.
#[derive(Clone, Debug)]
pub struct Rules {
    /// How strict it is.
    pub mode: Mode,
    /// The platform that is named, or told by the configured issuer; `None` if the token's own issuer
    /// will tell.
    pub platform: Option<Platform>,
    /// Limits, exemptions and the history.
    pub settings: Settings,
}

impl Rules {
    /// The policy of the library's configuration.
    pub fn new(trust: &cambist::config::TrustConfig) -> Self {
        let detected = trust.issuer.as_ref().map(Platform::detect);
        let settings = trust.key_age.clone();
        Self { mode: trust.mode, platform: settings.platform.or(detected), settings }
    }

    /// What keys are held against, as far as it is known before a token is seen.
    pub fn policy(&self) -> Policy {
        self.settings.policy_on(self.remedies_for())
    }

    /// The platform that remedies are written for, before a token is seen.
    pub fn remedies_for(&self) -> Platform {
        self.platform.unwrap_or(Platform::Other)
    }

    /// The platform, or how it will be known.
    pub fn platform_in_words(&self) -> &'static str {
        self.platform.map_or("as the token's issuer tells", Platform::as_str)
    }

    /// What the mode means.
    pub fn mode_in_words(&self) -> &'static str {
        match self.mode {
            Mode::Off => "off: keys are not judged",
            Mode::Audit => "audit: keys are judged and findings told; nothing is held for them",
            Mode::Enforce => {
                "enforce: what an overdue or compromised key signed is not exchanged, nor what cannot be checked"
            }
        }
    }

    /// How old keys may get.
    pub fn limits_in_words(&self) -> String {
        let Some(limits) = self.policy().limits else {
            return format!(
                "none: {} rotates on a schedule of its own, so ages are told and not judged; CAMBIST_ROTATE_AFTER sets one",
                self.platform_in_words()
            );
        };
        let (rotate, expire) = (exact(limits.rotate_after()), exact(limits.expire_after()));
        let grace = exact(self.policy().grace);
        let whose = if limits == Limits::AZURE_LOCAL { " (Azure Local's)" } else { "" };
        let unless = match (self.platform, self.settings.limits) {
            (None, None) => ", unless the token's issuer is of AKS, EKS or GKE",
            _ => "",
        };
        format!("replaced after {rotate}, gone after {expire}{whose}, {grace} of grace{unless}")
    }

    /// Where older evidence comes from.
    pub fn history_in_words(&self) -> String {
        let trust = self.settings.history_trust;
        match &self.settings.history {
            Some(file) => format!("{}, believed as {trust} at most", file.path().display()),
            None => {
                "none: nothing is known of the time before this sidecar's start; CAMBIST_HISTORY names one"
                    .to_owned()
            }
        }
    }

    /// The exemptions, each with its end, and whether that is past.
    pub fn exemptions(&self, now: UnixTime) -> impl Iterator<Item = (String, UnixTime, bool)> {
        let exempt = self.settings.exempt.iter();
        exempt.map(move |e| (e.key().to_string(), e.ends(), e.ends() <= now))
    }

    /// Says at the start what holds.
    pub(crate) fn announce(&self, now: UnixTime) {
        tracing::info!(
            target: crate::telemetry::WORK,
            mode = self.mode.as_str(),
            platform = self.platform_in_words(),
            limits = self.limits_in_words(),
            history = self.history_in_words(),
            exempt = self.settings.exempt.len(),
            "key-age policy"
        );
        for (key, ends, over) in self.exemptions(now) {
            if over {
                tracing::warn!(target: crate::telemetry::WORK, key, %ends, "an exemption is over");
            } else {
                tracing::warn!(target: crate::telemetry::WORK, key, %ends, "a key is exempt");
            }
        }
    }
}

impl fmt::Display for Rules {
    /// A line each, for `--check-config`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key age          {}", self.mode_in_words())?;
        if self.mode == Mode::Off {
            return Ok(());
        }
        write!(f, "\nkey limits       {}", self.limits_in_words())?;
        write!(f, "\nkey platform     {}", self.platform_in_words())?;
        write!(f, "\nkey history       {}", self.history_in_words())?;
        if self.settings.exempt.is_empty() {
            return write!(f, "\nkeys exempt      none");
        }
        for exemption in &self.settings.exempt {
            write!(f, "\nkeys exempt      {} until {}", exemption.key(), exemption.ends())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
