"""Names and keys, there and back."""

from __future__ import annotations

import pytest

from chalicelib import names
from chalicelib.errors import NameRefused
from chalicelib.names import Kind, Owner
from chalicelib.sagemaker_names import SageMakerNames


@pytest.mark.parametrize(
    ("key", "kind", "id", "path"),
    [
        ("datasets/fm/a.csv", Kind.DATA, "dataset/fm", "a.csv"),
        ("datasets/fm/x/y/A.CSV.GZ", Kind.DATA, "dataset/fm", "x/y/A.CSV.GZ"),
        ("datasets/fm/a.csv.zip", Kind.DATA, "dataset/fm", "a.csv.zip"),
        ("datasets/fm/dataset.json", Kind.SETTINGS, "dataset/fm", "dataset.json"),
        ("datasets/fm/x/dataset.json", Kind.OTHER, "dataset/fm", "x/dataset.json"),
        ("datasets/fm/_READY", Kind.READY, "dataset/fm", "_READY"),
        ("datasets/fm/sub/_READY", Kind.OTHER, "dataset/fm", "sub/_READY"),
        ("datasets/fm/1.png", Kind.OTHER, "dataset/fm", "1.png"),
        ("datasets/fm/train/cat/1.JPG", Kind.IMAGE, "dataset/fm", "train/cat/1.JPG"),
        ("datasets/fm/photos.zip", Kind.DATA, "dataset/fm", "photos.zip"),
        ("datasets/fm/cat/._1.jpg", Kind.OTHER, "dataset/fm", "cat/._1.jpg"),
        ("datasets/fm/__MACOSX/a.csv", Kind.OTHER, "dataset/fm", "__MACOSX/a.csv"),
        ("datasets/fm/", Kind.OUTSIDE, None, ""),
        ("datasets/", Kind.OUTSIDE, None, ""),
        ("datasets/a.csv", Kind.MISPLACED, None, "a.csv"),
        ("datasets/Under_Score/a.csv", Kind.MISPLACED, None, "a.csv"),
        ("datasets/fm-next/a.csv", Kind.MISPLACED, None, "a.csv"),
        ("datasets//a.csv", Kind.MISPLACED, None, "a.csv"),
        ("inbox/holiday/a.png", Kind.DATA, "batch/holiday", "a.png"),
        ("inbox/holiday/batch.json", Kind.SETTINGS, "batch/holiday", "batch.json"),
        ("inbox/holiday/_READY", Kind.READY, "batch/holiday", "_READY"),
        ("inbox/x-next/a.png", Kind.DATA, "batch/x-next", "a.png"),
        ("inbox/a.png", Kind.MISPLACED, None, "a.png"),
        ("reports/fm/x", Kind.OUTSIDE, None, ""),
    ],
)
def test_keys(key: str, kind: Kind, id: str | None, path: str) -> None:
    place = names.parse_key(key)
    assert (place.kind, place.id, place.path) == (kind, id, path)
    assert bool(place.reason) == (kind is Kind.MISPLACED)


@pytest.mark.parametrize("name", ["a", "fashion-mnist", "a" * 24, "0-1-2"])
def test_good_names(name: str) -> None:
    assert names.check_name(Owner.DATASET, name) == name


@pytest.mark.parametrize(
    "name", ["", "A", "a_b", "a--b", "-a", "a-", "a" * 25, "ä", "a\n", "x-next", "."]
)
def test_bad_names_say_what_to_do(name: str) -> None:
    with pytest.raises(NameRefused, match="dataset"):
        names.check_name(Owner.DATASET, name)


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("fashion-mnist_test.csv", "test"),
        ("test/a.csv", "test"),
        ("TEST.csv.gz", "test"),
        ("x-test-1.csv", "test"),
        ("latest.csv", "train"),
        ("testing.csv", "train"),
        ("train.csv", "train"),
        ("x_val.csv", "validation"),
        ("validation/a.csv", "validation"),
        ("valley.csv", "train"),
        ("val/test.csv", "test"),
    ],
)
def test_a_csvs_role_is_a_word_of_its_path(path: str, role: str) -> None:
    assert names.role_of(path) == role


def test_sagemaker_names_there_and_back() -> None:
    ours = SageMakerNames("dev")
    job = ours.job("fashion-mnist", "0123456789abcdef" * 4, 12)
    assert job == "pigeonhole-dev-fashion-mnist-0123456789ab-12"
    run = ours.parse_job(job)
    assert run is not None
    assert (run.id, run.hash12, run.attempt) == ("dataset/fashion-mnist", "0123456789ab", 12)
    assert run.model_version == "0123456789ab-12"
    transform = ours.transform("holiday", "f" * 32, 1)
    parsed = ours.parse_transform(transform)
    assert parsed is not None
    assert parsed.id == "batch/holiday"
    assert ours.parse_endpoint(ours.endpoint("fm")) == "fm"
    assert ours.parse_endpoint(ours.next_endpoint("fm")) == "fm"


@pytest.mark.parametrize(
    "name",
    [
        "somebody-else",
        "pigeonhole-prod-fm-0123456789ab-1",
        "pigeonhole-dev-fm",
        "pigeonhole-dev-fm-0123456789ab-0",
        "pigeonhole-dev-fm-0123456789-1",
        "pigeonhole-dev--0123456789ab-1",
    ],
)
def test_other_peoples_jobs_are_not_ours(name: str) -> None:
    assert SageMakerNames("dev").parse_job(name) is None


def test_the_longest_names_fit_sagemaker() -> None:
    ours = SageMakerNames("local")
    assert len(ours.transform("b" * 24, "f" * 64, 99)) <= 63
    assert len(ours.job("d" * 24, "f" * 64, 99)) <= 63
    assert len(ours.next_endpoint("d" * 24)) <= 63


def test_misplaced_reports_have_safe_and_different_names() -> None:
    one, two = names.misplaced_key("datasets/ä b.csv"), names.misplaced_key("datasets/ö b.csv")
    assert one != two
    assert one.isascii()
    assert one.startswith("reports/misplaced/")
    assert "/" not in one.removeprefix("reports/misplaced/")


@pytest.mark.parametrize("text", ["", "fm", "model/fm", "dataset/", "dataset/a_b", "batch/a/b"])
def test_ids_of_nobody_are_refused(text: str) -> None:
    with pytest.raises(NameRefused):
        names.parse_id(text)
