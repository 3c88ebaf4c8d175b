"""What a job costs, told beforehand: prices, time, caps, the month's ledger."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.aws.table import Item
from chalicelib.datasets.cost.caps import GRACE_SECONDS, Asked, Caps, Verdict, money, weigh
from chalicelib.datasets.cost.choices import Instances
from chalicelib.datasets.cost.effort import FIXED_SECONDS, epochs, estimate, key, work
from chalicelib.datasets.cost.ledger import KEPT_ENTRIES, MOST_ENTRIES, Entry, Ledger, Month
from chalicelib.datasets.cost.memory import Timed
from chalicelib.datasets.cost.prices import USD_PER_HOUR, read_prices
from tests.fakes.aws import MemoryStorage, MemoryTable

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
FASHION = {
    "rows": {"train": 60_000, "validation": 0, "test": 10_000},
    "shape": {"height": 28, "width": 28, "channels": 1},
}
CPU = Instances("ml.m5.xlarge", 1, spot=False)
GPU = Instances("ml.g4dn.xlarge", 1, spot=False)


def storage(region: str = "us-east-1", prices: Any = None) -> MemoryStorage:
    made = MemoryStorage(f"pigeonhole-dev-000000000000-{region}", lambda: NOW)
    if prices is not None:
        text = prices if isinstance(prices, str) else json.dumps(prices)
        made.put_bytes("prices.json", text.encode(), "application/json")
    return made


def asked(**changes: Any) -> Asked:
    """A job that takes an hour of instances at 1 USD an hour, and may take four."""
    given = {"job": "j", "dataset": "fm", "seconds": 3600.0, "usd_per_hour": 1.0}
    return Asked(**{**given, "longest_seconds": 14_400, **changes})


def running(usd: float, most: float, dataset: str = "other") -> Entry:
    return Entry(dataset, usd, most, NOW.isoformat())


def ended(usd: float, dataset: str = "other") -> Entry:
    return Entry(dataset, usd, usd, NOW.isoformat(), spent=usd, seconds=60)


# Prices


def test_the_table_is_told_with_its_date() -> None:
    prices = read_prices(storage())
    assert prices.of("ml.g5.xlarge") == 1.408
    assert prices.of("ml.none.large") is None
    assert "2026-09" in prices.source


@pytest.mark.parametrize(("region", "dearer"), [("us-west-2", 1), ("eu-west-1", 1.12)])
def test_other_regions_cost_more(region: str, dearer: float) -> None:
    assert read_prices(storage(region)).of("ml.g5.xlarge") == pytest.approx(1.408 * dearer)


def test_a_region_without_prices_is_reckoned_dear_and_said() -> None:
    prices = read_prices(storage("sa-east-1"))
    assert prices.of("ml.g5.xlarge") == pytest.approx(1.408 * 1.7)
    assert "for want of sa-east-1's" in prices.source


def test_prices_of_peoples_own_go_before_the_table() -> None:
    own = {"date": "2027-01-15", "usd_per_hour": {"ml.g5.xlarge": 9, "ml.new.large": 0.5}}
    prices = read_prices(storage(prices=own))
    assert (prices.of("ml.g5.xlarge"), prices.of("ml.new.large")) == (9, 0.5)
    assert prices.of("ml.m5.large") == USD_PER_HOUR["ml.m5.large"]
    assert "prices.json of 2027-01-15" in prices.source


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "no JSON"),
        ("[1]", "usd_per_hour"),
        ('{"usd_per_hour": {"ml.g5.xlarge": "1.4"}}', "what ml.g5.xlarge costs"),
        ('{"usd_per_hour": {"ml.g5.xlarge": -1}}', "what ml.g5.xlarge costs"),
        ('{"usd_per_hour": {"ml.g5.xlarge": NaN}}', "what ml.g5.xlarge costs"),
    ],
)
def test_prices_that_are_none_are_passed_over_and_said(text: str, said: str) -> None:
    prices = read_prices(storage(prices=text))
    assert prices.of("ml.g5.xlarge") == 1.408
    assert said in (prices.problem or "")


# Time


def test_the_table_is_near_what_was_measured() -> None:
    # `default`: 75 s on two cores of a newer kind; an m5.xlarge has four threads of an older one.
    took = estimate(FASHION, "default", CPU, {})
    assert 75 < took.seconds - FIXED_SECONDS < 300
    assert "table" in took.basis


def test_an_earlier_job_of_the_dataset_goes_before_the_table() -> None:
    measured = {key("default", CPU): Timed(work(FASHION), 1000)}
    same = estimate(FASHION, "default", CPU, measured)
    assert same.seconds == pytest.approx(1200)
    assert "earlier job" in same.basis
    twice = FASHION | {"rows": {"train": 120_000, "test": 10_000}}
    more = estimate(twice, "default", CPU, measured)
    assert 1.5 * same.seconds < more.seconds < 2 * same.seconds
    assert estimate(FASHION, "default", GPU, measured).basis == "by a coarse table"


def test_more_and_larger_machines_take_less() -> None:
    report = FASHION | {"preset": "wide-28-10"}
    seconds = [
        estimate(report, "wide-28-10", Instances(kind, count, spot=False), {}).seconds
        for kind, count in [
            ("ml.m5.large", 1),
            ("ml.m5.xlarge", 1),
            ("ml.m5.24xlarge", 1),
            ("ml.g4dn.xlarge", 1),
            ("ml.g4dn.xlarge", 2),
            ("ml.g5.12xlarge", 1),
            ("ml.p5.48xlarge", 1),
        ]
    ]
    assert seconds == sorted(seconds, reverse=True)
    assert seconds[1] > 100 * 3600  # nobody trains that on four threads
    assert seconds[3] < 6 * 3600


def test_work_follows_rows_passes_and_pixels() -> None:
    assert work(FASHION) == pytest.approx(300_000)
    assert work(FASHION | {"hyperparameters": {"epochs": 10}}) == pytest.approx(600_000)
    assert work(FASHION | {"shape": {"height": 56, "width": 28}}) == pytest.approx(600_000)
    untested = work(FASHION | {"rows": {"train": 60_000, "test": 0}})
    assert untested == pytest.approx(240_000)  # a fifth is held out
    photos = {"rows": {"train": 100, "test": 1}, "shape": None, "preset": "resnet50"}
    assert work(photos) == pytest.approx(100 * 4 * 64)  # two phases of two passes, 224 x 224


def test_few_rows_are_passed_over_more_often() -> None:
    assert [epochs("default", {}, rows) for rows in (100, 1000, 4000, 60_000)] == [60, 40, 10, 5]
    assert epochs("default-large", {}, 60_000) == 48
    assert epochs("resnet50", {"fine_tune_epochs": 0, "epochs": 3}, 10) == 3


# Caps


def test_without_caps_a_job_starts_and_may_run_as_long_as_the_stage_lets_it() -> None:
    weighed = weigh(asked(), Caps(), Month("2026-11"))
    assert (weighed.verdict, weighed.runtime_seconds) == (Verdict.START, 14_400)


def test_a_cap_holds_whatever_the_job_does() -> None:
    for cap in (1.2, 2.0, 3.9):
        weighed = weigh(asked(), Caps(job=cap), Month("2026-11"))
        assert weighed.verdict is Verdict.START
        most = asked().most(weighed.runtime_seconds)
        assert most is not None
        assert cap - 0.001 < most <= cap


def test_over_the_cap_a_person_is_asked() -> None:
    weighed = weigh(asked(), Caps(job=0.9), Month("2026-11"))
    assert (weighed.verdict, weighed.reason) == (Verdict.ASK, "over the $0.90 that a job may cost")
    assert weigh(asked(), Caps(job=0), Month("2026-11")).verdict is Verdict.ASK


def test_spot_is_estimated_cheaper_and_bounded_by_the_full_price() -> None:
    spot = asked(spot=True)
    assert spot.estimated == 0.5
    assert spot.most(14_400) == asked().most(14_400)
    assert weigh(spot, Caps(job=0.9), Month("2026-11")).verdict is Verdict.ASK


def test_several_instances_cost_so_many_times() -> None:
    assert asked(usd_per_hour=3.0).most(3600 - GRACE_SECONDS) == pytest.approx(3.0)


def test_a_month_that_is_spent_asks_a_person() -> None:
    month = Month("2026-11", {"a": ended(9.5)})
    weighed = weigh(asked(), Caps(month=10), month)
    assert weighed.verdict is Verdict.ASK
    assert "$10.00" in weighed.reason
    assert "$9.50 are spent" in weighed.reason


def test_a_month_whose_rest_is_set_apart_for_others_is_waited_for() -> None:
    """What they cost is known soon: no person is needed."""
    month = Month("2026-11", {"a": running(1, 9.5)})
    weighed = weigh(asked(), Caps(month=10), month)
    assert weighed.verdict is Verdict.WAIT
    assert "$9.50" in weighed.reason


def test_what_a_month_has_left_bounds_the_job() -> None:
    month = Month("2026-11", {"a": ended(5), "b": running(1, 3), "j": running(1, 9)})
    weighed = weigh(asked(), Caps(month=10), month)  # its own entry, of an earlier try, is no other
    assert weighed.verdict is Verdict.START
    assert asked().most(weighed.runtime_seconds) == pytest.approx(2, abs=0.001)


def test_a_datasets_month_is_its_own() -> None:
    month = Month("2026-11", {"a": ended(9.5, "other"), "b": ended(1, "fm")})
    assert weigh(asked(), Caps(dataset_month=10), month).verdict is Verdict.START
    assert weigh(asked(), Caps(dataset_month=10, month=11), month).verdict is Verdict.ASK


def test_an_unknown_price_starts_only_where_there_is_no_cap() -> None:
    unknown = asked(usd_per_hour=None)
    assert weigh(unknown, Caps(), Month("2026-11")).verdict is Verdict.START
    weighed = weigh(unknown, Caps(month=1000), Month("2026-11"))
    assert weighed.verdict is Verdict.ASK
    assert "nobody knows its price" in weighed.reason
    assert weigh(unknown, Caps(job=1), Month("2026-11"), allowed=0.0).verdict is Verdict.START


def test_what_a_person_allowed_goes_before_caps_and_is_a_bound_itself() -> None:
    spent = Month("2026-11", {"a": ended(99)})
    caps = Caps(job=0.5, month=10, dataset_month=1)
    weighed = weigh(asked(), caps, spent, allowed=2.0)
    assert weighed.verdict is Verdict.START
    assert asked().most(weighed.runtime_seconds) == pytest.approx(2, abs=0.001)
    assert weigh(asked(), caps, spent, allowed=0.5).verdict is Verdict.ASK
    full = asked().most(14_400)
    assert weigh(asked(), caps, spent, allowed=full).runtime_seconds == 14_400


@pytest.mark.parametrize(
    ("usd", "text"), [(0.0, "$0.00"), (0.004, "less than $0.01"), (1234.5, "$1,234.50")]
)
def test_money_for_people(usd: float, text: str) -> None:
    assert money(usd) == text


# The ledger


def test_a_job_entered_twice_counts_once() -> None:
    ledger = Ledger(MemoryTable())
    for most in (3.0, 2.0):
        entry = running(1, most)
        month = ledger.change("2026-11", lambda m, e=entry: m.with_job("a", e))  # type: ignore[misc]
    assert (month.reserved(), month.expected(), month.spent()) == (2, 1, 0)
    for _ in range(2):
        month = ledger.change("2026-11", lambda m: m.with_job("a", ended(0.5)))
    assert (month.reserved(), month.spent()) == (0, 0.5)
    assert ledger.month("2026-12") == Month("2026-12")


class Between(MemoryTable):
    """Somebody else writes just before the first write."""

    def __init__(self, somebody: Callable[[], object]) -> None:
        super().__init__()
        self.somebody: Callable[[], object] | None = somebody

    def put(self, id: str, state: Mapping[str, Any], revision: int) -> Item:
        somebody, self.somebody = self.somebody, None
        if somebody is not None:
            somebody()
        return super().put(id, state, revision)


def test_two_at_the_same_moment_cannot_both_take_what_one_may() -> None:
    verdicts: dict[str, Verdict] = {}

    def enter(number: int) -> Month:
        job = asked(job=f"j{number}")

        def entered(month: Month) -> Month:
            weighed = weigh(job, Caps(month=4.5), month)
            verdicts[job.job] = weighed.verdict
            if weighed.verdict is not Verdict.START:
                return month
            return month.with_job(job.job, running(1, job.most(weighed.runtime_seconds) or 0))

        return ledger.change("2026-11", entered)

    ledger = Ledger(Between(lambda: enter(2)))
    enter(1)
    assert verdicts == {"j2": Verdict.START, "j1": Verdict.WAIT}
    assert ledger.month("2026-11").reserved() <= 4.5


def test_very_many_jobs_stay_counted() -> None:
    month = Month("2026-11")
    for number in range(MOST_ENTRIES + 1):
        month = month.with_job(f"j{number}", ended(1, "a" if number % 2 else "b"))
    assert len(month.jobs) == KEPT_ENTRIES
    assert month.spent() == MOST_ENTRIES + 1
    assert month.spent("a") + month.spent("b") == MOST_ENTRIES + 1


def test_a_price_that_no_number_can_hold_is_passed_over() -> None:
    prices = read_prices(storage(prices='{"usd_per_hour": {"ml.m5.large": ' + 400 * "9" + "}}"))
    assert prices.of("ml.m5.large") == USD_PER_HOUR["ml.m5.large"]
    assert "ml.m5.large" in (prices.problem or "")
