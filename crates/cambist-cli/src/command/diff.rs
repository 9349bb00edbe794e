//! `cambist issuer diff`: the published key set beside another one.

use std::collections::BTreeMap;

use cambist_core::jwks::Thumbprint;
use cambist_key_age::{PublishedSet, Source};
use serde_json::json;

use crate::case::{CaseError, Past, set};
use crate::cli::Plain;
use crate::cli::issuer::{Diff, Kept};
use crate::collect;
use crate::output::{self, layout};
use crate::text::plain;
use crate::world::{COULD_NOT_RUN, Outcome, USAGE, World};

const SAME: u8 = 0;
const DIFFERENT: u8 = 1;

/// Two sets, by thumbprint, with the names of their keys.
struct Sides {
    left: (&'static str, BTreeMap<Thumbprint, String>),
    right: (&'static str, BTreeMap<Thumbprint, String>),
}

pub(super) async fn run(args: &Diff, world: &World<'_>) -> Outcome {
    if !args.sources.compare_api && args.kept.history.is_none() && args.sources.offline.is_empty() {
        return Outcome::fail(
            USAGE,
            "compare with what? give --compare-api, or --history with a history",
        );
    }
    match sides(args, world).await {
        Ok(Ok(sides)) => sides.outcome(args.output, layout::width(world, false)),
        Ok(Err(missing)) => Outcome::fail(COULD_NOT_RUN, missing),
        Err(error) => super::check::fail(&error),
    }
}

async fn sides(args: &Diff, world: &World<'_>) -> Result<Result<Sides, String>, CaseError> {
    let clock = world.clock(args.sources.now);
    let look = collect::collect(&args.sources, world, &*clock).await?;
    let problems = look.problems.iter().map(|it| format!("{}: {}", it.place, it.detail));
    let problems = problems.collect::<Vec<_>>().join("; ");
    let Some(public) = set(look.public.jwks.as_ref()) else {
        return Ok(Err(format!("the public key set could not be read: {problems}")));
    };
    let left = ("public", named(&public));
    if args.sources.compare_api || look.api.jwks.is_some() {
        return Ok(match set(look.api.jwks.as_ref()) {
            Some(api) => Ok(Sides { left, right: ("api", named(&api)) }),
            None => Err(format!("the API server's key set could not be read: {problems}")),
        });
    }
    // Comparing does not record.
    let kept = Kept { read_only: true, ..args.kept.clone() };
    let past = Past::open(&kept, &args.sources, world, &look, &*clock).await?;
    let Some(history) = past.before else {
        let why = past.findings.iter().map(ToString::to_string).chain(past.problems);
        let why = why.collect::<Vec<_>>().join("; ");
        return Ok(Err(format!("there is no history to compare with {why}")));
    };
    let name = |key: Thumbprint| history.kids(key).next().map(str::to_owned);
    let last = history.published(Source::Public).into_iter();
    let right = last.map(|key| (key, name(key).unwrap_or_else(|| key.to_string()))).collect();
    Ok(Ok(Sides { left, right: ("last seen", right) }))
}

fn named(set: &PublishedSet) -> BTreeMap<Thumbprint, String> {
    let name =
        |key: Thumbprint, kid: &Option<String>| kid.clone().unwrap_or_else(|| key.to_string());
    set.keys()
        .iter()
        .filter_map(|key| Some((key.thumbprint?, name(key.thumbprint?, &key.kid))))
        .collect()
}

impl Sides {
    fn outcome(&self, form: Plain, width: usize) -> Outcome {
        let ((left, ours), (right, theirs)) = (&self.left, &self.right);
        let only = |a: &BTreeMap<Thumbprint, String>, b: &BTreeMap<Thumbprint, String>| {
            a.keys().filter(|key| !b.contains_key(key)).copied().collect::<Vec<_>>()
        };
        let (here, there) = (only(ours, theirs), only(theirs, ours));
        let out = match form {
            Plain::Json => output::json(&json!({
                "schemaVersion": 1, "left": left, "right": right,
                "onlyLeft": here, "onlyRight": there,
                "both": ours.keys().filter(|key| theirs.contains_key(key)).collect::<Vec<_>>(),
            })),
            Plain::Table => {
                let all: BTreeMap<_, _> = theirs.iter().chain(ours).collect();
                let mark = |set: &BTreeMap<Thumbprint, String>, key: &Thumbprint| {
                    (if set.contains_key(key) { "yes" } else { "-" }).to_owned()
                };
                let row = |(key, name): (&&Thumbprint, &&String)| {
                    vec![plain(name), mark(ours, key), mark(theirs, key)]
                };
                let rows: Vec<_> = all.iter().map(row).collect();
                let (left, right) = (left.to_uppercase(), right.to_uppercase());
                layout::grid(&["KID", &left, &right], &rows, width, str::to_owned)
            }
        };
        let code = if here.is_empty() && there.is_empty() { SAME } else { DIFFERENT };
        Outcome { out, err: String::new(), code }
    }
}
