//! Which issuer is looked at, and who says so.

use std::fmt;
use std::path::PathBuf;

use cambist::Env;
use cambist::token_file::TokenFileError;
use cambist_core::issuer::IssuerUrl;
use cambist_core::token::ProjectedToken;
use serde::{Deserialize, Serialize};

use super::CollectError;
use super::api::Discovered;
use crate::cli::issuer::Sources;

/// Who names the issuer. The first one that does counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "by", content = "at")]
pub(crate) enum NamedBy {
    /// `--issuer`.
    #[default]
    Flag,
    /// The variable `CAMBIST_ISSUER`.
    Variable,
    /// The `iss` of this token.
    Token(String),
    /// The discovery document of this API server.
    ApiServer(String),
}

impl NamedBy {
    /// Whether nobody but the user said it: then what the cluster says is worth holding against it.
    pub(crate) fn is_configured(&self) -> bool {
        matches!(self, Self::Flag | Self::Variable)
    }
}

impl fmt::Display for NamedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("--issuer"),
            Self::Variable => f.write_str("CAMBIST_ISSUER"),
            Self::Token(path) => write!(f, "the token {path}"),
            Self::ApiServer(url) => write!(f, "the API server {url}"),
        }
    }
}

/// The tokens that are named, read or not.
pub(super) type Tokens<'a> = Vec<(&'a PathBuf, Result<ProjectedToken, TokenFileError>)>;

/// The issuer: as named, or as the first token says, or as the API server does if it was asked.
pub(super) fn find(
    sources: &Sources,
    env: &dyn Env,
    tokens: &mut Tokens<'_>,
    api: Option<&Discovered>,
) -> Result<(IssuerUrl, NamedBy), CollectError> {
    if let Some(named) = &sources.issuer {
        return Ok((IssuerUrl::parse(named)?, NamedBy::Flag));
    }
    if let Some(named) = env.get("CAMBIST_ISSUER") {
        return Ok((IssuerUrl::parse(&named)?, NamedBy::Variable));
    }
    let read = tokens.iter().find_map(|(path, token)| Some((path, token.as_ref().ok()?)));
    if let Some((path, token)) = read {
        let by = NamedBy::Token(path.display().to_string());
        return Ok((IssuerUrl::parse(&token.claims().issuer)?, by));
    }
    if let Some((api, said)) = api.and_then(|api| Some((api, api.issuer()?))) {
        return Ok((IssuerUrl::parse(&said)?, NamedBy::ApiServer(api.server.clone())));
    }
    // What was named and cannot be read says more than what could have been named.
    match (tokens.pop(), api) {
        (Some((_, Err(error))), _) => Err(error.into()),
        (_, Some(api)) => {
            let why = api
                .problem
                .clone()
                .unwrap_or_else(|| "its discovery document names none".to_owned());
            Err(CollectError::Unnamed { server: api.server.clone(), why })
        }
        (_, None) => Err(CollectError::NoIssuer),
    }
}
