"""Which trouble is due for whom, and how often."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from fnmatch import fnmatchcase

from localcloud.ports import Hitch


@dataclass
class Rule:
    """Trouble of one kind for the next `times` subjects that match `pattern` (None: for all)."""

    kind: str
    pattern: str = "*"
    times: int | None = 1
    seconds: float = 0.0
    message: str = ""


class Rules:
    """`localcloud.ports.Trouble`: the rules in force, the oldest first."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []
        self._lock = threading.Lock()

    def add(self, rule: Rule) -> None:
        """Put a rule in force."""
        with self._lock:
            self._rules.append(rule)

    def clear(self) -> None:
        """No more trouble."""
        with self._lock:
            self._rules.clear()

    def next(self, kind: str, subject: str) -> Hitch | None:
        """The trouble that is due, counted as used."""
        with self._lock:
            for rule in self._rules:
                if rule.kind == kind and fnmatchcase(subject, rule.pattern):
                    if rule.times is not None:
                        rule.times -= 1
                        if rule.times <= 0:
                            self._rules.remove(rule)
                    return Hitch(rule.kind, rule.seconds, rule.message)
        return None
