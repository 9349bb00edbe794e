//! How long apps would still be served if Entra vanished now.

use std::time::Duration;

use cambist::Reason;
use cambist::cache::Entry;
use cambist_core::clock::BootTime;

/// How long ago an app may have asked for what it once had to be taken for one that will ask again.
pub const LATELY: Duration = Duration::from_secs(3600);

/// The same of what it never had: an app that needs it keeps asking.
pub const JUST_NOW: Duration = Duration::from_secs(300);

/// The least that any token still lives which counts: zero where there is none for one of these, and
/// nothing where nothing counts.
pub fn runway<'e>(entries: impl IntoIterator<Item = &'e Entry>, now: BootTime) -> Option<Duration> {
    entries.into_iter().filter_map(|entry| left(entry, now)).min()
}

/// How long this one's token still lives, if an app would miss it.
pub(crate) fn left(entry: &Entry, now: BootTime) -> Option<Duration> {
    let lives = || entry.token.as_ref().map_or(Duration::ZERO, |it| it.remaining_at(now));
    uncounted(entry, now).is_none().then(lives)
}

/// Why no app would miss it, in words; nothing where one would. What somebody has prefetched is missed from the start,
/// and what an app once had for as long as it may ask again. What it never had is missed while it keeps asking, unless
/// the resource itself is refused: with one that is misspelt nothing would end, and whoever can ask must not be able
/// to page somebody.
pub(crate) fn uncounted(entry: &Entry, now: BootTime) -> Option<&'static str> {
    let ago = now.since(entry.last_asked);
    match &entry.failure {
        _ if entry.pinned => None,
        _ if entry.was_held => (ago > LATELY).then_some("not asked for within the last hour"),
        None => Some("not had yet"),
        Some(failure) if is_of_resource(failure.reason()) => {
            Some("never had: it is the resource itself that is refused")
        }
        Some(_) => is_given_up(entry, now)
            .then_some("never had, and not asked for within the last five minutes"),
    }
}

/// Whether it was never had and nobody keeps asking for it, so that its failure is over for everybody.
pub(crate) fn is_given_up(entry: &Entry, now: BootTime) -> bool {
    !entry.pinned && !entry.was_held && now.since(entry.last_asked) > JUST_NOW
}

/// Whether it is the request's own fault, and another resource might be had by the same identity at the same time.
fn is_of_resource(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::EntraResourceUnknown
            | Reason::EntraScopeInvalid
            | Reason::CacheFull
            | Reason::TooManyScopes
    )
}

#[cfg(test)]
mod tests {
    use cambist_core::clock::Clock;
    use cambist_core::scope::Scope;
    use cambist_sim::clock::Machine;
    use cambist_sim::fault::{Fault, Target};

    use super::*;
    use crate::testing::{VAULT, World, ask, msi};

    const fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_the_least_that_lives_of_what_is_asked_for_lately() {
        let world = World::new();
        let (endpoint, credential) = world.endpoint();
        let clock = world.sim.clock_of(Machine::Pod).clone();
        let runway = || runway(&credential.entries(), clock.boot());
        assert_eq!(runway(), None, "nobody asked for anything");

        ask(&endpoint, msi(VAULT)).await;
        let life = runway().unwrap();
        assert!(life > secs(3500), "{life:?}");
        tokio::time::sleep(secs(1000)).await;
        ask(&endpoint, msi("api://later")).await;
        assert_eq!(runway(), Some(life - secs(1000)), "of the older one");

        // An app asks for what Entra does not give now.
        world.sim.faults().inject(Target::Entra, Fault::Reset);
        ask(&endpoint, msi("api://never")).await;
        assert_eq!(runway(), Some(Duration::ZERO));
        // More than an hour after the last such request nobody misses it.
        let mut entries = credential.entries();
        let never = entries.iter_mut().find(|entry| entry.token.is_none()).unwrap();
        never.last_asked = BootTime::default();
        let now = BootTime::default() + LATELY + secs(1);
        assert_eq!(super::runway(&entries, now), Some(life - secs(2601)), "only of the later one");
    }

    #[tokio::test(start_paused = true)]
    async fn a_resource_that_is_refused_and_was_never_given_pages_nobody() {
        let world = World::new();
        let (endpoint, credential) = world.endpoint();
        let clock = world.sim.clock_of(Machine::Pod).clone();
        let runway = || runway(&credential.entries(), clock.boot());
        let refused = Fault::Aadsts { code: 500_011, status: None, retry_after: None };
        world.sim.faults().inject(Target::Entra, refused.clone());
        assert_eq!(ask(&endpoint, msi("api://misspelt")).await.status(), 403);
        assert_eq!(runway(), None, "it never was served with anything");
        world.sim.faults().clear();
        ask(&endpoint, msi(VAULT)).await;
        let life = runway().unwrap();
        assert!(life > secs(3500), "{life:?}");

        // What it once had, and is then refused, it does miss.
        world.sim.faults().inject(Target::Entra, refused);
        tokio::time::sleep(life).await;
        ask(&endpoint, msi(VAULT)).await;
        assert_eq!(runway(), Some(Duration::ZERO));
        // And so it does what it would have, but for an outage.
        world.sim.faults().clear();
        tokio::time::sleep(secs(600)).await;
        ask(&endpoint, msi(VAULT)).await;
        world.sim.faults().inject(Target::Entra, Fault::Reset);
        ask(&endpoint, msi("api://later")).await;
        assert_eq!(runway(), Some(Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_identity_is_refused_counts_while_an_app_keeps_asking() {
        let world = World::new();
        let (endpoint, credential) = world.endpoint();
        let clock = world.sim.clock_of(Machine::Pod).clone();
        let runway = || runway(&credential.entries(), clock.boot());
        let refused = Fault::Aadsts { code: 70_021, status: None, retry_after: None };
        for fault in [
            refused,
            Fault::Status { status: http::StatusCode::SERVICE_UNAVAILABLE, retry_after: None },
        ] {
            world.sim.faults().clear();
            world.sim.faults().inject(Target::Entra, fault);
            ask(&endpoint, msi(VAULT)).await;
            assert_eq!(runway(), Some(Duration::ZERO));
            tokio::time::sleep(JUST_NOW).await;
            assert_eq!(runway(), Some(Duration::ZERO));
            // Nobody tries any more, so that nobody would see it mended.
            tokio::time::sleep(secs(2)).await;
            assert_eq!(runway(), None);
        }
        let entries = credential.entries();
        let [entry] = &entries[..] else { panic!("{entries:?}") };
        let why = "never had, and not asked for within the last five minutes";
        assert_eq!(uncounted(entry, clock.boot()), Some(why));
    }

    #[test]
    fn only_what_is_the_requests_own_fault_is_of_the_resource() {
        let of_resource = Reason::ALL.iter().filter(|reason| is_of_resource(**reason));
        let words: Vec<_> = of_resource.map(|reason| reason.as_str()).collect();
        assert_eq!(
            words,
            ["entra_resource_unknown", "entra_scope_invalid", "cache_full", "too_many_scopes"]
        );
        // The alert leaves out the same; the others are of no entry.
        let rules = include_str!("../deploy/monitoring/rules.yaml");
        assert!(
            rules.contains(&format!(
                "cambist_token_failing{{reason!~\"{}\"}}",
                words[..2].join("|")
            ))
        );
    }

    #[test]
    fn what_is_prefetched_counts_whoever_asks() {
        let long_after = BootTime::default() + LATELY + secs(1);
        let mut entry = Entry::prefetched(Scope::parse("api://a/.default").unwrap());
        assert_eq!(runway([&entry], long_after), Some(Duration::ZERO));
        entry.pinned = false;
        let lately = BootTime::default() + LATELY;
        assert_eq!(runway([&entry], lately), None, "it was asked for, and nobody knows more yet");
        entry.was_held = true;
        assert_eq!(runway([&entry], lately), Some(Duration::ZERO));
        assert_eq!(runway([&entry], long_after), None);
    }
}
