//! Where work for a token came to its end.

use cambist::Reason;

/// The step that a failure is of; the steps behind it were not come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Blame {
    /// It was not begun.
    Cache,
    ProjectedToken,
    Key,
    Exchange,
}

impl Blame {
    pub(crate) fn of(reason: Reason) -> Self {
        use Reason as R;
        match reason {
            R::CacheFull | R::TooManyScopes => Self::Cache,
            R::TokenFileMissing
            | R::TokenFileDenied
            | R::TokenFileNotAFile
            | R::TokenFileTooLong
            | R::TokenFileEmpty
            | R::TokenFileNotText
            | R::TokenFileNoToken
            | R::TokenFileHangs
            | R::TokenFileIo
            | R::TokenEncodingInvalid
            | R::TokenHeaderNotJson
            | R::TokenHeaderRefused
            | R::TokenPayloadNotJson
            | R::TokenClaimMissing
            | R::TokenClaimInvalid
            | R::TokenLegacy
            | R::IssuerMismatch
            | R::AudienceMismatch
            | R::SubjectInvalid
            | R::DefaultServiceAccount
            | R::TokenLifetime
            | R::TokenDates
            | R::TokenExpired
            | R::TokenNotYetValid
            | R::AlgorithmRefused
            | R::TokenMalformed => Self::ProjectedToken,
            R::UnknownKid
            | R::UnusableKey
            | R::SignatureInvalid
            | R::UncheckedHeld
            | R::KeyOverdue
            | R::KeyCompromised => Self::Key,
            _ => Self::Exchange,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_to_blame_for_what_is_called_after_it() {
        for reason in Reason::ALL {
            let word = reason.as_str();
            let blame = Blame::of(*reason);
            let of_proxy = word.starts_with("token_proxy_");
            if word.starts_with("token_") && !of_proxy {
                assert_eq!(blame, Blame::ProjectedToken, "{word}");
            }
            if word.contains("kid") || word.contains("key") {
                assert_eq!(blame, Blame::Key, "{word}");
            }
            if word.starts_with("entra_") || word.starts_with("proxy_") || of_proxy {
                assert_eq!(blame, Blame::Exchange, "{word}");
            }
        }
    }
}
