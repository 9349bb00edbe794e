//! What stands behind each reason, and what to do about it where the error at hand does not say more.

use super::Reason;

const HANDSHAKE: &str = "the certificate that the server showed with the CAs that are trusted here";

const LATEST: &str =
    "the token's dates with this machine's clock, and with an https server's where they differ";

const WHO_ANSWERS: &str = "find out who answers in Entra's place: a captive portal, or a proxy or gateway on the way, which needs user and password in HTTPS_PROXY if the status is 407; and see that AZURE_AUTHORITY_HOST is an authority of Entra's";

const CONNECTIONS: &str = "ask again; if it stays so, find what ends connections between this pod and Entra: a firewall, a proxy, a service mesh";

const MOUNT: &str = "mount a projected serviceAccountToken volume, and name the token in it in AZURE_FEDERATED_TOKEN_FILE";

const CORRECT_PROXY: &str = "correct HTTPS_PROXY, with user and password where the proxy asks for them, or have its owner allow Entra's host";

const AKS_VARIABLES: &str = "see that the AZURE_KUBERNETES_ variables and the CA file that they name are as the cluster's webhook sets them";

const AS_KUBELET_WRITES: &str = "see which program wrote the file: it must be the token as kubelet writes it, unchanged, and nothing else; `cambist doctor` says what of it can be read";

const AS_THE_API_SERVER_SIGNS: &str = "see who issued the token: an API server writes it otherwise, so that AZURE_FEDERATED_TOKEN_FILE names another token, or something on the way has changed it";

const CLOCK: &str = "see that the kubelet renews the projected token's file, and that this machine's clock is right";

const PUBLISH: &str = "open the way from the pod to the issuer, and publish the key that signs where the issuer's jwks_uri says";

const ROTATE: &str = "rotate the issuer's key: `cambist issuer plan` has the steps and their dates, `cambist issuer explain KID` the evidence; CAMBIST_KEY_AGE_EXEMPT=THUMBPRINT@DATE lets it pass until a day is over";

const ALIKE: &str = "let the two be alike, byte for byte: a trailing slash and upper case count; `cambist doctor` prints the command that makes a federated credential for this token";

const THE_PROXYS_LOG: &str =
    "ask who runs the cluster what its token proxy's log says: Entra was not asked";

/// What was compared with what, and the remedy.
pub(super) const fn described(reason: Reason) -> (&'static str, &'static str) {
    use Reason::*;
    match reason {
        Dns => (
            "a host's name with what the resolver knows",
            "correct the name in AZURE_AUTHORITY_HOST, or the pod's DNS",
        ),
        Connect => (
            "whether a TCP connection to the host comes about",
            "open the way from the pod to Entra in network policies and firewalls, or name the proxy that leads there in HTTPS_PROXY",
        ),
        ProxyUnreachable => {
            ("whether a TCP connection to the host of HTTPS_PROXY comes about", CORRECT_PROXY)
        }
        ProxyAuthRequired => ("the proxy's answer to CONNECT, which was 407", CORRECT_PROXY),
        ProxyRefused => ("the proxy's answer to CONNECT, which was no 2xx", CORRECT_PROXY),
        TlsUntrusted => (
            HANDSHAKE,
            "if an authority of your own is meant to be in between, give its certificate in CAMBIST_CA_FILE; if not, ask who is",
        ),
        Tls => (
            "the server's TLS with what is asked of it: version, name, dates",
            "if an authority of your own is meant to be in between, give its certificate in CAMBIST_CA_FILE; if not, see whether a firewall takes TLS apart, and whether this machine's clock is right",
        ),
        TokenProxyUnreachable => (
            "whether a TCP connection to the host of AZURE_KUBERNETES_TOKEN_PROXY comes about",
            AKS_VARIABLES,
        ),
        TokenProxyUntrusted => (
            "the token proxy's certificate with AZURE_KUBERNETES_CA_FILE or AZURE_KUBERNETES_CA_DATA, and nothing else",
            AKS_VARIABLES,
        ),
        TokenProxyTls => (
            "the token proxy's certificate with AZURE_KUBERNETES_SNI_NAME, and its dates with this clock",
            AKS_VARIABLES,
        ),
        Timeout => ("the time until the answer was whole with what is waited", CONNECTIONS),
        ConnectionLost => {
            ("what came of the answer with the length that it announced", CONNECTIONS)
        }
        BodyTooLarge => ("the answer's length with what is read of one", WHO_ANSWERS),
        NotHttp => ("what answered with HTTP/1.1", WHO_ANSWERS),
        NotHttps => (
            "the URL's scheme with https",
            "look at where the message says that the URL is from: a variable, or the issuer's discovery document; only https is asked",
        ),
        Transport => ("nothing more is known than what the message says", CONNECTIONS),
        TokenFileMissing => ("the path in AZURE_FEDERATED_TOKEN_FILE with what is there", MOUNT),
        TokenFileDenied => (
            "the file's owner and mode with this process' user and groups, and with what it gave up at its start",
            "set fsGroup in the pod's securityContext, or runAsUser to the file's owner; if it has these rights, compare `reads` in `cambist-sidecar --check-config` with the path, and restart it",
        ),
        TokenFileNotAFile => ("the kind of what is at the path with a regular file", MOUNT),
        TokenFileTooLong => ("the file's length with the longest token that is read", MOUNT),
        TokenFileEmpty => ("the file's length with nothing", AS_KUBELET_WRITES),
        TokenFileNotText => {
            ("the file's bytes with UTF-8 without a byte order mark", AS_KUBELET_WRITES)
        }
        TokenFileNoToken => {
            ("the text with three parts joined by dots, as a signed token is", AS_KUBELET_WRITES)
        }
        TokenFileHangs => (
            "the time that the file system took with what is waited",
            "look at the node: its kubelet, and the file system that the path is on; a projected volume is in memory and never hangs",
        ),
        TokenFileIo => (
            "the operating system's answer to reading the file",
            "look at the node: the message has the system's own words",
        ),
        TokenEncodingInvalid => {
            ("each part of the token with base64url without padding", AS_KUBELET_WRITES)
        }
        TokenHeaderNotJson => {
            ("the token's header with one JSON object that names nothing twice", AS_KUBELET_WRITES)
        }
        TokenHeaderRefused => {
            ("the header's members with those that an API server writes", AS_THE_API_SERVER_SIGNS)
        }
        TokenPayloadNotJson => {
            ("the token's payload with one JSON object that names nothing twice", AS_KUBELET_WRITES)
        }
        TokenClaimMissing => (
            "the token's claims with those that every projected token has",
            AS_THE_API_SERVER_SIGNS,
        ),
        TokenClaimInvalid => ("a claim's kind with what it must be", AS_THE_API_SERVER_SIGNS),
        TokenLegacy => ("the token with one of a Secret, which has no end and no audience", MOUNT),
        IssuerMismatch => (
            "the token's `iss` with CAMBIST_ISSUER, byte for byte",
            "set CAMBIST_ISSUER to what the cluster says (`kubectl get --raw /.well-known/openid-configuration`), slash included; if the token's issuer is the strange one, look at --service-account-issuer of the API server, and at which cluster the pod runs in",
        ),
        AudienceMismatch => (
            "the token's `aud` with CAMBIST_AUDIENCE, or with what the authority's cloud expects",
            "set `audience` of the projected volume to what is expected; another cloud than the public one is named by AZURE_AUTHORITY_HOST and brings its audience along",
        ),
        SubjectInvalid => {
            ("the token's `sub` with system:serviceaccount:NAMESPACE:NAME", AS_THE_API_SERVER_SIGNS)
        }
        DefaultServiceAccount => (
            "the token's `sub` with the namespace's `default` account",
            "give the workload a service account of its own, and name it in serviceAccountName; CAMBIST_ALLOW_DEFAULT_ACCOUNT lets a named one pass",
        ),
        TokenLifetime => (
            "`exp` less `iat` with CAMBIST_MAX_TOKEN_LIFETIME",
            "lower expirationSeconds of the projected volume; where the volume says less already, the API server extends tokens: set --service-account-extend-token-expiration=false there",
        ),
        TokenDates => ("the token's `exp` with its `iat`", AS_THE_API_SERVER_SIGNS),
        TokenExpired | TokenNotYetValid => (LATEST, CLOCK),
        AlgorithmRefused => (
            "the header's `alg`, and the key's, with RS256",
            "have the API server sign with an RSA key, and publish that: Entra takes no other",
        ),
        UnknownKid => ("the token's `kid` with those that the issuer publishes", PUBLISH),
        UnusableKey => (
            "the published key of the token's `kid` with what a signature can be checked by",
            "look at the issuer's key set: `cambist issuer check` says what is wrong with each key",
        ),
        SignatureInvalid => (
            "the token's signature with the published key of its `kid`",
            "see whether the issuer has another key under the same name: compare the published set with the API server's (`cambist issuer check --compare-api`); if they are alike, something has altered the token",
        ),
        TokenMalformed => ("the token with what a projected one looks like", AS_KUBELET_WRITES),
        UncheckedHeld => ("whether the token can be checked at all, which it cannot", PUBLISH),
        KeyOverdue => (
            "the age of the key that signed, by evidence that is proven or attested, with CAMBIST_EXPIRE_AFTER",
            ROTATE,
        ),
        KeyCompromised => {
            ("the key that signed with keys whose private half anybody can have", ROTATE)
        }
        EntraNoMatchingCredential => (
            "by Entra: the token's issuer, subject and audience with the identity's federated credentials",
            ALIKE,
        ),
        EntraAssertionStale => ("by Entra: the token's dates with its own clock", CLOCK),
        EntraSignatureUnknown => (
            "by Entra: the token's `kid` with the keys that it has of the issuer",
            "after a rotation, wait: Entra goes on with the keys that it has for 20 to 45 minutes and more; otherwise see that the issuer publishes this key on the internet: `cambist issuer check` looks there",
        ),
        EntraSignatureInvalid => (
            "by Entra: the token's signature with the key that it has under that name",
            "see whether the issuer has another key under the same name now, and whether something alters the token on its way",
        ),
        EntraAssertionInvalid => (
            "by Entra: the token's form, algorithm and length of life with what it takes",
            "see that the file is a projected service-account token, signed with RS256, valid for a day at most; `cambist doctor` checks each",
        ),
        EntraIssuerUnreachable => (
            "by Entra: whether it gets the issuer's discovery document and key set",
            "see that both are served to the internet, over https with a public certificate and as valid JSON: `cambist issuer check` from outside; the storage's firewall must let everybody in; if all is well there, it passes",
        ),
        EntraAppUnknown => (
            "by Entra: AZURE_CLIENT_ID with the applications and identities of the tenant",
            "compare AZURE_CLIENT_ID (the client id, not the object id) and AZURE_TENANT_ID with the identity; see that it has a service principal in that tenant and is enabled",
        ),
        EntraWrongCredential => (
            "by Entra: what was sent with a client secret",
            "see that the identity has a federated credential, and that AZURE_FEDERATED_TOKEN_FILE names a projected token",
        ),
        EntraPublicClient => (
            "by Entra: how the application is registered",
            "turn \"Allow public client flows\" off at the application",
        ),
        EntraIssuedAssertion => (
            "by Entra: who issued the token with who may issue a credential for this identity",
            "use the cluster's own token, and put the cluster's issuer on the identity that the app is to act as: no chain of a Kubernetes token through another identity works",
        ),
        EntraTenantUnknown => (
            "by Entra: AZURE_TENANT_ID with the tenants of this cloud",
            "correct AZURE_TENANT_ID, and see that AZURE_AUTHORITY_HOST is of the tenant's cloud",
        ),
        EntraRequestMalformed => (
            "by Entra: the request with what its token endpoint takes",
            "correct AZURE_CLIENT_ID and AZURE_TENANT_ID; if both are right, see whether something on the way rewrites requests, and otherwise report it as a defect of cambist",
        ),
        EntraResourceUnknown => (
            "by Entra: the resource that the app asks for with the services of the tenant",
            "spell the resource as its service documents it; see that the tenant has that service, and that it is enabled",
        ),
        EntraScopeInvalid => (
            "by Entra: the scope with RESOURCE/.default",
            "have the app ask for one resource at a time, without a permission's name behind it",
        ),
        EntraBlockedByPolicy => (
            "by Entra: the sign-in with the tenant's policies (Conditional Access)",
            "have an administrator look at the tenant's sign-in log of service principals, which names the policy, and admit the address or the identity",
        ),
        EntraFederationBlocked => (
            "by Entra: the token's issuer with those that the tenant admits",
            "have an administrator of the tenant allow the issuer: federation is switched off there, or limited to other issuers or subjects",
        ),
        EntraLoopDetected => (
            "by Entra: how often the same was asked for",
            "find other copies of this workload that ask without a cache; Entra answers again after some minutes",
        ),
        EntraRegionalUnsupported => (
            "by Entra: the endpoint's kind with the credential's",
            "set AZURE_AUTHORITY_HOST to the global authority",
        ),
        EntraWrongCloud => (
            "by Entra: the tenant's or the resource's cloud with the authority's",
            "set AZURE_AUTHORITY_HOST to the authority of that cloud",
        ),
        EntraThrottled => (
            "by Entra: how much is asked for with what it answers",
            "wait, and ask less often: the identity's sign-in log (service principal sign-ins) shows who asks for so many tokens",
        ),
        EntraUnavailable => (
            "the status of Entra's answer: 408 or 5xx",
            "wait some minutes and ask again; if it stays so, see https://azure.status.microsoft, and whether a proxy or gateway on the way answers in Entra's place",
        ),
        EntraRefused => (
            "by Entra: something that its code stands for",
            "look the code up at https://login.microsoftonline.com/error, and the attempt in the tenant's sign-in log by its correlation id",
        ),
        EntraReplyUnusable => ("the answer with what Entra's token endpoint answers", WHO_ANSWERS),
        RedirectRefused => ("the status of the answer, which leads elsewhere", WHO_ANSWERS),
        TokenProxyThrottled => (
            "by the token proxy: how much is asked for with what it answers",
            "wait, and ask less often: the cluster's token proxy asks for fewer requests",
        ),
        TokenProxyUnavailable => (
            "the status of the token proxy's answer: 408 or 5xx",
            "wait some minutes and ask again; if it stays so, ask who runs the cluster what its token proxy's log says",
        ),
        TokenProxyRefused => ("by the token proxy: something that its answer says", THE_PROXYS_LOG),
        TokenProxyReplyUnusable => {
            ("the answer with what a token endpoint answers", THE_PROXYS_LOG)
        }
        CacheFull => (
            "how many scopes are held or being fetched with the most that may be",
            "see in `/status` or the audit trail which scopes are asked for: an app that needs more asks for something else than resources",
        ),
        TooManyScopes => (
            "how many new scopes were asked for in a short time with the most that may be",
            "see in `/status` or the audit trail who asks for so many resources; list those that a caller may have in the file of identities",
        ),
        DeveloperSignIn => (
            "the answer of the developer's own tools",
            "sign in (`az login` or `azd auth login`), and see that the account may have the resource",
        ),
        Internal => (
            "whether the work for the token ended with a result",
            "report it: that is a defect of cambist",
        ),
    }
}
