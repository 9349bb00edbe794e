//! Projected tokens: which key signs now.

use std::path::Path;

use cambist::token_file::{TokenFile, TokenFileError};
use cambist_core::clock::UnixTime;
use cambist_core::jwks::{Alg, KeySet};
use cambist_core::jws::{self, JwsError};
use cambist_core::token::ProjectedToken;

use super::look::{Look, Reply, Signature, TokenSeen};

/// Every algorithm that kube-apiserver signs with and that is understood here. This looks at keys'
/// ages; what may be exchanged is decided elsewhere.
const ACCEPTED: [Alg; 3] = [Alg::Rs256, Alg::Es256, Alg::Es384];

/// Reads a token, for its `iss` too.
pub(crate) async fn read(path: &Path) -> Result<ProjectedToken, TokenFileError> {
    TokenFile::new(path).read().await
}

/// Verifies a token's signature against what was collected. The dates are not judged: an expired
/// token shows as well who signed it.
pub(crate) fn collect(look: &mut Look, path: &Path, token: &ProjectedToken) {
    let sets = [(true, &look.public.jwks), (false, &look.api.jwks)];
    let sets: Vec<_> = sets.into_iter().filter_map(|(is, reply)| Some((is, set(reply)?))).collect();
    let seen = seen(path.display().to_string(), token, &sets);
    let seen = TokenSeen { changed: changed(path), ..seen };
    if let Signature::Unchecked { detail } = &seen.signature {
        let detail = format!("{}: {detail}", seen.path);
        look.problem("token", detail);
    }
    look.tokens.push(seen);
}

/// A token that is called `path`, held against these key sets; `true` marks the public one.
pub(crate) fn seen(path: String, token: &ProjectedToken, sets: &[(bool, KeySet)]) -> TokenSeen {
    let claims = token.claims();
    TokenSeen {
        path,
        issuer: claims.issuer.clone(),
        subject: claims.subject.clone(),
        audiences: claims.audiences.clone(),
        kid: token.kid().map(|kid| kid.as_str().to_owned()),
        issued_at: claims.issued_at,
        expires_at: claims.expires_at,
        warn_after: claims.bound.warn_after,
        changed: None,
        signature: verify(token, sets),
    }
}

/// The modification time of what the link points to: the kubelet writes each version anew.
fn changed(path: &Path) -> Option<UnixTime> {
    super::modified(&std::fs::metadata(path).ok()?)
}

fn set(reply: &Option<Reply>) -> Option<KeySet> {
    KeySet::parse(reply.as_ref()?.ok()?.as_bytes()).ok()
}

fn verify(token: &ProjectedToken, sets: &[(bool, KeySet)]) -> Signature {
    let mut unchecked = "no key set could be read".to_owned();
    for (public, keys) in sets {
        match jws::verify(token.secret().expose(), keys, &ACCEPTED) {
            Ok((_, key)) => return Signature::Verified { key: key.thumbprint(), public: *public },
            // Anybody may have signed it; by that key it is signed all the same.
            Err(JwsError::Exposed { thumbprint: key, .. }) => {
                return Signature::Verified { key, public: *public };
            }
            Err(error @ JwsError::Signature { .. }) => {
                return Signature::Bad { detail: error.to_string() };
            }
            Err(error) => unchecked = error.to_string(),
        }
    }
    Signature::Unchecked { detail: unchecked }
}
