//! What stands below each command's help. No line is longer than 60 columns, so that what is to be pasted is
//! never wrapped: where a command goes on, it says so to the shell.

pub(super) const CHECK: &str = r"Examples:
  # one look from anywhere; UNKNOWN unless it proves more
  cambist issuer check \
    --issuer https://eastus.oic.prod-arc.azure.com/T/C/

  # with the pod's token and a history that grows
  cambist issuer check \
    --token-file $AZURE_FEDERATED_TOKEN_FILE \
    --history file:/var/lib/cambist/history.json

  # in a pipeline: fail on what is proven to be wrong only
  cambist issuer check --issuer URL --fail-on overdue \
    -o sarif --output-file issuer.sarif

  # by the organization's own policy
  cambist issuer check --issuer URL --rotate-after 30d \
    --expire-after 60d --policy-name Contoso-PKI-7.2

  # collected on an air-gapped node with
  # `issuer observe --bundle`, judged here
  cambist issuer check --offline bundle.json \
    --history file:history.json

  # the same from each control-plane node:
  # do they hold the same keys?
  cambist issuer check --offline cp-1.json \
    --offline cp-2.json --offline cp-3.json";

pub(super) const GET: &str = r"Examples:
  # in the app's container: does the sidecar answer?
  cambist token get --resource https://vault.azure.net

  # for a script
  cambist token get --resource https://vault.azure.net \
    --print";

pub(super) const EXPLAIN_ANSWER: &str = r"Examples:
  # in the pod: why does the app get no token for this?
  cambist explain --resource https://vault.azure.net

  # from outside: the listener answers within the pod alone
  kubectl port-forward POD 8422 &
  cambist explain --resource https://vault.azure.net";

pub(super) const DOCTOR: &str = r"Examples:
  # in the app's container, if the command is there
  cambist doctor

  # in the sidecar's container: its image has the command
  kubectl exec POD -c cambist -- cambist doctor

  # on a laptop, with a token of the workload's account
  (umask 077; kubectl create token checkout -n shop \
    --audience api://AzureADTokenExchange >token)
  cambist doctor --token-file token --tenant-id TENANT \
    --client-id ID --issuer URL

  # a sidecar's own word, through kubectl port-forward
  cambist doctor --admin http://127.0.0.1:8422

  # for a pipeline: nothing is exchanged
  cambist doctor --no-exchange -o junit > doctor.xml";

pub(super) const OBSERVE: &str = r"Examples:
  # a CronJob that keeps a cluster's history in a ConfigMap
  cambist issuer observe --in-cluster --compare-api \
    --history cm:cambist/issuer-history

  # a loop; each look is one line of JSON
  cambist issuer observe --issuer URL \
    --history file:history.json --every 1h -o ndjson

  # an edge node without a way out:
  # carry the bundle to where it is judged
  cambist issuer observe --token-file T \
    --node-root /host --bundle bundle.json";

pub(super) const HISTORY: &str = r"Example:
  cambist issuer history --history file:history.json";

pub(super) const EXPLAIN: &str = r"Examples:
  # a key, by its kid or the beginning of it
  cambist issuer explain OAjVVaejWFc0 --issuer URL \
    --history file:history.json

  # a check: what it looks at, what shows it, what to do
  cambist issuer explain K201";

pub(super) const DIFF: &str = r"Examples:
  cambist issuer diff --issuer URL --compare-api \
    --in-cluster
  cambist issuer diff --issuer URL \
    --history file:history.json

Exit codes: 0 the same, 1 different, 3 could not run.";

pub(super) const NEEDS_ROTATION: &str = r"Examples:
  cambist issuer needs-rotation --issuer URL \
    --history file:history.json && ./rotate.sh
  cambist issuer needs-rotation --issuer URL \
    --history file:history.json --within 75%";

pub(super) const PLAN: &str = r"Examples:
  cambist issuer plan --issuer URL \
    --history file:history.json
  cambist issuer plan --platform arc-k3s \
    --start 2026-12-01 --max-token-ttl 10d";

pub(super) const GATE: &str = r"Examples:
  # every API server accepts the new key:
  # it may be published
  cambist issuer gate publish new.pub --kubeconfig K \
    --api-server https://10.0.0.1:6443 \
    --api-server https://10.0.0.2:6443

  # it was public for a day: it may sign
  cambist issuer gate sign new.pub --issuer URL \
    --history file:history.json

  # every API server signs with another key, and nothing
  # that this one signed is alive
  cambist issuer gate retire old.pub --kubeconfig K \
    --mint kube-system/cambist \
    --history file:history.json";

pub(super) const EXPECT: &str = r"Examples:
  cambist issuer expect new.pub --until 3d \
    --history file:history.json
  cambist issuer expect new.pub --until 2026-12-03 \
    --in-cluster --history cm:cambist/issuer-history

  # announced again, it ends when the later one says
  cambist issuer expect new.pub --until 1s \
    --history file:history.json";

pub(super) const MERGE: &str = r"Examples:
  cambist issuer merge node-1.json node-2.json -o all.json
  cambist issuer merge cm:cambist/issuer-history old.json \
    -o cm:cambist/issuer-history --in-cluster";

pub(super) const KID: &str = r"Example:
  cambist issuer kid /etc/kubernetes/pki/sa.pub";

pub(super) const SCHEMA: &str = r"Examples:
  # what there is
  cambist schema

  # hold a report against it by a tool of your own
  cambist schema doctor > doctor.schema.json";

pub(super) const COMPLETIONS: &str = r"Example:
  cambist completions bash \
    > /etc/bash_completion.d/cambist";

pub(super) const MAN: &str = r"Examples:
  cambist man > /usr/local/share/man/man1/cambist.1
  cambist man issuer check | man -l -";

pub(super) const INSPECT: &str = r"Examples:
  cambist token inspect \
    /var/run/secrets/azure/tokens/azure-identity-token
  kubectl create token checkout \
    | cambist token inspect -o json";

pub(super) const INJECT: &str = r#"Examples:
  # Kubernetes 1.36 or newer
  cambist deploy inject --version 1.36 \
    --image ghcr.io/cambist/cambist-sidecar:0.1.0 \
    | kubectl apply -f -

  # 1.34 and 1.35, where MutatingAdmissionPolicy has to be
  # switched on; another cloud
  cambist deploy inject --version 1.35 --audience china \
    --image registry.example/cambist-sidecar:0.1.0

  # then: who gets it
  kubectl label namespace shop cambist.dev/inject=true"#;
