//! What to do about a finding, on each platform.

use super::finding::CheckId;
use super::platform::Platform;

/// The remedy for a finding.
pub(super) fn text(id: CheckId, platform: Platform) -> String {
    use CheckId::*;
    match id {
        K001 | K007 => rotate(platform).to_owned(),
        K002 | K206 => format!("Withdraw the keys that no valid token needs. {}", retire(platform)),
        K101 | K102 | K103 | K104 | K105 | K110 => {
            format!("{COMPROMISE} Here: {}", rotate(platform))
        }
        K111 | K112 => format!(
            "Find out who changed the key set, and when; unless it was you, treat it as a compromise. {COMPROMISE}"
        ),
        K203 | K204 | K205 => format!(
            "Publish a new key for at least the cache life before it signs, and the old one for at least the longest token life after it last signed; `cambist issuer plan` says when. {}",
            rotate(platform)
        ),
        K201 | K202 | K210 => publish(platform).to_owned(),
        K207 | K503 => "Set --service-account-extend-token-expiration=false on the API server (CIS 1.2.30) once nothing relies on old tokens (serviceaccount_stale_tokens_total stays 0), and expirationSeconds of at most 86400 in projected volumes. Until then a retired key has to stay published for a year.".to_owned(),
        K307 if platform.names_keys_itself() => {
            "Nothing to do: this platform chooses its own key ids.".to_owned()
        }
        K301 | K302 | K303 | K308 => {
            format!("Make a new RSA key of 3072 bits with a current library. {}", rotate(platform))
        }
        other => general(other).to_owned(),
    }
}

const COMPROMISE: &str = "Assume that somebody else can sign tokens: rotate now, drop the old key at once and accept the outage, restart pods, remove or narrow the federated credentials that trust this issuer, read Entra's sign-in logs of its workload identities, and change who may write to where the key set is stored.";

fn general(id: CheckId) -> &'static str {
    use CheckId::*;
    match id {
        K003 => {
            "Keep looking, once a day at least, and keep what is seen (`cambist issuer observe --history`): a key is shown to be young only by having been seen to appear. A token, the API server or a node can show it to be older, never younger. Waiting decides it on the date given, a rotation that is seen decides it at once."
        }
        K004 => {
            "Nothing to do if the cluster is young. Otherwise the key was never rotated while somebody looked: plan a rotation."
        }
        K005 => {
            "Look at the two facts: one source is wrong, or lies. A restored backup and a clock that was wrong are the usual causes."
        }
        K006 => "Replace the assumption by evidence: keep a history, or collect on a node.",
        K008 => "Observe at least daily: a CronJob with `cambist issuer observe`, or the sidecar.",
        K190 => {
            "Restore the newest copy of the history, or delete it and begin anew: verdicts are UNKNOWN until it has grown. If nobody restored a backup and no clock was wrong, find out who writes to it."
        }
        K208 => {
            "Look at the node's kubelet log and clock, and at how the token is mounted: a subPath mount is never refreshed."
        }
        K209 => {
            "Look at the external signer and at the API server's apiserver_externaljwt_* metrics."
        }
        K113 => "Nothing to do if you rotated; else find out who did, and why.",
        K220 => "Nothing to do. To have ages judged, set --rotate-after and --expire-after.",
        K304 => "Entra documents RS256 alone; keep an RSA key for signing until that changes.",
        K305 => "Nothing to do: keys of unknown kinds do not harm the others.",
        K306 => "Publish the key with \"use\": \"sig\".",
        K307 => {
            "Nothing to do if an external signer names its keys. kube-apiserver itself uses the thumbprint: publish what it serves at /openid/v1/jwks."
        }
        K309 => "Publish the key with the \"alg\" that it signs with, as kube-apiserver does.",
        K401 => {
            "Make the names equal byte for byte, the trailing slash included: --service-account-issuer, the published document, and the issuer of the federated credential."
        }
        K402 => "Use an https URL with a host name and without query, fragment or user.",
        K403 => {
            "Publish the documents where the issuer URL says; Entra's behaviour on redirects is not documented."
        }
        K404 => {
            "Check that the other host is yours; then allow it, or move the key set beside the discovery document."
        }
        K405 => {
            "Set this machine's clock (NTP), or see why the server's date is wrong. Beyond five minutes nothing is recorded meanwhile. What a history took by a wrong clock before that was looked at cannot be told from the truth: if it makes a key older than it can be, move it away and begin anew."
        }
        K406 => {
            "Publish exactly what kube-apiserver serves at /.well-known/openid-configuration and /openid/v1/jwks, as application/json."
        }
        K407 => {
            "Serve the key set with Cache-Control: public, max-age=3600, and purge the CDN when it changes."
        }
        K408 => "Publish the discovery document as kube-apiserver writes it.",
        K409 => "Renew the certificate, complete its chain, and serve TLS 1.2 or 1.3.",
        K410 => {
            "system:service-account-issuer-discovery is bound to service accounts by default; bind it to system:unauthenticated only if relying parties read the API server itself."
        }
        K501 => {
            "chown root:root, chmod 600 for the private key and 644 for the public one (CIS 1.1.19 to 1.1.21)."
        }
        K502 => {
            "Set --service-account-key-file and --service-account-signing-key-file on the API server, and the same private key on the controller manager."
        }
        K504 => "Set --service-account-max-token-expiration=24h on the API server.",
        K505 => "Give the service-account tokens a key of their own, and delete copies.",
        K506 => {
            "Bring the same key files to every control-plane node and restart the API servers one by one."
        }
        K507 => {
            "chmod 600 service.key, and guard the server token: it opens the datastore's copy of the key."
        }
        _ => "See the evidence.",
    }
}

fn rotate(platform: Platform) -> &'static str {
    match platform {
        Platform::Aks => {
            "az aks oidc-issuer rotate-signing-keys -g GROUP -n CLUSTER; the old key stays valid for 24 hours. In an emergency run it twice and restart pods."
        }
        Platform::AksArc => {
            "Rotation is automatic, every 45 days with keys gone after 90: if it did not happen the control plane is unhealthy, or workload identity was not enabled when the cluster was made. Check oidcIssuerProfile and open a support case."
        }
        Platform::AksEdge => {
            "Lower token life to one day, replace legacy tokens, then install the key manager: az k8s-extension create -t connectedClusters --extension-type microsoft.arc.kuberneteskeymanager ..."
        }
        Platform::ArcK3s => {
            "Stage a service.key with the OLD key, which goes on signing since it is the first, followed by the new one, run k3s (or rke2) certificate rotate-ca --path=DIR, restart the servers one by one; wait until the new key is public, and a day more; stage it with the new key first, rotate-ca, restart; after the longest token life stage the new key alone (`cambist issuer plan` has the dates)."
        }
        Platform::Openshift => {
            "oc -n openshift-kube-apiserver-operator delete secret/next-bound-service-account-signing-key; upload the combined key set at once, since the operator soon signs with the new key; oc adm wait-for-stable-cluster; reboot the pools; then upload the new key alone. `cambist issuer plan` has a way with a pair of your own, published first."
        }
        Platform::Kops => {
            "kops create keypair service-account; update and roll; kops promote keypair service-account; update and roll; after the longest token life kops distrust keypair service-account."
        }
        Platform::Gardener => {
            "Annotate the shoot with gardener.cloud/operation=rotate-serviceaccount-key-start, and with rotate-serviceaccount-key-complete after the longest token life."
        }
        Platform::Eks => {
            "Nothing to do yourself: Amazon rotates. If it does not, open a support case."
        }
        Platform::Gke => {
            "Nothing to do yourself: Google rotates. With control plane authority, rotate the Cloud KMS key version."
        }
        Platform::Kubeadm | Platform::Other => {
            "Make a new pair; add new.pub as a further --service-account-key-file on every API server, and go on signing with the old key; publish old and new (azwi jwks --public-keys old.pub --public-keys new.pub); wait a day; switch the signing key on every API server and the controller manager; wait for the longest token life; publish the new key alone, and then remove the old file (`cambist issuer plan` has the dates)."
        }
    }
}

fn retire(platform: Platform) -> &'static str {
    match platform {
        Platform::Aks | Platform::Eks | Platform::Gke | Platform::AksArc => {
            "The platform does that itself; if it does not, open a support case."
        }
        Platform::Openshift => {
            "Prune the ConfigMap bound-sa-token-signing-certs and upload the key set again."
        }
        Platform::Kops => "kops distrust keypair service-account, then update and roll.",
        Platform::Gardener => "gardener.cloud/operation=rotate-serviceaccount-key-complete.",
        Platform::ArcK3s => {
            "Stage service.key with the current key alone, certificate rotate-ca, restart."
        }
        Platform::AksEdge | Platform::Kubeadm | Platform::Other => {
            "Remove the old public key from --service-account-key-file and from the published set."
        }
    }
}

fn publish(platform: Platform) -> &'static str {
    match platform {
        Platform::Aks | Platform::Eks | Platform::Gke => {
            "The platform publishes the set: wait for its caches, then open a support case."
        }
        Platform::AksArc | Platform::AksEdge | Platform::ArcK3s => {
            "Azure publishes the set for connected clusters: check that the Arc agents run, wait, then open a support case."
        }
        _ => {
            "Upload what the API server serves (kubectl get --raw /openid/v1/jwks) to where the issuer's key set is, before a new key signs."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_is_accepted_and_published_before_it_signs() {
        for platform in [Platform::Kubeadm, Platform::ArcK3s] {
            let text = rotate(platform);
            let place = |part| text.find(part).unwrap_or_else(|| panic!("{part}: {text}"));
            let (first, then) = match platform {
                Platform::Kubeadm | Platform::Other => {
                    ("further --service-account-key-file", "switch the signing key")
                }
                _ => ("the OLD key, which goes on", "new key first"),
            };
            assert!(place(first) < place("a day") && place("a day") < place(then), "{text}");
        }
    }

    #[test]
    fn every_finding_has_a_remedy_everywhere() {
        for id in CheckId::ALL {
            for platform in Platform::ALL {
                let text = text(*id, platform);
                assert!(
                    text.len() > 20 && text != "See the evidence.",
                    "{id} on {platform}: {text}"
                );
            }
        }
    }
}
