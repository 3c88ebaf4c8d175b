"""Do files called .png and the like begin as images do? The first bytes of each are looked at.

What is damaged further in is the training job's to find: it leaves out what it cannot decode.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from zipfile import ZipInfo

from chalicelib.datasets.preflight.zips import TOLD_BY_HEAD, head_of

LENGTH = 16  # bytes that tell what a file is
AT_ONCE = 8  # no more connections than boto3 keeps
MOST_BAD = 50_000  # files that are remembered
# Of a zip's member this much is kept to see how it begins: its header, its name, some packed bytes.
_ENOUGH_OF_A_MEMBER = 4096
_BEGINNINGS = (
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff",  # JPEG
    b"GIF87a",
    b"GIF89a",
    b"BM",
    b"II*\x00",  # TIFF
    b"MM\x00*",
    b"II+\x00",
    b"MM\x00+",
)

NotImages = tuple[tuple[str, str], ...]  # path and what it is


def begins_as_image(head: bytes) -> bool:
    """By the magic numbers of PNG, JPEG, GIF, BMP, TIFF and WebP."""
    return head.startswith(_BEGINNINGS) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")


def look_at(paths: Sequence[str], fetch: Callable[[int], bytes]) -> NotImages:
    """Those of `paths` that are no images. `fetch` gets the first bytes of the one at a place in
    `paths`; what it raises escapes."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        heads = pool.map(fetch, range(len(paths)))
        return tuple(
            (path, what_else(head))
            for path, head in zip(paths, heads, strict=True)
            if not begins_as_image(head)
        )


class HeadsInZip:
    """Looks at a zip's members as the zip's bytes pass, from the first to the last."""

    def __init__(self, members: Iterable[tuple[str, ZipInfo]]) -> None:
        told = [member for member in members if member[1].compress_type in TOLD_BY_HEAD]
        self._waiting = deque(sorted(told, key=lambda member: member[1].header_offset))
        self._kept = b""
        self._start = 0  # of what is kept, in the zip
        self._found: list[tuple[str, str]] = []

    def feed(self, chunk: bytes) -> None:
        """The next bytes of the zip."""
        self._kept += chunk
        end = self._start + len(self._kept)
        while self._waiting and self._waiting[0][1].header_offset + _ENOUGH_OF_A_MEMBER <= end:
            self._look()
        needed = min(self._waiting[0][1].header_offset, end) if self._waiting else end
        if needed > self._start:
            self._kept = self._kept[needed - self._start :]
            self._start = needed

    def finish(self) -> NotImages:
        """Those that are no images, once all has passed."""
        while self._waiting:
            self._look()
        return tuple(sorted(self._found))

    def _look(self) -> None:
        path, info = self._waiting.popleft()
        at = info.header_offset - self._start
        stored = self._kept[at : at + _ENOUGH_OF_A_MEMBER] if at >= 0 else b""
        head = head_of(info, stored, LENGTH)
        if not begins_as_image(head) and len(self._found) < MOST_BAD:
            self._found.append((path, what_else(head)))


def what_else(head: bytes) -> str:
    """What a file is that begins so and is no image."""
    if not head:
        return "empty, or not to be unpacked: no image"
    if head[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftypavif"):
        return "HEIC or AVIF: save it as JPEG or PNG"
    if head.lstrip()[:1] == b"<":
        return "HTML or XML, no image"
    return f"no image: it begins with {head[:8]!r}"
