"""Reads a secret from Azure Key Vault. Nothing here knows of cambist, and no credential is configured.

The SDK finds IDENTITY_ENDPOINT and IDENTITY_HEADER in the environment and asks there for its tokens, as it would on
Azure App Service. On Kubernetes these two variables lead to the cambist sidecar, on Azure to the platform itself.
"""

import os
import sys

from azure.core.exceptions import AzureError
from azure.identity import ManagedIdentityCredential
from azure.keyvault.secrets import SecretClient


def main() -> int:
    vault = os.environ.get("KEY_VAULT_URL")  # such as https://NAME.vault.azure.net
    if not vault:
        print("KEY_VAULT_URL is not set", file=sys.stderr)
        return 1
    name = os.environ.get("SECRET_NAME", "greeting")

    # Make one credential and one client, and keep them: they cache the token and hold the connections.
    credential = ManagedIdentityCredential()
    with credential, SecretClient(vault, credential) as client:
        try:
            properties = client.get_secret(name).properties
        except AzureError as error:  # of the token or of Key Vault; the text says which, and why
            print(error, file=sys.stderr)
            return 1

    until = properties.expires_on or "further notice"
    print(f"read secret {name}, version {properties.version}, valid until {until}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
