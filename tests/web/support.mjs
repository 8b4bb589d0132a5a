// What the tests of transport-web share: checks, the bundled server, and servers that misbehave.
import { spawn } from "node:child_process";
import { createServer } from "node:http";
import { createInterface } from "node:readline";

export { check } from "../clients/checks.mjs";

// The folder with the built examples.
export const web = process.env.CHAT_WEB;

// Waits until `ask` returns something true, and returns it.
export async function until(what, ask, limit = 30_000) {
  for (const end = Date.now() + limit; Date.now() < end; await new Promise((wake) => setTimeout(wake, 20))) {
    const result = await ask();
    if (result) return result;
  }
  throw new Error(`timed out waiting until ${what}`);
}

// Starts a program, and returns what its output names in a line that matches `pattern`. It ends with this process.
export async function start(program, args, pattern) {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
  process.on("exit", () => child.kill());
  const lines = createInterface({ input: child.stdout });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code) => reject(new Error(`${program} ended with ${code}`)));
    lines.on("line", (line) => {
      const found = pattern.exec(line);
      if (found) resolve(found[1]);
    });
  });
}

// Starts the bundled server, which accepts the key `key`, and returns its URL.
export function serve(...args) {
  const all = ["serve", "--addr", "127.0.0.1:0", "--api-key", "key", ...args];
  return start(process.env.CHAT_BIN, all, /^listening on (.*)/);
}

const text = (content) => `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content } }] })}\n\n`;

// Starts a server with `/endless`, a stream that stays open, and `/redirect`. It records the requests and counts the answers
// that its clients have left. Pages of all origins may ask.
export async function peer() {
  const seen = { requests: [], left: 0 };
  const server = createServer((request, response) => {
    const allow = { "access-control-allow-origin": "*", "access-control-allow-headers": "authorization, content-type" };
    request.resume();
    if (request.method === "OPTIONS") return response.writeHead(204, allow).end();
    seen.requests.push({ url: request.url, headers: request.headers });
    if (request.url.startsWith("/redirect")) {
      return response.writeHead(307, { ...allow, location: "/elsewhere/chat/completions" }).end();
    }
    response.on("close", () => (seen.left += 1));
    response.writeHead(200, { ...allow, "content-type": "text/event-stream" }).write(text("It begins."));
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  server.unref();
  return { url: `http://127.0.0.1:${server.address().port}`, seen };
}
