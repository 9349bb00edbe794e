//! An app that reads a secret from Key Vault, with Microsoft's own crates and nothing else.
//!
//! It does not know cambist. `ManagedIdentityCredential` asks for its tokens where `IDENTITY_ENDPOINT`
//! says, with `IDENTITY_HEADER` as proof; on Azure that is App Service, here it is the sidecar. The
//! app holds no secret of Azure's, and must not be given `AZURE_FEDERATED_TOKEN_FILE`.

use std::env;

use anyhow::Context;
use azure_identity::ManagedIdentityCredential;
use azure_security_keyvault_secrets::SecretClient;

// What fails is printed by anyhow with all its causes. They matter: `SecretClient`'s own message says
// no more than that something was not retried; why there is no token is in the causes.
#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let vault = env::var("KEY_VAULT_URL").context("KEY_VAULT_URL is to be the vault's URL")?;
    let name = env::var("SECRET_NAME").unwrap_or_else(|_| "greeting".to_owned());

    // One credential for the whole app: it keeps its tokens, and every `azure_*` client takes it.
    let credential = ManagedIdentityCredential::new(None)?;
    let client = SecretClient::new(&vault, credential, None)?;

    let secret = client.get_secret(&name, None).await?.into_model()?;
    let length = secret.value.unwrap_or_default().chars().count();
    println!("read the secret {name} from {vault}: {length} characters");
    Ok(())
}
