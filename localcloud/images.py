"""Container images as commands of this machine, as `images.toml` says."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

DEFAULT_FILE = Path(__file__).with_name("images.toml")


class UnknownImage(LookupError):
    """No pattern of images.toml matches the image."""


@dataclass(frozen=True)
class Image:
    """How an image runs here: `command` (without `train` or `serve`), working directory,
    environment.
    """

    pattern: str
    command: tuple[str, ...]
    cwd: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


class Images:
    """The images that this machine can run; earlier ones win."""

    def __init__(self, images: Sequence[Image]) -> None:
        self._images = tuple(images)

    @classmethod
    def load(cls, *, venvs: Path, repo: Path, extra: Sequence[Path] = ()) -> Images:
        """Read `extra` files, then the project's own images.toml.

        Raises ValueError that names the file when an entry cannot be understood.
        """
        places = {"venvs": str(venvs), "repo": str(repo)}
        return cls([image for file in (*extra, DEFAULT_FILE) for image in _read(file, places)])

    def resolve(self, uri: str) -> Image:
        """The image for a URI. Raises UnknownImage with a sentence for the job's FailureReason."""
        for image in self._images:
            if fnmatchcase(uri, image.pattern):
                return image
        raise UnknownImage(
            f"The image {uri} matches no pattern of localcloud/images.toml; add one to images.toml "
            "in the local cloud's folder that says which command runs it."
        )


def _read(file: Path, places: Mapping[str, str]) -> list[Image]:
    try:
        entries = tomllib.loads(file.read_text(encoding="utf-8")).get("image", [])
        return [
            Image(
                pattern=entry["pattern"],
                command=tuple(_fill(word, places) for word in entry["command"]),
                cwd=Path(_fill(entry["cwd"], places)) if "cwd" in entry else None,
                environment={k: _fill(v, places) for k, v in entry.get("environment", {}).items()},
            )
            for entry in entries
        ]
    except (
        UnicodeDecodeError,
        tomllib.TOMLDecodeError,
        KeyError,
        TypeError,
        AttributeError,
    ) as error:
        raise ValueError(f"{file}: {error!r}") from error


def _fill(text: str, places: Mapping[str, str]) -> str:
    for name, place in places.items():
        text = text.replace("{" + name + "}", place)
    return text
