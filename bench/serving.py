"""How fast does the serving container start and answer, against plain ways of doing the same?

    python bench/serving.py [--model FOLDER] [--seconds 3]

Measured in one run, on one machine, with one client:

- process start to the first /ping that answers 200 (median of five), beside its target: one second
- process start to first answer: our container; TensorFlow with Keras loading and running a CNN
- images a second over HTTP, one at a time and from sixteen connections: our container; the same
  handler behind the standard library's threading HTTP server
- images a second in batches of 64 over HTTP (application/x-npy), and in process with ONNX Runtime
  and with Keras

FOLDER is an unpacked model.tar.gz; `model.keras` beside it is what Keras then runs. Without it a
linear classifier stands in (and Keras runs an untrained CNN): the container is measured, no model.
Rivals whose environment is not there are left out.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parents[1]
VENVS = REPO / os.environ.get("PIGEONHOLE_VENVS", ".venvs")
STARTS = 5  # the median of these is reported
PING_TARGET = 1.0  # seconds from the start of the process to the first /ping that answers 200
PING = b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n"

STDLIB_SERVER = """
import os, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from serving.invocations import Invocations
from serving.model import Model
from serving.settings import read
settings = read(os.environ)
invocations = Invocations(Model(settings.model_dir, settings.workers), settings)
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = invocations(self.headers.get("Content-Type", ""), body)
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)
    def log_message(self, *args):
        pass
ThreadingHTTPServer((settings.host, settings.port), Handler).serve_forever()
"""

KERAS = """
import json, os, sys, time
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
path, shape, seconds = sys.argv[1], json.loads(sys.argv[2]), float(sys.argv[3])
import keras, numpy as np
if path:
    model = keras.models.load_model(path)
else:
    L = keras.layers
    model = keras.Sequential([L.Input(shape), L.Rescaling(1 / 255),
        L.Conv2D(32, 3, padding="same", activation="relu"), L.MaxPooling2D(),
        L.Conv2D(64, 3, padding="same", activation="relu"), L.MaxPooling2D(),
        L.Flatten(), L.Dense(128, activation="relu"), L.Dense(10, activation="softmax")])
run = keras.ops.convert_to_numpy
one, many = (np.zeros((n, *shape), "float32") for n in (1, 64))
import tensorflow as tf
call = tf.function(lambda images: model(images, training=False))
run(call(one))
print("first", flush=True)
def rate(images):
    call(images)
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        run(call(images)); count += len(images)
    return count / (time.perf_counter() - start)
print(json.dumps({"one": rate(one), "many": rate(many)}))
"""


def request(body: bytes, content_type: str) -> bytes:
    """A whole HTTP request on a connection that stays open."""
    head = f"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def exchange(link: socket.socket, message: bytes) -> bytes:
    """Send a request, read one response whole, return its body. Raises ConnectionError."""
    link.sendall(message)
    answer = b""
    while b"\r\n\r\n" not in answer:
        part = link.recv(1 << 16)
        if not part:
            raise ConnectionError("the server closed the connection")
        answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    length = int(next(x for x in lines if x.startswith(b"content-length:")).split(b":")[1])
    while len(body) < length:
        body += link.recv(1 << 16)
    if b" 200 " not in lines[0]:
        raise ConnectionError(body.decode())
    return body


def rate(port: int, message: bytes, images: int, connections: int, seconds: float) -> float:
    """Images a second over `connections` connections, one request at a time on each."""

    def work(_: int) -> float:
        with socket.create_connection(("127.0.0.1", port)) as link:
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            exchange(link, message)
            count, start = 0, time.perf_counter()
            while time.perf_counter() - start < seconds:
                exchange(link, message)
                count += images
            return count / (time.perf_counter() - start)

    with ThreadPoolExecutor(connections) as pool:
        return sum(pool.map(work, range(connections)))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """A server process on loopback. `first_answer`: seconds from its start to its first answer."""

    def __init__(self, command: list[str], model: Path, message: bytes) -> None:
        self.port = free_port()
        env = dict(os.environ, SM_MODEL_DIR=str(model), SAGEMAKER_BIND_TO_PORT=str(self.port))
        start = time.perf_counter()
        self._process = subprocess.Popen(command, cwd=REPO, env=env)
        while self._process.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", self.port)) as link:
                    exchange(link, message)
                break
            except OSError:
                time.sleep(0.002)
        else:
            raise RuntimeError(f"{command} ended with {self._process.returncode}")
        self.first_answer = time.perf_counter() - start

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()


def keras_rates(model: Path, shape: tuple[int, ...], seconds: float) -> dict[str, float] | None:
    """Keras on TensorFlow in the training environment, or None where there is none."""
    python = VENVS / "training" / "bin" / "python"
    if not python.exists():
        return None
    saved = model / "model.keras"
    path = str(saved) if saved.exists() else ""
    command = [str(python), "-c", KERAS, path, json.dumps(shape), str(seconds)]
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        first = time.perf_counter() - start
        found: dict[str, float] = json.loads(process.stdout.readline() or "{}")
    return found | {"first": first} if found else None


def in_process(model: Any, images: Any, seconds: float) -> float:
    """Images a second straight into ONNX Runtime."""
    model.probabilities(images)
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        model.probabilities(images)
        count += len(images)
    return count / (time.perf_counter() - start)


def row(
    what: str, ours: float, rival: float | None, name: str, less_is_better: bool = False
) -> None:
    """One line of the table: both figures and how many times better ours is."""
    if rival is None:
        print(f"{what:44s} {ours:10.2f}  ({name} is not installed)")
        return
    ratio = rival / ours if less_is_better else ours / rival
    print(f"{what:44s} {ours:10.2f} {rival:10.2f}  {ratio:5.1f} x better than {name}")


def measure(folder: Path, seconds: float) -> None:
    """Run everything on the artifact in `folder` and print the table."""
    import numpy as np  # noqa: PLC0415  (known only after the change of interpreter)
    from PIL import Image  # noqa: PLC0415

    from serving.model import Model  # noqa: PLC0415
    from serving.settings import cpus  # noqa: PLC0415

    model = Model(folder, cpus())
    shape = model.signature.shape
    noise = np.random.default_rng(0).integers(0, 256, (64, *shape), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise[0].squeeze()).save(file, "PNG")
    one = request(file.getvalue(), "image/png")
    file = io.BytesIO()
    np.save(file, noise)
    many = request(file.getvalue(), "application/x-npy")

    ours = [sys.executable, "-m", "serving", "serve"]
    plain = [sys.executable, "-c", STDLIB_SERVER]
    starts, pings = [], []
    for _ in range(STARTS):
        with Server(ours, folder, PING) as server:
            pings.append(server.first_answer)
        with Server(ours, folder, one) as server:
            starts.append(server.first_answer)
    keras = keras_rates(folder, shape, seconds)
    figures = keras or {}
    size = (folder / "model.onnx").stat().st_size
    print(f"model {size:,} bytes, images {shape}, {cpus()} CPUs; ours, rival, ratio")
    first = sorted(starts)[STARTS // 2]
    name = "Keras on TensorFlow"
    ping = sorted(pings)[STARTS // 2]
    verdict = "met" if ping < PING_TARGET else "MISSED"
    what = "process start to first /ping 200, s"
    print(f"{what:44s} {ping:10.2f}  target: under {PING_TARGET:.0f} s, {verdict}")
    row("process start to first answer, s", first, figures.get("first"), name, True)
    with ExitStack() as stack:
        server = stack.enter_context(Server(ours, folder, one))
        rival = stack.enter_context(Server(plain, folder, one))
        for what, message, images, connections in (
            ("HTTP, one PNG at a time, images/s", one, 1, 1),
            ("HTTP, one PNG a request, 16 connections", one, 1, 16),
            ("HTTP, 64 rows a request, images/s", many, 64, 1),
        ):
            a, b = (rate(s.port, message, images, connections, seconds) for s in (server, rival))
            row(what, a, b, "http.server")
    row(
        "in process, one row, rows/s",
        in_process(model, noise[:1], seconds),
        figures.get("one"),
        name,
    )
    row("in process, 64 rows, rows/s", in_process(model, noise, seconds), figures.get("many"), name)


def main() -> None:
    """Change to the serving environment if need be, then measure."""
    parser = argparse.ArgumentParser(description="Measure the serving container.")
    parser.add_argument("--model", type=Path, help="folder of an unpacked model.tar.gz")
    parser.add_argument("--seconds", type=float, default=3, help="length of one measurement")
    options = parser.parse_args()
    python = VENVS / "serving" / "bin" / "python"
    if Path(sys.prefix).resolve() != (VENVS / "serving").resolve():
        if not python.exists():
            sys.exit(f"{python} is missing: run `make setup`")
        os.execv(python, [str(python), *sys.argv])
    # As a script this file's folder leads the path, where it would hide the package of its name.
    sys.path[0] = str(REPO)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.model
        if folder is None:
            from tests.unit.serving import artifact  # noqa: PLC0415

            folder = artifact.write(Path(temporary))
        measure(folder.resolve(), options.seconds)


if __name__ == "__main__":
    main()
