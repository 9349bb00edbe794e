"""Conformance client for libraries beside the Azure SDK, by their recipes: `libraries.py NAME`.

Those that show their tokens to a service alone answer that they have used one.
"""

import asyncio
import os
import sys
import threading
import time
from importlib.metadata import version

import wire


# For clients that are told the whole URL: none, if the app was not told.
IMDS_URL = os.environ.get("IMDS_URL")


def by_client_id(identity):
    """The client id of an identity, for those that select by nothing else."""
    key, value = identity or (None, None)
    if key not in (None, "client_id"):
        raise wire.Unsupported(f"it takes no {key}")
    return value


class Msal:
    sdk = "msal"

    def make(self, identity):
        import msal
        import msal_token

        known = {
            None: lambda _: msal.SystemAssignedManagedIdentity(),
            "client_id": lambda value: msal.UserAssignedManagedIdentity(client_id=value),
            "object_id": lambda value: msal.UserAssignedManagedIdentity(object_id=value),
            "resource_id": lambda value: msal.UserAssignedManagedIdentity(resource_id=value),
        }
        key, value = identity or (None, None)
        return msal_token.client(known[key](value))

    def token(self, client, request):
        import msal_token

        now = int(time.time())
        got = msal_token.token(client, request["resource"])
        return {"token": got["access_token"], "expires_on": now + got["expires_in"]}


class Msrestazure:
    sdk = "msrestazure"

    def __init__(self):
        os.environ["APPSETTING_WEBSITE_SITE_NAME"] = "any"
        self.made, self.making = {}, threading.Lock()

    def make(self, identity):
        key, value = identity or (None, None)
        return {"msi_res_id" if key == "resource_id" else key: value} if key else {}

    def token(self, identity, request):
        import msrestazure_token

        # It has its resource from the beginning, and its first token, too.
        key = request["resource"], *identity.items()
        if key in self.made:
            self.made[key].signed_session()
        else:
            with self.making:
                if key not in self.made:
                    self.made[key] = msrestazure_token.credentials(request["resource"], **identity)
        made = self.made[key]
        return {"token": made.token["access_token"], "expires_on": int(made.token["expires_on"])}


class Obstore:
    sdk = "obstore"

    def make(self, identity):
        import obstore_list

        if IMDS_URL:
            os.environ["IDENTITY_ENDPOINT"] = IMDS_URL
        key, value = identity or (None, None)
        key = "msi_resource_id" if key == "resource_id" else key
        return obstore_list.store("shop", "orders", **({key: value} if key else {}))

    def token(self, store, request):
        assert [blob["path"] for blob in store.list().collect()] == ["first.json"]
        return {"used": True}


class Opendal:
    sdk = "opendal"
    names = {"client_id": "AZURE_CLIENT_ID", "object_id": "AZURE_OBJECT_ID", "resource_id": "AZURE_MSI_RES_ID"}

    def make(self, identity):
        import opendal_list

        if IMDS_URL:
            os.environ["AZURE_IMDS_ENDPOINT"] = IMDS_URL
        if identity:
            os.environ[self.names[identity[0]]] = identity[1]
        return opendal_list.operator("shop", "orders")

    def token(self, operator, request):
        assert [entry.path for entry in operator.list("/")] == ["first.json"]
        return {"used": True}


class Pyarrow:
    sdk = "pyarrow"

    def make(self, identity):
        import pyarrow_list

        client_id = by_client_id(identity)
        return pyarrow_list.filesystem("shop", **({"client_id": client_id} if client_id else {}))

    def token(self, filesystem, request):
        from pyarrow import fs

        assert [file.path for file in filesystem.get_file_info(fs.FileSelector("orders"))] == ["orders/first.json"]
        return {"used": True}


class Mssql:
    sdk = "mssql-python"

    def make(self, identity):
        client_id = by_client_id(identity)
        return f"UID={client_id};" if client_id else ""

    def token(self, more, request):
        import mssql_connect

        # The stub is on loopback; no name leads there.
        more += "HostNameInCertificate=shop.database.windows.net;"
        mssql_connect.connect(f"tcp:{os.environ['SQL_SERVER']}", "shop", more).close()
        return {"used": True}


class Kafka:
    sdk = "confluent-kafka"

    def __init__(self):
        global KafkaException
        from confluent_kafka import KafkaException

        self.errors = []

    def make(self, identity):
        import kafka_topics

        names = {"client_id": "client_id", "object_id": "object_id", "resource_id": "msi_res_id"}
        selected = f"&{names[identity[0]]}={identity[1]}" if identity else ""
        # The stub speaks plain text.
        name = identity[1] if identity else "app"
        more = {"security.protocol": "SASL_PLAINTEXT", "error_cb": self.errors.append, "client.id": name}
        broker, namespace = os.environ["KAFKA_BROKER"], "shop.servicebus.windows.net"
        # What it takes where nothing is set.
        url = IMDS_URL or "http://169.254.169.254/metadata/identity/oauth2/token"
        return name, kafka_topics.client(broker, namespace, url, selected, **more)

    def token(self, named, request):
        name, client = named
        # It takes its tokens by itself, again and again; what it has to complain of is its answer.
        self.errors.clear()
        until = time.monotonic() + 60
        while True:
            try:
                assert list(client.list_topics(timeout=1).topics) == ["orders"]
                return {"used": name}
            except KafkaException as error:
                client.poll(0)
                if self.errors or time.monotonic() > until:
                    raise RuntimeError("; ".join(map(str, self.errors or [error]))) from None


KNOWN = {known.sdk: known for known in (Msal, Msrestazure, Obstore, Opendal, Pyarrow, Mssql, Kafka)}
library = KNOWN[sys.argv[1]]()
made = {}


async def token(request):
    if request["credential"] == "default":
        raise wire.Unsupported("there is no DefaultAzureCredential")
    identity = next(iter((request["identity"] or {}).items()), None)
    if identity not in made:
        made[identity] = library.make(identity)
    return await asyncio.to_thread(library.token, made[identity], request)


asyncio.run(wire.serve(f"{library.sdk} {version(library.sdk)}", token))
