//! Azure's own resources: the services that tenants know without anybody's doing, by the names that
//! Entra's service principals were seen to have, or that Azure's SDKs ask for.

/// By application id: the names of a service, in small letters and without a slash at the end. A `*`
/// stands for one label of a host name.
///
/// The names of all clouds stand together: a simulated tenant is in each of them. A host of one's own
/// account is here only where Entra's service principal has a name for it.
pub(super) const SERVICES: &[(&str, &[&str])] = &[
    // Resource Manager.
    (
        "797f4846-ba00-4fd7-ba43-dac1f8f63013",
        &[
            "https://management.azure.com",
            "https://management.core.windows.net",
            "https://management.usgovcloudapi.net",
            "https://management.core.usgovcloudapi.net",
            "https://management.chinacloudapi.cn",
            "https://management.core.chinacloudapi.cn",
            "https://management.sovcloud-api.fr",
            "https://management.core.sovcloud-api.fr",
            "https://management.sovcloud-api.de",
        ],
    ),
    // Microsoft Graph, and the graph before it.
    (
        "00000003-0000-0000-c000-000000000000",
        &[
            "https://graph.microsoft.com",
            "https://graph.microsoft.us",
            "https://dod-graph.microsoft.us",
            "https://microsoftgraph.chinacloudapi.cn",
            "https://graph.svc.sovcloud.fr",
        ],
    ),
    (
        "00000002-0000-0000-c000-000000000000",
        &[
            "https://graph.windows.net",
            "https://graph.microsoftazure.us",
            "https://graph.chinacloudapi.cn",
        ],
    ),
    // Key Vault, whose application id is another one in the US Government's cloud, and managed HSM.
    (
        "cfa8b339-82a2-471a-a3c9-0fc0be7a4093",
        &["https://vault.azure.net", "https://vault.azure.cn", "https://vault.sovcloud-api.fr"],
    ),
    ("7e7c393b-45d0-48b1-a35e-2905ddf8183c", &["https://vault.usgovcloudapi.net"]),
    (
        "589d5083-6f11-4d30-a62a-a4b316a14abf",
        &[
            "https://managedhsm.azure.net",
            "https://managedhsm.usgovcloudapi.net",
            "https://managedhsm.azure.cn",
        ],
    ),
    // Storage.
    (
        "e406a681-f3d4-42a8-90b6-c2b029497af1",
        &[
            "https://storage.azure.com",
            "https://storage.core.windows.net",
            "https://*.blob.core.windows.net",
            "https://*.dfs.core.windows.net",
            "https://*.file.core.windows.net",
            "https://*.queue.core.windows.net",
            "https://*.table.core.windows.net",
            "https://storage.azure.us",
            "https://storage.azure.cn",
        ],
    ),
    ("e9f49c6b-5ce5-44c8-925d-015017e9f7ad", &["https://datalake.azure.net"]),
    // Databases.
    (
        "022907d3-0f1b-48f7-badc-1ba6abab6d66",
        &[
            "https://database.windows.net",
            "https://sql.azuresynapse.net",
            "https://database.usgovcloudapi.net",
            "https://database.chinacloudapi.cn",
        ],
    ),
    (
        "123cd850-d9df-40bd-94d5-c9f07b7fa203",
        &[
            "https://ossrdbms-aad.database.windows.net",
            "https://*.ossrdbms-aad.database.windows.net",
            "https://ossrdbms-aad.database.usgovcloudapi.net",
            "https://ossrdbms-aad.database.chinacloudapi.cn",
        ],
    ),
    (
        "a232010e-820c-4083-83bb-3ace5fc29d0b",
        &[
            "https://cosmos.azure.com",
            "https://*.documents.azure.com",
            "https://*.sql.cosmos.azure.com",
            "https://*.sqlx.cosmos.azure.com",
            "https://cosmos.azure.us",
            "https://cosmos.azure.cn",
        ],
    ),
    ("acca5fbb-b7e4-4009-81f1-37e38fd66d78", &["https://redis.azure.com"]),
    (
        "2746ea77-4702-4b45-80ca-3c97e680e8b7",
        &[
            "https://*.kusto.windows.net",
            "https://*.*.kusto.windows.net",
            "https://*.kusto.azuresynapse.net",
            "https://kusto.kusto.usgovcloudapi.net",
            "https://kusto.kusto.chinacloudapi.cn",
        ],
    ),
    ("2ff814a6-3304-4ab8-85cb-cd0e6f879c1d", &["https://azuredatabricks.net"]),
    (
        "1ac05c7e-12d2-4605-bf9d-549d7041c6b3",
        &[
            "https://dev.azuresynapse.net",
            "https://dev.azuresynapse.usgovcloudapi.net",
            "https://dev.azuresynapse.azure.cn",
        ],
    ),
    (
        "00000009-0000-0000-c000-000000000000",
        &["https://api.fabric.microsoft.com", "https://analysis.windows.net/powerbi/api"],
    ),
    (
        "73c2949e-da2d-457a-9607-fcc665198967",
        &["https://purview.azure.net", "https://projectbabylon.azure.net"],
    ),
    // Messages and events.
    (
        "80a10ef9-8168-493d-abf9-3297c4ef6e3c",
        &[
            "https://servicebus.azure.net",
            "https://servicebus.usgovcloudapi.net",
            "https://servicebus.chinacloudapi.cn",
        ],
    ),
    (
        "80369ed6-5f11-4dd9-bef3-692475845e77",
        &[
            "https://eventhubs.azure.net",
            "https://*.eventhubs.azure.net",
            "https://*.servicebus.windows.net",
        ],
    ),
    ("823c0a78-5de0-4445-a7f5-c2f42d7dc89b", &["https://eventgrid.azure.net"]),
    ("91bb937c-29c2-4275-982f-9465f0caf03d", &["https://relay.azure.net"]),
    (
        "cdad765c-f191-43ba-b9f5-7aef392f811d",
        &["https://signalr.azure.com", "https://webpubsub.azure.com"],
    ),
    (
        "632ec9eb-fad7-4cbd-993a-e72973ba2acc",
        &["https://communication.azure.com", "https://communications.azure.com"],
    ),
    // Search and artificial intelligence.
    (
        "7d312290-28c8-473c-a0ed-8e53749b6d6d",
        &[
            "https://cognitiveservices.azure.com",
            "https://cognitiveservices.azure.us",
            "https://cognitiveservices.azure.cn",
        ],
    ),
    ("18a66f5f-dbdf-4c17-9dd7-1634712a9cbe", &["https://ai.azure.com", "https://ml.azure.com"]),
    (
        "880da380-985e-4198-81b9-e05b1cc53158",
        &["https://search.azure.com", "https://search.azure.us", "https://search.azure.cn"],
    ),
    // What is seen and measured.
    (
        "e933bd07-d2ee-4f1d-933c-3752b819567b",
        &["https://monitor.azure.com", "https://monitor.azure.us", "https://monitor.azure.cn"],
    ),
    (
        "ca7f3f0b-7d91-482c-8e09-c5d840d0eac5",
        &[
            "https://api.loganalytics.io",
            "https://api.loganalytics.azure.com",
            "https://api.loganalytics.us",
            "https://api.loganalytics.azure.cn",
        ],
    ),
    ("f5c26e74-f226-4ae8-85f0-b4af0080ac9e", &["https://api.applicationinsights.io"]),
    (
        "be14bf7e-8ab4-49b0-9dc6-a0eddd6fa73e",
        &[
            "https://prometheus.monitor.azure.com",
            "https://*.prometheus.monitor.azure.com",
            "https://data.monitor.azure.com",
        ],
    ),
    (
        "ce34e7e5-485f-4d76-964f-b3d2b16d1e4f",
        &["https://grafana.azure.com", "https://*.grafana.azure.com"],
    ),
    // What programs are made of, and run on.
    (
        "35ffadb3-7fc1-497e-b61b-381d28e744cc",
        &[
            "https://azconfig.io",
            "https://*.azconfig.io",
            "https://appconfig.azure.com",
            "https://appconfig.azure.us",
            "https://*.azconfig.azure.us",
            "https://appconfig.azure.cn",
            "https://appconfig.sovcloud-api.fr",
        ],
    ),
    (
        "76c92352-c057-4cc2-9b1e-f34c32bc58bd",
        &[
            "https://containerregistry.azure.net",
            "https://containerregistry.azure.us",
            "https://containerregistry.azure.cn",
        ],
    ),
    (
        "ddbf3205-c6bd-46ae-8127-60eb93363864",
        &[
            "https://batch.core.windows.net",
            "https://batch.core.usgovcloudapi.net",
            "https://batch.chinacloudapi.cn",
        ],
    ),
    (
        "abfa0a7c-a6b6-4736-8310-5855508787cd",
        &["https://appservice.azure.com", "https://*.appservice.azure.com"],
    ),
    ("2c7dd73f-7a21-485b-b97d-a2508fa152c3", &["https://dynamicsessions.io"]),
    ("887c6b43-ba92-4adb-a82b-73670fc48dac", &["https://durabletask.io"]),
    ("6dae42f8-4368-4678-94ff-3960e28e3630", &["https://aks-aad-server.azure.com"]),
    (
        "499b84ac-1321-427f-aa17-267ca6975798",
        &[
            "https://app.vssps.visualstudio.com",
            "https://*.visualstudio.com",
            "https://analytics.dev.azure.com",
        ],
    ),
    ("847bd4c1-7486-4241-a783-f9bda69241c1", &["https://cnt-prod.loadtesting.azure.com"]),
    ("e526e72f-ffae-44a0-8dac-cf14b8bd40e2", &["https://devcenter.azure.com"]),
    ("aa91afce-cb45-4805-9529-74f450750af6", &["https://codesigning.azure.net"]),
    // What is proved.
    (
        "c61423b7-1d1f-430d-b444-0eee53298103",
        &["https://attest.azure.net", "https://attest.azure.us"],
    ),
    ("c9e0b461-3515-4a03-b576-ede91ed4336d", &["https://confidential-ledger.azure.com"]),
    // Things and places.
    (
        "89d10474-74af-4874-99a7-c23c2f643083",
        &["https://iothubs.azure.net", "https://iothubs.azure.us"],
    ),
    ("0cd79364-7a90-4354-9984-6e36c841418d", &["https://azure-devices-provisioning.net"]),
    ("0b07f429-9f4b-4714-9392-cc5e8e80c8b0", &["https://digitaltwins.azure.net"]),
    ("120d688d-1518-4cf7-bd38-182f158850b6", &["https://api.timeseries.azure.com"]),
    ("ba1ea022-5807-41d5-bbeb-292c7e1cf5f6", &["https://atlas.microsoft.com"]),
    ("a77d91dc-971b-4cf7-90c8-f183194249bc", &["https://quantum.microsoft.com"]),
    (
        "4f6778d8-5aef-43dc-a1ff-b073724b9495",
        &[
            "https://azurehealthcareapis.com",
            "https://*.azurehealthcareapis.com",
            "https://fhir.azurehealthcareapis.com",
            "https://*.fhir.azurehealthcareapis.com",
        ],
    ),
    ("75e725bf-66ce-4cea-9b9a-5c4caae57f33", &["https://dicom.healthcareapis.azure.com"]),
    // Entra itself, where one identity vouches for another.
    (
        "fb60f99c-7a34-4190-8149-302f77469936",
        &[
            "api://azureadtokenexchange",
            "api://azureadtokenexchangeusgov",
            "api://azureadtokenexchangechina",
            "api://azureadtokenexchangeusnat",
            "api://azureadtokenexchangeussec",
            "api://azureadtokenexchangefrance",
            "api://azureadtokenexchangegermany",
            "api://azureadtokenexchangegovsg",
        ],
    ),
];
