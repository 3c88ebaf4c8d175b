"""What happens next by itself, and what a person can do: the end of every status message."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib import names

if TYPE_CHECKING:
    from chalicelib.datasets.state import State

# By phase, while a run is under way; `{job}` and `{dataset}` are filled in.
_UNDER_WAY = {
    "Waiting": "it is looked at again by itself",
    "Checking": "when all is well its training starts by itself",
    "Training": (
        "then it is judged, and goes live unless it is worse than what is live; "
        "`pigeonhole logs {job}` shows its log"
    ),
    "Judging": "then it goes live, a person is asked, or what is live stays",
    "Verifying": "it goes live when it answers as it should, else what is live stays",
    "Deploying": "when it does not answer as it should, what was live before comes back",
}
_NOT_MADE_YET = "it starts by itself"  # whatever its job waits for
# By outcome, once it is settled.
_SETTLED = {
    "Live": "the next drop trains its successor",
    "AlreadyTrained": "`pigeonhole retrain {dataset}` trains it once more",
    "Refused": "put it right and drop it again; nothing was trained, and what is live stays live",
    "Failed": "`pigeonhole retrain {dataset}` tries again; what is live stays live",
    "Rejected": "what is live stays live; `pigeonhole approve {dataset}` overrules it",
    "PendingApproval": "`pigeonhole approve {dataset}` or `pigeonhole reject {dataset}` decides",
}


def advice(state: State) -> str:
    """What is to be said behind the message; empty where that says what to do already."""
    if state.settled:
        says_so, told = "`pigeonhole " in state.message, _SETTLED.get(str(state.outcome))
    elif state.phase == "Training" and state.message.startswith(f"{state.training_job}"):
        says_so, told = False, _NOT_MADE_YET
    else:
        says_so, told = names.READY in state.message, _UNDER_WAY.get(str(state.phase))
    if told is None or says_so:
        return ""
    return "; " + told.format(dataset=state.dataset, job=state.training_job)
