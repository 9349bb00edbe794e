//! What the pod is told by its variables.

use crate::doctor::scene::Scene;
use crate::doctor::{Fault, Mend, each};

pub(super) const VARIABLES: &[Fault] = &[
    Fault {
        name: "no client id",
        seed: |scene| scene.unset("AZURE_CLIENT_ID"),
        found: &["D101"],
        words: &[
            "AZURE_CLIENT_ID is not set",
            "az identity show",
            "azure.workload.identity/client-id",
        ],
        mend: Mend::By(|scene, _| scene.restore("AZURE_CLIENT_ID")),
    },
    Fault {
        name: "a name for a client id",
        seed: |scene| scene.set("AZURE_CLIENT_ID", "checkout-identity"),
        found: &["D101"],
        words: &["must be a GUID", "checkout-identity"],
        mend: Mend::By(|scene, _| scene.restore("AZURE_CLIENT_ID")),
    },
    Fault {
        name: "no tenant",
        seed: |scene| scene.unset("AZURE_TENANT_ID"),
        found: &["D102"],
        words: &["AZURE_TENANT_ID is not set", "az account show"],
        mend: Mend::By(|scene, _| scene.restore("AZURE_TENANT_ID")),
    },
    Fault {
        name: "no tenant's name",
        seed: |scene| scene.set("AZURE_TENANT_ID", "our tenant"),
        found: &["D102"],
        words: &["our tenant"],
        mend: Mend::By(|scene, _| scene.restore("AZURE_TENANT_ID")),
    },
    Fault {
        name: "an authority that nobody allowed",
        seed: |scene| scene.unset("CAMBIST_ALLOW_AUTHORITY"),
        found: &["D103"],
        words: &["CAMBIST_ALLOW_AUTHORITY"],
        mend: Mend::By(|scene, _| scene.restore("CAMBIST_ALLOW_AUTHORITY")),
    },
    Fault {
        name: "a misspelt variable",
        seed: |scene| scene.set("CAMBIST_LEWAY", "1m"),
        found: &["D104"],
        words: &["nobody reads CAMBIST_LEWAY", "write CAMBIST_LEEWAY for CAMBIST_LEWAY"],
        mend: Mend::By(|scene, _| {
            let value = scene.env.remove("CAMBIST_LEWAY").unwrap();
            scene.set("CAMBIST_LEEWAY", value);
        }),
    },
    Fault {
        name: "a variable that nobody knows",
        seed: |scene| scene.set("CAMBIST_XYZZY", "1"),
        found: &["D104"],
        words: &["nobody reads CAMBIST_XYZZY"],
        mend: Mend::Settings,
    },
    Fault {
        name: "a variable's old name",
        seed: |scene| scene.set("CAMBIST_LEDGER_TRUST", "asserted"),
        found: &["D104"],
        words: &["CAMBIST_LEDGER_TRUST is CAMBIST_HISTORY_TRUST now"],
        mend: Mend::Settings,
    },
    Fault {
        name: "a value that is none",
        seed: |scene| scene.set("CAMBIST_LEEWAY", "a while"),
        found: &["D105"],
        words: &["CAMBIST_LEEWAY", "a while"],
        mend: Mend::Settings,
    },
    Fault {
        name: "two values that contradict each other",
        seed: |scene| {
            scene.set("CAMBIST_ROTATE_AFTER", "90d");
            scene.set("CAMBIST_EXPIRE_AFTER", "45d");
        },
        found: &["D105"],
        words: &["CAMBIST_ROTATE_AFTER"],
        mend: Mend::Settings,
    },
    Fault {
        name: "a client secret",
        seed: |scene| {
            scene.world.secrets().add("hunter2-hunter2-hunter2");
            scene.set("AZURE_CLIENT_SECRET", "hunter2-hunter2-hunter2");
        },
        found: &["D106"],
        words: &["AZURE_CLIENT_SECRET is set", "DefaultAzureCredential"],
        mend: Mend::Settings,
    },
    Fault {
        name: "a pod that the webhook did not see",
        seed: |scene| {
            for name in ["AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE"] {
                scene.unset(name);
            }
        },
        found: &["D107"],
        words: &["azure.workload.identity/use: \\\"true\\\"", "azure.workload.identity/client-id"],
        mend: Mend::By(|scene, _| {
            for name in ["AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE"] {
                scene.restore(name);
            }
        }),
    },
];

#[tokio::test]
async fn variables() {
    each(Scene::workload().await, VARIABLES).await;
}
