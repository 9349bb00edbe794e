// How the driver talks with a client: requests as JSON lines, each answered with one JSON line.

import { createInterface } from "node:readline";
import { inspect } from "node:util";

// The SDK has no way of doing what is asked.
export class Unsupported extends Error {}

// Says which SDK this is, and answers until there are no more requests. `token` answers one.
export async function serve(sdk, token) {
  send({ sdk });
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line);
    if (request.op === "token") send(await one(token, request));
    else {
      const calls = Array.from({ length: request.count }, () =>
        one(token, request),
      );
      send({ results: await Promise.all(calls) });
    }
  }
}

async function one(token, request) {
  try {
    return await token(request);
  } catch (error) {
    if (error instanceof Unsupported) return { unsupported: error.message };
    // What console.error(error) would print, with the causes.
    return { error: inspect(error) };
  }
}

function send(message) {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}
