//! What to do about an answer that does not say so itself.

use cambist::Reason;

/// The words for a reason that is not Entra's own word; where it is, the library has better ones.
pub(super) fn advice(reason: Reason) -> &'static str {
    use Reason as R;
    match reason {
        R::EntraThrottled => {
            "wait, and ask less often: the identity's sign-in log (service principal sign-ins) shows who asks for so many tokens"
        }
        R::EntraUnavailable => {
            "wait some minutes and ask again; if it stays so, see https://azure.status.microsoft, and whether a proxy or gateway on the way answers in Entra's place"
        }
        R::RedirectRefused | R::EntraReplyUnusable | R::BodyTooLarge | R::NotHttp => {
            "find out who answers in Entra's place: a captive portal, or a proxy or gateway on the way, which needs user and password in HTTPS_PROXY if the status is 407; and see that AZURE_AUTHORITY_HOST is an authority of Entra's"
        }
        R::ConnectionLost | R::Timeout | R::Transport => {
            "ask again; if it stays so, find what ends connections between this pod and Entra: a firewall, a proxy, a service mesh"
        }
        R::Dns => "correct the name in AZURE_AUTHORITY_HOST, or the pod's DNS",
        R::Connect => {
            "open the way from the pod to Entra in network policies and firewalls, or name the proxy that leads there in HTTPS_PROXY"
        }
        R::ProxyUnreachable | R::ProxyAuthRequired | R::ProxyRefused => {
            "correct HTTPS_PROXY, with user and password where the proxy asks for them, or have its owner allow Entra's host"
        }
        R::Tls | R::TlsUntrusted => {
            "if an authority of your own is meant to be in between, give its certificate in CAMBIST_CA_FILE; if not, ask who is"
        }
        R::TokenProxyUnreachable | R::TokenProxyUntrusted | R::TokenProxyTls => {
            "see that the AZURE_KUBERNETES_ variables and the CA file that they name are as the cluster's webhook sets them"
        }
        R::UnknownKid | R::UncheckedHeld => {
            "open the way from the pod to the issuer, and publish the key that signs where the issuer's jwks_uri says"
        }
        R::TokenExpired | R::TokenNotYetValid => {
            "see that the kubelet renews the projected token's file, and that this machine's clock is right"
        }
        R::TokenProxyThrottled => {
            "wait, and ask less often: the cluster's token proxy asks for fewer requests"
        }
        R::TokenProxyUnavailable => {
            "wait some minutes and ask again; if it stays so, ask who runs the cluster what its token proxy's log says"
        }
        R::TokenProxyRefused | R::TokenProxyReplyUnusable => {
            "ask who runs the cluster what its token proxy's log says: Entra was not asked"
        }
        R::Internal => "report it: that is a defect of cambist",
        reason if reason.as_str().starts_with("token_") => {
            "mount a projected serviceAccountToken volume, and name the token in it in AZURE_FEDERATED_TOKEN_FILE"
        }
        _ => "do what the message says",
    }
}
