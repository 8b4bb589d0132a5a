// The page around the client: settings, the conversation, and the stop button.
import init, { Conversation } from "./page.js";

const element = (id) => document.getElementById(id);
const [form, server, api, name, key, links] = ["form", "server", "api", "name", "key", "links"].map(element);
const [log, failure, question, send, stop, reset, status] =
  ["log", "error", "question", "send", "stop", "new", "status"].map(element);
const names = { completions: ["Model", "inkeep-qa-expert"], sessions: ["Integration", "docs"] };

let conversation;
let asking;
let stopped;
let answers = 0;

function make(tag, text = "", attributes = {}) {
  const made = Object.assign(document.createElement(tag), attributes);
  made.textContent = text;
  return made;
}

// An answer may have any address. Only those of the web are linked.
function isWeb(address) {
  return URL.canParse(address ?? "") && /^https?:$/.test(new URL(address).protocol);
}

function link(text, address) {
  return make("a", text, { href: address, target: "_blank", rel: "noopener noreferrer" });
}

function show(box, json) {
  const { parts = [], refusal, sources = [] } = JSON.parse(json);
  const text = make("p");
  for (const part of parts) {
    if (part.number === undefined) {
      text.append(part.text);
    } else {
      const label = `[${part.number}]`;
      const entry = `#${box.id}-source-${part.number}`;
      const source = isWeb(part.url) ? link(label, part.url) : make("a", label, { href: entry });
      source.setAttribute("aria-label", `Source ${part.number}`);
      const raised = make("sup");
      raised.append(source);
      text.append(raised);
    }
  }
  text.append(refusal ?? "");
  box.replaceChildren(text);
  if (sources.length > 0) {
    const list = make("ol");
    for (const { number, title, url } of sources) {
      const item = make("li", "", { id: `${box.id}-source-${number}` });
      const name = title ?? url ?? "untitled";
      item.append(make("span", number == null ? "–" : `[${number}]`), isWeb(url) ? link(name, url) : make("span", name));
      if (url && title && !isWeb(url)) item.lastChild.append(make("small", url));
      list.append(item);
    }
    box.append(make("h2", "Sources"), list);
  }
}

function fail(error) {
  failure.textContent = error?.message ?? String(error);
  failure.hidden = false;
}

function begin() {
  if (api.value === "completions") {
    return Conversation.completions(server.value, key.value, name.value, links.checked);
  }
  return Conversation.sessions(server.value, key.value, name.value);
}

async function ask() {
  failure.hidden = true;
  stopped = false;
  try {
    conversation ??= begin();
    asking = conversation.ask(question.value);
  } catch (error) {
    return fail(error);
  }
  const box = make("article", "", { className: "answer", id: `answer-${++answers}` });
  box.setAttribute("aria-busy", "true");
  box.setAttribute("aria-label", "Answer");
  box.append(make("p"));
  log.append(make("p", question.value, { className: "question" }), box);
  box.scrollIntoView({ block: "nearest" });
  question.value = "";
  send.disabled = reset.disabled = true;
  stop.disabled = false;
  status.textContent = "The answer arrives …";
  let frame;
  let outcome = "The answer is complete.";
  try {
    while (await asking.next()) {
      // Not more often than the screen shows it.
      frame ??= requestAnimationFrame(() => {
        frame = undefined;
        show(box, asking.answer());
      });
    }
    if (stopped) outcome = "Stopped. The connection is closed.";
  } catch (error) {
    outcome = "The answer failed.";
    fail(error);
  }
  if (frame) cancelAnimationFrame(frame);
  show(box, asking.answer());
  box.setAttribute("aria-busy", "false");
  asking.free();
  asking = undefined;
  send.disabled = reset.disabled = false;
  stop.disabled = true;
  status.textContent = outcome;
  question.focus();
}

function restart() {
  conversation?.free();
  conversation = undefined;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (!asking && form.reportValidity()) ask();
});
question.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    if (!send.disabled) form.requestSubmit();
  }
});
stop.addEventListener("click", () => {
  stopped = true;
  asking?.stop();
});
reset.addEventListener("click", () => {
  restart();
  log.replaceChildren();
  failure.hidden = true;
  status.textContent = "";
  reset.disabled = true;
  question.focus();
});
// Other settings are another conversation.
for (const field of [server, api, name, key, links]) field.addEventListener("change", restart);
api.addEventListener("change", () => {
  [element("name-label").textContent, name.value] = names[api.value];
  element("links-field").hidden = api.value !== "completions";
});

server.value = location.origin;
name.value = names.completions[1];
try {
  await init();
  status.textContent = "";
  send.disabled = false;
} catch (error) {
  status.textContent = "";
  fail(error);
}
