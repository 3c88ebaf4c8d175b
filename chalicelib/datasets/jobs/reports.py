"""A training job's reports, out of its output.tar.gz into the bucket, in the `work` function.

The job leaves `reports/**` in its archive; each file goes to reports/<dataset>/<job>/ under its
path there, with its content type, and evaluation.json goes beside them. The archive is streamed:
one file at a time is in memory, none on disk. published.json is written last and says what lies
there:

    {"format": 1, "dataset", "training_job", "page": "index.html" or null, "files": [paths],
     "left_out": [{"path", "reason"}], "problem": null or a sentence, "at"}

What the archive holds was written by the job's code: paths that lead elsewhere, links, too many and
too large files are left out, and said.
"""

from __future__ import annotations

import mimetypes
import tarfile
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field

from aws_lambda_powertools import Logger

from chalicelib import names
from chalicelib.aws.storage import Storage
from chalicelib.clock import Clock, iso
from chalicelib.errors import ObjectNotFound

FOLDER = "reports/"
PAGE = "index.html"
EVALUATION = "evaluation.json"
LARGEST = 32 << 20  # bytes of one file
LARGEST_TOTAL = 512 << 20
MOST = 2000  # files
LONGEST_PATH = 800  # bytes; S3 takes keys of 1,024
NAMED = 50  # files left out that are named
_OURS = ("published.json", "failure.json", "failure.txt", EVALUATION)
_TENSORBOARD = "tensorboard-output/"  # SageMaker's
_TYPES = {  # not by the system's tables, which differ between systems
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".md": "text/markdown; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
    ".json": "application/json",
    ".jsonl": "application/x-ndjson",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
    ".gif": "image/gif",
}


@dataclass
class _Sum:
    files: list[str] = field(default_factory=list)
    left_out: list[dict[str, str]] = field(default_factory=list)
    skipped: int = 0
    size: int = 0
    problem: str | None = None

    def leave_out(self, path: str, reason: str) -> None:
        self.skipped += 1
        if len(self.left_out) < NAMED:
            self.left_out.append({"path": path[:LONGEST_PATH], "reason": reason})


class Publisher:
    """Stateless; `run` is the whole of it."""

    def __init__(self, storage: Storage, clock: Clock, logger: Logger) -> None:
        self._storage = storage
        self._clock = clock
        self._log = logger

    def run(self, dataset: str, job: str) -> None:
        """Publish what the job left. Again, it does the same again.

        Trouble with AWS escapes, for SQS to try again. An archive that cannot be read is said in
        published.json: another try would find the same.
        """
        done = _Sum()
        try:
            self._unpack(dataset, job, done)
        except ObjectNotFound:
            done.problem = "the job left no output.tar.gz"
        except (tarfile.TarError, EOFError, ValueError) as error:
            done.problem = f"output.tar.gz cannot be read: {error}"
        if done.problem or done.skipped:
            self._log.warning(
                "reports are incomplete",
                job=job,
                problem=done.problem,
                left_out=done.left_out[:5],
                count=done.skipped,
            )
        self._storage.put_json(
            names.published_key(dataset, job),
            {
                "format": 1,
                "dataset": dataset,
                "training_job": job,
                "page": PAGE if PAGE in done.files else None,
                "files": done.files,
                "left_out": done.left_out,
                "left_out_count": done.skipped,
                "problem": done.problem,
                "at": iso(self._clock()),
            },
        )
        self._log.info("published", job=job, files=len(done.files), bytes=done.size)

    def _unpack(self, dataset: str, job: str, done: _Sum) -> None:
        prefix = names.job_reports_prefix(dataset, job)
        for path, content in self._files(names.output_key(dataset, job), done):
            self._storage.put_bytes(prefix + path, content, content_type(path))
            if path != EVALUATION:
                done.files.append(path)

    def _files(self, key: str, done: _Sum) -> Iterator[tuple[str, bytes]]:
        opened = self._storage.open(key)
        try:
            with tarfile.open(fileobj=opened.body, mode="r|gz") as archive:
                for member in archive:
                    path = _path(member.name)
                    if path is None or member.isdir():
                        continue
                    if reason := _refusal(path, member, done):
                        done.leave_out(path, reason)
                        continue
                    stream = archive.extractfile(member)
                    content = b"" if stream is None else stream.read()
                    if len(content) < member.size:
                        raise tarfile.ReadError(f"it ends within {path}")
                    done.size += len(content)
                    yield path, content
        finally:
            opened.body.close()


def content_type(path: str) -> str:
    """What a browser is told that the file is."""
    ending = path[path.rfind(".") :].lower() if "." in path else ""
    return _TYPES.get(ending) or mimetypes.types_map.get(ending, "application/octet-stream")


def _path(name: str) -> str | None:
    """Below the job's reports; None for what is no report."""
    name = name.removeprefix("./")
    if name == EVALUATION:
        return EVALUATION
    return name.removeprefix(FOLDER) if name.startswith(FOLDER) else None


def _refusal(  # noqa: PLR0911 - one line a reason
    path: str, member: tarfile.TarInfo, done: _Sum
) -> str | None:
    """Why this file is left out; None when it is not."""
    if not member.isfile():
        return "no file but a link or a device"
    if any(part in ("", ".", "..") for part in path.split("/")) or "\\" in path:
        return "its path leads elsewhere"
    if any(unicodedata.category(char) in ("Cc", "Cs") for char in path):
        return "its path has control characters"
    if len(path.encode()) > LONGEST_PATH:
        return "its path is too long"
    ours = path in _OURS and member.name.removeprefix("./") != EVALUATION
    if ours or path.startswith(_TENSORBOARD):
        return "its name is taken"
    if member.size > LARGEST:
        return f"{member.size:,} bytes: {LARGEST:,} are taken"
    if len(done.files) >= MOST:
        return f"more than {MOST:,} files"
    if done.size + member.size > LARGEST_TOTAL:
        return f"more than {LARGEST_TOTAL:,} bytes in all"
    return None
