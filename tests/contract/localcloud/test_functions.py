"""The workers of a function, on a real local cloud."""

from __future__ import annotations

import io
import json
import uuid
import zipfile
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from .clouds import LocalCloud, make_function, user

CODE = """
import importlib.util, os, time
was_compiled = os.path.exists(importlib.util.find_spec("aside").cached)
import aside
def handler(event, context):
    time.sleep(event["seconds"])
    return {"pid": os.getpid(), "file": os.path.realpath(aside.__file__), "says": aside.WORD,
            "was_compiled": was_compiled}
"""


def code(word: str) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("app.py", CODE)
        file.writestr("aside.py", f"WORD = {word!r}")
    return archive.getvalue()


def invoked(cloud: LocalCloud, name: str, seconds: float = 0.0) -> dict[str, Any]:
    answer = user(cloud, "lambda").invoke(
        FunctionName=name, Payload=json.dumps({"seconds": seconds})
    )
    assert "FunctionError" not in answer, answer["Payload"].read()
    found: dict[str, Any] = json.load(answer["Payload"])
    return found


def test_workers_share_the_code_they_run_until_it_is_updated(cloud: LocalCloud) -> None:
    name = f"f-{uuid.uuid4().hex[:8]}"
    make_function(cloud, name, CODE)
    functions = user(cloud, "lambda")
    functions.update_function_code(FunctionName=name, ZipFile=code("old"))
    first = invoked(cloud, name)
    with ThreadPoolExecutor() as threads:
        both = list(threads.map(lambda _: invoked(cloud, name, 3), range(2)))
    (further,) = (answer for answer in both if answer["pid"] != first["pid"])
    assert further["file"] == first["file"]
    assert first["says"] == further["says"] == "old"
    assert not first["was_compiled"]
    assert further["was_compiled"]
    functions.update_function_code(FunctionName=name, ZipFile=code("new"))
    changed = invoked(cloud, name)
    assert changed["says"] == "new"
    assert changed["file"] != first["file"]
