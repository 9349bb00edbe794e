//! What a failed TLS handshake says, in our own words.

use cambist_core::clock::UnixTime;
use cambist_core::foreign::{Foreign, ForeignList};
use rustls::{AlertDescription, CertificateError, Error};

/// What went wrong, if that can be said; nothing where the fault has said it all.
pub(super) fn words(error: &Error) -> Option<String> {
    let words = match error {
        Error::InvalidCertificate(error) => return certificate(error),
        Error::AlertReceived(alert) => return Some(alerted(*alert)),
        Error::PeerIncompatible(_) | Error::NoApplicationProtocol => {
            "the server offers neither TLS 1.2 nor TLS 1.3 with a cipher that is accepted here"
        }
        Error::InvalidMessage(_) => "what answered does not speak TLS",
        Error::NoCertificatesPresented => "the server shows no certificate",
        Error::PeerMisbehaved(_)
        | Error::InappropriateMessage { .. }
        | Error::InappropriateHandshakeMessage { .. }
        | Error::PeerSentOversizedRecord
        | Error::DecryptError => "the server breaks the rules of TLS",
        _ => return None,
    };
    Some(words.to_owned())
}

fn certificate(error: &CertificateError) -> Option<String> {
    use CertificateError as E;
    let words = match error {
        E::UnknownIssuer => return None,
        E::ExpiredContext { time, not_after } => {
            let (ended, now) = (at(*not_after), at(*time));
            return Some(format!(
                "its certificate ended at {ended}, and it is {now} by this clock"
            ));
        }
        E::NotValidYetContext { time, not_before } => {
            let (begins, now) = (at(*not_before), at(*time));
            return Some(format!(
                "its certificate begins at {begins}, and it is {now} by this clock"
            ));
        }
        E::NotValidForNameContext { expected, presented } => {
            let names = ForeignList::of(presented.iter().map(|name| inside(name)));
            let expected = Foreign::new(&*expected.to_str());
            return Some(format!("its certificate is for {names}, not for {expected}"));
        }
        E::Expired => "its certificate has ended",
        E::NotValidYet => "its certificate's time has not come; is this clock right?",
        E::NotValidForName => "its certificate is for another name",
        E::Revoked => "its certificate was revoked",
        E::BadEncoding => "its certificate cannot be read",
        E::BadSignature => "its certificate was not signed by the authority that it names",
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => "its certificate is not for servers",
        E::UnhandledCriticalExtension => {
            "its certificate asks for an extension to be honoured that is not known here"
        }
        E::UnsupportedSignatureAlgorithmContext { .. }
        | E::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "its certificate is signed in a way that is not accepted here"
        }
        // The verifier's own error; it says no more than its name.
        E::Other(error) if error.to_string().contains("CaUsedAsEndEntity") => {
            "its certificate is an authority's, not a server's"
        }
        _ => "its certificate is not acceptable",
    };
    Some(words.to_owned())
}

fn at(time: rustls::pki_types::UnixTime) -> UnixTime {
    UnixTime::from_secs(i64::try_from(time.as_secs()).unwrap_or(i64::MAX))
}

/// The name in what a certificate's names are printed as: the name of a type, brackets and quotes
/// around it.
fn inside(printed: &str) -> &str {
    let inner = printed.split_once('"').and_then(|(_, rest)| rest.rsplit_once('"'));
    inner.map_or(printed, |(inner, _)| inner)
}

fn alerted(alert: AlertDescription) -> String {
    let means = match alert {
        AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity => {
            "it accepts none of the ciphers offered"
        }
        AlertDescription::ProtocolVersion => "it accepts neither TLS 1.2 nor TLS 1.3",
        AlertDescription::UnrecognisedName => "it has nothing under the name that was asked for",
        AlertDescription::CertificateRequired | AlertDescription::BadCertificate => {
            "it asks for a certificate of the client's"
        }
        AlertDescription::InternalError => "it has trouble of its own",
        _ => "see RFC 8446 section 6",
    };
    format!("the server ended it with alert {}: {means}", u8::from(alert))
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::ServerName;

    use super::*;

    #[test]
    fn a_certificate_of_two_thousand_names_makes_a_short_line() {
        let expected = ServerName::try_from("issuer.example").unwrap();
        let presented = (0..2000).map(|n| format!("DnsName(\"n{n}.example\")")).collect();
        let error = CertificateError::NotValidForNameContext { expected, presented };
        let words = certificate(&error).unwrap();
        assert!(words.starts_with("its certificate is for \"n0.example\", \"n1"), "{words}");
        assert!(words.ends_with(" more, not for \"issuer.example\""), "{words}");
        assert!(words.len() < 400 && !words.contains("DnsName"), "{words}");
    }

    #[test]
    fn no_type_is_named() {
        let at = rustls::pki_types::UnixTime::since_unix_epoch;
        let now = std::time::Duration::from_secs(1_795_407_225);
        let (time, not_after) = (at(now), at(now / 2));
        for (error, word) in [
            (CertificateError::ExpiredContext { time, not_after }.into(), "2026-11-23T04:13:45Z"),
            (CertificateError::BadSignature.into(), "not signed by"),
            (Error::AlertReceived(AlertDescription::UnknownCA), "alert 48"),
            (Error::AlertReceived(AlertDescription::HandshakeFailure), "ciphers"),
            (rustls::InvalidMessage::InvalidContentType.into(), "does not speak TLS"),
        ] {
            let words = words(&error).unwrap();
            assert!(words.contains(word), "{words}");
        }
        assert_eq!(words(&CertificateError::UnknownIssuer.into()), None);
    }
}
