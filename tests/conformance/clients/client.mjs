// The conformance client of the Azure SDK for JavaScript. It reads requests as JSON lines, answers
// each with one JSON line, and uses the SDK just as an app would: with no option but the identity.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { inspect } from "node:util";
import {
  DefaultAzureCredential,
  ManagedIdentityCredential,
} from "@azure/identity";

class Unsupported extends Error {}

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
  try {
    const { token, expiresOnTimestamp } = await credentialOf(request).getToken(
      request.scope,
    );
    return { token, expires_on: Math.floor(expiresOnTimestamp / 1000) };
  } catch (error) {
    if (error instanceof Unsupported) return { unsupported: error.message };
    // What console.error(error) would print, with the causes.
    return { error: inspect(error) };
  }
}

async function answer(request) {
  switch (request.op) {
    case "token":
      return token(request);
    case "crowd": {
      const calls = Array.from({ length: request.count }, () => token(request));
      return { results: await Promise.all(calls) };
    }
    default:
      return { unsupported: `no such operation: ${request.op}` };
  }
}

function send(message) {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

const { name, version } = createRequire(import.meta.url)(
  "@azure/identity/package.json",
);
send({ sdk: `${name} ${version}` });
for await (const line of createInterface({ input: process.stdin })) {
  send(await answer(JSON.parse(line)));
}
