"""confluent-kafka, with librdkafka inside, to Event Hubs: it asks as a virtual machine does, so the sidecar needs
`imds` among its CAMBIST_PROTOCOLS.
"""

from confluent_kafka.admin import AdminClient


def client(servers, namespace, endpoint, identity="", **more):
    # `identity`, for one of several: "&client_id=...". `endpoint` is cambist's:
    # http://127.0.0.1:8421/metadata/identity/oauth2/token
    return AdminClient(
        {
            "bootstrap.servers": servers,
            "security.protocol": "SASL_SSL",
            "sasl.mechanisms": "OAUTHBEARER",
            "sasl.oauthbearer.method": "oidc",
            "sasl.oauthbearer.metadata.authentication.type": "azure_imds",
            "sasl.oauthbearer.token.endpoint.url": endpoint,
            "sasl.oauthbearer.config": f"query=api-version=2018-02-01&resource=https://{namespace}{identity}",
            **more,
        }
    )


if __name__ == "__main__":
    imds = "http://127.0.0.1:8421/metadata/identity/oauth2/token"
    namespace = "shop.servicebus.windows.net"
    print(client(f"{namespace}:9093", namespace, imds).list_topics(timeout=30).topics)
