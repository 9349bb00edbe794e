use cambist_core::scope::Scope;
use futures_util::future::join_all;

use crate::config::Identity;
use crate::testing::{World, scope};

const IDENTITIES: usize = 1000;

fn identities(world: &World) -> Vec<Identity> {
    let one = world.config().identity;
    let named =
        |n| Identity { client_id: format!("00000000-0000-0000-0000-{n:012}"), ..one.clone() };
    (0..IDENTITIES).map(named).collect()
}

#[tokio::test(start_paused = true)]
async fn however_many_identities_fetch_one_key_set() {
    let world = World::new();
    let trust = world.trust();
    let credentials: Vec<_> = identities(&world).iter().map(|it| trust.credential(it)).collect();
    // Making them asks nobody.
    assert_eq!(world.asked(), (0, 0, 0));
    let scope = scope("https://vault.azure.net");
    join_all(credentials.iter().map(|credential| credential.token(&scope))).await;
    let (exchanges, discovery, key_sets) = world.asked();
    assert!(exchanges >= 1, "{exchanges}");
    assert_eq!((discovery, key_sets), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn an_identity_is_prefetched_from_the_start() {
    let world = World::new();
    let prefetch: Vec<Scope> = vec![scope("https://vault.azure.net")];
    let mut identity = world.config().identity;
    identity.prefetch.clone_from(&prefetch);
    assert_eq!(world.trust().credential(&identity).prefetched(), prefetch);
}
