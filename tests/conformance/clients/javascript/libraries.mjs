// The conformance client of what JavaScript has beside the Azure SDK, by their recipes:
// `node libraries.mjs NAME`.

import { createRequire } from "node:module";
import * as plain from "./fetch.mjs";
import * as msal from "./msal.mjs";
import { Unsupported, serve } from "./wire.mjs";

const USER_ASSIGNED = {
  client_id: "userAssignedClientId",
  object_id: "userAssignedObjectId",
  resource_id: "userAssignedResourceId",
};

// Kept, because its own cache is part of what is under test.
const applications = new Map();

async function withMsal({ identity, resource }) {
  const key = JSON.stringify(identity);
  if (!applications.has(key)) {
    const [kind, id] = Object.entries(identity ?? {})[0] ?? [];
    applications.set(
      key,
      msal.application(kind && { [USER_ASSIGNED[kind]]: id }),
    );
  }
  const { accessToken, expiresOn } = await applications
    .get(key)
    .acquireToken({ resource });
  return {
    token: accessToken,
    expires_on: Math.floor(expiresOn.getTime() / 1000),
  };
}

async function withFetch({ identity, resource }) {
  const { access_token, expires_on } = await fetched(identity ?? {}, resource);
  return { token: access_token, expires_on: Number(expires_on) };
}

// The recipe, or the same by the protocol that the environment leads to.
function fetched({ resource_id: mi_res_id, ...others }, resource) {
  const { env } = process;
  const selector = mi_res_id ? { mi_res_id } : others;
  if (env.MSI_ENDPOINT) {
    const { client_id: clientid, ...rest } = selector;
    const query = { "api-version": "2017-09-01", resource, ...rest };
    if (clientid) query.clientid = clientid;
    return asked(env.MSI_ENDPOINT, query, { Secret: env.MSI_SECRET });
  }
  if (env.NATIVE_URL) {
    const headers = { "X-IDENTITY-HEADER": env.IDENTITY_HEADER };
    const query = { scope: `${resource}/.default`, ...selector };
    return asked(env.NATIVE_URL, query, headers);
  }
  if (env.IMDS_URL) {
    const query = { "api-version": "2018-02-01", resource, ...selector };
    return asked(env.IMDS_URL, query, { Metadata: "true" });
  }
  return plain.token(resource, selector);
}

async function asked(url, query, headers) {
  const reply = await fetch(`${url}?${new URLSearchParams(query)}`, { headers });
  const body = await reply.json();
  if (!reply.ok) throw new Error(body.error_description);
  return body;
}

function only(token) {
  return (request) => {
    if (request.credential === "default")
      throw new Unsupported("there is no DefaultAzureCredential");
    return token(request);
  };
}

if (process.argv[2] === "fetch")
  await serve(`Node ${process.versions.node}`, only(withFetch));
else {
  const { name, version } = createRequire(import.meta.url)(
    "@azure/msal-node/package.json",
  );
  await serve(`${name} ${version}`, only(withMsal));
}
