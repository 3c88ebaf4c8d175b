"""The file out of forms as curl, browsers and Python's clients write them."""

from __future__ import annotations

import pytest

from chalicelib.errors import BodyRefused, BodyTooLarge
from chalicelib.predict.payload import OCTETS, Payload, read

PNG = b"\x89PNG\r\n\x1a\n\r\n\r\n--not-the-boundary\r\n\n\r" + bytes(range(256))
TYPE = 'multipart/form-data; boundary="XyZ"'


def part(head: str, content: bytes) -> bytes:
    return b"--XyZ\r\n" + head.encode() + b"\r\n\r\n" + content + b"\r\n"


FILE = 'Content-Disposition: form-data; name="image"; filename="ü \\"1\\".png"'
FIELD = 'Content-Disposition: form-data; name="note"'


@pytest.mark.parametrize("content_type", [TYPE, "Multipart/Form-Data;boundary=XyZ; charset=utf-8"])
def test_first_file_comes_out_byte_for_byte(content_type: str) -> None:
    body = part(FIELD, b"hello") + part(FILE, PNG) + part(FILE, b"second") + b"--XyZ--\r\n"
    assert read(body, content_type) == Payload(PNG, OCTETS)


def test_type_of_the_part_counts() -> None:
    body = part(f"{FILE}\r\nContent-Type: image/png", PNG) + b"--XyZ--"
    assert read(body, TYPE) == Payload(PNG, "image/png")
    body = part(f"{FILE}\r\nContent-Type: text/csv", b"1,2") + b"--XyZ--"
    assert read(body, TYPE) == Payload(b"1,2", "text/csv")


def test_unknown_type_of_the_part_is_sniffed() -> None:
    body = part(f"{FILE}\r\nContent-Type: application/x-what", PNG) + b"--XyZ--"
    assert read(body, TYPE) == Payload(PNG, OCTETS)


def test_field_without_file_name_is_taken_when_there_is_no_file() -> None:
    assert read(part(FIELD, b"1,2,3") + b"--XyZ--", TYPE) == Payload(b"1,2,3", "text/csv")


def test_preamble_and_missing_end_are_forgiven() -> None:
    assert read(b"preamble\r\n" + part(FILE, PNG)[:-2], TYPE).body == PNG


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"rubbish", TYPE),
        (b"--XyZ--\r\n", TYPE),
        (b"--XyZ\r\nno end of the headers", TYPE),
        (part(FILE, b"") + b"--XyZ--", TYPE),
        (part(FILE, PNG), "multipart/form-data"),
        (part(FILE, PNG), "multipart/form-data; boundary="),
    ],
)
def test_broken_forms_are_refused(body: bytes, content_type: str) -> None:
    with pytest.raises(BodyRefused):
        read(body, content_type)


def test_limit_counts_the_whole_form() -> None:
    with pytest.raises(BodyTooLarge):
        read(part(FILE, bytes(4_000_000)) + b"--XyZ--", TYPE)
