"""The file out of a multipart/form-data body (RFC 7578), as `curl -F image=@bag.png` sends it."""

from __future__ import annotations

from collections.abc import Iterator
from email.message import Message
from email.parser import BytesHeaderParser

from chalicelib.errors import BodyRefused

MULTIPART = "multipart/form-data"


def first_file(body: bytes, content_type: str) -> tuple[bytes, str]:
    """The first part with a file name (else the first part), and its own Content-Type, maybe empty.

    Raises BodyRefused when the body is not what its boundary says.
    """
    header = Message()
    header["Content-Type"] = content_type
    boundary = header.get_boundary()
    if not boundary:
        raise BodyRefused(
            "multipart/form-data without a boundary: let the client write the Content-Type itself."
        )
    parts = list(_parts(body, boundary.encode("utf-8", "replace")))
    if not parts:
        raise BodyRefused(
            "No part was found in the multipart body: send the image as a file field, "
            "as curl -F image=@FILE does."
        )
    for headers, content in parts:
        if headers.get_filename() is not None:
            return content, headers.get("Content-Type", "")
    headers, content = parts[0]
    return content, headers.get("Content-Type", "")


def _parts(body: bytes, boundary: bytes) -> Iterator[tuple[Message, bytes]]:
    # The line end before a delimiter belongs to the delimiter, the first one may have none.
    for chunk in (b"\r\n" + body).split(b"\r\n--" + boundary)[1:]:
        if chunk.startswith(b"--"):
            return
        head, found, content = chunk.partition(b"\r\n\r\n")
        if found:
            yield BytesHeaderParser().parsebytes(head.lstrip() + b"\r\n\r\n"), content
