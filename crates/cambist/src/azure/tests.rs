use azure_identity::ClientAssertion;
use cambist_sim::fault::{Fault, Target};

use super::*;
use crate::testing::World;

#[tokio::test(start_paused = true)]
async fn an_azure_client_takes_the_credential() {
    let world = World::new();
    let credential: Arc<dyn TokenCredential> = Arc::new(world.credential());
    let scope = "https://vault.azure.net/.default";
    let token = credential.get_token(&[scope], None).await.unwrap();
    let now = world.context().clock.wall();
    assert_eq!(token.expires_on.unix_timestamp(), now.as_secs() + 3599);
    assert_eq!(credential.get_token(&[scope], None).await.unwrap().token, token.token);
    assert_eq!(world.asked().0, 1);
    for scopes in [&[][..], &[scope, scope], &["https://vault.azure.net/user_impersonation"]] {
        assert!(credential.get_token(scopes, None).await.is_err());
    }
    world
        .sim
        .faults()
        .inject(Target::Entra, Fault::Aadsts { code: 700_213, status: None, retry_after: None });
    let error = credential.get_token(&["api://other/.default"], None).await.unwrap_err();
    assert!(error.to_string().contains("700213"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_assertion_is_verified_before_it_is_given_away() {
    let world = World::new();
    let assertions = world.trust().assertions(&world.config().identity);
    let assertion = VerifiedAssertion::new(assertions);
    let projected = std::fs::read_to_string(world.kubelet.token_file()).unwrap();
    assert_eq!(assertion.secret(None).await.unwrap(), projected.trim());
    let bad = world.sim.token_spec().claim("aud", "api://Other");
    let bad = bad.sign(&world.sim.issuer().signer()).unwrap();
    world.kubelet.write(bad.as_bytes()).unwrap();
    let error = assertion.secret(None).await.unwrap_err().to_string();
    assert!(error.contains("audience_mismatch") && error.contains("api://Other"), "{error}");
    assert!(!format!("{assertion:?}").contains(&bad));
}

/// What a developer's tools say, without the tools.
#[derive(Debug)]
struct Tools(OffsetDateTime);

#[async_trait::async_trait]
impl TokenCredential for Tools {
    async fn get_token(
        &self,
        scopes: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AzureToken> {
        assert_eq!(scopes, ["https://vault.azure.net/.default"]);
        Ok(AzureToken::new(AzureSecret::new("the-developers"), self.0))
    }
}

#[tokio::test(start_paused = true)]
async fn a_developers_token_lives_as_long_as_the_tools_say() {
    let world = World::new();
    let context = world.context();
    let now = context.clock.wall().as_secs();
    let tools = Arc::new(Tools(OffsetDateTime::from_unix_timestamp(now + 600).unwrap()));
    let source = Arc::new(Developer { tools, context: context.clone() });
    let credential = Credential::from_source(Principal::developer(), None, source, context);
    let scope = Scope::parse("https://vault.azure.net/.default").unwrap();
    let token = credential.token(&scope).await.unwrap();
    assert_eq!(token.secret().expose(), "the-developers");
    assert_eq!((token.valid_for(), token.standing()), (Duration::from_secs(600), None));
}
