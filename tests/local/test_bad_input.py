"""Bad input is refused with file, line and reason before a job starts; nothing else suffers."""

from __future__ import annotations

import http.client
import io
import json
import struct
import zipfile
import zlib
from urllib.parse import urlsplit

import pytest
from PIL import Image

from tests.local import photos, rows
from tests.local.conftest import Cloud, wait_for

PIXELS = ",".join(["0"] * 784)
PNG = rows.picture(rows.sample("test")[1][0])[1]

BAD_CSVS = {
    "ragged": (f"0,{PIXELS}\n1,0,0\n", "line 2"),
    "non-numeric": (f"0,{PIXELS}\n1,{PIXELS[:-1]}x\n", "line 2"),
    "out-of-range": (f"0,{PIXELS}\n1,{PIXELS[:-1]}256\n", "line 2"),
    "second-header": (f"0,{PIXELS}\nlabel,{PIXELS}\n1,{PIXELS}\n", "line 2"),
    "empty": ("", "empty"),
    "no-image": ("0,1,2,3,4,5\n1,1,2,3,4,5\n", "5"),
}


@pytest.mark.parametrize("case", BAD_CSVS)
def test_bad_csv_is_refused_before_a_job_starts(cloud: Cloud, case: str) -> None:
    text, reason = BAD_CSVS[case]
    key = f"datasets/bad-{case}/rows_train.csv"
    cloud.put(key, text.encode())
    status = cloud.settled(f"bad-{case}", cloud.ready(f"bad-{case}"), timeout=60)
    assert (status["phase"], status["outcome"]) == ("Refused", "Refused"), status
    bucket, _, report = status["report"].removeprefix("s3://").partition("/")
    s3 = cloud.client("s3")
    body = s3.get_object(Bucket=bucket, Key=report)["Body"].read().decode()
    assert "rows_train.csv" in body
    assert reason in body.replace('"line": ', "line ")
    assert cloud.training_jobs(f"bad-{case}") == []
    assert s3.get_object(Bucket=cloud.bucket, Key=key)["Body"].read() == text.encode()
    assert "rows_train.csv" in function_logs(cloud, "rows_train.csv")


def zipped(files: dict[str, bytes]) -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return body.getvalue()


def images(*folders: str, broken: int = 0) -> dict[str, bytes]:
    """Five images in each folder; the first `broken` of them are web pages."""
    return {
        f"{folder}/{number}.png": b"<html>" if number < broken else photos.encoded(image)
        for place, folder in enumerate(folders)
        for number in range(5)
        for image in [photos.photo("disc", 5 * place + number)]
    }


ROW = ",".join(["7"] * 784)
BAD_DATASETS: dict[str, tuple[dict[str, bytes], str]] = {
    "one-class": ({"a.csv": f"0,{PIXELS}\n0,{ROW}\n".encode()}, "one class only, '0'"),
    "identical": ({"a.csv": f"0,{ROW}\n1,{ROW}\n".encode() * 2}, "all 4 rows have the same"),
    "single-rows": ({"a.csv": f"0,{PIXELS}\n1,{ROW}\n".encode()}, "'0' has a single row to train"),
    "missing-value": (
        {"a.csv": f"0,{PIXELS}\n1,{PIXELS[:-1]}nan\n".encode()},
        "line 2, column 785: 'nan' is a missing value",
    ),
    "unknown-label": (
        {
            "a.csv": f"bag,{PIXELS}\nshoe,{ROW}\nbagg,{ROW}\n".encode(),
            "dataset.json": b'{"classes": ["bag", "shoe"]}',
        },
        "a.csv, line 3, column 1: label 'bagg' is none of the classes",
    ),
    "unknown-setting": (
        {"a.csv": f"0,{PIXELS}\n1,{ROW}\n".encode(), "dataset.json": b'{"preset": "vgg"}'},
        "preset must be one of default, ",
    ),
    "zip-slip": (
        {"a.zip": zipped({**images("train/a", "train/b"), "../evil.png": b"x"})},
        "'../evil.png' has '..' in it",
    ),
    "no-images": (
        {"a.zip": zipped(images("train/a", "train/b", broken=1))},
        "HTML or XML, no image; 2 of 10 images are none (20 %",
    ),
    "no-class": ({"train/1.png": PNG, "test/1.png": PNG}, "train/<class>/<image>"),
    "both": ({**images("a", "b"), "labels.csv": b"id,breed\n"}, "a dataset is one or the other"),
}


@pytest.fixture(scope="module")
def bad(cloud: Cloud) -> dict[str, str]:
    """All of them dropped at once; the VersionId of each one's _READY."""
    ready = {}
    for name, (files, _) in BAD_DATASETS.items():
        for path, body in files.items():
            cloud.put(f"datasets/bad-{name}/{path}", body)
        ready[name] = cloud.ready(f"bad-{name}")
    return ready


@pytest.mark.parametrize("name", BAD_DATASETS)
def test_a_bad_dataset_is_refused_with_a_reason(
    cloud: Cloud, bad: dict[str, str], name: str
) -> None:
    status = cloud.settled(f"bad-{name}", bad[name], timeout=60)
    assert (status["phase"], status["outcome"]) == ("Refused", "Refused"), status
    assert BAD_DATASETS[name][1] in status["message"]
    assert cloud.training_jobs(f"bad-{name}") == []


def function_logs(cloud: Cloud, pattern: str) -> str:
    """Every function's log lines that hold `pattern`."""
    logs = cloud.client("logs")

    def lines() -> str:
        found = []
        for group in logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/")["logGroups"]:
            events = logs.filter_log_events(logGroupName=group["logGroupName"])["events"]
            found += [e["message"] for e in events if pattern in e["message"]]
        return "\n".join(found)

    return wait_for(lines, f"{pattern} in the functions' logs", 20)


@pytest.mark.parametrize(
    "key", ["datasets/rows.csv", "datasets/Under_Score/rows_train.csv", "inbox/picture.png"]
)
def test_misplaced_file_gets_a_report_that_says_where_to_put_it(cloud: Cloud, key: str) -> None:
    cloud.put(key, f"0,{PIXELS}\n".encode())
    s3 = cloud.client("s3")

    def report() -> str | None:
        listed = s3.list_objects_v2(Bucket=cloud.bucket, Prefix="reports/misplaced/")
        for item in listed.get("Contents", []):
            text: str = s3.get_object(Bucket=cloud.bucket, Key=item["Key"])["Body"].read().decode()
            if json.loads(text).get("key") == key:
                return text
        return None

    assert key.partition("/")[0] in wait_for(report, f"a report about {key}", 30, cloud.logs_tail)
    assert s3.head_object(Bucket=cloud.bucket, Key=key)["ContentLength"] > 0


@pytest.fixture(scope="module")
def model(cloud: Cloud) -> str:
    """The name of a dataset that has a model."""
    cloud.put("datasets/small/dataset.json", rows.settings())
    cloud.put("datasets/small/a_train.csv", rows.csv("train", 1000))
    cloud.put("datasets/small/a_test.csv", rows.csv("test", 400))
    status = cloud.settled("small", cloud.ready("small"))
    assert status["outcome"] == "Live", status
    return "small"


def huge_png() -> bytes:
    """A valid PNG header of 30,000 x 30,000 grey pixels with next to nothing behind it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0)
    body = zlib.compress(bytes(30_001) * 100)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )


def jpeg() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (640, 480), "white").save(out, "JPEG")
    return out.getvalue()


FORM = "application/x-www-form-urlencoded"
REQUESTS: dict[str, tuple[bytes | None, dict[str, str], set[int]]] = {
    "no body": (None, {"Content-Type": "image/png"}, {400}),
    "empty body": (b"", {"Content-Type": "image/png"}, {400}),
    "empty content type": (PNG, {"Content-Type": ""}, {200}),
    "curl's default type": (PNG, {"Content-Type": FORM}, {200}),
    "odd accept": (PNG, {"Content-Type": "image/png", "Accept": "text/html"}, {200}),
    "photograph": (jpeg(), {"Content-Type": "image/jpeg"}, {200}),
    "over the limit": (b"\x89PNG" + bytes(4_000_001), {"Content-Type": "image/png"}, {413}),
    "not an image": (b"hello", {"Content-Type": "image/png"}, {400, 415}),
    "unknown type": (b"hello", {"Content-Type": "application/pdf"}, {415}),
    "truncated png": (PNG[: len(PNG) // 2], {"Content-Type": "image/png"}, {400}),
    "huge png": (huge_png(), {"Content-Type": "image/png"}, {400, 413}),
    "csv row": (PIXELS.encode(), {"Content-Type": "text/csv"}, {200}),
    "csv row too short": (b"1,2,3", {"Content-Type": "text/csv"}, {400}),
    "json rubbish": (b"{", {"Content-Type": "application/json"}, {400}),
}


@pytest.mark.parametrize("case", REQUESTS)
def test_predict_gives_an_answer_or_says_what_to_do(cloud: Cloud, model: str, case: str) -> None:
    body, headers, statuses = REQUESTS[case]
    answer = cloud.http("POST", f"/datasets/{model}/predict", body, headers)
    assert answer.status in statuses, answer
    if answer.status >= 400:
        assert set(answer.body) >= {"error", "message"}, answer
        assert len(answer.body["message"]) > 20
    good = cloud.http("POST", f"/datasets/{model}/predict", PNG, {"Content-Type": "image/png"})
    assert good.status == 200


def test_predict_without_a_content_type_answers(cloud: Cloud, model: str) -> None:
    """As `requests.post(url, data=image)` sends it; urllib would add one of its own."""
    url = urlsplit(cloud.env["PIGEONHOLE_API"])
    connection = http.client.HTTPConnection(url.netloc, timeout=60)
    connection.request("POST", f"{url.path}/datasets/{model}/predict", PNG)
    response = connection.getresponse()
    assert (response.status, "label" in json.loads(response.read())) == (200, True)


def test_unknown_dataset_is_404_and_one_without_model_is_409(cloud: Cloud) -> None:
    png = {"Content-Type": "image/png"}
    assert cloud.http("POST", "/datasets/nowhere/predict", PNG, png).status == 404
    assert cloud.http("GET", "/datasets/nowhere").status == 404
    cloud.put("datasets/modelless/a_train.csv", b"")
    cloud.settled("modelless", cloud.ready("modelless"), timeout=60)
    answer = cloud.http("POST", "/datasets/modelless/predict", PNG, png)
    assert answer.status == 409
    assert "datasets/modelless" in answer.body["message"]
