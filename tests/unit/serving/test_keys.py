from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from serving import framing, images
from serving.errors import BadRequest, ObjectDenied, ObjectRejected, StorageError
from serving.invocations import Invocations
from serving.keys import AHEAD, Classifier, Key, read
from serving.model import CHUNK, Model
from serving.settings import read as read_settings
from tests.unit.serving.artifact import bar, encoded

BATCH = {"SAGEMAKER_BATCH": "True", "PIGEONHOLE_BUCKET": "b", "PIGEONHOLE_PREFIX": "inbox/"}
KEYS = "application/x-pigeonhole-keys"


class Shelf:
    """Objects in memory; what is an exception is raised. Remembers what was asked for."""

    def __init__(self, objects: dict[str, bytes | Exception]) -> None:
        self.objects = objects
        self.asked: list[tuple[str, str | None]] = []

    def get(self, key: str, version_id: str | None) -> bytes:
        self.asked.append((key, version_id))
        found = self.objects.get(key, ObjectRejected("not_found", "It is gone."))
        if isinstance(found, Exception):
            raise found
        return found


def classifier(model: Model, shelf: Shelf) -> Classifier:
    def to_pixels(body: bytes) -> Any:
        return framing.to_input(images.decode(body), model.signature)

    return Classifier(shelf, "inbox/pets/", model, to_pixels, workers=2)


def shard(*keys: str) -> bytes:
    return b"".join(json.dumps({"key": key}).encode() + b"\n" for key in keys)


def lines(answer: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in answer.splitlines()]


def test_every_key_gets_its_line_in_order(model: Model) -> None:
    names = [f"inbox/pets/{i}.png" for i in range(3 * AHEAD)]
    kinds = ["Wide" if i % 3 else "Tall" for i in range(len(names))]
    shelf = Shelf({n: encoded(bar(k)) for n, k in zip(names, kinds, strict=True)})
    found = lines(classifier(model, shelf).answer(shard(*names)))
    assert [line["key"] for line in found] == names
    assert [line["label"] for line in found] == kinds
    assert set(found[0]["probabilities"]) == {"Tall", "Wide"}


def test_a_bad_object_is_a_rejected_line_with_its_reason(model: Model) -> None:
    shelf = Shelf(
        {
            "inbox/pets/ä b+c.png": encoded(bar("Wide")),
            "inbox/pets/note.txt": b"milk, bread",
            "inbox/pets/cut.png": encoded(bar("Wide"))[:60],
            "inbox/pets/empty.png": b"",
            "inbox/pets/huge.png": ObjectRejected("too_large", "Too large."),
        }
    )
    keys = [*shelf.objects, "inbox/pets/gone.png"]
    found = lines(classifier(model, shelf).answer(shard(*keys)))
    assert [line["key"] for line in found] == keys
    assert [line.get("error") for line in found] == [
        None,
        "not_an_image",
        "damaged_image",
        "not_an_image",
        "too_large",
        "not_found",
    ]
    assert all(line["message"] for line in found[1:])


def test_only_keys_under_the_prefix_are_fetched(model: Model) -> None:
    outside = ["models/secret.png", "inbox/pets-2/a.png", "/inbox/pets/a.png"]
    shelf = Shelf({key: encoded(bar("Wide")) for key in outside})
    found = lines(classifier(model, shelf).answer(shard(*outside)))
    assert [line["error"] for line in found] == ["forbidden_key"] * 3
    assert shelf.asked == []


def test_versions_are_asked_for(model: Model) -> None:
    shelf = Shelf({"inbox/pets/a.png": encoded(bar("Wide"))})
    body = b'{"key": "inbox/pets/a.png", "version_id": "v1"}\n{"key": "inbox/pets/a.png"}'
    classifier(model, shelf).answer(body)
    assert sorted(shelf.asked, key=str) == [("inbox/pets/a.png", "v1"), ("inbox/pets/a.png", None)]


def test_trouble_with_the_store_fails_the_whole_request(model: Model) -> None:
    names = [f"inbox/pets/{i}.png" for i in range(5 * AHEAD)]
    objects: dict[str, bytes | Exception] = {name: encoded(bar("Wide")) for name in names}
    objects[names[3]] = StorageError("SlowDown")
    shelf = Shelf(objects)
    with pytest.raises(StorageError, match="SlowDown"):
        classifier(model, shelf).answer(shard(*names))
    assert len(shelf.asked) < len(names)  # the rest was not fetched in vain


DENIED = ObjectDenied("Upload it again.", "the role must allow s3:GetObject")


@pytest.mark.parametrize(
    "other", [encoded(bar("Wide")), b"milk, bread", ObjectRejected("archived", "Restore it.")]
)
def test_one_denied_object_among_readable_ones_is_a_rejected_line(
    model: Model, other: bytes | Exception
) -> None:
    shelf = Shelf({"inbox/pets/no.png": DENIED, "inbox/pets/yes.png": other})
    first, second = lines(classifier(model, shelf).answer(shard(*shelf.objects)))
    assert first == {
        "key": "inbox/pets/no.png",
        "error": "access_denied",
        "message": "Upload it again.",
    }
    assert second.get("error") != "access_denied"


def test_a_denied_object_and_a_readable_one_may_be_far_apart(model: Model) -> None:
    names = [f"inbox/pets/{i}.png" for i in range(2 * CHUNK)]
    objects: dict[str, bytes | Exception] = dict.fromkeys(names, DENIED)
    objects[names[-1]] = encoded(bar("Wide"))
    found = lines(classifier(model, Shelf(objects)).answer(shard(*names)))
    assert [line.get("error") for line in found] == ["access_denied"] * (len(names) - 1) + [None]


@pytest.mark.parametrize("others", [[], ["inbox/pets/gone.png", "elsewhere.png"]])
def test_a_request_of_which_nothing_can_be_read_is_a_misconfiguration(
    model: Model, others: list[str]
) -> None:
    shelf = Shelf(dict.fromkeys(["inbox/pets/a.png", "inbox/pets/b.png"], DENIED))
    with pytest.raises(StorageError, match="must allow s3:GetObject"):
        classifier(model, shelf).answer(shard(*shelf.objects, *others))


def test_objects_are_fetched_many_at_once(model: Model) -> None:
    together = threading.Barrier(8)

    class Meeting(Shelf):
        def get(self, key: str, version_id: str | None) -> bytes:
            together.wait(timeout=30)  # breaks unless eight are here at the same time
            return super().get(key, version_id)

    names = [f"inbox/pets/{i}.png" for i in range(16)]
    found = lines(
        classifier(model, Meeting(dict.fromkeys(names, encoded(bar("Wide"))))).answer(shard(*names))
    )
    assert all(line["label"] == "Wide" for line in found)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "no key"),
        (b'{"key": "a"}\nnot json', "Line 2"),
        (b'{"file": "a"}', "Line 1"),
        (b'"a"', "Line 1"),
        (b'{"key": 5}', "strings"),
        (b'{"key": "a", "version_id": 5}', "strings"),
    ],
)
def test_a_body_that_is_no_list_of_keys_is_refused(body: bytes, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        read(body)


def test_line_separators_inside_a_key_do_not_split_it() -> None:
    assert read('{"key": "a\u2028b"}\r\n\n'.encode()) == [Key("a\u2028b", None)]


@pytest.mark.parametrize(
    ("environment", "status"), [(BATCH, 200), (BATCH | {"SAGEMAKER_BATCH": "no"}, 415)]
)
def test_keys_are_read_in_batch_mode_alone(
    model: Model, environment: dict[str, str], status: int
) -> None:
    shelf = Shelf({"inbox/a.png": encoded(bar("Wide"))})
    invocations = Invocations(model, read_settings(environment), lambda _: shelf)
    assert invocations(KEYS, shard("inbox/a.png")).status == status
    assert bool(shelf.asked) == (status == 200)


@pytest.mark.parametrize("missing", ["PIGEONHOLE_BUCKET", "PIGEONHOLE_PREFIX"])
def test_a_missing_variable_is_named(
    model: Model, missing: str, caplog: pytest.LogCaptureFixture
) -> None:
    environment = {name: value for name, value in BATCH.items() if name != missing}
    answer = Invocations(model, read_settings(environment))(KEYS, shard("inbox/a.png"))
    assert answer.status == 500
    assert missing in answer.body.decode()
    assert missing in caplog.text


def test_a_failing_store_is_500_and_one_line_in_the_log(
    model: Model, caplog: pytest.LogCaptureFixture
) -> None:
    shelf = Shelf({"inbox/a.png": StorageError("access denied to s3://b/inbox/a.png")})
    invocations = Invocations(model, read_settings(BATCH), lambda _: shelf)
    answer = invocations(KEYS, shard("inbox/a.png"))
    assert answer.status == 500
    assert json.loads(answer.body)["error"] == "storage_failed"
    assert [record.getMessage() for record in caplog.records] == [
        "access denied to s3://b/inbox/a.png"
    ]
