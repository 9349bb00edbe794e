//! The stable words.

use std::fmt;
use std::str::FromStr;

mod about;

/// What kind of trouble an [`Error`](crate::Error) is, for whoever must answer a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Class {
    /// Nothing changes until somebody changes something.
    Permanent,
    /// Policy forbids it.
    Denied,
    /// It may work later.
    Transient,
    /// The upstream asked for a pause.
    Throttled,
}

/// The reasons, each with its word and what kind of trouble it is.
macro_rules! reasons {
    ($($(#[doc = $doc:literal])* $name:ident: $word:literal $class:ident,)*) => {
        /// Why there is no token, as one of a closed list of stable words: metric label, log field
        /// and the endpoint's error code. A word is never renamed; others may be added.
        ///
        /// ```
        /// use cambist::Reason;
        ///
        /// assert_eq!(Reason::EntraThrottled.as_str(), "entra_throttled");
        /// assert!(Reason::EntraThrottled.is_retryable());
        /// assert_eq!("audience_mismatch".parse(), Ok(Reason::AudienceMismatch));
        /// assert!(!Reason::AudienceMismatch.is_retryable());
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Reason {
            $($(#[doc = $doc])* $name,)*
        }

        impl Reason {
            /// All there are, in an order that puts kin together.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The word.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }

            /// What has happened, in a sentence.
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($doc),*).trim_ascii(),)*
                }
            }

            /// What kind of trouble it is. An [`Error`](crate::Error) whose upstream asked for a pause is
            /// throttled, whatever its reason.
            pub const fn class(self) -> Class {
                match self {
                    $(Self::$name => Class::$class,)*
                }
            }
        }
    };
}

reasons! {
    // On the way.
    /// The host's name was not resolved.
    Dns: "dns" Transient,
    /// There was no connection.
    Connect: "connect" Transient,
    /// The proxy on the way out could not be reached.
    ProxyUnreachable: "proxy_unreachable" Transient,
    /// The proxy asks for credentials.
    ProxyAuthRequired: "proxy_auth_required" Transient,
    /// The proxy would not make the tunnel.
    ProxyRefused: "proxy_refused" Transient,
    /// The server's certificate comes from an authority that is not trusted.
    TlsUntrusted: "tls_untrusted" Transient,
    /// TLS failed otherwise.
    Tls: "tls" Transient,
    /// The cluster's token proxy could not be reached.
    TokenProxyUnreachable: "token_proxy_unreachable" Transient,
    /// The token proxy's certificate is not trusted.
    TokenProxyUntrusted: "token_proxy_untrusted" Transient,
    /// TLS with the token proxy failed otherwise.
    TokenProxyTls: "token_proxy_tls" Transient,
    /// There was no whole answer in time.
    Timeout: "timeout" Transient,
    /// The connection ended before the answer did.
    ConnectionLost: "connection_lost" Transient,
    /// The answer was longer than what is read.
    BodyTooLarge: "body_too_large" Transient,
    /// What answered does not speak HTTP.
    NotHttp: "not_http" Transient,
    /// A URL was not https.
    NotHttps: "not_https" Transient,
    /// The request failed in another way.
    Transport: "transport" Transient,
    // The projected token's file.
    /// There is no file.
    TokenFileMissing: "token_file_missing" Transient,
    /// The file may not be read.
    TokenFileDenied: "token_file_denied" Transient,
    /// There is something else than a file.
    TokenFileNotAFile: "token_file_not_a_file" Transient,
    /// The file is longer than any token.
    TokenFileTooLong: "token_file_too_long" Permanent,
    /// The file is empty.
    TokenFileEmpty: "token_file_empty" Transient,
    /// The file is not text, or starts with a byte order mark.
    TokenFileNotText: "token_file_not_text" Permanent,
    /// What the file holds is no signed token.
    TokenFileNoToken: "token_file_no_token" Permanent,
    /// The file system does not answer.
    TokenFileHangs: "token_file_hangs" Transient,
    /// The file cannot be read otherwise.
    TokenFileIo: "token_file_io" Transient,
    // The projected token itself.
    /// It is not base64url.
    TokenEncodingInvalid: "token_encoding_invalid" Permanent,
    /// Its header is no JSON object, or one that means two things.
    TokenHeaderNotJson: "token_header_not_json" Permanent,
    /// Its header says what is not accepted, or lacks an algorithm.
    TokenHeaderRefused: "token_header_refused" Permanent,
    /// Its payload is no JSON object, or one that means two things.
    TokenPayloadNotJson: "token_payload_not_json" Permanent,
    /// It lacks a claim.
    TokenClaimMissing: "token_claim_missing" Permanent,
    /// A claim is of the wrong kind.
    TokenClaimInvalid: "token_claim_invalid" Permanent,
    /// It is a legacy one from a Secret.
    TokenLegacy: "token_legacy" Permanent,
    /// It has another issuer than the configured one.
    IssuerMismatch: "issuer_mismatch" Permanent,
    /// It is addressed to somebody else.
    AudienceMismatch: "audience_mismatch" Permanent,
    /// Its subject is no service account.
    SubjectInvalid: "subject_invalid" Permanent,
    /// Its subject is a namespace's `default` account.
    DefaultServiceAccount: "default_service_account" Permanent,
    /// It is valid for longer than tokens should be.
    TokenLifetime: "token_lifetime" Permanent,
    /// It ends before it begins.
    TokenDates: "token_dates" Permanent,
    /// Its time is over.
    TokenExpired: "token_expired" Transient,
    /// Its time has not come.
    TokenNotYetValid: "token_not_yet_valid" Transient,
    /// It is signed with an algorithm that is not accepted.
    AlgorithmRefused: "algorithm_refused" Permanent,
    /// No key that is known has its `kid`; it is looked for again in a moment.
    UnknownKid: "unknown_kid" Transient,
    /// The published key of its `kid` cannot be used.
    UnusableKey: "unusable_key" Permanent,
    /// Its signature is not its key's.
    SignatureInvalid: "signature_invalid" Permanent,
    /// It is malformed otherwise.
    TokenMalformed: "token_malformed" Permanent,
    // Policy.
    /// It could not be checked, and what cannot be checked is held until it can.
    UncheckedHeld: "unchecked_held" Transient,
    /// The key that signed it should have been replaced.
    KeyOverdue: "key_overdue" Denied,
    /// The key that signed it is known to others.
    KeyCompromised: "key_compromised" Denied,
    // Entra's refusals.
    /// No federated credential matches.
    EntraNoMatchingCredential: "entra_no_matching_credential" Permanent,
    /// The token is not valid at this time, to Entra.
    EntraAssertionStale: "entra_assertion_stale" Permanent,
    /// Entra does not know the key that signed.
    EntraSignatureUnknown: "entra_signature_unknown" Permanent,
    /// To Entra, the signature is not its key's.
    EntraSignatureInvalid: "entra_signature_invalid" Permanent,
    /// Entra does not accept the token itself.
    EntraAssertionInvalid: "entra_assertion_invalid" Permanent,
    /// Entra could not fetch the issuer's documents.
    EntraIssuerUnreachable: "entra_issuer_unreachable" Transient,
    /// The application is not known in the tenant, or disabled.
    EntraAppUnknown: "entra_app_unknown" Permanent,
    /// Entra took the token for a client secret.
    EntraWrongCredential: "entra_wrong_credential" Permanent,
    /// The application is registered as a public client.
    EntraPublicClient: "entra_public_client" Permanent,
    /// The token was issued by Entra itself.
    EntraIssuedAssertion: "entra_issued_assertion" Permanent,
    /// There is no such tenant.
    EntraTenantUnknown: "entra_tenant_unknown" Permanent,
    /// Entra found the request malformed.
    EntraRequestMalformed: "entra_request_malformed" Permanent,
    /// The tenant does not know the resource.
    EntraResourceUnknown: "entra_resource_unknown" Permanent,
    /// The scope is not valid.
    EntraScopeInvalid: "entra_scope_invalid" Permanent,
    /// Conditional Access, or the like, blocks the application.
    EntraBlockedByPolicy: "entra_blocked_by_policy" Permanent,
    /// The tenant does not admit tokens of this issuer.
    EntraFederationBlocked: "entra_federation_blocked" Permanent,
    /// Entra sees the same request too often.
    EntraLoopDetected: "entra_loop_detected" Transient,
    /// A regional endpoint takes no federated credential.
    EntraRegionalUnsupported: "entra_regional_unsupported" Permanent,
    /// The tenant or the resource is in another cloud.
    EntraWrongCloud: "entra_wrong_cloud" Permanent,
    /// Entra asks for fewer requests.
    EntraThrottled: "entra_throttled" Throttled,
    /// Entra has trouble of its own.
    EntraUnavailable: "entra_unavailable" Transient,
    /// Entra refused with a code that is not known here.
    EntraRefused: "entra_refused" Permanent,
    /// Entra's answer makes no sense.
    EntraReplyUnusable: "entra_reply_unusable" Transient,
    /// The answer was a redirect, which is not followed.
    RedirectRefused: "redirect_refused" Transient,
    /// The token proxy asks for fewer requests.
    TokenProxyThrottled: "token_proxy_throttled" Throttled,
    /// The token proxy has trouble of its own.
    TokenProxyUnavailable: "token_proxy_unavailable" Transient,
    /// The token proxy refused.
    TokenProxyRefused: "token_proxy_refused" Permanent,
    /// The token proxy's answer makes no sense.
    TokenProxyReplyUnusable: "token_proxy_reply_unusable" Transient,
    // Our own.
    /// There is no room for another scope.
    CacheFull: "cache_full" Throttled,
    /// Too many scopes were asked for in a short time.
    TooManyScopes: "too_many_scopes" Throttled,
    /// The developer's own sign-in gave no token.
    DeveloperSignIn: "developer_sign_in" Transient,
    /// The work for the token ended without a result: a defect.
    Internal: "internal" Transient,
}

impl Reason {
    /// Whether it may be over by itself, so that asking again later makes sense. What is not lasts
    /// until somebody changes something.
    pub const fn is_retryable(self) -> bool {
        matches!(self.class(), Class::Transient | Class::Throttled)
    }

    /// What was compared with what, or looked at.
    pub const fn compared(self) -> &'static str {
        about::described(self).0
    }

    /// What to look at and what to change, where an error does not say more of its own case.
    ///
    /// ```
    /// use cambist::Reason;
    ///
    /// assert!(Reason::AudienceMismatch.remedy().contains("projected volume"));
    /// ```
    pub const fn remedy(self) -> &'static str {
        about::described(self).1
    }

    /// The reason of a word of the rules'.
    pub(crate) fn of_word(word: &str) -> Self {
        let known = Self::ALL.iter().find(|reason| reason.as_str() == word);
        debug_assert!(known.is_some(), "{word} is no reason");
        known.copied().unwrap_or(Self::Internal)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no such reason")]
#[non_exhaustive]
pub struct UnknownReason;

impl FromStr for Reason {
    type Err = UnknownReason;

    fn from_str(word: &str) -> Result<Self, UnknownReason> {
        Self::ALL.iter().copied().find(|reason| reason.as_str() == word).ok_or(UnknownReason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_distinct_and_fit_labels_and_headers() {
        let words: std::collections::BTreeSet<_> = Reason::ALL.iter().map(|r| r.as_str()).collect();
        assert_eq!(words.len(), Reason::ALL.len());
        let fits = |word: &&str| word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        assert!(words.iter().all(fits), "{words:?}");
        for reason in Reason::ALL {
            assert_eq!(reason.to_string().parse(), Ok(*reason));
        }
        assert_eq!("".parse::<Reason>(), Err(UnknownReason));
    }

    /// They are put behind other words, so that they begin small and end without a dot.
    #[test]
    fn a_remedy_can_be_put_into_a_sentence() {
        for reason in Reason::ALL {
            assert!(reason.meaning().ends_with('.'), "{reason}: {}", reason.meaning());
            for words in [reason.compared(), reason.remedy()] {
                let first = words.chars().next().unwrap();
                assert!(first.is_lowercase() || first == '`', "{reason}: {words}");
                assert!(!words.ends_with('.') && words.len() > 10, "{reason}: {words}");
                assert_eq!(words.matches('`').count() % 2, 0, "{reason}: {words}");
            }
        }
    }
}
