//! The issuer's documents, what the API server says of them, and the crate's judgement of the keys.

use std::time::Duration;

use cambist::config::TrustConfig;
use cambist::transport::Transport;
use cambist_core::issuer::{Discovery, IssuerUrl};
use cambist_core::jwks::KeySet;
use cambist_key_age::PublishedSet;

use super::token::Read;
use super::{peer, quoted, within};
use crate::case::{self, Case, CaseError};
use crate::cli::doctor::Doctor;
use crate::cli::issuer::{Chosen, Kept, PolicyArgs, Sources};
use crate::collect::CollectError;
use crate::collect::http::{Document, get};
use crate::collect::look::Reply;
use crate::collect::public::{issuer_in, refusal};
use crate::doctor::facts::{Age, Api, Issuer, NoKeys, Token};
use crate::output::outlook::Outlook;
use crate::store::StoreName;
use crate::world::World;

/// What is asked of the issuer, and how.
pub(super) struct Asked<'a, 'w> {
    pub(super) args: &'a Doctor,
    pub(super) world: &'a World<'w>,
    pub(super) trust: &'a TrustConfig,
    pub(super) transport: &'a Transport,
    pub(super) url: &'a IssuerUrl,
}

/// That a page for people came, if one did.
fn page(reply: &Reply) -> Option<String> {
    let is_page = reply.body.trim_start().starts_with('<');
    let url = quoted(&reply.url);
    is_page.then(|| {
        format!("{url} is answered with an HTML page, not JSON: did a proxy or a gateway answer?")
    })
}

impl Asked<'_, '_> {
    /// The discovery document, from which all else follows.
    pub(super) async fn discovery(&self) -> (Issuer, Option<Reply>) {
        let (url, clock) = (self.url.discovery_url(), &*self.world.clock);
        let proxy = self.trust.proxy.as_ref();
        let (peer, reply) = peer::ask(self.transport, &url, self.args.timeout, proxy, clock).await;
        let refused = reply.as_ref().and_then(refusal);
        let url = Some(self.url.as_str().to_owned());
        let reply = reply.filter(|_| refused.is_none());
        (Issuer { url, peer: Some(peer), refused, ..Issuer::default() }, reply)
    }

    /// What the discovery document leads to.
    pub(super) async fn rest(
        &self,
        issuer: &mut Issuer,
        discovery: &Reply,
        token: Option<(&mut Token, &Read)>,
    ) {
        let parsed = Discovery::parse(discovery.body.as_bytes(), self.url, self.trust.jwks_host);
        let jwks_uri = match parsed {
            Ok(document) => document.jwks_uri().to_owned(),
            Err(error) => {
                issuer.discovery = Some(Err(page(discovery).unwrap_or_else(|| error.to_string())));
                return;
            }
        };
        issuer.discovery = Some(Ok(jwks_uri.clone()));
        let token_file = token.as_ref().map(|(facts, _)| facts.path.clone());
        let (keys, (age, api)) =
            tokio::join!(self.keys(&jwks_uri), self.judged(token_file.as_deref()));
        if let (Ok(keys), Some((facts, read))) = (&keys, token) {
            issuer.signer = Some(read.signer(keys));
            facts.forgeries = read.forgeries(keys);
        }
        issuer.keys = Some(keys.map(|keys| keys.keys().len()));
        (issuer.age, issuer.api) = (Some(age), api);
    }

    async fn keys(&self, jwks_uri: &str) -> Result<KeySet, NoKeys> {
        let asked = get(self.transport, jwks_uri, None, Document::KEY_SET);
        let reply = match within(self.args.timeout, asked).await {
            None => {
                let words = format!("{jwks_uri} did not answer within {:?}", self.args.timeout);
                return Err(NoKeys::Unanswered(words));
            }
            Some(Err(error)) => return Err(NoKeys::Unanswered(error.to_string())),
            Some(Ok(reply)) => reply,
        };
        if let Some(refused) = refusal(&reply) {
            return Err(NoKeys::Useless(refused));
        }
        let keys = KeySet::parse(reply.body.as_bytes());
        let keys = keys.map_err(|error| {
            NoKeys::Useless(page(&reply).unwrap_or_else(|| format!("{jwks_uri}: {error}")))
        })?;
        if !keys.keys().is_empty() {
            return Ok(keys);
        }
        Err(NoKeys::Useless(format!(
            "{jwks_uri} has no key that can be used, and {} that cannot",
            keys.unusable().len()
        )))
    }

    /// As `cambist issuer check` judges.
    async fn judged(
        &self,
        token_file: Option<&str>,
    ) -> (Result<Age, String>, Option<Result<Api, String>>) {
        let reach = &self.args.reach;
        let compare = self.args.compare_api || reach.in_cluster || reach.kubeconfig.is_some();
        let opened = self.open(token_file, compare).await;
        match opened {
            Ok(case) => {
                let api = compare.then(|| self.api(&case));
                (Ok(age(&case)), api)
            }
            // An API server that cannot be found keeps nobody from judging the public keys.
            Err(Some(CaseError::Collect(CollectError::Api(error)))) if compare => {
                let api = Some(Err(error.to_string()));
                match self.open(token_file, false).await {
                    Ok(case) => (Ok(age(&case)), api),
                    Err(error) => (Err(self.told(error.as_ref())), api),
                }
            }
            Err(error) => (Err(self.told(error.as_ref())), None),
        }
    }

    fn told(&self, error: Option<&CaseError>) -> String {
        let late = format!("it took longer than {:?}", self.patience());
        error.map_or(late, ToString::to_string)
    }

    /// For the few requests that it takes one after the other.
    fn patience(&self) -> Duration {
        self.args.timeout.saturating_mul(2)
    }

    /// The case, or why there is none; nothing if it takes too long.
    async fn open(
        &self,
        token_file: Option<&str>,
        compare_api: bool,
    ) -> Result<Case, Option<CaseError>> {
        let (args, trust) = (self.args, self.trust);
        let sources = Sources {
            issuer: Some(self.url.as_str().to_owned()),
            token_file: token_file.map(Into::into).into_iter().collect(),
            ca_file: trust.issuer_ca_file.clone(),
            jwks_any_host: trust.jwks_host == cambist_core::issuer::JwksHost::AnyHttps,
            compare_api,
            reach: match compare_api {
                true => args.reach.clone(),
                false => crate::cli::issuer::Reach::default(),
            },
            ..Sources::default()
        };
        let history = trust.key_age.history.as_ref();
        let history = history.map(|it| StoreName::File(it.path().to_owned()));
        let kept = Kept {
            read_only: history.is_some(),
            history,
            history_trust: Some(trust.key_age.history_trust),
            ..Kept::default()
        };
        let policy = policy(trust);
        let opened = case::open(&sources, &kept, &policy, self.world);
        match within(self.patience(), opened).await {
            Some(opened) => opened.map_err(Some),
            None => Err(None),
        }
    }

    fn api(&self, case: &Case) -> Result<Api, String> {
        let problems = case.look.problems.iter().filter(|problem| problem.place == "api");
        let problems: Vec<_> = problems.map(|problem| problem.detail.as_str()).collect();
        let (Some(public), Some(inside), []) = (&case.public, &case.api, &problems[..]) else {
            let unread = "the API server's key set could not be read";
            return Err(if problems.is_empty() { unread.to_owned() } else { problems.join("; ") });
        };
        let server = case.look.api.jwks.as_ref().map(|reply| reply.url.as_str());
        let server = server.unwrap_or_default().trim_end_matches("/openid/v1/jwks").to_owned();
        Ok(Api {
            server,
            issuer: case.look.api.discovery.as_ref().and_then(issuer_in),
            inside_only: beyond(inside, public),
            outside_only: beyond(public, inside),
        })
    }
}

/// The names of the keys that one set has and another has not.
fn beyond(one: &PublishedSet, other: &PublishedSet) -> Vec<String> {
    let known: Vec<_> = other.thumbprints().collect();
    let beyond =
        one.keys().iter().filter(|key| key.thumbprint.is_none_or(|it| !known.contains(&it)));
    beyond
        .map(|key| {
            let thumbprint = || key.thumbprint.map(|it| it.to_string()).unwrap_or_default();
            key.kid.as_deref().map_or_else(thumbprint, super::quoted)
        })
        .collect()
}

fn age(case: &Case) -> Age {
    let name = |key: cambist_core::jwks::Thumbprint| key.to_string();
    let outlook = Outlook::of(case, &name, case.public.is_none());
    let next = outlook.next.first().map(|step| (step.why.clone(), step.command.to_string()));
    Age { verdict: case.judgement.verdict, means: outlook.means, next }
}

/// What the sidecar holds keys against, as the flags of `issuer check` would say it.
fn policy(trust: &TrustConfig) -> PolicyArgs {
    let settings = &trust.key_age;
    let hours = |hours: u64| Duration::from_secs(hours * 3600);
    PolicyArgs {
        platform: settings.platform.map_or(Chosen::Auto, Chosen::Of),
        _profile: None,
        rotate_after: settings.limits.map(|limits| limits.rotate_after()),
        expire_after: settings.limits.map(|limits| limits.expire_after()),
        policy_name: None,
        grace: hours(72),
        max_token_ttl: hours(24),
        max_gap: hours(26),
        signer_refresh: hours(1),
        age_basis: cambist_key_age::AgeBasis::default(),
        assume: Vec::new(),
        accept_assumed: false,
    }
}
