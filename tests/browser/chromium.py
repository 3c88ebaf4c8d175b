"""A headless Chromium, driven over a pipe by the DevTools protocol.

Source of the protocol: https://chromedevtools.github.io/devtools-protocol/ (messages are JSON, each
ended by a NUL byte; the browser reads file descriptor 3 and writes 4).
"""

from __future__ import annotations

import base64
import fcntl
import itertools
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_PATIENCE = 20.0  # seconds


def find() -> str | None:
    """The browser that is installed here, or None; PIGEONHOLE_CHROMIUM names another."""
    named = os.environ.get("PIGEONHOLE_CHROMIUM")
    return named or next((found for name in NAMES if (found := shutil.which(name))), None)


class ScriptFailed(AssertionError):
    """A script of a test threw."""


class Browser:
    """One tab. `complaints`: errors of scripts, and what the page's policy has blocked."""

    def __init__(self, program: str) -> None:
        self._folder = tempfile.mkdtemp(prefix="pigeonhole-browser-")
        theirs_in, self._out = (_high(fd) for fd in os.pipe())
        self._in, theirs_out = (_high(fd) for fd in os.pipe())

        def place() -> None:
            os.dup2(theirs_in, 3)
            os.dup2(theirs_out, 4)

        self._process = subprocess.Popen(
            [
                *(program, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
                *("--remote-debugging-pipe", f"--user-data-dir={self._folder}", "about:blank"),
            ],
            pass_fds=(3, 4),
            preexec_fn=place,  # noqa: PLW1509 - two system calls, which no thread can hold up
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._ids = itertools.count(1)
        self._left = b""
        self._session: str | None = None
        self.complaints: list[str] = []
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        attached = self._call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._call(f"{domain}.enable")

    def open(self, url: str, *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        """Go there in a window of this size; what was complained of before is forgotten."""
        self._call("Page.navigate", url="about:blank")
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", features=[scheme])
        self.complaints.clear()
        self._call("Page.navigate", url=url)

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression in the page. Raises ScriptFailed."""
        answer = self._call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in answer:
            raise ScriptFailed(f"{script}: {answer['exceptionDetails']['exception']}")
        return answer["result"].get("value")

    def wait(self, script: str) -> Any:
        """The first true value of a JavaScript expression; one that fails is tried again."""
        deadline = time.monotonic() + _PATIENCE
        problem = ""
        while time.monotonic() < deadline:
            try:
                value = self.run(script)
                if value or value == {}:  # an element
                    return value
            except ScriptFailed as error:
                problem = str(error)
            time.sleep(0.05)
        text = self.run("document.body?.innerText")
        raise AssertionError(f"never came true: {script}\n{problem}\n{self.complaints}\n{text}")

    def press(self, key: str) -> None:
        """Press and release a key, say `Tab`."""
        codes = {"Tab": 9, "Enter": 13, "Escape": 27}
        text = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            self._call(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=key,
                windowsVirtualKeyCode=codes[key],
                **(text if kind == "keyDown" else {}),
            )

    def picture(self, path: Path) -> None:
        """Save what the tab shows, for a person's eyes."""
        data = self._call("Page.captureScreenshot", captureBeyondViewport=False)["data"]
        path.write_bytes(base64.b64decode(data))

    def close(self) -> None:
        """End the browser and remove what it kept."""
        os.close(self._out)  # it ends when nobody holds the pipe any more
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._in)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _call(self, method: str, **params: Any) -> Any:
        number = next(self._ids)
        message: dict[str, Any] = {"id": number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + _PATIENCE
        while True:
            answer = self._read(deadline, method)
            if answer.get("id") == number:
                if "error" in answer:
                    raise AssertionError(f"{method}: {answer['error']}")
                return answer["result"]
            self._heard(answer)

    def _heard(self, event: dict[str, Any]) -> None:
        params = event.get("params", {})
        if event.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(str(params["exceptionDetails"]))
        if event.get("method") == "Runtime.consoleAPICalled" and params["type"] == "error":
            self.complaints.append(str(params["args"]))
        entry = params.get("entry", {}) if event.get("method") == "Log.entryAdded" else {}
        if entry.get("level") == "error":
            self.complaints.append(f"{entry['text']} {entry.get('url', '')}")

    def _read(self, deadline: float, method: str) -> Any:
        while b"\0" not in self._left:
            ready, _, _ = select.select([self._in], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise AssertionError(f"the browser does not answer {method}")
            new = os.read(self._in, 1 << 20)
            if not new:
                raise AssertionError("the browser has ended")
            self._left += new
        message, _, self._left = self._left.partition(b"\0")
        return json.loads(message)


def _high(fd: int) -> int:
    """The same file under a number that is out of the way of 3 and 4."""
    found = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(fd)
    return found
