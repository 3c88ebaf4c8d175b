"""What an hour of an instance costs: a dated table, which `prices.json` in the bucket overrides.

    {"date": "2027-01-15", "usd_per_hour": {"ml.g5.xlarge": 1.57, "ml.new.xlarge": 2.0}}

What it names counts as it stands there; for the rest the table counts. AWS changes prices and has
others for those with savings plans or a private price list: these are for estimates and caps, and
no bill. Storage (about 0.14 USD a GB and month), requests and endpoints are not counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chalicelib import names
from chalicelib.aws.storage import Storage
from chalicelib.datasets.settings.setting_values import is_number
from chalicelib.errors import ObjectNotFound

DATE = "2026-09"
# USD an hour of SageMaker training on demand in us-east-1, as public projects read them from the
# AWS Price List API (usage types USE1-Train:… and, at the same prices, USW2-Train:…) between July
# and September 2026. Those of m5, c5 and g4dn beyond 2xlarge are from older public
# tables.
USD_PER_HOUR: Mapping[str, float] = {
    "ml.m5.large": 0.115,
    "ml.m5.xlarge": 0.23,
    "ml.m5.2xlarge": 0.461,
    "ml.m5.4xlarge": 0.922,
    "ml.m5.12xlarge": 2.765,
    "ml.m5.24xlarge": 5.53,
    "ml.c5.xlarge": 0.204,
    "ml.c5.2xlarge": 0.408,
    "ml.c5.4xlarge": 0.816,
    "ml.c5.9xlarge": 1.836,
    "ml.c5.18xlarge": 3.672,
    "ml.g4dn.xlarge": 0.7364,
    "ml.g4dn.2xlarge": 0.94,
    "ml.g4dn.4xlarge": 1.505,
    "ml.g4dn.8xlarge": 2.72,
    "ml.g4dn.12xlarge": 4.89,
    "ml.g4dn.16xlarge": 5.44,
    "ml.g5.xlarge": 1.408,
    "ml.g5.2xlarge": 1.515,
    "ml.g5.4xlarge": 2.03,
    "ml.g5.8xlarge": 3.06,
    "ml.g5.12xlarge": 7.09,
    "ml.g5.16xlarge": 5.12,
    "ml.g5.24xlarge": 10.18,
    "ml.g5.48xlarge": 20.36,
    "ml.g6.xlarge": 1.127,
    "ml.g6.2xlarge": 1.222,
    "ml.g6.4xlarge": 1.654,
    "ml.g6.8xlarge": 2.518,
    "ml.g6.12xlarge": 5.752,
    "ml.g6.24xlarge": 8.344,
    "ml.g6.48xlarge": 16.688,
    "ml.g6e.xlarge": 2.61,
    "ml.g6e.2xlarge": 2.8,
    "ml.g6e.4xlarge": 3.76,
    "ml.g6e.8xlarge": 5.66,
    "ml.g6e.12xlarge": 13.12,
    "ml.g6e.24xlarge": 18.83,
    "ml.g6e.48xlarge": 37.66,
    "ml.p4d.24xlarge": 25.251286,
    "ml.p5.48xlarge": 63.296,
}
# Of other regions, as a share of us-east-1's. Ireland's is from a bill (aws-samples/
# sagemaker-ssh-helper, December 2023): m5, g4dn and g5 were 11.5 to 12 % dearer.
REGIONS: Mapping[str, float] = {
    "us-east-1": 1.0,
    "us-east-2": 1.0,
    "us-west-2": 1.0,
    "eu-west-1": 1.12,
}
ELSEWHERE = 1.7  # a guess, rather too high: as dear as the dearest region that was found
DEAREST = 10_000.0  # USD an hour; more is a slip of the pen


@dataclass(frozen=True)
class Prices:
    """USD an hour by instance type; `source` says in a few words where they are from."""

    usd_per_hour: Mapping[str, float]
    source: str
    problem: str | None = None  # why prices.json is not used

    def of(self, instance_type: str) -> float | None:
        """None: not known."""
        return self.usd_per_hour.get(instance_type)


@dataclass(frozen=True)
class _Own:
    usd_per_hour: Mapping[str, float] = field(default_factory=dict)
    source: str = ""
    problem: str | None = None


def read_prices(storage: Storage) -> Prices:
    """Those of the bucket's region, with prices.json over them."""
    region = names.region_of_bucket(storage.bucket)
    share = REGIONS.get(region, ELSEWHERE)
    table = {name: usd * share for name, usd in USD_PER_HOUR.items()}
    source = f"list prices of {DATE}"
    if region not in REGIONS:
        source += f", {ELSEWHERE} times those of us-east-1 for want of {region}'s"
    own = _own(storage)
    if own.usd_per_hour:
        source = f"{names.PRICES}{own.source}, else {source}"
    return Prices({**table, **own.usd_per_hour}, source, own.problem)


def _own(storage: Storage) -> _Own:
    try:
        raw = storage.get_json(names.PRICES)
    except ObjectNotFound:
        return _Own()
    except (ValueError, RecursionError):
        return _Own(problem=f"{names.PRICES} is no JSON: it is passed over")
    given = raw.get("usd_per_hour") if isinstance(raw, dict) else None
    if not isinstance(given, dict):
        return _Own(problem=f'{names.PRICES} has no "usd_per_hour" object: it is passed over')
    wrong = sorted(str(name)[:64] for name, usd in given.items() if not _is_price(usd))
    problem = None
    if wrong:
        problem = f"{names.PRICES}: what {', '.join(wrong[:5])} costs is no price in US dollars"
    date = f" of {str(raw['date'])[:32]}" if raw.get("date") else ""
    good = {str(name): float(usd) for name, usd in given.items() if _is_price(usd)}
    return _Own(good, date, problem)


def _is_price(usd: Any) -> bool:
    return is_number(usd, 0, DEAREST)
