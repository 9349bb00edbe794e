"""Conformance client around the Azure CLI, `az`, which must be on PATH.

Each identity has a configuration folder of its own: within one, a second `az login` replaces the first where both have
the same tenant. az keeps no token of a managed identity from one process to the next, so each answer is a new request.
"""

import asyncio
import json
import os
import shutil
import tempfile

import wire

QUIET = {
    "AZURE_CORE_COLLECT_TELEMETRY": "no",
    "AZURE_CORE_SURVEY_MESSAGE": "no",
    "AZURE_CORE_NO_COLOR": "yes",
    "AZURE_AUTO_UPGRADE_ENABLE": "no",
}

folders, signing_in = {}, asyncio.Lock()


async def az(folder, *arguments):
    process = await asyncio.create_subprocess_exec(
        "az",
        *arguments,
        "--output=json",
        env={**os.environ, **QUIET, "AZURE_CONFIG_DIR": folder},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    if process.returncode != 0:
        raise wire.Printed(err.decode(errors="replace").strip())
    return json.loads(out)


async def signed_in(identity, scratch):
    """The configuration folder of an identity, given as None or one (key, value)."""
    async with signing_in:
        if identity not in folders:
            # Of the version check, which has no switch, one is enough: its outcome is copied with the folder.
            folder = shutil.copytree(f"{scratch}/new", f"{scratch}/{len(folders)}", dirs_exist_ok=True)
            chosen = (f"--{identity[0].replace('_', '-')}={identity[1]}",) if identity else ()
            await az(folder, "login", "--identity", *chosen, "--allow-no-subscriptions")
            folders[identity] = folder
        return folders[identity]


async def main():
    with tempfile.TemporaryDirectory(prefix="az-") as scratch:

        async def token(request):
            if request["credential"] != "managed-identity":
                raise wire.Unsupported("az has no DefaultAzureCredential")
            identity = next(iter((request["identity"] or {}).items()), None)
            folder = await signed_in(identity, scratch)
            got = await az(folder, "account", "get-access-token", f"--scope={request['scope']}")
            return {"token": got["accessToken"], "expires_on": got["expires_on"]}

        versions = await az(f"{scratch}/new", "version")
        await wire.serve(f"azure-cli {versions['azure-cli']}", token)


asyncio.run(main())
