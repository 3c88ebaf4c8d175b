"""Links to objects, as S3 takes them in every region."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest

from chalicelib.aws.links import SIGNING, S3Links

KEY = "reports/letters/job-1/größe.html"


def s3(region: str, endpoint: str | None = None) -> Any:
    return boto3.client(
        "s3",
        region_name=region,
        endpoint_url=endpoint,
        aws_access_key_id="AKIAEXAMPLE",
        aws_secret_access_key="secret",
        config=SIGNING,
    )


@pytest.mark.parametrize(
    ("region", "endpoint", "host", "path"),
    [
        ("eu-west-1", None, "data.s3.eu-west-1.amazonaws.com", ""),
        ("us-east-1", None, "data.s3.amazonaws.com", ""),
        ("us-east-1", "http://127.0.0.1:4566", "127.0.0.1:4566", "/data"),
    ],
)
def test_a_link_names_the_bucket_where_s3_looks_for_it(
    region: str, endpoint: str | None, host: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    url = urlsplit(S3Links(lambda: s3(region, endpoint), "data").to(KEY))
    assert url.netloc == host
    assert url.path == f"{path}/reports/letters/job-1/gr%C3%B6%C3%9Fe.html"
    query = parse_qs(url.query)
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert query["X-Amz-Expires"] == ["900"]
    assert f"/{region}/s3/aws4_request" in query["X-Amz-Credential"][0]
