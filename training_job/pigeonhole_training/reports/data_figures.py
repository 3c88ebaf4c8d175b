"""The data report's charts and pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from pigeonhole_training.data.rows import Rows
from pigeonhole_training.reports import data_numbers as numbers
from pigeonhole_training.reports import html, oddities, pictures, style
from pigeonhole_training.reports.data_look import DataLook
from pigeonhole_training.reports.findings import Findings
from pigeonhole_training.reports.sides import Sides

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BARS = 30  # classes in a bar chart
GRIDS = 40  # classes with samples
SAMPLES = 12  # of a class
MEAN_ROWS = 200  # of a class
EXAMPLES = 24  # pictures of a kind
GROUPS = 12


def balance(found: numbers.Balance, classes: tuple[str, ...]) -> Markup:
    """Bars for up to `BARS` classes; else the counts in falling order, and the ends as a table."""
    total = found.total
    order = np.argsort(-total, kind="stable")
    if len(classes) <= BARS:
        return html.subsection(
            "Class balance",
            html.figure(
                _balance_bars(found, classes),
                "Rows of each class. A class of few rows is learnt worse and judged more roughly.",
            ),
            html.details("As a table", _balance_table(found, classes, range(len(classes)))),
        )

    def draw(axes: Axes) -> None:
        axes.fill_between(np.arange(1, len(total) + 1), total[order], color=style.BLUE, alpha=0.5)
        axes.plot(np.arange(1, len(total) + 1), total[order], color=style.BLUE)
        axes.set(xlabel="classes, the largest first", ylabel="rows", ylim=(0, None))

    ends = [*order[:10], *order[-10:]]
    median = float(np.median(total))
    return html.subsection(
        "Class balance",
        html.figure(
            html.chart(
                draw,
                f"Rows of {len(classes)} classes in falling order: from {total.max()} "
                f"to {total.min()}, median {median:.0f}.",
            ),
            f"Rows of each of {len(classes):,} classes, in falling order. A steep fall at the left "
            "or a long flat tail means that some classes dominate.",
        ),
        html.details("The ten largest and the ten smallest", _balance_table(found, classes, ends)),
        html.paragraph(
            Markup("All of them: {}.").format(html.link("data/balance.csv", "balance.csv"))
        ),
    )


def _balance_bars(found: numbers.Balance, classes: tuple[str, ...]) -> Markup:
    def draw(axes: Axes) -> None:
        left = np.zeros(len(classes))
        for name, counts in found.counts.items():
            axes.barh(np.arange(len(classes)), counts, left=left, label=name, height=0.75)
            left += counts
        axes.set_yticks(np.arange(len(classes)), [html.short(name, 18) for name in classes])
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("rows")
        axes.locator_params(axis="x", nbins=5, integer=True)
        axes.figure.legend(loc="outside upper left", ncols=3, handlelength=1.0, columnspacing=1.2)

    words = ", ".join(
        f"{html.short(name)} {count}" for name, count in zip(classes, found.total, strict=True)
    )
    return html.chart(draw, f"Rows by class: {words}.", height=0.7 + 0.2 * len(classes))


def _balance_table(
    found: numbers.Balance, classes: tuple[str, ...], which: range | list[int]
) -> Markup:
    return html.table(
        ("class", *found.counts, "all"),
        (
            (
                html.short(classes[i]),
                *(int(c[i]) for c in found.counts.values()),
                int(found.total[i]),
            )
            for i in which
        ),
        "Rows by class and use",
    )


def samples(findings: Findings) -> Markup:
    """Up to `SAMPLES` training images of each class and their mean."""
    classes, training = findings.classes, findings.split.training
    shown = _shown_classes(findings)
    cards = [_sample_card(training, index, html.short(classes[index])) for index in shown]
    few = (
        f" These are the {len(shown)} of {len(classes):,} classes that the model finds hardest."
        if len(shown) < len(classes)
        else ""
    )
    return html.subsection(
        "Samples of each class",
        html.paragraph(
            "Training images drawn at random, and the mean image of the class. Is anything in the "
            "wrong place, cut off, upside down or inverted? A sharp mean image means that the "
            f"class' images are alike.{few}"
        ),
        html.cards(cards),
    )


def _shown_classes(findings: Findings) -> list[int]:
    count = len(findings.classes)
    if count <= GRIDS:
        return list(range(count))
    labels = findings.split.heldout.labels
    right = findings.heldout.argmax(axis=1) == labels
    known = np.bincount(labels, minlength=count)
    recall = np.bincount(labels, right, count) / np.maximum(known, 1)
    recall[known == 0] = 2.0
    return np.sort(np.argsort(recall, kind="stable")[:GRIDS]).tolist()


def _sample_card(training: Rows, index: int, name: str) -> Markup:
    mine = training.where(training.labels == index)
    heading = Markup("<h4>{}</h4>").format(name)
    if not len(mine):
        return html.join([heading, html.paragraph("No training rows.")])
    some = mine.sample(MEAN_ROWS, seed=index)
    pixels = some.take(slice(None))
    order = np.random.default_rng(index).permutation(len(pixels))[:SAMPLES]
    mean = pictures.as_image(pixels.mean(axis=0, dtype=np.float64))
    return Markup(
        '{}<div class="sample">{}<span class="mean">{}<small>mean</small></span></div>'
    ).format(
        heading,
        pictures.strip(pixels[order], f"{len(order)} training images of {name}"),
        pictures.shown(mean, f"Mean of {len(pixels)} training images of {name}", pictures.TILE),
    )


def pixels(found: dict[str, numbers.PixelStatistics]) -> Markup:
    """The mean image and the spread of pixel values, training against held-out."""
    training, heldout = found["training"], found["held-out"]
    sampled = [
        f"{name}: {p.looked_at:,} of {p.rows:,}"
        for name, p in found.items()
        if p.looked_at < p.rows
    ]
    means = Markup('<div class="sample">{}</div>').format(
        html.join(
            Markup('<span class="mean">{}<small>{}</small></span>').format(
                pictures.shown(pictures.as_image(p.mean_image), f"Mean of the {name} images"), name
            )
            for name, p in (("training", training), ("held-out", heldout))
        )
    )
    each: list[str] = [
        html.figure(
            _intensities(training, heldout),
            "How often each pixel value occurs. Training and held-out should lie on one another; "
            "spikes at 0 and 255 are plain grounds.",
        ),
        html.figure(
            means, "The mean of all training and of all held-out images: they should look alike."
        ),
    ]
    extra = (
        [html.paragraph(f"From a random sample of images ({'; '.join(sampled)}).")]
        if sampled
        else []
    )
    return html.subsection("Pixels", html.figures(*map(Markup, each)), *extra)


def _intensities(training: numbers.PixelStatistics, heldout: numbers.PixelStatistics) -> Markup:
    def shares(p: numbers.PixelStatistics) -> NDArray[np.float64]:
        # 64 bins of 4 values, all channels together
        counts = p.histogram.sum(axis=0).reshape(64, 4).sum(axis=1)
        return 100 * counts / max(counts.sum(), 1)

    def draw(axes: Axes) -> None:
        values = np.arange(64) * 4
        for name, p, line in (("training", training, "-"), ("held-out", heldout, "--")):
            axes.plot(values, np.maximum(shares(p), 1e-3), line, label=name, drawstyle="steps-post")
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.set(xlabel="pixel value", ylabel="% of pixels", xlim=(0, 255))
        axes.legend()

    return html.chart(
        draw,
        f"Pixel values: training mean {training.mean:.0f}, held-out {heldout.mean:.0f} of 255.",
    )


def suspects(findings: Findings, seen: DataLook) -> Markup:
    """Rows whose label is likely wrong, the likeliest first."""
    shown, sides, near = seen.suspects[:EXAMPLES], seen.sides, seen.near
    trusted = near.agreement >= oddities.TRUSTED_NEIGHBOURS
    how = (
        "Rows that the model was not fitted on and surely takes for another class (confident "
        "learning, Northcutt et al. 2021)"
        + (
            f", and, of {near.looked_at:,} rows, training rows whose {oddities.NEIGHBOURS} nearest "
            "neighbours all bear one other label."
            if trusted
            else ". Training rows are not doubted: the model has seen them, and on this data their "
            "nearest neighbours by pixels are no guide."
        )
        + " Not all of them are wrong: the model may be."
    )
    if not shown:
        return html.subsection(
            "Likely label errors", html.paragraph("None was found."), html.paragraph(how)
        )
    labels = sides.labels
    numbers_ = np.array([s.number for s in shown])
    cards = [
        _card(
            pixels_,
            f"Labelled {html.short(findings.classes[labels[s.number]])}, "
            f"looks like {html.short(findings.classes[s.suggested])}",
            Markup("<b>{}</b> is it <b>{}</b>?").format(
                html.short(findings.classes[labels[s.number]]),
                html.short(findings.classes[s.suggested]),
            ),
            f"{sides.origin(s.number)} ({sides.side(s.number)})",
        )
        for s, pixels_ in zip(shown, sides.take(numbers_), strict=True)
    ]
    return html.subsection(
        "Likely label errors",
        html.paragraph(how),
        html.paragraph(
            Markup("{:,} in all, the likeliest first; a list is in {}.").format(
                len(seen.suspects), html.link("data/label_errors.csv", "label_errors.csv")
            )
        ),
        html.cards(cards, small=True),
    )


def outliers(findings: Findings, seen: DataLook) -> Markup:
    """The rows farthest from their neighbours."""
    near, sides, classes = seen.near, seen.sides, findings.classes
    how = (
        f"Images far from their {oddities.NEIGHBOURS}th nearest neighbour, over "
        f"{oddities.OUTLIER_FACTOR:g} times their class' median (Ramaswamy et al. 2000), among "
        f"{near.looked_at:,} looked at. By pixels: blank, inverted, shifted or foreign pictures "
        "are found, not what only meaning tells."
    )
    shown = near.outliers[:EXAMPLES]
    if not len(shown):
        text = "None was found." if near.looked_at else "Too few different images to tell."
        return html.subsection("Outliers", html.paragraph(text), html.paragraph(how))
    labels = sides.labels
    cards = [
        _card(
            image,
            f"An outlier labelled {html.short(classes[labels[number]])}",
            Markup("<b>{}</b>, {:.1f} times the median").format(
                html.short(classes[labels[number]]), factor
            ),
            f"{sides.origin(int(number))} ({sides.side(int(number))})",
        )
        for number, factor, image in zip(shown, near.factor, sides.take(shown), strict=False)
    ]
    more = html.link("data/outliers.csv", "outliers.csv")
    return html.subsection(
        "Outliers",
        html.paragraph(how),
        html.paragraph(Markup("{:,} in all: {}.").format(len(near.outliers), more)),
        html.cards(cards, small=True),
    )


def duplicates(findings: Findings, seen: DataLook) -> Markup:
    """Images that stand in the data more than once."""
    same, sides = seen.same, seen.sides
    parts: list[Markup] = []
    if same.groups:
        parts.append(
            html.paragraph(
                Markup(
                    "{:,} images stand in the data more than once, {:,} under several labels: {}."
                ).format(
                    len(same.groups),
                    same.contradicting,
                    html.link("data/duplicates.csv", "duplicates.csv"),
                )
            )
        )
        parts.append(html.cards(_group_cards(same, sides, findings), small=True))
    else:
        parts.append(html.paragraph("No two rows that are used have the same pixels."))
    if findings.split.duplicates:
        parts.append(
            html.paragraph(
                Markup(
                    "{:,} training rows were left out, as the same image is held out: {}."
                ).format(
                    findings.split.duplicates, html.link("data/both_sides.csv", "both_sides.csv")
                )
            )
        )
        parts.append(html.cards(_both_cards(findings), small=True))
    return html.subsection("Duplicates and rows on both sides", *parts)


def _group_cards(same: numbers.Duplicates, sides: Sides, findings: Findings) -> list[Markup]:
    labels = sides.labels
    groups = same.groups[:GROUPS]
    images = sides.take(np.array([g[0] for g in groups]))
    cards = []
    for group, image in zip(groups, images, strict=True):
        names = [html.short(findings.classes[i]) for i in np.unique(labels[group])]
        places = ", ".join(f"{sides.origin(int(n))} ({sides.side(int(n))})" for n in group[:3])
        more = f" and {len(group) - 3:,} more" if len(group) > 3 else ""
        cards.append(
            _card(
                image,
                f"An image that stands {len(group)} times in the data",
                Markup("{} times, as <b>{}</b>").format(len(group), ", ".join(names[:4])),
                places + more,
            )
        )
    return cards


def _both_cards(findings: Findings) -> list[Markup]:
    twins = findings.split.both_sides
    # those first that contradict one another
    order = np.argsort(twins.rows.labels == twins.others.labels, kind="stable")[:GROUPS]
    cards = []
    for i, image in zip(order, twins.rows.take(order), strict=True):
        ours = html.short(findings.classes[twins.rows.labels[i]])
        theirs = html.short(findings.classes[twins.others.labels[i]])
        label = ours if ours == theirs else f"{ours}, held out as {theirs}"
        cards.append(
            _card(
                image,
                f"An image of {label} on both sides",
                Markup("<b>{}</b>").format(label),
                f"{twins.rows.origin(int(i))} is {twins.others.origin(int(i)) or 'held out'}",
            )
        )
    return cards


def _card(image: NDArray[np.uint8], alt: str, title: Markup, where: str) -> Markup:
    return Markup("{}<div><p>{}</p><small>{}</small></div>").format(
        pictures.shown(image, alt), title, html.short(where, 90)
    )
