"""What people read of a batch: the page, and tables that spreadsheets open."""

from __future__ import annotations

import json

from tests.unit.batches.fakes import World
from tests.unit.batches.reading import ODD, everything


def test_page_escapes_what_users_name(world: World) -> None:
    world.drop("b", *ODD, "<i>.txt")
    world.settle("b")
    html = world.result("b", "index.html")
    assert "&lt;b&gt;&amp;amp;.png" in html
    assert "&lt;i&gt;.txt" in html
    assert "<b>" not in html
    assert "<i>" not in html
    assert "http" not in html
    assert "These bytes are no image." in html


def test_page_caps_its_rows_and_says_so(world: World) -> None:
    world.drop("b", *(f"{n:04d}.png" for n in range(2100)), *(f"{n}.txt" for n in range(501)))
    world.settle("b")
    html = world.result("b", "index.html")
    assert "The first 2,000 of 2,100" in html
    assert "The first 500 of 501" in html
    assert html.count("<tr>") < 2600


def test_no_cell_is_a_formula_and_names_can_be_had_back(world: World) -> None:
    odd = ["=1+1.png", "+a.png", "-a.png", "@a.png", "\ta.txt", "'a.png", "=x.txt", "-1", "a=b.png"]
    world.drop("b", *odd)
    world.settle("b")
    cells = everything(world, "b")
    assert not [cell for cell in cells if cell[0] in "=+@\t" or cell.startswith("-a")]
    assert sorted(cell.removeprefix("'") for cell in cells) == sorted(odd)
    lines = [json.loads(line) for line in world.result("b", "predictions.jsonl").splitlines()]
    assert {line["file"] for line in lines} == {name for name in odd if ".txt" not in name}
