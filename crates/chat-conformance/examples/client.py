"""A client for the conformance suite, on plain sockets. It shows what it takes to write one, and is not a product.
It follows PROTOCOL.md. It knows v0 only, opens a connection for each request, and retries nothing."""
import contextlib, json, os, re, socket, ssl, sys, time
from urllib.parse import quote, urlsplit

JSON, ACCEPT = "application/json", "text/event-stream, application/json;q=0.9"
PATHS = {"create": "/v0/chat_sessions/chat_results", "continue": "/v0/chat_sessions/{}/chat_results"}

class Failed(Exception):
    def __init__(self, kind, message, **more):
        self.line = {"kind": kind, "message": f"{kind}: {message}", "status": None, "body": None, "timeout": None, **more}

class Response:
    """Sends one request, and reads its response."""

    def __init__(self, call, total):
        url, self.limits, self.clocks = urlsplit(call["base_url"]), call["timeouts"], {"total": total}
        self.start("head")
        try:
            self.socket = socket.create_connection((url.hostname, url.port), self.limits["connect"])
            if url.scheme == "https":
                context = ssl.create_default_context(cafile=os.environ.get("SSL_CERT_FILE"))
                self.socket = context.wrap_socket(self.socket, server_hostname=url.hostname, suppress_ragged_eofs=False)
        except OSError as error:
            raise Failed("connect", error)
        self.file, body = self.socket.makefile("rb"), json.dumps(call["input"]).encode()
        path = url.path.rstrip("/") + PATHS[call["operation"]].format(quote(call["session"] or "", safe=""))
        headers = [("host", url.netloc), ("connection", "close"), ("user-agent", "client.py chat-proto/0"),
                   ("accept-encoding", "identity"), ("accept", ACCEPT if call["input"]["stream"] else JSON),
                   ("content-type", JSON), ("content-length", len(body)), *call["headers"]]
        name, key = call["api_key_header"], call["api_key"]
        headers += [(name, key) if name else ("authorization", f"Bearer {key}")] if key else []
        head = f"POST {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers) + "\r\n"
        self.socket.settimeout(2)
        with contextlib.suppress(OSError):  # The server may have answered already.
            self.socket.sendall(head.encode() + body)
        self.status, self.headers = self.read_head()

    def start(self, clock):
        self.clocks[clock] = time.monotonic() + (self.limits[clock] or 1e9)

    def read(self, method, size, lost="truncated"):  # Reads with the time that the clocks leave.
        if "head" not in self.clocks:
            self.start("idle")
        clock = min(self.clocks, key=self.clocks.get)
        try:
            self.socket.settimeout(max(self.clocks[clock] - time.monotonic(), 1e-3))
            return method(size)
        except TimeoutError:
            raise Failed("timeout", f"the {clock} timeout expired", timeout=clock)
        except OSError as error:
            raise Failed(lost, f"the connection failed: {error}")

    def read_head(self):
        head = b""
        while head[-4:] != b"\r\n\r\n":
            head += (line := self.read(self.file.readline, 128 << 10, "transport"))
            if line[-1:] != b"\n" or head[:7] != b"HTTP/1." or len(head) > 128 << 10 or head.count(b"\n") > 102:
                raise Failed("transport", "no valid response head: it ended early, or is larger than 128 KiB")
        parts = re.fullmatch(rb"HTTP/1.. (\d+).*\r\n((?:[!-9;-~]+:[^\0\n]*\n)*)\r\n", head)
        headers = re.findall(r"([^:\n]+):\s*(.*?)\s*\n", parts[2].decode("latin-1").lower()) if parts else []
        lengths = {value for name, value in headers if name == "content-length"}
        if not parts or len(lengths) > 1 or any(not re.fullmatch(r"\d{1,19}", length) for length in lengths):
            raise Failed("transport", "no valid response head: a header is not valid")
        if parts[1][:1] == b"1":
            return self.read_head()
        del self.clocks["head"]
        self.start("content")
        return int(parts[1]), dict(headers) | ({"content-length": "0"} if parts[1] == b"204" else {})

    def body(self):  # Yields the bytes as they arrive. The body must end as its framing says.
        chunked, length = "transfer-encoding" in self.headers, self.headers.get("content-length")
        while chunked or length is not None:
            size = re.match(rb"([0-9a-fA-F]+)[ ;\r]", self.read(self.file.readline, 4096)) if chunked else None
            left = size_of_body = int(size[1], 16) if size else -1 if chunked else int(length)
            while left > 0 and (piece := self.read(self.file.read1, min(left, 65536))):
                left -= len(piece)
                yield piece
            if left or chunked and self.read(self.file.readline, 4096)[-2:] != b"\r\n":
                raise Failed("truncated", "the body was cut")
            if not chunked or not size_of_body:
                return
        while piece := self.read(self.file.read1, 65536):
            yield piece

def read_event(name, data, line, emit):
    try:
        value = json.loads(data) if name in ("message_chunk", "records_cited") else {}
        message = value.get("message") or {"content": value.get("content_chunk"), "records_cited": value}
        line["content"] += message["content"] if name == "message_chunk" else ""
        line.update({name: value[name] for name in ("chat_session_id", "finish_reason") if name in value})
        line["citations"] = (message.get("records_cited") or line).get("citations", line["citations"])
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise Failed("decode", f"not the expected JSON: {error}")
    if name == "error":
        raise Failed("stream", data)
    emit(event=name, data={"content_chunk": message["content"]})

def read_stream(response, line, emit):
    name, data, rest = "", [], b""
    for piece in response.body():
        *texts, rest = re.split(rb"\r\n|\n|\r(?!\n|$)", rest + piece)
        for text in (text.decode("utf-8", "replace") for text in texts):
            field, _, value = text.partition(":")
            name, data = (value.strip(), data) if field == "event" else (name, data + [value.strip()] * (field == "data"))
            if not text and data:
                read_event(name, "\n".join(data), line, emit)
                response.start("content")
            name, data = (name, data) if text else ("", [])
    if rest and rest[:1] != b":" or data or name:
        raise Failed("truncated", "the stream ended inside an event")

def attempt(call, total, line, emit):
    response = Response(call, total)
    kind = response.headers.get("content-type", "")
    if response.status != 200 or not ("json" in kind or "event-stream" in kind) or "content-encoding" in response.headers:
        body = b"".join(response.body())[:call["limits"]["error_body"]].decode("utf-8", "replace")
        kind = "api" if response.status >= 400 else "unexpected_response"
        raise Failed(kind, f"status {response.status}", status=response.status, body=body)
    try:
        if "event-stream" in kind:
            return read_stream(response, line, emit)
        read_event("message_chunk", b"".join(response.body()).decode("utf-8", "replace"), line, emit)
    except Failed as failed:
        failed.line.update(status=200, partial=line)
        raise
    finally:
        response.file.close()
        response.socket.close()

def run(call):
    def emit(**fields):
        print(json.dumps({"call": call["id"], **fields}), flush=True)
        call["cancel_after"] = (call["cancel_after"] or 0) - ("event" in fields)
        if call["cancel_after"] == 0 and "event" in fields:
            raise KeyboardInterrupt

    line = {"content": "", "chat_session_id": None, "citations": None, "finish_reason": None}
    try:
        if call["operation"] not in PATHS:
            return emit(outcome="unsupported")
        attempt(call, time.monotonic() + (call["timeouts"]["total"] or 1e9), line, emit)
        emit(outcome="completed", **line)
    except KeyboardInterrupt:
        emit(outcome="dropped")
    except Failed as failed:
        emit(outcome="error", attempts=1, **failed.line)

for text in sys.stdin:
    run(json.loads(text))
