"""obstore, the Python of Rust's object_store, which is in delta-rs, Polars, DataFusion and Lance, too.

IDENTITY_HEADER is found in the environment, the endpoint must be named. Elsewhere it is the storage option
`msi_endpoint` (or `azure_msi_endpoint`).
"""

import os

from obstore.store import AzureStore


def store(account, container, **config):
    # For one of several identities: client_id="...", object_id="..." or msi_resource_id="...".
    config = {"msi_endpoint": os.environ["IDENTITY_ENDPOINT"], **config}
    return AzureStore(container, account_name=account, config=config)


if __name__ == "__main__":
    print([blob["path"] for blob in store("shop", "orders").list().collect()])
