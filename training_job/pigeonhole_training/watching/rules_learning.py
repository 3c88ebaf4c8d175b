"""Rules about what the network learns: loss, gradients, units, classes."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from pigeonhole_training.watching.profile import Finding, Gradients, Profile

# Debugger's Overfit fires when (validation loss - training loss) / training loss is over 0.1 at one
# step. A loss near zero makes that ratio large in runs that are well, so ours compares the
# validation loss with its own lowest value, and accuracies with each other.
OVERFIT_RATIO = 0.1
OVERFIT_GAP = 0.1  # of accuracy between training and validation rows
OVERFIT_ERRORS = 3.0  # standard errors that the gap must be over, so that few rows prove nothing

# Debugger's LossNotDecreasing compares with the loss 10 steps before; ours with the loss of a
# network that has learnt the classes' shares and nothing else.
LEARNT_NOTHING = 0.98
FALLEN_LITTLE = 0.99  # of the first epoch's loss
LOSS_EPOCHS = 3

# Debugger's VanishingGradient: mean absolute value below 1e-7. The root of the mean square, which
# is what a norm tells, is never below it.
VANISHING = 1e-7
# In a run that has learnt its rows by heart all gradients are small; a layer that gets none while
# others do is something else.
VANISHING_BESIDE = 1e-3

# Debugger's ExplodingTensor: NaN or infinite. Ours also fires before it comes to that.
EXPLODING = 1e3  # times the median norm
EXPLODING_STEPS = 8  # measured steps that make a median
EXPLODING_NORM = 1e3  # no run is well with such a norm, wherever it came from

# Debugger's DeadRelu: threshold_layer, 50 % of a layer's units.
DEAD_SHARE = 0.5

# Debugger's ClassImbalance: threshold_imbalance 10, threshold_misprediction 0.7.
IMBALANCE = 10.0
MISPREDICTED = 0.7


def overfitting(profile: Profile) -> Finding | None:
    """Validation loss rises again while training loss falls on, or the best epoch is much better
    on training rows than on validation rows."""
    best = profile.best
    if best is None or loss_not_falling(profile) is not None:
        return None  # who has learnt nothing has not learnt too much
    do = (
        "The weights of the best epoch are kept, so later ones only cost time. More or more varied "
        "training rows help most; else fewer epochs, a preset that changes its images at random or "
        "has more dropout or weight decay, or a smaller network."
    )
    rows = max(profile.settings.validation_rows, 1)
    error = math.hypot(
        _standard_error(best.train_accuracy, profile.settings.training_rows),
        _standard_error(best.validation_accuracy, rows),
    )
    gap = best.train_accuracy - best.validation_accuracy
    if gap > OVERFIT_GAP and gap > OVERFIT_ERRORS * error:
        return Finding(
            "overfitting",
            "warning",
            f"In the best epoch ({best.epoch}) {best.train_accuracy:.1%} of the training rows were "
            f"right, but {best.validation_accuracy:.1%} of the {rows:,} validation rows.",
            do,
            "overfitting",
        )
    last = profile.epochs[-1]
    rose = last.validation_loss / best.validation_loss - 1 if best.validation_loss > 0 else 0.0
    if last.epoch > best.epoch and rose > OVERFIT_RATIO and last.train_loss < best.train_loss:
        return Finding(
            "overfitting",
            "info",
            f"After epoch {best.epoch} the validation loss rose by {rose:.0%}, from "
            f"{best.validation_loss:.3f} to {last.validation_loss:.3f}, while the training loss "
            f"fell from {best.train_loss:.3f} to {last.train_loss:.3f}.",
            do,
            "overfitting",
        )
    return None


def _standard_error(accuracy: float, rows: int) -> float:
    return math.sqrt(max(accuracy * (1 - accuracy), 0.0) / max(rows, 1))


def loss_not_falling(profile: Profile) -> Finding | None:
    """The training loss is that of guessing by the classes' shares, or hardly below the first."""
    if not profile.epochs or profile.epochs[0].epoch != 1:
        return None  # a run that was resumed has not shown where it began
    losses = [epoch.train_loss for epoch in profile.epochs]
    lowest = min(losses)
    guessing = _loss_of_guessing(profile)
    do = (
        "Look at some rows with their labels in the data report. If they fit, change the learning "
        "rate by a factor of ten, up if the loss creeps, down if it jumps, or begin with the "
        "preset's own."
    )
    if guessing > 0 and lowest > LEARNT_NOTHING * guessing:
        return Finding(
            "loss_not_falling",
            "bad",
            f"The lowest training loss was {lowest:.4f}; guessing by the classes' shares has "
            f"{guessing:.4f}. The network has learnt next to nothing.",
            do,
            "loss-not-falling",
        )
    if len(losses) >= LOSS_EPOCHS and lowest > FALLEN_LITTLE * losses[0]:
        return Finding(
            "loss_not_falling",
            "warning",
            f"The training loss was {losses[0]:.4f} in the first epoch and never below "
            f"{lowest:.4f} in the {len(losses) - 1} after it.",
            do,
            "loss-not-falling",
        )
    return None


def _loss_of_guessing(profile: Profile) -> float:
    """The cross-entropy of always answering the classes' shares, labels smoothed as in training."""
    counts = profile.settings.class_rows.values()
    total = sum(counts)
    if not total:
        return 0.0
    smoothing = profile.settings.label_smoothing
    shares = [(1 - smoothing) * n / total + smoothing / len(counts) for n in counts]
    return -sum(share * math.log(share) for share in shares if share > 0)


def exploding_gradients(profile: Profile) -> Finding | None:
    """A gradient or a loss that is not finite, or a norm far beyond the usual."""
    do = (
        "Use a smaller learning rate or a longer warm-up. If it happens from the first step, the "
        "network's initial weights are too large for its depth: normalise between its layers."
    )
    if profile.broken is not None:
        wrong = [path for path, norm in profile.broken.gradients.items() if not math.isfinite(norm)]
        what = f"the gradient of {_named(wrong)}" if wrong else "the loss"
        return Finding(
            "exploding_gradients",
            "bad",
            f"At step {profile.broken.step} {what} was no longer a finite number.",
            do,
            "exploding-gradients",
        )
    norms = [(g.total, g) for g in profile.gradients if math.isfinite(g.total)]
    if len(norms) < EXPLODING_STEPS:
        return None
    median = statistics.median(norm for norm, _ in norms)
    largest, at = max(norms, key=lambda pair: pair[0])
    if median > EXPLODING_NORM or (median > 0 and largest > EXPLODING * max(median, 1e-3)):
        path = max(at.norms, key=lambda p: at.norms[p])
        return Finding(
            "exploding_gradients",
            "warning",
            f"The gradient's norm was {largest:.3g} at step {at.step}, most of it in {path}; over "
            f"the {len(norms)} steps that were measured its median is {median:.3g}.",
            do,
            "exploding-gradients",
        )
    return None


def vanishing_gradients(profile: Profile) -> Finding | None:
    """Weights whose gradient is next to zero while others' is not, at most measured steps."""
    steps = [g for g in profile.gradients if math.isfinite(g.total)]
    kernels = [path for path in profile.kernels if profile.sizes.get(path)]
    seen = {path: _mean_square(profile, steps, path) for path in kernels}
    usual = {path: statistics.median(values) for path, values in seen.items() if values}
    if len(usual) < 2:
        return None
    largest = max(usual.values())
    vanished = [
        path
        for path in usual
        if usual[path] < VANISHING and usual[path] < VANISHING_BESIDE * largest
    ]
    if not vanished:
        return None
    worst = min(vanished, key=lambda path: usual[path])
    return Finding(
        "vanishing_gradients",
        "warning",
        f"{len(vanished)} of {len(usual)} layers' weights get next to no gradient: {worst} has "
        f"{usual[worst]:.1g} a weight at half of the measured steps, where the largest has "
        f"{largest:.1g}. They stay as they were at the start.",
        "Use ReLU in place of sigmoid or tanh, batch normalisation between the layers, shortcuts "
        "around them, or fewer layers. If dead units are reported too, begin there.",
        "vanishing-gradients",
    )


def _mean_square(profile: Profile, steps: Sequence[Gradients], path: str) -> list[float]:
    root = math.sqrt(profile.sizes[path])
    # a layer of a base that stood still at first has gradients later
    return [step.norms[path] / root for step in steps if path in step.norms]


def dead_units(profile: Profile) -> Finding | None:
    """A layer more than half of whose ReLU units fire on next to no probe row, after the last
    epoch."""
    if not profile.dead_units:
        return None
    last = profile.dead_units[-1].epoch
    dead = [u for u in profile.dead_units if u.epoch == last and u.share > DEAD_SHARE]
    if not dead:
        return None
    worst = max(dead, key=lambda u: u.share)
    return Finding(
        "dead_units",
        "warning",
        f"After epoch {last}, {worst.dead} of the {worst.units} units of {worst.layer} "
        f"({worst.share:.0%}) fire on less than 1% of the rows that were looked at"
        + (
            f"; {len(dead)} layers have more than {DEAD_SHARE:.0%} such units." if dead[1:] else "."
        ),
        "Use a smaller learning rate or a longer warm-up: large steps push units where they fire "
        "for no row and get no gradient. Batch normalisation before the ReLU, or a leaky ReLU, "
        "keeps them alive. If it is one wide layer and accuracy is good, make it narrower.",
        "dead-units",
    )


def class_imbalance(profile: Profile) -> Finding | None:
    """A class with less than a tenth of the largest one's training rows."""
    rows = profile.settings.class_rows
    if len(rows) < 2:
        return None
    largest, smallest = max(rows, key=lambda c: rows[c]), min(rows, key=lambda c: rows[c])
    if rows[largest] <= IMBALANCE * rows[smallest]:
        return None
    few = [name for name in rows if rows[largest] > IMBALANCE * rows[name]]
    missed = [name for name in few if profile.recall.get(name, 1.0) < 1 - MISPREDICTED]
    seen = f"{largest} has {rows[largest]:,} training rows, {smallest} {rows[smallest]:,}"
    if len(few) > 1:
        seen += f"; {len(few)} classes have less than a tenth of {largest}'s"
    if missed:
        told = ", ".join(f"{name} ({profile.recall[name]:.0%} found)" for name in missed[:3])
        seen += f". It shows in the answers: {told}"
    return Finding(
        "class_imbalance",
        "warning" if missed else "info",
        f"{seen}.",
        "Add rows of the rare classes; rows that are copies of others do not count. Judge the "
        "model by each class' recall, not by accuracy.",
        "class-imbalance",
    )


def _named(paths: Sequence[str]) -> str:
    return paths[0] if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} others"
