// The conformance client of the Azure SDK for JavaScript: it uses the SDK just as an app would, with no
// option but the identity.

import { createRequire } from "node:module";
import {
  DefaultAzureCredential,
  ManagedIdentityCredential,
} from "@azure/identity";
import { Unsupported, serve } from "./wire.mjs";

function construct(kind, identity) {
  const { client_id, object_id, resource_id } = identity ?? {};
  if (kind === "managed-identity") {
    if (client_id)
      return new ManagedIdentityCredential({ clientId: client_id });
    if (object_id)
      return new ManagedIdentityCredential({ objectId: object_id });
    if (resource_id)
      return new ManagedIdentityCredential({ resourceId: resource_id });
    return new ManagedIdentityCredential();
  }
  if (kind === "default") {
    if (client_id)
      return new DefaultAzureCredential({ managedIdentityClientId: client_id });
    if (resource_id)
      return new DefaultAzureCredential({
        managedIdentityResourceId: resource_id,
      });
    if (object_id)
      throw new Unsupported("DefaultAzureCredential takes no object id");
    return new DefaultAzureCredential();
  }
  throw new Error(`no such credential: ${kind}`);
}

// Kept, because the SDK's own cache is part of what is under test.
const credentials = new Map();

function credentialOf({ credential, identity }) {
  const key = JSON.stringify([credential, identity]);
  if (!credentials.has(key))
    credentials.set(key, construct(credential, identity));
  return credentials.get(key);
}

async function token(request) {
  const { token, expiresOnTimestamp } = await credentialOf(request).getToken(
    request.scope,
  );
  return { token, expires_on: Math.floor(expiresOnTimestamp / 1000) };
}

const { name, version } = createRequire(import.meta.url)(
  "@azure/identity/package.json",
);
await serve(`${name} ${version}`, token);
