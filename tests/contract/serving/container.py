"""The container as a process on loopback, and a bucket that speaks S3's GetObject over HTTP."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

REPO = Path(__file__).parents[3]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def command(python: str = sys.executable) -> list[str]:
    return [python, "-m", "serving", "serve"]


@dataclass
class Container:
    """A running `python -m serving serve`."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path

    def call(
        self,
        body: bytes | None,
        content_type: str | None = None,
        path: str = "/invocations",
        method: str = "POST",
    ) -> tuple[int, str, bytes]:
        """Status, content type and body of one call on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {} if content_type is None else {"Content-Type": content_type}
        connection.request(method, path, body, headers | {"Accept": "image/webp"})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, answer.headers.get("Content-Type", ""), content

    def raw(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)


@contextmanager
def running(
    model_dir: Path, log: Path, python: str = sys.executable, **environment: str
) -> Iterator[Container]:
    """A container that answers /ping; killed at the end if it still runs."""
    port = free_port()
    env = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    env |= {"SM_MODEL_DIR": str(model_dir), "SAGEMAKER_BIND_TO_PORT": str(port)} | environment
    with log.open("wb") as stderr:
        process = subprocess.Popen(command(python), cwd=REPO, env=env, stderr=stderr)
    try:
        container = Container(port, process, log)
        _wait(container)
        yield container
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait()


def _wait(container: Container) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert container.process.poll() is None, container.log.read_text()
        try:
            if container.call(None, path="/ping", method="GET")[0] == 200:
                return
        except OSError:
            time.sleep(0.01)  # not listening yet
    raise AssertionError(f"never answered /ping: {container.log.read_text()}")


@dataclass
class Bucket:
    """Objects by (key, version id or None). `refusals` are answered first, in order, a key each."""

    objects: dict[tuple[str, str | None], bytes]
    refusals: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    broken: dict[str, int] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    sent: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


@contextmanager
def s3(bucket: Bucket) -> Iterator[str]:
    """The endpoint URL of a server with the one bucket, path style."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            key = unquote(parts.path).lstrip("/").partition("/")[2]
            version = parse_qs(parts.query).get("versionId", [None])[0]
            with bucket.lock:
                bucket.asked.append(key)
                refusal = bucket.refusals.get(key)
                first = refusal.pop(0) if refusal else None
                breaks = bucket.broken.get(key, 0) > 0
                bucket.broken[key] = bucket.broken.get(key, 0) - 1
            content = bucket.objects.get((key, version))
            if first is not None:
                self._answer(first[0], _error(first[1]))
            elif content is None:
                self._answer(404, _error("NoSuchVersion" if version else "NoSuchKey"))
            else:
                self._answer(200, content, breaks)

        def _answer(self, status: int, body: bytes, breaks: bool = False) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            try:
                for start in range(0, len(body), 1 << 16):
                    self.wfile.write(body[start : start + (5 if breaks else 1 << 16)])
                    with bucket.lock:
                        bucket.sent += 1 << 16
                    if breaks:
                        break
            except OSError:
                self.close_connection = True  # the reader went away
            if breaks:
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _error(code: str) -> bytes:
    return f"<Error><Code>{code}</Code><Message>{code}.</Message></Error>".encode()
