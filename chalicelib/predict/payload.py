"""From a request's body and Content-Type to what the serving container is asked.

The bytes have the last word where they are sure (the magic numbers of image formats and of .npy),
because clients send curl's default type, or none, or JSON's, with a picture. Where they are not,
the declared type has it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from chalicelib.errors import BodyRefused, BodyTooLarge, TypeRefused
from chalicelib.predict.multipart import MULTIPART, first_file

MAX_BODY = 4_000_000  # bytes: what a serverless endpoint takes

OCTETS = "application/octet-stream"
CSV = "text/csv"
NPY = "application/x-npy"
JSON = "application/json"
IMAGES = (
    "image/png",
    "image/jpeg",
    "image/jpg",
    "image/pjpeg",
    "image/webp",
    "image/gif",
    "image/bmp",
    "image/x-ms-bmp",
    "image/tiff",
    "application/x-image",
)
UNSPOKEN = (
    OCTETS,
    "binary/octet-stream",
    "application/x-www-form-urlencoded",  # curl's default, whatever the bytes are
    "text/plain",
)
ACCEPTED = (*IMAGES, NPY, CSV, JSON, MULTIPART, *UNSPOKEN)

WHAT_TO_SEND = (
    "Send one image (PNG, JPEG, WebP, GIF, BMP or TIFF) as application/octet-stream or under its "
    "image type, pixel rows as text/csv, an array as application/x-npy, or JSON as "
    "application/json."
)

_CSV = re.compile(rb"[0-9eE.,;+\-\s\"]+")
_SNIFFED = 4096  # bytes that decide about CSV


@dataclass(frozen=True)
class Payload:
    """What InvokeEndpoint is given."""

    body: bytes
    content_type: str


def read(body: bytes, content_type: str) -> Payload:
    """Make the container's request. `content_type` is the header as sent, empty for none.

    Raises BodyRefused (nothing there, or broken on the way), BodyTooLarge, TypeRefused.
    """
    declared = media_type(content_type)
    if declared and declared not in ACCEPTED:
        raise TypeRefused(unsupported(declared))
    _check_size(body)
    if declared == MULTIPART:
        body, part_type = first_file(body, content_type)
        declared = media_type(part_type)
        _check_size(body)
    if not body:
        raise BodyRefused(f"The request has no body. {WHAT_TO_SEND}")
    if body.startswith(b"\x89PNG") and not body.startswith(b"\x89PNG\r\n\x1a\n"):
        raise BodyRefused(
            "The PNG lost its line ends on the way: with curl, send it by --data-binary, not by -d."
        )
    return Payload(body, _type_of(body, declared))


def media_type(content_type: str) -> str:
    """`Text/CSV; charset=utf-8` → `text/csv`."""
    return re.split("[;,]", content_type, maxsplit=1)[0].strip().lower()


def unsupported(declared: str) -> str:
    """The sentence for a type that is none of ours."""
    return f"{declared!r} is no type that can be classified. {WHAT_TO_SEND}"


def came_as_text(body: bytes) -> bool:
    """Did a gateway read binary bytes as UTF-8, and put U+FFFD for what it could not read?"""
    return "\N{REPLACEMENT CHARACTER}".encode() in body[:_SNIFFED]


def _check_size(body: bytes) -> None:
    if len(body) > MAX_BODY:
        raise BodyTooLarge(
            f"The body has {len(body):,} bytes, and a serverless endpoint takes {MAX_BODY:,}. Make "
            "the image smaller: the model looks at a small version of it anyway."
        )


def _type_of(body: bytes, declared: str) -> str:
    if is_image(body):
        return declared if declared in IMAGES else OCTETS
    if body.startswith(b"\x93NUMPY"):
        return NPY
    if declared and declared not in UNSPOKEN and declared in ACCEPTED:
        return declared
    start = body[:_SNIFFED].lstrip()
    if start.startswith((b"{", b"[")):
        return JSON
    if _CSV.fullmatch(body[:_SNIFFED]):
        return CSV
    return OCTETS


def is_image(body: bytes) -> bool:
    """By its first bytes: PNG, JPEG, GIF, BMP, TIFF or WebP."""
    return body.startswith(
        (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"BM", b"II*\0", b"MM\0*")
    ) or (body[:4] == b"RIFF" and body[8:12] == b"WEBP")
