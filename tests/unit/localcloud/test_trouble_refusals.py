"""Refusals as botocore's own parsers read them, in every protocol that services speak."""

from __future__ import annotations

import pytest
from botocore.parsers import create_parser

from localcloud.ministack import refusals
from localcloud.ministack.calls import Call, Protocol

PARSERS = {
    Protocol.JSON: "json",
    Protocol.CBOR: "smithy-rpc-v2-cbor",
    Protocol.QUERY: "query",
    Protocol.REST_JSON: "rest-json",
    Protocol.REST_XML: "rest-xml",
}


@pytest.mark.parametrize("words", ["Slower & <slower>, \N{SNOWMAN}", "x" * 1000])
@pytest.mark.parametrize("protocol", PARSERS)
def test_botocore_reads_code_message_and_status(protocol: Protocol, words: str) -> None:
    refusal = refusals.Refusal("Throttling", words, 400)
    answer = refusals.answer(Call("service", "Operation", protocol), refusal)
    headers = {name.lower(): value for name, value in answer.headers.items()}
    response = {"status_code": answer.status, "headers": headers, "body": answer.body}
    parsed = create_parser(PARSERS[protocol]).parse(response, None)
    assert (parsed["Error"]["Code"], parsed["Error"]["Message"]) == ("Throttling", words)
    assert parsed["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_each_service_has_its_own_codes() -> None:
    s3, other = Call("s3", "PutObject", Protocol.REST_XML), Call("sts", "X", Protocol.QUERY)
    assert (refusals.throttled(s3).code, refusals.throttled(s3).status) == ("SlowDown", 503)
    assert refusals.throttled(other).code == "Throttling"
    assert refusals.failed(other) == refusals.failed(Call("logs", "X", Protocol.JSON))
