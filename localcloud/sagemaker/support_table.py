"""The table of docs/sagemaker-operations.md: python -m localcloud.sagemaker.support_table"""

from __future__ import annotations

from localcloud.sagemaker.dispatch import OPERATIONS
from localcloud.sagemaker.support import CONDITIONS, GAPS, HEADERS
from localcloud.sagemaker.validation import service_model

RUNTIME = ("InvokeEndpoint", "InvokeEndpointAsync")


def table() -> str:
    """Markdown: every operation that is there, and what it refuses."""
    lines = ["| Operation | What it refuses |", "|---|---|"]
    for name in sorted([*OPERATIONS, *RUNTIME]):
        refused = [f"`{gap.path}`{_only(gap.allowed)}" for gap in GAPS.get(name, ())]
        if name == "InvokeEndpoint":
            refused += [f"`{member}`" for member in sorted(HEADERS.values())]
        refused += [_sentence(text) for text in CONDITIONS.get(name, ())]
        lines.append(f"| {name} | {', '.join(refused)} |")
    return "\n".join(lines)


def absent() -> str:
    """A sentence: how many of SageMaker's operations are not there."""
    known = service_model().operation_names
    return (
        f"Of the {len(known)} operations of the SageMaker API, {len(OPERATIONS)} are there; any "
        "other one answers `NotImplementedException` (HTTP 501)."
    )


def _sentence(text: str) -> str:
    return text[0].lower() + text[1:] if text.startswith(("A ", "An ", "In ")) else text


def _only(allowed: tuple[object, ...]) -> str:
    return f" other than {', '.join(map(str, allowed))}" if allowed else ""


if __name__ == "__main__":
    print(absent(), "", table(), sep="\n")
