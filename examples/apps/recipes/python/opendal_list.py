"""Apache OpenDAL: it asks as a virtual machine does, so the sidecar needs `imds` among its CAMBIST_PROTOCOLS.

    AZURE_IMDS_ENDPOINT=http://127.0.0.1:8421/metadata/identity/oauth2/token

For one of several identities: AZURE_CLIENT_ID, AZURE_OBJECT_ID or AZURE_MSI_RES_ID.
"""

import opendal


def operator(account, container):
    endpoint = f"https://{account}.blob.core.windows.net"
    return opendal.Operator("azblob", container=container, account_name=account, endpoint=endpoint)


if __name__ == "__main__":
    print([entry.path for entry in operator("shop", "orders").list("/")])
