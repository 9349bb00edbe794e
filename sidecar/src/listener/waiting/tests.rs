use cambist::exchange::TenantId;

use super::*;
use crate::testing::link;

fn wanted(name: &str) -> Wanted {
    of(0, name)
}

fn of(identity: u8, name: &str) -> Wanted {
    let tenant = TenantId::parse("contoso.com").unwrap();
    let principal = Principal::new(tenant, identity.to_string());
    ("app".to_owned(), principal, Scope::parse(&format!("api://{name}/.default")).unwrap())
}

/// Whether this place was taken back.
fn lost(place: &mut Place) -> Option<Recalled> {
    place.told.try_recv().ok()
}

fn enter(waiting: &Arc<Waiting>, name: &str) -> Result<Place, Recalled> {
    waiting.enter(wanted(name), link())
}

fn many(waiting: &Arc<Waiting>, name: &str, n: usize) -> Vec<Place> {
    (0..n).map(|_| enter(waiting, name).unwrap()).collect()
}

#[test]
fn one_thing_alone_may_have_every_place_and_gives_each_back() {
    let waiting = Waiting::new(8);
    let mut all = many(&waiting, "a", 8);
    assert_eq!((enter(&waiting, "a").unwrap_err(), waiting.gauge.get()), (Recalled::Busy, 8));
    drop(all.pop());
    assert_eq!(waiting.gauge.get(), 7);
    all.push(enter(&waiting, "a").unwrap());
    drop(all);
    assert_eq!((waiting.gauge.get(), waiting.list().seats.len()), (0, 0));
}

#[test]
fn what_else_is_waited_for_gets_its_half() {
    let waiting = Waiting::new(8);
    let mut a = many(&waiting, "a", 8);
    let mut b = many(&waiting, "b", 4);
    // The last who came had to go.
    let gone: Vec<_> = a.iter_mut().map(lost).collect();
    assert_eq!(gone, [[None; 4], [Some(Recalled::Busy); 4]].concat());
    assert_eq!(enter(&waiting, "b").unwrap_err(), Recalled::Busy);
    assert_eq!(enter(&waiting, "a").unwrap_err(), Recalled::Busy);
    // Nothing has more than half while something else is waited for, free places or not.
    drop(b.pop());
    assert_eq!(enter(&waiting, "a").unwrap_err(), Recalled::Busy);
    // A third shares with both, until all have about the same.
    let _c = many(&waiting, "c", 2);
    assert_eq!(enter(&waiting, "c").unwrap_err(), Recalled::Busy);
    let left = |places: &mut Vec<Place>| places.iter_mut().filter_map(lost).count();
    assert_eq!((left(&mut a), left(&mut b)), (1, 0));
    // Another identity is something else, too.
    assert!(waiting.enter(of(1, "a"), link()).is_ok());
}

#[test]
fn who_has_hung_up_waits_in_nobodys_way() {
    let waiting = Waiting::new(4);
    let gone = link();
    let mut left = waiting.enter(wanted("a"), gone.clone()).unwrap();
    let mut there = many(&waiting, "a", 3);
    gone.hang_up();
    assert_eq!(lost(&mut left), None, "it may still be listening");
    let mut next = enter(&waiting, "a").unwrap();
    assert_eq!(lost(&mut left), Some(Recalled::Busy));
    drop(left);
    assert_eq!(waiting.list().taken, 4, "a place is given back once");
    assert!(there.iter_mut().chain([&mut next]).all(|place| lost(place).is_none()));
}

#[tokio::test]
async fn all_waiting_ends_with_the_drain() {
    let waiting = Waiting::new(4);
    let mut places = many(&waiting, "a", 2);
    waiting.end();
    for place in &mut places {
        assert_eq!(place.recalled().await, Recalled::Draining);
    }
    assert_eq!(enter(&waiting, "a").unwrap_err(), Recalled::Draining);
    assert_eq!(waiting.gauge.get(), 0);
}

#[test]
fn a_caller_with_ever_new_wishes_keeps_no_other_from_waiting() {
    let waiting = Waiting::new(8);
    let by = |caller: &str, n: usize| {
        let (_, principal, scope) = of(0, &format!("{n}"));
        waiting.enter((caller.to_owned(), principal, scope), link())
    };
    let mut flood: Vec<_> = (0..8).map(|n| by("flood", n).unwrap()).collect();
    let mut kept: Vec<_> = (100..104).map(|n| by("other", n).unwrap()).collect();
    assert_eq!(flood.iter_mut().filter_map(lost).count(), 4);
    assert!(by("flood", 9).is_err() && by("other", 200).is_err());
    assert_eq!(kept.iter_mut().filter_map(lost).count(), 0);
    let _third = by("third", 0).unwrap();
    assert_eq!(flood.iter_mut().chain(&mut kept).filter_map(lost).count(), 1);
}
