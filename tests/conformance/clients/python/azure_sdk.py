"""Conformance client for azure-identity: `azure_sdk.py sync` or `azure_sdk.py aio`.

Credentials are made as an app makes them, with no options but the
identity, and kept, so that it is the SDK whose cache, retries and words are seen.
"""

import asyncio
import sys
from importlib.metadata import version

import wire

FLAVOUR = sys.argv[1]
if FLAVOUR == "aio":
    from azure.identity.aio import DefaultAzureCredential, ManagedIdentityCredential
else:
    from azure.identity import DefaultAzureCredential, ManagedIdentityCredential


credentials = {}


def make(kind, identity):
    """A new credential for an identity, given as None or one (key, value)."""
    key, value = identity or (None, None)
    if kind == "default":
        if key not in (None, "client_id"):
            raise wire.Unsupported(f"DefaultAzureCredential does not take the {key} of a managed identity")
        return DefaultAzureCredential(**({"managed_identity_client_id": value} if key else {}))
    if key in (None, "client_id"):
        return ManagedIdentityCredential(**({key: value} if key else {}))
    return ManagedIdentityCredential(identity_config={key: value})


async def token(request):
    key = request["credential"], next(iter((request["identity"] or {}).items()), None)
    chosen = credentials.get(key) or credentials.setdefault(key, make(*key))
    if FLAVOUR == "aio":
        got = await chosen.get_token(request["scope"])
    else:
        got = await asyncio.to_thread(chosen.get_token, request["scope"])
    return {"token": got.token, "expires_on": got.expires_on}


async def main():
    await wire.serve(f"azure-identity {version('azure-identity')}", token)
    for chosen in credentials.values():
        closed = chosen.close()
        if FLAVOUR == "aio":
            await closed


asyncio.run(main())
