//! The Kubernetes API, as far as the cases ask it.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use kit::Secrets;
use reqwest::{Certificate, Client, Method};
use serde_json::{Value, json};

/// One address of the API, and whom to trust there.
#[derive(Clone, Debug)]
pub(crate) struct Kube {
    http: Client,
    base: String,
    admin: String,
    secrets: Secrets,
}

/// An answer, whole.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The status.
    pub(crate) status: u16,
    /// The headers.
    pub(crate) headers: http::HeaderMap,
    /// The body.
    pub(crate) text: String,
}

impl Answer {
    /// The body of an answer that is none but a success.
    pub(crate) fn json(&self) -> Value {
        assert!((200..300).contains(&self.status), "{self:?}");
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// A header's text, or "".
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

impl Kube {
    /// The API at an address, for whoever has the admin's token.
    pub(crate) fn new(at: SocketAddr, ca_file: &Path, admin: &str, secrets: Secrets) -> Self {
        // A connection for each request, so that a balancer is asked each time.
        let http = client(ca_file, 0);
        let base = format!("https://{at}");
        Self { http, base, admin: admin.to_owned(), secrets }
    }

    /// The same, over connections that are kept: for who asks often.
    pub(crate) fn kept(&self, ca_file: &Path) -> Self {
        Self { http: client(ca_file, 1), ..self.clone() }
    }

    /// Asks as the admin.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let answer = self.try_ask(method, path, Some(&self.admin), None, body).await;
        answer.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Asks as anybody, for any form of an answer.
    pub(crate) async fn try_ask(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        accept: Option<&str>,
        body: Option<Value>,
    ) -> Result<Answer, String> {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(accept) = accept {
            request = request.header("accept", accept);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let told = |error: reqwest::Error| format!("{error:?}");
        let response = request.send().await.map_err(told)?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Answer { status, headers, text: response.text().await.map_err(told)? })
    }

    /// Makes an object, which there is not yet.
    pub(crate) async fn create(&self, path: &str, object: Value) {
        let answer = self.ask(Method::POST, path, Some(object)).await;
        assert_eq!(answer.status, 201, "{path}: {answer:?}");
    }

    /// Waits until somebody may read this: what is bound to an account counts a moment later.
    pub(crate) async fn readable(&self, path: &str, token: Option<&str>) {
        kit::eventually(path, async || {
            let answer = self.try_ask(Method::GET, path, token, None, None).await;
            answer.is_ok_and(|answer| answer.status == 200).then_some(())
        })
        .await;
    }

    /// A document as the API server writes it: what `kubectl get --raw` saves.
    pub(crate) async fn raw(&self, path: &str) -> String {
        let answer = self.ask(Method::GET, path, None).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.text
    }

    /// A token by TokenRequest, of the shortest life there is. `account` is NAMESPACE/NAME.
    pub(crate) async fn token(&self, account: &str, audience: &str) -> Result<String, String> {
        let (namespace, name) = account.split_once('/').expect("NAMESPACE/NAME");
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token");
        let body = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": { "audiences": [audience], "expirationSeconds": 600 },
        });
        let answer = self.try_ask(Method::POST, &path, Some(&self.admin), None, Some(body)).await?;
        if answer.status != 201 {
            return Err(format!("{path}: {answer:?}"));
        }
        let token = answer.json()["status"]["token"].as_str().map(str::to_owned);
        let token = token.ok_or_else(|| format!("{path}: no token"))?;
        self.secrets.add(&token);
        Ok(token)
    }
}

/// A client that trusts this authority and keeps so many connections open.
fn client(ca_file: &Path, kept: usize) -> Client {
    let ca = std::fs::read(ca_file).expect("the authority was written");
    let ca = Certificate::from_pem(&ca).expect("it is a certificate");
    let http = Client::builder()
        .tls_certs_only([ca])
        .pool_max_idle_per_host(kept)
        .no_proxy()
        .timeout(Duration::from_secs(30));
    http.build().expect("a client can be made")
}

/// A kubeconfig for one user of one API.
pub(crate) fn kubeconfig(server: &str, ca_file: &Path, user: &Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": "live", "cluster": {
            "server": server, "certificate-authority": ca_file,
        } }],
        "users": [{ "name": "live", "user": user }],
        "contexts": [{ "name": "live", "context": { "cluster": "live", "user": "live" } }],
        "current-context": "live",
    })
}
