//! An app that reads a secret from Key Vault with Microsoft's own client, `cambist` its credential.
//!
//! ```sh
//! cargo run --example azure_sdk
//! cargo run --example azure_sdk -- https://YOUR-VAULT.vault.azure.net SECRET-NAME
//! ```
//!
//! The first runs by itself: the cluster, Entra and the vault are simulated. The second is for a pod
//! that the workload-identity webhook has prepared (label `azure.workload.identity/use: "true"`) and
//! whose identity may read that secret; it takes its configuration from the environment. Every other
//! `azure_*` client takes the credential the same way.
#![expect(clippy::print_stdout, reason = "it shows what it does")]

use std::sync::Arc;

use anyhow::{bail, ensure};
use async_trait::async_trait;
use azure_core::credentials::TokenCredential;
use azure_core::http::headers::{AUTHORIZATION, Headers, WWW_AUTHENTICATE};
use azure_core::http::{AsyncRawResponse, HttpClient, Request, StatusCode, Transport};
use azure_security_keyvault_secrets::{SecretClient, SecretClientOptions};
use cambist::env::Process;
use cambist::{Config, Context, Credential, Env};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => simulated().await,
        [vault, name] => {
            let credential = credential(&Process)?;
            let secret = read(vault, name, Arc::new(credential), None).await?;
            println!("the secret {name} has {} characters", secret.len());
            Ok(())
        }
        _ => bail!("give a vault's URL and a secret's name, or nothing"),
    }
}

/// The identity that the environment describes. One for the whole app: it is cheap to clone.
fn credential(env: &dyn Env) -> anyhow::Result<Credential> {
    let seed = env.get("HOSTNAME").unwrap_or_default();
    let credential = Config::from_env(env)?.credential(Context::system(&seed))?;
    // Refreshes ahead of time what is held; without it, tokens are made when somebody asks.
    let upkeep = credential.clone();
    tokio::spawn(async move { upkeep.maintain().await });
    Ok(credential)
}

/// What the app does.
async fn read(
    vault: &str,
    name: &str,
    credential: Arc<dyn TokenCredential>,
    transport: Option<Transport>,
) -> anyhow::Result<String> {
    let mut options = SecretClientOptions::default();
    options.client_options.transport = transport;
    let client = SecretClient::new(vault, credential, Some(options))?;
    let secret = client.get_secret(name, None).await?.into_model()?;
    Ok(secret.value.unwrap_or_default())
}

/// The same, against a simulated cluster, Entra and vault.
async fn simulated() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let cluster = cambist_sim::up::start(cambist_sim::up::Options::new(dir.path())).await?;
    let credential = credential(cluster.env())?;
    let vault = Transport::new(Arc::new(Vault(credential.clone())));

    for _ in 0..2 {
        let (app, vault) = (Arc::new(credential.clone()), vault.clone());
        let secret = read("https://shop.vault.azure.net", "greeting", app, Some(vault)).await?;
        println!("Key Vault's client read the secret: {secret}");
        ensure!(secret == "hello", "the vault keeps another secret");
    }
    let calls = cluster.sim().journal().counts();
    println!("two clients, and Entra was called {} time", calls.entra);
    ensure!(calls.entra == 1, "Entra was called {} times", calls.entra);
    cluster.shutdown().await;
    Ok(())
}

/// A vault with one secret. As the real one, it tells who asks without a token where to get it; it
/// takes exactly the token that the credential holds.
#[derive(Debug)]
struct Vault(Credential);

#[async_trait]
impl HttpClient for Vault {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let mut headers = Headers::new();
        let held = self.0.peek("https://vault.azure.net");
        let expected = held.map(|token| format!("Bearer {}", token.secret().expose()));
        let presented = request.headers().get_optional_str(&AUTHORIZATION);
        let (status, body) = if presented.is_some() && presented == expected.as_deref() {
            let body =
                r#"{"value":"hello","id":"https://shop.vault.azure.net/secrets/greeting/1"}"#;
            (StatusCode::Ok, body)
        } else {
            let challenge = r#"Bearer authorization="https://login.microsoftonline.com/tenant", resource="https://vault.azure.net""#;
            headers.insert(WWW_AUTHENTICATE, challenge);
            (StatusCode::Unauthorized, r#"{"error":{"code":"Unauthorized"}}"#)
        };
        Ok(AsyncRawResponse::from_bytes(status, headers, body))
    }
}
