//! One real exchange, by the library itself: the same rules, reasons and advice.

use std::sync::Arc;
use std::time::Duration;

use cambist::config::{Identity, KeyPlace, TrustConfig};
use cambist::issuer_keys::KeyOrigin;
use cambist::observer::Unobserved;
use cambist::transport::Transport;
use cambist::{Context, Error};
use cambist_core::refresh::Jitter;
use cambist_core::scope::Resource;

use super::{peer, within};
use crate::doctor::facts::{Exchange, Refused};
use crate::world::World;

/// Asks for a token once, and forgets it.
pub(super) async fn exchange(
    trust: &TrustConfig,
    identity: &Identity,
    entra: Transport,
    issuer: Option<&Transport>,
    resource: &Resource<'_>,
    patience: Duration,
    world: &World<'_>,
) -> Exchange {
    let context =
        Context::new(world.clock.clone(), Arc::new(Unobserved), Jitter::of(b"cambist doctor"));
    let places = trust.keys.iter();
    let sources = places.filter_map(|place| origin(place, trust, issuer, world)).collect();
    let credential = trust.open_over(entra, sources, context).credential(identity);
    match within(patience, credential.token(&resource.scope())).await {
        None => Exchange::Late(patience),
        Some(Ok(token)) => Exchange::Granted(token.remaining_at(world.clock.boot())),
        Some(Err(error)) => Exchange::Refused(refused(&error)),
    }
}

fn refused(error: &Error) -> Refused {
    let (words, fix) = match error.entra() {
        // The advice is told as one.
        Some(entra) => {
            let words = format!(
                "Entra refused with status {}, {}: {}",
                entra.status().as_u16(),
                entra.error(),
                entra.description()
            );
            (words, Some(entra.fix().to_owned()))
        }
        None => (error.to_string(), None),
    };
    Refused { reason: error.reason(), words, fix }
}

/// Where keys come from; what cannot be opened is left out, as if nobody answered there.
fn origin(
    place: &KeyPlace,
    trust: &TrustConfig,
    issuer: Option<&Transport>,
    world: &World<'_>,
) -> Option<KeyOrigin> {
    match place {
        KeyPlace::Public => {
            Some(KeyOrigin::Public { transport: issuer?.clone(), host: trust.jwks_host })
        }
        KeyPlace::Api { server, token_file, ca_file } => {
            let mut options = peer::options(Some(ca_file), None).ok()?;
            options.platform_roots = false;
            let transport = (world.connect)(options).ok()?;
            let (server, token_file) = (server.clone(), token_file.clone());
            Some(KeyOrigin::Api { transport, server, token_file })
        }
        KeyPlace::File(path) => Some(KeyOrigin::File(path.clone())),
        _ => None,
    }
}
