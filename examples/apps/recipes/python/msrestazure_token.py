"""msrestazure, which older Azure packages bring: it knows App Service as it was in 2017.

    MSI_ENDPOINT=http://127.0.0.1:8421/msi/token
    MSI_SECRET=the sidecar's IDENTITY_HEADER
    APPSETTING_WEBSITE_SITE_NAME=any       # without it, msrestazure asks as on a virtual machine of then
"""

from msrestazure.azure_active_directory import MSIAuthentication


def credentials(resource, **identity):
    # For one of several identities: client_id="...".
    return MSIAuthentication(resource=resource, **identity)


if __name__ == "__main__":
    print(credentials("https://vault.azure.net").token["expires_on"])
