"""What a file is that is called .csv and is none, by its first line."""

from __future__ import annotations

from chalicelib.datasets.preflight.csvhead import SMALLEST_SIDE

OLD_LINE_ENDS = "lines end in a carriage return alone, as on old Macs: save it with line feeds"


def other_kind(beginning: bytes) -> str | None:
    """What it is, and what to do; None for what may be a CSV."""
    kinds = {
        b"\x1f\x8b": "the file is gzip inside: call it .csv.gz",
        b"PK\x03\x04": "the file is a zip (or of Excel) inside: call a zip .csv.zip",
        b"\xff\xfe": "the file is UTF-16: save it as UTF-8",
        b"\xfe\xff": "the file is UTF-16: save it as UTF-8",
        b"BZh": "the file is bzip2 inside: gzip and zip are taken",
        b"\xfd7zXZ": "the file is xz inside: gzip and zip are taken",
        b"\x28\xb5\x2f\xfd": "the file is zstd inside: gzip and zip are taken",
        b"\x93NUMPY": "the file is an array of NumPy inside: save it as CSV",
        b"PAR1": "the file is Parquet inside: save it as CSV",
        b"version https://git-lfs": "the file points to the data in Git LFS: `git lfs pull`",
        b"sep=": "line 1 says how fields are separated, for Excel alone: take it out",
    }
    if beginning.count(b",") < SMALLEST_SIDE**2:  # else it may be a label that begins so
        kinds |= {
            b"<": "the file is HTML or XML inside, a page to log in perhaps: download it anew",
            b"{": "the file is JSON inside: save it as CSV",
            b"#": "the file begins with a comment: take it out",
        }
    known = next((kind for magic, kind in kinds.items() if beginning.startswith(magic)), None)
    if known is None and beginning.count(b"\0") > len(beginning) // 4:
        return "the file is UTF-16, or no text: save it as UTF-8"
    if known is None and b"\r" in beginning.rstrip(b"\r\n"):
        return OLD_LINE_ENDS
    return known
