// Lists the containers of a storage account, and holds no secret to do so.
//
// Nothing here knows of cambist. ManagedIdentityCredential sees IDENTITY_ENDPOINT and
// IDENTITY_HEADER in its environment, as on Azure App Service, and asks that endpoint for tokens.
// Where cambist's sidecar runs beside the app, the endpoint is the sidecar's:
//
//   IDENTITY_ENDPOINT=http://127.0.0.1:8421/msi/token
//   IDENTITY_HEADER=...                                the secret that the sidecar has, too
//   STORAGE_ACCOUNT_URL=https://ACCOUNT.blob.core.windows.net
//
// With a proxy, add NO_PROXY=127.0.0.1,localhost: the token must not go through it.

import { ManagedIdentityCredential } from "@azure/identity";
import { BlobServiceClient } from "@azure/storage-blob";

async function main() {
  const url = process.env.STORAGE_ACCOUNT_URL;
  if (!url) throw new Error("STORAGE_ACCOUNT_URL is not set");

  // One credential and one client for the life of the app: they cache what they get.
  const credential = new ManagedIdentityCredential();
  const storage = new BlobServiceClient(url, credential);

  const names = [];
  for await (const container of storage.listContainers()) {
    names.push(container.name);
  }
  console.log(`containers: ${names.join(", ") || "none"}`);
}

try {
  await main();
} catch (error) {
  // Where cambist refuses, its reason and what to do about it are in this message.
  console.error(error.message);
  process.exitCode = 1;
}
