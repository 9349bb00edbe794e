//! An oracle: small worlds whose keys' births are known, looked at by observers with gaps, clocks that
//! are wrong, old caches and histories that merge late. From honest looks nothing false may follow, by age
//! or by role; from hostile dates no false OK, and no false alarm that does not name the date.

use std::collections::BTreeSet;
use std::time::Duration;

use super::history::{FLAP, Sighting, tests::look};
use super::judge::judge;
use super::vectors::{DAY, HOUR, key};
use super::*;
use crate::testing::{ISSUER, NOW};
use cambist_core::clock::{Reading, UnixTime};

const WORLDS: u64 = 1000;

/// A small generator (splitmix64): the same worlds in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.roll() % end.max(1)
    }

    fn hours(&mut self, from: u64, to: u64) -> i64 {
        i64::try_from(from + self.below(to - from + 1)).unwrap() * 3600
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// A key's life, in seconds from the beginning of the watch.
#[derive(Clone, Copy, Debug)]
struct Life {
    born: i64,
    published: i64,
    /// At the API servers; each learns of it up to a rollout later.
    loaded: i64,
    signs: i64,
    retires: i64,
    withdrawn: i64,
    /// It was retired before anybody looked, and is put back from then on.
    back: Option<i64>,
}

impl Life {
    fn public(&self, at: i64) -> bool {
        (self.published <= at && at < self.withdrawn) || self.back.is_some_and(|back| back <= at)
    }

    fn first_trusted(&self, api_alone: bool) -> i64 {
        if api_alone { self.loaded.min(self.published) } else { self.published }
    }
}

struct World {
    dice: Dice,
    keys: Vec<Life>,
    /// Nobody looks at anything but the API servers.
    api_alone: bool,
    hostile: bool,
}

const END: i64 = 400 * 86_400;

impl World {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let (hostile, api_alone) = (seed % 3 == 2, seed % 8 == 5);
        let mut keys = Vec::new();
        let mut published = -dice.hours(0, 24 * 200);
        let mut signs = published;
        let usual = dice.hours(24 * 4, 24 * 120);
        for _ in 0..20 {
            let ahead = if dice.one_in(4) { dice.hours(0, 24 * 60) } else { 0 };
            let next = published + usual + dice.hours(0, 24 * 10);
            let lead = dice.hours(2, 48);
            let (retires, withdrawn) = (next + lead, next + lead + dice.hours(26, 24 * 50));
            // Some publish first and tell the API servers after, within a day.
            let late =
                if dice.one_in(3) && !api_alone { dice.hours(0, 18).min(lead * 1800) } else { 0 };
            let loaded = if late > 0 { published + late } else { published - dice.hours(0, 9) };
            let born = published.min(loaded) - ahead;
            let back = None;
            keys.push(Life { born, published, loaded, signs, retires, withdrawn, back });
            (published, signs) = (next, retires);
            if published > END {
                break;
            }
        }
        if dice.one_in(6) {
            let retired = -dice.hours(24, 24 * 300);
            let published = retired - dice.hours(24 * 30, 24 * 90);
            let back = Some(dice.hours(24 * 5, 24 * 200));
            keys.push(Life {
                born: published,
                published,
                loaded: published,
                signs: published,
                retires: retired,
                withdrawn: retired,
                back,
            });
        }
        Self { dice, keys, api_alone, hostile }
    }

    fn public(&self, at: i64) -> Vec<u8> {
        self.named(|life| life.public(at))
    }

    /// At one of two servers, which lags up to a rollout behind the other.
    fn at_api(&self, at: i64, lag: i64) -> Vec<u8> {
        self.named(|life| life.loaded + lag <= at && life.public(at.max(life.published)))
    }

    fn named(&self, is: impl Fn(&Life) -> bool) -> Vec<u8> {
        let keys = self.keys.iter().zip(0..).filter(|(life, _)| is(life));
        keys.map(|(_, name)| name).collect()
    }

    fn signer(&self, at: i64) -> Option<u8> {
        self.named(|life| life.signs <= at && at < life.retires && life.back.is_none()).pop()
    }
}

fn moment(at: i64) -> UnixTime {
    UnixTime::from_secs(NOW.as_secs() + at)
}

fn seconds(duration: i64) -> Duration {
    Duration::from_secs(u64::try_from(duration).unwrap_or_default())
}

/// One observer and what it keeps.
struct Observer {
    history: History,
    next: i64,
    step: i64,
    /// How wrong its clock is, and until when.
    skew: i64,
    skewed_until: i64,
}

impl Observer {
    fn new(dice: &mut Dice) -> Self {
        let step = [3600, 6 * 3600, 86_400, 3 * 86_400][usize::try_from(dice.below(4)).unwrap()];
        let (skew, skewed_until) = (dice.hours(0, 3) / 36 - 150, i64::MAX);
        Self { history: History::new(ISSUER), next: dice.hours(0, 48), step, skew, skewed_until }
    }

    /// What the observer's clock shows, held against the honest `Date` of the answer.
    fn clock(&mut self, at: i64, dice: &mut Dice) -> Reading {
        if at >= self.skewed_until {
            (self.skew, self.skewed_until) = (dice.hours(0, 3) / 36 - 150, i64::MAX);
        } else if dice.one_in(60) {
            self.skew = dice.hours(0, 24 * 200) - 100 * 86_400;
            self.skewed_until = at + dice.hours(1, 24 * 5);
        }
        Reading::against(moment(at + self.skew), Reading::alone(moment(at)))
    }

    fn look(&mut self, at: i64, world: &mut World) {
        let reading = self.clock(at, &mut world.dice);
        let dice = &mut world.dice;
        // Up to an hour in caches that say nothing of it, and for longer in some that do.
        let age = if dice.one_in(10) { dice.hours(0, 72) } else { 0 };
        let stale = 3600 + age;
        let old = i64::try_from(dice.below(u64::try_from(stale).unwrap())).unwrap();
        let (lag, upload) = (dice.hours(0, 5), dice.hours(0, 3));
        let (asked_public, asked_api) = (!world.api_alone, world.api_alone || dice.one_in(4));
        let stolen = world.hostile.then(|| -dice.hours(0, 24 * 300) + dice.hours(0, 24 * 300));
        if asked_public {
            let names = world.public(at - old);
            let changes = world.keys.iter().flat_map(|life| [life.published, life.withdrawn]);
            let changed = changes.filter(|change| *change <= at - old).max();
            let honest = changed.map(|change| (change + upload).min(at - old));
            let mut seen = look(Source::Public, moment(at), &names);
            seen.at = reading;
            seen.stale = seconds(stale + stolen.map_or(0, i64::abs) / 9);
            seen.last_modified = stolen.map(|lie| at + lie).or(honest).map(moment);
            self.add(&seen);
        }
        if asked_api {
            let names = world.at_api(at, lag);
            let mut seen = look(Source::Api, moment(at), &names);
            seen.at = reading;
            self.add(&seen);
        }
        let token = at - world.dice.hours(0, 20);
        let life = world.dice.hours(1, 24);
        if world.dice.one_in(3)
            && token + life >= at
            && let Some(name) = world.signer(token)
        {
            self.history.observe_token(key(name), moment(token), moment(token + life));
        }
        let pause = if world.dice.one_in(25) { world.dice.hours(24, 24 * 70) } else { 0 };
        self.next = at + self.step + pause + world.dice.hours(0, 1);
    }

    fn add(&mut self, seen: &Sighting) {
        // A set without keys is no sighting; a look by a clock that is far off is left out.
        if !seen.keys().is_empty() {
            _ = self.history.observe(seen);
        }
    }
}

/// What is judged of a history, right after a look at `at`.
fn known(world: &mut World, history: &History, at: i64) -> Known {
    let mut out = super::vectors::known(history);
    out.published = if world.api_alone { world.at_api(at, 0) } else { world.public(at) }
        .into_iter()
        .map(key)
        .collect();
    if world.hostile {
        for name in world.public(at) {
            let says = at - world.dice.hours(0, 24 * 300) + world.dice.hours(0, 24 * 60);
            out.facts.push(Fact::dated(key(name), moment(says), moment(at)));
        }
    }
    out
}

struct Tally {
    ok: u32,
    alarms: u32,
    by_role: u32,
    judged: u32,
}

fn check(world: &mut World, history: &History, at: i64, tally: &mut Tally) {
    let policy = Policy::default();
    let known = known(world, history, at);
    let off = if world.hostile { world.dice.hours(0, 24 * 90) } else { world.dice.hours(0, 1) };
    let now = Reading::new(moment(at), seconds(off));
    let out = judge(&known, &policy, now);
    let sure = judge(&known, &policy, Reading::new(moment(at), HOUR));
    let limits = policy.limits.unwrap();
    let (rotate, expire) =
        (limits.rotate_after() + policy.grace, limits.expire_after() + policy.grace);
    let lives = world.keys.clone();
    let find = |judged: &KeyJudgement| {
        let name = (0..).take(lives.len()).find(|name| key(*name) == judged.key).unwrap();
        lives[usize::from(name)]
    };
    let aged = |since: i64| seconds(at - since);
    let youngest = out.keys.iter().filter(|judged| known.published.contains(&judged.key));
    let youngest = youngest.map(|judged| aged(find(judged).born)).min().unwrap_or_default();
    for judged in &out.keys {
        tally.judged += 1;
        let life = find(judged);
        let said = || format!("{judged:#?}\n{life:#?} at {at} of {:#?}", history.runs());
        // By role: a token tells for a day at most, so what is said was so at some moment of the last.
        let day_ago = at - 86_400;
        let signed = life.back.is_none() && life.signs <= at && day_ago < life.retires;
        let signed_all_day = signed && life.signs <= day_ago && at < life.retires;
        let signs = match judged.role {
            Role::Signer | Role::Ghost => {
                tally.by_role += 1;
                assert!(signed, "no signer: {}", said());
                true
            }
            Role::Verifier | Role::Next => {
                assert!(!signed_all_day, "signs: {}", said());
                false
            }
            Role::Unknown => true,
        };
        // By age.
        let limit = if signs { rotate } else { expire };
        let put_back = life.back.is_some();
        let trusted = life.first_trusted(world.api_alone);
        let proven = judged.grade == Some(Grade::Proven);
        // Not only the verdict: what it rests on holds to the second.
        if !put_back {
            let not_before = judged.trusted_not_before.is_none_or(|it| it <= moment(trusted));
            let by = judged.trusted_by.is_none_or(|it| it >= moment(trusted));
            assert!(not_before && by, "not between: {}", said());
        }
        match judged.age_verdict {
            // Whoever puts a key back that was gone before anybody looked is not seen, and so nothing
            // of the kind is called proven until a key would be too old anyhow.
            Verdict::Ok if put_back => {
                tally.ok += 1;
                let away = life.back.map_or(Duration::ZERO, |back| seconds(back - life.withdrawn));
                assert!(!proven || away > expire, "not proven: {}", said());
            }
            Verdict::Ok => {
                tally.ok += 1;
                assert!(aged(trusted) <= limit, "not OK: {}", said());
            }
            Verdict::Due | Verdict::Overdue => {
                tally.alarms += 1;
                let due = judged.age_verdict == Verdict::Due;
                let right = match judged.role {
                    Role::Unknown if due => youngest > rotate,
                    _ => aged(life.born) > if due { rotate } else { expire },
                };
                let named = judged.grade.is_some_and(|grade| grade <= Grade::Asserted);
                assert!(right || (world.hostile && named), "false alarm: {}", said());
            }
            Verdict::Unknown | Verdict::Suspect => {}
        }
        assert!(judged.conflicts.is_empty(), "no contradiction: {}", said());
        // A served date widens by an hour at most what is an alarm.
        let sure = sure.key(judged.key).unwrap().age_verdict;
        assert!(sure < Verdict::Due || judged.age_verdict >= sure, "silenced: {}", said());
    }
    if !world.api_alone {
        let back = world.keys.iter().any(|life| life.back.is_some());
        let returned = checks::returned_keys(history, Source::Public);
        assert!(back || returned.is_empty(), "{returned:?} of {:#?}", history.runs());
        let foreign = checks::foreign_keys(history, &policy, moment(at));
        let sure = foreign.iter().any(Finding::is_suspicion);
        assert!(back || !sure, "{foreign:?} of {:#?} {:#?}", history.runs(), world.keys);
    }
}

fn live(seed: u64, tally: &mut Tally) {
    let mut world = World::new(seed);
    let observers = 1 + world.dice.below(3);
    let mut all: Vec<_> = (0..observers).map(|_| Observer::new(&mut world.dice)).collect();
    let mut looks = 0;
    while looks < 60 {
        let at = all.iter().map(|observer| observer.next).min().unwrap();
        if at > END {
            break;
        }
        let place = all.iter().position(|observer| observer.next == at).unwrap();
        let observer = &mut all[place];
        // Between two looks at hourly steps little happens: jump ahead now and then.
        observer.look(at, &mut world);
        if observer.step < 86_400 && world.dice.one_in(3) {
            observer.next += world.dice.hours(0, 20);
        }
        looks += 1;
        if world.dice.one_in(12) {
            // One takes in what another knows, sometimes only by its document.
            let other = usize::try_from(world.dice.below(observers)).unwrap();
            let document = all[other].history.encode().unwrap();
            let theirs = History::decode(&document).unwrap();
            all[place].history.merge(&theirs).unwrap();
        }
        if world.dice.one_in(6) && all[place].history.last().is_some() {
            let history = all[place].history.clone();
            check(&mut world, &history, at, tally);
        }
    }
}

#[test]
fn a_thousand_worlds_are_judged_truly() {
    let mut tally = Tally { ok: 0, alarms: 0, by_role: 0, judged: 0 };
    for seed in 0..WORLDS {
        let world = std::panic::AssertUnwindSafe(|| live(seed, &mut tally));
        if std::panic::catch_unwind(world).is_err() {
            panic!("world {seed}");
        }
    }
    // They must be worlds in which something could go wrong.
    let Tally { ok, alarms, by_role, judged } = tally;
    assert!(ok > 1000 && alarms > 1000 && by_role > 1000, "{ok} {alarms} {by_role} of {judged}");
}

#[test]
fn worlds_have_what_the_rules_are_about() {
    let worlds: Vec<_> = (0..WORLDS).map(World::new).collect();
    let some = |is: &dyn Fn(&World) -> bool| worlds.iter().filter(|world| is(world)).count() > 20;
    assert!(some(&|world| world.hostile) && some(&|world| world.api_alone));
    assert!(some(&|world| world.keys.iter().any(|life| life.back.is_some())));
    assert!(some(&|world| world.keys.iter().any(|life| life.loaded > life.published)));
    assert!(some(&|world| world.keys.iter().any(|life| life.born + 86_400 < life.published)));
    let names: BTreeSet<_> = worlds.iter().flat_map(|world| world.public(0)).collect();
    assert!(names.len() > 1 && FLAP > HOUR && DAY > FLAP);
}
