"""Whom the contract tests hold to AWS's behaviour: our SageMaker, or a real account.

`SAGEMAKER_CONTRACT_TARGET` unset: a SageMaker of the tests' own on this machine. Set: a TOML file
that names what the tests may use in a real account (README.md beside this file says how to make
it). Tests that look inside the local one, or make time pass, are skipped there.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "SAGEMAKER_CONTRACT_TARGET"


@dataclass(frozen=True)
class Target:
    """Names that tests use; `patience` in seconds is how long a state may take to be reached."""

    real: bool = False
    region: str = "us-east-1"
    account: str = "000000000000"
    role: str = "arn:aws:iam::000000000000:role/execution"
    bucket: str = ""
    trainer_image: str = "test/trainer:1"
    server_image: str = "test/server:1"
    tuned_image: str = "test/tuned:1"
    patience: float = 30.0


def read(environment: dict[str, str] | os._Environ[str] = os.environ) -> Target:
    """The target that the environment names. Raises ValueError that says what the file lacks."""
    file = environment.get(VARIABLE)
    if not file:
        return Target()
    given = tomllib.loads(Path(file).read_text(encoding="utf-8"))
    try:
        return Target(real=True, **{"patience": 1200.0, **given})
    except TypeError as error:
        raise ValueError(f"{file}: {error}") from error
