"""The reports as files: whole, escaped, bounded, and never the end of a job."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import asdict, replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from pigeonhole_training.data.rows import Pool
from pigeonhole_training.judging.champion import ChampionResult
from pigeonhole_training.reports import data_files
from pigeonhole_training.reports.css import STYLE
from pigeonhole_training.reports.data_look import look
from pigeonhole_training.reports.findings import Findings
from pigeonhole_training.reports.html import chart, short, table
from pigeonhole_training.reports.write import write_reports

from tests.unit.training_job.reported import (
    answers_for,
    epochs_of,
    findings_of,
    pool,
    split_of,
    with_champion,
)

CLASSES = ("circle", "cross", "bar")
HOSTILE = ("<script>alert(1)</script>", '=1+1"', "$x$ & <b>", "a\x00\x1b\u202eb \ud800")
VOID = {"meta", "img", "br", "hr", "link", "input"}


class Page(HTMLParser):
    """Reads a page strictly: what is opened is closed, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.silent_images = 0
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given = dict(attrs)
        self.ids += [given["id"] or ""] if "id" in given else []
        if tag == "a":
            self.links.append(given["href"] or "")
        if tag == "img" and "alt" not in given:
            self.silent_images += 1
        assert not any(name.startswith("on") for name in given)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.text.append(data)


def written(folder: Path, findings: Findings) -> tuple[Page, str]:
    """The page, read strictly, and its text on one line."""
    write_reports(folder, findings)
    page = Page((folder / "index.html").read_text(encoding="utf-8"))
    return page, " ".join(" ".join(page.text).split())


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Findings, Page, str]:
    """A report with everything in it but a profile."""
    folder = tmp_path_factory.mktemp("usual") / "reports"
    split = split_of(pool(400), pool(150, seed=1, path="b_test.csv"))
    champion = answers_for(split.heldout, 3, right=0.8, seed=5)
    notes = ("2 images could not be read: a.png (truncated), b.png (empty).",)
    findings = findings_of(split, CLASSES, champion=champion, notes=notes)
    page, text = written(folder, findings)
    return folder, findings, page, text


def test_the_summary_says_how_good_the_model_is_and_where_to_look(
    usual: tuple[Path, Findings, Page, str],
) -> None:
    _, findings, _, text = usual
    own = findings.evaluation["challenger"]
    low, high = own["interval"]
    worst = min(own["recall"], key=lambda name: own["recall"][name])
    assert (
        f"The model is right for {own['accuracy']:.1%} of 150 images that it had not seen "
        f"(95% interval {100 * low:.1f}\u2013{high:.1%};"
    ) in text
    assert f"Look first at {worst}, of which it finds" in text
    assert "Better than the champion by" in text


def test_every_part_is_drawn_and_every_link_leads_somewhere(
    usual: tuple[Path, Findings, Page, str],
) -> None:
    folder, _, page, text = usual
    assert "could not be drawn" not in text
    assert len(page.ids) == len(set(page.ids))
    for link in page.links:
        assert link[1:] in page.ids if link.startswith("#") else (folder / link).is_file(), link
    assert page.silent_images == 0
    assert "script" not in page.tags
    for part in (
        "Class balance",
        "Samples of each class",
        "Pixels",
        "Likely label errors",
        "Outliers",
        "Duplicates and rows on both sides",
        "Confusion matrix",
        "Most wrong predictions",
        "Learning curves",
        "Calibration",
        "Comparison with the champion",
        "Right before, wrong now",
        "2 images could not be read: a.png (truncated), b.png (empty).",
    ):
        assert part in text


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_files_beside_it_hold_the_numbers(usual: tuple[Path, Findings, Page, str]) -> None:
    folder, findings, _, _ = usual
    labels, answers = findings.split.heldout.labels, findings.heldout.argmax(axis=1)
    confusion = rows_of(folder / "evaluation" / "confusion.csv")
    assert int(confusion[1]["bar"]) == ((labels == 1) & (answers == 2)).sum()
    per_class = rows_of(folder / "evaluation" / "per_class.csv")
    recall = (answers[labels == 2] == 2).mean()
    assert float(per_class[2]["recall"]) == pytest.approx(recall, abs=1e-6)
    predictions = rows_of(folder / "evaluation" / "predictions.csv")
    assert len(predictions) == 150
    wrong = int((answers != labels).sum())
    assert [row["right"] for row in predictions] == ["no"] * wrong + ["yes"] * (150 - wrong)
    truth = [float(row["probability_of_truth"]) for row in predictions[:wrong]]
    assert truth == sorted(truth)
    data = json.loads((folder / "data" / "data.json").read_text(encoding="utf-8"))
    assert sum(data["rows"]["training"]["by_class"]) == len(findings.split.training)
    assert data["rows"]["held-out"]["rows"] == 150
    assert data["set_aside"] == {"a_train.csv": 2}
    epochs = rows_of(folder / "evaluation" / "epochs.csv")
    assert [float(row["validation_loss"]) for row in epochs] == pytest.approx(
        [epoch.validation_loss for epoch in findings.epochs]
    )


def test_the_model_card_fits_sagemakers_schema(usual: tuple[Path, Findings, Page, str]) -> None:
    folder, findings, _, _ = usual
    card = json.loads((folder / "model_card.json").read_text(encoding="utf-8"))
    metrics = card["evaluation_details"][0]["metric_groups"]
    assert {m["name"]: m["value"] for m in metrics[0]["metric_data"]}["accuracy"] == (
        findings.evaluation["challenger"]["accuracy"]
    )
    assert set(card) == {
        "model_overview",
        "intended_uses",
        "training_details",
        "evaluation_details",
        "additional_information",
    }
    assert card["intended_uses"]["risk_rating"] in ("High", "Medium", "Low", "Unknown")
    assert len(json.dumps(card)) < 100_000
    assert all(len(text) <= 2048 for text in texts(card))
    markdown = (folder / "model_card.md").read_text(encoding="utf-8")
    assert markdown.startswith("# Model card: bars")
    assert "| cross |" in markdown


def test_the_model_card_has_the_metrics_of_the_weights_that_are_kept(tmp_path: Path) -> None:
    first, second, third = epochs_of(3)
    epochs = (first, second, replace(third, validation_loss=9.0))
    write_reports(tmp_path, findings_of(split_of(pool(100)), CLASSES, epochs=epochs))
    card = json.loads((tmp_path / "model_card.json").read_text(encoding="utf-8"))
    details = card["training_details"]["training_job_details"]
    assert {m["name"]: m["value"] for m in details["training_metrics"]} == asdict(second)


def test_the_model_card_calls_no_class_of_few_held_out_rows_weak(tmp_path: Path) -> None:
    test = pool(60, seed=1, path="b_test.csv")
    kept = np.flatnonzero((test.labels != 1) | (np.cumsum(test.labels == 1) <= 2))
    test = Pool.of(test.pixels[kept], test.labels[kept])
    heldout = answers_for(test.rows(), 3)
    heldout[test.labels == 1] = [1, 0, 0]  # wrong, but of two rows that says nothing
    write_reports(tmp_path, findings_of(split_of(pool(100), test), CLASSES, heldout=heldout))
    card = json.loads((tmp_path / "model_card.json").read_text(encoding="utf-8"))
    told = card["intended_uses"]["factors_affecting_model_efficiency"]
    assert "circle" in told
    assert "cross" not in told


def texts(document: object) -> list[str]:
    if isinstance(document, dict):
        return [text for value in document.values() for text in texts(value)]
    if isinstance(document, list):
        return [text for value in document for text in texts(value)]
    return [document] if isinstance(document, str) else []


def test_names_of_classes_and_files_are_text_alone(tmp_path: Path) -> None:
    path = '"><img src=x onerror=alert(1)>_\n|.csv'
    split = split_of(
        pool(300, (9, 6, 4), 4, path=path), pool(60, (9, 6, 4), 4, seed=2, path="=cmd.csv")
    )
    page, text = written(tmp_path, findings_of(split, HOSTILE, dataset="evil"))
    assert "script" not in page.tags
    assert "<script>alert(1)</script>" in text
    assert "could not be drawn" not in text
    markdown = (tmp_path / "model_card.md").read_text(encoding="utf-8")
    assert "<script" not in markdown
    assert markdown.count("\n| ") < 30  # no name starts a line of its own
    for file in tmp_path.rglob("*.csv"):
        for row in csv.reader(file.open(encoding="utf-8", newline="")):
            for cell in row:
                number = re.fullmatch(r"[-+]?[\d.]+(e-?\d+)?", cell)
                assert number or not cell.startswith(("=", "+", "-", "@")), (file, row)


def test_a_chart_keeps_texts_apart_from_its_own_marks() -> None:
    svg = chart(lambda axes: axes.set_title('</svg><script>"#0072b2" url(#x) $a$ -->'), '"<i>')
    page = Page(svg)
    assert "script" not in page.tags
    assert '"#0072b2" url(#x) $a$ -->' in "".join(page.text)
    assert "#010203" not in svg


def test_a_thousand_classes_of_photographs_stay_within_five_megabytes(tmp_path: Path) -> None:
    classes = tuple(f"n{i:08} kind of thing" for i in range(1000))
    split = split_of(pool(1500, (32, 32, 3), 1000), pool(1100, (32, 32, 3), 1000, seed=2))
    findings = findings_of(split, classes)
    page, text = written(tmp_path, findings)
    assert (tmp_path / "index.html").stat().st_size < 5_000_000
    assert "could not be drawn" not in text
    assert "A matrix of 1,000 classes would show nothing" in text
    assert page.tags.count("img") < 1000
    assert len(rows_of(tmp_path / "evaluation" / "per_class.csv")) == 1000


@pytest.mark.parametrize(
    ("shape", "rows", "classes"),
    [((8, 8, 1), 20, 2), ((200, 256, 2), 30, 2), ((3, 1, 3), 40, 2), ((16, 9, 4), 60, 25)],
)
def test_any_shape_and_size_can_be_told_of(
    tmp_path: Path, shape: tuple[int, int, int], rows: int, classes: int
) -> None:
    split = split_of(pool(rows, shape, classes))
    names = tuple(f"class {i}" for i in range(classes))
    _, text = written(tmp_path, findings_of(split, names, epochs=()))
    assert "could not be drawn" not in text
    assert "No epoch was recorded." in text
    if rows == 20:
        assert "held out: the true accuracy may lie anywhere" in text


def test_what_is_wrong_with_the_data_is_said_and_shown(tmp_path: Path) -> None:
    given, test = pool(300), pool(90, seed=3, path="b_test.csv")
    given.pixels[5] = 0
    given.pixels[8] = test.pixels[4]
    given.labels[8] = (test.labels[4] + 1) % 3
    keep = test.labels != 2
    split = split_of(
        Pool.of(given.pixels, given.labels, given.origins),
        Pool.of(255 - test.pixels[keep], test.labels[keep]),
    )
    classes = (*CLASSES, "never seen")
    _, text = written(tmp_path / "odd", findings_of(split, classes))
    for sentence in (
        "No training row for never seen",
        "No held-out row for bar",
        "1 image of one colour alone",
        "Held-out images are much lighter or darker",
    ):
        assert sentence in text
    split = split_of(Pool.of(given.pixels, given.labels, given.origins), test)
    _, text = written(tmp_path / "twins", findings_of(split, CLASSES))
    assert "1 image stands in the data under several labels" in text
    assert "a_train.csv, row 9 is b_test.csv, row 5" in text
    twins = rows_of(tmp_path / "twins" / "data" / "both_sides.csv")
    assert twins[0]["label"] != twins[0]["its_label"]


def test_a_list_of_duplicates_is_bounded_by_its_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, twice = pool(20), np.arange(40) % 20
    split = split_of(Pool.of(given.pixels[twice], given.labels[twice]), pool(30, seed=2))
    findings = findings_of(split, CLASSES)
    monkeypatch.setattr(data_files, "LISTED", 15)
    data_files.write_lists(tmp_path, findings, look(findings))
    found = rows_of(tmp_path / "duplicates.csv")
    assert [row["group"] for row in found] == [str(1 + i // 2) for i in range(15)]


def test_champions_that_cannot_be_compared_are_said_so(tmp_path: Path) -> None:
    findings = findings_of(split_of(pool(200)), CLASSES)
    other_shape = ChampionResult("job-1", "cd" * 32, True, False, None, None, None)
    _, text = written(tmp_path / "shape", with_champion(findings, other_shape))
    assert "it takes images of another shape" in text
    probabilities = answers_for(findings.split.heldout, 3, seed=9)
    unknown = np.full(len(findings.split.heldout), -1)
    other_classes = ChampionResult("job-1", "cd" * 32, False, True, probabilities, unknown, None)
    _, text = written(tmp_path / "classes", with_champion(findings, other_classes))
    assert "it knows other classes" in text
    _, text = written(tmp_path / "none", findings)
    assert "There was no champion" in text
    assert "could not be drawn" not in text


def test_a_part_that_fails_says_so_in_its_place_and_the_others_stand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    findings = findings_of(split_of(pool(200)), CLASSES)
    broken = {**findings.evaluation, "calibration": {"temperature": 1.0}}
    _, text = written(tmp_path, replace(findings, evaluation=broken))
    assert "Calibration could not be drawn (KeyError: 'before')" in text
    assert "Confusion matrix" in text
    assert "Samples of each class" in text
    out = capsys.readouterr().out
    assert "'Calibration' could not be drawn: KeyError: 'before'" in out
    assert "Traceback" in out


def test_even_a_page_that_fails_is_a_page(tmp_path: Path) -> None:
    findings = findings_of(split_of(pool(100)), CLASSES)
    write_reports(tmp_path, replace(findings, evaluation={}))
    assert "could not be drawn" in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_tables_align_numbers_and_head_their_rows() -> None:
    text = table(("class", "rows", "share"), [("a<b", 1200, "91.2%"), ("c", 3, None)], "Rows")
    assert '<th scope="row">a&lt;b</th><td class="n">1,200</td>' in text.replace("\n", "")
    assert '<th scope="col" class="n">share</th>' in text
    assert short("x" * 100, 11) == "xxxxx…xxxxx"


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * c for c in colour[1:])
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in (int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4))
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_stand_out_from_their_ground(scheme: str) -> None:
    start = STYLE.index(":root", STYLE.index("dark)") if scheme == "dark" else 0)
    block = STYLE[start : STYLE.index("}", start)]
    colours = dict(re.findall(r"--([\w-]+): (#\w+);", block))

    def contrast(one: str, other: str) -> float:
        pair = sorted((luminance(colours[one]), luminance(colours[other])))
        return (pair[1] + 0.05) / (pair[0] + 0.05)

    for ground in ("ground", "raised"):
        for text in ("ink", "soft", "link", "good", "warning", "bad", "info"):
            assert contrast(text, ground) >= 4.5, (text, ground)
        for line in ("series-1", "series-2", "series-3", "series-4", "faint"):
            assert contrast(line, ground) >= 3, (line, ground)
