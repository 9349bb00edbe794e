//! The way from a projected token to Entra, step by step, and side by side where that can be.

use std::path::{Path, PathBuf};

use cambist::Env;
use cambist::config::{IdentityKind, KeyPlace, TrustConfig};
use cambist::transport::{CaBundle, Transport};
use cambist_core::issuer::IssuerUrl;
use cambist_core::scope::{Audience, Resource};
use http::Uri;

use super::exchange::exchange;
use super::issuer::Asked;
use super::progress::Progress;
use super::setup::Setup;
use super::{peer, token};
use crate::cli::doctor::Doctor;
use crate::doctor::facts::{Entra, Exchange, Issuer, Peer, Workload};
use crate::doctor::place::WEBHOOK;
use crate::world::World;

pub(super) async fn collect(
    args: &Doctor,
    env: &dyn Env,
    world: &World<'_>,
    resource: &Resource<'_>,
    progress: &Progress<'_>,
) -> Workload {
    let setup = Setup::of(env);
    let (trust, defaults) = (&setup.shared.trust, &setup.shared.defaults);
    let authority = match &setup.identity {
        Some(identity) => identity.authority.clone(),
        None => defaults.authority.clone(),
    };
    let audience = audience(&setup);
    let path: Option<PathBuf> = match &setup.identity {
        Some(identity) => Some(identity.token_file.clone()),
        None => env.get("AZURE_FEDERATED_TOKEN_FILE").map(PathBuf::from),
    };
    let now = world.clock.wall();
    let reading = token::read(path.as_deref(), trust, &audience, now);
    let (mut facts, read) = progress.during("the token", reading).await;
    let url = match (&trust.issuer, &facts) {
        (Some(issuer), _) => Some(issuer.clone()),
        (None, Ok(token)) => IssuerUrl::parse(&token.claims.issuer).ok(),
        (None, Err(_)) => None,
    };
    // A way that is not the one that is meant is not gone.
    let wrong = |names: &[&str]| setup.faults.iter().any(|fault| names.contains(&&*fault.name));
    let detour = wrong(&["HTTPS_PROXY"]);
    let elsewhere = wrong(&["AZURE_AUTHORITY_HOST", "CAMBIST_ALLOW_AUTHORITY"])
        || wrong(&["AZURE_KUBERNETES_TOKEN_PROXY", "AZURE_KUBERNETES_CA_DATA"]);
    let open = |ca_file: Option<&Path>| {
        if detour {
            return None;
        }
        let options = peer::options(ca_file, trust.proxy.as_ref()).ok()?;
        (world.connect)(options).ok()
    };
    let issuer_transport = open(trust.issuer_ca_file.as_deref());
    let entra_transport = match &trust.token_proxy {
        Some(proxy) => Transport::token_proxy(proxy.clone()).ok(),
        None => open(trust.entra_ca_file.as_deref()),
    };
    let asked = match (&issuer_transport, &url) {
        (Some(transport), Some(url)) => Some(Asked { args, world, trust, transport, url }),
        _ => None,
    };
    let discovery = async {
        match &asked {
            Some(asked) => progress.during("the issuer", asked.discovery()).await,
            None => {
                let url = url.as_ref().map(|url| url.as_str().to_owned());
                (Issuer { url, ..Issuer::default() }, None)
            }
        }
    };
    let entra = async {
        let transport = entra_transport.as_ref().filter(|_| !elsewhere)?;
        let direct: Uri = format!("https://{}/", authority.host()).parse().ok()?;
        let url = trust.token_proxy.as_ref().map_or_else(|| direct.clone(), |it| it.url(&direct));
        // The token proxy is never reached through a proxy.
        let proxy = trust.proxy.as_ref().filter(|_| trust.token_proxy.is_none());
        let url = url.to_string();
        let asking = peer::ask(transport, &url, args.timeout, proxy, &*world.clock);
        Some(progress.during("Entra", asking).await.0)
    };
    let ((mut issuer, document), peer) = tokio::join!(discovery, entra);
    let rest = async {
        if let (Some(asked), Some(document)) = (&asked, &document) {
            let token = facts.as_mut().ok().zip(read.as_ref());
            let rest = asked.rest(&mut issuer, document, token);
            progress.during("the issuer's keys", rest).await;
        }
    };
    let exchange = async {
        let ready =
            setup.identity.as_ref().zip(entra_transport.clone().filter(|_| reached(peer.as_ref())));
        match ready {
            _ if args.no_exchange => Exchange::LeftOut,
            Some((identity, entra)) if read.is_some() => {
                let keys = issuer_transport.as_ref().filter(|_| document.is_some());
                let work = exchange(trust, identity, entra, keys, resource, args.timeout, world);
                progress.during("an exchange", Box::pin(work)).await
            }
            _ => Exchange::Impossible,
        }
    };
    let ((), exchange) = tokio::join!(rest, exchange);
    let set = |name: &&str| env.get(name).is_some();
    let agent = setup.identity.as_ref().is_some_and(|it| it.kind != IdentityKind::Workload);
    Workload {
        in_pod: set(&"KUBERNETES_SERVICE_HOST"),
        unprepared: !WEBHOOK.iter().any(set) && setup.policy.is_none(),
        client_id: setup
            .identity
            .as_ref()
            .map(|it| it.client_id.clone())
            .or_else(|| env.get("AZURE_CLIENT_ID")),
        tenant_id: setup.identity.as_ref().map(|it| it.tenant_id.to_string()),
        federated_elsewhere: agent || trust.token_proxy.is_some(),
        resource_id: env.get("CAMBIST_RESOURCE_ID"),
        audience: audience.to_string(),
        leeway: trust.leeway,
        now,
        token: facts,
        ca_files: ca_files(trust),
        proxy: trust.proxy.as_ref().map(ToString::to_string),
        issuer,
        entra: Entra { peer, resource: resource.as_str().to_owned(), exchange },
        policy: setup.policy,
        faults: setup.faults,
    }
}

fn reached(peer: Option<&Peer>) -> bool {
    peer.is_some_and(|peer| peer.answer.is_ok())
}

fn audience(setup: &Setup) -> Audience {
    match (&setup.identity, &setup.shared.defaults.audience) {
        (Some(identity), _) => identity.audience.clone(),
        (None, Some(audience)) => audience.clone(),
        (None, None) => setup.shared.defaults.authority.default_audience(),
    }
}

/// The files of authorities that cannot be used.
fn ca_files(trust: &TrustConfig) -> Vec<(String, String)> {
    let same = trust.entra_ca_file == trust.issuer_ca_file;
    let own = |name: &'static str| if same { "CAMBIST_CA_FILE" } else { name };
    let api = trust.keys.iter().find_map(|place| match place {
        KeyPlace::Api { ca_file, .. } => Some(ca_file),
        _ => None,
    });
    let files = [
        (own("CAMBIST_ENTRA_CA_FILE"), trust.entra_ca_file.as_ref()),
        (own("CAMBIST_ISSUER_CA_FILE"), trust.issuer_ca_file.as_ref()),
        ("CAMBIST_API_CA_FILE", api),
    ];
    let mut out: Vec<_> = files
        .into_iter()
        .filter_map(|(name, path)| {
            Some((name.to_owned(), CaBundle::read(path?).err()?.to_string()))
        })
        .collect();
    out.dedup();
    out
}
