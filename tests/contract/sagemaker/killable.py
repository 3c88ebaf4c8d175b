"""A SageMaker to kill: `python -m tests.contract.sagemaker.killable HOME PORT S3_URL`."""

from __future__ import annotations

import sys
from pathlib import Path

import uvicorn

from localcloud.images import Images
from localcloud.sagemaker import Timeouts, build_app
from localcloud.trouble import Rules

from .fakes import ACCOUNT, FakeAccess, FakeEvents, FakeLogs, FakeMetrics

REPO = Path(__file__).resolve().parents[3]


def main(home: str, port: str, s3_url: str) -> None:
    app = build_app(
        access=FakeAccess(),
        events=FakeEvents(),
        logs=FakeLogs(),
        metrics=FakeMetrics(),
        trouble=Rules(),
        images=Images.load(
            venvs=REPO, repo=REPO, extra=[REPO / "tests/contract/sagemaker/images/test.toml"]
        ),
        home=Path(home),
        region="us-east-1",
        account=ACCOUNT,
        url=f"http://127.0.0.1:{port}",
        endpoints={"AWS_ENDPOINT_URL": s3_url},
        timeouts=Timeouts(stop_job=60, serverless_start=60, instance_start=60),
    )
    uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="warning")


if __name__ == "__main__":
    main(*sys.argv[1:])
