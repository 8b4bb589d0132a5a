// Checks that the AI SDK works with the bundled server: `ai_sdk.mjs URL KEY`.
import assert from "node:assert/strict";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, Output, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";
import { all, check, holds, key, question, url } from "./checks.mjs";

const connect = (apiKey) =>
  createOpenAICompatible({
    name: "bundled",
    baseURL: `${url}/v1`,
    apiKey,
    includeUsage: true,
    supportsStructuredOutputs: true,
  });
const models = await (await fetch(`${url}/v1/models`, { headers: { authorization: `Bearer ${key}` } })).json();
const id = models.data[0].id;
const ask = { model: connect(key)(id), prompt: question, maxRetries: 0 };
const provideLinks = tool({
  description: "Provides links",
  inputSchema: z.object({ links: z.array(z.object({ url: z.string() }).loose()) }),
});

function complete(usage) {
  holds(usage.inputTokens > 0 && usage.outputTokens > 0, usage);
  assert.equal(usage.totalTokens, usage.inputTokens + usage.outputTokens);
}

await check("generates text", async () => {
  const { text, finishReason, usage } = await generateText(ask);
  holds(text.length > 20, text);
  assert.equal(finishReason, "stop");
  complete(usage);
});

await check("streams the same text", async () => {
  const stream = streamText(ask);
  const pieces = await all(stream.textStream);
  holds(pieces.length > 3, pieces);
  assert.equal(pieces.join(""), (await generateText(ask)).text);
  assert.equal(await stream.finishReason, "stop");
  complete(await stream.usage);
});

await check("calls a tool", async () => {
  const { text, toolCalls } = await generateText({ ...ask, tools: { provideLinks } });
  holds(text);
  assert.equal(toolCalls.length, 1);
  assert.equal(toolCalls[0].toolName, "provideLinks");
  holds(toolCalls[0].input.links[0].url, toolCalls);
});

await check("streams a call of a tool", async () => {
  const parts = await all(streamText({ ...ask, tools: { provideLinks } }).fullStream);
  const calls = parts.filter((part) => part.type === "tool-call");
  assert.equal(calls.length, 1);
  holds(!calls[0].invalid && calls[0].input.links[0].url, calls);
  holds(parts.some((part) => part.type === "tool-input-delta"), parts);
  holds(!parts.some((part) => part.type === "error"), parts);
});

await check("runs a tool and answers after it", async () => {
  const taken = [];
  const take = tool({ ...provideLinks, execute: ({ links }) => taken.push(...links) });
  const { steps, text } = await generateText({ ...ask, tools: { provideLinks: take }, stopWhen: stepCountIs(4) });
  holds(taken.length > 0, steps);
  assert.deepEqual(steps.map((step) => step.finishReason), ["tool-calls", "stop"]);
  assert.equal(text, (await generateText(ask)).text);
});

await check("generates an object of a schema", async () => {
  const schema = z.object({ score: z.number().int(), reason: z.string() });
  const { output } = await generateText({ ...ask, output: Output.object({ schema }) });
  holds(Number.isInteger(output.score), output);
});

await check("a wrong key is an error with its status", async () => {
  const stranger = { ...ask, model: connect("wrong")(id) };
  await assert.rejects(generateText(stranger), { name: "AI_APICallError", statusCode: 401 });
});
