"""Whose champion answers."""

from __future__ import annotations

import pytest

from chalicelib.errors import DatasetNotChosen, DatasetNotFound, NameRefused, NoModel
from chalicelib.predict.choice import Choice
from tests.unit.predict.fakes import MemoryDatasets


def test_dataset_asked_for_comes_first_then_the_setting_then_the_only_one() -> None:
    datasets = MemoryDatasets(a="job-a", b="job-b")
    assert Choice(datasets, "a").champion("b").training_job == "job-b"
    assert Choice(datasets, "a").champion(None).training_job == "job-a"
    assert Choice(MemoryDatasets(a=None, b="job-b"), "").champion(None).dataset == "b"


def test_several_models_and_nobody_chose_lists_the_choices() -> None:
    with pytest.raises(DatasetNotChosen, match="POST /datasets/b/predict") as caught:
        Choice(MemoryDatasets(a="job-a", b="job-b", c=None), "").champion(None)
    assert caught.value.choices == ("a", "b")


@pytest.mark.parametrize("default", ["", "a"])
def test_no_model_says_what_is_under_way_and_how_to_get_one(default: str) -> None:
    choice = Choice(MemoryDatasets(a=None), default)
    for asked in ("a", None):
        with pytest.raises(NoModel, match=r"Epoch 3 of 8\..*datasets/a/_READY"):
            choice.champion(asked)


def test_nothing_at_all_says_how_to_begin() -> None:
    with pytest.raises(NoModel, match="datasets/<name>/"):
        Choice(MemoryDatasets(), "").champion(None)
    with pytest.raises(NoModel, match="datasets/later/"):
        Choice(MemoryDatasets(), "later").champion(None)


def test_unknown_dataset_names_those_that_are_there() -> None:
    with pytest.raises(DatasetNotFound, match=r"there are: a, b"):
        Choice(MemoryDatasets(a=None, b="job-b"), "").champion("nowhere")


@pytest.mark.parametrize("name", ["", "A", "a_b", "a--b", "x" * 25, "digits-next"])
def test_impossible_name_is_refused_with_the_rule(name: str) -> None:
    with pytest.raises(NameRefused):
        Choice(MemoryDatasets(a="job"), "").champion(name)
