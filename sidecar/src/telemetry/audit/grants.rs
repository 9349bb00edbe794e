//! How often tokens were handed out after the first time, told once a minute.
//!
//! What a hit costs is one count ([`Uses`]). Whoever has a token for the first time takes the lock here, once.

use std::sync::{Arc, Mutex, PoisonError};

use cambist::exchange::Uses;

/// A token that a caller has, as it is told of.
#[derive(Debug)]
pub(super) struct Had {
    pub(super) caller: Box<str>,
    pub(super) identity: Box<str>,
    pub(super) client_id: Box<str>,
    pub(super) resource: Box<str>,
    pub(super) client_request_id: String,
    pub(super) token_sha256: String,
}

/// The tokens that callers have.
#[derive(Debug, Default)]
pub(super) struct Grants(Mutex<Vec<Counted>>);

/// A token.
#[derive(Debug)]
struct Counted {
    uses: Arc<Uses>,
    each: Vec<ByCaller>,
}

/// One caller's use of it.
#[derive(Debug)]
struct ByCaller {
    /// The caller's number there.
    number: usize,
    /// How many of its uses were told of.
    told: u64,
    had: Had,
}

impl Grants {
    /// A caller has a token for the first time, which is told of.
    pub(super) fn add(&self, uses: &Arc<Uses>, number: usize, had: Had) {
        let caller = ByCaller { number, told: 1, had };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Most likely one of the last that came.
        match all.iter_mut().rev().find(|counted| Arc::ptr_eq(&counted.uses, uses)) {
            Some(counted) => counted.each.push(caller),
            None => all.push(Counted { uses: uses.clone(), each: vec![caller] }),
        }
    }

    /// Tells how often each was handed out since it was last told, and forgets those that nobody holds any more.
    pub(super) fn sum_up(&self, tell: impl Fn(&Had, u64)) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain_mut(|Counted { uses, each }| {
            // Before the counts are read: what nobody else holds, nobody else counts.
            let held = Arc::get_mut(uses).is_none();
            for ByCaller { number, told, had } in each {
                let by = uses.by(*number);
                if by > *told {
                    tell(had, by - *told);
                    *told = by;
                }
            }
            held
        });
        // After many tokens, nothing is kept of them.
        if all.len() < all.capacity() / 4 {
            all.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn had(caller: &str) -> Had {
        let text = || Box::<str>::from("x");
        Had {
            caller: caller.into(),
            identity: text(),
            client_id: text(),
            resource: text(),
            client_request_id: String::new(),
            token_sha256: String::new(),
        }
    }

    #[test]
    fn each_use_is_told_once_also_those_between_the_last_look_and_the_tokens_end() {
        let (grants, uses) = (Grants::default(), Arc::new(Uses::default()));
        for (caller, by) in [("app", 0), ("batch", 9)] {
            assert_eq!(uses.count(by), 0);
            grants.add(&uses, by, had(caller));
        }
        let told = || {
            let told = RefCell::new(Vec::new());
            grants.sum_up(|had, times| told.borrow_mut().push((had.caller.to_string(), times)));
            told.into_inner()
        };
        let one = |caller: &str, times| vec![(caller.to_owned(), times)];
        assert_eq!(told(), [], "the first was told by itself");
        (0..3).for_each(|_| _ = uses.count(9));
        assert_eq!(told(), one("batch", 3));
        assert_eq!(told(), []);
        (0..2).for_each(|_| _ = uses.count(0));
        drop(uses);
        assert_eq!(told(), one("app", 2));
        assert!(grants.0.lock().unwrap().is_empty(), "it is forgotten");
    }
}
