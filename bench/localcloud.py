"""What does the local cloud cost: a call through it, a job of nothing, memory at rest?

    python bench/localcloud.py [--calls 1000] [--jobs 15]

Measured in one run, on one machine, with one client at a time, on a local cloud of its own:

- InvokeEndpoint through the local cloud (a signed request over a kept connection, and boto3)
  against the same bytes sent to the container's own /invocations; median and 95th percentile
- a training job that does nothing, from CreateTrainingJob to Completed, against starting the same
  command as a plain process; and a transform job over one object of one byte
- a function's cold start, from Invoke to its answer, with boto3 in its package, against a plain
  process that imports the same from a folder, and against one that unpacks the package before
- memory at rest (what is resident, shared pages once): SageMaker's process and MiniStack's

Linux alone: the container's port and the shared pages are read from /proc.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import psutil
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

REPO = Path(__file__).resolve().parents[1]
REGION = "us-east-1"
KEY = "test"  # the local account's root
ROLE = "bench-execution"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": ["sagemaker.amazonaws.com", "lambda.amazonaws.com"]},
            "Action": "sts:AssumeRole",
        }
    ],
}
ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
SERVER = """
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    def do_GET(self):
        self.answer(b"")
    def do_POST(self):
        self.answer(self.rfile.read(int(self.headers["Content-Length"])))
    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args):
        pass
port = int(os.environ["SAGEMAKER_BIND_TO_PORT"])
ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""
NOTHING = ["sh", "-c", ":"]
PACKAGES = ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six.py", "urllib3")
FUNCTION = """import boto3
queues = boto3.client("sqs", region_name="us-east-1")
def handler(event, context): return "done"
"""


class Cloud:
    """A local cloud in a folder of its own, with two small images of its own."""

    def __init__(self, home: Path, port: int) -> None:
        self.home, self.port = home, port
        home.mkdir(parents=True, exist_ok=True)
        (home / "server.py").write_text(SERVER)
        images = {
            "bench/nothing:*": NOTHING,
            "bench/echo:*": [sys.executable, str(home / "server.py")],
        }
        text = "".join(
            f'[[image]]\npattern = "{pattern}"\ncommand = {json.dumps(command)}\n\n'
            for pattern, command in images.items()
        )
        (home / "images.toml").write_text(text)
        log = (home / "start.log").open("w")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "localcloud", "--home", str(home), "--port", str(port)],
            cwd=REPO,
            stdout=log,
            stderr=log,
        )
        ready = home / "localcloud.json"
        try:
            until(lambda: ready.exists() and json.loads(ready.read_text())["ready"], "the cloud")
        except BaseException:
            self.stop()
            raise

    def client(self, service: str) -> Any:
        sagemaker = service.startswith("sagemaker")
        port = self.port + 1 if sagemaker else self.port
        return boto3.client(
            service,
            endpoint_url=f"http://127.0.0.1:{port}",
            region_name=REGION,
            aws_access_key_id=KEY,
            aws_secret_access_key=KEY,
            config=Config(retries={"max_attempts": 0}),
        )

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


def until(condition: Callable[[], Any], what: str, pause: float = 0.01) -> Any:
    """The first true value of `condition()`."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with contextlib.suppress(ValueError, KeyError):
            if found := condition():
                return found
        time.sleep(pause)
    raise SystemExit(f"{what} did not get ready")


@contextlib.contextmanager
def cloud() -> Iterator[Cloud]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        found = Cloud(Path(folder) / "cloud", port)
        try:
            yield found
        finally:
            found.stop()


def memory(running: Cloud, title: str) -> None:
    """Proportional set sizes: shared pages are counted once."""
    main = psutil.Process(running.process.pid)
    family = main.children(recursive=True)
    own = pss(main)
    rest = sum(pss(process) for process in family)
    row(title, "SageMaker, events, logs", f"{own:.0f} MB")
    row("", f"MiniStack ({len(family)} processes)", f"{rest:.0f} MB")
    row("", "together", f"{own + rest:.0f} MB", f"{(own + rest) / rest:.2f}x MiniStack alone")


def pss(process: psutil.Process) -> float:
    return float(process.memory_full_info().pss) / 1e6


def jobs(running: Cloud, role: str, bucket: str, count: int) -> None:
    """A training job of nothing against its command alone; a transform job of one byte."""
    api = running.client("sagemaker")

    def train() -> None:
        name = f"nothing-{uuid.uuid4().hex[:8]}"
        api.create_training_job(
            TrainingJobName=name,
            RoleArn=role,
            AlgorithmSpecification={
                "TrainingImage": "bench/nothing:1",
                "TrainingInputMode": "File",
            },
            OutputDataConfig={"S3OutputPath": f"s3://{bucket}/models"},
            ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
            StoppingCondition={"MaxRuntimeInSeconds": 60},
        )

        def ended() -> bool:
            job = api.describe_training_job(TrainingJobName=name)
            if job["TrainingJobStatus"] == "Failed":
                raise SystemExit(f"the job failed: {job.get('FailureReason')}")
            return bool(job["TrainingJobStatus"] == "Completed")

        until(ended, "the training job", 0.005)

    def transform() -> None:
        name = f"nothing-{uuid.uuid4().hex[:8]}"
        source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/one/"}
        api.create_transform_job(
            TransformJobName=name,
            ModelName="echo",
            TransformInput={"DataSource": {"S3DataSource": source}},
            TransformOutput={"S3OutputPath": f"s3://{bucket}/out"},
            TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
        )

        def ended() -> bool:
            job = api.describe_transform_job(TransformJobName=name)
            return bool(job["TransformJobStatus"] == "Completed")

        until(ended, "the transform job", 0.005)

    alone = times(lambda: subprocess.run(NOTHING, check=True), count)
    job = times(train, count)
    batch = times(transform, max(3, count // 3))
    row("A job of nothing", "create to Completed", f"{statistics.median(job) * 1e3:.0f} ms")
    row("", "its command alone", f"{statistics.median(alone) * 1e3:.1f} ms")
    row("", "a transform job of one byte", f"{statistics.median(batch) * 1e3:.0f} ms")


def package() -> bytes:
    """The zip of a function that needs boto3."""
    content = io.BytesIO()
    folder = Path(boto3.__file__).parents[1]
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in PACKAGES:
            for path in sorted([folder / name, *(folder / name).rglob("*")]):
                if path.is_file() and path.suffix != ".pyc":
                    archive.write(path, path.relative_to(folder))
        archive.writestr("app.py", FUNCTION)
    return content.getvalue()


def cold_starts(running: Cloud, role: str, count: int) -> None:
    """A function's first call, the package new or known, against the same in a plain process."""
    api, content = running.client("lambda"), package()
    names = [f"cold-{number}" for number in range(count + 1)]
    for name in names:
        api.create_function(
            FunctionName=name,
            Runtime="python3.11",
            Handler="app.handler",
            Role=role,
            Code={"ZipFile": content},
            Timeout=60,
        )
    left = iter(names)

    def cold() -> None:
        answer = api.invoke(FunctionName=next(left))
        assert json.load(answer["Payload"]) == "done"

    python = REPO / os.environ.get("PIGEONHOLE_VENVS", ".venvs") / "ministack" / "bin" / "python"
    environment = {"PATH": os.environ["PATH"]}  # one in which bytecode is written

    def plain(folder: str) -> None:
        subprocess.run([str(python), "-c", "import app"], cwd=folder, env=environment, check=True)

    def unpacking() -> None:
        with tempfile.TemporaryDirectory() as folder:
            zipfile.ZipFile(io.BytesIO(content)).extractall(folder)
            plain(folder)

    (first,) = times(cold, 1)
    further = statistics.median(times(cold, count))
    with tempfile.TemporaryDirectory() as folder:
        zipfile.ZipFile(io.BytesIO(content)).extractall(folder)
        plain(folder)
        alone = statistics.median(times(lambda: plain(folder), count))
    anew = statistics.median(times(unpacking, count))
    row("A function's cold start", "its package new", f"{first * 1e3:.0f} ms")
    row("", "its package known", f"{further * 1e3:.0f} ms", f"{further / alone:.2f}x alone")
    row("", "a process alone", f"{alone * 1e3:.0f} ms")
    row("", "one that unpacks it before", f"{anew * 1e3:.0f} ms", f"{anew / alone:.2f}x alone")


def invocations(running: Cloud, role: str, bucket: str, calls: int) -> None:
    """The same bytes to the container, through the local cloud, and by boto3."""
    api = running.client("sagemaker")
    size = {"MemorySizeInMB": 1024, "MaxConcurrency": 5}
    variant = {"VariantName": "AllTraffic", "ModelName": "echo", "ServerlessConfig": size}
    api.create_endpoint_config(EndpointConfigName="echo", ProductionVariants=[variant])
    api.create_endpoint(EndpointName="echo", EndpointConfigName="echo")

    def in_service() -> bool:
        return bool(api.describe_endpoint(EndpointName="echo")["EndpointStatus"] == "InService")

    until(in_service, "the endpoint")
    body = os.urandom(2048)
    runtime = running.client("sagemaker-runtime")

    def by_boto3() -> None:
        answer = runtime.invoke_endpoint(EndpointName="echo", Body=body)
        assert answer["Body"].read() == body

    by_boto3()
    pool = urllib3.HTTPConnectionPool("127.0.0.1", container_port(running), maxsize=1)

    def directly() -> None:
        assert pool.request("POST", "/invocations", body=body).data == body

    through = urllib3.HTTPConnectionPool("127.0.0.1", running.port + 1, maxsize=1)
    path = "/endpoints/echo/invocations"
    url = f"http://127.0.0.1:{running.port + 1}{path}"
    request = AWSRequest("POST", url, data=body, headers={"Content-Type": "text/plain"})
    SigV4Auth(Credentials(KEY, KEY), "sagemaker", REGION).add_auth(request)
    headers = dict(request.headers.items())

    def signed() -> None:
        assert through.request("POST", path, body=body, headers=headers).data == body

    for warm in (directly, signed, by_boto3):
        times(warm, 50)
    base = times(directly, calls)
    for title, call in (("through the local cloud", signed), ("by boto3", by_boto3)):
        found = times(call, calls)
        added = (statistics.median(found) - statistics.median(base)) * 1e3
        row("InvokeEndpoint, 2 KB", title, shown(found), f"adds {added:.2f} ms")
    row("", "the container itself", shown(base))


def container_port(running: Cloud) -> int:
    """Where the endpoint's container listens."""
    for process in psutil.Process(running.process.pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if any("server.py" in word for word in process.cmdline()):
                for connection in process.net_connections("tcp4"):
                    if connection.status == psutil.CONN_LISTEN:
                        return int(connection.laddr.port)
    raise SystemExit("the container is not to be found")


def times(call: Callable[[], Any], count: int) -> list[float]:
    """The seconds that each of `count` calls took."""
    found = []
    for _ in range(count):
        started = time.perf_counter()
        call()
        found.append(time.perf_counter() - started)
    return found


def shown(found: list[float]) -> str:
    ordered = sorted(found)
    late = ordered[int(len(ordered) * 0.95)]
    return f"{statistics.median(found) * 1e3:.2f} ms (95 %: {late * 1e3:.2f})"


def row(what: str, how: str, figure: str, note: str = "") -> None:
    print(f"{what:<22} {how:<30} {figure:<26} {note}".rstrip(), flush=True)


def prepare(running: Cloud) -> tuple[str, str]:
    """A role and a bucket; a model `echo`, an object of one byte."""
    iam, s3 = running.client("iam"), running.client("s3")
    role = iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]
    iam.put_role_policy(RoleName=ROLE, PolicyName="all", PolicyDocument=json.dumps(ALL))
    s3.create_bucket(Bucket="bench")
    s3.put_object(Bucket="bench", Key="one/byte", Body=b"x")
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz"):
        pass
    s3.put_object(Bucket="bench", Key="model.tar.gz", Body=archive.getvalue())
    running.client("sagemaker").create_model(
        ModelName="echo",
        ExecutionRoleArn=role["Arn"],
        PrimaryContainer={"Image": "bench/echo:1", "ModelDataUrl": "s3://bench/model.tar.gz"},
    )
    return role["Arn"], "bench"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=15)
    options = parser.parse_args()
    started = time.perf_counter()
    with cloud() as running:
        row("The local cloud", "start to ready", f"{time.perf_counter() - started:.2f} s")
        memory(running, "Memory at rest")
        role, bucket = prepare(running)
        invocations(running, role, bucket, options.calls)
        jobs(running, role, bucket, options.jobs)
        running.client("sagemaker").delete_endpoint(EndpointName="echo")
        time.sleep(2)  # until the container has gone
        memory(running, "Memory after that")
        cold_starts(running, role, options.jobs)


if __name__ == "__main__":
    main()
