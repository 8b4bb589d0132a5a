// Tests transport-web in Node: the conversations of the page's WebAssembly, without a page.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { check, peer, serve, until, web } from "./support.mjs";

const { initSync, Conversation } = await import(`${web}/page/page.js`);
initSync({ module: readFileSync(`${web}/page/page_bg.wasm`) });

const question = "When is a call retried?";

// Reads an answer to its end. Returns the number of events and the answer.
async function read(asked) {
  let events = 0;
  while (await asked.next()) events += 1;
  return { events, ...JSON.parse(asked.answer()) };
}

const text = (answer) => answer.parts.map((part) => part.text ?? `[${part.number}]`).join("");

const server = await serve("--delay", "1ms");
const other = await peer();

await check("v1: the answer is streamed, with its citations", async () => {
  const answer = await read(Conversation.completions(server, "key", "any", true).ask(question));
  assert.ok(answer.events > 20, `${answer.events} events`);
  assert.match(text(answer), /retried .*\[1\]/);
  assert.ok(answer.sources[0].title);
});

await check("v0: the second question continues the session", async () => {
  const session = Conversation.sessions(server, "key", "any");
  assert.ok((await read(session.ask(question))).sources.length > 0);
  assert.match(text(await read(session.ask("And then?"))), /^This is question 2 of this session/);
});

await check("a rejected key is an error with the status", async () => {
  await assert.rejects(read(Conversation.completions(server, "wrong", "any", true).ask(question)), /401/);
});

await check("a refused connection is an error with its reason", async () => {
  const closed = await peer();
  const url = closed.url.replace(/\d+$/, "1");
  await assert.rejects(read(Conversation.sessions(url, "key", "any").ask(question)), /fetch failed/);
});

await check("stop closes the connection and keeps the text", async () => {
  const before = other.seen.left;
  const asked = Conversation.completions(`${other.url}/endless`, "key", "any", false).ask(question);
  await until("text has arrived", async () => (await asked.next()) && /begins/.test(asked.answer()));
  const next = asked.next();
  asked.stop();
  assert.equal(await next, false);
  await until("the connection is closed", () => other.seen.left === before + 1);
  assert.equal(text(JSON.parse(asked.answer())), "It begins.");
});

await check("a question that is dropped closes the connection", async () => {
  const before = other.seen.left;
  const asked = Conversation.completions(`${other.url}/endless`, "key", "any", false).ask(question);
  await asked.next();
  asked.free();
  await until("the connection is closed", () => other.seen.left === before + 1);
});

await check("a redirect is an error and is not followed", async () => {
  const asked = Conversation.completions(`${other.url}/redirect`, "key", "any", false).ask(question);
  await assert.rejects(read(asked), /307/);
  assert.deepEqual(other.seen.requests.map(({ url }) => url).filter((url) => url.startsWith("/elsewhere")), []);
});

await check("requests have the key and the product, and no cookie or referrer", () => {
  const { headers } = other.seen.requests[0];
  assert.equal(headers.authorization, "Bearer key");
  assert.match(headers["user-agent"], /transport-web\//);
  assert.equal(headers.cookie ?? headers.referer, undefined);
});

// The connections that fetch keeps would hold the process.
process.exit();
