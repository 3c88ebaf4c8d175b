"""Request bodies: from Content-Type and bytes to rows of pixels."""

from __future__ import annotations

import base64
import binascii
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from serving.errors import BadRequest, RequestError, TooLarge, UnsupportedType
from serving.model import Signature

ROW_LIMIT = 10_000  # keeps the answer near the 4 MB that an endpoint may return
KEYS_TYPE = "application/x-pigeonhole-keys"

# curl's default type, and what S3 calls a file without one, say nothing: the bytes decide.
_IMAGE_TYPES = (
    "",
    "application/octet-stream",
    "binary/octet-stream",
    "application/x-image",
    "application/x-www-form-urlencoded",
)

ToPixels: TypeAlias = Callable[[bytes], NDArray[np.uint8]]


@dataclass(frozen=True)
class Payload:
    """`rows` (N, H, W, C), values 0-255. `single`: one image came, one answer is due."""

    rows: NDArray[Any]
    single: bool


def media_type(header: str) -> str:
    """`Image/PNG; x=y` as `image/png`."""
    return header.partition(";")[0].strip().lower()


def parse(kind: str, body: bytes, signature: Signature, to_pixels: ToPixels) -> Payload:
    """The rows in `body`, a body of media type `kind`; `to_pixels` reads an image file.

    Raises RequestError: 415 for a type that is not read, 400 for a body that is not of its type.
    """
    if kind.startswith("image/") or kind in _IMAGE_TYPES:
        _not_empty(body, "Send the bytes of an image file.")
        return Payload(to_pixels(body)[np.newaxis], single=True)
    readers: dict[str, Callable[[], Payload]] = {
        "application/x-npy": lambda: _npy(body, signature),
        "text/csv": lambda: _csv(body, signature),
        "application/json": lambda: _json(body, signature, to_pixels),
    }
    if kind == KEYS_TYPE:
        raise UnsupportedType(
            "unsupported_content_type", f"{KEYS_TYPE} is read in batch transform alone."
        )
    if kind not in readers:
        raise UnsupportedType(
            "unsupported_content_type",
            f"Content-Type {kind} is not read. Send an image file (image/*), application/x-npy, "
            "text/csv or application/json.",
        )
    _not_empty(body, f"Send a body of type {kind}.")
    payload = readers[kind]()
    if len(payload.rows) > ROW_LIMIT:
        raise TooLarge(
            "too_many_rows",
            f"{len(payload.rows)} rows in one request; send at most {ROW_LIMIT} at a time.",
        )
    return payload


def _not_empty(body: bytes, advice: str) -> None:
    if not body:
        raise BadRequest("empty_body", f"The request has no body. {advice}")


def _npy(body: bytes, signature: Signature) -> Payload:
    """A NumPy file, format version 1 to 3; its header is checked before an array is made of it."""
    file = io.BytesIO(body)
    try:
        version = np.lib.format.read_magic(file)
        if version == (1, 0):
            shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        else:
            shape, _, dtype = np.lib.format.read_array_header_2_0(file)
        if dtype.hasobject or dtype.kind not in "uif":
            raise BadRequest("bad_npy", f"The array holds {dtype}; send integers or floats.")
        count = 1
        for size in shape:
            count *= size
        if count * dtype.itemsize != len(body) - file.tell() or min(shape, default=1) < 0:
            raise BadRequest(
                "bad_npy",
                f"The header promises {shape} of {dtype}; the file does not hold it. "
                "Send it whole.",
            )
        file.seek(0)
        array = np.load(file, allow_pickle=False)
    except (ValueError, TypeError, OSError, EOFError, SyntaxError, RecursionError) as error:
        raise BadRequest(
            "bad_npy", f"This is no .npy file ({error}). Write it with numpy.save."
        ) from error
    return _payload(array, signature, "bad_npy")


def _payload(array: NDArray[Any], signature: Signature, code: str) -> Payload:
    """`array` as rows: one image (H, W), (H, W, C) or flat; several with N in front."""
    levels = to_levels(array, code)
    height, width, channels = signature.shape
    one = [(height, width, channels), (signature.pixels,)]
    if channels == 1:
        one.append((height, width))
    if levels.shape in one:
        return Payload(levels.reshape(1, *signature.shape), single=True)
    if levels.ndim > 1 and levels.shape[1:] in one and len(levels):
        return Payload(levels.reshape(-1, *signature.shape), single=False)
    raise BadRequest(
        "wrong_shape",
        f"The array has shape {levels.shape}; the model takes ({height}, {width}, {channels}) "
        f"for one image or (N, {height}, {width}, {channels}) for several.",
    )


def to_levels(array: NDArray[Any], code: str) -> NDArray[Any]:
    """Values 0-255: integers as they are, floats 0-1 times 255. Raises BadRequest outside these."""
    if array.dtype.kind not in "uif":
        raise BadRequest(code, "The values are not numbers, or the rows differ in length.")
    if not array.size:
        raise BadRequest("wrong_shape", "The array is empty. Send at least one image.")
    low, high = array.min(), array.max()
    if array.dtype.kind == "f":
        if not (low >= 0 and high <= 1):  # NaN fails as well
            raise BadRequest(
                "value_out_of_range",
                f"Floats lie in 0-1; these go from {low} to {high}. Send integers for 0-255.",
            )
        return array.astype(np.float32) * np.float32(255)
    if low < 0 or high > 255:
        raise BadRequest(
            "value_out_of_range", f"Integers lie in 0-255; these go from {low} to {high}."
        )
    return array.astype(np.uint8)


def _csv(body: bytes, signature: Signature) -> Payload:
    """A line an image, values 0-255 without a label; empty lines do not count."""
    lines = [(number, line) for number, line in enumerate(body.splitlines(), 1) if line.strip()]
    if not lines:
        raise BadRequest("empty_body", "The CSV has no line. Send a line of pixels an image.")
    if len(lines) > ROW_LIMIT:
        raise TooLarge("too_many_rows", f"Send at most {ROW_LIMIT} lines in one request.")
    rows = np.empty((len(lines), signature.pixels), np.uint8)
    for row, (number, line) in zip(rows, lines, strict=True):
        row[:] = _csv_line(number, line, signature.pixels)
    return Payload(rows.reshape(-1, *signature.shape), single=False)


def _csv_line(number: int, line: bytes, expected: int) -> list[int]:
    cells = line.split(b",")
    if len(cells) != expected:
        label = " Leave the label out." if len(cells) == expected + 1 else ""
        raise BadRequest(
            "bad_csv", f"Line {number} has {len(cells)} values, the model takes {expected}.{label}"
        )
    # isdigit on bytes is ASCII alone; int() by itself would take "1_0" and "+5" too.
    values = [int(cell) if cell.isdigit() and len(cell) < 4 else _csv_cell(cell) for cell in cells]
    if max(values) > 255 or min(values) < 0:
        column = next(i for i, value in enumerate(values, 1) if not 0 <= value <= 255)
        cell = cells[column - 1][:20].decode("utf-8", "replace")
        raise BadRequest(
            "bad_csv",
            f"Line {number}, column {column}: {cell!r} is no whole number 0-255. "
            "Send numbers alone, without a header.",
        )
    return values


def _csv_cell(cell: bytes) -> int:
    """A cell that is not plain digits: spaces, quotes and zeros before are harmless; else -1."""
    plain = cell.strip().strip(b'"').lstrip(b"0") or (b"0" if b"0" in cell else b"")
    return int(plain) if plain.isdigit() and len(plain) < 4 else -1


def _json(body: bytes, signature: Signature, to_pixels: ToPixels) -> Payload:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadRequest("bad_json", f"The body is no JSON: {error}.") from error
    if not isinstance(content, dict) or ("image" in content) == ("instances" in content):
        raise BadRequest(
            "bad_json", 'Send {"instances": [array, ...]} or {"image": "<base64 of a file>"}.'
        )
    if "image" in content:
        return Payload(to_pixels(_base64(content["image"]))[np.newaxis], single=True)
    instances = content["instances"]
    if not isinstance(instances, list) or not instances:
        raise BadRequest("bad_json", '"instances" is a list of at least one array.')
    if len(instances) > ROW_LIMIT:
        raise TooLarge("too_many_rows", f"Send at most {ROW_LIMIT} instances in one request.")
    rows = [_instance(i, value, signature) for i, value in enumerate(instances)]
    return Payload(np.concatenate(rows), single=False)


def _instance(index: int, value: Any, signature: Signature) -> NDArray[Any]:
    """One of the instances as (1, H, W, C)."""
    try:
        payload = _payload(np.asarray(value), signature, "bad_json")
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise BadRequest("bad_json", f"instances[{index}] is no array of numbers.") from error
    except RequestError as error:
        raise BadRequest(error.code, f"instances[{index}]: {error.message}") from error
    if not payload.single:
        raise BadRequest("wrong_shape", f"instances[{index}] holds several images; list each.")
    return payload.rows


def _base64(text: Any) -> bytes:
    if not isinstance(text, str):
        raise BadRequest("bad_json", '"image" is a string: the base64 of an image file.')
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadRequest("bad_json", f'"image" is no base64: {error}.') from error
