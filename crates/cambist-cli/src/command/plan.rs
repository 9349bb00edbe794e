//! `cambist issuer plan`: the steps of a rotation that interrupts nobody, with their dates.

use cambist_core::clock::UnixTime;
use cambist_core::duration::rough;
use cambist_key_age::rotation::{Act, Course, Dated, Times};
use cambist_key_age::{Platform, Policy, Verdict};
use serde_json::{Value, json};

use crate::case::{self, Case, CaseError};
use crate::cli::Plain;
use crate::cli::issuer::{Chosen, Plan};
use crate::collect::CollectError;
use crate::output;
use crate::output::layout::{self, field, wrap};
use crate::output::table::watched;
use crate::policy::{self, Origin};
use crate::text::plain;
use crate::time::{day, relative};
use crate::world::{Outcome, USAGE, World};

pub(super) async fn run(args: &Plan, world: &World<'_>) -> Outcome {
    if let Err(wrong) = args.waits.check() {
        return Outcome::fail(USAGE, wrong);
    }
    let now = world.clock(args.sources.now).wall();
    let case = match case::open(&args.sources, &args.kept, &args.policy, world).await {
        Ok(case) => Some(case),
        // Without an issuer there are dates all the same, for a cluster that nobody looked at.
        Err(CaseError::Collect(CollectError::NoIssuer)) => None,
        Err(error) => return super::check::fail(&error),
    };
    let platform = match &case {
        Some(case) => case.platform,
        None => match args.policy.platform {
            Chosen::Of(platform) => platform,
            Chosen::Auto => Platform::Other,
        },
    };
    let policy = match policy::policy(&args.policy, platform) {
        Ok(policy) => policy,
        Err(error) => return Outcome::fail(USAGE, error),
    };
    let due = case.as_ref().and_then(due);
    let cache = args.waits.cache_ttl;
    let in_time = due.map(|due| (due - cache).max(now));
    let times = Times {
        publish: args.start.or(in_time).unwrap_or(now),
        cache,
        life: args.policy.max_token_ttl,
        margin: args.waits.margin,
        limits: policy.limits,
    };
    let course = Course::of(platform);
    if let (Course::Steps { .. }, Err(misfit)) = (course, times.fit()) {
        return Outcome::fail(USAGE, misfit);
    }
    let told = Told { args, platform, course, times, policy, case: case.as_ref(), now };
    Outcome::print(match args.output {
        Plain::Json => output::json(&told.json()),
        Plain::Table => told.table(layout::width(world, false)),
    })
}

/// By when the key that signs now has to be replaced.
fn due(case: &Case) -> Option<UnixTime> {
    let signers = case.judgement.keys.iter().filter(|key| key.role.may_sign());
    signers.filter_map(|key| key.rotate_by).max()
}

struct Told<'a> {
    args: &'a Plan,
    platform: Platform,
    course: Course,
    times: Times,
    policy: Policy,
    case: Option<&'a Case>,
    now: UnixTime,
}

impl Told<'_> {
    fn dated(&self) -> Vec<Dated> {
        match self.course {
            Course::Steps { steps, .. } => self.times.date(steps),
            _ => Vec::new(),
        }
    }

    /// What is said of the platform.
    fn note(&self) -> Option<&'static str> {
        match self.course {
            Course::Automatic(note) => Some(note),
            Course::Steps { note, .. } => note,
            _ => None,
        }
    }

    fn json(&self) -> Value {
        let step = |it: &Dated| {
            json!({
                "at": it.at, "date": it.at.to_string(), "acts": it.step.acts, "how": it.step.how,
                "gates": self.gates(it), "why": self.why(it),
            })
        };
        json!({
            "schemaVersion": 2,
            "platform": self.platform,
            "issuer": self.case.map(|case| &case.look.issuer),
            "automatic": matches!(self.course, Course::Automatic(_)),
            "steps": self.dated().iter().map(step).collect::<Vec<_>>(),
            "next": self.next(),
            "note": self.note(),
            "policySource": Origin::of(&self.args.policy, self.platform),
            "verdict": self.case.map(|case| case.judgement.verdict),
            "watch": self.case.map(|case| &case.judgement.watch),
        })
    }

    /// When the next rotation begins, where somebody has to begin it.
    fn next(&self) -> Option<UnixTime> {
        self.times.next().filter(|_| matches!(self.course, Course::Steps { .. }))
    }

    fn table(&self, width: usize) -> String {
        let mut out = String::new();
        let mut line = |name: &str, text: &str| out.push_str(&field(name, text, width));
        match self.case {
            Some(case) => {
                line("issuer", &plain(&case.look.issuer));
                line("platform", self.platform.as_str());
                let unread = case.known.published.is_empty();
                let due = due(case).map_or_else(
                    || {
                        let known = if unread {
                            "no key set could be read, so that nothing is known of the key that signs now"
                        } else {
                            "nothing limits the age of the key that signs now"
                        };
                        known.to_owned()
                    },
                    |at| {
                        let bound = if case.judgement.verdict == Verdict::Unknown {
                            " at the latest"
                        } else {
                            ""
                        };
                        format!(
                            "the key that signs now is to be replaced by {} ({}){bound}",
                            day(at),
                            relative(at, self.now)
                        )
                    },
                );
                line("policy", &case.origin.told(&case.policy));
                line("verdict", &format!("{}; {due}", case.judgement.verdict));
                line("watched", &watched(&case.judgement.watch, self.now));
            }
            None => {
                let how = match self.args.policy.platform {
                    Chosen::Auto => {
                        "no --issuer and no --platform: taken to run its own API server"
                    }
                    Chosen::Of(_) => "no --issuer: not looked at",
                };
                line("platform", &format!("{} ({how})", self.platform));
                line("policy", &Origin::of(&self.args.policy, self.platform).told(&self.policy));
            }
        }
        for (n, it) in self.dated().iter().enumerate() {
            let acts = it.step.acts.iter().map(|act| act.as_str()).collect::<Vec<_>>().join("; ");
            let when = format!("{acts}  from {} ({})", it.at, relative(it.at, self.now));
            out.push('\n');
            out.push_str(&wrap(&when, width, &format!("{}. ", n + 1), "   "));
            let why = self.why(it).map(|why| ("why", why));
            let gates = self.gates(it).into_iter().map(|gate| ("first", gate));
            for (name, text) in why.into_iter().chain(gates).chain([("do", it.step.how.to_owned())])
            {
                out.push_str(&wrap(&text, width, &format!("   {name:<6}"), "         "));
            }
        }
        if let Some(note) = self.note() {
            out.push('\n');
            out.push_str(&field("note", note, width));
        }
        if let Some(next) = self.next() {
            let text = format!(
                "publish the key after this one on {}, so that it signs before this one is due",
                day(next)
            );
            out.push_str(&field("next", &text, width));
        }
        out
    }

    /// What says whether the step is safe, as it has to be called.
    fn gates(&self, it: &Dated) -> Vec<String> {
        let pointless = |act: &Act| match act {
            // Asks whether all servers accept it: no, where they come to accept it with this step or later.
            Act::Publish => !self.accepted_before(it),
            // What one step does together cannot be asked about in its middle.
            Act::Sign => it.step.acts.contains(&Act::Publish),
            _ => false,
        };
        let acts = it.step.acts.iter().filter(|act| !pointless(act));
        let key = |act: &Act| if *act == Act::Withdraw { "old.pub" } else { "new.pub" };
        acts.filter_map(|act| Some((act, act.gate()?)))
            .map(|(act, gate)| format!("cambist issuer gate {gate} {} ...", key(act)))
            .collect()
    }

    /// Whether a step before this one has the API servers accept the new key.
    fn accepted_before(&self, it: &Dated) -> bool {
        let Course::Steps { steps, .. } = self.course else { return false };
        let before = steps.iter().take_while(|step| **step != it.step);
        before.flat_map(|step| step.acts).any(|act| *act == Act::Accept)
    }

    fn why(&self, it: &Dated) -> Option<String> {
        let waits = &self.args.waits;
        let first = it.step.acts.first()?;
        let together = it.step.acts.len() > 1;
        Some(match first {
            Act::Accept if together && it.step.acts.contains(&Act::Sign) => return None,
            Act::Accept => {
                "a server that does not know the key refuses the tokens of one that signs with it"
                    .to_owned()
            }
            Act::Publish => "relying parties must know it before it signs".to_owned(),
            Act::Sign => {
                format!("relying parties may go on with the old set for {}", rough(waits.cache_ttl))
            }
            Act::Withdraw => format!(
                "tokens of the old key live for up to {}, and {} more to be safe",
                rough(self.args.policy.max_token_ttl),
                rough(waits.margin)
            ),
            Act::Drop => "nobody shows a token of it any more".to_owned(),
        })
    }
}
