"""A training report in a real browser: it fits a phone, asks for nothing, and reads in the dark."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.browser.chromium import Browser

REPO = Path(__file__).resolve().parents[2]
VENVS = REPO / os.environ.get("PIGEONHOLE_VENVS", ".venvs")

# Long names without a space are what makes a page wide.
MAKE = """
import sys
from pathlib import Path
from pigeonhole_training.reports.write import write_reports
from tests.unit.training_job.reported import answers_for, findings_of, pool, split_of

names = ("a" * 60, "<img src=https://example.com/x.png>", *(f"class_{i:02}" for i in range(12)))
files = "folder/" + "b" * 80 + ".csv"
split = split_of(pool(400, (28, 28, 3), 14, path=files))
champion = answers_for(split.heldout, 14, right=0.8, seed=5)
write_reports(Path(sys.argv[1]), findings_of(split, names, champion=champion))
"""


@pytest.fixture(scope="module")
def report(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("report")
    subprocess.run(
        [VENVS / "training" / "bin" / "python", "-c", MAKE, folder],
        check=True,
        env=os.environ | {"PYTHONPATH": f"{REPO / 'training_job'}{os.pathsep}{REPO}"},
    )
    return (folder / "index.html").as_uri()


@pytest.mark.parametrize(("width", "dark"), [(375, False), (375, True), (1280, False)])
def test_it_fits_its_window_and_asks_for_nothing(
    browser: Browser, report: str, width: int, dark: bool
) -> None:
    browser.open(report, width=width, dark=dark)
    browser.wait("document.readyState == 'complete' && document.querySelector('#data')")
    browser.run("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert browser.run("document.documentElement.scrollWidth") <= width
    outside = """[...document.querySelectorAll('main *')].filter(each =>
        !each.closest('.scroll, svg') && each.getBoundingClientRect().right > innerWidth + 1
    ).map(each => each.outerHTML.slice(0, 80))"""
    assert browser.run(outside) == []
    assert browser.run("document.querySelectorAll('img').length") > 50
    broken = "[...document.images].filter(each => each.complete && !each.naturalWidth).length"
    assert browser.run(broken) == 0
    # The page's own policy would complain of anything that it asked for.
    assert browser.complaints == []
    asked = "performance.getEntriesByType('resource').map(each => each.name)"
    assert [name for name in browser.run(asked) if not name.startswith("data:")] == []
    ground = browser.run("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") is not dark


def test_a_charts_text_is_as_light_as_the_pages_and_large_enough(
    browser: Browser, report: str
) -> None:
    browser.open(report, width=375, dark=True)
    browser.wait("document.querySelector('svg.chart text')")
    fill = browser.run("getComputedStyle(document.querySelector('svg.chart text')).fill")
    assert fill == browser.run("getComputedStyle(document.body).color")
    smallest = """Math.min(...[...document.querySelectorAll('svg.chart text')].map(
        each => each.getBoundingClientRect().height).filter(height => height > 0))"""
    assert browser.run(smallest) >= 9
