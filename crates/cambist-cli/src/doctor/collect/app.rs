//! The endpoint beside an app, asked as an SDK asks, and as nobody should be answered.

use cambist::Env;
use tokio::join;

use super::progress::Progress;
use super::within;
use crate::cli::doctor::Doctor;
use crate::doctor::facts::{App, Asked, NoEndpoint};
use crate::text;
use crate::token::endpoint::{Answer, Endpoint, GetError, Odd};
use crate::token::surroundings;

const ODD: [Odd; 6] =
    [Odd::NoHeader, Odd::WrongHeader, Odd::Host, Odd::Forwarded, Odd::Origin, Odd::Path];

/// Where the sidecar serves tokens by default.
const USUAL: &str = "http://127.0.0.1:8421/msi/token";

pub(super) async fn collect(args: &Doctor, env: &dyn Env, progress: &Progress<'_>) -> App {
    let endpoint = Endpoint::of(env);
    let host = endpoint.as_ref().map_or("127.0.0.1", Endpoint::host);
    let pitfalls = surroundings::pitfalls(env, host);
    let mut app = App {
        endpoint: match &endpoint {
            Ok(endpoint) => Ok(endpoint.url()),
            Err(error) => Err(nowhere(error, env)),
        },
        pitfalls,
        resource: args.resource.clone(),
        usual: None,
        odd: Vec::new(),
        forbidden: None,
    };
    let Some(endpoint) = endpoint.ok().filter(|_| !args.no_exchange) else { return app };
    let client_id = env.get("AZURE_CLIENT_ID");
    let ask = Ask { endpoint: &endpoint, client_id: client_id.as_deref(), args };
    app.usual = Some(progress.during("the endpoint", ask.usual(&args.resource)).await);
    // Nobody is asked again who is not there.
    if !matches!(app.usual, Some(Asked::Nobody(_))) {
        let odd = all_odd(&ask);
        let forbidden = async {
            match &args.forbidden {
                Some(resource) => Some((resource.clone(), ask.usual(resource).await)),
                None => None,
            }
        };
        let both = async { join!(odd, forbidden) };
        (app.odd, app.forbidden) = progress.during("what must be refused", both).await;
    }
    app
}

struct Ask<'a> {
    endpoint: &'a Endpoint,
    client_id: Option<&'a str>,
    args: &'a Doctor,
}

impl Ask<'_> {
    async fn usual(&self, resource: &str) -> Asked {
        let asked = self.endpoint.ask(resource, self.client_id);
        match within(self.args.timeout, asked).await {
            None => Asked::Strange(format!("no answer within {:?}", self.args.timeout)),
            Some(Ok(Answer::Token(_))) => Asked::Token,
            Some(Ok(Answer::Refused { status, message })) => {
                let message = text::message(&self.endpoint.blotted(&message));
                Asked::Refused { status, message }
            }
            Some(Err(error @ GetError::Connect(..))) => Asked::Nobody(error.to_string()),
            Some(Err(error)) => Asked::Strange(error.to_string()),
        }
    }

    async fn odd(&self, odd: Odd) -> (Odd, Asked) {
        let asked = self.endpoint.ask_oddly(odd, &self.args.resource, self.client_id);
        let asked = match within(self.args.timeout, asked).await {
            None => Asked::Strange(format!("no answer within {:?}", self.args.timeout)),
            Some(Ok((_, true))) => Asked::Token,
            Some(Ok((status, false))) => Asked::Refused { status, message: String::new() },
            Some(Err(error)) => Asked::Strange(error.to_string()),
        };
        (odd, asked)
    }
}

/// All of them at the same time.
async fn all_odd(ask: &Ask<'_>) -> Vec<(Odd, Asked)> {
    let [a, b, c, d, e, f] = ODD.map(|odd| ask.odd(odd));
    let (a, b, c, d, e, f) = join!(a, b, c, d, e, f);
    vec![a, b, c, d, e, f]
}

/// Why the variables lead nowhere, and what would be right.
fn nowhere(error: &GetError, env: &dyn Env) -> NoEndpoint {
    let set = match error {
        GetError::Endpoint { name, .. } | GetError::UserInfo(name) => {
            Some((*name, corrected(name, &env.get(name).unwrap_or_default())))
        }
        GetError::NoEndpoint => Some(("IDENTITY_ENDPOINT", USUAL.to_owned())),
        _ => None,
    };
    NoEndpoint { words: error.to_string(), set }
}

/// The same host and port by plain http, without what does not belong there.
fn corrected(name: &str, text: &str) -> String {
    let rest = text.trim();
    let rest = rest.split_once("://").map_or(rest, |(_, rest)| rest);
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = rest.split_once('/').unwrap_or((rest, "msi/token"));
    let authority = authority.rsplit('@').next().unwrap_or_default();
    let is_host = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
    let authority = match authority {
        "" => "127.0.0.1:8421",
        it if it.chars().all(is_host) => it,
        _ => "127.0.0.1:8421",
    };
    match name {
        "AZURE_POD_IDENTITY_AUTHORITY_HOST" => format!("http://{authority}"),
        _ => format!("http://{authority}/{}", text::plain(path)),
    }
}
