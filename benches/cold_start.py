#!/usr/bin/env python3
"""Measures the cold start of the command: to the prompt, and to the first byte of a request, next to curl.

    cargo build --release -p chat-command --features terminal
    python3 benches/cold_start.py target/release/chat [ROUNDS]

The rounds of all rows are interleaved. The table has the median and the quartiles in milliseconds.
"""

import os
import pty
import select
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ANSWER = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
    b'data: {"choices":[{"delta":{"content":"Yes."},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
)


class Server:
    """Answers each request, and keeps the time of its first byte."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.times = []
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            connection, _ = self.socket.accept()
            with connection:
                received = connection.recv(65536)
                self.times.append(time.perf_counter())
                while b"\r\n\r\n" not in received:
                    received += connection.recv(65536)
                connection.sendall(ANSWER)


def to_first_byte(server, args, environment):
    """Seconds until the server has the first byte."""
    server.times.clear()
    start = time.perf_counter()
    subprocess.run(args, env=environment, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return server.times[0] - start


def to_prompt(args, environment):
    """Seconds until a program on a terminal has printed its prompt."""
    start = time.perf_counter()
    child, terminal = pty.fork()
    if child == 0:
        os.execve(args[0], args, environment)
    output = b""
    while b"> " not in output:
        if not select.select([terminal], [], [], 30)[0]:
            raise SystemExit(f"no prompt: {output!r}")
        output += os.read(terminal, 4096)
    seconds = time.perf_counter() - start
    os.write(terminal, b"\x04")
    os.waitpid(child, 0)
    os.close(terminal)
    return seconds


def main():
    chat = os.path.abspath(sys.argv[1])
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 40
    server = Server()
    home = tempfile.mkdtemp()
    environment = {"HOME": home, "PATH": os.environ["PATH"], "TERM": "xterm-256color"}
    options = ["--api", "completions", "--server", server.url, "--no-api-key", "--model", "m"]
    question = '{"model":"m","stream":true,"messages":[{"role":"user","content":"Why?"}]}'
    rows = {
        "curl, first byte": lambda: to_first_byte(
            server, ["curl", "-sN", "-d", question, server.url + "/v1/chat/completions"], environment
        ),
        "chat ask --no-store, first byte": lambda: to_first_byte(
            server, [chat, "ask", *options, "--no-store", "Why?"], environment
        ),
        "chat ask, first byte": lambda: to_first_byte(server, [chat, "ask", *options, "Why?"], environment),
        "chat repl --no-store, prompt": lambda: to_prompt([chat, "repl", *options, "--no-store"], environment),
        "chat repl, prompt": lambda: to_prompt([chat, "repl", *options], environment),
    }
    times = {name: [] for name in rows}
    for round in range(rounds + 1):
        for name, measure in rows.items():
            seconds = measure()
            # The first round fills the caches.
            if round > 0:
                times[name].append(seconds * 1000)
    shutil.rmtree(home)
    print(f"{'row':34} {'median':>8} {'quartiles':>15}   (ms, {rounds} rounds)")
    for name, values in times.items():
        low, median, high = statistics.quantiles(values, n=4)
        print(f"{name:34} {median:8.1f} {low:7.1f}–{high:<7.1f}")


main()
