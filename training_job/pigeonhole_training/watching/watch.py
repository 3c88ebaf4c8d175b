"""Collects the profile of a run while it goes on, and says early what the rules find."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from pigeonhole_training.progress import say
from pigeonhole_training.watching.activations import Probe
from pigeonhole_training.watching.allocator import gpu_peak
from pigeonhole_training.watching.bounded import Bounded
from pigeonhole_training.watching.gradients import measured
from pigeonhole_training.watching.guard import Guarded
from pigeonhole_training.watching.observer import Epoch, Run, StepTimes
from pigeonhole_training.watching.profile import (
    DeadUnits,
    EpochTimes,
    Gradients,
    Machine,
    Profile,
    Sample,
    Settings,
)
from pigeonhole_training.watching.resources import (
    INTERVAL,
    Gpus,
    Meter,
    Sampler,
    describe_machine,
)
from pigeonhole_training.watching.rules import EARLY, judge

MAX_STEPS = 512
MAX_SAMPLES = 1024
MAX_GRADIENTS = 32_768  # norms of single variables
MAX_EPOCHS = 2_000
MAX_DEAD = 4_096  # layers times epochs

# Units are probed after an epoch when the run is older than this and the last probe took less than
# this share of the time since; and once more at the end.
PROBE_AFTER = 5.0  # seconds
PROBE_SHARE = 0.005


class Watch:
    """An Observer that becomes a Profile. Hand the loop `watch.guarded`, which never fails it.

    gpus: None: those that NVML finds
    machine: None: this one, as this process may use it
    interval: seconds between two looks at the machine
    tell: where findings go as soon as they are made, each once
    listen: also gets every sample (TensorBoard does)
    """

    def __init__(
        self,
        *,
        instance_type: str = "",
        machine: Machine | None = None,
        gpus: Gpus | None = None,
        interval: float = INTERVAL,
        tell: Callable[[str], None] = say,
        listen: Callable[[Sample], None] | None = None,
    ) -> None:
        self._gpus = gpus or Gpus()
        self._machine = machine or describe_machine(self._gpus, instance_type)
        self._interval = interval
        self._tell = tell
        self._listen = listen
        self._told: set[str] = set()
        self._notes: list[str] = []
        self._run: Run | None = None
        self._settings: Settings | None = None
        self._sampler: Sampler | None = None
        self._probe: Probe | None = None
        self._start = time.perf_counter()
        self._seconds = 0.0
        self._steps: Bounded[StepTimes] = Bounded(MAX_STEPS)
        self._samples: Bounded[Sample] = Bounded(MAX_SAMPLES)
        self._gradients: Bounded[Gradients] = Bounded(MAX_STEPS)
        self._epochs: Bounded[Epoch] = Bounded(MAX_EPOCHS)
        self._times: Bounded[EpochTimes] = Bounded(MAX_EPOCHS)
        self._dead: Bounded[tuple[DeadUnits, ...]] = Bounded(2)
        self._last_dead: tuple[DeadUnits, ...] = ()
        self._next_probe = 0.0
        self._widest = 0
        self._of_epoch: Bounded[StepTimes] = Bounded(MAX_STEPS)
        self._broken: StepTimes | None = None
        self._peak_memory = 0
        self._gpu_peak: tuple[int, ...] = ()
        self._sizes: dict[str, int] = {}
        self._kernels: set[str] = set()
        self.guarded = Guarded(self, "Watching the run", tell)

    def started(self, run: Run) -> None:
        """Begins to sample the machine. Called again, it goes on with the same profile."""
        if self._run is None:
            self._settings = _settings(run)
            self._start = time.perf_counter()
            self._next_probe = self._start + PROBE_AFTER
            meter = Meter(self._machine.cpus, self._gpus)
            self._sampler = Sampler(meter, self._sampled, self.guarded.give_up, self._interval)
        self._run = run
        self._know_variables(run)
        self._probe = Probe(run.model, run.training)
        if not self._probe.layers:
            self._note("The network has no ReLU layers that could be watched for dead units.")
        self._dead = Bounded(max(MAX_DEAD // max(self._probe.layers, 1), 2))

    def stepped(self, times: StepTimes) -> None:
        """Keeps a measured step."""
        if self._run is not None:
            times = measured(times, self._run.model)
        if not self._sizes.keys() >= times.gradients.keys() and self._run is not None:
            self._know_variables(self._run)
        self._steps.add(times)
        self._of_epoch.add(replace(times, gradients={}))
        if times.gradients:
            self._keep_gradients(times)
        finite = all(map(math.isfinite, times.gradients.values())) and not math.isinf(times.loss)
        if not finite and self._broken is None:
            self._broken = times
            self._say_early()  # the run may be over before its epoch is

    def epoch_ended(self, epoch: Epoch) -> None:
        """Keeps the epoch, counts dead units, and says what the rules find by now."""
        self._epochs.add(epoch)
        if self._of_epoch:
            self._times.add(_usual(epoch.epoch, self._of_epoch.entries))
            self._of_epoch = Bounded(MAX_STEPS)
        if time.perf_counter() >= self._next_probe:
            self._count_dead(epoch.epoch)
        self._say_early()

    def ended(self) -> None:
        """Counts dead units in the weights that are kept, and ends the sampling."""
        self.close()
        self._seconds = time.perf_counter() - self._start
        if self._epochs:
            self._count_dead(self._epochs.entries[-1].epoch)
        self._gpu_peak = gpu_peak()

    def close(self) -> None:
        """Ends the sampling of a run that failed."""
        if self._sampler is not None:
            self._sampler.close()
            self._sampler = None
        self._gpus.close()

    def profile(self, recall: Mapping[str, float] | None = None) -> Profile | None:
        """The profile, judged by all rules; None when no run was seen.

        recall: by class on held-out rows, where it is known
        """
        if self._settings is None:
            return None
        if self.guarded.ended_early:
            self._note("Watching ended early; the log says why.")
        profile = replace(self._collected(), recall=dict(recall or {}))
        return profile.with_findings(judge(profile))

    def _collected(self) -> Profile:
        if self._settings is None:
            raise RuntimeError("no run has started")
        return Profile(
            settings=self._settings,
            machine=self._machine,
            steps=self._steps.entries,
            epoch_times=self._times.entries,
            epochs=self._epochs.entries,
            samples=self._samples.entries,
            peak_memory=self._peak_memory,
            gpu_peak=self._gpu_peak,
            gradients=self._gradients.entries,
            broken=self._broken,
            sizes=dict(self._sizes),
            kernels=tuple(path for path in self._sizes if path in self._kernels),
            dead_units=self._dead_units(),
            seconds=self._seconds or time.perf_counter() - self._start,
            notes=tuple(self._notes),
        )

    def _say_early(self) -> None:
        for finding in judge(self._collected(), EARLY):
            if finding.rule not in self._told and finding.severity != "info":
                self._told.add(finding.rule)
                self._tell(f"Watching: {finding.seen} {finding.do}")

    def _count_dead(self, epoch: int) -> None:
        if self._probe is None or not self._probe.layers:
            return
        began = time.perf_counter()
        self._last_dead = self._probe.count(epoch)
        self._dead.add(self._last_dead)
        ended = time.perf_counter()
        self._next_probe = ended + (ended - began) / PROBE_SHARE

    def _dead_units(self) -> tuple[DeadUnits, ...]:
        """Those that are kept, and always the last."""
        if not self._last_dead:
            return ()
        last = self._last_dead[0].epoch
        kept = (unit for units in self._dead.entries for unit in units if unit.epoch < last)
        return (*kept, *self._last_dead)

    def _keep_gradients(self, times: StepTimes) -> None:
        if len(times.gradients) > self._widest:  # the first, or a phase that trains more
            self._widest = len(times.gradients)
            before = self._gradients.entries
            limit = min(max(MAX_GRADIENTS // self._widest, 8), MAX_STEPS)
            self._gradients = Bounded(limit)
            for entry in before:
                self._gradients.add(entry)
        self._gradients.add(Gradients(times.step, times.gradients))

    def _know_variables(self, run: Run) -> None:
        for variable in run.model.trainable_variables:
            self._sizes[variable.path] = math.prod(variable.shape)
            if len(variable.shape) > 1:
                self._kernels.add(variable.path)

    def _sampled(self, sample: Sample) -> None:
        self._samples.add(sample)
        self._peak_memory = max(self._peak_memory, sample.memory)
        if self._listen is not None:
            self._listen(sample)

    def _note(self, sentence: str) -> None:
        if sentence not in self._notes:
            self._notes.append(sentence)


def _settings(run: Run) -> Settings:
    counts = np.bincount(run.training.labels, minlength=len(run.classes))
    return Settings(
        preset=run.recipe.preset,
        backend=run.backend,
        devices=run.devices,
        hosts=run.hosts,
        precision=run.precision,
        batch_size=run.recipe.batch_size,
        label_smoothing=run.recipe.label_smoothing,
        steps_per_epoch=run.steps_per_epoch,
        training_rows=len(run.training),
        validation_rows=len(run.validation),
        rows_on_device=run.rows_on_device,
        class_rows=dict(zip(run.classes, counts.tolist(), strict=True)),
    )


def _usual(epoch: int, steps: Sequence[StepTimes]) -> EpochTimes:
    return EpochTimes(
        epoch,
        len(steps),
        float(np.median([s.reading for s in steps])),
        float(np.median([s.copying for s in steps])),
        float(np.median([s.computing for s in steps])),
    )
