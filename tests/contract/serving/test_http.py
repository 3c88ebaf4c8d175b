from __future__ import annotations

import base64
import io
import json
import signal
import socket
import struct
import subprocess
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tests.contract.serving.container import REPO, Container, command, free_port, running
from tests.unit.serving.artifact import bar, encoded

LIMIT = 6 * 1024 * 1024


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def test_ping_is_200_and_empty(container: Container) -> None:
    assert container.call(None, path="/ping", method="GET")[::2] == (200, b"")


def test_execution_parameters_fit_sagemakers_rule(container: Container) -> None:
    status, _, body = container.call(None, path="/execution-parameters", method="GET")
    found = json.loads(body)
    assert status == 200
    assert found["BatchStrategy"] == "MULTI_RECORD"
    assert found["MaxPayloadInMB"] == 6
    assert 1 <= found["MaxConcurrentTransforms"] * found["MaxPayloadInMB"] <= 100


@pytest.mark.parametrize("content_type", ["image/png", "application/octet-stream", None])
def test_one_image(container: Container, content_type: str | None) -> None:
    status, kind, body = container.call(encoded(bar("Wide")), content_type)
    answer = json.loads(body)
    assert (status, kind) == (200, "application/json")
    assert answer["label"] == "Wide"
    assert answer["probability"] == max(answer["probabilities"].values())
    assert list(answer["probabilities"]) == ["Tall", "Wide"]
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert (answer["model_version"], answer["dataset"]) == ("0123456789ab-2", "bars")


def test_all_ways_of_sending_an_image_agree(container: Container) -> None:
    pixels = np.asarray(bar("Tall"))
    one = json.loads(container.call(encoded(bar("Tall")))[2])
    text = base64.b64encode(encoded(bar("Tall"))).decode()
    singles = [
        (npy(pixels), "application/x-npy"),
        (json.dumps({"image": text}).encode(), "application/json"),
        (encoded(bar("Tall"), "BMP"), "image/bmp"),
    ]
    for body, kind in singles:
        assert json.loads(container.call(body, kind)[2]) == one
    line = ",".join(map(str, pixels.reshape(-1))).encode()
    rows = [
        (npy(pixels[np.newaxis]), "application/x-npy"),
        (line + b"\n", "text/csv; charset=utf-8"),
        (json.dumps({"instances": [pixels.tolist()]}).encode(), "application/json"),
    ]
    for body, kind in rows:
        answer = json.loads(container.call(body, kind)[2])
        assert answer["predictions"] == [
            {name: one[name] for name in ("label", "probability", "probabilities")}
        ]
        assert answer["model_version"] == one["model_version"]


def bomb() -> bytes:
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    start = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk
    rows = b"IDAT" + zlib.compress(bytes(5_000_000))
    return (
        start
        + struct.pack(">I", zlib.crc32(chunk))
        + struct.pack(">I", len(rows) - 4)
        + rows
        + struct.pack(">I", zlib.crc32(rows))
    )


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b"", "image/png", 400, "empty_body"),
        (None, None, 400, "empty_body"),
        (b"hello", "image/png", 400, "not_an_image"),
        (encoded(bar("Wide"))[:50], "image/png", 400, "damaged_image"),
        (bomb(), "image/png", 413, "image_too_large"),
        (b"\x00" * (LIMIT + 1), "image/png", 413, "body_too_large"),
        (b"<x/>", "text/xml", 415, "unsupported_content_type"),
        (b'{"key": "inbox/a"}', "application/x-pigeonhole-keys", 415, "unsupported_content_type"),
        (b"{", "application/json", 400, "bad_json"),
        (b"1,2", "text/csv", 400, "bad_csv"),
        (b"\x93NUMPY\x01", "application/x-npy", 400, "bad_npy"),
    ],
)
def test_a_bad_request_gets_a_4xx_that_says_what_to_do(
    container: Container, body: bytes | None, content_type: str | None, status: int, code: str
) -> None:
    got, kind, answer = container.call(body, content_type)
    assert (got, kind) == (status, "application/json")
    assert json.loads(answer)["error"] == code
    assert json.loads(answer)["message"]


def test_a_body_of_the_limit_is_read(container: Container) -> None:
    assert json.loads(container.call(b"\x00" * LIMIT)[2])["error"] == "not_an_image"


def test_wrong_paths_and_methods(container: Container) -> None:
    assert container.call(None, path="/models", method="GET")[0] == 404
    assert container.call(None, path="/invocations", method="GET")[0] == 405
    assert container.call(b"", path="/ping", method="POST")[0] == 405


def test_a_declared_gigabyte_is_refused_before_it_is_sent(container: Container) -> None:
    with container.raw() as link:
        link.sendall(b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n")
        assert link.recv(4096).startswith(b"HTTP/1.1 413")


def test_an_endless_chunked_body_is_cut_off(container: Container) -> None:
    chunk = b"100000\r\n" + b"\x00" * 0x100000 + b"\r\n"
    with container.raw() as link:
        link.sendall(b"POST /invocations HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        sent = 0
        try:
            while sent < 200:
                link.sendall(chunk)
                sent += 1
        except OSError:
            pass
    assert 6 < sent < 200
    assert container.call(None, path="/ping", method="GET")[0] == 200


def test_clients_that_talk_nonsense_or_leave_do_no_harm(container: Container) -> None:
    for start in (
        b"\x16\x03\x01 this is no HTTP\r\n\r\n",
        b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\nhalf",
    ):
        link = container.raw()
        link.sendall(start)
        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        link.close()
    assert container.call(encoded(bar("Wide")))[0] == 200


def test_many_at_once_each_get_their_own_answer(container: Container) -> None:
    kinds = ["Wide", "Tall", "Tall"] * 30
    with ThreadPoolExecutor(30) as pool:
        answers = list(pool.map(lambda kind: container.call(encoded(bar(kind))), kinds))
    assert [json.loads(body)["label"] for _, _, body in answers] == kinds


def test_it_listens_on_loopback_unless_told_otherwise(container: Container) -> None:
    listening = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    port = f"{container.port:04X}"
    addresses = [row[1] for row in listening if row[3] == "0A" and row[1].endswith(f":{port}")]
    assert addresses == [f"0100007F:{port}"]


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_also_with_a_client_connected(
    model_dir: Path, tmp_path: Path, end: signal.Signals
) -> None:
    with running(model_dir, tmp_path / "log") as started, started.raw() as link:
        link.sendall(b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
        assert link.recv(100).startswith(b"HTTP/1.1 200")
        started.process.send_signal(end)
        started.process.wait(timeout=20)
        assert (tmp_path / "log").read_text() == ""


def start(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(),
        cwd=REPO,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_no_artifact_ends_the_process_with_one_line(tmp_path: Path) -> None:
    ended = start(SM_MODEL_DIR=str(tmp_path), SAGEMAKER_BIND_TO_PORT=str(free_port()))
    assert ended.returncode == 1
    assert "model.json is missing" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_a_port_that_is_taken_is_named(model_dir: Path, container: Container) -> None:
    ended = start(SM_MODEL_DIR=str(model_dir), SAGEMAKER_BIND_TO_PORT=str(container.port))
    assert ended.returncode == 1
    assert f"127.0.0.1:{container.port}" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_neither_tensorflow_nor_botocore_is_loaded_for_an_endpoint() -> None:
    code = "import sys, serving.__main__; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [*command()[:1], "-c", code], cwd=REPO, capture_output=True, text=True, check=True
    )
    assert not {"tensorflow", "keras", "botocore", "boto3"} & set(done.stdout.split())
