"""Filters and joins of records and answers."""

from __future__ import annotations

from typing import Any

import pytest

from localcloud.sagemaker.transform.processing import BadRecord, Processing, parse_row, write_row


def processing(content_type: str, split: str = "Line", **given: str) -> Processing:
    found = Processing.of(
        {
            "TransformInput": {"ContentType": content_type, "SplitType": split},
            "DataProcessing": given,
        }
    )
    assert found is not None
    return found


def through(given: Processing, payload: bytes, answer: bytes) -> tuple[bytes, bytes]:
    """What the model is sent, and what is kept."""
    body, records = given.request(payload)
    return body, given.output(records, answer)


@pytest.mark.parametrize(
    "given", [{}, {"InputFilter": "$", "OutputFilter": "$", "JoinSource": "None"}]
)
def test_defaults_change_nothing(given: dict[str, str]) -> None:
    request: dict[str, Any] = {"TransformInput": {}, "DataProcessing": given}
    assert Processing.of(request) is None


def test_csv_keeps_fields_as_they_are() -> None:
    given = processing("text/csv; charset=utf-8", InputFilter="$[1:]", JoinSource="Input")
    sent, kept = through(given, b'001,"a,b","say ""x"""\r\n2, b ,\n', b"0.10\n0.2\n")
    assert sent == b'"a,b","say ""x"""\n b ,\n'
    assert kept == b'001,"a,b","say ""x""",0.10\n2, b ,,0.2\n'


def test_filter_of_the_answer_alone() -> None:
    given = processing("text/csv", OutputFilter="$[1]")
    assert through(given, b"1\n2\n", b"a,b\nc,d") == (b"1\n2\n", b"b\nd\n")


def test_single_record_is_sent_without_a_newline() -> None:
    given = processing("application/jsonlines", InputFilter="$.x")
    sent, kept = through(given, b'{"x": [1.5, "\xc3\xa9"]}', b"7")
    assert (sent, kept) == (b'[1.5,"\xc3\xa9"]', b"7")


def test_json_of_one_document_may_have_lines() -> None:
    given = processing("application/json", "None", JoinSource="Input")
    _, kept = through(given, b'{\n "a": 1\n}', b'{\n "b": 2\n}\n')
    assert kept == b'{"a":1,"SageMakerOutput":{"b":2}}'


def test_member_of_the_reserved_name_is_overwritten() -> None:
    given = processing("application/jsonlines", JoinSource="Input")
    _, kept = through(given, b'{"SageMakerOutput": 1}\n', b"2\n")
    assert kept == b'{"SageMakerOutput":2}\n'


def test_answers_of_another_number_cannot_be_joined() -> None:
    given = processing("text/csv", JoinSource="Input")
    with pytest.raises(BadRecord, match=r"mismatched line count .*: 2 and 1"):
        through(given, b"1\n2\n", b"a\n")


@pytest.mark.parametrize("answer", [b"\xff", b'a"b\n', b'"a"b\n', b'"open\n'])
def test_answer_that_is_no_csv(answer: bytes) -> None:
    given = processing("text/csv", JoinSource="Input")
    with pytest.raises(BadRecord, match="Failed to parse output from the algorithm as CSV"):
        through(given, b"1\n", answer)


@pytest.mark.parametrize("row", [[""], ["a", "", "b"], ['"', ",", "x y"], ["", ""]])
def test_rows_are_read_as_written(row: list[str]) -> None:
    assert parse_row(write_row(row)) == row
