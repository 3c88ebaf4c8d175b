"""How objects are cut into records and payloads."""

from __future__ import annotations

import io
import struct
import tracemalloc

import pytest

from localcloud.sagemaker.transform.splitting import (
    BadInput,
    TooLarge,
    lines,
    masked_crc32c,
    payloads,
    recordio,
    tfrecord,
)

MAGIC = struct.pack("<I", 0xCED7230A)


def part(flag: int, data: bytes) -> bytes:
    return MAGIC + struct.pack("<I", flag << 29 | len(data)) + data + b"\0" * (-len(data) % 4)


def cut(text: bytes, *, single: bool = False, limit: int | None = None) -> list[bytes]:
    return list(payloads(io.BytesIO(text), "Line", single=single, limit=limit))


def test_lines_keep_their_ends_only_in_several() -> None:
    assert cut(b"a\nb\r\n\nc", single=True) == [b"a", b"b", b"", b"c"]
    assert cut(b"a\nb\r\n\nc") == [b"a\nb\r\n\nc"]


def test_a_payload_takes_as_many_lines_as_fit() -> None:
    assert cut(b"aa\nbb\ncc\n", limit=6) == [b"aa\nbb\n", b"cc\n"]
    assert cut(b"aa\nbb\ncc", limit=8) == [b"aa\nbb\ncc"]
    assert cut(b"", limit=6) == []


def test_a_line_over_the_limit_is_told_without_reading_it_all() -> None:
    source = io.BytesIO(b"x" * 10_000)
    with pytest.raises(TooLarge):
        list(lines(source, 10))
    assert source.tell() < 100
    with pytest.raises(TooLarge):
        cut(b"12345\n", limit=5)
    assert cut(b"12345\n", limit=5, single=True) == [b"12345"]


def test_an_object_that_is_not_split_is_one_payload() -> None:
    source = io.BytesIO(b"a\nb")
    assert list(payloads(source, "None", single=False, limit=3)) == [b"a\nb"]
    with pytest.raises(TooLarge):
        list(payloads(io.BytesIO(b"a\nbc"), "None", single=False, limit=3))


def test_recordio_of_one_part_and_of_several() -> None:
    whole = part(0, b"hello")
    # The writer cuts out a magic word at a multiple of 4 and says so by the parts.
    broken = part(1, b"abcd") + part(2, b"") + part(3, b"xy")
    found = list(recordio(io.BytesIO(whole + broken), None))
    assert [record.data for record in found] == [b"hello", b"abcd" + MAGIC + MAGIC + b"xy"]
    assert [record.raw for record in found] == [whole, broken]


@pytest.mark.parametrize(
    "damaged",
    [b"\0" * 8, MAGIC, part(0, b"hello")[:-1], part(2, b"x"), part(1, b"x") + part(0, b"y")],
)
def test_damaged_recordio(damaged: bytes) -> None:
    with pytest.raises(BadInput, match="RecordIO"):
        list(recordio(io.BytesIO(damaged), None))


def test_checksum_of_tfrecord() -> None:
    # The check value of CRC-32C (RFC 3720's polynomial) for "123456789" is 0xE3069283.
    rotated = (0xE3069283 >> 15 | 0xE3069283 << 17) & 0xFFFFFFFF
    assert masked_crc32c(b"123456789") == (rotated + 0xA282EAD8) & 0xFFFFFFFF


def test_tfrecord_as_tensorflow_writes_it() -> None:
    # What tf.io.TFRecordWriter (TensorFlow 2.21) wrote for the record b"one".
    written = bytes.fromhex("0300000000000000b099490e6f6e6501405508")
    (record,) = tfrecord(io.BytesIO(written), None)
    assert (record.raw, record.data) == (written, b"one")
    for place in (0, 8, 12, 15):
        damaged = bytearray(written)
        damaged[place] ^= 1
        with pytest.raises(BadInput, match="checksum"):
            list(tfrecord(io.BytesIO(bytes(damaged)), None))
    with pytest.raises(BadInput, match="ends within"):
        list(tfrecord(io.BytesIO(written[:-1]), None))
    with pytest.raises(TooLarge):
        list(tfrecord(io.BytesIO(written), 2))


def test_a_large_object_is_not_held_whole() -> None:
    class Lines(io.RawIOBase):
        left = 64 * 1024

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: object) -> int:
            if not self.left:
                return 0
            view = memoryview(buffer)  # type: ignore[arg-type]
            self.left -= 1
            view[:1024] = b"x" * 1023 + b"\n"
            return 1024

    tracemalloc.start()
    try:
        source = io.BufferedReader(Lines(), 1024)
        size = sum(map(len, payloads(source, "Line", single=False, limit=1024 * 1024)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size == 64 * 1024 * 1024
    assert peak < 8 * 1024 * 1024
