"""docs/trouble.md names every kind of trouble, with the seconds that it has by default."""

from __future__ import annotations

import re
from pathlib import Path

from localcloud.trouble import KINDS

PAGE = (Path(__file__).parents[3] / "docs" / "trouble.md").read_text()


def test_every_kind_is_documented_and_no_other() -> None:
    documented = re.findall(r"^\| `([a-z0-9-]+)` \|", PAGE, re.MULTILINE)
    assert sorted(documented) == sorted(KINDS)


def test_defaults_are_documented() -> None:
    for kind in KINDS.values():
        if kind.seconds:
            row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{kind.name}`"))
            assert f"`--seconds` ({kind.seconds:g})" in row


def test_the_page_says_no_other_option() -> None:
    options = {option for kind in KINDS.values() for option in kind.options}
    said = set(re.findall(r"--([a-z]+)", PAGE))
    assert said == options | {"on", "times", "always", "skip"}
