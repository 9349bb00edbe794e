//! What an answer may take, and what comes with it.

use std::time::Duration;

use bytes::Bytes;

/// What one request may cost. It travels with the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AnswerLimits {
    /// Longest response body that is read, in bytes.
    pub max_body: usize,
    /// Longest time from sending to the body's last byte, connecting included.
    pub timeout: Duration,
}

impl AnswerLimits {
    /// A body of so many bytes at most, and so long until its last.
    pub const fn new(max_body: usize, timeout: Duration) -> Self {
        Self { max_body, timeout }
    }
}

/// The certificate that the server showed, in DER: an extension of the responses of
/// [`Transport::https`](super::Transport::https), except through a proxy, where the client does not
/// tell. Its chain and its name were verified; how long it still lasts is for others to judge.
///
/// ```
/// use cambist::transport::PeerCertificate;
///
/// fn length(response: &http::Response<bytes::Bytes>) -> Option<usize> {
///     response.extensions().get().map(|PeerCertificate(der)| der.len())
/// }
/// assert_eq!(length(&http::Response::default()), None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a name for these bytes, and no more")]
pub struct PeerCertificate(pub Bytes);
