"""The evaluation report's charts, tables and pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from pigeonhole_training.reports import html, pictures, style
from pigeonhole_training.reports.findings import Findings
from pigeonhole_training.reports.words import count, percent, sentence

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BARS = 30  # classes in a chart
TABLE = 25  # classes in a table
CELLS = 20  # classes in a matrix with numbers
PAIRS = 12
EXAMPLES = 24


def classes(findings: Findings) -> Markup:
    """Precision, recall and F1 of each class."""
    own = findings.evaluation["challenger"]
    names = [n for n in findings.classes if n in own["recall"]]
    names.sort(key=lambda n: own["f1"].get(n, 0.0))
    unjudged = len(findings.classes) - len(names)
    held = dict(zip(findings.classes, _held(findings).tolist(), strict=True))
    rows = [
        (
            html.short(name),
            held[name],
            *(_rounded(own[what].get(name)) for what in ("precision", "recall", "f1")),
        )
        for name in names[:TABLE]
    ]
    some = (
        f", the {TABLE} weakest of {len(names):,}" if len(names) > TABLE else ", the weakest first"
    )
    parts = [
        html.figure(
            _class_chart(own, names) if len(names) <= BARS else _recall_spread(own, names),
            "Recall: how many of a class are found. Precision: how many answers of that class are "
            "right. High recall and low precision: the class is named too often."
            if len(names) <= BARS
            else "How many classes have which recall (how many of a class are found).",
        ),
        html.table(("class", "rows", "precision", "recall", "F1"), rows, f"Classes{some}"),
    ]
    if unjudged:
        text = f"{count(unjudged, 'class')} without held-out rows."
        parts.append(html.paragraph(text))
    more = Markup("All of them: {}.").format(html.link("evaluation/per_class.csv", "per_class.csv"))
    return html.subsection("Classes", html.figures(*parts, wide=True), html.paragraph(more))


def _held(findings: Findings) -> NDArray[np.int64]:
    return np.bincount(findings.split.heldout.labels, minlength=len(findings.classes))


def _rounded(value: float | None) -> str | None:
    return None if value is None else f"{value:.3f}"


def _class_chart(own: dict[str, Any], names: list[str]) -> Markup:
    def draw(axes: Axes) -> None:
        places = np.arange(len(names))
        precision = [100 * own["precision"].get(n, np.nan) for n in names]
        recall = [100 * own["recall"][n] for n in names]
        low, high = np.fmin(precision, recall), np.fmax(precision, recall)
        axes.hlines(places, low, high, color=style.FAINT, linewidth=1.5)
        axes.plot(precision, places, "s", color=style.BLUE, label="precision", markersize=5)
        axes.plot(recall, places, "o", color=style.ORANGE, label="recall", markersize=5)
        axes.set_yticks(places, [html.short(n, 18) for n in names])
        axes.invert_yaxis()
        axes.set_xlim(min(75.0, 5 * (float(np.nanmin(low)) // 5) - 2), 101)
        axes.set_xlabel("%")
        axes.figure.legend(loc="outside upper left", ncols=2, handlelength=1.0)

    words = ", ".join(f"{html.short(n)} {percent(own['recall'][n], 0)}" for n in names)
    return html.chart(draw, f"Recall by class: {words}.", height=0.8 + 0.2 * len(names))


def _recall_spread(own: dict[str, Any], names: list[str]) -> Markup:
    recall = np.array([100 * own["recall"][n] for n in names])

    def draw(axes: Axes) -> None:
        axes.hist(recall, bins=20, range=(0, 100), color=style.BLUE)
        axes.set(xlabel="recall, %", ylabel="classes", xlim=(0, 100))

    return html.chart(draw, f"Recall of {len(names)} classes, median {np.median(recall):.0f}%.")


def confusion(findings: Findings) -> Markup:
    """What is taken for what."""
    document = findings.evaluation["confusion"]
    names, counts = findings.classes, document["counts"]
    pairs = html.table(
        ("truth", "answer", "rows"),
        [
            (html.short(p["truth"]), html.short(p["answer"]), int(p["rows"]))
            for p in document["commonest"][:PAIRS]
        ],
        "The commonest mistakes",
    )
    if not document["commonest"]:
        pairs = html.paragraph("No held-out row was answered wrongly.")
    links = html.paragraph(
        Markup("All of them: {}.").format(html.link("evaluation/mistakes.csv", "mistakes.csv"))
    )
    if counts is None:
        text = (
            f"A matrix of {len(names):,} classes would show nothing; these are its largest cells."
        )
        return html.subsection("Confusion", html.paragraph(text), pairs, links)
    matrix = np.array(counts)
    whole = _matrix_table(matrix, names) if len(names) <= CELLS else _matrix_chart(matrix)
    caption = (
        "Held-out rows by their class (lines) and the answer (columns). What is off the diagonal "
        "is wrong; the darker, the larger its share of the line."
    )
    return html.subsection(
        "Confusion matrix",
        html.figures(html.figure(whole, caption), html.join([pairs, links]), wide=True),
    )


def _matrix_table(matrix: NDArray[np.int64], names: tuple[str, ...]) -> Markup:
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    head = html.join(
        Markup('<th scope="col"><span>{}</span></th>').format(html.short(n, 14)) for n in names
    )
    lines = []
    for i, name in enumerate(names):
        cells = html.join(
            Markup('<td class="{}" style="--share:{}%">{}</td>').format(
                "right" if i == j else "wrong" if matrix[i, j] else "none",
                f"{100 * shares[i, j]:.0f}",
                f"{matrix[i, j]:,}" if matrix[i, j] else "·",
            )
            for j in range(len(names))
        )
        lines.append(
            Markup('<tr><th scope="row">{}</th>{}</tr>').format(html.short(name, 18), cells)
        )
    return Markup(
        '<div class="scroll" tabindex="0" role="region" aria-label="Confusion matrix">'
        '<table class="matrix"><caption class="hidden">Confusion matrix: lines are the truth, '
        "columns the answer</caption>"
        "<thead><tr><td></td>{}</tr></thead><tbody>{}</tbody></table></div>"
    ).format(head, html.join(lines))


def _matrix_chart(matrix: NDArray[np.int64]) -> Markup:
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)

    def draw(axes: Axes) -> None:
        # a colour and its strength, not a colour map: it reads on a light and on a dark ground
        image = np.zeros((*shares.shape, 4))
        image[..., :3] = np.array([213, 94, 0]) / 255
        image[..., 3] = np.sqrt(shares)
        diagonal = np.arange(len(shares))
        image[diagonal, diagonal, :3] = np.array([0, 114, 178]) / 255
        axes.imshow(image, interpolation="nearest")
        axes.grid(visible=False)
        axes.set(xlabel="answer, by the class' number", ylabel="truth")

    right = np.diagonal(matrix).sum() / max(matrix.sum(), 1)
    text = f"Confusion matrix of {len(matrix)} classes; {percent(float(right))} on the diagonal."
    return html.chart(draw, text, height=style.WIDTH)


def wrong(findings: Findings, order: NDArray[np.int64]) -> Markup:
    """The worst mistakes, with picture and probabilities."""
    if not len(order):
        text = "No held-out row was answered wrongly."
        return html.subsection("Most wrong predictions", html.paragraph(text))
    held = findings.split.heldout
    shown = order[:EXAMPLES]
    cards = [
        _wrong_card(findings, int(row), image)
        for row, image in zip(shown, held.take(shown), strict=True)
    ]
    link = html.link("evaluation/predictions.csv", "predictions.csv")
    return html.subsection(
        "Most wrong predictions",
        html.paragraph(
            Markup(
                "Of {:,} mistakes, those whose true class the model thought least likely. A "
                "wrong label, a bad picture, or a kind of picture that training lacks? All: {}."
            ).format(len(order), link)
        ),
        html.cards(cards, first=9),
    )


def _wrong_card(findings: Findings, row: int, image: NDArray[np.uint8]) -> Markup:
    names, probabilities = findings.classes, findings.heldout[row]
    truth = int(findings.split.heldout.labels[row])
    best = [int(i) for i in np.argsort(-probabilities, kind="stable")[:3]]
    if truth not in best:
        best.append(truth)
    bars = html.join(
        Markup("<li{}>{}</li>").format(
            Markup(' class="truth"') if index == truth else "",
            html.bar(
                float(probabilities[index]),
                f"{html.short(names[index], 24)} {percent(float(probabilities[index]), 0)}",
            ),
        )
        for index in best
    )
    name = html.short(names[truth])
    return Markup(
        '{}<div><p>is <b>{}</b></p><ul class="bars">{}</ul><small>{}</small></div>'
    ).format(
        pictures.shown(image, f"Held-out image of {name}, answered {html.short(names[best[0]])}"),
        name,
        bars,
        html.short(findings.split.heldout.origin(row) or f"held-out row {row + 1}", 90),
    )


def curves(findings: Findings) -> Markup:
    """Loss, accuracy and learning rate by epoch."""
    epochs = findings.epochs
    if not epochs:
        return html.subsection("Learning curves", html.paragraph("No epoch was recorded."))
    number = [e.epoch for e in epochs]
    best = next((e for e in epochs if e.epoch == findings.best_epoch), epochs[-1])

    def two(train: list[float], validation: list[float], what: str) -> Markup:
        def draw(axes: Axes) -> None:
            marker = "o" if len(epochs) < 20 else ""
            axes.plot(number, train, "-" + marker, label="training", markersize=3)
            axes.plot(number, validation, "--" + marker, label="validation", markersize=3)
            _epochs_axis(axes, best.epoch)
            axes.set_ylabel(what)
            axes.legend()

        return html.chart(
            draw,
            f"{what} by epoch: training from {train[0]:.4g} to {train[-1]:.4g}, "
            f"validation from {validation[0]:.4g} to {validation[-1]:.4g}.",
        )

    def rate(axes: Axes) -> None:
        axes.plot(number, [e.learning_rate for e in epochs], "-o", color=style.GREEN, markersize=3)
        _epochs_axis(axes, best.epoch)
        axes.set_ylabel("learning rate")
        axes.ticklabel_format(axis="y", style="sci", scilimits=(-3, 3))

    seconds = sum(e.seconds for e in epochs)
    return html.subsection(
        "Learning curves",
        html.paragraph(
            f"{count(len(epochs), 'epoch')} in {seconds:,.0f} s; the weights of epoch {best.epoch} "
            f"are kept (dotted line): validation loss {best.validation_loss:.4f}, accuracy "
            f"{percent(best.validation_accuracy)}."
        ),
        html.figures(
            html.figure(
                two([e.train_loss for e in epochs], [e.validation_loss for e in epochs], "loss"),
                "Both should fall. Validation that rises while training falls: the model learns "
                "the rows by heart. Augmented training images can make training the higher one.",
            ),
            html.figure(
                two(
                    [100 * e.train_accuracy for e in epochs],
                    [100 * e.validation_accuracy for e in epochs],
                    "accuracy, %",
                ),
                "Still rising at the end: more epochs may help. Flat from early on: fewer will do.",
            ),
            html.figure(
                html.chart(rate, f"Learning rate at the end of each of {len(epochs)} epochs."),
                "The learning rate at the end of each epoch.",
            ),
        ),
    )


def _epochs_axis(axes: Axes, best: int) -> None:
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415

    axes.axvline(best, color=style.INK, linestyle=":", linewidth=1)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.set_xlabel("epoch")


def calibration(findings: Findings) -> Markup:
    """How far probabilities can be believed."""
    document = findings.evaluation["calibration"]
    before, after = document["before"], document["after"]

    def draw(axes: Axes) -> None:
        axes.plot([0, 100], [0, 100], ":", color=style.INK, linewidth=1, label="perfect")
        for name, one, line in (("before", before, "--s"), ("after", after, "-o")):
            filled = [b for b in one["bins"] if b["rows"]]
            axes.plot(
                [100 * b["confidence"] for b in filled],
                [100 * b["accuracy"] for b in filled],
                line,
                label=f"{name} calibration",
                markersize=4,
            )
        axes.set(xlabel="confidence, %", ylabel="right, %", xlim=(0, 101), ylim=(0, 101))
        axes.legend(loc="upper left")

    def weights(axes: Axes) -> None:
        bins = after["bins"]
        width = 100 * (bins[0]["to"] - bins[0]["from"])
        axes.bar(
            [100 * b["from"] for b in bins],
            [b["rows"] for b in bins],
            width=0.92 * width,
            align="edge",
            color=style.BLUE,
        )
        axes.set(xlabel="confidence, %", ylabel="held-out rows", xlim=(0, 101))

    return html.subsection(
        "Calibration",
        html.paragraph(
            f"Temperature {document['temperature']:.3g}, fitted on {document['rows']:,} validation "
            f"rows. Calibration error {percent(before['ece'])} before, {percent(after['ece'])} "
            f"after; log loss {before['log_loss']:.4f} before, {after['log_loss']:.4f} after."
        ),
        html.figures(
            html.figure(
                html.chart(
                    draw,
                    f"Reliability: calibration error {percent(after['ece'])} after calibration.",
                    height=3.4,
                ),
                "Of the answers given with a confidence of 80%, are 80% right? Below the dotted "
                "line the model is too sure of itself. Points of few rows jump.",
            ),
            html.figure(
                html.chart(weights, "How many held-out rows were answered with which confidence."),
                "How sure the answers are: the rows behind each point of the other figure.",
            ),
        ),
    )


def export(findings: Findings) -> Markup:
    """What was exported, and what else was tried."""
    document = findings.evaluation.get("export")
    if not document:
        return Markup("")
    speeds = sorted({n for c in document["candidates"] for n in c["images_per_second"]}, key=int)
    rows = [
        (
            c["precision"] + (" (exported)" if c["precision"] == document["precision"] else ""),
            f"{c['bytes'] / 1e6:,.2f} MB",
            None if c["accuracy"] is None else percent(c["accuracy"], 2),
            *(
                round(c["images_per_second"][n]) if n in c["images_per_second"] else None
                for n in speeds
            ),
        )
        for c in document["candidates"]
    ]
    columns = ("precision", "size", "accuracy", *(f"images/s, {n} a call" for n in speeds))
    return html.subsection(
        "The exported model",
        html.paragraph(sentence(document["reason"])),
        html.table(columns, rows, "Precisions that were tried"),
        html.paragraph("Speeds are the training machine's, on one thread."),
    )
