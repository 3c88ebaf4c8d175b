"""Do files called .png and the like begin as images do? A sample is looked at, not all of them.

A model is trained without the images that cannot be read, and its report names them; but where a
fifth or more of a sample are no images, something else was dropped than was meant.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from chalicelib.datasets.problem import Problem, some

LENGTH = 16  # bytes that tell what a file is
SAMPLE = 120  # tells a fifth from a tenth, and takes seconds
AT_ONCE = 8  # no more connections than boto3 keeps
NO_IMAGE_SHARE = 5  # a fifth
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


@dataclass(frozen=True)
class Candidate:
    """An image that may be looked at: `fetch` gets its first bytes, fewer where it is shorter."""

    name: str
    group: Hashable
    fetch: Callable[[], bytes]


def begins_as_image(head: bytes) -> bool:
    """By the magic numbers of PNG, JPEG, GIF, BMP, TIFF and WebP."""
    return head.startswith(_BEGINNINGS) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")


def spread(candidates: Iterable[Candidate], most: int = SAMPLE) -> list[Candidate]:
    """At most `most` of them, as many of each group as of the others, from all over it."""
    groups: dict[Hashable, list[Candidate]] = defaultdict(list)
    for candidate in candidates:
        groups[candidate.group].append(candidate)
    each = max(1, most // max(1, len(groups)))
    chosen = [one for group in groups.values() for one in _evenly(group, each)]
    return _evenly(chosen, most)


def _evenly(candidates: Sequence[Candidate], count: int) -> list[Candidate]:
    if len(candidates) <= count:
        return list(candidates)
    return [candidates[i * len(candidates) // count] for i in range(count)]


def check_heads(sample: Sequence[Candidate]) -> tuple[list[Problem], list[str]]:
    """Problems and notes. What `fetch` raises escapes."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        heads = list(pool.map(lambda candidate: candidate.fetch(), sample))
    bad = [
        f"{candidate.name} ({_what(head)})"
        for candidate, head in zip(sample, heads, strict=True)
        if not begins_as_image(head)
    ]
    if not bad:
        return [], []
    found = f"{len(bad)} of {len(sample)} images that were looked at are none: {some(bad)}"
    if len(bad) * NO_IMAGE_SHARE >= len(sample):
        return [Problem("", f"{found}; put images in their place, or take them out")], []
    return [], [f"{found}; the training job leaves out what it cannot read"]


def _what(head: bytes) -> str:
    if not head:
        return "empty or not to be unpacked"
    if head[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftypavif"):
        return "HEIC or AVIF: save it as JPEG or PNG"
    if head.lstrip()[:1] == b"<":
        return "HTML or XML"
    return f"begins with {head[:8]!r}"
