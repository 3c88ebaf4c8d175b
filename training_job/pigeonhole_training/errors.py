"""Why a training job ends badly.

JobError               its text is the job's failure reason: one or two sentences
├── BadRequest         a hyperparameter or a channel is missing or wrong
├── DataChanged        the channel is not what version.json promises; text begins "data changed"
├── BadData            the data cannot be trained on
├── BadChampion        the champion cannot be judged: said, and the job goes on without it
├── TrainingDiverged   the loss is no longer a number
├── DeviceFull         network and batch do not fit the device's memory
├── HostLost           another host of the job ended or cannot be reached
├── BadExport          the exported model does not answer as the trained one
└── Stopped            SIGTERM or SIGINT
"""

from __future__ import annotations


class JobError(Exception):
    """Ends the job; the text is meant for the person who dropped the data."""


class BadRequest(JobError):
    """A hyperparameter or a channel is missing or wrong."""


class DataChanged(JobError):
    """The train channel is not what version.json promises."""

    def __init__(self, what: str) -> None:
        super().__init__(f"data changed: {what}")


class BadData(JobError):
    """The data cannot be trained on."""


class BadChampion(JobError):
    """The champion cannot be judged. The job says so and goes on: the gate asks a person."""


class TrainingDiverged(JobError):
    """The loss is no longer a number."""


class DeviceFull(JobError):
    """Network and batch do not fit the device's memory."""

    def __init__(self) -> None:
        super().__init__(
            "the network and a batch of images do not fit the device's memory: choose a smaller "
            "batch_size, or an instance whose GPU has more memory"
        )


class HostLost(JobError):
    """Another host of the job ended or cannot be reached."""

    def __init__(self) -> None:
        super().__init__(
            "another host of this job ended or cannot be reached; its own log says why"
        )


class BadExport(JobError):
    """The exported model does not answer as the trained one."""


class Stopped(JobError):
    """The job was asked to stop."""

    def __init__(self) -> None:
        super().__init__("stopped")
