//! The closed list of paths, against every way there is to write one differently.

use kit::World;
use kit::sidecar::VAULT;

use crate::refusals::assert_refused;
use crate::sidecar;

#[tokio::test]
async fn the_list_of_paths_is_closed() {
    let world = World::start().await;
    let sidecar = sidecar(&world).await;
    let all = |target: &str| {
        let header = &world.env()["IDENTITY_HEADER"];
        sidecar.request(target).header("Metadata", "true").header("X-IDENTITY-HEADER", header)
    };
    let query = format!("?api-version=2019-08-01&resource={VAULT}&scope={VAULT}/.default");
    assert_eq!(sidecar.send(&all(&format!("/msi/token{query}"))).await.status, 200);
    for path in [
        "/",
        "//",
        "/msi",
        "/msi/token//",
        "//msi/token",
        "/msi//token",
        "/MSI/token",
        "/msi/Token",
        "/msi/token;a=b",
        "/msi;a=b/token",
        "/msi%2ftoken",
        "/msi%2Ftoken",
        "/msi%5ctoken",
        "/msi/token%00",
        "/msi/token%20",
        "/%6dsi/token",
        "/./msi/token",
        "/msi/./token",
        "/msi/../msi/token",
        "/x/../msi/token",
        "/msi/token/..",
        "/msi\\token",
        "/v1/token/",
        "//v1/token",
        "/V1/token",
        "/v1",
        "/v1/tokens",
        "///metadata/identity/oauth2/token",
        "/metadata/identity/oauth2/token//",
        "/metadata//identity/oauth2/token",
        "/metadata/identity//oauth2/token",
        "/metadata/Identity/oauth2/token",
        "/metadata/identity/oauth2/TOKEN",
        "/metadata/identity\\oauth2\\token/",
        "/metadata/identity%5coauth2%5ctoken/",
        "/metadata/identity%2foauth2%2ftoken",
        "/metadata/./identity/oauth2/token",
        "/metadata/x/../identity/oauth2/token",
        "/metadata;a=b/identity/oauth2/token",
        "/metadata/identity/oauth2/token;a=b",
        "/metadata/identity/oauth2/token%00",
        "/%6detadata/identity/oauth2/token",
        "/metadata/identity/getplatformmetadata",
        "/metadata/instance",
        "/metadata/identity/info",
        "/x/metadata/identity/oauth2/token",
        "/oauth2/token",
        "/live",
        "/ready",
        "/metrics",
        "/status.json",
        "/favicon.ico",
        "/.well-known/openid-configuration",
    ] {
        let case = format!("{path}{query}");
        let reply = sidecar.send(&all(&case)).await;
        assert_eq!((reply.status, reply.reason()), (403, "path"), "{path}: {reply:?}");
        assert_refused(&reply, &case);
    }
    let reply = sidecar.send(&all("*").method("OPTIONS")).await;
    assert_refused(&reply, "OPTIONS *");
    let reply = sidecar.send(&all("*")).await;
    assert_refused(&reply, "GET *");
    sidecar.stop().await;
}
