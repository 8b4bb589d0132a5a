// Reads calls from the standard input, one per line, and prints the lines of their answers.
import { readFileSync, writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { initSync, run } from "./program.js";

initSync({ module: readFileSync(new URL("program_bg.wasm", import.meta.url)) });
for await (const line of createInterface({ input: process.stdin })) {
  await run(line, (answer) => writeSync(1, `${answer}\n`));
}
// The connections that fetch keeps would hold the process.
process.exit();
