"""The one owner of keys, and of what people may call things; sagemaker_names.py has the jobs.

S3, in the data bucket `pigeonhole-<stage>-<account>-<region>`:

    datasets/<dataset>/**.csv|.csv.gz|.zip              DATA (zips of CSVs or of such folders)
    datasets/<dataset>/**/<class>/**.png|.jpg|…         IMAGE
    datasets/<dataset>/dataset.json                     SETTINGS
    datasets/<dataset>/_READY                           READY
    datasets/<dataset>/**                               OTHER (listed in the report as ignored)
    inbox/<batch>/**                                    DATA
    inbox/<batch>/batch.json                            SETTINGS
    inbox/<batch>/_READY                                READY
    models/<dataset>/<job>/output/model.tar.gz, output.tar.gz
    checkpoints/<dataset>/<hash12>-<family>/            of unfinished attempts
    weights/<preset>/**                                 pretrained weights, where somebody put some
    reports/<dataset>/preflight/<version>/report.json, report.txt, version.json, train.manifest
    reports/<dataset>/<job>/evaluation.json
    reports/<dataset>/<job>/index.html, …               what the job drew
    reports/<dataset>/<job>/failure.json, failure.txt   of a job that failed or was stopped
    reports/<dataset>/<job>/published.json              written last: what lies there
    reports/<dataset>/<job>/tensorboard-output/         while the job runs
    reports/<dataset>/history/<version>.json            all that happened to a version
    reports/misplaced/<name>.json
    pieces/<dataset>/<version>/<check>/                 of a check that is read in pieces
    work/<batch>/<run>/shards/NNNNN.jsonl, output/
    results/<batch>/<run>/…, results/<batch>/latest.json
    code/<code version>/sourcedir.tar.gz
    prices.json                                         what instances cost, where a table is wrong

A reconciler's id is `dataset/<name>` or `batch/<name>`.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum

from chalicelib.errors import NameRefused

NAME = re.compile(r"[a-z0-9](-?[a-z0-9]){0,23}")
NEXT = "-next"
READY = "_READY"
DATASETS = "datasets/"
INBOX = "inbox/"
COSTS = "costs/"  # where the table's ids of months begin
PRICES = "prices.json"
DATA_ENDINGS = (".csv", ".csv.gz", ".zip")
IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")
_TEST = re.compile(r"(^|[^a-z])test([^a-z]|$)")
_VALIDATION = re.compile(r"(^|[^a-z])(validation|valid|val)([^a-z]|$)")
_BUCKET = re.compile(r".+-[0-9]{12}-(?P<region>[a-z0-9-]+)")


class Owner(StrEnum):
    """Who is reconciled."""

    DATASET = "dataset"
    BATCH = "batch"


class Kind(StrEnum):
    """What an S3 key is."""

    DATA = "data"
    IMAGE = "image"
    SETTINGS = "settings"
    READY = "ready"
    OTHER = "other"
    MISPLACED = "misplaced"
    OUTSIDE = "outside"


@dataclass(frozen=True)
class Place:
    """A key understood: `path` is what comes below the dataset's or batch's prefix."""

    kind: Kind
    owner: Owner | None = None
    name: str = ""
    path: str = ""
    reason: str = ""

    @property
    def id(self) -> str | None:
        """The reconciler's id, where the key belongs to somebody."""
        if self.owner is None or self.kind in (Kind.MISPLACED, Kind.OUTSIDE):
            return None
        return f"{self.owner}/{self.name}"


def name_problem(owner: Owner, name: str) -> str | None:
    """Why the name cannot be used, as a sentence; None when it can."""
    if not NAME.fullmatch(name):
        return (
            f"{name!r} cannot be the name of a {owner}: use 1 to 24 small letters, digits "
            "and single hyphens between them, because SageMaker takes nothing else"
        )
    if owner is Owner.DATASET and name.endswith(NEXT):
        return f"{name!r} cannot be the name of a dataset: names that end in {NEXT!r} are taken"
    return None


def check_name(owner: Owner, name: str) -> str:
    """The name itself; raises NameRefused with what to do."""
    problem = name_problem(owner, name)
    if problem:
        raise NameRefused(problem)
    return name


def parse_key(key: str) -> Place:
    """What the S3 key is."""
    for prefix, owner in ((DATASETS, Owner.DATASET), (INBOX, Owner.BATCH)):
        if key.startswith(prefix):
            return _place(owner, key.removeprefix(prefix))
    return Place(Kind.OUTSIDE)


def _place(owner: Owner, rest: str) -> Place:  # noqa: PLR0911 - one line a kind of key
    if not rest or rest.endswith("/"):  # the markers that consoles make for empty folders
        return Place(Kind.OUTSIDE)
    name, slash, path = rest.partition("/")
    if not slash:
        folder = DATASETS if owner is Owner.DATASET else INBOX
        return Place(
            Kind.MISPLACED,
            owner,
            path=rest,
            reason=f"it lies straight under {folder}; put it into a folder, {folder}<name>/{rest}",
        )
    problem = name_problem(owner, name)
    if problem:
        return Place(Kind.MISPLACED, owner, name, path, problem)
    if path == READY:
        return Place(Kind.READY, owner, name, path)
    if path == ("dataset.json" if owner is Owner.DATASET else "batch.json"):
        return Place(Kind.SETTINGS, owner, name, path)
    if owner is Owner.BATCH:
        return Place(Kind.DATA, owner, name, path)
    return Place(_kind_of_data(path), owner, name, path)


def _kind_of_data(path: str) -> Kind:
    lower = path.lower()
    if is_junk(path):
        return Kind.OTHER
    if lower.endswith(DATA_ENDINGS):
        return Kind.DATA
    # An image in no folder has no class: a picture of the data, perhaps.
    return Kind.IMAGE if lower.endswith(IMAGE_ENDINGS) and "/" in path else Kind.OTHER


def is_junk(path: str) -> bool:
    """What macOS and Windows leave behind in folders and zips, and what begins with a dot."""
    return any(
        (part.startswith(".") and part not in (".", ".."))
        or part.lower() in ("__macosx", "thumbs.db")
        for part in path.split("/")
    )


def role_of(path: str) -> str:
    """What the rows of a CSV are for: `test` (held out), `validation` or `train`.

    A word counts as a whole token: fashion-mnist_test.csv is held out, latest.csv is not.
    """
    lower = path.lower()
    if _TEST.search(lower):
        return "test"
    return "validation" if _VALIDATION.search(lower) else "train"


def dataset_id(name: str) -> str:
    return f"{Owner.DATASET}/{name}"


def batch_id(name: str) -> str:
    return f"{Owner.BATCH}/{name}"


def costs_id(month: str) -> str:
    """The item that counts what the jobs of a month (`2026-11`) cost: for nobody to reconcile."""
    return COSTS + month


def parse_id(text: str) -> tuple[Owner, str]:
    """`dataset/fashion-mnist` → its parts. Raises NameRefused for anything else."""
    kind, _, name = text.partition("/")
    if kind not in tuple(Owner):
        raise NameRefused(f"{text!r} is neither dataset/<name> nor batch/<name>")
    return Owner(kind), check_name(Owner(kind), name)


# Keys


def dataset_prefix(dataset: str) -> str:
    return f"{DATASETS}{dataset}/"


def inbox_prefix(batch: str) -> str:
    return f"{INBOX}{batch}/"


def models_prefix(dataset: str) -> str:
    """Where training jobs write: SageMaker adds `<job>/output/…`."""
    return f"models/{dataset}/"


def model_key(dataset: str, job: str) -> str:
    return f"models/{dataset}/{job}/output/model.tar.gz"


def output_key(dataset: str, job: str) -> str:
    return f"models/{dataset}/{job}/output/output.tar.gz"


def preflight_prefix(dataset: str, version: str) -> str:
    return f"reports/{dataset}/preflight/{version}/"


def history_prefix(dataset: str) -> str:
    return f"reports/{dataset}/history/"


def history_key(dataset: str, version: str) -> str:
    """The record of what happened to a version."""
    return f"{history_prefix(dataset)}{version}.json"


def pieces_prefix(dataset: str, version: str, check: int) -> str:
    """Of one check of a version that is read in pieces."""
    return f"pieces/{dataset}/{version}/{check}/"


def reports_prefix(dataset: str) -> str:
    """Where a job's TensorBoard files go: SageMaker adds `<job>/tensorboard-output/…`."""
    return f"reports/{dataset}/"


def job_reports_prefix(dataset: str, job: str) -> str:
    return f"reports/{dataset}/{job}/"


def evaluation_key(dataset: str, job: str) -> str:
    return job_reports_prefix(dataset, job) + "evaluation.json"


def published_key(dataset: str, job: str) -> str:
    """What was published of a job's reports; its presence says that nothing more will come."""
    return job_reports_prefix(dataset, job) + "published.json"


def checkpoints_prefix(dataset: str, version: str, family: int) -> str:
    """Checkpoints that attempts of one family share: `family` is the number of its first attempt.

    An attempt after a failed or stopped one belongs to its family and goes on from where it was;
    training finished data once more begins a family, and so from nothing. The number has four
    digits, so that no prefix begins with another one.
    """
    return f"checkpoints/{dataset}/{version[:12]}-{family:04d}/"


def weights_prefix(preset: str) -> str:
    return f"weights/{preset}/"


def misplaced_key(key: str) -> str:
    """Report of a key that cannot be used.

    The hash keeps apart keys that differ in odd characters only.
    """
    safe = re.sub(r"[^A-Za-z0-9._-]+", "_", key)[:100]
    return f"reports/misplaced/{safe}-{hashlib.sha256(key.encode()).hexdigest()[:8]}.json"


def shards_prefix(batch: str, run: str) -> str:
    return f"work/{batch}/{run}/shards/"


def left_out_key(batch: str, run: str) -> str:
    return f"work/{batch}/{run}/left_out.jsonl"


def outputs_prefix(batch: str, run: str) -> str:
    return f"work/{batch}/{run}/output/"


def results_prefix(batch: str, run: str) -> str:
    return f"results/{batch}/{run}/"


def latest_key(batch: str) -> str:
    return f"results/{batch}/latest.json"


def code_key(code_version: str) -> str:
    return f"code/{code_version}/sourcedir.tar.gz"


def region_of_bucket(bucket: str) -> str:
    """`us-east-1` of `pigeonhole-<stage>-<account>-us-east-1`; empty for a name of another kind."""
    match = _BUCKET.fullmatch(bucket)
    return match["region"] if match else ""
