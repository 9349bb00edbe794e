//! A sidecar with as many identities as it may have, against one with a single identity.

use std::path::{Path, PathBuf};

use cambist_sim::entra::Identity;
use cambist_sim::up;
use serde_json::json;

use crate::args::Args;
use crate::http::{CONNECTIONS, Contender, Prepared};
use crate::report::{Bound, Row};
use crate::sidecar::{RESOURCE, Setup};
use crate::versions::undisturbed;

/// As many as a sidecar may have.
const MANY: usize = 1000;

/// The one that is asked for: neither the first nor the last.
const ASKED: usize = 617;

/// Measures and prints; the rows are for the judge.
pub(crate) fn compare(args: &Args, it: &Prepared) -> anyhow::Result<Vec<Row>> {
    let dir = tempfile::tempdir()?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let world = runtime.block_on(up::start(up::Options::new(dir.path().join("world"))))?;
    let sim = world.sim();
    let asked = Identity::application(sim.entra().tenant(), &client_id(ASKED));
    sim.entra().add(asked.trusting(sim.federated_credential()));
    let open = |name, identities: &[usize]| {
        let (file, log) = (policy(dir.path(), identities)?, dir.path().join(name));
        let setup = Setup::new(&it.program, world.env(), &log)?;
        let serving = setup.of_file(&file, &client_id(ASKED)).start(&log, it.cpus)?;
        anyhow::Ok(Contender::new(name, serving))
    };
    let all: Vec<_> = (0..MANY).collect();
    let mut contenders = [open("many", &all)?, open("one", &[ASKED])?];
    undisturbed(args, it, &mut contenders)?;
    contenders.sort_by_key(|contender| contender.name);
    let rows = rows(&contenders);
    runtime.block_on(world.shutdown());
    rows
}

fn rows([many, one]: &[Contender; 2]) -> anyhow::Result<Vec<Row>> {
    let ratios = |index, value| many.ratios(one, index, value);
    let mut rows = Vec::new();
    for (index, connections) in CONNECTIONS.into_iter().enumerate() {
        let what = format!("   CPU a request, {connections} connections, {MANY} identities / 1");
        rows.push(Row::new(&what, ratios(index, |p| p.cpu_us)).goal(Bound::AtMost(1.03)));
    }
    let memory = many.server.resident()? as f64 / one.server.resident()? as f64;
    rows.push(Row::new("   resident memory after all rounds", vec![memory]));
    Ok(rows)
}

fn client_id(identity: usize) -> String {
    format!("c11e0001-0000-4000-8000-{identity:012}")
}

/// A file of these, of whom one caller may have the one that is asked for. That one is prefetched.
fn policy(dir: &Path, identities: &[usize]) -> anyhow::Result<PathBuf> {
    let each = identities.iter().map(|n| {
        let prefetch = if *n == ASKED { vec![RESOURCE] } else { Vec::new() };
        json!({ "name": format!("app-{n}"), "client_id": client_id(*n), "prefetch": prefetch })
    });
    let may = identities
        .iter()
        .map(|n| json!({ "identity": format!("app-{n}"), "resources": [RESOURCE] }));
    let caller = json!({
        "name": "app",
        "secret_variable": "IDENTITY_HEADER",
        "may": may.collect::<Vec<_>>(),
    });
    let policy = json!({
        "version": 1,
        "identities": each.collect::<Vec<_>>(),
        "callers": [caller],
    });
    let file = dir.join(format!("of-{}.yaml", identities.len()));
    std::fs::write(&file, policy.to_string())?;
    Ok(file)
}
