"""Single files out of a training job's archives, streamed: nothing is unpacked."""

from __future__ import annotations

import base64
import json
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.aws.storage import Storage
from chalicelib.errors import InputRefused, ObjectNotFound

LARGEST = 8 << 20  # bytes of one file that we read
GOLDEN = 32


@dataclass(frozen=True)
class Golden:
    """A held-out image (PNG) and what Keras said of it: probabilities by class."""

    png: bytes
    probabilities: Mapping[str, float]


def read_members(storage: Storage, key: str, wanted: set[str]) -> dict[str, bytes]:
    """The wanted files of a tar.gz; stops reading when all are found. Raises InputRefused."""
    found: dict[str, bytes] = {}
    try:
        for name, content in _members(storage, key, wanted):
            found[name] = content
            if found.keys() == wanted:
                return found
    except (tarfile.TarError, EOFError, OSError) as error:
        raise InputRefused(f"{storage.uri(key)} cannot be read: {error}") from error
    except ObjectNotFound as error:
        raise InputRefused(str(error)) from error
    missing = ", ".join(sorted(wanted - found.keys()))
    raise InputRefused(f"{storage.uri(key)} has no {missing}")


def _members(storage: Storage, key: str, wanted: set[str]) -> Iterator[tuple[str, bytes]]:
    opened = storage.open(key)
    try:
        with tarfile.open(fileobj=opened.body, mode="r|gz") as archive:
            for member in archive:
                name = member.name.removeprefix("./")
                if name not in wanted or not member.isfile():
                    continue
                stream = archive.extractfile(member)
                if member.size > LARGEST or stream is None:
                    raise InputRefused(f"{name} in {storage.uri(key)} has {member.size} bytes")
                yield name, stream.read()
    finally:
        opened.body.close()


def read_evaluation(storage: Storage, key: str) -> dict[str, Any]:
    """evaluation.json out of output.tar.gz. Raises InputRefused."""
    text = read_members(storage, key, {"evaluation.json"})["evaluation.json"]
    try:
        evaluation = json.loads(text)
    except ValueError as error:
        raise InputRefused(f"evaluation.json in {storage.uri(key)} is not JSON") from error
    if not isinstance(evaluation, dict):
        raise InputRefused(f"evaluation.json in {storage.uri(key)} is not an object")
    return evaluation


def read_golden(storage: Storage, key: str) -> list[Golden]:
    """The golden images of model.tar.gz, 1 to 32. Raises InputRefused."""
    files = read_members(storage, key, {"model.json", "golden.jsonl"})
    try:
        classes = json.loads(files["model.json"])["classes"]
        lines = [json.loads(line) for line in files["golden.jsonl"].splitlines() if line.strip()]
        golden = [
            Golden(
                base64.b64decode(line["png"], validate=True),
                dict(zip(classes, line["probabilities"], strict=True)),
            )
            for line in lines[:GOLDEN]
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise InputRefused(f"{storage.uri(key)} has no usable golden images: {error}") from error
    if not golden:
        raise InputRefused(f"{storage.uri(key)} has no golden images to verify it with")
    return golden
