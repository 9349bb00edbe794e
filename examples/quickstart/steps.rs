//! The steps, each with its proof: what is told is checked first.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use cambist_sim::fault::{Fault, Target};
use cambist_sim::journal::Counts;
use cambist_sim::up::Running;
use http::header::HOST;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::time::{Instant, sleep};

use crate::app::{Answer, App};
use crate::tell::Teller;

const VAULT: &str = "https://vault.azure.net";
const STORAGE: &str = "https://storage.azure.com";
const SQL: &str = "https://database.windows.net";

/// So many requests show how long one takes.
const MANY: u32 = 1000;

/// Everything that takes part.
pub(crate) struct Stage<'a> {
    pub(crate) tell: Teller,
    pub(crate) app: App,
    pub(crate) cluster: &'a Running,
    pub(crate) admin: SocketAddr,
}

impl Stage<'_> {
    pub(crate) async fn play(&mut self) -> anyhow::Result<()> {
        let first = self.first_token().await.context("step 1 went otherwise than told")?;
        self.cached(&first).await.context("step 2 went otherwise than told")?;
        self.rotation().await.context("step 3 went otherwise than told")?;
        self.outage(&first).await.context("step 4 went otherwise than told")?;
        self.recovery(&first).await.context("step 5 went otherwise than told")?;
        self.refusals().await.context("step 6 went otherwise than told")?;
        self.bill().await.context("step 7 went otherwise than told")
    }

    /// Returns what tells the token from others.
    async fn first_token(&mut self) -> anyhow::Result<String> {
        self.tell.title("1. An app asks for a token, the way every Azure SDK does");
        let answer = self.ask(VAULT).await?;
        let token = granted(&answer)?;
        let Counts { entra, discovery, jwks, .. } = self.calls();
        ensure!((entra, discovery, jwks) == (1, 1, 1), "{entra}, {discovery}, {jwks} calls");
        self.tell.say(
            "cambist read the pod's service-account token, fetched the issuer's discovery document \
             and keys, verified the token with them, and had Entra exchange it: one call each.",
        );
        Ok(token)
    }

    async fn cached(&mut self, first: &str) -> anyhow::Result<()> {
        self.tell.title("2. It asks again");
        let before = self.calls();
        let answer = self.ask(VAULT).await?;
        ensure!(granted(&answer)? == first, "another token");
        let began = Instant::now();
        for _ in 0..MANY {
            let answer = self.app.token(VAULT).await?;
            ensure!(granted(&answer)? == first, "another token");
        }
        let each = began.elapsed() / MANY;
        ensure!(self.calls() == before, "somebody was called for a held token");
        self.tell.say(&format!(
            "The same token, from the cache; so were {MANY} more, one after the other, in {each:.0?} \
             each. Nobody was called.",
        ));
        Ok(())
    }

    async fn rotation(&mut self) -> anyhow::Result<()> {
        self.tell.title("3. The cluster rotates its signing key; the app needs another resource");
        let issuer = self.cluster.sim().issuer();
        let (before, old) = (self.calls(), issuer.signer());
        // Keys are looked for every 30 s at most, whoever asks with whichever key's name.
        self.cluster.sim().clock().advance(Duration::from_secs(60));
        self.cluster.rotate(true).await?;
        let published = issuer.published().len();
        ensure!(issuer.signer().kid() != old.kid() && published == 2, "{published} keys");
        let answer = self.ask(STORAGE).await?;
        granted(&answer)?;
        let after = self.calls();
        ensure!(after.jwks == before.jwks + 1, "{} fetches of the key set", after.jwks);
        ensure!(after.entra == before.entra + 1, "{} calls of Entra", after.entra);
        self.tell.say(
            "A minute later, by a clock moved forward. The pod's new token named a key that cambist \
             had not seen, so it fetched the key set once more, verified, and exchanged. The old key \
             is still published, as a careful rotation has it.",
        );
        Ok(())
    }

    async fn outage(&mut self, first: &str) -> anyhow::Result<()> {
        self.tell.title("4. Entra goes down, and stays down for 50 minutes");
        self.cluster.sim().faults().inject(Target::Entra, Fault::Reset);
        self.cluster.sim().clock().advance(Duration::from_secs(50 * 60));
        let answer = self.ask(VAULT).await?;
        ensure!(granted(&answer)? == first, "another token, although Entra is down");
        self.tell.say("Still answered: the held token is good for a while.");
        let answer = self.ask(SQL).await?;
        ensure!(answer.status == 503, "status {} instead of 503", answer.status);
        ensure!(!answer.message().is_empty(), "a refusal without a word");
        let wait = answer.retry_after.context("a 503 without Retry-After")?;
        self.tell.say(&format!(
            "Nothing is held for that one, so it says what is wrong, and to come back in {} s:",
            wait.as_secs()
        ));
        self.tell.say(&format!("\"{}\"", answer.message()));
        Ok(())
    }

    async fn recovery(&mut self, first: &str) -> anyhow::Result<()> {
        self.tell.title("5. Entra is back");
        self.cluster.sim().faults().clear();
        let began = Instant::now();
        // An SDK does the same: it comes back when it was told to.
        let mut answer = self.app.token(SQL).await?;
        while answer.status == 503 && began.elapsed() < Duration::from_secs(20) {
            sleep(answer.retry_after.unwrap_or(Duration::from_secs(1))).await;
            answer = self.app.token(SQL).await?;
        }
        self.show(SQL, &answer);
        granted(&answer)?;
        let mut answer = self.app.token(VAULT).await?;
        while granted(&answer)? == first && began.elapsed() < Duration::from_secs(20) {
            sleep(Duration::from_millis(100)).await;
            answer = self.app.token(VAULT).await?;
        }
        self.show(VAULT, &answer);
        ensure!(granted(&answer)? != first, "the held token was not refreshed");
        self.tell.say(&format!(
            "Within {:.1?}, and with no restart: the refused resource has its token, and the held \
             one was replaced in the background.",
            began.elapsed()
        ));
        Ok(())
    }

    async fn refusals(&mut self) -> anyhow::Result<()> {
        self.tell.title("6. Who is refused");
        let secret = self.app.header.clone();
        let with = |request: http::request::Builder| request.header("x-identity-header", &secret);
        let (bare, host) = (self.app.request(VAULT), with(self.app.request(VAULT)));
        let forwarded = with(self.app.request(VAULT));
        for (who, request, expected) in [
            ("without the header secret", bare, 401),
            ("for a foreign Host", host.header(HOST, "attacker.example"), 403),
            ("through a proxy", forwarded.header("x-forwarded-for", "203.0.113.7"), 403),
        ] {
            let answer = self.app.send(request).await?;
            self.tell.item(who, &answer.to_string());
            ensure!(answer.token().is_none(), "{who}: a token");
            ensure!(answer.status == expected, "{who}: {}: {}", answer.status, answer.message());
        }
        Ok(())
    }

    async fn bill(&mut self) -> anyhow::Result<()> {
        self.tell.title("7. What it cost");
        let Counts { entra, discovery, jwks, .. } = self.calls();
        let metrics = self.metrics().await?;
        let of = |standing| admissions(&metrics, standing);
        let (verified, unchecked) = (of("verified"), of("unchecked"));
        self.tell.item("requests of the app", &self.app.asked.to_string());
        self.tell.item("calls of Entra", &format!("{entra}, those it did not answer included"));
        self.tell.item("calls of the issuer", &format!("{}", discovery + jwks));
        self.tell.item(
            "pod tokens sent to Entra",
            &format!("{verified} verified with the issuer's keys first, {unchecked} unchecked"),
        );
        ensure!(verified >= 4 && unchecked == 0, "{verified} verified, {unchecked} unchecked");
        ensure!(u64::from(self.app.asked) > 50 * entra, "Entra was called {entra} times");
        Ok(())
    }

    async fn ask(&mut self, resource: &str) -> anyhow::Result<Answer> {
        let answer = self.app.token(resource).await?;
        self.show(resource, &answer);
        Ok(answer)
    }

    fn show(&self, resource: &str, answer: &Answer) {
        self.tell
            .verbatim(&format!("   GET /msi/token?api-version=2019-08-01&resource={resource}"));
        self.tell.verbatim(&format!("   {answer}"));
    }

    /// What cambist asked of the simulated world, as `GET /sim/requests` tells it.
    fn calls(&self) -> Counts {
        self.cluster.sim().journal().counts()
    }

    async fn metrics(&self) -> anyhow::Result<String> {
        let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
        let response = client.get(format!("http://{}/metrics", self.admin).parse()?).await?;
        Ok(String::from_utf8(response.into_body().collect().await?.to_bytes().to_vec())?)
    }
}

/// What tells the answer's token from others.
fn granted(answer: &Answer) -> anyhow::Result<String> {
    let message = answer.message();
    answer.token().with_context(|| format!("no token but {}: {message}", answer.status))
}

/// How many of the pod's tokens had this standing when they were exchanged, from the metrics.
fn admissions(metrics: &str, standing: &str) -> u64 {
    let label = format!("standing=\"{standing}\"");
    let lines = metrics.lines().filter(|line| line.starts_with("cambist_admissions_total"));
    let values = lines.filter(|line| line.contains(&label)).filter_map(|l| l.rsplit(' ').next());
    values.filter_map(|value| value.parse::<u64>().ok()).sum()
}
