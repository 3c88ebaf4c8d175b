"""The environment of the functions, read here and nowhere else."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields

from chalicelib.errors import SettingsMissing

PREFIX = "PIGEONHOLE_"
MAY_BE_EMPTY = frozenset(
    {"default_dataset", "training_cpu_instance_type", "notification_topic_arn"}
)


def api_key_required(environment: Mapping[str, str]) -> bool:
    """Do callers of the API need a key? `chalice package` asks, with the stage's variables set."""
    return environment.get(PREFIX + "STAGE") != "local"


@dataclass(frozen=True)
class Settings:
    """One field a variable: `bucket` is `PIGEONHOLE_BUCKET`, and so on."""

    stage: str
    bucket: str
    table: str
    events_queue_url: str
    work_queue_url: str
    events_dead_letters_url: str
    work_dead_letters_url: str
    training_image_cpu: str
    training_image_gpu: str
    serving_image: str
    training_role_arn: str
    endpoint_role_arn: str
    transform_role_arn: str
    training_instance_type: str
    training_spot: bool
    training_max_runtime_seconds: int
    training_max_wait_seconds: int
    transform_instance_type: str
    code_version: str
    default_dataset: str
    quiet_seconds: int
    retry_seconds: int  # what failed, or died half-way, is tried again after so long
    serverless_memory_mb: int
    serverless_max_concurrency: int
    training_cpu_instance_type: str = ""  # where none of the others can be had; empty: none is
    budget_job_usd: float | None = None  # what a training job may cost unasked; None: anything
    budget_month_usd: float | None = None  # what all of a month's may
    notification_topic_arn: str = ""
    keep_versions: int = 5  # former champions whose models and endpoint configs are kept
    preflight_piece_bytes: int = 500_000_000  # of data: with more, a check is cut into pieces

    @property
    def training_instance_types(self) -> tuple[str, ...]:
        """The first is taken, unless it cannot be had."""
        return listed(self.training_instance_type)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read all variables. Raises SettingsMissing, which names all that are wrong."""
        values: dict[str, str | int | float | None] = {}  # a bool is an int
        wrong: list[str] = []
        for field in fields(cls):
            variable = PREFIX + field.name.upper()
            text = environment.get(variable, "")
            if field.type == "int":
                try:
                    values[field.name] = int(text)
                except ValueError:
                    wrong.append(f"{variable} (a whole number)")
            elif field.type == "bool":
                values[field.name] = text.lower() == "true"
                if text.lower() not in ("true", "false"):
                    wrong.append(f"{variable} (true or false)")
            elif field.type == "float | None":
                try:
                    values[field.name] = _usd(text)
                except ValueError:
                    wrong.append(f"{variable} (US dollars, or empty)")
            elif field.name == "training_instance_type" and not listed(text):
                wrong.append(f"{variable} (an instance type, or several with commas between them)")
            elif text or field.name in MAY_BE_EMPTY:
                values[field.name] = text
            else:
                wrong.append(variable)
        if wrong:
            raise SettingsMissing("set in the environment: " + ", ".join(wrong))
        return cls(**values)  # type: ignore[arg-type]


def listed(text: str) -> tuple[str, ...]:
    """What stands between commas."""
    return tuple(filter(None, (part.strip() for part in text.split(","))))


def _usd(text: str) -> float | None:
    """Raises ValueError."""
    if not text.strip():
        return None
    usd = float(text)
    if not 0 <= usd < math.inf:
        raise ValueError(text)
    return usd
