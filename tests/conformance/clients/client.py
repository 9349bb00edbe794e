"""Conformance client for azure-identity: `client.py sync` or `client.py aio`.

Reads requests and writes answers as lines of JSON. Credentials are made as an app makes them, with no options but the
identity, and kept, so that it is the SDK whose cache, retries and words are seen.
"""

import asyncio
import json
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version

FLAVOUR = sys.argv[1]
if FLAVOUR == "aio":
    from azure.identity.aio import DefaultAzureCredential, ManagedIdentityCredential
else:
    from azure.identity import DefaultAzureCredential, ManagedIdentityCredential


credentials = {}


class Unsupported(Exception):
    """The SDK has no way of doing what is asked."""


def make(kind, identity):
    """A new credential for an identity, given as None or one (key, value)."""
    key, value = identity or (None, None)
    if kind == "default":
        if key not in (None, "client_id"):
            raise Unsupported(f"DefaultAzureCredential does not take the {key} of a managed identity")
        return DefaultAzureCredential(**({"managed_identity_client_id": value} if key else {}))
    if key in (None, "client_id"):
        return ManagedIdentityCredential(**({key: value} if key else {}))
    return ManagedIdentityCredential(identity_config={key: value})


async def token(request):
    identity = next(iter((request["identity"] or {}).items()), None)
    try:
        key = request["credential"], identity
        chosen = credentials.get(key) or credentials.setdefault(key, make(*key))
        if FLAVOUR == "aio":
            got = await chosen.get_token(request["scope"])
        else:
            got = await asyncio.to_thread(chosen.get_token, request["scope"])
    except Unsupported as reason:
        return {"unsupported": str(reason)}
    except Exception as error:  # whatever it is, it is what the developer sees
        return {"error": "".join(traceback.format_exception_only(error)).strip()}
    return {"token": got.token, "expires_on": got.expires_on}


async def answer(request):
    if request["op"] == "token":
        return await token(request)
    return {"results": await asyncio.gather(*(token(request) for _ in range(request["count"])))}


async def main():
    # The usual executor has a handful of threads; a crowd is to be one.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(max_workers=1024))
    say({"sdk": f"azure-identity {version('azure-identity')}"})
    while line := await asyncio.to_thread(sys.stdin.readline):
        say(await answer(json.loads(line)))
    for chosen in credentials.values():
        closed = chosen.close()
        if FLAVOUR == "aio":
            await closed


def say(message):
    print(json.dumps(message), flush=True)


asyncio.run(main())
