// Checks that the official Node client works with the bundled server: `openai_node.mjs URL KEY`.
import assert from "node:assert/strict";
import OpenAI from "openai";
import { zodFunction, zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";
import { all, check, holds, key, question, url } from "./checks.mjs";

const options = { baseURL: `${url}/v1`, maxRetries: 0, timeout: 30_000 };
const client = new OpenAI({ ...options, apiKey: key });
const chat = client.chat.completions;
const model = (await client.models.list()).data[0].id;
const ask = { model, messages: [{ role: "user", content: question }] };

const functionTool = (name, properties) => ({
  type: "function",
  function: { name, parameters: { type: "object", properties, required: Object.keys(properties) } },
});
const links = functionTool("provideLinks", {
  links: { type: "array", items: { type: "object", properties: { url: { type: "string" } } } },
});
const rate = functionTool("rate", { score: { type: "integer" }, reason: { type: "string" } });
const strictLinks = zodFunction({
  name: "provideLinks",
  parameters: z.object({ links: z.array(z.object({ url: z.string(), title: z.string() })) }),
});
const rating = zodResponseFormat(
  z.object({ score: z.number().int(), reason: z.string(), tags: z.array(z.string()) }),
  "rating",
);

const finished = (choice) => holds(["stop", "tool_calls"].includes(choice.finish_reason), choice);

// Returns the links of the only call of a choice.
function linksOf(choice) {
  finished(choice);
  holds(choice.message.content, choice);
  const [call, ...others] = choice.message.tool_calls;
  assert.equal(others.length, 0);
  holds(call.id && call.type === "function" && call.function.name === "provideLinks", call);
  const { links } = JSON.parse(call.function.arguments);
  holds(links.length > 0 && links.every((link) => link.url && link.title), links);
  return links;
}

await check("lists models", async () => {
  const models = await all(await client.models.list());
  holds(models.length > 0 && models.every((model) => model.object === "model" && model.id), models);
});

await check("answers in one object", async () => {
  const answer = await chat.create(ask);
  const [choice] = answer.choices;
  assert.equal(answer.object, "chat.completion");
  assert.equal(answer.model, model);
  assert.equal(choice.message.role, "assistant");
  holds(choice.message.content.length > 20, choice);
  assert.equal(choice.finish_reason, "stop");
  const { prompt_tokens, completion_tokens, total_tokens } = answer.usage;
  holds(prompt_tokens > 0 && completion_tokens > 0, answer.usage);
  assert.equal(total_tokens, prompt_tokens + completion_tokens);
});

await check("streams the same answer", async () => {
  const chunks = await all(await chat.create({ ...ask, stream: true }));
  holds(chunks.length > 3 && chunks.every((chunk) => chunk.object === "chat.completion.chunk"), chunks);
  assert.equal(new Set(chunks.map((chunk) => chunk.id)).size, 1);
  const text = chunks.map((chunk) => chunk.choices[0].delta.content ?? "").join("");
  assert.equal(text, (await chat.create(ask)).choices[0].message.content);
  const reasons = chunks.map((chunk) => chunk.choices[0].finish_reason ?? null);
  assert.equal(reasons.pop(), "stop");
  holds(reasons.every((reason) => reason === null), reasons);
});

await check("streams the usage last", async () => {
  const chunks = await all(await chat.create({ ...ask, stream: true, stream_options: { include_usage: true } }));
  const last = chunks.pop();
  assert.deepEqual(last.choices, []);
  assert.deepEqual(last.usage, (await chat.create(ask)).usage);
  holds(chunks.every((chunk) => chunk.choices.length === 1 && !chunk.usage), chunks);
});

await check("the stream helper assembles the answer", async () => {
  const stream = chat.stream(ask);
  let text = "";
  stream.on("content", (delta) => (text += delta));
  const answer = await stream.finalChatCompletion();
  holds(text);
  assert.equal(answer.choices[0].message.content, text);
  assert.equal(await stream.finalContent(), text);
  assert.equal(answer.choices[0].finish_reason, "stop");
});

await check("calls provideLinks", async () => {
  linksOf((await chat.create({ ...ask, tools: [links], tool_choice: "auto" })).choices[0]);
});

await check("streams a call of provideLinks", async () => {
  const asked = { ...ask, tools: [links], tool_choice: "auto" };
  const chunks = await all(await chat.create({ ...asked, stream: true }));
  const [first, ...rest] = chunks.flatMap((chunk) => chunk.choices[0].delta.tool_calls ?? []);
  holds(first.index === 0 && first.id && first.function.name === "provideLinks", first);
  holds(rest.length > 0 && rest.every((call) => call.index === 0 && !call.id && !call.function.name), rest);
  const text = [first, ...rest].map((call) => call.function.arguments ?? "").join("");
  assert.deepEqual(JSON.parse(text).links, linksOf((await chat.create(asked)).choices[0]));
  finished(chunks.at(-1).choices[0]);
});

await check("the stream helper parses a call", async () => {
  const stream = chat.stream({ ...ask, tools: [strictLinks] });
  const done = [];
  stream.on("tool_calls.function.arguments.done", (event) => done.push(event));
  const [choice] = (await stream.finalChatCompletion()).choices;
  linksOf(choice);
  assert.equal(done.length, 1);
  assert.equal(done[0].name, "provideLinks");
  assert.deepEqual(done[0].parsed_arguments, choice.message.tool_calls[0].function.parsed_arguments);
  holds(done[0].parsed_arguments.links.length > 0, done);
});

await check("the runner of tools takes the links and returns the last answer", async () => {
  for (const stream of [false, true]) {
    const taken = [];
    const take = { ...links.function, parse: JSON.parse, function: (given) => void taken.push(given.links) };
    const runner = chat.runTools({ ...ask, stream, tools: [{ type: "function", function: take }] });
    const content = await runner.finalContent();
    assert.equal(content, (await chat.create(ask)).choices[0].message.content);
    holds(taken.length === 1 && taken[0].length > 0, taken);
  }
});

await check("calls a forced function", async () => {
  const tool_choice = { type: "function", function: { name: "rate" } };
  for (const tools of [[rate], [links, rate]]) {
    const [call, ...others] = (await chat.create({ ...ask, tools, tool_choice })).choices[0].message.tool_calls;
    assert.equal(others.length, 0);
    assert.equal(call.function.name, "rate");
    const { score, reason } = JSON.parse(call.function.arguments);
    holds(Number.isInteger(score) && typeof reason === "string", call);
  }
});

await check("parses an answer of a schema", async () => {
  const { message } = (await chat.parse({ ...ask, response_format: rating })).choices[0];
  holds(Number.isInteger(message.parsed.score), message);
  assert.deepEqual(JSON.parse(message.content), message.parsed);
});

await check("the stream helper parses an answer of a schema", async () => {
  const answer = await chat.stream({ ...ask, response_format: rating }).finalChatCompletion();
  holds(Number.isInteger(answer.choices[0].message.parsed.score), answer);
});

await check("knows the question before", async () => {
  const messages = [
    ...ask.messages,
    { role: "assistant", content: "It depends." },
    { role: "user", content: "And what is a session?" },
  ];
  const { content } = (await chat.create({ model, messages })).choices[0].message;
  holds(content.includes(`before it you asked: “${question}”`), content);
});

// Checks that a call is rejected with an error of this class and a complete error body.
async function rejects(call, kind, status) {
  await assert.rejects(call, (error) => {
    assert.equal(error.constructor, kind);
    assert.equal(error.status, status);
    holds(error.error.message && error.error.type, error);
    holds("param" in error.error && "code" in error.error, error);
    return true;
  });
}

await check("a wrong key is an authentication error", async () => {
  const stranger = new OpenAI({ ...options, apiKey: "wrong" });
  await rejects(() => stranger.chat.completions.create(ask), OpenAI.AuthenticationError, 401);
  await rejects(() => stranger.models.list(), OpenAI.AuthenticationError, 401);
});

await check("missing messages are a bad request", async () => {
  await rejects(() => chat.create({ model }), OpenAI.BadRequestError, 400);
});

await check("an unknown path is not found", async () => {
  await rejects(() => client.get("/no-such"), OpenAI.NotFoundError, 404);
});
