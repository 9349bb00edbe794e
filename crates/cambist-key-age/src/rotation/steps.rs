//! What to do on each platform, step by step.

use super::{Act, Course, Step};
use crate::platform::Platform;

pub(super) const fn of(platform: Platform) -> Course {
    match platform {
        Platform::Aks => Course::Steps {
            steps: AKS,
            note: Some(
                "AKS accepts, publishes and signs in one go: Entra refuses new tokens until it has read the set anew, for up to an hour. Do it while held Azure tokens last. AKS keeps the old key for 24 hours: tokens of a longer life end with it.",
            ),
        },
        Platform::AksArc => Course::Automatic(
            "AKS on Azure Local replaces its key every 45 days by itself and lets the old one go after 90. If that did not happen, the control plane is unhealthy or workload identity was not enabled when the cluster was made: look at oidcIssuerProfile and open a support case.",
        ),
        Platform::AksEdge => Course::Automatic(
            "The key manager of AKS Edge does it once it is installed (az k8s-extension create -t connectedClusters --extension-type microsoft.arc.kuberneteskeymanager ...). Before that, lower token life to a day and replace legacy tokens.",
        ),
        Platform::Eks => Course::Automatic(
            "Amazon replaces the key by itself. If it does not, open a support case.",
        ),
        Platform::Gke => Course::Automatic(
            "Google replaces the key by itself. With control plane authority it is yours: rotate the Cloud KMS key version.",
        ),
        Platform::ArcK3s => Course::Steps {
            steps: K3S,
            note: Some(
                "k3s and RKE2 sign with the first key of service.key and accept them all. Its set is what Azure publishes: look at the public one before each step.",
            ),
        },
        Platform::Openshift => Course::Steps {
            steps: OPENSHIFT,
            note: Some(
                "Deleting the secret, as the product's own procedure does, has the operator make a key and sign with it before the issuer's readers know it. A pair of your own can be published first; that the operator takes it is from its developers' notes, so try it on a cluster that may fail.",
            ),
        },
        Platform::Kops => Course::Steps { steps: KOPS, note: None },
        Platform::Gardener => Course::Steps {
            steps: GARDENER,
            note: Some(
                "Gardener's first operation accepts, publishes and signs in one go: Entra refuses new tokens until it has read the set anew. Do it while held Azure tokens last.",
            ),
        },
        Platform::Kubeadm => Course::Steps { steps: FILES, note: None },
        Platform::Other => Course::Steps {
            steps: FILES,
            note: Some(
                "Nothing tells which platform this is: these are the steps where the API servers' files and the published set are yours. --platform names the platform.",
            ),
        },
    }
}

/// The API servers' files are yours, and so is what is published.
const FILES: &[Step] = &[
    Step {
        acts: &[Act::Accept],
        how: "make a pair; add new.pub as a further --service-account-key-file on every API server, one restart after the other; go on signing with the old key",
    },
    Step {
        acts: &[Act::Publish],
        how: "upload old and new: azwi jwks --public-keys old.pub --public-keys new.pub, or what every API server now serves at /openid/v1/jwks",
    },
    Step {
        acts: &[Act::Sign],
        how: "set --service-account-signing-key-file to the new key on every API server, and --service-account-private-key-file on the controller manager",
    },
    Step { acts: &[Act::Withdraw], how: "upload the new key alone" },
    Step {
        acts: &[Act::Drop],
        how: "remove old.pub from --service-account-key-file on every API server, and delete the old private key",
    },
];

/// All keys are in one file, whose first signs; the API server's own set is what is published.
const K3S: &[Step] = &[
    Step {
        acts: &[Act::Accept, Act::Publish],
        how: "stage a service.key with the OLD key first and the new one after it: k3s certificate rotate-ca --path=DIR (RKE2: rke2 certificate rotate-ca), then restart the servers one by one",
    },
    Step {
        acts: &[Act::Sign],
        how: "stage service.key again with the NEW key first and the old one after it, rotate-ca, restart the servers one by one",
    },
    Step {
        acts: &[Act::Withdraw, Act::Drop],
        how: "stage service.key with the new key alone, rotate-ca, restart the servers one by one",
    },
];

/// An operator distributes a pair that one gives it, and then signs with it.
const OPENSHIFT: &[Step] = &[
    Step {
        acts: &[Act::Publish],
        how: "make a pair of your own, and upload its public key beside the old ones (openshift-kube-apiserver/bound-sa-token-signing-certs)",
    },
    Step {
        acts: &[Act::Accept, Act::Sign],
        how: "put the pair into secret openshift-kube-apiserver-operator/next-bound-service-account-signing-key (service-account.key and .pub); oc adm wait-for-stable-cluster: the operator has all servers accept it, then sign with it",
    },
    Step {
        acts: &[Act::Withdraw],
        how: "reboot the pools or restart pods that hold old tokens, and upload the new key alone",
    },
    Step {
        acts: &[Act::Drop],
        how: "prune the old key from bound-sa-token-signing-certs: the operator never does",
    },
];

/// kOps publishes and accepts what is in the keyset, and signs with its primary.
const KOPS: &[Step] = &[
    Step {
        acts: &[Act::Accept, Act::Publish],
        how: "kops create keypair service-account; kops update cluster --yes; kops rolling-update cluster --yes",
    },
    Step {
        acts: &[Act::Sign],
        how: "kops promote keypair service-account; kops update cluster --yes; kops rolling-update cluster --yes",
    },
    Step {
        acts: &[Act::Withdraw, Act::Drop],
        how: "kops distrust keypair service-account; kops update cluster --yes; kops rolling-update cluster --yes",
    },
];

const GARDENER: &[Step] = &[
    Step {
        acts: &[Act::Accept, Act::Publish, Act::Sign],
        how: "kubectl annotate shoot NAME gardener.cloud/operation=rotate-serviceaccount-key-start",
    },
    Step {
        acts: &[Act::Withdraw, Act::Drop],
        how: "kubectl annotate shoot NAME gardener.cloud/operation=rotate-serviceaccount-key-complete",
    },
];

const AKS: &[Step] = &[Step {
    acts: &[Act::Accept, Act::Publish, Act::Sign],
    how: "az aks oidc-issuer rotate-signing-keys -g GROUP -n CLUSTER",
}];
