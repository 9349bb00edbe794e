// No SDK at all: Node's own fetch, as good as any HTTP client. It keeps no token, and need not:
// cambist does.

import { realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";

export async function token(resource, identity = {}) {
  const query = new URLSearchParams({
    "api-version": "2019-08-01",
    resource,
    ...identity, // for one of several identities: { client_id: "..." }
  });
  const reply = await fetch(`${process.env.IDENTITY_ENDPOINT}?${query}`, {
    headers: { "X-IDENTITY-HEADER": process.env.IDENTITY_HEADER },
  });
  const body = await reply.json();
  if (!reply.ok) throw new Error(body.error_description);
  return body;
}

if (fileURLToPath(import.meta.url) === realpathSync(process.argv[1])) {
  console.log((await token("https://vault.azure.net")).expires_on);
}
