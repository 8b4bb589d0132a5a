// Tests the page in headless Chromium, by chromedriver (the WebDriver protocol), and saves a picture of it after an answer.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { check, peer, serve, start, until, web } from "./support.mjs";

const profile = mkdtempSync(join(tmpdir(), "chat-web-"));
process.on("exit", () => rmSync(profile, { recursive: true, force: true, maxRetries: 5 }));

// Without these, the browser looks for updates, and as root it does not start.
const args = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-proxy-server",
  "--window-size=820,1420", `--user-data-dir=${profile}`,
];
const driver = `http://127.0.0.1:${await start("chromedriver", ["--port=0"], /successfully on port (\d+)/)}`;

async function command(method, path, body) {
  const init = { method, body: body && JSON.stringify(body) };
  const { value } = await (await fetch(driver + path, init)).json();
  if (value?.error) throw new Error(`${path}: ${value.message}`);
  return value;
}

const alwaysMatch = { "goog:chromeOptions": { args }, "goog:loggingPrefs": { browser: "ALL" } };
const { sessionId } = await command("POST", "/session", { capabilities: { alwaysMatch } });
const post = (path, body = {}) => command("POST", `/session/${sessionId}${path}`, body);
const cdp = (cmd, params) => post("/goog/cdp/execute", { cmd, params });
const run = (script, ...args) => post("/execute/sync", { script, args });
const find = async (css) => Object.values(await post("/element", { using: "css selector", value: css }))[0];
const click = async (css) => post(`/element/${await find(css)}/click`);
const type = async (css, text) => post(`/element/${await find(css)}/value`, { text });
const text = (css) => run("return document.querySelector(arguments[0])?.textContent ?? ''", css);
const picture = async (name) => {
  const png = await command("GET", `/session/${sessionId}/screenshot`);
  writeFileSync(`${web}/${name}.png`, Buffer.from(png, "base64"));
};

// Opens the page with these values in its fields.
async function open(page, fields) {
  await post("/url", { url: page });
  await until("the client is loaded", () => run("return !document.querySelector('#send').disabled"));
  await run(`for (const [id, value] of Object.entries(arguments[0])) {
    const field = document.getElementById(id);
    field.value = value;
    field.dispatchEvent(new Event("change"));
  }`, fields);
}

const ended = () => run("return document.querySelector('.answer:last-child')?.getAttribute('aria-busy') === 'false'");
const answer = ".answer:last-child > p";
const question = "When is a call retried?";

async function ask() {
  await type("#question", question);
  await click("#send");
}

const page = await serve("--web", `${web}/page`, "--delay", "10ms");
const slow = await serve("--web", `${web}/page`, "--delay", "500ms");
const other = await serve("--allow-origin", page);
const closed = await serve();
const bad = await peer();

await check("the answer is streamed, with its citations as numbered links", async () => {
  await open(page, { key: "key" });
  await run(`window.lengths = new Set();
    new MutationObserver(() => lengths.add(document.querySelector(".answer > p")?.textContent.length))
      .observe(document.querySelector("#log"), { childList: true, subtree: true });`);
  await ask();
  await until("the answer has ended", ended);
  assert.match(await text(answer), /retried.*\[1\]/);
  assert.ok((await run("return lengths.size")) > 5, "it came at once");
  const links = await run("return [...document.querySelectorAll('.answer sup a')].map((a) => [a.textContent, a.hash])");
  assert.deepEqual(links[0], ["[1]", "#answer-1-source-1"]);
  assert.ok(await text(".answer li#answer-1-source-1"));
  assert.equal(await text("#status"), "The answer is complete.");
  assert.equal(await run("return document.querySelector('#error').hidden"), true);
});

await check("the page says that a key is public", async () => {
  assert.match(await text("#key-note"), /A key in a web page is public/);
});

await check("each field has a label, and nothing is wider than a phone, also in the dark", async () => {
  assert.equal(await run(`return [...document.querySelectorAll("input, select, textarea")]
    .filter((field) => field.labels.length === 0).length`), 0);
  await picture("page");
  await cdp("Emulation.setDeviceMetricsOverride", { width: 360, height: 1500, deviceScaleFactor: 1, mobile: true });
  await cdp("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: "dark" }] });
  assert.ok(await run("return document.documentElement.scrollWidth <= 360"));
  await picture("page-narrow");
  await cdp("Emulation.clearDeviceMetricsOverride", {});
  await cdp("Emulation.setEmulatedMedia", { features: [] });
});

await check("the page loads nothing else, and its policy is kept", async () => {
  const origins = await run("return performance.getEntriesByType('resource').map((entry) => new URL(entry.name).origin)");
  assert.deepEqual([...new Set(origins)], [page]);
  const wasm = await fetch(`${page}/page_bg.wasm`, { method: "HEAD" });
  assert.equal(wasm.headers.get("content-type"), "application/wasm");
  const entries = await post("/se/log", { type: "browser" });
  assert.deepEqual(entries.filter(({ level }) => level === "SEVERE"), []);
});

await check("v0: the second question continues the session", async () => {
  await open(page, { key: "key", api: "sessions" });
  assert.equal(await text("#name-label"), "Integration");
  await ask();
  await until("the first answer has ended", ended);
  await ask();
  await until("there are two answers", () => run("return document.querySelectorAll('.answer').length === 2"));
  await until("the second answer has ended", ended);
  assert.match(await text(answer), /^This is question 2/);
});

await check("stop ends a stream and keeps its text", async () => {
  await open(slow, { key: "key" });
  await ask();
  await until("text has arrived", () => text(answer));
  await click("#stop");
  await until("the answer has ended", ended);
  assert.match(await text("#status"), /^Stopped/);
  assert.ok((await text(answer)).length < 100);
});

await check("stop closes the connection", async () => {
  await open(page, { key: "key", server: `${bad.url}/endless` });
  await ask();
  await until("text has arrived", () => text(answer));
  await click("#stop");
  await until("the server sees it", () => bad.seen.left === 1);
  assert.equal(bad.seen.requests[0].headers.cookie ?? bad.seen.requests[0].headers.referer, undefined);
});

await check("a rejected key is shown as an error", async () => {
  await open(page, { key: "wrong" });
  await ask();
  await until("the error is shown", async () => /401/.test(await text("#error:not([hidden])")));
});

await check("a server of another origin answers if it allows the page", async () => {
  await open(page, { key: "key", server: other });
  await ask();
  await until("the answer has ended", ended);
  assert.match(await text(answer), /retried/);
});

await check("one that does not is an error that names CORS", async () => {
  await open(page, { key: "key", server: closed });
  await ask();
  await until("the error is shown", async () => /CORS/.test(await text("#error:not([hidden])")));
});

await check("a redirect is an error and is not followed", async () => {
  await open(page, { key: "key", server: `${bad.url}/redirect` });
  await ask();
  await until("the error is shown", async () => /the server redirects/.test(await text("#error:not([hidden])")));
  assert.deepEqual(bad.seen.requests.map(({ url }) => url).filter((url) => url.startsWith("/elsewhere")), []);
});

await command("DELETE", `/session/${sessionId}`);
process.exit();
