"""The ledger on the table: whoever writes at the same moment, nothing is lost or overrun."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from chalicelib.aws.table import Table
from chalicelib.datasets.cost.caps import Asked, Caps, Verdict, weigh
from chalicelib.datasets.cost.ledger import Entry, Ledger, Month

AT = "2026-11-21T10:00:00+00:00"


def test_of_many_that_start_at_once_as_many_do_as_the_cap_lasts_for(table: Table) -> None:
    caps = Caps(month=3.5)

    def start(number: int) -> Verdict:
        job = Asked(f"j{number}", f"d{number % 2}", 600, 1.0, 3300)
        verdicts: list[Verdict] = []

        def entered(month: Month) -> Month:
            weighed = weigh(job, caps, month)
            verdicts.append(weighed.verdict)
            if weighed.verdict is not Verdict.START:
                return month
            most = job.most(weighed.runtime_seconds)
            return month.with_job(job.job, Entry(job.dataset, job.estimated, most, AT))

        Ledger(table).change("2026-11", entered)
        return verdicts[-1]

    with ThreadPoolExecutor(6) as pool:
        verdicts = list(pool.map(start, range(8)))
    month = Ledger(table).month("2026-11")
    assert len(month.jobs) == verdicts.count(Verdict.START) == 4  # three of a dollar, one of a half
    assert month.reserved() <= 3.5
    assert Verdict.ASK not in verdicts
