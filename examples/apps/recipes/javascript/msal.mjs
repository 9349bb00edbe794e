// MSAL for Node: IDENTITY_ENDPOINT and IDENTITY_HEADER lead it to cambist.

import { realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { ManagedIdentityApplication } from "@azure/msal-node";

// Keep it. For one of several identities: { userAssignedClientId: "..." }.
export function application(identity) {
  return new ManagedIdentityApplication(
    identity && { managedIdentityIdParams: identity },
  );
}

if (fileURLToPath(import.meta.url) === realpathSync(process.argv[1])) {
  const resource = "https://vault.azure.net";
  console.log((await application().acquireToken({ resource })).expiresOn);
}
