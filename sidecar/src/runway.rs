//! How long apps would still be served if Entra vanished now.

use std::time::Duration;

use cambist::cache::Entry;
use cambist_core::clock::BootTime;

/// How long ago an app may have asked for something to be taken for one that will ask again.
pub const LATELY: Duration = Duration::from_secs(3600);

/// The least that any token still lives which is prefetched or was asked for [lately](LATELY): zero where there
/// is none for one of these, and nothing where none is asked for.
pub fn runway<'e>(entries: impl IntoIterator<Item = &'e Entry>, now: BootTime) -> Option<Duration> {
    entries.into_iter().filter_map(|entry| left(entry, now)).min()
}

/// How long this one's token still lives, if an app would miss it.
pub(crate) fn left(entry: &Entry, now: BootTime) -> Option<Duration> {
    let lives = || entry.token.as_ref().map_or(Duration::ZERO, |it| it.remaining_at(now));
    counts(entry, now).then(lives)
}

/// Whether an app would miss it. What somebody has prefetched is missed from the start. What an app alone asks for is
/// missed if it was served with it, or would be but for an outage: with what was never given and is refused for good,
/// such as a resource that is misspelt, nothing would end, and whoever can ask must not be able to page somebody.
/// What was only just asked for is not yet known to be either.
pub(crate) fn counts(entry: &Entry, now: BootTime) -> bool {
    let lately = now.since(entry.last_asked) <= LATELY;
    let in_trouble = entry.failure.as_ref().is_some_and(|it| it.reason().is_retryable());
    entry.pinned || lately && (entry.was_held || in_trouble)
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
    async fn what_is_refused_for_good_and_was_never_given_pages_nobody() {
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
