"""DataProcessing: what of the input the model sees, and what of both is kept.

    input ──InputFilter──► model ──► answer ──JoinSource──► both ──OutputFilter──► output
      └───────────────────────────────────────────┘

A row of a CSV counts as an array of its fields; joined, the answer's fields follow the input's. An
object of JSON is joined by its member `SageMakerOutput`; any other input becomes `SageMakerInput`
beside it. Source: DataProcessing of the API, and "Associate Prediction Results with Input Records"
of the developer guide.

Not documented, so ours: a filter that gives one value of a row gives a row of it; JSON is written
without blanks, members in the input's order; empty lines are no records; fields are quoted where
RFC 4180 needs it; an answer with another number of lines than the request cannot be joined;
an empty filter is none.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from localcloud.sagemaker.transform.jsonpath import NoSuchElement, Path, parse

CSV, JSON, JSON_LINES = "text/csv", "application/json", "application/jsonlines"
FORMATS = (CSV, JSON, JSON_LINES)
OUTPUT, INPUT = "SageMakerOutput", "SageMakerInput"


class BadRecord(Exception):
    """Input or answer is not what its type says, or lacks what a filter names."""


@dataclass(frozen=True)
class Processing:
    """`by_line`: JSON comes one document a line."""

    format: str
    by_line: bool
    input_filter: Path
    output_filter: Path
    join: bool

    @classmethod
    def of(cls, request: dict[str, Any]) -> Processing | None:
        """What a (checked) CreateTransformJob asks for; None for nothing. Raises BadPath."""
        given = request.get("DataProcessing", {})
        wanted = cls(
            format=media_type(request["TransformInput"].get("ContentType")),
            by_line=request["TransformInput"].get("SplitType") == "Line",
            input_filter=parse(given.get("InputFilter") or "$"),
            output_filter=parse(given.get("OutputFilter") or "$"),
            join=given.get("JoinSource") == "Input",
        )
        return wanted if wanted.join or not wanted._filters_nothing else None

    @property
    def _filters_nothing(self) -> bool:
        return self.input_filter.whole and self.output_filter.whole

    def request(self, payload: bytes) -> tuple[bytes, list[Any]]:
        """The body for the model, and the records that `output` needs. Raises BadRecord."""
        records = self._read(payload, "input")
        if self.input_filter.whole:
            return payload, records
        selected = [self._select(self.input_filter, record) for record in records]
        return self._write(selected, newline=payload.endswith(b"\n")), records

    def output(self, records: list[Any], answer: bytes) -> bytes:
        """What is kept of the records and the model's answer to them. Raises BadRecord."""
        if not self.join and self.output_filter.whole:
            return answer
        found = self._read(answer, "output from the algorithm")
        if self.join:
            if len(found) != len(records):
                raise BadRecord(
                    "Fail to join data: mismatched line count between the input and the output: "
                    f"{len(records)} and {len(found)}"
                )
            found = [self._joined(*pair) for pair in zip(records, found, strict=True)]
        kept = [self._select(self.output_filter, record) for record in found]
        return self._write(kept, newline=self._many)

    @property
    def _many(self) -> bool:
        return self.format != JSON or self.by_line

    def _select(self, path: Path, record: Any) -> Any:
        try:
            return path.select(record)
        except NoSuchElement as error:
            raise BadRecord(f"{path.text}: {error.args[0]}") from error

    def _joined(self, record: Any, answer: Any) -> Any:
        if self.format == CSV:
            return [*record, *answer]
        if isinstance(record, dict):
            return {**record, OUTPUT: answer}
        return {INPUT: record, OUTPUT: answer}

    def _read(self, data: bytes, what: str) -> list[Any]:
        try:
            text = data.decode("utf-8")
            if not self._many:
                return [json.loads(text)]
            rows = [line for line in re.split(r"\r?\n", text) if line]
            return [parse_row(row) if self.format == CSV else json.loads(row) for row in rows]
        except ValueError as error:
            name = "CSV" if self.format == CSV else "JSON"
            raise BadRecord(f"Failed to parse {what} as {name}: {error}") from error

    def _write(self, records: list[Any], *, newline: bool) -> bytes:
        write = write_row if self.format == CSV else _write_json
        text = "\n".join(write(record) for record in records)
        return (text + "\n" if newline and records else text).encode()


def media_type(content_type: str | None) -> str:
    """`text/csv` of `Text/CSV; charset=utf-8`."""
    return (content_type or "").split(";")[0].strip().lower()


_FIELD = re.compile(r'"((?:[^"]|"")*)"|([^,"]*)')


def parse_row(line: str) -> list[str]:
    """The fields of one line (RFC 4180). Raises ValueError."""
    fields = []
    at = 0
    while True:
        found = _FIELD.match(line, at)
        if found is None:  # the pattern matches nothing too
            raise AssertionError(line)
        quoted, plain = found.groups()
        fields.append(plain if quoted is None else quoted.replace('""', '"'))
        at = found.end()
        if at == len(line):
            return fields
        if line[at] != ",":
            kind = "non quoted" if quoted is None else "quoted"
            raise ValueError(f'bare " in {kind} field found near: {line[:200]}')
        at += 1


def write_row(record: Any) -> str:
    """The line of a row, or of one value."""
    fields = record if isinstance(record, list) else [record]
    return ",".join(
        '"' + field.replace('"', '""') + '"' if re.search(r'[",\r\n]', field) else field
        for field in fields
    )


def _write_json(record: Any) -> str:
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"))
