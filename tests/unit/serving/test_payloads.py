from __future__ import annotations

import base64
import io
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from serving import framing, images
from serving.errors import RequestError
from serving.model import Signature
from serving.payloads import ROW_LIMIT, Payload, media_type, parse
from tests.unit.serving.artifact import bar, encoded

WIDE = np.asarray(bar("Wide"))


def npy(array: NDArray[Any], **options: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def read(kind: str, body: bytes, signature: Signature) -> Payload:
    return parse(
        kind, body, signature, lambda file: framing.to_input(images.decode(file), signature)
    )


def refused(kind: str, body: bytes, signature: Signature) -> RequestError:
    with pytest.raises(RequestError) as caught:
        read(kind, body, signature)
    assert 400 <= caught.value.status < 500
    return caught.value


def csv_line(array: NDArray[Any]) -> bytes:
    return ",".join(map(str, array.reshape(-1).tolist())).encode()


def test_parameters_and_case_of_a_content_type_do_not_matter() -> None:
    assert media_type("Text/CSV; charset=utf-8") == "text/csv"


@pytest.mark.parametrize(
    "kind",
    ["image/png", "image/whatever", "application/octet-stream", "application/x-image", ""],
)
def test_an_image_file_is_known_by_its_bytes_whatever_it_is_called(
    kind: str, signature: Signature
) -> None:
    payload = read(kind, encoded(bar("Wide")), signature)
    assert payload.single
    np.testing.assert_array_equal(payload.rows[0, :, :, 0], WIDE)


@pytest.mark.parametrize(
    ("array", "single", "count"),
    [
        (WIDE, True, 1),
        (WIDE[..., np.newaxis], True, 1),
        (WIDE.astype(np.int64), True, 1),
        (np.asfortranarray(WIDE), True, 1),
        (WIDE / 255, True, 1),
        ((WIDE / 255).astype(">f2"), True, 1),
        (np.stack([WIDE, WIDE]), False, 2),
        (np.stack([WIDE] * 28), False, 28),
        (WIDE[np.newaxis, ..., np.newaxis], False, 1),
    ],
)
def test_npy_of_every_promised_shape_and_type(
    array: NDArray[Any], single: bool, count: int, signature: Signature
) -> None:
    payload = read("application/x-npy", npy(array), signature)
    assert (payload.single, len(payload.rows)) == (single, count)
    np.testing.assert_allclose(payload.rows[-1, :, :, 0].astype(float), WIDE, atol=0.2)


def test_npy_for_a_colour_model(signature: Signature) -> None:
    colour = replace(signature, channels=3)
    array = np.arange(28 * 28 * 3).reshape(28, 28, 3) % 256
    assert read("application/x-npy", npy(array), colour).rows.shape == (1, 28, 28, 3)
    assert refused("application/x-npy", npy(WIDE), colour).code == "wrong_shape"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "empty_body"),
        (b"\x93NUMPY", "bad_npy"),
        (encoded(bar("Wide")), "bad_npy"),
        (npy(WIDE)[:-1], "bad_npy"),
        (npy(WIDE).replace(b"(28, 28)", b"(99, 99)"), "bad_npy"),
        (npy(np.zeros((5, 5))), "wrong_shape"),
        (npy(np.zeros((0, 28, 28), np.uint8)), "wrong_shape"),
        (npy(np.array([{"a": 1}]), allow_pickle=True), "bad_npy"),
        (npy(np.array(["text"])), "bad_npy"),
        (npy(np.full((28, 28), 256)), "value_out_of_range"),
        (npy(np.full((28, 28), -1)), "value_out_of_range"),
        (npy(np.full((28, 28), 1.5)), "value_out_of_range"),
        (npy(np.full((28, 28), np.nan)), "value_out_of_range"),
    ],
)
def test_npy_that_cannot_be_read(body: bytes, code: str, signature: Signature) -> None:
    assert refused("application/x-npy", body, signature).code == code


def test_an_npy_header_that_promises_terabytes_allocates_nothing(signature: Signature) -> None:
    body = npy(WIDE).replace(b"(28, 28), }        ", b"(2000000000000,), }")
    assert b"2000000000000" in body
    assert refused("application/x-npy", body, signature).code == "bad_npy"


def test_csv_is_a_line_an_image(signature: Signature) -> None:
    line = csv_line(WIDE)
    payload = read("text/csv", line + b"\r\n\n" + line.replace(b"230", b' "230"'), signature)
    assert not payload.single
    for row in payload.rows:
        np.testing.assert_array_equal(row[:, :, 0], WIDE)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"9," + csv_line(WIDE), "Leave the label out"),
        (csv_line(WIDE) + b"\n1,2,3", "Line 2 has 3 values"),
        (csv_line(WIDE).replace(b"230", b"256", 1), "'256' is no whole number"),
        (csv_line(WIDE).replace(b"230", b"-1", 1), "'-1'"),
        (csv_line(WIDE).replace(b"230", b"2_3", 1), "'2_3'"),
        (csv_line(WIDE).replace(b"230", b"+23", 1), r"'\+23'"),
        (csv_line(WIDE).replace(b"230", b"0.5", 1), r"'0\.5'"),
        (csv_line(WIDE).replace(b"230", b"", 1), "''"),
        (",".join(f"pixel{i}" for i in range(784)).encode(), "column 1: 'pixel0'.*header"),
        (b" \n", "no line"),
    ],
)
def test_csv_errors_name_line_column_and_remedy(
    body: bytes, message: str, signature: Signature
) -> None:
    with pytest.raises(RequestError, match=message):
        read("text/csv", body, signature)


def test_json_instances_of_every_promised_shape(signature: Signature) -> None:
    instances = [
        WIDE.tolist(),
        WIDE[..., np.newaxis].tolist(),
        WIDE.reshape(-1).tolist(),
        (WIDE / 255).tolist(),
    ]
    payload = read("application/json", json.dumps({"instances": instances}).encode(), signature)
    assert not payload.single
    for row in payload.rows:
        np.testing.assert_allclose(row[:, :, 0], WIDE, atol=0.01)


@pytest.mark.parametrize("start", ["", "data:image/png;base64,"])
def test_json_with_an_image_file_is_one_image(start: str, signature: Signature) -> None:
    text = start + base64.b64encode(encoded(bar("Wide"))).decode()
    payload = read("application/json", json.dumps({"image": text}).encode(), signature)
    assert payload.single
    np.testing.assert_array_equal(payload.rows[0, :, :, 0], WIDE)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "bad_json"),
        (b"\xff\xfe", "bad_json"),
        (b"[" * 100_000, "bad_json"),
        (b"[]", "bad_json"),
        (b"{}", "bad_json"),
        (b'{"instances": [], "image": ""}', "bad_json"),
        (b'{"instances": []}', "bad_json"),
        (b'{"instances": 5}', "bad_json"),
        (b'{"instances": ["text"]}', "bad_json"),
        (b'{"instances": [true]}', "bad_json"),
        (b'{"instances": [[1, [2]]]}', "bad_json"),
        (b'{"instances": [[1e999]]}', "value_out_of_range"),
        (b'{"instances": [[NaN]]}', "value_out_of_range"),
        (b'{"instances": [[99999999999999999999999]]}', "bad_json"),
        (b'{"instances": [[1, 2]]}', "wrong_shape"),
        (b'{"instances": [[]]}', "wrong_shape"),
        (json.dumps({"instances": [[WIDE.tolist()]]}).encode(), "wrong_shape"),
        (b'{"image": 5}', "bad_json"),
        (b'{"image": "%%%"}', "bad_json"),
        (b'{"image": ""}', "not_an_image"),
        (b'{"image": "aGVsbG8="}', "not_an_image"),
    ],
)
def test_json_that_cannot_be_read(body: bytes, code: str, signature: Signature) -> None:
    assert refused("application/json", body, signature).code == code


def test_types_that_are_not_read(signature: Signature) -> None:
    error = refused("application/pdf", b"x", signature)
    assert (error.status, error.code) == (415, "unsupported_content_type")
    keys = refused("application/x-pigeonhole-keys", b'{"key": "inbox/a/b"}', signature)
    assert keys.status == 415
    assert "batch" in keys.message


def test_more_rows_than_an_answer_holds_are_refused(signature: Signature) -> None:
    small = replace(signature, height=2, width=2)
    body = npy(np.zeros((ROW_LIMIT + 1, 2, 2), np.uint8))
    assert refused("application/x-npy", body, small).status == 413
    assert refused("text/csv", b"1,2,3,4\n" * (ROW_LIMIT + 1), small).status == 413
