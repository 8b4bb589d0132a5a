"""Asks servers of other projects with `chat` and prints a table of the results. See README.md."""
import contextlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import venv

HERE = pathlib.Path(__file__).parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or HERE.parents[1] / "target")
CHAT = os.environ.get("CHAT_BIN") or TARGET / "debug" / "chat"
# Where the servers are installed. Later runs use them again.
INSTALLED = pathlib.Path(os.environ.get("SERVERS_DIR") or TARGET / "servers")
KEY = "sk-local"
TRANSPORTS = ["hyper", "smol", "async-std", "blocking"]
# A key, URL or model of the developer is not used, and no proxy.
ENV = {n: v for n, v in os.environ.items() if not n.startswith("INKEEP_") and "proxy" not in n.lower()}


class Failed(Exception):
    """A check that failed, with what was seen."""


class Skipped(Exception):
    """A server that cannot be started, with the reason."""


def program(package, version, command):
    """Installs a package of PyPI, unless it is installed, and returns the path of its command."""
    folder = INSTALLED / f"{package.partition('[')[0]}-{version}"
    path = folder / ("Scripts" if os.name == "nt" else "bin")
    if not (path / command).exists():
        venv.create(folder, with_pip=True)
        install = ["pip", "install", "--quiet", "--disable-pip-version-check", f"{package}=={version}"]
        if subprocess.run([path / "python", "-m", *install]).returncode != 0:
            raise Skipped(f"{package} cannot be installed")
    return path / command


class Llmock:
    model, suffix, seconds = "gpt-4o", "", 30
    errors = [("bad request", {"--extra": '{"n":"many"}'}, "valid integer")]

    def command(self, port):
        return [program("llmock", "0.2.2", "llmock"), "serve", "-h", "127.0.0.1", "-p", str(port)]


class Litellm:
    model, suffix, seconds = "synthetic", "/v1", 120
    errors = [
        ("wrong model", {"--model": "no-such"}, "Invalid model name"),
        # The proxy looks an unknown key up in its database, and here it has none.
        ("wrong key", {"--api-key": "sk-wrong"}, "No connected db."),
    ]

    def command(self, port):
        litellm = program("litellm[proxy]", "1.108.7", "litellm")
        return [litellm, "--config", HERE / "litellm.yaml", "--host", "127.0.0.1", "--port", str(port)]


class LlamaServer:
    model, suffix, seconds = "any", "/v1/chat/completions", 120
    errors = [("wrong key", {"--api-key": "sk-wrong"}, "Invalid API Key")]

    def command(self, port):
        if not shutil.which("llama-server"):
            raise Skipped("llama-server is not on the PATH")
        if not os.environ.get("LLAMA_MODEL"):
            raise Skipped("LLAMA_MODEL does not name a GGUF file")
        model = ["-m", os.environ["LLAMA_MODEL"], "-c", "1024", "-n", "40"]
        return ["llama-server", *model, "--host", "127.0.0.1", "--port", str(port), "--api-key", KEY]


SERVERS = {"llmock": Llmock(), "litellm": Litellm(), "llama-server": LlamaServer()}


def answers(url):
    """Whether the server lists its models."""
    request = urllib.request.Request(f"{url}/v1/models", headers={"Authorization": f"Bearer {KEY}"})
    try:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        return opener.open(request, timeout=5).status == 200
    except (urllib.error.URLError, OSError):
        return False


@contextlib.contextmanager
def running(server):
    """Runs a server while the block runs, and returns its URL without a path."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command, url = server.command(port), f"http://127.0.0.1:{port}"
    with tempfile.TemporaryFile() as log:
        env = ENV | {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=env)
        try:
            end = time.monotonic() + server.seconds
            while not answers(url):
                if process.poll() is not None or time.monotonic() > end:
                    log.seek(0)
                    raise Skipped("it does not start: " + log.read().decode(errors="replace")[-500:])
                time.sleep(0.2)
            yield url
        finally:
            process.terminate()
            process.wait()


def chat(*args):
    """Runs `chat` and returns its exit status and its output."""
    done = subprocess.run([CHAT, *args], env=ENV, capture_output=True, encoding="utf-8", timeout=60)
    return done.returncode, done.stdout, done.stderr


def ask(server, url, transport, *flags, options={}):
    """Asks a question and returns the exit status, the event lines and the outcome line."""
    options = {
        "--api": "completions",
        "--server": url + server.suffix,
        "--api-key": KEY,
        "--model": server.model,
        "--transport": transport,
    } | options
    args = [part for option in options.items() for part in option]
    status, out, err = chat("ask", *args, *flags, "--json", "What is a synthetic question?")
    lines = [json.loads(line) for line in out.splitlines()]
    if not lines or "outcome" not in lines[-1]:
        raise Failed(f"no outcome, status {status}: {err.strip()}")
    return status, lines[:-1], lines[-1]


def expect(condition, seen):
    if not condition:
        raise Failed(json.dumps(seen, ensure_ascii=False))


def completed(*call, **options):
    """Asks a question that is answered, and returns the events and the outcome."""
    status, events, outcome = ask(*call, **options)
    expect(status == 0 and outcome["outcome"] == "completed" and outcome["finish_reason"], outcome)
    return events, outcome


def text_of(events):
    return "".join(event["data"]["content_chunk"] for event in events if event["event"] == "message_chunk")


def streamed(*where):
    events, outcome = completed(*where)
    expect(len(events) > 2 and outcome["content"] and text_of(events) == outcome["content"], [events, outcome])


def unstreamed(*where):
    events, outcome = completed(*where, "--no-stream")
    expect(outcome["content"] and text_of(events) == outcome["content"], [events, outcome])
    expect(outcome["usage"]["total_tokens"] > 0, outcome)


def usage(*where):
    events, outcome = completed(*where, options={"--extra": '{"stream_options":{"include_usage":true}}'})
    lines = [event["data"] for event in events if event["event"] == "usage"]
    expect(lines and lines[-1] == outcome["usage"] and outcome["usage"]["total_tokens"] > 0, [events, outcome])


def tool(*where):
    for mode in [], ["--no-stream"]:
        events, outcome = completed(*where, "--links", *mode)
        (call,) = outcome["tool_calls"]
        fragments = "".join(event["arguments"] for event in events if event["event"] == "tool_call")
        expect(call["name"] == "provideLinks" and fragments == call["arguments"], [events, outcome])
        json.loads(fragments)


def rejected(options, message):
    def run(*where):
        for mode in [], ["--no-stream"]:
            status, _, outcome = ask(*where, *mode, options=options)
            expect(status == 3 and outcome.get("kind") == "api" and message in outcome["message"], outcome)

    return run


def models(server, url, _transport):
    status, out, err = chat("models", "--server", url + server.suffix, "--api-key", KEY)
    # llama-server lists a path, and takes any name.
    if status != 0 or not out.strip() or server.model not in ("any", *out.split()):
        raise Failed(f"status {status}: {out}{err}")


def checks(name, server):
    """Yields each check of a server with its name and its transports."""
    yield "streamed", streamed, TRANSPORTS
    yield "unstreamed", unstreamed, TRANSPORTS
    yield "usage", usage, TRANSPORTS
    if name == "llmock":
        yield "tool", tool, TRANSPORTS
    for error, options, message in server.errors:
        yield error, rejected(options, message), TRANSPORTS
    yield "models", models, TRANSPORTS[:1]


def verdict(check, *where):
    try:
        check(*where)
        return "ok", None
    except (Failed, subprocess.TimeoutExpired, KeyError, TypeError, ValueError) as error:
        return "FAILED", f"{type(error).__name__}: {error}"


def main():
    # The transports of each failure, because they often fail for the same reason.
    failures = {}
    row = "{:<13} {:<12}" + " {:<9}" * len(TRANSPORTS)
    print(row.format("server", "check", *TRANSPORTS))
    for name in sys.argv[1:] or SERVERS:
        server = SERVERS[name]
        try:
            with running(server) as url:
                for what, check, transports in checks(name, server):
                    cells = [""] * len(TRANSPORTS)
                    for n, transport in enumerate(transports):
                        cells[n], reason = verdict(check, server, url, transport)
                        if reason:
                            failures.setdefault(f"{name}, {what}: {reason}", []).append(transport)
                    print(row.format(name, what, *cells), flush=True)
        except Skipped as reason:
            print(f"{name:<13} skipped: {reason}", flush=True)
    for failure, transports in failures.items():
        print(f"{failure} ({', '.join(transports)})")
    return len(failures) > 0


sys.exit(main())
