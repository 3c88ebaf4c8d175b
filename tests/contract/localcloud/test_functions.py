"""The workers of a function, on a real local cloud."""

from __future__ import annotations

import io
import json
import uuid
import zipfile
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from .clouds import LocalCloud, make_function, user

# `aside` is there for its bytecode: that of app.py itself is made by whoever imports it too.
CODE = """
import os, time, aside
def handler(event, context):
    time.sleep(event["seconds"])
    return {"pid": os.getpid(), "file": os.path.realpath(aside.__file__), "says": aside.WORD,
            "compiled": os.path.exists(aside.__cached__)}
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
    with ThreadPoolExecutor() as threads:
        one, two = threads.map(lambda _: invoked(cloud, name, 3), range(2))
    assert one["pid"] != two["pid"]
    assert one["file"] == two["file"]
    assert one["says"] == two["says"] == "old"
    assert one["compiled"]
    functions.update_function_code(FunctionName=name, ZipFile=code("new"))
    changed = invoked(cloud, name)
    assert changed["says"] == "new"
    assert changed["file"] != one["file"]
