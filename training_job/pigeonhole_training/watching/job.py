"""Who watches a job: the profile and TensorBoard, on the first of its hosts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pigeonhole_training.data.rows import Labels
from pigeonhole_training.progress import say
from pigeonhole_training.watching.observer import Observer
from pigeonhole_training.watching.profile import Profile
from pigeonhole_training.watching.tensorboard import TensorBoard
from pigeonhole_training.watching.watch import Watch


class JobWatch:
    """Hand the training `observers`; close it when the job is over, however it ended.

    tensorboard: the folder for event files; None writes none
    instance_type: as SageMaker names it, empty elsewhere
    """

    def __init__(self, tensorboard: Path | None, instance_type: str = "") -> None:
        self._tensorboard = TensorBoard(tensorboard) if tensorboard else None
        listen = self._tensorboard.sampled if self._tensorboard else None
        self._watch = Watch(instance_type=instance_type, listen=listen)
        self.observers: tuple[Observer, ...] = (self._watch.guarded,)
        if self._tensorboard:
            self.observers = (*self.observers, self._tensorboard.guarded)

    def judged(self, labels: Labels, answers: Labels, classes: Sequence[str]) -> None:
        """Held-out rows and what the model says to them, for TensorBoard."""
        if self._tensorboard:
            self._tensorboard.judged(labels, answers, classes)

    def profile(self, recall: Mapping[str, float]) -> Profile | None:
        """What was seen, judged; None where no step was, or where judging fails, which is said:
        the model is there by now. `recall` is by class on held-out rows."""
        try:
            return self._watch.profile(recall)
        except Exception as error:
            say(f"The report has no profile: judging it failed: {type(error).__name__}: {error}")
            return None

    def close(self) -> None:
        """Ends the sampling and closes the event file."""
        self._watch.close()
        if self._tensorboard:
            try:
                self._tensorboard.close()
            except OSError as error:  # what it still held did not fit the disk
                say(f"The event file for TensorBoard is not whole: {error}")
