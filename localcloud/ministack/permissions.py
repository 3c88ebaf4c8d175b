"""What IAM asks for SQS's batch calls: the permission of the single call.

SQS's developer guide ("Amazon SQS API permissions: actions and resource reference") knows no
permission for a batch; MiniStack asks for one of the batch's own name, which no policy can have.
"""

from __future__ import annotations

from collections.abc import Callable

_BATCH = "Batch"


def action(name: str | None) -> str | None:
    """The action that a policy must allow, in the place of MiniStack's."""
    if name and name.startswith("sqs:"):
        return name.removesuffix(_BATCH)
    return name


def install() -> None:
    """Wrap MiniStack's function that names a request's action. Its version is pinned."""
    from ministack.core import iam_actions  # noqa: PLC0415

    named: Callable[..., str | None] = iam_actions.extract_iam_action
    iam_actions.extract_iam_action = lambda *args, **more: action(named(*args, **more))
