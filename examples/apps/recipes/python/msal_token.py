"""MSAL for Python: IDENTITY_ENDPOINT and IDENTITY_HEADER lead it to cambist."""

import msal
import requests


def client(identity=None):
    # Keep it: the tokens that it holds are in it. For one of several identities, give a
    # msal.UserAssignedManagedIdentity(client_id="...").
    return msal.ManagedIdentityClient(
        identity or msal.SystemAssignedManagedIdentity(), http_client=requests.Session()
    )


def token(client, resource):
    reply = client.acquire_token_for_client(resource=resource)
    if "error" in reply:  # MSAL raises nothing
        raise RuntimeError(f"{reply['error']}: {reply.get('error_description')}")
    return reply


if __name__ == "__main__":
    print(token(client(), "https://vault.azure.net")["expires_in"])
