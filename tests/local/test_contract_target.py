"""The contract tests, pointed at a running cloud by their one variable as at a real account."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from .conftest import REPO, Cloud

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "sagemaker.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}


def test_contract_tests_run_against_whatever_account_they_are_pointed_at(
    cloud: Cloud, tmp_path: Path
) -> None:
    role = cloud.client("iam").create_role(
        RoleName="contract", AssumeRolePolicyDocument=json.dumps(TRUST)
    )["Role"]["Arn"]
    bucket = "contract-tests"
    cloud.client("s3").create_bucket(Bucket=bucket)
    names = {
        "region": cloud.env["AWS_DEFAULT_REGION"],
        "account": role.split(":")[4],
        "role": role,
        "bucket": bucket,
        "trainer_image": "none/trainer:1",
        "server_image": "none/server:1",
    }
    target = tmp_path / "target.toml"
    lines = [f"{name} = {json.dumps(value)}\n" for name, value in names.items()]
    target.write_text("".join([*lines, "patience = 60.0\n"]))
    files = [f"tests/contract/sagemaker/test_every_{topic}.py" for topic in ("list", "name")]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files],
        cwd=REPO,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "SAGEMAKER_CONTRACT_TARGET": str(target),
            **cloud.env,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed
    assert int(passed[1]) >= 90
