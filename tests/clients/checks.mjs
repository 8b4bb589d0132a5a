// What the checks of the Node clients share. A script is run as `node SCRIPT URL KEY`, the URL without /v1.
import assert from "node:assert/strict";
import { inspect } from "node:util";

export const [url, key] = process.argv.slice(2);

export const question = "When is a call retried?";

// Runs a check and prints its result. A failure makes the exit code 1, and the other checks still run.
export async function check(name, run) {
  try {
    await run();
    console.log("ok", name);
  } catch (error) {
    console.log("FAILED", name);
    console.log(error);
    process.exitCode = 1;
  }
}

// Returns all items of a stream.
export async function all(stream) {
  const items = [];
  for await (const item of stream) items.push(item);
  return items;
}

// Asserts a condition. A failure shows what was seen.
export function holds(condition, seen) {
  assert.ok(condition, inspect(seen, { depth: 9 }));
}
