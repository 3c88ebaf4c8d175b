"""By which names a request may come to the local cloud's own doors."""

from __future__ import annotations

import pytest

from localcloud.loopback import is_loopback


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:4567",
        "127.0.0.1",
        "127.0.0.1:4567",
        "[::1]",
        "[::1]:80",
        "LocalHost",
    ],
)
def test_loopback_names_are(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        *(None, "", "evil.test", "evil.test:4567", "127.0.0.1.evil.test", "localhost.evil.test"),
        *("127.0.0.1:4567.evil.test", "::1", "127.0.0.1:", "localhost:x", ":80", "10.0.0.1"),
        *("127.0.0.1@evil.test", "evil.test@127.0.0.1", "[::1", "localhost:٣", "0.0.0.0:4567"),
    ],
)
def test_other_names_are_not(host: str | None) -> None:
    assert not is_loopback(host)
