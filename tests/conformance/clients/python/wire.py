"""How the driver talks with a client: requests and answers as lines of JSON."""

import asyncio
import json
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor


class Unsupported(Exception):
    """The SDK has no way of doing what is asked."""


class Printed(Exception):
    """What a program printed by itself, and nothing of ours."""


async def serve(sdk, token):
    """Says which SDK this is and answers until there are no more requests. `token` answers one."""
    # The usual executor has a handful of threads; a crowd is to be one.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(max_workers=1024))
    say({"sdk": sdk})
    while line := await asyncio.to_thread(sys.stdin.readline):
        say(await answer(json.loads(line), token))


async def answer(request, token):
    if request["op"] == "token":
        return await one(request, token)
    return {"results": await asyncio.gather(*(one(request, token) for _ in range(request["count"])))}


async def one(request, token):
    try:
        return await token(request)
    except Unsupported as reason:
        return {"unsupported": str(reason)}
    except Printed as words:
        return {"error": str(words)}
    except Exception as error:  # whatever it is, it is what the developer sees
        return {"error": "".join(traceback.format_exception_only(error)).strip()}


def say(message):
    print(json.dumps(message), flush=True)
