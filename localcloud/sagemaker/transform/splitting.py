"""An object of the input, cut into records and these put together to payloads.

    Line       what lies between newlines
    RecordIO   uint32 0xced7230a, uint32 (part << 29 | length), data, zeros up to a multiple of 4;
               a record with the magic word in its data (at a multiple of 4) comes in several parts
               (1 first, 2 middle, 3 last), between which the word is to be put back (MXNet, dmlc)
    TFRecord   uint64 length, uint32 masked CRC-32C of the length, data, uint32 masked CRC-32C of
               the data (TensorFlow); all numbers little-endian

A mini-batch of several records is a piece of the object as it is, framing included; of a single
record only the data is sent: "padding is removed if the value of BatchStrategy is set to
SingleRecord" (CreateTransformJob). That a line then goes without its newline, and that empty lines
are records, is documented nowhere; neither is whether the service checks a TFRecord's checksums
(we do).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO

_MAGIC = 0xCED7230A
_WHOLE, _FIRST, _LAST = 0, 1, 3
_MASK_DELTA = 0xA282EAD8


class BadInput(Exception):
    """The object cannot be cut; the message says why."""


class TooLarge(BadInput):
    """A record, or an object that is not split, is over the limit."""


@dataclass(frozen=True)
class Record:
    """`raw` is the record as it stands in the object, `data` the record itself."""

    raw: bytes
    data: bytes


def payloads(source: IO[bytes], split: str, *, single: bool, limit: int | None) -> Iterator[bytes]:
    """The bodies of the requests for one object, in order; `limit` in bytes, None for no limit.

    Raises BadInput, TooLarge.
    """
    if split == "None":
        body = source.read() if limit is None else source.read(limit + 1)
        _check(len(body), limit)
        yield body
        return
    batch: list[bytes] = []
    size = 0
    for record in _SPLITTERS[split](source, limit):
        body = record.data if single else record.raw
        _check(len(body), limit)
        if batch and (single or (limit is not None and size + len(body) > limit)):
            yield b"".join(batch)
            batch, size = [], 0
        batch.append(body)
        size += len(body)
    if batch:
        yield b"".join(batch)


def lines(source: IO[bytes], limit: int | None) -> Iterator[Record]:
    """The last line may lack its newline."""
    while raw := source.readline() if limit is None else source.readline(limit + 2):
        if limit is not None and len(raw) == limit + 2 and not raw.endswith(b"\n"):
            raise _too_large(limit)
        end = 2 if raw.endswith(b"\r\n") else 1 if raw.endswith(b"\n") else 0
        yield Record(raw, raw[: len(raw) - end])


def recordio(source: IO[bytes], limit: int | None) -> Iterator[Record]:
    """Raises BadInput for anything but RecordIO."""
    while head := source.read(8):
        raw, data = [head], bytearray()
        part, length = _recordio_head(head)
        if part not in (_WHOLE, _FIRST):
            raise BadInput("RecordIO: a record begins in its middle")
        last = part == _WHOLE
        while True:
            _check(len(data) + length, limit)
            padded = _exactly(source, length + -length % 4, "RecordIO")
            raw.append(padded)
            data += padded[:length]
            if last:
                break
            head = _exactly(source, 8, "RecordIO")
            raw.append(head)
            part, length = _recordio_head(head)
            if part in (_WHOLE, _FIRST):
                raise BadInput("RecordIO: a record begins within another")
            data += struct.pack("<I", _MAGIC)
            last = part == _LAST
        yield Record(b"".join(raw), bytes(data))


def _recordio_head(head: bytes) -> tuple[int, int]:
    if len(head) < 8:
        raise BadInput("RecordIO: the object ends within a record")
    magic, word = struct.unpack("<II", head)
    if magic != _MAGIC:
        raise BadInput("RecordIO: the magic number is not there")
    return word >> 29, word & ((1 << 29) - 1)


def tfrecord(source: IO[bytes], limit: int | None) -> Iterator[Record]:
    """Raises BadInput for anything but TFRecord, and for wrong checksums."""
    while head := source.read(12):
        if len(head) < 12:
            raise BadInput("TFRecord: the object ends within a record")
        (length, checksum) = struct.unpack("<QI", head)
        if masked_crc32c(head[:8]) != checksum:
            raise BadInput("TFRecord: the checksum of a length is wrong")
        _check(length, limit)
        rest = _exactly(source, length + 4, "TFRecord")
        data = rest[:-4]
        if masked_crc32c(data) != struct.unpack("<I", rest[-4:])[0]:
            raise BadInput("TFRecord: the checksum of a record is wrong")
        yield Record(head + rest, data)


def masked_crc32c(data: bytes) -> int:
    """TFRecord's checksum: CRC-32C, rotated right by 15 bits, plus a constant."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _CRC_TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF


def _crc_table() -> list[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)  # noqa: PLW2901
        table.append(byte)
    return table


_CRC_TABLE = _crc_table()


def _exactly(source: IO[bytes], size: int, what: str) -> bytes:
    found = source.read(size)
    if len(found) < size:
        raise BadInput(f"{what}: the object ends within a record")
    return found


def _check(size: int, limit: int | None) -> None:
    if limit is not None and size > limit:
        raise _too_large(limit)


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"a record is larger than MaxPayloadInMB={limit // (1024 * 1024)}")


_SPLITTERS: dict[str, Callable[[IO[bytes], int | None], Iterator[Record]]] = {
    "Line": lines,
    "RecordIO": recordio,
    "TFRecord": tfrecord,
}
