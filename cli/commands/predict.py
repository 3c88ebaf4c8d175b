"""`pigeonhole predict`: what the live model says of images, one line each."""

from __future__ import annotations

import mimetypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from cli.api import Api, ApiError
from cli.console import make_console
from cli.target import find_target

CONTENT_TYPES = {".npy": "application/x-npy", ".csv": "text/csv", ".json": "application/json"}


def predict(
    images: Sequence[Path], dataset: str | None, home: Path | None, stage: str | None
) -> int:
    """Print a line an image. Exit status 1 when any of them got no answer."""
    console, errors = make_console(), make_console(stderr=True)
    api = Api.of(find_target(home, stage))
    width = max(len(str(path)) for path in images)
    failed = 0
    for path in images:
        try:
            answer = ask(api, path, dataset, errors)
        except ApiError as error:
            errors.print(f"{path}: {error}", style="red")
            failed += 1
            continue
        for answered in answer.get("predictions", [answer]):
            console.print(f"{path!s:<{width}}  {answered['label']}  {answered['probability']:.1%}")
    return 1 if failed else 0


def ask(api: Api, path: Path, dataset: str | None, console: Console) -> dict[str, Any]:
    """The API's answer for one file; a cold model may take a while, which is shown."""
    with console.status(f"Asking about {path.name}"):
        return api.predict(path.read_bytes(), content_type(path), dataset)


def content_type(path: Path) -> str:
    """As the file's name says; images of unknown names are known by their bytes."""
    known = CONTENT_TYPES.get(path.suffix.lower())
    return known or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
