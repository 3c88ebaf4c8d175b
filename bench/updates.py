"""How do callers of the API fare while the live endpoint changes models?

    python bench/updates.py [--updates 20] [--callers 4] [--calm 30] [--trouble]

Measured in one run, on one machine, on a local cloud of its own, with two models that are trained
first and then take turns by rollback:

- calm: `--calm` seconds of `POST /predict` from so many callers, each asking again at once
- updates: the same callers while so many updates go through verify, deploy, verify
- with `--trouble` the second half on bad days: InvokeEndpoint throttled twenty times in a row, ten
  times over, and failing; slow cold starts

Reported for each: requests, how many failed, milliseconds to the answer (median, 95th and 99th
percentile, longest), and for the updates the seconds from asking to live.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPO))

from tests.local import rows  # noqa: E402
from tests.local.conftest import Cloud, free_port_pair, wait_for  # noqa: E402

DATASET = "updates"
PNG = rows.picture(rows.sample("test")[1][0])[1]
# Bursts: calls that are refused for longer than a caller of the API waits cannot be answered.
TROUBLE = (
    *(
        ("throttle", "--on", "InvokeEndpoint", "--skip", str(skip), "--times", "20")
        for skip in range(0, 600, 60)
    ),
    ("error-500", "--on", "InvokeEndpoint", "--skip", "200", "--times", "20"),
    ("slow-start", "--on", f"pigeonhole-local-{DATASET}*", "--times", "10", "--seconds", "3"),
)


@dataclass
class Load:
    """Callers until `over` is set; milliseconds of each answer, and what was no 200."""

    cloud: Cloud
    callers: int
    over: threading.Event = field(default_factory=threading.Event)
    took: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def __enter__(self) -> Load:
        self._threads = [threading.Thread(target=self._call) for _ in range(self.callers)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        for thread in self._threads:
            thread.join()

    def _call(self) -> None:
        while not self.over.is_set():
            began = time.perf_counter()
            answer = self.cloud.http(
                "POST", f"/datasets/{DATASET}/predict", PNG, {"Content-Type": "image/png"}
            )
            self.took.append((time.perf_counter() - began) * 1000)
            if answer.status != 200:
                self.failed.append(f"{answer.status} {answer.body}")

    def line(self, name: str) -> str:
        took = sorted(self.took)
        at = [took[min(len(took) - 1, int(len(took) * share))] for share in (0.5, 0.95, 0.99, 1)]
        shown = ", ".join(
            f"{label} {ms:,.0f} ms"
            for label, ms in zip(("median", "p95", "p99", "longest"), at, strict=True)
        )
        return f"{name}: {len(took):,} requests, {len(self.failed)} failed; {shown}"


def two_models(cloud: Cloud) -> list[str]:
    """Training jobs of two models that were live; the live one last."""
    cloud.put(f"datasets/{DATASET}/dataset.json", rows.settings())
    cloud.put(f"datasets/{DATASET}/a_test.csv", rows.csv("test", 400))
    jobs = []
    for count in (1000, 1500):
        cloud.put(f"datasets/{DATASET}/a_train.csv", rows.csv("train", count))
        status = cloud.settled(DATASET, cloud.ready(DATASET), timeout=900)
        if status["outcome"] != "Live":  # so small a model may be weak at one class
            cloud.http("POST", f"/datasets/{DATASET}/approve", b"{}")
        jobs.append(str(status["training_job"]))
        wait_for(lambda: cloud.dataset(DATASET)["champion"]["training_job"] == jobs[-1], "it", 300)
    return jobs


def update(cloud: Cloud, to: str) -> float:
    """Seconds until that model is live."""
    began = time.perf_counter()
    answer = cloud.http("POST", f"/datasets/{DATASET}/rollback", f'{{"to": "{to}"}}'.encode())
    asked = answer.body["change"]["asked"]

    def over() -> dict[str, object] | None:
        change: dict[str, object] = cloud.dataset(DATASET)["change"]
        return change if change["asked"] == asked and change["outcome"] else None

    change = wait_for(over, f"{to} to be live", 300, cloud.why(DATASET))
    assert change["outcome"] == "Live", change
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--updates", type=int, default=20)
    parser.add_argument("--callers", type=int, default=4)
    parser.add_argument("--calm", type=float, default=30, help="seconds")
    parser.add_argument("--trouble", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cloud = Cloud(Path(folder) / "home", free_port_pair())
        cloud.up()
        try:
            measure(cloud, asked)
        finally:
            cloud.down()


def measure(cloud: Cloud, asked: argparse.Namespace) -> None:
    """Print it all."""
    jobs = two_models(cloud)
    with Load(cloud, asked.callers) as calm:
        time.sleep(asked.calm)
    print(calm.line("calm"))
    seconds = []
    with Load(cloud, asked.callers) as load:
        for number in range(asked.updates):
            if asked.trouble and number == asked.updates // 2:
                for rule in TROUBLE:
                    cloud.command("trouble", "add", *rule)
            seconds.append(update(cloud, jobs[number % 2]))
    print(load.line("updates"))
    print(
        f"{asked.updates} updates: median {statistics.median(seconds):.1f} s from asking to live, "
        f"longest {max(seconds):.1f} s"
    )
    for failure in load.failed[:5]:
        print(f"  {failure}")


if __name__ == "__main__":
    main()
