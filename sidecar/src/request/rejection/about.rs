//! What stands behind each rejection, and what to do about it where the rejection does not say more of its own case.

use super::Reason;

const PROGRAM: &str = "see which program asks: no Azure SDK sends such a request, so that it is one written by hand, or a proxy in between has made it anew";

const ADDRESS: &str = "name the listener by its own address: `http://127.0.0.1:8421/msi/token` in IDENTITY_ENDPOINT, with no proxy in between (NO_PROXY=127.0.0.1,localhost); for the admin listener see CAMBIST_ADMIN_HOSTS";

const NAMES: &str = "let the app name the identity that the sidecar has (AZURE_CLIENT_ID in the app, or the id that its code gives), or none where there is only one; `cambist-sidecar --check-config` shows who may have which";

/// What was compared with what, and the remedy.
pub(super) const fn described(reason: Reason) -> (&'static str, &'static str) {
    use Reason::*;
    match reason {
        HttpVersion => ("the request's version with HTTP/1.1", PROGRAM),
        Body => (
            "the request's length with none",
            "see which program asks, and which variables it goes by: a client that sends a body has taken MSI_ENDPOINT without MSI_SECRET for Cloud Shell",
        ),
        Host => ("the header `Host` and the request's target with one host, named once", PROGRAM),
        HostNotAllowed => ("the header `Host` with this listener's own address and names", ADDRESS),
        Forwarded => (
            "the headers with those that a proxy adds (`Forwarded`, `Via`, `X-Forwarded-*`, `X-Real-IP`)",
            "ask without the proxy: set NO_PROXY=127.0.0.1,localhost in the app, and take the loopback out of a mesh's redirection",
        ),
        Browser => (
            "the headers with those that browsers add (`Origin`, `Sec-Fetch-Site`, `Sec-Fetch-Dest`)",
            "ask from a program; to look at a page, type its address into a new tab; if nobody meant to ask, a page has tried to get a token",
        ),
        OffLoopback => (
            "the caller's address with the loopback",
            "ask from within the pod, or by `kubectl port-forward`; CAMBIST_ADMIN_STATUS=any opens the status",
        ),
        Path => (
            "the request's path with those that are answered",
            "let IDENTITY_ENDPOINT (or MSI_ENDPOINT) end in /msi/token; AZURE_POD_IDENTITY_AUTHORITY_HOST is `http://HOST:PORT` alone",
        ),
        ProtocolClosed => (
            "the protocol of the path with CAMBIST_PROTOCOLS, and with the secrets that there are",
            "add the protocol to CAMBIST_PROTOCOLS, or point the app at one that is open; app-service and native need IDENTITY_HEADER, or a file with it, in the sidecar",
        ),
        Method => ("the method with GET", PROGRAM),
        IdentityHeader => (
            "the header X-IDENTITY-HEADER (or Secret) with the sidecar's secret, or with each caller's",
            "let IDENTITY_HEADER of the app be the sidecar's, letter for letter: a restart of one container alone, or a changed Secret, sets them apart; a header that is missing means that the app lacks the variable",
        ),
        MetadataHeader => (
            "the header `Metadata` with `true`",
            "let the program that asks send it: every SDK does, so that this is a request written by hand, or one that a server was talked into",
        ),
        Query => ("the query with parameters that are each named once and decode to text", PROGRAM),
        ApiVersion => (
            "the parameter `api-version` with a date",
            "let the program that asks send one, such as api-version=2019-08-01",
        ),
        Resource => (
            "the parameter `resource` with one resource, spelt as a URI or a GUID",
            "correct the resource in the app, as its service documents it; a token or a secret in its place is a variable that was mixed up",
        ),
        Scope => (
            "the parameter `scope` with one of RESOURCE/.default",
            "correct the scope in the app: one resource at a time, with /.default behind it",
        ),
        MinTtl => (
            "the parameter `min_ttl` with whole seconds up to a day",
            "correct it in the program that asks",
        ),
        IdentityConflict => (
            "the identities that the request names with each other",
            "let the app name one: by client id, object id or resource id, and not by two that differ",
        ),
        IdentityNotFound => {
            ("the identity that the request names with those that its caller may have", NAMES)
        }
        IdentityAmbiguous => (
            "how many identities fit a request that names none, or that several share, with one",
            NAMES,
        ),
        PolicyDenied => (
            "the caller, its identity and the resource with the file of CAMBIST_CONFIG",
            "let the file give this caller the resource (`may`), if it is meant to have it: `cambist explain --resource R` tells what it has; `cambist-sidecar --check-config` tries a changed file",
        ),
    }
}
