//! What was found, as plain values. Nothing in it is secret: of a token there are its claims, of a variable
//! that may hold a secret its name.

use std::time::Duration;

use cambist::Reason;
use cambist::config::ConfigFault;
use cambist::transport::TransportFault;
use cambist_core::clock::UnixTime;
use cambist_core::token::Claims;
use cambist_core::verify::VerifyError;
use cambist_key_age::Verdict;

use super::place::Place;
use crate::token::surroundings::Pitfall;

/// All of it.
pub(crate) struct Facts {
    pub(super) place: Place,
    pub(super) environment: Environment,
    /// The way from a projected token to Entra, if it is looked at.
    pub(super) workload: Option<Workload>,
    /// What an app's SDK meets.
    pub(super) app: Option<App>,
    /// What a running sidecar says of itself.
    pub(super) sidecar: Option<Sidecar>,
}

/// What the variables say by their mere names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment {
    /// Variables by which SDKs sign in otherwise, with a secret.
    pub(super) secrets: Vec<&'static str>,
    /// `CAMBIST_` variables that nobody reads, each with the one that was meant, if that can be told.
    pub(super) unread: Vec<(String, Option<&'static str>)>,
    /// Variables under old names, with the new ones and their values.
    pub(super) renamed: Vec<(&'static str, &'static str, String)>,
}

/// The workload's side: from a projected token to Entra.
#[derive(Clone, Debug)]
pub(crate) struct Workload {
    pub(super) in_pod: bool,
    /// None of what the webhook sets is there.
    pub(super) unprepared: bool,
    /// What is wrong with variables, each under its name.
    pub(super) faults: Vec<ConfigFault>,
    pub(super) policy: Option<PolicyFile>,
    pub(super) client_id: Option<String>,
    pub(super) tenant_id: Option<String>,
    /// Its federated credential is not one of its own: an agent's blueprint has it, or an AKS cluster's binding.
    pub(super) federated_elsewhere: bool,
    /// The Azure resource id of the managed identity, if it is told.
    pub(super) resource_id: Option<String>,
    /// The audience that is expected.
    pub(super) audience: String,
    pub(super) leeway: Duration,
    pub(super) now: UnixTime,
    pub(super) token: Result<Token, NoToken>,
    /// The files of certificate authorities that cannot be used, each under its variable.
    pub(super) ca_files: Vec<(String, String)>,
    /// The proxy, without user and password.
    pub(super) proxy: Option<String>,
    pub(super) issuer: Issuer,
    pub(super) entra: Entra,
}

/// Why there is no token.
#[derive(Clone, Debug)]
pub(crate) enum NoToken {
    /// No file is named.
    Unnamed,
    /// The file is no good, and why.
    File(String),
}

/// A projected token, taken apart.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(super) path: String,
    /// The permissions of its file.
    pub(super) mode: Option<u32>,
    pub(super) claims: Claims,
    pub(super) kid: Option<String>,
    /// Each rule that it breaks, but for those about its key.
    pub(super) broken: Vec<VerifyError>,
    /// What becomes of forgeries of it, by how they were made; nothing if there was no key to try them by.
    pub(super) forgeries: Vec<Forgery>,
}

/// A token that nobody signed.
#[derive(Clone, Debug)]
pub(crate) struct Forgery {
    pub(super) how: &'static str,
    /// The words of the refusal, if it was refused.
    pub(super) refused: Option<String>,
}

/// A server that was asked.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(super) host: String,
    pub(super) answer: Result<Answered, Unreached>,
}

/// An answer, whatever it was.
#[derive(Clone, Debug)]
pub(crate) struct Answered {
    /// The clocks of both sides when it came.
    pub(super) clocks: Option<Clocks>,
}

/// What two clocks said at the same time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clocks {
    pub(super) here: UnixTime,
    pub(super) there: UnixTime,
}

/// No answer came.
#[derive(Clone, Debug)]
pub(crate) struct Unreached {
    /// What went wrong; nothing if it took longer than this program waits.
    pub(super) fault: Option<TransportFault>,
    pub(super) words: String,
    /// Who issued the certificate that was shown, and to whom.
    pub(super) shown: Option<Shown>,
}

/// A certificate that was shown.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(super) issuer: String,
    pub(super) subject: String,
}

/// The issuer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Issuer {
    /// Its URL, if anybody names one.
    pub(super) url: Option<String>,
    pub(super) peer: Option<Peer>,
    /// What is wrong with the answer for its discovery document as an answer, such as its status.
    pub(super) refused: Option<String>,
    /// Where the discovery document says that the keys are, or what is wrong with it.
    pub(super) discovery: Option<Result<String, String>>,
    /// How many keys are published, or why there are none.
    pub(super) keys: Option<Result<usize, NoKeys>>,
    /// Which key signed the token, or why that cannot be told.
    pub(super) signer: Option<Result<String, VerifyError>>,
    /// What the API server publishes; nothing if it was not to be asked.
    pub(super) api: Option<Result<Api, String>>,
    pub(super) age: Option<Result<Age, String>>,
}

/// Why no keys are known.
#[derive(Clone, Debug)]
pub(crate) enum NoKeys {
    /// No whole answer came.
    Unanswered(String),
    /// What came is of no use.
    Useless(String),
}

/// The API server's word for it.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    pub(super) server: String,
    /// The issuer that it names.
    pub(super) issuer: Option<String>,
    /// Keys that it publishes and the issuer does not.
    pub(super) inside_only: Vec<String>,
    /// Keys that the issuer publishes and it does not.
    pub(super) outside_only: Vec<String>,
}

/// The crate's own judgement of the keys.
#[derive(Clone, Debug)]
pub(crate) struct Age {
    pub(super) verdict: Verdict,
    pub(super) means: String,
    /// What to do next: why, and the command.
    pub(super) next: Option<(String, String)>,
}

/// Entra, or the cluster's token proxy.
#[derive(Clone, Debug)]
pub(crate) struct Entra {
    pub(super) peer: Option<Peer>,
    pub(super) resource: String,
    pub(super) exchange: Exchange,
}

/// What became of the one exchange.
#[derive(Clone, Debug)]
pub(crate) enum Exchange {
    /// It was not to be made.
    LeftOut,
    /// There was nothing to make it with.
    Impossible,
    /// There is a token, for so long.
    Granted(Duration),
    Refused(Refused),
    /// It took longer than this program waits.
    Late(Duration),
}

/// Why there is no token.
#[derive(Clone, Debug)]
pub(crate) struct Refused {
    pub(super) reason: Reason,
    pub(super) words: String,
    /// The library's own advice, if Entra refused.
    pub(super) fix: Option<String>,
}

/// The file of several identities.
#[derive(Clone, Debug)]
pub(crate) struct PolicyFile {
    pub(super) path: String,
    /// What is wrong with it, each with its place.
    pub(super) faults: Vec<String>,
    pub(super) identities: usize,
    pub(super) warnings: Vec<String>,
}

/// The app's side.
#[derive(Clone, Debug)]
pub(crate) struct App {
    /// Where the variables lead.
    pub(super) endpoint: Result<String, NoEndpoint>,
    pub(super) pitfalls: Vec<Pitfall>,
    pub(super) resource: String,
    /// The usual request; nothing if it was not made.
    pub(super) usual: Option<Asked>,
    /// Requests that must not be answered with a token.
    pub(super) odd: Vec<(crate::token::endpoint::Odd, Asked)>,
    /// The request for the resource that must not be given.
    pub(super) forbidden: Option<(String, Asked)>,
}

/// The variables lead nowhere.
#[derive(Clone, Debug)]
pub(crate) struct NoEndpoint {
    pub(super) words: String,
    /// The variable, and what would be right, if that is known.
    pub(super) set: Option<(&'static str, String)>,
}

/// What an endpoint answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// With a token, which is not kept.
    Token,
    /// With a refusal.
    Refused { status: u16, message: String },
    /// Nobody is there.
    Nobody(String),
    /// With something else, or not at all.
    Strange(String),
}

/// A running sidecar.
#[derive(Clone, Debug)]
pub(crate) struct Sidecar {
    pub(super) admin: String,
    /// Whether somebody asked for it to be looked at, and it is not only said to be there.
    pub(super) asked_for: bool,
    pub(super) ready: Result<Ready, NoSidecar>,
    pub(super) status: Option<Status>,
}

/// What is where a sidecar's admin listener was looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NoSidecar {
    /// Nobody, in these words.
    Nobody(String),
    /// The sidecar's other listener, which has the tokens.
    TokenPort,
    /// The admin listener, which refuses whoever asks so, in these words.
    Refuses(String),
    /// Something else, which answers with this status.
    Stranger(u16),
}

/// `/ready`.
#[derive(Clone, Debug)]
pub(crate) struct Ready {
    pub(super) ready: bool,
    pub(super) words: String,
}

/// What is read of `/status.json`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Status {
    /// Tokens that could not be had.
    pub(super) failures: Vec<Failure>,
    pub(super) held: usize,
    /// Why the policy that is there is not in force.
    pub(super) refused_policy: Option<String>,
    /// Places where the issuer's keys could not be read.
    pub(super) key_sources: Vec<(String, String)>,
}

/// A token that a sidecar could not have.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(super) resource: String,
    pub(super) reason: String,
    pub(super) message: String,
}
