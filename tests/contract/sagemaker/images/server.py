"""A model server for tests; the model's file `mode` (or the variable MODE) says how it behaves.

good: answers                unhealthy: /ping is 500         dead: ends at once
frame: answers [the body]    fields: answers a line a line, the number of fields or what it saw
together: answers once as many requests are there at once as its file `together` says
The body of a request can be an order: `status 418`, `sleep 3`, `die`, `environment`, `headers`,
`dribble 30` (that many bytes, four a second; `dribble 30 chunked` too), `pid 0.5` (after so long).
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

MODEL = Path(os.environ["SM_MODEL_DIR"])
MODE = os.environ.get("MODE") or (
    (MODEL / "mode").read_text().strip() if (MODEL / "mode").exists() else "good"
)

SEVERAL = threading.Barrier(
    int((MODEL / "together").read_text()) if (MODEL / "together").exists() else 1
)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        return

    def do_GET(self) -> None:
        if self.path == "/ping":
            self.answer(500 if MODE == "unhealthy" else 200, b"")
        elif self.path == "/execution-parameters" and MODE == "parameters":
            self.answer(200, b'{"MaxConcurrentTransforms": 3, "BatchStrategy": "SINGLE_RECORD"}')
        else:
            self.answer(404, b"")

    def do_POST(self) -> None:
        body = self.body()
        print(f"invoked with {len(body)} bytes", flush=True)
        order, _, detail = body.decode("utf-8", "replace").strip().partition(" ")
        if order == "status":
            self.answer(int(detail), b"the model says no")
        elif order == "sleep":
            time.sleep(float(detail))
            self.answer(200, b"slept")
        elif order == "dribble":
            self.dribble(*detail.split())
        elif order == "die":
            os._exit(9)
        elif order == "environment":
            self.answer(200, json.dumps(dict(os.environ)).encode())
        elif order == "headers":
            self.answer(200, json.dumps({k.lower(): v for k, v in self.headers.items()}).encode())
        elif order == "pid":
            time.sleep(float(detail or 0))
            self.answer(200, str(os.getpid()).encode())
        elif MODE in BATCH:
            self.answer(200, BATCH[MODE](self, body))
        else:
            name = (MODEL / "name").read_text() if (MODEL / "name").exists() else "nobody"
            self.answer(200, f"{name}:".encode() + body)

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def dribble(self, count: str, how: str = "") -> None:
        self.send_response(200)
        if how == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", count)
        self.end_headers()
        for _ in range(int(count)):
            time.sleep(0.25)
            self.wfile.write(b"1\r\n.\r\n" if how == "chunked" else b".")
        if how == "chunked":
            self.wfile.write(b"0\r\n\r\n")

    def frame(self, body: bytes) -> bytes:
        how = b"chunked" if "Transfer-Encoding" in self.headers else b""
        return how + b"[" + body + b"]"

    def fields(self, body: bytes) -> bytes:
        lines = body.decode().splitlines()
        if self.headers.get("Content-Type") == "text/csv":
            return "".join(f"{line.count(',') + 1}\n" for line in lines).encode()
        answers = [json.dumps({"saw": json.loads(line)}) + "\n" for line in lines]
        return "".join(answers).encode()

    def together(self, _: bytes) -> bytes:
        try:
            SEVERAL.wait(timeout=20)
        except threading.BrokenBarrierError:
            return b"alone"
        return b"together"

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/x-test")
        self.send_header("Content-Length", str(len(body)))
        if "X-Amzn-SageMaker-Custom-Attributes" in self.headers:
            self.send_header("X-Amzn-SageMaker-Custom-Attributes", "from the container")
        self.end_headers()
        self.wfile.write(body)


BATCH = {"frame": Handler.frame, "fields": Handler.fields, "together": Handler.together}

if __name__ == "__main__":
    print(f"serving as {MODE}, argument {sys.argv[1]}", flush=True)
    if MODE == "dead":
        sys.exit(1)
    port = int(os.environ["SAGEMAKER_BIND_TO_PORT"])
    host = os.environ.get("SAGEMAKER_BIND_TO_HOST", "127.0.0.1")
    ThreadingHTTPServer((host, port), Handler).serve_forever()
