"""The local cloud's own life: killed and started again, IAM enforced, nothing off loopback."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator

import psutil
import pytest

from tests.local import rows
from tests.local.conftest import Cloud, free_port_pair, wait_for

ELSE = "sagemaker:ListTags"  # an action that no policy of ours has
PNG = rows.picture(rows.sample("test")[1][0])[1]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A second cloud, beside the session's, with one small model live: this one gets killed."""
    own = Cloud(tmp_path_factory.mktemp("own") / "home", free_port_pair())
    own.up()
    try:
        own.put("datasets/small/dataset.json", rows.settings())
        own.put("datasets/small/a_train.csv", rows.csv("train", 1000))
        own.put("datasets/small/a_test.csv", rows.csv("test", 400))
        status = own.settled("small", own.ready("small"))
        assert status["outcome"] == "Live", status
        yield own
    finally:
        own.command("down", check=False)


def processes(cloud: Cloud) -> list[psutil.Process]:
    """The cloud's process and every one below it, the newest last."""
    pid = json.loads((cloud.home / "localcloud.json").read_text())["pid"]
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def predict(cloud: Cloud) -> int:
    return cloud.http("POST", "/predict", PNG, {"Content-Type": "image/png"}).status


def test_no_listener_off_loopback(own: Cloud) -> None:
    assert predict(own) == 200
    addresses = [
        connection.laddr.ip
        for process in processes(own)
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(addresses) >= 3  # MiniStack, SageMaker, the endpoint's container
    assert set(addresses) <= {"127.0.0.1", "::1"}


def test_action_taken_out_of_the_policy_fails_at_that_call(own: Cloud) -> None:
    iam = own.client("iam")
    function = own.client("lambda").get_function_configuration(
        FunctionName=own.output("APIHandlerName")
    )
    role = function["Role"].rsplit("/", 1)[1]
    saved = {
        name: iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        for name in iam.list_role_policies(RoleName=role)["PolicyNames"]
    }
    try:
        for name, document in saved.items():
            text = json.dumps(document).replace("sagemaker:InvokeEndpoint", ELSE)
            iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=text)
        answer = wait_for(lambda: a if (a := predict(own)) != 200 else None, "a refusal", 30)
        assert answer >= 500
    finally:
        for name, document in saved.items():
            iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document))
    wait_for(lambda: predict(own) == 200, "predict to work again", 30)
    # A kill loses what changed in the last two seconds: the next test must find the policy whole.
    policies = own.home / "ministack" / "state" / "iam.json"
    wait_for(lambda: ELSE not in policies.read_text(), "the policies to be saved", 30)


def test_kill_9_of_everything_then_up(own: Cloud) -> None:
    """What was live answers again, and the job that was training goes on from its checkpoint."""
    before = own.dataset("small")
    jobs = own.training_jobs("small")
    settings = {
        "classes": rows.class_names(),
        "preset": "dense-128",
        "hyperparameters": {"epochs": 80},  # until a checkpoint is in S3, and a kill later
    }
    own.put("datasets/small/dataset.json", json.dumps(settings).encode())
    ready = own.ready("small")
    checkpoints = {"Bucket": own.bucket, "Prefix": "checkpoints/small/"}
    s3 = own.client("s3")
    wait_for(
        lambda: s3.list_objects_v2(**checkpoints).get("Contents"),
        "a checkpoint in S3",
        120,
        own.why("small"),
    )
    killed = processes(own)
    for process in killed:
        os.kill(process.pid, signal.SIGKILL)
    psutil.wait_procs(killed, timeout=20)
    own.up()
    champion = before["champion"]["training_job"]
    # What the last two seconds changed may be gone; it is found again by looking at SageMaker.
    wait_for(
        lambda: (own.dataset("small")["champion"] or {}).get("training_job") == champion,
        "the champion to be known",
        60,
        own.why("small"),
    )
    wait_for(lambda: predict(own) == 200, "predict to answer", 60, own.logs_tail)
    stack = own.client("cloudformation").describe_stacks(StackName="pigeonhole-local")["Stacks"][0]
    assert stack["StackStatus"].endswith("_COMPLETE")
    assert "ROLLBACK" not in stack["StackStatus"]
    status = own.settled("small", ready)
    assert status["outcome"] in ("Live", "Rejected"), status  # it was trained and judged
    [job] = set(own.training_jobs("small")) - set(jobs)
    assert any("Resuming after step" in line for line in own.training_log(job))


def test_second_start_on_used_ports_says_which_and_what_to_do(own: Cloud) -> None:
    other = Cloud(own.home.parent / "other", own.port)
    done = other.command("up", "--port", str(own.port), check=False)
    assert done.returncode != 0
    assert str(own.port) in done.stdout + done.stderr
    assert "--port" in done.stdout + done.stderr


def test_down_leaves_no_process_behind(own: Cloud) -> None:
    running = processes(own)
    assert len(running) > 1
    own.down()
    assert psutil.wait_procs(running, timeout=20)[1] == []
