"""What the container is asked, for everything that clients send."""

from __future__ import annotations

import pytest

from chalicelib.errors import BodyRefused, BodyTooLarge, TypeRefused
from chalicelib.predict.payload import ACCEPTED, MAX_BODY, OCTETS, Payload, read

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
JPEG = b"\xff\xd8\xff\xe0" + bytes(20)
NPY = b"\x93NUMPY\x01\x00" + bytes(20)
WEBP = b"RIFF\x00\x00\x00\x00WEBPVP8 "


@pytest.mark.parametrize(
    ("body", "declared", "asked"),
    [
        (PNG, "image/png", "image/png"),
        (PNG, "Image/PNG; charset=utf-8", "image/png"),
        (PNG, "", OCTETS),
        (PNG, "application/x-www-form-urlencoded", OCTETS),
        (PNG, "application/json", OCTETS),
        (JPEG, "application/octet-stream", OCTETS),
        (WEBP, "text/plain", OCTETS),
        (NPY, "application/octet-stream", "application/x-npy"),
        (NPY, "", "application/x-npy"),
        (b"0,1,2\n3,4,5\n", "", "text/csv"),
        (b"0,1,2", "application/x-www-form-urlencoded", "text/csv"),
        (b"0,1,2", "text/csv; header=absent", "text/csv"),
        (b' {"instances": []}', "application/x-www-form-urlencoded", "application/json"),
        (b"[[1]]", "text/plain;charset=UTF-8", "application/json"),
        (b"hello", "image/png", "image/png"),
        (b"hello", "", OCTETS),
    ],
)
def test_bytes_decide_where_they_are_sure_else_the_type(
    body: bytes, declared: str, asked: str
) -> None:
    assert read(body, declared) == Payload(body, asked)


@pytest.mark.parametrize("declared", ["", *ACCEPTED])
def test_no_body_is_refused_whatever_the_type(declared: str) -> None:
    with pytest.raises(BodyRefused):
        read(b"", declared)


def test_limit_is_on_the_decoded_body() -> None:
    assert len(read(PNG + bytes(MAX_BODY - len(PNG)), "").body) == MAX_BODY
    with pytest.raises(BodyTooLarge, match="4,000,001"):
        read(bytes(MAX_BODY + 1), "image/png")


@pytest.mark.parametrize("declared", ["application/pdf", "text/html", "video/mp4", "*/*", "junk"])
def test_other_types_are_told_what_is_accepted(declared: str) -> None:
    with pytest.raises(TypeRefused, match="application/octet-stream"):
        read(PNG, declared)


def test_png_whose_line_ends_curl_ate_is_told_the_option() -> None:
    with pytest.raises(BodyRefused, match="--data-binary"):
        read(PNG.replace(b"\r", b"").replace(b"\n", b""), "")
