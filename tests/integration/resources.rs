//! What an app may ask tokens for, and how one that asks for something else learns what is wrong.

use kit::World;
use kit::sidecar::VAULT;

use crate::refusals::assert_refused;
use crate::sidecar;

#[tokio::test]
async fn a_misspelt_resource_is_refused_with_its_name_and_its_remedy() {
    let world = World::start().await;
    let sidecar = sidecar(&world).await;
    for (asked, named) in [
        ("https://vault.azure.com", "https://vault.azure.com"),
        ("https://storage.azure.net", "https://storage.azure.net"),
        ("https://management.azure.com/.default/.default", "https://management.azure.com/.default"),
    ] {
        let before = world.counts().await.entra;
        for _ in 0..2 {
            let reply = sidecar.token(asked).await;
            assert_refused(&reply, asked);
            assert_eq!((reply.status, reply.reason()), (403, "entra_resource_unknown"), "{asked}");
            let told = reply.member("message");
            for words in [
                &format!("AADSTS500011: The resource principal named {named} was not found"),
                &format!("Check the resource \"{named}\": is it spelt as its service documents it"),
            ] {
                assert!(told.contains(words.as_str()), "{words}: {told}");
            }
        }
        assert_eq!(world.counts().await.entra, before + 1, "{asked}: a refusal that lasts");
    }
    // What is wrong with one resource is nothing against another.
    assert_eq!(sidecar.token(VAULT).await.status, 200);
    sidecar.stop().await;
}
