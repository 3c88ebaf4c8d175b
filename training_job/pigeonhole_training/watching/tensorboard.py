"""Event files that TensorBoard shows: `tensorboard --logdir s3://<bucket>/…` while the job runs.

SageMaker copies the folder to S3 as it grows. The files are written record by record with the
`tensorboard` package alone, so that no backend but Keras' own is loaded for them.
"""

from __future__ import annotations

import io
import math
import os
import socket
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tensorboard.compat.proto.event_pb2 import Event, SourceMetadata
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.scalar.summary_v2 import scalar_pb
from tensorboard.plugins.text.summary_v2 import text_pb
from tensorboard.summary.writer.record_writer import RecordWriter

from pigeonhole_training.data.rows import Labels
from pigeonhole_training.watching.gradients import measured
from pigeonhole_training.watching.guard import Guarded
from pigeonhole_training.watching.observer import Epoch, Run, StepTimes
from pigeonhole_training.watching.profile import GIB, Gradients, Sample

if TYPE_CHECKING:
    import PIL.Image

SAMPLES_ACROSS = 8  # images in a row and in a column of the picture of samples
SAMPLE_SIDE = 64  # pixels, at most
SAMPLED_EVERY = 5.0  # seconds
MAX_MATRIX = 100  # classes that a confusion matrix is drawn for


class TensorBoard:
    """An Observer that writes event files to `folder`. Hand the loop `guarded`.

    Scalars have the training step as their step (an epoch's its last), those of the machine the
    seconds since training began. Each variable's gradient is written once an epoch, the machine's
    use every five seconds: a file that grows all day stays small enough to be copied over and over.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: Any = None
        self._run: Run | None = None
        self._step = 0
        self._gradients: Gradients | None = None
        self._sampled_at = -math.inf
        self._lock = threading.Lock()  # the sampler has a thread of its own
        self.guarded = Guarded(self, "Writing for TensorBoard")

    def started(self, run: Run) -> None:
        """Opens a file of its own and writes what is trained, on which images."""
        if self._file is not None:
            return
        self._run = run
        self._folder.mkdir(parents=True, exist_ok=True)
        # the form that TensorBoard looks for; a resumed run adds a file
        name = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}.0"
        self._file = RecordWriter((self._folder / name).open("ab"))
        source = SourceMetadata(writer="pigeonhole")
        self._write(Event(file_version="brain.Event:2", source_metadata=source))
        self._summary(text_pb("recipe", _as_table(run)))
        rows = run.training.sample(SAMPLES_ACROSS**2)
        if len(rows):
            self._image("training images", _grid(rows.take(slice(None))))
        self._flush()

    def stepped(self, times: StepTimes) -> None:
        """A measured step: its times, loss and gradients."""
        if self._run is not None:
            times = measured(times, self._run.model)
        self._step = times.step
        for name in ("reading", "copying", "computing"):
            self._scalar(f"step seconds/{name}", getattr(times, name))
        if not math.isnan(times.loss):
            self._scalar("step/loss", times.loss)
        if times.gradients:
            self._gradients = Gradients(times.step, times.gradients)
            self._scalar("gradient norm/all", self._gradients.total)

    def epoch_ended(self, epoch: Epoch) -> None:
        """An epoch's losses, accuracies and rate, for everybody to see at once."""
        if self._run is not None:
            self._step = max(self._step, epoch.epoch * self._run.steps_per_epoch)
        self._scalar("loss/training", epoch.train_loss)
        self._scalar("loss/validation", epoch.validation_loss)
        self._scalar("accuracy/training", epoch.train_accuracy)
        self._scalar("accuracy/validation", epoch.validation_accuracy)
        self._scalar("epoch/learning rate", epoch.learning_rate)
        self._scalar("epoch/seconds", epoch.seconds)
        for path, norm in self._gradients.norms.items() if self._gradients else ():
            self._scalar(f"gradient norm/{path}", norm)
        self._flush()

    def sampled(self, sample: Sample) -> None:
        """Use of the machine; hand it to Watch as `listen`. Does nothing before `started`."""
        late = sample.at - self._sampled_at >= SAMPLED_EVERY
        if self._file is None or self.guarded.ended_early or not late:
            return
        self._sampled_at = sample.at
        try:
            at = round(sample.at)
            self._scalar("machine/CPU", sample.cpu, at)
            self._scalar("machine/memory GiB", sample.memory / GIB, at)
            for i, gpu in enumerate(sample.gpus):
                self._scalar(f"machine/GPU {i}", gpu.busy, at)
                self._scalar(f"machine/GPU {i} memory GiB", gpu.memory / GIB, at)
        except Exception as error:  # as Guarded: a full disk must not end the sampling too
            self.guarded.give_up(error)

    def ended(self) -> None:
        """The training is over; `judged` may still come."""
        self._flush()

    def judged(self, labels: Labels, answers: Labels, classes: Sequence[str]) -> None:
        """Held-out rows: accuracy, and the confusion matrix as a picture."""
        if self._file is None or self.guarded.ended_early:
            return
        try:
            self._scalar("accuracy/held out", float((labels == answers).mean()))
            if len(classes) <= MAX_MATRIX:
                self._image("confusion matrix", _confusion(labels, answers, classes))
            self._flush()
        except Exception as error:
            self.guarded.give_up(error)

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            file, self._file = self._file, None
            if file is not None:
                file.close()

    def _scalar(self, tag: str, value: float, step: int | None = None) -> None:
        self._summary(scalar_pb(tag, np.float32(value)), step)

    def _image(self, tag: str, image: PIL.Image.Image) -> None:
        png = io.BytesIO()
        image.save(png, "PNG")
        picture = Summary.Image(
            height=image.height, width=image.width, encoded_image_string=png.getvalue()
        )
        self._summary(Summary(value=[Summary.Value(tag=tag, image=picture)]))

    def _summary(self, summary: Summary, step: int | None = None) -> None:
        self._write(Event(summary=summary, step=self._step if step is None else step))

    def _write(self, event: Event) -> None:
        event.wall_time = time.time()
        with self._lock:
            if self._file is not None:
                self._file.write(event.SerializeToString())

    def _flush(self) -> None:
        with self._lock:
            if self._file is not None:
                self._file.flush()


def _as_table(run: Run) -> str:
    recipe = run.recipe
    rows = {
        "preset": recipe.preset,
        "training rows": f"{len(run.training):,}",
        "validation rows": f"{len(run.validation):,}",
        "classes": len(run.classes),
        "image": "x".join(map(str, run.training.image_shape)),
        "weights": f"{run.model.count_params():,}",
        "epochs": recipe.epochs,
        "batch size": recipe.batch_size,
        "steps per epoch": run.steps_per_epoch,
        "optimizer": recipe.optimizer,
        "learning rate": ", ".join(f"{phase.learning_rate:g}" for phase in recipe.phases),
        "schedule": recipe.schedule,
        "weight decay": recipe.weight_decay,
        "augmentation": ", ".join(recipe.augment) or "none",
        "seed": recipe.seed,
        "backend": run.backend,
        "precision": run.precision,
        "devices": ", ".join(run.devices),
        "hosts": run.hosts,
    }
    lines = [f"| {name} | {value} |" for name, value in rows.items()]
    return "\n".join(["| setting | value |", "|---|---|", *lines])


def _grid(pixels: np.ndarray) -> PIL.Image.Image:
    """Images uint8 `(N, H, W, C)` side by side, each made smaller where it is large."""
    import PIL.Image  # noqa: PLC0415

    _, height, width, channels = pixels.shape
    side = max(height, width)
    scale = min(1.0, SAMPLE_SIDE / side)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    grid = PIL.Image.new("RGB", (SAMPLES_ACROSS * size[0], SAMPLES_ACROSS * size[1]))
    mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[channels]
    for i, one in enumerate(pixels):
        shown = PIL.Image.frombytes(mode, (width, height), one.tobytes()).convert("RGB")
        place = (i % SAMPLES_ACROSS * size[0], i // SAMPLES_ACROSS * size[1])
        grid.paste(shown.resize(size), place)
    return grid


def _confusion(labels: Labels, answers: Labels, classes: Sequence[str]) -> PIL.Image.Image:
    import matplotlib  # noqa: PLC0415
    import PIL.Image  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415
    from sklearn.metrics import ConfusionMatrixDisplay, confusion_matrix  # noqa: PLC0415

    matrix = confusion_matrix(labels, answers, labels=range(len(classes)))
    side = 3 + 0.4 * len(classes)
    with matplotlib.rc_context({"text.parse_math": False}):  # a class may be called `$x$`
        figure = Figure(figsize=(side, side), layout="constrained")
        ConfusionMatrixDisplay(matrix, display_labels=[c[:24] for c in classes]).plot(
            ax=figure.add_subplot(),
            xticks_rotation="vertical",
            colorbar=False,
            include_values=len(classes) <= 20,
        )
        png = io.BytesIO()
        figure.savefig(png, format="png", dpi=80)
    return PIL.Image.open(png)
