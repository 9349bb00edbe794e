//! Who may have a place at a listener, and how long an unused one is left alone while others queue.
//! Rules only: numbers in, verdicts out.

use std::time::Duration;

use super::peer::Peer;

/// How a listener's places are shared out among those who connect: some are kept for the pod itself,
/// some for its node, and of the rest no other address has more than its part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shares {
    places: usize,
    /// Kept for the pod itself.
    loopback: usize,
    /// Kept for the node.
    host: usize,
    /// The most that any other address has.
    address: usize,
}

/// Who holds places at some moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    /// By the pod itself.
    pub(super) loopback: usize,
    /// By the node.
    pub(super) host: usize,
    /// By all others.
    pub(super) others: usize,
    /// By the one who asks, if it is one of the others, without what is being closed already.
    pub(super) own: usize,
}

/// Whether there is a place for a newcomer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// There is.
    Free,
    /// There will be when one of those it competes with goes.
    Full,
    /// Its address has as many as any may have.
    AtItsShare,
}

impl Shares {
    /// All places for whoever comes.
    pub(super) const fn open(places: usize) -> Self {
        Self { places, loopback: 0, host: 0, address: places }
    }

    /// Four places for the pod itself, four for its node, and a quarter of the rest at most for each
    /// other address.
    pub(super) const fn kept(places: usize) -> Self {
        const KEPT: usize = 4;
        let rest = places.saturating_sub(2 * KEPT);
        let address = if rest < 4 { 1 } else { rest / 4 };
        Self { places, loopback: KEPT, host: KEPT, address }
    }

    pub(super) fn room(&self, peer: Peer, held: Held) -> Room {
        let rest = self.places.saturating_sub(self.loopback + self.host);
        let taken = held.others
            + held.loopback.saturating_sub(self.loopback)
            + held.host.saturating_sub(self.host);
        let kept = match peer {
            Peer::Loopback => held.loopback < self.loopback,
            Peer::Host => held.host < self.host,
            Peer::Other(_) if held.own >= self.address => return Room::AtItsShare,
            Peer::Other(_) => false,
        };
        if kept || taken < rest { Room::Free } else { Room::Full }
    }

    /// Whether a newcomer who finds no room could have the place of `holder`: not if that is one of
    /// those kept for somebody else.
    pub(super) fn competes(&self, newcomer: Peer, holder: Peer, held: Held) -> bool {
        match holder {
            Peer::Loopback => newcomer == holder || held.loopback > self.loopback,
            Peer::Host => newcomer == holder || held.host > self.host,
            Peer::Other(_) => true,
        }
    }
}

/// How long a connection that has not asked anything yet keeps its place while others queue: the
/// grace time, and less while most that come stay silent. A crowd of callers is slow to a degree; a
/// crowd of connections that say nothing is an attack, or a leak, and each of them would cost those
/// behind it another grace time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    grace: Duration,
    now: Duration,
    /// When it was last changed, and how many had asked something until then.
    changed_at: Duration,
    asked: u64,
}

impl Patience {
    /// It is never shorter: a client on a busy machine gets to say something.
    const LEAST: Duration = Duration::from_millis(2);

    /// What was learnt of a crowd is forgotten after this.
    const MEMORY: Duration = Duration::from_secs(1);

    pub(super) fn new(grace: Duration) -> Self {
        Self { grace, now: grace, changed_at: Duration::ZERO, asked: 0 }
    }

    /// How long it is at a time.
    pub(super) fn at(&self, now: Duration) -> Duration {
        if now.saturating_sub(self.changed_at) > Self::MEMORY { self.grace } else { self.now }
    }

    /// So many were closed that had said nothing; until then `asked` had asked something, ever.
    pub(super) fn closed(&mut self, silent: u64, asked: u64, now: Duration) {
        let spoke = asked.saturating_sub(self.asked);
        let current = self.at(now);
        self.now = if silent > spoke {
            (current / 4).max(Self::LEAST).min(self.grace)
        } else {
            (current * 4).min(self.grace)
        };
        (self.changed_at, self.asked) = (now, asked);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Peer = Peer::Other(std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 9)));

    fn held(loopback: usize, host: usize, others: usize, own: usize) -> Held {
        Held { loopback, host, others, own }
    }

    #[test]
    fn an_open_listener_has_room_until_it_is_full() {
        let shares = Shares::open(48);
        assert_eq!(shares.room(Peer::Loopback, held(47, 0, 0, 0)), Room::Free);
        assert_eq!(shares.room(Peer::Loopback, held(48, 0, 0, 0)), Room::Full);
        assert!(shares.competes(Peer::Loopback, Peer::Loopback, held(48, 0, 0, 0)));
    }

    #[test]
    fn places_are_kept_for_the_pod_and_for_its_node() {
        let shares = Shares::kept(128);
        let crowded = held(0, 0, 120, 3);
        assert_eq!(shares.room(ONE, crowded), Room::Full);
        for peer in [Peer::Loopback, Peer::Host] {
            assert_eq!(shares.room(peer, crowded), Room::Free);
        }
        let crowded = held(4, 4, 120, 3);
        for peer in [Peer::Loopback, Peer::Host, ONE] {
            assert_eq!(shares.room(peer, crowded), Room::Full);
        }
        // Nobody gets what is kept for another; what one has beyond that is everybody's.
        assert!(!shares.competes(ONE, Peer::Loopback, crowded));
        assert!(!shares.competes(Peer::Loopback, Peer::Host, crowded));
        assert!(shares.competes(Peer::Loopback, Peer::Loopback, crowded));
        let beyond = held(5, 4, 119, 3);
        assert_eq!(shares.room(ONE, beyond), Room::Full);
        assert!(shares.competes(ONE, Peer::Loopback, beyond));
        assert_eq!(shares.room(ONE, held(5, 4, 118, 3)), Room::Free);
    }

    #[test]
    fn one_address_has_a_quarter_of_the_rest() {
        let shares = Shares::kept(128);
        assert_eq!(shares.room(ONE, held(0, 0, 29, 29)), Room::Free);
        assert_eq!(shares.room(ONE, held(0, 0, 30, 30)), Room::AtItsShare);
        assert_eq!(shares.room(Peer::Host, held(0, 100, 0, 0)), Room::Free, "it is the node");
        for places in [8, 9, 12, 16] {
            assert!(Shares::kept(places).address >= 1, "{places}");
        }
    }

    #[test]
    fn patience_shrinks_with_a_silent_crowd_and_comes_back() {
        const fn ms(n: u64) -> Duration {
            Duration::from_millis(n)
        }
        let mut patience = Patience::new(ms(100));
        let mut asked = 500;
        let mut lengths = Vec::new();
        for round in 0..5 {
            patience.closed(48, asked, ms(round));
            lengths.push(patience.at(ms(round)));
            // A few apps go on asking meanwhile.
            asked += 10;
        }
        assert_eq!(lengths[1..], [ms(25), ms(25) / 4, ms(2), ms(2)]);
        // Callers that are merely many are left alone.
        patience.closed(3, asked + 60, ms(10));
        assert_eq!(patience.at(ms(10)), ms(8));
        assert_eq!(patience.at(ms(2000)), ms(100), "it is over");
        // And nothing makes it longer than the grace time.
        patience.closed(0, asked, ms(2001));
        assert_eq!(patience.at(ms(2001)), ms(100));
    }
}
