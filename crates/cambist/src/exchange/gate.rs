//! How many exchanges run at once.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// A bound on the exchanges that run at once, over all scopes of all identities that share it.
///
/// A cold one costs 60 to 70 KB while it runs, and a pod has little: what is beyond the bound waits
/// its turn. Who came first goes first, but no identity has more than half of the places while
/// another one waits. Cheap to clone; clones are the same gate.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use cambist::exchange::Gate;
///
/// let gate = Gate::new(1);
/// let passage = gate.enter("payments").await;
/// let waiting = tokio::spawn({
///     let gate = gate.clone();
///     async move { gate.enter("shop").await }
/// });
/// tokio::task::yield_now().await;
/// assert!(!waiting.is_finished());
/// drop(passage);
/// waiting.await.unwrap();
/// # });
/// ```
#[derive(Clone)]
pub struct Gate(Arc<Inner>);

struct Inner {
    most: usize,
    state: Mutex<State<oneshot::Sender<Passage>>>,
}

/// A place at the gate; dropping it gives it back.
#[must_use = "the place is given back when this is dropped"]
pub struct Passage(Option<(Gate, Arc<str>)>);

impl Default for Gate {
    /// 32 places.
    fn default() -> Self {
        Self::new(32)
    }
}

impl Gate {
    /// A gate with so many places, one at least.
    pub fn new(most: usize) -> Self {
        let most = most.max(1);
        Self(Arc::new(Inner { most, state: Mutex::default() }))
    }

    /// Waits for a place, for an identity by whatever name tells it from the others.
    pub async fn enter(&self, who: impl Into<Arc<str>>) -> Passage {
        let who = who.into();
        let turn = {
            let mut state = self.state();
            if state.running < self.0.most {
                state.begin(who.clone());
                return Passage(Some((self.clone(), who)));
            }
            let (tell, turn) = oneshot::channel();
            state.queue.push_back((who, tell));
            turn
        };
        // The sender is in the queue of this very gate and leaves it with a place only.
        turn.await.unwrap_or(Passage(None))
    }

    /// How many places are taken.
    pub fn running(&self) -> usize {
        self.state().running
    }

    /// How many wait for one.
    pub fn waiting(&self) -> usize {
        self.state().queue.iter().filter(|(_, tell)| !tell.is_closed()).count()
    }

    fn leave(&self, who: &str) {
        let mut state = self.state();
        state.end(who);
        while let Some((who, tell)) = state.next(self.0.most) {
            state.begin(who.clone());
            match tell.send(Passage(Some((self.clone(), who.clone())))) {
                Ok(()) => return,
                // It gave up waiting. Dropping its place as it is would come back here.
                Err(mut unwanted) => drop(unwanted.0.take()),
            }
            state.end(&who);
        }
    }

    fn state(&self) -> MutexGuard<'_, State<oneshot::Sender<Passage>>> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        if let Some((gate, who)) = self.0.take() {
            gate.leave(&who);
        }
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Gate");
        out.field("most", &self.0.most).field("running", &self.running()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Passage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passage").finish_non_exhaustive()
    }
}

/// Who runs and who waits; of the waiting, `T` is how they are told.
struct State<T> {
    running: usize,
    of: HashMap<Arc<str>, usize>,
    queue: VecDeque<(Arc<str>, T)>,
}

impl<T> Default for State<T> {
    fn default() -> Self {
        Self { running: 0, of: HashMap::new(), queue: VecDeque::new() }
    }
}

impl<T> State<T> {
    fn begin(&mut self, who: Arc<str>) {
        self.running += 1;
        *self.of.entry(who).or_default() += 1;
    }

    fn end(&mut self, who: &str) {
        self.running = self.running.saturating_sub(1);
        match self.of.get_mut(who) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(self.of.remove(who)),
        }
    }

    /// Takes the one whose turn it is out of the queue: the first whose identity has less than half
    /// of the places, or else the first of all.
    fn next(&mut self, most: usize) -> Option<(Arc<str>, T)> {
        if self.running >= most {
            return None;
        }
        let few = |(who, _): &(Arc<str>, T)| self.of.get(who).copied().unwrap_or(0) < most / 2;
        let at = self.queue.iter().position(few).unwrap_or(0);
        self.queue.remove(at)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn another_identity_goes_before_one_that_has_half() {
        let mut state = State::default();
        (0..4).for_each(|_| state.begin("a".into()));
        for (who, nth) in [("a", 1), ("a", 2), ("b", 3), ("b", 4), ("b", 5)] {
            state.queue.push_back((who.into(), nth));
        }
        let mut order = Vec::new();
        for leaves in ["a", "a", "a", "a", "b"] {
            state.end(leaves);
            let (who, nth) = state.next(4).unwrap();
            state.begin(who);
            order.push(nth);
        }
        assert_eq!(order, [3, 4, 1, 2, 5]);
        assert!(state.next(4).is_none());
    }

    #[tokio::test]
    async fn whoever_gives_up_costs_nobody_a_place() {
        let gate = Gate::new(1);
        let first = gate.enter("a").await;
        let mut gives_up = Box::pin(gate.enter("a"));
        let mut told_in_vain = Box::pin(gate.enter("a"));
        assert!(gives_up.as_mut().now_or_never().is_none());
        assert!(told_in_vain.as_mut().now_or_never().is_none());
        assert_eq!((gate.running(), gate.waiting()), (1, 2));
        drop(gives_up);
        drop(first);
        // The second has its place by now, and does not come for it.
        assert_eq!((gate.running(), gate.waiting()), (1, 0));
        drop(told_in_vain);
        assert_eq!((gate.running(), gate.waiting()), (0, 0));
        assert!(gate.enter("b").now_or_never().is_some());
    }

    proptest! {
        #[test]
        fn places_are_used_and_never_more_than_there_are(
            most in 1usize..6, steps in proptest::collection::vec((0u8..3, any::<bool>()), 0..60),
        ) {
            let mut state = State::default();
            let mut inside: Vec<Arc<str>> = Vec::new();
            for (who, comes) in steps {
                let who: Arc<str> = who.to_string().into();
                if comes {
                    state.queue.push_back((who, ()));
                } else if let Some(out) = inside.pop() {
                    state.end(&out);
                }
                let others = |state: &State<()>, who: &Arc<str>| {
                    state.queue.iter().any(|(other, ())| other != who)
                };
                while let Some((who, ())) = state.next(most) {
                    let had = inside.iter().filter(|it| **it == who).count();
                    // Above its half only if all who wait have theirs as well.
                    if had >= most / 2 && others(&state, &who) {
                        let poor = |it: &Arc<str>| inside.iter().filter(|o| *o == it).count() < most / 2;
                        prop_assert!(!state.queue.iter().any(|(it, ())| poor(it)));
                    }
                    state.begin(who.clone());
                    inside.push(who);
                }
                prop_assert_eq!(state.running, inside.len());
                prop_assert!(inside.len() <= most);
                prop_assert!(state.queue.is_empty() || inside.len() == most);
            }
        }
    }
}
