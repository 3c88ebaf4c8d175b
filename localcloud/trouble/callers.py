"""What the ARN of a caller says of him."""

from __future__ import annotations

from fnmatch import fnmatchcase


def is_for(pattern: str, caller: str) -> bool:
    """Whether a caller's ARN, or a part of it between slashes (a role, a session), matches."""
    return any(fnmatchcase(name, pattern) for name in (caller, *caller.split("/")))


def function_of(caller: str) -> str:
    """The Lambda function that calls: its session of its role bears its name. Else empty."""
    return caller.rsplit("/", 1)[-1] if ":assumed-role/" in caller else ""
