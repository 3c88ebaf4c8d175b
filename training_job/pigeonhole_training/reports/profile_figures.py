"""The profile report's charts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup

from pigeonhole_training.reports import html
from pigeonhole_training.watching.profile import GIB, DeadUnits, EpochTimes, Profile

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BARS = 30  # epochs in a chart
POINTS = 240  # samples in a line
PARTS = ("reading", "copying", "computing")


def step_times(profile: Profile) -> Markup:
    """A bar an epoch: what its steps' time went into."""
    times = _fewer(profile.epoch_times)
    if not times:
        return Markup("")
    names = [str(t.epoch) for t in times]

    def draw(axes: Axes) -> None:
        bottom = np.zeros(len(times))
        for part in PARTS:
            heights = np.array([1000 * getattr(t, part) for t in times])
            axes.bar(names, heights, bottom=bottom, label=part, width=0.8)
            bottom += heights
        axes.set_xlabel("epoch")
        axes.set_ylabel("ms a step")
        if len(times) > 12:
            axes.set_xticks(range(0, len(times), max(len(times) // 6, 1)))
        _legend_above(axes)

    last = times[-1]
    told = ", ".join(f"{part} {1000 * getattr(last, part):.2g} ms" for part in PARTS)
    return html.figure(
        html.chart(draw, f"Time of a step by epoch; in epoch {last.epoch}: {told}."),
        "What a step's time goes into: medians of each epoch's measured steps. Reading is "
        "waiting for rows, copying is moving them to the device.",
    )


def _fewer(times: tuple[EpochTimes, ...]) -> tuple[EpochTimes, ...]:
    return times[:: -(-len(times) // BARS)] if times else ()


def processors(profile: Profile) -> Markup:
    """CPU and GPU use over time."""
    samples = profile.samples[:: -(-len(profile.samples) // POINTS) or 1]
    if len(samples) < 2:
        return Markup("")
    at, unit = _times([sample.at for sample in samples])

    def draw(axes: Axes) -> None:
        axes.plot(at, [100 * s.cpu for s in samples], label="CPU", linewidth=1.2)
        axes.plot(at, [100 * s.others for s in samples], label="CPU, others", linewidth=0.8)
        for i in range(min(len(profile.machine.gpus), 2)):
            busy = [100 * s.gpus[i].busy for s in samples]
            axes.plot(at, busy, label=f"GPU {i}", linewidth=1.2)
        axes.set_ylim(0, 105)
        axes.set_xlabel(unit)
        axes.set_ylabel("% busy")
        _legend_above(axes)

    told = f"median CPU use {profile.quantile(0.5, 'cpu'):.0%}"
    caption = "How busy the cores were, with this job and with others"
    gpus = len(profile.machine.gpus)
    if gpus:
        caption += ", and the GPUs"
    if gpus > 2:
        caption += f" (the first two; {gpus - 2} more are in profile.json)"
    return html.figure(html.chart(draw, f"CPU and GPU use over time; {told}."), f"{caption}.")


def memory(profile: Profile) -> Markup:
    """Memory over time, of the host and its GPUs."""
    samples = profile.samples[:: -(-len(profile.samples) // POINTS) or 1]
    if len(samples) < 2:
        return Markup("")
    at, unit = _times([sample.at for sample in samples])

    def draw(axes: Axes) -> None:
        axes.plot(at, [s.memory / GIB for s in samples], label="this job", linewidth=1.4)
        for i in range(min(len(profile.machine.gpus), 2)):
            held = [s.gpus[i].memory / GIB for s in samples]
            axes.plot(at, held, label=f"GPU {i}", linewidth=1.2)
        axes.set_ylim(bottom=0)
        axes.set_xlabel(unit)
        axes.set_ylabel("GiB")
        _legend_above(axes)

    peak, limit = profile.peak_memory / GIB, profile.machine.memory / GIB
    return html.figure(
        html.chart(draw, f"Memory over time; at most {peak:.1f} of {limit:.0f} GiB."),
        f"Memory over time; {peak:.2f} of {limit:.0f} GiB at most, without mapped files."
        + (" The GPU's is what the driver gave away." if profile.machine.gpus else ""),
    )


def gradients(profile: Profile) -> Markup:
    """The norm of all gradients, and of the layers nearest to input and output."""
    shown = [g for g in profile.gradients if np.isfinite(g.total)]
    if len(shown) < 2:
        return Markup("")
    steps = [g.step for g in shown]
    ends = dict.fromkeys((profile.kernels[0], profile.kernels[-1])) if profile.kernels else {}

    def draw(axes: Axes) -> None:
        axes.plot(steps, [g.total for g in shown], label="all", linewidth=1.6)
        for path in ends:
            norms = np.array([g.norms.get(path, np.nan) for g in shown])
            axes.plot(steps, np.where(norms > 0, norms, np.nan), label=_short(path), linewidth=1)
        axes.set_yscale("log")
        # texts are not parsed for mathematics here, so no powers
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.set_xlabel("step")
        axes.set_ylabel("gradient norm")
        _legend_above(axes)

    median = float(np.median([g.total for g in shown]))
    return html.figure(
        html.chart(draw, f"Norm of the gradient over the steps; its median is {median:.2g}."),
        "Norm of the gradient after each measured step: of all weights, of the first layer's and "
        "of the last one's.",
    )


def dead_units(profile: Profile) -> Markup:
    """The share of silent ReLU units after each epoch, of the layers that have most."""
    if not profile.dead_units:
        return Markup("")
    by_layer: dict[str, list[DeadUnits]] = {}
    for unit in profile.dead_units:
        by_layer.setdefault(unit.layer, []).append(unit)
    worst = sorted(by_layer, key=lambda layer: -by_layer[layer][-1].share)[:4]

    def draw(axes: Axes) -> None:
        for layer in worst:
            units = by_layer[layer]
            shares = [100 * u.share for u in units]
            axes.plot([u.epoch for u in units], shares, "o-", label=_short(layer), markersize=3)
        axes.set_ylim(-2, 102)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_xlabel("epoch")
        axes.set_ylabel("% of units silent")
        _legend_above(axes)

    last = by_layer[worst[0]][-1]
    return html.figure(
        html.chart(draw, f"Dead units by epoch; at the end {last.layer} has {last.share:.0%}."),
        f"ReLU units that fire on none of a few fixed training rows, in the layers that have most "
        f"of them ({len(by_layer)} are watched).",
    )


Draw = Callable[[Profile], Markup]
FIGURES: tuple[tuple[str, Draw], ...] = (
    ("Step times", step_times),
    ("Processors", processors),
    ("Memory", memory),
    ("Gradients", gradients),
    ("Dead units", dead_units),
)


def _legend_above(axes: Axes) -> None:
    axes.legend(
        ncols=4,
        fontsize=8,
        loc="lower left",
        bbox_to_anchor=(0, 1),
        borderaxespad=0.2,
        handlelength=1.2,
        columnspacing=1,
    )


def _times(seconds: list[float]) -> tuple[list[float], str]:
    for size, unit in ((3600.0, "hours"), (60.0, "minutes")):
        if seconds[-1] >= 2 * size:
            return [s / size for s in seconds], unit
    return seconds, "seconds"


def _short(path: str) -> str:
    """`base/conv1/kernel` of `pigeonhole/base/conv1/kernel`."""
    return html.short("/".join(path.split("/")[-2:]), 24)
